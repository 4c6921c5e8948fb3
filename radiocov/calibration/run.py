"""From a project and its logs to a calibration: prepared, paired, fitted, validated."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radiocov import __version__
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.files import model_facts, rounded
from radiocov.calibration.fit import fit
from radiocov.calibration.model import Calibration, Cells
from radiocov.calibration.pairing import Paired, pair
from radiocov.calibration.prepare import Prepared, Step, prepare
from radiocov.calibration.proving import Proof, prove
from radiocov.calibration.residuals import with_field
from radiocov.calibration.rows import Logs
from radiocov.calibration.soundness import checked
from radiocov.calibration.validate import SPLITS
from radiocov.coverage.setup import read_ground
from radiocov.inputs import Inputs
from terrain.ground import Ground
from terrain.rasters import Progress, no_progress


@dataclass
class Made:
    """A calibration with what it was made of."""

    inputs: Inputs
    ground: Ground
    logs: Logs
    prepared: Prepared
    paired: Paired
    proof: Proof
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
    """Cells that a calibration may rest on. ProjectError where the logs are at fault: `faults` of rows, `soundness`
    of cells."""
    ground = read_ground(inputs, progress)
    what = "local means"
    progress(what, 0, 1)
    prepared = prepare(inputs, ground.grid, logs)
    progress(what, 1, 1)
    paired = pair(inputs, ground, prepared, logs.rows.devices, clutter_heights, progress)
    cells = paired.cells
    trusted = inputs.project.calibration.trust_direction
    try:
        doubts = checked(cells, other_direction_dbm=None if trusted else cells.predicted_dbm + paired.swapped_db)
    except CalibrationError as error:
        raise CalibrationError([dataclasses.replace(p, file="logs") for p in error.problems]) from None
    paired.doubts = [str(problem) for problem in doubts]
    return ground, prepared, paired


def calibrate(
    inputs: Inputs, logs: Logs, clutter_heights: bool = False, progress: Progress = no_progress,
    splits: Sequence[str] = SPLITS,
) -> Made:  # fmt: skip
    """Fit a project's model to its logs, and predict what is left out, by `splits`. ProjectError for logs that
    support no calibration."""
    ground, prepared, paired = measured_cells(inputs, logs, clutter_heights, progress)
    cells, crs = paired.cells, ground.grid.crs
    stated = stated_heights(ground, cells) if clutter_heights else None
    progress("fitting", 0, 1)
    fitted = fit(cells, clutter_m=stated)
    calibration = with_field(fitted, cells, crs)
    progress("fitting", 1, 1)
    proof = prove(cells, calibration, crs, threshold_dbm(inputs, cells), stated, progress, splits)
    calibration = dataclasses.replace(
        calibration, validation=proof.rows,
        advice=tuple(dict.fromkeys(
            (*_simulated(logs), *calibration.advice, *paired.doubts, *proof.reasons, *logs.notes))),
        provenance={**model_facts(inputs.project, ground), **_provenance(inputs, logs, prepared),
                    "fit": calibration.provenance},
    )  # fmt: skip
    return Made(inputs, ground, logs, prepared, paired, proof, rounded(calibration))


def _simulated(logs: Logs) -> list[str]:
    rows = logs.simulated
    return [f"{rows:,} rows are SIMULATED: a rehearsal, which says nothing of the network"] if rows else []


def threshold_dbm(inputs: Inputs, cells: Cells) -> float | None:
    """Level that decides about service in most cells: of the receiver that heard them, without a margin; None where
    levels are relative."""
    project = inputs.project
    if cells.relative:
        return None
    if np.mean(cells.talk_in) > 0.5:
        return project.base.threshold_dbm - project.base.diversity_gain_db
    named = project.calibration.terminal or project.services[0].terminal
    return project.terminal(named).threshold_dbm


def stated_heights(ground: Ground, cells: Cells) -> dict[str, float]:
    """Heights [m] of the clutter classes of cells that the land cover states."""
    return {c.name: c.height_m for c in ground.classes if c.name in cells.classes and c.height_m > 0}


def _provenance(inputs: Inputs, logs: Logs, prepared: Prepared) -> dict[str, Any]:
    settings, (first, last) = inputs.project.calibration, logs.days()
    return {
        "file": settings.file, "made": dt.datetime.now(dt.UTC).date().isoformat(), "radiocov": __version__,
        "levels": settings.levels, "first_day": first, "last_day": last, "local_mean": settings.local_mean,
        "wavelengths": settings.wavelengths, "fading_db": prepared.fading_db, "simulated_rows": logs.simulated,
        "logs": logs.sources,
    }  # fmt: skip
