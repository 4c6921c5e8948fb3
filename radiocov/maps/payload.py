"""What the page's script gets to know, as one JSON object."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from typing import Any

import numpy as np

from radiocov import __version__
from radiocov.maps.catalogue import LANGUAGES, catalogue
from radiocov.maps.colours import all_scales
from radiocov.maps.data import ROW_KEYS, ROW_LEVELS, MapData, MapMeasured, MapState
from radiocov.maps.figure import site_kind
from radiocov.maps.planes import VALUES, control_grid

SITE_KEYS = (
    "id", "name", "x", "y", "lon", "lat", "height", "power", "erp", "antenna", "azimuth", "tilt", "status",
    "in_service", "share_percent", "people_percent",
)  # fmt: skip
ZOOM_MARGIN = 0.06


def payload(data: MapData, index: dict[str, Any], stride: int) -> dict[str, Any]:
    grid = data.grid
    return {
        "title": data.title,
        "note": data.note,
        "synthetic": data.synthetic,
        "coarse": data.coarse_warning,
        "version": __version__,
        "grid": {
            "x": grid.x_min,
            "y": grid.y_max,
            "step": grid.resolution_m * stride,
            "width": -(-grid.width // stride),
            "height": -(-grid.height // stride),
            "right": grid.x_min + grid.width * grid.resolution_m,
            "bottom": grid.y_max - grid.height * grid.resolution_m,
            "native": data.native_m or grid.resolution_m,
            "crs": str(grid.crs) if len(str(grid.crs)) < 40 else "",
        },
        "lonlat": control_grid(data),
        "values": {kind: values.tolist() for kind, values in VALUES.items()},
        "states": [state_payload(state, index[state.id]) for state in data.states],
        "services": [
            {
                "id": service.id,
                "label": service.label,
                "direction": service.direction,
                "threshold": service.threshold,
                "q": service.q,
            }
            for service in data.services()
        ],
        "classService": dict(data.class_service),
        "areas": [
            {"class": a.class_name, "name": a.name, "city": a.city, "county": a.county,
             "met": dict(a.met), "share": dict(a.share), "box": padded(a.geometry.bounds)}
            for a in data.areas
        ],
        "roads": road_boxes(data),
        "measured": None if data.measured is None else measured_payload(data.measured),
        "earthRadius": data.earth_radius_km,
        "terminalHeight": data.terminal_height_m,
        "scales": all_scales(data),
        "extents": extents(data),
        "provenance": dict(data.provenance),
        "words": {lang: catalogue(lang) for lang in LANGUAGES},
    }  # fmt: skip


def state_payload(state: MapState, planes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": state.id,
        "label": state.label,
        "date": state.date,
        "planes": planes,
        "servers": {str(state.server_index(i)): i for i in range(len(state.sites)) if state.server_index(i)},
        "sites": [
            {key: site.get(key) for key in SITE_KEYS} | {"kind": site_kind(state, i)}
            for i, site in enumerate(state.sites)
        ],
        "rows": [
            {key: row.get(key) for key in ROW_KEYS}
            for row in state.rows
            # a county without a name would stand for its whole city a second time
            if row["level"] in ROW_LEVELS and (row["level"] != "county" or row.get("county"))
        ],
        "gaps": [
            {"class": gap.class_name, "name": gap.name, "city": gap.city, "county": gap.county,
             "measure": gap.measure, "service": gap.service, "size": round(gap.size, 3), "road": gap.road,
             "road_m": None if gap.road_m is None else round(gap.road_m), "box": padded(gap.geometry.bounds)}
            for gap in state.gaps
        ],
    }  # fmt: skip


def road_boxes(data: MapData) -> list[dict[str, Any]]:
    """Name and extent [m] of every named road."""
    boxes: dict[str, tuple[dict[str, str], list[float]]] = {}
    for road in data.roads:
        if road.name["en"]:
            low, high = road.xy.min(axis=0), road.xy.max(axis=0)
            name, old = boxes.get(road.name["en"], (road.name, [*low, *high]))
            boxes[road.name["en"]] = name, [*np.minimum(old[:2], low), *np.maximum(old[2:], high)]
    return [{"name": name, "box": padded(box)} for name, box in boxes.values()]


def measured_payload(measured: MapMeasured) -> dict[str, Any]:
    return {
        "cell": measured.cell_m,
        "terminal": measured.terminal,
        "carry": measured.carry_db,
        "source": measured.source,
        "leftOut": dict(measured.left_out),
        "level": np.round(measured.level_dbm, 1),
        "samples": measured.samples,
        "silent": measured.silent,
        "residual": {state: np.round(values, 1) for state, values in measured.residual_db.items()},
        "x": np.round(measured.x),
        "y": np.round(measured.y),
    }


def extents(data: MapData) -> dict[str, list[float]]:
    """(x_min, y_min, x_max, y_max) [m] to zoom to, by "city|county" and "city|"; boundaries before areas."""
    boxes: dict[str, list[float]] = {}

    def grow(key: str, bounds: tuple[float, float, float, float]) -> None:
        old = boxes.get(key, [math.inf, math.inf, -math.inf, -math.inf])
        boxes[key] = [
            min(old[0], bounds[0]),
            min(old[1], bounds[1]),
            max(old[2], bounds[2]),
            max(old[3], bounds[3]),
        ]

    for boundary in data.boundaries:
        grow(f"{boundary.city}|{boundary.county}", boundary.geometry.bounds)
    bounded = set(boxes)
    for shapes in (data.boundaries, data.areas):
        for shape in shapes:
            for key in {f"{shape.city}|{shape.county}", f"{shape.city}|"}:
                if key not in bounded:
                    grow(key, shape.geometry.bounds)
        bounded = set(boxes)
    return {key: padded(box) for key, box in boxes.items()}


def padded(box: list[float]) -> list[float]:
    pad = ZOOM_MARGIN * max(box[2] - box[0], box[3] - box[1])
    return [round(box[0] - pad), round(box[1] - pad), round(box[2] + pad), round(box[3] + pad)]


def to_script_json(value: Any) -> str:
    """JSON that may stand inside a <script> element: no `<` survives, so nothing can close the element."""
    text = json.dumps(clean(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return escape_json(text)


def escape_json(text: str) -> str:
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def clean(value: Any) -> Any:
    """The same value with numpy scalars and dates as plain ones and NaN or infinity as null."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, np.generic):
        return clean(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, np.ndarray):
        return clean(value.tolist())
    return value
