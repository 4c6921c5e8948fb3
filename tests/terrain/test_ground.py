"""Ground put together: zones, the surface rule, profiles."""

import json

import numpy as np
import pytest
import rasterio
from scipy.ndimage import map_coordinates

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.ground import COASTAL_LAND, INLAND, SEA, Ground
from terrain.load import load_ground
from terrain.profile import profile
from terrain.sea import mark_coast
from terrain.sources import ElevationSource

CRS = "EPSG:32651"
# 80 km x 20 km at 200 m: sea in the west 10 km, a pond, land rising to the east.
GRID = Grid(CRS, 500_000.0, 4_540_000.0, 200.0, 400, 100)


def write(path, values, nodata=None):
    values = np.asarray(values)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=values.shape[0],
        width=values.shape[1],
        dtype=values.dtype,
        crs=CRS,
        transform=GRID.transform,
        nodata=nodata,
    ) as dataset:
        dataset.write(values, 1)
    return path


@pytest.fixture
def files(tmp_path):
    heights = np.tile(np.maximum(np.arange(400) - 49, 0).astype(np.float32), (100, 1))
    heights[40:50, 100:110] = 0  # 4 km2 of water at sea level: no sea
    heights[20:60, 200:300] = 0  # dry land at sea level: a polder of 160 km2
    codes = np.full((100, 400), 4, np.uint8)
    codes[:, :25], codes[:, 25:50] = 1, 0
    codes[40:50, 100:110] = 1
    codes[:, 120:140] = 7
    return write(tmp_path / "dem.tif", heights), write(tmp_path / "cover.tif", codes)


def test_zones_and_classes(files):
    dem, cover = files
    ground = load_ground(GRID, [ElevationSource(dem)], landcover=cover, legend="radiocov", source="test")
    assert (ground.zone[:, :50] == SEA).all() and (ground.zone[:, 50:] != SEA).all()
    # Unclassified sea becomes water.
    assert {ground.classes[i].name for i in np.unique(ground.clutter_class[:, :50])} == {"water"}
    # Below 100 m up to 50 km from the last sea column; beyond, and above, inland.
    assert (ground.zone[0, 50:149] == COASTAL_LAND).all() and (ground.zone[0, 149:] == INLAND).all()
    assert ground.zone[30, 299] == COASTAL_LAND and ground.zone[30, 250] == COASTAL_LAND
    assert ground.clutter_height_m[0, 130] == 20 and ground.clutter_height_m[0, 10] == 0
    assert "bare ground" in ground.provenance["surface_rule"]
    assert ground.provenance["zones"]["sea_share"] == pytest.approx(50 / 400)
    json.dumps(ground.provenance)


def coast_of_the_first_column():
    zone = np.full(GRID.shape, INLAND, np.uint8)
    zone[:, 0] = SEA
    mark_coast(zone, np.zeros(GRID.shape, np.float32), GRID)
    return zone


def test_reach_of_the_coast_ends_at_50_km():
    zone = coast_of_the_first_column()
    assert (zone[:, 1:251] == COASTAL_LAND).all() and (zone[:, 251:] == INLAND).all()


def test_blocks_of_large_grids_stay_within_a_block(monkeypatch):
    monkeypatch.setattr("terrain.sea._DISTANCE_CELLS", 3000)
    zone = coast_of_the_first_column()
    assert abs(int((zone[0] == COASTAL_LAND).sum()) - 250) <= 4 and zone.shape == GRID.shape


def test_surface_models_carry_no_clutter_height(files, tmp_path):
    dem, cover = files
    ground = load_ground(GRID, [ElevationSource(dem, surface=True)], landcover=cover, legend="radiocov")
    assert not ground.clutter_height_m.any() and "not added" in ground.provenance["surface_rule"]
    assert ground.classes[ground.clutter_class[0, 130]].name == "dense-urban"
    partial = np.full((100, 400), -9999, np.float32)
    partial[:, :125] = 5
    first = ElevationSource(write(tmp_path / "dsm.tif", partial, nodata=-9999), surface=True)
    mixed = load_ground(GRID, [first, ElevationSource(dem)], landcover=cover, legend="radiocov")
    assert mixed.clutter_height_m[0, 121] == 0 and mixed.clutter_height_m[0, 135] == 20
    assert mixed.provenance["surface_rule"].startswith("mixed: 31.")


