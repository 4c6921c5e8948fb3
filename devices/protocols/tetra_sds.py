"""Short data that a TETRA terminal passes on (+CTSDSR): location reports, NMEA as text, status.

The PDU stands on the next line, inline after a comma or glued to the announced length, padded by a digit or not.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import deque
from dataclasses import dataclass, replace

from devices.lines import Line
from devices.protocols import lip
from devices.protocols.base import LineParser, at_s, from_fix, new_record
from devices.protocols.merge import Fix, Item
from devices.protocols.nmea import Nmea
from devices.protocols.values import add_flag
from devices.streams import Event

SDS_4, STATUS = 12, 13
NMEA_TEXT = (0x03, 0x83)
REPEATED_S = 60.0
CLOCKS_APART = dt.timedelta(hours=1)
_HEX = re.compile(r"[0-9A-Fa-f]{2,}")


@dataclass(frozen=True)
class Header:
    """service: 12 SDS type 4, 13 status; bits: length announced; pdu: hex digits, "" where they are still to come."""

    service: int
    calling: str
    bits: int
    pdu: str


def header(text: str) -> Header | None:
    """What stands behind "+CTSDSR:"; None where it is something else."""
    parts = [part.strip() for part in text.split(",")]
    pdu = parts.pop() if len(parts) > 6 and _HEX.fullmatch(parts[-1]) else ""
    if len(parts) == 7:
        # whether it was encrypted from end to end
        parts.pop()
    if not 4 <= len(parts) <= 6 or not parts[0].isdecimal():
        return None
    length, glued = (parts[-1], "") if pdu else _unglued(parts[-1])
    if not re.fullmatch(r"\d{1,5}", length):
        return None
    # the calling party and its type may be left out altogether
    return Header(int(parts[0]), parts[1] if len(parts) == 6 else "", int(length), pdu or glued)


def _unglued(text: str) -> tuple[str, str]:
    """Length and PDU of "840A0088...": cut where the digits that follow are as many as the length says."""
    if re.fullmatch(r"\d{1,4}", text):
        return text, ""
    fits = []
    for cut in range(1, 5):
        length, rest = text[:cut], text[cut:]
        if length.isdecimal() and _HEX.fullmatch(rest):
            fits.append((abs(len(rest) - digits(int(length))), cut))
    if not fits or min(fits)[0] > 1:
        return "", ""
    cut = min(fits)[1]
    return text[:cut], text[cut:]


def digits(bits: int) -> int:
    return -(-bits // 4)


class ShortData:
    """Messages in, positions and events out, for one terminal."""

    def __init__(self, parser: LineParser) -> None:
        self.parser = parser
        self.counts = parser.counts
        # terminals pass the same message on up to four times
        self._seen: deque[tuple[tuple[str, str], float | None]] = deque(maxlen=64)
        self._open: tuple[Header, Line] | None = None

    def indicated(self, text: str, line: Line) -> list[Item]:
        """A +CTSDSR line."""
        head = header(text)
        if head is None:
            reason = "+CTSDSR: has to be service, parties and length"
            return [self.parser.reject(line, "sds", text, "no_match", reason)]
        if head.pdu:
            return self._message(head, head.pdu, line)
        self._open = head, line
        return []

    def continued(self, text: str) -> list[Item] | None:
        """The line after it: None where that is not the PDU that is awaited."""
        if self._open is None or not _HEX.fullmatch(text):
            return None
        (head, line), self._open = self._open, None
        return self._message(head, text, line)

    def given_up(self) -> list[Item]:
        """Something else came, or nothing more."""
        if self._open is None:
            return []
        (head, line), self._open = self._open, None
        reason = f"{head.bits} bits were announced, none came"
        return [self.parser.reject(line, "sds", line.text, "sds_without_pdu", reason)]

    def _message(self, head: Header, pdu: str, line: Line) -> list[Item]:
        if self._is_repeat((head.calling, pdu.upper()), at_s(line)):
            self.counts.add("sds_repeated")
            return []
        if abs(len(pdu) - digits(head.bits)) > 1:
            self.counts.add("sds_length_differs")
        if head.service == STATUS:
            return [Event(line.utc_us, "status", f"status {pdu.upper()} from {head.calling or 'unknown'}")]
        first = int(pdu[:2], 16) if head.service == SDS_4 else None
        if first in NMEA_TEXT:
            return self._nmea(head, pdu[2:], line)
        if first != lip.PROTOCOL:
            self.counts.add("sds_unsupported")
            return []
        try:
            report = lip.location_report(pdu)
        except lip.LipError as error:
            return [self.parser.reject(line, "sds", pdu, "lip_unsupported", str(error))]
        return self._report(head, report, pdu, line)

    def _is_repeat(self, key: tuple[str, str], now: float | None) -> bool:
        for seen, then in self._seen:
            if seen == key and (now is None or then is None or now - then <= REPEATED_S):
                return True
        self._seen.append((key, now))
        return False

    def _report(self, head: Header, report: lip.Report, pdu: str, line: Line) -> list[Item]:
        """A position that another terminal sent; its time is that of reception where the report has none."""
        items: list[Item] = []
        if report.reason in lip.COVERAGE_REASONS:
            text = f"{head.calling or 'unknown'} reports: {lip.REASONS[report.reason]}"
            items.append(Event(line.utc_us, "service_report", text))
        record = new_record(self.parser, line)
        if record is None:
            text = "a location report has no time, and the capture has none of the computer"
            return [*items, self.parser.reject(line, "time", pdu, "time_missing", text)]
        record.device_id = head.calling[-8:]
        record.lat, record.lon, record.fix = report.lat, report.lon, "2d"
        record.accuracy_m, record.speed_mps, record.course_deg = report.error_m, report.speed_mps, report.course_deg
        # the report says "less than"; there is no level that an old position could mislead
        record.pos_age_s = report.elapsed_s
        position_us = _time_of(report, record.time_utc_us)
        if position_us is not None:
            record.time_utc_us, record.time_source, record.pos_age_s = position_us, "gps", 0.0
        elif report.elapsed_s is None or report.elapsed_s > self.parser.settings.stale_s:
            add_flag(record, "position_age")
        record.raw_key = f"{head.calling} {pdu.upper()}"
        return items + self.parser.assembler.whole(record)

    def _nmea(self, head: Header, text_hex: str, line: Line) -> list[Item]:
        text = bytes.fromhex(text_hex[: len(text_hex) // 2 * 2])
        at = text.find(b"$")
        if at < 0:
            self.counts.add("sds_unsupported")
            return []
        nmea = Nmea(self.parser.settings, self.counts)
        sentence = replace(line, data=text[at:].strip(b"\r\n\0 "))
        items: list[Item] = []
        for found in [*nmea.sentence(sentence), *nmea.finish()]:
            if isinstance(found, Fix):
                items += self.parser.assembler.whole(from_fix(found, self.parser, head.calling[-8:]))
            else:
                items.append(found)
        return items


def _time_of(report: lip.Report, received_us: int) -> int | None:
    """When a position was taken: the last such day and time before it came in, by clocks an hour apart at most."""
    if report.moment is None:
        return None
    received = dt.datetime.fromtimestamp(received_us / 1e6, dt.UTC)
    day, *time = report.moment
    for back in range(-1, 32):
        there = received.date() - dt.timedelta(days=back)
        moment = dt.datetime(there.year, there.month, there.day, *time, tzinfo=dt.UTC)
        if there.day == day and moment <= received + CLOCKS_APART:
            return int(moment.timestamp()) * 1_000_000
    return None
