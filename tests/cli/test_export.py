"""radiocov export: each format from a computed project, and what it says to wrong names."""

import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

from radiocov.compliance import judge_all
from radiocov.inputs import read_inputs
from radiocov.project import load_project


def test_every_format_is_written_and_named(radiocov, computed):
    for name, endings in (("kmz", [".kmz"]), ("geotiff", [".tif", ".qml"]), ("png", [".png", ".pgw", ".prj", ".png"]),
                          ("gpkg", [".gpkg"])):  # fmt: skip
        ran = radiocov("export", computed, "--format", name, "-q")
        assert ran.code == 0, ran.err
        files = ran.out.split()
        assert [file[-4:] if name != "gpkg" else file[-5:] for file in files] == endings
        assert {Path(file).name for file in files} <= {file.name for file in (computed / "out" / "exports").iterdir()}


def test_the_default_layer_is_the_coverage_that_the_first_target_asks_for(radiocov, computed):
    ran = radiocov("export", computed, "--format", "geotiff", "-q")
    inputs = read_inputs(load_project(computed)).or_raise()
    assert f"2017-coverage-{inputs.policy.targets[0].service}-both.tif" in ran.out
    with (
        rasterio.open(ran.out.split()[0]) as file,
        rasterio.open(computed / "out" / "2017" / f"probability_{inputs.policy.targets[0].service}.tif") as chance,
    ):
        served = np.minimum(chance.read(1), chance.read(2)) >= 0.9 - 1e-6
        assert ((file.read(1) == 2) == (served & (chance.read(1) != chance.nodata))).all()


def test_a_geopackage_holds_the_figures_of_the_table(radiocov, computed, tmp_path):
    path = tmp_path / "results.gpkg"
    ran = radiocov("export", computed, "--format", "gpkg", "-o", path, "-q")
    assert ran.code == 0, ran.err
    inputs = read_inputs(load_project(computed)).or_raise()
    judged = judge_all(inputs, computed / "out")

    def table(layer):
        meta, _, shapes, columns = pyogrio.raw.read(path, layer=layer)
        return shapes, dict(zip(meta["fields"], columns, strict=True))

    layers = {name for name, _ in pyogrio.list_layers(path)}
    assert {"areas", "roads", "sites", "compliance", "provenance"} <= layers
    _, areas = table("areas")
    for compliance, _ in judged:
        shares = {row.id: row.share_probable for row in compliance.at("area")}
        found = dict(zip(areas["id"], areas[f"share_probable_{compliance.period}"], strict=True))
        assert found == pytest.approx(shares)
    shapes, roads = table("roads")
    assert len(shapes) == len(inputs.roads.roads)
    shares = {(r.member, r.city, r.county, r.id): r.share_probable for r in judged[-1][0].at("road")}
    for i, road in enumerate(inputs.roads.roads):
        wanted = shares[road.class_, road.city, road.county, road.road]
        assert roads["share_probable_2017"][i] == pytest.approx(wanted, nan_ok=True)
    _, sites = table("sites")
    assert set(sites["id"]) == {s.id for s in inputs.sites}
    assert "SYNTHETIC" in " ".join(table("provenance")[1]["line"])
    rows = sum(len(c.rows) for c, _ in judged)
    shapes, compliance = table("compliance")
    assert shapes is None and len(compliance["name"]) == rows


def test_a_state_can_be_chosen_and_the_language(radiocov, computed, tmp_path):
    ran = radiocov("export", computed, "--format", "kmz", "--layer", "level", "--state", "2015", "--lang", "zh",
                   "-o", tmp_path / "a.kmz", "-q")  # fmt: skip
    assert ran.code == 0, ran.err
    text = zipfile.ZipFile(tmp_path / "a.kmz").read("doc.kml").decode()
    assert "电平" in text and "2015" in text and "图例" in text


@pytest.mark.parametrize("arguments,words", [
    (["--format", "kmz", "--layer", "margin:vehicel:both"], 'there is no layer "margin:vehicel:both"; did you mean '
     '"margin:vehicle:both"?'),
    (["--format", "kmz", "--layer", "change:vehicle:both", "--state", "2015"], "there is no layer"),
    (["--format", "png", "--state", "2016"], "2016"),
    (["--format", "png", "-o", "a.jpg"], "a.jpg: is no name for png; end it in .png"),
    (["--format", "gpkg", "--layer", "level"], "--layer is for kmz, geotiff and png"),
])  # fmt: skip
def test_wrong_names_get_one_line(radiocov, computed, arguments, words):
    ran = radiocov("export", computed, "-q", *arguments)
    assert ran.code == 2 and words in ran.err and not ran.out
    assert not (computed / "out" / "exports").exists()


def test_nothing_computed_is_said(radiocov, fresh):
    ran = radiocov("export", fresh, "--format", "kmz", "-q")
    assert ran.code == 2 and "radiocov coverage" in ran.err
