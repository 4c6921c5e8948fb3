"""Whether positions lie on roads only when they are read on another datum: GCJ-02 sold as WGS 84."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from devices.cells import cell_of
from devices.datum import from_wgs84, to_wgs84

CELL_M = 100.0
LEAST_PLACES, MOST_PLACES = 30, 2000
ASKED_PLACES = 200  # their distances have the median of all within a few metres
ON_ROAD_M, TIMES_FARTHER = 25.0, 3.0
#: (longitudes, latitudes), degrees on WGS 84 -> metres to the nearest road
RoadDistance = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Places:
    """One position of each cell of a log: a parked car tells no more than one that passed."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, lat: np.ndarray, lon: np.ndarray) -> None:
        """Degrees on WGS 84, NaN for unknown."""
        if len(self) >= MOST_PLACES:
            return
        every = max(1, len(lat) // MOST_PLACES)
        lat, lon = lat[::every], lon[::every]
        cells, first = np.unique(cell_of(lat, lon, CELL_M), return_index=True)
        for cell, at in zip(cells.tolist(), first.tolist(), strict=True):
            if cell >= 0:
                self._found.setdefault(cell, (float(lat[at]), float(lon[at])))

    def note(self, datum: str, distance: RoadDistance) -> str:
        """What is wrong with the datum that the positions were read on; "" where they fit the roads as well as on
        any other, or are too few."""
        if len(self) < LEAST_PLACES:
            return ""
        lat, lon = np.array(list(self._found.values()))[:: -(-len(self) // ASKED_PLACES)].T
        away = {datum: float(np.median(distance(lon, lat)))}
        if away[datum] < ON_ROAD_M:
            return ""
        raw = from_wgs84(lat, lon, datum)
        for other in ("wgs84", "gcj02", "bd09"):
            other_lat, other_lon = to_wgs84(*raw, other)
            away.setdefault(other, float(np.median(distance(other_lon, other_lat))))
        best = min(away, key=away.__getitem__)
        if away[best] > ON_ROAD_M or away[datum] < TIMES_FARTHER * away[best]:
            return ""
        return (
            f"positions lie {away[datum]:.0f} m off the project's roads (median of {len(lat)} places), and "
            f"{away[best]:.0f} m when read on {best}: if {datum} was wrong, import with --datum {best}, a batch in "
            "the store being withdrawn first"
        )
