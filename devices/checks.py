"""Whether rows can be true: clocks, ids, levels, ranges, positions. What cannot be is rejected or set to unknown."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices import datum as datums
from devices.draft import Draft
from devices.errors import DevicesError
from devices.formats.numbers import take
from devices.identity import FIELDS as IDENTITY_FIELDS
from devices.identity import combine
from devices.jumps import find_jumps
from devices.ordering import order_of
from devices.positions import Track
from devices.records import CATEGORIES, LIMITS, Record

EARLIEST_US = 1_262_304_000_000_000  # 2010-01-01
AHEAD_US = 600_000_000
LONGEST_ID = 32
OLD_S, TOO_OLD_S = 5.0, 20.0
DEFAULTS = Record(0, "")
NEVER_NULL = [name for name in CATEGORIES if getattr(DEFAULTS, name) is not None]
INCONSISTENT = 0.5  # of the positions: then the file is refused, and not its rows


@dataclass
class Context:
    """What the rows are held against. now_us: our clock; datum: declared ("" where not); area: lon_min, lat_min,
    lon_max, lat_max of the project; known_devices: ids of the register; track: positions for rows without."""

    now_us: int
    datum: str = ""
    area: tuple[float, float, float, float] | None = None
    known_devices: Collection[str] = ()
    track: Track | None = None

    @functools.cached_property
    def known(self) -> frozenset[str]:
        return frozenset(self.known_devices)

    @functools.cached_property
    def by_stripped(self) -> dict[str, list[str]]:
        """Ids that lost their leading zeros -> those of the register that they can be."""
        found: dict[str, list[str]] = {}
        for name in self.known:
            found.setdefault(name.lstrip("0"), []).append(name)
        return found


def check(draft: Draft, context: Context) -> Draft:
    """The rows that are left, in order of device, time and hash, with positions on WGS 84. DevicesError where the
    file as a whole can't be right."""
    _clock(draft, context.now_us)
    _devices(draft, context)
    _levels(draft)
    _ranges(draft)
    _no_service(draft)
    if draft.identity is None and draft.raw:
        draft.identity = combine(draft.raw, len(draft))
    left = _in_order(draft.filter(draft.alive))
    _positions(left, context)
    if left.identity is None:
        left.identity = combine(_raw_of(left), len(left))
        left = _in_order(left)
    if context.track is not None and len(left):
        context.track.fill(left)
    for name in NEVER_NULL:
        if isinstance(left.texts.get(name), pa.Array):
            left.texts[name] = pc.fill_null(left.texts[name], getattr(DEFAULTS, name))
    left.rejected, left.skipped, left.alive = draft.rejected, draft.skipped, np.ones(len(left), bool)
    return left


def _in_order(draft: Draft) -> Draft:
    _, device = draft.devices()
    identity = np.zeros(len(draft), np.int64) if draft.identity is None else draft.identity
    order = order_of(device, draft.time_us, identity)
    return draft if order is None else draft.take(order)


def _raw_of(draft: Draft) -> dict[str, np.ndarray | pa.Array]:
    """What identity is made of where no raw values came along: the fields themselves."""
    found = {name: draft.numbers[name] for name in IDENTITY_FIELDS if name in draft.numbers}
    return found | {name: draft.text(name) for name in IDENTITY_FIELDS if name in draft.texts}


def _clock(draft: Draft, now_us: int) -> None:
    good = (draft.time_us >= EARLIEST_US) & (draft.time_us <= now_us + AHEAD_US)
    host = draft.raw.pop("host_us", None)
    if host is not None:
        usable = ~good & (host >= EARLIEST_US) & (host <= now_us + AHEAD_US)
        draft.time_us = np.where(usable, host, draft.time_us)
        draft.flag(usable, "clock")
        draft.texts["time_source"] = pc.if_else(pa.array(usable), "host", draft.text("time_source"))
        draft.reject(~good & ~usable & (draft.time_us == 0), "time_utc_us", "time_unreadable")
        good |= usable
    stamps = pc.cast(pa.array(draft.time_us), pa.timestamp("us")) if not good.all() else None
    draft.reject(~good, "time_utc_us", "time_out_of_range", stamps)


