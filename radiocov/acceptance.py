"""Acceptance of a project's network by measurement: which tiles to drive, and what the logs of the drive prove."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from radiocov.compliance import judge_all
from radiocov.coverage.results import BANDS, StateResults
from radiocov.inputs import Inputs
from radiocov.measurements import Measurements
from radiocov.problems import Problem, ProjectError, did_you_mean
from radiocov.settings import Service, Terminal
from targets.acceptance import (
    Judged,
    Outcome,
    Statistic,
    TileLevels,
    judge_tiles,
    needed_tiles,
    outcomes,
    overdesign_of,
    tile_levels,
)
from targets.compliance import Compliance, placed, sampled
from targets.policy import KIND_OF_MEASURE, Target
from targets.rasterize import Plane
from targets.roadways import at_points
from targets.tiles import Access, TileGrid, Tiles, area_tiles, check_side, key_of, of_name, road_tiles
from targets.vectors import read_layer

SEED, CONFIDENCE, TILE_M = 1, 0.95, 500.0


@dataclass(frozen=True)
class Rules:
    """How a test is made. reach_m: from a tile's middle to the nearest road, for a car to reach it, m; access: more
    roads to reach tiles by; measured_with: id of the terminal that was carried, "" for the service's own."""

    tile_m: float = TILE_M
    confidence: float = CONFIDENCE
    reach_m: float | None = None
    access: str | None = None
    seed: int = SEED
    statistic: Statistic = "median"
    measured_with: str = ""


@dataclass
class Frame:
    """A state of the network with the tiles of every target of the policy."""

    inputs: Inputs
    rules: Rules
    results: StateResults
    compliance: Compliance
    grid: TileGrid
    tiles: list[tuple[Target, Tiles]]

    def required(self, target: Target) -> float | None:
        return self.inputs.policy.required(target, self.compliance.period)

    def predicted(self, target: Target) -> float | None:
        """The expected share of the class, which a drive test estimates."""
        for row in self.compliance.at("policy"):
            if (row.class_, row.measure, row.service) == (target.class_, target.measure, target.service):
                return row.share_expected
        return None

    def overdesign(self, target: Target) -> float:
        return overdesign_of(self.predicted(target), self.required(target))

    def needed(self, target: Target) -> int | None:
        policy = self.inputs.policy
        return needed_tiles(self.required(target), policy.full_share, self.overdesign(target), self.rules.confidence)


def frame(inputs: Inputs, folder: Path, period: str, rules: Rules) -> Frame:
    """Tiles of all targets; period: "" for the last that is computed. ProjectError or TargetsError for bad input."""
    check_side(rules.tile_m, inputs.project.model.frequency_mhz)
    compliance, results = judge_all(inputs, folder, [period] if period else [])[-1]
    plane, policy = Plane(results), inputs.policy
    grid = TileGrid(plane, rules.tile_m)
    ordered, shapes, _ = placed(policy, inputs.areas, plane)
    ways, samples = sampled(policy, inputs.roads, plane)
    access = _access(inputs, rules, plane)
    tiles: list[tuple[Target, Tiles]] = []
    for target in policy.targets:
        members = policy.policy_class(target.class_).data_classes()
        if KIND_OF_MEASURE[target.measure] == "area":
            mine = [(a, s) for a, s in zip(ordered, shapes, strict=True) if a.class_ in members]
            tiles.append((target, area_tiles(grid, [a for a, _ in mine], [s for _, s in mine], access)))
        elif ways:
            tiles.append((target, road_tiles(grid, ways, samples, members)))
    return Frame(inputs, rules, results, compliance, grid, tiles)


def _access(inputs: Inputs, rules: Rules, plane: Plane) -> Access:
    """The project's roads and those of the access file, in pixel coordinates."""
    lines = [road.geometry for road in inputs.roads.roads] if inputs.roads else []
    if rules.access:
        layer = read_layer(rules.access, {}, [], {}, None, None)
        if layer.problems:
            raise ProjectError([Problem(p.file, p.where, p.message, p.remedy) for p in layer.problems])
        lines += [s for s in layer.geometries if s.geom_type in ("LineString", "MultiLineString")]
    within = rules.tile_m / 2 if rules.reach_m is None else rules.reach_m
    parts = shapely.get_parts(plane.project(lines)) if lines else np.array([], dtype=object)
    return Access(parts, within)


