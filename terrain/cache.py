"""Ground that is already prepared, kept by the content of what it was made from.

A ground is a folder of five plain arrays (11 bytes a pixel) and a JSON file that says what it is and holds their
hashes. Arrays are mapped, not read: the system brings in what is used and lets go of it when memory is short. A
folder appears under its name only when whole, and one run prepares it while others wait.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from terrain.grid import Grid
from terrain.ground import ARRAYS, ClutterClass, Ground, content_hash, digest_of
from terrain.rasters import Progress

#: To be raised whenever the same files would make another ground.
VERSION = 1
KEPT = 2  # grounds in a cache: going to and fro between two settings prepares nothing again
ABOUT = "ground.json"
_ABANDONED_S = 24 * 3600.0
_STORED = {**ARRAYS, "elevation_source": "uint8"}

Make = Callable[[Callable[[str, str], np.ndarray]], Ground]


def find_or_make(cache: Path, grid: Grid, content: Any, make: Make, progress: Progress) -> Ground:
    """The ground in `cache` made from `content` (JSON-able) on `grid`; made and kept where it is absent or damaged.

    make: fills arrays that it gets from a function (name, dtype).
    """
    folder = place_of(cache, grid, content)
    found = _open(folder, grid, progress)
    if found is not None:
        return found
    new = [place for place in (cache, cache.parent) if not place.exists()]
    cache.mkdir(parents=True, exist_ok=True)
    lock = cache / f".{folder.name}.lock"
    try:
        with _locked(lock, progress):
            found = _open(folder, grid, progress)  # another run may have made it meanwhile
            if found is not None:
                return found
            _make_in(folder, grid, make)
        found = _open(folder, grid, progress)
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        for place in new:  # a run that fails leaves nothing: what is empty goes
            with contextlib.suppress(OSError):
                place.rmdir()
    if found is None:
        raise OSError(f"{folder}: the prepared ground is not what was written; is the disk sound?")
    _drop_old(cache)
    return found


def place_of(cache: Path, grid: Grid, content: Any) -> Path:
    """The folder in `cache` of the ground made from `content` on `grid`, whether it is there or not."""
    text = json.dumps([VERSION, grid.to_dict(), content], sort_keys=True)
    return cache / hashlib.sha256(text.encode()).hexdigest()[:40]


def map_kept(folder: Path) -> Ground:
    """The ground of a folder that ``find_or_make`` gave, its arrays mapped and not read.

    The content is not looked at: whoever prepared the ground has, and many processes map the same one. Raises
    OSError where there is no whole ground.
    """
    about, arrays = _mapped(folder)
    grid = Grid.from_dict(about["grid"])
    if not _fit(arrays, grid):
        raise OSError(f"{folder}: the arrays of the prepared ground are not of its grid's size")
    return _ground(folder, grid, about, arrays)


def _make_in(folder: Path, grid: Grid, make: Make) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for left in folder.parent.glob(".*.part"):
        # by a run that was killed: of this ground, as the lock is ours; of others when they have lain for long
        if left.name.startswith(f".{folder.name}.") or time.time() - left.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(left, ignore_errors=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    partial.mkdir()
    try:
        _write(partial, grid, make)
        os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextlib.contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        progress("waiting for another run that prepares this ground", 0, 1)
        lock.acquire()
        progress("waiting for another run that prepares this ground", 1, 1)
    try:
        yield
    finally:
        lock.release()


def _write(folder: Path, grid: Grid, make: Make) -> None:
    arrays: dict[str, np.ndarray] = {}

    needed = grid.width * grid.height * sum(np.dtype(dtype).itemsize for dtype in _STORED.values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{folder.parent}: the prepared ground needs {needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free; "
            "make room or choose a larger resolution_m"
        )

    def allocate(name: str, dtype: str) -> np.ndarray:
        path = folder / f"{name}.npy"
        arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, grid.shape)
        # A full disk shall be an error here, not the end of the process at the first page that finds no room.
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return arrays[name]

    ground = make(allocate)
    for array in arrays.values():
        array.flush()
    about = {
        "grid": grid.to_dict(),
        "classes": [dataclasses.asdict(one) for one in ground.classes],
        "provenance": ground.provenance,
        "synthetic": ground.synthetic,
        "sha256": _hashes(arrays),
    }
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def _hashes(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(_STORED, pool.map(content_hash, (arrays[name] for name in _STORED)), strict=True))


def _mapped(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a folder says of its ground, and the arrays. OSError where either is absent or cut short."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        # "c": changes stay in memory. Writable arrays are what compiled kernels were built for.
        return about, {name: np.load(folder / f"{name}.npy", mmap_mode="c").view(np.ndarray) for name in _STORED}
    except ValueError as error:
        raise OSError(f"{folder}: the prepared ground is cut short or altered") from error


def _fit(arrays: dict[str, np.ndarray], grid: Grid) -> bool:
    return all(arrays[n].shape == grid.shape and arrays[n].dtype == dtype for n, dtype in _STORED.items())


def _ground(folder: Path, grid: Grid, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ground:
    classes = [ClutterClass(**one) for one in about["classes"]]
    return Ground(
        grid, **arrays, classes=classes, provenance=about["provenance"], synthetic=about["synthetic"],
        digest=digest_of([about["sha256"][name] for name in ARRAYS]), folder=folder,
    )  # fmt: skip


def _open(folder: Path, grid: Grid, progress: Progress) -> Ground | None:
    """The ground of a folder; None where there is none, or its arrays are not what was written."""
    try:
        about, arrays = _mapped(folder)
    except OSError:
        return None
    progress("checking the prepared ground", 0, 1)
    if not _fit(arrays, grid) or _hashes(arrays) != about.get("sha256"):
        return None
    progress("checking the prepared ground", 1, 1)
    _mark_used(folder)
    return _ground(folder, grid, about, arrays)


def by_use(cache: Path) -> list[Path]:
    """Grounds of a cache, the one used last first."""
    times = {}
    for about in cache.glob(f"*/{ABOUT}"):
        with contextlib.suppress(OSError):
            times[about.parent] = about.stat().st_mtime_ns
    return sorted(times, key=lambda folder: times[folder], reverse=True)


def _mark_used(folder: Path) -> None:
    """Nothing is written where it was used last anyhow."""
    if by_use(folder.parent)[:1] != [folder]:
        with contextlib.suppress(OSError):
            os.utime(folder / ABOUT)


def _drop_old(cache: Path) -> None:
    """Remove all but the grounds used last; one in use elsewhere stays readable there, or stays (on Windows)."""
    for folder in by_use(cache)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
