"""Files that projects name (a raster, several, a folder, a pattern) and files that appear only when whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from terrain.errors import TerrainError

RASTER_SUFFIXES = (
    ".tif", ".tiff", ".vrt", ".hgt", ".hgt.gz", ".zip", ".dt0", ".dt1", ".dt2", ".img", ".asc", ".bil", ".flt",
    ".dem",
)  # fmt: skip
# Quality layers that are delivered beside the tiles of Copernicus DEM, WorldCover and ASTER; no heights, no classes.
_BESIDE = re.compile(r"_(EDM|FLM|HEM|WBM|ACM|InputQuality|num)\.[a-z]+$", re.IGNORECASE)
_PATTERN = re.compile(r"[*?[]")
# A file changed this recently may change again within one tick of its clock: its hash is not remembered.
_SETTLED_S = 2.0


def rasters_of(names: Iterable[Path | str], what: str) -> list[Path]:
    """Every raster file meant by names: a file, a folder (searched to the bottom) or a pattern with * ? [ ].

    In the order of the names, and by name within a folder. Raises TerrainError for a name that means no file.
    """
    found: dict[Path, None] = {}
    for name in map(Path, names):
        if name.is_dir():
            grid = name / "hdr.adf"  # an Esri grid is a folder itself
            here = [grid] if grid.is_file() else sorted(p for p in name.rglob("*") if _is_raster(p))
            if not here:
                raise TerrainError(f"{name}: the {what} folder holds no raster ({', '.join(RASTER_SUFFIXES)})")
        elif name.exists():
            here = [name]
        elif _PATTERN.search(str(name)):
            here = _matching(name)
            if not here:
                raise TerrainError(f"{name}: no {what} file matches the pattern")
        else:
            raise TerrainError(f"{name}: there is no such {what} file")
        found.update(dict.fromkeys(here))
    return list(found)


def is_there(name: Path) -> bool:
    """Whether `rasters_of` would find anything under a name."""
    with contextlib.suppress(TerrainError):
        return bool(rasters_of([name], ""))
    return False


def _is_raster(path: Path) -> bool:
    name = path.name.lower()
    return (
        name.endswith(RASTER_SUFFIXES) and not name.startswith(".") and not _BESIDE.search(name) and path.is_file()
    )


def _matching(pattern: Path) -> list[Path]:
    # what stands before the pattern may hold such characters itself
    base = pattern.parent
    while not base.is_dir() and base != base.parent:
        base = base.parent
    tail = pattern.relative_to(base) if base != Path(".") or not pattern.is_absolute() else pattern
    return sorted(p for p in base.glob(str(tail)) if p.is_file())


def cache_folder() -> Path:
    """Where fetched tiles and hashes of files are kept for all projects: RADIOCOV_CACHE, or the user's cache."""
    if given := os.environ.get("RADIOCOV_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "radiocov" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "radiocov"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radiocov"


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Hash of the file's content, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Digests:
    """Hashes of files, remembered in a JSON file by path, size and time of change; in memory alone without one.

    Beside the hash stands whether the content was found sound.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known: dict[str, list[Any]] = {}
        self._added = False
        if memory is not None:
            with contextlib.suppress(OSError, ValueError):
                self._known = json.loads(memory.read_text(encoding="utf-8"))

    @classmethod
    def of_user(cls) -> Digests:
        """Those that all projects of a user share."""
        return cls(cache_folder() / "digests.json")

    def sha256(self, path: Path) -> str:
        status = path.stat()
        name, stamp = str(path.resolve()), [status.st_size, status.st_mtime_ns]
        known = self._known.get(name)
        if known is not None and known[:2] == stamp:
            return known[2]
        digest = sha256_of(path)
        if time.time() - status.st_mtime > _SETTLED_S:
            self._known[name] = [*stamp, digest, False]
            self._added = True
        return digest

    def check_once(self, path: Path, check: Callable[[], None]) -> None:
        """Run `check`, which raises for content that is not sound, unless this content was found sound before."""
        digest, name = self.sha256(path), str(path.resolve())
        known = self._known.get(name)
        if known is not None and known[2:] == [digest, True]:
            return
        check()
        if known is not None:
            known[3] = self._added = True

    def keep(self) -> None:
        """Write the memory for later runs, where it has grown; a memory that cannot be written costs time alone."""
        if self._memory is None or not self._added:
            return
        there = {name: known for name, known in self._known.items() if os.path.exists(name)}
        with contextlib.suppress(OSError), whole(self._memory) as partial:
            partial.write_text(json.dumps(there, indent=1), encoding="utf-8")
        self._added = False
