"""Pages for people, made on the server; what they change goes through the same interface as that of programs."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape

from devices import formats
from radiocov.web import jobs
from radiocov.web.access import Anybody, Field, Staff, Viewer, service_of
from radiocov.web.auth import Person
from radiocov.web.refusal import Refusal
from radiocov.web.words import COOKIE, LANGUAGES, catalogue, language_of

router = APIRouter(include_in_schema=False)
HOME = {"field": "/team", "manager": "/map", "engineer": "/desk/uploads", "admin": "/desk/uploads",
        "monitor": "/metrics"}  # fmt: skip
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
DESK = ("uploads", "runs", "tokens", "fleet", "sites", "audit")
PAGES = ("/", "/login", "/team", "/map", "/desk", "/measured")

_templates = Environment(
    loader=PackageLoader("radiocov.web", "templates"), autoescape=select_autoescape(default=True), trim_blocks=True,
    lstrip_blocks=True,
)


def is_page(request: Request) -> bool:
    """Whether a person waits for a page, and not a program for an answer."""
    path = request.url.path
    return request.method == "GET" and (path in PAGES or path.startswith("/desk/"))


def render(request: Request, template: str, person: Person | None = None, status: int = 200,
           **values: Any) -> Response:  # fmt: skip
    service = service_of(request)
    lang = language_of(request)
    title = service.project.project.name_zh if lang == "zh" else ""
    text = _templates.get_template(template).render(
        t=catalogue(lang), lang=lang, person=person, network=title or service.project.project.name,
        asset=lambda name: f"/assets/{name}?v={_asset(name)[1]}", desk=DESK, path=request.url.path, **values,
    )  # fmt: skip
    response = HTMLResponse(text, status)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(COOKIE, lang, max_age=31_536_000, samesite="strict", httponly=True,
                            secure=service.settings.is_https)  # fmt: skip
    return response


def refusal_page(request: Request, error: Refusal) -> Response:
    return render(request, "refused.html", status=error.status, message=str(error))


@cache
def _asset(name: str) -> tuple[bytes, str]:
    data = files("radiocov.web").joinpath("assets", name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]


@router.get("/assets/{name}")
def asset(name: Annotated[str, Path(pattern=r"^[a-z]+\.(css|js|svg)$")]) -> Response:
    try:
        data, _ = _asset(name)
    except FileNotFoundError:
        raise Refusal(404, "not_found", "there is no such file") from None
    return Response(data, media_type=TYPES[name.rsplit(".")[-1]],
                    headers={"cache-control": "public, max-age=31536000, immutable"})  # fmt: skip


@router.get("/favicon.ico")
def favicon() -> Response:
    return asset("icon.svg")


@router.get("/login")
def login(request: Request) -> Response:
    return render(request, "login.html")


@router.get("/")
def home(request: Request, person: Anybody) -> Response:
    return RedirectResponse(HOME[person.role], 303)


@router.get("/team")
def team(request: Request, person: Field) -> Response:
    return render(request, "team.html", person, formats=formats.names())


@router.get("/map")
def newest_map(request: Request, person: Viewer) -> Response:
    maps = service_of(request).maps
    if maps.state == "ready":
        return RedirectResponse(f"/map/{maps.key}/", 303)
    return render(request, "nomap.html", person, state=maps.state)


@router.get("/measured")
def measured(request: Request, person: Viewer) -> Response:
    return render(request, "measured.html", person)


@router.get("/desk/{page}")
def desk(request: Request, person: Staff, page: str) -> Response:
    if page not in DESK:
        raise Refusal(404, "not_found", "there is no such page")
    return render(request, f"{page}.html", person, formats=formats.names(), kinds=jobs.kinds())
