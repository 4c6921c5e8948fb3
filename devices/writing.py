"""Rows into the store: texts that many rows share become one context, rows are held until every handset has a good
block of them, and rows that are there already stay as they were."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from devices import schema
from devices.blocks import Blocks, Columns, joined, some, sorted_order
from devices.draft import Draft
from devices.identity import FIELDS as IDENTITY_FIELDS
from devices.identity import Occurrences, combine
from devices.jumps import by_device_and_time
from devices.records import Record

BUFFER_ROWS = 200_000
ASKED_AT_ONCE = 500  # databases take no endless lists
FULL_ROWS = 4_000  # a handset; blocks of fewer cost more than they hold


class Writer:
    """Writes the blocks of one batch within the caller's transaction."""

    def __init__(self, connection: sa.Connection, batch: int) -> None:
        self.connection, self.batch = connection, batch
        self.devices: dict[str, int] = {}
        self._contexts: dict[tuple, int] = {}
        self._blocks = Blocks(connection)
        self._held: dict[int, list[Columns]] = {}
        self._held_rows = 0

    def write(self, draft: Draft, occurrences: Occurrences) -> int:
        """Number of rows now known not to have been there yet; `flush` says the rest.

        occurrences: of the source that the rows come from.
        """
        n = len(draft)
        if not n:
            return 0
        device = self._device_numbers(draft)
        identity = draft.identity if draft.identity is not None else combine(draft.raw or _raw_of(draft), n)
        order = _order(device, draft.time_us, identity)
        if order is not None:
            device, identity, draft = device[order], identity[order], draft.take(order)
        columns: Columns = {
            "time_us": draft.time_us, "identity": identity,
            "occurrence": occurrences.number(device, draft.time_us, identity), "batch": np.full(n, self.batch),
            "row_no": draft.row_no, "context": np.broadcast_to(self._context_numbers(draft), n),
        }  # fmt: skip
        columns |= {name: draft.numbers[name] for name in schema.RECORD_NUMBERS if name in draft.numbers}
        refs = draft.texts.get("raw_ref")
        if refs is not None and refs != "":
            columns["raw_ref"] = draft.text("raw_ref").to_pylist()
        starts = np.flatnonzero(np.diff(device, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], n], strict=True):
            part = {name: values[start:end] for name, values in columns.items()}
            self._held.setdefault(int(device[start]), []).append(part)
        self._held_rows += n
        return self.flush() if self._held_rows >= min(BUFFER_ROWS, FULL_ROWS * len(self._held)) else 0

    def flush(self) -> int:
        """Write what is held; number of rows that were not there yet."""
        new = 0
        for device, parts in self._held.items():
            columns = joined(parts)
            order = sorted_order(columns)
            new += self._blocks.add(device, columns if order is None else some(columns, order))
        self._blocks.flush()
        self._held, self._held_rows = {}, 0
        return new

    def _device_numbers(self, draft: Draft) -> np.ndarray:
        if isinstance(draft.device, str):
            return np.full(len(draft), self._device(draft.device), np.int64)
        coded = draft.device.dictionary_encode()
        numbers = np.array([self._device(name) for name in coded.dictionary.to_pylist()], np.int64)
        return numbers[coded.indices.to_numpy()]

    def _device(self, name: str) -> int:
        if name not in self.devices:
            table = schema.handsets
            found = self.connection.execute(sa.select(table.c.id).where(table.c.device_id == name)).scalar()
            if found is None:
                made = self.connection.execute(
                    sa.insert(table).values(device_id=name, registered=False, state="in service")
                )
                found = made.inserted_primary_key[0]
            self.devices[name] = found
        return self.devices[name]

    def _context_numbers(self, draft: Draft) -> np.ndarray | int:
        n, words, coded = len(draft), {}, []
        for name in schema.CONTEXT_FIELDS:
            value = _context_value(draft, name)
            if isinstance(value, pa.Array):
                coded.append((name, value.dictionary_encode()))
            else:
                words[name] = itertools.repeat(value)
        if not coded:
            return self._contexts_of([tuple(next(words[name]) for name in schema.CONTEXT_FIELDS)])[0]
        codes, room = np.zeros(n, np.int64), 1
        for _, column in coded:
            size = len(column.dictionary) + 1
            if room * size > 1 << 62:
                _, codes = np.unique(codes, return_inverse=True)
                room = int(codes.max()) + 1
            codes = codes * size + pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False) + 1
            room *= size
        first, inverse = _unique(codes, room)
        words |= {name: column.take(pa.array(first)).to_pylist() for name, column in coded}
        rows = list(zip(*(words[name] for name in schema.CONTEXT_FIELDS), strict=False))
        return np.array(self._contexts_of(rows), np.int64)[inverse]

    def _contexts_of(self, wanted: list[tuple]) -> list[int]:
        """Numbers of combinations of what records share, values of CONTEXT_FIELDS; new ones are stored."""
        keys = {
            hashlib.blake2b(json.dumps(values).encode(), digest_size=16).hexdigest(): values
            for values in wanted if values not in self._contexts
        }  # fmt: skip
        table = schema.contexts
        every = list(keys)
        for start in range(0, len(every), ASKED_AT_ONCE):
            some_keys = every[start : start + ASKED_AT_ONCE]
            found = self.connection.execute(sa.select(table.c.key, table.c.id).where(table.c.key.in_(some_keys)))
            self._contexts |= {keys.pop(key): number for key, number in found}
        if keys:
            number = self.connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
            new = {key: number + at for at, key in enumerate(keys, 1)}
            self.connection.execute(sa.insert(table), [
                {"id": new[key], "key": key, **dict(zip(schema.CONTEXT_FIELDS, values, strict=True))}
                for key, values in keys.items()
            ])  # fmt: skip
            self._contexts |= {values: new[key] for key, values in keys.items()}
        return [self._contexts[values] for values in wanted]


