"""Rasters as byte planes: what the page draws and what it reads out are the same bytes.

Code 0 means outside the computation; code c from 1 means VALUES[kind][c - 1] plus the reference's offset.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radiocov.maps.data import MapData, MapService, MapState
from radiocov.maps.png import encode_png
from radiocov.maps.servers import HUE_CODES, server_hues

VALUES = {
    "level": np.arange(-150.0, -22.9, 0.5),  # dBm
    "margin": np.arange(-60.0, 60.1, 0.5),  # dB
    # fine where targets are decided: with a model error of several dB more steps would only be bytes
    "probability": np.round(
        np.concatenate([[0.0, 0.02], np.arange(5, 50, 5) / 100, np.arange(50, 80, 2) / 100,
                        np.arange(80, 101) / 100]), 3,
    ),
    "hue": np.arange(0.0, 32.0),
}  # fmt: skip
MAX_SIDE_PX = 2400
BAND_ROWS = 32  # rows read together when a size is estimated
SAME_FIELD_DB = 0.02  # two fields closer than this to a constant distance are one field


def nearest_codes(field: np.ndarray, values: np.ndarray) -> np.ndarray:
    """uint8 codes of the nearest of the rising `values`, ends included; 0 where the field is NaN."""
    codes = np.searchsorted((values[1:] + values[:-1]) / 2, field).astype(np.uint8) + np.uint8(1)
    codes[np.isnan(field)] = 0
    return codes


def codes_across(field: np.ndarray, values: np.ndarray, edge: float) -> np.ndarray:
    """Nearest codes that never cross `edge`: what reaches it still does, what misses it still misses it."""
    codes = nearest_codes(field, values)
    first = int(np.searchsorted(values, edge - 1e-9)) + 1
    with np.errstate(invalid="ignore"):
        reached, missed = field >= edge, field < edge
    codes[reached] = np.maximum(codes[reached], first)
    codes[missed] = np.minimum(codes[missed], max(first - 1, 1))
    return codes


def encode_level(level_dbm: np.ndarray) -> np.ndarray:
    return nearest_codes(level_dbm, VALUES["level"])


def encode_margin(margin_db: np.ndarray) -> np.ndarray:
    return codes_across(margin_db, VALUES["margin"], 0.0)


def encode_probability(probability: np.ndarray, q: float) -> np.ndarray:
    """Codes of a probability 0..1; q itself need not be one of the values, served pixels stay served."""
    return codes_across(probability, VALUES["probability"], q)


@dataclass
class PlaneStore:
    """The planes of one page, each stored once however many layers refer to it."""

    pool: Executor
    every: int = 1  # more than 1 only estimates: of so many bands of rows, one is encoded
    _planes: list[Future[bytes]] = field(default_factory=list)
    _by_digest: dict[bytes, int] = field(default_factory=dict)

    def add(self, codes: np.ndarray) -> int:
        digest = hashlib.sha256(codes.tobytes()).digest()
        if digest not in self._by_digest:
            self._by_digest[digest] = len(self._planes)
            if self.every > 1:
                tops = range(0, codes.shape[0], BAND_ROWS * self.every)
                codes = np.concatenate([codes[top : top + BAND_ROWS] for top in tops])
            # compression lets other threads run meanwhile
            self._planes.append(self.pool.submit(encode_png, codes))
        return self._by_digest[digest]

    @property
    def planes(self) -> list[bytes]:
        return [plane.result() for plane in self._planes]

    def size(self) -> int:
        """Bytes the planes take in the page [B]."""
        return self.every * sum(4 * math.ceil(len(plane) / 3) for plane in self.planes)

    def base64(self) -> list[str]:
        return [base64.b64encode(plane).decode("ascii") for plane in self.planes]


@dataclass
class DecibelFields:
    """Level and margins of one state; a margin that is another field plus a constant shares its plane."""

    store: PlaneStore
    known: list[tuple[np.ndarray, dict[str, Any]]]

    def level(self, level_dbm: np.ndarray) -> dict[str, Any]:
        ref = {"plane": self.store.add(encode_level(level_dbm)), "kind": "level", "offset": 0.0}
        self.known.append((level_dbm, ref))
        return ref

    def margin(self, margin_db: np.ndarray) -> dict[str, Any]:
        for other, ref in self.known:
            distance = constant_distance(margin_db, other)
            if distance is not None:
                return ref | {"offset": round(ref["offset"] + distance, 3)}
        ref = {"plane": self.store.add(encode_margin(margin_db)), "kind": "margin", "offset": 0.0}
        self.known.append((margin_db, ref))
        return ref


def constant_distance(field: np.ndarray, other: np.ndarray) -> float | None:
    """The constant by which `field` lies above `other` [dB], or None when there is none."""
    finite = np.isfinite(field)
    if not finite.any() or not np.array_equal(finite, np.isfinite(other)):
        return None
    difference = (field - other)[finite]
    low, high = float(difference.min()), float(difference.max())
    return (low + high) / 2 if high - low <= SAME_FIELD_DB else None


def is_minimum(both: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(both, np.minimum(one, other), equal_nan=True)


def encode_page(data: MapData, max_bytes: int) -> tuple[PlaneStore, dict[str, Any], int]:
    """Planes, their index (see `encode_states`) and the stride, thinned until they fit in max_bytes [B]."""
    stride = max(1, math.ceil(max(data.grid.width, data.grid.height) / MAX_SIDE_PX))
    smallest = min(data.grid.width, data.grid.height)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        while True:
            for every in (8, 1) if smallest // stride > 16 * BAND_ROWS else (1,):
                store = PlaneStore(pool, every)
                index = encode_states(data, stride, store)
                size = store.size()
                if size > max_bytes:
                    break
            if size <= max_bytes or smallest // (stride + 1) < 64:
                return store, index, stride
            stride = max(stride + 1, math.floor(stride * math.sqrt(size / max_bytes)))


def encode_states(data: MapData, stride: int, store: PlaneStore) -> dict[str, Any]:
    """All planes at one stride into the store; by state: level, server, hue and each service's planes."""
    thinned = [thin(state.best_server, stride) for state in data.states]
    hues = server_hues(
        thinned,
        [{state.server_index(i): site["id"] for i, site in enumerate(state.sites)} for state in data.states],
    )
    index: dict[str, Any] = {}
    for state, servers in zip(data.states, thinned, strict=True):
        fields = DecibelFields(store, [])
        level = thin(state.level_dbm, stride)
        index[state.id] = {
            "level": fields.level(level),
            "server": server_planes(store, servers),
            "hue": {"plane": store.add(hue_codes(state, servers, level, hues)), "kind": "hue", "offset": 0.0},
            "services": {service.id: service_planes(store, fields, service, stride) for service in state.services},
        }
    return index


