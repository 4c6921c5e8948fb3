"""Rehearsal: simulated handsets drive a route through a field of levels, on pseudo-terminals or into a file.

The same seed gives the same drive. Faults on demand: noise, unplug, silence, errors, gps, clock-jump.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devices.clocks import utc_us
from devices.errors import DevicesError
from devices.journal import Entry, Happened, Sent, Setup
from devices.polling import Poller
from devices.route import Route
from devices.session import to_json
from devices.settings import Settings
from devices.simulated import KINDS, SYNTHETIC, Handset, Moment, make
from devices.streams import Chunk, Event

FAULTS = ("noise", "unplug", "silence", "errors", "gps", "clock-jump")
SHADOWING_M = 50.0
#: level in dBm and number of the serving site at a longitude and latitude; None where nothing was computed
Level = Callable[[float, float], tuple[float | None, int]]


@dataclass(frozen=True)
class Fault:
    """kind: one of FAULTS; start_s, end_s: when, in seconds of the drive."""

    kind: str
    start_s: float
    end_s: float


def parse_fault(text: str) -> Fault:
    """KIND@START[+DURATION], in seconds, e.g. "unplug@60+5". DevicesError."""
    found = re.fullmatch(r"([a-z-]+)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?", text)
    if not found or found[1] not in FAULTS:
        kinds = ", ".join(FAULTS)
        raise DevicesError(f"fault {text!r}: KIND@START[+DURATION] in seconds, such as unplug@60+5; kinds: {kinds}")
    return Fault(found[1], float(found[2]), float(found[2]) + float(found[3] or 5))


@dataclass
class Drive:
    """One handset on its way: where it is and what it receives at any second, with shadowing that fits its place.

    level: the field it drives through; shadowing_db, fading_db: standard deviations of what the field doesn't hold,
    correlated over SHADOWING_M and not at all; offset_s: how long it has driven before the start; jump_s: how far a
    fault sets the computer's clock (in recordings made up; that of a real computer is left alone).
    """

    route: Route
    level: Level
    speed_mps: float = 12.0
    seed: int = 0
    shadowing_db: float = 4.0
    fading_db: float = 1.5
    offset_s: float = 0.0
    faults: Sequence[Fault] = ()
    jump_s: float = 3600.0
    _shadows: dict[int, float] = field(default_factory=dict)

    def at(self, t_s: float, start_us: int, sensitivity_dbm: float) -> Moment:
        """The moment t_s seconds after the start at start_us (UTC)."""
        metres = (t_s + self.offset_s) * self.speed_mps
        place = self.route.at(metres)
        median, site = self.level(place.lon, place.lat)
        level = None
        if median is not None:
            rapid = random.Random(f"{self.seed} {t_s:.2f}").gauss(0, self.fading_db)
            level = median + self._shadow(metres) + rapid
        served = level is not None and level >= sensitivity_dbm
        us = start_us + round(t_s * 1e6)
        gps = not self.has("gps", t_s)
        return Moment(us, place.lon, place.lat, self.speed_mps, place.course_deg, level, site, served, gps)

    def has(self, kind: str, t_s: float) -> bool:
        return any(fault.kind == kind and fault.start_s <= t_s < fault.end_s for fault in self.faults)

    def jumped_s(self, t_s: float) -> float:
        """How far the computer's clock is off after the jumps so far."""
        return sum(self.jump_s for f in self.faults if f.kind == "clock-jump" and t_s >= f.start_s)

    def _shadow(self, metres: float) -> float:
        i, share = divmod(metres / SHADOWING_M, 1)
        angle = share * math.pi / 2
        # the weights keep the variance between two knots what it is at them
        return self._knot(int(i)) * math.cos(angle) + self._knot(int(i) + 1) * math.sin(angle)

    def _knot(self, i: int) -> float:
        if len(self._shadows) > 10_000:
            self._shadows.clear()
        if i not in self._shadows:
            self._shadows[i] = random.Random(f"{self.seed} shadow {i}").gauss(0, self.shadowing_db)
        return self._shadows[i]


