"""Where more driving would tell most about the shares of the targets.

To first order an error e(x) of the level at x changes the share of a target by the sum of a(x) e(x), where
a = weight phi(z) / sigma, z = Phi^-1(probability): places whose service is in doubt count, those served for certain
or not at all do not. With the covariance C of what is unknown after the calibration, the field beside measured places
and each site's own effect, the variance of the share is a'Ca, and measuring at y lessens it by

    (Ca)(y)^2 / (C(y, y) + noise2(y)).

The best place is taken, C becomes what is left after it, and so on, so that the second is not the first's neighbour
once more. Places are squares of about a range of the field that a road of the project runs through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scipy import fft
from scipy.special import ndtri

from radiocov.calibration.kriging import Kriging
from radiocov.calibration.model import Calibration
from radiocov.coverage.results import StateResults
from radiocov.features import write_features
from radiocov.inputs import Inputs
from radiocov.problems import Problem, ProjectError
from targets.compliance import placed, sampled
from targets.rasterize import Plane, Window
from targets.roadways import at_points
from targets.sums import pixels_of

SIDES_M = (500.0, 2000.0)  # of the squares, smallest and largest
LEAST_KM = 0.2  # of road in a square that is worth a visit
CERTAIN = 1e-4  # probabilities nearer to 0 or 1 than this are stored as such


@dataclass(frozen=True)
class Stretch:
    """Roads to drive. rank: from 1, each with those before it driven; km: their length; lessens: part of the variance
    of all targets' shares that it takes away, 0 to 1; field_db: what is unknown of the field there now; site: best
    server; lon, lat: a point on the road; geometry: MultiLineString in longitude and latitude."""

    rank: int
    km: float
    lessens: float
    field_db: float
    site: str
    site_measured: bool
    roads: str
    lon: float
    lat: float
    geometry: Any

    def row(self) -> dict[str, Any]:
        """Attributes of the feature."""
        return {
            "rank": self.rank, "km": round(self.km, 2), "lessens_percent": round(100.0 * self.lessens, 2),
            "field_db": round(self.field_db, 1), "site": self.site, "site_measured": self.site_measured,
            "roads": self.roads, "lon": round(self.lon, 6), "lat": round(self.lat, 6),
        }  # fmt: skip


def advise(inputs: Inputs, results: StateResults, calibration: Calibration, limit: int = 20) -> list[Stretch]:
    """The stretches of road that are worth most, best first; fewer where the rest would tell nothing.

    results: a state's rasters, best those made with the calibration. ProjectError where the project has no roads.
    """
    if inputs.roads is None:
        fault = "there are no roads to drive on"
        raise ProjectError(Problem(inputs.project.path.name, "roads", fault, "name a file of roads"))
    squares = _Squares(inputs, results, calibration)
    doubt = squares.doubt()
    unknown = _Unknown(squares, calibration)
    towards = [unknown.towards(a) for a in doubt]
    whole = sum(float((a * c).sum()) for a, c in zip(doubt, towards, strict=True))
    if whole <= 0.0:
        return []
    noise2 = (calibration.field.nugget_db**2 + 1.0) / np.maximum(squares.km * 1000.0 / squares.pixel_m, 1.0)
    variance, learnt, found = unknown.variance.copy(), [], []
    open_ = squares.km >= LEAST_KM
    for rank in range(1, limit + 1):
        gain = np.where(open_, sum(c**2 for c in towards) / (variance + noise2), 0.0)
        at = np.unravel_index(int(np.argmax(gain)), gain.shape)
        if gain[at] <= 1e-6 * whole:
            break
        column = unknown.column(*at)
        for one in learnt:
            column = column - one * one[at]
        step = column / np.sqrt(variance[at] + noise2[at])
        learnt.append(step)
        towards = [c - step * (c[at] / np.sqrt(variance[at] + noise2[at])) for c in towards]
        variance = np.maximum(variance - step**2, 0.0)
        open_[at] = False
        found.append(squares.stretch(rank, *at, float(gain[at]) / whole, float(np.sqrt(unknown.field2[at]))))
    return found


def write_advice(path: Path, stretches: list[Stretch]) -> Path:
    """GeoPackage or GeoJSON by the file's name."""
    return write_features(path, {"where_to_drive": ([s.geometry for s in stretches], [s.row() for s in stretches])})


