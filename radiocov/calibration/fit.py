"""From cells to a calibration: effects, their variances and the heaviness of the tails, found together.

The model of a cell's level is

    predicted + fixed columns + class + site + handset + place + common + t(freedom) * sqrt(sigma(class)^2 + error^2).

Effects are the most probable ones given the variances (`mixed`); the variances are those of largest marginal
likelihood in Laplace's approximation, by fixed-point steps (MacKay, Schall); freedom is chosen from a short list. The
side of the blocks on which neighbours share `place` and `common` is chosen by the same marginal likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from radiocov.calibration import design, mixed, neighbours
from radiocov.calibration.design import SHARED, SIGMA, UNKNOWN_ZERO_DB, Column
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.likelihood import cell_terms, normal_equivalent
from radiocov.calibration.model import NONE, Calibration, Cells
from radiocov.calibration.outcome import calibration_of
from radiocov.calibration.support import without_terrain
from radiocov.calibration.unsure import of_variances
from radiocov.problems import Problem

FREEDOMS = (3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0, math.inf)
ROUNDS = 200
DAMPED_FROM = 20  # a fixed point that two variances circle is found half-way between them
TAILS_FOR = 60  # rounds in which the freedom of the tails may still change
SAME = 2e-3  # relative change of every standard deviation in a round (of those below 1 dB in dB)
ROUGHLY = 0.02  # the same, while blocks are chosen
AHEAD = 1.5  # small variances creep: go further than the fixed point says
BLOCKS_M = (150.0, 300.0, 600.0, 1200.0, 2400.0, 4800.0)
FIRST_BLOCK = 2
CHOOSING_CELLS = 20_000  # enough to choose the side of blocks


@dataclass
class Variances:
    """Standard deviations, dB: classes, sites and handsets as effects; place and common; sigma (classes,)."""

    groups: list[float]
    place: float
    common: float
    sigma: np.ndarray
    freedom: float


@dataclass(eq=False)
class Setup:
    """One fit: what was observed, the layout of effects and what is believed of them."""

    cells: Cells
    columns: list[Column]
    reasons: dict[str, str]  # of columns that keep their prior
    layout: mixed.Layout
    observed: mixed.Observed
    groups: list[design.Random]
    block_m: float
    off: Column | None = None  # the excess loss, where it is switched off

    def scale(self, variances: Variances) -> np.ndarray:
        return np.sqrt(variances.sigma[self.cells.clutter] ** 2 + self.cells.error_db**2)

    def priors(self, variances: Variances) -> mixed.Priors:
        rest = self.layout.size - len(self.columns)
        spread = [np.full(n, sd) for n, sd in zip(self.layout.counts, variances.groups, strict=True)]
        return mixed.Priors(
            mean=np.concatenate([[c.mean for c in self.columns], np.zeros(rest)]),
            variance=np.concatenate([np.array([c.sd for c in self.columns]), *spread]) ** 2,
            place=variances.place**2,
            common=variances.common**2,
            low=np.concatenate([[c.low for c in self.columns], np.full(rest, -np.inf)]),
            high=np.concatenate([[c.high for c in self.columns], np.full(rest, np.inf)]),
            pinned=np.concatenate([[c.name in self.reasons for c in self.columns], np.zeros(rest, bool)]),
        )


@dataclass(eq=False)
class Found:
    problem: Setup
    variances: Variances
    state: mixed.State
    covariance: np.ndarray
    information: np.ndarray  # of each cell about its level, the weight in it
    parts: neighbours.Shared
    told: tuple[float, float]  # independent places and blocks that the data amount to
    evidence: float
    rounds: int
    steps: int


def fit(
    cells: Cells,
    *,
    extra: Sequence[Column] = (),
    clutter_m: Mapping[str, float] | None = None,
    terms: Sequence[str] | None = None,
    block_m: float | None = None,
    freedom: float | None = None,
) -> Calibration:
    """Calibrate to cells.

    extra: further columns, such as the K factors of SPM (what one unit adds to the level). clutter_m: stated heights
    of clutter classes [m], whose effective heights are then fitted as well where `cells.clutter_slope_db_per_m` is
    given. terms: names of the columns to use, in place of all. block_m: side of the blocks on which neighbouring
    cells share a part of their residual; chosen where None, 0 for independent cells. freedom: of Student's t; found
    where None, inf for the normal distribution.

    Raises CalibrationError where there is nothing to fit, or where the fit does not settle.
    """
    if not len(cells) or not np.any(cells.censored == NONE):
        raise CalibrationError(Problem("", "", "no cell was heard", "levels above the receivers' limit are needed"))
    sides = [block_m] if block_m is not None else BLOCKS_M
    found = _chosen(cells, extra, clutter_m, terms, sides, freedom)
    found = without_terrain(found, lambda off: _chosen(cells, extra, clutter_m, terms, sides, freedom, off))
    weak = _untold(found)
    if weak:
        again = prepare(cells, extra, clutter_m, terms, found.problem.block_m, weak, found.problem.off)
        found = solve(again, freedom, found.variances)
    return calibration_of(found, clutter_m or {})


def prepare(cells, extra, clutter_m, terms, block_m, reasons=None, off=None) -> Setup:
    columns = [*design.standard_columns(cells), *design.clutter_height_columns(cells, clutter_m or {}), *extra]
    columns = [c for c in columns if terms is None or c.name in terms]
    reasons = {**design.unsupported(cells, columns), **(reasons or {})}
    if off is not None:
        columns = [replace(off, values=c.values) if c.name == off.name else c for c in columns]
        reasons[off.name] = off.reason
    if cells.relative:
        reasons["offset_db"] = "levels are relative: each receiver's own effect holds its zero"
    groups = design.random_groups(cells)
    position = np.array([g.position for g in groups])
    counts = tuple(len(g.keys) for g in groups)
    x = np.column_stack([c.values for c in columns]).astype(float)
    layout = mixed.Layout(x, position, counts, *blocks_of(cells, block_m))
    observed = mixed.Observed(
        cells.predicted_dbm.astype(float), cells.level_dbm.astype(float), cells.censored, cells.weight.astype(float)
    )
    return Setup(cells, columns, reasons, layout, observed, groups, block_m, off)


def blocks_of(cells: Cells, side_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """(place of each cell, block of each cell, block of each place, number of blocks); no places where side is 0."""
    if not side_m:
        nothing = np.zeros(len(cells), int)
        return nothing, nothing, np.zeros(0, int), 0
    square = np.column_stack([np.floor(cells.x_m / side_m), np.floor(cells.y_m / side_m)]).astype(np.int64)
    blocks, block = np.unique(square, axis=0, return_inverse=True)
    key, place = np.unique(block.ravel() * len(cells.sites) + cells.site, return_inverse=True)
    return place, block.ravel(), key // len(cells.sites), len(blocks)


def _chosen(cells, extra, clutter_m, terms, sides, freedom, off=None) -> Found:
    """The fit on the side of largest evidence, climbing from the middle of `sides`."""
    if len(sides) == 1:
        return solve(prepare(cells, extra, clutter_m, terms, sides[0], off=off), freedom)
    some, these = cells, list(extra)
    if len(cells) > CHOOSING_CELLS:
        near = np.lexsort((cells.x_m, np.floor(cells.y_m / BLOCKS_M[-1])))  # neighbours stay together
        start = np.random.default_rng(1).integers(0, len(cells) - CHOOSING_CELLS)
        chosen = np.sort(near[start : start + CHOOSING_CELLS])
        some = cells.of(chosen)
        these = [Column(**{**vars(c), "values": c.values[chosen]}) for c in extra]
    tried: dict[int, Found] = {}

    def at(number: int) -> float:
        if not 0 <= number < len(sides):
            return -math.inf
        if number not in tried:
            setup = prepare(some, these, clutter_m, terms, sides[number], off=off)
            tried[number] = solve(setup, freedom, same=ROUGHLY)
        return tried[number].evidence

    best = FIRST_BLOCK
    while (better := max((best - 1, best, best + 1), key=at)) != best:
        best = better
    return solve(prepare(cells, extra, clutter_m, terms, sides[best], off=off), freedom, tried[best].variances)


def solve(
    problem: Setup, freedom: float | None = None, start: Variances | None = None, same: float = SAME
) -> Found:
    """Alternate between effects and variances until neither changes."""
    layout, observed, cells = problem.layout, problem.observed, problem.cells
    variances = start or Variances(
        [UNKNOWN_ZERO_DB if g.open_zero else g.prior.sd_db for g in problem.groups],
        SHARED.sd_db, SHARED.sd_db, np.full(len(cells.classes), SIGMA.sd_db), freedom or 5.0,
    )  # fmt: skip
    if freedom is not None:
        variances.freedom = freedom
    state = mixed.State(_first_guess(problem), np.zeros(layout.places), np.zeros(layout.blocks))
    steps = 0
    for rounds in range(1, ROUNDS + 1):
        priors = problem.priors(variances)
        scale = problem.scale(variances)
        state, system, terms, _ = mixed.climb(
            layout, observed, priors, state, scale, variances.freedom, 2 if 1 < rounds <= DAMPED_FROM else mixed.STEPS
        )
        steps += state.steps
        spread = mixed.covariance(system.dense, priors)
        v_mu, v_place, v_common = system.spread(spread)
        observed.blur = np.sqrt(v_mu)
        before = variances
        variances = _updated(problem, before, state, spread, v_place, v_common, terms, v_mu, scale)
        if rounds > DAMPED_FROM:
            variances = _halfway(before, variances)
        if freedom is None and rounds <= TAILS_FOR:
            variances = _freer(problem, variances, state)
        if state.settled and before.freedom == variances.freedom and _change(before, variances) < same:
            break
    else:
        raise _unsettled(f"the variances still change after {ROUNDS} rounds")
    priors, scale = problem.priors(variances), problem.scale(variances)
    state, system, terms, height = mixed.climb(layout, observed, priors, state, scale, variances.freedom)
    if not state.settled:
        raise _unsettled(f"no further rise was found after {state.steps} steps")
    spread = mixed.covariance(system.dense, priors)
    whole = spread
    parts, told = neighbours.Shared(0.0, 0.0, problem.block_m), (0.0, 0.0)
    if layout.places:
        xy = neighbours.centres(cells.x_m, cells.y_m, layout.block, layout.blocks)
        parts = neighbours.shared(layout, priors, state, system, xy, problem.block_m)
        whole = spread + neighbours.widened(layout, priors, system, parts, xy)
        _, v_place, v_common = system.spread(whole)
        alike = neighbours.alike(parts, xy)
        told = tuple(
            float(np.sum(1 - np.minimum(v / prior, 1.0))) / alike
            for v, prior in ((v_place, priors.place), (v_common, priors.common))
        )
    if same == SAME:
        whole = whole + of_variances(problem, variances, state, spread, told)
    free = ~priors.pinned
    log_det = system.log_det + float(np.linalg.slogdet(system.dense[np.ix_(free, free)])[1])
    evidence = height - 0.5 * log_det - 0.5 * float(np.sum(np.log(priors.variance[free])))
    evidence += 0.5 * float(np.sum((observed.weight * terms[2] * v_mu)[cells.censored != NONE]))
    if layout.places:
        evidence -= 0.5 * (layout.places * math.log(priors.place) + layout.blocks * math.log(priors.common))
    information = observed.weight * terms[2]
    return Found(problem, variances, state, whole, information, parts, told, evidence, rounds, steps + state.steps)


def _halfway(before: Variances, after: Variances) -> Variances:
    """Between two steps of the fixed point, on the logarithm of each standard deviation."""
    return Variances(
        [math.sqrt(a * b) for a, b in zip(before.groups, after.groups, strict=True)],
        math.sqrt(before.place * after.place), math.sqrt(before.common * after.common),
        np.sqrt(before.sigma * after.sigma), after.freedom,
    )  # fmt: skip


def _first_guess(problem: Setup) -> np.ndarray:
    """Effects to start from: receivers of unknown zero where half of their levels are, since the tails of Student's t
    pull hardly at all from afar."""
    layout, cells = problem.layout, problem.cells
    theta, heard = np.zeros(layout.size), cells.censored == NONE
    residual = cells.level_dbm - cells.predicted_dbm
    for group, random in enumerate(problem.groups):
        if not random.open_zero:
            continue
        for k in np.unique(layout.group[group][heard]):
            theta[layout.first[group] + k] = np.median(residual[heard & (layout.group[group] == k)])
        break  # a second group starts from what the first leaves
    return theta


def _unsettled(how: str) -> CalibrationError:
    return CalibrationError(
        Problem("", "", f"the fit did not settle: {how}", "look for cells with extreme levels or weights")
    )


def _updated(problem, old, state, spread, v_place, v_common, terms, v_mu, scale) -> Variances:
    layout, cells = problem.layout, problem.cells
    diagonal = np.diag(spread)
    groups = []
    for first, count, sd, random in zip(layout.first, layout.counts, old.groups, problem.groups, strict=True):
        mine = slice(first, first + count)
        groups.append(sd if random.open_zero else _spread_of(state.theta[mine], diagonal[mine], sd, random.prior))
    place, common = old.place, old.common
    if layout.places:
        place, common = (
            sd * (_spread_of(effect, variance, sd, SHARED) / sd) ** AHEAD
            for effect, variance, sd in ((state.place, v_place, old.place), (state.common, v_common, old.common))
        )

    classes, kind = len(cells.classes), cells.clutter
    heard = cells.censored == NONE
    part = old.sigma[kind] ** 2 / scale**2
    weight = problem.observed.weight
    rise = np.bincount(kind, weight * part * (terms[3] + heard * terms[2] * v_mu), classes)
    expected = 2.0 if math.isinf(old.freedom) else 2 * old.freedom / (old.freedom + 3)
    bend = np.bincount(kind, weight * part**2 * np.where(heard, expected, 0.5 * expected), classes)
    overall = math.exp(np.average(np.log(old.sigma), weights=bend + 1e-9))
    rise += SIGMA.weight * ((overall / old.sigma) ** 2 - 1)
    bend += 2 * SIGMA.weight
    sigma = old.sigma * np.exp(np.clip(rise / bend, -0.5, 0.5))
    return Variances(groups, place, common, np.clip(sigma, 0.1, 50.0), old.freedom)


def _spread_of(effect: np.ndarray, variance: np.ndarray, sd: float, prior: design.Group) -> float:
    """Standard deviation of effects by the fixed point of their marginal likelihood and its prior."""
    told = np.sum(1 - np.minimum(variance / sd**2, 1.0))
    square = (np.sum(effect**2) + prior.weight * prior.sd_db**2) / (told + prior.weight)
    return float(np.clip(math.sqrt(square), sd / 3, sd * 3).clip(0.02, 50.0))


def _freer(problem: Setup, variances: Variances, state: mixed.State) -> Variances:
    """The same with the neighbouring freedom, where that is likelier; widths at 10 and 90 % are kept."""
    observed = problem.observed
    mu = observed.base + problem.layout.value(state.theta, state.place, state.common)
    here = FREEDOMS.index(variances.freedom)
    options = {}
    for freedom in FREEDOMS[max(0, here - 1) : here + 2]:
        ratio = normal_equivalent(variances.freedom) / normal_equivalent(freedom)
        trial = Variances(variances.groups, variances.place, variances.common, variances.sigma * ratio, freedom)
        terms = cell_terms(mu, observed.level, observed.censored, problem.scale(trial), freedom, observed.blur)
        belief = math.log(min(freedom, 30.0)) - 0.1 * min(freedom, 30.0)
        options[float(np.dot(observed.weight, terms[0])) + belief + (freedom == variances.freedom) * 0.05] = trial
    return options[max(options)]


def _change(before: Variances, after: Variances) -> float:
    old = np.array([*before.groups, before.place, before.common, *before.sigma])
    new = np.array([*after.groups, after.place, after.common, *after.sigma])
    return float(np.max(np.abs(new / old - 1) * np.minimum(new, 1.0)))


def _untold(found: Found) -> dict[str, str]:
    """Columns of which the data say next to nothing, with the reason."""
    reasons = dict(found.problem.reasons)
    for number, column in enumerate(found.problem.columns):
        ratio = math.sqrt(found.covariance[number, number]) / column.sd
        if column.name not in reasons and column.name != "offset_db" and ratio > design.UNTOLD:
            reasons[column.name] = (
                f"the data leave its standard deviation at {100 * ratio:.0f} % of what was assumed beforehand"
            )
    return reasons if len(reasons) > len(found.problem.reasons) else {}
