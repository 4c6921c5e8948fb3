"""Motorola's +GPSPOS: a position with a time of day only, in degrees and minutes or as UTM."""

from __future__ import annotations

import re

from devices.lines import Line
from devices.protocols.merge import Fix
from devices.protocols.nmea import carried, nearest_day, to_us
from devices.protocols.values import BadValue
from devices.settings import Settings

_TIME = r"(\d\d):(\d\d):(\d\d)"
_DEGREES = re.compile(
    _TIME + r",\s*([NS]):\s*(\d{1,2})_(\d{1,2}\.\d+),\s*([EW]):\s*(\d{1,3})_(\d{1,2}\.\d+),\s*(\d{1,2})"
)
_UTM = re.compile(_TIME + r",\s*(\d{1,2})\s*([NS]),\s*(\d{5,7}(?:\.\d+)?),\s*(\d{1,8}(?:\.\d+)?),\s*(\d{1,2})")


class Gpspos:
    """Answers in, fixes out. The date is the host's, with midnight between them minded, or it is carried on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._last: tuple[int, float, float | None] | None = None
        self._day = settings.date
        self._day_tod: float | None = None

    def fix(self, text: str, line: Line) -> tuple[Fix | None, bool]:
        """(fix or None where nothing can be placed in time, whether a date is missing). BadValue for another form."""
        lat, lon, tod, satellites = _parse(text)
        host = line.utc_us
        if host is not None:
            day = nearest_day(host, tod)
        else:
            day = self._day
            if day is not None and self._day_tod is not None:
                day = carried(day, self._day_tod, tod)
            self._day, self._day_tod = day, tod
        if day is None:
            return None, True
        time_us = to_us(day, tod)
        stamp = (line.mono_ns or 0) / 1e9 if line.mono_ns is not None else (time_us if host is None else host) / 1e6
        if self._last is not None and self._last[0] == time_us:
            # the terminal repeats an old fix: it is as old as when it was first seen
            stamp, host = self._last[1], self._last[2]
        self._last = time_us, stamp, host
        has = satellites > 0
        fix = Fix(lat if has else None, lon if has else None, stamp, time_us, host, fix="2d" if has else "none",
                  satellites=satellites, row_no=line.number, raw_key=text)  # fmt: skip
        return fix, False


def _parse(text: str) -> tuple[float, float, float, int]:
    """(latitude, longitude, seconds since midnight UTC, satellites)."""
    found = _DEGREES.fullmatch(text) or _UTM.fullmatch(text)
    if found is None:
        raise BadValue("no_match", "+GPSPOS: has to be time, latitude, longitude (or UTM) and satellites")
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if hour > 23 or minute > 59 or second > 60:
        raise BadValue("no_match", f"{text[:8]!r} is no time of day")
    tod = hour * 3600 + minute * 60 + min(second, 59.999999)
    if found.re is _UTM:
        return *_from_utm(int(found[4]), found[5], float(found[6]), float(found[7])), tod, int(found[8])
    minutes = float(found[6]), float(found[9])
    if max(minutes) >= 60:
        raise BadValue("no_match", f"{max(minutes):g} minutes of a degree; they end at 60")
    lat = (int(found[5]) + minutes[0] / 60) * (-1 if found[4] == "S" else 1)
    lon = (int(found[8]) + minutes[1] / 60) * (-1 if found[7] == "W" else 1)
    return lat, lon, tod, int(found[10])


def _from_utm(zone: int, hemisphere: str, easting_m: float, northing_m: float) -> tuple[float, float]:
    from pyproj import Transformer

    if not 1 <= zone <= 60:
        raise BadValue("no_match", f"UTM zone {zone}; there are 1..60")
    code = (32600 if hemisphere == "N" else 32700) + zone
    lon, lat = Transformer.from_crs(code, 4326, always_xy=True).transform(easting_m, northing_m)
    if not abs(lat) <= 90:
        raise BadValue("no_match", f"UTM {zone}{hemisphere} {easting_m:g} {northing_m:g} is no place")
    return lat, lon
