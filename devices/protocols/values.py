"""Values as handsets write them, and the ranges a record has to keep."""

from __future__ import annotations

import re

from devices.records import LIMITS, Record, Reject

NULLS = {"", "-", "--", "n/a", "na", "nan", "null", "none", "?", "unknown"}
MINUS = str.maketrans({"−": "-", "–": "-", "﹣": "-", "－": "-"})
# TETRA's 0..7 are the bands of GSM's RXQUAL, in percent
BER_BANDS = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.8), (0.8, 1.6), (1.6, 3.2), (3.2, 6.4), (6.4, 12.8), (12.8, 50.0))


class BadValue(ValueError):
    """A value that can't be taken: `code` for programs, the text for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def number(text: str) -> float | None:
    """A number as people write it, None for a null word. BadValue otherwise."""
    cleaned = text.strip().translate(MINUS)
    if cleaned.casefold() in NULLS:
        return None
    if not re.fullmatch(r"[+-]?\d{1,15}([.,]\d{1,12})?", cleaned):
        raise BadValue("not_a_number", f"{text.strip()!r} is not a number")
    return float(cleaned.replace(",", "."))


def integer(text: str) -> int | None:
    value = number(text)
    if value is not None and value != int(value):
        raise BadValue("not_a_number", f"{text.strip()!r} is not a whole number")
    return None if value is None else int(value)


def dbm(text: str) -> float | None:
    """A level declared in dBm, None for a null word. BadValue where it can't be one."""
    value = number(re.sub(r"\s*dBm$", "", text.strip(), flags=re.I))
    if value is not None and value >= 0:
        text = f"positive level {value:g}; the profile says dBm, which are negative here (scale=-1 turns the sign)"
        raise BadValue("level_positive", text)
    return value


def csq_level(index: int) -> tuple[float | None, str]:
    """(dBm, censoring) of a signal quality index: -113 + 2 n for 1..30, limits at 0 and 31, 99 unknown."""
    if index == 99:
        return None, "none"
    if not 0 <= index <= 31:
        raise BadValue("level_code", f"signal quality {index} is outside 0..31 and not 99 (unknown)")
    return -113.0 + 2 * index, {0: "below", 31: "above"}.get(index, "none")


def set_csq(record: Record, index: int) -> None:
    record.rssi_dbm, record.rssi_censor = csq_level(index)
    record.rssi_step_db = 2.0 if record.rssi_dbm is not None else None


def set_ber_band(record: Record, band: int | None) -> None:
    if band is not None and 0 <= band < len(BER_BANDS):
        record.ber_low_percent, record.ber_high_percent = BER_BANDS[band]


def add_flag(record: Record, flag: str) -> None:
    record.flags = f"{record.flags} {flag}" if record.flags else flag


def checked(record: Record) -> Record | Reject:
    """The record with values outside their range nulled and flagged, or a reject where the rule says so."""
    for name, limit in LIMITS.items():
        value = getattr(record, name)
        if value is None or limit.low <= value <= limit.high and not (name == "course_deg" and value == 360):
            continue
        if limit.outside == "reject":
            code = "level_out_of_range" if name == "rssi_dbm" else "frequency_out_of_range"
            text = f"{name} {value:g} is outside {limit.low:g}..{limit.high:g}"
            if name == "rssi_dbm" and value < limit.low and value / 2 >= limit.low:
                code = "level_half_db"
                text += f"; in half decibels it would be {value / 2:g} dBm: then rssi_scale is 0.5"
            return Reject(record.row_no, name, f"{value:g}", code, text)
        if name == "course_deg" and value == 360:
            record.course_deg = 0.0
            continue
        setattr(record, name, None)
        add_flag(record, f"{name}_range")
    if record.lat is None or record.lon is None or (record.lat == 0 and record.lon == 0):
        if record.lat is not None and record.lon is not None:
            add_flag(record, "position_zero")
        record.lat = record.lon = None
        record.fix = "none"
    return record
