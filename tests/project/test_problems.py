from types import SimpleNamespace

import pytest

from radiocov.problems import Problem, ProjectError, did_you_mean, errors_of, from_foreign


def test_a_problem_is_one_line_with_place_fault_and_remedy():
    problem = Problem("sites.csv", "row 7, longitude", "223.4 is not a longitude",
                      "give degrees between -180 and 180")
    assert str(problem) == ("sites.csv: row 7, longitude: 223.4 is not a longitude; "
                            "give degrees between -180 and 180")
    assert str(Problem("a.toml", "", "is\nempty")) == "a.toml: is empty"
    assert problem.to_dict()["severity"] == "error"


def test_the_error_carries_every_problem_and_says_one_line_each():
    problems = [Problem("a", "", "x"), Problem("b", "", "y", severity="warning")]
    error = ProjectError(problems)
    assert isinstance(error, ValueError)
    assert error.problems == problems
    assert str(error) == "a: x\nb: y"
    assert ProjectError(problems[0]).problems == problems[:1]
    assert errors_of(problems) == problems[:1]


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (SimpleNamespace(file="f", where="w", message="m", remedy="r"), Problem("f", "w", "m", "r")),
        (SimpleNamespace(message="m", severity="warning"), Problem("", "", "m", severity="warning")),
        (ValueError("what it says"), Problem("", "", "what it says")),
        (Problem("f", "w", "m"), Problem("f", "w", "m")),
    ],
)
def test_problems_of_other_packages_are_taken_over(foreign, expected):
    assert from_foreign(foreign) == expected


def test_suggestions_name_the_nearest_or_all():
    assert did_you_mean("radius", ["radius_km", "name"]) == 'did you mean "radius_km"?'
    assert did_you_mean("RADIUS_KM", ["radius_km"]) == 'did you mean "radius_km"?'
    assert did_you_mean("zzz", ["a", "b"]) == "known here: a, b"
    assert did_you_mean("zzz", []) == "known here: none"
