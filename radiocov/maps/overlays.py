"""Traces of gaps and of measured cells, over the layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import shapely

from radiocov.maps.colours import GAP, INK, PAPER, colours_of, residual_steps
from radiocov.maps.data import MapGap, MapMeasured, MapState
from radiocov.maps.shapes import MANY_MARKS, append_outline, crowding, joined, line_trace, simplified


def gap_traces(state: MapState, tolerance: float) -> list[go.Scatter]:
    """Outlines of uncovered pieces and, so that small ones are found, a mark each with its number in the list."""
    if not state.gaps:
        return []
    meta = {"role": "gaps", "state": state.id}
    x: list[int | None] = []
    y: list[int | None] = []
    for gap in state.gaps:
        if gap.measure == "area":
            append_outline(x, y, gap.geometry, tolerance)
        else:
            lines = joined([simplified(shapely.get_coordinates(part), tolerance)
                            for part in shapely.get_parts(gap.geometry)])  # fmt: skip
            x += lines[0]
            y += lines[1]
    points = [gap_point(gap) for gap in state.gaps]
    return [
        line_trace(x, y, PAPER, 5.0, meta, opacity=0.85),
        line_trace(x, y, GAP, 2.6, meta),
        go.Scatter(
            x=[round(point[0]) for point in points],
            y=[round(point[1]) for point in points],
            mode="markers+text",
            marker={"symbol": "hexagon", "size": 20 * crowding(len(points)), "color": PAPER,
                    "line": {"width": 2, "color": GAP}},
            text=[str(i + 1) if i < MANY_MARKS else "" for i in range(len(points))],
            textfont={"size": 12 * crowding(len(points)), "color": GAP},
            customdata=list(range(len(points))),
            hoverinfo="none",
            meta=meta | {"card": "gap"},
        ),
    ]  # fmt: skip


def gap_point(gap: MapGap) -> tuple[float, float]:
    point = gap.geometry.representative_point()
    return point.x, point.y


def measured_traces(measured: MapMeasured, steps: list[dict[str, Any]]) -> list[go.Scatter]:
    """Circles, which nothing predicted has: by level and by what they differ from the prediction; crosses where most
    samples were not heard."""

    def marks(of: np.ndarray, symbol: str, size: float, colour: Any, meta: dict[str, Any]) -> go.Scatter:
        return go.Scatter(
            x=[round(float(v)) for v in measured.x[of]], y=[round(float(v)) for v in measured.y[of]], mode="markers",
            marker={"symbol": symbol, "size": size, "color": colour, "opacity": 1, "line": {"width": 0}},
            customdata=np.flatnonzero(of).tolist(), hoverinfo="none", meta=meta | {"card": "cell"},
        )  # fmt: skip

    def rimmed(of: np.ndarray, symbol: str, colour: Any, rim: str, meta: dict[str, Any]) -> list[go.Scatter]:
        # one rim around all of a drive: marks with rims of their own, in a row, would show little but rims
        size = 11 * max(0.6, crowding(len(measured.x) // 8))
        return [marks(of, symbol, size + 2.4, rim, meta).update(hoverinfo="skip"),
                marks(of, symbol, size, colour, meta)]  # fmt: skip

    heard = np.isfinite(measured.level_dbm)
    traces = rimmed(heard, "circle", colours_of(measured.level_dbm[heard], steps), INK, {"role": "measured"})
    for state, residual_db in measured.residual_db.items():
        known = np.isfinite(residual_db)
        colours = colours_of(residual_db[known], residual_steps())
        traces += rimmed(known, "circle", colours, INK, {"role": "residual", "state": state})
    return traces + rimmed(~heard, "x", INK, PAPER, {"role": "silent"})
