"""radiocov logs import, logs formats and radiocov fleet, as people use them: a project, files, what is printed."""

from __future__ import annotations

import csv
import io
import json

import pytest

HEAVY = {"numpy", "numba", "pyarrow", "rasterio", "pydantic", "sqlalchemy", "scipy", "shapely", "rich", "pyogrio"}
COMMANDS = [("logs", "import"), ("logs", "formats"), *(("fleet", name) for name in (
    "add", "list", "show", "set", "health", "export", "receipts", "retention"))]  # fmt: skip
LOG = "time,device_id,lat,lon,rssi_dbm\n" + "".join(
    f"2025-11-29T08:00:{s:02}Z,{device},{42.1 + s * 1e-4:.4f},122.1,{-70 - s}\n"
    for device in ("A1", "B2") for s in range(30))  # fmt: skip


@pytest.fixture
def project(radiocov, tmp_path, monkeypatch):
    """A project as `init` makes it: nothing is computed."""
    monkeypatch.setenv("RADIOCOV_KEY_FILE", str(tmp_path / "keys/pseudonym.key"))
    monkeypatch.setenv("RADIOCOV_USER", "tester")
    monkeypatch.delenv("RADIOCOV_STORE", raising=False)
    assert radiocov("init", str(tmp_path / "net")).code == 0
    return tmp_path / "net"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "drive.csv"
    path.write_text(LOG)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_light_and_gives_an_example(made, command):
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from radiocov.cli import main; main()", *command, "--help"],
        text=True,
        encoding="utf-8", timeout=60, capture_output=True, env={**os.environ, "PYTHONPATH": str(made.ROOT)},
    )  # fmt: skip
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert done.returncode == 0 and not imported & HEAVY
    name = " ".join(command)
    assert done.stdout.startswith(f"Usage: radiocov {name} ")
    assert f"radiocov {name} my-network" in done.stdout or f"radiocov {name}\n" in done.stdout


def test_import_prints_a_receipt_and_again_the_same(radiocov, project, log):
    first = radiocov("logs", "import", project, log, "--datum", "wgs84", "-q")
    assert first.code == 0 and "accepted    60" in first.out and "handsets    2  A1, B2" in first.out
    assert (project / "fleet.sqlite").exists()
    again = radiocov("logs", "import", project, log, "--json")
    receipt = json.loads(again.out)["receipts"][0]
    assert receipt["repeated"] and receipt["batch"] == 1 and receipt["rejected_by_reason"] == {}


