"""A fit with its residual field: found from the cells it was made from, and applied to others."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtri

from radiocov.calibration.field import fit_field, settle
from radiocov.calibration.kriging import Kriging
from radiocov.calibration.model import NONE, Calibration, Cells, Field
from radiocov.calibration.outcome import corrected

SAME_PLACE_M = 75.0
FEWEST_PAIRS = 100


def with_field(calibration: Calibration, cells: Cells, crs: str, field: Field | None = None) -> Calibration:
    """The same with the field of what it leaves of its cells, and the residuals that the field is drawn from.

    crs: plane of the cells; field: its covariance, found where None.
    """
    level, _ = corrected(cells, calibration)
    measured = cells.x_m, cells.y_m, cells.site, cells.level_dbm - level, cells.error_db, cells.censored
    field = field or fit_field(*measured)
    days_db = between_days(cells, cells.level_dbm - level)
    if days_db:
        field = dataclasses.replace(field, nugget_db=math.hypot(field.nugget_db, days_db))
        wider = {k: math.hypot(e.value, days_db) for k, e in calibration.sigma_db.items()}
        sigma = {k: dataclasses.replace(e, value=wider[k]) for k, e in calibration.sigma_db.items()}
        seen = frozenset((cells.sites[s], int(day)) for s, day in {*zip(cells.site.tolist(), cells.day, strict=True)})
        provenance = {**calibration.provenance, "day_db": round(days_db, 2)}
        calibration = dataclasses.replace(
            calibration, sigma_db=sigma, day_db=days_db, seen_days=seen, provenance=provenance
        )
    residuals = settle(field, *measured, cells.sites, crs) if field.range_m > 0 else None
    return dataclasses.replace(calibration, field=field, residuals=residuals)


def between_days(cells: Cells, residual_db: np.ndarray) -> float:
    """Standard deviation [dB] of what a site's levels at one place differ by from day to day, beyond what its
    neighbouring cells of one day do. 0 where no place was visited on two days, or none is to be seen.

    Widths are those of the normal distribution that meets the differences at 10 and 90 %, as sigma_db is.
    """
    heard = np.flatnonzero(cells.censored == NONE)
    near = {True: [], False: []}  # of the same day, of another
    for site in np.unique(cells.site[heard]):
        mine = heard[cells.site[heard] == site]
        xy, day, value = np.column_stack([cells.x_m, cells.y_m])[mine], cells.day[mine], residual_db[mine]
        for one in np.unique(day) if len(np.unique(day)) > 1 else ():
            here, there = np.flatnonzero(day == one), np.flatnonzero(day != one)
            for same, among, k in ((True, here, 2), (False, there, 1)):
                if len(among) < k:
                    continue
                apart, found = cKDTree(xy[among]).query(xy[here], k=[k], distance_upper_bound=SAME_PLACE_M)
                close = np.isfinite(apart[:, 0])
                near[same].append(value[here[close]] - value[among[found[close, 0]]])
    one_day, two_days = (np.abs(np.concatenate(near[k] or [np.zeros(0)])) for k in (True, False))
    if min(len(one_day), len(two_days)) < FEWEST_PAIRS:
        return 0.0
    width2 = [(float(np.quantile(d, 0.8)) / float(ndtri(0.9))) ** 2 for d in (two_days, one_day)]
    return math.sqrt(max(0.5 * (width2[0] - width2[1]), 0.0))


def predicted(cells: Cells, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """(level_dbm, sd_db) of cells by the calibrated model with its field, (n,) each: `outcome.corrected` with what
    the places measured near say. The cells have to be others than those of the fit."""
    level, sd = corrected(cells, calibration)
    field, there = calibration.field, calibration.residuals
    if there is None or field.range_m <= 0:
        return level, np.sqrt(np.maximum(sd**2 - _same_day_db2(cells, calibration), 0.01))
    known = {name: number for number, name in enumerate(there.sites)}
    site = np.array([known.get(name, -1) for name in cells.sites])[cells.site]
    mean, left = Kriging(field, there).predict(cells.x_m, cells.y_m, site)
    whole2 = field.common_db**2 + field.own_db**2 + field.nugget_db**2
    usual = float(np.mean([e.value for e in calibration.sigma_db.values()]))
    sigma = np.array([calibration.sigma_db[c].value if c in calibration.sigma_db else usual for c in cells.classes])
    known_db2 = sigma[cells.clutter] ** 2 * (1.0 - (field.nugget_db**2 + left**2) / whole2)
    return level + mean, np.sqrt(np.maximum(sd**2 - known_db2 - _same_day_db2(cells, calibration), 0.01))


def _same_day_db2(cells: Cells, calibration: Calibration) -> np.ndarray:
    """Variance that a cell does not have whose site was measured on its day."""
    pairs, of = np.unique(np.column_stack([cells.site, cells.day]), axis=0, return_inverse=True)
    seen = np.array([(cells.sites[s], int(day)) in calibration.seen_days for s, day in pairs])
    return np.where(seen[of.ravel()], calibration.day_db**2, 0.0)
