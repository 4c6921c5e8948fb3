"""What a propagation model may ask of the ground, on one grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from terrain.errors import TerrainError
from terrain.grid import Grid

# Zone codes of Rec. ITU-R P.1812-8 Table 1 (as its profile files number them).
SEA, COASTAL_LAND, INLAND = 1, 3, 4
NOISE_ENVIRONMENTS = ("city", "residential", "rural", "quiet")
KINDS = ("water", "open", "trees", "built", "nodata")
ARRAYS = {"elevation_m": "float32", "clutter_class": "uint8", "clutter_height_m": "float32", "zone": "uint8"}
_ROWS = 512  # looked at together: the arrays may be larger than memory


@dataclass(frozen=True)
class ClutterClass:
    """One row of a land-cover legend.

    `height_m` is the representative clutter height (Rec. ITU-R P.1812-8 Table 2), `model_error_db` the stated
    error (sigma) of an uncalibrated model in this class, `kind` one of KINDS.
    """

    id: int
    name: str
    label_en: str
    label_zh: str
    height_m: float
    noise_environment: str
    model_error_db: float
    kind: str = "open"


@dataclass(frozen=True, eq=False)
class Ground:
    """Arrays of shape `grid.shape`, row 0 north; see the fields. TerrainError where they do not fit."""

    grid: Grid
    elevation_m: np.ndarray  # float32, metres above sea level, no NaN
    clutter_class: np.ndarray  # uint8, index into `classes`
    clutter_height_m: np.ndarray  # float32, m; 0 everywhere when elevation_m is already a surface
    zone: np.ndarray  # uint8: SEA, COASTAL_LAND or INLAND
    classes: list[ClutterClass]
    provenance: dict[str, Any]
    synthetic: bool
    # uint8: number in provenance["elevation"]["served"] of the source of each height, 255 for filled voids
    elevation_source: np.ndarray | None = None
    digest: str = ""  # of the arrays' content; worked out where it is not given
    folder: Path | None = None  # that its arrays are mapped from

    def __post_init__(self) -> None:
        for name, dtype in ARRAYS.items():
            array = getattr(self, name)
            if array.shape != self.grid.shape or array.dtype != dtype:
                raise TerrainError(
                    f"{name} is {array.dtype}{list(array.shape)}; the grid needs {dtype}{list(self.grid.shape)}"
                )
        if self.digest:
            return  # of arrays that were looked at when they were made
        for first in range(0, self.grid.height, _ROWS):
            here = np.s_[first : first + _ROWS]
            if not np.isfinite(self.elevation_m[here]).all() or not np.isfinite(self.clutter_height_m[here]).all():
                raise TerrainError("elevation and clutter heights must be finite; fill the voids first")
            if int(self.clutter_class[here].max(initial=0)) >= len(self.classes):
                raise TerrainError("clutter_class points beyond the list of classes")
        object.__setattr__(self, "digest", digest_of([content_hash(getattr(self, name)) for name in ARRAYS]))


def content_hash(array: np.ndarray) -> str:
    """sha256 of an array's values, row by row from the north."""
    digest = hashlib.sha256()
    for first in range(0, len(array), _ROWS):
        digest.update(np.ascontiguousarray(array[first : first + _ROWS]))
    return digest.hexdigest()


def digest_of(hashes: list[str]) -> str:
    """One hash of those of the four arrays in the order of ARRAYS."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
