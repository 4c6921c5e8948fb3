"""What the documents tell people to type is typed, as it stands there, and does what they say."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENDS_AFTER_S = 40
LEAST_BYTES = 3000  # of a journal: by then some records are in it
# as in an interactive shell: a test run in the background would hand down an ignored SIGINT
SCRIPT = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
          "from radiocov.cli import main; sys.argv[0] = 'radiocov'; main()")  # fmt: skip

#: commands that cannot run here -> where else they are shown to work
NOT_RUN = {
    "make demo": "installs everything into an environment of its own; tests/cli/test_demo.py runs what it runs",
    "make test": "these tests",
    "radiocov terrain fetch my-network": "needs the network; tests/terrain fetches from a server of its own",
    "record rfc2217://HOST:PORT": "HOST:PORT stands for a port server; tests/devices/live/test_links.py has one",
}
TETRA, DMR, RECEIVER = "simulated/tetra-pei-1001", "simulated/dmr-at-1002", "simulated/nmea-1003"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def typed(name: str) -> list[str]:
    """Commands of the console blocks of a document, without what is noted beside them."""
    blocks = re.findall(r"^```console\n(.*?)^```", text_of(name), re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s+# .*$", "", line[2:]) for line in lines]


def in_passing(name: str) -> list[str]:
    """Commands that stand whole within the text."""
    return [line for line in re.findall(r"`(radiocov [^`]*)`", text_of(name)) if "my-network" in line]


def recordings() -> list[str]:
    """What the table of docs/handsets.md has people type."""
    table = re.search(r"\| you have \| you type \|\n(.*?)\n\n", text_of("docs/handsets.md"), re.S)[1]
    return [re.search(r"\| `(record [^`]*)`", row)[1] for row in table.splitlines()[1:]]


@pytest.fixture(scope="module")
def folder(small_computed, tmp_path_factory) -> Path:
    """Where the commands are typed: a computed project and the files that they name."""
    folder = tmp_path_factory.mktemp("typed")
    shutil.copytree(small_computed, folder / "my-network")
    lines = [f"2025-11-29 08:{at // 60:02}:{at % 60:02},46001234,{41.8 + at * 1e-5:.5f},123.4,{-80 - at % 7}"
             for at in range(240)]  # fmt: skip
    (folder / "drive.csv").write_text("\n".join(["time,device_id,lat,lon,rssi_dbm", *lines[:120]]) + "\n")
    zoned = [line.replace(",", ";").replace(" 08:", "T00:").replace(";460", "Z;460", 1) for line in lines[180:]]
    (folder / "export.txt").write_text("\n".join(["time;device_id;lat;lon;rssi_dbm", *zoned]) + "\n")
    with zipfile.ZipFile(folder / "day2.zip", "w") as archive:
        archive.writestr("day2.csv", "\n".join(["time,device_id,lat,lon,rssi_dbm", *lines[120:180]]) + "\n")
    (folder / "handsets.csv").write_text(
        "device_id,unit,model\n46001234,1st precinct,MTP\n46001235,1st precinct,MTP\n")  # fmt: skip
    return folder


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RADIOCOV_KEY_FILE", str(folder / "key"))
    monkeypatch.setenv("RADIOCOV_USER", "tester")
    monkeypatch.delenv("RADIOCOV_STORE", raising=False)
    return folder


def run_all(radiocov, commands: list[str]) -> dict[str, str]:
    """What each command printed; those that end by themselves."""
    said = {}
    for command in commands:
        words = shlex.split(command)
        assert words.pop(0) == "radiocov", command
        target = words.pop() if len(words) > 1 and words[-2] == ">" else None
        if target is not None:
            words.pop()
        ran = radiocov(*words)
        assert ran.code == 0, f"{command}: {ran.err}"
        if target is not None:
            Path(target).write_text(ran.out, encoding="utf-8")
        said[command] = ran.out + ran.err
    return said


def test_the_documents_hold_what_is_looked_for():
    assert len(typed("docs/handsets.md")) == 6 and len(typed("docs/fleet.md")) == 7
    assert len(typed("docs/log-formats.md")) == 4 and len(recordings()) == 6
    known = {*typed("README.md"), *in_passing("README.md"), *recordings()}
    assert set(NOT_RUN) <= known, "a reason for a command that no document names any more"


def test_logs_and_the_fleet(here, radiocov):
    said = run_all(radiocov, typed("docs/log-formats.md"))
    first, built_in, generic, second = said.values()
    assert re.search(r"drive\.csv: batch 1.*accepted\W+120.*day2\.zip: batch 2.*accepted\W+60", first, re.S)
    assert "tetra-mess" in built_in and tomllib.loads(generic)["name"] == "generic"
    assert re.search(r"export\.txt: batch 3.*accepted\W+60", second, re.S)
    said = run_all(radiocov, typed("docs/fleet.md"))
    added, listed, changed, health, exported, looked, removed = said.values()
    assert "46001234" in listed and "46001235" in listed and "MTP" in listed
    assert "of 2 handsets shown" in health and "export" in looked and "health" in looked
    assert (here / "november.gpkg").stat().st_size > 10_000
    assert "240" in removed, "all records are older than the rule"


def test_the_description_that_is_shown_reads_a_file_of_its_kind(here, radiocov):
    [own] = [block for block in re.findall(r"```toml\n(.*?)```", text_of("docs/log-formats.md"), re.S)
             if "scanner-7" in block]  # fmt: skip
    (here / "scanner.toml").write_text(own, encoding="utf-8")
    (here / "scanner.txt").write_text(
        "Zeit;Geraet;Breite;Laenge;v [km/h];Pegel;Netz;Info\n"
        "29.11.2025 08:00:00;7001;41,8;123,4;36;-170;1;BS=12\n29.11.2025 08:00:01;7001;41,8;123,4;36;-240;0;BS=12\n"
    )
    ran = radiocov("logs", "import", "my-network", "scanner.txt", "--format", "scanner.toml", "--store", "own.sqlite",
                   "--json")  # fmt: skip
    assert ran.code == 0 and '"accepted": 2' in ran.out, ran.out + ran.err
    exported = radiocov("fleet", "export", "my-network", "--store", "own.sqlite", "-o", "own.csv", "--identities")
    assert exported.code == 0, exported.err
    with (here / "own.csv").open(newline="", encoding="utf-8-sig") as file:
        heard, silent = csv.DictReader(file)
    assert (float(heard["rssi_dbm"]), heard["site_id"], float(heard["speed_mps"])) == (-85.0, "12", 10.0)
    assert (silent["rssi_dbm"], silent["service_state"], silent["profile"]) == ("", "no_service", "scanner-7/2")


def test_the_profile_that_is_shown_is_taken(here):
    from devices.settings import load_profile

    [own] = re.findall(r"```toml\n(.*?)```", text_of("docs/handsets.md"), re.S)
    (here / "hip.toml").write_text(own, encoding="utf-8")
    found = load_profile(here / "hip.toml")
    assert (found.name, found.sensitivity_dbm, found.poll_s) == ("hip-2026", -118, 2)


def test_the_five_steps_of_the_readme(here, radiocov, tmp_path, monkeypatch):
    steps = [command for command in in_passing("README.md") if command not in NOT_RUN]
    assert [command.split()[1] for command in steps] == [
        "init", "budget", "check", "coverage", "targets", "map", "plan",
    ]  # fmt: skip
    shutil.copytree(here / "my-network", tmp_path / "filled")
    monkeypatch.chdir(tmp_path)
    run_all(radiocov, steps[:1])
    assert (tmp_path / "my-network" / "project.toml").exists()
    shutil.rmtree(tmp_path / "my-network")
    (tmp_path / "filled").rename(tmp_path / "my-network")  # terrain, sites and areas are filled in
    said = run_all(radiocov, steps[1:])
    assert all(said.values())


# What speaks through ports runs as people run it: in processes of its own, ended by Ctrl-C.


def start(command: list[str], cwd: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *command], cwd=cwd, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)  # fmt: skip


def until(condition, process: subprocess.Popen, what: str) -> None:
    last = time.monotonic() + ENDS_AFTER_S
    while not condition():
        assert process.poll() is None, f"{what}: ended: {process.communicate()}"
        assert time.monotonic() < last, f"{what}: not within {ENDS_AFTER_S} s"
        time.sleep(0.05)


def interrupted(process: subprocess.Popen) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=ENDS_AFTER_S)
    return process.returncode, out + err


@pytest.fixture
def ports(folder) -> Iterator[Path]:
    """A folder with simulated handsets of three kinds, started by the first command of the rehearsal."""
    if os.name != "posix":
        pytest.skip("there are no pseudo-terminals here")
    simulate = typed("docs/handsets.md")[3]
    more = ["--kind", "tetra-pei", "--kind", "dmr-at", "--kind", "nmea", "--handsets", "3", "--fast", "5"]
    process = start([*route(folder, simulate), *more], folder)
    try:
        until(lambda: (folder / RECEIVER).exists(), process, simulate)
        yield folder
    finally:
        code, said = interrupted(process)
    assert code == 130 and "Traceback" not in said, said


def route(folder: Path, command: str) -> list[str]:
    """The command's words; its route is made in the middle of the project."""
    from radiocov.network import read_sites

    sites, _ = read_sites(folder / "my-network" / "sites.csv")
    points = [(sites[0].lon, sites[0].lat), (sites[0].lon + 0.004, sites[0].lat + 0.002)]
    (folder / "drive.gpx").write_text('<gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>' + "".join(
        f'<trkpt lat="{lat}" lon="{lon}"/>' for lon, lat in points) + "</trkseg></trk></gpx>")  # fmt: skip
    return shlex.split(command)[1:]


