"""Times to microseconds since 1970 UTC, whole columns at a time.

The usual forms go through pyarrow at once. Everything else is taken apart by a pattern and put together by rule, so
that one odd row never costs the others.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices.errors import DevicesError
from devices.formats.numbers import PLAIN

DAY_US = 86_400_000_000
SLOT_US = 900_000_000  # no zone changes its offset but at a quarter of an hour
UNIX = ("unix_s", "unix_ms", "unix_us")
AUTO = (
    r"^(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?[ T_]*(?P<H>\d{1,2})[:.时](?P<M>\d{1,2})"
    r"(?:[:.分](?P<S>\d{1,2})(?:[.,](?P<f>\d{1,9}))?秒?)? ?(?P<z>Z|UTC|[-+]\d{2}:?\d{2}|[-+]\d{2})?$"
)
_PARTS = {"Y": r"(?P<y>\d{4})", "y": r"(?P<y>\d{2})", "m": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})",
          "H": r"(?P<H>\d{1,2})", "M": r"(?P<M>\d{1,2})", "S": r"(?P<S>\d{1,2})", "f": r"(?P<f>\d{1,9})",
          "z": r"(?P<z>Z|UTC|[-+]\d{2}:?\d{2}|[-+]\d{2})", "%": "%"}  # fmt: skip


@dataclass
class Times:
    """us: (n,) int64, UTC where zoned, else local; ok: read at all; zoned, leap: (n,) bool."""

    us: np.ndarray
    ok: np.ndarray
    zoned: np.ndarray
    leap: np.ndarray


def read_times(texts: pa.Array, form: str = "auto") -> Times:
    """texts: or timestamps. form: "auto", one of UNIX or a pattern with %Y %y %m %d %H %M %S %f %z."""
    if pa.types.is_timestamp(texts.type):
        return _whole(texts, texts.type.tz is not None)
    if form == "auto":
        for zoned, kind in ((True, pa.timestamp("us", "UTC")), (False, pa.timestamp("us"))):
            try:
                pc.cast(texts[:50], kind)  # a cast that fails is slow: let it fail on few
                return _whole(pc.cast(texts, kind), zoned)
            except pa.ArrowInvalid:
                continue
    elif form not in UNIX and "%f" not in form and "%z" not in form and "%y" not in form:
        found = pc.strptime(texts, format=form, unit="us", error_is_null=True)
        # it takes 30 February for 2 March, and a leap second for the next minute
        is_plain = found.null_count == 0 and pc.min(pc.day(found)).as_py() not in (1, 2, 3, None)
        if is_plain and not pc.any(pc.match_substring(texts, "60")).as_py():
            return _whole(found, False)
    if form in UNIX or form == "auto":
        unix = _unix(texts, form)
        if form != "auto" or unix.ok.all():
            return unix
    parts = _by_pattern(texts, AUTO if form == "auto" else pattern_of(form))
    if form == "auto":
        parts.us = np.where(unix.ok, unix.us, parts.us)
        parts.ok, parts.zoned = parts.ok | unix.ok, parts.zoned | unix.ok
    return parts


def _whole(stamps: pa.Array, zoned: bool) -> Times:
    ok = pc.is_valid(stamps).to_numpy(zero_copy_only=False)
    us = pc.fill_null(pc.cast(stamps, pa.int64()), 0).to_numpy(zero_copy_only=False)
    return Times(us, ok, np.full(len(ok), zoned), np.zeros(len(ok), bool))


def _unix(texts: pa.Array, form: str) -> Times:
    plain = pc.utf8_trim_whitespace(texts)
    pattern = PLAIN if form != "auto" else r"^\d{10}(?:\.\d+)?$|^\d{13}$|^\d{16}$"
    good = pc.match_substring_regex(plain, pattern)
    values = pc.cast(pc.if_else(good, plain, None), pa.float64()).to_numpy(zero_copy_only=False)
    factor = {"unix_s": 1e6, "unix_ms": 1e3, "unix_us": 1.0}.get(form)
    if factor is None:  # by the number of digits
        factor = np.where(values >= 1e14, 1.0, np.where(values >= 1e11, 1e3, 1e6))
    with np.errstate(invalid="ignore", over="ignore"):
        ok = np.isfinite(values) & (np.abs(values * factor) < 1e17)
    us = np.rint(np.where(ok, values * factor, 0.0)).astype(np.int64)
    return Times(us, ok, ok.copy(), np.zeros(len(ok), bool))


def pattern_of(form: str) -> str:
    """The regular expression of a strptime pattern. Raises DevicesError for a directive that is not known."""
    out, at = "", 0
    for match in re.finditer(r"%(.)", form):
        if match[1] not in _PARTS:
            raise DevicesError(f"time.format: {match[0]} is not known; known: %{' %'.join(_PARTS)}")
        out += re.escape(form[at:match.start()]) + _PARTS[match[1]]  # fmt: skip
        at = match.end()
    return "^" + out + re.escape(form[at:]) + "$"


def _by_pattern(texts: pa.Array, pattern: str) -> Times:
    found = pc.extract_regex(pc.utf8_trim_whitespace(texts), pattern)
    matched = pc.is_valid(found).to_numpy(zero_copy_only=False)
    names = {field.name for field in found.type}

    def part(name: str, default: int) -> np.ndarray:
        if name not in names:
            return np.full(len(texts), default, np.int64)
        text = pc.struct_field(found, name)
        filled = pc.if_else(pc.equal(pc.fill_null(text, ""), ""), str(default), text)
        return pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False)

    year, month, day = part("y", 1970), part("m", 1), part("d", 1)
    if "y" in names and year.size and year.max() < 100:
        year = year + np.where(year >= 80, 1900, 2000)
    hour, minute, second = part("H", 0), part("M", 0), part("S", 0)
    fraction = np.zeros(len(texts), np.int64)
    if "f" in names:
        digits = pc.utf8_rpad(pc.fill_null(pc.struct_field(found, "f"), ""), 6, padding="0")
        fraction = pc.cast(pc.utf8_slice_codeunits(digits, 0, 6), pa.int64()).to_numpy(zero_copy_only=False)
    leap = (second == 60) & (minute == 59)
    fraction = np.where(leap, 999_999, fraction)
    second = np.where(leap, 59, second)
    ok = matched & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)
    month = np.clip(month, 1, 12)
    first = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    ok &= (day >= 1) & (day <= ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64))
    days = first.astype("datetime64[D]").astype(np.int64) + day - 1
    offset, zoned = _offsets(pc.struct_field(found, "z") if "z" in names else None, len(texts))
    us = days * DAY_US + ((hour * 60 + minute - offset) * 60 + second) * 1_000_000 + fraction
    return Times(np.where(ok, us, 0), ok, zoned & ok, leap & ok)


def _offsets(zones: pa.Array | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(minutes east of Greenwich, whether a zone is written)."""
    if zones is None:
        return np.zeros(n, np.int64), np.zeros(n, bool)
    coded = pc.fill_null(zones, "").dictionary_encode()
    minutes = []
    for word in coded.dictionary.to_pylist():
        digits = word.lstrip("+-").replace(":", "") if word not in ("", "Z", "UTC") else "0000"
        east = int(digits[:2]) * 60 + int(digits[2:] or 0)
        minutes.append(-east if word.startswith("-") else east)
    written = np.array([bool(word) for word in coded.dictionary.to_pylist()], bool)
    codes = coded.indices.to_numpy()
    return np.array(minutes, np.int64)[codes], written[codes]


