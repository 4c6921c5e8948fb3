"""What a calibration is worth: predictions of cells that were left out, beside those of what it has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radiocov.calibration.baselines import BASELINES, Predictor
from radiocov.calibration.fit import fit
from radiocov.calibration.model import Calibration, Cells
from radiocov.calibration.residuals import predicted, with_field
from radiocov.calibration.scores import heard_where_promised, reliability, spread_check, table
from radiocov.calibration.validate import SPLITS, HeldOut, held_out
from terrain.rasters import Progress, no_progress

CALIBRATED = "calibrated"
PROMISED = 0.9
SEARCHED = 1000  # cells up to which each fold searches for blocks and field itself


@dataclass
class Proof:
    """rows: figures by split and model, of the calibrated model also by class, distance and site. held: predictions
    of cells that were left out. reasons: why a split was not possible. curves: by split, the reliability of the
    calibrated model's probabilities."""

    rows: list[dict[str, Any]]
    held: list[HeldOut]
    reasons: list[str]
    curves: dict[str, list[dict[str, Any]]]

    def of(self, split: str, model: str = CALIBRATED) -> HeldOut | None:
        return next((h for h in self.held if (h.split, h.model) == (split, model)), None)

    @property
    def hardest(self) -> str:
        """The split that says most of places where nobody drove; "" where none was possible."""
        return next((split for split in SPLITS if self.of(split)), "")


def predictor(like: Calibration, crs: str, stated: Mapping[str, float] | None = None) -> Predictor:
    """The whole of it, field and all, as it would be made of other cells. like: a calibration whose side of blocks
    and covariance of the field are taken over where cells are many, which saves the search for them; where they are
    few, and these figures of the whole would flatter, all is found anew."""

    def predict(train: Cells, test: Cells) -> tuple[np.ndarray, np.ndarray]:
        few = len(train) <= SEARCHED
        fitted = fit(train, clutter_m=stated, block_m=None if few else like.provenance["block_m"])
        return predicted(test, with_field(fitted, train, crs, None if few else like.field))

    return predict


def prove(
    cells: Cells, calibration: Calibration, crs: str, threshold_dbm: float | None,
    stated: Mapping[str, float] | None = None, progress: Progress = no_progress, splits: Sequence[str] = SPLITS,
) -> Proof:  # fmt: skip
    """Leave out whole sites, areas and days, and random cells to warn; what the calibrated model and the simpler ones
    say of them."""
    models = {CALIBRATED: predictor(calibration, crs, stated), **BASELINES}
    held, reasons = held_out(cells, models, splits, progress)
    rows = table(cells, held, threshold_dbm, by=False)
    own = [one for one in held if one.model == CALIBRATED]
    by = [row for row in table(cells, own, threshold_dbm) if row["by"] != "all"]
    curves = {}
    for one in own:
        promise = heard_where_promised(cells, one.level_dbm, one.sd_db, PROMISED)
        row = next(r for r in rows if (r["split"], r["model"]) == (one.split, one.model))
        row |= {"promised_90_heard": promise.share, "promised_90_cells": promise.cells,
                "promised_90_low": promise.low, "promised_90_high": promise.high,
                "z_sd": spread_check(cells, one.level_dbm, one.sd_db)["z_sd"]}  # fmt: skip
        if threshold_dbm is not None:
            curves[one.split] = reliability(cells, one.level_dbm, one.sd_db, threshold_dbm)
    return Proof(rows + by, held, reasons, curves)
