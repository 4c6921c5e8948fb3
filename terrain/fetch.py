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

from terrain.download import FetchError, NotThere, Receipt
from terrain.errors import TerrainError
from terrain.files import sha256_of, whole
from terrain.mirror import Mirror, Origin
from terrain.products import Product, TileName
from terrain.rasters import Progress, first_line, opened
from terrain.sea_tiles import ends_on_land, neighbours, sea_file, write_sea
from terrain.soundness import check_content

#: What became of a tile, in the order of a summary.
STATES = ("there", "cached", "fetched", "sea", "held back", "none")
_MB = 1_000_000


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
        if (folder / tile.file).exists() or sea_file(folder, tile).exists():
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
    was fetched before staying; TerrainError for tiles that are missing and cannot be sea.
    """
    result = Fetched(product, folder)
    missing = [tile for tile in tiles if not _is_there(folder, tile, result)]
    meter = _Meter(product.label, len(missing), progress)
    patience["sleep"] = meter.around(patience.get("sleep", time.sleep))
    origin = Origin(product, mirror, cache / product.id, patience)
    absent = []
    for tile in missing:
        try:
            result.states[tile.stem], size = _one(tile, folder, cache, origin, meter)
            result.bytes += size
        except NotThere:
            absent.append(tile)
        meter.finished()
    if absent:
        _settle(absent, result, folder, origin, missing_is_sea)
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
    elif sea_file(folder, tile).exists():
        result.states[tile.stem] = "sea"
    else:
        return False
    return True


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


def _settle(
    absent: list[TileName], result: Fetched, folder: Path, origin: Origin, missing_is_sea: bool
) -> None:  # fmt: skip
    """What tiles are that the mirror lacks: sea where that is known, or where nothing around says otherwise."""
    names = origin.names()
    wanted = []
    for tile in absent:
        if tile.product.tile_list is None:
            result.states[tile.stem] = "none"
        elif tile.held_back:
            result.states[tile.stem] = "held back"
        elif names is not None and tile.stem in names:
            raise FetchError(f"{tile.stem}: it exists, but this mirror lacks it; the mirror is incomplete")
        else:
            wanted.append(tile)
    if wanted and names is None and not missing_is_sea:
        _doubt(wanted, result, folder)
        result.warnings.append(
            f"the mirror has no {wanted[0].product.tile_list}: {len(wanted)} tiles that it lacks are taken for open "
            f"sea, as the ground beside them ends at the shore: {', '.join(tile.stem for tile in wanted)}"
        )
    for tile in wanted:
        write_sea(tile, sea_file(folder, tile))
        result.states[tile.stem] = "sea"


def _doubt(wanted: list[TileName], result: Fetched, folder: Path) -> None:
    """TerrainError where missing tiles cannot be sea: nothing came at all, or ground goes on into them."""
    if not any(result.count(state) for state in ("there", "cached", "fetched")):
        raise TerrainError(
            f"{wanted[0].stem}: not one of {len(wanted)} tiles is there; is the mirror the right one? "
            "Give --missing-is-sea if all of this is sea"
        )
    for tile in wanted:
        beside = next((one for one in neighbours(tile) if ends_on_land(folder / one[0].file, one[1])), None)
        if beside is not None:
            raise TerrainError(
                f"{tile.stem}: not there, and no sea: ground goes on into it from {beside[0].stem}; the mirror is "
                "incomplete. Complete it, or give --missing-is-sea if you know better"
            )


def _one(tile: TileName, folder: Path, cache: Path, origin: Origin, meter: _Meter) -> tuple[str, int]:
    """Bring one tile: (state, bytes that travelled). NotThere where the mirror has none."""
    kept = cache / tile.product.id / tile.file
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Two runs that want one tile: the second waits and finds it.
    with FileLock(kept.with_name(f".{kept.name}.lock")):
        if _is_kept(cache, tile):
            _give(kept, folder / tile.file)
            return "cached", 0
        where, receipt = _bring(tile, kept, origin, meter)
        with whole(_receipt(cache, tile)) as partial:
            partial.write_text(json.dumps({"from": where, **asdict(receipt)}, indent=1), encoding="utf-8")
    _give(kept, folder / tile.file)
    return "fetched", receipt.size


def _bring(tile: TileName, kept: Path, origin: Origin, meter: _Meter) -> tuple[str, Receipt]:
    """A tile into the cache, checked; and where it came from."""
    new = kept.with_name(f".new.{kept.name}")
    try:
        where, receipt = origin.bring(tile, new, meter.tile)
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
