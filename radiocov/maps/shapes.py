"""What the figure's traces are made of: outlines and lines as whole metres, sizes of marks, words."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import shapely

from radiocov.maps.data import Text

MANY_MARKS = 60


def crowding(marks: int) -> float:
    """Size of marks, 1 for a prefecture's few dozen and less for a province's hundreds, which would hide the map."""
    return min(1.0, max(0.45, math.sqrt(MANY_MARKS / max(marks, 1))))


def line_trace(
    x: list,
    y: list,
    colour: str,
    width: float,
    meta: dict[str, Any],
    dash: str = "solid",
    opacity: float = 1.0,
) -> go.Scatter:
    return go.Scatter(
        x=x, y=y, mode="lines", hoverinfo="skip", opacity=opacity, meta=meta, connectgaps=False,
        line={"color": colour, "width": width, "dash": dash},
    )  # fmt: skip


def append_outline(x: list, y: list, geometry: Any, tolerance: float) -> None:
    """Adds the rings of a polygon as whole metres, each closed by a gap."""
    slim = shapely.simplify(geometry, tolerance)
    for polygon in shapely.get_parts(slim):
        for ring in shapely.get_rings(polygon):
            points = np.rint(shapely.get_coordinates(ring)).astype(int)
            x += [*points[:, 0].tolist(), None]
            y += [*points[:, 1].tolist(), None]


def simplified(xy: np.ndarray, tolerance: float) -> np.ndarray:
    return np.rint(shapely.get_coordinates(shapely.simplify(shapely.linestrings(xy), tolerance))).astype(int)


def joined(lines: list[np.ndarray]) -> tuple[list, list]:
    x: list[int | None] = []
    y: list[int | None] = []
    for line in lines:
        x += [*line[:, 0].tolist(), None]
        y += [*line[:, 1].tolist(), None]
    return x, y


def plain(text: str) -> str:
    """Text that plotly shows as it is: its labels understand a little HTML, so that is escaped."""
    return html.escape(text, quote=False)


def words(texts: list[Text]) -> dict[str, list[str]]:
    return {lang: [plain(text.get(lang) or text["en"]) for text in texts] for lang in ("en", "zh")}