@dataclass
class Evaluation:
    """What logs prove. outcomes: of every target and direction; judged: the tiles of each target in its service's own
    direction; levels: of all measured tiles, talk-out; left_out: measured tiles that belong to no target, or to no
    plan; balance: whether talk-in follows from talk-out by the link budget."""

    frame: Frame
    measurements: Measurements
    outcomes: list[Outcome]
    judged: list[tuple[Target, Judged]]
    levels: dict[str, TileLevels]
    left_out: int
    not_visited: int
    balance: bool

    @property
    def deciding(self) -> list[Outcome]:
        """One line a target: the class as a whole in the direction of its service."""
        direction = {s.id: s.direction for s in self.frame.inputs.project.services}
        return [o for o in self.outcomes if o.level == "class" and o.direction == direction[o.service] and o.verdict]

    @property
    def short_of_samples(self) -> tuple[int, int, float] | None:
        """Visited tiles that are short, all visited tiles, and the median of samples in the short ones; None where
        enough are not."""
        visited = np.unique(np.concatenate([j.tiles.key[j.measured | j.short] for _, j in self.judged]))
        short = np.unique(np.concatenate([j.tiles.key[j.short] for _, j in self.judged]))
        if 2 * len(short) <= len(visited):
            return None
        levels = self.levels["talk-out" if "talk-out" in self.levels else "talk-in"]
        at = levels.at(short)
        return len(short), len(visited), float(np.median(levels.samples[at[at >= 0]]))

    @property
    def simulated(self) -> int:
        """Rows used that no handset measured: they prove nothing."""
        return self.measurements.counts.get("simulated", 0)

    @property
    def met(self) -> bool:
        return not self.simulated and bool(self.deciding) and all(o.verdict == "passed" for o in self.deciding)


def evaluate(frame: Frame, measurements: Measurements, plan: dict[str, Any] | None = None) -> Evaluation:
    """Judge measured tiles against every target; with a plan, only the tiles that it names for the target.

    A direction that was not measured follows from the other one by the link budget, as both cross the same obstacles.
    ProjectError where nothing was measured, or the plan was made for other tiles.
    """
    project, rules = frame.inputs.project, frame.rules
    if not measurements.samples:
        raise ProjectError(Problem(", ".join(measurements.sources), "", "holds no level with a position",
                                   "; ".join(f"{k}: {v}" for k, v in measurements.counts.items())))  # fmt: skip
    if plan is not None and plan["tile_m"] != rules.tile_m:
        raise ProjectError(Problem("plan", "tile_m", f"the plan has tiles of {plan['tile_m']:g} m",
                                   f"give --tile-m {plan['tile_m']:g}"))  # fmt: skip
    levels = {name: tile_levels(s, frame.grid, rules.statistic) for name, s in measurements.samples.items()}
    judged, lines, seen = [], [], set()
    for target, tiles in frame.tiles:
        service = project.service(target.service)
        names = None if plan is None else _planned(plan, target)
        for direction, found in _margins(frame, service, measurements, levels).items():
            one = judge_tiles(tiles, *found, rules.tile_m)
            if names is not None:
                mine = np.isin(tiles.key, names)
                one = replace(one, measured=one.measured & mine, short=one.short & mine, passed=one.passed & mine)
            lines += outcomes(one, target.class_, target.service, direction, frame.required(target),
                              frame.inputs.policy.full_share, frame.overdesign(target), rules.confidence,
                              plan is not None)  # fmt: skip
            if direction == service.direction:
                judged.append((target, one))
                seen |= set(tiles.key[one.measured | one.short].tolist())
    everywhere = {int(k) for found in levels.values() for k in found.key}
    wanted = {k for t, _ in judged for k in (_planned(plan, t) if plan else [])}
    return Evaluation(frame, measurements, lines, judged, levels, len(everywhere - seen), len(wanted - seen),
                      "talk-in" not in levels or "talk-out" not in levels)  # fmt: skip


def _planned(plan: dict[str, Any], target: Target) -> list[int]:
    rows = [t for t in plan["targets"] if (t["class"], t["measure"], t["service"]) == (
        target.class_, target.measure, target.service)]  # fmt: skip
    return [of_name(name) for row in rows for name in row["tiles"]]


