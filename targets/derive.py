"""Urban and suburban areas from land cover, where nobody has drawn them.

Rule: of the land (all but water and pixels without data) within `radius_m` of a pixel, the share that is built up.
Urban from `urban` on, suburban from `suburban` on; the share of a circle, not of a pixel, so that parks and streets
belong to their town and lone villages to none. Pieces below `smallest_km2` go: urban ones to suburban, suburban ones
to none; holes below it are filled. A start for a person to edit, not a survey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rasterio.features
import shapely
from scipy import ndimage, signal

from targets.errors import Problem, TargetsError

NONE, URBAN, SUBURBAN = 0, 1, 2
CLASS_OF = {URBAN: "urban", SUBURBAN: "suburban"}


@dataclass(frozen=True)
class Rule:
    """radius_m: of the circle; urban, suburban: shares built up (0..1) from which; smallest_km2: of a piece."""

    radius_m: float = 500.0
    urban: float = 0.5
    suburban: float = 0.2
    smallest_km2: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.suburban <= self.urban <= 1:
            what = f"a town from {self.urban:g} and suburbs from {self.suburban:g} built up"
            raise TargetsError(Problem("", "", what, "give 0 < suburban <= urban <= 1"))

    def in_words(self) -> str:
        return (
            f"built-up share of the land within {self.radius_m:g} m: urban from {self.urban:g}, suburban from "
            f"{self.suburban:g}; pieces and holes below {self.smallest_km2:g} km2 dissolved"
        )


def classify(built: np.ndarray, land: np.ndarray, pixel_m: float, rule: Rule) -> np.ndarray:
    """(h, w) uint8 of NONE, URBAN, SUBURBAN from (h, w) booleans."""
    share = built_share(built, land, rule.radius_m / pixel_m)
    smallest = rule.smallest_km2 * 1e6 / pixel_m**2
    town = _tidy(share >= rule.urban - 1e-6, smallest)
    edge = _tidy((share >= rule.suburban - 1e-6) | town, smallest)
    return np.where(town & edge, URBAN, np.where(edge, SUBURBAN, NONE)).astype(np.uint8)


def built_share(built: np.ndarray, land: np.ndarray, radius: float) -> np.ndarray:
    """(h, w) float32: of the land within `radius` pixels of each pixel's middle, the share that is built up; 0
    where there is none."""
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.float32)

    def within(mask: np.ndarray) -> np.ndarray:
        # whole numbers of pixels: what the transform leaves beside them is rounding
        return np.rint(signal.oaconvolve(mask.astype(np.float32), disc, mode="same"))

    ground = within(land)
    return np.divide(within(built & land), ground, out=np.zeros(built.shape, np.float32), where=ground > 0)


def _tidy(mask: np.ndarray, smallest: float) -> np.ndarray:
    """Without pieces and holes of fewer pixels than `smallest`; holes at the edge of the raster are none."""
    mask = mask.copy()
    for value in (True, False):
        labels, count = ndimage.label(mask == value)
        size = np.bincount(labels.ravel(), minlength=count + 1)
        small = size < smallest
        small[0] = False
        if not value:
            rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
            small[rim] = False
        mask[small[labels]] = not value
    return mask


def outlines(classes: np.ndarray, transform) -> list[tuple[str, object]]:
    """(class, polygon) of every piece, on the plane of `transform`, largest first; borders are smoothed by half a
    pixel or so, neighbours alike."""
    found = [
        (CLASS_OF[int(value)], shapely.geometry.shape(outline))
        for outline, value in rasterio.features.shapes(classes, classes != NONE, connectivity=4, transform=transform)
    ]
    if not found:
        return []
    smooth = shapely.coverage_simplify(np.array([shape for _, shape in found], dtype=object), abs(transform.a))
    pieces = [(name, shape) for (name, _), shape in zip(found, smooth, strict=True) if not shape.is_empty]
    return sorted(pieces, key=lambda p: (-p[1].area, p[0], p[1].bounds))
