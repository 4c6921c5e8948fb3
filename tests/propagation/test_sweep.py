"""The radial sweep equals the path-by-path form at every sample."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import draw_terrain

from radiocov.propagation import hull, p1812, sweep

PHI, PHI_PER_KM = 41.0, 0.004
DELTA_N, N0 = 45.0, 325.0


def by_sweep(h, clutter, zone, step, htg, hrg, f, p, pol=1, want=None):
    n = h.size
    out = np.full(n, np.nan)
    want = np.ones(n, np.uint8) if want is None else want
    q, w = sweep.workspace(n)
    sweep.radial_loss(h, clutter, zone, step, want, htg, hrg, f, p, PHI, PHI_PER_KM, DELTA_N, N0, pol, q, w, out)
    return out


def by_path(h, clutter, zone, step, htg, hrg, f, p, n, pol=1):
    d = np.arange(n + 1) * step
    r, z = clutter[: n + 1].copy(), zone[: n + 1].copy()
    r[0] = r[-1] = 0.0
    sea = np.flatnonzero(z == 1)
    dct, dcr = (sea[0] * step, (n - sea[-1]) * step) if sea.size else (500.0, 500.0)
    return p1812.path_loss(
        d, h[: n + 1].copy(), r, z, htg, hrg, f, p, PHI + PHI_PER_KM * d[-1], DELTA_N, N0, pol, dct, dcr
    )


def differences(h, clutter, zone, step, htg, hrg, f, p, pol=1):
    swept = by_sweep(h, clutter, zone, step, htg, hrg, f, p, pol)
    assert np.isfinite(swept).all()
    one_by_one = [by_path(h, clutter, zone, step, htg, hrg, f, p, n, pol) for n in range(1, h.size)]
    return np.abs(swept[1:] - one_by_one)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.integers(0, 5),
    n=st.integers(2, 400),
    step=st.sampled_from([0.03, 0.1, 0.3]),
    htg=st.sampled_from([1.5, 10.0, 30.0, 60.0, 300.0]),
    hrg=st.sampled_from([1.5, 3.0, 10.0]),
    f=st.sampled_from([0.03, 0.15, 0.358, 2.0, 6.0]),
    p=st.sampled_from([1.0, 10.0, 50.0]),
    pol=st.sampled_from([0, 1]),
)
@example(seed=11, kind=0, n=300, step=0.1, htg=10.0, hrg=10.0, f=6.0, p=1.0, pol=1)  # equal heights on flat ground
@example(seed=2, kind=2, n=182, step=0.1, htg=10.0, hrg=10.0, f=0.358, p=10.0, pol=1)
@example(seed=1, kind=3, n=453, step=0.1, htg=10.0, hrg=10.0, f=0.358, p=1.0, pol=1)  # exactly 3/4 over sea
def test_equals_path_by_path(seed, kind, n, step, htg, hrg, f, p, pol):
    ground = draw_terrain(np.random.default_rng(seed), n, kind)
    assert differences(*ground, step, htg, hrg, f, p, pol).max() < 1e-6


@pytest.mark.parametrize("p", [1.0, 50.0])
def test_equals_path_by_path_on_real_mountains(shared, p):
    """A radial over the Alps at 3 arc seconds, with a valley and a summit transmitter."""
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(shared / "data" / "dem" / "srtm3_N46E008.tif") as dem:
        column = dem.read(1)[:, 600].astype(float)
    for first, htg in ((100, 40.0), (700, 15.0)):
        h = np.maximum(column[first : first + 400], 0.0)
        flat = np.zeros(h.size), np.full(h.size, 4, np.uint8)
        assert differences(h, *flat, 0.0927, htg, 1.5, 0.358, p).max() < 1e-6


@pytest.mark.parametrize("kind", range(6))
def test_equals_path_by_path_far_out_on_long_radials(kind):
    """Beyond 4096 samples, 30 m apart, every 500th receiver."""
    ground = draw_terrain(np.random.default_rng(kind), 6500, kind)
    want = (np.arange(6500) % 500 == 499).astype(np.uint8)
    for p in (10.0, 50.0):
        swept = by_sweep(*ground, 0.03, 60.0, 1.5, 0.358, p, want=want)
        for n in np.flatnonzero(want):
            assert swept[n] == pytest.approx(by_path(*ground, 0.03, 60.0, 1.5, 0.358, p, n), abs=1e-6)


def test_samples_not_wanted_are_left_alone_and_change_nothing():
    h, clutter, zone = draw_terrain(np.random.default_rng(9), 300, 4)
    everything = by_sweep(h, clutter, zone, 0.05, 30.0, 1.5, 0.358, 50.0)
    want = (np.arange(300) % 7 == 3).astype(np.uint8)
    some = by_sweep(h, clutter, zone, 0.05, 30.0, 1.5, 0.358, 50.0, want=want)
    assert np.array_equal(some[want == 1], everything[want == 1])
    assert np.isnan(some[want == 0]).all()


def test_a_workspace_used_before_gives_the_same():
    rng = np.random.default_rng(4)
    q, w = sweep.workspace(500)
    for n, kind in ((500, 4), (90, 2), (300, 0)):
        h, clutter, zone = draw_terrain(rng, n, kind)
        out = np.empty(n)
        want = np.ones(n, np.uint8)
        sweep.radial_loss(
            h, clutter, zone, 0.1, want, 30.0, 1.5, 0.358, 10.0, PHI, PHI_PER_KM, DELTA_N, N0, 1, q, w, out
        )
        assert np.array_equal(out, by_sweep(h, clutter, zone, 0.1, 30.0, 1.5, 0.358, 10.0))


heights = st.lists(st.floats(-500, 3000, width=32), min_size=3, max_size=200)


@given(heights, st.floats(-50, 50), st.integers(0, 300))
def test_hull_queries_against_every_point(values, z, start):
    """Tangents and extremes found on the hull are the largest over all points passed."""
    y = np.array(values)
    n = y.size
    hx, hy = np.empty(n + 1), np.empty(n + 1)
    size = 0
    for i in range(n):
        size = hull.push(hx, hy, size, float(i), y[i])
    x = np.arange(n)
    at = hull.tangent(hx, hy, size, n, z, start)
    assert (hy[at] - z) / (n - hx[at]) == pytest.approx(((y - z) / (n - x)).max(), rel=1e-12, abs=1e-12)
    at = hull.extreme(hx, hy, size, z, start)
    assert hy[at] - z * hx[at] == pytest.approx((y - z * x).max(), rel=1e-12, abs=1e-9)


@given(
    st.integers(2, 700), st.integers(0, 2**31), st.floats(-2, 2), st.floats(0, 600), st.booleans(),
    st.integers(0, 800),
)  # fmt: skip
def test_block_searches_against_every_point(n, seed, s, y0, rough, hint):
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 500, n + 1) if rough else 100 - 1e-4 * np.arange(n + 1) ** 2.0
    inv_sqrt = np.zeros(n + 1)
    inv_sqrt[1:] = 1 / np.sqrt(np.arange(1, n + 1))
    top = np.empty(n)
    hull.block_maxima(y, top)
    i = np.arange(1, n)
    q = (y[1:n] - y0 - s * i) / np.sqrt(i * (n - i))
    best, at = hull.max_edge_parameter(y, top, n, y0, s, inv_sqrt, -np.inf, hint)
    if n > 1:
        assert best == pytest.approx(q.max(), rel=1e-12, abs=1e-12)
        assert q[at - 1] == pytest.approx(q.max(), rel=1e-10, abs=1e-12)
    first, last = sorted(rng.integers(1, n, 2)) if n > 2 else (1, 1)
    over = y[first : last + 1] - y0 - s * np.arange(first, last + 1)
    assert hull.max_above_line(y, top, first, last, y0, s) == pytest.approx(over.max(), rel=1e-12, abs=1e-9)
