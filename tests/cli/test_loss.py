"""radiocov loss: the contract that other tools are checked against."""

import csv
import json

import pytest
from click.testing import CliRunner

from radiocov.cli import cli
from radiocov.profiles import MODELS, Case
from radiocov.propagation import p1812

FLAT = "distance_km,height_m\n" + "".join(f"{0.1 * i:.1f},{5 + i % 3}\n" for i in range(101))


def run(*arguments):
    return CliRunner().invoke(cli, ["loss", *map(str, arguments)])


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "flat.csv"
    path.write_text(FLAT)
    return path


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_prints_its_loss_and_terms(profile, model):
    found = json.loads(run(profile, "--model", model, "--json").output)
    assert found["model"] == model
    assert 90 < found["basic_transmission_loss_db"] < 200
    table = run(profile, "--model", model)
    assert table.exit_code == 0 and f"{found['basic_transmission_loss_db']:.4f} dB" in table.output


def test_p1812_prints_every_symbol(profile):
    found = json.loads(run(profile, "--json").output)
    assert set(p1812.TERMS) <= set(found)
    assert found["Lb"] == found["basic_transmission_loss_db"]


def test_published_cases_through_the_command_line(shared, tmp_path):
    """Files of the validation set turned into CSV, all cases of both heights and time percentages in one run."""
    expected, rows = [], []
    for source in sorted((shared / "reference" / "p1812" / "at_350mhz").glob("*.csv"))[:6]:
        lines = source.read_text().splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("Number of Points"))
        points = [line.split(",") for line in lines[at + 1 : at + 1 + int(lines[at].split(",")[1])]]
        target = tmp_path / f"{source.stem}.csv"
        with target.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["distance_km", "height_m", "clutter_m", "zone"])
            out.writerows([p[0], p[1], p[3], p[4]] for p in points)
        head = {line.split(":")[0]: line.split(",")[1] for line in lines[1:5]}
        weather = [line.rsplit(",", 1)[1] for line in lines if line.startswith("Average annual")]
        for case in lines[lines.index("{Begin of Measurements}") + 1 : lines.index("{End of Measurements}")]:
            c = case.split(",")
            rows.append({
                "profile": target.name, "model": "p1812", "frequency_mhz": c[0], "tx_height_m": c[1],
                "rx_height_m": c[3], "polarization": ("horizontal", "vertical")[int(c[4]) - 1], "time_percent": c[14],
                "tx_lat": head["Tx LAT"], "tx_lon": head["Tx LON"], "rx_lat": head["Rx LAT"],
                "rx_lon": head["Rx LON"], "delta_n": weather[0], "n0": weather[1], "location_percent": "",
            })  # fmt: skip
            expected.append(float(c[17]))
    with (tmp_path / "cases.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    result = run("--cases", tmp_path / "cases.csv", "--json")
    found = [json.loads(line)["basic_transmission_loss_db"] for line in result.output.splitlines()]
    assert found == pytest.approx(expected, abs=1e-6)


def test_an_empty_cell_is_the_default(profile, tmp_path):
    (tmp_path / "cases.csv").write_text("profile,model,frequency_mhz,tx_height_m\nflat.csv,,,\nflat.csv,p1812,,30\n")
    first, second = run("--cases", tmp_path / "cases.csv").output.splitlines()
    assert first == second
    assert json.loads(first) == json.loads(run(profile, "--json").output)
    assert Case().frequency_mhz == 358.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("distance,height\n0,1\n", "row 1: the header is 'distance,height'; it has to be distance_km,height_m"),
        ("distance_km,height_m\n0,1\n0.1,x\n0.2\n", "row 3, height_m: 'x' is not a number"),
        ("distance_km,height_m\n0,1\n0.1,x\n0.2\n", "row 4: has 1 values; give 2"),
        ("distance_km,height_m\n0,1\n", "has 1 points; a profile needs at least two"),
        ("distance_km,height_m\n0,1\n0,1\n", "distance_km of point 2 is not beyond the point before it"),
        ("distance_km,height_m,clutter_m,zone\n0,1,0,2\n1,1,0,4\n", "zone must be 1 (sea), 3 (coastal) or 4"),
    ],
)
def test_a_bad_profile_is_named_with_its_row(profile, text, message):
    from radiocov.cli import run as main

    profile.write_text(text)
    result = CliRunner().invoke(cli, ["loss", str(profile)])
    assert result.exit_code != 0
    assert message.split(" (sea)")[0] in str(result.exception)
    assert main(["loss", str(profile)]) == 2


def test_a_bad_case_is_named_with_its_row(profile, tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text("profile,model,frequency\nflat.csv,p1812,358\n")
    assert "there is no column 'frequency'; did you mean" in str(run("--cases", cases).exception)
    cases.write_text("profile,model,frequency_mhz\nflat.csv,p1812,high\nflat.csv,p1812,20\n")
    assert "row 2, frequency_mhz: 'high' is not a number" in str(run("--cases", cases).exception)
    cases.write_text("profile,model,frequency_mhz\nflat.csv,p1812,358\nflat.csv,p1812,20\n")
    result = run("--cases", cases)
    assert "case 2: frequency_mhz is 20; P.1812 holds from 30 to 6000 MHz" in str(result.exception)
    assert result.output == ""


def test_uneven_spacing_is_refused_by_itm(profile):
    profile.write_text("distance_km,height_m\n0,1\n1,2\n1.2,3\n4,1\n")
    assert "itm needs equally spaced points" in str(run(profile, "--model", "itm").exception)


def test_indoors_by_p2109(profile):
    """358 MHz: the median entry loss of a traditional building is 13.9 dB, of a thermally efficient one 33.3 dB."""
    outdoors = json.loads(run(profile, "--json").output)
    for building, median in (("traditional", 13.9), ("thermally-efficient", 33.3)):
        found = json.loads(run(profile, "--building", building, "--json").output)
        assert found["basic_transmission_loss_db"] == outdoors["basic_transmission_loss_db"]
        assert found["L_BEL"] == pytest.approx(median, abs=0.05)
        assert found["indoor_loss_db"] == pytest.approx(found["basic_transmission_loss_db"] + found["L_BEL"])
    assert "L_BEL" not in outdoors
    worse = json.loads(run(profile, "--building", "traditional", "--building-percent", 90, "--json").output)
    assert worse["L_BEL"] == pytest.approx(23.5, abs=0.05)
