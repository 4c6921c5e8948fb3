"""What results say of the calibration that they were made with, in a dictionary for manifests and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radiocov.calibration.model import REFERENCE_HEIGHT_M, Calibration
from radiocov.files import content_key

SPLITS = ("sites", "areas", "days")


def summary(calibration: Calibration, sites: tuple[str, ...] = ()) -> dict[str, Any]:
    """For provenance: file, date, cells, held-out error, digest of the whole, and the parts of its error.

    sites: those in the network; errors of sites that were not measured count by how many of these they are.
    """
    made = calibration.provenance
    return {
        "file": made.get("file", ""),
        "date": str(made.get("made", "")),
        "cells": int(made.get("fit", made).get("cells", 0)),
        "synthetic": bool(made.get("simulated_rows")),
        **held_out(calibration.validation),
        "digest": _digest(calibration),
        "error": error_parts(calibration, sites),
    }


def held_out(validation: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The error in data that was left out, by the hardest split there is: sites, areas, days."""
    for split in SPLITS:
        for row in validation:
            mine = row.get("model") == "calibrated" and row.get("split") == split and row.get("by", "all") == "all"
            if mine and row.get("rmse_db") is not None:
                return {"held_out_rmse_db": round(float(row["rmse_db"]), 2), "held_out": split}
    return {"held_out_rmse_db": None, "held_out": ""}


def _digest(calibration: Calibration) -> str:
    c, r = calibration, calibration.residuals
    numbers = [
        {k: [e.value, e.sd] for k, e in group.items()}
        for group in (c.fixed, c.classes, c.sites, c.sigma_db, c.clutter_heights_m)
    ]
    columns = [] if r is None else [getattr(r, n).tolist() for n in ("x_m", "y_m", "site", "residual_db", "error_db")]
    sizes = [c.site_db, c.day_db]
    return content_key([numbers, np.asarray(c.covariance).tolist(), sizes, vars(c.field), c.validity, columns])


def error_parts(calibration: Calibration, sites: tuple[str, ...] = ()) -> dict[str, float]:
    """The error of a calibrated level in the parts that intervals of shares need: "common_db2" of all places,
    "correlated_db2" over "correlation_km", "rest_db2" of each cell.

    Common is the fit at the middle of the distances it was made from, and of the sites' own errors what the mean of
    all of them keeps. Correlated is the rest of these and the field.
    """
    c, field = calibration, calibration.field
    fixed = list(c.fixed)
    low, high = c.validity.get("distance_km") or (1.0, 10.0)
    low_m, high_m = c.validity.get("tx_height_m") or (REFERENCE_HEIGHT_M, REFERENCE_HEIGHT_M)
    low_db, high_db = c.validity.get("excess_db") or (0.0, 0.0)
    at = {
        "offset_db": 1.0, "slope_db_per_decade": 0.5 * np.log10(max(low * high, 1e-6)),
        "excess": 0.5 * (low_db + high_db),
        "height_db_per_decade": 0.5 * np.log10(max(low_m * high_m, 1.0)) - np.log10(REFERENCE_HEIGHT_M),
    }  # fmt: skip
    cells = np.array([e.cells for e in c.classes.values()], float)
    shares = cells / cells.sum() if cells.sum() else np.full(len(cells), 1.0 / max(len(cells), 1))
    first = len(fixed) + len(c.classes)
    names = sites or tuple(c.sites)
    base = np.zeros(len(c.covariance))
    base[: len(fixed)] = [at.get(name, 0.0) for name in fixed]
    base[len(fixed) : first] = shares
    known = [list(c.sites).index(name) for name in names if name in c.sites]
    mean, each = base.copy(), []
    for k in known:
        mean[first + k] += 1.0 / len(names)
        one = base.copy()
        one[first + k] = 1.0
        each.append(one @ c.covariance @ one)
    unknown = len(names) - len(known)
    # of independent errors of n sites their mean keeps 1/n of the variance
    common = float(mean @ c.covariance @ mean) + c.site_db**2 * unknown / max(len(names), 1) ** 2
    single = (sum(each) + unknown * (float(base @ c.covariance @ base) + c.site_db**2)) / max(len(names), 1)
    of_sites = max(float(single) - common, 0.0) if names else 0.0
    spread2 = float(np.mean([e.value**2 for e in c.sigma_db.values()])) if c.sigma_db else 0.0
    whole2 = field.common_db**2 + field.own_db**2 + field.nugget_db**2 + c.day_db**2
    shared = (field.common_db**2 + field.own_db**2) / whole2 if whole2 and field.range_m else 0.0
    return {
        "common_db2": round(common, 4), "correlated_db2": round(of_sites + shared * spread2, 4),
        "rest_db2": round((1.0 - shared) * spread2, 4), "correlation_km": round(field.range_m / 1000.0, 4),
    }  # fmt: skip


def in_words(about: dict[str, Any] | None) -> str:
    """One clause of English for whatever shows results."""
    if not about:
        return "not calibrated"
    error = about.get("held_out_rmse_db")
    told = f", held-out RMSE {error:.1f} dB" if error is not None else ", not validated"
    what = "cells of SYNTHETIC measurements" if about.get("synthetic") else "cells"
    return f"calibrated from {about['cells']:,} {what}{_on(about, ' on ')}{told}"


def in_chinese(about: dict[str, Any] | None) -> str:
    if not about:
        return "未校准"
    error = about.get("held_out_rmse_db")
    told = f"，留出数据均方根误差 {error:.1f} dB" if error is not None else "，未经验证"
    what = "个模拟测量（SYNTHETIC）栅格" if about.get("synthetic") else "个测量栅格"
    return f"已校准：{about['cells']:,} {what}{_on(about, '，')}{told}"


def _on(about: dict[str, Any], before: str) -> str:
    return before + about["date"][:10] if about["date"] else ""
