"""Cloud-Optimized GeoTIFFs written block by block, and written anew where only some blocks have changed.

GDAL writes the header's values; this module puts the blocks in order. A leaf is a block of the full
raster. Leaves come in the order of a quadtree, so that an overview's block is made as soon as its four children are
there, and little is held in memory. What an earlier file holds for leaves that did not change is copied as it is.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import rasterio
from rasterio.io import MemoryFile

from radiocov.coverage import lerc, tiff
from radiocov.files import whole

BLOCK = 512
NODATA = -9999.0
#: What compression may change a value by: 0.004 dB, 0.004 us, or 0.00005 of probability.
MAX_ERROR = {"dBm": 0.004, "dB": 0.004, "us": 0.004, "1": 0.00005}
# Values that an overview's directory has no use for: place, datum, names
_FULL_ONLY = {33550, 33922, 34264, 34735, 34736, 34737, 42112}

SOMEWHERE = rasterio.Affine(2.0, 0.0, 0.0, 0.0, -2.0, 0.0)  # a block alone is nowhere, but GDAL warns of that

Leaf = tuple[int, int]  # row and column of a block
Blocks = dict[str, list[bytes]]  # layer -> encoded block of each band
Arrays = dict[str, np.ndarray]  # layer -> (bands, height, width)


@dataclass(frozen=True)
class Layer:
    """A raster to be written. nodata also stands for NaN; bands are (description, unit)."""

    name: str
    dtype: str
    nodata: float
    bands: tuple[tuple[str, str], ...]
    tags: dict[str, str]


def levels_of(height: int, width: int) -> list[tuple[int, int]]:
    """(height, width) of the full raster and of its overviews, the last of which fits a block."""
    sizes = [(height, width)]
    while max(sizes[-1]) > BLOCK:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def leaves_of(height: int, width: int) -> list[Leaf]:
    """All blocks of the full raster in the order in which ``write`` wants them."""
    rows, cols = -(-height // BLOCK), -(-width // BLOCK)
    side = 1 << max(math.ceil(math.log2(max(rows, cols))), 0)

    def below(row: int, col: int, size: int) -> Iterator[Leaf]:
        if row >= rows or col >= cols:
            return
        if size == 1:
            yield row, col
            return
        half = size // 2
        for down in (0, half):
            for right in (0, half):
                yield from below(row + down, col + right, half)

    return list(below(0, 0, side))


def encode(layer: Layer, values: np.ndarray) -> list[bytes]:
    """A block of each band as the file holds it; empty where there is nodata alone. values: (bands, h, w)."""
    filled = np.full((len(layer.bands), BLOCK, BLOCK), layer.nodata, layer.dtype)
    inside = filled[:, : values.shape[1], : values.shape[2]]
    step = 2.0 * MAX_ERROR.get(layer.bands[0][1], 0.0)
    if step:
        _on_steps(values, step, layer.nodata, inside)
    else:
        inside[:] = values
    empty = [bool((band == layer.nodata).all()) for band in filled]
    if all(empty):
        return [b""] * len(empty)
    if step:
        return [b"" if none else lerc.encode(band, step / 2.0) for none, band in zip(empty, filled, strict=True)]
    data = _one_block(layer, filled)
    (directory,) = tiff.directories(data)
    places = zip(directory[tiff.OFFSETS].integers(), directory[tiff.COUNTS].integers(), strict=True)
    return [b"" if none else bytes(data[at : at + size]) for none, (at, size) in zip(empty, places, strict=True)]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _on_steps(values, step, nodata, out):
    """Round to the steps of the compression, so that what is read back and encoded again gives the same bytes."""
    for b in range(values.shape[0]):
        for r in range(values.shape[1]):
            for c in range(values.shape[2]):
                value = values[b, r, c]
                known = value > 0.99 * nodata  # neither nodata nor NaN
                out[b, r, c] = np.float32(round(value / step) * step) if known else np.float32(nodata)


def _one_block(
    layer: Layer, values: np.ndarray, crs: Any = None, transform: Any = SOMEWHERE
) -> memoryview:
    """A GeoTIFF of one block; with a crs also with names, units and tags, as the template of a header."""
    error = MAX_ERROR.get(layer.bands[0][1])
    packing = {"compress": "LERC", "MAX_Z_ERROR": error} if error else {"compress": "ZSTD", "predictor": 2}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=BLOCK, height=BLOCK, count=len(layer.bands), dtype=layer.dtype, nodata=layer.nodata,
            tiled=True, blockxsize=BLOCK, blockysize=BLOCK, interleave="band", BIGTIFF="YES", ZSTD_LEVEL=1, crs=crs,
            transform=transform, **packing,
        ) as dataset:  # fmt: skip
            if crs is not None:
                for band, (description, unit) in enumerate(layer.bands, start=1):
                    dataset.set_band_description(band, description)
                    dataset.set_band_unit(band, unit)
                dataset.update_tags(**layer.tags)
            dataset.write(values)
        return memoryview(bytes(memory.getbuffer()))


class _Source:
    """Where the blocks of one layer come from: new ones in a spool, unchanged ones in the earlier file."""

    def __init__(
        self, layer: Layer, sizes: list[tuple[int, int]], earlier: Path | None, stack: ExitStack, folder: Path
    ) -> None:
        self.layer, self.sizes, self.earlier = layer, sizes, earlier
        bands = len(layer.bands)
        shapes = [(bands, -(-h // BLOCK), -(-w // BLOCK)) for h, w in sizes]
        self.new = [np.zeros(shape, bool) for shape in shapes]
        self.at = [np.zeros(shape, np.int64) for shape in shapes]
        self.size = [np.zeros(shape, np.int64) for shape in shapes]
        self.spool = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self.old: Any = None
        self._datasets: dict[int, Any] = {}
        if earlier is not None:
            # read piece by piece: the pages of a mapped file would count as memory of this process
            self.old = stack.enter_context(earlier.open("rb"))
            with mmap.mmap(self.old.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                for level, directory in enumerate(tiff.directories(mapped)):
                    self.at[level][:] = directory[tiff.OFFSETS].integers().reshape(shapes[level])
                    self.size[level][:] = directory[tiff.COUNTS].integers().reshape(shapes[level])
            for level in range(len(sizes)):
                options = {} if level == 0 else {"overview_level": level - 1}
                self._datasets[level] = stack.enter_context(rasterio.open(earlier, **options))

    def put(self, level: int, row: int, col: int, blocks: list[bytes]) -> None:
        for band, block in enumerate(blocks):
            self.new[level][band, row, col] = True
            self.at[level][band, row, col] = self.spool.tell()
            self.size[level][band, row, col] = len(block)
            self.spool.write(block)

    def earlier_block(self, level: int, row: int, col: int) -> np.ndarray:
        height, width = self.sizes[level]
        part = rasterio.windows.Window(
            col * BLOCK, row * BLOCK, min(BLOCK, width - col * BLOCK), min(BLOCK, height - row * BLOCK)
        )
        return self._datasets[level].read(window=part)

    def assemble(self, target: Path, template: tiff.Directory) -> str:
        """Header, overviews from the smallest, full raster: each by band, row and column. Returns the sha256."""
        chain = [self._directory(level, template) for level in range(len(self.sizes))]
        at = len(tiff.header(chain))
        for level in reversed(range(len(self.sizes))):
            places = np.zeros(self.size[level].size, np.int64)
            sizes = self.size[level].ravel()
            around = np.where(sizes > 0, sizes + tiff.LEADER + tiff.TRAILER, 0)
            ends = at + np.cumsum(around)
            places[:] = np.where(sizes > 0, ends - around + tiff.LEADER, 0)
            at = int(ends[-1])
            chain[level][tiff.OFFSETS] = tiff.long8(places)
        self.spool.flush()
        digest = hashlib.sha256()
        with target.open("wb") as out:

            def put(data: bytes) -> None:
                out.write(data)
                digest.update(data)

            put(tiff.header(chain))
            for level in reversed(range(len(self.sizes))):
                for new, start, size in zip(
                    self.new[level].ravel().tolist(), self.at[level].ravel().tolist(),
                    self.size[level].ravel().tolist(), strict=True,
                ):  # fmt: skip
                    if size and new:
                        self.spool.seek(start)
                        put(tiff.framed(self.spool.read(size)))
                    elif size:
                        self.old.seek(start)
                        put(tiff.framed(self.old.read(size)))
        return digest.hexdigest()

    def _directory(self, level: int, template: tiff.Directory) -> tiff.Directory:
        height, width = self.sizes[level]
        directory = {tag: value for tag, value in template.items() if level == 0 or tag not in _FULL_ONLY}
        if level > 0:
            directory[tiff.SUBFILE] = tiff.long(1)
        return {
            **directory, tiff.WIDTH: tiff.long(width), tiff.HEIGHT: tiff.long(height),
            tiff.OFFSETS: tiff.long8(np.zeros(self.size[level].size)),
            tiff.COUNTS: tiff.long8(self.size[level].ravel()),
        }  # fmt: skip


def can_follow(folder: Path, layers: Sequence[Layer], grid: Any) -> bool:
    """Whether the files of an earlier run in the folder have the blocks that these layers would have."""
    try:
        for layer in layers:
            with (folder / layer.name).open("rb") as file:
                there = tiff.directories(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            wanted = [len(layer.bands) * -(-h // BLOCK) * -(-w // BLOCK) for h, w in levels_of(*grid.shape)]
            if [d[tiff.OFFSETS].count for d in there] != wanted or there[0][tiff.WIDTH].integers()[0] != grid.width:
                return False
            template = tiff.directories(_template(layer, grid))[0]
            same = set(template) - _FULL_ONLY - {tiff.WIDTH, tiff.HEIGHT, tiff.OFFSETS, tiff.COUNTS}
            if any(there[0].get(tag) != template[tag] for tag in same):
                return False
    except (OSError, ValueError, KeyError):
        return False
    return True


def _template(layer: Layer, grid: Any) -> memoryview:
    blank = np.full((len(layer.bands), BLOCK, BLOCK), layer.nodata, layer.dtype)
    return _one_block(layer, blank, crs=grid.crs, transform=grid.transform)


def write(
    folder: Path, grid: Any, layers: Sequence[Layer], changed: Iterator[tuple[Leaf, Blocks, Arrays]],
    dirty: set[Leaf], advance: Callable[[], None] = lambda: None, before_names: Callable[[], None] = lambda: None,
    threads: int = 1,
) -> dict[str, str]:  # fmt: skip
    """Write the layers into the folder; they appear together at the end, or not at all. Returns the sha256 of each.

    changed: the leaves of ``dirty`` in the order of ``leaves_of``, encoded and as arrays. If not all leaves are
    dirty, the rest comes from the files of the same names, for which ``can_follow`` must hold.
    advance: called after each leaf; before_names: called when all is written, before the files get their names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = levels_of(*grid.shape)
    everything = len(dirty) == len(leaves_of(*grid.shape))
    with ExitStack() as names:
        targets = {layer.name: names.enter_context(whole(folder / layer.name)) for layer in layers}
        with ExitStack() as stack:
            sources = {
                layer.name: _Source(layer, sizes, None if everything else folder / layer.name, stack, folder)
                for layer in layers
            }
            _Pyramid(sizes, layers, sources, changed, dirty, advance).run()

            def assemble(layer: Layer) -> str:
                template = tiff.directories(_template(layer, grid))[0]
                return sources[layer.name].assemble(targets[layer.name], template)

            with ThreadPoolExecutor(threads) as pool:
                digests = dict(zip(targets, pool.map(assemble, layers), strict=True))
        before_names()
    return digests


