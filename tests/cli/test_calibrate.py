"""radiocov calibrate from end to end: a known truth is found again, and logs that must not become one are refused."""

import csv
import importlib.util
import json
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

_name = "radiocov_tests_calibration_fixtures"
_spec = importlib.util.spec_from_file_location(_name, Path(__file__).parents[1] / "calibration" / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules[_name] = _fixtures
_spec.loader.exec_module(_fixtures)
write_log, drawn_log = _fixtures.write_log, _fixtures.drawn_log

OFFSET_DB = -7.0


@pytest.fixture(scope="module")
def network(made, tmp_path_factory):
    """A project with a log drawn from its own model less 7 dB; not to be changed."""
    folder = made.small_project(tmp_path_factory.mktemp("calibrate") / "project", sites=6)
    drawn_log(made.inputs_of(folder), folder / "drive.csv", OFFSET_DB)
    return folder


@pytest.fixture
def mine(network, tmp_path):
    """A copy of the project of this test's own, without a calibration."""
    import shutil

    folder = Path(shutil.copytree(network, tmp_path / "project"))
    for made_before in folder.glob("calibration*"):
        made_before.unlink()
    return folder


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def changed(folder, change) -> Path:
    """The log with every row put through a function; None leaves it out."""
    rows = [new for row in rows_of(folder / "drive.csv") if (new := change(dict(row)))]
    return write_log(folder / "changed.csv", rows)


@pytest.fixture(scope="module")
def ran(network, tmp_path_factory):
    """What one calibration with its proof and report printed and wrote, on a copy of the project."""
    import shutil
    import subprocess

    folder = Path(shutil.copytree(network, tmp_path_factory.mktemp("ran") / "project"))
    done = subprocess.run(
        [sys.executable, "-c", "from radiocov.cli import main; main()", "calibrate", str(folder),
         str(folder / "drive.csv"), "--leave-out", "sites", "--leave-out", "areas", "--report",
         str(folder / "report.html")],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return folder, done


def test_a_known_truth_is_found_again(ran):
    from radiocov.calibration.files import read_calibration
    from radiocov.calibration.outcome import corrected
    from radiocov.calibration.rows import read_rows
    from radiocov.calibration.run import measured_cells
    from radiocov.inputs import read_inputs
    from radiocov.project import load_project

    folder, done = ran
    assert done.returncode == 0, done.stderr
    found = read_calibration(folder / "calibration.toml")
    offset = found.fixed["offset_db"]
    assert abs(offset.value - OFFSET_DB) < 3 * offset.sd < 9
    assert 3.0 < max(e.value for e in found.sigma_db.values() if e.cells > 100) < 6.0
    (log,) = found.provenance["logs"]
    assert log["name"] == "drive.csv" and log["rows"] == len(rows_of(folder / "drive.csv"))
    inputs = read_inputs(load_project(folder)).or_raise()
    _, _, paired = measured_cells(inputs, read_rows(inputs.project, [str(folder / "drive.csv")]))
    heard = paired.cells.censored == 0
    level, _ = corrected(paired.cells, found)
    assert np.median((level - paired.cells.predicted_dbm)[heard]) == pytest.approx(OFFSET_DB, abs=1.0)
    errors = {(r["split"], r["model"]): r["rmse_db"] for r in found.validation if r["by"] == "all"}
    for split in ("sites", "areas"):
        assert errors[split, "calibrated"] < 5.0 < errors[split, "log-distance line"]


def test_tables_say_what_was_done(ran):
    folder, done = ran
    tables = ("Preparation", "Parameters", "Sites", "Handsets", "Field:", "Errors in what was left out")
    for said in (*tables, "signal", "local means", "offset_db", "1001", f"written: {folder / 'calibration.toml'}"):
        assert said in done.stdout
    assert "fitting" in done.stderr


def test_the_report_has_its_pictures_and_tables(ran):
    text = (ran[0] / "report.html").read_text("utf-8")
    for name in ("cal_worth", "cal_pictures", "cal_preparation", "cal_parameters", "cal_groups", "provenance"):
        assert f"<section id={name}>" in text
    assert text.count("<svg") == 4 and "Residual against distance" in text and "drive.csv" in text
    assert "<script" not in text and "http" not in text and not re.search(r"\{[a-z_]+\}", text)


def test_relative_levels_leave_the_offset_open(mine, radiocov):
    before = {p.name for p in mine.iterdir()}
    log = changed(mine, lambda row: row | {"rssi_dbm": row["rssi_dbm"] and f"{float(row['rssi_dbm']) + 25.0:.1f}"})
    ran = radiocov("calibrate", mine, log, "--relative", "--dry-run", "--json", "-q", "--leave-out", "none")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["fixed"]["offset_db"]["status"] == "kept"
    assert found["validity"]["absolute"] is False and found["validation"] == []
    assert any("relative" in note for note in found["advice"])
    assert {p.name for p in mine.iterdir()} - before <= {".radiocov", "changed.csv"}  # a dry run


def test_one_handset_alone_is_said_to_be_part_of_the_offset(mine, radiocov):
    log = changed(mine, lambda row: row if row["device_id"] == "1002" else None)
    ran = radiocov("calibrate", mine, log, "--leave-out", "none")
    assert ran.code == 0, ran.err
    assert re.search(r"note: .*one handset", ran.out) and "fitted and not proved" in ran.out


def swap(row):
    """Talk-out levels without the model's error, called talk-in."""
    level = row["rssi_dbm"] and f"{float(row['rssi_dbm']) - OFFSET_DB:.1f}"
    return row | {"direction": "talk_in", "rssi_dbm": level}


def swap_both(row):
    """Every other handset's levels are those that a site hears, 12 dB less by the link budget, and both are called
    the other."""
    sent = int(row["device_id"]) % 2
    level = row["rssi_dbm"] and f"{float(row['rssi_dbm']) - 12.0 * sent:.1f}"
    return row | {"direction": ("talk_in", "talk_out")[sent], "rssi_dbm": level}


def off(row):
    """Of the first site nothing is heard on any day, and no other site is heard where it should be best."""
    if row["site_id"] == "LT01":
        return row | {"site_id": "", "service_state": "no_service", "rssi_dbm": ""}
    return row


BAD = {
    "another band": (lambda row: row | {"freq_hz": "415000000"}, r"of another band: 415 MHz"),
    "no overlap": (lambda row: row | {"lat": "31.2", "lon": "121.4"}, r"no position lies in the project's grid"),
    "constant levels": (lambda row: row | {"rssi_dbm": row["rssi_dbm"] and "-87.5"}, r"always -87\.5 dBm"),
    "all censored": (lambda row: row | {"rssi_dbm": "-111", "rssi_censor": "below", "site_id": "LT01",
                                        "service_state": "registered", "device_id": f"{row['device_id']}"},
                     r"nothing|never changes|not heard|always"),
    "not heard anywhere": (lambda row: row | {"rssi_dbm": "", "site_id": "", "service_state": "no_service"},
                           r"all [0-9,]+ cells are censored"),
    "relative and not said": (lambda row: row | {"rssi_dbm": row["rssi_dbm"] and f"{float(row['rssi_dbm']) / 4:.1f}"},
                              r"stronger than free space allows.*--relative"),
    "directions exchanged": (swap, r"look exchanged: talk-in levels are \+?[0-9.]+ dB off as labelled"),
    "both directions exchanged": (swap_both, r"look exchanged: talk-in is \+[0-9.]+ dB off against talk-out"),
    "a transmitter that was off": (off, r"LT01 was not heard although .* on 2017-07-.* its transmitter was off"),
    "no such site": (lambda row: row | {"site_id": row["site_id"] and "BS7"}, r"without a site of sites\.csv: BS7"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_logs_get_one_line_and_no_file(mine, radiocov, name):
    change, said = BAD[name]
    ran = radiocov("calibrate", mine, changed(mine, change), "--report", mine / "report.html", "-q")
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert ran.code == 2 and not ran.out, ran.out
    assert all(re.search(said, line) for line in errors) and 1 <= len(errors) <= 3, ran.err
    assert not list(mine.glob("calibration*")) and not (mine / "report.html").exists()


def test_a_site_that_was_off_can_be_left_out_by_name(made, mine, radiocov):
    with (mine / "project.toml").open("a") as file:
        file.write('\n[calibration]\noff = ["LT01"]\n')
    ran = radiocov("calibrate", mine, changed(mine, off), "--json", "-q", "--leave-out", "none")
    assert ran.code == 0, ran.err
    assert "LT01" not in json.loads(ran.out)["sites"]


def test_a_faulty_section_is_named_with_its_line(mine, radiocov):
    with (mine / "project.toml").open("a") as file:
        file.write('\n[calibration]\nterminal = "vehicel"\nnear_m = -1\ncarried = { pocket = "vehicle" }\n')
    ran = radiocov("calibrate", mine, mine / "drive.csv")
    assert ran.code == 2
    assert 'calibration.terminal: there is no terminal "vehicel"; did you mean "vehicle"?' in ran.err
    assert "calibration.near_m: -1 is not accepted; give a number from 0 to 5000 m" in ran.err
    assert '"pocket" is no way of carrying' in ran.err


def test_the_store_is_read_where_no_log_is_named(mine, radiocov):
    without = radiocov("calibrate", mine)
    assert without.code == 2 and "store" in without.err
    assert radiocov("logs", "import", mine, mine / "drive.csv", "-q").code == 0
    ran = radiocov("calibrate", mine, "--json", "-q", "--dry-run", "--leave-out", "none")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["provenance"]["logs"][0]["name"].endswith("fleet.sqlite")


def test_directions_that_are_right_all_the_same_can_be_trusted(mine, radiocov):
    with (mine / "project.toml").open("a") as file:
        file.write("\n[calibration]\ntrust_direction = true\n")
    ran = radiocov("calibrate", mine, changed(mine, swap), "--dry-run", "-q", "--leave-out", "none")
    assert ran.code == 0, ran.err


def test_simulated_rows_are_named_wherever_the_calibration_is(mine, radiocov):
    """In the output, the file, the report, and what coverage says of itself."""
    from radiocov.calibration.files import read_calibration
    from radiocov.calibration.summary import in_chinese, in_words, summary

    log = changed(mine, lambda row: row | {"flags": "synthetic"})
    ran = radiocov("calibrate", mine, log, "-q", "--leave-out", "none", "--report", mine / "report.html")
    assert ran.code == 0, ran.err
    assert re.search(r"note: [0-9,]+ rows are SIMULATED", ran.out)
    assert "SYNTHETIC measurements" in (mine / "calibration.toml").read_text("utf-8").split("format")[0]
    assert "rows are SIMULATED" in (mine / "report.html").read_text("utf-8")
    about = summary(read_calibration(mine / "calibration.toml"))
    assert "cells of SYNTHETIC measurements" in in_words(about) and "SYNTHETIC" in in_chinese(about)


def test_what_the_import_noticed_goes_with_the_calibration(mine, radiocov):
    import zipfile

    with zipfile.ZipFile(mine / "day.zip", "w") as archive:
        archive.write(mine / "drive.csv", "drive.csv")
        archive.writestr("remarks.txt", "two handsets, battery of 1003 low")
    ran = radiocov("calibrate", mine, mine / "day.zip", "-q", "--dry-run", "--leave-out", "none")
    assert ran.code == 0, ran.err
    assert re.search(r"note: day\.zip: left out: .*remarks\.txt", ran.out)


def test_the_chinese_report_has_no_english_sentence(mine, radiocov):
    """One handset on one day at one site, simulated: every note and reason that there is for so little."""
    few = changed(mine, lambda row: row | {"flags": "synthetic"} if row["device_id"] == "1002" else None)
    ran = radiocov("calibrate", mine, few, "-q", "--dry-run", "--leave-out", "sites", "--leave-out", "areas",
                   "--leave-out", "days", "--lang", "zh", "--report", mine / "report.html")  # fmt: skip
    assert ran.code == 0, ran.err
    text = re.sub(r"<(style|svg).*?</\1>|<code>.*?</code>", "", (mine / "report.html").read_text("utf-8"), flags=re.S)
    shown = re.sub(r"<[^>]+>", "\n", text).replace("Small test network", "")
    assert "终端" in shown
    assert not re.findall(r"[A-Za-z]+(?:[ ,]+[a-z]+){2,}", shown)


def test_every_reason_of_the_fit_and_doubt_of_the_data_is_known_in_chinese():
    """What the modules can say, said: no word of English prose is left but names."""
    from dataclasses import replace

    from radiocov.calibration import design, synthetic
    from radiocov.calibration.fit import fit
    from radiocov.calibration.soundness import checked
    from radiocov.report.sentences import in_chinese

    one = synthetic.draw(synthetic.Truth(sites=1, devices=1, days=1, seed=3), 400).cells
    several = synthetic.draw(synthetic.Truth(seed=3), 1000).cells
    level = np.where(several.device == 3, several.level_dbm - 20, several.level_dbm)
    near = replace(several, distance_km=np.full(len(several), 2.0), excess_db=np.zeros(len(several)))
    said = [str(p) for p in (*checked(one, measured_mhz=372.0), *checked(replace(several, level_dbm=level)))]
    for cells in (one, near, replace(several, relative=True)):
        found = fit(cells, block_m=0.0)
        said += found.advice
        for group in (found.fixed, found.classes, found.sites, found.devices, found.sigma_db):
            said += [effect.reason for effect in group.values() if effect.reason]
    said += [f"at its bound: {column.reason}" for column in design.standard_columns(several)]
    assert len(set(said)) > 15
    for text in said:
        assert not re.search(r"[A-Za-z]+ [a-z]{2,} [a-z]{2,}", in_chinese(text)), (text, in_chinese(text))


def test_a_calibration_that_is_interrupted_leaves_no_file(made, mine):
    before = {p.name for p in mine.iterdir()}
    running = made.start("calibrate", mine, mine / "drive.csv", "--report", mine / "report.html")
    seen = ""
    while "leaving out" not in seen and (more := running.stderr.read(1)):
        seen += more
    running.send_signal(signal.SIGINT)
    code, out, err = made.finish(running)
    assert code == 130 and not out, (seen, err)
    assert "Traceback" not in seen + err
    assert {p.name for p in mine.iterdir()} - before <= {".radiocov"}
