"""Tiles of the public data sets into a folder: from a cache shared between projects, else from a mirror."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from terrain.download import FetchError, NotThere, Receipt, download, read_text
from terrain.errors import TerrainError
from terrain.files import sha256_of, whole
from terrain.products import Product, TileName, write_sea
from terrain.rasters import Progress, first_line, opened
from terrain.soundness import check_content

#: What became of a tile, in the order of a summary.
STATES = ("there", "cached", "fetched", "sea", "held back", "none")
_MB = 1_000_000


@dataclass(frozen=True)
class Mirror:
    """Where tiles come from: the public buckets (no place), a folder searched to the bottom, or an address under
    which the buckets lie by name (ADDRESS/copernicus-dem-30m/...)."""

    place: str | None = None

    def folder(self) -> Path | None:
        return None if self.place is None or "://" in self.place else Path(self.place)

    def base(self, product: Product) -> str:
        return product.url if self.place is None else f"{self.place.rstrip('/')}/{product.bucket}"

    def checked(self) -> Mirror:
        """Itself. TerrainError for a place that is neither a folder nor an address."""
        folder = self.folder()
        if folder is not None and not folder.is_dir():
            raise TerrainError(f"{folder}: there is no such folder; give a folder or an address such as https://…")
        if folder is None and self.place is not None and not self.place.startswith(("http://", "https://")):
            raise TerrainError(f"{self.place}: give a folder or an address that begins with http:// or https://")
        return self


@dataclass
class Fetched:
    """What became of the tiles of one product; `warnings` are for the user."""

    product: Product
    folder: Path
    states: dict[str, str] = field(default_factory=dict)  # tile -> one of STATES
    bytes: int = 0
    warnings: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(one == state for one in self.states.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "product": self.product.label, "folder": str(self.folder), "tiles": self.states, "bytes": self.bytes,
            "licence": list(self.product.licence), "warnings": self.warnings,
        }  # fmt: skip


def plan(tiles: Iterable[TileName], folder: Path, cache: Path) -> dict[str, str]:
    """What `fetch` would do with each tile, without asking anyone: "there", "cached", "held back" or "to fetch"."""
    found = {}
    for tile in tiles:
        if (folder / tile.file).exists() or _sea_file(folder, tile).exists():
            found[tile.stem] = "there"
        elif _receipt(cache, tile).exists():
            found[tile.stem] = "cached"
        else:
            found[tile.stem] = "held back" if tile.held_back else "to fetch"
    return found


def fetch(
    product: Product, tiles: list[TileName], folder: Path, mirror: Mirror, cache: Path, progress: Progress,
    *, missing_is_sea: bool = False, **patience: Any,
) -> Fetched:  # fmt: skip
    """Bring tiles into `folder`; those that are there already stay. A tile appears only when whole and checked.

    patience: `waits_s` and `sleep` of `download`. Raises FetchError (an OSError) where something outside fails, what
    was fetched before staying; TerrainError for a mirror that cannot tell whether a missing tile is sea.
    """
    result = Fetched(product, folder)
    missing = [tile for tile in tiles if not _is_there(folder, tile, result)]
    meter = _Meter(product.label, len(missing), progress)
    patience["sleep"] = meter.around(patience.get("sleep", time.sleep))
    known = _Listed(product, mirror, cache, patience)
    for tile in missing:
        try:
            state, size = _one(tile, folder, mirror, cache, known, meter, patience)
        except NotThere:
            state, size = _absent(tile, folder, known, missing_is_sea), 0
        result.states[tile.stem] = state
        result.bytes += size
        meter.finished()
    if held := [tile.stem for tile in tiles if result.states[tile.stem] == "held back"]:
        result.warnings.append(
            f"{len(held)} tiles are land (Armenia, Azerbaijan) that the public GLO-30 holds back: {', '.join(held)}; "
            "put another source there, such as SRTM or GLO-90, as a further [[terrain.sources]]"
        )
    if none := result.count("none"):
        result.warnings.append(f"{none} of {len(tiles)} tiles do not exist: there are none over open sea")
    return result


def _is_there(folder: Path, tile: TileName, result: Fetched) -> bool:
    if (folder / tile.file).exists():
        result.states[tile.stem] = "there"
    elif _sea_file(folder, tile).exists():
        result.states[tile.stem] = "sea"
    else:
        return False
    return True


def _sea_file(folder: Path, tile: TileName) -> Path:
    return folder / f"{tile.stem}.sea.tif"


class _Meter:
    """Progress in megabytes of a whole product; the total is known better with every tile."""

    def __init__(self, label: str, tiles: int, progress: Progress) -> None:
        self._what, self._tiles, self._progress = f"{label} (MB)", tiles, progress
        self._before = self._now = self._done = 0
        self._sizes: list[int] = []

    def tile(self, done: int, total: int | None) -> None:
        self._now = done
        typical = max([*self._sizes, total or done])
        left = typical * (self._tiles - self._done - 1) + (total or done)
        self._progress(self._what, (self._before + done) // _MB, max(1, (self._before + left) // _MB))

    def around(self, sleep: Callable[[float], Any]) -> Callable[[float], Any]:
        """`sleep`, said aloud: nothing comes meanwhile."""

        def told(seconds: float) -> None:
            self._progress("no answer, trying again after seconds", 0, max(1, round(seconds)))
            sleep(seconds)
            self._progress("no answer, trying again after seconds", max(1, round(seconds)), max(1, round(seconds)))

        return told

    def finished(self) -> None:
        self._before += self._now
        self._sizes.append(self._now)
        self._now, self._done = 0, self._done + 1
        if self._done == self._tiles:
            total = max(1, self._before // _MB)
            self._progress(self._what, total, total)


class _Listed:
    """The list of tiles that exist, asked for once and only when a tile is wanted; None where there is no list."""

    def __init__(self, product: Product, mirror: Mirror, cache: Path, patience: dict[str, Any]) -> None:
        self._product, self._mirror, self._cache, self._patience = product, mirror, cache, patience
        self._names: set[str] | None = None
        self._asked = False

    def names(self) -> set[str] | None:
        if not self._asked:
            self._asked = True
            text = self._text()
            self._names = set(text.split()) if text else None
        return self._names

    def _text(self) -> str | None:
        name = self._product.tile_list
        if name is None:
            return None
        kept = self._cache / self._product.id / name
        folder = self._mirror.folder()
        if folder is not None:
            found = [*sorted(folder.rglob(name)), kept]
            return next((path.read_text(encoding="utf-8") for path in found if path.is_file()), None)
        try:
            text = read_text(f"{self._mirror.base(self._product)}/{name}", **self._patience)
        except NotThere:
            return kept.read_text(encoding="utf-8") if kept.is_file() else None
        with whole(kept) as partial:
            partial.write_text(text, encoding="utf-8")
        return text


def _absent(tile: TileName, folder: Path, known: _Listed, missing_is_sea: bool) -> str:
    """A tile that the mirror lacks: sea only where that is known."""
    if tile.held_back:
        return "held back"
    if tile.product.tile_list is None:
        return "none"
    names = known.names()
    if names is not None and tile.stem in names:
        raise FetchError(f"{tile.stem}: it exists, but this mirror lacks it; the mirror is incomplete")
    if names is None and not missing_is_sea:
        raise TerrainError(
            f"{tile.stem}: not there, and without {tile.product.tile_list} the mirror cannot say whether it is sea; "
            "add that list to the mirror, or give --missing-is-sea if you know"
        )
    write_sea(tile, _sea_file(folder, tile))
    return "sea"


def _one(
    tile: TileName, folder: Path, mirror: Mirror, cache: Path, known: _Listed, meter: _Meter, patience: dict[str, Any]
) -> tuple[str, int]:  # fmt: skip
    """Bring one tile: (state, bytes that travelled). NotThere where the mirror has none."""
    kept = cache / tile.product.id / tile.file
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Two runs that want one tile: the second waits and finds it.
    with FileLock(kept.with_name(f".{kept.name}.lock")):
        if _is_kept(cache, tile):
            _give(kept, folder / tile.file)
            return "cached", 0
        origin, receipt = _bring(tile, kept, mirror, known, meter, patience)
        with whole(_receipt(cache, tile)) as partial:
            partial.write_text(json.dumps({"from": origin, **asdict(receipt)}, indent=1), encoding="utf-8")
    _give(kept, folder / tile.file)
    return "fetched", receipt.size


def _bring(
    tile: TileName, kept: Path, mirror: Mirror, known: _Listed, meter: _Meter, patience: dict[str, Any]
) -> tuple[str, Receipt]:
    """A tile into the cache, checked; and where it came from."""
    folder = mirror.folder()
    new = kept.with_name(f".new.{kept.name}")
    try:
        if folder is not None:
            origin = next(iter(sorted(folder.rglob(tile.file))), None)
            if origin is None:
                raise NotThere(tile.file)
            shutil.copyfile(origin, new)
            receipt = Receipt(new.stat().st_size, "", sha256_of(new))
            meter.tile(receipt.size, receipt.size)
            where = str(origin)
        else:
            names = known.names()
            if names is not None and tile.stem not in names:
                raise NotThere(tile.stem)
            where = f"{mirror.base(tile.product)}/{tile.key}"
            receipt = download(where, new, meter.tile, **patience)
        _check(new, tile, where)
        # Read-only, since projects share the file.
        new.chmod(0o444)
        os.replace(new, kept)
    finally:
        new.unlink(missing_ok=True)
    return where, receipt


def _check(path: Path, tile: TileName, where: str) -> None:
    """FetchError unless every block can be decoded, checksums hold and the tile lies where its name says."""
    try:
        with opened(path, tile.product.label) as dataset:
            check_content(dataset, path)
            for _, window in dataset.block_windows(1):
                dataset.read(1, window=window)
            bounds = dataset.bounds
        wanted = tile.lon, tile.lat, tile.lon + tile.product.step_deg, tile.lat + tile.product.step_deg
        # half a pixel outside the degree is how GLO-30 is made
        if max(abs(is_ - should) for is_, should in zip(bounds, wanted, strict=True)) > 0.01:
            raise FetchError(f"{where}: what came lies at {bounds[0]:g} E {bounds[1]:g} N, not where its name says")
    except TerrainError as err:
        raise FetchError(f"{where}: what came is no whole raster ({first_line(err)})") from err


def _receipt(cache: Path, tile: TileName) -> Path:
    return cache / tile.product.id / f"{tile.file}.json"


def _is_kept(cache: Path, tile: TileName) -> bool:
    """Whether the cache has the tile as it came; one that has changed since is thrown away."""
    kept = cache / tile.product.id / tile.file
    try:
        receipt = json.loads(_receipt(cache, tile).read_text(encoding="utf-8"))
        if kept.stat().st_size == receipt["size"] and sha256_of(kept) == receipt["sha256"]:
            return True
    except (OSError, ValueError, KeyError):
        pass
    kept.unlink(missing_ok=True)
    _receipt(cache, tile).unlink(missing_ok=True)
    return False


def _give(kept: Path, path: Path) -> None:
    """The cache's file under a name in the project: the same file where the disk allows, else a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        try:
            os.link(kept, partial)
        except OSError:
            shutil.copyfile(kept, partial)
