"""What the tests of live reading share: streams with stamps, and handsets on pseudo-terminals."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from devices.protocols import make_parser
from devices.records import Record, Reject
from devices.route import Route
from devices.settings import Settings
from devices.simulator import Drive, Simulated, Terminal
from devices.streams import Chunk, Event

START_US = int(datetime(2026, 11, 24, 8, 0, tzinfo=UTC).timestamp() * 1e6)


def chunk(data, t_s=0.0, start_us=START_US):
    """Bytes that came t_s seconds after the start, with both stamps."""
    data = data.encode() if isinstance(data, str) else data
    return Chunk(data, start_us + round(t_s * 1e6), round((1000 + t_s) * 1e9), "port")


def nmea(body):
    """A sentence with its checksum and line end."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n"


class Said:
    """What a parser made of a stream."""

    def __init__(self, items, parser):
        self.items = items
        self.parser = parser
        self.counts = parser.counts.by_reason
        self.records = [item for item in items if isinstance(item, Record)]
        self.rejects = [item for item in items if isinstance(item, Reject)]
        self.events = [item for item in items if isinstance(item, Event)]


def parse(protocol, *parts, settings=None, midway=False):
    """Feeds chunks, (seconds, text) pairs or unstamped text to a parser, to the end."""
    parser = make_parser(protocol, settings or Settings(device_id="7"), midway=midway)
    items = []
    for part in parts:
        if isinstance(part, tuple):
            part = chunk(part[1], part[0])
        elif not isinstance(part, Chunk):
            part = Chunk(part.encode() if isinstance(part, str) else part)
        items += parser.feed(part)
    return Said(items + parser.finish(), parser)


@pytest.fixture(scope="session")
def live():
    return SimpleNamespace(chunk=chunk, nmea=nmea, parse=parse, START_US=START_US)


@pytest.fixture
def samples(shared):
    return shared / "data" / "handset-samples"


def field(lon, lat):
    return -80.0, 7


@pytest.fixture
def handset(tmp_path):
    """Starts simulated handsets on pseudo-terminals: handset("pdt", faults=[...]) -> Terminal.

    waits: it gives its status only when it is asked; baud: the only rate at which it is understood.
    """
    if os.name != "posix":
        pytest.skip("there are no pseudo-terminals here")
    started = []

    def start(kind, number="1001", faults=(), level=field, speed=1.0, waits=False, baud=None):
        drive = Drive(Route([(123.4, 41.8), (123.5, 41.85)]), level, faults=faults, shadowing_db=0, fading_db=0)
        terminal = Terminal(Simulated(kind, number, drive), tmp_path / f"tty-{kind}-{number}", speed, baud)
        started.append(terminal)
        terminal.handset.asked = waits
        terminal.start()
        return terminal

    yield start
    for terminal in started:
        terminal.stop()
