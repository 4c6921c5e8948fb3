"""Whether positions lie on roads only when they are read on another datum: GCJ-02 sold as WGS 84."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from devices.cells import cell_of
from devices.datum import from_wgs84, to_wgs84

CELL_M = 100.0
LEAST_PLACES, MOST_PLACES = 30, 2000
ASKED_PLACES = 200  # their distances have the median of all within a few metres
ON_ROAD_M, TIMES_FARTHER = 25.0, 3.0
#: (longitudes, latitudes), degrees on WGS 84 -> metres to the nearest road
RoadDistance = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Better(NamedTuple):
    """A datum that fits the roads: median distance to them on it, and on the one that was declared, m, of so many
    places."""

    datum: str
    away_m: float
    was_m: float
    places: int


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

    def better(self, datum: str, distance: RoadDistance) -> Better | None:
        """The datum on which the positions lie on the roads, where the one that they were read on is wrong; None
        where they fit as well as on any other, or are too few."""
        if len(self) < LEAST_PLACES:
            return None
        lat, lon = np.array(list(self._found.values()))[:: -(-len(self) // ASKED_PLACES)].T
        away = {datum: float(np.median(distance(lon, lat)))}
        if away[datum] < ON_ROAD_M:
            return None
        raw = from_wgs84(lat, lon, datum)
        for other in ("wgs84", "gcj02", "bd09"):
            other_lat, other_lon = to_wgs84(*raw, other)
            away.setdefault(other, float(np.median(distance(other_lon, other_lat))))
        best = min(away, key=away.__getitem__)
        if away[best] > ON_ROAD_M or away[datum] < TIMES_FARTHER * away[best]:
            return None
        return Better(best, away[best], away[datum], len(lat))

    def note(self, datum: str, distance: RoadDistance) -> str:
        """What is wrong with the datum that the positions were read on, in words; "" where nothing is."""
        found = self.better(datum, distance)
        if found is None:
            return ""
        return (
            f"positions lie {found.was_m:.0f} m off the project's roads (median of {found.places} places), and "
            f"{found.away_m:.0f} m when read on {found.datum}: if {datum} was wrong, import with --datum "
            f"{found.datum}, a batch in the store being withdrawn first"
        )
