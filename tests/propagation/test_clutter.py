"""P.2108-1 section 3.1 against NTIA's test data, including the rows it must refuse."""

import csv

import numpy as np
import pytest

from radiocov.propagation.clutter import ClutterType, height_gain_loss

# From NTIA/p2108-test-data (public), tolerance 0.1 dB as published: f GHz, h, w_s, R, type, A_h
CASES = [
    (1.5, 2, 27, 10, 1, 16.0),
    (1.5, 2, 27, 10, 3, 20.5),
    (1.5, 2, 27, 15, 4, 24.5),
    (1.5, 2, 27, 20, 6, 27.1),
    (3.0, 3, 15, 15, 6, 29.0),
    (0.03, 2.1, 24.5, 9.8, 3, 5.7),
    (1.7, 30, 24.5, 9.8, 3, 0.0),
]


@pytest.mark.parametrize(("f", "h", "w_s", "clutter", "kind", "expected"), CASES)
def test_published_cases(f, h, w_s, clutter, kind, expected):
    assert height_gain_loss(1000.0 * f, h, clutter, kind, w_s) == pytest.approx(expected, abs=0.1)


def test_whole_table(shared):
    with open(shared / "reference/p2108/height_gain.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    refused = 0
    for row in rows:
        case = (
            1000.0 * float(row["f__ghz"]), float(row["h__meter"]), float(row["R__meter"]),
            int(row["clutter_type"]), float(row["w_s__meter"]),
        )
        if row["rtn"] == "0":
            assert height_gain_loss(*case) == pytest.approx(float(row["A_h__db"]), abs=0.1)
        else:
            refused += 1
            with pytest.raises(ValueError):
                height_gain_loss(*case)
    assert (len(rows), refused) == (23, 5)


def test_figures_at_350_mhz():
    """Computed independently from the equations: 14.7, 18.5, 21.0 dB at 1.5 m among 10, 15, 20 m."""
    loss = height_gain_loss(350.0, 1.5, [10.0, 15.0, 20.0], ClutterType.URBAN)
    assert loss == pytest.approx([14.7, 18.5, 21.0], abs=0.05)


def test_loss_falls_with_height_and_ends_at_the_top():
    heights = np.linspace(0.5, 20.0, 60)
    for kind in ClutterType:
        loss = height_gain_loss(358.0, heights, 15.0, kind)
        assert np.all(np.diff(loss) <= 1e-12)
        assert np.all(loss[heights >= 15.0] == 0.0)
        # J(0) - 6.03 and log(1): both forms reach 0 at the top of the clutter
        assert height_gain_loss(358.0, 15.0 - 1e-9, 15.0, kind) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("case", "match"),
    [
        ((29.0, 1.5, 10.0, 3), "frequency_mhz"), ((3001.0, 1.5, 10.0, 3), "frequency_mhz"),
        ((358.0, 0.0, 10.0, 3), "height_m"), ((358.0, 1.5, 0.0, 3), "clutter_height_m"),
        ((358.0, 1.5, 10.0, 3, 0.0), "street_width_m"), ((358.0, 1.5, 10.0, 7), "clutter_type"),
    ],
)
def test_refused(case, match):
    with pytest.raises(ValueError, match=match):
        height_gain_loss(*case)
