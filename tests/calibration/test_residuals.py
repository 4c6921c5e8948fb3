"""What sites differ by from day to day, and who is told of it."""

from dataclasses import replace

import numpy as np
import pytest

from radiocov.calibration import synthetic
from radiocov.calibration.fit import fit
from radiocov.calibration.model import Field
from radiocov.calibration.residuals import between_days, predicted, with_field

FIELD = Field(own_db=3.0, nugget_db=4.0, range_m=300.0)


def twice(shift_db: float):
    """One drive on two days, each with its own errors; sites are off by a drawn amount on the second."""
    truth = synthetic.Truth(sites=30, own_db=0.0, common_db=0.0, outliers=0.0, spacing_m=50.0)
    first = synthetic.draw(truth, 6000).cells
    rng = np.random.default_rng(5)
    both = first.of(np.tile(np.arange(len(first)), 2))
    second = np.arange(len(both)) >= len(first)
    level = both.predicted_dbm + rng.normal(0, 4, len(both))
    level = level + second * (rng.normal(0, shift_db * np.sqrt(2), len(first.sites)))[both.site]
    return replace(both, level_dbm=level, day=np.where(second, 20, 10), device=np.zeros(len(both), int))


@pytest.mark.parametrize("shift_db", [0.0, 5.0])
def test_what_differs_from_day_to_day_is_found(shift_db):
    cells = twice(shift_db)
    found = between_days(cells, cells.level_dbm - cells.predicted_dbm)
    assert found == pytest.approx(shift_db, abs=1.5)


def test_one_day_tells_nothing_of_another():
    cells = twice(5.0)
    cells = cells.of(cells.day == 10)
    assert between_days(cells, cells.level_dbm - cells.predicted_dbm) == 0.0


def test_another_day_is_less_sure_than_the_days_of_the_fit():
    cells = twice(5.0)
    made = with_field(fit(cells, block_m=0.0), cells, "", FIELD)
    seen, new = (predicted(replace(cells, day=np.full(len(cells), day)), made)[1] for day in (10, 30))
    assert np.allclose(new**2 - seen**2, made.day_db**2, atol=0.05)