def test_without_land_cover_low_ground_is_sea_and_a_mask_decides(files, tmp_path):
    dem, _ = files
    ground = load_ground(GRID, [ElevationSource(dem)])
    assert ground.zone[30, 250] == SEA and ground.zone[45, 105] != SEA
    mask = np.ones((100, 400), np.uint8)
    mask[:, :30] = 0
    with_mask = load_ground(GRID, [ElevationSource(dem)], land_mask=write(tmp_path / "mask.tif", mask))
    assert ((with_mask.zone == SEA) == (mask == 0)).all()
    assert with_mask.provenance["zones"]["rule"] == "land mask"


def test_liaoning_land_mask(shared):
    data = shared / "data"
    grid = Grid.covering((121.0, 39.6, 122.5, 41.0), 500)
    ground = load_ground(
        grid,
        [ElevationSource(data / "dem" / "liaoning_dted0_30arcsec.tif")],
        voids="sea",
        land_mask=data / "boundaries" / "liaoning_landmask_gshhg_15arcsec.tif",
    )
    at = [int(round(float(v))) for v in grid.rowcol(*grid.from_lonlat(121.5, 40.2))]
    assert ground.zone[tuple(at)] == SEA
    assert 0.2 < ground.provenance["zones"]["sea_share"] < 0.8
    assert not ground.synthetic


def test_ground_may_be_declared_synthetic(files):
    ground = load_ground(GRID, [ElevationSource(files[0])], synthetic=True)
    assert ground.synthetic and ground.provenance["synthetic"]


def test_profile_is_bilinear_and_nearest(files):
    dem, cover = files
    ground = load_ground(GRID, [ElevationSource(dem)], landcover=cover, legend="radiocov")
    rng = np.random.default_rng(1)
    rough = Ground(
        GRID,
        rng.uniform(0, 500, GRID.shape).astype(np.float32),
        ground.clutter_class,
        ground.clutter_height_m,
        ground.zone,
        ground.classes,
        {},
        True,
    )
    start, end = (500_003.0, 4_539_990.0), (579_990.0, 4_520_004.0)
    line = profile(rough, *start, *end, 70)
    row, col = GRID.rowcol(line.x, line.y)
    expected = map_coordinates(rough.elevation_m.astype(float), [row, col], order=1, mode="nearest")
    assert np.abs(line.elevation_m - expected).max() < 1e-9
    assert line.distance_m[0] == 0 and line.distance_m[-1] == pytest.approx(np.hypot(79_987, 19_986))
    steps = np.diff(line.distance_m)
    assert steps.max() <= 70 + 1e-9 and np.ptp(steps) < 1e-6
    near = np.floor(row + 0.5).astype(int), np.floor(col + 0.5).astype(int)
    assert (line.zone == rough.zone[near]).all()
    assert (line.clutter_height_m == rough.clutter_height_m[near]).all()
    assert (line.x[-1], line.y[-1]) == end


def test_profile_refusals(files):
    ground = load_ground(GRID, [ElevationSource(files[0])])
    inside = GRID.centre_xy(5.0, 5.0)
    with pytest.raises(TerrainError, match="outside the grid"):
        profile(ground, *inside, 400_000, 4_530_000, 50)
    with pytest.raises(TerrainError, match="outside the grid"):
        profile(ground, float("nan"), 0.0, *inside, 50)
    with pytest.raises(TerrainError, match="same point"):
        profile(ground, *inside, *inside, 50)
    with pytest.raises(TerrainError, match="step_m"):
        profile(ground, *inside, *GRID.centre_xy(9.0, 9.0), 0)


def test_exact_number_of_steps(files):
    ground = load_ground(GRID, [ElevationSource(files[0])])
    line = profile(ground, 500_100.0, 4_530_000.0, 530_100.0, 4_530_000.0, 30)
    assert len(line.distance_m) == 1001 and np.allclose(np.diff(line.distance_m), 30)


def test_ground_refuses_arrays_that_do_not_fit(files):
    ground = load_ground(GRID, [ElevationSource(files[0])])
    parts = [ground.elevation_m, ground.clutter_class, ground.clutter_height_m, ground.zone]
    holes = ground.elevation_m.copy()
    holes[0, 0] = np.nan
    for at, wrong, message in (
        (0, holes, "finite"),
        (1, ground.clutter_class[:-1], "clutter_class is"),
        (3, ground.zone.astype(np.int64), "zone is int64"),
        (1, ground.clutter_class + np.uint8(9), "beyond the list"),
    ):
        changed = [wrong if at == k else part for k, part in enumerate(parts)]
        with pytest.raises(TerrainError, match=message):
            Ground(GRID, *changed, ground.classes, {}, False)
