"""Patterns without a file: omnis (ITU-R F.1336) and sector beams described by their widths (3GPP TR 36.814)."""

from __future__ import annotations

import math
import re

import numpy as np

from radiocov.antennas.pattern import Pattern
from radiocov.problems import Problem, ProjectError

BEAM_PREFIX = "beam:"
BEAM_EXAMPLE = '"beam:65/10" or, with a front-to-back ratio of 30 dB, "beam:65/10/30"'
FRONT_TO_BACK_DB = 25.0  # A_m of TR 36.814
SIDE_LOBES_DB = 20.0  # SLA_v of TR 36.814
PEAK_DIRECTIVITY_DEG2 = 32_400.0  # Elliott: directivity times both half-power widths
OMNI_DIRECTIVITY_DEG = 107.6  # ITU-R F.1336: gain of an omni times its half-power width


def omni_beamwidth_deg(gain_dbi: float) -> float:
    """Half-power vertical beamwidth [deg] of an omni of this gain, ITU-R F.1336 recommends 2.1 (reference
    omnidirectional pattern): 107.6 * 10^(-0.1 G)."""
    return OMNI_DIRECTIVITY_DEG * 10.0 ** (-0.1 * gain_dbi)


def omni_pattern(
    gain_dbi: float, vertical_beamwidth_deg: float | None = None, downtilt_deg: float = 0.0
) -> Pattern:
    """An omni. Without a beamwidth it radiates alike in all directions; with one, the vertical cut is the
    peak side-lobe pattern of ITU-R F.1336 recommends 2.1 with k = 0.7, tilted down all round by downtilt_deg
    (which needs a beamwidth to mean anything)."""
    vertical = np.zeros(360)
    if vertical_beamwidth_deg is not None:
        if not 0.0 < vertical_beamwidth_deg <= 180.0:
            raise ValueError(f"vertical beamwidth {vertical_beamwidth_deg:g} deg; give 0 (excluded) to 180")
        down = (np.arange(360.0) + 180.0) % 360.0 - 180.0
        behind = np.copysign(180.0 - np.abs(down), down)  # the back mirrors the front
        from_horizon = np.where(np.abs(down) <= 90.0, down, behind)
        x = np.abs(from_horizon - downtilt_deg) / vertical_beamwidth_deg
        k = 0.7
        knee = math.sqrt(1.0 - math.log10(k + 1.0) / 1.2)
        beyond = 12.0 - 10.0 * np.log10(np.maximum(x, 1.0) ** -1.5 + k)
        shoulder = 12.0 - 10.0 * math.log10(k + 1.0)
        vertical = np.where(x < knee, 12.0 * x**2, np.where(x < 1.0, shoulder, beyond))
    name = f"omni {gain_dbi:g} dBi"
    return Pattern(name, float(gain_dbi), None, np.zeros(360), vertical, float(downtilt_deg))


# ------------------------------------------------------------------------------------------------ beams
def beam_pattern(
    horizontal_deg: float, vertical_deg: float, front_to_back_db: float = FRONT_TO_BACK_DB,
    gain_dbi: float | None = None,
) -> Pattern:
    """A sector antenna by its half-power widths [deg], with the cuts of 3GPP TR 36.814 table A.2.1.1-2:
    A_h = min(12 (a / horizontal)^2, front-to-back), A_v = min(12 (t / vertical)^2, 20 dB).

    A horizontal width of 360 is an omni. Behind, the vertical cut is the front-to-back ratio. Without gain_dbi
    [dBi] it is 10 log10(32 400 / (horizontal * vertical)), Elliott's estimate for an array without losses, or for
    an omni that of ITU-R F.1336.
    """
    around = (np.arange(360.0) + 180.0) % 360.0 - 180.0
    omni = horizontal_deg >= 360.0
    lobes = np.minimum(12.0 * (around / vertical_deg) ** 2, SIDE_LOBES_DB)
    if omni:
        horizontal = np.zeros(360)
        behind = np.minimum(12.0 * ((180.0 - np.abs(around)) / vertical_deg) ** 2, SIDE_LOBES_DB)
    else:
        horizontal = np.minimum(12.0 * (around / horizontal_deg) ** 2, front_to_back_db)
        behind = np.full(360, front_to_back_db)
    vertical = np.where(np.abs(around) <= 90.0, lobes, behind)
    if gain_dbi is None:
        elsewhere = OMNI_DIRECTIVITY_DEG if omni else PEAK_DIRECTIVITY_DEG2 / horizontal_deg
        gain_dbi = round(10.0 * math.log10(elsewhere / vertical_deg), 2)
    name = f"{BEAM_PREFIX}{horizontal_deg:g}/{vertical_deg:g}"
    if front_to_back_db != FRONT_TO_BACK_DB and not omni:
        name += f"/{front_to_back_db:g}"
    return Pattern(name, gain_dbi, None, horizontal, vertical, 0.0)


def parse_beam(text: str) -> Pattern:
    """The pattern of "beam:HORIZONTAL/VERTICAL" or "beam:HORIZONTAL/VERTICAL/FRONT_TO_BACK" [deg, deg, dB].

    ProjectError (with no file) for anything else.
    """
    ranges = (("horizontal width", 5.0, 360.0, "deg"), ("vertical width", 1.0, 180.0, "deg"),
              ("front-to-back ratio", 5.0, 60.0, "dB"))
    numbers = [n.strip() for n in text.strip()[len(BEAM_PREFIX):].split("/")]
    if not 2 <= len(numbers) <= 3 or not all(re.fullmatch(r"\d+(\.\d*)?", n) for n in numbers):
        raise ProjectError(Problem("", "", f'"{text}" is not a beam', f"write it as {BEAM_EXAMPLE}"))
    values = [float(n) for n in numbers]
    for value, (what, low, high, unit) in zip(values, ranges, strict=False):
        if not low <= value <= high:
            raise ProjectError(Problem("", "", f'"{text}": {value:g} {unit} is no {what}',
                                       f"give {low:g} to {high:g} {unit}"))
    return beam_pattern(*values)
