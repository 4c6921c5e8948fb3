"""What sites differ by from day to day, and who is told of it."""

from dataclasses import replace

import numpy as np
import pytest

from radiocov.calibration import design, synthetic
from radiocov.calibration.fit import fit
from radiocov.calibration.model import Field
from radiocov.calibration.residuals import predicted, with_field

FIELD = Field(own_db=3.0, nugget_db=4.0, range_m=300.0)


def twice(shift_db: float):
    """(one drive on two days, each with its own errors, what each site is off by on each)."""
    truth = synthetic.Truth(sites=30, own_db=0.0, common_db=0.0, outliers=0.0, spacing_m=50.0)
    first = synthetic.draw(truth, 6000).cells
    rng = np.random.default_rng(5)
    both = first.of(np.tile(np.arange(len(first)), 2))
    second = (np.arange(len(both)) >= len(first)).astype(int)
    shift = rng.normal(0, shift_db, (2, len(first.sites)))
    level = both.predicted_dbm + rng.normal(0, 4, len(both)) + shift[second, both.site]
    return replace(both, level_dbm=level, day=10 + 10 * second, device=np.zeros(len(both), int)), shift


@pytest.mark.parametrize("shift_db", [0.0, 5.0])
def test_what_differs_from_day_to_day_is_found(shift_db):
    cells, shift = twice(shift_db)
    made = fit(cells, block_m=0.0)
    assert made.day_db == pytest.approx(shift_db, abs=1.0)
    between = [made.days[name, 20].value - made.days[name, 10].value for name in cells.sites]
    assert np.std(between - (shift[1] - shift[0])) < 0.6


def test_one_day_tells_nothing_of_another():
    cells, _ = twice(5.0)
    made = fit(cells.of(cells.day == 10), block_m=0.0)
    assert made.day_db == 0.0 and not made.days


def test_another_day_is_less_sure_than_the_days_of_the_fit():
    cells, _ = twice(5.0)
    made = with_field(fit(cells, block_m=0.0), cells, "", FIELD)
    seen, new = (predicted(replace(cells, day=np.full(len(cells), day)), made)[1] for day in (10, 30))
    sd = {name: effect.sd for (name, day), effect in made.days.items() if day == 10}
    assert np.all(new > seen)
    # a day of the fit is known as well as its site is, about its mean with the other
    assert np.median(new**2 - seen**2) > 0.6 * made.day_db**2 and max(sd.values()) < made.day_db


def test_days_are_joined_where_there_are_too_many():
    cells, _ = twice(1.0)
    many = replace(cells, day=np.arange(len(cells)) % 200)
    span = design.day_span(many)
    assert span > 1 and len(design.days_of(many, span)[0]) <= design.MOST_DAYS
