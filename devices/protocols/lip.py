"""Location Information Protocol of TETRA (ETSI TS 100 392-18-1): the short location report of an SDS type 4."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL = 0x0A
SHORT_BITS = 76
ELAPSED_S = (5.0, 300.0, 1800.0, None)  # the report says "less than"
DIRECTION_STEP_DEG = 22.5
REASONS = {0: "subscriber unit is powered on", 1: "subscriber unit is powered off", 2: "emergency",
           3: "push-to-talk", 4: "status", 5: "transmit inhibit on", 6: "transmit inhibit off", 7: "TMO on",
           8: "DMO on", 9: "entered service", 10: "service lost", 11: "cell changed", 12: "low battery",
           32: "answer to an immediate request", 129: "reporting interval passed",
           130: "reporting distance passed"}  # fmt: skip
COVERAGE_REASONS = (9, 10, 11)


class LipError(ValueError):
    """A report that can't be read; the text says why."""


@dataclass(frozen=True)
class ShortReport:
    """lat, lon: degrees; elapsed_s: the position is younger than this, None unknown; error_m: it is nearer than
    this, None unknown; speed_mps, course_deg: None unknown; reason: None where the field holds user data."""

    lat: float
    lon: float
    elapsed_s: float | None
    error_m: float | None
    speed_mps: float | None
    course_deg: float | None
    reason: int | None


def short_report(pdu: str) -> ShortReport:
    """A report from hex digits, protocol identifier first; digits more than needed are padding. LipError."""
    if int(pdu[:2], 16) != PROTOCOL:
        raise LipError("not a location report (first byte 0A)")
    bits = "".join(f"{int(digit, 16):04b}" for digit in pdu[2:])
    if len(bits) < 2:
        raise LipError("a location report without content")
    if bits[:2] == "01":
        raise LipError("a long location report, which is not read yet")
    if bits[:2] != "00":
        raise LipError(f"a location report of the reserved type {bits[:2]}")
    if len(bits) < SHORT_BITS:
        raise LipError(f"a short location report of {len(bits)} bits; it has {SHORT_BITS}")
    fields, at = [], 2
    for width in (2, 25, 24, 3, 7, 4, 1, 8):
        fields.append(int(bits[at : at + width], 2))
        at += width
    elapsed, lon, lat, error, velocity, direction, kind, reason = fields
    return ShortReport(
        lat=_signed(lat, 24) * 180 / 2**24,
        lon=_signed(lon, 25) * 360 / 2**25,
        elapsed_s=ELAPSED_S[elapsed],
        error_m=None if error == 7 else 2.0 * 10**error,
        speed_mps=_speed_mps(velocity),
        course_deg=direction * DIRECTION_STEP_DEG if velocity not in (0, 127) else None,
        reason=None if kind else reason,
    )


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _speed_mps(code: int) -> float | None:
    if code == 127:
        return None
    km_h = float(code) if code <= 28 else 16 * 1.038 ** (code - 13)
    return km_h / 3.6
