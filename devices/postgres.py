"""Rows into and out of PostgreSQL by COPY, whole columns at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa

STAGE = "incoming"
HEADER_BYTES = 19  # of COPY's binary format: signature, flags, length of an extension that is not there
NEVER = np.iinfo(np.int64).min


class CopyIn:
    """Writes blocks of `records` within one transaction that holds the store's lock.

    What is newer than all that is known of its handset goes straight in; the rest through a stage, where rows that
    are there already fall out.
    """

    def __init__(self, driver: Any) -> None:
        self._driver, self._staged = driver, False
        self._newest: dict[int, int] = {}

    def write(self, columns: dict[str, Any]) -> int:
        """Number of new rows of a block sorted by the key. columns: (n,) arrays, or a number that all rows share."""
        device, time_us = columns["device"], columns["time_us"]
        newest = np.full(len(device), NEVER)
        for number in np.unique(device).tolist():
            newest[device == number] = self._newest_of(number)
        fresh = time_us > newest
        new = 0
        with self._driver.cursor() as cursor:
            if not fresh.all():
                new += self._through_stage(cursor, _some(columns, ~fresh))
            if fresh.any():
                part = _some(columns, fresh)
                self._copy(cursor, "records", part)
                new += int(fresh.sum())
        for number in np.unique(device[fresh]).tolist():
            self._newest[number] = int(time_us[fresh & (device == number)][-1])
        return new

    def _newest_of(self, device: int) -> int:
        if device not in self._newest:
            with self._driver.cursor() as cursor:
                cursor.execute("select max(time_us) from records where device = %s", (device,))
                found = cursor.fetchone()[0]
            self._newest[device] = NEVER if found is None else found
        return self._newest[device]

    def _through_stage(self, cursor: Any, columns: dict[str, Any]) -> int:
        if not self._staged:
            cursor.execute(f"create temporary table {STAGE} (like records) on commit drop")
            self._staged = True
        self._copy(cursor, STAGE, columns)
        names = ", ".join(columns)
        cursor.execute(f"insert into records ({names}) select {names} from {STAGE} on conflict do nothing")
        new = cursor.rowcount
        cursor.execute(f"truncate {STAGE}")
        return new

    def _copy(self, cursor: Any, table: str, columns: dict[str, Any]) -> None:
        n = len(columns["device"])
        arrays = {
            name: pa.repeat(value, n)
            if isinstance(value, int)
            else pa.array(value, from_pandas=True)
            if isinstance(value, np.ndarray)
            else value
            for name, value in columns.items()
        }
        text = io.BytesIO()
        pa.csv.write_csv(pa.table(arrays), text, pa.csv.WriteOptions(include_header=False))
        with cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin with (format csv)") as copy:
            copy.write(text.getbuffer())


def _some(columns: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    if rows.all():
        return columns
    mask = pa.array(rows)
    return {
        name: value
        if isinstance(value, int)
        else value[rows]
        if isinstance(value, np.ndarray)
        else value.filter(mask)
        for name, value in columns.items()
    }


def copy_out(connection: sa.Connection, query: sa.Select, columns: int, rows: int) -> Iterator[np.ndarray]:
    """Blocks of a query's rows as (rows, columns) float64. The query must not give null."""
    text = str(query.compile(connection, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    casts = ", ".join(f"c{at}::float8" for at in range(columns))
    aliases = ", ".join(f"c{at}" for at in range(columns))
    parts = (("length", ">i4"), ("value", ">f8"))
    row = np.dtype([("fields", ">i2"), *((f"{part}{at}", kind) for at in range(columns) for part, kind in parts)])
    with connection.connection.driver_connection.cursor() as cursor, cursor.copy(
        f"copy (select {casts} from ({text}) as wanted ({aliases})) to stdout (format binary)"
    ) as copy:  # fmt: skip
        held = bytearray()
        skipped = False
        for data in copy:
            held += data
            if not skipped and len(held) >= HEADER_BYTES:
                del held[:HEADER_BYTES]
                skipped = True
            if len(held) >= rows * row.itemsize:
                yield _values(held, row, columns)
                held = held[len(held) // row.itemsize * row.itemsize :]
        if len(held) >= row.itemsize:
            yield _values(held, row, columns)


def _values(data: bytearray, row: np.dtype, columns: int) -> np.ndarray:
    whole = np.frombuffer(bytes(data[: len(data) // row.itemsize * row.itemsize]), row)
    return np.stack([whole[f"value{at}"].astype(np.float64) for at in range(columns)], axis=1)
