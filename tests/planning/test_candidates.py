"""Places found on made-up ground, and masts of a table."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from radiocov.planning.candidates import NEAR, Wanting, example, found_candidates, masts, places
from radiocov.problems import ProjectError
from terrain.grid import Grid

GRID = Grid("EPSG:32651", 450_000.0, 4_600_000.0, 100.0, 200, 200)
REACH_M = 4000.0


def ground(seed=1, water=None):
    rng = np.random.default_rng(seed)
    classes = np.zeros(GRID.shape, np.uint8)
    zone = np.full(GRID.shape, 4, np.uint8)
    if water is not None:
        classes[:, :water] = 1
        zone[:, : water // 2] = 1
    return SimpleNamespace(
        grid=GRID, elevation_m=rng.uniform(0, 500, GRID.shape).astype(np.float32), clutter_class=classes, zone=zone,
        classes=[SimpleNamespace(kind="open"), SimpleNamespace(kind="water")],
    )  # fmt: skip


def around(row, col, weight=1.0, n=6):
    rows, cols = (a.ravel() for a in np.mgrid[row - n : row + n, col - n : col + n])
    x, y = GRID.centre_xy(rows, cols)
    return Wanting(x, y, np.full(len(x), weight))


def both(*wanted):
    return Wanting(*(np.concatenate([getattr(w, name) for w in wanted]) for name in ("x", "y", "weight")))


NOBODY = np.zeros((0, 2))


def test_places_are_the_highest_of_their_surroundings_within_reach():
    here = ground()
    wanting = around(100, 60)
    found = places(here, wanting, NOBODY, REACH_M, 10)
    assert len(found) == 10 == len(set(found))
    for x, y in found:
        assert np.hypot(wanting.x - x, wanting.y - y).min() <= REACH_M
        row, col = (round(float(v)) for v in GRID.rowcol(x, y))
        square = here.elevation_m[row // 10 * 10 : row // 10 * 10 + 10, col // 10 * 10 : col // 10 * 10 + 10]
        assert here.elevation_m[row, col] == square.max()


def test_the_first_is_where_most_is_missing_and_the_next_where_something_else_is():
    x, y = np.array(places(ground(), both(around(40, 40, 3.0), around(160, 160, 2.0)), NOBODY, REACH_M, 3)).T
    row, col = (np.asarray(v) for v in GRID.rowcol(x, y))
    assert row[0] < 100 and col[0] < 100, "the heavier"
    assert row[1] > 100 and col[1] > 100, "the other, once the heavier counts for half"


def test_none_stands_in_water_or_beside_a_site():
    here, wanting = ground(water=60), around(100, 60, n=20)
    sites = np.column_stack([wanting.x, wanting.y])[::7]
    dry = places(here, wanting, NOBODY, REACH_M, 50)
    assert dry and all(round(float(GRID.rowcol(x, y)[1])) >= 60 for x, y in dry)
    for x, y in places(here, wanting, sites, REACH_M, 50):
        assert np.hypot(*(sites - (x, y)).T).min() >= NEAR * REACH_M


def test_nothing_missing_or_all_water_finds_nothing():
    assert places(ground(), Wanting(*np.zeros((3, 0))), NOBODY, REACH_M, 5) == []
    assert places(ground(water=200), around(100, 60), NOBODY, REACH_M, 5) == []


def test_found_places_have_the_usual_mast_s_sectors_and_ids_of_their_own(made):
    omni = [made.site(f"O{n}", 122.5, 41.5) for n in range(2)]
    sectors = [
        made.site(f"{mast}-{n}", 122.6, 41.6, site=mast, antenna="beam:65/10", azimuth_deg=120.0 * n,
                  channels=(361.0,))
        for mast in ("A", "B", "C") for n in range(3)
    ]  # fmt: skip
    usual = example([*omni, *sectors], None)
    assert [r.id for r in usual] == ["A-0", "A-1", "A-2"]
    assert example([*omni, *sectors], "O1") == (omni[1],) and len(example(sectors, "B")) == 3
    with pytest.raises(ProjectError, match="no site in service"):
        example(omni, "Z")
    x, y = GRID.centre_xy(50, 50)
    found = found_candidates(ground(), [(x, y), (x + 900, y)], usual, {"N001"}, [], 2.5)
    assert [c.id for c in found] == ["N002", "N003"] and {c.cost for c in found} == {2.5}
    for c in found:
        assert [r.azimuth_deg for r in c.rows] == [0.0, 120.0, 240.0] and {r.site for r in c.rows} == {c.id}
        assert all(r.channels == () and r.status == "candidate" and r.in_service is None for r in c.rows)
    assert GRID.from_lonlat(*found[0].lonlat) == pytest.approx((x, y), abs=0.2)


def test_rows_of_a_mast_are_one_candidate_with_its_cost(made):
    rows = [made.site("X", 1, 2), *(made.site(f"Y{n}", 1, 2, site="Y") for n in range(3))]
    rows[2] = dataclasses.replace(rows[2], cost=40.0)
    found = masts(rows, [], "towers.csv", 7.0)
    assert [(c.id, len(c.rows), c.cost) for c in found] == [("X", 1, 7.0), ("Y", 3, 40.0)]
    higher = dataclasses.replace(rows[0], antenna_height_m=90.0)
    assert masts([higher], [rows[0]], "towers.csv", 1.0)[0].rows == (higher,)
    with pytest.raises(ProjectError, match='id "X": is the id of a site of the network, at another place'):
        masts([dataclasses.replace(higher, lat=2.1)], [rows[0]], "towers.csv", 1.0)
