"""Where more driving would tell most about the shares of the targets.

To first order an error e(x) of the level at x changes the share of a target by the sum of a(x) e(x), where
a = weight phi(z) / sigma, z = Phi^-1(probability): places whose service is in doubt count, those served for certain
or not at all do not. With the covariance C of what is unknown after the calibration, the field given what was
measured and each site's own effect, the variance of the share is a'Ca, and measuring at y lessens it by

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
from scipy.signal import oaconvolve
from scipy.special import ndtri

from radiocov.calibration.kriging import REACH
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
    variance, learnt, found = unknown.variance, [], []
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
        line = shapely.get_parts(lines)[0]
        middle = shapely.get_coordinates(shapely.line_interpolate_point(line, 0.5, normalized=True))[0]
        names = dict.fromkeys(filter(None, (self.ways[i].road or self.ways[i].class_ for i in s.road[mine])))
        number = int(self.server[row, col])
        site = self.results.manifest["servers"][number - 1] if number else ""
        lon, lat = self.plane.lonlat(*middle)
        geometry = shapely.multilinestrings(shapely.get_parts(self.plane.unproject(lines)))
        return Stretch(rank, float(self.km[row, col]), lessens, field_db, site, site in self.calibration.sites,
                       ", ".join(names), float(lon), float(lat), geometry)  # fmt: skip


class _Unknown:
    """Covariance between squares of what the calibration leaves unknown, dB2, each as its best server is received.

    field2: variance of the field there given what was measured of that server; site2: of the server's own effect;
    variance: both. A measured square tells of those within `REACH` ranges.
    """

    def __init__(self, squares: _Squares, calibration: Calibration) -> None:
        field, names = calibration.field, ["", *squares.results.manifest["servers"]]
        self.server, self.shape = squares.server, squares.shape
        self._common2, self._own2 = (field.common_db**2, field.own_db**2) if field.range_m > 0 else (0.0, 0.0)
        sites = calibration.sites
        own2 = [sites[n].sd ** 2 if n in sites else calibration.site_db**2 for n in names[1:]]
        self.site2 = np.array([0.0, *own2])[self.server]
        self.field2 = np.where(self.server > 0, self._common2 + self._own2, 0.0)
        self._apart = squares.side * squares.pixel_m / max(field.range_m, 1e-9)  # ranges
        self._around = int(REACH / self._apart) + 1
        self._learnt: list[tuple[np.ndarray, tuple[slice, slice]]] = []
        self._telling: dict[tuple[int, int], list[int]] = {}
        for at, noise2 in self._measured(squares, calibration, names):
            self._learn(at, noise2)

    @property
    def variance(self) -> np.ndarray:
        return self.field2 + self.site2

    def _measured(self, squares: _Squares, calibration: Calibration, names: list[str]) -> Iterator[tuple[Any, float]]:
        """Squares in which their best server was measured, and the variance of the mean there about the field."""
        there = calibration.residuals
        if there is None or not len(there) or not self._common2 + self._own2:
            return
        numbers = {name: i for i, name in enumerate(names)}
        number = np.array([numbers.get(name, -1) for name in there.sites])[there.site]
        row, col = (np.round(v).astype(np.int64) // squares.side
                    for v in squares.results.grid.rowcol(there.x_m, there.y_m))  # fmt: skip
        inside = (row >= 0) & (col >= 0) & (row < self.shape[0]) & (col < self.shape[1])
        row, col, number, error = (v[inside] for v in (row, col, number, there.error_db))
        mine = self.server[row, col] == number
        told = np.zeros(self.shape)
        np.add.at(told, (row[mine], col[mine]), 1.0 / (calibration.field.nugget_db**2 + error[mine] ** 2))
        for at in zip(*np.nonzero(told), strict=True):
            yield at, 1.0 / float(told[at])

    def _near(self, row: int, col: int) -> tuple[slice, slice]:
        return tuple(slice(max(at - self._around, 0), at + self._around + 1) for at in (row, col))

    def _learn(self, at: tuple[int, int], noise2: float) -> None:
        here = self._near(*at)
        step = self._field_column(*at)[here] / np.sqrt(self.field2[at] + noise2)
        self.field2[here] = np.maximum(self.field2[here] - step**2, 0.0)
        self._learnt.append((step, here))
        for r in range(here[0].start, min(here[0].stop, self.shape[0])):
            for c in range(here[1].start, min(here[1].stop, self.shape[1])):
                self._telling.setdefault((r, c), []).append(len(self._learnt) - 1)

    def _field_column(self, row: int, col: int) -> np.ndarray:
        out = np.zeros(self.shape)
        here = self._near(row, col)
        r, c = np.ogrid[: self.shape[0], : self.shape[1]]
        faded = np.exp(-np.hypot(r[here[0]] - row, c[:, here[1]] - col) * self._apart)
        server = self.server[here]
        share = self._common2 + np.where(server == self.server[row, col], self._own2, 0.0)
        out[here] = np.where((server > 0) & (self.server[row, col] > 0), share * faded, 0.0)
        for number in self._telling.get((row, col), ()):
            step, there = self._learnt[number]
            out[there] -= step * step[row - there[0].start, col - there[1].start]
        return out

    def column(self, row: int, col: int) -> np.ndarray:
        """Covariances of all squares with one."""
        same = self.server == self.server[row, col]
        return self._field_column(row, col) + np.where(same, self.site2, 0.0)

    def towards(self, a: np.ndarray) -> np.ndarray:
        """The covariance times a."""
        sums = np.bincount(self.server.ravel(), a.ravel())
        out = self._spread(np.where(self.server > 0, a, 0.0)) * self._common2
        for number in np.unique(self.server[(self.server > 0) & (a != 0.0)]).tolist() if self._own2 else []:
            mine = self.server == number
            rows, cols = (np.flatnonzero(mine.any(axis=axis)) for axis in (1, 0))
            box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
            out[box] += self._own2 * np.where(mine[box], self._spread(np.where(mine[box], a[box], 0.0)), 0.0)
        out = np.where(self.server > 0, out, 0.0)
        for step, here in self._learnt:
            out[here] -= step * float((step * a[here]).sum())
        return out + self.site2 * sums[self.server]

    def _spread(self, a: np.ndarray) -> np.ndarray:
        """a taken with exp(-d / range) to every square within `_around`."""
        offsets = np.arange(-self._around, self._around + 1) * self._apart
        return oaconvolve(a, np.exp(-np.hypot(offsets[:, None], offsets[None, :])), mode="same") if a.size else a
