"""A stream of nothing but NMEA: positions as records of their own, or a source of positions for other streams."""

from __future__ import annotations

from devices.lines import Line
from devices.protocols.base import LineParser, from_fix
from devices.protocols.merge import Fix, Item


class NmeaLog(LineParser):
    name = "nmea"
    tells_identity = False

    def line(self, line: Line) -> list[Item] | None:
        return None

    def position(self, fix: Fix) -> list[Item]:
        self.assembler.last_fix = fix
        if self.on_fix is not None:
            self.on_fix(fix)
            return []
        record = from_fix(fix, self, "" if self.settings.device_id else fix.unit)
        return self.assembler.clock(fix) + self.assembler.whole(record)
