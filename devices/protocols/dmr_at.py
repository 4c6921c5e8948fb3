"""DMR handset chips with AT commands (AT+DMO...): level in dBm, channel, own identity.

The bit error answer has no documented unit and is not read.
"""

from __future__ import annotations

import re

from devices.lines import Line
from devices.protocols.base import LineParser, at_s, new_record
from devices.protocols.merge import Item
from devices.protocols.values import BadValue, dbm

_ANSWER = re.compile(r"\+(DMO[A-Z]+|GETINCALLID|SETCOLORCODE):\s*(.*)")


class DmrAt(LineParser):
    name = "dmr-at"
    technology = "dmr"

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._channel: str | None = None
        self._freq_hz: int | None = None
        self._direct = False

    def line(self, line: Line) -> list[Item] | None:
        text = line.text
        found = _ANSWER.fullmatch(text)
        if found is None:
            return [] if text in ("OK", "ERROR") or text.startswith("AT") else None
        handler = getattr(self, f"_on_{found[1].lower()}", None)
        return handler(found[2].strip(), line) if handler else []

    def _on_dmordrssi(self, text: str, line: Line) -> list[Item]:
        try:
            level = dbm(text)
        except BadValue as error:
            return [self.reject(line, "rssi", text, error.code, str(error))]
        fix = self.assembler.last_fix
        us = fix.time_us if line.utc_us is None and fix is not None else None
        record = new_record(self, line, us)
        if record is None:
            reason = "neither the computer nor a position gives a time"
            return [self.reject(line, "time", text, "time_missing", reason)]
        if us is not None:
            record.time_source = "gps"
        record.rssi_dbm, record.rssi_step_db = level, 1.0 if level is not None else None
        record.channel, record.freq_hz = self._channel, self._freq_hz
        if self._direct:
            record.direction, record.service_state = "direct", "direct_mode"
        self.live.rssi_dbm, self.live.level_at_s = level, at_s(line)
        self.live.service_state = record.service_state
        return self.assembler.level(record, at_s(line))

    def _on_dmogetcurrch(self, text: str, line: Line) -> list[Item]:
        """<channel>,DIG|ANA,<rx Hz>,<tx Hz>,...; the order of slot and colour code is not documented."""
        parts = [part.strip() for part in text.split(",")]
        frequencies = [part for part in parts[2:4] if re.fullmatch(r"[0-9]{1,10}", part)]
        if len(parts) < 4 or parts[1] not in ("DIG", "ANA") or len(frequencies) < 2:
            reason = "+DMOGETCURRCH: has to begin with <channel>,DIG|ANA,<rx Hz>,<tx Hz>"
            return [self.reject(line, "channel", text, "no_match", reason)]
        self._channel, self._freq_hz = parts[0], int(parts[2])
        # one frequency for both ways: handset to handset
        self._direct = parts[2] == parts[3]
        self.live.cell = f"channel {parts[0]}"
        return []

    def _on_dmogetwlktlkid(self, text: str, line: Line) -> list[Item]:
        if not re.fullmatch(r"\d{1,8}", text):
            return [self.reject(line, "identity", text, "no_match", "+DMOGETWLKTLKID: has to be a DMR identity")]
        self.live.identity = text
        return self.assembler.identity(text)

    def _on_dmogetsoftversion(self, text: str, line: Line) -> list[Item]:
        self.live.firmware = text
        return []
