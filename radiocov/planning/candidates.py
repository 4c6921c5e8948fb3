"""Where sites could be added: rows of a table of candidates, and places on the ground near what is missing."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from radiocov.boundaries import Boundary
from radiocov.network import Site
from radiocov.problems import Problem, ProjectError, did_you_mean
from terrain.sea import SEA

A_SIDE = 4  # squares a place is looked for in, by the reach of a site
FINE = 8  # squares in which what is missing is added up, by the reach
HALVED = 0.5  # what is missing counts for this much less with every place found within reach
SAME_MAST_DEG = 0.005  # about 500 m
NEAR = 0.1  # of the reach: nearer to a site that is there, a new one sees the same


@dataclass(frozen=True)
class Candidate:
    """A site that could be added, or be other than it is, all its sectors together. cost: in any unit, above 0;
    found: by its place alone."""

    id: str
    name: str
    rows: tuple[Site, ...]
    cost: float = 1.0
    found: bool = False

    @property
    def lonlat(self) -> tuple[float, float]:
        return self.rows[0].lon, self.rows[0].lat


def masts(rows: Sequence[Site], there: Sequence[Site], file: str, cost: float) -> list[Candidate]:
    """Candidates of a table's rows: sectors with the same mast in the column `site` are one.

    A row with the id of one of ``there`` is that site as it could be. cost: of a mast whose rows say none.
    ProjectError where such a row is at another place.
    """
    known = {site.id: site for site in there}
    moved = [
        row for row in rows
        if row.id in known and math.dist((row.lon, row.lat), (known[row.id].lon, known[row.id].lat)) > SAME_MAST_DEG
    ]  # fmt: skip
    if moved:
        raise ProjectError(
            [Problem(file, f'id "{row.id}"', "is the id of a site of the network, at another place",
                     "give new masts ids of their own, and a site that is to change its own place") for row in moved]
        )  # fmt: skip
    together: dict[str, list[Site]] = {}
    for row in rows:
        together.setdefault(row.site or row.id, []).append(row)
    return [
        Candidate(key, members[0].name, tuple(members), next((m.cost for m in members if m.cost is not None), cost))
        for key, members in together.items()
    ]


def example(sites: Sequence[Site], like: str | None) -> tuple[Site, ...]:
    """The rows whose equipment a found place gets: of the site or mast named, else of the most usual kind of site.

    A kind is what a mast carries: its sectors with heights, powers, losses, gains and antennas.
    """
    together: dict[str, list[Site]] = {}
    for site in sites:
        together.setdefault(site.site or site.id, []).append(site)
    if like is not None:
        rows = together.get(like) or [s for s in sites if s.id == like]
        if not rows:
            known = list(dict.fromkeys([*together, *(s.id for s in sites)]))
            raise ProjectError(Problem("--like", "", f'"{like}" is no site in service', did_you_mean(like, known)))
        return tuple(rows)
    kinds = Counter(_kind(rows) for rows in together.values())
    usual = kinds.most_common(1)[0][0]
    return tuple(next(rows for rows in together.values() if _kind(rows) == usual))


def _kind(rows: Sequence[Site]) -> tuple:
    return tuple((r.antenna_height_m, r.power_dbm, r.losses_db, r.gain_dbi, r.antenna) for r in rows)


@dataclass(frozen=True, eq=False)
class Wanting:
    """Places where something is missing, for all targets together. x, y: of the grid's plane, m; weight: each as a
    part of what its target needs."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def places(
    ground: Any, wanting: Wanting, there: np.ndarray, reach_m: float, count: int
) -> list[tuple[float, float]]:
    """Up to ``count`` places (x, y): the highest dry pixel of a square, where most is missing within reach.

    there: (n, 2) places of sites. What has a place within reach counts for half with the next one, so that places lie
    closest where most is missing.
    """
    if not len(wanting.weight):
        return []
    grid = ground.grid
    x, y = grid.centre_xy(*_highest(ground, max(1, round(reach_m / A_SIDE / grid.resolution_m)), wanting, reach_m))
    if len(there):
        apart, _ = cKDTree(there).query(np.column_stack([x, y]))
        x, y = x[apart >= NEAR * reach_m], y[apart >= NEAR * reach_m]
    fine = reach_m / FINE
    square = np.column_stack([np.floor(wanting.x / fine), np.floor(wanting.y / fine)])
    _, group = np.unique(square, axis=0, return_inverse=True)
    group = group.ravel()
    weight = np.bincount(group, wanting.weight)
    at = np.column_stack([np.bincount(group, wanting.weight * v) / weight for v in (wanting.x, wanting.y)])
    near = [np.array(n, int) for n in cKDTree(at).query_ball_point(np.column_stack([x, y]), reach_m)]
    chosen: list[int] = []
    worth = np.array([weight[n].sum() for n in near])
    while len(chosen) < count and len(worth) and worth.max() > 0.0:
        best = int(np.argmax(worth))
        chosen.append(best)
        weight[near[best]] *= HALVED
        worth = np.array([weight[n].sum() for n in near])
        worth[chosen] = 0.0
    return [(float(x[i]), float(y[i])) for i in chosen]


def _highest(ground: Any, side: int, wanting: Wanting, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the highest dry pixel of each square within reach of what is missing."""
    grid = ground.grid
    water = np.array([c.kind == "water" for c in ground.classes], bool)
    height, width = ground.elevation_m.shape
    around = int(np.ceil(reach_m / grid.resolution_m / side))
    row, col = grid.rowcol(wanting.x, wanting.y)
    wanted = np.zeros((-(-height // side), -(-width // side)), bool)
    wanted[(np.round(row) // side).astype(int), (np.round(col) // side).astype(int)] = True
    rows, cols = [], []
    for r, c in np.argwhere(binary_dilation(wanted, np.ones((3, 3)), around)):
        here = slice(r * side, (r + 1) * side), slice(c * side, (c + 1) * side)
        dry = ground.zone[here] != SEA
        if len(water):
            dry &= ~water[ground.clutter_class[here]]
        if dry.any():
            found = np.unravel_index(int(np.argmax(np.where(dry, ground.elevation_m[here], -np.inf))), dry.shape)
            rows.append(r * side + int(found[0]))
            cols.append(c * side + int(found[1]))
    return np.array(rows, int), np.array(cols, int)


def found_candidates(
    ground: Any, where: Sequence[tuple[float, float]], rows: Sequence[Site], taken: set[str],
    boundaries: Sequence[Boundary], cost: float,
) -> list[Candidate]:  # fmt: skip
    """Candidates at places of the ground, with an example's equipment."""
    found = []
    number = 0
    for x, y in where:
        number += 1
        while f"N{number:03d}" in taken:
            number += 1
        key = f"N{number:03d}"
        lon, lat = (round(float(v), 6) for v in ground.grid.to_lonlat(x, y))
        row, col = (round(float(v)) for v in ground.grid.rowcol(x, y))
        county = next((b.name for b in boundaries if b.geometry.contains(shapely.Point(lon, lat))), "")
        name = " ".join(filter(None, (county, f"{ground.elevation_m[row, col]:.0f} m")))
        sectors = tuple(
            dataclasses.replace(
                like, id=key if len(rows) == 1 else f"{key}-{n}", name=f"{name} ({key})", lon=lon, lat=lat,
                site=key if len(rows) > 1 else "", in_service=None, status="candidate", channels=(), simulcast="",
                launch_delay_us=None,
            )
            for n, like in enumerate(rows, start=1)
        )  # fmt: skip
        found.append(Candidate(key, name, sectors, cost, True))
    return found
