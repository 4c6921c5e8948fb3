"""What engineers have: folders, patterns, formats, units, registrations, latitudes, the antimeridian."""

import gzip
import os
import zipfile

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from terrain.elevation import Mosaic, fill_elevation, read_elevation
from terrain.errors import TerrainError
from terrain.files import Digests, rasters_of
from terrain.grid import Grid
from terrain.sources import ElevationSource

HERE = Grid.covering((10.3, 45.3, 10.7, 45.7), 500)


def heights_of(*sources, grid=HERE, voids="error"):
    return read_elevation(sources, grid, voids)[0]


# ------------------------------------------------------------------------------------------------- naming
def test_a_folder_a_pattern_and_a_list_mean_the_same_tiles(made, tmp_path):
    deep = tmp_path / "dem" / "e010"
    deep.mkdir(parents=True)
    tile = made.degree_tile(deep / "n45.tif", made.plane, 45, 10, 120, 120)
    (deep / "n45_WBM.tif").write_bytes(tile.read_bytes())  # a quality layer, as Copernicus delivers it
    (deep / "n45.tif.aux.xml").write_text("<PAMDataset/>")
    (deep / "readme.txt").write_text("x")
    assert rasters_of([tmp_path / "dem"], "elevation") == [tile]
    assert rasters_of([tmp_path / "dem/*/n45.tif", tile], "elevation") == [tile]
    by_file = heights_of(ElevationSource(tile))
    for name in (tmp_path / "dem", tmp_path / "dem/**/n4?.tif", [tile]):
        assert (heights_of(ElevationSource(name)) == by_file).all()


def test_a_pattern_under_a_folder_with_brackets(made, tmp_path):
    (tmp_path / "dem [1]").mkdir()
    tile = made.degree_tile(tmp_path / "dem [1]" / "a.tif", made.plane, 45, 10, 60, 60)
    assert rasters_of([tmp_path / "dem [1]" / "*.tif"], "elevation") == [tile]


def test_names_that_mean_nothing_are_told(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("empty", "holds no raster"), ("*.tif", "no elevation file matches"), ("a.tif", "no such elevation file"),
    ):  # fmt: skip
        with pytest.raises(TerrainError, match=message) as caught:
            rasters_of([tmp_path / name], "elevation")
        assert name in str(caught.value)


def test_only_tiles_under_the_grid_are_described(made, tmp_path):
    for lon in (9, 10, 11):
        made.degree_tile(tmp_path / f"e{lon:03}.tif", made.plane, 45, lon, 60, 60)
    _, provenance = read_elevation([ElevationSource(tmp_path)], HERE)
    assert [record["file"] for record in provenance["sources"]] == ["e010.tif"]


# ------------------------------------------------------------------------------------------------ formats
def test_every_format_gives_the_heights_of_the_geotiff(made, tmp_path):
    """SRTM3 as .hgt, .hgt.gz, .hgt.zip, GeoTIFF and VRT; DTED 0 in its own step."""
    name = "N45E010.hgt"
    tif = made.degree_tile(tmp_path / "a.tif", made.rough, 45, 10, 1200, 1200, registered="node", dtype=np.int16)
    with rasterio.open(tif) as dataset:
        (tmp_path / name).write_bytes(dataset.read(1).astype(">i2").tobytes())
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes(), 1))
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
        archive.write(tmp_path / name, name)
    rasterio.shutil.copy(tif, tmp_path / "a.vrt", driver="VRT")
    expected = heights_of(ElevationSource(tif))
    for file in (name, f"{name}.gz", f"{name}.zip", "a.vrt"):
        assert np.abs(heights_of(ElevationSource(tmp_path / file)) - expected).max() < 1e-3, file
    coarse = made.degree_tile(tmp_path / "c.tif", made.rough, 45, 10, 120, 120, registered="node", dtype=np.int16)
    rasterio.shutil.copy(coarse, tmp_path / "n45.dt0", driver="DTED")
    assert (heights_of(ElevationSource(tmp_path / "n45.dt0")) == heights_of(ElevationSource(coarse))).all()


def test_a_change_below_a_vrt_is_a_change(made, tmp_path):
    tif = made.degree_tile(tmp_path / "a.tif", made.plane, 45, 10, 60, 60)
    vrt = tmp_path / "a.vrt"
    rasterio.shutil.copy(tif, vrt, driver="VRT")
    before = read_elevation([ElevationSource(vrt)], HERE)[1]["sources"][0]["sha256"]
    made.degree_tile(tif, lambda lon, lat: made.plane(lon, lat) + 1, 45, 10, 60, 60)
    assert read_elevation([ElevationSource(vrt)], HERE)[1]["sources"][0]["sha256"] != before


