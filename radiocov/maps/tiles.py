"""What the viewing service shows: tiles in Web Mercator from the rasters of a run, and values at a point.

Addresses, relative to the page (`radiocov.maps.service`), which asks for nothing else:

- ``tiles/{state}/{layer}/{z}/{x}/{y}.png``: `tile_png`
- ``api/point?state=&lon=&lat=``: `point_at` as JSON
- ``api/profile?site=&lon=&lat=``: `radiocov.pathview.view_path(...).to_dict()` as JSON
- ``plotly.js``: `radiocov.maps.service.plotly_script`
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from pyproj import Transformer

from radiocov.coverage.results import StateResults
from radiocov.maps import render
from radiocov.maps.png import encode_png
from radiocov.problems import Problem, ProjectError
from targets.rasterize import Window

TILE_PX = 256
MAX_ZOOM = 22
WORLD_M = 2.0 * math.pi * 6_378_137.0  # side of the world in EPSG:3857
CELLS = 32  # cells a side in which a tile's places are found exactly; between them they run straight
HATCH_PX, STROKE_PX = 16, 3  # divide the tile, so that the hatching runs on in the next
PACKING = 3  # zlib's level: tiles are made while someone waits


def tile_layers(results: StateResults) -> list[str]:
    """The layers that `tile_png` draws: ``level``, ``server``, and for each service ``coverage:ID:DIRECTION``,
    ``margin:ID:DIRECTION`` and ``probability:ID:DIRECTION``, DIRECTION one of talk_out, talk_in, both."""
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
    return encode_png(codes, PACKING, render.palette_of(results, chosen))


def tile_codes(results: StateResults, layer: render.Layer, z: int, x: int, y: int) -> np.ndarray | None:
    """(256, 256) codes of `render`; None where the tile lies wholly outside the raster."""
    row, col = _places(results, z, x, y)
    height, width = results.shape
    inside = (row >= 0) & (col >= 0) & (row < height) & (col < width)  # not so for NaN, beyond the projection
    if not inside.any():
        return None
    row, col = row[inside], col[inside]
    rows_px = (row.max() - row.min()) / TILE_PX, (col.max() - col.min()) / TILE_PX
    # the coarsest of the raster's overviews that still has a pixel for every pixel of the tile
    stride = 2 ** max(0, math.floor(math.log2(max(1.0, *rows_px))))
    top, left = (int(v.min()) // stride * stride for v in (row, col))
    down = min(math.ceil((row.max() + 1e-9 - top) / stride) or 1, -(-(height - top) // stride))
    across = min(math.ceil((col.max() + 1e-9 - left) / stride) or 1, -(-(width - left) // stride))
    window = Window(top, left, min(down * stride, height - top), min(across * stride, width - left))
    part = render.codes(results, layer, window, (down, across))
    codes = np.zeros((TILE_PX, TILE_PX), np.uint8)
    at = np.minimum((row - top).astype(np.int64) // stride, down - 1)
    codes[inside] = part[at, np.minimum((col - left).astype(np.int64) // stride, across - 1)]
    lines = np.add.outer(np.arange(TILE_PX), np.arange(TILE_PX)) % HATCH_PX < STROKE_PX
    codes[(codes == render.OUTSIDE) & lines] = render.HATCH
    return codes


def _places(results: StateResults, z: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (256, 256) of a tile's pixels' centres, counted from the raster's outer corner."""
    side = WORLD_M / 2**z
    knots = np.linspace(0.0, side, CELLS + 1)
    east, north = np.meshgrid(x * side - WORLD_M / 2 + knots, WORLD_M / 2 - y * side - knots)
    px, py = _to_grid(results.grid.crs).transform(east, north)
    grid = results.grid
    u, v = (px - grid.x_min) / grid.resolution_m, (grid.y_max - py) / grid.resolution_m
    with np.errstate(invalid="ignore"):
        return _between(v), _between(u)


def _between(knots: np.ndarray) -> np.ndarray:
    """Bilinear values at the pixels' centres of values at the corners of the cells; NaN beside infinite ones."""
    at = (np.arange(TILE_PX) + 0.5) * CELLS / TILE_PX
    cell, part = at.astype(int), at % 1.0
    rows = knots[cell] * (1 - part)[:, None] + knots[cell + 1] * part[:, None]
    return rows[:, cell] * (1 - part) + rows[:, cell + 1] * part


@lru_cache(maxsize=32)
def _to_grid(crs: str) -> Transformer:
    return Transformer.from_crs("EPSG:3857", crs, always_xy=True)


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
