"""Heights of clutter: the legend's or measured ones, and never twice."""

import numpy as np
import pytest

from terrain.clutter import ClutterHeights
from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.load import load_ground
from terrain.sources import ElevationSource

GRID = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 100.0, 30, 20)
FOREST, URBAN = 4, 6  # codes of the legend "radiocov"


@pytest.fixture
def on_grid(made, tmp_path):
    def write(name, values, **options):
        return made.write(tmp_path / name, values, GRID.transform, crs=GRID.crs, **options)

    return write


@pytest.fixture
def plain(on_grid):
    """Bare ground at 50 m, forest in the west and a town in the east."""
    dem = on_grid("dem.tif", np.full(GRID.shape, 50, np.float32))
    codes = np.full(GRID.shape, FOREST, np.uint8)
    codes[:, 15:] = URBAN
    return dem, on_grid("cover.tif", codes)


def ground_of(plain, clutter=None, sources=None, **options):
    dem, cover = plain
    return load_ground(
        GRID, sources or [ElevationSource(dem)], landcover=cover, legend="radiocov", clutter=clutter, **options
    )


def test_heights_above_ground_replace_those_of_the_legend_where_there_are_any(plain, on_grid):
    measured = np.full(GRID.shape, -9999, np.float32)
    measured[:10, 15:] = 33.0
    measured[10:12, 15:] = -2.0  # noise of a difference
    heights = ClutterHeights(ElevationSource(on_grid("b.tif", measured, nodata=-9999), label="Buildings"))
    ground = ground_of(plain, heights)
    # a pixel beyond the data GDAL's bilinear warp lets values reach half a pixel: exact here, as pixels coincide
    assert (ground.clutter_height_m[:10, 15:] == 33).all() and (ground.clutter_height_m[10:12, 15:] == 0).all()
    assert (ground.clutter_height_m[12:, 15:] == 15).all() and (ground.clutter_height_m[:, :15] == 15).all()
    about = ground.provenance["clutter"]
    assert about["measured"]["clamped_pixels"] == 30 and about["measured"]["share"] == pytest.approx(180 / 600)
    assert "30.0% measured (Buildings)" in ground.provenance["surface_rule"]


def test_a_surface_less_the_bare_ground(plain, on_grid):
    surface = np.full(GRID.shape, 50.0, np.float32)
    surface[3:6, 3:6] = 62.0
    surface[8, 8] = 47.0
    above_sea = ClutterHeights(ElevationSource(on_grid("dsm.tif", surface)), above="sea")
    ground = ground_of(plain, above_sea)
    assert (ground.clutter_height_m[3:6, 3:6] == 12).all()
    assert ground.clutter_height_m[8, 8] == 0 and ground.clutter_height_m.sum() == 9 * 12
    assert ground.provenance["clutter"]["measured"]["rule"] == "surface less the elevation, at least 0"
    assert (ground.elevation_m == 50).all()


def test_nothing_is_added_where_the_elevation_is_a_surface_itself(plain, on_grid):
    dsm = np.full(GRID.shape, -9999, np.float32)
    dsm[:, :6] = 70.0
    sources = [
        ElevationSource(on_grid("dsm.tif", dsm, nodata=-9999), surface=True, label="DSM"),
        ElevationSource(plain[0], label="DTM"),
    ]
    measured = ClutterHeights(ElevationSource(on_grid("b.tif", np.full(GRID.shape, 8, np.float32))))
    for clutter, elsewhere in ((None, 15), (measured, 8)):
        ground = ground_of(plain, clutter, sources)
        surface = ground.elevation_source == 0
        assert surface.sum() == 6 * 20
        assert (ground.clutter_height_m[surface] == 0).all()
        assert (ground.clutter_height_m[~surface] == elsewhere).all()
        assert ground.provenance["surface_rule"].startswith("mixed: 20.0% of the pixels come from a surface model")
    assert ground.provenance["source"] == "DSM; DTM"


def test_heights_that_nothing_has_are_an_error(plain, on_grid):
    mistaken = ClutterHeights(ElevationSource(on_grid("dsm.tif", np.full(GRID.shape, 2500.0, np.float32))))
    with pytest.raises(TerrainError, match=r"dsm\.tif: 600 heights lie outside -200 to 1000 m"):
        ground_of(plain, mistaken)
    with pytest.raises(TerrainError, match="above 'roof'"):
        ClutterHeights(ElevationSource("a.tif"), above="roof")
