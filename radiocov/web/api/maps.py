"""The coverage map: page, tiles, read-outs. All of it lies below the key of a run, and may be kept for good."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from radiocov.web.access import TileReader, Viewer, service_of
from radiocov.web.api.measured import Degrees, cells
from radiocov.web.refusal import ANSWERS
from radiocov.web.words import language_of

router = APIRouter(tags=["map"], responses=ANSWERS)

KEPT = "private, max-age=31536000, immutable"
Key = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Of a run, as /api/v1/map tells it")]
Name = Annotated[str, Path(pattern=r"^[\w.\-]{1,80}$")]
Layer = Annotated[str, Path(pattern=r"^[\w.:\-]{1,160}$")]
Lon = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)]
Lat = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)]
Lang = Literal["en", "zh"]


class MapState(BaseModel):
    """key: of the run that is shown, "" where there is none; state: none, preparing, ready or failed; coming: a newer
    run is there, whose map is being prepared."""

    key: str
    state: str
    coming: bool
    states: list[str]
    layers: list[str]


@router.get("/api/v1/map")
def map_state(request: Request, person: TileReader) -> MapState:
    """The newest run, its states of the network and the layers that tiles are drawn of."""
    from radiocov.maps.tiles import tile_layers

    maps = service_of(request).maps
    key, states = maps.key, maps.states
    layers = tile_layers(maps.results(key, states[-1])) if states else []
    return MapState(key=key, state=maps.state, coming=maps.newest not in ("", key), states=states, layers=layers)


@router.get("/map/{key}/", include_in_schema=False)
def map_page(request: Request, person: Viewer, key: Key, lang: Lang | None = None) -> Response:
    """The page of a run."""
    maps = service_of(request).maps
    if key != maps.key:
        return RedirectResponse("/map", 303)
    text, policy = maps.page(key, lang or language_of(request))
    return Response(text, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy})


@router.get("/map/{key}/tiles/{state}/{layer}/{z}/{x}/{y}.png", response_class=Response)
async def tile(
    request: Request, person: TileReader, key: Key, state: Name, layer: Layer,
    z: Annotated[int, Path(ge=0, le=22)], x: Annotated[int, Path(ge=0, lt=1 << 22)],
    y: Annotated[int, Path(ge=0, lt=1 << 22)], lang: Lang = "en",
) -> Response:  # fmt: skip
    """A tile of a layer, 256 pixels, PNG."""
    tag = f'"{key}"'
    if request.headers.get("if-none-match") == tag:
        service_of(request).maps.check(key)
        return Response(status_code=304, headers={"etag": tag, "cache-control": KEPT})
    png = await service_of(request).maps.tile(key, state, layer, z, x, y, lang)
    return Response(png, media_type="image/png", headers={"etag": tag, "cache-control": KEPT})


@router.get("/map/{key}/api/point")
def point(request: Request, person: Viewer, key: Key, state: Annotated[str, Query(max_length=80)], lon: Lon,
          lat: Lat) -> dict[str, Any]:  # fmt: skip
    """Everything that was computed at a place."""
    from radiocov.maps.tiles import point_at

    return point_at(service_of(request).maps.results(key, state), lon, lat)


@router.get("/map/{key}/api/cells", include_in_schema=False)
def measured_cells(request: Request, person: Viewer, key: Key, west: Degrees, south: Degrees, east: Degrees,
                   north: Degrees) -> Response:  # fmt: skip
    """As /api/v1/cells, beside the page that shows them."""
    return cells(request, person, west, south, east, north)


@router.get("/map/{key}/api/profile")
def profile(request: Request, person: Viewer, key: Key, lon: Lon, lat: Lat,
            site: Annotated[str, Query(max_length=80)], terminal: Annotated[str, Query(max_length=80)] = "",
            ) -> dict[str, Any]:  # fmt: skip
    """The path from a site to a place: profile, loss and link budget, term by term."""
    return service_of(request).maps.profile(key, site, lon, lat, terminal)


@router.get("/map/{key}/plotly.js", include_in_schema=False)
def plotly(request: Request, person: Viewer, key: Key) -> Response:
    from radiocov.maps.service import plotly_script

    service_of(request).maps.check(key)
    return Response(plotly_script(), media_type="text/javascript; charset=utf-8", headers={"cache-control": KEPT})
