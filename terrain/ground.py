"""What a propagation model may ask of the ground, on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from terrain.errors import TerrainError
from terrain.grid import Grid

# Zone codes of Rec. ITU-R P.1812-8 Table 1 (as its profile files number them).
SEA, COASTAL_LAND, INLAND = 1, 3, 4
NOISE_ENVIRONMENTS = ("city", "residential", "rural", "quiet")
KINDS = ("water", "open", "trees", "built", "nodata")


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

    def __post_init__(self) -> None:
        wanted = {
            "elevation_m": np.float32,
            "clutter_class": np.uint8,
            "clutter_height_m": np.float32,
            "zone": np.uint8,
        }
        for name, dtype in wanted.items():
            array = getattr(self, name)
            if array.shape != self.grid.shape or array.dtype != dtype:
                raise TerrainError(
                    f"{name} is {array.dtype}{list(array.shape)}; the grid needs "
                    f"{np.dtype(dtype)}{list(self.grid.shape)}"
                )
        if not np.isfinite(self.elevation_m).all() or not np.isfinite(self.clutter_height_m).all():
            raise TerrainError("elevation and clutter heights must be finite; fill the voids first")
        if self.clutter_class.size and int(self.clutter_class.max()) >= len(self.classes):
            raise TerrainError("clutter_class points beyond the list of classes")
