"""A file of rows, whatever its format, to checked drafts of records, block by block."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from devices import captures, formats
from devices.ahead import DEPTH, ahead
from devices.archives import Part
from devices.checks import Context, check
from devices.draft import Draft
from devices.errors import DevicesError
from devices.formats import documents
from devices.formats.description import Description
from devices.formats.fields import Binding, Declared, apply, bind
from devices.formats.rows import Rows, read_rows
from devices.formats.sniff import Layout, UnknownFormatError, find_layout
from devices.formats.text import Encoding, Lines, read_lines

HEAD = 1 << 16
SMALL_BYTES = 1 << 20  # of a file as it is, packed or not: threads take longer to start than to read it


@dataclass
class Reading:
    """One file of rows. description: None to recognise it. After `drafts`: profile and facts, what was found out."""

    part: Part
    declared: Declared
    context: Context
    description: Description | None = None
    protocol: str = ""
    profile: str = ""
    facts: dict[str, str | int] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How far the steps of reading go ahead of one another, in blocks; see `ahead`."""
        return DEPTH if self.part.packed_bytes > SMALL_BYTES else 0

    def drafts(self) -> Iterator[Draft]:
        """Blocks of rows that are left after all checks, each with what was rejected. DevicesError for the whole."""
        try:
            with self.part.open() as stream:
                head = stream.peek(HEAD) if hasattr(stream, "peek") else b""
            back = 0
            for draft in ahead(self._raw(head[:HEAD]), self.depth):
                back += _steps_back(draft)
                yield check(draft, self.context)
        except DevicesError as error:
            lines = [f"{self.part.name}: {line}" for line in str(error).splitlines()]
            raise type(error)("\n".join(lines)) from error
        if back:
            self.facts["times_going_back"] = back

    def _raw(self, head: bytes) -> Iterator[Draft]:
        kind = self.description.file.kind if self.description else ""
        is_json = head.lstrip()[:1] == b"{"  # gpsd's lines are
        if not kind and (self.protocol or captures.is_capture(head, thorough=is_json)):
            yield from self._capture()
            return
        kind = kind or _kind(head)
        with self.part.open() as stream:
            if kind in ("gpx", "kml"):
                yield from self._track(stream, kind)
            elif kind == "json":
                yield from self._json(stream, head)
            elif kind == "lines":
                yield from self._lines(stream)
            else:
                yield from self._table(stream, head)

    def _capture(self) -> Iterator[Draft]:
        if not self.context.datum:  # every one of these protocols carries what a GPS receiver says
            self.context = dataclasses.replace(self.context, datum="wgs84")
        for draft, profile in captures.drafts(self.part, self.declared, self.protocol):
            self._use_profile(profile)
            yield draft

    def _use(self, description: Description) -> None:
        self._use_profile(description.profile)
        missing = description.missing_facts()
        if missing:
            raise DevicesError(
                f"is of the format {description.name}, whose {' and '.join(missing)} only you can know: "
                f"radiocov logs formats {description.name} > mine.toml, state it there, and import with "
                "--format mine.toml"
            )
        if description.datum and not self.context.datum:
            self.context = dataclasses.replace(self.context, datum=description.datum)

    def _use_profile(self, profile: str) -> None:
        self.profile = profile

    def _table(self, stream: BinaryIO, head: bytes) -> Iterator[Draft]:
        wanted = self.description.file.encoding if self.description else "auto"
        encoding = Encoding(asked=wanted)
        before = self.part.path.stat()
        blocks = read_lines(stream, encoding)
        first = next(blocks)
        lines = first.data.split(b"\n", 60)[: min(60, first.count)]
        if any(code == "overlong" for _, _, code in first.bad) and not any(lines):
            raise UnknownFormatError("holds no lines of text")
        try:
            layout = find_layout(lines, [self.description] if self.description else formats.built_in())
        except DevicesError:
            if not self.description and captures.is_capture(head, thorough=True):
                yield from self._capture()
                return
            if not self.description and captures.advice(head):
                raise DevicesError(captures.advice(head)) from None
            raise
        description = layout.description
        self._use(description)
        self.facts |= {"delimiter": {"\t": "tab"}.get(layout.delimiter, layout.delimiter), "decimal": layout.decimal}
        spectrum = description.spectrum
        headings = ["time", "level", "freq"] if spectrum else layout.names
        binding = bind(description, headings, self.declared, layout.decimal)
        after = _after_header(first, layout)
        rows = ahead(read_rows(
            itertools.chain([after], blocks), layout.names, layout.delimiter,
            set(layout.names) if spectrum else binding.wanted, description.empty_cells,
            layout.names if layout.header else None, lambda: _has_changed(self.part, before),
            {} if spectrum else binding.typed,
        ), self.depth)  # fmt: skip
        if spectrum:
            rows = documents.sweep_rows(rows, float(spectrum.channel_hz), spectrum.width_hz)
        for at, block in enumerate(rows):
            if at == 0:
                block.skip("before_header", max(0, sum(1 for line in lines[: layout.header] if line) - 1))
            yield apply(binding, block)
        self.facts["encoding"] = encoding.name

    def _lines(self, stream: BinaryIO) -> Iterator[Draft]:
        description = self.description
        assert description is not None
        self._use(description)
        encoding = Encoding(asked=description.file.encoding)
        rows = documents.line_rows(read_lines(stream, encoding), description.file.line, description.empty_cells)
        yield from self._documents(rows, description)
        self.facts["encoding"] = encoding.name

    def _json(self, stream: BinaryIO, head: bytes) -> Iterator[Draft]:
        description = self.description or _json_description(head)
        self._use(description)
        yield from self._documents(
            documents.json_rows(stream, _paths(description), description.empty_cells), description
        )

    def _track(self, stream: BinaryIO, kind: str) -> Iterator[Draft]:
        description = self.description or formats.load(kind)
        self._use(description)
        rows = documents.track_rows(stream, _paths(description), description.empty_cells)
        yield from self._documents(rows, description)

    def _documents(self, blocks: Iterator[Rows], description: Description) -> Iterator[Draft]:
        """Of several paths for a field the first that the first rows have counts for the file."""
        binding: Binding | None = None
        for rows in blocks:
            if binding is None and (len(rows.numbers) or not rows.bad):
                there = [name for name, cells in rows.columns.items() if cells.null_count < len(cells)]
                binding = bind(description, there if len(rows.numbers) else list(rows.columns), self.declared)
            if binding is not None:
                yield apply(binding, rows)
            elif rows.bad:
                raise DevicesError(
                    f"holds nothing of the format {description.name}; it begins: {rows.bad[0][1][:60]}"
                )


