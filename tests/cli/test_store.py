"""radiocov store: what is kept, what of it is in use, and what is removed."""

import json
import os
import shutil
import time

import pytest

from radiocov.coverage.store import STORE

GROUNDS = ".radiocov/ground"


@pytest.fixture
def info(radiocov):
    def ask(project):
        ran = radiocov("store", "info", project, "-q", "--json")
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    return ask


@pytest.fixture
def prune(radiocov):
    def ask(project, *arguments):
        ran = radiocov("store", "prune", project, "-q", "--json", *arguments)
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    return ask


def raise_antenna(made, project, height_m="46.0"):
    """One site moves: its loss is no longer what the project needs, but the results were made from it."""
    lines = (project / "sites.csv").read_text(encoding="utf-8-sig").splitlines()
    column = lines[0].split(",").index("antenna_height_m")
    cells = lines[1].split(",")
    cells[column] = height_m
    (project / "sites.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")


def flip_one_bit(raster):
    data = bytearray(raster.read_bytes())
    data[len(data) // 2] ^= 0b100
    raster.write_bytes(data)


def test_what_is_there_and_in_use(made, info, computed):
    found = info(computed)
    files = list((computed / STORE).iterdir())
    assert found["count"] == 14 and len(files) == 28
    assert found["bytes"] == sum(path.stat().st_size for path in files)
    assert found["by_model"] == {"ITU-R P.1812-8": 14} and found["by_site"] == dict.fromkeys(made.SITES, 1)
    assert (found["in_project"], found["in_results"], found["unused"], found["damaged"]) == (14, 14, 0, [])
    assert [g["in_project"] for g in found["grounds"]] == [True]


def test_a_project_that_never_ran(radiocov, info, fresh):
    shutil.rmtree(fresh / ".radiocov", ignore_errors=True)
    before = sorted(fresh.rglob("*"))
    assert info(fresh)["count"] == 0 and not info(fresh)["ground_prepared"]
    assert "not prepared" in radiocov("store", "info", fresh).out
    assert sorted(fresh.rglob("*")) == before, "asking prepares nothing"


def test_what_results_were_made_from_stays_until_they_are_made_anew(made, radiocov, info, prune, computed):
    raise_antenna(made, computed)
    found = info(computed)
    assert (found["in_project"], found["in_results"], found["unused"]) == (13, 14, 0)
    assert prune(computed, "--unused")["losses"] == []
    assert radiocov("coverage", computed, "-q").code == 0
    found = info(computed)
    assert (found["count"], found["in_project"], found["in_results"], found["unused"]) == (15, 14, 14, 1)
    before = made.digests(computed, "**/*")
    dry = prune(computed, "--unused", "--dry-run")
    assert made.digests(computed, "**/*") == before and not dry["removed"]
    gone = prune(computed, "--unused")
    assert gone == {**dry, "removed": True} and [e["site"] for e in gone["losses"]] == [made.SITES[0]]
    left = made.digests(computed, "**/*")
    key = gone["losses"][0]["key"]
    assert before.keys() - left.keys() == {f"{STORE}/{key}.tif", f"{STORE}/{key}.json"}
    assert left.items() <= before.items()
    assert "0 loss rasters computed, 14 taken" in radiocov("coverage", computed, "-q").out


def test_results_in_another_folder_count(made, radiocov, info, prune, computed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    assert radiocov("coverage", computed, "-q", "--model", "free-space", "-o", elsewhere).code == 0
    assert info(computed)["in_results"] == 28 and prune(computed, "--unused")["losses"] == []
    shutil.rmtree(elsewhere)
    assert len(prune(computed, "--unused")["losses"]) == 14
    assert info(computed)["in_results"] == info(computed)["count"] == 14


def test_the_loss_of_a_receiver_at_its_own_height_is_in_use(made, radiocov, info, fresh):
    lines = (fresh / "sites.csv").read_text(encoding="utf-8-sig").splitlines()
    rows = [f"{lines[0]},rx_antenna_height_m", f"{lines[1]},33", *(f"{line}," for line in lines[2:])]
    (fresh / "sites.csv").write_text("\n".join(rows) + "\n")
    assert radiocov("coverage", fresh, "-q").code == 0
    found = info(fresh)
    assert found["count"] == found["in_project"] == found["in_results"] == 15


def test_only_what_is_old(made, radiocov, prune, computed):
    raise_antenna(made, computed)
    assert radiocov("coverage", computed, "-q").code == 0
    assert prune(computed, "--older-than", 3)["losses"] == []
    old = time.time() - 4 * 86_400
    for path in (computed / STORE).iterdir():
        os.utime(path, (old, old))
    assert [e["site"] for e in prune(computed, "--older-than", 3)["losses"]] == [made.SITES[0]]


def test_damaged_rasters_are_listed_and_go(radiocov, info, prune, computed):
    victim = sorted((computed / STORE).glob("*.tif"))[3]
    flip_one_bit(victim)
    lone = sorted((computed / STORE).glob("*.json"))[5]
    lone.with_suffix(".tif").unlink()
    assert set(info(computed)["damaged"]) == {victim.stem, lone.stem}
    assert f"damaged: {victim}" in radiocov("store", "info", computed, "-q").out
    assert {e["key"] for e in prune(computed, "--unused")["losses"]} == {victim.stem, lone.stem}
    assert info(computed)["damaged"] == [] and info(computed)["count"] == 12
    assert "2 loss rasters computed, 12 taken" in radiocov("coverage", computed, "-q").out


def test_all_goes_and_comes_back(made, radiocov, prune, computed):
    before = made.digests(computed / "out"), made.digests(computed / STORE, "*")
    size = sum(path.stat().st_size for path in (computed / ".radiocov").rglob("*.*") if path.is_file())
    gone = prune(computed, "--all")
    assert len(gone["losses"]) == 14 and len(gone["grounds"]) == 1 and gone["bytes"] <= size
    assert not list((computed / STORE).iterdir()) and not list((computed / GROUNDS).iterdir())
    assert radiocov("coverage", computed, "-q").code == 0
    assert (made.digests(computed / "out"), made.digests(computed / STORE, "*")) == before


def test_a_ground_of_before_goes(made, radiocov, info, prune, computed):
    made.edit(computed / "project.toml", "resolution_m = 500.0", "resolution_m = 400.0")
    assert radiocov("coverage", computed, "-q").code == 0
    assert sorted(g["in_project"] for g in info(computed)["grounds"]) == [False, True]
    gone = prune(computed, "--unused")
    assert len(gone["losses"]) == 14 and len(gone["grounds"]) == 1
    assert "14 taken" in radiocov("coverage", computed, "-q").out


@pytest.mark.parametrize("arguments", [[], ["--all", "--unused"], ["--unused", "--older-than", "3"]])
def test_one_rule_has_to_be_chosen(made, radiocov, computed, arguments):
    before = made.snapshot(computed)
    ran = radiocov("store", "prune", computed, *arguments)
    assert ran.code == 2 and "give one of --unused, --older-than DAYS and --all" in ran.err
    assert made.snapshot(computed) == before
