"""The builder without a browser: codes, colours, catalogue, safety of the text, size and atomicity."""

import json
import re
from dataclasses import replace
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs
from rasterio.io import MemoryFile

from radiocov.maps import build_page, compliance_rows, page
from radiocov.maps.catalogue import LANGUAGES, catalogue
from radiocov.maps.colours import all_scales, fields_of, level_steps, level_thresholds
from radiocov.maps.figure import build_figure, verdict_runs
from radiocov.maps.hillshade import hillshade
from radiocov.maps.payload import to_script_json
from radiocov.maps.planes import (
    VALUES,
    control_grid,
    encode_margin,
    encode_page,
    encode_probability,
    thin,
)
from radiocov.maps.png import encode_png
from radiocov.maps.servers import contacts, server_hues
from targets.compliance import Row


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", ["noise", "smooth", "flat"])
def test_png_is_read_back_by_gdal(kind):
    rng = np.random.default_rng(1)
    codes = {
        "noise": rng.integers(0, 256, (301, 77), np.uint8),
        "smooth": np.add.outer(np.arange(301), np.arange(77)).astype(np.uint8),
        "flat": np.full((301, 77), 9, np.uint8),
    }[kind]
    with MemoryFile(encode_png(codes)) as file, file.open() as picture:
        assert np.array_equal(picture.read(1), codes)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20),
    st.floats(0.05, 0.99, exclude_min=True, exclude_max=True),
)
def test_probability_codes_never_cross_q(values, q):
    field = np.array(values, np.float32)
    codes = encode_probability(field, q)
    shown = VALUES["probability"][codes - 1]
    assert np.array_equal(shown >= q - 1e-9, field >= q)
    assert (np.abs(shown - field) <= 0.051).all()


def test_margin_codes_keep_the_sign_and_clip():
    field = np.array([-0.01, 0.0, 0.2, -99.0, 99.0, np.nan], np.float32)
    codes = encode_margin(field)
    assert codes[-1] == 0
    assert VALUES["margin"][codes[:-1] - 1].tolist() == [-0.5, 0.0, 0.0, -60.0, 60.0]


def test_planes_are_shared_where_fields_differ_by_a_constant(data):
    store, index, stride = encode_page(data, 10**9)
    planes = index["2015"]
    assert stride == 1
    out = planes["services"]["vehicle"]["margin"]["talk_out"]
    assert out["plane"] == planes["level"]["plane"] and out["offset"] == pytest.approx(110.0)
    both = planes["services"]["handheld"]["probability"]["both"]
    assert [ref["plane"] for ref in both["min"]] == [
        planes["services"]["handheld"]["probability"][name]["plane"] for name in ("talk_out", "talk_in")
    ]
    assert len(store.planes) == len(set(store.planes))


def test_thinning_takes_real_pixels():
    array = np.arange(7 * 5).reshape(5, 7)
    assert thin(array, 3).tolist() == [[8, 11, 13], [29, 32, 34]]
    assert thin(array, 1) is not None and np.array_equal(thin(array, 1), array)