def _steps_back(draft: Draft) -> int:
    """How often the time of a handset goes back from one of its rows to the next, where they follow one another."""
    back = np.diff(draft.time_us) < 0
    if back.any():
        _, device = draft.devices()
        back &= (device[1:] == device[:-1]) & (device[1:] >= 0)
    return int(back.sum())


def _paths(description: Description) -> list[str]:
    time = description.time
    paths = [heading for spec in description.fields.values() for heading in spec.headings]
    return list(dict.fromkeys([*time.headings, time.date_column, time.host_column, *paths]))


def _kind(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        if b"<gpx" in head or b":gpx" in head:
            return "gpx"
        if b"<kml" in head or b":kml" in head:
            return "kml"
        raise UnknownFormatError("is XML, but neither GPX nor KML")
    return "json" if start[:1] in (b"{", b"[") else "csv"


def _json_description(head: bytes) -> Description:
    """By the keys of the first object; the generic one where no other has all of its keys there."""
    line = head.lstrip(b"\xef\xbb\xbf \t\r\n[").split(b"\n", 1)[0].strip().rstrip(b",")
    try:
        first = json.loads(line)
    except ValueError:
        keys = head
        found = [d for d in formats.built_in() if d.file.kind == "json"
                 and all(f'"{name}"'.encode() in keys for name in d.file.recognise)]  # fmt: skip
    else:
        present = set(first) if isinstance(first, dict) else set()
        found = [d for d in formats.built_in() if d.file.kind == "json" and set(d.file.recognise) <= present]
    return max(found, key=lambda d: len(d.file.recognise), default=formats.load(formats.GENERIC))


def _after_header(first: Lines, layout: Layout) -> Lines:
    data = first.data.split(b"\n", layout.header)[-1] if layout.header else first.data
    bad = [entry for entry in first.bad if entry[0] > layout.header]
    return Lines(data, first.first_number + layout.header, bad, first.ended, first.last)


def _has_changed(part: Part, before) -> bool:
    now = part.path.stat()
    return not part.member and (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)
