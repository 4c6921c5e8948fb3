"""What sites of one carrier do to each other on a tile: C/(I+N), and the spread of arrival in simulcast.

Wanted is the best server at its median. Unwanted is the sum of powers, each at `unwanted_time_percent`, of the other
sites on one of its carriers, the worst carrier deciding. Sites of its simulcast group are unwanted only where they
arrive outside the limit of delay and are not captured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np

from radiocov.chain import noise_environment
from radiocov.coverage.cog import BLOCK, Arrays
from radiocov.coverage.network import (
    Antenna,
    Server,
    antenna_shape,
    attenuations_db,
    overlap,
)
from radiocov.coverage.sector import LossSettings, Window
from radiocov.frequency_plan import carriers_hz
from radiocov.frequency_plan import overlap as channels_overlap
from radiocov.project import Project
from radiocov.propagation import noise
from radiocov.settings import TIMED_MODELS
from radiocov.site import Site

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
LIGHT_M_US = 299.792458  # metres in a microsecond
DELAY = "simulcast_delay_us.tif"


def ci_name(service: Any) -> str:
    return f"ci_db_{service.id}.tif"


@dataclass(frozen=True)
class Unwanted(Site):
    """A site as it is heard where it is not wanted: the same, but for the settings of its loss."""

    @classmethod
    def of(cls, site: Site) -> Unwanted:
        return cls(**{field.name: getattr(site, field.name) for field in dataclasses.fields(site)})


def unwanted_settings(project: Project, settings: LossSettings) -> LossSettings:
    """Settings of an unwanted site's loss, from those of the wanted one."""
    asked = project.interference
    percent = asked.unwanted_time_percent if settings.model in TIMED_MODELS else settings.time_percent
    return dataclasses.replace(settings, time_percent=percent, radius_km=asked.radius_km or settings.radius_km)


def noise_dbm(project: Project, ground: Any, terminal: Any) -> np.ndarray:
    """Noise at a terminal's port [dBm] in each clutter class: k T0 b, noise figure and man-made noise."""
    asked = project.interference
    figure_db = terminal.noise_figure_db if asked.noise_figure_db is None else asked.noise_figure_db
    curves = [noise_environment(project, c.noise_environment) for c in ground.classes]
    rises = [
        noise.noise_rise_db(project.model.frequency_mhz, curve, figure_db, terminal.noise_loss_db) for curve in curves
    ]
    return noise.thermal_noise_dbm(asked.bandwidth_hz) + figure_db + np.array(rises, float)


def in_groups(servers: Sequence[Server]) -> bool:
    return any(s.site.simulcast for s in servers)


def tile_layers(
    project: Project, ground: Any, servers: Sequence[Server], asked: Sequence[Any], tile: Window,
    receiver_height_m: float, level_dbm: np.ndarray, best: np.ndarray,
) -> Arrays:  # fmt: skip
    """C/(I+N) of each service and the delay spread on a tile, those of them that the project has.

    asked: services with their terminals and walls (`layers.Asked`); level_dbm, best: of the best server, from
    ``rank_servers``.
    """
    if not project.interference.enabled and not in_groups(servers):
        return {}
    power_mw, delay_us = unwanted_and_delay(
        project, ground.grid, servers, ground.elevation_m, tile, receiver_height_m, level_dbm, best
    )
    out: Arrays = {DELAY: delay_us[np.newaxis]} if in_groups(servers) else {}
    if project.interference.enabled:
        classes = ground.clutter_class[tile.slices]
        for a in asked:
            port_db = a.terminal.antenna_gain_dbi - a.terminal.carry_loss_db - a.walls_db
            noise_mw = 10.0 ** (0.1 * (noise_dbm(project, ground, a.terminal) - port_db))
            ci_db = level_dbm - 10.0 * np.log10(power_mw + noise_mw[classes])
            out[ci_name(a.service)] = ci_db.astype(np.float32)[np.newaxis]
    return out


