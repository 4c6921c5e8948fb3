"""The network from its loss rasters: the strongest servers of each pixel, and how many serve it, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np

from radiocov.antennas import SUM, direction_attenuation_db
from radiocov.coverage.sector import Window
from radiocov.network import Site
from radiocov.propagation.fastmath import GENTLE, atan, atan_of_gentle, least, most

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
DEGREES = 180.0 / math.pi
STRETCH = 64  # pixels of a row that are looked at together
FLAT, ROUND, DIRECTED = range(3)  # no attenuation; by depression alone; by direction


class LossLike(Protocol):
    """A loss raster over a window of the grid that is read in parts."""

    window: Window

    def read(self, part: Window) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Antenna:
    """An antenna of a site: where it points, its cuts, and the loss raster from its height."""

    height_m: float  # above sea level
    azimuth_deg: float  # of the boresight, clockwise from the grid's north
    tilt_deg: float
    horizontal_db: np.ndarray  # (360,) attenuation by azimuth from boresight
    vertical_db: np.ndarray  # (360,) attenuation by depression angle
    loss: LossLike

    def shape(self, method: int) -> int:
        """How much of a direction its attenuation depends on, for the kernel."""
        if not self.horizontal_db.any() and not self.vertical_db.any():
            return FLAT
        alike = not self.horizontal_db.any() and self.tilt_deg == 0.0 and method == SUM
        return ROUND if alike else DIRECTED


@dataclass(frozen=True, eq=False)
class Server:
    """A site as the combination needs it: where it is, and what it sends and receives with."""

    site: Site
    x: float
    y: float
    transmit: Antenna
    receive: Antenna | None = None  # where it is another one
    method: int = SUM  # how the cuts are combined (`radiocov.antennas.METHODS`)
    talk_in_gain_db: float | None = None  # of the way back without path and pattern; None: gain - losses
    unwanted: Antenna | None = None  # as it is heard by those on its carriers, where there are any

    @property
    def talk_in_db(self) -> float:
        return self.site.gain_dbi - self.site.losses_db if self.talk_in_gain_db is None else self.talk_in_gain_db


@dataclass(frozen=True, eq=False)
class Needs:
    """What services ask of the medians.

    limits_db: (services, 2) least talk-out level at an isotropic antenna, dBm, and least gain of the way back, dB;
    -inf for a direction that a service does not ask for. noise_db: (services, classes) float32, how much more the
    talk-out level has to be in each clutter class.
    """

    limits_db: np.ndarray
    noise_db: np.ndarray


@dataclass(frozen=True)
class Ranked:
    """The strongest servers of a tile by median talk-out level; NaN and 0 where fewer reach."""

    level_dbm: np.ndarray  # (strongest, height, width) float32, talk-out, at an isotropic antenna
    talk_in_db: np.ndarray  # the same of the way back: Server.talk_in_db - attenuation - loss
    server: np.ndarray  # uint16, 1 + position in the list of servers; of equals the first
    count: np.ndarray  # (services, height, width) uint16: servers whose median meets the service's thresholds


def rank_servers(
    grid: Any, servers: Sequence[Server], elevation_m: np.ndarray, classes: np.ndarray, tile: Window, height_m: float,
    needs: Needs, strongest: int = 3,
) -> Ranked:  # fmt: skip
    """The strongest servers of every pixel of a tile, and how many meet each service.

    elevation_m, classes: heights and clutter classes of the whole grid; height_m: of the receiver above ground, for
    angles of departure.
    """
    shape = strongest, tile.height, tile.width
    level = np.full(shape, -np.inf, np.float32)
    talk_in, server = np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint16)
    count = np.zeros((len(needs.limits_db), tile.height, tile.width), np.uint16)
    # the least talk-out level of each service at each pixel
    least_dbm = (needs.limits_db[:, 0, None] + needs.noise_db).astype(np.float32)[:, classes[tile.slices]]
    least_out, least_back = least_dbm.min(axis=(1, 2), initial=np.inf), needs.limits_db[:, 1].astype(np.float32)
    x, y = grid.centre_xy(tile.top + tile.height / 2, tile.left + tile.width / 2)
    # near ones first: most of those after them are weaker at once
    order = sorted(range(len(servers)), key=lambda i: math.hypot(servers[i].x - x, servers[i].y - y))
    for i in order:
        s = servers[i]
        part = overlap(tile, s.transmit.loss.window)
        if part is None:
            continue
        row0, col0 = grid.rowcol(s.x, s.y)
        loss = s.transmit.loss.read(part)
        rx = s.receive or s.transmit
        _rank(
            loss, elevation_m[part.slices], part.top - row0, part.left - col0, grid.resolution_m, s.method,
            s.site.eirp_max_dbm, *antenna_shape(s.transmit, s.method, height_m), s.receive is not None,
            loss if s.receive is None else rx.loss.read(part), *antenna_shape(rx, s.method, height_m), s.talk_in_db,
            least_dbm, least_out, least_back, i + 1, part.top - tile.top, part.left - tile.left, level,
            talk_in, server, count,
        )  # fmt: skip
    level[server == 0] = np.nan
    return Ranked(level, talk_in, server, count)


def antenna_shape(antenna: Antenna, method: int, height_m: float) -> tuple[Any, ...]:
    """An antenna for the kernel, which takes the vertical cut of a ROUND one from straight up to straight down."""
    shape = antenna.shape(method)
    vertical_db = antenna.vertical_db if shape != ROUND else antenna.vertical_db[np.arange(-90, 91)]
    return (
        shape, antenna.height_m - height_m, antenna.horizontal_db, vertical_db, antenna.azimuth_deg, antenna.tilt_deg
    )


def overlap(a: Window, b: Window) -> Window | None:
    """What two windows have in common."""
    top, left = max(a.top, b.top), max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - top
    width = min(a.left + a.width, b.left + b.width) - left
    return Window(top, left, height, width) if height > 0 and width > 0 else None


@kernel
def _depressions_deg(elevation, antenna_m, east_m, north_m, step_m, down_deg):
    """Angles from straight up, deg, under which an antenna sees a row of pixels."""
    steepest = 0.0
    for c in range(down_deg.size):
        east = east_m + c * step_m
        down_deg[c] = (antenna_m - elevation[c]) / most(math.sqrt(east * east + north_m * north_m), 0.1)
        steepest = most(steepest, abs(down_deg[c]))
    if steepest < GENTLE:
        for c in range(down_deg.size):
            down_deg[c] = 90.0 + DEGREES * atan_of_gentle(down_deg[c])
    else:
        for c in range(down_deg.size):
            down_deg[c] = 90.0 + DEGREES * atan(down_deg[c])


@kernel
def attenuations_db(
    shape, elevation, antenna_m, east_m, north_m, step_m, horizontal_db, vertical_db, azimuth_deg, tilt_deg, method,
    out,
):  # fmt: skip
    """Attenuation towards a row of pixels, the first of which lies east_m, north_m from the antenna."""
    if shape == FLAT:
        out[:] = 0.0
    elif shape == ROUND:
        _depressions_deg(elevation, antenna_m, east_m, north_m, step_m, out)
        for c in range(out.size):
            i = np.uint64(min(max(out[c], 0.0), 179.0))
            out[c] = vertical_db[i] + (vertical_db[i + np.uint64(1)] - vertical_db[i]) * (out[c] - i)
    else:
        for c in range(out.size):
            out[c] = direction_attenuation_db(
                east_m + c * step_m, north_m, elevation[c] - antenna_m, horizontal_db, vertical_db, azimuth_deg,
                tilt_deg, method,
            )  # fmt: skip


@kernel
def _levels(gain_db, attenuation_db, loss_db, out):
    for c in range(out.size):
        out[c] = gain_db - attenuation_db[c] - loss_db[c]


@kernel
def _count(level, least, way_back, least_back, count):
    for c in range(count.size):
        count[c] += np.uint16((level[c] >= least[c]) & (way_back[c] >= least_back))


@kernel
def _lowest(values):
    """The least that is not NaN; inf where there is none."""
    lowest = math.inf
    for c in range(values.size):
        lowest = least(lowest, values[c])
    return lowest


@kernel
def _rank(
    loss, elevation, d_row, d_col, step_m, method, eirp_dbm,
    tx_shape, tx_m, tx_horizontal_db, tx_vertical_db, tx_azimuth_deg, tx_tilt_deg,
    apart, rx_loss, rx_shape, rx_m, rx_horizontal_db, rx_vertical_db, rx_azimuth_deg, rx_tilt_deg,
    talk_in_db, least_dbm, least_out, least_back, number, top, left, level, talk_in, server, count,
):  # fmt: skip
    """Stretches of rows in loops that the compiler vectorises; beyond reach all is NaN, which meets nothing."""
    weakest = level.shape[0] - 1
    attenuation = np.empty(STRETCH)
    here, back = np.empty(STRETCH, np.float32), np.empty(STRETCH, np.float32)
    numbers, counts = np.empty(STRETCH, np.uint16), np.empty(count.shape[0], np.bool_)
    best_dbm = eirp_dbm - min(tx_horizontal_db.min() + tx_vertical_db.min(), 0.0)
    best_back_db = talk_in_db - min(rx_horizontal_db.min() + rx_vertical_db.min(), 0.0)
    for r in range(loss.shape[0]):
        y, north = top + r, -(d_row + r) * step_m
        for start in range(0, loss.shape[1], STRETCH):
            stop = min(start + STRETCH, loss.shape[1])
            some, there = slice(start, stop), slice(left + start, left + stop)
            best = best_dbm - _lowest(loss[r, some])
            best_back = best_back_db - _lowest(rx_loss[r, some])
            matters = best >= _lowest(level[weakest, y, there])
            for s in range(counts.size):
                counts[s] = (best >= least_out[s]) & (best_back >= least_back[s])
                matters |= counts[s]
            if not matters:
                continue
            width, east = stop - start, (d_col + start) * step_m
            attenuations_db(
                tx_shape, elevation[r, some], tx_m, east, north, step_m, tx_horizontal_db, tx_vertical_db,
                tx_azimuth_deg, tx_tilt_deg, method, attenuation[:width],
            )  # fmt: skip
            _levels(eirp_dbm, attenuation, loss[r, some], here[:width])
            if apart:
                attenuations_db(
                    rx_shape, elevation[r, some], rx_m, east, north, step_m, rx_horizontal_db, rx_vertical_db,
                    rx_azimuth_deg, rx_tilt_deg, method, attenuation[:width],
                )  # fmt: skip
            _levels(talk_in_db, attenuation, rx_loss[r, some], back[:width])
            for s in range(counts.size):
                if counts[s]:
                    _count(here[:width], least_dbm[s, y, there], back, least_back[s], count[s, y, there])
            numbers[:] = number
            # slices of one index a dimension and a stretch at the end are known to be contiguous
            for k in range(level.shape[0]):
                _displace(here[:width], back, numbers, level[k, y, there], talk_in[k, y, there], server[k, y, there])


@kernel
def _displace(here, back, number, level, talk_in, server):
    """Put servers where they are stronger than those of one rank, and those in their place, for the next rank."""
    for c in range(here.size):
        one, other = here[c], level[c]
        one_back, other_back = back[c], talk_in[c]
        one_number, other_number = number[c], server[c]
        before = (one > other) | ((one == other) & (one_number < other_number))
        level[c] = one if before else other
        here[c] = other if before else one
        talk_in[c] = one_back if before else other_back
        back[c] = other_back if before else one_back
        server[c] = one_number if before else other_number
        number[c] = other_number if before else one_number
