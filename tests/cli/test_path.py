"""radiocov path: the loss by hand, every term, the budgets, the coverage raster, errors and the picture."""

import json
import math
import re

import numpy as np
import pytest
import rasterio

from radiocov.antennas import omni_beamwidth_deg, omni_pattern
from radiocov.coverage.run import CoverageRun, read_ground
from radiocov.link import talk_in_margin_db, talk_out_margin_db
from radiocov.pathloss import EXTENDED_HATA_TERMS, coast_distances_km
from radiocov.pathpicture import WORDS, build_figure
from radiocov.pathview import view_path
from radiocov.propagation import freespace, hata, p1812
from radiocov.propagation.diffraction import knife_edge_loss
from radiocov.propagation.p1812_terms import TABLE
from terrain.profile import profile

PLACE = 123.02, 40.93
TO = "123.02,40.93"


@pytest.fixture(scope="module")
def inputs(made, small_inputs):
    return made.inputs_of(small_inputs)


@pytest.fixture(scope="module")
def ground(inputs):
    return read_ground(inputs)


@pytest.fixture
def answer(radiocov, small_inputs):
    def ask(*options, project=small_inputs, to=TO):
        done = radiocov("path", project, "--to", to, "--json", "-q", *options)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return ask


def line_of(ground, site, place):
    a, b = ground.grid.from_lonlat(site.lon, site.lat), ground.grid.from_lonlat(*place)
    return profile(ground, *map(float, a), *map(float, b), ground.grid.resolution_m)


def site_of(inputs, key):
    return next(s for s in inputs.sites if s.id == key)


# --- numbers -----------------------------------------------------------------------------------------------


def test_terms_are_those_of_the_model_on_the_same_profile(answer, inputs, ground):
    site = site_of(inputs, "LT01")
    line = line_of(ground, site, PLACE)
    d = line.distance_m / 1000.0
    phi = p1812.mid_path_latitude_deg(site.lat, site.lon, PLACE[1], PLACE[0], d[-1])
    expected, _ = p1812.basic_transmission_loss(
        d, line.elevation_m, clutter_m=line.clutter_height_m, zone=line.zone, frequency_mhz=358.0,
        tx_height_m=site.antenna_height_m, rx_height_m=1.5, mid_latitude_deg=phi, pixel_m=500.0,
    )  # fmt: skip
    found = answer("--from", "LT01")
    assert tuple(found["terms"]) == tuple(found["units"]) == p1812.TERMS
    assert found["terms"] == {k: pytest.approx(v, abs=1e-12) for k, v in expected.items()}
    assert found["basic_transmission_loss_db"] == found["terms"]["Lb"]
    assert found["profile"]["distance_km"] == d.tolist()
    assert found["profile"]["height_m"] == line.elevation_m.tolist()
    assert found["origin"]["model"] == "ITU-R P.1812-8" and found["origin"]["resolution_m"] == 500.0


def test_steps_are_equal_and_no_longer_than_a_pixel(answer):
    found = answer("--from", "LT01")
    steps = np.diff(found["profile"]["distance_km"]) * 1000.0
    assert np.ptp(steps) < 1e-6 and 250.0 < steps[0] <= 500.0
    assert found["geometry"]["points"] == steps.size + 1
    assert found["geometry"]["distance_km"] == found["profile"]["distance_km"][-1]


def test_budgets_and_services_by_hand(answer, inputs):
    site, base = site_of(inputs, "LT01"), inputs.project.base
    found = answer("--from", "LT01", "--terminal", "vehicle")
    terminal = inputs.project.terminal("vehicle")
    loss = found["basic_transmission_loss_db"]
    pattern = omni_pattern(9.0, omni_beamwidth_deg(9.0))
    attenuation = float(pattern.attenuation_db(0.0, found["geometry"]["elevation_deg"]))
    isotropic = site.power_dbm - site.losses_db + site.gain_dbi - attenuation - loss
    talk_out, talk_in = found["budgets"]
    assert talk_out["margin_db"] == pytest.approx(talk_out_margin_db(isotropic, terminal), abs=1e-9)
    assert talk_in["margin_db"] == pytest.approx(talk_in_margin_db(attenuation, loss, site, terminal, base), abs=1e-9)
    assert talk_out["level_dbm"] == pytest.approx(isotropic + 2.0 - 1.0, abs=1e-9)
    services = {s["id"]: s for s in found["services"]}
    assert set(services) == {s.id for s in inputs.project.services if s.terminal == "vehicle"}
    for service in services.values():
        worse = min(talk_out["margin_db"], talk_in["margin_db"])
        assert service["margin_db"] == pytest.approx(worse, abs=1e-9)
        assert service["served"] == (service["probability"] >= service["required"])