def _devices(draft: Draft, context: Context) -> None:
    """Ids as text: ='0123 and the like are undone; what a spreadsheet spoilt is refused, unless the register has
    exactly one id that it can have been."""
    if isinstance(draft.device, str):
        if len(draft.device) > LONGEST_ID:
            raise DevicesError(f"device id {draft.device!r} has more than {LONGEST_ID} characters")
        return
    good, codes = [], []
    for word in draft.device.dictionary.to_pylist():
        name, code = _restore(word, context)
        good.append(name)
        codes.append(code)
    if any(codes) or draft.device.null_count:
        reasons = take(draft.device, np.array(codes, object), "device_missing")
        for code in {*codes, "device_missing"} - {""}:
            draft.reject(reasons == code, "device_id", code, draft.device)
    names = {name: number for number, name in enumerate(dict.fromkeys(good))}
    numbers = take(draft.device, np.array([names[name] for name in good], np.int32), np.int32(0))
    draft.device = pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array(list(names) or [""], pa.string()))


def _restore(word: str, context: Context) -> tuple[str, str]:
    """(id, "") or (text, code of the reason)."""
    name = word.strip()
    if name.startswith('="') and name.endswith('"'):
        name = name[2:-1]
    elif name.startswith("'"):
        name = name[1:]
    if name in context.known:
        return name, ""
    mantissa, _, exponent = name.upper().partition("E+")
    if exponent.isdigit() and mantissa.replace(".", "", 1).replace(",", "", 1).isdigit():
        return name, "device_mangled"
    whole = name[:-2] if name.endswith(".0") and name[:-2].isdigit() else name
    candidates = context.by_stripped.get(whole.lstrip("0"), []) if whole.isdigit() else []
    if len(candidates) == 1 and len(candidates[0]) > len(whole):
        return candidates[0], ""
    if whole != name:
        return (whole, "") if whole in context.known else (name, "device_mangled")
    if not name:
        return name, "device_missing"
    return name, "device_too_long" if len(name) > LONGEST_ID else ""


def _levels(draft: Draft) -> None:
    level = draft.numbers.get("rssi_dbm")
    if level is None:
        return
    low, high = LIMITS["rssi_dbm"].low, LIMITS["rssi_dbm"].high
    draft.reject(level >= 0, "rssi_dbm", "level_positive", level)
    draft.reject((level < low) & (level >= 2 * low), "rssi_dbm", "level_half_db", level)
    draft.reject((level < low) | (level > high), "rssi_dbm", "level_out_of_range", level)


def _ranges(draft: Draft) -> None:
    for name, limit in LIMITS.items():
        values = draft.numbers.get(name)
        if values is None or name in ("rssi_dbm", "lat", "lon"):
            continue
        outside = (values < limit.low) | (values > limit.high)
        if not outside.any():
            continue
        if limit.outside == "reject":
            draft.reject(outside, name, "frequency_out_of_range" if name == "freq_hz" else "not_a_number", values)
        else:
            draft.flag(outside, f"{name}_range")
            draft.numbers[name] = np.where(outside, np.nan, values)
    course = draft.numbers.get("course_deg")
    if course is not None:
        draft.numbers["course_deg"] = np.where(course == 360.0, 0.0, course)


def _no_service(draft: Draft) -> None:
    """Without service there is no cell: what stands in its columns is of the one before."""
    state = draft.texts.get("service_state")
    if state is None or isinstance(state, str):
        return
    silent = pc.fill_null(pc.equal(state, "no_service"), False)
    if not pc.any(silent).as_py():
        return
    for name in ("system_code", "site_id"):
        if isinstance(draft.texts.get(name), pa.Array):
            draft.texts[name] = pc.if_else(silent, None, draft.texts[name].cast(pa.string()))
    for name in ("location_area", "colour_code", "slot"):
        if name in draft.numbers:
            draft.numbers[name] = np.where(silent.to_numpy(zero_copy_only=False), np.nan, draft.numbers[name])


def _positions(draft: Draft, context: Context) -> None:
    lat, lon = draft.numbers.get("lat"), draft.numbers.get("lon")
    if lat is None or lon is None:
        draft.numbers.pop("lat", None)
        draft.numbers.pop("lon", None)
        return
    half = np.isnan(lat) != np.isnan(lon)
    zero = (lat == 0) & (lon == 0)
    edge = (np.abs(lat) >= 90) | (np.abs(lon) >= 180)
    there = ~(np.isnan(lat) | np.isnan(lon) | zero)
    _whole_file(lat[there], lon[there], context.area)
    swapped = there & (np.abs(lat) > 90) & (np.abs(lat) <= 180) & (np.abs(lon) <= 90)
    draft.flag(zero, "position_zero")
    draft.flag(swapped, "position_swapped")
    draft.flag((edge & there & ~swapped) | half, "position_range")
    gone = zero | edge | half | swapped
    fix = draft.texts.get("fix")
    if isinstance(fix, pa.Array):  # numbers may stand there although the receiver has no fix
        gone |= pc.fill_null(pc.equal(fix, "none"), False).to_numpy(zero_copy_only=False)
    age = draft.numbers.get("pos_age_s")
    if age is not None:
        draft.flag((age > OLD_S) & (age <= TOO_OLD_S), "position_age")
        draft.flag(age > TOO_OLD_S, "position_old")
        gone |= age > TOO_OLD_S
    lat, lon = np.where(gone, np.nan, lat), np.where(gone, np.nan, lon)
    lat, lon = _to_wgs84(draft, lat, lon, context)
    jumped = find_jumps(draft, lat, lon)
    draft.flag(jumped, "jump")
    lat, lon = np.where(jumped, np.nan, lat), np.where(jumped, np.nan, lon)
    draft.numbers["lat"], draft.numbers["lon"] = lat, lon
    _fix(draft, ~np.isnan(lat))