class _Squares:
    """Squares of pixels over the rasters: what of the shares is in doubt in each, its roads, and its best server."""

    def __init__(self, inputs: Inputs, results: StateResults, calibration: Calibration) -> None:
        self.inputs, self.results, self.calibration = inputs, results, calibration
        self.plane = Plane(results)
        self.pixel_m = self.plane.pixel_m
        side_m = float(np.clip(calibration.field.range_m, *SIDES_M))
        self.side = max(1, round(side_m / self.pixel_m))
        self.shape = -(-results.shape[0] // self.side), -(-results.shape[1] // self.side)
        self.ways, self.samples = sampled(inputs.policy, inputs.roads, self.plane)
        usable = ~np.array([road.tunnel for road in self.ways], bool)[self.samples.road]
        row, col = self.samples.v // self.side, self.samples.u // self.side
        self._inside = usable & (row >= 0) & (col >= 0) & (row < self.shape[0]) & (col < self.shape[1])
        self._square = (row * self.shape[1] + col).astype(np.int64)
        self.km = self._sum(self._inside, self.samples.km)
        middle = np.minimum(np.arange(self.shape[0]) * self.side + self.side // 2, results.shape[0] - 1)
        across = np.minimum(np.arange(self.shape[1]) * self.side + self.side // 2, results.shape[1] - 1)
        self.server = np.stack([
            results.band("best_server.tif", 1, Window(int(r), 0, 1, results.shape[1]))[0, across] for r in middle
        ]).astype(np.int64)  # fmt: skip
        self.row, self.col = np.meshgrid(middle, across, indexing="ij")

    def _sum(self, mine: np.ndarray, weight: np.ndarray) -> np.ndarray:
        size = self.shape[0] * self.shape[1]
        return np.bincount(self._square[mine], weight[mine], size).reshape(self.shape)

    def doubt(self) -> list[np.ndarray]:
        """Of each target, the change of its share for a dB more in each square."""
        policy, found = self.inputs.policy, []
        ordered, shapes, _ = placed(policy, self.inputs.areas, self.plane)
        asked = dict.fromkeys((t.class_, t.measure == "length", t.service) for t in policy.targets)
        for class_, along, service in asked:
            members = policy.policy_class(class_).data_classes()
            if along:
                a, total = self._on_roads(members, service)
            else:
                mine = [shape for area, shape in zip(ordered, shapes, strict=True) if area.class_ in members]
                a, total = self._in_areas(mine, service)
            if total > 0.0:
                found.append(a / total)
        return found

    def _on_roads(self, members: tuple[str, ...], service: str) -> tuple[np.ndarray, float]:
        s = self.samples
        mine = np.array([road.class_ in members for road in self.ways], bool)[s.road]
        doubt = np.nan_to_num(at_points(s.u, s.v, self.plane, lambda window: self._doubt(service, window)))
        return self._sum(mine & self._inside, s.km * doubt), float(s.km[mine].sum())

    def _in_areas(self, shapes: list[Any], service: str) -> tuple[np.ndarray, float]:
        a, total = np.zeros(self.shape[0] * self.shape[1]), 0.0
        for window, km2 in self._pixels(shapes):
            row = (window.row + np.arange(window.height)) // self.side
            col = (window.col + np.arange(window.width)) // self.side
            square = row[:, None] * self.shape[1] + col[None, :]
            a += np.bincount(square.ravel(), (km2 * self._doubt(service, window)).ravel(), len(a))
            total += float(km2.sum())
        return a.reshape(self.shape), total

    def _pixels(self, shapes: list[Any]) -> Iterator[tuple[Window, np.ndarray]]:
        for shape in shapes:
            yield from pixels_of(shape, self.plane)

    def _doubt(self, service: str, window: Window) -> np.ndarray:
        """phi(z) / sigma, 1/dB, of pixels; 0 where nothing was computed."""
        probability = self.results.read(service, "probability", window)
        z = ndtri(np.clip(np.nan_to_num(probability), CERTAIN, 1.0 - CERTAIN))
        sigma = self._usual_sigma_db()
        if "uncertainty_db.tif" in self.results.manifest["files"]:
            sigma = self.results.band("uncertainty_db.tif", 1, window)
        return np.nan_to_num(np.exp(-0.5 * z * z) / (np.sqrt(2.0 * np.pi) * sigma))

    def _usual_sigma_db(self) -> float:
        return float(np.sqrt(np.mean([e.value**2 for e in self.calibration.sigma_db.values()])))

    def stretch(self, rank: int, row: int, col: int, lessens: float, field_db: float) -> Stretch:
        mine = self._inside & (self._square == row * self.shape[1] + col)
        s = self.samples
        ends = np.stack([[s.u - s.du, s.v - s.dv], [s.u + s.du, s.v + s.dv]]).transpose(2, 0, 1)[mine]
        lines = shapely.line_merge(shapely.multilinestrings(shapely.linestrings(ends)))
        lines = shapely.simplify(lines, 0.05)
        middle = shapely.get_coordinates(shapely.line_interpolate_point(shapely.get_parts(lines)[0], 0.5, True))[0]
        names = dict.fromkeys(filter(None, (self.ways[i].road or self.ways[i].class_ for i in s.road[mine])))
        number = int(self.server[row, col])
        site = self.results.manifest["servers"][number - 1] if number else ""
        lon, lat = self.plane.lonlat(*middle)
        geometry = shapely.multilinestrings(shapely.get_parts(self.plane.unproject(lines)))
        return Stretch(rank, float(self.km[row, col]), lessens, field_db, site, site in self.calibration.sites,
                       ", ".join(names), float(lon), float(lat), geometry)  # fmt: skip


class _Unknown:
    """Covariance between squares of what the calibration leaves unknown, dB2; field2: the field's part of it."""

    def __init__(self, squares: _Squares, calibration: Calibration) -> None:
        field, there = calibration.field, calibration.residuals
        names = ["", *squares.results.manifest["servers"]]
        self.server = squares.server
        known = {name: i for i, name in enumerate(there.sites)} if there is not None else {}
        site = np.array([known.get(name, -1) for name in names])[self.server]
        x, y = squares.results.grid.centre_xy(squares.row.ravel(), squares.col.ravel())
        sd = np.full(squares.shape, np.hypot(field.common_db, field.own_db))
        if there is not None and len(there) and field.range_m > 0:
            sd = Kriging(field, there).predict(x, y, site.ravel())[1].reshape(squares.shape)
        self.sd = np.where(self.server > 0, sd, 0.0)
        own2 = [0.0] + [calibration.sites[n].sd ** 2 if n in calibration.sites else calibration.site_db**2
                        for n in names[1:]]  # fmt: skip
        self.site2 = np.array(own2)[self.server]
        self.field2 = self.sd**2
        self.variance = self.field2 + self.site2
        apart = squares.side * squares.pixel_m / max(field.range_m, 1e-9)
        padded = [fft.next_fast_len(2 * n) for n in squares.shape]
        steps = [np.minimum(np.arange(n), n - np.arange(n)) * apart for n in padded]
        self._fading = fft.rfft2(np.exp(-np.hypot(steps[0][:, None], steps[1][None, :])))
        self._padded, self._apart, self.shape = padded, apart, squares.shape

    def towards(self, a: np.ndarray) -> np.ndarray:
        """The covariance times a."""
        spread = fft.irfft2(self._fading * fft.rfft2(self.sd * a, self._padded), self._padded)
        sums = np.bincount(self.server.ravel(), a.ravel())
        return self.sd * spread[: self.shape[0], : self.shape[1]] + self.site2 * sums[self.server]

    def column(self, row: int, col: int) -> np.ndarray:
        """Covariances of all squares with one."""
        r, c = np.ogrid[: self.shape[0], : self.shape[1]]
        faded = np.exp(-np.hypot(r - row, c - col) * self._apart)
        same = self.server == self.server[row, col]
        return self.sd * self.sd[row, col] * faded + np.where(same, self.site2, 0.0)
