"""What the parsers share: lines out of chunks, the stream's clock, and word when bytes make no sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.journal import Sent
from devices.lines import MAX_LINE, Line, Splitter
from devices.protocols.binary import Foreign, identify
from devices.protocols.merge import Assembler, Fix, Item, take
from devices.protocols.nmea import Nmea
from devices.records import Record, Reject
from devices.settings import Settings
from devices.streams import Chunk, Counts, Event

NOISE_S = 2.0
NOISE_BYTES = 48
BAUDS = (115200, 38400, 9600, 57600, 4800, 19200, 230400)


@dataclass
class Live:
    """What was heard last, for the screen. Times are on the stream's clock, in seconds."""

    rssi_dbm: float | None = None
    rssi_censor: str = "none"
    cell: str = ""
    service_state: str = "unknown"
    level_at_s: float | None = None
    identity: str = ""
    maker: str = ""
    model: str = ""
    firmware: str = ""
    serial_number: str = ""
    battery_percent: float | None = None
    trouble: str = ""


def at_s(stamped: Chunk | Line | Sent, data_us: int | None = None) -> float | None:
    """Seconds on the stream's clock: the monotonic one, else the host's, else the time in the data, else None."""
    if stamped.mono_ns is not None:
        return stamped.mono_ns / 1e9
    us = stamped.utc_us if stamped.utc_us is not None else data_us
    return None if us is None else us / 1e6


PRINTABLE = bytes([*b"\r\n\t", *range(32, 127)])


class Watch:
    """Notices bytes that never become a line of the protocol, and names the binary protocols among them."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self.baud = settings.baud
        self.counts = counts
        self._since: float | None = None
        self._bytes = 0
        self._tail = b""
        self._told = False
        self.foreign: Foreign | None = None

    def good(self) -> None:
        self._since, self._bytes, self._tail, self._told = None, 0, b"", False

    def feed(self, chunk: Chunk, good: bool) -> list[Event]:
        """Called after the lines of a chunk were read; good: whether there was one of the protocol."""
        if good:
            self.good()
            return []
        self._bytes += len(chunk.data)
        self._tail = (self._tail + chunk.data)[-2048:]
        now = at_s(chunk)
        if self._since is None:
            self._since = now
        foreign = identify(self._tail)
        if foreign and (self.foreign is None or foreign.name != self.foreign.name):
            self.foreign, self._told = foreign, True
            self.counts.add(foreign.name)
            return [Event(chunk.utc_us, "foreign_protocol", foreign.advice)]
        waited = now is not None and self._since is not None and now - self._since >= NOISE_S
        return self._noise(chunk.utc_us) if waited else []

    def finish(self) -> list[Event]:
        return self._noise(None)

    def _noise(self, utc_us: int | None) -> list[Event]:
        if self._told or self._bytes < NOISE_BYTES:
            return []
        printable = len(self._tail) - len(self._tail.translate(None, PRINTABLE))
        if printable > 0.9 * len(self._tail):
            return []
        self._told = True
        self.counts.add("noise")
        others = [str(b) for b in BAUDS if b != self.baud]
        first = "38400" if self.baud != 38400 else others[0]
        rate = f" at {self.baud} baud" if self.baud else ""
        text = f"bytes arrive but make no lines{rate}: try {first} (--baud {first}, or --probe to find it)"
        return [Event(utc_us, "noise", text)]


class LineParser:
    """A StreamParser over lines. A protocol gives `line`; NMEA sentences between its lines are read by themselves.

    midway: the stream was joined while the other end was speaking. on_fix: called with every position, for streams
    that have none of their own.
    """

    name = ""
    technology = "other"
    limit = MAX_LINE
    #: whether the device itself says who it is, sooner or later
    tells_identity = True

    def __init__(self, settings: Settings | None = None, *, midway: bool = False) -> None:
        self.settings = settings or Settings()
        self.counts = Counts()
        self.live = Live()
        self.on_fix: Callable[[Fix], None] | None = None
        self.assembler = Assembler(self.settings, self.counts)
        self.nmea = Nmea(self.settings, self.counts)
        self.splitter = Splitter(self.counts, midway=midway, limit=self.limit)
        self.watch = Watch(self.settings, self.counts)

    def line(self, line: Line) -> list[Item] | None:
        """What a line means; None where it is none of this protocol."""
        raise NotImplementedError

    def feed(self, chunk: Chunk) -> list[Item]:
        now = at_s(chunk)
        items = self.assembler.now(now) if now is not None else []
        good = False
        for line in self.splitter.feed(chunk):
            found = self._line(line)
            good = good or found is not None
            items += found or []
        items += self.watch.feed(chunk, good)
        return items

    def sent(self, sent: Sent) -> list[Item]:
        """Bytes that were written to the handset."""
        return []

    def interrupted(self) -> list[Item]:
        """The link was lost here: what is half read stays so."""
        self.splitter.restart()
        return []

    def finish(self) -> list[Item]:
        items: list[Item] = []
        last = self.splitter.finish()
        if last is not None:
            if self.is_whole(last):
                items += self._line(last) or []
            else:
                self.counts.add("cut_at_end")
        items += self._fixes(self.nmea.finish())
        items += self.closing()
        items += self.watch.finish()
        return items + self.assembler.finish()

    def closing(self) -> list[Item]:
        """What a protocol still holds at the end."""
        return []

    def is_whole(self, line: Line) -> bool:
        """Whether a last line without an end proves that nothing of it is missing."""
        return self.nmea.is_whole(line.data)

    def position(self, fix: Fix) -> list[Item]:
        """A position from this stream."""
        if self.on_fix is not None:
            self.on_fix(fix)
        return self.assembler.fix(fix)

    def reject(self, line: Line, column: str, value: str, code: str, reason: str) -> Reject:
        self.counts.add(code)
        return Reject(line.number, column, value[:120], code, reason)

    def _line(self, line: Line) -> list[Item] | None:
        if line.data.startswith((b"$", b"!")):
            return self._fixes(self.nmea.sentence(line))
        found = self.line(line)
        if found is not None:
            return found
        data = line.data
        if sum(32 <= b < 127 or b >= 0xA0 or b == 9 for b in data) < 0.9 * len(data):
            self.counts.add("noise_line")
        elif not data.startswith(b"#"):
            self.counts.add("unknown_line")
        return None

    def _fixes(self, found: list[Fix | Item]) -> list[Item]:
        items: list[Item] = []
        for one in found:
            items += self.position(one) if isinstance(one, Fix) else [one]
        return items


def from_fix(fix: Fix, parser: LineParser, device_id: str = "") -> Record:
    """A position as a record of its own, without a level."""
    us, source = (fix.utc_us, "host") if fix.time_us is None else (fix.time_us, "gps")
    record = Record(us, device_id, time_source=source, technology=parser.technology, profile=parser.name,
                    row_no=fix.row_no, raw_key=fix.raw_key)  # fmt: skip
    take(record, fix)
    return record


def new_record(parser: LineParser, line: Line, data_us: int | None = None) -> Record | None:
    """A record stamped with its line; None where neither the data nor the host give a time.

    data_us: time the data give (UTC µs), which goes before the host's.
    """
    us = line.utc_us if data_us is None else data_us
    if us is None:
        return None
    return Record(us, "", time_source="host" if data_us is None else "handset", technology=parser.technology,
                  profile=parser.name, row_no=line.number, raw_key=line.text)  # fmt: skip
