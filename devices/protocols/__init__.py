"""How handsets speak, one file a protocol; recognition from bytes; captures read as records."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import nullcontext
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO

from devices.errors import DevicesError
from devices.records import Record, Reject
from devices.settings import Settings
from devices.streams import Chunk, Event

if TYPE_CHECKING:
    from devices.session import Session

#: protocol -> (module, parser, what it is)
PROTOCOLS = {
    "tetra-pei": ("tetra_pei", "TetraPei", "TETRA peripheral equipment interface (ETSI EN 300 392-5)"),
    "pdt": ("pdt", "Pdt", "PDT status lines, radiocov's documented AT-style form"),
    "dmr-at": ("dmr_at", "DmrAt", "AT commands of DMR handset chips"),
    "hytera": ("hytera", "Hytera", "Hytera location protocol (position and RSSI)"),
    "nmea": ("nmea_log", "NmeaLog", "NMEA 0183 positions"),
    "gpsd": ("gpsd", "Gpsd", "gpsd's JSON lines"),
}
HEAD = 1 << 16
READ = 1 << 16
_TETRA = re.compile(
    rb"\+(?:CSQ|GCLI|GPSPOS|CTSDSR|CREG|CNUM[FSD]|CTOM|CTICN|CTTCT|CTBCT|CTGS|CTXG|CDTXC|CTCR|CTSP): ?[0-9A-F(]"
    rb"|\+G(?:MI|MM|MR|SN): ?\S|AT\+(?:GCLI|GPSPOS|CNUMF|CTOM|CTSP)\b"
)
_NMEA = re.compile(rb"\$([A-Z]{4,5},[^*$\r\n]{0,100})\*([0-9A-Fa-f]{2})")


def make_parser(name: str, settings: Settings | None = None, *, midway: bool = False) -> Any:
    """A parser of a protocol (a `streams.StreamParser`). midway: the stream is joined while the other end speaks.

    DevicesError for an unknown name.
    """
    if name not in PROTOCOLS:
        raise DevicesError(f"there is no protocol {name!r}; possible: {', '.join(PROTOCOLS)}")
    module, parser, _ = PROTOCOLS[name]
    return getattr(importlib.import_module(f"devices.protocols.{module}"), parser)(settings, midway=midway)


def recognise(head: bytes) -> str | None:
    """The protocol of PROTOCOLS, "journal", or None, from the first kilobytes of a stream or file."""
    from devices.journal import MAGIC
    from devices.lines import checksum
    from devices.protocols.hytera import find_frame

    if head.startswith(MAGIC):
        return "journal"
    if re.search(rb"\+PDT(?:STAT|ID):", head):
        return "pdt"
    if re.search(rb"\+DMO[A-Z]{3,}:|AT\+DMO[A-Z]{3,}", head):
        return "dmr-at"
    if re.search(rb'^\{\s*"class"\s*:\s*"[A-Z]+"', head, re.M):
        return "gpsd"
    if _TETRA.search(head):
        return "tetra-pei"
    if any(checksum(found[1]) == int(found[2], 16) for found in _NMEA.finditer(head)):
        return "nmea"
    return "hytera" if find_frame(head) else None


def read_file(
    path: str | PathLike[str] | BinaryIO, *, protocol: str | None = None, settings: Settings | None = None
) -> Iterator[Record | Reject | Event]:
    """Records, rejects and events of a journal or a raw capture, in the order of the file and in constant memory.

    path: a file or an open binary file. protocol: one of PROTOCOLS; by default it is recognised from the content (a
    journal knows its own). settings: what the bytes don't say, e.g. `device_id` and `date`; they go before what a
    journal has noted. DevicesError where the content is of no known protocol, or is binary that has to be converted
    (it says how); OSError where the file can't be read.
    """
    from devices.session import Session

    yield from read_into(Session(protocol, settings), path)


def read_into(session: Session, path: str | PathLike[str] | BinaryIO) -> Iterator[Record | Reject | Event]:
    """As `read_file`, with a session of the caller's, who can ask it afterwards what was counted."""
    from devices import journal

    with nullcontext(path) if hasattr(path, "read") else open(path, "rb") as file:
        head = file.read(HEAD)
        name = recognise(head)
        if name == "journal":
            for _, entry in journal.read(file, head):
                yield from session.feed(entry)
        else:
            session.protocol = session.protocol or session.settings.protocol or name or _unknown(file, head)
            data = head
            while data:
                yield from session.feed(Chunk(data))
                data = file.read(READ)
        yield from session.finish()


def _unknown(file: BinaryIO, head: bytes) -> str:
    from devices.protocols.binary import identify

    where = getattr(file, "name", "the file")
    if not head:
        raise DevicesError(f"{where}: is empty")
    foreign = identify(head)
    if foreign:
        raise DevicesError(f"{where}: {foreign.advice}")
    known = ", ".join(PROTOCOLS)
    raise DevicesError(f"{where}: neither a journal nor a capture of a known protocol ({known})")