def test_geometry_of_a_sector_follows_true_north(answer, inputs):
    """Straight east along a parallel: azimuth 90, and the sector at 120 degrees is 30 off its boresight."""
    site = site_of(inputs, "LT02")
    assert site.antenna == "sector.msi" and site.azimuth_deg == 120.0
    found = answer("--from", "LT02", to=f"{site.lon + 0.1},{site.lat}")
    assert found["geometry"]["azimuth_deg"] == pytest.approx(90.0, abs=0.1)
    assert found["geometry"]["distance_km"] == pytest.approx(
        0.1 * math.cos(math.radians(site.lat)) * 111.32, rel=2e-3
    )
    term = next(t for t in found["budgets"][0]["terms"] if t["source"] == "sector.msi")
    assert -4.5 < term["value"] < -2.5  # 12 (30/65)^2 = 2.6 dB by azimuth, less than 2 dB by elevation


def test_other_models_have_their_own_terms(answer, inputs, ground):
    site = site_of(inputs, "LT01")
    line = line_of(ground, site, PLACE)
    rise = line.elevation_m[0] + site.antenna_height_m - line.elevation_m[-1] - 1.5
    free = answer("--from", "LT01", "--model", "free-space")
    expected = freespace.free_space_loss(358.0, line.distance_m[-1] / 1000.0, rise)
    assert free["basic_transmission_loss_db"] == pytest.approx(float(expected), abs=1e-12)
    extended = answer("--from", "LT01", "--model", "extended-hata")
    assert tuple(extended["terms"]) == tuple(EXTENDED_HATA_TERMS)
    expected = hata.extended_hata(
        358.0, line.distance_m[-1] / 1000.0, site.antenna_height_m, 1.5, extended["terms"]["environment"]
    )
    assert extended["basic_transmission_loss_db"] == pytest.approx(float(expected), abs=1e-12)
    assert extended["origin"]["model"] == "extended Hata"


def test_table_names_every_term_once():
    assert tuple(TABLE) == p1812.TERMS
    assert all(term.unit and term.section and term.meaning for term in TABLE.values())
    meanings = [term.meaning for term in TABLE.values()]
    assert len(meanings) == len(set(meanings))


def test_distances_to_the_coast():
    d = np.arange(6) * 0.5
    assert coast_distances_km(d, np.array([4, 3, 1, 1, 3, 4], np.uint8)) == (1.0, 1.0)
    assert coast_distances_km(d, np.array([1, 4, 4, 4, 4, 4], np.uint8)) == (0.0, 2.5)
    assert coast_distances_km(d, np.full(6, 4, np.uint8)) == (500.0, 500.0)


@pytest.mark.parametrize("model", ["p1812", "free-space"])
def test_agrees_with_the_coverage_raster_within_half_a_pixel(made, tmp_path, answer, model):
    """On level ground a pixel's level lies between those of the paths that end half a pixel nearer and farther."""
    sector = {"antenna": "sector.msi", "gain_dbi": 12.0, "azimuth_deg": 30.0, "tilt_deg": 2.0}
    folder = made.flat_project(tmp_path / "flat", [made.site("A", 126.0, 41.0, **sector)])
    made.edit(folder / "project.toml", 'name = "free-space"', f'name = "{model}"')
    result = CoverageRun(made.inputs_of(folder)).run()
    with rasterio.open(result.folder / "2017" / "level_dbm.tif") as dataset:
        level = dataset.read(1)
    inputs = made.inputs_of(folder)
    grid = read_ground(inputs).grid
    x0, y0 = (float(v) for v in grid.from_lonlat(126.0, 41.0))
    rng = np.random.default_rng(7)
    for _ in range(12):
        azimuth, reach = rng.uniform(0, 2 * math.pi), rng.uniform(800.0, 11000.0)
        row, col = (round(v) for v in grid.rowcol(x0 + reach * math.sin(azimuth), y0 + reach * math.cos(azimuth)))
        x, y = (float(v) for v in grid.centre_xy(row, col))
        length = math.hypot(x - x0, y - y0)
        near = []
        for away in (-26.0, 0.0, 26.0):  # m: half a pixel and a hair
            scale = (length + away) / length
            lon, lat = (float(v) for v in grid.to_lonlat(x0 + (x - x0) * scale, y0 + (y - y0) * scale))
            found = answer("--from", "A", project=folder, to=f"{lon:.8f},{lat:.8f}")
            terms = {t["term"]: t["value"] for t in found["budgets"][0]["terms"]}
            near.append(terms["Level at an isotropic antenna"])
        # 0.05 dB: storage, and half a pixel aside in the sector's pattern
        slack = 0.05 + 24.0 / 65.0**2 * 94.0 * math.degrees(26.0 / length)
        assert min(near) - slack < level[row, col] < max(near) + slack, (row, col, near)


