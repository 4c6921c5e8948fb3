"""Refractivity maps: made ones in the ITU's format, since the real ones may not be passed on."""

import numpy as np
import pytest

from radiocov.problems import ProjectError
from radiocov.refractivity import read_map


def write(path, values):
    path.write_text("\n".join(" ".join(f"{v:.4f}" for v in row) for row in values) + "\n")
    return path


@pytest.fixture
def values():
    lat = np.linspace(90.0, -90.0, 121)[:, None]
    lon = np.linspace(0.0, 360.0, 241)[None, :]
    return 45.0 + 0.2 * lat + 10.0 * np.cos(np.radians(lon))


def test_values_by_place(tmp_path, values):
    found = read_map(write(tmp_path / "DN50.TXT", values), 1.0, 156.0)
    assert found.at(0.0, 90.0) == pytest.approx(73.0)
    assert found.at(120.0, 42.0) == pytest.approx(45.0 + 8.4 - 5.0, abs=1e-3)
    assert found.at(-90.0, -90.0) == pytest.approx(27.0, abs=1e-3)
    assert found.at(-120.0, 42.0) == pytest.approx(found.at(240.0, 42.0))
    # between the points of the grid: latitude is linear, so exact there
    assert found.at(120.0, 41.3) == pytest.approx(45.0 + 8.26 - 5.0, abs=1e-3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: v[:-1], "has 120 rows of 241 numbers"),
        (lambda v: v * 10, "has values outside 1 to 156"),
        (lambda v: v + np.arange(241) * 0.01, "differs at 0 and 360 degrees"),
    ],
)
def test_what_is_no_such_map_is_refused(tmp_path, values, spoil, message):
    with pytest.raises(ProjectError, match=message):
        read_map(write(tmp_path / "DN50.TXT", spoil(values)), 1.0, 156.0)


def test_words_and_absence(tmp_path):
    (tmp_path / "x.txt").write_text("not numbers\n")
    with pytest.raises(ProjectError, match="is not a table of numbers; give the ITU's file of 121 rows"):
        read_map(tmp_path / "x.txt", 1.0, 156.0)
    with pytest.raises(ProjectError, match="cannot be read"):
        read_map(tmp_path / "absent.txt", 1.0, 156.0)
