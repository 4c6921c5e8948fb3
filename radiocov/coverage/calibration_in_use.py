"""Which calibration a coverage run uses, whether it may, and what it changes of the ground."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from radiocov.calibration.files import check_fitness, read_calibration
from radiocov.calibration.model import Calibration
from radiocov.problems import Problem, ProjectError, errors_of
from radiocov.project import Project
from terrain.ground import Ground


def calibration_of(project: Project, asked: str | None = None) -> Calibration | None:
    """The calibration that a file holds, or the project's own where none is asked for; None for "none", and where
    the project uses none or has none yet."""
    if asked == "none" or (asked is None and not project.calibration.use):
        return None
    path = project.calibration_file if asked is None else Path(asked)
    if asked is None and not path.exists():
        return None
    try:
        found = read_calibration(path)
    except OSError as error:
        fault = f"cannot be read ({error.strerror or error})"
        raise ProjectError(Problem(str(path), "", fault, 'give a calibration.toml, or "none"')) from error
    return dataclasses.replace(found, provenance={**found.provenance, "file": path.name})


def with_effective_heights(ground: Ground, calibration: Calibration | None) -> Ground:
    """The ground with the calibration's effective clutter heights in place of the legend's. Measured heights, and
    surface models, which have none, stay."""
    heights = {} if calibration is None else {k: e.value for k, e in calibration.clutter_heights_m.items()}
    changed = [c.name in heights and heights[c.name] != c.height_m for c in ground.classes]
    if not any(changed):
        return ground
    height_m = np.array(ground.clutter_height_m)
    for number, (c, new) in enumerate(zip(ground.classes, changed, strict=True)):
        if new:
            stated = (ground.clutter_class == number) & (height_m == np.float32(c.height_m))
            height_m[stated] = max(heights[c.name], 0.0)
    classes = [
        dataclasses.replace(c, height_m=max(heights[c.name], 0.0)) if new else c
        for c, new in zip(ground.classes, changed, strict=True)
    ]
    return dataclasses.replace(
        ground, clutter_height_m=height_m, classes=classes, folder=None, digest=""
    )  # fmt: skip


def check_use(calibration: Calibration | None, project: Project, ground: Ground) -> tuple[str, ...]:
    """What a user should know of using a calibration here. ProjectError where it is of another model or band, or
    knows no absolute levels."""
    if calibration is None:
        return ()
    if calibration.validity.get("absolute") is False:
        fault = "is of relative levels: each site's effect holds the unknown zero of its receiver"
        remedy = "calibrate to levels in dBm, or run with `--calibration none`"
        raise ProjectError(Problem(project.calibration.file, "", fault, remedy))
    problems = check_fitness(calibration, project, ground)
    if errors := errors_of(problems):
        raise ProjectError(errors)
    return tuple(str(problem) for problem in problems)
