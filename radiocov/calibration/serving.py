"""Which site of the network a log row is about, and where that site is."""

from __future__ import annotations

import datetime as dt

import numpy as np

from radiocov.antennas import Pattern
from radiocov.calibration.rows import Rows
from radiocov.coverage.setup import grid_north_deg, pattern_of
from radiocov.inputs import Inputs
from radiocov.network import Site
from terrain.grid import Grid

CHANNEL_HZ = 3000.0  # a log's frequency names a carrier within this
NEVER = np.iinfo(np.int64).max
EPOCH = dt.date(1970, 1, 1)


class SiteBook:
    """The sites by the ids that logs may give: their own, those of [calibration] site_ids, a mast's name (then the
    sector that points there), else a carrier that only one site has."""

    def __init__(self, inputs: Inputs, grid: Grid) -> None:
        self.inputs, self.sites = inputs, inputs.sites
        self.aliases = inputs.project.calibration.site_ids
        places = [grid.from_lonlat(*site.antenna_lonlat) for site in self.sites]
        self.x, self.y = (np.array([float(p[i]) for p in places]) for i in (0, 1))
        self.north_deg = [grid_north_deg(grid, site) for site in self.sites]
        self._patterns: dict[Site, Pattern] = {}
        self._since = np.array([self._first_day(site) for site in self.sites], np.int64)
        self._groups: dict[str, list[int]] = {}
        for number, site in enumerate(self.sites):
            for name in dict.fromkeys((site.site, site.name)):
                if name:
                    self._groups.setdefault(name, []).append(number)
        for number, site in enumerate(self.sites):
            self._groups[site.id] = [number]

    @staticmethod
    def _first_day(site: Site) -> int:
        if site.status == "candidate":
            return NEVER
        return (site.in_service - EPOCH).days if site.in_service else -NEVER

    def of_rows(self, rows: Rows, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(position of each row's site or -1, whether the row may count: it names a site, or heard none)."""
        found = np.full(len(rows), -1)
        for code, word in enumerate(rows.words["site_id"]):
            mine = np.flatnonzero(rows.texts["site_id"] == code)
            if not len(mine):
                continue
            if word:
                group = self._groups.get(self.aliases.get(word, word), [])
                found[mine] = self._pointing(group, x[mine], y[mine])
            elif len(self.sites) == 1:
                found[mine] = np.where(rows.silent[mine], -1, 0)
            else:
                found[mine] = self._of_carriers(rows.freq_hz[mine])
        # without a site's name a silence is about whichever site should be heard there
        nameless = rows.silent & (rows.texts["site_id"] == 0)
        found[nameless] = -1
        return found, (found >= 0) | nameless

    def _pointing(self, group: list[int], x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if len(group) < 2:
            return np.full(len(x), group[0] if group else -1)
        towards = np.stack([self.gain_towards_dbi(number, x, y) for number in group])
        return np.array(group)[np.argmax(towards, axis=0)]

    def gain_towards_dbi(self, number: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """EIRP less attenuation in the horizontal plane towards places, dBm."""
        site = self.sites[number]
        azimuth = np.degrees(np.arctan2(x - self.x[number], y - self.y[number])) - self.north_deg[number]
        method = self.inputs.project.sites.pattern_method
        return site.eirp_max_dbm - self.pattern(site).attenuation_db(azimuth - site.azimuth_deg, 0.0, 0.0, method)

    def pattern(self, end: Site) -> Pattern:
        """Of a site, or of its receiver."""
        if end not in self._patterns:
            self._patterns[end] = pattern_of(self.inputs.project, end)
        return self._patterns[end]

    def _of_carriers(self, freq_hz: np.ndarray) -> np.ndarray:
        carriers = [(number, mhz * 1e6) for number, site in enumerate(self.sites) for mhz in site.channels]
        found = np.full(len(freq_hz), -1)
        for value in np.unique(freq_hz[~np.isnan(freq_hz)]):
            near = {number for number, hz in carriers if abs(hz - value) <= CHANNEL_HZ}
            if len(near) == 1:
                found[freq_hz == value] = near.pop()
        return found

    def unknown(self, rows: Rows, named: np.ndarray) -> str:
        """The ids that name no site, most frequent first, for people; "" where there are none."""
        codes, n = np.unique(rows.texts["site_id"][~named], return_counts=True)
        words = [(rows.words["site_id"][code] or "(none)", int(k)) for code, k in zip(codes, n, strict=True)]
        shown = sorted(words, key=lambda one: -one[1])
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        return ", ".join(f"{word} ({k:,})" for word, k in shown[:5]) + more

    def in_service(self, site: np.ndarray, day: np.ndarray) -> np.ndarray:
        return day >= self._since[site]

    def distance_m(self, site: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """From each place to its site; NaN where there is none."""
        return np.where(site < 0, np.nan, np.hypot(x - self.x[site], y - self.y[site]))
