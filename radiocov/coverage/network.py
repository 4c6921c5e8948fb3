"""The network from its loss rasters: best server, levels, margins and service probability, tile by tile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from radiocov.antennas import SUM, direction_attenuation_db
from radiocov.coverage.sector import Window
from radiocov.network import Site

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True, eq=False)
class Receiver:
    """A site's receive antenna where it is not the transmit antenna: as in Server."""

    antenna_m: float
    azimuth_deg: float
    tilt_deg: float
    horizontal_db: np.ndarray
    vertical_db: np.ndarray
    loss_db: np.ndarray  # (window.height, window.width) float32, from its own height


@dataclass(frozen=True, eq=False)
class Server:
    """A site as the combination needs it: where it is, what it radiates, and its loss raster."""

    site: Site
    x: float
    y: float
    antenna_m: float  # height above sea level
    azimuth_deg: float  # of the boresight, clockwise from the grid's north
    horizontal_db: np.ndarray  # (360,) attenuation by azimuth from boresight
    vertical_db: np.ndarray  # (360,) attenuation by depression angle
    flat: bool  # no attenuation in any direction
    window: Window
    loss_db: np.ndarray  # (window.height, window.width) float32, NaN beyond reach
    method: int = SUM  # how the cuts are combined (`radiocov.antennas.METHODS`)
    talk_in_db: float | None = None  # gain of the way back without path and pattern; None: gain - losses
    receiver: Receiver | None = None


@dataclass(frozen=True)
class Best:
    """Best server of a tile, (height, width) each; NaN and 0 where no server reaches."""

    level_dbm: np.ndarray  # float32, talk-out, at an isotropic antenna
    talk_in_db: np.ndarray  # float32, gain of the way back: Server.talk_in_db - attenuation - loss
    server: np.ndarray  # uint16, 1 + position in the list of servers


def best_servers(grid: Any, servers: list[Server], elevation_m: np.ndarray, tile: Window, height_m: float) -> Best:
    """The strongest server of every pixel of a tile by its median talk-out level; of equals the first in the list.

    elevation_m: the whole grid's; height_m: of the receiver above ground, for angles of departure.
    """
    shape = tile.height, tile.width
    best = Best(np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint16))
    for number, s in enumerate(servers, start=1):
        top, left = max(tile.top, s.window.top), max(tile.left, s.window.left)
        bottom = min(tile.top + tile.height, s.window.top + s.window.height)
        right = min(tile.left + tile.width, s.window.left + s.window.width)
        if top >= bottom or left >= right:
            continue
        here = np.s_[top - tile.top : bottom - tile.top, left - tile.left : right - tile.left]
        row0, col0 = grid.rowcol(s.x, s.y)
        own = np.s_[top - s.window.top : bottom - s.window.top, left - s.window.left : right - s.window.left]
        talk_in_db = s.site.gain_dbi - s.site.losses_db if s.talk_in_db is None else s.talk_in_db
        rx = s.receiver or Receiver(
            s.antenna_m, s.azimuth_deg, s.site.tilt_deg, s.horizontal_db, s.vertical_db, s.loss_db)
        _take_stronger(
            s.loss_db[own], elevation_m[top:bottom, left:right], top - row0, left - col0, grid.resolution_m,
            s.antenna_m - height_m, s.horizontal_db, s.vertical_db, s.flat, s.azimuth_deg, s.site.tilt_deg, s.method,
            s.site.eirp_max_dbm, s.receiver is not None, rx.loss_db[own], rx.antenna_m - height_m, rx.horizontal_db,
            rx.vertical_db, rx.azimuth_deg, rx.tilt_deg, talk_in_db, number, best.level_dbm[here],
            best.talk_in_db[here], best.server[here],
        )  # fmt: skip
    return best


@kernel
def _take_stronger(
    loss, elevation, d_row, d_col, resolution_m, antenna_m, horizontal_db, vertical_db, flat, azimuth_deg, tilt_deg,
    method, eirp_dbm, apart, rx_loss, rx_antenna_m, rx_horizontal_db, rx_vertical_db, rx_azimuth_deg, rx_tilt_deg,
    talk_in_db, number, level, talk_in, server,
):  # fmt: skip
    for r in range(loss.shape[0]):
        for c in range(loss.shape[1]):
            path = loss[r, c]
            if math.isnan(path):
                continue
            if server[r, c] > 0 and eirp_dbm - path <= level[r, c]:
                continue  # weaker even in the direction of its maximum
            dx, dy = (d_col + c) * resolution_m, -(d_row + r) * resolution_m
            attenuation = 0.0
            if not flat:
                attenuation = direction_attenuation_db(
                    dx, dy, elevation[r, c] - antenna_m, horizontal_db, vertical_db, azimuth_deg, tilt_deg, method)
            here = np.float32(eirp_dbm - attenuation - path)
            if server[r, c] == 0 or here > level[r, c]:
                level[r, c] = here
                if apart:
                    attenuation = direction_attenuation_db(
                        dx, dy, elevation[r, c] - rx_antenna_m, rx_horizontal_db, rx_vertical_db, rx_azimuth_deg,
                        rx_tilt_deg, method)
                    path = rx_loss[r, c]
                talk_in[r, c] = talk_in_db - attenuation - path
                server[r, c] = number
