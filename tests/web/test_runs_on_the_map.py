"""From logs to a calibrated map by the service alone, and what the map shows while a run replaces its rasters."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest

from radiocov.calibration.summary import in_words
from radiocov.files import read_json
from radiocov.web.snapshot import hold

_name = "radiocov_tests_calibration_fixtures"
_spec = importlib.util.spec_from_file_location(_name, Path(__file__).parents[1] / "calibration" / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules[_name] = _fixtures
_spec.loader.exec_module(_fixtures)

TILE = "tiles/{state}/level/10/861/383.png"


@pytest.fixture(scope="module")
def driven(made, tmp_path_factory, ways):
    """A server of a computed project, and the lines of a log of it drawn 7 dB below the model."""
    from radiocov.coverage.run import CoverageRun

    folder = made.small_project(tmp_path_factory.mktemp("driven") / "project", sites=6)
    _fixtures.drawn_log(made.inputs_of(folder), folder / "drive.csv", -7.0, n=60)
    lines = (folder / "drive.csv").read_text().splitlines()
    (folder / "drive.csv").unlink()
    CoverageRun(made.inputs_of(folder)).run()
    running = ways.Server(folder)
    yield running, lines
    running.stop()


def test_logs_of_teams_become_a_calibrated_map(driven, ways):
    server, (header, *rows) = driven
    for number in range(2):
        team = server.client("field", f"Team {number}")
        upload = ways.bring(team, "\n".join([header, *rows[number::2]]).encode(), f"drive{number}.csv")
        assert upload["state"] == "done" and upload["receipt"]["accepted"] == len(rows[number::2])
    engineer = server.client("engineer")
    ways.until(lambda: engineer.get("/api/v1/map").json()["state"] == "ready")
    first = engineer.get("/api/v1/map").json()
    address = f"/map/{first['key']}/{TILE.format(state=first['states'][-1])}"
    before, seen, wrong, stop = engineer.get(address).content, set(), [], threading.Event()
    reader = server.client("manager")

    def look():
        """As people do all the while: an address under a run's key never shows another run."""
        while not stop.wait(0.1):
            found = reader.get(address, headers={"If-None-Match": '""'})
            if found.status_code != 200 or found.content != before:
                wrong.append((found.status_code, len(found.content)))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for kind in ("calibration", "coverage"):
            number = engineer.post("/api/v1/runs", json={"kind": kind}).json()["id"]

            def ended(number=number, kind=kind):
                run = engineer.get(f"/api/v1/runs/{number}").json()
                if run["step"]:
                    seen.add(run["step"])
                return run if run["state"] not in ("queued", "running") else None

            ways.until(ended, 180)
            run = ended()
            assert run["state"] == "done", run["output"]
            assert str(server.folder) not in run["output"]
        ways.until(lambda: engineer.get("/api/v1/map").json()["key"] != first["key"])
    finally:
        stop.set()
        looking.join()
    assert not wrong
    assert len(seen) >= 2, seen
    assert (server.folder / "calibration.toml").is_file()
    newer = engineer.get("/api/v1/map").json()
    assert not newer["coming"]
    assert engineer.get(address.replace(first["key"], newer["key"])).content != before
    page = engineer.get(f"/map/{newer['key']}/?lang=en").text
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    made = read_json(server.folder / "out" / "manifest.json")["states"][-1]["provenance"]["calibration"]
    assert data["provenance"]["calibration"]["en"] == in_words(made)
    assert engineer.get(address).content == before  # for whoever has the page of the earlier run open
    assert engineer.get(f"/map/{first['key']}/").headers["location"] == "/map"


def test_what_is_held_is_one_run(small_computed, tmp_path):
    results = Path(shutil.copytree(small_computed / "out", tmp_path / "out"))
    key = hold(results, tmp_path / "first")
    state = read_json(results / "manifest.json")["states"][-1]["state"]
    raster = results / state / "level_dbm.tif"
    old = raster.read_bytes()
    assert len(key) == 16 and (tmp_path / "first" / state / "level_dbm.tif").samefile(raster)
    (results / "new.tif").write_bytes(old[:-1])  # as a run that has replaced one raster of many
    os.replace(results / "new.tif", raster)
    assert hold(results, tmp_path / "mixed") == ""
    assert (tmp_path / "first" / state / "level_dbm.tif").read_bytes() == old
    raster.write_bytes(old)
    assert hold(results, tmp_path / "again") == key
    (results / state / "manifest.json").unlink()  # as a run does before it replaces the first
    assert hold(results, tmp_path / "begun") == ""
    assert hold(tmp_path / "nowhere", tmp_path / "none") == ""


def test_another_disk_holds_copies(small_computed, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert hold(small_computed / "out", tmp_path / "held")
    found = {path.relative_to(tmp_path / "held") for path in (tmp_path / "held").rglob("*.tif")}
    assert found == {path.relative_to(small_computed / "out") for path in (small_computed / "out").rglob("*.tif")}
