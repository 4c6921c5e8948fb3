"""Loss rasters against models path by path: own profiles, own distances, only the single-path model in common."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from radiocov.coverage import polar
from radiocov.coverage.sector import LossSettings, Transmitter, fan_of, loss_raster
from radiocov.coverage.setup import loss_settings, read_ground, terminal_height_m
from radiocov.demo import write_demo
from radiocov.propagation import itm
from terrain.grid import Grid

SITES = ("LT01", "CS02", "TW16")  # the plain and the coast, a valley, a hill
PIXELS = 200  # a site


@pytest.fixture(scope="module")
def rasters(made, tmp_path_factory):
    """The demo's ground, and for each site where it stands, its antenna's height and its loss raster."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    inputs = made.inputs_of(folder)
    ground = read_ground(inputs)
    project = inputs.project
    settings = loss_settings(project, project.model.frequency_mhz, terminal_height_m(project))
    found = []
    for s in (s for s in inputs.sites if s.id in SITES):
        x, y = (float(v) for v in ground.grid.from_lonlat(s.lon, s.lat))
        place = *ground.grid.rowcol(x, y), s.antenna_height_m
        found.append((*place, *loss_raster(ground, Transmitter(x, y, s.antenna_height_m), settings)))
    assert len(found) == len(SITES)
    return ground, settings, found


@pytest.fixture(scope="module")
def pixels(rasters):
    """Random pixels with a loss: (number of the site, row, column, loss)."""
    ground, _, found = rasters
    random = np.random.default_rng(1812)
    chosen = []
    while len(chosen) < PIXELS * len(found):
        number = len(chosen) % len(found)
        *_, window, loss = found[number]
        row, col = random.integers(window.height), random.integers(window.width)
        if math.isfinite(loss[row, col]):
            chosen.append((number, window.top + int(row), window.left + int(col), float(loss[row, col])))
    return chosen


def test_every_pixel_holds_the_path_loss_of_its_radial_sample(made, rasters, pixels):
    ground, settings, found = rasters
    fan = fan_of(ground.grid, settings.radius_km)
    difference = []
    for number, row, col, loss in pixels:
        row0, col0, height_m, *_ = found[number]
        radial, ring = polar.sample_of_pixel(row, col, row0, col0, fan.rings, fan.radials, fan.level)
        assert ring > 0
        azimuth = 2.0 * math.pi * radial / fan.radials
        to = row0 - ring * math.cos(azimuth), col0 + ring * math.sin(azimuth)
        difference.append(loss - made.loss_along(ground, settings, height_m, row0, col0, *to, ring))
    difference = np.array(difference)
    assert np.abs(difference).max() < 0.001, made.spread(difference)


def test_a_pixel_takes_a_sample_half_a_step_away_at_most(rasters, pixels):
    ground, settings, found = rasters
    fan = fan_of(ground.grid, settings.radius_km)
    for number, row, col, _ in pixels:
        row0, col0, *_ = found[number]
        radial, ring = polar.sample_of_pixel(row, col, row0, col0, fan.rings, fan.radials, fan.level)
        distance, azimuth = math.hypot(row - row0, col - col0), math.atan2(col - col0, row0 - row)
        aside = (azimuth - 2.0 * math.pi * radial / fan.radials + math.pi) % (2.0 * math.pi) - math.pi
        assert abs(distance - ring) <= 0.5 + 1e-9
        assert abs(aside) * ring <= 0.5 + 1e-9


def test_losses_agree_with_exact_paths_to_the_pixels_centres(made, rasters, pixels, record_property):
    ground, settings, found = rasters
    difference = np.array(
        [
            loss - made.exact_loss(ground, settings, found[number][2], *found[number][:2], row, col)
            for number, row, col, loss in pixels
        ]
    )
    figures = made.spread(difference)
    record_property("against exact paths", figures)
    print(figures)
    assert np.median(np.abs(difference)) < 0.5, figures
    assert abs(difference.mean()) < 0.1, figures


def test_reach_is_the_radius_and_the_grid(rasters):
    """No value beyond the radius (to half a pixel), every pixel nearer has one."""
    ground, settings, found = rasters
    reach = settings.radius_km * 1000.0 / ground.grid.resolution_m
    for row0, col0, _, window, loss in found:
        row, col = np.mgrid[window.top : window.top + window.height, window.left : window.left + window.width]
        distance = np.hypot(row - row0, col - col0)
        assert np.isnan(loss[distance > reach + 0.5]).all()
        assert np.isfinite(loss[distance < reach - 0.5]).all()
        outside = np.ones(ground.grid.shape, bool)
        outside[window.slices] = False
        row, col = np.nonzero(outside)
        assert (np.hypot(row - row0, col - col0) > reach - 0.5).all()


def test_no_place_hears_better_than_in_free_space(rasters):
    """But for the half pixel by which a sample may stand nearer than its pixel, and where ducts help a little."""
    ground, settings, found = rasters
    x, y = ground.grid.centre_xy(*found[0][:2])
    transmitter = Transmitter(float(x), float(y), found[0][2])
    _, free = loss_raster(ground, transmitter, dataclasses.replace(settings, model="free-space"))
    *_, window, loss = found[0]
    row, col = np.mgrid[window.top : window.top + window.height, window.left : window.left + window.width]
    distance = np.hypot(row - found[0][0], col - found[0][1])
    far = (distance > 5.0) & np.isfinite(free) & np.isfinite(loss)
    allowed = 20.0 * np.log10(distance[far] / (distance[far] - 0.5)) + 0.1
    assert (loss[far] > free[far] - allowed).all()
    assert np.median(loss[far] - free[far]) > 10.0


def test_itm_at_the_radial_sample_is_itm_on_that_radial(made):
    """The other model that runs along radials, at random pixels of a ridge and a plain."""
    grid = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 100.0, 161, 161)
    rows, cols = np.mgrid[0:161, 0:161]
    heights = (20.0 + 300.0 * np.exp(-(((cols - 110) / 12.0) ** 2)) + 5.0 * np.sin(rows / 4.0)).astype(np.float32)
    ground = SimpleNamespace(
        grid=grid, elevation_m=heights, clutter_height_m=np.zeros_like(heights),
        zone=np.full(grid.shape, 4, np.uint8), clutter_class=np.zeros(grid.shape, np.uint8), classes=[],
    )  # fmt: skip
    settings = LossSettings("itm", 358.0, 7.0, 1.5, n0=301.0)
    x, y = grid.centre_xy(80, 80)
    window, loss = loss_raster(ground, Transmitter(x, y, 40.0), settings)
    fan = fan_of(grid, settings.radius_km)
    rng = np.random.default_rng(5)
    for row, col in rng.integers(20, 141, (40, 2)):
        radial, ring = polar.sample_of_pixel(row, col, 80.0, 80.0, fan.rings, fan.radials, fan.level)
        if ring < 2:
            continue
        d_row, d_col = polar.direction(radial, fan.radials)
        steps = np.arange(ring + 1)
        line = made.map_coordinates(heights.astype(float), [80 + steps * d_row, 80 + steps * d_col], order=1)
        expected = itm.itm_p2p(line, 100.0, 358.0, 40.0, 1.5, n0=301.0)
        assert loss[row - window.top, col - window.left] == pytest.approx(expected, abs=0.001)


def test_it_is_known_whether_the_engine_is_compiled(rasters, monkeypatch, tmp_path):
    from radiocov.coverage.sector import is_compiled

    assert is_compiled("p1812") and is_compiled("free-space")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not is_compiled("p1812") and not is_compiled("itm") and is_compiled("free-space")
