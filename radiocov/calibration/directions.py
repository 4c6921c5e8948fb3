"""Talk-in taken for talk-out, or the reverse.

What tells is how far the levels lie from the predictions as they are labelled, and from those of the other direction.
Both directions cross the same obstacles, so that a model which errs does so alike in both: the difference between
them tells most, then how sites of other powers and receivers lie apart, and the levels themselves least.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radiocov.calibration.model import NONE, Cells
from radiocov.problems import Problem

FEWEST, FEWEST_SITES = 10, 4  # cells of a direction or a site; sites that are set against each other
BETWEEN_DB, APART_DB, ALONE_DB = 6.0, 3.0, 10.0  # off as labelled: between directions, from site to site, by itself
BETTER, FAR_BETTER = 0.5, 0.25  # of it left when exchanged; the model's own offset needs the second
DOUBT_DB = 9.0
REMEDY = (
    "correct the column or the terminal ([calibration] terminal); if they are right, set trust_direction = true"
)


def exchanged(cells: Cells, other_dbm: np.ndarray) -> Iterator[Problem]:
    """A fault or a doubt where levels fit the other direction better. other_dbm: (n,) its predictions."""
    heard = cells.censored == NONE
    residuals = cells.level_dbm - cells.predicted_dbm, cells.level_dbm - other_dbm
    directions = [heard & (cells.talk_in == side) for side in (False, True)]
    if all(mine.sum() >= FEWEST for mine in directions):
        out, back = directions
        own, other = (float(np.median(r[back]) - np.median(r[out])) for r in residuals)
        if abs(own) > BETWEEN_DB and abs(other) < BETTER * abs(own):
            yield _fault(f"talk-in is {own:+.1f} dB off against talk-out as labelled and {other:+.1f} dB exchanged")
        return
    if heard.sum() < FEWEST:
        return
    name, reverse = ("talk-in", "talk-out") if cells.talk_in[heard].all() else ("talk-out", "talk-in")
    sites = [s for s in np.unique(cells.site[heard]) if np.sum(heard & (cells.site == s)) >= FEWEST]
    by_site = np.array([[np.median(r[heard & (cells.site == s)]) for s in sites] for r in residuals])
    if len(sites) >= FEWEST_SITES and np.std(by_site[0] - by_site[1]) > APART_DB:
        apart, turned = np.std(by_site, axis=1)
        if turned < BETTER * apart:
            yield _fault(f"sites lie {apart:.1f} dB apart about the prediction of {name} and {turned:.1f} dB about "
                         f"that of {reverse}")  # fmt: skip
            return
    own, other = (float(np.median(r[heard])) for r in residuals)
    said = f"{name} levels are {own:+.1f} dB off as labelled and {other:+.1f} dB as {reverse}"
    if abs(own) >= ALONE_DB and abs(other) <= FAR_BETTER * abs(own):
        yield _fault(said)
    elif abs(own) - abs(other) > DOUBT_DB:
        yield Problem("", "direction", said, f"make sure that they are {name}", "warning")


def _fault(said: str) -> Problem:
    return Problem("", "direction", f"the directions look exchanged: {said}", REMEDY)
