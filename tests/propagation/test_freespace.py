"""Free-space loss against the Recommendation's rounded form and its own limits."""

import numpy as np
import pytest

from radiocov.propagation.freespace import free_space_loss


def test_rounded_form_of_p525():
    # P.525 equation (4): 32.4 + 20 log f + 20 log d, rounded from 32.4478
    assert free_space_loss(350.0, 10.0) == pytest.approx(32.4478 + 20 * np.log10(3500.0), abs=1e-4)


def test_doubling_distance_or_frequency_costs_6_db():
    loss = free_space_loss([[350.0], [700.0]], [1.0, 2.0])
    assert loss.shape == (2, 2)
    assert np.diff(loss, axis=0) == pytest.approx(6.0206, abs=1e-4)
    assert np.diff(loss, axis=1) == pytest.approx(6.0206, abs=1e-4)


def test_slant_distance():
    assert free_space_loss(350.0, 3.0, 4000.0) == pytest.approx(free_space_loss(350.0, 5.0))
    assert free_space_loss(350.0, 0.0, 30.0) == pytest.approx(free_space_loss(350.0, 0.03))
    assert isinstance(float(free_space_loss(350.0, 1.0)), float)


@pytest.mark.parametrize(
    ("case", "match"),
    [((0.0, 1.0), "frequency_mhz"), ((350.0, -1.0), "distance_km"), ((350.0, 0.0), "move the ends apart"),
     ((350.0, [1.0, np.nan]), "distance_km")],
)
def test_refused(case, match):
    with pytest.raises(ValueError, match=match):
        free_space_loss(*case)
