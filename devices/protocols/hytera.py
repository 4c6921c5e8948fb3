"""Hytera's location protocol (HDAP): position and RSSI of radios as a repeater or mobile forwards them.

Frame: [08] opcode 2, length 2, payload, checksum 1, 03. The unit of RSSI is not documented: captures hold values that
are no dBm, so the profile has to state dBm per unit (`rssi_scale`). The level is that of the repeater's receiver.
"""

from __future__ import annotations

import re
from datetime import date

from devices.lines import Line
from devices.protocols.base import Live, Watch, at_s, from_fix
from devices.protocols.merge import Assembler, Fix, Item
from devices.protocols.nmea import KNOT_MPS, to_us, untrusted
from devices.records import LIMITS, Reject
from devices.settings import Settings
from devices.streams import Chunk, Counts

LENGTHS = {0xA001: (9, 64), 0xA002: (10, 64), 0xA003: (10, 64), 0xD001: (9, 96), 0xD002: (9, 96), 0xD003: (10, 96),
           0xD004: (10, 96)}  # fmt: skip
REPORTS = (0xA002, 0xA003, 0xD003, 0xD004)
_START = re.compile(rb"[\xa0\xd0][\x01-\x04]")
_POSITION = re.compile(
    rb"([AV])(\d{6})(\d{6})([NS])(\d{4}\.\d{4})([EW])(\d{5}\.\d{4})([\d. ]{3})([\d ]{3})", re.S
)


def frame_at(data: bytes | bytearray, at: int) -> tuple[int, bytes] | None:
    """(size, opcode and payload) of a whole frame with the right checksum at an offset; None where there is none."""
    size = int.from_bytes(data[at + 2 : at + 4], "big")
    end = at + 4 + size
    shortest, longest = LENGTHS.get(int.from_bytes(data[at : at + 2], "big"), (1, 0))
    if not shortest <= size <= longest or len(data) < end + 2 or data[end + 1] != 0x03:
        return None
    if data[end] != (~sum(data[at:end]) + 0x33) & 0xFF:
        return None
    return end + 2 - at, bytes(data[at:end])


def find_frame(data: bytes) -> bool:
    return any(frame_at(data, found.start()) for found in _START.finditer(data))


