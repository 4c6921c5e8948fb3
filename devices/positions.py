"""Positions from another file: a track, merged by time into rows that have none of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices.archives import parts
from devices.draft import Draft
from devices.errors import DevicesError

LONGEST_GAP_US = 20_000_000  # between two points, for a place between them
NEAREST_US = 5_000_000


@dataclass
class Track:
    """Places in order of time, WGS 84."""

    time_us: np.ndarray
    lat: np.ndarray
    lon: np.ndarray

    def fill(self, draft: Draft) -> None:
        """Give rows without position the place between the two points around their time, if these are not more than
        20 s apart, else that of a point within 5 s. `pos_age_s` is the time to the nearer point."""
        n = len(draft)
        lat = draft.numbers.get("lat", np.full(n, np.nan))
        lon = draft.numbers.get("lon", np.full(n, np.nan))
        time = draft.time_us
        after = np.clip(np.searchsorted(self.time_us, time), 1, len(self.time_us) - 1)
        start, end = self.time_us[after - 1], self.time_us[after]
        share = np.clip((time - start) / np.maximum(1, end - start), 0.0, 1.0)
        age = np.minimum(np.abs(time - start), np.abs(end - time))
        between = (time >= start) & (time <= end) & (end - start <= LONGEST_GAP_US)
        share = np.where(between, share, np.round(share))
        found = np.isnan(lat) & (between | (age <= NEAREST_US))
        draft.numbers["lat"] = np.where(found, self.lat[after - 1] * (1 - share) + self.lat[after] * share, lat)
        draft.numbers["lon"] = np.where(found, self.lon[after - 1] * (1 - share) + self.lon[after] * share, lon)
        old_age = draft.numbers.get("pos_age_s", np.full(n, np.nan))
        draft.numbers["pos_age_s"] = np.where(found, age / 1e6, old_age)
        draft.texts["fix"] = pc.if_else(pa.array(found), "interpolated", draft.texts.get("fix", "none"))
        draft.texts.setdefault("datum_in", "wgs84")


def read_track(path: Path, zone: str, datum: str, now_us: int) -> Track:
    """The positions of a log of any format that is known. Raises DevicesError where it has fewer than two."""
    from devices.checks import Context
    from devices.formats.fields import Declared
    from devices.formats.read import Reading

    times, lats, lons = [], [], []
    for part in parts(path)[0]:
        for draft in Reading(part, Declared(device="track", zone=zone), Context(now_us, datum)).drafts():
            if "lat" in draft.numbers:
                there = ~np.isnan(draft.numbers["lat"])
                times.append(draft.time_us[there])
                lats.append(draft.numbers["lat"][there])
                lons.append(draft.numbers["lon"][there])
    time, first = np.unique(np.concatenate(times) if times else np.array([], np.int64), return_index=True)
    if len(time) < 2:
        raise DevicesError(f"{path.name}: holds fewer than two positions with a time: no track")
    return Track(time, np.concatenate(lats)[first], np.concatenate(lons)[first])
