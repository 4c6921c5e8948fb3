"""What was measured, as figures of cells."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from radiocov.web.access import Viewer, service_of
from radiocov.web.refusal import ANSWERS, Refusal

router = APIRouter(prefix="/api/v1", tags=["measured"], responses=ANSWERS)
Degrees = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)]


class Cells(BaseModel):
    """side_m: of the cells; cells: [latitude, longitude, mean level in dBm or null, samples, rows without service];
    held_back: cells of so few handsets and samples that they would tell where somebody was."""

    side_m: float
    cells: list[tuple[float, float, float | None, int, int]]
    held_back: int


@router.get("/cells", responses={200: {"model": Cells}}, response_class=Response)
def cells(request: Request, person: Viewer, west: Degrees, south: Degrees, east: Degrees, north: Degrees) -> Response:
    """Figures of the cells in a box. Managers get those of three handsets or twenty samples and more."""
    if not (west < east and -90 <= south < north <= 90):
        raise Refusal(400, "bad_box", "the box needs west < east and south < north, in degrees")
    known = request.headers.get("if-none-match", "").strip('"')
    tag, found = service_of(request).cells.within((west, south, east, north), person.role != "manager", known)
    headers = {"etag": f'"{tag}"', "cache-control": "private, no-cache"}
    if found is None:
        return Response(status_code=304, headers=headers)
    return Response(found, media_type="application/json", headers=headers)
