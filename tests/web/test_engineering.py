"""What engineers do: runs with progress, sites, the register, figures for monitoring; backup and restore."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import time

import pytest


def finished(client, number, seconds=120.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run = client.get(f"/api/v1/runs/{number}").json()
        if run["state"] not in ("queued", "running"):
            return run
        time.sleep(0.1)
    raise AssertionError(run)


def test_a_run_goes_its_way_and_is_written_down(server):
    engineer = server.client("engineer")
    started = engineer.post("/api/v1/runs", json={"kind": "check"})
    assert started.status_code == 201
    run = finished(engineer, started.json()["id"])
    assert run["state"] == "done" and run["exit_code"] == 0 and "grid" in run["output"].lower()
    assert str(server.folder) not in run["output"]
    actions = [(e["who"], e["action"]) for e in engineer.get("/api/v1/audit").json()]
    assert ("engineer", "start run") in actions and ("engineer", "end run") in actions
    assert engineer.post("/api/v1/runs", json={"kind": "format disk"}).status_code == 400


def test_a_run_can_be_stopped_and_a_failure_says_why(own_server):
    engineer = own_server.client("engineer")
    first = engineer.post("/api/v1/runs", json={"kind": "coverage"}).json()
    assert engineer.post("/api/v1/runs", json={"kind": "coverage"}).status_code == 409
    waits = engineer.post("/api/v1/runs", json={"kind": "check"}).json()
    assert engineer.post(f"/api/v1/runs/{waits['id']}/cancel").json()["state"] == "cancelled"
    assert engineer.post(f"/api/v1/runs/{first['id']}/cancel").status_code == 200
    assert finished(engineer, first["id"])["state"] == "cancelled"
    (own_server.folder / "project.toml").write_text("[project]\nname = 3\n")
    failed = finished(engineer, engineer.post("/api/v1/runs", json={"kind": "check"}).json()["id"])
    assert failed["state"] == "failed" and failed["exit_code"] == 2 and "project.toml" in failed["output"]


def test_what_ran_when_the_server_was_killed_is_marked_and_its_process_ends(own_server):
    engineer = own_server.client("engineer")
    number = engineer.post("/api/v1/runs", json={"kind": "coverage"}).json()["id"]
    while engineer.get(f"/api/v1/runs/{number}").json()["state"] == "queued":
        time.sleep(0.02)
    group = children_of(own_server.process.pid)
    own_server.kill()
    own_server.start()
    assert engineer.get(f"/api/v1/runs/{number}").json()["state"] == "interrupted"
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in group):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        found = [int(child) for child in file.read().split()]
    threads = os.listdir(f"/proc/{pid}/task")
    for thread in threads:
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += [int(child) for child in file.read().split()]
    assert found
    return set(found)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_sites_are_checked_before_they_are_changed(server):
    engineer = server.client("engineer")
    read = engineer.get("/api/v1/sites")
    name = {"If-Match": read.headers["etag"], "Content-Type": "text/csv"}
    broken = engineer.put("/api/v1/sites", content=read.text.replace(",123.", ",923.", 1), headers=name)
    assert broken.status_code == 400 and "sites.csv" in broken.json()["message"]
    assert engineer.get("/api/v1/sites").text == read.text
    changed = read.text.replace("LT01", "LT99")
    done = engineer.put("/api/v1/sites", content=changed, headers=name)
    assert done.status_code == 200 and done.json()["sites"] == len(read.text.strip().splitlines()) - 1
    assert (server.folder / "sites.csv").read_text() == changed
    assert [p.read_text() for p in (server.folder / "service" / "sites").iterdir()] == [read.text]
    assert engineer.put("/api/v1/sites", content=read.text, headers=name).status_code == 412


def test_the_register_is_kept_with_who_changed_it(server):
    engineer = server.client("engineer", "Li Wei")
    assert engineer.post("/api/v1/fleet", json={"device_id": "H1", "maker": "Hytera"}).json()["added"] == 1
    assert engineer.post("/api/v1/fleet", json={"device_id": "H1"}).status_code == 400
    assert engineer.patch("/api/v1/fleet/H1", json={"state": "lost"}).json() == {"changed": ["state"]}
    refused = engineer.patch("/api/v1/fleet/H1", json={"state": "in service"})
    assert refused.status_code == 400 and "note" in refused.json()["message"]
    csv = "device_id,maker\nH1,Motorola\nH2,Motorola\n"
    kind = {"Content-Type": "text/csv"}
    assert engineer.post("/api/v1/fleet/register", content=csv, headers=kind).status_code == 400
    done = engineer.post("/api/v1/fleet/register?duplicates=override", content=csv, headers=kind)
    assert done.json() == {"added": 1, "ignored": 0, "overridden": 1, "unchanged": 0}
    from devices import fleet
    from devices.store import Store

    with Store(server.folder / "fleet.sqlite") as store:
        assert {c["who"] for c in fleet.show(store, "H1")["history"]} == {"Li Wei"}


def test_figures_for_monitoring(server):
    text = server.client("monitor").get("/metrics").text
    assert 'radiocov_uploads{state="queued"}' in text and "radiocov_request_seconds_bucket" in text
    assert server.client().get("/readyz").json() == {"database": True, "importer": True, "disk": True}


def test_an_importer_that_is_killed_comes_back(own_server, ways):
    team = own_server.client("field")
    for pid in children_of(own_server.process.pid):
        os.kill(pid, 9)
    upload = ways.bring(team, ways.log(*ways.rows(20, "BACK")).encode())
    assert upload["receipt"]["accepted"] == 20
    assert "radiocov_importer_restarts_total 1.0" in own_server.client("monitor").get("/metrics").text


def test_one_service_on_a_project(server, radiocov):
    second = radiocov("serve", server.folder, "--port", "0")
    assert second.code == 2 and "runs on this project already" in second.err


def test_an_address_that_is_taken_is_said(server, radiocov):
    found = radiocov("serve", server.folder, "--port", server.port)
    assert found.code == 3 and f"port {server.port} is taken" in found.err


def test_a_polite_end_loses_nothing(own_server, ways):
    team = own_server.client("field")
    data = ways.log(*ways.rows(3000, "END")).encode()
    upload = ways.announce(team, data).json()
    assert ways.patch(team, upload["id"], 0, data).json()["state"] == "queued"
    assert own_server.stop(for_good=False) == 0
    own_server.start()
    assert ways.ended(team, upload["id"])["receipt"]["rows_read"] == 3000


def test_a_backup_of_a_running_service_comes_back_whole(own_server, ways, radiocov, tmp_path):
    team = own_server.client("field", "Team")
    first = ways.bring(team, ways.log(*ways.rows(100, "BAK")).encode(), "first.csv")
    data = ways.log(*ways.rows(100, "OPEN")).encode()
    half = ways.announce(team, data).json()
    ways.patch(team, half["id"], 0, data[:2000])
    archive = tmp_path / "monday.tar"
    assert radiocov("service", "backup", own_server.folder, archive, "-q").code == 0
    assert archive.stat().st_mode & 0o077 == 0
    assert "must" not in radiocov("service", "restore", own_server.folder, archive, "-q").out
    assert radiocov("service", "restore", own_server.folder, archive, "--replace", "-q").code == 2  # it runs
    later = ways.bring(team, ways.log(*ways.rows(50, "LATER")).encode(), "later.csv")
    own_server.stop()
    assert radiocov("service", "restore", own_server.folder, archive, "-q").code == 2  # something is there
    assert radiocov("service", "restore", own_server.folder, archive, "--replace", "-q").code == 0
    restored = type(own_server)(own_server.folder)
    try:
        restored.tokens = own_server.tokens
        team = restored.client("field", "Team")
        assert team.get(f"/api/v1/uploads/{first['id']}").json()["receipt"] == first["receipt"]
        assert team.get(f"/api/v1/uploads/{later['id']}").status_code == 404
        assert ways.patch(team, half["id"], 2000, data[2000:]).json()["state"] == "queued"
        assert ways.ended(team, half["id"])["receipt"]["accepted"] == 100
    finally:
        restored.stop()


@pytest.mark.parametrize("spoil", ["cut", "changed", "foreign", "escape"])
def test_a_spoilt_backup_changes_nothing(small_inputs, tmp_path, radiocov, spoil):
    folder = shutil.copytree(small_inputs, tmp_path / "project")
    radiocov("service", "token", "create", folder, "--role", "admin", "--name", "A")
    archive = tmp_path / "b.tar"
    assert radiocov("service", "backup", folder, archive, "-q").code == 0
    data = bytearray(archive.read_bytes())
    if spoil == "cut":
        data = data[: len(data) // 2]
    elif spoil == "changed":
        at = data.index(b"Small test network")
        data[at] ^= 1
    elif spoil == "foreign":
        data = bytearray(b"no archive at all" * 100)
    archive.write_bytes(data)
    if spoil == "escape":
        with tarfile.open(archive, "a") as tar:
            tar.add(__file__, "../../escaped.py")
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and "lock" not in p.name}
    found = radiocov("service", "restore", folder, archive, "--replace", "-q")
    assert found.code == 2 and "nothing was changed" in found.err, found.err
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and "lock" not in p.name} == before
    assert not (tmp_path / "escaped.py").exists()


def test_tokens_on_the_command_line(small_inputs, tmp_path, radiocov):
    folder = shutil.copytree(small_inputs, tmp_path / "project")
    made = radiocov("service", "token", "create", folder, "--role", "field", "--name", "Team 1", "--json")
    number = json.loads(made.out)["id"]
    assert json.loads(made.out)["token"].startswith("rc_")
    assert radiocov("service", "token", "revoke", folder, number).code == 0
    listed = json.loads(radiocov("service", "token", "list", folder, "--json").out)
    assert [(t["name"], t["state"]) for t in listed] == [("Team 1", "revoked")]
    assert radiocov("service", "token", "revoke", folder, 99).code == 2
    bad = radiocov("service", "token", "create", folder, "--role", "field", "--name", "T", "--zone", "Mars/Base")
    assert bad.code == 2 and "Mars/Base" in bad.err
    assert "#once=rc_" in radiocov("service", "link", folder, "--public-url", "https://c.example.org").out


def test_old_logs_go_and_receipts_stay(own_server, ways, radiocov):
    team = own_server.client("field")
    done = ways.bring(team, ways.log(*ways.rows(20, "OLD")).encode())
    ways.announce(team, b"unfinished")
    assert json.loads(radiocov("service", "prune", own_server.folder, "--json").out)["logs"] == 0
    import sqlite3

    with sqlite3.connect(own_server.folder / "service" / "service.sqlite") as connection:
        connection.execute("update service_uploads set created_us = created_us - 100 * 86400000000")
    connection.close()
    counted = json.loads(radiocov("service", "prune", own_server.folder, "--dry-run", "--json").out)
    assert (counted["logs"], counted["unfinished"]) == (1, 1)
    assert radiocov("service", "prune", own_server.folder).code == 0
    assert [upload["id"] for upload in team.get("/api/v1/uploads").json()] == [done["id"]]
    assert not (own_server.folder / "service" / "uploads" / done["id"]).exists()


def test_the_audit_trail_is_shortened_with_a_receipt(small_inputs, tmp_path, radiocov):
    from devices.store import now_us
    from radiocov.web import audit
    from radiocov.web.schema import Database
    from radiocov.web.settings import DAY_US, Settings

    folder = shutil.copytree(small_inputs, tmp_path / "project")
    with Database(Settings(folder)) as db:
        with db.write() as connection:
            for age in (100, 50, 1):
                connection.execute(audit.audit.insert().values(
                    at_us=now_us() - age * DAY_US, who=f"Li {age}", role="", action="look", detail="="))  # fmt: skip
        kept = tmp_path / "removed.jsonl"
        counted = radiocov("service", "prune", folder, "--audit-days", 40, "--dry-run", "--json")
        assert json.loads(counted.out)["audit"]["removed"] == 2 and len(audit.trail(db, 10)) == 3
        assert radiocov("service", "prune", folder, "--audit-days", 7).code == 2
        assert radiocov("service", "prune", folder, "--audit-file", kept).code == 2
        ran = radiocov("service", "prune", folder, "--audit-days", 40, "--audit-file", kept)
        assert ran.code == 0 and "2 entries of the audit trail" in ran.out, ran.err
        assert [json.loads(line)["who"] for line in kept.read_text("utf-8").splitlines()] == ["Li 100", "Li 50"]
        left = audit.trail(db, 10)
        assert "Li 100" not in str(left) and "Li 1" in [entry["who"] for entry in left]
        (receipt,) = [entry for entry in left if entry["action"] == "shorten audit trail"]
        assert receipt["detail"].startswith("2 entries from")
        assert radiocov("service", "prune", folder, "--audit-days", 40, "--audit-file", kept).code == 2  # it is there