# --- what is printed ----------------------------------------------------------------------------------------


def test_tables_and_origin(radiocov, small_inputs):
    done = radiocov("path", small_inputs, "--from", "LT01", "--to", TO, "-q")
    assert done.code == 0 and done.err == ""
    for symbol in p1812.TERMS:
        assert re.search(rf"^ {symbol} ", done.out, re.MULTILINE), symbol
    for text in ("4.3.4, eq 39", "Link budget, talk-out", "Link budget, talk-in", "Service probability", "served"):
        assert text in done.out
    last = done.out.strip().splitlines()[-1]
    assert "ITU-R P.1812-8 at 358 MHz, not calibrated; SYNTHETIC terrain" in last and "500 m pixels" in last
    assert "-0.0000" not in done.out


def test_a_site_may_be_named(answer, inputs):
    name = site_of(inputs, "LT01").name
    assert answer("--from", name) == answer("--from", "LT01")


def test_remarks(radiocov, made, fresh):
    far = radiocov("path", fresh, "--from", "CS01", "--to", "123.28,41.10", "-q")
    assert far.code == 0
    assert "the map ends at radius_km = 15 and has no level of CS01 there" in far.err
    assert "CA99 is a candidate" in radiocov("path", fresh, "--from", "CA99", "--to", TO, "-q").err
    terminal = 'id = "vehicle"\npower_dbm = 40.0'
    made.edit(fresh / "project.toml", terminal, terminal + "\nheight_m = 3.0")
    higher = radiocov("path", fresh, "--from", "LT01", "--to", TO, "--terminal", "vehicle", "-q")
    assert "the map is computed for terminals at 1.5 m, this path for vehicle at 3 m" in higher.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["LT1", TO], '--from: there is no site "LT1"; did you mean "LT'),
        (["nowhere at all", TO], '--from: there is no site "nowhere at all"; sites.csv has 15 sites'),
        (["LT01", "125.0,43.0"], "--to: the point at 125,43 is outside the project's grid (longitude"),
        (["LT01", "40.93,123.02"], '"40.93,123.02" is no place; did you mean 123.02,40.93?'),
        (["LT01", "123.02"], '"123.02" is no place; give LON,LAT in degrees'),
        (["LT01", "a,b"], '"a,b" is no place'),
        (["LT01", "1,2,3"], '"1,2,3" is no place'),
        (["LT01", "nan,41"], '"nan,41" is no place'),
        (["LT01", TO, "--terminal", "vehicel"], 'no terminal "vehicel"; did you mean "vehicle"?'),
        (["LT01", TO, "--model", "p1821"], '"p1821" is not a coverage model; did you mean "p1812"?'),
    ],
)
def test_one_clear_line_and_exit_2(radiocov, small_inputs, options, message):
    site, to, *more = options
    done = radiocov("path", small_inputs, "-q", "--from", site, "--to", to, *more)
    assert done.code == 2 and done.out == ""
    assert message in done.err and len(done.err.strip().splitlines()) == 1


def test_same_place_and_a_site_outside_the_grid(radiocov, made, fresh):
    site = site_of(made.inputs_of(fresh), "LT01")
    done = radiocov("path", fresh, "--from", "LT01", "--to", f"{site.lon},{site.lat}", "-q")
    assert done.code == 2 and "--to: is the place of site LT01 itself" in done.err
    made.edit(fresh / "project.toml", "122.6, 40.72", "122.93, 40.72")
    done = radiocov("path", fresh, "--from", "CS01", "--to", TO, "-q")
    assert done.code == 2 and "--from CS01: the site at" in done.err and "outside the project's grid" in done.err


