"""radiocov demo from nothing to the map; the slowest of the tests."""

import json
import math
import re

import numpy as np
import pytest
from rasterio.windows import Window

from radiocov.antennas import omni_beamwidth_deg, omni_pattern
from radiocov.coverage.results import computed_states, open_state


@pytest.fixture(scope="module")
def demos(made, tmp_path_factory):
    """Two runs at the same time, with one thread and with two: [(folder, exit code, stdout, stderr)]."""
    folders = [tmp_path_factory.mktemp(f"demo{jobs}") / "made-up" for jobs in (1, 2)]
    running = [made.start("demo", folder, "--jobs", jobs) for jobs, folder in enumerate(folders, start=1)]
    return [(folder, *made.finish(process)) for folder, process in zip(folders, running, strict=True)]


def test_the_demo_leaves_a_project_its_results_and_a_map(demos):
    folder, code, out, err = demos[0]
    assert code == 0, err
    for name in ("project.toml", "sites.csv", "areas.geojson", "roads.geojson", "counties.geojson",
                 "terrain/elevation.tif", "terrain/landcover.tif", "out/manifest.json", "out/map.html"):  # fmt: skip
        assert (folder / name).stat().st_size > 500, name
    assert computed_states(folder / "out") == ["2015", "2017"]
    assert (folder / "out" / "map.html").resolve().as_uri() in out
    assert "Traceback" not in err and "warning" not in err.lower()


def test_the_demo_tells_both_periods_and_that_all_is_made_up(demos):
    _, _, out, _ = demos[0]
    assert re.search(r": 2015 \(judged", out) and re.search(r": 2017 \(judged", out)
    for name in ("Key areas", "Urban areas", "Suburban areas", "Highways"):
        assert len(re.findall(rf"^ *{name} .*%.*%.*%.* (yes|no) ", out, re.MULTILINE)) == 2, name
    assert "SYNTHETIC terrain" in out and "not calibrated" in out
    assert "Project:" in out and "Next:" in out


def test_two_demos_are_the_same(made, demos):
    first, second = ({**made.digests(d[0]), **made.digests(d[0], "*.*")} for d in demos)
    assert first == second and len(first) > 16


def test_the_demo_can_be_run_again(made, radiocov, demos):
    """The folder of a demo is a project like any other: nothing has to be computed again."""
    folder = demos[1][0]
    before = made.digests(folder)
    ran = radiocov("coverage", folder, "-q")
    assert ran.code == 0 and " 2 of 2 states were up to date" in ran.out
    assert radiocov("check", folder).code == 0
    assert made.digests(folder) == before


def test_levels_of_the_demo_agree_with_exact_paths(made, demos):
    """The published raster at 200 random pixels, from the site that it names, path by path."""
    from radiocov.coverage.sector import LossSettings
    from radiocov.coverage.setup import read_ground

    folder = demos[0][0]
    inputs = made.inputs_of(folder)
    ground = read_ground(inputs)
    sites = {s.id: s for s in inputs.sites}
    results = open_state(folder / "out", "2017")
    names = json.loads((folder / "out" / "2017" / "manifest.json").read_text())["servers"]
    settings = LossSettings("p1812", 358.0, 30.0, 1.5)
    pattern = omni_pattern(9.0, omni_beamwidth_deg(9.0))
    random = np.random.default_rng(2017)
    difference = []
    while len(difference) < 200:
        row, col = int(random.integers(ground.grid.height)), int(random.integers(ground.grid.width))
        here = Window(col, row, 1, 1)
        number = int(results._dataset("best_server.tif").read(1, window=here)[0, 0])
        if number == 0:
            continue
        level = float(results._dataset("level_dbm.tif").read(1, window=here)[0, 0])
        s = sites[names[number - 1]]
        row0, col0 = (float(v) for v in ground.grid.rowcol(*ground.grid.from_lonlat(s.lon, s.lat)))
        loss = made.exact_loss(ground, settings, s.antenna_height_m, row0, col0, row, col)
        foot = made.profile_along(ground, row0, col0, row, col, 1)[0][0]
        down = foot + s.antenna_height_m - float(ground.elevation_m[row, col]) - 1.5
        across = math.hypot(row - row0, col - col0) * ground.grid.resolution_m
        attenuation = float(pattern.attenuation_db(0.0, -math.degrees(math.atan2(down, across))))
        difference.append(level - (47.0 - 6.0 + 9.0 - attenuation - loss))
    results.close()
    difference = np.array(difference)
    figures = made.spread(difference)
    print(figures)
    assert np.median(np.abs(difference)) < 0.5, figures
    # the best of several servers is a little more often one whose sample hears too well
    assert abs(difference.mean()) < 0.2, figures
