"""Which description fits a file, where its header stands, what parts its cells and its decimals."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from devices.errors import DevicesError
from devices.formats.description import Description, heading_unit
from devices.formats.fields import plain_heading
from devices.formats.rows import split

HEADER_LINES = 20
DELIMITERS = (",", ";", "\t", "|")


class UnknownFormatError(DevicesError):
    """A file that is no log, as far as is known here."""


@dataclass
class Layout:
    """header: line of the header, from 1; 0 where there is none."""

    description: Description
    names: list[str]
    delimiter: str
    decimal: str
    header: int


def find_layout(lines: list[bytes], candidates: list[Description]) -> Layout:
    """The description whose headings are there, the most telling first. UnknownFormatError where none fits.

    lines: the first of the file.
    """
    best: tuple[tuple[int, int], Layout] | None = None
    titled = functools.cache(lambda delimiter: _titled(lines, delimiter))
    for description in candidates:
        file = description.file
        if file.kind not in ("csv", "spectrum"):
            continue
        if file.columns or file.kind == "spectrum":
            layout = _without_header(lines, description)
            score = (1000, 0)
        else:
            layout, score = _with_header(titled, description)
        if layout is not None and (best is None or score > best[0]):
            best = score, layout
    if best is None:
        raise UnknownFormatError(_what_is_there(lines, candidates))
    layout = best[1]
    if layout.decimal == "auto":
        layout.decimal = _decimal(lines[layout.header:], layout.delimiter)  # fmt: skip
    return layout


def _delimiters(description: Description) -> tuple[str, ...]:
    return DELIMITERS if description.file.delimiter == "auto" else (description.file.delimiter,)


def _without_header(lines: list[bytes], description: Description) -> Layout | None:
    first = next((line for line in lines if line.strip()), b"").decode("utf-8", "replace")
    file = description.file
    if not first or (file.recognise_line and not re.search(file.recognise_line, first)):
        return None
    delimiter = max(_delimiters(description), key=first.count)
    cells = split(first.encode(), delimiter)
    if file.columns and len(cells) != len(file.columns):
        return None
    names = list(file.columns) if file.columns else [str(at) for at in range(len(cells))]
    return Layout(description, names, delimiter, file.decimal, 0)


def _titled(lines: list[bytes], delimiter: str) -> list[tuple[int, list[str], set[str]]]:
    """(number, cells, those as headings) of the first lines that hold a delimiter."""
    found = []
    for number, line in enumerate(lines[:HEADER_LINES], start=1):
        if delimiter.encode() in line:
            cells = split(line, delimiter)
            plain = {plain_heading(cell) for cell in cells} | {plain_heading(heading_unit(cell)[0]) for cell in cells}
            found.append((number, cells, plain))
    return found


def _with_header(titled: Callable[[str], list[tuple[int, list[str], set[str]]]],
                 description: Description) -> tuple[Layout | None, tuple[int, int]]:  # fmt: skip
    wanted = {plain_heading(name) for name in description.file.recognise}
    of_time = {plain_heading(name) for name in description.time.headings}
    by_field = {name: {plain_heading(heading_unit(heading)[0]) for heading in field.headings}
                for name, field in description.fields.items()}  # fmt: skip
    known = of_time.union(*by_field.values())
    telling = by_field.get("rssi_dbm", set()) | by_field.get("service_state", set())
    best, found = (0, 0), None
    rows = [(number, place, delimiter, *of_line) for place, delimiter in enumerate(_delimiters(description))
            for number, *of_line in titled(delimiter)]  # fmt: skip
    for number, _, delimiter, cells, titles in sorted(rows, key=lambda row: row[:2]):
        matched = len(titles & known)
        fits = wanted <= titles if wanted else bool(titles & of_time) and bool(titles & telling)
        if fits and (len(wanted), matched) > best:
            best = len(wanted), matched
            found = Layout(description, [cell.strip() for cell in cells], delimiter, description.file.decimal, number)
    return found, best


def _decimal(lines: list[bytes], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    cells = [cell.strip() for line in lines[:50] for cell in split(line, delimiter)]
    commas = sum(1 for cell in cells if re.fullmatch(r"[-+\u2212]?\d+,\d+", cell))
    points = sum(1 for cell in cells if re.fullmatch(r"[-+\u2212]?\d+\.\d+", cell))
    return "," if commas > points else "."


def _what_is_there(lines: list[bytes], candidates: list[Description]) -> str:
    filled = [line for line in lines[:HEADER_LINES] if line.strip()]
    if not filled:
        return "is empty"
    delimiter = max(DELIMITERS, key=lambda mark: filled[0].count(mark.encode()))
    cells = ", ".join(cell.strip() for cell in split(filled[0], delimiter)[:12])
    if len(candidates) == 1:
        return (f"does not look like {candidates[0].name}: no header with its columns in the first {HEADER_LINES} "
                f"lines; the first line holds: {cells}")  # fmt: skip
    return (f"is of no format known here; the first line holds: {cells}. Describe it: radiocov logs formats generic "
            "> mine.toml, change the column names, and import with --format mine.toml")  # fmt: skip
