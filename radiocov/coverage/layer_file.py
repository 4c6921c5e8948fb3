"""One layer's file put together: new blocks from a spool, unchanged ones as the file of an earlier run has them."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from radiocov.coverage import tiff

# Values that an overview's directory has no use for: place, datum, names
FULL_ONLY = {33550, 33922, 34264, 34735, 34736, 34737, 42112}
_CHUNK = 1 << 22  # bytes copied at a time

Sizes = list[tuple[int, int]]  # (height, width) of the full raster and of its overviews


class Damaged(Exception):
    """The file of an earlier run is not what its manifest says."""


class Earlier:
    """The values in the file of an earlier run; several threads may read at once."""

    def __init__(self, path: Path, sizes: Sizes, block: int) -> None:
        self.path, self.sizes, self.block = path, sizes, block
        self._mine = threading.local()
        self._opened: list[Any] = []

    def read(self, level: int, row: int, col: int) -> np.ndarray:
        """(bands, height, width) of a block, as the file holds it. Raises Damaged."""
        height, width = self.sizes[level]
        part = rasterio.windows.Window(
            col * self.block, row * self.block, min(self.block, width - col * self.block),
            min(self.block, height - row * self.block),
        )  # fmt: skip
        datasets = self._mine.__dict__
        try:
            if level not in datasets:
                options = {} if level == 0 else {"overview_level": level - 1}
                datasets[level] = rasterio.open(self.path, **options)
                self._opened.append(datasets[level])
            return datasets[level].read(window=part)
        except rasterio.errors.RasterioIOError as error:
            raise Damaged(self.path.name) from error

    def close(self) -> None:
        """After the last read of every thread."""
        for dataset in self._opened:
            dataset.close()


class LayerFile:
    """The blocks of one layer's file, in the order in which they are made, and the file made of them.

    earlier: of which all blocks are taken that are not put here, with the sha256 that it has to have.
    """

    def __init__(
        self, bands: int, sizes: Sizes, block: int, stack: ExitStack, folder: Path,
        earlier: tuple[Path, str] | None = None,
    ) -> None:  # fmt: skip
        self.sizes = sizes
        shapes = [(bands, -(-h // block), -(-w // block)) for h, w in sizes]
        self.new = [np.zeros(shape, bool) for shape in shapes]
        self.at = [np.zeros(shape, np.int64) for shape in shapes]
        self.size = [np.zeros(shape, np.int64) for shape in shapes]
        self.spool = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self.old: Any = None
        if earlier is not None:
            path, self.old_sha256 = earlier
            # read piece by piece: the pages of a mapped file would count as memory of this process
            self.old = stack.enter_context(path.open("rb"))
            with mmap.mmap(self.old.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                for level, directory in enumerate(tiff.directories(mapped)):
                    self.at[level][:] = directory[tiff.OFFSETS].integers().reshape(shapes[level])
                    self.size[level][:] = directory[tiff.COUNTS].integers().reshape(shapes[level])

    def put(self, level: int, row: int, col: int, blocks: list[bytes]) -> None:
        for band, block in enumerate(blocks):
            self.new[level][band, row, col] = True
            self.at[level][band, row, col] = self.spool.tell()
            self.size[level][band, row, col] = len(block)
            self.spool.write(block)

    def assemble(self, target: Path, template: tiff.Directory) -> str:
        """Header, overviews from the smallest, full raster: each by band, row and column. Returns the sha256.

        Raises Damaged where the earlier file was not what it had to be; the target is of no use then.
        """
        head = self._header(template)
        self.spool.flush()
        digest, before = hashlib.sha256(), hashlib.sha256()
        with target.open("wb") as out:

            def put(data: bytes) -> None:
                out.write(data)
                digest.update(data)

            put(head)
            read_to = 0
            for start, stop, copied in self._in_order():
                if not copied:
                    self.spool.seek(start)
                    put(tiff.framed(self.spool.read(stop - start)))
                    continue
                for data in self._old(read_to, start):
                    before.update(data)
                for data in self._old(start, stop):
                    before.update(data)
                    put(data)
                read_to = stop
        if self.old is not None:
            for data in self._old(read_to, None):
                before.update(data)
            if before.hexdigest() != self.old_sha256:
                raise Damaged(self.old.name)
        return digest.hexdigest()

    def _header(self, template: tiff.Directory) -> bytes:
        chain = [self._directory(level, template) for level in range(len(self.sizes))]
        at = len(tiff.header(chain))
        for level in reversed(range(len(self.sizes))):
            sizes = self.size[level].ravel()
            around = np.where(sizes > 0, sizes + tiff.LEADER + tiff.TRAILER, 0)
            ends = at + np.cumsum(around)
            chain[level][tiff.OFFSETS] = tiff.long8(np.where(sizes > 0, ends - around + tiff.LEADER, 0))
            at = int(ends[-1])
        return tiff.header(chain)

    def _directory(self, level: int, template: tiff.Directory) -> tiff.Directory:
        height, width = self.sizes[level]
        directory = {tag: value for tag, value in template.items() if level == 0 or tag not in FULL_ONLY}
        if level > 0:
            directory[tiff.SUBFILE] = tiff.long(1)
        return {
            **directory, tiff.WIDTH: tiff.long(width), tiff.HEIGHT: tiff.long(height),
            tiff.OFFSETS: tiff.long8(np.zeros(self.size[level].size)),
            tiff.COUNTS: tiff.long8(self.size[level].ravel()),
        }  # fmt: skip

    def _in_order(self) -> Iterator[tuple[int, int, bool]]:
        """(start, stop, whether it is copied) of a block in the spool, or of blocks of the earlier file that follow
        one another there, with what stands around each."""
        run: tuple[int, int] | None = None
        for level in reversed(range(len(self.sizes))):
            blocks = zip(*(a[level].ravel().tolist() for a in (self.new, self.at, self.size)), strict=True)
            for new, at, size in blocks:
                if not size:
                    continue
                start, stop = at - tiff.LEADER, at + size + tiff.TRAILER
                if run is not None and (new or start != run[1]):
                    yield *run, True
                    run = None
                if new:
                    yield at, at + size, False
                else:
                    run = (run[0] if run else start), stop
        if run is not None:
            yield *run, True

    def _old(self, start: int, stop: int | None) -> Iterator[bytes]:
        """The earlier file's bytes up to a place, or to its end."""
        self.old.seek(start)
        while stop is None or start < stop:
            data = self.old.read(_CHUNK if stop is None else min(_CHUNK, stop - start))
            if not data:
                return
            start += len(data)
            yield data