def test_outside_the_models_validity(radiocov, made, fresh):
    terminal = 'id = "vehicle"\npower_dbm = 40.0'
    made.edit(fresh / "project.toml", terminal, terminal + "\nheight_m = 0.5")
    done = radiocov("path", fresh, "--from", "LT01", "--to", TO, "--terminal", "vehicle", "-q")
    assert done.code == 2 and "rx_height_m is 0.5; P.1812 holds from 1 to 3000 m" in done.err


# --- the picture --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_picture_is_one_file_that_says_where_it_comes_from(radiocov, small_inputs, tmp_path, lang):
    target = tmp_path / "new" / "profile.html"
    done = radiocov("path", small_inputs, "--from", "LT01", "--to", TO, "-q", "-o", target, "--lang", lang)
    assert done.code == 0 and done.out.strip().endswith(target.resolve().as_uri())
    page = target.read_text(encoding="utf-8")
    shell = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    for text in (WORDS[lang]["synthetic"], "ITU-R P.1812-8", "8931 km", f'lang="{WORDS[lang]["lang"]}"'):
        assert text in shell
    assert [p.name for p in target.parent.iterdir()] == ["profile.html"]


def test_without_an_output_nothing_is_written(radiocov, fresh, made):
    before = made.snapshot(fresh)
    assert radiocov("path", fresh, "--from", "LT01", "--to", TO, "-q").code == 0
    after = made.snapshot(fresh)
    # but for the prepared ground, which the next command finds
    assert {name: kept for name, kept in after.items() if not name.startswith(".radiocov")}.items() <= before.items()


def test_both_languages_have_the_same_words():
    assert set(WORDS["en"]) == set(WORDS["zh"])
    for key, text in WORDS["en"].items():
        if isinstance(text, str):
            fields = [sorted(re.findall(r"\{(\w+)", t)) for t in (text, WORDS["zh"][key])]
            assert fields[0] == fields[1], key


def traces(view):
    return {t.name: t for t in build_figure(view).data if t.name}


def test_figure_shows_ground_and_rays_over_the_effective_earth(inputs):
    view = view_path(inputs, "TW05", *PLACE)
    drawn = traces(view)
    assert not view.sight.clear
    d = view.distance_km
    bulge = d * (d[-1] - d) * 1e6 / (2 * 6371e3 * 157 / 112)
    assert np.allclose(drawn["Ground"].y, view.profile.elevation_m + bulge, atol=1e-9)
    assert list(drawn["Line of sight"].y) == [view.tx_m, view.rx_m]
    lower = drawn["0.6 of the first Fresnel zone"]
    middle = np.argmin(np.abs(np.array(lower.x) - d[-1] / 2))
    off = (view.tx_m + view.rx_m) / 2 - lower.y[middle]
    assert off == pytest.approx(0.6 * math.sqrt(0.2998 / 0.358 * d[-1] * 1000 / 4), rel=1e-3)
    # rays over the Bullington point touch the clutter or the ground and never cut it
    top = np.array(drawn["Ground"].y) + np.r_[0, view.profile.clutter_height_m[1:-1], 0]
    ray = np.interp(d, drawn["Rays over the Bullington point"].x, drawn["Rays over the Bullington point"].y)
    assert (ray - top)[1:-1].min() == pytest.approx(0.0, abs=1e-6)


def test_figure_of_a_short_clear_path_and_of_the_sea(inputs, ground):
    site = site_of(inputs, "LT01")
    place = site.lon + 0.004, site.lat
    view = view_path(inputs, "LT01", *place)
    assert view.distance_km.size == 2 and view.sight.edge_km is None and view.sight.horizons_km is None
    assert "Line of sight" in traces(view)
    row, col = (int(v[len(v) // 2]) for v in np.nonzero(ground.zone == 1))
    lon, lat = (float(v) for v in ground.grid.to_lonlat(*ground.grid.centre_xy(row, col)))
    assert "Sea" in traces(view_path(inputs, "TW20", lon, lat))


def test_bullington_point_in_the_picture_is_the_loss_in_the_table(inputs):
    """The edge parameter shown gives the Bullington loss among the terms."""
    for place in (PLACE, (122.95, 40.80), (123.2, 41.0)):
        view = view_path(inputs, "TW05", *place)
        edge = float(knife_edge_loss(view.sight.edge_nu))
        whole = edge + (1 - math.exp(-edge / 6)) * (10 + 0.02 * view.distance_km[-1])
        assert view.terms["Lbulla50"] == pytest.approx(whole, abs=1e-9)
