"""radiocov budget: the worked example of the documentation, what is printed, and bad input."""

import csv
import io
import math
import re

import pytest

from radiocov.templates import init_project

FEEDER = {"combiner_db": "3.5", "duplexer_db": "0.9", "feeder_type": "7/8-foam", "feeder_length_m": "52",
          "jumpers_db": "0.7", "tma_gain_db": "12", "tma_noise_figure_db": "1.5", "rx_diversity_db": "4"}


@pytest.fixture
def folder(tmp_path, made):
    init_project(tmp_path / "p")
    made.edit(tmp_path / "p" / "project.toml", 'landcover = "terrain/landcover.tif"', "")
    return tmp_path / "p"


def worked(made, folder):
    """The site of the worked example in docs/network.md."""
    columns = ["id", "longitude", "latitude", "antenna_height_m", "power_dbm", "gain_dbi", *FEEDER]
    cells = ["W1", "122.15", "42.10", "50", "47", "9", *FEEDER.values()]
    (folder / "sites.csv").write_text(",".join(columns) + "\n" + ",".join(cells) + "\n")
    made.edit(folder / "project.toml", "threshold_dbm = -111.0", 'threshold = "computed"')
    made.edit(folder / "project.toml", "threshold_dbm = -113.0\n", 'threshold = "computed"\n')
    made.edit(folder / "project.toml", "[policy]", '[noise]\nenvironment = "residential"\n\n[policy]')


@pytest.fixture
def asked(radiocov, folder):
    import json

    def ask(*options):
        done = radiocov("budget", folder, "--json", "-q", *options)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return ask


def terms(view, way):
    return {t["term"]: t["value"] for t in view["budgets"][way]["terms"]}


def test_the_worked_example_of_the_documentation(made, folder, asked):
    """Every figure of docs/network.md, from the formulas named there."""
    worked(made, folder)
    (view,) = asked("--site", "W1", "--service", "handheld-hip")["budgets"]
    root = math.sqrt
    cable = 1.43 + (2.6 - 1.43) * (root(358) - root(144)) / (root(435) - root(144))
    feeder = round(0.52 * cable, 3)
    assert feeder == 1.219
    eirp = 47 - 3.5 - 0.9 - feeder - 0.7 + 9
    assert view["eirp_dbm"] == pytest.approx(eirp, abs=1e-6) and eirp == pytest.approx(49.68, abs=0.005)
    noise = 10 * math.log10(1.380649e-23 * 290 * 1000 * 7600)
    f_a = 10 ** ((72.5 - 27.7 * math.log10(358)) / 10)
    heard = 10 * math.log10(1 + (f_a - 1) / 10**0.7)
    threshold = noise + 7 + 17.2
    out_median = eirp + 0 - 12 - heard - threshold
    losses = 0.9 + feeder + 0.7
    behind = losses + 5
    cascade = 10 * math.log10(10**0.15 + (10 ** (behind / 10) - 1) / 10**1.2)
    rise = 10 * math.log10(1 + (f_a - 1) / 10 ** (cascade / 10))
    in_median = 35 - 12 + 9 - losses + (behind - cascade) - rise - (noise + 5 + 17.2) + 4
    assert view["allowed_loss_median_db"] == {
        "talk_out": pytest.approx(out_median, abs=1e-5), "talk_in": pytest.approx(in_median, abs=1e-5)}
    sigma = math.hypot(7.3, (0.024 * 0.358 + 0.52) * 50**0.28 * 0.85)
    assert view["sigma_db"] == pytest.approx(sigma)
    assert view["limit_db"] == pytest.approx(out_median - 1.2815515655 * sigma, abs=1e-5)
    assert view["limiting"] == "talk-out", "amplifier and diversity turn the balance"
    text = (made.ROOT / "docs" / "network.md").read_text(encoding="utf-8")
    example = text.split("## A worked budget", 1)[1]
    for figure in (eirp, feeder, -noise, heard, out_median, cascade, rise, in_median, sigma, view["limit_db"]):
        assert f"{figure:.2f}" in example, figure


def test_every_site_and_service_has_a_row(radiocov, folder):
    done = radiocov("budget", folder, "-q")
    assert done.code == 0 and done.err == ""
    rows = [line.split() for line in done.out.splitlines() if line.strip().startswith("EX-")]
    assert [row[:2] for row in rows] == [[f"EX-{n}", s] for n in range(1, 5) for s in ("handheld-hip", "vehicle")]
    # 47 - 5.5 + 9; 50.5 - 12 + 111; 35 - 12 + 9 - 5.5 + 113 + 3
    assert rows[0][2:] == ["50.5", "7.4", "149.5", "142.5", "90", "%", "140.0", "133.0", "+7.0", "talk-in"]


def test_a_site_term_by_term_with_sources(radiocov, folder):
    done = radiocov("budget", folder, "--site", "EX-1", "--service", "vehicle", "-q")
    assert done.code == 0
    for text in ("EX-1 (Illustrative town", "Link budget, talk-out", "Link budget, talk-in", "sites.csv, EX-1",
                 "project.toml, terminals, vehicle", "project.toml, base", "What it allows",
                 "the most that both directions allow at 90 %", "talk-in limits: talk-out allows 2.00 dB more.",
                 "not calibrated; radiocov"):
        assert text in done.out, text
    assert "-0.00" not in done.out
    assert re.search(r"= Service probability +0\.900", done.out), "the direction that limits has just what is asked"


def test_defaults_are_named_as_such(made, radiocov, folder):
    made.edit(folder / "project.toml", "diversity_gain_db = 3.0", 'threshold = "given+noise"')
    made.edit(folder / "project.toml", "threshold_dbm = -113.0\n", "")
    done = radiocov("budget", folder, "--site", "EX-1", "-q")
    assert "default of threshold_dbm" in done.out and "P.372 rural" in done.out


