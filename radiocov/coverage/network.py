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
from radiocov.propagation.fastmath import atan, inlined

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
DEGREES = 180.0 / math.pi
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
    services = len(needs.limits_db)
    found = Ranked(
        np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint16),
        np.zeros((services, tile.height, tile.width), np.uint16),
    )  # fmt: skip
    x, y = grid.centre_xy(tile.top + tile.height / 2, tile.left + tile.width / 2)
    # near ones first: those after them are soon seen to be weaker
    order = sorted(range(len(servers)), key=lambda i: math.hypot(servers[i].x - x, servers[i].y - y))
    for i in order:
        s = servers[i]
        part = overlap(tile, s.transmit.loss.window)
        if part is None:
            continue
        inside = (slice(part.top - tile.top, part.top - tile.top + part.height),
                  slice(part.left - tile.left, part.left - tile.left + part.width))  # fmt: skip
        here = (slice(None), *inside)
        row0, col0 = grid.rowcol(s.x, s.y)
        eirp_dbm = s.site.eirp_max_dbm
        # beyond this loss the site meets no service, whatever its pattern
        out = eirp_dbm - needs.limits_db[:, 0] - needs.noise_db.min(axis=1, initial=np.inf)
        back = s.talk_in_db - needs.limits_db[:, 1] if s.receive is None else np.full(services, np.inf)
        farthest_db = np.minimum(out, back).max(initial=-np.inf)
        loss = s.transmit.loss.read(part)
        rx = s.receive or s.transmit
        _rank(
            loss, elevation_m[part.slices], classes[part.slices], part.top - row0, part.left - col0,
            grid.resolution_m, s.method, eirp_dbm, *antenna_shape(s.transmit, s.method, height_m),
            s.receive is not None, loss if s.receive is None else rx.loss.read(part),
            *antenna_shape(rx, s.method, height_m), s.talk_in_db, farthest_db, needs.limits_db, needs.noise_db, i + 1,
            found.level_dbm[here], found.talk_in_db[here], found.server[here], found.count[here],
        )  # fmt: skip
    return found


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
def depressions_deg(elevation, antenna_m, east_m, north_m, step_m, down_deg):
    """Angles from straight up, deg, under which an antenna sees a row of pixels; a loop for vector instructions."""
    for c in range(down_deg.size):
        east = east_m + c * step_m
        across = math.sqrt(east * east + north_m * north_m)
        down_deg[c] = 90.0 - DEGREES * atan((elevation[c] - antenna_m) / max(across, 0.1))


@inlined
def attenuation_db(
    shape, down_deg, east_m, north_m, rise_m, horizontal_db, vertical_db, azimuth_deg, tilt_deg, method
):
    if shape == FLAT:
        return 0.0
    if shape == ROUND:
        i = np.uint64(min(max(down_deg, 0.0), 179.0))
        return vertical_db[i] + (vertical_db[i + np.uint64(1)] - vertical_db[i]) * (down_deg - i)
    return direction_attenuation_db(
        east_m, north_m, rise_m, horizontal_db, vertical_db, azimuth_deg, tilt_deg, method
    )


@kernel
def _rank(
    loss, elevation, classes, d_row, d_col, resolution_m, method, eirp_dbm,
    tx_shape, tx_m, tx_horizontal_db, tx_vertical_db, tx_azimuth_deg, tx_tilt_deg,
    apart, rx_loss, rx_shape, rx_m, rx_horizontal_db, rx_vertical_db, rx_azimuth_deg, rx_tilt_deg,
    talk_in_db, farthest_db, limits_db, noise_db, number, level, talk_in, server, count,
):  # fmt: skip
    last = level.shape[0] - 1
    tx_down, rx_down = np.zeros(loss.shape[1]), np.zeros(loss.shape[1])
    for r in range(loss.shape[0]):
        east, north = d_col * resolution_m, -(d_row + r) * resolution_m
        if tx_shape == ROUND:
            depressions_deg(elevation[r], tx_m, east, north, resolution_m, tx_down)
        if apart and rx_shape == ROUND:
            depressions_deg(elevation[r], rx_m, east, north, resolution_m, rx_down)
        for c in range(loss.shape[1]):
            path = loss[r, c]
            if math.isnan(path):
                continue
            if path > farthest_db and server[last, r, c] > 0 and eirp_dbm - path < level[last, r, c]:
                continue  # too weak even in the direction of its maximum
            east = (d_col + c) * resolution_m
            attenuation = attenuation_db(
                tx_shape, tx_down[c], east, north, elevation[r, c] - tx_m, tx_horizontal_db, tx_vertical_db,
                tx_azimuth_deg, tx_tilt_deg, method,
            )  # fmt: skip
            here = np.float32(eirp_dbm - attenuation - path)
            if apart:
                attenuation = attenuation_db(
                    rx_shape, rx_down[c], east, north, elevation[r, c] - rx_m, rx_horizontal_db, rx_vertical_db,
                    rx_azimuth_deg, rx_tilt_deg, method,
                )  # fmt: skip
                path = rx_loss[r, c]
            back = np.float32(talk_in_db - attenuation - path)
            for s in range(limits_db.shape[0]):
                if here >= limits_db[s, 0] + noise_db[s, classes[r, c]] and back >= limits_db[s, 1]:
                    count[s, r, c] += 1
            place = last + 1
            while place > 0 and (
                server[place - 1, r, c] == 0
                or here > level[place - 1, r, c]
                or (here == level[place - 1, r, c] and number < server[place - 1, r, c])
            ):
                place -= 1
            if place > last:
                continue
            for k in range(last, place, -1):
                level[k, r, c] = level[k - 1, r, c]
                talk_in[k, r, c] = talk_in[k - 1, r, c]
                server[k, r, c] = server[k - 1, r, c]
            level[place, r, c] = here
            talk_in[place, r, c] = back
            server[place, r, c] = number
