"""Rows by device, time and hash of their raw values."""

from __future__ import annotations

import numpy as np


def order_of(device: np.ndarray, time_us: np.ndarray, identity: np.ndarray) -> np.ndarray | None:
    """Order of rows by device code (0 and more), time and hash; None where they are in order."""
    if _in_order(device, time_us, identity):
        return None
    if (np.diff(time_us) >= 0).all() and device.max(initial=0) < 1 << 15:
        order = np.argsort(device.astype(np.int16), kind="stable")  # small numbers alone are sorted quickly
    else:
        order = np.lexsort((time_us, device))
    if _in_order(device[order], time_us[order], identity[order]):
        return order
    return np.lexsort((identity, time_us, device))


def _in_order(device: np.ndarray, time_us: np.ndarray, identity: np.ndarray) -> bool:
    same = device[1:] == device[:-1]
    if not (same | (device[1:] > device[:-1])).all():
        return False
    later = time_us[1:] > time_us[:-1]
    ties = np.flatnonzero(same & ~later)
    return bool(
        (time_us[ties + 1] == time_us[ties]).all() and (identity[ties + 1] >= identity[ties]).all()
    )
