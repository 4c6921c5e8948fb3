"""What the viewing service shows: tiles in Web Mercator from the rasters of a run, values at a point, the page.

Addresses, relative to the page: ``tiles/{state}/{layer}/{z}/{x}/{y}.png`` (`tile_png`), ``api/point?state=&lon=&lat=``
(`point_at` as JSON), ``api/profile?lon=&lat=&site=&terminal=`` (`radiocov.pathview.view_path(...).to_dict()` as JSON)
and ``plotly.js`` (`plotly_script`). The page asks for nothing else, and for nothing from elsewhere.
"""

from __future__ import annotations

from typing import Any

from radiocov.coverage.results import StateResults
from radiocov.maps.data import MapData

TILE_PX = 256


def tile_layers(results: StateResults) -> list[str]:
    """The layers that `tile_png` draws: ``level``, ``server``, and for each service ``coverage:ID:DIRECTION``,
    ``margin:ID:DIRECTION`` and ``probability:ID:DIRECTION``, DIRECTION one of talk_out, talk_in, both."""
    raise NotImplementedError


def tile_png(results: StateResults, layer: str, z: int, x: int, y: int, lang: str = "en") -> bytes:
    """PNG of 256 pixels: the layer in tile x, y of zoom z (XYZ counting, EPSG:3857); nearest pixels of the raster.

    Colours are those of the file's legend. Transparent outside the raster. ProjectError for a layer that
    `tile_layers` does not name and for a tile that is none. Threads may call it at once.
    """
    raise NotImplementedError


def point_at(results: StateResults, lon: float, lat: float) -> dict[str, Any]:
    """Everything computed at a place in WGS 84 degrees, JSON-able: state, lon, lat, row, col, level_dbm, server,
    second_level_dbm, second_server (site ids), services [{id, direction, q, margin_db, probability: {talk_out,
    talk_in, both}, probability_any, servers, served}]; null where nothing was computed, and all of it outside."""
    raise NotImplementedError


def service_page(data: MapData, lang: str = "en") -> str:
    """The page of the viewing service as HTML: the file's panels around a `layout.map` with tiles.

    data: from `radiocov.mapping.service_data(inputs, judged)`, whose rasters are thinned. The text is the same for
    the same data, so it may be kept.
    """
    raise NotImplementedError


def plotly_script() -> bytes:
    """plotly.js, UTF-8, for ``plotly.js`` beside the page."""
    raise NotImplementedError
