"""Lines of a delimited file to columns of text, a block at a time; what is no row is told apart, with its line.

Quotes are followed line by line first, so that one that is never closed costs its own line and not the rest of the
file; pyarrow then reads the block, as one, in one thread: what takes the rows works in others meanwhile.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from devices.formats.text import Lines

KINDS = {"number": (pa.float64(),), "time": (pa.timestamp("us", "UTC"), pa.timestamp("us"))}
JOINED_LINES = 50  # a quoted text goes over that many lines at most


@dataclass
class Rows:
    """columns: by heading, strings, float64 or timestamps, with null for a null word; numbers: line of each row.
    bad: (line, text, code)."""

    columns: dict[str, pa.Array]
    numbers: np.ndarray
    bad: list[tuple[int, str, str]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, code: str, n: int) -> None:
        if n:
            self.skipped[code] = self.skipped.get(code, 0) + n


def split(line: bytes, delimiter: str) -> list[str]:
    """Cells of one line, as text."""
    reader = csv.reader(io.StringIO(line.decode("utf-8", "replace").replace("\0", "")), delimiter=delimiter)
    return next(reader, [])


def read_rows(blocks: Iterable[Lines], names: list[str], delimiter: str, wanted: set[str], null_words: Iterable[str],
              header: list[str] | None = None, is_growing: Callable[[], bool] = lambda: False,
              typed: dict[str, str] | None = None) -> Iterator[Rows]:  # fmt: skip
    """names: of all columns of the file; wanted: those to keep; header: its cells, to know it again further down;
    is_growing: asked where the last line has no end, whether the file is being written; typed: columns that may come
    as "number" or "time" instead of text, from where on and as long as every cell of them is plain."""
    table = _Table(names, delimiter, wanted, null_words, typed or {})
    keep = table.keep
    carried = b""  # a quoted text that goes on in the next block
    for block in blocks:
        if carried:
            first = block.first_number - carried.count(b"\n")
            block = Lines(carried + block.data, first, block.bad, block.ended, block.last)
        quoted = b'"' in block.data
        result = Rows({}, np.array([], np.int64), list(block.bad))
        data, carried = _closed_lines(block, delimiter, result) if quoted else (block.data, b"")
        if len(names) > 1 and not data.isspace() and data:
            result.columns, ragged = table.read(data, quoted, as_text=not block.ended)
        else:
            lines = [line for line in data.split(b"\n") if line]
            ragged = [(at, line.decode("utf-8", "replace")) for at, line in enumerate(lines)]
            result.columns = {names[at]: pa.array([], pa.string()) for at in keep}
        if not quoted:
            _number_lines(block, result, len(ragged) + len(next(iter(result.columns.values()))))
        _take_out_ragged(result, ragged, delimiter, block)
        if (
            not block.ended
            and len(result.numbers)
            and result.numbers[-1] == block.first_number + block.count - 1
            and (is_growing() or _seems_cut(result.columns.get(names[-1])))
        ):
            result.skip("cut_at_end", 1)
            result.columns = {name: column[:-1] for name, column in result.columns.items()}
            result.numbers = result.numbers[:-1]
        _take_out_headers(result, header, names, keep)
        yield result


class _Table:
    """Reads blocks of delimited lines. A column that cannot be read as its kind is read as text from then on."""

    def __init__(self, names: list[str], delimiter: str, wanted: set[str], null_words: Iterable[str],
                 typed: dict[str, str]) -> None:  # fmt: skip
        self.keep = [at for at, name in enumerate(names) if name in wanted and names.index(name) == at]
        self._names, self._delimiter, self._null_words = names, delimiter, _spellings(null_words)
        self._kinds = {at: [*KINDS.get(typed.get(names[at], ""), ()), pa.string()] for at in self.keep}

    def read(self, data: bytes, quoted: bool, as_text: bool) -> tuple[dict[str, pa.Array], list[tuple[int, str]]]:
        """(columns by heading, (row, text) of lines with too few or too many cells)."""
        while True:
            types = {at: pa.string() if as_text else kinds[0] for at, kinds in self._kinds.items()}
            try:
                columns, ragged = self._read(data, quoted, types)
            except pa.ArrowInvalid as error:
                failed = re.search(r"In CSV column #(\d+)", str(error))
                if failed is None or len(self._kinds.get(int(failed[1]), [])) < 2:
                    raise
                self._kinds[int(failed[1])].pop(0)
                continue
            odd = [at for at in self.keep if types[at] == pa.float64() and pc.any(pc.is_inf(columns[at])).as_py()]
            for at in odd:
                self._kinds[at].pop(0)
            if not odd:
                return {self._names[at]: column for at, column in columns.items()}, ragged

    def _read(self, data: bytes, quoted: bool,
              types: dict[int, pa.DataType]) -> tuple[dict[int, pa.Array], list[tuple[int, str]]]:  # fmt: skip
        ragged: list[tuple[int, str]] = []

        def on_ragged(row) -> str:
            ragged.append((row.number - 1, row.text))  # a reader of several threads would not know the number
            return "skip"

        unique = [f"c{at}" for at in range(len(self._names))]
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            read_options=pa.csv.ReadOptions(column_names=unique, use_threads=False, block_size=len(data) + 1),
            parse_options=pa.csv.ParseOptions(
                delimiter=self._delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted,
                invalid_row_handler=on_ragged,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={unique[at]: kind for at, kind in types.items()},
                include_columns=[unique[at] for at in self.keep], null_values=self._null_words,
                strings_can_be_null=True, quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
        return {at: table.column(unique[at]).combine_chunks() for at in self.keep}, ragged


def _spellings(words: Iterable[str]) -> list[str]:
    return sorted({form for word in words for form in (word, word.upper(), word.capitalize(), "NaN")})


def _take_out_ragged(result: Rows, ragged: list[tuple[int, str]], delimiter: str, block: Lines) -> None:
    whole = np.ones(len(result.numbers), bool)
    last_line = block.first_number + block.count - 1
    for at, text in ragged:
        whole[at] = False
        number = int(result.numbers[at])
        if not block.ended and number == last_line:
            result.skip("cut_at_end", 1)
        elif not text.strip(delimiter + ' \t"'):
            result.skip("blank", 1)
        else:
            result.bad.append((number, text[:200], "ragged"))
    result.numbers = result.numbers[whole]


def _seems_cut(last_column: pa.Array | None) -> bool:
    """Whether the file's last cell is shorter than all others of its column: half a number is another number."""
    if last_column is None or len(last_column) < 4:
        return False
    lengths = pc.fill_null(pc.utf8_length(last_column), 0)
    return lengths[-1].as_py() < pc.min(lengths[:-1]).as_py()


