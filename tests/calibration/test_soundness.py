"""Data that no calibration may come from, and data that are sound but say less than they seem."""

from dataclasses import replace

import numpy as np
import pytest

from radiocov.calibration import synthetic
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.model import BELOW, NONE
from radiocov.calibration.soundness import checked, off_periods


@pytest.fixture(scope="module")
def cells():
    return synthetic.draw(synthetic.Truth(seed=21), 2000, 0.2).cells


def refused(cells, words, **more):
    with pytest.raises(CalibrationError, match=words):
        checked(cells, **more)


def test_sound_data_pass_without_a_word(cells):
    assert checked(cells, measured_mhz=358.0, other_direction_dbm=cells.predicted_dbm - 8.0) == []


@pytest.mark.parametrize("seed", range(8))
def test_no_sound_draw_is_refused(seed):
    truth = synthetic.Truth(seed=100 + seed, sites=3 + seed, offset_db=-12.0 + 3 * seed)
    for censored in (0.0, 0.5):
        for doubt in checked(synthetic.draw(truth, 1200, censored).cells):
            assert "no cell says where nothing was heard" in doubt.message or "from one day" in doubt.message


def test_nothing_and_too_little(cells):
    refused(cells.of(np.zeros(len(cells), bool)), "no cell to calibrate to")
    refused(replace(cells, censored=np.full(len(cells), BELOW)), "all 2000 cells are censored")
    few = cells.of(np.flatnonzero(cells.censored == NONE)[:12])
    refused(few, "12 cells were heard; at least 30")
    level = cells.level_dbm.copy()
    level[5] = np.nan
    refused(replace(cells, level_dbm=level), "level_dbm is no number in 1 of 2000 cells, first in cell 5")


def test_constant_levels(cells):
    constant = np.where(cells.censored == NONE, -93.0, cells.level_dbm)
    refused(replace(cells, level_dbm=constant), "levels are constant at -93.0 dBm")
    unset = np.where(np.arange(len(cells)) % 2 == 0, -128.0, cells.level_dbm)
    refused(replace(cells, level_dbm=unset), "exactly -128 dBm")


def test_relative_levels_that_were_not_declared(cells):
    refused(replace(cells, level_dbm=cells.level_dbm + 110), "relative")
    refused(replace(cells, level_dbm=cells.level_dbm - 55), "dB below the prediction")
    relative = replace(cells, level_dbm=cells.level_dbm + 110, relative=True, talk_in=np.ones(len(cells), bool))
    checked(relative)


def test_another_band(cells):
    refused(cells, "taken at 868 MHz and the prediction is for 358 MHz", measured_mhz=868.0)
    assert "380 MHz" in checked(cells, measured_mhz=380.0)[0].message


def test_levels_that_follow_nothing(cells):
    shuffled = cells.level_dbm.copy()
    heard = np.flatnonzero(cells.censored == NONE)
    shuffled[heard] = np.random.default_rng(1).permutation(shuffled[heard])
    refused(replace(cells, level_dbm=shuffled), "do not follow the prediction")
    swapped_sites = replace(cells, predicted_dbm=np.roll(cells.predicted_dbm, 500))
    refused(swapped_sites, "do not follow the prediction")


def test_directions_that_were_swapped(cells):
    """Sites differ in power and receiver, so the directions' predictions differ otherwise from site to site."""
    balance = np.linspace(-2.0, 20.0, len(cells.sites))[cells.site]
    swapped = replace(cells, predicted_dbm=cells.predicted_dbm - balance)
    refused(swapped, "look exchanged: sites lie .* about the prediction of talk-out .* that of talk-in",
            other_direction_dbm=cells.predicted_dbm)  # fmt: skip
    assert checked(cells, other_direction_dbm=cells.predicted_dbm - balance) == []


def test_two_directions_taken_for_each_other(cells):
    """The gap between them tells, whatever the model's own offset."""
    talk_in = np.arange(len(cells)) % 2 == 0
    right = cells.predicted_dbm - np.where(talk_in, 12.0, 0.0)
    wrong = cells.predicted_dbm - np.where(talk_in, 0.0, 12.0)
    both = replace(cells, talk_in=talk_in, level_dbm=cells.level_dbm - np.where(talk_in, 12.0, 0.0))
    said = "look exchanged: talk-in is .* off against talk-out as labelled"
    refused(replace(both, predicted_dbm=wrong), said, other_direction_dbm=right)
    assert checked(replace(both, predicted_dbm=right), other_direction_dbm=wrong) == []


def test_a_transmitter_that_was_off_for_a_day(cells):
    day = int(np.bincount(cells.day[cells.site == 2]).argmax())
    off = (cells.site == 2) & (cells.day == day)
    limit = cells.level_dbm[cells.censored == BELOW].max()
    silent = replace(
        cells, level_dbm=np.where(off, limit, cells.level_dbm), censored=np.where(off, BELOW, cells.censored)
    )
    assert [found[:2] for found in off_periods(silent)] == [(2, day)]
    date = np.datetime64(day, "D")
    refused(silent, f"S02 was not heard .* on {date}: its transmitter was off")
    assert off_periods(cells) == []
    weak = replace(cells, level_dbm=np.where(off & (cells.censored == NONE), cells.level_dbm - 40, cells.level_dbm))
    refused(weak, "S02 lies .* dB below")


def test_one_of_everything_is_said_and_not_refused():
    one = synthetic.draw(synthetic.Truth(sites=1, devices=1, days=1, seed=3), 400, 0.1).cells
    said = [problem.message for problem in checked(one)]
    assert [any(word in line for line in said) for word in ("one handset", "one site", "one day")] == [True] * 3


def test_a_handset_with_an_attenuator_is_named(cells):
    level = np.where((cells.device == 3) & (cells.censored == NONE), cells.level_dbm - 20, cells.level_dbm)
    assert any("H003 reads" in problem.message for problem in checked(replace(cells, level_dbm=level)))
