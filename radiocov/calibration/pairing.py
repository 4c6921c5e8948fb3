"""What the model says at every local mean: each over its own path, with the same chains and patterns as coverage."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radiocov.calibration import noise
from radiocov.calibration.faults import check_scale, switched_off
from radiocov.calibration.model import BELOW, Cells
from radiocov.calibration.prepare import Means, Prepared, Step
from radiocov.calibration.serving import SiteBook
from radiocov.coverage.places import classes_at, heights_at, loss_to_places
from radiocov.coverage.sector import LossSettings, Transmitter
from radiocov.coverage.setup import loss_settings, refractivity_maps
from radiocov.inputs import Inputs
from radiocov.network import Site
from radiocov.problems import Problem, ProjectError
from radiocov.propagation import freespace
from terrain.ground import Ground
from terrain.rasters import Progress, no_progress

CANDIDATES = 6  # nearest sites that a silence without a name may be about
RISE_M = 1.0  # of clutter, for the slope by its height
TOO_STRONG_DB = 10.0  # above free space: guided by streets and reflections at most so much
PREDICTING = "predicting measured places"


@dataclass
class Paired:
    """cells with the local means they are and the steps of their making. attenuation_db: (n,) of the antenna's
    pattern; swapped_db: how much the prediction would change if its direction were the other one. doubts: what goes
    with a result from such cells."""

    cells: Cells
    means: Means
    steps: list[Step]
    attenuation_db: np.ndarray
    swapped_db: np.ndarray
    doubts: list[str] = field(default_factory=list)


def pair(
    inputs: Inputs, ground: Ground, prepared: Prepared, devices: dict[int, str], clutter_heights: bool = False,
    progress: Progress = no_progress,
) -> Paired:  # fmt: skip
    """Cells of local means. clutter_heights: also what a metre more of each class's clutter does.

    ProjectError where nothing is left.
    """
    project, steps = inputs.project, list(prepared.steps)
    model = Predictor(inputs, ground)
    means = _on_the_air(prepared.means, inputs, steps)
    means = _sites_of_silence(means, model, steps)
    found = model.predict(means, progress)
    keep = found.attenuation_db <= project.calibration.null_db
    steps.append(Step("antenna nulls", "cells", len(means), int(keep.sum()),
                      f"the pattern takes more than {project.calibration.null_db:g} dB"))  # fmt: skip
    means, found = means.of(keep), found.of(keep)
    if project.calibration.levels == "dbm":
        over = means.level_dbm - (found.predicted_dbm + found.excess_db)
        keep = ~((means.censored != BELOW) & (over > TOO_STRONG_DB))
        check_scale(len(means), int(keep.sum()), over[~keep])
        steps.append(Step("serving site", "cells", len(means), int(keep.sum()),
                          f"more than {TOO_STRONG_DB:g} dB above what that site gives in free space"))  # fmt: skip
        means, found = means.of(keep), found.of(keep)
    if not len(means):
        raise ProjectError(Problem("logs", "", "no measured cell is left to calibrate on", _said(steps)))
    means, found, floor_dbm = _above_noise(means, found, project.calibration.noise_floors, steps)
    if not len(means):
        raise ProjectError(Problem("logs", "level", "the receivers read nothing but their own noise", _said(steps)))
    cells = _cells(inputs, ground, means, found, devices, floor_dbm)
    if clutter_heights:
        cells = dataclasses.replace(cells, clutter_slope_db_per_m=model.slopes(means, found, cells, progress))
    steps.append(Step("balance", "cells", len(cells), len(cells),
                      f"weights over sites and classes add up to {cells.weight.sum():.0f} cells"))  # fmt: skip
    return Paired(cells, means, steps, found.attenuation_db, found.swapped_db)


def _above_noise(means: Means, found: Predicted, wanted: bool, steps: list[Step]):
    """(means, found, floor of each [dBm]) without those of receivers that read nothing but noise on a day."""
    if not wanted:
        return means, found, np.full(len(means), np.nan)
    receiver = np.where(means.talk_in, means.site, -1 - means.device)
    floors = noise.find(receiver, means.day, found.distance_km, means.level_dbm, means.censored)
    keep = ~floors.deaf
    steps.append(Step("deaf receivers", "cells", len(means), int(keep.sum()),
                      "receivers that read their own noise all day, far and near"))  # fmt: skip
    means, found, floor_dbm = means.of(keep), found.of(keep), floors.floor_dbm[keep]
    low = int(noise.at_noise(means.level_dbm, means.censored, floor_dbm).sum())
    steps.append(Step("noise", "cells", len(means), len(means),
                      f"{low:,} cells lie within {noise.MARGIN_DB:g} dB of their receiver's noise on that day, which "
                      f"{floors.receivers:,} show: they say that the signal is below it"))  # fmt: skip
    return means, found, floor_dbm


def _said(steps: list[Step]) -> str:
    return "; ".join(f"{s.name}: {s.before - s.after:,} left out ({s.why})" for s in steps if s.after < s.before)


@dataclass(frozen=True, eq=False)
class Predicted:
    """(n,) each, of local means; what `Cells` and `Paired` say."""

    predicted_dbm: np.ndarray
    loss_db: np.ndarray
    excess_db: np.ndarray
    attenuation_db: np.ndarray
    distance_km: np.ndarray
    tx_height_m: np.ndarray
    swapped_db: np.ndarray

    def of(self, chosen: np.ndarray) -> Predicted:
        return Predicted(**{name: value[chosen] for name, value in vars(self).items()})


class Predictor:
    """The project's model at places, site by site, on several threads."""

    def __init__(self, inputs: Inputs, ground: Ground) -> None:
        self.inputs, self.project, self.ground = inputs, inputs.project, ground
        self.book = SiteBook(inputs, ground.grid)
        self._maps = refractivity_maps(self.project)
        self._heights = np.array([t.height_m for t in self.project.terminals])
        self._power = np.array([t.power_dbm for t in self.project.terminals])
        self._port = np.array([t.antenna_gain_dbi - t.carry_loss_db for t in self.project.terminals])

    def predict(self, means: Means, progress: Progress = no_progress) -> Predicted:
        columns = {f.name: np.full(len(means), np.nan) for f in dataclasses.fields(Predicted)}
        tasks = np.unique(np.stack([means.site, means.talk_in]), axis=1).T
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            progress(PREDICTING, 0, len(tasks))
            for done, (number, talk_in) in enumerate(tasks, start=1):
                mine = np.flatnonzero((means.site == number) & (means.talk_in == talk_in))
                for name, values in self._of_site(means.of(mine), int(number), bool(talk_in), pool).items():
                    columns[name][mine] = values
                progress(PREDICTING, done, len(tasks))
        return Predicted(**columns)

    def _of_site(self, means: Means, number: int, talk_in: bool, pool: ThreadPoolExecutor) -> dict[str, np.ndarray]:
        site = self.inputs.sites[number]
        end = site.receiving if talk_in else site
        height = self._heights[means.terminal]
        loss = self.loss_db(end, means, height, self.ground, pool)
        dx, dy = means.x_m - self.book.x[number], means.y_m - self.book.y[number]
        across = np.maximum(np.hypot(dx, dy), 1.0)
        foot = heights_at(self.ground, *(np.array([v[number]]) for v in (self.book.x, self.book.y)))[0]
        rise = heights_at(self.ground, means.x_m, means.y_m) + height - foot - end.antenna_height_m
        free = freespace.free_space_loss(self._frequency_mhz(site), across / 1000.0, rise)
        out, back = (self._attenuation_db(number, one, dx, dy, across, rise) for one in (site, site.receiving))
        power = np.where(np.isnan(means.tx_power_dbm), self._power[means.terminal], means.tx_power_dbm)
        port = self._port[means.terminal]
        given = {  # from the transmitter's port to the receiver's, without the loss between
            False: site.eirp_max_dbm - out + port,
            True: power + port + site.receiving.gain_dbi - site.receive_losses_db - back,
        }
        return {
            "predicted_dbm": given[talk_in] - loss, "loss_db": loss, "excess_db": loss - free,
            "attenuation_db": back if talk_in else out, "distance_km": across / 1000.0,
            "tx_height_m": np.full(len(means), end.antenna_height_m),
            "swapped_db": given[not talk_in] - given[talk_in],
        }  # fmt: skip

    def loss_db(
        self, end: Site, means: Means, height_m: np.ndarray, ground: Any, pool: ThreadPoolExecutor
    ) -> np.ndarray:
        lon, lat = end.antenna_lonlat
        x, y = ground.grid.from_lonlat(lon, lat)
        if not ground.grid.contains(x, y):
            where = f'site "{end.id}"'
            raise ProjectError(Problem(self.project.sites_file.name, where, "is outside the project's grid",
                                       "enlarge [grid] margin_km or extent"))
        settings: LossSettings = loss_settings(self.project, self._frequency_mhz(end), 1.5)
        mapped = {key: round(map_.at(lon, lat), 3) for key, map_ in self._maps.items()}
        settings = dataclasses.replace(settings, **mapped)
        place = Transmitter(float(x), float(y), end.antenna_height_m)
        return loss_to_places(ground, place, settings, means.x_m, means.y_m, height_m, pool.map)

    def _frequency_mhz(self, site: Site) -> float:
        return site.frequency_mhz or self.project.model.frequency_mhz

    def _attenuation_db(
        self, number: int, end: Site, dx: np.ndarray, dy: np.ndarray, across: np.ndarray, rise: np.ndarray
    ) -> np.ndarray:
        azimuth = np.degrees(np.arctan2(dx, dy)) - self.book.north_deg[number] - end.azimuth_deg
        elevation = np.degrees(np.arctan2(rise, across))
        pattern = self.book.pattern(end)
        return pattern.attenuation_db(azimuth, elevation, end.tilt_deg, self.project.sites.pattern_method)

    def slopes(self, means: Means, found: Predicted, cells: Cells, progress: Progress) -> np.ndarray:
        """(n, classes) change of the prediction, dB, a metre more of each class's clutter, by a finite difference."""
        what, ground = "varying clutter heights", self.ground
        out = np.zeros((len(means), len(cells.classes)))
        standing = np.unique(ground.clutter_class[ground.clutter_height_m > 0]).tolist()
        tasks = np.unique(np.stack([means.site, means.talk_in]), axis=1).T
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            progress(what, 0, len(standing))
            for done, c in enumerate(standing, start=1):
                higher = ground.clutter_height_m + np.where(
                    (ground.clutter_class == c) & (ground.clutter_height_m > 0), RISE_M, 0.0
                ).astype(np.float32)
                raised = _Raised(ground, higher)
                for number, talk_in in tasks:
                    mine = np.flatnonzero((means.site == number) & (means.talk_in == talk_in))
                    site = self.inputs.sites[number]
                    end, some = (site.receiving if talk_in else site), means.of(mine)
                    loss = self.loss_db(end, some, self._heights[some.terminal], raised, pool)
                    name = ground.classes[c].name
                    if name in cells.classes:
                        out[mine, cells.classes.index(name)] = (found.loss_db[mine] - loss) / RISE_M
                progress(what, done, len(standing))
        return out


