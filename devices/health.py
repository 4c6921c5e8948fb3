"""Which handsets to pull in, and why: what their own logs and the others' in the same places say about them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from devices import fleet, offsets, query
from devices.cells import Sums, cell_of
from devices.errors import DevicesError
from devices.query import Wanted
from devices.store import Store, iso, now_us

SIDE_M = 100.0
WEEK_US = 7 * 86_400_000_000
MONTH_US = 30.4 * 86_400_000_000
GAP_US = 60_000_000  # a longer silence is no logging
BER_FAILS = 5.0
GOOD_DBM = -90.0  # where others read this, a handset has to hear
SILENT_SHARE, LEAST_ROWS = 0.3, 20
UNSEEN_DAYS = 30
POOR_GPS_SHARE, LOW_BATTERY = 0.5, 20.0
OFF_DB, DRIFT_DB_A_MONTH, DEAF_DB = 3.0, 1.0, 5.0
VISITS = pa.schema([
    ("device", pa.int32()), ("cell", pa.int64()), ("transmitter", pa.int32()), ("week", pa.int16()),
    ("levels", pa.int32()), ("level", pa.float64()), ("fails", pa.int32()), ("says_nothing", pa.int32()),
    ("rows", pa.int32()),
])  # fmt: skip


@dataclass
class _Own:
    """What one handset's records say by themselves."""

    rows: int = 0
    logged_us: int = 0
    last_us: int = 0
    positions: int = 0
    hdop: list[float] = field(default_factory=list)
    battery: list[float] = field(default_factory=list)
    bit_errors: list[np.ndarray] = field(default_factory=list)  # (level, failed)
    before_us: int = 0


def health(store: Store, wanted: Wanted | None = None) -> dict[str, Any]:
    """Every handset with its figures and the reasons to pull it in, the most urgent first; JSON-able.

    wanted: when and where; its devices and unit say which handsets come back, held against all.
    """
    wanted = wanted or Wanted()
    own, arrays = _collect(store, dataclasses.replace(wanted, devices=(), unit="", min_dbm=None, max_dbm=None))
    known = query.names(store)
    register = {row["device_id"]: row for row in fleet.listing(store)}
    calibration = np.zeros(max([0, *known.devices]) + 1)
    for number, name in known.devices.items():
        calibration[number] = register[name]["calibration_offset_db"] or 0.0
    heard = arrays["levels"] > 0
    device, week = arrays["device"], arrays["week"]
    place = arrays["cell"] * 1_000_003 + arrays["transmitter"]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = arrays["level"] / arrays["levels"] - calibration[device.astype(np.int64)]
    fitted = offsets.fit(device[heard], place[heard], mean[heard]) if heard.any() else None
    best = _best_of_cell(fitted, arrays, place, heard) if fitted is not None else np.full(len(device), np.nan)
    order = np.argsort(device, kind="stable")
    numbers = np.array(list(known.devices), np.int64)
    starts, ends = (np.searchsorted(device[order], numbers, side) for side in ("left", "right"))
    rows = []
    for (number, name), start, end in zip(known.devices.items(), starts.tolist(), ends.tolist(), strict=True):
        mine = order[start:end]
        row = _figures(name, own.get(number, _Own()), register[name])
        row |= _against_others(number, fitted, *(values[mine] for values in (place, week, mean, heard)))
        row |= _service({key: values[mine] for key, values in arrays.items()}, best[mine])
        rows.append(row)
    _judge(rows)
    if missing := sorted(set(wanted.devices) - set(register)):
        raise DevicesError(f"no handset {', '.join(missing)}; `radiocov fleet list` shows them")
    if wanted.devices or wanted.unit:
        rows = [row for row in rows if row["device_id"] in (wanted.devices or register)
                and row["unit"] == (wanted.unit or row["unit"])]  # fmt: skip
    rows.sort(key=lambda row: (-row["urgency"], row["device_id"]))
    fleet_figures = {"handsets": len(rows), "sigma_db": None, "tau_db": None}
    if fitted is not None:
        fleet_figures |= {"sigma_db": round(fitted.sigma_db, 2), "tau_db": round(fitted.tau_db, 2)}
    return {"fleet": fleet_figures, "handsets": rows}


def _collect(store: Store, wanted: Wanted) -> tuple[dict[int, _Own], dict[str, np.ndarray]]:
    """Each handset by itself, and columns of VISITS: what a handset had in a cell from a transmitter in a week."""
    own: dict[int, _Own] = {}
    visits: list[pa.Table] = []
    sums, current = _sums(), 0
    columns = ("device", "time_us", "lat", "lon", "rssi_dbm", "hdop", "ber_percent", "battery_percent", "context")
    tables: tuple[np.ndarray, ...] | None = None
    for block in query.numbers(store, wanted, columns):
        if tables is None:
            tables = _context_tables(query.names(store))
        for number in np.unique(block["device"]).tolist():
            rows = block["device"] == number
            mine = {name: values[rows] for name, values in block.items()}
            _add(own.setdefault(number, _Own()), mine)
            if number != current:  # a handset's records come together
                visits.append(_of_device(current, sums))
                sums, current = _sums(), number
            sums.add(_visits(mine, tables))
    visits.append(_of_device(current, sums))
    table = pa.concat_tables(visits)
    return own, {name: table.column(name).to_numpy() for name in table.column_names}