def test_at_a_distance_the_loss_is_the_models(asked):
    near, far = (asked("--site", "EX-1", "--service", "vehicle", "--distance", str(d))["budgets"][0] for d in (3, 12))
    losses = [-terms(v, 0)["Basic transmission loss"] for v in (near, far)]
    free = [20 * math.log10(4 * math.pi * d * 1e3 * 358e6 / 299792458) for d in (3, 12)]
    assert losses[0] >= free[0] - 0.01 and losses[1] > free[1] + 5, "12 km out the Earth is in the way"
    for view in (near, far):
        assert terms(view, 0)["Margin of the median"] == pytest.approx(
            view["allowed_loss_median_db"]["talk_out"]
            + terms(view, 0)["Basic transmission loss"] + terms(view, 0)["Antenna pattern (omni)"])


def test_clutter_has_its_height_error_and_noise(made, folder, asked):
    made.edit(folder / "project.toml", "surface = true", "surface = false")
    made.edit(folder / "project.toml", "threshold_dbm = -111.0", 'threshold = "computed"')
    ask = "--site", "EX-1", "--service", "handheld-hip", "--distance", "5"
    bare, town = (asked(*ask, *more)["budgets"][0] for more in ((), ("--clutter", "built-up")))
    lost = terms(bare, 0)["Basic transmission loss"] - terms(town, 0)["Basic transmission loss"]
    assert lost > 8, "15 m of houses all along"
    assert terms(town, 0)["Man-made noise, rise of the threshold"] == pytest.approx(-0.41, abs=0.01)
    assert terms(bare, 0)["Man-made noise, rise of the threshold"] == 0.0
    assert town["sigma_db"] < bare["sigma_db"]  # the legend states 5.8 dB there


def test_sources_say_for_themselves_whether_clutter_is_in_them(made, folder, asked):
    toml = folder / "project.toml"
    ask = "--site", "EX-1", "--service", "handheld-hip", "--distance", "5", "--clutter", "built-up"
    made.edit(toml, "surface = true", "")
    made.edit(toml, 'elevation = ["terrain/elevation.tif"]', "")
    made.edit(toml, 'vertical_unit = "m"', "")
    losses = []
    before = toml.read_text(encoding="utf-8")
    for surface in ("true", "false"):
        source = f'[[terrain.sources]]\nfiles = "terrain/elevation.tif"\nsurface = {surface}\n\n[model]'
        toml.write_text(before.replace("[model]", source), encoding="utf-8")
        losses.append(-terms(asked(*ask)["budgets"][0], 0)["Basic transmission loss"])
    assert losses[1] > losses[0] + 8


def test_indoors_the_walls_come_off_and_the_margin_widens(made, folder, asked):
    made.edit(folder / "project.toml", 'direction = "both"', 'direction = "both"\nindoor = "traditional"')
    inside, = asked("--site", "EX-1", "--service", "handheld-hip")["budgets"]
    assert inside["building_entry_loss_db"] == pytest.approx(13.92, abs=0.01)
    assert inside["allowed_loss_median_db"]["talk_in"] == pytest.approx(142.5 - 13.92, abs=0.01)
    assert inside["sigma_db"] == pytest.approx(math.hypot(7.421, 7.417), abs=0.01)
    assert terms(inside, 1)["Service probability"] == pytest.approx(0.9, abs=1e-9)


def test_csv_has_every_term_and_adds_up(radiocov, folder):
    done = radiocov("budget", folder, "--csv", "-q")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert {(r["site"], r["service"], r["direction"]) for r in rows} == {
        (f"EX-{n}", s, d) for n in range(1, 5) for s in ("handheld-hip", "vehicle") for d in ("talk-out", "talk-in")}
    one = [r for r in rows if (r["site"], r["service"], r["direction"]) == ("EX-1", "vehicle", "talk-out")]
    total = sum(float(r["value"]) for r in one if r["is_total"] == "0")
    margin = next(float(r["value"]) for r in one if r["term"] == "Margin of the median")
    assert total == pytest.approx(margin, abs=1e-3)
    assert all(r["source"] for r in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--site", "EX-9"], '--site: there is no site "EX-9"; did you mean "EX-'),
        (["--service", "vehicel"], '--service: there is no service "vehicel"; did you mean "vehicle"?'),
        (["--clutter", "bulit-up"], '--clutter: the legend has no class "bulit-up"; did you mean "built-up"?'),
        (["--distance", "nan"], "nan is not a number"),
        (["--distance", "0"], "0 is not in the range"),
    ],
)
def test_one_clear_line_and_exit_2(radiocov, folder, options, message):
    done = radiocov("budget", folder, "-q", *options)
    assert done.code == 2 and done.out == ""
    assert message in done.err


def test_what_the_model_refuses_is_told(made, radiocov, folder):
    made.edit(folder / "project.toml", "height_m = 1.5", "height_m = 0.5")
    done = radiocov("budget", folder, "-q", "--distance", "5")
    assert done.code == 2 and "--distance: rx_height_m is 0.5; P.1812 holds from 1 to 3000 m" in done.err


def test_noise_of_sites_needs_their_land_cover(made, radiocov, folder):
    made.edit(folder / "project.toml", "threshold_dbm = -113.0", 'threshold = "given+noise"\nthreshold_dbm = -113.0')
    made.edit(folder / "project.toml", "[terrain]", '[terrain]\nlandcover = "terrain/landcover.tif"')
    done = radiocov("budget", folder, "-q")
    assert done.code == 2 and 'there is no file "landcover.tif"' in done.err
