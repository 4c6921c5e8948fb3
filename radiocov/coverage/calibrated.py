"""A calibration in the map: each server's loss corrected as it is read, and the standard deviation that is left.

The correction of a server's level (see `calibration.model`) is taken off its loss, so that ranking, the way back,
C/(I+N) and delays see calibrated losses without knowing of it, and no loss is computed anew. Effective clutter
heights are the exception: they change the ground, and with it the keys of its losses.

The variance of a level is the sum of

- the fit: the covariance of offset, slope, weights, class and site; a site that was not measured adds the variance
  of sites, a class that is not in the fit that of `UNKNOWN_CLASS_DB`;
- what is left in space: sigma2 of the class where nothing was measured near. Near measured places the field's part
  of it is known: sigma2 (nugget2 + conditional variance) / (nugget2 + variance of the field);
- the distance to what was seen: `BEYOND_DB` for each decade outside the range of distances, heights or frequencies,
  squared. In a class that was never heard sigma is at least what is stated without calibration.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from radiocov.calibration.model import REFERENCE_HEIGHT_M, Calibration
from radiocov.calibration.summary import summary
from radiocov.coverage import setup
from radiocov.coverage.field_tiles import FieldTiles, interpolated
from radiocov.coverage.network import Antenna, LossLike, Server
from radiocov.coverage.sector import Window
from radiocov.project import Project
from radiocov.propagation.fastmath import log10
from radiocov.propagation.freespace import FREE_SPACE_CONSTANT_DB
from terrain.ground import Ground

BEYOND_DB = 10.0  # standard deviation a decade beyond what was seen
UNKNOWN_CLASS_DB = 4.0

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class _Seen:
    """A range that was seen, in decades."""

    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def of(cls, given: Any) -> _Seen:
        """From a number, or [lowest, highest]; None: not known."""
        if given is None:
            return cls()
        ends = given if isinstance(given, list | tuple) else (given, given)
        return cls(*(math.log10(max(float(end), 1e-6)) for end in ends))

    def beyond_db2(self, value: float) -> float:
        place = math.log10(max(value, 1e-6))
        return (BEYOND_DB * max(self.low - place, place - self.high, 0.0)) ** 2


class MapCalibration:
    """A calibration made ready for a project's ground."""

    def __init__(self, calibration: Calibration, project: Project, ground: Ground) -> None:
        self.calibration, self.ground, self.grid = calibration, ground, ground.grid
        self.frequency_mhz = project.model.frequency_mhz  # of sites that name none
        names = [c.name for c in ground.classes]
        seen = calibration.validity.get("classes", list(calibration.classes))
        self.class_db = np.array([_value(calibration.classes, name) for name in names])
        known = [e.value for e in calibration.sigma_db.values()]
        usual = float(np.mean(known)) if known else 0.0
        sigma = np.array([_value(calibration.sigma_db, name, usual) for name in names])
        heights = np.array([c.height_m for c in ground.classes], np.float32)
        stated = setup.sigma_db(project, ground, np.arange(len(names)), heights)
        self.sigma2 = np.where(np.isin(names, seen), sigma, np.maximum(sigma, stated)) ** 2
        self.field = FieldTiles(calibration, ground.grid)
        self._sites = list(calibration.sites)
        self._first_site = len(calibration.fixed) + len(calibration.classes)
        ranges = {name: _Seen.of(calibration.validity.get(name)) for name in
                  ("distance_km", "tx_height_m", "frequency_mhz")}  # fmt: skip
        self._distance, self._height, self._frequency = ranges.values()
        # A weight that takes excess loss off was found behind what was measured; what stands higher counts in full
        self.most_excess_db = float((calibration.validity.get("excess_db") or [0.0, math.inf])[1])

    def corrected(self, server: Server) -> Server:
        """The server with its losses corrected."""

        def antenna(one: Antenna | None, height_m: float) -> Antenna | None:
            return one and dataclasses.replace(one, loss=self._loss(server, one.loss, height_m))

        site = server.site
        return dataclasses.replace(
            server, transmit=antenna(server.transmit, site.antenna_height_m),
            receive=antenna(server.receive, site.receiving.antenna_height_m),
            unwanted=antenna(server.unwanted, site.antenna_height_m),
        )  # fmt: skip

    def _loss(self, server: Server, loss: LossLike, height_m: float) -> CorrectedLoss:
        fixed = self.calibration.fixed
        log_height = math.log10(max(height_m, 1.0) / REFERENCE_HEIGHT_M)
        always = _value(fixed, "offset_db") + _value(fixed, "height_db_per_decade") * log_height
        always += _value(self.calibration.sites, server.site.id)
        return CorrectedLoss(
            loss, self, server, height_m, self.class_db + always, _value(fixed, "slope_db_per_decade"),
            _value(fixed, "excess"), self.field.number(server.site.id),
        )  # fmt: skip

    def fit_terms(self, server: Server, height_m: float) -> np.ndarray:
        """(classes, 6) variance of the fitted effects as a quadratic of x = log10(d / 1 km) and e = excess loss: of
        1, x, e, x2, x e, e2; with that of a site or class which was not measured, and of height and frequency beyond
        what was seen."""
        c = self.calibration
        size = len(c.covariance)
        basis = np.zeros((3, size))  # what 1, x and e multiply
        fixed = list(c.fixed)
        for row, name, value in (
            (0, "offset_db", 1.0), (1, "slope_db_per_decade", 1.0), (2, "excess", 1.0),
            (0, "height_db_per_decade", math.log10(max(height_m, 1.0) / REFERENCE_HEIGHT_M)),
        ):  # fmt: skip
            if name in fixed:
                basis[row, fixed.index(name)] = value
        frequency_mhz = server.site.frequency_mhz or self.frequency_mhz
        extra = self._height.beyond_db2(height_m) + self._frequency.beyond_db2(frequency_mhz)
        if server.site.id in self._sites:
            basis[0, self._first_site + self._sites.index(server.site.id)] = 1.0
        else:
            extra += c.site_db**2
        classes, terms = list(c.classes), []
        for clutter in self.ground.classes:
            mine = basis.copy()
            if clutter.name in classes:
                mine[0, len(fixed) + classes.index(clutter.name)] = 1.0
            v = mine @ c.covariance @ mine.T
            unknown = 0.0 if clutter.name in classes else UNKNOWN_CLASS_DB**2
            terms.append([v[0, 0] + extra + unknown, 2 * v[0, 1], 2 * v[0, 2], v[1, 1], 2 * v[1, 2], v[2, 2]])
        return np.array(terms)

    def sigma_db(self, servers: Sequence[Server], ranked: np.ndarray, tile: Window) -> np.ndarray:
        """Standard deviation of the level of each ranked server on a tile, outdoors: (strongest, height, width)
        float32, NaN where there is none. servers: as `corrected` made them."""
        out = np.full(ranked.shape, np.nan, np.float32)
        boxes = np.zeros((len(servers) + 1, 4), np.int64)
        _boxes(ranked, boxes)
        for number in (np.flatnonzero(boxes[1:, 2]) + 1).tolist():
            s = servers[number - 1]
            loss: CorrectedLoss = s.transmit.loss
            top, left, bottom, right = boxes[number]
            part = Window(tile.top + int(top), tile.left + int(left), int(bottom - top), int(right - left))
            here = slice(top, bottom), slice(left, right)
            row0, col0 = self.grid.rowcol(s.x, s.y)
            _, part_left = self.field.of(loss.site, part)
            _spread(
                ranked[:, *here], number, loss.loss.read(part), self.ground.clutter_class[part.slices],
                part.top - row0, part.left - col0, self.grid.resolution_m, loss.free_space_db,
                self.fit_terms(s, loss.height_m), self.sigma2, self._distance.low, self._distance.high, BEYOND_DB,
                *part_left, out[:, *here],
            )  # fmt: skip
        return out

    def key(self) -> dict[str, Any]:
        """What every tile depends on."""
        c = self.calibration
        return {
            "fixed": {k: e.value for k, e in c.fixed.items()}, "covariance": np.asarray(c.covariance).tolist(),
            "classes": {k: e.value for k, e in c.classes.items()}, "sites": {k: e.value for k, e in c.sites.items()},
            "sigma": {k: e.value for k, e in c.sigma_db.items()}, "site_db": c.site_db,
            "day_db": c.day_db, "field": dataclasses.asdict(c.field), "validity": c.validity,
        }  # fmt: skip

    def about(self, sites: tuple[str, ...]) -> dict[str, Any]:
        """For the provenance of results for some sites."""
        return summary(self.calibration, sites)

    def key_near(self, tile: Window) -> list[Any]:
        """What one tile depends on beside: the measured places within reach of it."""
        near = self.field.near(tile)
        return [] if near is None else [
            getattr(near, name).tolist() for name in ("x_m", "y_m", "residual_db", "error_db")
        ] + [[near.sites[s] for s in near.site]]  # fmt: skip


