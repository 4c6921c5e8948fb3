"""What a calibrated model has to beat: predictors with one signature, `(train, test) -> (level_dbm, sd_db)` of test.

Each is fitted to the training cells in the same frame as the model, censored cells with them; with relative levels
each has an offset a receiver. sd_db contains the fit and the spread, not the error of the measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from radiocov.calibration.design import Column
from radiocov.calibration.fit import fit
from radiocov.calibration.model import Calibration, Cells
from radiocov.calibration.outcome import corrected
from radiocov.propagation.freespace import free_space_loss
from radiocov.propagation.hata import extended_hata

Predictor = Callable[[Cells, Cells], tuple[np.ndarray, np.ndarray]]

STATED_SD_DB = 8.0  # of a model without calibration
HANDSET_M = 1.5
ENVIRONMENT = "suburban"  # one of Hata's: a fitted offset takes the difference to the others


def calibrated(like: Calibration | None = None, **options) -> Predictor:
    """The model itself; `like`: a calibration whose blocks and tails are taken over, which saves the search."""
    if like is not None:
        options = {"block_m": like.provenance["block_m"], "freedom": like.degrees_of_freedom, **options}

    def predict(train: Cells, test: Cells) -> tuple[np.ndarray, np.ndarray]:
        return corrected(test, fit(train, **options))

    return predict


def uncalibrated(train: Cells, test: Cells) -> tuple[np.ndarray, np.ndarray]:
    return _as_it_is(train, test, test.predicted_dbm, train.predicted_dbm)


def free_space(train: Cells, test: Cells) -> tuple[np.ndarray, np.ndarray]:
    return _as_it_is(train, test, test.predicted_dbm + test.excess_db, train.predicted_dbm + train.excess_db)


def hata(train: Cells, test: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Extended Hata for the frequency and the heights, its offset and its slope over distance fitted."""
    return _line(train, test, _hata_dbm(train), _hata_dbm(test))


def log_distance(train: Cells, test: Cells) -> tuple[np.ndarray, np.ndarray]:
    """A straight line over log distance, under the radiated power that the prediction has."""
    return _line(train, test, _radiated_dbm(train), _radiated_dbm(test))


BASELINES: dict[str, Predictor] = {
    "uncalibrated": uncalibrated, "free space": free_space, "Hata, fitted": hata, "log-distance line": log_distance,
}  # fmt: skip


def _free_db(cells: Cells) -> np.ndarray:
    return free_space_loss(cells.frequency_mhz, cells.distance_km, cells.tx_height_m - HANDSET_M)


def _radiated_dbm(cells: Cells) -> np.ndarray:
    """Level without any loss between the antennas."""
    return cells.predicted_dbm + cells.excess_db + _free_db(cells)


def _hata_dbm(cells: Cells) -> np.ndarray:
    distance = np.clip(cells.distance_km, 1e-3, 100.0)
    loss = extended_hata(cells.frequency_mhz, distance, np.maximum(cells.tx_height_m, 1.0), HANDSET_M, ENVIRONMENT)
    return _radiated_dbm(cells) - loss


def _bare(cells: Cells, base_dbm: np.ndarray) -> Cells:
    """The same levels over another prediction, without classes and handsets, and without sites unless a site is a
    receiver with a zero of its own."""
    n = len(cells)
    bare = replace(
        cells, predicted_dbm=base_dbm, clutter=np.zeros(n, int), classes=("all",), clutter_slope_db_per_m=None
    )
    if not (cells.relative and not cells.talk_in.all()):
        bare = replace(bare, device=np.zeros(n, int), devices=("all",))
    if not (cells.relative and cells.talk_in.any()):
        bare = replace(bare, site=np.zeros(n, int), sites=("all",))
    return bare


def _as_it_is(train, test, test_dbm, train_dbm) -> tuple[np.ndarray, np.ndarray]:
    if train.relative:
        found = fit(_bare(train, train_dbm), terms=["offset_db"], block_m=0.0, freedom=math.inf)
        return corrected(_bare(test, test_dbm), found)
    return test_dbm, np.full(len(test), STATED_SD_DB)


def _line(train, test, train_dbm, test_dbm) -> tuple[np.ndarray, np.ndarray]:
    found = fit(
        _bare(train, train_dbm), extra=[_slope(train)], terms=["offset_db", "line"], block_m=0.0, freedom=math.inf
    )
    return corrected(_bare(test, test_dbm), found, [_slope(test)])


def _slope(cells: Cells) -> Column:
    return Column("line", np.log10(np.maximum(cells.distance_km, 1e-3)), 0.0, 60.0, "any straight line")
