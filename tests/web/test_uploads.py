"""Uploads on a running server: receipts, resumption, crashes, what is refused."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

HEADER = "time,device_id,lat,lon,rssi_dbm"


@pytest.fixture(scope="module")
def team(server):
    return server.client("field", "Team uploads")


def test_the_receipt_says_what_was_taken_and_why_not_the_rest(team, ways):
    good, bad = ways.rows(40, "REC1"), ["2025-11-29T09:00:00Z,REC1,41.8,123.4,+80", "nonsense"]
    upload = ways.bring(team, ways.log(*good, *bad).encode(), "drive 日志.csv")
    receipt = upload["receipt"]
    assert (receipt["rows_read"], receipt["accepted"], receipt["rejected"]) == (42, 40, 2)
    assert {found["code"] for found in receipt["rejected_by_reason"]} == {"level_positive", "ragged"}
    assert all(found["reason"] and found["reason_zh"] for found in receipt["rejected_by_reason"])
    assert receipt["file"] == upload["name"] == "drive 日志.csv"
    listed = team.get(f"/api/v1/uploads/{upload['id']}/rejects")
    assert listed.headers["content-disposition"].startswith("attachment") and listed.text.count("REC1") == 0
    assert listed.text.count("\n") == 3


def test_the_same_file_twice_is_one_upload(team, ways):
    data = ways.log(*ways.rows(20, "TWICE")).encode()
    first = ways.bring(team, data, "one.csv")
    again = ways.announce(team, data, "renamed.csv")
    assert again.status_code == 200
    assert again.json()["id"] == first["id"] and again.json()["receipt"]["accepted"] == 20


def test_a_broken_link_costs_one_chunk(team, ways):
    data = ways.log(*ways.rows(200, "LINK")).encode()
    upload = ways.announce(team, data).json()
    assert ways.patch(team, upload["id"], 0, data[:1000]).json()["offset"] == 1000
    lost = ways.patch(team, upload["id"], 0, data[:1000])  # the answer was lost, and the chunk comes again
    assert lost.status_code == 409 and lost.json()["offset"] == 1000
    damaged = ways.patch(team, upload["id"], 1000, data[1000:2000], **{"Upload-Checksum": "sha256 " + "A" * 43 + "="})
    assert damaged.status_code == 400 and damaged.json()["error"] == "damaged"
    head = team.head(f"/api/v1/uploads/{upload['id']}")
    assert head.headers["upload-offset"] == "1000" and head.headers["upload-length"] == str(len(data))
    assert ways.announce(team, data).json()["offset"] == 1000
    assert ways.patch(team, upload["id"], 1000, data[1000:]).json()["state"] == "queued"
    assert ways.ended(team, upload["id"])["receipt"]["accepted"] == 200


def test_two_who_send_the_same_chunk_at_once_write_it_once(team, ways):
    data = ways.log(*ways.rows(300, "RACE")).encode()
    upload = ways.announce(team, data).json()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ways.patch(team, upload["id"], 0, data).status_code, range(8)))
    assert sorted(answers) == [200] + [409] * 7
    assert ways.ended(team, upload["id"])["receipt"]["accepted"] == 300


def test_another_content_than_announced_starts_anew(team, ways):
    data = ways.log(*ways.rows(50, "OTHER")).encode()
    upload = ways.announce(team, data).json()
    wrong = ways.patch(team, upload["id"], 0, data.replace(b"-8", b"-9"))
    assert wrong.status_code == 409 and wrong.json()["error"] == "other_content" and wrong.json()["offset"] == 0
    assert ways.patch(team, upload["id"], 0, data).json()["state"] == "queued"
    assert ways.ended(team, upload["id"])["state"] == "done"


def test_a_killed_server_has_every_acknowledged_byte_and_row_once(own_server, ways):
    """kill -9 between chunks, and while files are imported: nothing acknowledged is lost, nothing is there twice."""
    team = own_server.client("field", "Team")
    data = ways.log(*ways.rows(400, "HALF")).encode()
    half = ways.announce(team, data, "half.csv").json()
    assert ways.patch(team, half["id"], 0, data[:5000]).status_code == 200
    queued = []
    for number in range(6):
        text = ways.log(*ways.rows(2000, f"K{number}")).encode()
        upload = ways.announce(team, text, f"k{number}.csv").json()
        assert ways.patch(team, upload["id"], 0, text).json()["state"] == "queued"
        queued.append(upload["id"])
    own_server.kill()
    own_server.start()
    found = team.get(f"/api/v1/uploads/{half['id']}").json()
    assert (found["state"], found["offset"]) == ("open", 5000)
    assert ways.patch(team, half["id"], 5000, data[5000:]).json()["state"] == "queued"
    receipts = [ways.ended(team, upload)["receipt"] for upload in [*queued, half["id"]]]
    assert [receipt["rows_read"] for receipt in receipts] == [2000] * 6 + [400]
    with sqlite3.connect(own_server.folder / "fleet.sqlite") as store:
        assert store.execute("select sum(rows) from blocks").fetchone() == (12_400,)
    store.close()


@pytest.mark.parametrize("name", [
    "../../etc/cron.d/x.csv", "..\\..\\x.csv", "/abs.csv", "a\x00b.csv", "a\nb.csv", "..", ".", "", "\u202egpj.csv",
    "x" * 300 + ".csv",
])  # fmt: skip
def test_names_that_are_paths_or_cannot_be_shown_are_refused(team, ways, name):
    answer = ways.announce(team, b"x,y\n1,2\n", name)
    assert answer.status_code in (400, 422) and "upload-offset" not in answer.headers


@pytest.mark.parametrize("data", [
    b"\x7fELF" + bytes(60), b"MZ" + bytes(60), b"#!/bin/sh\nrm -rf /\n", b"%PDF-1.7\n", b"\x89PNG\r\n", b"BZh9",
    b"\xd0\xcf\x11\xe0" + bytes(60), b"\n<!DOCTYPE html><title>Sign in to the hotel</title>", b"SQLite format 3\0",
])  # fmt: skip
def test_what_is_no_log_is_refused_by_its_first_bytes(team, ways, data):
    upload = ways.announce(team, data).json()
    answer = ways.patch(team, upload["id"], 0, data)
    assert answer.status_code == 415 and team.get(f"/api/v1/uploads/{upload['id']}").json()["offset"] == 0


@pytest.mark.parametrize("name", ["run.exe", "page.html", "sheet.xlsx", "noending", "a.csv.sh"])
def test_kinds_that_are_no_logs_are_refused_by_name(team, ways, name):
    assert ways.announce(team, b"x,y\n", name).status_code == 415


def test_too_large_is_refused_before_it_comes(team, ways):
    big = {"name": "big.csv", "size": 1 << 40, "sha256": "0" * 64}
    assert team.post("/api/v1/uploads", json=big).status_code == 413
    upload = ways.announce(team, b"x" * 100).json()
    assert ways.patch(team, upload["id"], 0, b"x" * 101).status_code == 413
    assert ways.patch(team, upload["id"], 0, b"x" * (5 << 20)).status_code == 413
    assert team.post("/api/v1/uploads", content=b" " * (2 << 20)).status_code == 413

    def endless():
        for _ in range(100):
            yield b"x" * (1 << 20)

    headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Upload-Checksum": "sha256 A"}
    stream = team.patch(f"/api/v1/uploads/{upload['id']}", content=endless(), headers=headers)
    assert stream.status_code == 413


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("UP", ".."), content)
    return out.getvalue()


def test_bombs_are_refused_and_said_so(team, ways):
    bomb = HEADER.encode() + b"\n" * (80 << 20)
    for name, data in (("bomb.gz", gzip.compress(bomb)), ("bomb.zip", zipped(a=b"0" * (80 << 20)))):
        upload = ways.bring(team, data, name)
        assert upload["state"] == "refused" and "unpacks to" in upload["message"], upload


def test_paths_inside_archives_are_names_alone(server, team, ways):
    before = set(server.folder.parent.rglob("*"))
    upload = ways.bring(team, zipped(**{"UP__UP__evil.csv": ways.log(*ways.rows(12, "EVIL"))}), "drives.zip")
    assert upload["state"] == "done" and upload["receipt"]["accepted"] == 12
    assert not [p for p in set(server.folder.parent.rglob("*")) - before if "evil" in p.name]


def test_formulas_stay_text_in_lists(team, ways):
    rows = [*ways.rows(5, "FORM"), "=cmd|' /C calc'!A0,FORM,41,123,-80", '"+HYPERLINK(""http://x"")",FORM,41,123,-80']
    upload = ways.bring(team, ways.log(*rows).encode(), "=formula.csv")
    listed = team.get(f"/api/v1/uploads/{upload['id']}/rejects").content.decode("utf-8-sig")
    assert "'=cmd" in listed and "'+HYPERLINK" in listed
    cells = [cell.strip('"') for line in listed.splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


@pytest.mark.parametrize("data", [b"\x00" * 500, b"\xff\xfe\x00" * 50, b"PK\x03\x04garbage", b"\x1f\x8b\x08garbage",
                                  b"a,b\n" * 100, b"{" * 3000, b"<gpx><trk>", b"$GPGGA,,,\n"])  # fmt: skip
def test_malformed_files_are_refused_with_a_reason(team, ways, data):
    upload = ways.bring(team, data, "malformed.csv")
    assert upload["state"] == "refused" and upload["message"]


def test_no_answer_names_a_folder_of_the_server(server, team, ways):
    """Of all that is shown of a refusal, with its list of rejected rows that lies on the server."""
    rows = ["2025-11-29T09:00:00Z,P,41.8,123.4,+80"] * 3
    upload = ways.bring(team, ways.log(*rows).encode(), "positive.csv")
    assert upload["state"] == "refused" and "3 of 3 rows rejected" in upload["message"]
    asked = [team.get(f"/api/v1/uploads/{upload['id']}").text, team.get("/api/v1/uploads?limit=500").text,
             server.client("engineer").get("/api/v1/audit?limit=1000").text,
             server.client("engineer").get("/api/v1/runs").text]  # fmt: skip
    for text in asked:
        assert str(server.folder) not in text and str(server.folder.parent) not in text and "/home/" not in text


def test_a_refused_file_can_be_sent_again_another_way(team, ways):
    data = "\n".join([HEADER.replace("time", "time"), *(r.replace("Z", "") for r in ways.rows(10, "ZONE"))]).encode()
    without = {"name": "zone.csv", "zone": "", "datum": "wgs84"}
    refused = ways.bring(team, data, **without)
    assert refused["state"] == "refused" and "zone" in refused["message"]
    taken = ways.bring(team, data, "zone.csv", zone="Asia/Shanghai")
    assert taken["state"] == "done" and taken["receipt"]["accepted"] == 10
    assert team.delete(f"/api/v1/uploads/{refused['id']}").status_code == 204
    assert team.delete(f"/api/v1/uploads/{taken['id']}").status_code == 409


def test_on_postgresql_the_same(small_inputs, tmp_path, ways, postgres_server, radiocov):
    """The way of a file, a crash, the cells, a backup and its return, with everything in one database."""
    import shutil

    import psycopg

    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("create database service")
    running = ways.Server(shutil.copytree(small_inputs, tmp_path / "project"), f"{postgres_server}/service")
    try:
        team = running.client("field", "Team")
        data = ways.log(*ways.rows(500, "PG")).encode()
        upload = ways.announce(team, data).json()
        assert ways.patch(team, upload["id"], 0, data[:4000]).json()["offset"] == 4000
        running.kill()
        running.start()
        assert ways.patch(team, upload["id"], 4000, data[4000:]).json()["state"] == "queued"
        assert ways.ended(team, upload["id"])["receipt"]["accepted"] == 500
        assert ways.bring(running.client("field", "Others"), data, "again.csv")["receipt"]["repeated"]
        with psycopg.connect(f"{postgres_server}/service") as connection:
            assert connection.execute("select sum(rows) from blocks").fetchone() == (500,)
        box = {"west": 123, "south": 41, "east": 124, "north": 42}
        engineer = running.client("engineer")
        ways.until(lambda: engineer.get("/api/v1/cells", params=box).json()["cells"])
        assert sum(cell[3] for cell in engineer.get("/api/v1/cells", params=box).json()["cells"]) == 500
        archive = tmp_path / "b.tar"
        named = ("--database", running.database, "-q")
        assert radiocov("service", "backup", running.folder, archive, *named).code == 0
        ways.bring(team, ways.log(*ways.rows(70, "LATER")).encode(), "later.csv")
        running.stop(for_good=False)
        assert radiocov("service", "restore", running.folder, archive, "--replace", *named).code == 0
        running.start()
        assert [found["id"] for found in team.get("/api/v1/uploads").json()] == [upload["id"]]
        with psycopg.connect(running.database) as connection:
            assert connection.execute("select sum(rows) from blocks").fetchone() == (500,)
    finally:
        assert running.stop() == 0, running.said()
