"""The vectorisable functions against numpy's over the ranges that the models use."""

import numba
import numpy as np
import pytest

from radiocov.propagation import fastmath

RNG = np.random.default_rng(1)
N = 20_000
CASES = {
    "log2": (np.log2, 10.0 ** RNG.uniform(-290, 290, N)),
    "log10": (np.log10, 10.0 ** RNG.uniform(-6, 9, N)),
    "log": (np.log, RNG.uniform(0.5, 2.0, N)),
    "exp2": (np.exp2, RNG.uniform(-900, 900, N)),
    "exp": (np.exp, RNG.uniform(-30, 30, N)),
    "exp10": (lambda x: 10.0**x, RNG.uniform(-30, 30, N)),
    "asin": (np.arcsin, np.concatenate([RNG.uniform(-1, 1, N), [-1.0, -0.5, 0.5, 1.0]])),
    "small_sin": (np.sin, RNG.uniform(-np.pi / 6, np.pi / 6, N)),
    "atan": (np.arctan, RNG.normal(0, 1, N) * 10.0 ** RNG.uniform(-4, 4, N)),
}


def over_arrays(function):
    """A jitted scalar function of one argument as a ufunc."""
    return numba.vectorize(lambda x: function(x))


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_numpy(name):
    reference, x = CASES[name]
    expected = reference(x)
    found = over_arrays(getattr(fastmath, name))(x)
    # a zero of the function leaves only an absolute error to speak of
    assert np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-6)) < 2e-14


def test_tanh_and_power():
    x = RNG.uniform(-20, 20, N)
    assert np.max(np.abs(over_arrays(fastmath.tanh)(x) - np.tanh(x))) < 1e-15
    base, exponent = RNG.uniform(1e-3, 1e3, N), RNG.uniform(-4, 4, N)
    power = numba.vectorize(lambda x, y: fastmath.power(x, y))
    assert power(base, exponent) == pytest.approx(base**exponent, rel=1e-13)


def test_exponents_stay_in_the_range_of_normal_numbers():
    exp2 = over_arrays(fastmath.exp2)
    assert exp2(np.array([-5000.0, 5000.0])).tolist() == [2.0**-1021, 2.0**1023]


def test_loops_become_vector_instructions():
    @numba.njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = fastmath.log10(x[i]) + fastmath.exp(x[i])

    loop(np.ones(8), np.ones(8))
    code = next(iter(loop.inspect_llvm().values()))
    assert "x double>" in code, "the functions have become something that LLVM cannot vectorise"
