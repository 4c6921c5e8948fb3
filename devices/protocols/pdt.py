"""PDT status lines in radiocov's own AT-style form: no public document fixes a PDT handset's serial protocol.

    +PDTSTAT: <ISO UTC>,<service>,<RSSI dBm>,<BER %>,<channel>,<rx Hz>,<system>,<site>,<colour code>,<slot>
    +PDTID: <number>,<maker>,<model>,<firmware>,<serial number>

service: 0 none, 1 searching, 2 registered, 3 direct mode. An empty field is not known. Positions are NMEA sentences
on the same port. Described in docs/handsets.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from devices.lines import Line
from devices.protocols.base import LineParser, at_s, new_record
from devices.protocols.merge import Item
from devices.protocols.nmea import untrusted
from devices.protocols.values import BadValue, add_flag, dbm, integer, number
from devices.records import Record
from devices.streams import Event

FIELDS = ("time", "service", "rssi", "ber", "channel", "freq", "system", "site", "colour_code", "slot")
SERVICE = {"": "unknown", "0": "no_service", "1": "searching", "2": "registered", "3": "direct_mode"}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)((?:\.\d{1,6})?)(?:Z|\+00:?00)")


class Pdt(LineParser):
    name = "pdt"
    technology = "pdt"

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._service = ""

    def line(self, line: Line) -> list[Item] | None:
        text = line.data.decode("utf-8", "replace")
        if text.startswith("+PDTSTAT:"):
            return self._status(text[9:].strip(), line)
        if text.startswith("+PDTID:"):
            return self._identity(text[7:].strip(), line)
        return [] if text in ("OK", "ERROR") or text.startswith("AT") else None

    def _identity(self, text: str, line: Line) -> list[Item]:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != 5 or not re.fullmatch(r"[0-9A-Za-z-]{1,32}", parts[0]):
            reason = "+PDTID: has to be <number>,<maker>,<model>,<firmware>,<serial number>"
            return [self.reject(line, "identity", text, "no_match", reason)]
        live = self.live
        live.identity, live.maker, live.model, live.firmware, live.serial_number = parts
        return self.assembler.identity(parts[0])

    def _status(self, text: str, line: Line) -> list[Item]:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != len(FIELDS):
            reason = f"+PDTSTAT: has {len(FIELDS)} fields ({', '.join(FIELDS)}), here are {len(parts)}"
            return [self.reject(line, "line", text, "no_match", reason)]
        values = dict(zip(FIELDS, parts, strict=True))
        if values["service"] not in SERVICE:
            return [self.reject(line, "service", values["service"], "no_match", "service has to be 0..3 or empty")]
        column = ""
        try:
            column = "time"
            time_us, leap = _time(values["time"])
            column = "rssi"
            level = dbm(values["rssi"])
            column = "ber"
            ber = number(values["ber"])
            column = "freq"
            freq = integer(values["freq"])
            column = "colour_code"
            colour = integer(values["colour_code"])
            column = "slot"
            slot = integer(values["slot"])
        except BadValue as error:
            return [self.reject(line, column, values[column], error.code, str(error))]
        why = untrusted(time_us, line.utc_us) if time_us is not None else ""
        record = new_record(self, line, None if why else time_us)
        if record is None:
            reason = f"{why or 'no time'}; there is no time of the computer to use instead"
            return [self.reject(line, "time", values["time"], "time_out_of_range" if why else "time_missing", reason)]
        record.service_state = SERVICE[values["service"]]
        if record.service_state == "direct_mode":
            record.direction = "direct"
        no_service = record.service_state == "no_service"
        record.rssi_dbm, record.ber_percent = (None, None) if no_service else (level, ber)
        record.freq_hz, record.channel = freq, values["channel"] or None
        record.system_code = None if no_service else values["system"] or None
        record.site_id = None if no_service else values["site"] or None
        record.colour_code, record.slot = (None, None) if no_service else (colour, slot)
        for flag, there in (("leap_second", leap), ("clock", bool(why)),
                            ("level_without_service", no_service and level is not None)):  # fmt: skip
            if there:
                add_flag(record, flag)
        return self._changed(record.service_state, line) + self._heard(record, line)

    def _heard(self, record: Record, line: Line) -> list[Item]:
        live = self.live
        live.rssi_dbm, live.service_state = record.rssi_dbm, record.service_state
        live.cell = f"site {record.site_id}" if record.site_id else ""
        live.level_at_s = at_s(line, record.time_utc_us)
        return self.assembler.level(record, live.level_at_s)

    def _changed(self, state: str, line: Line) -> list[Item]:
        if state == self._service:
            return []
        self._service = state
        return [Event(line.utc_us, "service", state.replace("_", " "))]


def _time(text: str) -> tuple[int | None, bool]:
    """(UTC µs, whether it was a leap second); None for an empty text. BadValue."""
    if not text:
        return None, False
    found = _TIME.fullmatch(text)
    try:
        if not found:
            raise ValueError(text)
        leap = found[2] == "60"
        second = "59.999999" if leap else found[2] + found[3]
        return round(datetime.fromisoformat(found[1] + second).replace(tzinfo=UTC).timestamp() * 1e6), leap
    except ValueError:
        raise BadValue("no_match", f"{text!r} is no time such as 2026-11-24T08:15:02Z") from None
