"""What was measured, as figures of cells."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from radiocov.web import measured
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


@router.get("/cells")
def cells(request: Request, person: Viewer, west: Degrees, south: Degrees, east: Degrees, north: Degrees) -> Cells:
    """Figures of the cells in a box. Managers get those of three handsets or twenty samples and more."""
    if not (west < east and -90 <= south < north <= 90):
        raise Refusal(400, "bad_box", "the box needs west < east and south < north, in degrees")
    whole = person.role != "manager"
    return Cells(**measured.cells_in(service_of(request).db, (west, south, east, north), whole))
