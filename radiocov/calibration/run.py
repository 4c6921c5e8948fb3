"""From a project and its logs to a calibration: prepared, paired, fitted, validated."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from radiocov import __version__
from radiocov.calibration.faults import check_directions, check_heard, check_silent
from radiocov.calibration.files import model_facts, rounded
from radiocov.calibration.fit import fit
from radiocov.calibration.model import NONE, Calibration, Cells
from radiocov.calibration.pairing import Paired, pair
from radiocov.calibration.prepare import Prepared, Step, prepare
from radiocov.calibration.residuals import with_field
from radiocov.calibration.rows import Logs
from radiocov.coverage.setup import read_ground
from radiocov.inputs import Inputs
from terrain.ground import Ground
from terrain.rasters import Progress, no_progress

FAR_OFF_DB = 25.0  # a median residual that no model error explains


@dataclass
class Made:
    """A calibration with what it was made of."""

    inputs: Inputs
    ground: Ground
    logs: Logs
    prepared: Prepared
    paired: Paired
    calibration: Calibration

    @property
    def cells(self) -> Cells:
        return self.paired.cells

    @property
    def steps(self) -> list[Step]:
        return self.paired.steps


def measured_cells(
    inputs: Inputs, logs: Logs, clutter_heights: bool = False, progress: Progress = no_progress
) -> tuple[Ground, Prepared, Paired]:
    """Cells that a calibration may rest on. ProjectError where the logs are at fault, see `faults`."""
    settings = inputs.project.calibration
    ground = read_ground(inputs, progress)
    what = "local means"
    progress(what, 0, 1)
    prepared = prepare(inputs, ground.grid, logs)
    progress(what, 1, 1)
    paired = pair(inputs, ground, prepared, logs.rows.devices, clutter_heights, progress)
    check_heard(paired.cells)
    if settings.levels == "dbm":
        if not settings.trust_direction:
            check_directions(paired.cells, paired.swapped_db)
        if not settings.keep_silent:
            check_silent(paired.cells)
    return ground, prepared, paired


def calibrate(
    inputs: Inputs, logs: Logs, clutter_heights: bool = False, progress: Progress = no_progress
) -> Made:
    """Fit a project's model to its logs. ProjectError for logs that support no calibration."""
    ground, prepared, paired = measured_cells(inputs, logs, clutter_heights, progress)
    cells = paired.cells
    stated = stated_heights(ground, cells) if clutter_heights else None
    progress("fitting", 0, 1)
    calibration = with_field(fit(cells, clutter_m=stated), cells, ground.grid.crs)
    progress("fitting", 1, 1)
    validation = validated(inputs, cells, stated, progress)
    calibration = dataclasses.replace(
        calibration, validation=validation, advice=(*calibration.advice, *_remarks(cells, logs)),
        provenance={**model_facts(inputs.project, ground), **_provenance(inputs, logs, prepared),
                    "fit": calibration.provenance},
    )  # fmt: skip
    return Made(inputs, ground, logs, prepared, paired, rounded(calibration))


def validated(inputs: Inputs, cells: Cells, stated: Any, progress: Progress) -> list[dict[str, Any]]:
    return []


def stated_heights(ground: Ground, cells: Cells) -> dict[str, float]:
    """Heights [m] of the clutter classes of cells that the land cover states."""
    return {c.name: c.height_m for c in ground.classes if c.name in cells.classes and c.height_m > 0}


def _remarks(cells: Cells, logs: Logs) -> list[str]:
    import numpy as np

    heard = cells.censored == NONE
    off = float(np.median(cells.level_dbm[heard] - cells.predicted_dbm[heard]))
    found = list(logs.notes)
    if abs(off) > FAR_OFF_DB and not cells.relative:
        found.append(f"levels are {off:+.0f} dB off the model in the middle: check powers, losses, terminals and "
                     "whether the levels are dBm at the antenna port")  # fmt: skip
    return found


def _provenance(inputs: Inputs, logs: Logs, prepared: Prepared) -> dict[str, Any]:
    settings, (first, last) = inputs.project.calibration, logs.days()
    return {
        "made": dt.datetime.now(dt.UTC).date().isoformat(), "radiocov": __version__, "levels": settings.levels,
        "first_day": first, "last_day": last, "local_mean": settings.local_mean,
        "wavelengths": settings.wavelengths, "fading_db": prepared.fading_db, "logs": logs.sources,
    }  # fmt: skip