def service_planes(
    store: PlaneStore, fields: DecibelFields, service: MapService, stride: int
) -> dict[str, dict[str, Any]]:
    margins = {name: thin(plane, stride) for name, plane in service.margin_db.items()}
    chances = {name: thin(plane, stride) for name, plane in service.probability.items()}

    def chance(name: str) -> dict[str, Any]:
        codes = encode_probability(chances[name], service.q)
        return {"plane": store.add(codes), "kind": "probability", "offset": 0.0}

    return {
        "margin": with_minimum(margins, lambda name: fields.margin(margins[name])),
        "probability": with_minimum(chances, chance),
    }


def with_minimum(arrays: dict[str, np.ndarray], encode: Any) -> dict[str, Any]:
    """References by direction; `both` is not stored again when it is exactly the worse of the other two."""
    refs = {name: encode(name) for name in arrays if name != "both"}
    if "both" in arrays:
        if len(refs) == 2 and is_minimum(arrays["both"], arrays["talk_out"], arrays["talk_in"]):
            refs["both"] = {"min": [refs["talk_out"], refs["talk_in"]]}
        else:
            refs["both"] = encode("both")
    return refs


def server_planes(store: PlaneStore, servers: np.ndarray) -> list[int]:
    """Low byte and, only where more than 255 sites need it, high byte of the best server's index."""
    planes = [store.add((servers & 0xFF).astype(np.uint8))]
    if servers.max(initial=0) > 0xFF:
        planes.append(store.add((servers >> 8).astype(np.uint8)))
    return planes


def hue_codes(state: MapState, servers: np.ndarray, level: np.ndarray, hues: dict[str, int]) -> np.ndarray:
    """0 outside, 1 computed but without server, 2... the site's hue."""
    table = np.ones(int(servers.max(initial=0)) + 1, np.uint8)
    for position, site in enumerate(state.sites):
        server = state.server_index(position)
        if 0 < server < len(table):
            table[server] = 2 + hues.get(site["id"], 0) % HUE_CODES
    codes = table[servers]
    codes[(servers == 0) & ~np.isfinite(level)] = 0
    return codes


def thin(array: np.ndarray, stride: int) -> np.ndarray:
    """The pixel nearest the middle of each stride x stride block; a display of real values, not of means."""
    half = stride // 2
    if half:
        array = np.pad(array, ((0, half), (0, half)), mode="edge")
    return np.ascontiguousarray(array[half::stride, half::stride])


def control_grid(data: MapData, intervals: int = 48) -> dict[str, Any]:
    """Longitude and latitude [deg] on a coarse grid of points, for bilinear reading in the page.

    The error is the sagitta of the meridians over one interval: 0.2 m over 3 km, 3 m over 12 km at 45 deg.
    """
    grid = data.grid
    xs = np.linspace(grid.x_min, grid.x_min + grid.width * grid.resolution_m, intervals + 1)
    ys = np.linspace(grid.y_max, grid.y_max - grid.height * grid.resolution_m, intervals + 1)
    lon, lat = grid.to_lonlat(*np.meshgrid(xs, ys))
    return {
        "intervals": intervals,
        "lon": np.round(np.asarray(lon, float).ravel(), 7).tolist(),
        "lat": np.round(np.asarray(lat, float).ravel(), 7).tolist(),
    }


HEIGHTS_SIDE_PX = 800


def heights(data: MapData) -> tuple[dict[str, Any], list[str]]:
    """Ground heights for profiles, coarse: what the page knows of them, and two planes (low and high byte of whole
    metres above `base`) as base64."""
    stride = max(1, math.ceil(max(data.grid.width, data.grid.height) / HEIGHTS_SIDE_PX))
    ground = np.rint(np.nan_to_num(thin(np.asarray(data.elevation_m, np.float32), stride))).astype(np.int32)
    base = int(ground.min())
    above = np.clip(ground - base, 0, 0xFFFF)
    about = {"width": ground.shape[1], "height": ground.shape[0], "step": data.grid.resolution_m * stride,
             "base": base}  # fmt: skip
    parts = (above & 0xFF).astype(np.uint8), (above >> 8).astype(np.uint8)
    return about, [base64.b64encode(encode_png(part)).decode("ascii") for part in parts]
