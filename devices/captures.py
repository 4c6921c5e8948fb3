"""Journals and raw captures of protocols, as drafts: the one place where files meet the live parsers."""

from __future__ import annotations

import datetime as dt
import importlib.util
import itertools
from collections.abc import Iterator

import pyarrow as pa

from devices.archives import Part
from devices.draft import REJECTS, Draft, from_table
from devices.errors import DevicesError
from devices.formats.fields import Declared
from devices.records import Record, Reject, to_table
from devices.streams import Event

ROWS_A_BLOCK = 50_000
JOURNAL = b"radiocov journal"
SAME_CODES = {"time": "time_out_of_range", "level_index": "level_code"}


def is_capture(head: bytes, thorough: bool = False) -> bool:
    """Whether a file's beginning is a journal or NMEA, or (thorough) of any protocol that is known."""
    if head.startswith((JOURNAL, b"$", b"!AI")):
        return True
    if not thorough or not importlib.util.find_spec("devices.protocols"):
        return False
    from devices.protocols import recognise

    return recognise(head) is not None


def advice(head: bytes) -> str:
    """What to do about a binary protocol that the beginning of a file shows, or ""."""
    if not importlib.util.find_spec("devices.protocols"):
        return ""
    from devices.protocols.binary import identify

    foreign = identify(head)
    return foreign.advice if foreign else ""


def _code(code: str) -> str:
    """Codes of the live parsers as those of files: one list for both."""
    plain = code.replace("-", "_")
    return SAME_CODES.get(plain, plain)


def drafts(part: Part, declared: Declared, protocol: str = "") -> Iterator[tuple[Draft, str]]:
    """(block of rows, profile). Raises DevicesError where the content is of no known protocol."""
    if not importlib.util.find_spec("devices.protocols"):
        raise DevicesError("is a journal or a capture of a protocol, which this installation cannot read")
    from devices.protocols import read_file
    from devices.settings import Settings

    day = None
    if declared.date:
        try:
            day = dt.date.fromisoformat(declared.date)
        except ValueError as error:
            raise DevicesError(f"--date {declared.date!r} is no day; write it like 2025-11-29") from error
    settings = Settings(device_id=declared.device, date=day, datum=declared.datum or None)
    with part.open() as stream:
        found = read_file(stream, protocol=protocol or None, settings=settings)
        while block := list(itertools.islice(found, ROWS_A_BLOCK)):
            records = [item for item in block if isinstance(item, Record)]
            rejected = [item for item in block if isinstance(item, Reject)]
            draft = from_table(to_table(records))
            if rejected:
                rows = [(item.row_no, item.column, item.value, _code(item.code), item.reason) for item in rejected]
                columns = dict(zip(REJECTS.names, zip(*rows, strict=True), strict=True))
                arrays = {name: list(values) for name, values in columns.items()}
                draft.rejected.append(pa.table(arrays, schema=REJECTS))
            for event in block:
                if isinstance(event, Event):
                    draft.skip(f"event_{event.kind}".replace(" ", "_"))
            yield draft, records[0].profile if records else protocol
