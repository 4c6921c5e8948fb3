"""Location Information Protocol of TETRA (ETSI TS 100 392-18-1): the location reports of an SDS type 4."""

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
LONG = 3  # extension of the type of message
POINT_AND_ERROR = 10
#: shape -> bits of its uncertainty: that of a circle, or the axes, angle and confidence of an ellipse
SHAPES = {1: 0, 2: 6, 3: 23, 4: 0, 5: 6, 6: 20, 7: 6, 8: 20, POINT_AND_ERROR: 3}
#: shape -> bits of the altitude and what follows it
WITH_ALTITUDE = {4: 12, 5: 12, 6: 15, 7: 15, 8: 18}
#: type of velocity -> bits between the speed and the course, and after it
VELOCITIES = {1: (0, 0), 2: (3, 0), 3: (8, 0), 4: (14, 0), 5: (0, 0), 6: (3, 3), 7: (14, 3)}
WITH_COURSE = 5


class LipError(ValueError):
    """A report that can't be read; the text says why."""


@dataclass(frozen=True)
class Report:
    """lat, lon: degrees; elapsed_s: the position is younger than this, None unknown; error_m: it is nearer than
    this, None unknown; speed_mps, course_deg: None unknown; reason: None where the field holds user data; moment:
    (day of the month, hour, minute, second) of the position, UTC, where a long report has it."""

    lat: float
    lon: float
    elapsed_s: float | None
    error_m: float | None
    speed_mps: float | None
    course_deg: float | None
    reason: int | None
    moment: tuple[int, int, int, int] | None = None


def location_report(pdu: str) -> Report:
    """A short or long report from hex digits, protocol identifier first; digits more than needed are padding.

    Raises LipError for what is none, or is of a form that is not read.
    """
    bits = _bits(pdu)
    return _long_report(bits) if bits[:2] == "01" else short_report(pdu)


def _bits(pdu: str) -> str:
    if int(pdu[:2], 16) != PROTOCOL:
        raise LipError("not a location report (first byte 0A)")
    bits = "".join(f"{int(digit, 16):04b}" for digit in pdu[2:])
    if len(bits) < 2:
        raise LipError("a location report without content")
    return bits


def short_report(pdu: str) -> Report:
    """As `location_report`, for a short one."""
    bits = _bits(pdu)
    if bits[:2] == "01":
        raise LipError("a long location report")
    if bits[:2] != "00":
        raise LipError(f"a location report of the reserved type {bits[:2]}")
    if len(bits) < SHORT_BITS:
        raise LipError(f"a short location report of {len(bits)} bits; it has {SHORT_BITS}")
    fields, at = [], 2
    for width in (2, 25, 24, 3, 7, 4, 1, 8):
        fields.append(int(bits[at : at + width], 2))
        at += width
    elapsed, lon, lat, error, velocity, direction, kind, reason = fields
    return Report(
        lat=_signed(lat, 24) * 180 / 2**24,
        lon=_signed(lon, 25) * 360 / 2**25,
        elapsed_s=ELAPSED_S[elapsed],
        error_m=None if error == 7 else 2.0 * 10**error,
        speed_mps=_speed_mps(velocity),
        course_deg=direction * DIRECTION_STEP_DEG if velocity not in (0, 127) else None,
        reason=None if kind else reason,
    )


def _long_report(bits: str) -> Report:
    fields = _Fields(bits)
    fields.take(2)
    extension = fields.take(4)
    if extension != LONG:
        raise LipError(f"a location message of the kind {extension}, which is no report")
    elapsed_s, moment = None, None
    time_type = fields.take(2)
    if time_type == 1:
        elapsed_s = ELAPSED_S[fields.take(2)]
    elif time_type == 2:
        moment = fields.take(5), fields.take(5), fields.take(6), fields.take(6)
        if not (1 <= moment[0] <= 31 and moment[1] < 24 and moment[2] < 60 and moment[3] < 60):
            moment = None  # reserved values: not known
    elif time_type == 3:
        raise LipError("a long location report whose type of time is reserved")
    shape = fields.take(4)
    if shape not in SHAPES:
        raise LipError(f"a long location report of the shape {shape}, which is no place of the terminal")
    lon, lat = _signed(fields.take(25), 25) * 360 / 2**25, _signed(fields.take(24), 24) * 180 / 2**24
    error_m = None
    if shape == POINT_AND_ERROR:
        error = fields.take(3)
        error_m = None if error == 7 else 2.0 * 10**error
    elif SHAPES[shape]:
        uncertainty = fields.take(6)
        error_m = None if uncertainty == 63 else 2 * 1.2 ** (uncertainty + 5) - 4
        fields.take(SHAPES[shape] - 6)
    if shape in WITH_ALTITUDE:
        fields.take(WITH_ALTITUDE[shape])
    speed_mps, course_deg = _velocity(fields)
    fields.take(1)  # whether an answer is wanted
    is_data, reason = fields.take(1), fields.take(8)
    return Report(lat, lon, elapsed_s, error_m, speed_mps, course_deg, None if is_data else reason, moment)


def _velocity(fields: _Fields) -> tuple[float | None, float | None]:
    kind = fields.take(3)
    if not kind:
        return None, None
    before_course, after_course = VELOCITIES[kind]
    speed = fields.take(7)
    fields.take(before_course)
    course_deg = None
    if kind >= WITH_COURSE:
        direction = fields.take(8) * 360 / 256
        course_deg = direction if speed not in (0, 127) else None
    fields.take(after_course)
    return _speed_mps(speed), course_deg


class _Fields:
    """Takes whole numbers off a text of bits; LipError where it is at its end."""

    def __init__(self, bits: str) -> None:
        self._bits, self._at = bits, 0

    def take(self, width: int) -> int:
        if self._at + width > len(self._bits):
            raise LipError(f"a long location report cut off after {len(self._bits)} bits")
        value = int(self._bits[self._at : self._at + width] or "0", 2)
        self._at += width
        return value


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _speed_mps(code: int) -> float | None:
    if code == 127:
        return None
    km_h = float(code) if code <= 28 else 16 * 1.038 ** (code - 13)
    return km_h / 3.6
