"""Colour steps of every layer: one place, from which the legend and the pixels are both made.

Values that miss a threshold are warm and pale, values that meet it run from green to dark blue: apart for the
common colour-vision deficiencies, and dark means strong in a grey print too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from radiocov.maps.data import MapData
from radiocov.maps.planes import constant_distance
from radiocov.maps.servers import SERVER_COLOURS

COVERED, NOT_COVERED = "#2b7bba", "#f6c27a"
OUTSIDE, OUTSIDE_HATCH, NO_SERVER = "#b9bfc5", "#9ea6ad", "#eceff1"
SHORT = ("#fdf0dd", "#f9cf94", "#ef9f4c")  # farthest from the threshold first
MET = ("#bfe3b4", "#7fcdbb", "#41b0c4", "#2b83ba", "#235a9f", "#122c6b")
# what a later state changes: only what changed is dark
NEVER, LOST, KEPT, GAINED = "#fdf0dd", "#a63a06", "#b9d9ea", "#0b3f7a"
# measured less predicted, weakest first: orange and purple stay apart where red and green do not
RESIDUAL = ("#7f3b08", "#d87a17", "#fbc07a", "#f4f3f1", "#bcb2dc", "#7b6aae", "#3b1a66")
RESIDUAL_EDGES = (-15.0, -9.0, -3.0, 3.0, 9.0, 15.0)
GAP = "#8a1c6b"
MAX_THRESHOLDS = 4
STEPS = 7

# what the markers and lines of the figure use
INK, PAPER, SERVED_LINE, FAILED_LINE = "#16222c", "#ffffff", "#0b5d8f", "#c2410c"


Fields = Iterable[tuple[str, np.ndarray, np.ndarray]]
"""(service id, level [dBm], talk-out margin [dB]) of rasters of one shape."""


def level_thresholds(fields: Fields) -> list[tuple[float, str]]:
    """(level [dBm], service id), rising: where the talk-out median of a service has just no margin left.

    Only for services whose margin is the level minus a constant over the whole map; others have no such step.
    """
    found: dict[str, float] = {}
    for service, level_dbm, margin_db in fields:
        if service in found:
            continue
        distance = constant_distance(margin_db, level_dbm)
        if distance is not None:
            found[service] = round(-distance, 2)
    return sorted((level, service) for service, level in found.items())


def fields_of(data: MapData) -> Fields:
    for state in data.states:
        for service in state.services:
            if "talk_out" in service.margin_db:
                yield service.id, state.level_dbm, service.margin_db["talk_out"]


def level_steps(thresholds: list[tuple[float, str]]) -> list[dict[str, Any]]:
    """Six to eight steps of level at the service thresholds; the words name the services that work there."""
    if len(thresholds) > MAX_THRESHOLDS:
        picks = np.unique(np.linspace(0, len(thresholds) - 1, MAX_THRESHOLDS).round().astype(int))
        marks = [thresholds[i][0] for i in picks]
    else:
        marks = [level for level, _ in thresholds]
    marks = [mark for i, mark in enumerate(marks) if i == 0 or mark - marks[i - 1] >= 1.0]
    if not marks:
        edges = [-110.0, -100.0, -90.0, -80.0, -70.0]
        return [step(None, SHORT[0], "level_weakest")] + [
            step(edge, colour, "level_plain", db=edge) for edge, colour in zip(edges, MET, strict=False)
        ]
    below = [marks[0] - 20.0, marks[0] - 10.0] if len(marks) == 1 else [marks[0] - 10.0]
    short = SHORT[-len(below) - 1 :]
    steps = [step(None, short[0], "level_none")]
    steps += [step(edge, colour, "level_none") for edge, colour in zip(below, short[1:], strict=True)]
    steps[-1]["words"] = "level_nearly"
    above = [marks[-1] + 10.0 * (i + 1) for i in range(max(2, STEPS - len(steps) - len(marks)))]
    colours = spread(MET, len(marks) + len(above))
    named: set[str] = set()
    for mark, colour in zip(marks, colours, strict=False):
        served = [service for level, service in thresholds if level < mark + 1.0 and service not in named]
        steps.append(step(mark, colour, "level_also" if named else "level_serves", services=served))
        named.update(served)
    for i, (edge, colour) in enumerate(zip(above, colours[len(marks) :], strict=True)):
        steps.append(step(edge, colour, "level_reserve", db=10 * (i + 1)))
    return steps


def margin_steps() -> list[dict[str, Any]]:
    met = spread(MET, 4)
    return [
        step(None, SHORT[0], "margin_far"),
        step(-20.0, SHORT[1], "margin_short"),
        step(-10.0, SHORT[2], "margin_nearly"),
        step(0.0, met[0], "margin_just"),
        step(10.0, met[1], "margin_good"),
        step(20.0, met[2], "margin_very_good"),
        step(30.0, met[3], "margin_ample"),
    ]


def probability_steps(q: float) -> list[dict[str, Any]]:
    """Steps below q are warm; q itself is always an edge."""
    short = [(None, "chance_rare"), (0.5, "chance_often"), (0.75, "chance_nearly")]
    kept = [pair for pair in short if pair[0] is None or pair[0] < q - 0.01]
    met = [(q, "chance_served")] + [
        (edge, words) for edge, words in ((0.95, "chance_high"), (0.99, "chance_sure")) if edge > q + 0.005
    ]
    return [step(edge, colour, words) for (edge, words), colour in zip(kept, SHORT[-len(kept) :], strict=True)] + [
        step(edge, colour, words) for (edge, words), colour in zip(met, spread(MET, max(3, len(met))), strict=False)
    ]


def coverage_steps(q: float) -> list[dict[str, Any]]:
    return [step(None, NOT_COVERED, "covered_no"), step(q, COVERED, "covered_yes")]


def change_steps() -> list[dict[str, Any]]:
    """What a later state of the network changes; `min` counts the cases: neither, lost, both, gained."""
    cases = ((NEVER, "change_never"), (LOST, "change_lost"), (KEPT, "change_kept"), (GAINED, "change_gained"))
    return [step(float(i), colour, words) for i, (colour, words) in enumerate(cases)]


def residual_steps() -> list[dict[str, Any]]:
    words = ("residual_far_below", "residual_below", "residual_little_below", "residual_as_predicted",
             "residual_little_above", "residual_above", "residual_far_above")  # fmt: skip
    return [step(edge, c, w) for edge, c, w in zip((None, *RESIDUAL_EDGES), RESIDUAL, words, strict=True)]


def colours_of(values: np.ndarray, steps: list[dict[str, Any]]) -> list[str]:
    """The step's colour of each value (n,)."""
    edges = np.array([step["min"] for step in steps[1:]]) - 1e-6
    return [steps[i]["colour"] for i in np.searchsorted(edges, values, side="right")]


def spread(colours: tuple[str, ...], count: int) -> list[str]:
    """`count` of the colours, evenly, the darkest always last."""
    picks = np.linspace(0, len(colours) - 1, count).round().astype(int)
    return [colours[i] for i in picks]


def step(edge: float | None, colour: str, words: str, **params: Any) -> dict[str, Any]:
    """One step from `edge` up to the next one's (None: no lower end); `words` is a key of the catalogue."""
    return {"min": edge, "colour": colour, "words": words, "params": params}


def all_scales(data: MapData) -> dict[str, Any]:
    services = data.services()
    return {
        "level": level_steps(level_thresholds(fields_of(data))),
        "margin": margin_steps(),
        "probability": {service.id: probability_steps(service.q) for service in services},
        "coverage": {service.id: coverage_steps(service.q) for service in services},
        "change": change_steps(),
        "residual": residual_steps(),
        "servers": list(SERVER_COLOURS),
        "outside": OUTSIDE,
        "outside_hatch": OUTSIDE_HATCH,
        "no_server": NO_SERVER,
        "served_line": SERVED_LINE,
        "failed_line": FAILED_LINE,
        "gap": GAP,
    }
