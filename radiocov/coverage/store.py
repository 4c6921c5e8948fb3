"""Loss rasters that are already computed, kept by the content of what they were made from.

A raster's key is a hash of ground, place, height and model settings; powers, patterns, thresholds and dates are
not part of it, so changing them recomputes no loss. Values are kept within 0.0005 dB (LERC compression).
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.io import MemoryFile

from radiocov.coverage import lerc, tiff
from radiocov.coverage.sector import LossSettings, Transmitter, Window
from radiocov.files import content_key, read_json, write_bytes, write_json

#: Model -> what it implements, for people, and a number to be raised whenever its results change.
MODELS = {
    "p1812": ("ITU-R P.1812-8", 2),
    "itm": ("ITM (Longley-Rice), NTIA", 2),
    "extended-hata": ("extended Hata", 1),
    "free-space": ("ITU-R P.525", 1),
}
STORE = Path(".radiocov") / "loss"  # in a project's folder
ELSEWHERE = Path(".radiocov") / "results.json"  # folders of results beside the project's own
MAX_ERROR_DB = 0.0005
BLOCK = 256  # pixels a side; blocks of all rasters lie on one lattice, so that a tile of the grid is whole blocks
OPEN_AT_ONCE = 64  # files a thread


def ground_key(ground: Any) -> str:
    """Hash of everything in a ground that a loss can depend on."""
    return content_key(
        [ground.grid.to_dict(), ground.digest, [[c.kind, c.height_m] for c in ground.classes]]
    )


def loss_key(ground: str, transmitter: Transmitter, settings: LossSettings, device: str = "") -> str:
    """Key of one loss raster; ``ground`` is from ``ground_key``. Places are told apart to the millimetre.

    device: "cuda" where a device computes it, which rounds otherwise: results never depend on what was run before.
    """
    return content_key(
        {
            "version": [settings.model, *MODELS[settings.model], *([device] if device else [])],
            "ground": ground,
            "place": [round(transmitter.x, 3), round(transmitter.y, 3), round(transmitter.height_m, 3)],
            "settings": settings.to_dict(),
        }
    )


def remember(project: Path, folder: Path) -> None:
    """Note a folder of results outside the project's own, so that what it was made from is known to be in use."""
    there = elsewhere(project)
    if folder.absolute() not in there:
        write_json(project / ELSEWHERE, [str(one) for one in (*there, folder.absolute())])


def elsewhere(project: Path) -> list[Path]:
    """Folders of results outside the project's own."""
    return [Path(one) for one in read_json(project / ELSEWHERE) or []]


@dataclass(frozen=True)
class LossStore:
    """A folder of loss rasters, each a GeoTIFF and a JSON file that says what it is and holds its checksum."""

    folder: Path

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.tif", self.folder / f"{key}.json"

    def open(self, key: str) -> KeptLoss | None:
        """The raster, to be read in parts; None where it is absent, cut short or altered (compute it again)."""
        raster, note = self._paths(key)
        about = read_json(note)
        if about is None:
            return None
        try:
            with raster.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return KeptLoss(raster, Window(*about["window"])) if digest == about.get("sha256") else None

    def damaged(self) -> list[Path]:
        """Rasters whose content is not what was written."""
        return [
            note.with_suffix(".tif")
            for note in sorted(self.folder.glob("*.json"))
            if self.open(note.stem) is None
        ]

    def has(self, key: str) -> bool:
        """Whether both files are there; the content is checked when it is read."""
        return all(path.is_file() for path in self._paths(key))

    def put(self, key: str, grid: Any, window: Window, loss: np.ndarray, about: dict[str, Any]) -> KeptLoss:
        """Keep a raster."""
        window, loss = _on_lattice(window, loss)
        data = _encode(grid, window, loss)
        raster, note = self._paths(key)
        write_bytes(raster, data)
        write_json(
            note,
            {
                **about,
                "window": [window.top, window.left, window.height, window.width],
                "sha256": hashlib.sha256(data).hexdigest(),
            },
        )
        return KeptLoss(raster, window)


