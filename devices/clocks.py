"""The two clocks of a host: one for the date, which can jump, and one for intervals, which can't."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devices.streams import Event

JUMP_S = 2.0
# Linux: runs on while the machine sleeps, so that the age of a position is true after it.
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def boot_ns() -> int:
    """Nanoseconds on a clock that never jumps; it counts sleep where the system has such a clock (Linux)."""
    return time.clock_gettime_ns(_BOOT) if _BOOT is not None else time.monotonic_ns()


def utc_us() -> int:
    """Microseconds since 1970 UTC by the host's clock."""
    return time.time_ns() // 1000


def when(us: int | None) -> str:
    """A time for people: 2026-11-24 08:15:02Z."""
    return "" if us is None else datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@dataclass
class ClockWatch:
    """Compares the clocks whenever asked and tells of jumps of the wall clock and of sleep.

    The three readings (wall, boot, awake) are arguments so that a rehearsal can drive them.
    """

    _last: tuple[int, int, int] | None = field(default=None)

    def look(self, wall_us: int, boot: int, awake_ns: int) -> list[Event]:
        """Events since the last look; the clocks in µs UTC, ns with and ns without the time asleep."""
        events = []
        if self._last is not None:
            wall_s = (wall_us - self._last[0]) / 1e6
            boot_s = (boot - self._last[1]) / 1e9
            slept = boot_s - (awake_ns - self._last[2]) / 1e9
            if slept > JUMP_S:
                text = f"the computer slept for {slept:.0f} s; nothing was recorded then"
                events.append(Event(wall_us, "sleep", text))
            elif boot_s - slept > 60:
                events.append(Event(wall_us, "stalled", f"the recorder stood still for {boot_s:.0f} s"))
            jump = wall_s - boot_s
            if abs(jump) > JUMP_S:
                text = f"the computer's clock was set {'forward' if jump > 0 else 'back'} by {abs(jump):.1f} s"
                events.append(Event(wall_us, "clock_jump", text))
        self._last = (wall_us, boot, awake_ns)
        return events
