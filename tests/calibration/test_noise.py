"""Floors of receivers: found where readings end at them, not where they do not, and taken off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.calibration import noise
from radiocov.calibration.model import BELOW, NONE


def walked(floor_dbm: float, seed: int, count: int = 300, spread_db: float = 7.0):
    """(distance, reading, signal) of one receiver whose noise is `floor_dbm`; shadowing of neighbours is alike."""
    rng = np.random.default_rng(seed)
    km = np.sort(10 ** rng.uniform(-0.5, 1.0, count))
    shadow = np.convolve(rng.standard_normal(count + 20), np.ones(6) / np.sqrt(6), "same")[:count]
    signal = -85.0 - 38.0 * np.log10(km) + spread_db * shadow
    return km, noise.reading(signal, np.full(count, floor_dbm)) + rng.normal(0, 0.7, count), signal


def floors(km, level, censored=None, day=None):
    n = len(km)
    kind = np.full(n, NONE) if censored is None else censored
    return noise.find(np.zeros(n, int), np.zeros(n, int) if day is None else day, km, level, kind)


@pytest.mark.parametrize("seed", range(8))
def test_a_floor_is_found_where_readings_end_at_it(seed):
    km, level, _ = walked(-112.0, seed)
    found = floors(km, level)
    assert found.receivers == 1 and not found.deaf.any()
    assert found.floor_dbm[0] == pytest.approx(-112.0, abs=1.5)


@pytest.mark.parametrize("seed", range(8))
def test_none_is_found_where_levels_go_on_falling(seed):
    km, level, _ = walked(-170.0, seed)
    assert floors(km, level).receivers == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_receiver_that_says_where_it_heard_nothing_has_no_floor_at_its_limit(seed):
    km, level, _ = walked(-170.0, seed)
    limit = float(np.quantile(level, 0.4))
    assert floors(km, np.maximum(level, limit), np.where(level < limit, BELOW, NONE)).receivers == 0


def test_floors_are_of_a_day():
    km, quiet, _ = walked(-170.0, 1)
    _, loud, _ = walked(-108.0, 2)
    found = floors(np.tile(km, 2), np.r_[quiet, loud], day=np.repeat([3, 4], len(km)))
    assert np.isnan(found.floor_dbm[: len(km)]).all() and (found.floor_dbm[len(km) :] > -111).all()


def test_a_receiver_that_reads_noise_near_and_far_is_deaf():
    km, _, _ = walked(-112.0, 3)
    level = -112.0 + np.random.default_rng(1).normal(0, 0.8, len(km))
    assert floors(km, level).deaf.all()


def test_a_line_through_signals_is_the_true_one_and_through_readings_is_not():
    """What is taken off and what is said to lie below the noise give the slope back that readings hide."""
    slopes = []
    for seed in range(6):
        km, level, signal = walked(-108.0, seed)
        floor = floors(km, level).floor_dbm
        without, error, kind = noise.without_noise(level, np.full(len(km), 1.0), np.full(len(km), NONE), floor)
        up = kind == NONE
        assert np.median(np.abs(without - signal)[up & (level > floor + 6)]) < 1.5
        assert np.all(error[up] >= 1.0) and np.all(signal[~up] < floor[~up] + 6)
        mean, _ = noise._censored_line(np.log10(km), without, ~up)
        slopes.append([np.polyfit(np.log10(km), v, 1)[0] for v in (mean, level)])
    fitted, plain = np.mean(slopes, axis=0)
    assert fitted == pytest.approx(-38.0, abs=5.0) and plain > -30.0


@given(st.floats(-130, -60), st.floats(-125, -95))
def test_taking_noise_off_undoes_adding_it(signal, floor):
    level = noise.reading(np.array([signal]), np.array([floor]))
    back, _, kind = noise.without_noise(level, np.ones(1), np.array([NONE]), np.array([floor]))
    if level[0] >= floor + noise.MARGIN_DB:
        assert kind[0] == NONE and back[0] == pytest.approx(signal, abs=1e-6)
    else:
        assert kind[0] == BELOW and signal < back[0] + 1e-9
