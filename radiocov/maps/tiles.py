"""What the viewing service shows: tiles in Web Mercator from the rasters of a run, and values at a point.

Addresses, relative to the page (`radiocov.maps.service`), which asks for nothing else:

- ``tiles/{state}/{layer}/{z}/{x}/{y}.png``: `tile_png`
- ``api/point?state=&lon=&lat=``: `point_at` as JSON
- ``api/profile?site=&lon=&lat=``: `radiocov.pathview.view_path(...).to_dict()` as JSON
- ``api/cells?west=&south=&east=&north=``: figures of measured cells, the service's own, once someone asks for them
- ``plotly.js``: `radiocov.maps.service.plotly_script`
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from radiocov.coverage.results import StateResults
from radiocov.maps import render
from radiocov.maps.png import encode_png
from radiocov.maps.sampling import sampled_codes
from radiocov.problems import Problem, ProjectError
from targets.rasterize import Window

TILE_PX = 256
MAX_ZOOM = 22
WORLD_M = 2.0 * math.pi * 6_378_137.0  # side of the world in EPSG:3857
PACKING = 3  # zlib's level: tiles are made while someone waits


def tile_layers(results: StateResults) -> list[str]:
    """The layers that `tile_png` draws: ``level``, ``server``, and for each service ``coverage:ID:DIRECTION``,
    ``margin:ID:DIRECTION``, ``probability:ID:DIRECTION`` and, after the first state, ``change:ID:DIRECTION``;
    DIRECTION is talk_out, talk_in or both."""
    return [str(layer) for layer in render.layers_of(results)]


def tile_png(results: StateResults, layer: str, z: int, x: int, y: int, lang: str = "en") -> bytes:
    """PNG of 256 pixels: the layer in tile x, y of zoom z (XYZ counting, EPSG:3857); nearest pixels of the raster.

    Colours are those of the file's legend. Transparent outside the raster. lang: tiles hold no words so far.
    ProjectError for a layer that `tile_layers` does not name, and for a tile that is none. Safe in threads.
    """
    chosen = render.layer_of(results, layer)
    if not (0 <= z <= MAX_ZOOM and 0 <= x < 2**z and 0 <= y < 2**z):
        text = f"there is no tile {z}/{x}/{y}"
        raise ProjectError(Problem("tile", "", text, f"zoom 0 to {MAX_ZOOM}, x and y from 0 to 2^zoom - 1"))
    codes = tile_codes(results, chosen, z, x, y)
    if codes is None:
        return _empty()
    return encode_png(codes, PACKING, render.palette_of(results, chosen), quick=True)


def tile_codes(results: StateResults, layer: render.Layer, z: int, x: int, y: int) -> np.ndarray | None:
    """(256, 256) codes of `render`; None where the tile lies wholly outside the raster."""
    side = WORLD_M / 2**z
    west, north = x * side - WORLD_M / 2, WORLD_M / 2 - y * side
    return sampled_codes(results, layer, "EPSG:3857", (west, north - side, west + side, north), TILE_PX)


@lru_cache(maxsize=1)
def _empty() -> bytes:
    return encode_png(np.zeros((TILE_PX, TILE_PX), np.uint8), 9, np.zeros((1, 4), np.uint8))


def point_at(results: StateResults, lon: float, lat: float) -> dict[str, Any]:
    """Everything computed at a place in WGS 84 degrees, JSON-able.

    state, lon, lat, row, col (of the pixel; None outside the raster), computed (bool), level_dbm, server,
    second_level_dbm, second_server (site ids), services [{id, direction, q, served, probability_any, servers,
    margin_db: {talk_out, talk_in, both}, probability: the same}]. None where there is no value; where nothing was
    computed there are no services.
    """
    grid = results.grid
    x, y = grid.from_lonlat(lon, lat)
    answer: dict[str, Any] = {
        "state": results.folder.name, "lon": lon, "lat": lat, "row": None, "col": None, "computed": False,
        "level_dbm": None, "server": None, "second_level_dbm": None, "second_server": None, "services": [],
    }  # fmt: skip
    if not (math.isfinite(x) and math.isfinite(y)) or not grid.contains(x, y):
        return answer
    row, col = (min(max(round(float(v)), 0), n - 1) for v, n in zip(grid.rowcol(x, y), grid.shape, strict=True))
    pixel = Window(row, col, 1, 1)

    def read(name: str, band: int = 1) -> float | None:
        value = float(results.band(name, band, pixel)[0, 0])
        return round(value, 4) if math.isfinite(value) else None

    def server(name: str) -> str | None:
        number = int(results.band(name, 1, pixel)[0, 0])
        return results.manifest["servers"][number - 1] if number else None

    answer |= {"row": row, "col": col, "level_dbm": read("level_dbm.tif")}
    if answer["level_dbm"] is None:
        return answer
    answer |= {
        "computed": True, "server": server("best_server.tif"), "second_server": server("second_server.tif"),
        "second_level_dbm": read("second_level_dbm.tif"),
    }  # fmt: skip
    for service, q in results.services.items():
        found = {"id": service, "direction": results.direction(service), "q": q}
        for name, file in (("margin_db", f"margin_{service}.tif"), ("probability", f"probability_{service}.tif")):
            found[name] = {"talk_out": read(file, 1), "talk_in": read(file, 2)}
            both = list(found[name].values())
            found[name]["both"] = None if None in both else min(both)
        chance = found["probability"][found["direction"].replace("-", "_")]
        found |= {
            "served": chance is not None and chance >= q - 1e-6,
            "probability_any": read(f"probability_any_{service}.tif"),
            "servers": int(results.band(f"servers_{service}.tif", 1, pixel)[0, 0]),
        }
        answer["services"].append(found)
    return answer