def test_a_raster_without_system_takes_the_declared_one_and_no_other(made, tmp_path):
    bare = made.degree_tile(tmp_path / "bare.tif", made.plane, 45, 10, 60, 60, crs=None)
    stated = made.degree_tile(tmp_path / "stated.tif", made.plane, 45, 10, 60, 60)
    declared = heights_of(ElevationSource(bare, crs="EPSG:4326"))
    assert (declared == heights_of(ElevationSource(stated))).all()
    with pytest.raises(TerrainError, match=r"bare\.tif: the raster has no coordinate system.*give its source a crs"):
        heights_of(ElevationSource(bare))
    with pytest.raises(TerrainError, match=r"stated\.tif: the file says it is in EPSG:4326 but crs is 'EPSG:32632'"):
        heights_of(ElevationSource(stated, crs="EPSG:32632"))
    with pytest.raises(TerrainError, match="crs 'EPSG:nothing' is not a coordinate system"):
        heights_of(ElevationSource(bare, crs="EPSG:nothing"))


# -------------------------------------------------------------------------------------------------- units
@pytest.mark.parametrize(("unit", "metres"), [("dm", 0.1), ("cm", 0.01), ("ft", 0.3048), ("us-ft", 0.3048006096)])
def test_vertical_units(made, tmp_path, unit, metres):
    tile = made.degree_tile(tmp_path / "a.tif", lambda lon, lat: made.plane(lon, lat) / metres, 45, 10, 60, 60)
    truth = made.degree_tile(tmp_path / "m.tif", made.plane, 45, 10, 60, 60)
    assert np.abs(heights_of(ElevationSource(tile, unit)) - heights_of(ElevationSource(truth))).max() < 2e-3


def test_feet_that_the_file_states_are_not_read_as_metres(made, tmp_path):
    band = made.degree_tile(tmp_path / "band.tif", made.plane, 45, 10, 60, 60, unit="US survey foot")
    axis = made.degree_tile(tmp_path / "axis.tif", made.plane, 45, 10, 60, 60, crs="EPSG:4326+6360")
    for path in (band, axis):
        with pytest.raises(TerrainError, match=rf"{path.name}: .*set vertical_unit = 'us-ft'"):
            heights_of(ElevationSource(path))
        assert heights_of(ElevationSource(path, "ft")).max() < 2500


# --------------------------------------------------------------------------------- priorities and voids
def fine_over_coarse(made, tmp_path, **options):
    """A local surface model in UTM with a void in it over a coarse bare-ground tile."""
    coarse = made.degree_tile(tmp_path / "coarse.tif", made.plane, 45, 10, 120, 120)
    fine = np.full((400, 400), 2000.0, np.float32)
    fine[100:200, 100:200] = options.pop("void", -9999)
    transform = Affine(30, 0, HERE.x_min + 9000, 0, -30, HERE.y_max - 9000)
    made.write(tmp_path / "fine.tif", fine, transform, crs=HERE.crs, nodata=options.pop("nodata", -9999))
    return (ElevationSource(tmp_path / "fine.tif", surface=True, label="City DSM", **options),
            ElevationSource(coarse, label="SRTM"))  # fmt: skip


def test_a_local_surface_over_a_coarse_model_says_what_each_serves(made, tmp_path):
    mosaic = Mosaic(fine_over_coarse(made, tmp_path), HERE)
    heights, source = np.empty(HERE.shape, np.float32), np.empty(HERE.shape, np.uint8)
    provenance = fill_elevation(mosaic, "error", heights, source)
    assert set(np.unique(source)) == {0, 1}
    # inside the local model 2000 m, in its void and around it the coarse one
    assert (heights[25:40, 32:40] == 2000).all() and (source[25:40, 32:40] == 0).all()
    assert (source[25:29, 25:29] == 1).all() and heights[27, 27] < 7000
    served = {one["label"]: one for one in provenance["served"]}
    assert served["City DSM"]["surface"] and served["City DSM"]["pixels"] == (source == 0).sum()
    assert sum(one["share"] for one in served.values()) == pytest.approx(1)


def test_values_declared_void_are_void_and_others_are_not_guessed(made, tmp_path):
    def half(lon, lat):
        return np.where(lon > 10.5, -500.0, 900.0)

    fine = made.degree_tile(tmp_path / "f.tif", half, 45, 10, 120, 120)
    coarse = ElevationSource(made.degree_tile(tmp_path / "c.tif", made.plane, 45, 10, 120, 120))
    assert heights_of(ElevationSource(fine), coarse).min() == -500
    assert heights_of(ElevationSource(fine, nodata=(-500,)), coarse).min() == 900


