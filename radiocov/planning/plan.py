"""A plan: the sites to add so that the targets of a period are met, chosen, computed and judged."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from radiocov.boundaries import Boundary, read_boundaries, roads_by_county
from radiocov.calibration.model import Calibration
from radiocov.compliance import counting, judge
from radiocov.coverage.results import StateResults
from radiocov.coverage.run import CoverageRun
from radiocov.coverage.states import StateWriter
from radiocov.coverage.threads import Progress, no_progress
from radiocov.files import link_or_copy
from radiocov.inputs import Inputs
from radiocov.network import Site, in_state
from radiocov.planning.candidates import Candidate, Wanting, example, found_candidates, masts, places
from radiocov.planning.choose import SLACK, Choice, Fewest, fewest, greedy, pruned
from radiocov.planning.reach import Places, Reach, places_of
from radiocov.problems import Problem, ProjectError
from targets.compliance import Compliance
from targets.missing import Missing, missing

ROUNDS = 4  # of choosing, where the whole network turns out a little short of what single sites promised
#: The searches for places, each for what those before it leave missing: part of all places, within part of the reach
SEARCHES = ((0.5, 1.0), (0.25, 0.25), (0.25, 0.125))
REACHED = 0.75  # part of the served pixels that lie within what is taken as the reach of a site


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for. rows: of a table of candidates; search: how many places to find on the ground; like:
    the site whose equipment they get; most: sites at the most; least: part of what some target needs that a site has
    to bring, 0 to 1; cost: of a candidate that says none; prove_s: seconds for finding the fewest."""

    period: str
    rows: tuple[Site, ...] = ()
    file: str = "sites.csv"
    search: int = 60
    like: str | None = None
    most: int = 1000
    least: float = 0.01
    cost: float = 1.0
    prove_s: float = 30.0


@dataclass(frozen=True)
class Step:
    """A site of the plan, in the order of what it brings. gains: (targets,) km2, people or km."""

    candidate: Candidate
    gains: np.ndarray


@dataclass(frozen=True)
class Plan:
    """network: rows of sites.csv; targets: of the period, as they are now; lacking: those not met; steps: what to
    add; reachable: (lacking,) what all candidates together would add; before, after: judged without and with the
    plan, by ``results`` the latter; after is None where nothing is added."""

    asked: Asked
    network: list[Site]
    targets: list[Missing]
    lacking: list[Missing]
    candidates: list[Candidate]
    steps: list[Step]
    reachable: np.ndarray
    fewest: Fewest | None
    before: Compliance
    after: Compliance | None
    results: StateResults
    notes: tuple[str, ...]

    @property
    def sites(self) -> list[Site]:
        """Rows for sites.csv."""
        return [row for step in self.steps for row in planned(step.candidate, self.network, self.before.period_end)]

    @property
    def cost(self) -> float:
        return sum(step.candidate.cost for step in self.steps)

    @property
    def met(self) -> bool:
        return (self.after or self.before).met


def planned(candidate: Candidate, network: Sequence[Site], date: dt.date) -> list[Site]:
    """Rows of a candidate as a network with it has them: new ones in service on a date, others as long as before."""
    there = {site.id: site for site in network if site.status != "candidate"}
    new = {"status": "planned", "in_service": date}
    as_before = {i: {"status": s.status, "in_service": s.in_service} for i, s in there.items()}
    return [dataclasses.replace(row, **as_before.get(row.id, new)) for row in candidate.rows]


def with_plan(network: Sequence[Site], added: Sequence[Candidate], date: dt.date) -> list[Site]:
    """The rows of a network with candidates: in the place of what they change, new ones at the end."""
    rows = {row.id: row for c in added for row in planned(c, network, date)}
    return [rows.pop(site.id, site) for site in network] + list(rows.values())


