"""calibration.toml is read back as it was written; what was spoilt is named with its line."""

import dataclasses
import string
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radiocov.calibration.files import (
    GROUPS,
    check_fitness,
    model_facts,
    read_calibration,
    rounded,
    write_calibration,
)
from radiocov.calibration.model import Calibration, Effect, Field, Residuals
from radiocov.problems import ProjectError

numbers = st.floats(-1e6, 1e6)
sizes = st.floats(0, 1e6)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
statuses = st.sampled_from(["fitted", "shrunk", "kept"])
effect = st.builds(Effect, numbers, sizes, st.integers(0, 10**6), statuses, texts)
effects = st.dictionaries(texts, effect, max_size=3)
plain = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)), max_leaves=6,
)  # fmt: skip
tables = st.dictionaries(texts, plain, max_size=3)


@st.composite
def residuals(draw):
    n = draw(st.integers(1, 5))
    values = [draw(arrays(np.float64, n, elements=numbers)) for _ in range(4)]
    site = draw(arrays(np.int64, n, elements=st.integers(0, 1)))
    return Residuals(values[0], values[1], site, values[2], values[3], tuple(draw(st.lists(texts, max_size=2))),
                     draw(texts))  # fmt: skip


@st.composite
def calibrations(draw):
    groups = {name: draw(effects) for name in GROUPS}
    size = sum(len(groups[name]) for name in ("fixed", "classes", "sites"))
    return Calibration(
        **groups, covariance=draw(arrays(np.float64, (size, size), elements=numbers)), site_db=draw(sizes),
        device_db=draw(sizes), degrees_of_freedom=draw(st.one_of(st.just(np.inf), st.floats(2, 100))),
        field=draw(st.builds(Field, sizes, sizes, sizes, sizes, sizes, numbers)),
        residuals=draw(st.one_of(st.none(), residuals())), validity=draw(tables),
        validation=draw(st.lists(tables.filter(bool), max_size=2)), provenance=draw(tables),
        advice=tuple(draw(st.lists(texts, max_size=2))),
    )  # fmt: skip


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return a == b


@settings(max_examples=150)
@given(calibrations())
def test_what_is_read_is_what_was_written(tmp_path_factory, calibration):
    path = tmp_path_factory.mktemp("files") / "calibration.toml"
    written = write_calibration(path, calibration)
    assert len(written) == 1 + (calibration.residuals is not None)
    assert same(read_calibration(path), calibration)


@settings(max_examples=60)
@given(calibrations())
def test_rounding_changes_little_and_is_done_once(calibration):
    once = rounded(calibration)
    assert same(rounded(once), once)
    for name, e in calibration.fixed.items():
        assert once.fixed[name].value == pytest.approx(e.value, abs=1e-4, rel=1e-9)


EXAMPLE = Calibration(
    fixed={"offset_db": Effect(-3.5, 0.8, 120), "excess": Effect(0.0, 0.25, 0, "kept", "one distance only")},
    covariance=np.diag([0.64, 0.0625, 1.0]), classes={}, sites={"LT01": Effect(1.2, 1.0, 120)}, devices={},
    sigma_db={"open": Effect(6.5, 0.4, 120)}, site_db=3.0, device_db=2.0, degrees_of_freedom=5.0,
    residuals=Residuals(*np.ones((2, 3)), np.zeros(3, int), *np.ones((2, 3)), ("LT01",), "EPSG:32651"),
    validation=[{"split": "sites", "rmse_db": 7.1}], provenance={"frequency_mhz": 358.0},
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 2", "format = 9", r"line 2, format: is of format 9, and this radiocov reads 2"),
        ("value = -3.5", 'value = "much"', r"line \d+, fixed.offset_db.value: 'much' is not a number"),
        ("sd = 0.8", "sd = -0.8", r"line \d+, fixed.offset_db.sd: -0.8 is below 0"),
        ('status = "kept"', 'status = "guess"', r"line \d+, fixed.excess.status: 'guess' is no status"),
        ("cells = 120", "cells = -1", r"cells: -1 is not a number of cells"),
        ("site_db = 3.0\n", "", r"site_db: is missing; give a number"),
        ("[0.64, 0.0, 0.0]", "[0.64, 0.0]", r"covariance.rows: are not rows of numbers"),
        ("  [0.0, 0.0, 1.0],\n", "", r"covariance.rows: are 2 by 3 where fixed, classes and sites are 3"),
        ("common_db", "comon_db", r"line \d+, field.comon_db: is no key of the field; known here: azimuth_deg"),
        ("site_db = 3.0", "site_db = = 3.0", r"is not valid TOML: .*line 3"),
        (".parquet", ".gone", r'line 7, residuals: there is no file "calibration.residuals-[0-9a-f]+.gone"'),
    ],
)
def test_a_spoilt_file_is_named_with_its_line(tmp_path, old, new, said):
    path = tmp_path / "calibration.toml"
    write_calibration(path, EXAMPLE)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ProjectError, match=said) as error:
        read_calibration(path)
    assert str(error.value).startswith("calibration.toml: ") and "\n" not in str(error.value)


def test_altered_residuals_are_refused_and_old_ones_removed(tmp_path):
    path = tmp_path / "calibration.toml"
    _, first = write_calibration(path, EXAMPLE)
    other = dataclasses.replace(EXAMPLE.residuals, x_m=np.full(3, 7.0))
    _, second = write_calibration(path, dataclasses.replace(EXAMPLE, residuals=other))
    assert first != second and not first.exists() and second.exists()
    second.write_bytes(first.name.encode() + second.read_bytes()[10:])
    with pytest.raises(ProjectError, match="was altered after it was written"):
        read_calibration(path)
    assert set(second.name) <= set(string.ascii_letters + string.digits + ".-")


def test_it_belongs_to_a_model_a_band_and_a_ground(made, fresh):
    from radiocov.coverage.setup import read_ground

    inputs = made.inputs_of(fresh)
    ground, project = read_ground(inputs), inputs.project
    fitting = dataclasses.replace(EXAMPLE, provenance=model_facts(project, ground))
    assert check_fitness(fitting, project, ground) == []
    near = dataclasses.replace(fitting, provenance={**fitting.provenance, "frequency_mhz": 340.0})
    assert check_fitness(near, project, ground) == []
    band = dataclasses.replace(fitting, provenance={**fitting.provenance, "frequency_mhz": 462.7})
    (problem,) = check_fitness(band, project, ground)
    assert problem.is_error and "is for 462.7 MHz, the project has 358 MHz" in str(problem)
    other = SimpleNamespace(**{**vars(ground), "digest": "another"})
    (problem,) = check_fitness(fitting, project, other)
    assert not problem.is_error and "another ground" in str(problem)
    itm = project.model_copy(update={"model": project.model.model_copy(update={"name": "itm"})})
    assert [p.is_error for p in check_fitness(fitting, itm, ground)] == [True]