def test_voids_that_a_source_calls_sea_do_not_fall_through(made, tmp_path):
    asks, coarse = fine_over_coarse(made, tmp_path)
    assert (heights_of(asks, coarse)[25:29, 25:29] > 1000).all()
    sea, _ = fine_over_coarse(made, tmp_path, voids="sea")
    heights, provenance = read_elevation([sea, coarse], HERE)
    assert (heights[25:29, 25:29] == 0).all() and heights[0, 0] > 1000
    # counted: the void is 3 km square, six pixels of 500 m a side
    counted = [one["voids_as_sea"] for one in provenance["served"]]
    assert counted[0] == pytest.approx(36, abs=6) and counted[1] == 0
    assert provenance["voids"]["pixels"] == 0


# -------------------------------------------------------------------------------- lattices and latitudes
@pytest.mark.parametrize("registered", ["cell", "node", "glo30"])
def test_registrations_give_one_ground(made, tmp_path, registered):
    for lon in (9, 10):
        made.degree_tile(tmp_path / f"{lon}.tif", made.plane, 45, lon, 400, 400, registered=registered)
    grid = Grid.covering((9.8, 45.3, 10.2, 45.7), 300)
    heights = heights_of(ElevationSource(tmp_path), grid=grid)
    # GDAL's warp finds places within an eighth of a source pixel: some 35 m on a slope of 0.1 %
    assert np.abs(heights - made.expected(made.plane, grid)).max() < 0.05


def test_area_or_point_is_the_same_place(made, tmp_path):
    area = made.degree_tile(tmp_path / "area.tif", made.rough, 45, 10, 300, 300)
    point = made.degree_tile(tmp_path / "point.tif", made.rough, 45, 10, 300, 300, tags={"AREA_OR_POINT": "Point"})
    with rasterio.open(point) as dataset:
        assert dataset.tags()["AREA_OR_POINT"] == "Point"
    assert (heights_of(ElevationSource(area)) == heights_of(ElevationSource(point))).all()


@pytest.mark.parametrize(("south", "below", "above"), [(49, 600, 400), (69, 300, 200)])
def test_no_seam_where_glo30_changes_its_step(made, tmp_path, south, below, above):
    """At 50 and 70 degrees the columns of GLO-30 become wider: two lattices in one source, a plane without a step."""
    field = made.steep(south + 1, 10)
    made.degree_tile(tmp_path / "a.tif", field, south, 10, 600, below, registered="glo30")
    made.degree_tile(tmp_path / "b.tif", field, south + 1, 10, 600, above, registered="glo30")
    grid = Grid.covering((10.4, south + 0.95, 10.6, south + 1.05), 100)
    off = heights_of(ElevationSource(tmp_path), grid=grid) - made.expected(field, grid)
    # without the rim that tiles lend each other, the outer half pixel repeats its edge: up to 2.5 m
    sources = ElevationSource(tmp_path / "a.tif"), ElevationSource(tmp_path / "b.tif")
    apart = heights_of(*sources, grid=grid) - made.expected(field, grid)
    assert np.abs(off).max() < 1.0 < 2.0 < np.abs(apart).max()


def test_ground_across_the_antimeridian(made, tmp_path):
    def wrapped(lon, lat):
        return made.plane(np.where(lon < 0, lon + 360, lon) - 180, lat)

    for lon in (179, -180):
        made.degree_tile(tmp_path / f"{lon}.tif", wrapped, -17, lon, 300, 300, registered="glo30")
    grid = Grid.covering((179.7, -16.7, 180.3, -16.3), 300)
    heights, provenance = read_elevation([ElevationSource(tmp_path)], grid)
    assert np.abs(heights - made.expected(wrapped, grid)).max() < 0.05
    assert provenance["voids"]["pixels"] == 0 and len(provenance["sources"]) == 2


def test_one_global_raster_serves_both_sides_of_the_antimeridian(made, tmp_path):
    lons = np.arange(-180, 180, 0.25) + 0.125
    lats = np.arange(10, -10, -0.25) - 0.125
    field = 100 + 50 * np.cos(np.radians(lons[None, :] * 4)) + lats[:, None]
    world = made.write(tmp_path / "w.tif", field.astype(np.float32), Affine(0.25, 0, -180, 0, -0.25, 10))
    grid = Grid.covering((179.0, -1.0, 181.0, 1.0), 1000)
    heights = heights_of(ElevationSource(world), grid=grid)
    expected = made.expected(lambda lon, lat: 100 + 50 * np.cos(np.radians(lon * 4)) + lat, grid)
    assert np.abs(heights - expected).max() < 0.2


