"""What a grid loses against its sources, on fields whose loss is known; and that readers read the grid."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from radiocov.coverage.polar import direction, read_radial
from terrain.elevation import Mosaic
from terrain.fidelity import grid_loss
from terrain.grid import Grid
from terrain.load import load_ground
from terrain.profile import bilinear, profile
from terrain.sources import ElevationSource

EXTENT = (10.3, 45.3, 10.5, 45.5)


def loss_of(sources, step, voids="error"):
    grid = Grid.covering(EXTENT, step)
    return grid_loss(load_ground(grid, sources, voids=voids), Mosaic(sources, grid))


def test_a_plane_loses_nothing(made, tmp_path):
    tile = made.degree_tile(tmp_path / "a.tif", made.steep(45, 10), 45, 10, 600, 600)
    (found,) = loss_of([ElevationSource(tile, label="plane")], 400)
    # GDAL finds places within an eighth of a source pixel: at most 1 m on this slope
    assert found["label"] == "plane" and found["rms_m"] < 0.4 and found["max_m"] < 1.2
    assert found["source_pixels"] == pytest.approx(0.2 * 600 * 0.2 * 600, rel=0.1)


def test_ripples_finer_than_the_grid_are_lost_whole(made, tmp_path):
    """A chequerboard of +-10 m that a coarse grid averages away: RMS 10, every difference 10."""
    def chequered(lon, lat):
        return 500.0 + 10.0 * np.where((np.floor(lon * 1200) + np.floor(lat * 1200)) % 2, 1, -1)

    tile = made.degree_tile(tmp_path / "a.tif", chequered, 45, 10, 1200, 1200)
    (found,) = loss_of([ElevationSource(tile)], 2000)
    assert found["rms_m"] == pytest.approx(10, abs=0.2) and found["p95_m"] == pytest.approx(10, abs=0.5)
    assert found["mean_m"] == pytest.approx(0, abs=0.1)


def test_a_finer_grid_loses_less(shared):
    """Real ground, the central Alps at 3 seconds."""
    tile = shared / "data" / "dem" / "srtm3_N46E008.tif"
    found = {}
    for step in (50, 100, 300):
        grid = Grid.covering((8.3, 46.3, 8.5, 46.5), step)
        sources = [ElevationSource(tile)]
        found[step] = grid_loss(load_ground(grid, sources, voids="interpolate"), Mosaic(sources, grid))[0]
    assert found[50]["rms_m"] < found[100]["rms_m"] < found[300]["rms_m"]
    assert found[50]["rms_m"] < 8 and 20 < found[300]["rms_m"] < 60
    assert all(one["rms_m"] < one["p95_m"] < one["max_m"] for one in found.values())


def test_patches_stand_for_the_whole(made, tmp_path, monkeypatch):
    tile = made.degree_tile(tmp_path / "a.tif", made.rough, 45, 10, 1200, 1200)
    (whole,) = loss_of([ElevationSource(tile)], 1000)
    monkeypatch.setattr("terrain.fidelity.MOST_PIXELS", 10)
    monkeypatch.setattr("terrain.fidelity.PATCH", 9)
    (patches,) = loss_of([ElevationSource(tile)], 1000)
    assert patches["source_pixels"] < whole["source_pixels"] / 3
    assert patches["rms_m"] == pytest.approx(whole["rms_m"], rel=0.15)


def test_profiles_and_radials_read_the_grid_bilinearly(shared):
    """Every sample within 0.1 m of a plain reading of the grid, in real mountains."""
    grid = Grid.covering((8.3, 46.3, 8.6, 46.5), 60)
    ground = load_ground(grid, [ElevationSource(shared / "data/dem/srtm3_N46E008.tif")], voids="interpolate")
    heights = ground.elevation_m.astype(float)
    x0, y0 = grid.centre_xy(100.3, 150.7)
    for azimuth in range(0, 360, 15):
        x1 = x0 + 5000 * np.sin(np.radians(azimuth))
        y1 = y0 + 5000 * np.cos(np.radians(azimuth))
        line = profile(ground, x0, y0, x1, y1, 37.0)
        expected = map_coordinates(heights, grid.rowcol(line.x, line.y), order=1, mode="nearest")
        assert np.abs(line.elevation_m - expected).max() < 1e-6
    count, radials = 80, 64
    h, r, z = np.empty(count), np.empty(count), np.empty(count, np.uint8)
    for radial in range(0, radials, 5):
        d_row, d_col = direction(radial, radials)
        arrays = ground.elevation_m, ground.clutter_height_m, ground.zone
        n = read_radial(*arrays, 100.3, 150.7, d_row, d_col, count, h, r, z)
        steps = np.arange(n)
        expected = bilinear(ground.elevation_m, 100.3 + steps * d_row, 150.7 + steps * d_col)
        assert n == count and np.abs(h[:n] - expected).max() < 0.1
