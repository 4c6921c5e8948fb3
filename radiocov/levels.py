"""Computed levels as a plain function of place, for rehearsals that drive through them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from radiocov.coverage.results import StateResults, computed_states, open_state
from radiocov.problems import Problem, ProjectError
from targets.rasterize import Window


def field_of(folder: Path, state: str | None) -> tuple[StateResults, str]:
    """The results of a state, by default the last computed, and its name. ProjectError where there is none."""
    there = computed_states(folder)
    if not there and not state:
        text = "nothing has been computed that could be driven through"
        raise ProjectError(Problem(folder.name, "", text, "run `radiocov coverage`, or rehearse without PROJECT"))
    name = state or there[-1]
    return open_state(folder, name), name


def level_at(results: StateResults, points: list[tuple[float, float]],
             loss_db: float) -> Callable[[float, float], tuple[float | None, int]]:  # fmt: skip
    """A function (lon, lat) -> (level in dBm less `loss_db`, number of the best server) around a route.

    None and 0 where nothing was computed, which is outside the raster, too. ProjectError where no point of the route
    lies in it.
    """
    grid = results.grid
    places = [grid.rowcol(*grid.from_lonlat(lon, lat)) for lon, lat in points]
    rows = [min(max(round(row), 0), grid.height - 1) for row, _ in places if math.isfinite(row)]
    cols = [min(max(round(col), 0), grid.width - 1) for _, col in places if math.isfinite(col)]
    if not any(0 <= row < grid.height and 0 <= col < grid.width for row, col in places):
        west, south, east, north = grid.lonlat_bounds()
        where = f"{west:.3f} to {east:.3f} E, {south:.3f} to {north:.3f} N"
        raise ProjectError(Problem("route", "", f"no place of it lies in the computed area ({where})"))
    top, left = min(rows), min(cols)
    window = Window(top, left, max(rows) - top + 1, max(cols) - left + 1)
    levels = results.band("level_dbm.tif", 1, window)
    servers = results.band("best_server.tif", 1, window)

    def level(lon: float, lat: float) -> tuple[float | None, int]:
        row, col = (round(v) for v in grid.rowcol(*grid.from_lonlat(lon, lat)))
        row, col = row - window.row, col - window.col
        if not (0 <= row < window.height and 0 <= col < window.width):
            return None, 0
        value = float(levels[row, col])
        return (None, 0) if math.isnan(value) else (value - loss_db, int(servers[row, col]))

    return level