class Hytera:
    """A StreamParser of frames; see the module."""

    name = "hytera"
    technology = "dmr"
    tells_identity = True

    def __init__(self, settings: Settings | None = None, *, midway: bool = False) -> None:
        self.settings = settings or Settings()
        self.counts = Counts()
        self.live = Live()
        self.on_fix = None
        self.assembler = Assembler(self.settings, self.counts)
        self.watch = Watch(self.settings, self.counts)
        self._open = bytearray()
        self._number = 0

    def feed(self, chunk: Chunk) -> list[Item]:
        now = at_s(chunk)
        items = self.assembler.now(now) if now is not None else []
        self._open += chunk.data
        before = self._number
        items += self._frames(chunk, final=False)
        return items + self.watch.feed(chunk, self._number > before)

    def sent(self, sent: object) -> list[Item]:
        return []

    def interrupted(self) -> list[Item]:
        self._open.clear()
        return []

    def finish(self) -> list[Item]:
        items = self._frames(Chunk(b""), final=True)
        return items + self.watch.finish() + self.assembler.finish()

    def _frames(self, chunk: Chunk, final: bool) -> list[Item]:
        items: list[Item] = []
        data, at = self._open, 0
        while True:
            start = _START.search(data, at)
            if start is None:
                # the last byte may be the first of an opcode
                at = len(data) if final or data[-1:] not in (b"\xa0", b"\xd0") else len(data) - 1
                break
            at = start.start()
            if not final and not self._could_be_whole(at):
                break
            found = frame_at(data, at)
            if found is None:
                at += 1
                continue
            size, frame = found
            at += size
            self._number += 1
            items += self._frame(frame, Line(frame, self._number, chunk.utc_us, chunk.mono_ns))
        del data[:at]
        return items

    def _could_be_whole(self, at: int) -> bool:
        """Whether what stands here can be judged before more comes."""
        if len(self._open) - at < 4:
            return False
        opcode = int.from_bytes(self._open[at : at + 2], "big")
        size = int.from_bytes(self._open[at + 2 : at + 4], "big")
        shortest, longest = LENGTHS.get(opcode, (1, 0))
        return not shortest <= size <= longest or len(self._open) - at >= size + 6

    def _frame(self, frame: bytes, line: Line) -> list[Item]:
        opcode = int.from_bytes(frame[:2], "big")
        if opcode not in REPORTS:
            return []
        radio, result = int.from_bytes(frame[9:12], "big"), int.from_bytes(frame[12:14], "big")
        found = _POSITION.match(frame, 14)
        if result or found is None:
            reason = f"the radio answers without a position (result {result:#x})"
            return [self._reject(line, "position", frame[14:].hex(), "no_position", reason)]
        fix, why = self._fix(found, line)
        if fix is None:
            return [self._reject(line, "time", (found[2] + found[3]).decode(), "time_out_of_range", why)]
        record = from_fix(fix, self, str(radio))
        record.direction = "talk_in"
        record.raw_key = frame.hex()
        tail = frame[found.end() :]
        if len(tail) < 2:
            return self.assembler.whole(record)
        raw = int.from_bytes(tail[:2], "big", signed=True)
        if self.settings.rssi_scale is None:
            return [self._reject(line, "rssi", str(raw), "level_unit", _unit_hint(raw))]
        record.rssi_dbm = raw * self.settings.rssi_scale
        record.rssi_step_db = abs(self.settings.rssi_scale)
        self.live.rssi_dbm, self.live.level_at_s, self.live.identity = record.rssi_dbm, at_s(line), str(radio)
        return self.assembler.whole(record)

    def _fix(self, found: re.Match[bytes], line: Line) -> tuple[Fix | None, str]:
        valid, clock, day, north, lat, east, lon, speed, course = (one.decode("latin-1") for one in found.groups())
        time_us, why = None, ""
        try:
            when = date(2000 + int(day[4:]), int(day[2:4]), int(day[:2]))
            hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:])
            if hour > 23 or minute > 59 or second > 60:
                raise ValueError(clock)
            time_us = to_us(when, hour * 3600 + minute * 60 + min(second, 59.999999))
            why = untrusted(time_us, line.utc_us)
        except ValueError:
            why = f"time {clock} of date {day} is none"
        if why:
            time_us = None
            if line.utc_us is None:
                return None, f"{why}; there is no time of the computer to use instead"
        minutes = float(lat[2:]), float(lon[3:])
        has = valid == "A" and max(minutes) < 60
        fix = Fix(None, None, at_s(line, time_us), time_us, line.utc_us, flags="clock" if why else "",
                  row_no=line.number)  # fmt: skip
        if has:
            fix.lat = (int(lat[:2]) + minutes[0] / 60) * (-1 if north == "S" else 1)
            fix.lon = (int(lon[:3]) + minutes[1] / 60) * (-1 if east == "W" else 1)
            fix.fix = "2d"
            try:
                fix.speed_mps, fix.course_deg = float(speed) * KNOT_MPS, float(course)
            except ValueError:
                self.counts.add("speed_unreadable")
        return fix, ""

    def _reject(self, line: Line, column: str, value: str, code: str, reason: str) -> Item:
        self.counts.add(code)
        return Reject(line.number, column, value, code, reason)


def _unit_hint(raw: int) -> str:
    low = LIMITS["rssi_dbm"].low
    text = f"RSSI {raw} has no documented unit; state it in the profile: rssi_scale = "
    if raw < low:
        return f"{text}0.5 (half decibels) would make it {raw / 2:g} dBm; as dBm it is below {low:g}"
    return f"{text}1 for dBm, 0.5 for half decibels ({raw / 2:g} dBm)"
