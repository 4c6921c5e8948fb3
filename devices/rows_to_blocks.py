"""Stores of version 1 kept a row a record; their records become blocks of columns when such a store is opened."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import sqlalchemy as sa

from devices import schema
from devices.blocks import BLOCK_ROWS, WHOLE, row_of

_ORDER = ("device", "time_us", "identity", "occurrence")
_NAMES = ("device", *schema.BLOCK_COLUMNS)
_records = sa.table("records", *(sa.column(name) for name in _NAMES))


def convert(connection: sa.Connection) -> None:
    """Every record of the old table into blocks, in the caller's transaction; then the old table goes.

    The connection's option `converted` is told the number of records so far.
    """
    if not sa.inspect(connection).has_table("records"):
        return
    converted = connection.get_execution_options()["converted"]
    if connection.execute(sa.select(_records.c.device).limit(1)).first() is not None:
        converted(0)
    query = sa.select(_records).order_by(*(_records.c[name] for name in _ORDER))
    rows = connection.execute(query.execution_options(yield_per=BLOCK_ROWS))
    number, done = 0, 0
    for device, of_device in itertools.groupby(rows, key=lambda row: row[0]):
        while some := list(itertools.islice(of_device, BLOCK_ROWS)):
            number, done = number + 1, done + len(some)
            block = {"id": number, "device": device, **row_of(_columns(some))}
            connection.execute(sa.insert(schema.blocks).values(block))
            converted(done)
    connection.execute(sa.text("drop table records"))


def _columns(rows: list[Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, values in zip(_NAMES[1:], list(zip(*rows, strict=True))[1:], strict=True):
        if name == "raw_ref":
            if any(values):
                columns[name] = list(values)
        else:
            columns[name] = np.array(values, np.int64 if name in WHOLE else np.float64)
    return columns