def _unique(codes: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """(a row of each code that is there, number of its code for each row); codes are below `room`."""
    if room > 1 << 20:
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        return first, inverse
    row_of_code = np.full(room, -1)
    row_of_code[codes] = np.arange(len(codes))
    there = np.flatnonzero(row_of_code >= 0)
    number = np.empty(room, np.int64)
    number[there] = np.arange(len(there))
    return row_of_code[there], number[codes]


_DEFAULTS = Record(0, "")


def _context_value(draft: Draft, name: str) -> pa.Array | Any:
    """A column, or the one value that all rows have."""
    if name == "flags":
        return draft.flag_texts()
    if name in schema.CONTEXT_NUMBERS:
        values = draft.numbers.get(name)
        if values is None:
            return None
        if (values == values[0]).all():
            return float(values[0])
        return pa.array(values, from_pandas=True)
    return draft.texts.get(name, getattr(_DEFAULTS, name))


def _raw_of(draft: Draft) -> dict[str, Any]:
    """What identity is made of where no raw values came along: the fields themselves."""
    found = {name: draft.numbers[name] for name in IDENTITY_FIELDS if name in draft.numbers}
    return found | {name: draft.text(name) for name in IDENTITY_FIELDS if name in draft.texts}


def _order(device: np.ndarray, time_us: np.ndarray, identity: np.ndarray) -> np.ndarray | None:
    """Rows by device, time and identity; None where they are in order."""
    if _in_order(device, time_us, identity):
        return None
    order = by_device_and_time(device, time_us)
    if _in_order(device[order], time_us[order], identity[order]):
        return order
    return np.lexsort((identity, time_us, device))


def _in_order(device: np.ndarray, time_us: np.ndarray, identity: np.ndarray) -> bool:
    later, after = np.diff(device), np.diff(time_us)
    same = (later == 0) & (after == 0)
    return bool(((later > 0) | ((later == 0) & (after > 0)) | (same & (identity[1:] >= identity[:-1]))).all())


def reject_counts(tables: Iterable[pa.Table]) -> dict[tuple[str, str], int]:
    """(code, column) -> rows."""
    counts: dict[tuple[str, str], int] = {}
    for table in tables:
        grouped = table.group_by(["code", "column"]).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            key = row["code"], row["column"]
            counts[key] = counts.get(key, 0) + row["count_all"]
    return counts
