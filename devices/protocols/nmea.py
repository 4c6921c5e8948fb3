"""NMEA 0183 positions: sentences of one epoch become one fix, with a date that can be believed.

Sentences are decoded by pynmeagps. RMC, GGA, GNS, GSA, ZDA of any talker, GLL where there is nothing better, and the
position sentences of Kenwood radios ($PKNDS, $PKNSH, $PKLDS, $PKLSH) are used; of others only the checksum is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pynmeagps import NMEAReader
from pynmeagps.exceptions import NMEAMessageError, NMEAParseError, NMEATypeError

from devices.clocks import utc_us
from devices.lines import Line, checksum
from devices.protocols.merge import Fix
from devices.records import Reject
from devices.settings import Settings
from devices.streams import Counts, Event

DAY_S = 86400.0
KNOT_MPS = 1852 / 3600
EARLIEST_US = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1e6)
AHEAD_US = 600_000_000
DAY_US = 86_400_000_000
#: a computer whose clock is before this was never set: this software is younger
SOFTWARE_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1e6)
ROLLOVER_US = 1024 * 7 * 86400 * 1_000_000
PIVOT = 80
KENWOOD = ("PKNDS", "PKNSH", "PKLDS", "PKLSH")
USED = ("RMC", "GGA", "GNS", "GSA", "ZDA", "GLL")
_SENTENCE = re.compile(rb"[$!]([A-Z0-9,.\-_ ]?[^*]*)(?:\*([0-9A-Fa-f]{2}))?$")
_ANGLE = re.compile(r"\d{3,5}(\.\d*)?")
# GGA quality and the mode letter of RMC and GNS, worst first where several systems differ
QUALITY = {0: "none", 1: "3d", 2: "dgps", 3: "3d", 4: "rtk", 5: "rtk", 6: "estimated", 7: "manual", 8: "estimated"}
MODES = {"N": "none", "E": "estimated", "S": "estimated", "M": "manual", "A": "2d", "P": "2d", "D": "dgps",
         "F": "rtk", "R": "rtk"}  # fmt: skip


@dataclass
class _Epoch:
    """What the sentences of one time of day said together. valid: None until one of them has said."""

    tod_s: float | None
    line: Line
    day: date | None = None
    bad_day: str = ""
    valid: bool | None = None
    lat: float | None = None
    lon: float | None = None
    kind: str = ""
    dimensions: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    raw: str = ""
    unit: str = ""


class Nmea:
    """Sentences in, fixes out: an epoch is given out when the next begins."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self.settings = settings
        self.counts = counts
        self._epoch: _Epoch | None = None
        self._last: tuple[date, float] | None = None
        self._better_than_gll = 0
        self._told: set[str] = set()

    def sentence(self, line: Line) -> list[Fix | Reject | Event]:
        found = _SENTENCE.fullmatch(line.data)
        if not found:
            return [self._reject(line, "no_match", "no NMEA sentence: $…*hh was expected")]
        body, given = found[1], found[2]
        right = checksum(body)
        if given is None and not self.settings.checksum_optional:
            text = "the sentence has no checksum; checksum_optional = true in the profile accepts such"
            return [self._reject(line, "checksum_missing", text)]
        if given is not None and int(given, 16) != right:
            return [self._reject(line, "checksum", f"checksum {given.decode()} should be {right:02X}")]
        self._better_than_gll = max(0, self._better_than_gll - 1)
        address = body.split(b",", 1)[0].decode("latin-1")
        kind = address if address in KENWOOD else address[-3:]
        if kind not in USED and address not in KENWOOD:
            return []
        try:
            message = NMEAReader.parse(b"$%b*%02X\r\n" % (body, right))
        except (NMEAParseError, NMEAMessageError, NMEATypeError, ValueError, TypeError, IndexError) as error:
            return [self._reject(line, "no_match", f"{kind}: {error}")]
        if message is None:
            # a maker's own sentence that ends like one of these
            return []
        fields = [one.strip() for one in body.decode("latin-1").split(",")[1:]]
        return self._take(kind, message, fields, line)

    def finish(self) -> list[Fix | Reject | Event]:
        """The epoch that is still open."""
        epoch, self._epoch = self._epoch, None
        return self._emit(epoch) if epoch else []

    def is_whole(self, data: bytes) -> bool:
        """Whether a line proves by its checksum that its end is there."""
        found = _SENTENCE.fullmatch(data)
        return bool(found and found[2])

    def _reject(self, line: Line, code: str, reason: str) -> Reject:
        self.counts.add(code)
        return Reject(line.number, "sentence", line.text[:120], code, reason)

    def _take(self, kind: str, message: Any, fields: list[str], line: Line) -> list[Fix | Reject | Event]:
        angles = {"RMC": (2, 4), "GGA": (1, 3), "GNS": (1, 3), "GLL": (0, 2), "PKNDS": (2, 4)}.get(kind, (0, 2))
        if kind not in ("GSA", "ZDA"):
            for at in angles:
                text = fields[at] if at < len(fields) else ""
                if text and (not _ANGLE.fullmatch(text) or float(text) % 100 >= 60):
                    return [self._reject(line, "no_match", f"{kind}: {text!r} is no angle of degrees and minutes")]
        if kind == "GSA":
            if self._epoch is not None:
                self._epoch.dimensions = {1: "none", 2: "2d", 3: "3d"}.get(getattr(message, "navMode", None), "")
                self._put(self._epoch, "hdop", getattr(message, "HDOP", ""))
            return []
        at = 0 if kind in ("RMC", "GGA", "GNS", "ZDA", "PKNDS") else 4
        text = fields[at] if at < len(fields) else ""
        try:
            tod, leap = _time_of_day(text)
        except ValueError:
            return [self._reject(line, "no_match", f"{kind}: {text!r} is no time of day (hhmmss)")]
        if kind == "GLL" and self._better_than_gll:
            return []
        if kind in ("RMC", "GGA", "GNS"):
            self._better_than_gll = 64
        given_out = self._open(kind, tod, line)
        epoch = self._epoch
        epoch.types.add(kind)
        epoch.raw += ("|" if epoch.raw else "") + line.text
        if leap and "leap_second" not in epoch.flags:
            epoch.flags.append("leap_second")
        getattr(self, f"_{kind.lower()}" if kind not in KENWOOD else "_kenwood")(epoch, message, fields)
        return given_out

    def _open(self, kind: str, tod: float | None, line: Line) -> list[Fix | Reject | Event]:
        """Makes the epoch of this time of day the current one; returns the one that ended."""
        current = self._epoch
        if current is not None and current.tod_s == tod and kind not in current.types:
            return []
        self._epoch = _Epoch(tod, line)
        return self._emit(current) if current else []

    def _rmc(self, epoch: _Epoch, message: Any, fields: list[str]) -> None:
        self._day(epoch, fields[8] if len(fields) > 8 else "")
        self._valid(epoch, getattr(message, "status", "") == "A")
        mode = getattr(message, "posMode", "")
        if mode:
            self._mode(epoch, mode)
        self._place(epoch, message)
        self._put(epoch, "speed_mps", getattr(message, "spd", ""), KNOT_MPS)
        self._put(epoch, "course_deg", getattr(message, "cog", ""))

    def _gga(self, epoch: _Epoch, message: Any, fields: list[str]) -> None:
        quality = getattr(message, "quality", "")
        self._valid(epoch, quality not in ("", 0))
        if quality in QUALITY:
            epoch.kind = QUALITY[quality]
            if quality == 8:
                epoch.flags.append("simulated_position")
        self._place(epoch, message)
        self._put(epoch, "satellites", getattr(message, "numSV", ""))
        self._put(epoch, "hdop", getattr(message, "HDOP", ""))
        self._put(epoch, "alt_m", getattr(message, "alt", ""))

    def _gns(self, epoch: _Epoch, message: Any, fields: list[str]) -> None:
        modes = str(getattr(message, "posMode", ""))
        best = next((letter for letter in "RFDAPEMS" if letter in modes), "N")
        self._valid(epoch, best != "N")
        self._mode(epoch, best)
        self._place(epoch, message)
        self._put(epoch, "satellites", getattr(message, "numSV", ""))
        self._put(epoch, "hdop", getattr(message, "HDOP", ""))
        self._put(epoch, "alt_m", getattr(message, "alt", ""))

    def _gll(self, epoch: _Epoch, message: Any, fields: list[str]) -> None:
        self._valid(epoch, getattr(message, "status", "") == "A")
        mode = getattr(message, "posMode", "")
        if mode:
            self._mode(epoch, mode)
        self._place(epoch, message)

    def _zda(self, epoch: _Epoch, message: Any, fields: list[str]) -> None:
        try:
            epoch.day = date(int(fields[3]), int(fields[2]), int(fields[1]))
        except (ValueError, IndexError):
            epoch.bad_day = epoch.bad_day or "-".join(fields[1:4]).strip("-")

    def _kenwood(self, epoch: _Epoch, message: Any, fields: list[str]) -> None:
        self._valid(epoch, getattr(message, "status", "") == "A")
        self._place(epoch, message)
        sender = getattr(message, "senderid", "")
        fleet = f"{getattr(message, 'fleetId', '')}-{getattr(message, 'deviceId', '')}".strip("-")
        epoch.unit = sender or fleet
        if getattr(message, "identity", "") == "PKNDS":
            self._day(epoch, fields[8] if len(fields) > 8 else "")
            self._put(epoch, "speed_mps", getattr(message, "sog", ""), KNOT_MPS)
            self._put(epoch, "course_deg", getattr(message, "cog", ""))

    @staticmethod
    def _valid(epoch: _Epoch, valid: bool) -> None:
        epoch.valid = valid and epoch.valid is not False

    @staticmethod
    def _mode(epoch: _Epoch, letter: str) -> None:
        kind = MODES.get(letter, "")
        if kind == "none":
            epoch.valid = False
        elif kind and epoch.kind in ("", "3d", "2d"):
            epoch.kind = kind if kind != "2d" or not epoch.kind else epoch.kind
        if letter == "S" and "simulated_position" not in epoch.flags:
            epoch.flags.append("simulated_position")

    @staticmethod
    def _place(epoch: _Epoch, message: Any) -> None:
        lat, lon = getattr(message, "lat", ""), getattr(message, "lon", "")
        if lat != "" and lon != "":
            epoch.lat, epoch.lon = float(lat), float(lon)

    @staticmethod
    def _put(epoch: _Epoch, name: str, value: Any, factor: float = 1.0) -> None:
        if isinstance(value, (int, float)):
            epoch.values[name] = int(value) if name == "satellites" else value * factor

    @staticmethod
    def _day(epoch: _Epoch, text: str) -> None:
        """A date ddmmyy; years from PIVOT on are of the last century."""
        if not text:
            return
        try:
            if not re.fullmatch(r"\d{6}", text):
                raise ValueError(text)
            year = int(text[4:])
            epoch.day = date(year + (1900 if year >= PIVOT else 2000), int(text[2:4]), int(text[:2]))
        except ValueError:
            epoch.bad_day = text

    def _emit(self, epoch: _Epoch) -> list[Fix | Reject | Event]:
        if epoch.lat is None and epoch.valid is None:
            # a ZDA by itself: it has given the day
            self._time(epoch)
            return []
        host = epoch.line.utc_us
        time_us, why = self._time(epoch)
        out: list[Fix | Reject | Event] = []
        if why:
            epoch.flags.append("clock")
            if host is None:
                text = f"{why}; there is no time of the computer to use instead"
                return [self._reject(epoch.line, "time_out_of_range", text)]
            if why not in self._told:
                self._told = {why}
                out.append(Event(host, "clock_untrusted", f"{why}; the computer's time is used"))
        if time_us is None and host is None:
            if epoch.tod_s is None:
                self.counts.add("time_missing")
                return []
            text = "a time of day without a date: give the day of the capture (date = 2026-11-24 in the profile)"
            return [self._reject(epoch.line, "time_missing", text)]
        has = epoch.valid and epoch.lat is not None and epoch.dimensions != "none"
        kind = epoch.kind or "2d"
        if kind in ("2d", "3d") and epoch.dimensions:
            kind = epoch.dimensions
        mono = epoch.line.mono_ns
        at = mono / 1e9 if mono is not None else (host if host is not None else time_us) / 1e6
        fix = Fix(epoch.lat if has else None, epoch.lon if has else None, at, time_us, host,
                  fix=kind if has else "none", flags=" ".join(epoch.flags), unit=epoch.unit,
                  row_no=epoch.line.number, raw_key=epoch.raw)  # fmt: skip
        for name, value in epoch.values.items():
            if has or name == "satellites":
                setattr(fix, name, value)
        out.append(fix)
        return out

    def _time(self, epoch: _Epoch) -> tuple[int | None, str]:
        """(UTC µs or None, why the receiver's clock is not to be trusted or "")."""
        if epoch.tod_s is None:
            return None, ""
        host = epoch.line.utc_us
        if epoch.bad_day and epoch.day is None:
            return None, f"the receiver's date {epoch.bad_day!r} is none"
        day = epoch.day
        if day is None and self._last is not None:
            day = carried(*self._last, epoch.tod_s)
        if day is None and host is not None:
            day = nearest_day(host, epoch.tod_s)
        if day is None:
            day = self.settings.date
        if day is None:
            return None, ""
        us = to_us(day, epoch.tod_s)
        why = untrusted(us, host)
        if why:
            return None, why
        self._last = day, epoch.tod_s
        return us, ""


