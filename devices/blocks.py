"""Records in the store: blocks of one handset's records in order, each packed column by column.

A block has up to BLOCK_ROWS records, and blocks of a handset do not overlap in time (two may share a moment). What
comes in between the records of a block is merged into it, small blocks are joined to what follows them, so that many
small imports end as few large blocks.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import sqlalchemy as sa

from devices import schema
from devices.identity import key
from devices.packing import pack, unpack

BLOCK_ROWS = 1 << 15
SMALL_ROWS = 1 << 12
LEAST_JOINED, MOST_JOINED = 4, 64  # small blocks at once
FETCHED_ROWS = 1 << 20
ASKED_AT_ONCE = 500
KEYS = ("time_us", "identity", "occurrence")
WHOLE = ("time_us", "identity", "occurrence", "batch", "row_no", "context")
Columns = dict[str, Any]
Item = TypeVar("Item")


class _Span(NamedTuple):
    """A block without its records."""

    first_us: int
    last_us: int
    id: int
    rows: int


class Blocks:
    """Adds records within one transaction that holds the store's lock."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._spans: dict[int, list[_Span]] = {}
        self._next = (connection.execute(sa.select(sa.func.max(schema.blocks.c.id))).scalar() or 0) + 1
        self._gone: list[int] = []
        self._made: list[dict[str, Any]] = []
        self._data: dict[int, bytes] = {}
        self.rewritten = 0  # records of blocks that others came in between

    def add(self, rows: dict[int, Columns]) -> int:
        """Number of records that were not there yet, which are written.

        rows: of each handset, arrays in order of KEYS, those of schema.BLOCK_COLUMNS that are known.
        """
        self._find(list(rows))
        self._fetch(rows)
        new = sum(self._add(device, columns) for device, columns in rows.items())
        table = schema.blocks
        for gone in in_parts(self._gone):
            self._connection.execute(sa.delete(table).where(table.c.id.in_(gone)))
        if self._made and self._connection.dialect.name == "postgresql":
            _copy(self._connection, self._made)
        elif self._made:
            self._connection.execute(sa.insert(table), self._made)
        self._gone, self._made, self._data = [], [], {}
        return new

    def _add(self, device: int, columns: Columns) -> int:
        spans = self._spans[device]
        touched = [span for span, start, end in _between(spans, columns["time_us"]) if end > start]
        if touched:
            columns = some(columns, ~_known(columns, [self._read(span, KEYS) for span in touched]))
        new = len(columns["time_us"])
        for group, inside in _groups(spans, columns) if new else ():
            self._merge(device, group, inside)
        return new

    def _find(self, devices: list[int]) -> None:
        """Learn which blocks of handsets are there."""
        table = schema.blocks
        for some_devices in in_parts([device for device in devices if device not in self._spans]):
            self._spans |= {device: [] for device in some_devices}
            found = self._connection.execute(
                sa.select(table.c.device, table.c.first_us, table.c.last_us, table.c.id, table.c.rows)
                .where(table.c.device.in_(some_devices))
                .order_by(table.c.device, table.c.first_us, table.c.last_us, table.c.id)
            )  # fmt: skip
            for device, *span in found:
                self._spans[device].append(_Span(*span))

    def _fetch(self, rows: dict[int, Columns]) -> None:
        """Get blocks that are looked at for these rows all at once: many small ones cost a question each else."""
        wanted, size = [], 0
        for device, columns in rows.items():
            spans, time_us = self._spans[device], columns["time_us"]
            at = bisect_left(spans, time_us[0], key=lambda span: span.last_us)
            near = reversed(spans[max(0, at - MOST_JOINED) : at])
            before = list(itertools.takewhile(lambda span: span.rows <= SMALL_ROWS, near))
            before = before if len(before) >= LEAST_JOINED else []
            for span in [*before, *(span for span, *_ in _between(spans, time_us))]:
                size += span.rows
                if size > FETCHED_ROWS:
                    break
                wanted.append(span.id)
        table = schema.blocks
        for ids in in_parts(wanted):
            found = self._connection.execute(sa.select(table.c.id, table.c.data).where(table.c.id.in_(ids)))
            self._data |= dict(found.all())

    def _read(self, span: _Span, names: Sequence[str] | None = None) -> Columns:
        data = self._data.get(span.id)
        if data is None:
            table = schema.blocks
            data = self._connection.execute(sa.select(table.c.data).where(table.c.id == span.id)).scalar_one()
        return unpack(data, span.rows, names)

    def _merge(self, device: int, columns: Columns, inside: list[_Span]) -> None:
        """Write records that lie in a gap, or among those of the blocks `inside`."""
        spans = self._spans[device]
        fresh = {made["id"] for made in self._made}
        first = min([int(columns["time_us"][0]), *(span.first_us for span in inside)])
        rows = len(columns["time_us"]) + sum(span.rows for span in inside)
        among = {span.id for span in inside}
        at = bisect_right(spans, first, key=lambda span: span.last_us)
        before: list[_Span] = []
        for span in reversed(spans[max(0, at - MOST_JOINED) : at]):
            if span.id in among:
                continue
            if span.id in fresh or span.rows > min(SMALL_ROWS, 2 * rows + sum(one.rows for one in before)):
                break
            before.insert(0, span)
        old = inside if len(before) < LEAST_JOINED else [*before, *inside]
        rows = len(columns["time_us"]) + sum(span.rows for span in old)
        if old:
            columns = joined([*(self._read(span) for span in old), columns])
            order = sorted_order(columns)
            columns = columns if order is None else some(columns, order)
        self.rewritten += sum(span.rows for span in inside)
        for span in old:
            spans.remove(span)
            self._gone.append(span.id)
        pieces = -(-rows // BLOCK_ROWS)
        for piece in range(pieces):
            part = some(columns, slice(rows * piece // pieces, rows * (piece + 1) // pieces))
            row = {"id": self._next, "device": device, **row_of(part)}
            self._next += 1
            self._made.append(row)
            insort(spans, _Span(row["first_us"], row["last_us"], row["id"], row["rows"]))


def _copy(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """PostgreSQL takes blocks in as they are, without a statement for each."""
    columns = schema.blocks.columns
    names = ", ".join(column.name for column in columns)
    kinds = [column.type.compile(connection.dialect).lower() for column in columns]
    with (
        connection.connection.driver_connection.cursor() as cursor,
        cursor.copy(f"copy blocks ({names}) from stdin (format binary)") as copy,
    ):
        copy.set_types(kinds)
        for row in rows:
            copy.write_row([row[column.name] for column in columns])


def in_parts(numbers: list[Item]) -> Iterator[list[Item]]:
    """Databases take no endless lists."""
    for start in range(0, len(numbers), ASKED_AT_ONCE):
        yield numbers[start : start + ASKED_AT_ONCE]


def row_of(columns: Columns) -> dict[str, Any]:
    """What a block of records is stored as, its number and handset apart."""
    time_us, batch = columns["time_us"], columns["batch"]
    row: dict[str, Any] = {
        "first_us": int(time_us[0]), "last_us": int(time_us[-1]), "rows": len(time_us),
        "batch_min": int(batch.min()), "batch_max": int(batch.max()),
    }  # fmt: skip
    for name in ("lat", "lon"):
        values = columns.get(name, np.empty(0))
        known = values[~np.isnan(values)]
        row[f"{name}_min"] = float(known.min()) if len(known) else None
        row[f"{name}_max"] = float(known.max()) if len(known) else None
    return {**row, "data": pack(columns)}


def read(connection: sa.Connection, query: sa.Select, names: Sequence[str] | None = None) -> Iterator[tuple]:
    """(row, columns) of each block of a query of schema.blocks; an unknown column is not there."""
    for row in connection.execute(query.execution_options(yield_per=16)):
        yield row, unpack(row.data, row.rows, names)


def drop(connection: sa.Connection, where: sa.ColumnElement[bool], whole: sa.ColumnElement[bool],
         gone: Callable[[Columns], np.ndarray]) -> int:  # fmt: skip
    """Remove records for good; how many.

    where: the blocks that can hold any; whole: those that hold no others; gone: columns -> (n,) bool of the rest.
    """
    table = schema.blocks
    removed = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(table.c.rows), 0)).where(whole)).scalar_one()
    connection.execute(sa.delete(table).where(whole))
    numbers = connection.execute(sa.select(table.c.id).where(where)).scalars().all()
    for number in numbers:
        [(_, columns)] = read(connection, sa.select(table).where(table.c.id == number))
        out = gone(columns)
        removed += int(out.sum())
        if out.all():
            connection.execute(sa.delete(table).where(table.c.id == number))
        elif out.any():
            connection.execute(
                sa.update(table).where(table.c.id == number).values(**row_of(some(columns, ~out)))
            )
    return int(removed)


def joined(parts: Sequence[Columns]) -> Columns:
    """Blocks one after the other; what a part does not know is unknown in its rows."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _concatenated(name, parts) for name in names}


def _concatenated(name: str, parts: Sequence[Columns]) -> Any:
    if name == "raw_ref":
        return [text for part in parts for text in part.get(name) or [None] * len(part["time_us"])]
    return np.concatenate([
        part[name] if name in part else np.full(len(next(iter(part.values()))), np.nan) for part in parts
    ])  # fmt: skip


def some(columns: Columns, rows: np.ndarray | slice) -> Columns:
    """Rows by mask, order or slice."""
    return {
        name: values[rows] if isinstance(values, np.ndarray) else np.array(values, object)[rows].tolist()
        for name, values in columns.items()
    }


def _between(spans: list[_Span], time_us: np.ndarray) -> list[tuple[_Span, int, int]]:
    """Blocks within the time of sorted rows, each with where it begins and ends among them."""
    low = bisect_left(spans, time_us[0], key=lambda span: span.last_us)
    near = spans[low : bisect_right(spans, time_us[-1], key=lambda span: span.first_us)]
    starts = np.searchsorted(time_us, [span.first_us for span in near], "left")
    ends = np.searchsorted(time_us, [span.last_us for span in near], "right")
    return list(zip(near, starts.tolist(), ends.tolist(), strict=True))


def _groups(spans: list[_Span], columns: Columns) -> list[tuple[Columns, list[_Span]]]:
    """Rows parted at blocks that they pass over, each part with the blocks that its rows lie among."""
    near = _between(spans, columns["time_us"])
    cuts = sorted({0, len(columns["time_us"])} | {start for _, start, end in near if start == end})
    groups = []
    for low, high in zip(cuts[:-1], cuts[1:], strict=True):
        inside = [span for span, start, end in near if end > start and start < high and end > low]
        groups.append((some(columns, slice(low, high)), inside))
    return groups


def _known(columns: Columns, old: list[Columns]) -> np.ndarray:
    """(n,) bool: records that are among the old ones, which are in order of KEYS as well."""
    before = {name: np.concatenate([part[name] for part in old]) for name in KEYS}
    if (np.diff(before["time_us"]) > 0).all():
        row = np.searchsorted(before["time_us"], columns["time_us"])
    else:  # the handset is the same throughout: time, hash and number of the repeat are the key
        keys = key(*(before[name] for name in KEYS))
        order = np.argsort(keys)
        at = np.searchsorted(keys, key(*(columns[name] for name in KEYS)), sorter=order)
        row = order[np.minimum(at, len(order) - 1)]
    row = np.minimum(row, len(before["time_us"]) - 1)
    return np.logical_and.reduce([before[name][row] == columns[name] for name in KEYS])


def sorted_order(columns: Columns) -> np.ndarray | None:
    """Rows by KEYS; None where they are in order."""
    time_us = columns["time_us"]
    if (np.diff(time_us) > 0).all():
        return None
    return np.lexsort([columns[name] for name in reversed(KEYS)])