@dataclass(frozen=True, eq=False)
class CorrectedLoss:
    """A loss raster less the correction of its server's level. class_db: (classes,) what does not depend on the
    place; slope_db, excess: weights of log10(d / 1 km) and of the excess loss; site: number in the residuals."""

    loss: LossLike
    map: MapCalibration
    server: Server
    height_m: float
    class_db: np.ndarray
    slope_db: float
    excess: float
    site: int

    @property
    def window(self) -> Window:
        return self.loss.window

    @property
    def free_space_db(self) -> float:
        return FREE_SPACE_CONSTANT_DB + 20.0 * math.log10(self.server.site.frequency_mhz or self.map.frequency_mhz)

    def read(self, part: Window) -> np.ndarray:
        grid = self.map.grid
        row0, col0 = grid.rowcol(self.server.x, self.server.y)
        raw = self.loss.read(part)
        out = np.empty_like(raw)
        mean, _ = self.map.field.of(self.site, part)
        _correct(
            raw, self.map.ground.clutter_class[part.slices], part.top - row0, part.left - col0, grid.resolution_m,
            self.free_space_db, self.class_db, self.slope_db, self.excess,
            self.map.most_excess_db if self.excess > 0.0 else math.inf, *mean, out,
        )  # fmt: skip
        return out