@dataclass(frozen=True)
class KeptLoss:
    """A raster of the store: loss, dB, NaN beyond reach, over a window of the grid."""

    path: Path
    window: Window

    def read(self, part: Window) -> np.ndarray:
        """(height, width) float32 of a part of the window. Several threads may read at once."""
        inside = rasterio.windows.Window(
            part.left - self.window.left, part.top - self.window.top, part.width, part.height
        )
        return _opened(self.path).read(1, window=inside)


_files = threading.local()


def _opened(path: Path) -> Any:
    """A dataset of this thread's own, left open for the next tile; the longest unused is closed."""
    there: OrderedDict[Path, Any] = _files.__dict__.setdefault("there", OrderedDict())
    if path in there:
        there.move_to_end(path)
        return there[path]
    if len(there) >= OPEN_AT_ONCE:
        there.popitem(last=False)[1].close()
    there[path] = rasterio.open(path)
    return there[path]


def _on_lattice(window: Window, loss: np.ndarray) -> tuple[Window, np.ndarray]:
    down, right = window.top % BLOCK, window.left % BLOCK
    wider = Window(window.top - down, window.left - right, window.height + down, window.width + right)
    return wider, np.pad(loss, ((down, 0), (right, 0)), constant_values=np.nan)


def _encode(grid: Any, window: Window, loss: np.ndarray) -> bytes:
    """A GeoTIFF of blocks from the window's corner; those without a value are left out."""
    rows, cols = -(-window.height // BLOCK), -(-window.width // BLOCK)
    filled = np.full((rows * BLOCK, cols * BLOCK), np.nan, np.float32)
    filled[: window.height, : window.width] = loss
    blocks = []
    for row in range(rows):
        for col in range(cols):
            block = filled[row * BLOCK : (row + 1) * BLOCK, col * BLOCK : (col + 1) * BLOCK]
            blocks.append(lerc.encode(block, MAX_ERROR_DB))
    sizes = np.array([len(block) for block in blocks])
    directory = {
        **_directory(str(grid.crs), grid.resolution_m), tiff.WIDTH: tiff.long(window.width),
        tiff.HEIGHT: tiff.long(window.height), tiff.COUNTS: tiff.long8(sizes), tiff.OFFSETS: tiff.long8(sizes),
        tiff.TIE_POINT: tiff.double(0.0, 0.0, 0.0, *(window_transform(grid, window) @ (0, 0)), 0.0),
    }  # fmt: skip
    framed = np.where(sizes > 0, sizes + tiff.LEADER + tiff.TRAILER, 0)
    ends = len(tiff.header([directory])) + np.cumsum(framed)
    directory[tiff.OFFSETS] = tiff.long8(np.where(sizes > 0, ends - framed + tiff.LEADER, 0))
    return b"".join([tiff.header([directory]), *(tiff.framed(block) for block in blocks if block)])


@functools.cache
def _directory(crs: str, resolution_m: float) -> tiff.Directory:
    """What all rasters of a project say of themselves, as GDAL writes it."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=BLOCK, width=BLOCK, count=1, dtype="float32", crs=crs, nodata=float("nan"),
            transform=rasterio.Affine(resolution_m, 0.0, 0.0, 0.0, -resolution_m, 0.0), tiled=True, blockxsize=BLOCK,
            blockysize=BLOCK, compress="LERC", MAX_Z_ERROR=MAX_ERROR_DB, BIGTIFF="YES",
        ) as dataset:  # fmt: skip
            dataset.write(np.zeros((BLOCK, BLOCK), np.float32), 1)
            dataset.set_band_description(1, "basic transmission loss")
            dataset.set_band_unit(1, "dB")
        return tiff.directories(bytes(memory.getbuffer()))[0]


def window_transform(grid: Any, window: Window) -> Any:
    """Affine transform of a part of the grid."""
    step = grid.resolution_m
    return rasterio.Affine(
        step, 0.0, grid.x_min + window.left * step, 0.0, -step, grid.y_max - window.top * step
    )
