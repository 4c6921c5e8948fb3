"""The layers of a run's rasters as colours: which there are, their steps and words, and codes of a window.

One place for tiles, exports and their legends; the steps are those of the file's page. A code is an index of the
palette: 0 nothing, 1 and 2 outside the computation (plain, hatched), then the steps, or the hues of servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from radiocov.coverage.results import StateResults, computed_states, open_state
from radiocov.maps import colours
from radiocov.maps.catalogue import catalogue
from radiocov.maps.servers import HUE_CODES, server_hues
from radiocov.problems import Problem, ProjectError, did_you_mean

KINDS = ("coverage", "margin", "probability", "change")  # of a service and a direction
DIRECTIONS = {"talk_out": (1,), "talk_in": (2,), "both": (1, 2)}  # bands whose lesser value it is
FILES = {"coverage": "probability", "margin": "margin", "probability": "probability"}
UNITS = {"level": "dBm", "margin": "dB", "probability": "%"}
NOTHING, OUTSIDE, HATCH, FIRST = 0, 1, 2, 3
OVERVIEW_PX = 1024  # side of the picture from which hues and steps are found


@dataclass(frozen=True)
class Layer:
    """kind: level, server, or one of KINDS with a service and a direction ("" otherwise)."""

    kind: str
    service: str = ""
    direction: str = ""

    def __str__(self) -> str:
        return ":".join(filter(None, (self.kind, self.service, self.direction)))


def layers_of(results: StateResults) -> list[Layer]:
    """Every layer of a state, level and server first; change only where there is an earlier state."""
    kinds = [kind for kind in KINDS if kind != "change" or earlier(results) is not None]
    of_services = [Layer(k, s, d) for k in kinds for s in results.services for d in DIRECTIONS]
    return [Layer("level"), Layer("server"), *of_services]


def layer_of(results: StateResults, name: str) -> Layer:
    """The layer of a name such as "level" or "margin:vehicle:both". ProjectError where there is none."""
    known = {str(layer): layer for layer in layers_of(results)}
    if name not in known:
        raise ProjectError(Problem("layer", "", f'there is no layer "{name}"', did_you_mean(name, known)))
    return known[name]


def steps_of(results: StateResults, layer: Layer) -> list[dict[str, Any]]:
    """Steps of a layer, see `radiocov.maps.colours.step`; none for servers."""
    if layer.kind == "level":
        return list(_level_steps(results.folder, results.manifest["key"]))
    if layer.kind == "margin":
        return colours.margin_steps()
    if layer.kind == "server":
        return []
    if layer.kind == "change":
        return colours.change_steps()
    q = results.services[layer.service]
    return colours.probability_steps(q) if layer.kind == "probability" else colours.coverage_steps(q)


def palette_of(results: StateResults, layer: Layer) -> np.ndarray:
    """(n, 4) uint8 RGBA by code."""
    if layer.kind == "server":
        rest = [colours.NO_SERVER, *colours.SERVER_COLOURS]
    else:
        rest = [step["colour"] for step in steps_of(results, layer)]
    shown = [rgb(c) + (255,) for c in (colours.OUTSIDE, colours.OUTSIDE_HATCH, *rest)]
    return np.array([(0, 0, 0, 0), *shown], np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def codes(
    results: StateResults, layer: Layer, window: Any = None, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """uint8 codes of a window (or of all), OUTSIDE where nothing was computed; shape: thinned to it, nearest."""
    if layer.kind == "server":
        servers = results.band("best_server.tif", 1, window, shape)
        found = server_table(results)[servers]
        found[(servers == 0) & np.isnan(results.band("level_dbm.tif", 1, window, shape))] = OUTSIDE
        return found
    field = values(results, layer, window, shape)
    edges = np.array([step["min"] for step in steps_of(results, layer)[1:]], np.float64) - 1e-6
    found = np.searchsorted(edges, field, side="right").astype(np.uint8) + np.uint8(FIRST)
    found[np.isnan(field)] = OUTSIDE
    return found


def values(
    results: StateResults, layer: Layer, window: Any = None, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """float32 values of a layer with steps: dBm, dB, 0..1, for a change the number of its case; NaN outside."""
    if layer.kind == "level":
        return results.band("level_dbm.tif", 1, window, shape)
    if layer.kind == "change":
        return _change(results, layer, window, shape)
    name = f"{FILES[layer.kind]}_{layer.service}.tif"
    # the stored third band is rounded on its own; the file's page takes the lesser of the two, too
    bands = [results.band(name, number, window, shape) for number in DIRECTIONS[layer.direction]]
    return bands[0] if len(bands) == 1 else np.minimum(*bands)


def earlier(results: StateResults) -> StateResults | None:
    """The state before, of the same run and services; None for the first."""
    return _before(results.folder, results.manifest["key"])


@lru_cache(maxsize=8)
def _before(folder: Path, key: str) -> StateResults | None:  # `key`, of the state, asks anew after another run
    states = computed_states(folder.parent)
    at = states.index(folder.name) if folder.name in states else 0
    return open_state(folder.parent, states[at - 1]) if at else None


def _change(results: StateResults, layer: Layer, window: Any, shape: tuple[int, int] | None) -> np.ndarray:
    before = earlier(results)
    if before is None:
        raise ProjectError(Problem("layer", "", f"there is no state before {results.folder.name}"))
    chance = Layer("probability", layer.service, layer.direction)
    pair = [values(state, chance, window, shape) for state in (before, results)]
    with np.errstate(invalid="ignore"):
        was, now = (field >= results.services[layer.service] - 1e-6 for field in pair)
    case = np.select([was & now, was, now], [2.0, 1.0, 3.0], 0.0).astype(np.float32)
    case[np.isnan(pair[0]) & np.isnan(pair[1])] = np.nan
    return case


def server_table(results: StateResults) -> np.ndarray:
    """uint8 code of every server number; 0 is "computed, but no server"."""
    hues = _hues(results.folder.parent, _keys(results.folder.parent))
    table = [FIRST] + [FIRST + 1 + hues.get(site, 0) % HUE_CODES for site in results.manifest["servers"]]
    return np.array(table, np.uint8)


def thin_shape(shape: tuple[int, int], side_px: int = OVERVIEW_PX) -> tuple[int, int]:
    """A shape of at most side_px a side: the raster's own, or it divided by a power of two, as its overviews are."""
    while max(shape) > side_px:
        shape = (-(-shape[0] // 2), -(-shape[1] // 2))
    return shape


@lru_cache(maxsize=32)
def _level_steps(folder: Path, key: str) -> tuple[dict[str, Any], ...]:
    results = open_state(folder.parent, folder.name)
    try:
        return tuple(colours.level_steps(colours.level_thresholds(_fields(results))))
    finally:
        results.close()


def _fields(results: StateResults) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    shape = thin_shape(results.shape)
    level = results.band("level_dbm.tif", 1, shape=shape)
    for service in results.services:
        yield service, level, results.band(f"margin_{service}.tif", 1, shape=shape)


def _keys(folder: Path) -> tuple[str, ...]:
    return tuple(open_state(folder, state).manifest["key"] for state in computed_states(folder))


@lru_cache(maxsize=8)
def _hues(folder: Path, keys: tuple[str, ...]) -> dict[str, int]:
    rasters, names = [], []
    for state in computed_states(folder):
        results = open_state(folder, state)
        rasters.append(results.band("best_server.tif", 1, shape=thin_shape(results.shape)))
        names.append(dict(enumerate(results.manifest["servers"], start=1)))
        results.close()
    return server_hues(rasters, names)


# --- words ----------------------------------------------------------------------------------------------------


def step_range(layer: Layer, steps: list[dict[str, Any]], number: int) -> str:
    """"-95 ... -90 dBm" of a step; "" for coverage and change, which have no figures to show."""
    if layer.kind not in UNITS:
        return ""
    low = steps[number]["min"]
    high = steps[number + 1]["min"] if number + 1 < len(steps) else None
    unit = UNITS[layer.kind]

    def shown(value: float) -> str:
        return f"{round(value * (100 if layer.kind == 'probability' else 1), 1):g}".replace("-", "\u2212")

    if low is None:
        return f"< {shown(high)} {unit}"
    return f"\u2265 {shown(low)} {unit}" if high is None else f"{shown(low)} \u2026 {shown(high)} {unit}"


def step_words(results: StateResults, layer: Layer, step: dict[str, Any], lang: str) -> str:
    """What a step means, in words."""
    say = catalogue(lang)
    labels = {s["id"]: (s["label_zh"] if lang == "zh" else "") or s["label"] for s in results.manifest["services"]}
    given = {key: value for key, value in step["params"].items() if key != "services"}
    named = say["list_gap"].join(labels[s] for s in step["params"].get("services", ()))
    q = f"{round(100 * results.services.get(layer.service, 0.0), 1):g} %"
    return say[step["words"]].format(services=named, q=q, **given)


def layer_title(results: StateResults, layer: Layer, lang: str) -> str:
    """"Margin, vehicle, talk-out", in words."""
    say = catalogue(lang)
    service = next((s for s in results.manifest["services"] if s["id"] == layer.service), None)
    label = "" if service is None else (service["label_zh"] if lang == "zh" else "") or service["label"]
    direction = say[layer.direction] if layer.direction else ""
    return say["list_gap"].join(filter(None, (say[f"layer_{layer.kind}"], label, direction)))


def legend_rows(results: StateResults, layer: Layer, lang: str) -> list[tuple[int, str, str]]:
    """(code, range, words) of every step, strongest first; for servers one row that says what the hues mean."""
    say = catalogue(lang)
    outside = (OUTSIDE, "", say["outside"])
    if layer.kind == "server":
        return [(FIRST + 1, "", say["legend_servers"]), (FIRST, "", say["legend_no_server"]), outside]
    steps = steps_of(results, layer)
    rows = [
        (FIRST + i, step_range(layer, steps, i), step_words(results, layer, step, lang))
        for i, step in enumerate(steps)
    ]
    return [*reversed(rows), outside]
