"""Sessions, cookies, headers, rates, and what hostile texts become."""

from __future__ import annotations

import re
import sqlite3
from types import SimpleNamespace

import pytest

from radiocov import __version__
from radiocov.files import write_json
from radiocov.web import auth
from radiocov.web.limits import Rate
from radiocov.web.mapview import READY, Maps, page_csp
from radiocov.web.refusal import Refusal
from radiocov.web.settings import Settings

HOSTILE = "<script>document.title='hacked'</script>\"'><img src=x onerror=alert(1)>"
STRICT = {
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin", "cache-control": "no-store", "server": "radiocov",
}  # fmt: skip


@pytest.mark.parametrize("path", ["/login", "/healthz", "/api/v1/uploads", "/nowhere", "/desk/tokens"])
def test_every_answer_has_the_headers(server, path):
    for client in (server.client(), server.client("admin")):
        answer = client.get(path)
        assert {name: answer.headers.get(name) for name in STRICT} == STRICT
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server):
    answer = server.client().post("/api/v1/session", json={"token": server.token("manager")})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and "Secure" not in cookie


def test_behind_https_the_cookie_is_for_https_and_this_host_alone(own_server):
    own_server.stop()
    secure = type(own_server)(own_server.folder, public_url="https://coverage.example.org")
    try:
        assert "https://coverage.example.org/login#once=" in secure.banner
        answer = secure.client().post("/api/v1/session", json={"token": secure.token("manager")})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-radiocov=") and "Secure" in cookie
        assert answer.headers["strict-transport-security"].startswith("max-age=")
    finally:
        secure.stop()


