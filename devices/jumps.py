"""Positions that the others of the same device rule out: a fix far away for a moment, the track going on after it."""

from __future__ import annotations

import math

import numpy as np

from devices.draft import Draft

EARTH_M = 6_371_008.8
FASTEST_MPS = 150.0
SLACK_M = 300.0  # of two fixes in the same second


def distance_m(lat1, lon1, lat2, lon2) -> np.ndarray:
    """Great-circle distance on the sphere, metres; degrees in."""
    p1, p2 = np.radians(lat1), np.radians(lat2)
    half = np.sin((p2 - p1) / 2) ** 2 + np.cos(p1) * np.cos(p2) * np.sin(np.radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def find_jumps(draft: Draft, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """(n,) bool, of rows in order of device and time. The track of a device is cut where it would have to go faster
    than 150 m/s; the longest piece is believed, and of the others those that can be reached from it."""
    jumped = np.zeros(len(lat), bool)
    rows = np.flatnonzero(~np.isnan(lat))
    if len(rows) < 3:
        return jumped
    time, device, y, x = draft.time_us, draft.devices()[1], lat, lon
    if len(rows) < len(lat):
        time, device, y, x = time[rows], device[rows], lat[rows], lon[rows]
    same = device[1:] == device[:-1]
    # most rows move little: the plain difference of degrees decides for them
    near = (np.abs(np.diff(y)) + np.abs(np.diff(x))) * 111_195 < SLACK_M
    look = np.flatnonzero(same & ~near)
    cut = np.zeros(len(same), bool)
    cut[look] = ~_reachable(y[look], x[look], time[look], y[look + 1], x[look + 1], time[look + 1])
    if not cut.any():
        return jumped
    starts = np.flatnonzero(np.concatenate(([True], cut | ~same)))
    ends = np.append(starts[1:], len(rows))
    by_device: dict[int, list[int]] = {}
    for piece, of in enumerate(device[starts].tolist()):
        by_device.setdefault(of, []).append(piece)
    sizes = (ends - starts).tolist()
    heads, tails = ([column[at].tolist() for column in (y, x, time)] for at in (starts, ends - 1))
    far: list[int] = []
    for pieces in by_device.values():
        if len(pieces) < 2 or sum(sizes[piece] for piece in pieces) < 3:
            continue
        anchor = max(range(len(pieces)), key=lambda at: sizes[pieces[at]])
        for after in (True, False):
            believed = pieces[anchor]
            for piece in pieces[anchor + 1 :] if after else reversed(pieces[:anchor]):
                one, other = (believed, piece) if after else (piece, believed)
                if _is_reachable(*(column[one] for column in tails), *(column[other] for column in heads)):
                    believed = piece
                else:
                    far.append(piece)
    for piece in far:
        jumped[rows[starts[piece] : ends[piece]]] = True
    return jumped


def _reachable(y1, x1, t1, y2, x2, t2):
    apart = distance_m(y1, x1, y2, x2)
    return apart <= SLACK_M + FASTEST_MPS * np.abs(t2 - t1) / 1e6


def _is_reachable(y1: float, x1: float, t1: int, y2: float, x2: float, t2: int) -> bool:
    """As `_reachable`, for one pair: a track can have as many pieces as points."""
    p1, p2 = math.radians(y1), math.radians(y2)
    half = math.sin((p2 - p1) / 2) ** 2 + math.cos(p1) * math.cos(p2) * math.sin(math.radians(x2 - x1) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(half, 1.0))) <= SLACK_M + FASTEST_MPS * abs(t2 - t1) / 1e6
