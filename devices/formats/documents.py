"""Logs that are no tables, as columns of text: JSON objects, lines with a pattern, GPX and KML tracks, sweeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices.errors import DevicesError
from devices.formats.rows import Rows
from devices.formats.text import Encoding, Lines, read_lines

ROWS_A_BLOCK = 50_000


def json_rows(stream: BinaryIO, wanted: list[str], null_words: frozenset[str]) -> Iterator[Rows]:
    """Objects one a line, one object, or an array of them; a column is a path such as "fields.rssi"."""
    encoding = Encoding()
    whole = ""
    for lines in read_lines(stream, encoding):
        found: list[tuple[int, Any]] = []
        bad = list(lines.bad)
        if not whole and (lines.first_number > 1 or _is_line_by_line(lines)):
            for number, text in enumerate(lines.texts, start=lines.first_number):
                if text.strip():
                    try:
                        found.append((number, json.loads(text)))
                    except ValueError:
                        bad.append((number, text.decode("utf-8", "replace")[:200], "not_json"))
            yield _rows_of(found, bad, wanted, null_words, not lines.ended)
        else:
            whole += lines.data.decode("utf-8", "replace")
            if len(whole) > 64 << 20:
                raise DevicesError("is one JSON value of more than 64 MiB; write one object a line")
    if whole:
        try:
            value = json.loads(whole)
        except ValueError as error:
            raise DevicesError(f"is no JSON: {error}") from error
        values = value if isinstance(value, list) else [value]
        yield _rows_of(list(enumerate(values, start=1)), [], wanted, null_words, False)


def _is_line_by_line(lines: Lines) -> bool:
    first = next((text for text in lines.texts if text.strip()), b"")
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return not first.lstrip().startswith((b"[", b"{")) or lines.texts[0].rstrip().endswith(b"}")


def _rows_of(found: list[tuple[int, Any]], bad: list[tuple[int, str, str]], wanted: list[str],
             null_words: frozenset[str], open_end: bool) -> Rows:  # fmt: skip
    objects = [(number, value) for number, value in found if isinstance(value, dict)]
    bad += [(number, str(value)[:200], "not_json") for number, value in found if not isinstance(value, dict)]
    rows = Rows({}, np.array([number for number, _ in objects], np.int64), bad)
    if open_end and bad and (not objects or bad[-1][0] > objects[-1][0]):
        bad.pop()
        rows.skip("cut_at_end", 1)
    for path in wanted:
        texts = [_at(value, path) for _, value in objects]
        rows.columns[path] = _nulled(pa.array(texts, pa.string()), null_words)
    return rows


def _at(value: Any, path: str) -> str | None:
    for key in path.split(".") if path not in value else [path]:
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            return None
    return None if value is None or isinstance(value, dict | list) else str(value)


def _nulled(texts: pa.Array, null_words: frozenset[str]) -> pa.Array:
    return pc.if_else(pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(null_words))), None, texts)


def line_rows(blocks: Iterable[Lines], pattern: str, null_words: frozenset[str]) -> Iterator[Rows]:
    """Lines taken apart by the named groups of a pattern; lines that do not match are told."""
    names = list(re.compile(pattern).groupindex)
    for block in blocks:
        texts = pa.array([text.decode("utf-8", "replace") for text in block.texts], pa.string())
        numbers = np.arange(block.first_number, block.first_number + len(texts))
        try:
            found = pc.extract_regex(texts, pattern)
        except pa.ArrowInvalid as error:
            raise DevicesError(f"file.line: {error}") from error
        matched = pc.is_valid(found).to_numpy(zero_copy_only=False)
        filled = pc.not_equal(texts, "").to_numpy(zero_copy_only=False)
        known_bad = {number for number, _, _ in block.bad}
        bad = list(block.bad)
        rows = Rows({}, numbers[matched], bad)
        for at in np.flatnonzero(~matched & filled).tolist():
            if not block.ended and at == len(texts) - 1:
                rows.skip("cut_at_end", 1)
            elif int(numbers[at]) not in known_bad:
                bad.append((int(numbers[at]), texts[at].as_py()[:200], "no_match"))
        rows.skip("blank", int((~filled).sum()) - len(known_bad))
        kept = found.filter(pa.array(matched))
        rows.columns = {name: _nulled(pc.struct_field(kept, name), null_words) for name in names}
        yield rows


def track_rows(stream: BinaryIO, wanted: list[str], null_words: frozenset[str]) -> Iterator[Rows]:
    """Points of a GPX or KML track; columns: time, lat, lon, ele, and paths of local names such as
    "extensions/rssi", "name" or "desc". Raises DevicesError for a document type or entities: none has a use here."""
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    points: list[dict[str, str]] = []
    number = 0
    path: list[str] = []
    note = []
    try:
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            name = element.tag.rsplit("}", 1)[-1]
            if event == "start":
                path.append(name)
                continue
            path.pop()
            if name in ("trkpt", "wpt", "rtept"):
                points.append(_gpx_point(element, wanted))
                element.clear()
            elif name in ("Placemark", "Track"):
                points += _kml_points(element, wanted)
                element.clear()
            if len(points) >= ROWS_A_BLOCK:
                yield _points(points, number, wanted, null_words)
                number += len(points)
                points = []
    except DefusedXmlException as error:
        raise DevicesError("holds a document type or entities, which a track does not need and an attack does: "
                           "refused") from error  # fmt: skip
    except ParseError as error:
        note.append(str(error))
        if not points and not number:
            raise DevicesError(f"is no XML that can be read: {error}") from error
    rows = _points(points, number, wanted, null_words)
    if note:
        rows.skip("cut_at_end", 1)
    yield rows


def _gpx_point(element: Any, wanted: list[str]) -> dict[str, str]:
    point = {"lat": element.get("lat", ""), "lon": element.get("lon", "")}
    for column in wanted:
        if column not in point:
            point[column] = _below(element, column.split("/"))
    return point


def _below(element: Any, path: list[str]) -> str:
    """Text of the first element on a path of local names; a name is also found deeper inside "extensions"."""
    for child in element.iter() if path[0] == "*" else element:
        if child.tag.rsplit("}", 1)[-1] == path[0]:
            return _below(child, path[1:]) if len(path) > 1 else (child.text or "").strip()
    if element.tag.rsplit("}", 1)[-1] == "extensions":
        for child in element.iter():
            if child.tag.rsplit("}", 1)[-1] == path[-1]:
                return (child.text or "").strip()
    return ""


def _kml_points(element: Any, wanted: list[str]) -> list[dict[str, str]]:
    """A placemark with a point and a time, or a gx:Track of `when` and `coord` in pairs."""
    whens = [e.text or "" for e in element.iter() if e.tag.rsplit("}", 1)[-1] == "when"]
    coords = [(e.text or "").split() for e in element.iter() if e.tag.rsplit("}", 1)[-1] == "coord"]
    if not coords:
        coords = [(e.text or "").strip().replace(",", " ").split() for e in element.iter()
                  if e.tag.rsplit("}", 1)[-1] == "coordinates" and "," in (e.text or "")]  # fmt: skip
        if len(coords) != 1 or len(coords[0]) not in (2, 3):
            return []  # a line or an outline: no observation
    series = {column: _series(element, column) for column in wanted if column not in ("lat", "lon", "time", "ele")}
    points = []
    for at, coord in enumerate(coords):
        if len(coord) < 2:
            continue
        point = {"lon": coord[0], "lat": coord[1], "ele": coord[2] if len(coord) > 2 else "",
                 "time": whens[at] if at < len(whens) else ""}  # fmt: skip
        for column, values in series.items():
            point[column] = values[at] if len(values) == len(coords) else values[0] if values else ""
        points.append(point)
    return points


def _series(element: Any, column: str) -> list[str]:
    """Values of gx:SimpleArrayData or Data of that name, else the text of an element on that path."""
    name = column.rsplit("/", 1)[-1]
    for child in element.iter():
        if child.get("name") == name:
            return [(e.text or "").strip() for e in child if e.tag.rsplit("}", 1)[-1] == "value"] or [
                (child.text or "").strip()]  # fmt: skip
    text = _below(element, column.split("/"))
    return [text] if text else []


def _points(points: list[dict[str, str]], before: int, wanted: list[str], null_words: frozenset[str]) -> Rows:
    rows = Rows({}, np.arange(before + 1, before + 1 + len(points)))
    for column in wanted:
        rows.columns[column] = _nulled(pa.array([p.get(column, "") for p in points], pa.string()), null_words)
    return rows


def sweep_rows(blocks: Iterable[Rows], channel_hz: float, width_hz: float) -> Iterator[Rows]:
    """Power sweeps (date, time, Hz low, Hz high, Hz step, samples, dB ...) to one level of a channel, the sum of its
    bins; sweeps that do not hold the channel are left out as blank."""
    for rows in blocks:
        columns = list(rows.columns.values())
        if len(columns) < 7 or not len(rows.numbers):
            yield Rows({name: pa.array([], pa.string()) for name in ("time", "level", "freq")},
                       np.array([], np.int64), rows.bad, rows.skipped)  # fmt: skip
            continue
        low, step = (pc.cast(pc.utf8_trim_whitespace(columns[at]), pa.float64()).to_numpy() for at in (2, 4))
        power = np.zeros(len(rows.numbers))
        for at, cells in enumerate(columns[6:]):
            centre = low + (at + 0.5) * step
            level = pc.cast(pc.utf8_trim_whitespace(cells), pa.float64()).to_numpy(zero_copy_only=False)
            inside = np.abs(centre - channel_hz) <= width_hz / 2
            power += np.where(inside & np.isfinite(level), 10 ** (level / 10), 0.0)
        held = power > 0
        time = pc.binary_join_element_wise(*(pc.utf8_trim_whitespace(columns[at]) for at in (0, 1)), " ")
        level = 10 * np.log10(np.where(held, power, 1.0))
        mask = pa.array(held)
        kept = Rows({"time": time.filter(mask), "level": pa.array([f"{v:.3f}" for v in level[held]], pa.string()),
                     "freq": pa.repeat(f"{channel_hz:.0f}", int(held.sum()))}, rows.numbers[held], rows.bad,
                    rows.skipped)  # fmt: skip
        kept.skip("blank", int((~held).sum()))
        yield kept
