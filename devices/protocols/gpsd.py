"""gpsd's JSON lines (https://gpsd.io/gpsd_json.html): TPV positions, SKY quality, DEVICE coming and going."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from devices.lines import Line
from devices.protocols.base import at_s
from devices.protocols.merge import Fix, Item
from devices.protocols.nmea import untrusted
from devices.protocols.nmea_log import NmeaLog
from devices.streams import Event

WATCH = b'?WATCH={"enable":true,"json":true};\n'
STATUS = {2: "dgps", 3: "rtk", 4: "rtk", 5: "estimated", 6: "estimated", 8: "estimated"}
SIMULATED = 8


class Gpsd(NmeaLog):
    name = "gpsd"
    limit = 16384

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._sky: dict[str, Any] = {}

    def is_whole(self, line: Line) -> bool:
        return line.data.endswith(b"}")

    def line(self, line: Line) -> list[Item] | None:
        if not line.data.startswith(b"{"):
            return None
        try:
            said = json.loads(line.data)
            kind = said["class"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return [self.reject(line, "json", line.text, "no_match", "not a JSON object of gpsd (with a class)")]
        if kind == "SKY":
            self._sky = said
        elif kind == "DEVICE" and not said.get("activated"):
            text = f"gpsd has lost its receiver {said.get('path', '')}".strip()
            return [Event(line.utc_us, "gps_lost", text)]
        elif kind == "TPV":
            return self._tpv(said, line)
        return []

    def _tpv(self, said: dict[str, Any], line: Line) -> list[Item]:
        time_us, why = None, ""
        if said.get("time"):
            try:
                time_us = round(datetime.fromisoformat(str(said["time"])).timestamp() * 1e6)
            except ValueError:
                return [self.reject(line, "time", str(said["time"]), "no_match", "time has to be ISO 8601")]
            why = untrusted(time_us, line.utc_us)
        if why:
            time_us = None
        if time_us is None and line.utc_us is None:
            reason = f"{why or 'no time'}; there is no time of the computer to use instead"
            code = "time_out_of_range" if why else "time_missing"
            return [self.reject(line, "time", str(said.get("time", "")), code, reason)]
        mode = said.get("mode")
        lat, lon = _number(said, "lat"), _number(said, "lon")
        has = mode in (2, 3) and lat is not None and lon is not None
        status = said.get("status")
        flags = ["clock"] if why else []
        if status == SIMULATED:
            flags.append("simulated_position")
        fix = Fix(lat if has else None, lon if has else None, at_s(line, time_us), time_us, line.utc_us,
                  fix=STATUS.get(status, f"{mode}d") if has else "none", flags=" ".join(flags),
                  row_no=line.number, raw_key=line.text)  # fmt: skip
        if has:
            fix.alt_m = next((v for k in ("altMSL", "alt", "altHAE") if (v := _number(said, k)) is not None), None)
            fix.speed_mps, fix.course_deg = _number(said, "speed"), _number(said, "track")
            fix.accuracy_m = _number(said, "eph")
            fix.hdop = _number(self._sky, "hdop")
            used = _number(self._sky, "uSat")
            fix.satellites = None if used is None else int(used)
        return self.position(fix)


def _number(said: dict[str, Any], name: str) -> float | None:
    value = said.get(name)
    # JSON as Python reads it may hold NaN and Infinity
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if right else None
