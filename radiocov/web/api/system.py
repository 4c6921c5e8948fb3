"""Health, figures, the audit trail and the description of this interface."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from devices.store import StoreError
from radiocov.web import audit
from radiocov.web.access import Anybody, Monitor, Staff, service_of
from radiocov.web.refusal import ANSWERS

router = APIRouter(tags=["system"], responses={429: ANSWERS[429]})


class Health(BaseModel):
    status: str


@router.get("/healthz")
async def healthz() -> Health:
    """Whether the server answers at all."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": dict[str, bool]}})
def readyz(request: Request) -> Response:
    """Whether database, importer and disk are well."""
    try:
        found = service_of(request).is_ready()
    except StoreError:
        found = {"database": False}
    return JSONResponse(found, 200 if all(found.values()) else 503)


@router.get("/metrics", responses=ANSWERS)
def metrics(request: Request, person: Monitor) -> Response:
    """Figures in the format of Prometheus."""
    service = service_of(request)
    return Response(service.metrics.text(service.db), media_type="text/plain; version=0.0.4; charset=utf-8")


class Entry(BaseModel):
    id: int
    at: str
    who: str
    role: str
    action: str
    detail: str


@router.get("/api/v1/audit", responses=ANSWERS)
def trail(
    request: Request, person: Staff, limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    before: Annotated[int | None, Query(ge=0, lt=1 << 31)] = None,
) -> list[Entry]:  # fmt: skip
    """Who did what, the newest first. before: number of the last, to go on."""
    return [Entry(**row) for row in audit.trail(service_of(request).db, limit, before)]


@router.get("/api/v1/openapi.json", responses=ANSWERS)
def description(request: Request, person: Anybody) -> dict[str, Any]:
    """This interface in OpenAPI."""
    return request.app.openapi()