def _margins(frame: Frame, service: Service, measurements: Measurements,
             levels: dict[str, TileLevels]) -> dict[str, tuple[TileLevels, np.ndarray, np.ndarray]]:  # fmt: skip
    """direction -> (measured tiles, margin there [dB], predicted probability), for what the service needs."""
    project = frame.inputs.project
    terminal = project.terminal(service.terminal)
    carried = _carried(project, frame.rules.measured_with, terminal)
    port = (terminal.antenna_gain_dbi - terminal.carry_loss_db) - (carried.antenna_gain_dbi - carried.carry_loss_db)
    predicted = {name: _predicted(frame, service, levels[name], measurements.samples[name]) for name in levels}
    found = {}
    for name, tiles in levels.items():
        if name == "talk-out":
            # what the prediction has between level and margin, noise and walls among it; else the plain threshold
            isotropic = predicted[name]["level", name]
            needs = isotropic - predicted[name]["margin", name] + carried.antenna_gain_dbi - carried.carry_loss_db
            needs = np.where(np.isnan(needs), terminal.threshold_dbm - port, needs)
        else:
            needs = predicted[name]["needs", name] - port - (terminal.power_dbm - carried.power_dbm)
        found[name] = tiles, tiles.level_dbm - needs, predicted[name]["probability", name]
    first = "talk-out" if "talk-out" in levels else "talk-in"
    other = {"talk-out": "talk-in", "talk-in": "talk-out"}[first]
    if service.direction == "both" or service.direction not in found:
        tiles, margin, _ = found[first]
        balance = predicted[first]["margin", other] - predicted[first]["margin", first]
        back = margin + balance
        if other in found:
            at = found[other][0].at(tiles.key)
            there = (at >= 0) & ~found[other][0].short[np.maximum(at, 0)]
            back = np.where(there, found[other][1][np.maximum(at, 0)], back)
        elif service.direction == other:
            found[other] = tiles, back, predicted[first]["probability", other]
        if service.direction == "both":
            found["both"] = tiles, np.minimum(margin, back), predicted[first]["probability", "both"]
    return found


def _carried(project: Any, wanted: str, default: Terminal) -> Terminal:
    if not wanted:
        return default
    known = [t.id for t in project.terminals]
    if wanted not in known:
        raise ProjectError(
            Problem("--measured-with", "", f'there is no terminal "{wanted}"', did_you_mean(wanted, known))
        )
    return project.terminal(wanted)


def _predicted(frame: Frame, service: Service, levels: TileLevels, samples: Any) -> dict[tuple[str, str], np.ndarray]:
    """Means over the pixels in which a tile was measured, (tiles,): by ("margin" or "probability", direction);
    ("level", "talk-out"), that at an isotropic antenna; ("needs", "talk-in"), what the best server needs at
    its port, or [base] where nothing is computed."""
    plane = frame.grid.plane
    u, v = plane.pixels(samples.lon, samples.lat)
    at = levels.at(_keys(frame.grid, u, v))
    there = (at >= 0) & (u >= 0) & (v >= 0) & (u < plane.width) & (v < plane.height)
    pixel = np.floor(v[there]).astype(np.int64) * plane.width + np.floor(u[there]).astype(np.int64)
    pairs = np.unique(np.stack([at[there], pixel]), axis=1)
    tile, row, col = pairs[0], pairs[1] // plane.width, pairs[1] % plane.width
    found = {}
    wanted = {
        (what, d): (f"{what}_{service.id}.tif", band)
        for what in ("margin", "probability")
        for d, band in BANDS.items()
    }
    wanted["level", "talk-out"] = "level_dbm.tif", 1
    wanted["needs", "talk-in"] = "best_server.tif", 1
    base = frame.inputs.project.base
    needs = np.full(1 + len(frame.results.manifest["servers"]), base.threshold_dbm - base.diversity_gain_db)
    for number, site in enumerate(frame.results.manifest["servers"], start=1):
        needs[number] = frame.results.manifest.get("talk_in_needs_dbm", {}).get(site, needs[0])
    for key, (name, band) in wanted.items():
        values = at_points(
            col + 0.5, row + 0.5, plane, lambda w, name=name, band=band: frame.results.band(name, band, w)
        )
        if key == ("needs", "talk-in"):
            values = needs[np.nan_to_num(values).astype(np.int64)]
        known = ~np.isnan(values)
        n = np.bincount(tile[known], minlength=len(levels.key))
        total = np.bincount(tile[known], values[known], minlength=len(levels.key))
        found[key] = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    return found


def _keys(grid: TileGrid, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    fine = np.isfinite(u) & np.isfinite(v)
    return np.where(fine, key_of(*grid.of_pixels(np.where(fine, u, 0), np.where(fine, v, 0))), np.iinfo(np.int64).min)