class _Raised:
    """A ground with other clutter heights."""

    def __init__(self, ground: Ground, clutter_height_m: np.ndarray) -> None:
        self.grid, self.classes, self.zone = ground.grid, ground.classes, ground.zone
        self.elevation_m, self.clutter_class = ground.elevation_m, ground.clutter_class
        self.clutter_height_m = clutter_height_m


def _on_the_air(means: Means, inputs: Inputs, steps: list[Step]) -> Means:
    off = inputs.project.calibration.off
    if not off:
        return means
    keep = (means.site < 0) | ~switched_off(means.site, means.day, [s.id for s in inputs.sites], off)
    steps.append(Step("off", "cells", len(means), int(keep.sum()), f"of {', '.join(off)}, which were off"))
    return means.of(keep)


def _sites_of_silence(means: Means, model: Predictor, steps: list[Step]) -> Means:
    """A silence that names no site is about the site that should be strongest there."""
    nameless = np.flatnonzero(means.site < 0)
    if not len(nameless):
        return means
    some, book = means.of(nameless), model.book
    away = np.hypot(some.x_m[:, None] - book.x, some.y_m[:, None] - book.y)
    ids, off = [s.id for s in book.sites], model.project.calibration.off
    on = np.stack([book.in_service(at, some.day) & ~switched_off(at, some.day, ids, off)
                   for at in (np.full(len(some), s) for s in range(len(ids)))], axis=1)  # fmt: skip
    away = np.where(on & (away <= 1000.0 * model.project.model.radius_km), away, np.inf)
    best, level = np.full(len(some), -1), np.full(len(some), -np.inf)
    order = np.argsort(away, axis=1, kind="stable")[:, :CANDIDATES]
    for rank in range(order.shape[1]):
        there = np.flatnonzero(np.isfinite(away[np.arange(len(some)), order[:, rank]]))
        if not len(there):
            break
        trial = dataclasses.replace(some.of(there), site=order[there, rank])
        found = model.predict(trial).predicted_dbm
        better = found > level[there]
        best[there[better]], level[there[better]] = order[there[better], rank], found[better]
    site = means.site.copy()
    site[nameless] = best
    steps.append(Step("not heard", "cells", len(means), int((site >= 0).sum()),
                      f"{len(nameless):,} cells without service, each set against the site that should be strongest; "
                      "those with no site within reach"))  # fmt: skip
    return dataclasses.replace(means, site=site).of(site >= 0)


