"""How handsets speak, one file a protocol; recognition from bytes; captures read as records."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import BinaryIO

from devices.records import Record, Reject
from devices.settings import Settings
from devices.streams import Event

#: protocol -> what it is
PROTOCOLS = {
    "tetra-pei": "TETRA peripheral equipment interface (ETSI EN 300 392-5)",
    "pdt": "PDT status lines, radiocov's documented AT-style form",
    "dmr-at": "AT commands of DMR handset chips",
    "hytera": "Hytera location protocol (position and RSSI)",
    "nmea": "NMEA 0183 positions",
    "gpsd": "gpsd's JSON lines",
}


def recognise(head: bytes) -> str | None:
    """The protocol of PROTOCOLS, "journal", or None, from the first kilobytes of a stream or file."""
    raise NotImplementedError


def read_file(
    path: str | PathLike[str] | BinaryIO, *, protocol: str | None = None, settings: Settings | None = None
) -> Iterator[Record | Reject | Event]:
    """Records, rejects and events of a journal or a raw capture, in the order of the file and in constant memory.

    path: a file or an open binary file. protocol: one of PROTOCOLS; by default it is recognised from the content (a
    journal knows its own). settings: what the bytes don't say, e.g. `device_id` and `date`; they go before what a
    journal has noted. DevicesError where the content is of no known protocol, or is binary that has to be converted
    (it says how); OSError where the file can't be read.
    """
    raise NotImplementedError
