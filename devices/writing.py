"""Rows into the store: texts that many rows share become one context, rows are held until every handset has a good
block of them, and rows that are there already stay as they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from devices import schema
from devices.blocks import Blocks, Columns, in_parts, joined, some, sorted_order
from devices.draft import Draft
from devices.records import Record

BUFFER_ROWS = 1_000_000
MOST_ROWS = 3_000_000  # of a log out of order: 0.5 GiB
FULL_ROWS = 16_000  # a handset; blocks of fewer cost more than they hold

#: by what is the same for all rows of a block, and the names of the rest: values of the rest -> number
Contexts = dict[tuple, dict[tuple, int]]


class Writer:
    """Writes the blocks of one batch within the caller's transaction. contexts: some that the store has; `asked` are
    others, that it has once the transaction is committed."""

    def __init__(self, connection: sa.Connection, contexts: Contexts) -> None:
        self.connection, self.batch = connection, 0
        known = connection.execute(sa.select(schema.handsets.c.device_id, schema.handsets.c.id))
        self.devices: dict[str, int] = dict(known.all())  # those that come in are added
        self._known, self.asked = contexts, Contexts()
        self._blocks = Blocks(connection)
        self._held: dict[int, list[Columns]] = {}
        self._held_rows, self._most, self._full = 0, BUFFER_ROWS, FULL_ROWS

    def begin(self, description: str, now_us: int, who: str) -> int:
        """The number of the new batch."""
        made = self.connection.execute(sa.insert(schema.batches).values(
            sha256="", description=description, received_us=now_us, who=who, receipt="{}"))  # fmt: skip
        self.batch = made.inserted_primary_key[0]
        return self.batch

    def write(self, draft: Draft, occurrence: np.ndarray) -> int:
        """Number of rows now known not to have been there yet; `flush` says the rest.

        draft: in order of device, time and hash. occurrence: (n,) the number of each row among its equals.
        """
        n = len(draft)
        if not n:
            return 0
        columns: Columns = {
            "time_us": draft.time_us, "identity": draft.identity, "occurrence": occurrence,
            "batch": np.full(n, self.batch), "row_no": draft.row_no,
            "context": np.broadcast_to(self._context_numbers(draft), n),
        }  # fmt: skip
        columns |= {name: draft.numbers[name] for name in schema.RECORD_NUMBERS if name in draft.numbers}
        refs = draft.texts.get("raw_ref")
        if refs is not None and refs != "":
            columns["raw_ref"] = draft.text("raw_ref").to_pylist()
        groups = draft.groups()
        self._add_devices(dict.fromkeys(name for name, _, _ in groups if name not in self.devices))
        for name, start, end in groups:
            part = {column: values[start:end] for column, values in columns.items()}
            self._held.setdefault(self.devices[name], []).append(part)
        self._held_rows += n
        return self.flush() if self._held_rows >= min(self._most, self._full * len(self._held)) else 0

    def flush(self) -> int:
        """Write what is held; number of rows that were not there yet."""
        held: dict[int, Columns] = {}
        for device in list(self._held):
            columns = joined(self._held.pop(device))
            order = sorted_order(columns)
            held[device] = columns if order is None else some(columns, order)
        rows, before, self._held_rows = self._held_rows, self._blocks.rewritten, 0
        new = self._blocks.add(held)
        if self._blocks.rewritten - before > rows // 4:
            # a log out of order: the more at once, the less is done again
            self._most, self._full = min(2 * max(rows, self._most), MOST_ROWS), MOST_ROWS
        return new

    def _add_devices(self, names: Iterable[str]) -> None:
        new = [{"device_id": name, "registered": False, "state": "in service"} for name in names]
        if not new:
            return
        table = schema.handsets
        self.connection.execute(sa.insert(table), new)
        for part in in_parts([row["device_id"] for row in new]):
            known = sa.select(table.c.device_id, table.c.id).where(table.c.device_id.in_(part))
            self.devices |= dict(self.connection.execute(known).all())

    def _context_numbers(self, draft: Draft) -> np.ndarray | int:
        coded, same = [], []
        for name in schema.CONTEXT_FIELDS:
            value = _context_value(draft, name)
            if isinstance(value, pa.Array):
                coded.append((name, value.dictionary_encode()))
            else:
                same.append((name, value))
        kind = (*same, *(name for name, _ in coded))
        if not coded:
            return self._numbers_of([()], [], dict(same), kind)[0]
        first, inverse = _combinations([column for _, column in coded], len(draft))
        words = list(zip(*(column.take(pa.array(first)).to_pylist() for _, column in coded), strict=True))
        return np.array(self._numbers_of(words, [name for name, _ in coded], dict(same), kind), np.int64)[inverse]

    def _numbers_of(self, wanted: list[tuple], names: list[str], same: dict[str, Any],
                    kind: tuple) -> list[int]:  # fmt: skip
        """Numbers of combinations of what records share: values of `names`, `same` for all of them. New ones are
        stored."""
        known, asked = self._known.get(kind, {}), self.asked.setdefault(kind, {})
        keys = {}
        for values in wanted:
            if values not in known and values not in asked:
                row = dict(zip(names, values, strict=True)) | same
                row = {name: row[name] for name in schema.CONTEXT_FIELDS}
                digest = hashlib.blake2b(json.dumps(list(row.values())).encode(), digest_size=16)
                keys[digest.hexdigest()] = values, row
        table = schema.contexts
        for some_keys in in_parts(list(keys)):
            found = self.connection.execute(sa.select(table.c.key, table.c.id).where(table.c.key.in_(some_keys)))
            asked |= {keys.pop(key)[0]: number for key, number in found}
        if keys:
            last = self.connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
            new = [{"id": number, "key": key, **row} for number, (key, (_, row)) in enumerate(keys.items(), last + 1)]
            self.connection.execute(sa.insert(table), new)
            asked |= {values: row["id"] for (values, _), row in zip(keys.values(), new, strict=True)}
        return [known[values] if values in known else asked[values] for values in wanted]


def _combinations(columns: list[pa.DictionaryArray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """(a row of each combination of words that is there, number of its combination for each row)."""
    codes, room = np.zeros(n, np.int64), 1
    for column in columns:
        size = len(column.dictionary) + 1
        if room * size > 1 << 62:
            _, codes = np.unique(codes, return_inverse=True)
            room = int(codes.max()) + 1
        codes *= size
        codes += (column.indices.fill_null(size - 1) if column.null_count else column.indices).to_numpy()
        room *= size
    return _unique(codes, room)


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
