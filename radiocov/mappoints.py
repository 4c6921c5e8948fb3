"""Measured levels for the map: medians of cells, and how far they lie from what was predicted there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from devices.privacy import LEAST_DEVICES, LEAST_SAMPLES
from radiocov.coverage.results import StateResults
from radiocov.maps import MapMeasured, bilingual
from radiocov.measurements import Measurements
from radiocov.problems import Problem, ProjectError, did_you_mean
from radiocov.project import Project
from targets.acceptance import Samples
from targets.rasterize import Plane
from targets.roadways import at_points

MOST_CELLS = 6000  # of one map; more would only hide each other
SMALLEST_CELL_M = 50.0


def measured_cells(
    project: Project, states: Sequence[StateResults], measured: Measurements, measured_with: str = "",
    private: bool = False,
) -> MapMeasured | None:  # fmt: skip
    """Talk-out samples as cells of the grid; None where there are none on it.

    measured_with: id of the terminal that was carried, default that of the first service. private: the samples are a
    fleet's, whose cells need three handsets and twenty samples to be shown. Cells are 50 m, or twice as large until
    there are no more than 6000. ProjectError for an unknown terminal.
    """
    terminal = _terminal(project, measured_with)
    samples = measured.samples.get("talk-out")
    if samples is None:
        return None
    plane = Plane(states[-1])
    u, v = plane.pixels(samples.lon, samples.lat)
    with np.errstate(invalid="ignore"):
        on = (u >= 0) & (v >= 0) & (u < plane.width) & (v < plane.height)
    left_out = {"outside": int((~on).sum()), "talk_in": len(measured.samples.get("talk-in", ()))}
    if not on.any():
        return None
    u, v, here = u[on], v[on], _only(samples, on)
    cell_m = max(SMALLEST_CELL_M, plane.pixel_m)
    while (cells := _Cells(u, v, cell_m / plane.pixel_m)).count > MOST_CELLS:
        cell_m *= 2
    carry_db = terminal.carry_loss_db - terminal.antenna_gain_dbi
    level = here.level_dbm + carry_db
    heard = ~here.censored & ~np.isnan(level)
    silent = cells.sums(~heard)
    size = cells.sums(np.ones(len(u)))
    shown = np.ones(cells.count, bool)
    if private:
        shown = (size >= LEAST_SAMPLES) & (cells.distinct(here.device) >= LEAST_DEVICES)
        left_out["private"] = int(size[~shown].sum())
    median = cells.median(level, heard)
    median[2 * silent > size] = np.nan
    residual = {}
    for state in states:
        predicted = at_points(u, v, plane, lambda window, state=state: state.band("level_dbm.tif", 1, window))
        found = cells.median(level - predicted, heard & np.isfinite(predicted))
        found[np.isnan(median)] = np.nan
        residual[state.folder.name] = found[shown]
    middle_u, middle_v = cells.middles()
    return MapMeasured(
        plane.x0 + middle_u[shown] * plane.pixel_m, plane.y0 - middle_v[shown] * plane.pixel_m, median[shown],
        size[shown].astype(int), silent[shown].astype(int), residual, cell_m,
        bilingual(terminal.label, terminal.label_zh), carry_db, ", ".join(measured.sources),
        {reason: n for reason, n in left_out.items() if n},
    )  # fmt: skip


def _terminal(project: Project, wanted: str) -> Any:
    known = {terminal.id: terminal for terminal in project.terminals}
    if not wanted:
        return known[project.services[0].terminal]
    if wanted not in known:
        text = f'there is no terminal "{wanted}"'
        raise ProjectError(Problem("--measured-with", "", text, did_you_mean(wanted, known)))
    return known[wanted]


def _only(samples: Samples, keep: np.ndarray) -> Samples:
    return Samples(samples.lon[keep], samples.lat[keep], samples.time_us[keep], samples.level_dbm[keep],
                   samples.censored[keep], samples.device[keep])  # fmt: skip


class _Cells:
    """Samples sorted by the cell they lie in; side: of a cell, in the unit of u and v."""

    def __init__(self, u: np.ndarray, v: np.ndarray, side: float) -> None:
        self.side = side
        rows, cols = np.floor(v / side).astype(np.int64), np.floor(u / side).astype(np.int64)
        self.stride = int(cols.max()) + 1
        self.keys, self.cell = np.unique(rows * self.stride + cols, return_inverse=True)
        self.count = len(self.keys)

    def middles(self) -> tuple[np.ndarray, np.ndarray]:
        return (self.keys % self.stride + 0.5) * self.side, (self.keys // self.stride + 0.5) * self.side

    def sums(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.cell, values, minlength=self.count)

    def distinct(self, values: np.ndarray) -> np.ndarray:
        pairs = np.unique(np.column_stack([self.cell, values]), axis=0)
        return np.bincount(pairs[:, 0].astype(np.int64), minlength=self.count)

    def median(self, values: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Median of the values `of` which is asked, by cell; NaN in cells without any."""
        cell, values = self.cell[of], values[of]
        order = np.lexsort((values, cell))
        cell, values = cell[order], values[order]
        size = np.bincount(cell, minlength=self.count)
        first = np.cumsum(size) - size
        found = np.full(self.count, np.nan)
        some = size > 0
        low, high = first[some] + (size[some] - 1) // 2, first[some] + size[some] // 2
        found[some] = (values[low] + values[high]) / 2
        return found
