"""The network from its loss rasters: the strongest servers of each pixel, and how many serve it, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np

from radiocov.antennas import interpolate_cut, to_antenna_frame
from radiocov.coverage.sector import Window
from radiocov.network import Site

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


class LossLike(Protocol):
    """A loss raster over a window of the grid that is read in parts."""

    window: Window

    def read(self, part: Window) -> np.ndarray: ...


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
    loss: LossLike


@dataclass(frozen=True)
class Ranked:
    """The strongest servers of a tile by median talk-out level; NaN and 0 where fewer reach."""

    level_dbm: np.ndarray  # (strongest, height, width) float32, talk-out, at an isotropic antenna
    talk_in_db: np.ndarray  # the same of the way back: site gain - losses - attenuation - loss
    server: np.ndarray  # uint16, 1 + position in the list of servers; of equals the first
    count: np.ndarray  # (services, height, width) uint16: servers whose median meets the service's thresholds


def rank_servers(
    grid: Any, servers: Sequence[Server], elevation_m: np.ndarray, tile: Window, height_m: float,
    needs_db: np.ndarray, strongest: int = 3,
) -> Ranked:  # fmt: skip
    """The strongest servers of every pixel of a tile, and how many meet each service.

    elevation_m: the whole grid's; height_m: of the receiver above ground, for angles of departure.
    needs_db: (services, 2) least talk-out level at an isotropic antenna, dBm, and least gain of the way back, dB,
    that meet the service's thresholds; -inf for a direction that it does not ask for.
    """
    shape = strongest, tile.height, tile.width
    found = Ranked(
        np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint16),
        np.zeros((len(needs_db), tile.height, tile.width), np.uint16),
    )  # fmt: skip
    for number, s in enumerate(servers, start=1):
        part = overlap(tile, s.loss.window)
        if part is None:
            continue
        here = np.s_[:, part.top - tile.top : part.top - tile.top + part.height,
                     part.left - tile.left : part.left - tile.left + part.width]  # fmt: skip
        row0, col0 = grid.rowcol(s.x, s.y)
        eirp_dbm, talk_in_db = s.site.eirp_max_dbm, s.site.gain_dbi - s.site.losses_db
        # beyond this loss the site meets no service, whatever its pattern
        farthest_db = np.minimum(eirp_dbm - needs_db[:, 0], talk_in_db - needs_db[:, 1]).max(initial=-np.inf)
        _rank(
            s.loss.read(part), elevation_m[part.slices], part.top - row0, part.left - col0, grid.resolution_m,
            s.antenna_m - height_m, s.horizontal_db, s.vertical_db, s.flat, s.azimuth_deg, s.site.tilt_deg, eirp_dbm,
            talk_in_db, farthest_db, needs_db, number, found.level_dbm[here], found.talk_in_db[here],
            found.server[here], found.count[here],
        )  # fmt: skip
    return found


def overlap(a: Window, b: Window) -> Window | None:
    """What two windows have in common."""
    top, left = max(a.top, b.top), max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - top
    width = min(a.left + a.width, b.left + b.width) - left
    return Window(top, left, height, width) if height > 0 and width > 0 else None


@kernel
def _rank(
    loss, elevation, d_row, d_col, resolution_m, antenna_m, horizontal_db, vertical_db, flat, azimuth_deg, tilt_deg,
    eirp_dbm, talk_in_db, farthest_db, needs_db, number, level, talk_in, server, count,
):  # fmt: skip
    last = level.shape[0] - 1
    for r in range(loss.shape[0]):
        for c in range(loss.shape[1]):
            path = loss[r, c]
            if math.isnan(path):
                continue
            if path > farthest_db and server[last, r, c] > 0 and eirp_dbm - path <= level[last, r, c]:
                continue  # too weak even in the direction of its maximum
            attenuation = 0.0
            if not flat:
                dx, dy = (d_col + c) * resolution_m, -(d_row + r) * resolution_m
                across = math.sqrt(dx * dx + dy * dy)
                azimuth = math.degrees(math.atan2(dx, dy)) - azimuth_deg
                angle = math.degrees(math.atan2(elevation[r, c] - antenna_m, max(across, 0.1)))
                azimuth, angle = to_antenna_frame(azimuth, angle, tilt_deg)
                attenuation = interpolate_cut(horizontal_db, azimuth) + interpolate_cut(vertical_db, -angle)
            here = np.float32(eirp_dbm - attenuation - path)
            back = np.float32(talk_in_db - attenuation - path)
            for s in range(needs_db.shape[0]):
                if here >= needs_db[s, 0] and back >= needs_db[s, 1]:
                    count[s, r, c] += 1
            place = last + 1
            while place > 0 and (server[place - 1, r, c] == 0 or here > level[place - 1, r, c]):
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