def untrusted(us: int, host_us: int | None) -> str:
    """Why a receiver's time can't be right, or ""; weeks are never added silently."""
    day = datetime.fromtimestamp(us / 1e6, UTC).date() if abs(us) < 4e15 else us
    reference = host_us if host_us is not None else utc_us()
    behind = reference - us
    weeks = round(behind / ROLLOVER_US)
    rolled = abs(behind - weeks * ROLLOVER_US) < DAY_US
    if us < EARLIEST_US:
        hint = " (a GPS week rollover?)" if host_us is None or rolled else ""
        return f"the receiver's clock says {day}, before 2010{hint}"
    # up to a day ahead of a computer, it is the computer that is wrong
    if behind < -(AHEAD_US if host_us is None else DAY_US) and reference >= SOFTWARE_US:
        return f"the receiver's clock says {day}, which is in the future"
    if host_us is not None and weeks and rolled:
        return f"the receiver's clock says {day}, {1024 * weeks} weeks behind (GPS week rollover)"
    return ""


def carried(day: date, tod_s: float, new_tod_s: float) -> date:
    """The day of a time of day that follows one of a known day: midnight lies between if it goes back half a day."""
    if new_tod_s - tod_s < -DAY_S / 2:
        return day + timedelta(days=1)
    return day - timedelta(days=1) if new_tod_s - tod_s > DAY_S / 2 else day


def nearest_day(host_us: int, tod_s: float) -> date:
    """The day on which a time of day lies nearest to the host's time, which may be across midnight."""
    host = datetime.fromtimestamp(host_us / 1e6, UTC)
    since = host.hour * 3600 + host.minute * 60 + host.second
    return carried(host.date(), since, tod_s)


def to_us(day: date, tod_s: float) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000 + round(tod_s * 1e6)


def _time_of_day(text: str) -> tuple[float | None, bool]:
    """(seconds since midnight UTC, whether it was a leap second) of hhmmss.sss; None for an empty text."""
    if not text:
        return None, False
    found = re.fullmatch(r"(\d\d)(\d\d)(\d\d)(\.\d*)?", text)
    if not found:
        raise ValueError(text)
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(text)
    if second == 60:
        return hour * 3600 + minute * 60 + 59.999999, True
    return hour * 3600 + minute * 60 + second + float(found[4] or 0), False
