import numpy as np
import pytest

from radiocov.calibration import fit, neighbours, synthetic


@pytest.fixture(scope="module")
def found():
    cells = synthetic.draw(synthetic.Truth(seed=9, outliers=0.0), 8000).cells
    return fit.solve(fit.prepare(cells, [], None, None, 300.0), np.inf)


def test_the_parts_of_the_field_and_its_range_are_about_those_it_was_drawn_with(found):
    truth = synthetic.Truth()
    assert found.parts.own == pytest.approx(truth.own_db**2, rel=0.5)
    assert found.parts.common == pytest.approx(truth.common_db**2, rel=0.5)
    assert found.parts.range_m == pytest.approx(truth.range_m, rel=0.6)


def test_sharing_widens_every_interval_and_none_narrows(found):
    layout = found.problem.layout
    priors = found.problem.priors(found.variances)
    state, system, _, _ = fit.mixed.climb(
        layout, found.problem.observed, priors, found.state, found.problem.scale(found.variances), np.inf
    )
    xy = neighbours.centres(found.problem.cells.x_m, found.problem.cells.y_m, layout.block, layout.blocks)
    more = neighbours.widened(layout, priors, system, found.parts, xy)
    alone = fit.mixed.covariance(system.dense, priors)
    ratio = np.sqrt(np.diag(alone + more) / np.diag(alone))
    assert ratio.min() > 0.999 and ratio.max() > 1.1
    # and the fit's own are of variances that are not known either
    whole = np.sqrt(np.diag(found.covariance) / np.diag(alone + more))
    assert whole.min() > 0.99 and whole.max() > 1.02


def test_the_waves_have_the_covariance_they_are_made_for():
    rng = np.random.default_rng(4)
    at, lags = rng.uniform(0, 1e5, (2, 400)), np.array([0.0, 200.0, 400.0, 1000.0])
    products = np.zeros(len(lags))
    for seed in range(60):
        field = synthetic.Waves(np.random.default_rng(seed), 400.0, 200)
        here = field(*at)
        products += [np.mean(here * field(at[0] + lag, at[1])) / 60 for lag in lags]
    np.testing.assert_allclose(products, np.exp(-lags / 400.0), atol=0.05)