class _Pyramid:
    """Takes leaves one by one and makes the overviews' blocks above them."""

    def __init__(self, sizes, layers, sources, changed, dirty, advance) -> None:
        self.sizes, self.layers, self.sources = sizes, layers, sources
        self.changed, self.advance = changed, advance
        # at each level the blocks under which something changed
        self.dirty = [set(dirty)]
        for _ in sizes[1:]:
            self.dirty.append({(row // 2, col // 2) for row, col in self.dirty[-1]})

    def run(self) -> None:
        self._block(len(self.sizes) - 1, 0, 0)

    def _block(self, level: int, row: int, col: int) -> Arrays | None:
        """Values of a block under which something changed, after it was put where it belongs; else None."""
        if (row, col) not in self.dirty[level]:
            return None
        if level == 0:
            leaf, blocks, arrays = next(self.changed)
            assert leaf == (row, col), "leaves out of order"
            for name, encoded in blocks.items():
                self.sources[name].put(0, row, col, encoded)
            self.advance()
            return arrays
        children = {}
        for down in (0, 1):
            for right in (0, 1):
                children[down, right] = self._block(level - 1, 2 * row + down, 2 * col + right)
        height, width = self.sizes[level]
        height, width = min(BLOCK, height - row * BLOCK), min(BLOCK, width - col * BLOCK)
        arrays = {}
        for layer in self.layers:
            values = np.empty((len(layer.bands), height, width), layer.dtype)
            half = BLOCK // 2
            earlier = None
            for (down, right), child in children.items():
                part = values[:, down * half : (down + 1) * half, right * half : (right + 1) * half]
                if part.size == 0:
                    continue
                if child is None:  # unchanged, and so is what the earlier overview has of it
                    if earlier is None:
                        earlier = self.sources[layer.name].earlier_block(level, row, col)
                    part[:] = earlier[:, down * half : (down + 1) * half, right * half : (right + 1) * half]
                else:
                    # nearest: a mean of dBm or of server numbers would be a value that nothing has
                    part[:] = child[layer.name][:, ::2, ::2]
            arrays[layer.name] = values
            self.sources[layer.name].put(level, row, col, encode(layer, values))
        return arrays
