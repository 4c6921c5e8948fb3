"""The store of loss rasters: what is taken from it, what is computed again, what is noticed as damaged."""

import datetime as dt
import shutil

import numpy as np
import pytest
import rasterio

from radiocov.coverage.run import CoverageRun
from radiocov.coverage.sector import Window
from radiocov.coverage.store import MAX_ERROR_DB, STORE, LossStore
from terrain.grid import Grid

LAST_DAY = dt.date(2017, 12, 31)
SITES = 4


@pytest.fixture(scope="module")
def base(made, tmp_path_factory):
    """A small project with four sites whose losses are in the store."""
    folder = made.small_project(tmp_path_factory.mktemp("store") / "project", sites=SITES)
    result = CoverageRun(made.inputs_of(folder), on=LAST_DAY, jobs=2).run()
    assert result.losses_computed == SITES
    return folder


@pytest.fixture
def project(base, tmp_path):
    return shutil.copytree(base, tmp_path / "project")


def run_again(made, folder, on=LAST_DAY):
    result = CoverageRun(made.inputs_of(folder), on=on, jobs=2).run()
    return result.losses_computed, result.losses_reused


def change_site(made, folder, number, column, value):
    file = folder / "sites.csv"
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].split(",")
    cells = lines[number].split(",")
    assert cells[header.index(column)] != value
    cells[header.index(column)] = value
    lines[number] = ",".join(cells)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def raise_one_pixel(folder, height_m):
    with rasterio.open(folder / "terrain" / "elevation.tif", "r+") as dataset:
        heights = dataset.read(1)
        row, col = dataset.index(506_000, 4_530_000)
        heights[row, col] += height_m
        dataset.write(heights, 1)


def other_landcover(folder):
    with rasterio.open(folder / "terrain" / "landcover.tif", "r+") as dataset:
        codes = dataset.read(1)
        row, col = dataset.index(506_000, 4_530_000)
        block = codes[row : row + 2, col : col + 2]  # a pixel of the project is two by two of these
        block[:] = np.where(block == 2, 4, 2)
        dataset.write(codes, 1)


CHEAP = {
    "power": lambda made, p: change_site(made, p, 1, "power_dbm", "44.0"),
    "losses of the feeder": lambda made, p: change_site(made, p, 1, "losses_db", "3.0"),
    "tilt": lambda made, p: change_site(made, p, 2, "tilt_deg", "7.0"),
    "azimuth": lambda made, p: change_site(made, p, 2, "azimuth_deg", "200.0"),
    "antenna": lambda made, p: change_site(made, p, 1, "antenna", "sector.msi"),
    "gain": lambda made, p: change_site(made, p, 1, "gain_dbi", "2.0"),
    "name": lambda made, p: change_site(made, p, 1, "name", "Another name"),
    "id": lambda made, p: change_site(made, p, 1, "id", "XX01"),
    "date of service": lambda made, p: change_site(made, p, 1, "in_service", "2016-07-01"),
    "threshold": lambda made, p: made.edit(p / "project.toml", "threshold_dbm = -111.0", "threshold_dbm = -105.0"),
    "terminal": lambda made, p: made.edit(p / "project.toml", "carry_loss_db = 12.0", "carry_loss_db = 15.0"),
    "model error": lambda made, p: made.edit(p / "project.toml", "mhz = 358", "mhz = 358\nmodel_error_db = 9"),
    "name of the project": lambda made, p: made.edit(p / "project.toml", "Small test", "Other test"),
    "policy": lambda made, p: (
        (p / "one.toml").write_text(made.ONE_PERIOD),
        made.edit(p / "project.toml", 'file = "liaoning"', 'file = "one.toml"'),
    ),
}  # fmt: skip

