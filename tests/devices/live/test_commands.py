"""The commands of a field team, as they type them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devices.protocols import read_file
from devices.records import NAMES, Record

ROOT = Path(__file__).resolve().parents[3]
START = "import sys; from radiocov.cli import main; main()"
HEAVY = {"numpy", "numba", "pyarrow", "rasterio", "pyproj", "pydantic", "sqlalchemy", "serial", "rich", "pynmeagps",
         "google_crc32c"}  # fmt: skip
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def command(*arguments):
    return [sys.executable, "-c", START, "logs", *map(str, arguments)]


def run(*arguments, cwd, code=0):
    done = subprocess.run(command(*arguments), text=True, capture_output=True, cwd=cwd, env=ENVIRONMENT, timeout=60)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("name", ["ports", "record", "replay", "simulate"])
def test_help_is_light_and_gives_an_example(tmp_path, name):
    done = subprocess.run([sys.executable, "-X", "importtime", *command(name, "--help")[1:]], text=True,
                          capture_output=True, cwd=tmp_path, env=ENVIRONMENT, timeout=60)  # fmt: skip
    assert done.stdout.startswith(f"Usage: radiocov logs {name} ") and done.returncode == 0
    assert f"radiocov logs {name}" in done.stdout.split("Example", 1)[1]
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported and not imported & HEAVY


def test_ports_lists_and_opens_nothing(tmp_path):
    found = json.loads(run("ports", "--json", cwd=tmp_path).stdout)
    assert all({"name", "seems", "protocol", "note"} <= set(port) for port in found)
    rows = list(csv.DictReader(io.StringIO(run("ports", "--csv", cwd=tmp_path).stdout)))
    assert rows == found


def test_a_drive_is_written_replayed_as_table_csv_and_json_and_all_agree(tmp_path):
    run("simulate", "--kind", "tetra-pei", "--kind", "pdt", "--handsets", "2", "--seconds", "60", "--to", "d.journal",
        "--start", "2026-11-24T08:00:00", "--fault", "unplug@20+5", cwd=tmp_path)  # fmt: skip
    table = run("replay", "d.journal", cwd=tmp_path)
    assert "00001001" in table.stdout and "1002" in table.stdout and "was unplugged" in table.stderr
    rows = list(csv.DictReader(io.StringIO(run("replay", "d.journal", "--csv", cwd=tmp_path).stdout)))
    lines = [json.loads(x) for x in run("replay", "d.journal", "--json", cwd=tmp_path).stdout.splitlines()]
    records = [line for line in lines if line["kind"] == "record"]
    read = [item for item in read_file(tmp_path / "d.journal") if isinstance(item, Record)]
    assert tuple(rows[0]) == NAMES and len(rows) == len(records) == len(read) > 80
    assert [int(row["time_utc_us"]) for row in rows] == [line["time_utc_us"] for line in records]
    assert lines[-1] == {"kind": "total", "records": len(read), "rejected": {}, "counts": lines[-1]["counts"]}
    run("simulate", "--kind", "tetra-pei", "--kind", "pdt", "--handsets", "2", "--seconds", "60", "--to", "d.csv",
        "--start", "2026-11-24T08:00:00", "--fault", "unplug@20+5", cwd=tmp_path)  # fmt: skip
    with open(tmp_path / "d.csv", newline="") as file:
        assert list(csv.DictReader(file)) == rows


def test_recording_ends_in_order_at_ctrl_c_with_a_sum_and_plain_lines(handset, tmp_path):
    terminal = handset("pdt")
    arguments = command("record", terminal.path, "--protocol", "pdt", "-o", "a.journal")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
                          env=ENVIRONMENT) as process:  # fmt: skip
        assert "link_open: recording" in process.stderr.readline()
        end = time.monotonic() + 20
        while len(terminal.heard) < 3 and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err
    assert out.startswith("a.journal: ") and "records, 0 rejected" in out
    assert [item for item in read_file(tmp_path / "a.journal") if isinstance(item, Record)]


def test_a_recording_can_be_continued_and_counts_itself_as_json(handset, tmp_path):
    terminal = handset("pdt")
    arguments = "record", terminal.path, "--protocol", "pdt", "-o", "a.journal", "--seconds", "1.5", "--json"
    both = [json.loads(run(*arguments, cwd=tmp_path).stdout) for _ in range(2)]
    records = [item for item in read_file(tmp_path / "a.journal") if isinstance(item, Record)]
    assert len(records) == sum(one["records"] for one in both) >= 2
    assert both[0]["journal"] == "a.journal" and both[0]["rejected"] == {}


def test_the_probe_finds_what_to_record(handset, tmp_path):
    terminal = handset("tetra-pei")
    done = run("record", terminal.path, "--probe", "--baud", "38400", "--seconds", "2", "--json", cwd=tmp_path)
    assert "tetra-pei at 38400 baud; it answers AT+CNUMF?" in done.stderr
    assert json.loads(done.stdout)["records"] > 0


@pytest.mark.parametrize(("arguments", "code", "reason"), [
    (["record", "nothing"], 3, "error: nothing is not there; `radiocov logs ports` lists what is plugged in"),
    (["record", "ftp://x"], 2, "there is no such form of address"),
    (["record", "x", "--protocol", "morse"], 2, "--protocol morse: there is no such; possible: tetra-pei"),
    (["record", "x", "--baud", "fast"], 2, "--baud fast: a rate such as 9600"),
    (["record", "x", "y", "--device", "7"], 2, "--device 7: say whose of the 2 ports, as PORT=7"),
    (["record", "x", "--baud", "y=9600"], 2, "there is no such port; ports here: x"),
    (["record", "x", "--gps", "x"], 2, "--gps x: is among the ports to record"),
    (["record", "x", "-o", "no/such/a.journal"], 2, "-o no/such/a.journal: there is no folder no/such"),
    (["record", "x", "--profile", "p.toml"], 2, "error: p.toml: there is no key 'bauds'"),
    (["replay", "p.toml"], 2, "error: p.toml: neither a journal nor a capture of a known protocol"),
    (["replay", "a.txt"], 2, "error: a.txt: is empty"),
    (["simulate", "--to", "x.txt"], 2, "--to x.txt: the name has to end in .journal or .csv"),
    (["simulate", "--kind", "morse", "--to", "x.csv"], 2, "there is no simulated handset 'morse'; possible"),
    (["simulate", "--state", "2015"], 2, "--state needs a PROJECT"),
    (["simulate", "."], 2, "no such file"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(tmp_path, arguments, code, reason):
    (tmp_path / "p.toml").write_text("bauds = 9600\n")
    (tmp_path / "a.txt").write_text("")
    done = run(*arguments, cwd=tmp_path, code=code)
    assert reason in done.stderr and not done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "p.toml"]
