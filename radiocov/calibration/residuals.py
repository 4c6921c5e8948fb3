"""A fit with its residual field: found from the cells it was made from, and applied to others."""

from __future__ import annotations

import dataclasses

import numpy as np

from radiocov.calibration.field import fit_field, settle
from radiocov.calibration.kriging import Kriging
from radiocov.calibration.model import Calibration, Cells, Field
from radiocov.calibration.outcome import corrected


def with_field(calibration: Calibration, cells: Cells, crs: str, field: Field | None = None) -> Calibration:
    """The same with the field of what it leaves of its cells, and the residuals that the field is drawn from.

    crs: plane of the cells; field: its covariance, found where None.
    """
    level, _ = corrected(cells, calibration)
    measured = cells.x_m, cells.y_m, cells.site, cells.level_dbm - level, cells.error_db, cells.censored
    field = field or fit_field(*measured)
    residuals = settle(field, *measured, cells.sites, crs) if field.range_m > 0 else None
    return dataclasses.replace(calibration, field=field, residuals=residuals)


def predicted(cells: Cells, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """(level_dbm, sd_db) of cells by the calibrated model with its field, (n,) each: `outcome.corrected` with what
    the places measured near say. The cells have to be others than those of the fit."""
    level, sd = corrected(cells, calibration)
    field, there = calibration.field, calibration.residuals
    if there is None or field.range_m <= 0:
        return level, sd
    known = {name: number for number, name in enumerate(there.sites)}
    site = np.array([known.get(name, -1) for name in cells.sites])[cells.site]
    mean, left = Kriging(field, there).predict(cells.x_m, cells.y_m, site)
    always2 = field.nugget_db**2 + calibration.day_db**2  # what no place measured near tells
    whole2 = field.common_db**2 + field.own_db**2 + always2
    usual = float(np.mean([e.value for e in calibration.sigma_db.values()]))
    sigma = np.array([calibration.sigma_db[c].value if c in calibration.sigma_db else usual for c in cells.classes])
    known_db2 = sigma[cells.clutter] ** 2 * (1.0 - (always2 + left**2) / whole2)
    return level + mean, np.sqrt(np.maximum(sd**2 - known_db2, 0.01))
