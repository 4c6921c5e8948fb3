"""The example that makes projects of measurement campaigns reads them as their README says, and calibrates."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from radiocov.calibration.rows import read_rows
from radiocov.calibration.run import measured_cells
from radiocov.inputs import read_inputs
from radiocov.project import load_project

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "campaigns" / "make.py"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("radiocov_example_campaigns", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def line(links, distance_km, zeros=False):
    """(exponent, sigma) of the least-squares line over log distance beyond 20 m; zeros: with an offset a receiver."""
    d = np.array([distance_km(k) for k in links])
    level = np.array([k.level_dbm for k in links])
    _, site = np.unique([k.site for k in links], return_inverse=True)
    use = d > 0.02
    x, y, site = np.log10(d[use]), level[use], site[use]
    if zeros:
        n = np.bincount(site)
        x, y = (v - (np.bincount(site, v) / np.maximum(n, 1))[site] for v in (x, y))
    else:
        x, y = x - x.mean(), y - y.mean()
    slope = np.sum(x * y) / np.sum(x * x)
    return -slope / 10.0, np.std(y - slope * x)


@pytest.mark.parametrize(
    ("name", "zeros", "exponent", "sigma"),
    [("bekaa", False, 2.90, 8.4), ("ota", False, 1.11, 8.1), ("powder", True, 2.63, 6.7)],
)
def test_a_campaign_is_read_as_its_readme_says(make, shared, name, zeros, exponent, sigma):
    campaign = make.SETS[name](shared / "data" / "measurements" / make.FOLDERS[name])
    found = line(campaign.links, make.distance_km, zeros)
    # published distances and coordinates agree within 60 m, which bends the line a little
    assert found[0] == pytest.approx(exponent, abs=0.05) and found[1] == pytest.approx(sigma, abs=0.1)


def test_a_campaign_becomes_a_project_whose_logs_pair(make, shared, tmp_path):
    data = shared / "data"
    campaign = make.SETS["bekaa"](data / "measurements" / make.FOLDERS["bekaa"])
    log = make.write(campaign, data / "dem" / "dted0", tmp_path / "bekaa", 50.0)
    inputs = read_inputs(load_project(tmp_path / "bekaa")).or_raise()
    _, prepared, paired = measured_cells(inputs, read_rows(inputs.project, [str(log)]))
    assert prepared.steps[0].before == len(campaign.links) == 2275
    assert paired.means.samples.sum() == 2275  # nothing is lost on the way
    assert set(paired.cells.devices) == {"node-0.2", "node-1.5", "node-3.0"} and paired.cells.talk_in.all()
    residual = paired.cells.level_dbm - paired.cells.predicted_dbm
    assert -20.0 < np.median(residual) < 0.0  # coarse terrain without clutter promises too much


def test_a_moving_receiver_becomes_a_site_for_each_place_where_it_stayed(make):
    def link(n, lat):
        return make.Link(make.day_of(f"2022-01-01 00:00:{n:02d}"), "h", 40.0, -111.0, "bus", lat, -111.0, -80.0)

    links = [link(n, lat) for lat, stay in ((40.01, 40), (40.02, 50), (40.03, 9)) for n in range(stay)]
    campaign = make.Campaign("c", 462.7, links, {"": 3.0})
    found = list(make.fixed(campaign))
    assert {k.site: round(k.site_lat, 3) for k in found} == {"bus@1": 40.01, "bus@2": 40.02}
    assert len(found) == 90 and campaign.left_out["moving receiver, too short at a place"] == 9
