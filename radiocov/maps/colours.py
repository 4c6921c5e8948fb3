"""Colour steps of every layer: one place, from which the legend and the pixels are both made.

Values that miss a threshold are warm and pale, values that meet it run from green to dark blue: apart for the
common colour-vision deficiencies, and dark means strong in a grey print too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from radiocov.maps.data import MapData, MapService
from radiocov.maps.planes import constant_distance
from radiocov.maps.servers import SERVER_COLOURS

COVERED, NOT_COVERED = "#2b7bba", "#f6c27a"
OUTSIDE, OUTSIDE_HATCH, NO_SERVER = "#b9bfc5", "#9ea6ad", "#eceff1"
SHORT = ("#fdf0dd", "#f9cf94", "#ef9f4c")  # farthest from the threshold first
MET = ("#bfe3b4", "#7fcdbb", "#41b0c4", "#2b83ba", "#235a9f", "#122c6b")
MAX_THRESHOLDS = 4
STEPS = 7

# what the markers and lines of the figure use
INK, PAPER, SERVED_LINE, FAILED_LINE = "#16222c", "#ffffff", "#0b5d8f", "#c2410c"


def level_thresholds(data: MapData) -> list[tuple[float, str]]:
    """(level [dBm], service id), rising: where the talk-out median of a service has just no margin left.

    Only for services whose margin is the level minus a constant over the whole map; others have no such step.
    """
    found: dict[str, float] = {}
    for state in data.states:
        for service in state.services:
            margin = service.margin_db.get("talk_out")
            if margin is None or service.id in found:
                continue
            distance = constant_distance(margin, state.level_dbm)
            if distance is not None:
                found[service.id] = round(-distance, 2)
    return sorted((level, service) for service, level in found.items())


def level_steps(data: MapData) -> list[dict[str, Any]]:
    """Six to eight steps of level at the service thresholds; the words name the services that work there."""
    thresholds = level_thresholds(data)
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


def probability_steps(service: MapService) -> list[dict[str, Any]]:
    """Steps below q are warm; q itself is always an edge."""
    q = service.q
    short = [(None, "chance_rare"), (0.5, "chance_often"), (0.75, "chance_nearly")]
    kept = [pair for pair in short if pair[0] is None or pair[0] < q - 0.01]
    met = [(q, "chance_served")] + [
        (edge, words) for edge, words in ((0.95, "chance_high"), (0.99, "chance_sure")) if edge > q + 0.005
    ]
    return [step(edge, colour, words) for (edge, words), colour in zip(kept, SHORT[-len(kept) :], strict=True)] + [
        step(edge, colour, words) for (edge, words), colour in zip(met, spread(MET, max(3, len(met))), strict=False)
    ]


def coverage_steps(service: MapService) -> list[dict[str, Any]]:
    return [step(None, NOT_COVERED, "covered_no"), step(service.q, COVERED, "covered_yes")]


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
        "level": level_steps(data),
        "margin": margin_steps(),
        "probability": {service.id: probability_steps(service) for service in services},
        "coverage": {service.id: coverage_steps(service) for service in services},
        "servers": list(SERVER_COLOURS),
        "outside": OUTSIDE,
        "outside_hatch": OUTSIDE_HATCH,
        "no_server": NO_SERVER,
        "served_line": SERVED_LINE,
        "failed_line": FAILED_LINE,
    }
