"""The canonical record: one device, one moment, one signal received or explicitly not received.

Null (None) means "not known", never 0, -1 or 99. Live parsers make `Record`s one by one; everything in bulk is a
pyarrow table of `schema()`, whose columns are the fields of `Record` in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

TIME_SOURCES = ("gps", "handset", "host", "interpolated", "assumed-zone")
DATUMS = ("wgs84", "cgcs2000", "gcj02", "bd09")
FIXES = ("none", "2d", "3d", "dgps", "rtk", "estimated", "manual", "interpolated")
DIRECTIONS = ("talk_out", "talk_in", "direct")
SERVICE_STATES = ("registered", "visited", "searching", "no_service", "rejected", "direct_mode", "unknown")
TECHNOLOGIES = ("pdt", "tetra", "dmr3", "dmr", "p25", "analog", "other")
ROLES = ("serving", "neighbour")
CENSORS = ("none", "below", "above")
CARRIES = ("head", "hip", "dash", "roof", "indoor")


@dataclass(slots=True)
class Record:
    """One observation; units are in the names. See `FIELDS` for ranges and what happens outside them.

    time_utc_us: microseconds since 1970 UTC. rssi_dbm: at the antenna port, the handset's calibration offset NOT
    applied. With rssi_censor "below" or "above" it is the limit the true level lies beyond. raw_ref: where the
    observation stands in its source (byte offset or row), raw_key: its raw values as they stood there, from which
    the row's identity is made.
    """

    time_utc_us: int
    device_id: str
    time_source: str = "handset"
    occurrence: int = 0
    lat: float | None = None
    lon: float | None = None
    datum_in: str | None = None
    fix: str = "none"
    hdop: float | None = None
    satellites: int | None = None
    accuracy_m: float | None = None
    pos_age_s: float | None = None
    alt_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    direction: str = "talk_out"
    service_state: str = "unknown"
    technology: str = "other"
    freq_hz: int | None = None
    channel: str | None = None
    system_code: str | None = None
    location_area: int | None = None
    site_id: str | None = None
    colour_code: int | None = None
    slot: int | None = None
    role: str = "serving"
    rssi_dbm: float | None = None
    rssi_censor: str = "none"
    rssi_step_db: float | None = None
    ber_percent: float | None = None
    ber_low_percent: float | None = None
    ber_high_percent: float | None = None
    cinr_db: float | None = None
    c1_db: float | None = None
    battery_percent: float | None = None
    tx_power_dbm: float | None = None
    carry: str | None = None
    profile: str = ""
    flags: str = ""
    row_no: int = 0
    raw_ref: str = ""
    raw_key: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """What could not become a record: row_no counts rows (or lines, or frames) from 1 in the source.

    code: a word of `rejects.REASONS`, stable for programs; reason: what is wrong and what would be right.
    """

    row_no: int
    column: str
    value: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limit:
    """Range of a field and what a value outside it does: "reject" the row, or "null" the value and flag the row."""

    low: float
    high: float
    outside: str


LIMITS = {
    "lat": Limit(-90, 90, "null"), "lon": Limit(-180, 180, "null"), "hdop": Limit(0.3, 50, "null"),
    "satellites": Limit(0, 99, "null"), "accuracy_m": Limit(0, 1000, "null"), "alt_m": Limit(-500, 9000, "null"),
    "speed_mps": Limit(0, 100, "null"), "course_deg": Limit(0, 360, "null"), "freq_hz": Limit(136e6, 941e6, "reject"),
    "colour_code": Limit(0, 15, "null"), "slot": Limit(1, 4, "null"), "rssi_dbm": Limit(-140, -10, "reject"),
    "rssi_step_db": Limit(0.1, 6, "null"), "ber_percent": Limit(0, 50, "null"), "cinr_db": Limit(-30, 60, "null"),
    "c1_db": Limit(-127, 127, "null"), "battery_percent": Limit(0, 100, "null"), "tx_power_dbm": Limit(0, 50, "null"),
}  # fmt: skip
CATEGORIES = {
    "time_source": TIME_SOURCES, "datum_in": DATUMS, "fix": FIXES, "direction": DIRECTIONS,
    "service_state": SERVICE_STATES, "technology": TECHNOLOGIES, "role": ROLES, "rssi_censor": CENSORS,
    "carry": CARRIES,
}  # fmt: skip
NAMES = tuple(field.name for field in fields(Record))


def schema() -> pa.Schema:
    """The arrow schema of a batch: text as string, categories as dictionary<int8, string>, numbers as they are."""
    import pyarrow as pa

    kinds = {"int": pa.int64(), "str": pa.string(), "float | None": pa.float64(), "int | None": pa.int64(),
             "str | None": pa.string()}  # fmt: skip
    return pa.schema([
        pa.field(f.name, pa.dictionary(pa.int8(), pa.string()) if f.name in CATEGORIES else kinds[str(f.type)])
        for f in fields(Record)
    ])  # fmt: skip


def to_table(records: Iterable[Record]) -> pa.Table:
    """Records as a table of `schema()`."""
    import pyarrow as pa

    rows = list(records)
    arrays = [pa.array([getattr(r, field.name) for r in rows], field.type) for field in schema()]
    return pa.Table.from_arrays(arrays, schema=schema())
