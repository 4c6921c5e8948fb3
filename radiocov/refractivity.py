"""Refractivity from the user's own copy of the ITU maps (Rec. ITU-R P.1812, DN50.TXT and N050.TXT).

The maps may not be passed on, so none comes with radiocov: without them the stated constants are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiocov.problems import Problem, ProjectError

ROWS, COLUMNS = 121, 241  # latitude 90 to -90, longitude 0 to 360, both in steps of 1.5 degrees
STEP_DEG = 1.5


@dataclass(frozen=True, eq=False)
class RefractivityMap:
    """A world map of one quantity, (121, 241), row 0 at 90 degrees north, column 0 at Greenwich, going east."""

    file: str
    values: np.ndarray

    def at(self, lon: float, lat: float) -> float:
        """Bilinear value at a place, degrees."""
        row = (90.0 - lat) / STEP_DEG
        col = (lon % 360.0) / STEP_DEG
        r, c = min(int(row), ROWS - 2), min(int(col), COLUMNS - 2)
        fr, fc = row - r, col - c
        upper = self.values[r, c] * (1.0 - fc) + self.values[r, c + 1] * fc
        lower = self.values[r + 1, c] * (1.0 - fc) + self.values[r + 1, c + 1] * fc
        return float(upper * (1.0 - fr) + lower * fr)


def read_map(path: Path, low: float, high: float) -> RefractivityMap:
    """Read DN50.TXT or N050.TXT. ProjectError where the file is no such map or a value is not within low..high."""

    def problem(message: str) -> ProjectError:
        remedy = f"give the ITU's file of {ROWS} rows of {COLUMNS} numbers"
        return ProjectError(Problem(path.name, "", message, remedy))

    try:
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        values = np.array(rows, dtype=np.float64)
    except OSError as error:
        raise problem(f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise problem("is not a table of numbers") from error
    if values.shape != (ROWS, COLUMNS):
        raise problem(f"has {values.shape[0]} rows of {values.shape[1] if values.ndim > 1 else 0} numbers")
    if not ((values >= low) & (values <= high)).all():
        raise problem(f"has values outside {low:g} to {high:g}")
    if np.abs(values[:, 0] - values[:, -1]).max() > 1e-6:
        raise problem("differs at 0 and 360 degrees, which are one meridian")
    return RefractivityMap(path.name, values)
