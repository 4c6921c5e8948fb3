"""Rows on their way to records: columns of numbers and texts, and which rows fell out and why.

Numbers are float64 with NaN for unknown, texts arrow strings with null for unknown, or one text for all rows; ids of
handsets are dictionaries of texts, which are looked at by each step once a handset and not once a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from dataclasses import fields as fields_of

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices import records, rejects
from devices.identity import hash_texts

NOT_TEXTS = ("row_no", "time_utc_us", "device_id", "occurrence", "raw_key", "flags")
#: reason is null where the text of the code says it all
REJECTS = pa.schema([
    ("row_no", pa.int64()), ("column", pa.string()), ("value", pa.string()), ("code", pa.string()),
    ("reason", pa.string()),
])  # fmt: skip
NUMBERS = tuple(f.name for f in fields_of(records.Record) if str(f.type) in ("float | None", "int | None"))
WHOLE = {f.name for f in fields_of(records.Record) if str(f.type) == "int | None"}


@dataclass
class Draft:
    """n rows. row_no: where each stands in its source; raw: what identity is made of, as it stood in the source."""

    row_no: np.ndarray
    time_us: np.ndarray
    device: pa.DictionaryArray | str
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, pa.Array | str] = field(default_factory=dict)
    raw: dict[str, np.ndarray | pa.Array] = field(default_factory=dict)
    flags: dict[str, np.ndarray] = field(default_factory=dict)
    rejected: list[pa.Table] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    headings: dict[str, str] = field(default_factory=dict)
    alive: np.ndarray | None = None
    identity: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.alive is None:
            self.alive = np.ones(len(self.row_no), bool)
        if isinstance(self.device, pa.Array) and not isinstance(self.device, pa.DictionaryArray):
            self.device = self.device.dictionary_encode()

    def __len__(self) -> int:
        return len(self.row_no)

    def reject(self, rows: np.ndarray, column: str, code: str, values: pa.Array | np.ndarray | None = None) -> None:
        """Rows that are out, for the first reason found. values: (n,) what stood there."""
        rows = rows & self.alive
        if rows.any():
            if values is None:
                cells = pa.nulls(int(rows.sum()), pa.string())
            elif isinstance(values, np.ndarray):
                cells = pa.array([f"{value:.12g}" for value in values[rows].tolist()], pa.string())
            else:
                cells = pc.utf8_slice_codeunits(pc.cast(values, pa.string()).filter(pa.array(rows)), 0, 200)
            self.rejected.append(reject_table(self.row_no[rows], self.headings.get(column, column), cells, code))
            self.alive &= ~rows

    def flag(self, rows: np.ndarray, name: str) -> None:
        """Rows kept although something about them is not as it should be."""
        if rows.any():
            self.flags[name] = self.flags[name] | rows if name in self.flags else rows.copy()

    def skip(self, code: str, n: int = 1) -> None:
        self.skipped[code] = self.skipped.get(code, 0) + n

    def text(self, name: str) -> pa.Array:
        """A column of texts as an array, also where one text stands for all."""
        value = self.device if name == "device_id" else self.texts.get(name)
        if value is None or isinstance(value, str):
            return pa.repeat(pa.scalar(value, pa.string()), len(self))
        return _flat(value)

    def devices(self) -> tuple[list[str], np.ndarray]:
        """(ids of handsets, (n,) int32 number of each row's among them, -1 for none)."""
        if isinstance(self.device, str):
            return [self.device], np.zeros(len(self), np.int32)
        codes = self.device.indices
        return self.device.dictionary.to_pylist(), (codes.fill_null(-1) if codes.null_count else codes).to_numpy()

    def groups(self) -> list[tuple[str, int, int]]:
        """(handset, first row, row after its last), where rows of one handset follow one another."""
        names, codes = self.devices()
        if not len(codes):
            return []
        cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        return [(names[codes[start]], start, end) for start, end in zip(cuts[:-1], cuts[1:], strict=True)]

    def filter(self, rows: np.ndarray) -> Draft:
        """The rows of a mask, with their flags; what was rejected stays behind."""
        if rows.all():
            return self
        mask = pa.array(rows)
        return Draft(
            self.row_no[rows], self.time_us[rows],
            self.device if isinstance(self.device, str) else self.device.filter(mask),
            {name: values[rows] for name, values in self.numbers.items()},
            {name: v if isinstance(v, str) else v.filter(mask) for name, v in self.texts.items()},
            {name: v[rows] if isinstance(v, np.ndarray) else v.filter(mask) for name, v in self.raw.items()},
            {name: mask_[rows] for name, mask_ in self.flags.items() if mask_[rows].any()},
            headings=self.headings, identity=None if self.identity is None else self.identity[rows],
        )  # fmt: skip

    def take(self, order: np.ndarray) -> Draft:
        """The rows in another order."""
        index = pa.array(order)
        return Draft(
            self.row_no[order], self.time_us[order],
            self.device if isinstance(self.device, str) else self.device.take(index),
            {name: values[order] for name, values in self.numbers.items()},
            {name: v if isinstance(v, str) else v.take(index) for name, v in self.texts.items()},
            {}, {name: mask[order] for name, mask in self.flags.items()},
            identity=None if self.identity is None else self.identity[order],
        )  # fmt: skip

    def flag_texts(self) -> pa.Array | str:
        """Flags of each row as one text, names in order and parted by a blank."""
        if not self.flags:
            return ""
        names = sorted(self.flags)
        codes = np.zeros(len(self), np.int64)
        for bit, name in enumerate(names):
            codes |= self.flags[name].astype(np.int64) << bit
        used, inverse = np.unique(codes, return_inverse=True)
        words = [" ".join(name for bit, name in enumerate(names) if code >> bit & 1) for code in used.tolist()]
        return pa.array(words, pa.string()).take(pa.array(inverse))

    def to_table(self) -> pa.Table:
        """The rows as a table of `records.schema()`."""
        n = len(self)
        defaults = records.Record(0, "")
        columns = []
        for column in records.schema():
            name = column.name
            if name == "time_utc_us":
                array = pa.array(self.time_us)
            elif name == "row_no":
                array = pa.array(self.row_no)
            elif name == "flags":
                flags = self.flag_texts()
                array = pa.repeat(flags, n) if isinstance(flags, str) else flags
            elif name in self.numbers:
                array = pa.array(self.numbers[name], from_pandas=True)
            elif name in self.texts or name == "device_id":
                array = self.text(name)
            else:
                array = pa.repeat(pa.scalar(getattr(defaults, name), column.type), n)
            if isinstance(column.type, pa.DictionaryType) and not isinstance(array.type, pa.DictionaryType):
                array = pc.cast(array, pa.string()).dictionary_encode()
            columns.append(array.cast(column.type))
        return pa.Table.from_arrays(columns, schema=records.schema())


def from_table(table: pa.Table) -> Draft:
    """Rows of a table of `records.schema()`, as live parsers make them."""
    table = table.combine_chunks()
    columns = {name: _flat(table.column(name)) for name in table.column_names}
    n = table.num_rows
    draft = Draft(columns["row_no"].to_numpy(), columns["time_utc_us"].to_numpy(), columns["device_id"])
    for name, array in columns.items():
        if name in NUMBERS:
            if array.null_count < n:
                draft.numbers[name] = array.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
        elif name not in NOT_TEXTS and array.null_count < n:
            draft.texts[name] = array.cast(pa.string())
    for text in pc.unique(columns["flags"]).to_pylist():
        for name in (text or "").split():
            draft.flag(pc.equal(columns["flags"], text).to_numpy(zero_copy_only=False), name)
    keys = columns["raw_key"]
    if n and not pc.any(pc.equal(keys, "")).as_py():
        draft.identity = hash_texts(keys)
    return draft


def _flat(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.dictionary_decode() if isinstance(array.type, pa.DictionaryType) else array


def reject_table(row_no: Iterable[int], column: str, values: pa.Array, code: str) -> pa.Table:
    n = len(values)
    assert code in rejects.REASONS, code
    return pa.Table.from_arrays(
        [pa.array(np.asarray(row_no, np.int64)), pa.repeat(column, n), values.cast(pa.string()), pa.repeat(code, n),
         pa.nulls(n, pa.string())],
        schema=REJECTS,
    )


def reject_rows(rows: list[tuple[int, str, str]]) -> pa.Table:
    """(row, text, code) of lines that are no rows at all."""
    numbers, texts, codes = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.Table.from_arrays(
        [pa.array(numbers, pa.int64()), pa.repeat("", len(rows)), pa.array(texts, pa.string()),
         pa.array(codes, pa.string()), pa.nulls(len(rows), pa.string())], schema=REJECTS)  # fmt: skip
