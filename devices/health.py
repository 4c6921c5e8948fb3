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
CELL_SHIFT = np.uint64(20)  # a place is a cell and, below, the transmitter received there


@dataclass
class _Visits:
    """What a handset had in a place in a week, one element each, as narrow as may be: there can be as many visits as
    records. level: mean less the bench's offset, dBm, NaN where nothing was heard."""

    place: np.ndarray
    week: np.ndarray
    level: np.ndarray
    levels: np.ndarray
    fails: np.ndarray
    says_nothing: np.ndarray
    rows: np.ndarray


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
    known = query.names(store)
    register = {row["device_id"]: row for row in fleet.listing(store)}
    bench = {number: register[name]["calibration_offset_db"] or 0.0 for number, name in known.devices.items()}
    own, visits = _collect(store, dataclasses.replace(wanted, devices=(), unit="", min_dbm=None, max_dbm=None), bench)
    fitted = _fit(visits)
    best = _best_of_cells(fitted)
    rows = []
    for number, name in known.devices.items():
        row = _figures(name, own.get(number, _Own()), register[name])
        mine = visits.pop(number, None)
        row |= _against_others(number, fitted, mine) | _service(mine, best)
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


def _collect(store: Store, wanted: Wanted, bench: dict[int, float]) -> tuple[dict[int, _Own], dict[int, _Visits]]:
    """By number of a handset: what it says by itself, and where it was. bench: its offset there, dB."""
    own: dict[int, _Own] = {}
    visits: dict[int, _Visits] = {}
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
                if current:
                    visits[current] = _of_device(sums, bench.get(current, 0.0))
                sums, current = _sums(), number
            sums.add(_visits(mine, tables))
    if current:
        visits[current] = _of_device(sums, bench.get(current, 0.0))
    pa.default_memory_pool().release_unused()  # what adding up took
    return own, visits


def _sums() -> Sums:
    return Sums(["place", "week"], ["levels", "level", "fails", "says_nothing", "rows"])


def _of_device(sums: Sums, bench_db: float) -> _Visits:
    table = sums.result()
    place, week, levels, level, *counts = (table.column(name).to_numpy() for name in table.column_names)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(levels > 0, level / levels - bench_db, np.nan)
    order = np.argsort(place)
    columns = [place, week.astype(np.int16), mean.astype(np.float32)]
    columns += [values.astype(np.min_scalar_type(values.max(initial=0))) for values in (levels, *counts)]
    return _Visits(*(values[order] for values in columns))


def _fit(visits: dict[int, _Visits]) -> offsets.Offsets | None:
    """From each handset's mean of its visits to a place."""
    most = sum(len(mine.place) for mine in visits.values())
    columns = [np.empty(most, kind) for kind in (np.int32, np.uint64, np.float32, np.float32, np.float32)]
    end = 0
    for number, mine in visits.items():
        heard = mine.levels > 0
        place, level = mine.place[heard], mine.level[heard].astype(np.float64)
        if not len(place):
            continue
        starts = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
        count = np.diff(starts, append=len(place))
        mean = np.add.reduceat(level, starts) / count
        squares = np.add.reduceat((level - np.repeat(mean, count)) ** 2, starts)
        start, end = end, end + len(starts)
        for column, values in zip(columns, (number, place[starts], mean, count, squares), strict=True):
            column[start:end] = values
    order = np.argsort(columns[1][:end], kind="stable")
    for at, column in enumerate(columns):  # one after the other, so that only one is there twice
        columns[at] = column[:end][order]
    del order, column
    return offsets.fit(*columns)


def _visits(rows: dict[str, np.ndarray], tables: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    transmitter, no_service, unknown, usable = (table[rows["context"]] for table in tables)
    cell = cell_of(rows["lat"], rows["lon"], SIDE_M)
    level = rows["rssi_dbm"]
    counts = ~np.isnan(level) & usable & ~no_service
    use = (cell >= 0) & (usable | no_service | unknown)
    nothing = np.isnan(level) & unknown & ~no_service
    return {
        "place": (cell.view(np.uint64) << CELL_SHIFT | transmitter.view(np.uint64))[use],
        "week": (rows["time_us"] // WEEK_US)[use],
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


def _best_of_cells(fitted: offsets.Offsets | None) -> tuple[np.ndarray, np.ndarray]:
    """(cells in order, the strongest level that the fleet reads in each, dBm)."""
    if fitted is None:
        return np.zeros(0, np.uint64), np.zeros(0)
    cell = fitted.place >> CELL_SHIFT
    starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
    return cell[starts], np.maximum.reduceat(fitted.level_db, starts)


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


def _against_others(number: int, fitted: offsets.Offsets | None, visits: _Visits | None) -> dict[str, Any]:
    """Offset and drift of a handset, from its visits and the levels that the fleet reads in the same places."""
    empty = dict.fromkeys(("offset_db", "offset_error_db", "drift_db_a_month", "drift_error")) | {"places_shared": 0}
    if fitted is None or visits is None or number not in fitted.device:
        return empty
    at = int(np.searchsorted(fitted.device, number))
    if not fitted.places[at]:
        return empty
    heard = visits.levels > 0
    rest = visits.level[heard] - fitted.level_db[np.searchsorted(fitted.place, visits.place[heard])]
    drift, error = offsets.slope(visits.week[heard] * (WEEK_US / MONTH_US), rest)
    return {
        "offset_db": round(float(fitted.offset_db[at]), 2),
        "offset_error_db": round(float(fitted.error_db[at]), 2),
        "places_shared": int(fitted.places[at]),
        "drift_db_a_month": _or_none(drift, 2),
        "drift_error": _or_none(error, 2),
    }


def _service(visits: _Visits | None, cells: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Where the handset lost service, by the level that the fleet reads there, and where it said nothing at all.
    cells: see `_best_of_cells`."""
    empty = {"service_fails_at_dbm": None, "no_service_where_good": 0, "silent_where_good": 0, "rows_where_good": 0}
    if visits is None or not len(cells[0]):
        return empty
    cell = visits.place >> CELL_SHIFT
    at = np.minimum(np.searchsorted(cells[0], cell), len(cells[0]) - 1)
    known = cells[0][at] == cell
    best = cells[1][at[known]]
    fails, levels, nothing, rows = (
        values[known] for values in (visits.fails, visits.levels, visits.says_nothing, visits.rows)
    )
    told = (fails > 0) | (levels > 0)
    good = best >= GOOD_DBM
    return {
        "service_fails_at_dbm": _or_none(offsets.failing_level(best[told], fails[told] > levels[told])),
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
