"""Radio Mobile antenna files (.ant)."""

from __future__ import annotations

import numpy as np

from radiocov.antennas.cells import MAX_FAULTS, MAX_PLAUSIBLE_DB, Fault, parse_number
from radiocov.antennas.pattern import Pattern


def read_ant(stem: str, lines: list[str], fault: Fault) -> Pattern | None:
    """Radio Mobile: 360 gains relative to the maximum [dB] by azimuth, then from +90 (up) through 0 (front)
    and -90 (down): 360 values all the way round (V3), or 180 or 181 of the front half (V2), then mirrored."""
    values: list[float] = []
    bad = 0
    for number, line in enumerate(lines, start=1):
        for word in line.split():
            value = parse_number(word.replace(",", "."))
            if value is None or value > 0 or value < -MAX_PLAUSIBLE_DB:
                bad += 1
                if bad <= MAX_FAULTS:
                    fault(f"line {number}", f'"{word}" is not a relative gain',
                          "give dB relative to the maximum: 0 or a negative number")
            else:
                values.append(-value)
    if bad:
        return None
    if len(values) not in (540, 541, 720):
        fault("", f"{len(values)} values", "give 360 azimuths and then 360 (V3) or 181 (V2) elevations")
        return None
    horizontal, listed = np.array(values[:360]), np.array(values[360:])
    down = (np.arange(listed.size) - 90) % 360
    vertical = np.full(360, np.nan)
    vertical[down] = listed
    if listed.size == 180:  # the value straight down is left out
        vertical[90] = listed[-1]
    behind = np.flatnonzero(np.isnan(vertical))
    vertical[behind] = vertical[(180 - behind) % 360]
    return Pattern(stem, None, None, horizontal, vertical)