def test_high_latitudes(made, tmp_path):
    made.degree_tile(tmp_path / "a.tif", made.plane, 83, 16, 600, 120, registered="glo30")
    grid = Grid.covering((16.2, 83.4, 16.8, 83.6), 200)
    assert np.abs(heights_of(ElevationSource(tmp_path), grid=grid) - made.expected(made.plane, grid)).max() < 0.1


def test_real_dted_tiles_meet_without_a_seam(shared, tmp_path):
    """Nine real tiles in their own folders against the raster merged from them."""
    data = shared / "data" / "dem"
    grid = Grid.covering((121.2, 40.7, 123.8, 42.3), 400)
    tiles = heights_of(ElevationSource(data / "dted0"), grid=grid)
    merged = heights_of(ElevationSource(data / "liaoning_dted0_30arcsec.tif"), grid=grid)
    assert np.abs(tiles - merged).max() < 0.5 and tiles.max() > 800


# ------------------------------------------------------------------------------------------- broken files
def deflated(made, path):
    return made.degree_tile(path, made.rough, 45, 10, 600, 600, compress="deflate", tiled=True, blockxsize=256,
                            blockysize=256)  # fmt: skip


def test_a_corrupted_tile_is_an_error_and_no_wrong_height(made, tmp_path):
    path = deflated(made, tmp_path / "a.tif")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(TerrainError, match=r"a\.tif: the raster is broken \(.*data check"):
        heights_of(ElevationSource(path))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("kind", ["deflate", "hgt", "hgt.gz", "dt0", "vrt"])
def test_a_truncated_file_is_an_error(made, tmp_path, kind, share):
    tif = made.degree_tile(tmp_path / "s.tif", made.rough, 45, 10, 120, 120, registered="node", dtype=np.int16)
    if kind == "deflate":
        path = deflated(made, tmp_path / "a.tif")
    elif kind == "dt0":
        path = tmp_path / "n45.dt0"
        rasterio.shutil.copy(tif, path, driver="DTED")
    elif kind == "vrt":
        path = tmp_path / "a.vrt"
        rasterio.shutil.copy(deflated(made, tmp_path / "below.tif"), path, driver="VRT")
        below = tmp_path / "below.tif"
        below.write_bytes(below.read_bytes()[: int(below.stat().st_size * share)])
    else:
        srtm = made.degree_tile(tmp_path / "3.tif", made.rough, 45, 10, 1200, 1200, registered="node", dtype=np.int16)
        with rasterio.open(srtm) as dataset:
            data = dataset.read(1).astype(">i2").tobytes()
        path = tmp_path / f"N45E010.{kind}"
        path.write_bytes(gzip.compress(data, 1) if kind.endswith("gz") else data)
    if kind != "vrt":
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    whole = Grid.covering((10.01, 45.01, 10.99, 45.99), 1000)
    with pytest.raises(TerrainError, match="not a readable|broken|holds no") as caught:
        heights_of(ElevationSource(path), grid=whole)
    named = "below.tif" if kind == "vrt" else path.name
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_a_vrt_whose_file_is_gone(made, tmp_path):
    tif = deflated(made, tmp_path / "below.tif")
    rasterio.shutil.copy(tif, tmp_path / "a.vrt", driver="VRT")
    tif.unlink()
    with pytest.raises(TerrainError, match=r"a\.vrt: .*broken"):
        heights_of(ElevationSource(tmp_path / "a.vrt"))


# ---------------------------------------------------------------------------------------------- digests
def test_digests_are_remembered_until_the_file_changes(tmp_path):
    file, memory = tmp_path / "a.bin", tmp_path / "digests.json"
    file.write_bytes(b"one")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    first = Digests(memory)
    digest = first.sha256(file)
    first.keep()
    text = memory.read_text().replace(digest, "0" * 64)
    memory.write_text(text)
    assert Digests(memory).sha256(file) == "0" * 64  # the memory is what answers
    file.write_bytes(b"two")
    assert Digests(memory).sha256(file) not in (digest, "0" * 64)
    memory.write_text("no json")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert len(Digests(memory).sha256(file)) == 64


def test_a_source_says_what_it_is_not(tmp_path):
    with pytest.raises(TerrainError, match="voids 'skip' must be one of next, sea"):
        ElevationSource(tmp_path / "a.tif", voids="skip")
    with pytest.raises(TerrainError, match="names no file"):
        ElevationSource(())
    assert ElevationSource(tmp_path / "a.tif").name == "a.tif"