def test_rasters_are_thinned_until_they_fit(data):
    grid = replace(data.grid, width=360, height=270)
    level = np.random.default_rng(0).normal(-90, 9, (270, 360)).astype(np.float32)
    server = np.ones(level.shape, np.uint16)
    state = replace(data.states[0], level_dbm=level, best_server=server, services=[], rows=[])
    service = replace(
        data.states[0].services[0],
        margin_db={"both": level + np.float32(95)},
        probability={"both": np.clip(level / 20 + 5, 0, 1)},
    )
    large = replace(data, grid=grid, elevation_m=level, states=[replace(state, services=[service])],
                    class_service={})  # fmt: skip
    whole, _, stride = encode_page(large, 10**9)
    assert stride == 1
    thinned, _, stride = encode_page(large, whole.size() // 3)
    assert stride == 2 and thinned.size() <= whole.size() // 3


def test_neighbours_never_share_a_hue():
    rng = np.random.default_rng(4)
    seeds = rng.uniform(0, 200, (60, 2))
    rows, columns = np.mgrid[:200, :200]
    distance = (rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2
    servers = (distance.argmin(axis=2) + 1).astype(np.uint16)
    names = {i + 1: f"S{i}" for i in range(60)}
    hues = server_hues([servers], [names])
    assert all(hues[names[a]] != hues[names[b]] for a, b in contacts(servers))
    assert max(hues.values()) < 8  # a plane map of ordinary shape needs no tones


def test_level_legend_has_its_steps_at_the_service_thresholds(data):
    steps = level_steps(level_thresholds(fields_of(data)))
    assert 6 <= len(steps) <= 8
    edges = {step["min"]: step["params"].get("services") for step in steps}
    assert edges[-110.0] == ["vehicle"] and edges[-95.0] == ["handheld"]
    assert [step["min"] for step in steps[1:]] == sorted(step["min"] for step in steps[1:])


def test_probability_legend_has_a_step_at_q_and_colours_are_distinct(data):
    for steps in all_scales(data)["probability"].values():
        assert 0.9 in [step["min"] for step in steps]
        assert len({step["colour"] for step in steps}) == len(steps)


def test_roads_are_split_where_coverage_changes(data):
    road = data.roads[0]
    runs = verdict_runs(road, "2015", 0.9, 1.0)
    assert [verdict for verdict, _ in runs] == [True, False]
    assert runs[0][1][-1].tolist() == runs[1][1][0].tolist()
    assert verdict_runs(road, "2099", 0.9, 1.0) == []


def test_hillshade_is_brighter_towards_the_light():
    ridge = 500 - 20 * np.abs(np.arange(41) - 20.0)
    shade = hillshade(np.tile(ridge, (41, 1)), 50.0)
    assert shade.dtype == np.uint8
    assert shade[20, 10] > shade[20, 30]  # the west side faces the light
    assert np.ptp(hillshade(np.full((9, 9), 33.0), 50.0)) == 0


def test_control_points_give_positions_within_a_metre(data):
    table = control_grid(data)
    n = table["intervals"]
    grid = data.grid
    x, y = (
        grid.x_min + 0.37 * grid.width * grid.resolution_m,
        grid.y_max - 0.61 * grid.height * grid.resolution_m,
    )
    u, v = 0.37 * n, 0.61 * n
    i, j = int(u), int(v)
    a, b = u - i, v - j
    expected = grid.to_lonlat(x, y)
    for name, value in zip(("lon", "lat"), expected, strict=True):
        k = np.array(table[name]).reshape(n + 1, n + 1)[j : j + 2, i : i + 2]
        read = (1 - b) * ((1 - a) * k[0, 0] + a * k[0, 1]) + b * ((1 - a) * k[1, 0] + a * k[1, 1])
        assert read == pytest.approx(float(value), abs=1e-5)


def test_catalogues_have_the_same_keys_and_placeholders():
    english = catalogue("en")
    for lang in LANGUAGES:
        words = catalogue(lang)
        assert words.keys() == english.keys()
        for key in words:
            assert set(re.findall(r"\{\w+\}", words[key])) == set(re.findall(r"\{\w+\}", english[key])), key
    with pytest.raises(ValueError, match="'fr' is none of en, zh"):
        catalogue("fr")


def test_every_word_the_page_asks_for_exists():
    assets = files("radiocov.maps").joinpath("assets")
    text = "".join(asset.read_text("utf-8") for asset in assets.iterdir())
    asked = set(re.findall(r"""\bt\('(\w+)'[,)]""", text)) | set(re.findall(r"""data-(?:t|label)="(\w+)\"""", text))
    assert asked and asked <= catalogue("en").keys()


def test_script_json_cannot_close_its_element():
    text = to_script_json({"name": "</script><!--\u2028&", "n": np.float32("nan"), "i": np.int64(3)})
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text) == {"name": "</script><!--\u2028&", "n": None, "i": 3}


def test_page_loads_nothing_and_hostile_names_are_escaped(page_file, data):
    text = page_file.read_text("utf-8")
    own = text.replace(get_plotlyjs(), "")
    assert not re.search(r"https?://", own)
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"'](?!data:)", own)
    assert data.states[0].sites[0]["name"] not in text
    assert page_file.stat().st_size < 6_500_000


def test_same_input_same_page(page_file, data, tmp_path):
    again = build_page(data, "en", tmp_path / "again.html")
    assert again.read_bytes() == page_file.read_bytes()


def test_failure_leaves_no_file(data, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(page.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        build_page(data, "en", tmp_path / "map.html")
    assert list(tmp_path.iterdir()) == []


def test_figure_has_plain_axes_of_equal_scale(data):
    figure = build_figure(data, 100.0)
    assert figure.layout.yaxis.scaleanchor == "x"
    assert {trace.type for trace in figure.data} == {"scatter"}
    places = {(image.x, image.y, image.sizex, image.sizey) for image in figure.layout.images}
    assert len(places) == 2  # plotly would draw two pictures on one place as one


def test_wrong_shapes_and_services_are_refused(data):
    with pytest.raises(ValueError, match=r"elevation_m has shape \(2, 2\), the grid is \(90, 120\)"):
        replace(data, elevation_m=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="class urban: service 'pager' is none of"):
        replace(data, class_service={"urban": "pager"})
    with pytest.raises(ValueError, match="q is 90"):
        replace(data.states[0].services[0], q=90)


def test_rows_of_a_compliance_table_become_rows_of_the_map():
    shares = {"share_median": 0.9, "share_probable": 0.8, "share_expected": 0.85, "share_outside": 0.0}
    common = dict(
        class_="highway", member="", city="", county="", id="", name="Highways", name_zh="公路", measure="length",
        service="vehicle", q=0.9, total=12.0, tunnels=0.0, required=0.8, met=True, gap=0.0, **shares,
    )  # fmt: skip
    table = SimpleNamespace(judge="probable", rows=[Row(level=level, **common) for level in ("policy", "road")])
    (row,) = compliance_rows(table)
    assert (row["level"], row["class"], row["judge"], row["share_probable"]) == (
        "policy",
        "highway",
        "share_probable",
        0.8,
    )