@dataclass(frozen=True)
class Simulated:
    """A handset of a kind (simulated.KINDS) with its number on a drive."""

    kind: str
    number: str
    drive: Drive

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"


def recorded(handsets: Sequence[Simulated], seconds: float, start_us: int, settings: Settings,
             progress: Callable[[float], None] = lambda share: None) -> Iterator[Entry]:  # fmt: skip
    """What a recorder would have written of a drive that starts at start_us, as fast as it can be made."""
    stations = [_Station(one, start_us, settings, tells=i == 0) for i, one in enumerate(handsets)]
    for station in stations:
        yield station.set_up()
    ticks = round(seconds * 10)
    for tick in range(ticks):
        if tick % 100 == 0:
            progress(tick / ticks)
        for station in stations:
            yield from station.tick(tick / 10)
    progress(1.0)


class _Station:
    """A handset and the poller that would ask it, on a clock made up. tells: of jumps of that clock."""

    def __init__(self, handset: Simulated, start_us: int, settings: Settings, tells: bool) -> None:
        self._tells = tells
        self.simulated = handset
        self.handset = make(handset.kind, handset.number)
        protocol = handset.kind
        self.settings = Settings(**{**settings.__dict__, "protocol": protocol})
        self.start_us = start_us
        self.poller = Poller(protocol, self.settings)
        self.poller.restart()
        self._lost = False
        self._jumped = 0.0

    def set_up(self) -> Entry:
        noted = {"protocol": self.simulated.kind, "settings": to_json(self.settings), SYNTHETIC: True}
        return Setup(noted, self.simulated.name)

    def tick(self, t_s: float) -> Iterator[Entry]:
        drive, name = self.simulated.drive, self.simulated.name
        now = drive.at(t_s, self.start_us, self.handset.sensitivity_dbm)
        jumped = drive.jumped_s(t_s)
        utc, mono = now.utc_us + round(jumped * 1e6), round((1000 + t_s) * 1e9)
        if jumped != self._jumped:
            text = f"the computer's clock was set forward by {jumped - self._jumped:.1f} s"
            self._jumped = jumped
            if self._tells:
                yield Happened(Event(utc, "clock_jump", text), mono)
        lost = drive.has("unplug", t_s)
        if lost != self._lost:
            self._lost = lost
            kind, text = ("link_lost", f"{name} was unplugged") if lost else ("link_back", f"{name} is back")
            yield Happened(Event(utc, kind, text), mono, name)
            self.poller.restart()
        if lost:
            return
        said = spoken(self.handset, drive, now, t_s) if round(t_s * 10) % 10 == 0 else b""
        query, events = self.poller.due(mono / 1e9, utc)
        if query is not None:
            yield Sent(query, utc, mono, name)
            said += answered(self.handset, drive, query, now, t_s)
        for event in events:
            yield Happened(event, mono, name)
        if said:
            chunk = Chunk(said, utc, mono, name)
            yield chunk
            self.poller.received(chunk)


def spoken(handset: Handset, drive: Drive, now: Moment, t_s: float) -> bytes:
    """What a handset says of its own accord in a second, with the faults of the moment."""
    if drive.has("silence", t_s):
        return b""
    if drive.has("noise", t_s):
        return random.Random(f"{drive.seed} noise {t_s:.1f}").randbytes(120)
    return handset.second(now)


def answered(handset: Handset, drive: Drive, query: bytes, now: Moment, t_s: float) -> bytes:
    if drive.has("silence", t_s) or drive.has("noise", t_s):
        return b""
    answers = b""
    for command in re.split(rb"[\r\n]+", query):
        text = command.decode("latin-1").strip()
        if text:
            errors = drive.has("errors", t_s)
            answers += b"\r\nERROR\r\n" if errors else handset.answer(text, now)
    return answers