def unwanted_and_delay(
    project: Project, grid: Any, servers: Sequence[Server], elevation_m: np.ndarray, tile: Window, height_m: float,
    level_dbm: np.ndarray, best: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """``(unwanted power at an isotropic antenna, mW, on the worst carrier; spread of arrival, us)`` on a tile.

    The spread is NaN where the best server belongs to no group. Powers are added in the order of the servers.
    """
    numbers = [int(n) for n in np.unique(best) if n]
    near = [i for i, s in enumerate(servers) if any(overlap(tile, loss.window) for loss in _losses_of(s))]
    rivals = {n: _rivals(servers, near, n - 1, project.interference.channel_width_khz) for n in numbers}
    power_mw = np.zeros((max(map(len, rivals.values()), default=0), *best.shape))
    groups = np.array([False, *(bool(s.site.simulcast) for s in servers)])
    delay_us = np.where(groups[best], np.float32(0.0), np.float32(np.nan))
    places = np.array([(0.0, 0.0, 0.0), *(_place(grid, s) for s in servers)])
    limits = project.simulcast.capture_db, project.simulcast.limit_us

    def levels(s: Server, antenna: Antenna, where: np.ndarray) -> np.ndarray:
        out = np.full(best.shape, np.nan, np.float32)
        part = overlap(tile, antenna.loss.window)
        if part is not None and where.any():
            down, right = part.top - tile.top, part.left - tile.left
            inside = slice(down, down + part.height), slice(right, right + part.width)
            row0, col0 = grid.rowcol(s.x, s.y)
            _levels(
                antenna.loss.read(part), elevation_m[part.slices], part.top - row0, part.left - col0,
                grid.resolution_m, s.method, s.site.eirp_max_dbm, *antenna_shape(antenna, s.method, height_m),
                best[inside], where, out[inside],
            )  # fmt: skip
        return out

    for i in near:
        s = servers[i]
        mates, shares = np.zeros(len(servers) + 1, np.bool_), np.zeros((len(servers) + 1, len(power_mw)), np.bool_)
        for n in numbers:
            mates[n] = n != i + 1 and s.site.simulcast != "" and s.site.simulcast == servers[n - 1].site.simulcast
            for carrier, there in enumerate(rivals[n]):
                shares[n, carrier] = i in there
        if not mates.any() and not shares.any():
            continue
        median = levels(s, s.transmit, mates)
        _spread(median, level_dbm, best, mates, places, places[i + 1], tile.top, tile.left, grid.resolution_m,
                limits[0], delay_us)  # fmt: skip
        if s.unwanted is not None and shares.any():
            _add(levels(s, s.unwanted, shares.any(axis=1)), median, level_dbm, best, mates, shares, places,
                 places[i + 1], tile.top, tile.left, grid.resolution_m, *limits, power_mw)  # fmt: skip
    return power_mw.max(axis=0, initial=0.0), delay_us


def _losses_of(server: Server) -> list[Any]:
    return [antenna.loss for antenna in (server.transmit, server.unwanted) if antenna is not None]


def _place(grid: Any, server: Server) -> tuple[float, float, float]:
    """Row, column, launch delay [us]."""
    row, col = grid.rowcol(server.x, server.y)
    return float(row), float(col), server.site.launch_delay_us or 0.0


def _rivals(servers: Sequence[Server], near: Sequence[int], wanted: int, width_khz: float) -> list[frozenset[int]]:
    """Servers on each carrier of the wanted one; those on a carrier that has fewer of the same are left out."""
    found: list[frozenset[int]] = []
    for hz in carriers_hz(servers[wanted].site):
        there = frozenset(
            i for i in near if i != wanted
            and any(channels_overlap(hz, other, width_khz) for other in carriers_hz(servers[i].site))
        )  # fmt: skip
        if not any(there <= other for other in found):
            found = [*(other for other in found if not other < there), there]
    return [there for there in found if there]


@kernel
def _levels(
    loss, elevation, d_row, d_col, resolution_m, method, eirp_dbm, shape, antenna_m, horizontal_db, vertical_db,
    azimuth_deg, tilt_deg, best, where, out,
):  # fmt: skip
    """Levels of a server, dBm, where the best server's number is one of ``where``."""
    attenuation = np.empty(loss.shape[1])
    for r in range(loss.shape[0]):
        attenuations_db(
            shape, elevation[r], antenna_m, d_col * resolution_m, -(d_row + r) * resolution_m, resolution_m,
            horizontal_db, vertical_db, azimuth_deg, tilt_deg, method, attenuation,
        )  # fmt: skip
        for c in range(loss.shape[1]):
            if not math.isnan(loss[r, c]) and where[best[r, c]]:
                out[r, c] = np.float32(eirp_dbm - attenuation[c] - loss[r, c])


@kernel
def _arrival_us(row, col, place, resolution_m):
    """When a signal arrives, over level ground."""
    across, along = row - place[0], col - place[1]
    return math.sqrt(across * across + along * along) * resolution_m / LIGHT_M_US + place[2]


@kernel
def _spread(median, level, best, mates, places, place, top, left, resolution_m, capture_db, delay):
    """The largest difference to the best server's arrival, of a member of its group that it does not capture."""
    for r in range(best.shape[0]):
        for c in range(best.shape[1]):
            b = best[r, c]
            if mates[b] and median[r, c] >= level[r, c] - capture_db:
                apart = abs(
                    _arrival_us(top + r, left + c, place, resolution_m)
                    - _arrival_us(top + r, left + c, places[b], resolution_m)
                )
                delay[r, c] = max(delay[r, c], np.float32(apart))


@kernel
def _add(
    unwanted, median, level, best, mates, shares, places, place, top, left, resolution_m, capture_db, limit_us, power
):
    """Add a server's power to the carriers of the best one; a member of its group only where it disturbs."""
    for r in range(best.shape[0]):
        for c in range(best.shape[1]):
            b = best[r, c]
            if b == 0 or math.isnan(unwanted[r, c]):
                continue
            if mates[b]:
                heard = unwanted[r, c] if math.isnan(median[r, c]) else median[r, c]
                apart = abs(
                    _arrival_us(top + r, left + c, place, resolution_m)
                    - _arrival_us(top + r, left + c, places[b], resolution_m)
                )
                if heard < level[r, c] - capture_db or apart <= limit_us:
                    continue
            here = 10.0 ** (0.1 * unwanted[r, c])
            for carrier in range(power.shape[0]):
                if shares[b, carrier]:
                    power[carrier, r, c] += here


# ------------------------------------------------------------------------------------------------ a state's shares
class _Strip(NamedTuple):
    row: int
    col: int
    height: int
    width: int


def summary(
    project: Project, results: Any, grouped: bool, advance: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """For a state's manifest: by service, how many served pixels there are, and how many of them are disturbed.

    results: the state's rasters (`StateResults`); grouped: whether there is a raster of delays.
    """
    interference, simulcast = project.interference, project.simulcast
    tests: dict[str, Callable[[Any, _Strip], tuple[np.ndarray, np.ndarray]]] = {}
    found: dict[str, Any] = {}
    if interference.enabled:
        found["interference"] = {**interference.model_dump(mode="json"), "services": {}}
        tests["interference"] = lambda service, strip: (
            np.isfinite(ci := results.band(ci_name(service), 1, strip)), ci < interference.protection_db
        )  # fmt: skip
    if grouped:
        found["simulcast"] = {**simulcast.model_dump(mode="json"), "services": {}}
        tests["simulcast"] = lambda service, strip: (
            np.isfinite(delay := results.band(DELAY, 1, strip)), delay > simulcast.limit_us
        )  # fmt: skip
    height, width = results.shape
    strips = [_Strip(row, 0, min(BLOCK, height - row), width) for row in range(0, height, BLOCK)] if tests else []
    counts = {(what, s.id): np.zeros(2, np.int64) for what in tests for s in project.services}
    for done, strip in enumerate(strips):
        advance(done, len(strips))
        for service in project.services:
            served = results.read(service.id, "probability", strip) >= service.probability
            for what, test in tests.items():
                here, disturbed = test(service, strip)
                counts[what, service.id] += np.count_nonzero(served & here), np.count_nonzero(served & disturbed)
    for (what, service_id), (served, disturbed) in counts.items():
        found[what]["services"][service_id] = {"served_pixels": int(served), "disturbed_pixels": int(disturbed)}
    if strips:
        advance(len(strips), len(strips))
    return found
