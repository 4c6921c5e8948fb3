"""Reading heights: equal to GDAL's warp, no seams, honest about voids and broken files."""

import gzip
import hashlib
import warnings
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject

from terrain.elevation import Mosaic, fill_elevation, read_elevation
from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.sources import ElevationSource

UTM = "EPSG:32651"
HERE = Grid(UTM, 500_000.0, 4_540_000.0, 50.0, 60, 40)


def write(path, values, *, crs=UTM, corner=(499_000, 4_541_000), step=100, nodata=None, tags=None, unit=None):
    values = np.asarray(values)
    profile = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1]}
    transform = Affine(step, 0, corner[0], 0, -step, corner[1])
    with rasterio.open(
        path, "w", **profile, dtype=values.dtype, crs=crs, transform=transform, nodata=nodata
    ) as dataset:
        dataset.write(values, 1)
        dataset.update_tags(**(tags or {}))
        if unit:
            dataset.set_band_unit(1, unit)
    return path


def hills(shape=(60, 70), level=100.0):
    rows, cols = np.indices(shape)
    return (level + 30 * np.sin(rows / 5) + 20 * np.cos(cols / 7)).astype(np.float32)


def gdal_bilinear(path, grid):
    out = np.full(grid.shape, np.nan, np.float32)
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1),
            out,
            dst_transform=grid.transform,
            dst_crs=grid.crs,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
    return out


@pytest.mark.parametrize(
    ("name", "extent", "step"),
    [
        ("srtm3_S36E149.tif", (149.3, -35.7, 149.7, -35.4), 30),
        ("srtm3_S36E149.tif", (149.1, -35.9, 149.9, -35.1), 400),
        ("srtm3_N46E008.tif", (8.1, 46.1, 8.6, 46.5), 60),
        ("liaoning_dted0_30arcsec.tif", (122, 40, 123, 41), 100),
        ("N00E010.hgt", (10.2, 0.2, 10.8, 0.7), 90),
    ],
)
def test_equals_gdal_warp(shared, name, extent, step):
    path = shared / "data" / "dem" / name
    grid = Grid.covering(extent, step)
    heights, provenance = read_elevation([ElevationSource(path)], grid, "sea")
    expected = gdal_bilinear(path, grid)
    missing = np.isnan(expected)
    # 1 mm: only the rounding of the window's origin differs.
    assert np.abs(heights - expected)[~missing].max() < 1e-3
    assert (heights[missing] == 0).all()
    assert provenance["voids"]["pixels"] == int(missing.sum())
    record = provenance["sources"][0]
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["file"] == name and record["crs"] == "EPSG:4326"


def test_strips_do_not_change_the_result(shared, monkeypatch):
    source = [ElevationSource(shared / "data" / "dem" / "srtm3_S36E149.tif")]
    grid = Grid.covering((149.3, -35.7, 149.7, -35.4), 50)
    whole, _ = read_elevation(source, grid)
    monkeypatch.setattr("terrain.rasters.STRIP_PIXELS", 20_000)
    parts, _ = read_elevation(source, grid)
    assert np.abs(whole - parts).max() < 1e-3


