"""A fit written out as a calibration, and a calibration applied to cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from radiocov.calibration import design
from radiocov.calibration.design import CLASSES, FEW_CELLS, Column
from radiocov.calibration.likelihood import normal_equivalent
from radiocov.calibration.model import NONE, Calibration, Cells, Effect

if TYPE_CHECKING:
    from radiocov.calibration.fit import Found

SHRUNK = 0.5  # of the prior variance left: more was assumed than measured
UNSEEN_SIGMA_DB = 8.0  # a class that no fit has seen


def calibration_of(found: Found, clutter_m: Mapping[str, float]) -> Calibration:
    problem, variances, cells = found.problem, found.variances, found.problem.cells
    layout, heard = problem.layout, cells.censored == NONE
    q = len(problem.columns)
    kept = q + layout.counts[0] + layout.counts[1]
    sd = np.sqrt(np.diag(found.covariance))
    fixed = {}
    for number, column in enumerate(problem.columns):
        reason = problem.reasons.get(column.name, "")
        value = found.state.theta[number]
        status = "kept" if reason else "fitted"
        if not reason and not column.low < value < column.high:
            reason = f"at its bound: {column.reason}"
        fixed[column.name] = Effect(float(value), float(sd[number]), int(heard.sum()), status, reason)

    def effects(group: int, names: Sequence[str], position: np.ndarray, why) -> dict[str, Effect]:
        first, prior = layout.first[group], variances.groups[group]
        counts = np.bincount(position[heard], minlength=len(names))
        out = {}
        for k, name in enumerate(names):
            weak = sd[first + k] ** 2 > SHRUNK * prior**2
            status = "kept" if not counts[k] and not np.any(position == k) else "shrunk" if weak else "fitted"
            reason = "" if status == "fitted" else why(int(counts[k]))
            value, spread = float(found.state.theta[first + k]), float(sd[first + k])
            out[name] = Effect(value, spread, int(counts[k]), status, reason)
        return out

    def few(what: str, alone: bool):
        def why(count: int) -> str:
            if not count:
                return f"no cell of this {what} was heard"
            if alone:
                return f"an only {what}: its own effect cannot be told from the offset"
            return f"{count} cells say less of it than was assumed beforehand"

        return why

    heights = {}
    for name, stated in clutter_m.items():
        if effect := fixed.get(design.clutter_height_name(name)):
            heights[name] = Effect(stated + effect.value, effect.sd, effect.cells, effect.status, effect.reason)
    groups = variances.groups
    return Calibration(
        fixed=fixed,
        covariance=found.covariance[:kept, :kept],
        device_covariance=found.covariance[kept:, :kept],
        classes=effects(0, cells.classes, cells.clutter, few("class", len(cells.classes) == 1)),
        sites=effects(1, cells.sites, cells.site, few("site", len(cells.sites) == 1)),
        devices=effects(2, problem.devices, layout.group[2], few("handset", len(problem.devices) == 1)),
        sigma_db=_sigma(found),
        site_db=groups[1],
        device_db=groups[2],
        degrees_of_freedom=variances.freedom,
        clutter_heights_m=heights,
        validity=_validity(cells),
        provenance={
            "rounds": found.rounds, "steps": found.steps, "log_evidence": found.evidence,
            "block_m": problem.block_m, "place_db": variances.place if layout.places else 0.0,
            "common_db": variances.common if layout.places else 0.0, "class_db": groups[0],
            "neighbours": vars(found.parts),
            "cells": len(cells), "censored": int((~heard).sum()),
        },
        advice=_advice(problem, cells),
    )  # fmt: skip


def _sigma(found: Found) -> dict[str, Effect]:
    problem, variances, cells = found.problem, found.variances, found.problem.cells
    wide = normal_equivalent(variances.freedom)
    heard = cells.censored == NONE
    counts = np.bincount(cells.clutter[heard], minlength=len(cells.classes))
    # what a cell tells of a variance, in heard cells
    told = np.bincount(cells.clutter, found.information * problem.scale(variances) ** 2, len(cells.classes))
    shared, error = 0.0, 0.0
    if problem.layout.places:
        shared = variances.place**2 + variances.common**2
        places, blocks = found.told
        error = 2 * variances.place**4 / max(places, 1.0) + 2 * variances.common**4 / max(blocks, 1.0)
    out = {}
    for k, name in enumerate(cells.classes):
        own = (wide * variances.sigma[k]) ** 2
        total = math.sqrt(own + shared)
        sd = math.sqrt(2 * own**2 / (told[k] + design.SIGMA.weight) + error) / (2 * total)
        few = counts[k] < FEW_CELLS
        reason = f"{counts[k]} cells: near that of the other classes" if few else ""
        out[name] = Effect(total, sd, int(counts[k]), "shrunk" if few else "fitted", reason)
    return out


def _validity(cells: Cells) -> dict:
    heard = cells.censored == NONE
    span = lambda values: [float(values[heard].min()), float(values[heard].max())]  # noqa: E731
    return {
        "frequency_mhz": cells.frequency_mhz, "distance_km": span(cells.distance_km),
        "tx_height_m": span(cells.tx_height_m), "excess_db": span(cells.excess_db),
        "classes": sorted({cells.classes[k] for k in np.unique(cells.clutter[heard])}),
        "absolute": not cells.relative,
    }  # fmt: skip


def _advice(problem, cells: Cells) -> tuple[str, ...]:
    advice = [f"{name} keeps its prior: {reason}" for name, reason in problem.reasons.items()]
    if len(cells.sites) == 1 and not cells.relative:
        advice.append("one site only: what is its own and the model's cannot be told apart; measure three more")
    if len(problem.devices) == 1 and not cells.relative:
        advice.append("one handset only: its own error is part of the offset; compare it with others on a bench")
    heard = cells.censored == NONE
    for k, name in enumerate(cells.classes):
        count = int(np.sum(heard & (cells.clutter == k)))
        if 0 < count < FEW_CELLS:
            advice.append(f"class {name}: {count} cells heard; its offset is mostly that of the others")
    return tuple(advice)


def corrected(cells: Cells, calibration: Calibration, extra: Sequence[Column] = ()) -> tuple[np.ndarray, np.ndarray]:
    """(level_dbm, sd_db) of cells by the calibrated model, (n,) each, without the field.

    The level is the median as the cell's handset sees it; sites, handsets and classes that were not measured have no
    effect and their own variance. sd_db is of the cell's true level about it: fit, field, location variability, not
    the error of a measurement. Sigma's own error is not in it.
    """
    columns = {c.name: c.values for c in [*design.standard_columns(cells), *extra]}
    if cells.clutter_slope_db_per_m is not None:
        for k, name in enumerate(cells.classes):
            columns[design.clutter_height_name(name)] = cells.clutter_slope_db_per_m[:, k]
    n, cov = len(cells), calibration.covariance
    fixed = list(calibration.fixed)
    x = np.column_stack([columns.get(name, np.zeros(n)) for name in fixed])
    level = cells.predicted_dbm + x @ np.array([calibration.fixed[name].value for name in fixed])
    q = len(fixed)
    variance = np.einsum("ia,ab,ib->i", x, cov[:q, :q], x)
    where = []
    for first, effects, names, position, unseen in (
        (q, calibration.classes, cells.classes, cells.clutter, CLASSES.sd_db),
        (q + len(calibration.classes), calibration.sites, cells.sites, cells.site, calibration.site_db),
    ):
        known = list(effects)
        at = np.array([first + known.index(name) if name in effects else -1 for name in names])
        value = np.array([effects[name].value if name in effects else 0.0 for name in names])
        alone = np.array([0.0 if name in effects else unseen**2 for name in names])
        level = level + value[position]
        mine = at[position]
        seen = mine >= 0
        variance += alone[position]
        variance[seen] += cov[mine[seen], mine[seen]] + 2 * np.einsum("ia,ia->i", x[seen], cov[mine[seen], :q])
        where.append(mine)
    both = (where[0] >= 0) & (where[1] >= 0)
    variance[both] += 2 * cov[where[0][both], where[1][both]]

    device, names = design.devices_of(cells)
    known = calibration.devices
    level = level + np.array([known[name].value if name in known else 0.0 for name in names])[device]
    sd = np.array([known[name].sd if name in known else calibration.device_db for name in names])
    if calibration.device_covariance is not None:
        row = np.array([list(known).index(name) if name in known else -1 for name in names])[device]
        mine = row >= 0
        crossed = calibration.device_covariance[row[mine]]
        with_rest = np.einsum("ia,ia->i", x[mine], crossed[:, :q])
        for at in where:
            with_rest += np.where(at[mine] >= 0, crossed[np.arange(len(crossed)), np.maximum(at[mine], 0)], 0.0)
        variance[mine] += 2 * with_rest
    spreads = calibration.sigma_db
    sigma = np.array([spreads[name].value if name in spreads else UNSEEN_SIGMA_DB for name in cells.classes])
    return level, np.sqrt(np.maximum(variance + sd[device] ** 2, 0.0) + sigma[cells.clutter] ** 2)
