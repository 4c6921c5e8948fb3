"""radiocov logs upload: a queue that outlasts cuts of network and power."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def team(server, tmp_path, monkeypatch):
    """Where the queue is of this test's own; a token file; two logs."""
    from types import SimpleNamespace

    monkeypatch.setenv("RADIOCOV_STATE", str(tmp_path / "state"))
    token = tmp_path / "token.txt"
    token.write_text(server.token("field", "Team command", zone="UTC", datum="wgs84") + "\n")
    return SimpleNamespace(token=token, folder=tmp_path, state=tmp_path / "state" / "outbox")


def test_logs_go_over_and_receipts_come_back(server, team, ways, radiocov):
    log = team.folder / "day.csv"
    log.write_text(ways.log(*ways.rows(30, "CMD1"), "broken"))
    sent = radiocov("logs", "upload", log, "--to", server.url, "--token-file", team.token)
    assert sent.code == 0, sent.err
    assert "day.csv: batch" in sent.out and "accepted    30" in sent.out and "ragged" in sent.out
    again = radiocov("logs", "upload", log, "--to", server.url, "--token-file", team.token, "--json")
    assert again.code == 0 and json.loads(again.out)[0]["sent_before"]
    assert json.loads(radiocov("logs", "upload", "--list", "--json").out) == []


def test_without_a_network_it_is_queued_and_sent_later(own_server, team, ways, radiocov):
    team.token.write_text(own_server.token("field", "Team", zone="UTC", datum="wgs84"))
    logs = [team.folder / f"{name}.csv" for name in ("one", "two")]
    for number, log in enumerate(logs):
        log.write_text(ways.log(*ways.rows(2000, f"OFF{number}")))
    own_server.kill()
    first = radiocov("logs", "upload", *logs, "--to", own_server.url, "--token-file", team.token)
    assert first.code == 3 and "2 queued" in first.err and "--send" in first.err
    for log in logs:
        log.unlink()  # the card is out
    queued = json.loads(radiocov("logs", "upload", "--list", "--json").out)
    assert [(entry["file"], entry["state"]) for entry in queued] == [("one.csv", "queued"), ("two.csv", "queued")]
    assert own_server.tokens["field Team"] not in (team.state / queued[0]["id"] / "entry.json").read_text()
    own_server.start()
    later = radiocov("logs", "upload", "--send", "--json")
    assert later.code == 0, later.err
    assert [upload["receipt"]["accepted"] for upload in json.loads(later.out)] == [2000, 2000]
    assert not list(team.state.glob("[0-9]*"))


def test_it_goes_on_where_it_stopped(server, team, ways, radiocov):
    data = ways.log(*ways.rows(40_000, "HALFWAY")).encode()
    log = team.folder / "long.csv"
    log.write_bytes(data)
    client = server.client("field", "Team command")
    upload = ways.announce(client, data, "long.csv", zone="UTC", datum="wgs84").json()
    assert ways.patch(client, upload["id"], 0, data[:1_500_000]).status_code == 200
    sent = radiocov("logs", "upload", log, "--to", server.url, "--token-file", team.token, "--json")
    assert sent.code == 0, sent.err
    assert json.loads(sent.out)[0]["id"] == upload["id"] and json.loads(sent.out)[0]["receipt"]["rows_read"] == 40_000


def test_what_is_refused_is_kept_with_the_reason(server, team, radiocov):
    odd = team.folder / "holiday.csv"
    odd.write_bytes(b"\x89PNG\r\n" + bytes(100))
    sent = radiocov("logs", "upload", odd, "--to", server.url, "--token-file", team.token)
    assert sent.code == 2 and "holiday.csv: this is a picture, not a log" in sent.err
    kept = json.loads(radiocov("logs", "upload", "--list", "--json").out)
    assert kept[0]["state"] == "refused" and "picture" in kept[0]["message"]
    assert radiocov("logs", "upload", "--forget", kept[0]["id"]).code == 0
    assert radiocov("logs", "upload", "--forget", kept[0]["id"]).code == 2


def test_a_token_that_is_not_taken_leaves_all_queued(server, team, ways, radiocov):
    log = team.folder / "day.csv"
    log.write_text(ways.log(*ways.rows(3, "REV")))
    good = team.token.read_text()
    team.token.write_text("rc_" + "x" * 43)
    refused = radiocov("logs", "upload", log, "--to", server.url, "--token-file", team.token)
    assert refused.code == 2 and "1 stay queued" in refused.err and "expired or revoked" in refused.err
    team.token.write_text(good)
    assert radiocov("logs", "upload", "--send", "--token-file", team.token).code == 0


@pytest.mark.parametrize("arguments, said", [
    (["--to", "http://coverage.example.org"], "without encryption"), (["--to", "coverage.example.org"], "no address"),
    (["--to", "https://x/path"], "no address"), ([], "--to URL"),
])  # fmt: skip
def test_where_it_may_not_go(team, radiocov, arguments, said):
    log = team.folder / "day.csv"
    log.write_text("x")
    found = radiocov("logs", "upload", log, "--token-file", team.token, *arguments)
    assert found.code == 2 and said in found.err and not team.state.exists()


@pytest.mark.parametrize("content", ["", "two words", "password"])
def test_a_file_that_holds_no_token_is_said(team, radiocov, content):
    team.token.write_text(content)
    (team.folder / "day.csv").write_text("x")
    found = radiocov("logs", "upload", team.folder / "day.csv", "--to", "https://c.example.org", "--token-file",
                     team.token)  # fmt: skip
    assert found.code == 2 and "holds no token" in found.err
