"""Square cells on the ground, and the figures of all records in each.

Rows of cells follow the parallels; in each row the cells are as wide as high at its middle. A cell's number tells its
row and column, for one side length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from devices import query
from devices.query import Wanted
from devices.store import Store

METRES_A_DEGREE = 111_195.0
COLUMN_BITS = 26
BUCKET_DB, BUCKET_BITS, SILENT = 0.5, 9, 511  # levels from -150 dBm on; the last bucket is "no service"
MOST_GROUPS = 4_000_000


def cell_of(lat: np.ndarray, lon: np.ndarray, side_m: float) -> np.ndarray:
    """(n,) int64 number of the cell of each place, degrees in. -1 where the place is NaN."""
    there = ~(np.isnan(lat) | np.isnan(lon))
    row = np.floor((np.where(there, lat, 0.0) + 90.0) * (METRES_A_DEGREE / side_m)).astype(np.int64)
    across = _columns_of(row, side_m)
    column = np.floor((np.where(there, lon, 0.0) + 180.0) / 360.0 * across).astype(np.int64) % across.astype(np.int64)
    return np.where(there, (row << COLUMN_BITS) | column, -1)


def centre_of(cell: np.ndarray, side_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(lat, lon) of the middle of each cell, degrees."""
    row, column = cell >> COLUMN_BITS, cell & ((1 << COLUMN_BITS) - 1)
    return (row + 0.5) * (side_m / METRES_A_DEGREE) - 90.0, (column + 0.5) / _columns_of(row, side_m) * 360.0 - 180.0


def _columns_of(row: np.ndarray, side_m: float) -> np.ndarray:
    middle = np.radians((row + 0.5) * (side_m / METRES_A_DEGREE) - 90.0)
    return np.maximum(1.0, np.round(360.0 * METRES_A_DEGREE / side_m * np.cos(middle)))


@dataclass
class Sums:
    """Adds up blocks by some keys; memory follows the number of groups, not that of rows."""

    keys: list[str]
    values: list[str]
    _tables: list[pa.Table] = field(default_factory=list)
    _rows: int = 0

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """columns: keys and values, (n,) each."""
        self._keep(self._group(pa.table(columns), self.values))

    def result(self) -> pa.Table:
        if len(self._tables) != 1:
            self._join()
        return self._tables[0]

    def _keep(self, table: pa.Table) -> None:
        self._tables.append(table)
        self._rows += table.num_rows
        if self._rows > MOST_GROUPS:
            self._join()

    def _join(self) -> None:
        if not self._tables:
            self.add({name: np.array([], np.int64) for name in [*self.keys, *self.values]})
        before = self._rows
        self._tables = [self._group(pa.concat_tables(self._tables), self.values)]
        self._rows = self._tables[0].num_rows if self._tables[0].num_rows < 0.7 * before else 0

    def _group(self, table: pa.Table, values: list[str]) -> pa.Table:
        grouped = table.group_by(self.keys, use_threads=False).aggregate([(name, "sum") for name in values])
        return grouped.select([*self.keys, *(f"{name}_sum" for name in values)]).rename_columns([*self.keys, *values])


def per_cell(store: Store, wanted: Wanted, side_m: float = 100.0) -> pa.Table:
    """Figures of each cell: cell, lat, lon, devices, samples, mean_dbm, median_dbm, sd_db, no_service.

    samples: records of the serving signal with a level, censored ones at their limit; the median is within 0.25 dB.
    no_service: records that say so, whether or not they hold a limit.
    """
    sums = Sums(["key"], ["n", "level", "square"])
    visits = Sums(["cell", "device"], [])
    for cell, device, level, silent in samples(store, wanted, side_m):
        heard = np.where(silent, 0.0, level)
        bucket = np.where(silent, SILENT, np.round((heard + 150.0) / BUCKET_DB)).astype(np.int64)
        sums.add({"key": cell << BUCKET_BITS | bucket, "n": np.ones(len(cell), np.int64), "level": heard,
                  "square": heard * heard})  # fmt: skip
        own = np.unique(cell)
        visits.add({"cell": own, "device": np.full(len(own), device)})
    return _figures(sums.result(), visits.result(), side_m)


def samples(
    store: Store, wanted: Wanted, side_m: float
) -> Iterator[tuple[np.ndarray, int, np.ndarray, np.ndarray]]:
    """(cell, device's number, level, whether it says no service) of records with a position, of serving signals.

    One handset after the other, and the context only where it can matter: what SQLite hands out a value costs most.
    """
    known = query.names(store)
    no_service, neighbour = known.where("service_state", "no_service"), known.where("role", "neighbour")
    columns = ("lat", "lon", "rssi_dbm", "context")[: 4 if (no_service | neighbour).any() else 3]
    numbers = {name: number for number, name in known.devices.items()}
    for name in wanted.devices or numbers:
        for block in query.numbers(store, dataclasses.replace(wanted, devices=(name,)), columns):
            cell = cell_of(block["lat"], block["lon"], side_m)
            context = block.get("context", np.zeros(len(cell), np.int64))
            silent, level = no_service[context], block["rssi_dbm"]
            good = (cell >= 0) & ~neighbour[context] & (silent | ~np.isnan(level))
            yield cell[good], numbers[name], level[good], silent[good]


def _figures(table: pa.Table, visits: pa.Table, side_m: float) -> pa.Table:
    table = table.sort_by("key")
    key, n, level, square = (table.column(name).to_numpy() for name in ("key", "n", "level", "square"))
    cell, bucket = key >> BUCKET_BITS, key & ((1 << BUCKET_BITS) - 1)
    silent = bucket == SILENT
    cells, start = np.unique(cell, return_index=True)
    if not len(cells):
        start = np.array([0], np.int64)[:0]

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, start) if len(start) else values[:0]

    samples, sum_level, sum_square = total(np.where(silent, 0, n)), total(level), total(square)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(samples > 0, sum_level / samples, np.nan)
        sd = np.sqrt(np.maximum(0.0, (sum_square - samples * mean * mean) / np.maximum(1, samples - 1)))
    _, devices = np.unique(visits.column("cell").to_numpy(), return_counts=True)
    lat, lon = centre_of(cells, side_m)
    return pa.table({
        "cell": cells, "lat": lat, "lon": lon, "devices": devices, "samples": samples,
        "mean_dbm": pa.array(mean, from_pandas=True),
        "median_dbm": pa.array(_medians(start, bucket, np.where(silent, 0, n), samples), from_pandas=True),
        "sd_db": pa.array(np.where(samples > 1, sd, np.nan), from_pandas=True),
        "no_service": total(np.where(silent, n, 0)),
    })  # fmt: skip


def _medians(start: np.ndarray, bucket: np.ndarray, n: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Level at which half of a cell's samples are reached, buckets in rising order within each cell."""
    if not len(start):
        return np.array([])
    reached = np.cumsum(n)
    before = np.concatenate(([0], reached))[start]
    low = np.searchsorted(reached, before + (samples + 1) // 2)
    high = np.searchsorted(reached, before + samples // 2 + 1)
    last = len(bucket) - 1
    middle = (bucket[np.minimum(low, last)].astype(float) + bucket[np.minimum(high, last)]) / 2 * BUCKET_DB - 150.0
    return np.where(samples > 0, middle, np.nan)
