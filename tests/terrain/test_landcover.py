"""Legends and land cover: heights, modes, codes nobody declared."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject, transform_bounds

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.landcover import of_kind, read_landcover
from terrain.legend import COLUMNS, packaged_legends, read_legend

GRID = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 50.0, 20, 10)
HEADER = ",".join(COLUMNS)
GOOD = "1,water,Water,水域,0,rural,7.3,water"


def write(path, codes, step, nodata=None):
    codes = np.asarray(codes)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=codes.shape[0],
        width=codes.shape[1],
        dtype=codes.dtype,
        crs="EPSG:32651",
        transform=Affine(step, 0, 500_000, 0, -step, 4_540_000),
        nodata=nodata,
    ) as dataset:
        dataset.write(codes, 1)
    return path


def test_packaged_legends_follow_p1812():
    assert packaged_legends() == [
        "clcd", "corine", "corine-grid", "esa-worldcover", "globeland30", "radiocov",
    ]  # fmt: skip
    ours = {c.name: c for c in read_legend("radiocov")}
    assert [ours[n].height_m for n in ("water", "open", "suburban", "urban", "forest", "dense-urban")] == [
        0, 0, 10, 15, 15, 20,
    ]  # fmt: skip
    assert ours["urban"].model_error_db == 5.8 and ours["forest"].model_error_db == 7.3
    esa = {c.id: c for c in read_legend("esa-worldcover")}
    assert set(esa) == {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100}
    assert esa[10].height_m == 15 and esa[80].kind == "water" and esa[50].label_zh == "建成区"


def test_nearest_and_no_data(tmp_path):
    codes = np.full((10, 20), 2, np.uint8)
    codes[:, :5] = 1
    codes[0, 0] = 0
    cover = read_landcover(write(tmp_path / "a.tif", codes, 50), "radiocov", GRID)
    names = np.array([c.name for c in cover.classes])[cover.class_index]
    assert names[0, 0] == "no-data" and names[5, 2] == "water" and names[5, 10] == "open"
    assert cover.provenance["sources"][0]["resampling"] == "nearest"
    assert cover.provenance["no_data_share"] == 1 / 200
    assert cover.provenance["shares"]["water"] == pytest.approx(49 / 200)
    assert of_kind(cover.classes, "water", "nodata")[cover.class_index].sum() == 50


def test_mode_when_the_source_is_much_finer(tmp_path):
    codes = np.full((50, 100), 4, np.uint8)
    codes[::5, ::5] = 1  # what nearest-by-corner would find
    cover = read_landcover(write(tmp_path / "a.tif", codes, 10), "radiocov", GRID)
    assert cover.provenance["sources"][0]["resampling"] == "mode"
    assert {cover.classes[i].name for i in np.unique(cover.class_index)} == {"forest"}


def test_tiles_lie_over_each_other(tmp_path):
    top = np.full((10, 20), 255, np.uint8)
    top[:, :10] = 6
    paths = [
        write(tmp_path / "top.tif", top, 50, nodata=255),
        write(tmp_path / "below.tif", np.full((10, 20), 3, np.uint8), 50),
    ]
    cover = read_landcover(paths, "radiocov", GRID)
    names = np.array([c.name for c in cover.classes])[cover.class_index]
    assert (names[:, :10] == "urban").all() and (names[:, 10:] == "crop").all()


def test_without_a_file_everything_is_unclassified():
    cover = read_landcover(None, "esa-worldcover", GRID)
    assert len(cover.classes) == 1 and cover.classes[0].height_m == 0 and not cover.class_index.any()


def test_unknown_codes_are_listed_with_counts(tmp_path):
    codes = np.full((10, 20), 2, np.uint8)
    codes[3, :7], codes[4, 0] = 77, 99
    with pytest.raises(TerrainError, match=r"a\.tif: .*'radiocov' lacks: 77 \(7 pixels\), 99 \(1 pixels\)"):
        read_landcover(write(tmp_path / "a.tif", codes, 50), "radiocov", GRID)
    with pytest.raises(TerrainError, match="whole-number codes"):
        read_landcover(write(tmp_path / "f.tif", codes.astype(np.float32), 50), "radiocov", GRID)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("code,name\n1,water\n", "column label_en, .* is missing"),
        (HEADER + "\n", "no rows"),
        (f"{HEADER}\n{GOOD}\n{GOOD}\n", "line 3: code 1 stands twice"),
        (f"{HEADER}\n{GOOD.replace('rural', 'noisy')}\n", "line 2: noise_environment is 'noisy'.*city, res"),
        (f"{HEADER}\n{GOOD.replace(',0,', ',high,')}\n", "line 2: height_m is 'high'"),
        (f"{HEADER}\n{GOOD.replace(',0,', ',-3,')}\n", "height_m is '-3'; it must be a number from 0"),
        (f"{HEADER}\n{GOOD.replace('7.3', 'nan')}\n", "model_error_db is 'nan'"),
        (f"{HEADER}\n{GOOD.replace('1,', '1.5,', 1)}\n", "code is '1.5'; it must be a whole number"),
        (f"{HEADER}\n{GOOD[:-5]}lake\n", "kind is 'lake'; it must be one of water"),
        (f"{HEADER}\n1,water\n", "line 2: height_m is ''"),
    ],
)
def test_bad_legends_name_the_row(tmp_path, content, message):
    path = tmp_path / "legend.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TerrainError, match=message) as caught:
        read_legend(path)
    assert "legend.csv" in str(caught.value)


def test_legend_as_a_chinese_spreadsheet_saves_it(tmp_path):
    for encoding in ("gb18030", "utf-8-sig"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(f"{HEADER}\r\n{GOOD}\r\n\r\n".encode(encoding))
        assert read_legend(path)[0].label_zh == "水域"
    with pytest.raises(TerrainError, match="neither a packaged one"):
        read_legend("corina")


def test_real_worldcover_tile(shared):
    path = shared / "data" / "landcover" / "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    # Sao Tome: land amid the sea, which the tile leaves without data.
    grid = Grid.covering((6.5, 0.1, 6.8, 0.4), 50)
    cover = read_landcover(path, "esa-worldcover", grid)
    shares = cover.provenance["shares"]
    assert cover.provenance["sources"][0]["resampling"] == "mode"
    assert shares["tree"] > 0.3 and 0 < shares["built-up"] < 0.1


def test_built_in_legends_agree_on_what_classes_mean():
    """The same land has the same height in every legend (P.1812 Table 2)."""
    codes = {"esa-worldcover": (10, 40, 50, 80), "globeland30": (20, 10, 80, 60), "clcd": (2, 1, 8, 5),
             "corine": (312, 211, 121, 512), "corine-grid": (24, 12, 3, 41)}  # fmt: skip
    for name, (forest, crop, built, water) in codes.items():
        of = {c.id: c for c in read_legend(name)}
        assert [of[c].kind for c in (forest, crop, built, water)] == ["trees", "open", "built", "water"], name
        assert [of[c].height_m for c in (forest, crop, built, water)] == [15, 0, 15, 0], name
    three_digits, grid = (read_legend(name) for name in ("corine", "corine-grid"))
    assert len(grid) == 44 + 3 and [c.name for c in grid[:44]] == [c.name for c in three_digits[:44]]
    assert [c.id for c in grid[:44]] == list(range(1, 45)) and three_digits[0].id == 111


def test_land_cover_in_another_plane(made, tmp_path):
    """CORINE comes in EPSG:3035: a border along a meridian stays where it is."""
    def split(lon, lat):
        return np.where(lon < 10.5, 312, 211)

    one = made.degree_tile(tmp_path / "ll.tif", split, 45, 10, 600, 600, dtype=np.int16)
    with rasterio.open(one) as dataset:
        left, bottom, right, top = transform_bounds(dataset.crs, "EPSG:3035", *dataset.bounds)
        transform = Affine(100, 0, left, 0, -100, top)
        codes = np.zeros((int(top - bottom) // 100, int(right - left) // 100), np.int16)
        reproject(rasterio.band(dataset, 1), codes, dst_transform=transform, dst_crs="EPSG:3035", dst_nodata=0,
                  resampling=Resampling.nearest)  # fmt: skip
    cover = made.write(tmp_path / "laea.tif", codes, transform, crs="EPSG:3035", nodata=0)
    grid = Grid.covering((10.3, 45.3, 10.7, 45.7), 250)
    found = read_landcover(cover, "corine", grid)
    names = np.array([c.name for c in found.classes])[found.class_index]
    wrong = names != np.where(made.expected(split, grid) == 312, "coniferous", "arable")
    assert wrong.mean() < 0.01 and found.provenance["no_data_share"] == 0
