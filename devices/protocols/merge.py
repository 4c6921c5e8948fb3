"""Levels meet positions by time; what comes out are whole records of a known device within their ranges."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from devices.protocols.values import add_flag, checked
from devices.records import Record, Reject
from devices.settings import Settings
from devices.streams import Counts, Event

SAME_S = 0.1
FASTEST_MPS = 100.0
MAX_WAITING = 20_000
CLOCK_OFFSET_S = 3.0
CLOCK_AGREEING = 3
Item = Record | Reject | Event
# EN 300 392-2 static reference sensitivity of a terminal; a PDT handset's static sensitivity
SENSITIVITY_DBM = {"tetra": -112.0, "pdt": -118.0}


@dataclass(slots=True)
class Fix:
    """A position; lat None says that there explicitly is none.

    at_s: when it was true, on the clock of the stream; time_us: UTC the receiver gave it, None where that is not
    known or not trusted; utc_us: the host's clock then; unit: who the sentence says it is from. The other names are
    those of `Record`.
    """

    lat: float | None
    lon: float | None
    at_s: float
    time_us: int | None = None
    utc_us: int | None = None
    fix: str = "none"
    hdop: float | None = None
    satellites: int | None = None
    accuracy_m: float | None = None
    alt_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    flags: str = ""
    unit: str = ""
    row_no: int = 0
    raw_key: str = ""


DETAILS = ("hdop", "satellites", "accuracy_m", "alt_m", "speed_mps", "course_deg")


class Assembler:
    """Gives levels their position, the device its name, and holds every record to the ranges.

    A level waits until a fix after it has come, at most `settings.stale_s` on the stream's clock: between two fixes
    that are near it is interpolated. Over `stale_s` away from any fix the record is flagged "position_age", over
    `lost_s` it has no position. Records wait for the identity of their device, too.
    """

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self.settings = settings
        self.counts = counts
        self.device_id = settings.device_id
        #: who it is if the device never says so
        self.fallback_id = ""
        #: positions come from another port, those of this one are not to be mixed with them
        self.external = False
        self.last_fix: Fix | None = None
        self._fixes: deque[Fix] = deque(maxlen=512)
        self._waiting: deque[tuple[float, Record]] = deque()
        self._nameless: list[Record] = []
        # of the last fixes: their time, that less the stream's clock, the computer's clock less that
        self._times: deque[tuple[int, float, float]] = deque(maxlen=CLOCK_AGREEING)
        self._satellites_s: float | None = None
        self._told_s = 0.0

    def identity(self, device_id: str) -> list[Item]:
        """The device has said who it is; a declared identity goes before it."""
        if not self.device_id and device_id:
            self.device_id = device_id
            nameless, self._nameless = self._nameless, []
            return [self._named(record) for record in nameless]
        if device_id and device_id != self.device_id:
            self.counts.add("other_identity")
            text = f"the handset says it is {device_id}; records are under {self.device_id}"
            return [Event(None, "other_identity", text)] if self.counts.by_reason["other_identity"] == 1 else []
        return []

    def fix(self, fix: Fix, external: bool = False) -> list[Item]:
        """A position, of this port or (external) of another."""
        if self.external and not external:
            return []
        items: list[Item] = self.clock(fix)
        self.last_fix = fix
        if fix.lat is not None:
            self._fixes.append(fix)
            items += self._release(fix.at_s, fix.at_s - self.settings.stale_s)
        return items

    def level(self, record: Record, at_s: float | None) -> list[Item]:
        """A record without position. at_s: when, on the stream's clock; None: with the last fix."""
        if at_s is None:
            self._place(record, None)
            return self._finished(record)
        items = self.now(at_s)
        self._waiting.append((at_s, record))
        if len(self._waiting) > MAX_WAITING:
            items += self._release(self._waiting[0][0], float("inf"), 1)
        return items

    def whole(self, record: Record) -> list[Item]:
        """A record that has its position already."""
        return self._finished(record)

    def now(self, at_s: float) -> list[Item]:
        """The stream's clock has come to at_s."""
        return self._release(float("-inf"), at_s - self.settings.stale_s) if self._waiting else []

    def finish(self) -> list[Item]:
        items = self._release(float("inf"), float("inf"))
        if self.fallback_id and not self.device_id:
            items += self.identity(self.fallback_id)
        text = "the handset never said who it is; give its identity (--device, or device_id in the profile)"
        items += [Reject(r.row_no, "device_id", "", "device_missing", text) for r in self._nameless]
        if self._nameless:
            self.counts.add("device_missing", len(self._nameless))
            self._nameless.clear()
        return items

    def _release(self, fixed_until: float, waited_since: float, most: int | None = None) -> list[Item]:
        items: list[Item] = []
        while self._waiting and (self._waiting[0][0] <= fixed_until or self._waiting[0][0] < waited_since):
            at_s, record = self._waiting.popleft()
            self._place(record, at_s)
            self._correct_time(record, at_s)
            items += self._finished(record)
            if most is not None and len(items) >= most:
                break
        return items

    def _place(self, record: Record, at_s: float | None) -> None:
        if at_s is None:
            if self.last_fix is not None and self.last_fix.lat is not None:
                take(record, self.last_fix)
            self._judge_no_service(record)
            return
        before = after = None
        for fix in reversed(self._fixes):
            if fix.at_s <= at_s:
                before = fix
                break
            after = fix
        known = [f for f in (before, after) if f is not None]
        if known:
            nearest = min(known, key=lambda f: abs(f.at_s - at_s))
            age = abs(nearest.at_s - at_s)
            take(record, nearest)
            record.pos_age_s = round(age, 3)
            if before and after and age > SAME_S and _near(before, after, 2 * self.settings.stale_s):
                share = (at_s - before.at_s) / (after.at_s - before.at_s)
                record.lat = before.lat + share * (after.lat - before.lat)
                record.lon = before.lon + share * (after.lon - before.lon)
                record.fix = "interpolated"
            if age > self.settings.lost_s:
                take(record, Fix(None, None, at_s))
                add_flag(record, "position_old")
            elif age > self.settings.stale_s:
                add_flag(record, "position_age")
        self._judge_no_service(record)

    def _judge_no_service(self, record: Record) -> None:
        if record.service_state != "no_service":
            return
        fresh = record.lat is not None and (record.pos_age_s or 0.0) <= self.settings.stale_s
        if not fresh:
            record.service_state = "unknown"
            add_flag(record, "no_service_without_position")
            return
        limit = self.settings.sensitivity_dbm
        if limit is None and record.technology in SENSITIVITY_DBM:
            limit = SENSITIVITY_DBM[record.technology]
            add_flag(record, "sensitivity_assumed")
        if limit is not None:
            record.rssi_dbm, record.rssi_censor = limit, "below"

    def _finished(self, record: Record) -> list[Item]:
        if record.device_id or self.device_id:
            return [self._named(record)]
        self._nameless.append(record)
        if len(self._nameless) <= MAX_WAITING:
            return []
        if self.fallback_id:
            return self.identity(self.fallback_id)
        self.counts.add("device_missing")
        lost = self._nameless.pop(0)
        text = "no identity came in time; give it with --device"
        return [Reject(lost.row_no, "device_id", "", "device_missing", text)]

    def _named(self, record: Record) -> Item:
        record.device_id = record.device_id or self.device_id
        record.datum_in = record.datum_in or (self.settings.datum if record.lat is not None else None)
        record.direction = self.settings.direction or record.direction
        record.technology = self.settings.technology or record.technology
        record.carry = record.carry or self.settings.carry
        record.profile = self.settings.name or record.profile
        result = checked(record)
        if isinstance(result, Reject):
            self.counts.add(result.code)
        return result

    def clock(self, fix: Fix) -> list[Item]:
        """Learns the satellites' time on the stream's clock; tells when the computer's clock is off or right again.

        Several fixes in a row have to agree: a single one may just be old.
        """
        if fix.time_us is None or fix.utc_us is None or fix.lat is None:
            return []
        if self._times and self._times[-1][0] == fix.time_us:
            return []
        ahead_s = (fix.utc_us - fix.time_us) / 1e6
        self._times.append((fix.time_us, fix.time_us / 1e6 - fix.at_s, ahead_s))
        since, ahead = (sorted(values) for values in list(zip(*self._times, strict=True))[1:])
        if len(since) < CLOCK_AGREEING:
            return []
        if since[-1] - since[0] <= CLOCK_OFFSET_S:
            self._satellites_s = since[len(since) // 2]
        if ahead[-1] - ahead[0] > CLOCK_OFFSET_S:
            return []
        offset = ahead[len(ahead) // 2]
        if abs(offset) <= CLOCK_OFFSET_S:
            offset = 0.0
        if abs(offset - self._told_s) <= CLOCK_OFFSET_S and bool(offset) == bool(self._told_s):
            return []
        self._told_s = offset
        if not offset:
            return [Event(fix.utc_us, "clock_offset", "the computer's clock agrees with the satellites' again")]
        way = "ahead of" if offset > 0 else "behind"
        text = f"the computer's clock is {abs(offset):.0f} s {way} the satellites'; records are given theirs, set it"
        return [Event(fix.utc_us, "clock_offset", text)]

    def _correct_time(self, record: Record, at_s: float) -> None:
        """The satellites' time where the computer's is known to be off."""
        if self._satellites_s is None or record.time_source != "host":
            return
        time_us = round((at_s + self._satellites_s) * 1e6)
        if abs(record.time_utc_us - time_us) > CLOCK_OFFSET_S * 1e6:
            record.time_utc_us, record.time_source = time_us, "gps"
            add_flag(record, "satellite_time")


def _near(before: Fix, after: Fix, longest_s: float) -> bool:
    """Whether a straight line between two fixes is a fair guess of what lies between."""
    gap = after.at_s - before.at_s
    if gap > longest_s or abs(after.lon - before.lon) > 1:
        return False
    # one degree is at most 111.3 km
    return 111_300 * max(abs(after.lat - before.lat), abs(after.lon - before.lon)) <= FASTEST_MPS * gap


def take(record: Record, fix: Fix) -> None:
    record.lat, record.lon, record.fix = fix.lat, fix.lon, fix.fix
    for name in DETAILS:
        setattr(record, name, getattr(fix, name))
    if fix.flags:
        add_flag(record, fix.flags)