@kernel
def _correct(
    loss, classes, d_row, d_col, step_m, free_space_db, class_db, slope_db, excess, most_excess_db, nodes, step, top,
    left, out,
):  # fmt: skip
    """Loss less correction, row by row; NaN stays."""
    width = loss.shape[1]
    field, line = np.zeros(width), np.empty(nodes.shape[1])
    for r in range(loss.shape[0]):
        interpolated(nodes, step, top + r, left, line, field)
        north = (d_row + r) * step_m * 0.001
        for c in range(width):
            east = (d_col + c) * step_m * 0.001
            out[r, c] = 0.5 * log10(max(east * east + north * north, 1e-6))
        for c in range(width):
            x = np.float64(out[r, c])
            over = min(loss[r, c] - (free_space_db + 20.0 * x), most_excess_db)
            out[r, c] = loss[r, c] - (class_db[classes[r, c]] + slope_db * x + excess * over + field[c])


@kernel
def _boxes(ranked, boxes):
    """First row and column of each server's pixels, and those after the last; all 0 where it has none."""
    for k in range(ranked.shape[0]):
        for r in range(ranked.shape[1]):
            for c in range(ranked.shape[2]):
                box = boxes[ranked[k, r, c]]
                if box[2] == 0:
                    box[0], box[1] = r, c
                box[0], box[1] = min(box[0], r), min(box[1], c)
                box[2], box[3] = max(box[2], r + 1), max(box[3], c + 1)


@kernel
def _spread(
    ranked, number, loss, classes, d_row, d_col, step_m, free_space_db, terms, sigma2, nearest, farthest, beyond_db,
    nodes, step, top, left, out,
):  # fmt: skip
    """Standard deviation where a server is ranked."""
    part, line = np.ones(loss.shape[1]), np.empty(nodes.shape[1])
    for r in range(loss.shape[0]):
        interpolated(nodes, step, top + r, left, line, part)
        north = (d_row + r) * step_m * 0.001
        for c in range(loss.shape[1]):
            for k in range(ranked.shape[0]):
                if ranked[k, r, c] != number:
                    continue
                east = (d_col + c) * step_m * 0.001
                x = 0.5 * log10(max(east * east + north * north, 1e-6))
                e = loss[r, c] - (free_space_db + 20.0 * x)
                t = terms[classes[r, c]]
                fit = t[0] + t[1] * x + t[2] * e + t[3] * x * x + t[4] * x * e + t[5] * e * e
                away = max(nearest - x, x - farthest, 0.0) * beyond_db
                out[k, r, c] = math.sqrt(max(fit, 0.0) + away * away + sigma2[classes[r, c]] * part[c])


def _value(effects: Any, name: str, otherwise: float = 0.0) -> float:
    return effects[name].value if name in effects else otherwise
