"""Predictions of cells that were left out of the fit: whole sites, whole areas, whole days.

Cells of one street are alike: leaving out random ones measures how well a neighbour is copied, not how well the model
predicts where nobody drove. Such folds are there to warn by comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from radiocov.calibration.baselines import Predictor
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.model import NONE, Cells
from radiocov.problems import Problem

SPLITS = ("sites", "areas", "days", "random")
MOST_FOLDS = 10
RANDOM_FOLDS = 5
AREAS_ACROSS = 5  # squares over the longer side of what was measured
GUARD_M = 500.0  # training cells nearer to a left-out area than this count for neither
FEWEST_TRAINED = 30


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a model said of cells while they were left out; NaN where it was never asked. (n,) each."""

    split: str
    model: str
    level_dbm: np.ndarray
    sd_db: np.ndarray
    folds: int
    guarded: int  # cells left out of a fit because they lay near an area

    @property
    def told(self) -> np.ndarray:
        return np.isfinite(self.level_dbm)


@dataclass(frozen=True, eq=False)
class Fold:
    train: np.ndarray  # masks
    test: np.ndarray


def held_out(
    cells: Cells, models: Mapping[str, Predictor], splits: Sequence[str] = SPLITS, progress=None
) -> tuple[list[HeldOut], list[str]]:
    """(predictions by split and model, why a split is not possible). progress: called with (what, done, total)."""
    results, reasons = [], []
    for split in splits:
        try:
            parts = folds(cells, split)
        except CalibrationError as error:
            reasons.append(str(error))
            continue
        for name, predict in models.items():
            level, sd = (np.full(len(cells), np.nan) for _ in range(2))
            for number, fold in enumerate(parts):
                if progress:
                    progress(f"leaving out {split}: {name}", number, len(parts))
                level[fold.test], sd[fold.test] = predict(cells.of(fold.train), cells.of(fold.test))
            if progress:
                progress(f"leaving out {split}: {name}", len(parts), len(parts))
            guarded = sum(int((~f.train & ~f.test).sum()) for f in parts)
            results.append(HeldOut(split, name, level, sd, len(parts), guarded))
    return results, reasons


def folds(cells: Cells, split: str) -> list[Fold]:
    """Training and left-out cells, each cell left out at most once. CalibrationError where the data hold one group
    only, or where a receiver's zero would be left out with it."""
    if split == "random":
        fold = np.random.default_rng(1).integers(0, RANDOM_FOLDS, len(cells))
        return _usable(cells, split, [Fold(fold != f, fold == f) for f in range(RANDOM_FOLDS)])
    if split == "sites":
        if cells.relative and cells.talk_in.any():
            raise _impossible(split, "levels are relative, and a site that was left out has an unknown zero")
        return _usable(cells, split, _by(cells.site))
    if split == "days":
        return _usable(cells, split, _by(cells.day))
    if split == "areas":
        return _usable(cells, split, _areas(cells))
    raise ValueError(f"split is {split!r}: it must be one of {', '.join(SPLITS)}")


def _impossible(split: str, why: str) -> CalibrationError:
    return CalibrationError(Problem("", "", f"leaving out whole {split} is not possible: {why}"))


def _by(key: np.ndarray) -> list[Fold]:
    """A fold a key, or keys joined to folds of about equal size."""
    keys, position, count = np.unique(key, return_inverse=True, return_counts=True)
    load, fold_of = np.zeros(min(MOST_FOLDS, len(keys))), np.zeros(len(keys), int)
    for k in np.argsort(-count, kind="stable"):
        fold_of[k] = int(np.argmin(load))
        load[fold_of[k]] += count[k]
    fold = fold_of[position]
    return [Fold(fold != f, fold == f) for f in range(len(load))]


def _areas(cells: Cells) -> list[Fold]:
    side = max(np.ptp(cells.x_m), np.ptp(cells.y_m), 1.0) / AREAS_ACROSS
    square = [np.minimum((a - a.min()) // side, AREAS_ACROSS - 1).astype(int) for a in (cells.x_m, cells.y_m)]
    parts = _by(square[0] * AREAS_ACROSS + square[1])
    guard = min(GUARD_M, side / 4)
    xy = np.column_stack([cells.x_m, cells.y_m])
    out = []
    for part in parts:
        near, _ = cKDTree(xy[part.test]).query(xy, distance_upper_bound=guard)
        out.append(Fold(part.train & ~np.isfinite(near), part.test))
    return out


def _usable(cells: Cells, split: str, parts: list[Fold]) -> list[Fold]:
    if len(parts) < 2:
        raise _impossible(split, f"all cells are of one {split[:-1]}")
    heard = cells.censored == NONE
    if cells.relative:  # a receiver that was not trained on has no zero
        parts = [Fold(p.train, p.test & _zero_known(cells, p.train & heard)) for p in parts]
    parts = [p for p in parts if p.test.any() and (p.train & heard).sum() >= FEWEST_TRAINED]
    if not parts:
        raise _impossible(split, f"fewer than {FEWEST_TRAINED} heard cells are left to fit to")
    return parts


def _zero_known(cells: Cells, trained: np.ndarray) -> np.ndarray:
    site, device = (np.isin(a, a[trained]) for a in (cells.site, cells.device))
    return np.where(cells.talk_in, site, device)