def on_ports(command: str) -> list[str]:
    """The command's words with simulated handsets for the ports that it names."""
    words = shlex.split(command)
    found = {"/dev/ttyACM0": TETRA, "/dev/ttyUSB0": TETRA, "/dev/ttyUSB1": DMR, "/path/to/folder": "captures"}
    if "--gps" in words:
        found["/dev/ttyACM0"] = RECEIVER
    if "dmr-at" in words:
        found["/dev/ttyUSB0"] = DMR
    if "--raw" in words:  # this one speaks without being asked
        found["/dev/ttyUSB0"] = RECEIVER
    return [found.get(word, word) for word in words]


def record(folder: Path, command: str) -> str:
    """Record until some bytes are kept, then Ctrl-C; what was said."""
    words = on_ports(command)
    if "-o" not in words:
        words += ["-o", f"{abs(hash(command))}.journal"]
    journal = folder / words[words.index("-o") + 1]
    process = start(["logs", *words], folder)
    until(lambda: journal.exists() and journal.stat().st_size > LEAST_BYTES, process, command)
    code, said = interrupted(process)
    assert code == 0, f"{command}: {said}"
    assert "Traceback" not in said
    return said


def test_recording_as_the_page_for_the_field_says(ports, radiocov, monkeypatch):
    monkeypatch.chdir(ports)
    listed, recorded, replayed, _, rehearsed, whole_day = typed("docs/handsets.md")
    run_all(radiocov, [listed])
    assert "records" in record(ports, recorded.removeprefix("radiocov logs "))
    assert re.search(r"[1-9]\d* records, 0 rejected", run_all(radiocov, [replayed])[replayed])
    assert "records" in record(ports, rehearsed.removeprefix("radiocov logs "))
    said = radiocov(*route(ports, whole_day), "--seconds", "30")
    assert said.code == 0 and (ports / "day.journal").stat().st_size > 1000, said.err


def test_the_table_of_recordings(ports):
    (ports / "captures").mkdir()
    (ports / "captures" / "a.nmea").write_text("$GPRMC,081500,A,4148.0,N,12324.0,E,0.0,0.0,291125,,*1B\r\n" * 60)
    for command in recordings():
        if command not in NOT_RUN:
            record(ports, command)