def local_to_utc(us: np.ndarray, zone: str) -> tuple[np.ndarray, np.ndarray]:
    """(UTC, whether the hour comes twice: the first is taken). zone: "UTC", "+08:00" or a name such as Asia/Shanghai.

    Raises DevicesError for a zone that is not known.
    """
    fixed = re.fullmatch(r"(?:UTC|GMT)?([-+])(\d{1,2}):?(\d{2})?", zone)
    if zone.upper() in ("UTC", "Z", "GMT"):
        return us, np.zeros(len(us), bool)
    if fixed:
        minutes = int(fixed[2]) * 60 + int(fixed[3] or 0)
        return us - (minutes if fixed[1] == "+" else -minutes) * 60_000_000, np.zeros(len(us), bool)
    try:
        place = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DevicesError(f"zone {zone!r} is not known; write +08:00, or a name such as Asia/Shanghai") from error
    slots, at = np.unique(us // SLOT_US, return_inverse=True)
    offsets = np.array([[_offset(slot, place, fold) for fold in (0, 1)] for slot in slots.tolist()]).reshape(-1, 2)
    first, second = offsets[at].T
    return us - first, first > second


def _offset(slot: int, zone: zoneinfo.ZoneInfo, fold: int) -> int:
    """Microseconds that a zone is ahead of UTC in a quarter of an hour of local time; fold 1: its second coming."""
    local = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=slot * SLOT_US)
    return round(local.replace(tzinfo=zone, fold=fold).utcoffset().total_seconds()) * 1_000_000


def carry_date(time_of_day_us: np.ndarray, day_us: int, previous_us: int | None) -> np.ndarray:
    """Times without a date, in order of the file, from a starting day on: past midnight the next day begins.

    previous_us: the last whole time before these; midnight is a step back of more than twelve hours.
    """
    if not len(time_of_day_us):
        return time_of_day_us
    before = np.concatenate(
        ([time_of_day_us[0] if previous_us is None else previous_us % DAY_US], time_of_day_us[:-1])
    )
    step = time_of_day_us - before
    days = np.cumsum((step < -DAY_US // 2).astype(np.int64) - (step > DAY_US // 2).astype(np.int64))
    start = day_us if previous_us is None else previous_us - previous_us % DAY_US
    return start + days * DAY_US + time_of_day_us
