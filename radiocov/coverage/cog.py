"""Cloud-Optimized GeoTIFFs written block by block, and written anew where only some blocks have changed.

GDAL writes the header's values; this module puts the blocks in order. A leaf is a block of the full raster. Leaves
come in the order of a quadtree, so that an overview's block is made as soon as its four children are there, and
little is held in memory. What an earlier file holds for leaves that did not change is copied as it is.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from radiocov.coverage.layer_file import FULL_ONLY, Earlier, LayerFile
from radiocov.files import whole

BLOCK = 512
PIECE = 256  # pixels a side of what is computed alone; a block is whole pieces
NODATA = -9999.0
#: What compression may change a value by: 0.004 dB, 0.004 us, or 0.00005 of probability.
MAX_ERROR = {"dBm": 0.004, "dB": 0.004, "us": 0.004, "1": 0.00005}
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
            same = set(template) - FULL_ONLY - {tiff.WIDTH, tiff.HEIGHT, tiff.OFFSETS, tiff.COUNTS}
            if any(there[0].get(tag) != template[tag] for tag in same):
                return False
    except (OSError, ValueError, KeyError):
        return False
    return True


def _template(layer: Layer, grid: Any) -> memoryview:
    blank = np.full((len(layer.bands), BLOCK, BLOCK), layer.nodata, layer.dtype)
    return _one_block(layer, blank, crs=grid.crs, transform=grid.transform)


def earlier(folder: Path, layers: Sequence[Layer], grid: Any, stack: ExitStack) -> dict[str, Earlier]:
    """What the files of an earlier run hold, by layer, until the stack is left."""
    sizes = levels_of(*grid.shape)
    found = {layer.name: Earlier(folder / layer.name, sizes, BLOCK) for layer in layers}
    for one in found.values():
        stack.callback(one.close)
    return found


def write(
    folder: Path, grid: Any, layers: Sequence[Layer], changed: Iterator[tuple[Leaf, Blocks, Arrays]],
    dirty: set[Leaf], before: Mapping[str, Earlier] | None = None, digests: Mapping[str, str] | None = None,
    advance: Callable[[], None] = lambda: None, before_names: Callable[[], None] = lambda: None, threads: int = 1,
) -> dict[str, str]:  # fmt: skip
    """Write the layers into the folder; they appear together at the end, or not at all. Returns the sha256 of each.

    changed: the leaves of ``dirty`` in the order of ``leaves_of``, encoded and as arrays. The rest comes from the
    files of the same names, for which ``can_follow`` must hold: ``before`` is what they hold, ``digests`` the sha256
    that they have to have (else Damaged is raised). Without, all leaves have to be dirty.
    advance: called after each leaf; before_names: called when all is written, before the files get their names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = levels_of(*grid.shape)
    with ExitStack() as names:
        targets = {layer.name: names.enter_context(whole(folder / layer.name)) for layer in layers}
        with ExitStack() as stack, ThreadPoolExecutor(threads) as pool:
            files = {
                layer.name: LayerFile(
                    len(layer.bands), sizes, BLOCK, stack, folder,
                    None if digests is None else (folder / layer.name, digests.get(layer.name, "")),
                )
                for layer in layers
            }  # fmt: skip
            _Pyramid(sizes, layers, files, before or {}, changed, dirty, advance, pool).run()

            def assemble(layer: Layer) -> str:
                template = tiff.directories(_template(layer, grid))[0]
                return files[layer.name].assemble(targets[layer.name], template)

            found = dict(zip(targets, pool.map(assemble, layers), strict=True))
        before_names()
    return found


class _Pyramid:
    """Takes leaves one by one and makes the overviews' blocks above them, several layers at a time."""

    def __init__(self, sizes, layers, files, before, changed, dirty, advance, pool) -> None:
        self.sizes, self.layers, self.files, self.before = sizes, layers, files, before
        self.changed, self.advance, self.pool = changed, advance, pool
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
                self.files[name].put(0, row, col, encoded)
            self.advance()
            return arrays
        children = {}
        for down in (0, 1):
            for right in (0, 1):
                children[down, right] = self._block(level - 1, 2 * row + down, 2 * col + right)
        made = self.pool.map(lambda layer: self._overview(layer, level, row, col, children), self.layers)
        return {layer.name: values for layer, values in zip(self.layers, made, strict=True)}

    def _overview(self, layer: Layer, level: int, row: int, col: int, children: dict) -> np.ndarray:
        """A layer's block of an overview, put where it belongs."""
        height, width = self.sizes[level]
        height, width = min(BLOCK, height - row * BLOCK), min(BLOCK, width - col * BLOCK)
        values = np.empty((len(layer.bands), height, width), layer.dtype)
        half = BLOCK // 2
        there = None
        for (down, right), child in children.items():
            here = slice(down * half, (down + 1) * half), slice(right * half, (right + 1) * half)
            if values[:, *here].size == 0:
                continue
            if child is not None:
                # nearest: a mean of dBm or of server numbers would be a value that nothing has
                values[:, *here] = child[layer.name][:, ::2, ::2]
                continue
            if there is None:  # unchanged, and so is what the earlier overview has of it
                there = self.before[layer.name].read(level, row, col)
            values[:, *here] = there[:, *here]
        self.files[layer.name].put(level, row, col, encode(layer, values))
        return values