def _sums() -> Sums:
    return Sums(["cell", "transmitter", "week"], ["levels", "level", "fails", "says_nothing", "rows"])


def _of_device(number: int, sums: Sums) -> pa.Table:
    """As narrow as may be: there can be as many visits as records."""
    table = sums.result()
    return table.add_column(0, "device", pa.array(np.full(table.num_rows, number))).select(VISITS.names).cast(VISITS)


def _visits(rows: dict[str, np.ndarray], tables: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    transmitter, no_service, unknown, usable = (table[rows["context"]] for table in tables)
    cell = cell_of(rows["lat"], rows["lon"], SIDE_M)
    level = rows["rssi_dbm"]
    counts = ~np.isnan(level) & usable & ~no_service
    use = (cell >= 0) & (usable | no_service | unknown)
    nothing = np.isnan(level) & unknown & ~no_service
    return {
        "cell": cell[use], "transmitter": transmitter[use], "week": (rows["time_us"] // WEEK_US)[use],
        "levels": counts[use].astype(np.int64), "level": np.where(counts, level, 0.0)[use],
        "fails": no_service[use].astype(np.int64), "says_nothing": nothing[use].astype(np.int64),
        "rows": np.ones(int(use.sum()), np.int64),
    }  # fmt: skip


def _context_tables(known: query.Names) -> tuple[np.ndarray, ...]:
    """By number of a context: transmitter, whether no service, whether nothing is said, whether its level counts."""
    signals: dict[tuple, int] = {}
    size = max(known.contexts, default=0) + 1
    transmitter = np.zeros(size, np.int64)
    no_service, unknown, usable = (np.zeros(size, bool) for _ in range(3))
    for number, context in known.contexts.items():
        signal = tuple(context[name] for name in ("direction", "freq_hz", "channel", "location_area", "site_id"))
        transmitter[number] = signals.setdefault(signal, len(signals))
        no_service[number] = context["service_state"] == "no_service"
        unknown[number] = context["service_state"] == "unknown"
        usable[number] = context["rssi_censor"] == "none" and context["role"] == "serving"
    return transmitter, no_service, unknown, usable


def _add(own: _Own, rows: dict[str, np.ndarray]) -> None:
    time = rows["time_us"]
    gaps = np.diff(time, prepend=own.before_us or time[0])
    own.logged_us += int(gaps[gaps <= GAP_US].sum())
    own.before_us = own.last_us = int(time[-1])
    own.rows += len(time)
    own.positions += int((~np.isnan(rows["lat"])).sum())
    for name, kept in (("hdop", own.hdop), ("battery_percent", own.battery)):
        values = rows[name][~np.isnan(rows[name])]
        if len(values):
            kept.append(float(np.median(values)))
    rated = ~np.isnan(rows["ber_percent"]) & ~np.isnan(rows["rssi_dbm"])
    if rated.any() and len(own.bit_errors) < 50:
        pairs = np.stack([rows["rssi_dbm"][rated], rows["ber_percent"][rated] > BER_FAILS])
        own.bit_errors.append(pairs[:, :: max(1, pairs.shape[1] // 5000)])


def _best_of_cell(fitted: offsets.Offsets, arrays: dict[str, np.ndarray], place: np.ndarray,
                  heard: np.ndarray) -> np.ndarray:  # fmt: skip
    """For each visit the strongest level that the fleet reads in that cell, dBm; NaN where nobody heard anything."""
    level = fitted.level_db[np.searchsorted(fitted.place, place[heard])]
    cells, at = np.unique(arrays["cell"], return_inverse=True)
    best = np.full(len(cells), -np.inf)
    np.maximum.at(best, at[heard], level)
    return np.where(np.isinf(best), np.nan, best)[at]


def _figures(name: str, own: _Own, registered: dict[str, Any]) -> dict[str, Any]:
    pairs = np.concatenate(own.bit_errors, axis=1) if own.bit_errors else np.zeros((2, 0))
    return {
        "device_id": name, "unit": registered["unit"], "state": registered["state"],
        "last_seen": registered["last_seen"], "last_record": iso(own.last_us) if own.rows else None,
        "records": own.rows, "hours_logged": round(own.logged_us / 3.6e9, 2),
        "position_share": round(own.positions / own.rows, 3) if own.rows else None,
        "hdop": round(float(np.median(own.hdop)), 2) if own.hdop else None,
        "battery_percent": round(own.battery[-1], 1) if own.battery else None,
        "ber_fails_at_dbm": _or_none(offsets.failing_level(pairs[0], pairs[1] > 0)),
    }  # fmt: skip


def _against_others(number: int, fitted: offsets.Offsets | None, place: np.ndarray, week: np.ndarray,
                    mean: np.ndarray, heard: np.ndarray) -> dict[str, Any]:  # fmt: skip
    """Offset and drift of a handset, from its visits and the levels that the fleet reads in the same places."""
    empty = dict.fromkeys(("offset_db", "offset_error_db", "drift_db_a_month", "drift_error"))
    if fitted is None or number not in fitted.device:
        return empty | {"places_shared": 0}
    at = int(np.searchsorted(fitted.device, number))
    if not fitted.places[at]:
        return empty | {"places_shared": 0}
    rest = mean[heard] - fitted.level_db[np.searchsorted(fitted.place, place[heard])]
    drift, error = offsets.slope(week[heard] * (WEEK_US / MONTH_US), rest)
    return {
        "offset_db": round(float(fitted.offset_db[at]), 2),
        "offset_error_db": round(float(fitted.error_db[at]), 2),
        "places_shared": int(fitted.places[at]),
        "drift_db_a_month": _or_none(drift, 2),
        "drift_error": _or_none(error, 2),
    }


def _service(visits: dict[str, np.ndarray], best: np.ndarray) -> dict[str, Any]:
    """Where the handset lost service, by the level that the fleet reads there, and where it said nothing at all."""
    known = ~np.isnan(best)
    fails, levels, nothing, rows = (visits[name][known] for name in ("fails", "levels", "says_nothing", "rows"))
    told = (fails + levels) > 0
    good = best[known] >= GOOD_DBM
    return {
        "service_fails_at_dbm": _or_none(offsets.failing_level(best[known][told], fails[told] > levels[told])),
        "no_service_where_good": int(fails[good].sum()),
        "silent_where_good": int(nothing[good].sum()),
        "rows_where_good": int(rows[good].sum()),
    }


def _judge(rows: list[dict[str, Any]]) -> None:
    """Reasons to pull handsets in, with how urgent they are together."""
    now = now_us()
    limits = {}
    for name in ("ber_fails_at_dbm", "service_fails_at_dbm"):
        values = [row[name] for row in rows if row[name] is not None]
        limits[name] = float(np.median(values)) if len(values) >= 3 else None
    for row in rows:
        reasons: list[tuple[float, str]] = []
        if row["state"] == "in service" and row["last_seen"] and (days := _days(now, row["last_seen"])) > UNSEEN_DAYS:
            reasons.append((1.0, f"not seen for {days:.0f} days"))
        offset, error = row["offset_db"], row["offset_error_db"]
        if offset is not None and abs(offset) - offsets.Z_95 * error > OFF_DB:
            word = "low" if offset < 0 else "high"
            reasons.append((abs(offset) / OFF_DB, f"reads {abs(offset):.1f} ± {offsets.Z_95 * error:.1f} dB {word}"))
        drift, spread = row["drift_db_a_month"], row["drift_error"]
        if drift is not None and spread is not None and abs(drift) - offsets.Z_95 * spread > DRIFT_DB_A_MONTH:
            reasons.append((abs(drift), f"drifts {drift:+.1f} dB a month"))
        for name, what in (("ber_fails_at_dbm", "bit errors"), ("service_fails_at_dbm", "service fails")):
            if row[name] is not None and limits[name] is not None and row[name] > limits[name] + DEAF_DB:
                reasons.append((3.0, f"{what} from {row[name]:.0f} dBm, the fleet from {limits[name]:.0f} dBm"))
        rows_good = row["rows_where_good"]
        if rows_good >= LEAST_ROWS:
            for name, what in (("no_service_where_good", "without service"), ("silent_where_good", "says nothing")):
                share = row[name] / rows_good
                if share > SILENT_SHARE:
                    reasons.append((4.0, f"{what} in {share:.0%} of where others read {GOOD_DBM:.0f} dBm and more"))
        if row["records"] >= LEAST_ROWS and row["position_share"] < POOR_GPS_SHARE:
            reasons.append((1.0, f"position in {row['position_share']:.0%} of its records only"))
        if row["battery_percent"] is not None and row["battery_percent"] < LOW_BATTERY:
            reasons.append((0.5, f"battery at {row['battery_percent']:.0f} %"))
        reasons.sort(reverse=True)
        row["urgency"] = round(sum(weight for weight, _ in reasons), 2)
        row["reasons"] = [text for _, text in reasons]


def _days(now: int, when: str) -> float:
    return (now / 1e6 - dt.datetime.fromisoformat(when).timestamp()) / 86_400


def _or_none(value: float, digits: int = 1) -> float | None:
    return None if np.isnan(value) else round(value, digits)