def test_a_cookie_alone_changes_nothing(server):
    browser = server.signed_in("engineer", "Csrf")
    new = {"name": "Forged", "role": "field"}
    right = browser.headers.pop("X-CSRF-Token")
    for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": right, "Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/api/v1/tokens", json=new, headers=headers).status_code == 403
    assert "Forged" not in browser.get("/api/v1/tokens").text
    fit = {"X-CSRF-Token": right, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/api/v1/tokens", json=new, headers=fit).status_code == 201


def test_another_site_signs_nobody_in(server):
    for site in ("cross-site", "same-site"):
        answer = server.client().post("/api/v1/session", json={"token": server.token("field")},
                                      headers={"Sec-Fetch-Site": site})  # fmt: skip
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_signing_out_ends_the_session(server):
    browser = server.signed_in("manager")
    kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert browser.get("/api/v1/session").json()["role"] == "manager"
    assert browser.delete("/api/v1/session").status_code == 204
    assert server.client().get("/api/v1/session", headers={"Cookie": kept}).status_code == 401


def test_a_revoked_token_ends_its_sessions_at_once(server):
    made = server.client("admin").post("/api/v1/tokens", json={"name": "Leaver", "role": "manager"}).json()
    program, browser = server.client(), server.client()
    program.headers["Authorization"] = f"Bearer {made['token']}"
    assert browser.post("/api/v1/session", json={"token": made["token"]}).status_code == 201
    assert program.get("/api/v1/session").status_code == browser.get("/api/v1/session").status_code == 200
    assert server.client("admin").delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert program.get("/api/v1/session").status_code == browser.get("/api/v1/session").status_code == 401


def test_a_token_revoked_on_the_command_line_ends_within_a_second(server, ways, radiocov):
    leaver = server.client("manager", "Leaver two")
    assert leaver.get("/api/v1/session").status_code == 200
    listed = server.client("admin").get("/api/v1/tokens").json()
    number = next(token["id"] for token in listed if token["name"] == "Leaver two")
    assert radiocov("service", "token", "revoke", server.folder, number).code == 0
    ways.until(lambda: leaver.get("/api/v1/session").status_code == 401, auth.HELD_S + 2.0)


def test_an_expired_token_opens_nothing(server):
    secret = server.token("field", "Expired", days=1e-9)
    assert server.client("field", "Expired").get("/api/v1/session").status_code == 401
    assert server.client().post("/api/v1/session", json={"token": secret}).status_code == 401


def test_the_first_link_works_once_and_is_no_token(own_server):
    secret = re.search(r"/login#once=(rc_\S+)", own_server.banner)[1]
    asked = own_server.client()
    assert asked.get("/api/v1/session", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    first = asked.post("/api/v1/session", json={"token": secret})
    assert first.status_code == 201 and first.json()["role"] == "admin"
    assert own_server.client().post("/api/v1/session", json={"token": secret}).status_code == 401
    assert asked.post("/api/v1/tokens", json={"name": "Li", "role": "admin"},
                      headers={"X-CSRF-Token": first.json()["csrf"]}).status_code == 201  # fmt: skip


def test_no_secret_is_kept(server):
    secrets = [server.token("admin"), server.token("field")]
    browser = server.signed_in("manager", "Kept")
    secrets += [browser.headers["X-CSRF-Token"][:0] or next(iter(browser.cookies.values()))]
    with sqlite3.connect(server.folder / "service" / "service.sqlite") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    for secret in secrets:
        assert secret not in dump and secret not in server.said()


def test_guessing_is_slowed_down(own_server):
    guesser = own_server.client()
    found = [guesser.post("/api/v1/session", json={"token": f"rc_{n}"}).status_code for n in range(30)]
    assert found[:20] == [401] * 20 and 429 in found[20:]
    last = guesser.post("/api/v1/session", json={"token": "rc_x"})
    assert last.status_code == 429 and int(last.headers["retry-after"]) >= 1
    other = own_server.client()  # another address is not punished
    assert other.post("/api/v1/session", json={"token": own_server.token("field")}).status_code == 201


def test_rate_gives_a_burst_and_then_so_many_a_second(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("radiocov.web.limits.time.monotonic", lambda: clock.now)
    rate = Rate(10.0, 5.0)

    def taken(key, n):
        got = 0
        for _ in range(n):
            try:
                rate.take(key)
                got += 1
            except Refusal as refusal:
                assert refusal.status == 429
        return got

    assert taken("a", 50) == 5 and taken("b", 1) == 1
    clock.now += 0.25
    assert taken("a", 50) == 2
    clock.now += 3600
    assert taken("a", 50) == 5


def test_hostile_names_stay_text_on_every_page(server, ways):
    made = server.client("admin").post("/api/v1/tokens", json={"name": HOSTILE[:80], "role": "field"})
    team = server.client()
    team.post("/api/v1/session", json={"token": made.json()["token"]})
    page = team.get("/team").text
    assert "<script>document" not in page and "&lt;script&gt;document" in page
    assert server.client("field").get("/desk/<script>alert(1)<%2Fscript>").text.count("<script>alert") == 0


def test_logs_hold_no_name_no_token_no_place(server, ways):
    team = server.client("field", "Secret squad")
    ways.bring(team, ways.log(*ways.rows(15, "HIDDEN77")).encode(), "hidden route.csv")
    said = server.said()
    assert '"route": "/api/v1/uploads/{upload_id}"' in said and '"event": "imported"' in said
    for word in ("Secret squad", "HIDDEN77", "hidden route", "123.4", "10.0.", server.token("field", "Secret squad")):
        assert word not in said


@pytest.mark.parametrize("name, role, days", [("", "field", 1), ("x" * 81, "field", 1), ("a\nb", "field", 1),
                                              ("A", "king", 1), ("A", "field", 0), ("A", "field", 401)])  # fmt: skip
def test_tokens_that_cannot_be(server, name, role, days):
    from devices.errors import DevicesError
    from radiocov.web.schema import Database
    from radiocov.web.settings import Settings

    with Database(Settings(server.folder)) as db, pytest.raises(DevicesError):
        auth.create_token(db, name, role, days, "tests")


@pytest.mark.parametrize("basemap", [False, True])
def test_only_a_service_that_was_told_to_lets_tiles_of_a_basemap_in(tmp_path, basemap):
    folder = tmp_path / "service" / "map"
    out = tmp_path / "out"
    out.mkdir()
    key = "0123456789abcdef"
    (folder / key).mkdir(parents=True)
    (folder / key / "en.html").write_text("<p>")
    write_json(folder / key / READY, {"version": __version__, "policies": {"en": page_csp("<p>")}})
    maps = Maps(Settings(tmp_path, basemap=basemap), out)
    _, policy = maps.page(key, "en")
    parts = dict(part.split(" ", 1) for part in policy.split("; ") if " " in part)
    assert all(("https:" in parts[name].split()) is basemap for name in ("img-src", "connect-src"))
    assert "https:" not in parts["script-src"]
