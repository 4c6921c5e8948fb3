"""Sums of what was measured, by cell, as arrays and as rows of the database.

They are kept at every side that is shown, each with the cells of a square together in one packed row: a view costs a
few small rows however much was measured, and an import as much as the squares that it touches. Of the handsets in a
cell the first few are told apart, as many as it takes for the cell to tell of no single one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from devices import cells
from devices.packing import pack, unpack
from devices.privacy import LEAST_DEVICES

SIDE_M = 100.0
SIDES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # of what is shown, in sides of what is counted
CELLS_ACROSS = 64  # a square
COLUMN_BITS = 20
MOST_CELLS, MOST_SQUARES = 8_000, 200  # of a view, which has larger ones instead


@dataclass(frozen=True)
class Sums:
    """cell: numbers of n cells, rising; samples: with a level, dBm, of which level_sum is the sum; no_service: rows
    that say so; devices: (n, LEAST_DEVICES) numbers of handsets, 0 where there are fewer."""

    cell: np.ndarray
    samples: np.ndarray
    level_sum: np.ndarray
    no_service: np.ndarray
    devices: np.ndarray

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, rows: np.ndarray) -> Sums:
        return Sums(*(getattr(self, field.name)[rows] for field in fields(self)))


def counted(cell: np.ndarray, device: int, level: np.ndarray, silent: np.ndarray) -> Sums:
    """Of one handset's records."""
    devices = np.zeros((len(cell), LEAST_DEVICES), np.int64)
    devices[:, 0] = device
    return joined([Sums(cell, (~silent).astype(np.int64), np.where(silent, 0.0, level), silent.astype(np.int64),
                        devices)])  # fmt: skip


def joined(parts: list[Sums]) -> Sums:
    """Sums of parts in which a cell may stand any number of times."""
    cell, inverse = np.unique(np.concatenate([part.cell for part in parts]), return_inverse=True)

    def total(name: str) -> np.ndarray:
        return np.bincount(inverse, np.concatenate([getattr(part, name) for part in parts]), len(cell))

    device = np.concatenate([part.devices for part in parts])
    owner, device = np.repeat(inverse, LEAST_DEVICES)[(device > 0).ravel()], device[device > 0]
    pairs = np.unique((owner << 32) | device)
    owner = pairs >> 32
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    devices = np.zeros((len(cell), LEAST_DEVICES), np.int64)
    few = rank < LEAST_DEVICES
    devices[owner[few], rank[few]] = pairs[few] & 0xFFFF_FFFF
    return Sums(cell, total("samples").astype(np.int64), total("level_sum"), total("no_service").astype(np.int64),
                devices)  # fmt: skip


def coarser(sums: Sums, side: int) -> Sums:
    """Of cells of SIDE_M those of `side` times as much."""
    if side == 1 or not len(sums):
        return sums
    lat, lon = cells.centre_of(sums.cell, SIDE_M)
    return joined([Sums(cells.cell_of(lat, lon, SIDE_M * side), *list(vars(sums).values())[1:])])


def by_square(sums: Sums, side: int) -> dict[int, Sums]:
    """Number of each square -> the sums of its cells, which have `side` times SIDE_M."""
    lat, lon = cells.centre_of(sums.cell, SIDE_M * side)
    square = (_step(lat + 90.0, side) << COLUMN_BITS) | _step(lon + 180.0, side)
    order = np.argsort(square, kind="stable")
    numbers, starts = np.unique(square[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    return {
        number: sums.take(order[start:end])
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True)
    }


def view(west: float, south: float, east: float, north: float) -> tuple[int, list[int]]:
    """(side, numbers of the squares that touch a box of degrees): the least side at which that is not too much."""
    across_m = max(north - south, (east - west) * np.cos(np.radians((north + south) / 2))) * cells.METRES_A_DEGREE
    edges = np.array([south + 90.0, north + 90.0, west + 180.0, east + 180.0])
    for side in SIDES:
        low, high, left, right = _step(edges, side).tolist()
        many = (high - low + 1) * (right - left + 1) > MOST_SQUARES or across_m / (SIDE_M * side) > MOST_CELLS**0.5
        if not many or side == SIDES[-1]:
            break
    return side, [row << COLUMN_BITS | column for row in range(low, high + 1) for column in range(left, right + 1)]


def _step(degrees: np.ndarray, side: int) -> np.ndarray:
    return np.floor(degrees * (cells.METRES_A_DEGREE / (CELLS_ACROSS * SIDE_M * side))).astype(np.int64)


def packed(sums: Sums) -> bytes:
    columns: dict[str, Any] = {name: values for name, values in vars(sums).items() if name != "devices"}
    return pack(columns | {f"device{n}": sums.devices[:, n] for n in range(LEAST_DEVICES)})


def unpacked(data: bytes, rows: int) -> Sums:
    columns = unpack(data, rows)
    devices = np.stack([columns.pop(f"device{n}") for n in range(LEAST_DEVICES)], axis=1)
    return Sums(**columns, devices=devices)
