"""Whether the ground explains anything: the model's excess loss, or a line over distance in its place.

Over coarse terrain, excess loss may have nothing to do with what stands between the antennas. A weight found beside a
prior that trusts it stays half-way, and predicts worse than a line where nobody drove. So a fit that would take half
of the loss off is set against one that takes all of it, with one number less, and has to be clearly likelier to stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from radiocov.calibration.design import OFF, Column

if TYPE_CHECKING:
    from radiocov.calibration.fit import Found

SUSPECT = 0.5  # weight, two standard deviations above what was found, from which the loss is doubted
CLEAR = 3.0  # difference of log marginal likelihoods: odds of 20 to 1
REASON = "loss by obstacles is switched off: over this ground a line over distance says as much"


def without_terrain(found: Found, fitted: Callable[[Column], Found]) -> Found:
    """`found`, or the fit without excess loss. fitted: makes the fit with a column in place of the excess."""
    columns = found.problem.columns
    number = next((k for k, c in enumerate(columns) if c.name == "excess"), -1)
    if number < 0 or "excess" in found.problem.reasons:
        return found
    sd = math.sqrt(found.covariance[number, number])
    if found.state.theta[number] + 2 * sd < SUSPECT:
        return found
    other = fitted(replace(columns[number], mean=OFF, sd=sd, reason=REASON, low=-math.inf, high=math.inf))
    return found if found.evidence - other.evidence > CLEAR else other
