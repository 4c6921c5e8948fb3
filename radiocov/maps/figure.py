"""The plotly figure: plain x/y axes in projected metres, pictures below, lines and markers above.

`layout.map` is not used on purpose: from a file on disk it draws neither points nor lines. Each trace says
in `meta` what it is (role) and for which state of the network it holds; the page shows and hides by that.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from radiocov.maps.colours import (
    FAILED_LINE,
    INK,
    PAPER,
    SERVED_LINE,
    fields_of,
    level_steps,
    level_thresholds,
)
from radiocov.maps.data import MapArea, MapBoundary, MapData, MapRoad, MapState
from radiocov.maps.hillshade import LIGHTEST, hillshade
from radiocov.maps.overlays import gap_traces, measured_traces
from radiocov.maps.planes import thin
from radiocov.maps.png import encode_png
from radiocov.maps.shapes import append_outline, crowding, joined, line_trace, plain, simplified, words

if TYPE_CHECKING:
    from terrain.grid import Grid

RELIEF_SIDE_PX = 1400
EMPTY = np.full((1, 1), LIGHTEST, np.uint8)  # stands where the coverage picture will be
AREA_LINES = {"key": (3.0, "solid"), "urban": (2.4, "solid"), "suburban": (1.8, "4px,3px")}
ROAD_WIDTHS = {"motorway": 4.0, "national": 3.0, "provincial": 2.2}
SITE_MARKS = {
    "existing": ("triangle-up", 16, INK),
    "planned": ("triangle-up", 15, PAPER),
    "idle": ("diamond", 11, PAPER),
}


def build_figure(data: MapData, display_m: float) -> go.Figure:
    """The figure with an empty coverage picture (`layout.images[1]`), which the page colours itself.

    display_m: pixel of the coverage picture [m]; shapes are simplified to half of it.
    """
    tolerance = display_m / 2
    traces: list[go.Scatter] = []
    traces += boundary_traces(data.boundaries, tolerance)
    traces += road_traces(data, tolerance)
    traces += area_traces(data, tolerance)
    traces.append(name_trace(data.boundaries))
    for state in data.states:
        traces += gap_traces(state, tolerance)
    if data.measured is not None:
        traces += measured_traces(data.measured, level_steps(level_thresholds(fields_of(data))))
    for state in data.states:
        traces += site_traces(state)
    traces += [
        go.Scatter(
            x=[], y=[], mode="lines+markers", hoverinfo="skip", meta={"role": "measure"},
            line={"color": INK, "width": 2.5, "dash": "6px,4px"},
            marker={"symbol": "circle", "size": 9, "color": PAPER, "line": {"width": 2.5, "color": INK}},
        ),
        go.Scatter(
            x=[], y=[], mode="markers", hoverinfo="skip", meta={"role": "pick"},
            marker={"symbol": "cross-thin", "size": 22, "line": {"width": 3, "color": INK}},
        ),
    ]  # fmt: skip
    return go.Figure(traces, layout(data, display_m))


def layout(data: MapData, display_m: float) -> dict[str, Any]:
    grid = data.grid
    x_max = grid.x_min + grid.width * grid.resolution_m
    y_min = grid.y_max - grid.height * grid.resolution_m
    stride = max(1, -(-max(grid.width, grid.height) // RELIEF_SIDE_PX))
    relief = thin(hillshade(data.elevation_m, grid.resolution_m), stride)
    axis = {"visible": False, "showgrid": False, "zeroline": False, "fixedrange": False}
    return {
        "template": "none",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "#e4e8eb",
        "plot_bgcolor": "#e4e8eb",
        "showlegend": False,
        "dragmode": "pan",
        "hovermode": "closest",
        "hoverdistance": 14,
        "font": {"family": "inherit"},
        "xaxis": axis | {"range": [grid.x_min, x_max], "constrain": "range"},
        "yaxis": axis | {"range": [y_min, grid.y_max], "scaleanchor": "x", "constrain": "range"},
        "images": [
            # plotly tells pictures apart by their place alone: two on one spot would be drawn as one
            picture(relief, grid, stride * grid.resolution_m) | {"x": grid.x_min - 0.01},
            picture(EMPTY, grid, display_m),
        ],
    }


def picture(pixels: np.ndarray, grid: Grid, step_m: float) -> dict[str, Any]:
    """A picture that covers the grid with pixels of step_m [m]; the last ones may stand over its edge."""
    columns = -(-grid.width * grid.resolution_m // step_m)
    rows = -(-grid.height * grid.resolution_m // step_m)
    return {
        "source": "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii"),
        "x": grid.x_min, "y": grid.y_max, "sizex": columns * step_m, "sizey": rows * step_m,
        "xref": "x", "yref": "y", "xanchor": "left", "yanchor": "top", "sizing": "stretch", "layer": "below",
        "opacity": 1.0,
    }  # fmt: skip


def boundary_traces(boundaries: list[MapBoundary], tolerance: float) -> list[go.Scatter]:
    x: list[int | None] = []
    y: list[int | None] = []
    slices: dict[str, list[int]] = {}
    for boundary in boundaries:
        start = len(x)
        append_outline(x, y, boundary.geometry, tolerance)
        slices[f"{boundary.city}|{boundary.county}"] = [start, len(x)]
    return [
        line_trace(x, y, PAPER, 3.0, {"role": "boundaries"}, opacity=0.7),
        line_trace(x, y, "#4b5a66", 1.1, {"role": "boundaries", "slices": slices}),
        line_trace([], [], INK, 3.5, {"role": "highlight"}),
    ]


def name_trace(boundaries: list[MapBoundary]) -> go.Scatter:
    anchors = [boundary.geometry.representative_point() for boundary in boundaries]
    names = words([boundary.name for boundary in boundaries])
    return go.Scatter(
        x=[round(point.x) for point in anchors],
        y=[round(point.y) for point in anchors],
        mode="markers+text",
        marker={"size": 26, "opacity": 0},  # keeps the name clear of a mark on the same spot
        textposition="top center",
        text=names["en"],
        textfont={"size": 15, "color": "#3b4853"},
        hoverinfo="skip",
        meta={"role": "labels", "words": names},
    )


def area_traces(data: MapData, tolerance: float) -> list[go.Scatter]:
    traces = []
    for state in data.states:
        groups: dict[tuple[str, bool | None], tuple[list, list]] = {}
        for area in data.areas:
            x, y = groups.setdefault((area.class_name, area.met.get(state.id)), ([], []))
            append_outline(x, y, area.geometry, tolerance)
        for (class_name, met), (x, y) in groups.items():
            width, dash = AREA_LINES.get(class_name, (1.8, "solid"))
            colour = FAILED_LINE if met is False else SERVED_LINE if met else INK
            meta = {"role": "areas", "state": state.id}
            traces.append(line_trace(x, y, PAPER, width + 2.2, meta, opacity=0.8))
            traces.append(line_trace(x, y, colour, width, meta, dash=dash))
        if data.areas:
            traces.append(area_marks(data.areas, state))
    return traces



def area_marks(areas: list[MapArea], state: MapState) -> go.Scatter:
    """One mark an area, a tick or a cross: the verdict is readable without its colour."""
    points = [area.geometry.representative_point() for area in areas]
    verdicts = [area.met.get(state.id) for area in areas]
    signs = {True: "\u2713", False: "\u2717", None: "\u2013"}
    colours = {True: SERVED_LINE, False: FAILED_LINE, None: INK}
    scale = crowding(len(areas))
    return go.Scatter(
        x=[round(point.x) for point in points],
        y=[round(point.y) for point in points],
        mode="markers+text",
        marker={
            "symbol": "square",
            "size": 17 * scale,
            "color": PAPER,
            "line": {"width": 1.6 * scale, "color": [colours[met] for met in verdicts]},
        },
        text=[signs[met] for met in verdicts],
        textfont={"size": 13 * scale, "color": [colours[met] for met in verdicts]},
        customdata=list(range(len(areas))),
        hoverinfo="none",
        meta={"role": "areas", "state": state.id, "card": "area"},
    )





def road_traces(data: MapData, tolerance: float) -> list[go.Scatter]:
    service = data.class_service.get("highway")
    needed = next((s.q for s in data.services() if s.id == service), None)
    traces = []
    for class_name in sorted({road.class_name for road in data.roads}):
        x, y = joined([simplified(road.xy, tolerance) for road in data.roads if road.class_name == class_name])
        width = ROAD_WIDTHS.get(class_name, 2.2)
        traces.append(line_trace(x, y, PAPER, width + 2.6, {"role": "roads"}))
        traces.append(line_trace(x, y, "#8a949c", width, {"role": "roads"}))
    for state in data.states if needed is not None else []:
        for class_name in sorted({road.class_name for road in data.roads}):
            runs = [run for road in data.roads if road.class_name == class_name
                    for run in verdict_runs(road, state.id, needed, tolerance)]  # fmt: skip
            width = ROAD_WIDTHS.get(class_name, 2.2)
            for served, colour, dash in ((True, SERVED_LINE, "solid"), (False, FAILED_LINE, "5px,3px")):
                x, y = joined([xy for verdict, xy in runs if verdict is served])
                meta = {"role": "roads", "state": state.id, "served": served}
                traces.append(line_trace(x, y, colour, width, meta, dash=dash))
    return traces


def verdict_runs(road: MapRoad, state: str, q: float, tolerance: float) -> list[tuple[bool, np.ndarray]]:
    """Pieces of a road, each wholly served or not: a segment is served when both its ends are."""
    if state not in road.probability:
        return []
    ends = np.asarray(road.probability[state]) >= q
    served = ends[:-1] & ends[1:]
    cuts = np.flatnonzero(served[1:] != served[:-1]) + 1
    edges = [0, *cuts.tolist(), len(served)]
    return [
        (bool(served[a]), simplified(road.xy[a : b + 1], tolerance))
        for a, b in zip(edges[:-1], edges[1:], strict=True)
        if b > a
    ]


def site_kind(state: MapState, position: int) -> str:
    """existing; planned, when it counts by this state's date; idle, when it does not count."""
    if state.server_index(position) == 0:
        return "idle"
    return "existing" if (state.sites[position].get("status") or "existing") == "existing" else "planned"


def site_traces(state: MapState) -> list[go.Scatter]:
    """Sites of one state, one trace a kind: told apart by shape and filling, not by colour."""
    traces = []
    scale = crowding(len(state.sites))
    for kind, (symbol, size, fill) in SITE_MARKS.items():
        picks = [i for i in range(len(state.sites)) if site_kind(state, i) == kind]
        traces.append(
            go.Scatter(
                x=[float(state.sites[i]["x"]) for i in picks],
                y=[float(state.sites[i]["y"]) for i in picks],
                mode="markers",
                text=[plain(str(state.sites[i].get("name") or state.sites[i]["id"])) for i in picks],
                textposition="bottom center",
                textfont={"size": 13, "color": INK},
                marker={
                    "symbol": symbol,
                    "size": size * scale,
                    "color": fill,
                    "opacity": 1,
                    "line": {"width": 2.0 * scale, "color": PAPER if fill == INK else INK},
                },
                customdata=picks,
                hoverinfo="none",
                meta={"role": "sites", "state": state.id, "card": "site"},
            )
        )
    return traces
