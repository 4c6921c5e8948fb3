"""Whether a file's content is what was once written, by the checksums that formats carry and GDAL does not look at.

The reader of deflate-compressed TIFF stops at the last pixel and leaves the checksum behind it unread, so that a
block with flipped bytes gives wrong heights without a word. Uncompressed files carry no checksum: there only heights
that no ground has (`Mosaic.limits`) give damage away.
"""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rasterio

from terrain.errors import TerrainError

_CHUNK = 1 << 22


def check_content(dataset: rasterio.DatasetReader, path: Path) -> None:
    """TerrainError, which names the file, where a checksum in it does not hold: deflated TIFF, .gz, .zip."""
    try:
        match path.suffix.lower():
            case ".gz":
                with gzip.open(path) as stream:
                    while stream.read(_CHUNK):
                        pass
            case ".zip":
                with zipfile.ZipFile(path) as archive:
                    wrong = archive.testzip()
                    if wrong is not None:
                        raise zipfile.BadZipFile(f"checksum of {wrong}")
            case _ if dataset.driver == "GTiff" and dataset.compression is not None:
                if dataset.compression.name == "deflate":
                    _check_blocks(dataset, path)
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as err:
        raise TerrainError(f"{path}: the raster is broken ({err}); fetch it again") from err


def _check_blocks(dataset: rasterio.DatasetReader, path: Path) -> None:
    with path.open("rb") as stream, ThreadPoolExecutor(os.cpu_count()) as pool:
        raw = _raw_blocks(dataset, stream)
        # a few at a time, or a large file would be read ahead into memory
        while batch := [block for block, _ in zip(raw, range(64), strict=False)]:
            list(pool.map(zlib.decompress, batch))


def _raw_blocks(dataset: rasterio.DatasetReader, stream) -> Iterator[bytes]:
    height, width = dataset.block_shapes[0]
    for row in range(-(-dataset.height // height)):
        for col in range(-(-dataset.width // width)):
            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1)
            if offset is None:  # a block that was never written
                continue
            stream.seek(int(offset))
            yield stream.read(int(dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1)))