def _take_out_headers(result: Rows, header: list[str] | None, names: list[str], keep: list[int]) -> None:
    """Drop rows whose kept cells are the header's own, and rows without any cell filled."""
    if not result.columns or not len(result.numbers):
        return
    empty = np.ones(len(result.numbers), bool)
    for column in result.columns.values():
        if not empty.any():
            break
        empty &= pc.is_null(column).to_numpy(zero_copy_only=False)
    again = np.zeros(len(result.numbers), bool)
    # a heading is neither a number nor a time
    if header and all(pa.types.is_string(column.type) for column in result.columns.values()):
        first = names[keep[0]]
        again = pc.equal(result.columns[first], header[keep[0]]).fill_null(False).to_numpy(zero_copy_only=False)
    if empty.any() or again.any():
        result.skip("blank", int(empty.sum()))
        result.skip("repeated_header", int(again.sum()))
        stay = ~(empty | again)
        mask = pa.array(stay)
        result.columns = {name: column.filter(mask) for name, column in result.columns.items()}
        result.numbers = result.numbers[stay]


def _number_lines(block: Lines, result: Rows, read: int) -> None:
    """read: rows and ragged lines that pyarrow told of; it passes over empty lines, and does not count them."""
    result.numbers = np.arange(block.first_number, block.first_number + block.count)
    if read < block.count:
        result.skip("blank", max(0, block.count - read - len(block.bad)))
        result.numbers = result.numbers[block.filled]


def _closed_lines(block: Lines, delimiter: str, result: Rows) -> tuple[bytes, bytes]:
    """(lines that are filled and whose quotes are closed, those to be carried on); the rest goes to the result."""
    texts = block.texts
    lines, numbers, blank, carried = [], [], -len(block.bad), b""
    at = 0
    while at < len(texts):
        line, end = texts[at], at + 1
        opens = line.count(b'"') % 2 == 0 or _is_quoted_over_lines(line)
        while opens and end < min(len(texts), at + JOINED_LINES) and line.count(b'"') % 2:
            opens = _goes_on(texts[end])
            line += b"\n" + texts[end]
            end += 1
        still_open = line.count(b'"') % 2
        if still_open and opens and end == len(texts) and not block.last and end - at < JOINED_LINES:
            carried = b"\n".join(texts[at:]) + b"\n"
            break
        if still_open or not opens or (b'"' in line and _ends_in_quotes(line, delimiter)):
            text = texts[at].decode("utf-8", "replace")[:200]
            result.bad.append((block.first_number + at, text, "quote_open"))
            at += 1
            continue
        if line:
            lines.append(line)
            numbers.append(block.first_number + at)
        else:
            blank += 1
        at = end
    result.skip("blank", max(0, blank))
    result.numbers = np.array(numbers, np.int64)
    return b"".join(one + b"\n" for one in lines), carried


def _ends_in_quotes(line: bytes, delimiter: str) -> bool:
    """Whether a line ends inside a quoted cell as pyarrow reads it: quotes open at the beginning of a cell alone."""
    at, between = 0, delimiter.encode()
    while True:
        if line[at : at + 1] == b'"':
            at += 1
            while True:
                at = line.find(b'"', at)
                if at < 0:
                    return True
                if line[at + 1 : at + 2] != b'"':
                    break
                at += 2
        at = line.find(between, at)
        if at < 0:
            return False
        at += 1


def _is_quoted_over_lines(line: bytes) -> bool:
    """Whether the last quote of a line opens a cell: it stands after a delimiter or at the beginning."""
    before = line[: line.rindex(b'"')].rstrip(b'"')
    return not before or before[-1:] in b",;\t|"


def _goes_on(line: bytes) -> bool:
    """Whether a line can stand inside a quoted text: its first single quote, if it has one, ends the text there."""
    at = line.replace(b'""', b"  ").find(b'"')
    return at < 0 or line[at + 1 : at + 2] in (b"", b",", b";", b"\t", b"|")
