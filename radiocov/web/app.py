"""The application: routes, and what holds for all of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from devices.errors import DevicesError
from devices.store import StoreError
from radiocov import __version__
from radiocov.problems import ProjectError
from radiocov.web import pages
from radiocov.web.access import Allow
from radiocov.web.api import engineering, maps, measured, session, system, uploads
from radiocov.web.limits import Guard
from radiocov.web.refusal import Refusal
from radiocov.web.service import Service
from radiocov.web.settings import MIB, Settings

THREADS = 12  # more of them only fight for the interpreter, and each opens the rasters for itself
TEXT_BYTES = 8 * MIB  # sites and registers
PUBLIC = ("/healthz", "/readyz", "/login", "/assets/{name}", "/favicon.ico", "POST /api/v1/session")

log = logging.getLogger("radiocov.service")


def build_app(service: Service) -> FastAPI:
    """The ASGI application of a service, which whoever calls opens and closes."""
    settings = service.settings
    @asynccontextmanager
    async def few_threads(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="radiocov", version=__version__, openapi_url=None, docs_url=None, redoc_url=None, lifespan=few_threads,
        description="Uploads of signal logs, the coverage map and the runs of one project. Sign in with a token "
                    "(Authorization: Bearer) or, in a browser, with a session.",
    )  # fmt: skip
    app.state.service = service
    for module in (session, uploads, measured, engineering, system, maps, pages):
        app.router.routes.extend(module.router.routes)
    _check_roles(app)
    _add_answers_to_errors(app, settings)
    limits = settings.limits

    def largest(path: str) -> int:
        if path.startswith("/api/v1/uploads/"):
            return limits.chunk_bytes
        return TEXT_BYTES if path in ("/api/v1/sites", "/api/v1/fleet/register") else limits.body_bytes

    app.add_middleware(Guard, largest=largest, https=settings.is_https, done=service.count)
    return app


def routes_of(app: FastAPI) -> list[tuple[str, str, frozenset[str] | None]]:
    """(method, path, roles) of every route; None where it is open to all."""
    found = []
    for route in app.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{route} is no route of ours")
        roles = next((d.call.roles for d in route.dependant.dependencies if isinstance(d.call, Allow)), None)
        found += [(method, route.path, roles) for method in sorted(route.methods)]
    return found


def _check_roles(app: FastAPI) -> None:
    for method, path, roles in routes_of(app):
        if roles is None and path not in PUBLIC and f"{method} {path}" not in PUBLIC:
            raise TypeError(f"{method} {path}: names no roles and is not meant to be public")


def _add_answers_to_errors(app: FastAPI, settings: Settings) -> None:
    def plain(text: str) -> str:
        return settings.without_paths(text)

    @app.exception_handler(Refusal)
    def _(request: Request, error: Refusal) -> Response:
        if error.status == 401 and pages.is_page(request):
            return RedirectResponse("/login", 303)
        if pages.is_page(request):
            return pages.refusal_page(request, error)
        return JSONResponse(error.body(), error.status, error.headers)

    @app.exception_handler(DevicesError)
    @app.exception_handler(ProjectError)
    def _(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": "bad_input", "message": plain(str(error))}, 400)

    @app.exception_handler(StoreError)
    @app.exception_handler(OSError)
    def _(request: Request, error: Exception) -> Response:
        log.error("a store or disk failed", extra={"why": plain(str(error))})
        text = "the server is busy or its disk fails; try again later"
        return JSONResponse({"error": "unavailable", "message": text}, 503, {"retry-after": "5"})

    @app.exception_handler(RequestValidationError)
    def _(request: Request, error: RequestValidationError) -> Response:
        """Names what is wrong, and does not send back what was sent."""
        faults = error.errors()[:10]
        text = "; ".join("/".join(map(str, fault["loc"])) + ": " + fault["msg"] for fault in faults)
        return JSONResponse({"error": "bad_request", "message": text.encode("utf-8", "replace").decode()}, 422)

    @app.exception_handler(HTTPException)
    def _(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "no_method", 413: "too_large"}.get(error.status_code, "bad_request")
        return JSONResponse({"error": code, "message": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    def _(request: Request, error: Exception) -> Response:
        log.exception("a fault of the service", exc_info=error)
        return JSONResponse({"error": "fault", "message": "a fault of the service; its log says more"}, 500)