class Terminal(threading.Thread):
    """A simulated handset on a pseudo-terminal under a name of its own, a link that stays when it is "unplugged".

    speed: seconds of the drive per second. baud: the rate it is set to: who opens the port with another one hears
    noise and is not understood; None takes any, at the pace of 115,200.
    """

    def __init__(self, handset: Simulated, path: Path, speed: float = 1.0, baud: int | None = None) -> None:
        super().__init__(name=handset.name, daemon=True)
        self.simulated = handset
        self.handset = make(handset.kind, handset.number)
        self.path = path
        self.speed = speed
        self.baud = baud
        self.bytes_per_s = (baud or 115_200) / 10
        self.sent_bytes = 0
        self.heard: list[str] = []
        self._ends: tuple[int, int] | None = None
        self._stopped = threading.Event()
        self._plug()

    def run(self) -> None:
        start, start_us = time.monotonic(), utc_us()
        second, typed = -1, b""
        drive = self.simulated.drive
        while not self._stopped.is_set():
            t_s = (time.monotonic() - start) * self.speed
            if drive.has("unplug", t_s):
                self._unplug()
                self._stopped.wait(0.05)
                continue
            if self._ends is None:
                self._plug()
            now = drive.at(t_s, start_us, self.handset.sensitivity_dbm)
            if int(t_s) != second:
                second = int(t_s)
                self._say(spoken(self.handset, drive, now, t_s))
            ready, _, _ = select.select([self._ends[0]], [], [], min(0.05, 0.5 / self.speed))
            if not ready:
                continue
            try:
                typed += os.read(self._ends[0], 4096)
            except OSError:
                continue
            *commands, typed = re.split(rb"[\r\n]+", typed[-4096:])
            if not self._understands():
                continue
            for command in filter(None, commands):
                self.heard.append(command.decode("latin-1"))
                self._say(answered(self.handset, drive, command, now, t_s))
        self._unplug()

    def stop(self) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join()
        else:
            self._unplug()

    def _understands(self) -> bool:
        """Whether the other end has opened the port with the handset's rate."""
        import termios

        if self.baud is None:
            return True
        return termios.tcgetattr(self._ends[1])[5] == getattr(termios, f"B{self.baud}")

    def _say(self, data: bytes) -> None:
        if not self._understands():
            data = bytes(byte * 37 & 0x7F | 0x80 for byte in data)
        while data and not self._stopped.is_set():
            _, ready, _ = select.select([], [self._ends[0]], [], 0.1)
            if not ready:
                # nobody reads: a serial line would lose the bytes, too
                return
            done = os.write(self._ends[0], data[:512])
            self.sent_bytes += done
            data = data[done:]
            if data:
                self._stopped.wait(done / self.bytes_per_s)

    def _plug(self) -> None:
        import tty

        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._ends = master, slave
        fresh = self.path.with_name(f".{self.path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        os.symlink(os.ttyname(slave), fresh)
        os.replace(fresh, self.path)

    def _unplug(self) -> None:
        if self._ends is None:
            return
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        for end in self._ends:
            os.close(end)
        self._ends = None


def fleet(kinds: Sequence[str], count: int, route: Route, level: Level, *, seed: int, speed_mps: float,
          faults: Sequence[Fault]) -> list[Simulated]:  # fmt: skip
    """`count` handsets of the kinds in turn, spread over the route. DevicesError for an unknown kind."""
    for kind in kinds:
        if kind not in KINDS:
            raise DevicesError(f"there is no simulated handset {kind!r}; possible: {', '.join(KINDS)}")
    apart_s = route.length_m / speed_mps / max(1, count)
    return [
        Simulated(kinds[i % len(kinds)], str(1001 + i),
                  Drive(route, level, speed_mps, seed * 1000 + i, offset_s=i * apart_s, faults=faults))
        for i in range(count)
    ]  # fmt: skip