def _cells(
    inputs: Inputs, ground: Ground, means: Means, found: Predicted, devices: dict[int, str], floor_dbm: np.ndarray
) -> Cells:
    project = inputs.project
    here = classes_at(ground, means.x_m, means.y_m)
    used_classes, clutter = np.unique(here, return_inverse=True)
    used_sites, site = np.unique(means.site, return_inverse=True)
    used_devices, device = np.unique(means.device, return_inverse=True)
    classes = tuple(ground.classes[c].name for c in used_classes)
    level, error, censored = noise.without_noise(means.level_dbm, means.error_db, means.censored, floor_dbm)
    return Cells(
        means.x_m, means.y_m, site, device, means.day, clutter, level, censored, means.samples,
        error, found.predicted_dbm, found.distance_km, found.excess_db, found.tx_height_m,
        _balance(site, clutter), means.talk_in, tuple(inputs.sites[s].id for s in used_sites),
        tuple(devices[int(d)] for d in used_devices), classes, project.model.frequency_mhz,
        project.calibration.levels == "relative", floor_dbm=floor_dbm,
    )  # fmt: skip


def _balance(site: np.ndarray, clutter: np.ndarray) -> np.ndarray:
    """(n,) weights, 1 at most: a site or class with many cells counts by the square root of what it has more than
    the median one."""
    weight = np.ones(len(site))
    for group in (site, clutter):
        n = np.bincount(group)
        weight *= np.minimum(1.0, np.sqrt(np.median(n[n > 0]) / np.maximum(n, 1)))[group]
    return weight / weight.max()