COSTLY = {
    "height": (1, lambda made, p: change_site(made, p, 1, "antenna_height_m", "46.0")),
    "position": (1, lambda made, p: change_site(made, p, 1, "longitude", "122.95")),
    "frequency of a site": (1, lambda made, p: change_site(made, p, 1, "frequency_mhz", "400.0")),
    "frequency": (SITES, lambda made, p: made.edit(p / "project.toml", "mhz = 358", "mhz = 362")),
    "radius": (SITES, lambda made, p: made.edit(p / "project.toml", "radius_km = 15", "radius_km = 12")),
    "model": (SITES, lambda made, p: made.edit(p / "project.toml", '"p1812"', '"free-space"')),
    "refractivity": (SITES, lambda made, p: made.edit(p / "project.toml", "mhz = 358", "mhz = 358\ndelta_n = 60")),
    "pixels": (SITES, lambda made, p: made.edit(p / "project.toml", "resolution_m = 500.0", "resolution_m = 400.0")),
    "ground": (SITES, lambda made, p: raise_one_pixel(p, 60.0)),
    "land cover": (SITES, lambda made, p: other_landcover(p)),
    "height of the terminals": (
        SITES,
        lambda made, p: made.edit(p / "project.toml", 'id = "vehicle"', 'id = "vehicle"\nheight_m = 1.2'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHEAP)
def test_what_no_loss_depends_on_computes_no_loss(made, project, what):
    before = made.digests(project / STORE, "*")
    CHEAP[what](made, project)
    assert run_again(made, project) == (0, SITES)
    assert made.digests(project / STORE, "*") == before


@pytest.mark.parametrize("what", COSTLY)
def test_what_losses_depend_on_computes_them_again(made, project, what):
    count, change = COSTLY[what]
    change(made, project)
    assert run_again(made, project) == (count, SITES - count)


def test_another_date_computes_no_loss(made, project):
    assert run_again(made, project, dt.date(2016, 5, 5)) == (0, SITES)


def test_both_values_stay_in_the_store(made, project):
    change_site(made, project, 1, "antenna_height_m", "46.0")
    run_again(made, project)
    change_site(made, project, 1, "antenna_height_m", "45")
    assert run_again(made, project) == (0, SITES)


def flip_one_bit(raster):
    data = bytearray(raster.read_bytes())
    data[len(data) // 2] ^= 0b100
    raster.write_bytes(data)


DAMAGES = {
    "one flipped bit": flip_one_bit,
    "cut short": lambda raster: raster.write_bytes(raster.read_bytes()[:-1000]),
    "emptied": lambda raster: raster.write_bytes(b""),
    "note cut short": lambda raster: raster.with_suffix(".json").write_text('{"window": [0'),
    "note of another raster": lambda raster: shutil.copy(
        next(p for p in sorted(raster.parent.glob("*.json")) if p.stem != raster.stem), raster.with_suffix(".json")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_noticed_told_and_mended(made, radiocov, project, what):
    rasters = made.digests(project / "out")
    before = made.digests(project / STORE, "*")
    victim = sorted((project / STORE).glob("*.tif"))[1]
    DAMAGES[what](victim)
    assert made.digests(project / STORE, "*") != before
    assert LossStore(project / STORE).damaged() == [victim]
    shutil.rmtree(project / "out")
    ran = radiocov("coverage", project, "--on", LAST_DAY, "-q")
    assert ran.code == 0
    assert "1 stored loss rasters were damaged and have been computed again" in ran.err
    assert f"1 loss rasters computed, {SITES - 1} taken from earlier runs" in ran.out
    assert made.digests(project / STORE, "*") == before
    assert made.digests(project / "out") == rasters


@pytest.mark.parametrize("suffix", [".json", ".tif"])
def test_a_missing_half_is_computed_again(made, radiocov, project, suffix):
    before = made.digests(project / STORE, "*")
    sorted((project / STORE).glob(f"*{suffix}"))[0].unlink()
    ran = radiocov("coverage", project, "--on", LAST_DAY, "-q")
    assert ran.code == 0
    assert f"1 loss rasters computed, {SITES - 1} taken from earlier runs" in ran.out
    assert made.digests(project / STORE, "*") == before


def test_damaged_results_are_made_again_from_the_store(made, radiocov, project):
    rasters = made.digests(project / "out")
    for number, name in enumerate(rasters):
        file = project / "out" / name
        flip_one_bit(file) if number % 2 else file.unlink()
    ran = radiocov("coverage", project, "--on", LAST_DAY, "-q")
    assert ran.code == 0
    assert f"0 loss rasters computed, {SITES} taken from earlier runs; 0 of 1 states were up to date" in ran.out
    assert made.digests(project / "out") == rasters


def test_values_come_back_as_they_were_put(tmp_path):
    """Within the store's resolution, with their gaps; and the first reader sees what later ones see."""
    grid = Grid("EPSG:32651", 450_000.0, 4_580_000.0, 50.0, 300, 200)
    window = Window(20, 30, 150, 260)
    loss = np.random.default_rng(3).uniform(60, 200, (150, 260)).astype(np.float32)
    loss[40:60, 70:200] = np.nan
    loss[0, 0] = np.nan
    store = LossStore(tmp_path)
    assert store.open("a") is None and not store.has("a")
    kept = store.put("a", grid, window, loss, {"site": "A"})
    there = store.open("a")
    assert there == kept and store.has("a")
    # whole blocks of one lattice: the window grows up and to the left
    assert there.window == Window(0, 0, 170, 290)
    assert np.isnan(there.read(Window(0, 0, 20, 290))).all()
    values = there.read(window)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(loss))
    # the step of a float32 at 200 dB comes on top
    assert np.nanmax(np.abs(values - loss)) <= MAX_ERROR_DB + 2e-5
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.bounds == (450_000.0, 4_571_500.0, 464_500.0, 4_580_000.0)
        assert dataset.units == ("dB",)