class Planner:
    """Makes one plan. folder: of the project's results, where the state of the period is computed if it is not there;
    trial: where the network with the plan is computed. Calling ``cancel`` from another thread stops it."""

    def __init__(
        self, inputs: Inputs, asked: Asked, folder: Path, trial: Path, *, jobs: int | None = None,
        progress: Progress = no_progress, calibration: Calibration | None = None,
    ) -> None:  # fmt: skip
        self.inputs, self.asked, self.folder, self.trial = inputs, asked, folder, trial
        self.project, self.progress, self.jobs, self.calibration = inputs.project, progress, jobs, calibration
        self.notes: list[str] = []
        self.inputs.roads = roads_by_county(inputs)
        self._run = self._coverage(inputs, folder)

    def _coverage(self, inputs: Inputs, folder: Path) -> CoverageRun:
        run = CoverageRun(inputs, folder=folder, jobs=self.jobs, progress=self.progress, calibration=self.calibration)
        run.states = [s for s in run.states if s.id == self.asked.period]
        return run

    def cancel(self) -> None:
        self._run.cancel()

    def plan(self) -> Plan:
        """Raises ProjectError for bad input, Cancelled, OSError."""
        asked = self.asked
        before, results = self._judged_now()
        targets = missing(
            self.inputs.policy, asked.period, self.inputs.areas, self.inputs.roads, results,
            **counting(self.inputs, results),
        )  # fmt: skip
        there = places_of(targets)
        if not there.targets:
            return Plan(asked, self.inputs.sites, targets, [], [], [], np.zeros(0), None, before, None, results, ())
        active = in_state(self.inputs.sites, self._run.states[0].date)
        candidates = self._given(active)
        reach = self._reach_of_servers()
        covers = self._covers(candidates, there, *reach)
        boundaries = read_boundaries(self.inputs)
        for search, reach_m in self._searches(active, results):
            found = self._found(active, there, candidates, covers, search, reach_m, boundaries)
            covers += self._covers(found, there, *reach)
            candidates += found
        choice = _choice(there, candidates, covers)
        reachable = choice.reachable
        chosen, proof, after = [], None, None
        for _ in range(ROUNDS):
            chosen, proof = self._choose(choice, reachable)
            if not chosen:
                break
            after, results = self._with([candidates[c] for c in chosen])
            short = _short(there.targets, choice.achieved(chosen), after)
            if not short.any():
                break
            choice = dataclasses.replace(choice, needed=choice.needed + short)
        return Plan(
            asked, self.inputs.sites, targets, there.targets, candidates, _steps(choice, chosen, candidates),
            reachable, proof, before, after, results, tuple(self.notes),
        )  # fmt: skip

    def _judged_now(self) -> tuple[Compliance, StateResults]:
        found = self._run.run()
        self.notes += found.notes
        compliance, results = judge(self.inputs, self.folder, self.asked.period)
        return compliance, results

    def _given(self, active: Sequence[Site]) -> list[Candidate]:
        """The masts of sites.csv and of the table."""
        asked = self.asked
        own = [s for s in self.inputs.sites if s.status == "candidate"]
        there = [s for s in self.inputs.sites if s.status != "candidate"]
        listed = {row.id: row for row in (*own, *asked.rows)}  # a table given with the command goes first
        given = masts(list(listed.values()), there, asked.file, asked.cost)
        outside = [c.id for c in given if not all(map(self._run.losses.reaches, c.rows))]
        if outside:
            self.notes.append(f"candidates outside the grid, left out: {', '.join(outside)}")
            given = [c for c in given if c.id not in outside]
        if not given and not asked.search:
            remedy = 'give --candidates FILE.csv, rows of status "candidate" in sites.csv, or --search 60'
            raise ProjectError(Problem("candidates", "", "there are none to choose from", remedy))
        if asked.search and not active:
            raise ProjectError(
                Problem("--search", "", "no site in service to take the equipment of found places from",
                        "give --candidates FILE.csv and --search 0")
            )  # fmt: skip
        return given

    def _searches(self, active: Sequence[Site], results: StateResults) -> list[tuple[int, float]]:
        """How many places to look for at a time, and within what distance [m] of what is missing."""
        if not self.asked.search:
            return []
        reach_m = _reach_m(results, self._places_of(active), self.project.model.radius_km)
        return [(math.ceil(part * self.asked.search), near * reach_m) for part, near in SEARCHES]

    def _places_of(self, sites: Sequence[Site]) -> np.ndarray:
        grid = self._run.losses.grid
        return np.array([grid.from_lonlat(*s.antenna_lonlat) for s in sites], float).reshape(-1, 2)

    def _found(
        self, active: Sequence[Site], there: Places, so_far: list[Candidate], covers: list[Any], count: int,
        reach_m: float, boundaries: Sequence[Boundary],
    ) -> list[Candidate]:  # fmt: skip
        """Places on the ground for what the candidates so far leave missing, or for all where they leave nothing."""
        choice = _choice(there, so_far, covers)
        value, added = choice.taken(range(len(covers)))
        left = there.weight * (1.0 - (there.value if choice.enough(added).all() else value))
        wanted = left > 0
        grid, ground = self._run.losses.grid, self._run.losses.ground
        x, y = grid.centre_xy(there.row[wanted], there.col[wanted])
        wanting = Wanting(x, y, left[wanted] / choice.needed[there.target[wanted]])
        self.progress("looking for places", 0, 1)
        near = self._places_of([*active, *(row for c in so_far for row in c.rows)])
        where = places(ground, wanting, near, reach_m, count)
        self.progress("looking for places", 1, 1)
        taken = {s.id for s in self.inputs.sites} | {c.id for c in so_far} | {r.id for c in so_far for r in c.rows}
        return found_candidates(
            ground, where, example(active, self.asked.like), taken, boundaries, self.asked.cost
        )

    def _reach_of_servers(self) -> tuple[Reach, StateWriter]:
        """What tells how far servers reach, and what makes servers of sites."""
        losses = self._run.losses
        writer = StateWriter(losses, self.folder, self.progress, self.calibration)
        reach = Reach(
            self.project, losses.ground, writer.asked, losses.rx_height_m, self.inputs.policy.judge,
            writer.calibration,
        )  # fmt: skip
        return reach, writer

    def _covers(
        self, candidates: list[Candidate], there: Places, reach: Reach, writer: StateWriter
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """What each gives to which places."""
        losses = self._run.losses
        if not candidates:
            return []
        kept = losses.of([antenna for c in candidates for row in c.rows for antenna in (row, row.receiving)])
        what = "seeing what candidates would serve"
        self.progress(what, 0, len(candidates))

        def one(candidate: Candidate) -> tuple[np.ndarray, np.ndarray]:
            losses.threads.check()
            return reach.of([writer.server(row, kept, {}) for row in candidate.rows], there)

        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        with losses.threads.pool() as pool:
            pending: dict[Future, int] = {pool.submit(one, c): i for i, c in enumerate(candidates)}
            for future in losses.threads.finished(pending):
                found[pending[future]] = future.result()
                self.progress(what, len(found), len(candidates))
        return [found[i] for i in range(len(candidates))]

    def _choose(self, choice: Choice, reachable: np.ndarray) -> tuple[list[int], Fewest | None]:
        # where all together do not reach a target, what they reach is what can be asked for
        possible = dataclasses.replace(choice, needed=np.minimum(choice.needed, reachable))
        chosen = pruned(possible, greedy(possible, self.asked.most, self.asked.least))
        if not self.asked.prove_s or len(chosen) == self.asked.most or not choice.met(chosen):
            return chosen, None
        what = f"looking for fewer than {len(chosen)} sites (up to {self.asked.prove_s:g} s)"
        self.progress(what, 0, 1)
        proof = fewest(choice, chosen, self.asked.prove_s)
        self.progress(what, 1, 1)
        return (chosen, None) if proof is None else (proof.chosen, proof)

    def _with(self, added: list[Candidate]) -> tuple[Compliance, StateResults]:
        """The network with some candidates, computed and judged."""
        state = self._run.states[0]
        inputs = dataclasses.replace(self.inputs, sites=with_plan(self.inputs.sites, added, state.date))
        _linked(self.folder / state.id, self.trial / state.id)
        self._run = self._coverage(inputs, self.trial)
        self._run.run()
        return judge(inputs, self.trial, state.id)


def _choice(there: Places, candidates: Sequence[Candidate], covers: list[tuple[np.ndarray, np.ndarray]]) -> Choice:
    needed = np.array([t.needed for t in there.targets])
    cost = np.array([c.cost for c in candidates], float)
    return Choice(there.weight, there.value, there.target, needed, covers, cost)


def _linked(folder: Path, trial: Path) -> None:
    """The results of a state under another folder, for a run to follow. Rasters are replaced there, not changed."""
    if trial.exists():
        return
    partial = trial.with_name(f".{trial.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial, copy_function=link_or_copy, ignore=shutil.ignore_patterns(".*"))
    partial.rename(trial)


def _short(lacking: list[Missing], promised: np.ndarray, after: Compliance) -> np.ndarray:
    """(targets,) how much less the network with the plan has than its sites promised, where that misses a target."""
    short = []
    for target, more in zip(lacking, promised, strict=True):
        row = after.row_of(target.target)
        expected_met = more >= target.needed * (1.0 - SLACK)
        short.append(row.gap * 1.05 if expected_met and not row.met else 0.0)
    return np.array(short)


def _steps(choice: Choice, chosen: list[int], candidates: list[Candidate]) -> list[Step]:
    """The chosen, each when it brings most."""
    own = dataclasses.replace(
        choice, covers=[choice.covers[c] for c in chosen], cost=choice.cost[chosen],
        needed=np.maximum(choice.achieved(chosen), 1e-12),
    )  # fmt: skip
    order = greedy(own, len(chosen), 0.0)
    order += [i for i in range(len(chosen)) if i not in order]
    steps, value = [], choice.value
    for i in order:
        steps.append(Step(candidates[chosen[i]], choice.gains(chosen[i], value)))
        value = choice.raised(chosen[i], value)
    return steps


def _reach_m(results: StateResults, masts_xy: np.ndarray, radius_km: float) -> float:
    """How far a site serves: a quantile of the distances from served pixels to the nearest site, thinned."""
    service = next(iter(results.services))
    shape = tuple(min(n, 400) for n in results.shape)
    margin = results.band(f"margin_{service}.tif", 3, shape=shape)
    row, col = np.nonzero(margin >= 0)
    most = radius_km * 1000.0
    if not len(row) or not len(masts_xy):
        return most / 3.0
    step = np.array(results.shape) / np.array(shape)
    x, y = results.grid.centre_xy(row * step[0], col * step[1])
    away, _ = cKDTree(masts_xy).query(np.column_stack([x, y]))
    return float(np.clip(np.quantile(away, REACHED), 4 * results.grid.resolution_m, most))
