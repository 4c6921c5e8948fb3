"""What the readers of antenna files share."""

from __future__ import annotations

import math
from collections.abc import Callable

DIPOLE_GAIN_DBI = 2.15
MAX_PLAUSIBLE_DB = 150.0
MAX_FAULTS = 10  # a file that is not a pattern at all would otherwise report every line

Fault = Callable[[str, str, str], None]  # where, message, remedy


def parse_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
