"""Units that columns come in: factor to the record's own unit, by field."""

from __future__ import annotations

_LENGTH = {"m": 1.0, "米": 1.0, "km": 1000.0, "ft": 0.3048}
_DEGREES = {"deg": 1.0, "°": 1.0, "度": 1.0, "degrees": 1.0}
_DB = {"db": 1.0}
_PERCENT = {"%": 1.0, "percent": 1.0, "1": 100.0}

UNITS: dict[str, dict[str, float]] = {
    "rssi_dbm": {"dbm": 1.0, "-dbm": -1.0},
    "freq_hz": {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "兆赫": 1e6},
    "speed_mps": {"m/s": 1.0, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "公里/小时": 1 / 3.6, "kn": 1852 / 3600,
                  "knots": 1852 / 3600, "mph": 0.44704},
    "alt_m": _LENGTH, "accuracy_m": _LENGTH, "lat": _DEGREES, "lon": _DEGREES, "course_deg": _DEGREES,
    "cinr_db": _DB, "c1_db": _DB, "rssi_step_db": _DB, "tx_power_dbm": {"dbm": 1.0},
    "ber_percent": _PERCENT, "ber_low_percent": _PERCENT, "ber_high_percent": _PERCENT, "battery_percent": _PERCENT,
    "pos_age_s": {"s": 1.0, "秒": 1.0, "ms": 1e-3},
}  # fmt: skip


def factor(field: str, unit: str) -> float | None:
    """Factor to the field's own unit; 1 without a unit, None where the unit is unknown."""
    if not unit or field not in UNITS:
        return 1.0
    return UNITS[field].get(unit.lower())