def test_no_seam_between_two_tiles(shared):
    dem = shared / "data" / "dem"
    tiles = [ElevationSource(dem / "N00E010.hgt"), ElevationSource(dem / "N00E011.hgt.zip")]
    grid = Grid.covering((10.9, 0.3, 11.1, 0.5), 60)
    both, _ = read_elevation(tiles, grid)
    # The same two tiles joined by hand into one file are the truth.
    with rasterio.open(tiles[0].files[0]) as west, rasterio.open(tiles[1].files[0]) as east:
        joined = np.concatenate([west.read(1), east.read(1)[:, 1:]], axis=1)
        expected = np.full(grid.shape, np.nan, np.float32)
        reproject(
            joined.astype(np.float32),
            expected,
            src_transform=west.transform,
            src_crs=west.crs,
            dst_transform=grid.transform,
            dst_crs=grid.crs,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
    assert np.abs(both - expected).max() < 1e-3
    swapped, _ = read_elevation(tiles[::-1], grid)
    assert np.abs(both - swapped).max() < 0.02


def test_abutting_tiles_without_shared_row(tmp_path):
    whole = hills()
    left = write(tmp_path / "left.tif", whole[:, :37])
    right = write(tmp_path / "right.tif", whole[:, 37:], corner=(499_000 + 3700, 4_541_000))
    one = write(tmp_path / "one.tif", whole)
    split, _ = read_elevation([ElevationSource(left), ElevationSource(right)], HERE)
    assert np.abs(split - read_elevation([ElevationSource(one)], HERE)[0]).max() < 1e-3


def test_first_source_wins_and_its_voids_fall_through(tmp_path):
    low, high = hills(level=100), hills(level=500)
    low[20:30, 20:30] = -9999
    first = write(tmp_path / "first.tif", low, nodata=-9999)
    second = write(tmp_path / "second.tif", high, corner=(499_010, 4_541_030))
    mosaic = Mosaic([ElevationSource(first), ElevationSource(second, surface=True)], HERE)
    heights, source = np.empty(HERE.shape, np.float32), np.empty(HERE.shape, np.uint8)
    served = fill_elevation(mosaic, "error", heights, source)["served"]
    surface = source == 1
    assert [one["pixels"] for one in served] == [(source == 0).sum(), surface.sum()]
    row, col = (int(v) for v in HERE.rowcol(501_525, 4_538_525))
    assert heights[row, col] > 400 and surface[row, col]
    assert heights[-1, 0] < 200 and not surface[-1, 0]
    other_way, _ = read_elevation([ElevationSource(second), ElevationSource(first)], HERE)
    assert other_way.min() > 400


@pytest.mark.parametrize("void", [-32768, -32767])
def test_undeclared_usual_voids(tmp_path, void):
    values = hills().astype(np.int16)
    values[15:25, 25:35] = void
    path = write(tmp_path / "v.tif", values)
    with pytest.raises(TerrainError, match=r"pixels \(.*%\), the largest void around 123\.0\d+ E 41\.0\d+ N"):
        read_elevation([ElevationSource(path)], HERE)
    sea, provenance = read_elevation([ElevationSource(path)], HERE, "sea")
    assert sea.min() == 0 and provenance["voids"]["pixels"] == (sea == 0).sum() > 100
    filled, provenance = read_elevation([ElevationSource(path)], HERE, "interpolate")
    assert filled.min() > 40 and provenance["voids"]["rule"] == "interpolate"
    assert provenance["voids"]["pixels"] == (sea == 0).sum()


def test_missing_extent_is_void_and_too_far_to_interpolate(tmp_path):
    path = write(tmp_path / "part.tif", hills((60, 20)))
    with pytest.raises(TerrainError, match="voids = 'interpolate'"):
        read_elevation([ElevationSource(path)], HERE)
    filled, _ = read_elevation([ElevationSource(path)], HERE, "interpolate")
    assert np.isfinite(filled).all() and filled.min() > 0
    wide = Grid(UTM, 500_000.0, 4_540_000.0, 200.0, 100, 20)
    with pytest.raises(TerrainError, match=r"too far .* \(10 km\)"):
        read_elevation([ElevationSource(path)], wide, "interpolate")
    elsewhere = Grid(UTM, 700_000.0, 4_540_000.0, 200.0, 10, 10)
    for rule in ("error", "interpolate"):
        with pytest.raises(TerrainError, match=r"100 pixels \(100\.00%\)"):
            read_elevation([ElevationSource(path)], elsewhere, rule)
    assert (read_elevation([ElevationSource(path)], elsewhere, "sea")[0] == 0).all()


def test_feet_scale_and_contradicting_units(tmp_path):
    metres, _ = read_elevation([ElevationSource(write(tmp_path / "m.tif", hills()))], HERE)
    feet_file = write(tmp_path / "ft.tif", (hills() / 0.3048).astype(np.float32))
    feet, provenance = read_elevation([ElevationSource(feet_file, "ft")], HERE)
    assert np.abs(metres - feet).max() < 1e-3
    assert provenance["sources"][0]["vertical_unit"] == "ft"
    scaled = write(tmp_path / "s.tif", np.round(hills() * 10).astype(np.int16))
    with rasterio.open(scaled, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (0.0,)
    assert np.abs(read_elevation([ElevationSource(scaled)], HERE)[0] - metres).max() < 0.06
    declared = write(tmp_path / "d.tif", hills(), unit="ft")
    with pytest.raises(TerrainError, match="set vertical_unit = 'ft'"):
        read_elevation([ElevationSource(declared)], HERE)
    with pytest.raises(TerrainError, match="'yard' must be 'm' or 'dm'"):
        ElevationSource(declared, "yard")


def test_packed_files(shared, tmp_path):
    plain = shared / "data" / "dem" / "N00E010.hgt"
    grid = Grid.covering((10.4, 0.3, 10.5, 0.4), 90)
    expected, _ = read_elevation([ElevationSource(plain)], grid)
    packed = tmp_path / "N00E010.hgt.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    archive = tmp_path / "any name.zip"
    with zipfile.ZipFile(archive, "w") as z:
        z.write(plain, "N00E010.hgt")
        z.writestr("readme.txt", "x")
    for path in (packed, archive):
        assert (read_elevation([ElevationSource(path)], grid)[0] == expected).all()


def test_broken_files_are_named(tmp_path):
    whole = write(tmp_path / "whole.tif", hills())
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    junk, not_zip, short = tmp_path / "junk.tif", tmp_path / "n.zip", tmp_path / "N40E122.hgt"
    for path in (junk, not_zip, short):
        path.write_bytes(b"not a raster" * 20)
    no_crs = write(tmp_path / "no_crs.tif", hills(), crs=None)
    unplaced = tmp_path / "unplaced.tif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            unplaced, "w", driver="GTiff", count=1, height=4, width=4, dtype="int16", crs=UTM
        ) as dataset:
            dataset.write(np.zeros((4, 4), np.int16), 1)
    wild = write(tmp_path / "wild.tif", np.full((60, 70), 29_000, np.int16))
    for path, message in (
        (cut, "broken"),
        (junk, "not a readable"),
        (not_zip, "not a readable zip"),
        (short, "not a readable"),
        (no_crs, "no coordinate system"),
        (unplaced, "no geotransform"),
        (wild, "outside -1000 to 9000 m"),
        (tmp_path / "absent.tif", "no such"),
    ):
        with pytest.raises(TerrainError, match=message) as caught:
            read_elevation([ElevationSource(path)], HERE)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_tag_marks_synthetic_and_bad_rule(tmp_path):
    path = write(tmp_path / "t.tif", hills(), tags={"RADIOCOV_SYNTHETIC": "yes"})
    assert read_elevation([ElevationSource(path)], HERE)[1]["synthetic"] is True
    with pytest.raises(TerrainError, match="voids is 'skip'"):
        read_elevation([ElevationSource(path)], HERE, "skip")
    with pytest.raises(TerrainError, match="no elevation source"):
        read_elevation([], HERE)
