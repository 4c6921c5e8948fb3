"""A fit written out as a calibration, and a calibration applied to cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

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
    sd = np.sqrt(np.diag(found.covariance))
    fixed = {}
    for number, column in enumerate(problem.columns):
        reason = problem.reasons.get(column.name, "")
        value = found.state.theta[number]
        status = "kept" if reason else "fitted"
        if not reason and not column.low < value < column.high:
            reason = f"at its bound: {column.reason}"
        fixed[column.name] = Effect(float(value), float(sd[number]), int(heard.sum()), status, reason)

    spreads = {g.name: spread for g, spread in zip(problem.groups, variances.groups, strict=True)}
    effects: dict[str, dict] = {name: {} for name in ("class", "site", "handset", "day")}
    for random, first in zip(problem.groups, layout.first, strict=True):
        counts = np.bincount(random.position[heard], minlength=len(random.keys))
        present = np.bincount(random.position, minlength=len(random.keys)) > 0
        for k, key in enumerate(random.keys):
            weak = sd[first + k] ** 2 > SHRUNK * spreads[random.name] ** 2
            status = "kept" if not present[k] else "shrunk" if weak else "fitted"
            reason = "" if status == "fitted" else _few(random.name, int(counts[k]), len(random.keys) == 1)
            value, spread = float(found.state.theta[first + k]), float(sd[first + k])
            effects[random.name][key] = Effect(value, spread, int(counts[k]), status, reason)
    kept = q + len(cells.classes) + len(cells.sites)
    heights = {}
    for name, stated in clutter_m.items():
        if effect := fixed.get(design.clutter_height_name(name)):
            heights[name] = Effect(stated + effect.value, effect.sd, effect.cells, effect.status, effect.reason)
    return Calibration(
        fixed=fixed,
        covariance=found.covariance[:kept, :kept],
        joint=found.covariance,
        classes=effects["class"],
        sites=effects["site"],
        devices=effects["handset"],
        days=effects["day"],
        day_span=design.day_span(cells),
        sigma_db=_sigma(found, spreads.get("day", 0.0)),
        site_db=spreads["site"],
        device_db=spreads["handset"],
        day_db=spreads.get("day", 0.0),
        degrees_of_freedom=variances.freedom,
        clutter_heights_m=heights,
        validity=_validity(cells),
        provenance={
            "rounds": found.rounds, "steps": found.steps, "log_evidence": found.evidence,
            "block_m": problem.block_m, "place_db": variances.place if layout.places else 0.0,
            "common_db": variances.common if layout.places else 0.0, "class_db": spreads["class"],
            "neighbours": vars(found.parts),
            "cells": len(cells), "censored": int((~heard).sum()),
        },
        advice=_advice(problem, cells),
    )  # fmt: skip


def _few(what: str, count: int, alone: bool) -> str:
    if not count:
        return f"no cell of this {what} was heard"
    if alone:
        return f"an only {what}: its own effect cannot be told from the offset"
    return f"{count} cells say less of it than was assumed beforehand"


def _sigma(found: Found, day_db: float) -> dict[str, Effect]:
    problem, variances, cells = found.problem, found.variances, found.problem.cells
    wide = normal_equivalent(variances.freedom)
    heard = cells.censored == NONE
    counts = np.bincount(cells.clutter[heard], minlength=len(cells.classes))
    # what a cell tells of a variance, in heard cells
    told = np.bincount(cells.clutter, found.information * problem.scale(variances) ** 2, len(cells.classes))
    shared, error = day_db**2, 0.0
    if problem.layout.places:
        shared += variances.place**2 + variances.common**2
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
    if len(cells.devices) == 1 and not cells.relative:
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
    n, c = len(cells), calibration
    x = np.column_stack([columns.get(name, np.zeros(n)) for name in c.fixed])
    level = cells.predicted_dbm + x @ np.array([e.value for e in c.fixed.values()])
    cov, q = joint_covariance(c), len(c.fixed)
    variance = np.einsum("ia,ab,ib->i", x, cov[:q, :q], x)
    device, devices = design.devices_of(cells)
    days, session = design.days_of(cells, c.day_span)
    first, seen = q, []
    for effects, keys, position, unseen_db in (
        (c.classes, cells.classes, cells.clutter, CLASSES.sd_db),
        (c.sites, cells.sites, cells.site, c.site_db),
        (c.devices, devices, device, c.device_db),
        (c.days, days, session, c.day_db),
    ):
        place = {key: first + k for k, key in enumerate(effects)}
        at = np.array([place.get(key, -1) for key in keys], int)[position]
        value = np.array([effects[key].value if key in effects else 0.0 for key in keys])
        level = level + value[position]
        variance += np.where(at < 0, unseen_db**2, 0.0)
        seen.append((at, at >= 0))
        first += len(effects)
    for at, known in seen:
        variance += 2 * known * np.einsum("ia,ia->i", x, cov[at, :q])
        for other, also in seen:
            variance += known * also * cov[at, other]
    spreads = c.sigma_db
    sigma = np.array([spreads[name].value if name in spreads else UNSEEN_SIGMA_DB for name in cells.classes])
    # sigma is that of another day
    return level, np.sqrt(np.maximum(variance, 0.0) + sigma[cells.clutter] ** 2 - c.day_db**2)


def joint_covariance(c: Calibration) -> np.ndarray:
    """Of all effects; handsets as independent where the fit itself is not at hand."""
    if c.joint is not None:
        return c.joint
    return linalg.block_diag(c.covariance, np.diag([e.sd**2 for e in c.devices.values()]))