def test_bad_files_are_told_and_the_good_ones_are_imported(radiocov, project, log, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    done = radiocov("logs", "import", project, empty, log, "--datum", "wgs84")
    assert (
        done.code == 2 and done.err.splitlines()[0] == "error: empty.csv: is empty" and "accepted    60" in done.out
    )
    header = tmp_path / "header.csv"
    header.write_text(LOG.splitlines()[0] + "\n")
    done = radiocov("logs", "import", project, header)
    assert done.code == 0 and "warning: header.csv: 0 rows" in done.err


def test_a_datum_is_asked_for_and_a_project_too(radiocov, project, log, tmp_path):
    done = radiocov("fleet", "list", project)
    assert done.code == 2 and "there is no fleet store yet; `radiocov logs import`" in done.err
    done = radiocov("logs", "import", project, log)
    assert done.code == 2 and "error: drive.csv: positions in China without a datum" in done.err
    (tmp_path / "nothing").mkdir()
    done = radiocov("logs", "import", tmp_path / "nothing", log)
    assert done.code == 2 and "project.toml: cannot be read (no such file)" in done.err


def test_swapped_columns_are_known_by_the_projects_sites(radiocov, project, tmp_path):
    path = tmp_path / "swapped.csv"
    path.write_text(LOG.replace(",lat,lon,", ",lon,lat,"))
    done = radiocov("logs", "import", project, path, "--datum", "wgs84")
    assert done.code == 2 and "latitude and longitude are swapped (122.1, 42.1)" in done.err
    path.write_text(LOG.replace(",122.1,", ",2.1,"))
    done = radiocov("logs", "import", project, path, "--datum", "wgs84")
    assert done.code == 0 and "note: no position is in the project's area" in done.err


def test_strict_and_the_list_of_rejected_rows(radiocov, project, log):
    log.write_text(LOG + "2025-11-29T09:00:00Z,A1,42.1,122.1,95\n")
    done = radiocov("logs", "import", project, log, "--datum", "wgs84", "--strict")
    assert done.code == 2 and "1 of 61 rows rejected, and --strict refuses the file" in done.err
    done = radiocov("logs", "import", project, log, "--datum", "wgs84")
    assert done.code == 0 and "level_positive   1  level is not negative" in " ".join(done.out.split("\n"))
    listed = list(csv.DictReader(io.StringIO((log.parent / "drive.csv.rejects.csv").read_text("utf-8-sig"))))
    assert [(row["row"], row["code"], row["value"]) for row in listed] == [("62", "level_positive", "95")]


def test_formats_are_listed_printed_and_a_start_for_ones_own(radiocov, project, tmp_path):
    listed = json.loads(radiocov("logs", "formats", "--json").out)
    assert {"generic", "gnettrack", "tetra-mess", "wigle", "gpx"} <= {row["name"] for row in listed}
    own = tmp_path / "mine.toml"
    own.write_text(radiocov("logs", "formats", "generic").out.replace('name = "generic"', 'name = "mine"', 1)
                   .replace('"rssi_dbm", "rssi"', '"Rx level"'))  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_text(LOG.replace("rssi_dbm", "Rx Level"))
    done = radiocov("logs", "import", project, path, "--datum", "wgs84", "--format", own, "--json")
    assert json.loads(done.out)["receipts"][0]["profile"] == "mine/1"
    own.write_text(own.read_text().replace("rssi_dbm = {", "rsi_dbm = {"))
    done = radiocov("logs", "import", project, path, "--format", own)
    assert done.code == 2 and "fields.rsi_dbm: did you mean rssi_dbm?" in done.err
    assert "did you mean gnettrack?" in radiocov("logs", "formats", "gnetrack").err


def test_register_health_export_and_retention(radiocov, project, log, tmp_path):
    radiocov("logs", "import", project, log, "--datum", "wgs84")
    assert radiocov("fleet", "add", project, "A1", "--maker", "海能达", "--unit", "1st").code == 0
    register = tmp_path / "handsets.csv"
    register.write_text(radiocov("fleet", "list", project, "--csv").out)
    done = radiocov("fleet", "add", project, "--csv", register, "--duplicates", "ignore", "--json")
    assert json.loads(done.out) == {"added": 1, "ignored": 1, "overridden": 0, "unchanged": 0, "duplicates": "ignore"}
    assert radiocov("fleet", "set", project, "A1", "--state", "retired").code == 0
    done = radiocov("fleet", "set", project, "A1", "--state", "in service")
    assert done.code == 2 and "only with a note that says why" in done.err
    shown = json.loads(radiocov("fleet", "show", project, "A1", "--json").out)
    assert shown["state"] == "retired" and shown["records"] == 30 and shown["history"][0]["who"] == "tester"
    rows = json.loads(radiocov("fleet", "health", project, "--all", "--json").out)["handsets"]
    assert {row["device_id"]: row["records"] for row in rows} == {"A1": 30, "B2": 30}
    assert radiocov("fleet", "health", project).out.strip().splitlines()[-1].startswith("0 of 2 handsets shown")
    out = tmp_path / "out.csv"
    done = radiocov("fleet", "export", project, "-o", out, "--max-dbm", "-90", "--from", "2025-11-29T08:00:25")
    assert done.code == 0 and "10 records" in done.out and "a key of pseudonyms was made" in done.err
    area = tmp_path / "area.geojson"
    area.write_text(
        json.dumps({"type": "Polygon", "coordinates": [[[122, 42], [122.2, 42], [122.2, 42.201], [122, 42]]]})
    )
    done = radiocov("fleet", "export", project, "-o", tmp_path / "a.gpkg", "--area", area)
    assert done.code == 0 and "records" in done.out
    done = radiocov("fleet", "export", project, "-o", out, "--from", "yesterday")
    assert done.code == 2 and "--from yesterday: write it like 2026-11-01" in done.err
    done = radiocov("fleet", "export", project, "-o", out, "--bbox", "1,2,3")
    assert done.code == 2 and "four numbers, west,south,east,north" in done.err
    done = radiocov("fleet", "retention", project, "--withdraw", "1")
    assert done.code == 0 and "batch 1 (drive.csv) withdrawn: 60 records removed" in done.out


def test_receipts_of_imports_removals_and_looks(radiocov, project, log, tmp_path):
    radiocov("logs", "import", project, log, "--datum", "wgs84")
    radiocov("fleet", "export", project, "-o", tmp_path / "a.csv")
    row = json.loads(radiocov("fleet", "receipts", project, "--json").out)[0]
    assert (row["batch"], row["file"], row["accepted"], row["withdrawn"]) == (1, "drive.csv", 60, None)
    assert "accepted    60" in radiocov("fleet", "receipts", project, "1").out
    assert "there is no batch 7" in radiocov("fleet", "receipts", project, "7").err
    looked = json.loads(radiocov("fleet", "receipts", project, "--access", "--json").out)
    assert [(row["who"], row["action"]) for row in looked] == [("tester", "export records")]
    radiocov("fleet", "retention", project, "--withdraw", "1")
    assert "batch 1, drive.csv" in radiocov("fleet", "receipts", project, "--removals").out
    assert json.loads(radiocov("fleet", "receipts", project, "--json").out)[0]["withdrawn"]


def test_another_store_by_option_and_by_environment(radiocov, project, log, tmp_path, monkeypatch):
    radiocov("logs", "import", project, log, "--datum", "wgs84", "--store", tmp_path / "other.sqlite")
    assert (tmp_path / "other.sqlite").exists() and not (project / "fleet.sqlite").exists()
    monkeypatch.setenv("RADIOCOV_STORE", str(tmp_path / "other.sqlite"))
    assert "A1" in radiocov("fleet", "list", project).out
    done = radiocov("fleet", "list", project, "--store", "postgresql://nobody@127.0.0.1:9/none")
    assert done.code == 3 and "postgresql://nobody@127.0.0.1:9/none: connection" in done.err


def test_a_store_of_one_row_a_record_is_converted_and_says_so_once(radiocov, project, log):
    import sqlite3

    from devices import query, schema
    from devices.store import Store

    columns = ("device", "time_us", "identity", "occurrence", "batch", "row_no", "context", *schema.RECORD_NUMBERS)
    radiocov("logs", "import", project, log, "--datum", "wgs84")
    with Store(project / "fleet.sqlite") as store:
        [block] = query.numbers(store, query.Wanted(), columns)
    with sqlite3.connect(project / "fleet.sqlite") as old:
        old.execute("drop table blocks")
        old.execute(f"create table records ({', '.join(columns)}, raw_ref, "
                    "primary key (device, time_us, identity, occurrence)) without rowid")  # fmt: skip
        old.executemany(f"insert into records values ({', '.join('?' * len(columns))}, null)",
                        zip(*(block[name].tolist() for name in columns), strict=True))  # fmt: skip
        old.execute("update meta set value = '1' where key = 'schema'")
    old.close()
    first = radiocov("fleet", "show", project, "A1", "--json")
    assert first.code == 0 and json.loads(first.out)["records"] == 30
    assert "brought to the present form, once: 0 so far" in first.err
    assert not radiocov("fleet", "show", project, "A1", "--json").err
    again = radiocov("logs", "import", project, log, "--datum", "wgs84", "--json")
    assert json.loads(again.out)["receipts"][0]["repeated"]
    log.write_text(LOG + "\n")
    again = radiocov("logs", "import", project, log, "--datum", "wgs84", "--json")
    assert json.loads(again.out)["receipts"][0]["duplicate"] == 60