def _fix(draft: Draft, there: np.ndarray) -> None:
    """A row without position has no fix; one with a position of unknown kind counts as the least, 2d."""
    fix = draft.texts.get("fix")
    default = "2d" if fix is None or fix == "none" else fix
    if isinstance(default, str):
        draft.texts["fix"] = default if there.all() else "none" if not there.any() else pa.array(
            np.where(there, default, "none"))  # fmt: skip
    else:
        draft.texts["fix"] = pc.if_else(pa.array(there), pc.fill_null(default, "2d"), "none")


def _to_wgs84(draft: Draft, lat: np.ndarray, lon: np.ndarray, context: Context) -> tuple[np.ndarray, np.ndarray]:
    declared = draft.texts.get("datum_in")
    if declared is None or isinstance(declared, str):
        datum = context.datum or declared or ""
        _need_datum(datum, lat, lon)
        draft.texts["datum_in"] = datum or "wgs84"
        return datums.to_wgs84(lat, lon, datum)
    filled = pc.fill_null(declared, context.datum)
    undeclared = pc.equal(filled, "").to_numpy(zero_copy_only=False)
    _need_datum("", lat[undeclared], lon[undeclared])
    draft.texts["datum_in"] = pc.if_else(pa.array(undeclared), "wgs84", filled)
    for datum in ("gcj02", "bd09"):
        rows = pc.equal(filled, datum).to_numpy(zero_copy_only=False)
        if rows.any():
            lat[rows], lon[rows] = datums.to_wgs84(lat[rows], lon[rows], datum)
    return lat, lon


def _need_datum(datum: str, lat: np.ndarray, lon: np.ndarray) -> None:
    if not datum and datums.in_china(lat, lon).any():
        raise DevicesError(
            "positions in China without a datum: they can be 300 to 700 m off. Declare it: --datum wgs84 for a GPS "
            "receiver, gcj02 for AMap or Tencent, bd09 for Baidu, cgcs2000 for survey"
        )


def _whole_file(lat: np.ndarray, lon: np.ndarray, area: tuple[float, float, float, float] | None) -> None:
    """Refuse positions that are wrong as a whole, with the likely cause."""
    if not len(lat):
        return
    off = (np.abs(lat) > 90) | (np.abs(lon) > 180)
    other_way = np.zeros(len(lat), bool)
    if area is not None:
        west, south, east, north = area
        inside = (lon >= west - 1) & (lon <= east + 1) & (lat >= south - 1) & (lat <= north + 1)
        other_way = (lat >= west - 1) & (lat <= east + 1) & (lon >= south - 1) & (lon <= north + 1) & ~inside
        off |= ~inside
    if off.mean() <= INCONSISTENT:
        return
    nmea = (np.abs(lat) > 90) & (np.abs(lat) < 9000) & (np.abs(lat) % 100 < 60) & (np.abs(lon) < 18000) \
        & (np.abs(lon) > 180) & (np.abs(lon) % 100 < 60)  # fmt: skip
    swapped = (np.abs(lat) > 90) & (np.abs(lat) <= 180) & (np.abs(lon) <= 90) | other_way
    if nmea.mean() > INCONSISTENT:
        raise DevicesError(
            f"positions such as {lat[0]:g}, {lon[0]:g} are not degrees but degrees and minutes (ddmm.mmmm): declare "
            'degrees = "nmea" for lat and lon in the description'
        )
    if swapped.mean() > INCONSISTENT:
        raise DevicesError(
            f"latitude and longitude are swapped ({lat[0]:g}, {lon[0]:g}): name the columns the other way round in "
            "the description, or in the header"
        )
