"""Who may ask what: every route, every role, on a running server."""

from __future__ import annotations

import re

import pytest

STAFF = {"engineer", "admin"}
FIELD = STAFF | {"field"}
VIEW = STAFF | {"manager"}
TILES = FIELD | {"manager"}
ALL = TILES | {"monitor"}

#: every route of the service; a new one belongs here, with who may ask it
TABLE = {
    "GET /healthz": None, "GET /readyz": None, "GET /login": None, "GET /assets/{name}": None,
    "GET /favicon.ico": None, "POST /api/v1/session": None,
    "GET /": ALL, "GET /api/v1/session": ALL, "DELETE /api/v1/session": ALL, "GET /api/v1/openapi.json": ALL,
    "GET /metrics": STAFF | {"monitor"},
    "POST /api/v1/uploads": FIELD, "GET /api/v1/uploads": FIELD, "GET /api/v1/uploads/{upload_id}": FIELD,
    "HEAD /api/v1/uploads/{upload_id}": FIELD, "PATCH /api/v1/uploads/{upload_id}": FIELD,
    "DELETE /api/v1/uploads/{upload_id}": FIELD, "GET /api/v1/uploads/{upload_id}/points": FIELD,
    "GET /api/v1/uploads/{upload_id}/rejects": FIELD, "POST /api/v1/uploads/{upload_id}/retry": STAFF,
    "GET /team": FIELD,
    "GET /api/v1/cells": VIEW, "GET /map": VIEW, "GET /measured": VIEW, "GET /map/{key}/": VIEW,
    "GET /map/{key}/plotly.js": VIEW, "GET /map/{key}/api/point": VIEW,
    "GET /map/{key}/api/cells": VIEW, "GET /map/{key}/api/profile": VIEW,
    "GET /api/v1/map": TILES, "GET /map/{key}/tiles/{state}/{layer}/{z}/{x}/{y}.png": TILES,
    "GET /api/v1/tokens": STAFF, "POST /api/v1/tokens": STAFF, "DELETE /api/v1/tokens/{number}": STAFF,
    "GET /api/v1/runs": STAFF, "POST /api/v1/runs": STAFF, "GET /api/v1/runs/{number}": STAFF,
    "POST /api/v1/runs/{number}/cancel": STAFF,
    "GET /api/v1/fleet": STAFF, "POST /api/v1/fleet": STAFF, "PATCH /api/v1/fleet/{device_id}": STAFF,
    "POST /api/v1/fleet/register": STAFF, "GET /api/v1/sites": STAFF, "PUT /api/v1/sites": STAFF,
    "GET /api/v1/audit": STAFF, "GET /desk/{page}": STAFF,
}  # fmt: skip
VALUES = {"upload_id": "0" * 32, "key": "0" * 16, "number": "999999", "name": "style.css", "state": "2017",
          "layer": "level", "z": "0", "x": "0", "y": "0", "device_id": "nobody", "page": "audit"}  # fmt: skip


def address(path):
    return re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], path)


def test_the_table_names_every_route_and_its_roles(server):
    from radiocov.web.app import build_app, routes_of
    from radiocov.web.service import Service
    from radiocov.web.settings import Settings

    app = build_app(Service(Settings(server.folder), children=False))
    assert {f"{method} {path}": roles and set(roles) for method, path, roles in routes_of(app)} == TABLE


@pytest.mark.parametrize("route", TABLE)
def test_each_role_gets_in_where_the_table_says_so(server, route):
    method, path = route.split()
    for role in ALL:
        answer = server.client(role).request(method, address(path), follow_redirects=False)
        if TABLE[route] is None or role in TABLE[route]:
            assert answer.status_code not in (401, 403), (role, answer.text)
        else:
            assert answer.status_code == 403, (role, answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, (role, answer.text)


@pytest.mark.parametrize("route", [route for route, roles in TABLE.items() if roles])
def test_nobody_gets_in_without_a_name(server, route):
    method, path = route.split()
    for headers in ({}, {"Authorization": "Bearer rc_" + "A" * 43}, {"Cookie": "radiocov_session=" + "A" * 43}):
        answer = server.client().request(method, address(path), headers=headers, follow_redirects=False)
        to_login = answer.status_code == 303 and answer.headers["location"] == "/login"
        assert answer.status_code == 401 or to_login, (headers, answer.status_code)


def test_a_team_sees_its_own_uploads_alone(server, ways):
    mine, other = server.client("field", "Team own"), server.client("field", "Team other")
    upload = ways.bring(mine, ways.log(*ways.rows(30, "OWN1")).encode(), "own.csv")
    assert upload["state"] == "done"
    for path in ("", "/points", "/rejects"):
        assert other.get(f"/api/v1/uploads/{upload['id']}{path}").status_code == 404
    assert other.delete(f"/api/v1/uploads/{upload['id']}").status_code == 404
    assert upload["id"] not in other.get("/api/v1/uploads").text
    assert len(mine.get(f"/api/v1/uploads/{upload['id']}/points").json()["points"]) == 30
    engineer = server.client("engineer")
    assert len(engineer.get(f"/api/v1/uploads/{upload['id']}/points").json()["points"]) == 30
    trail = engineer.get("/api/v1/audit").json()
    assert any(e["action"] == "look at points" and upload["id"] in e["detail"] for e in trail)


def test_the_same_content_of_another_team_names_no_one(server, ways):
    """The receipt comes from the first import; whose that was stays there."""
    data = ways.log(*ways.rows(25, "SHARED")).encode()
    first = ways.bring(server.client("field", "Team secret"), data, "first.csv")
    again = ways.bring(server.client("field", "Team curious"), data, "again.csv")
    assert again["receipt"]["repeated"] and again["receipt"]["batch"] == first["receipt"]["batch"]
    assert "Team secret" not in str(again) and "first.csv" not in str(again)


def test_managers_get_no_cell_that_tells_where_somebody_was(server, ways):
    """19 samples of one handset are held back from a manager, 20 are not; engineers see both."""
    lonely = ways.log(*(f"2025-11-29T08:00:{s:02}Z,LONE,41.10000,122.10000,-90" for s in range(19)))
    busy = ways.log(*(f"2025-11-29T08:00:{s:02}Z,BUSY,41.20000,122.20000,-80" for s in range(20)))
    team = server.client("field", "Team cells")
    for name, text in (("lonely.csv", lonely), ("busy.csv", busy)):
        assert ways.bring(team, text.encode(), name)["state"] == "done"
    box = "west=122.05&east=122.25&south=41.05&north=41.25"
    engineer, manager = server.client("engineer"), server.client("manager")
    ways.until(lambda: len(engineer.get(f"/api/v1/cells?{box}").json()["cells"]) == 2)
    seen = manager.get(f"/api/v1/cells?{box}").json()
    assert [cell[2:] for cell in seen["cells"]] == [[-80.0, 20, 0]] and seen["held_back"] == 1


def test_engineers_make_no_tokens_beyond_their_own_reach(server):
    engineer, admin = server.client("engineer"), server.client("admin")
    for role in ("admin", "engineer", "monitor"):
        assert engineer.post("/api/v1/tokens", json={"name": "X", "role": role}).status_code == 403
    made = engineer.post("/api/v1/tokens", json={"name": "Team made", "role": "field"})
    assert made.status_code == 201 and made.json()["qr_svg"].startswith("<svg")
    admins = next(t for t in admin.get("/api/v1/tokens").json() if t["role"] == "admin")
    assert engineer.delete(f"/api/v1/tokens/{admins['id']}").status_code == 404
