"""radiocov coverage: dates, folders, models, and what bad input does."""

import json
import re

import numpy as np
import pytest
import rasterio

from radiocov.coverage.results import computed_states, open_state


def servers(folder, state):
    return json.loads((folder / state / "manifest.json").read_text())["servers"]


# --- what is computed ---------------------------------------------------------------------------------------


def test_every_period_is_computed_with_the_sites_of_its_date(made, small_computed):
    out = small_computed / "out"
    assert computed_states(out) == ["2015", "2017"]
    assert servers(out, "2017") == list(made.SITES)
    later = {"TW05", "TW08", "TW10", "TW12", "TW20"}
    assert servers(out, "2015") == [key for key in made.SITES if key not in later]


def test_a_candidate_counts_on_no_date(made, radiocov, fresh):
    """The candidate of the small project is in service since 2013 and stronger than all others."""
    folder = fresh / "out"
    for date in ("2013-06-01", "2020-01-01"):
        assert radiocov("coverage", fresh, "--on", date, "-q").code == 0
        assert "CA99" not in servers(folder, f"on-{date}")
    assert servers(folder, "on-2013-06-01") == ["LT01", "LT02", "LT03", "LT04", "LT05"]
    assert servers(folder, "on-2020-01-01") == list(made.SITES)


def test_on_a_date_the_network_is_as_it_stood(made, radiocov, computed):
    """The day of service counts; what the policy's periods have stays as it is."""
    before = made.digests(computed / "out")
    ran = radiocov("coverage", computed, "--on", "2016-10-01", "-q", "--json")
    assert ran.code == 0
    states = {s["state"]: s for s in json.loads(ran.out)["states"]}
    assert list(states) == ["2015", "2017", "on-2016-10-01"]
    assert states["on-2016-10-01"]["date"] == "2016-10-01"
    present = [key for key in made.SITES if key not in ("TW05", "TW08", "TW10", "TW20")]
    assert states["on-2016-10-01"]["servers"] == present
    assert radiocov("coverage", computed, "--on", "2016-09-30", "-q").code == 0
    assert servers(computed / "out", "on-2016-09-30") == [key for key in present if key != "TW12"]
    after = made.digests(computed / "out")
    assert before.items() <= after.items() and len(after) == 4 * 12


def test_a_date_with_no_network_gives_rasters_without_values(radiocov, fresh):
    assert radiocov("coverage", fresh, "--on", "2001-01-01", "-q").code == 0
    results = open_state(fresh / "out", "on-2001-01-01")
    assert np.isnan(results.band("level_dbm.tif", 1)).all()
    assert not results.band("best_server.tif", 1).any()
    assert np.isnan(results.band("probability_vehicle.tif", 3)).all()
    results.close()


@pytest.mark.parametrize("date", ["2017-13-01", "soon", "31.12.2017"])
def test_a_bad_date_is_refused(radiocov, fresh, date):
    ran = radiocov("coverage", fresh, "--on", date)
    assert ran.code == 2 and date in ran.err and not (fresh / "out").exists()


def test_results_go_where_they_are_told(made, radiocov, computed, tmp_path, monkeypatch):
    """An absolute folder, one relative to where the command runs; of the project only the list of them changes."""
    before = made.snapshot(computed)
    wanted = made.digests(computed / "out")
    assert radiocov("coverage", computed, "-o", tmp_path / "there", "-q").code == 0
    assert made.digests(tmp_path / "there") == wanted
    monkeypatch.chdir(tmp_path)
    ran = radiocov("coverage", computed, "-o", "deep/here", "-q")
    assert ran.code == 0 and "Coverage in deep/here" in ran.out
    assert made.digests(tmp_path / "deep" / "here") == wanted
    after = made.snapshot(computed)
    assert after.pop(".radiocov/results.json") and after.pop(".radiocov") != before.pop(".radiocov")
    assert after == before
    listed = json.loads((computed / ".radiocov" / "results.json").read_text())
    assert listed == [str(tmp_path / "there"), str(tmp_path / "deep" / "here")]


def test_the_summary_is_as_wide_as_it_needs(made, radiocov, computed):
    ran = radiocov("coverage", computed, "-q")
    assert ran.code == 0 and not ran.err
    [row] = [line for line in ran.out.splitlines() if line.strip().startswith("2015")]
    assert row.split()[:3] == ["2015", "2015-12-31", str(len(made.SITES) - 5)]
    assert "probability_vehicle.tif" in row


def test_progress_goes_to_stderr_and_json_alone_to_stdout(made, radiocov, fresh):
    ran = radiocov("coverage", fresh, "--json")
    assert ran.code == 0
    assert [s["state"] for s in json.loads(ran.out)["states"]] == ["2015", "2017"]
    assert f"computing losses: {len(made.SITES)}/{len(made.SITES)}" in ran.err
    assert "combining the network of 2017" in ran.err


# --- other models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["free-space", "extended-hata"])
def test_other_models_compute_and_say_so(radiocov, computed, tmp_path, model):
    folder = tmp_path / model
    ran = radiocov("coverage", computed, "--model", model, "-o", folder, "-q")
    assert ran.code == 0 and "14 loss rasters computed, 0 taken" in ran.out
    assert json.loads((folder / "2017" / "manifest.json").read_text())["provenance"]["model"] == model
    with rasterio.open(folder / "2017" / "level_dbm.tif") as dataset:
        assert json.loads(dataset.tags()["RADIOCOV_PROVENANCE"])["model"] == model
        other = dataset.read(1, masked=True)
    with rasterio.open(computed / "out" / "2017" / "level_dbm.tif") as dataset:
        p1812 = dataset.read(1, masked=True)
    # to half a pixel the same places are reached, and no terrain lifts a level above free space
    assert np.mean(other.mask == p1812.mask) > 0.98
    assert -95 < other.mean() < 0 if model == "extended-hata" else other.mean() > p1812.mean() + 10


def test_an_unknown_model_suggests_the_nearest(made, radiocov, fresh):
    before = made.snapshot(fresh)
    ran = radiocov("coverage", fresh, "--model", "p1821")
    assert ran.code == 2 and ran.err == 'error: --model: "p1821" is not a coverage model; did you mean "p1812"?\n'
    ran = radiocov("coverage", fresh, "--model", "egli")
    assert ran.code == 2 and ran.err.endswith("known here: p1812, itm, extended-hata, free-space\n")
    assert made.snapshot(fresh) == before


# --- bad input ----------------------------------------------------------------------------------------------


def spoil_rows(made, folder):
    file = folder / "sites.csv"
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    lines[1] = lines[1].replace(",47.0,", ",4 7,")
    lines[2] = lines[2].replace("sector.msi", "sectro.msi")
    lines[3] = lines[3].replace("LT03,", "LT01,", 1)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def project(old, new):
    return lambda made, folder: made.edit(folder / "project.toml", old, new)


#: kind of fault -> (what to do to a project, a pattern for each line that has to come out)
FAULTS = {
    "rows of sites.csv": (
        spoil_rows,
        [
            r'sites\.csv: row 2, power_dbm: "4 7" is not accepted; give a number from 0 to 60 dBm',
            r'sites\.csv: row 3, antenna: there is no file "sectro\.msi" in "antennas"; did you mean "sector\.msi"\?',
            r'sites\.csv: row 4, id: "LT01" is already the id of row 2; give each row an id of its own',
        ],
    ),
    "no sites.csv": (
        lambda made, folder: (folder / "sites.csv").unlink(),
        [r'project\.toml: .*sites\.file: there is no file "sites\.csv" beside the project; put it there.*'],
    ),
    "no elevation": (
        lambda made, folder: (folder / "terrain" / "elevation.tif").unlink(),
        [r".*elevation\.tif.*"],
    ),
    "broken elevation": (
        lambda made, folder: (folder / "terrain" / "elevation.tif").write_bytes(b"no raster"),
        [r".*elevation\.tif.*"],
    ),
    "elevation of another place": (
        project("extent = [122.6, 40.72, 123.3, 41.12]", "extent = [125.6, 40.72, 126.3, 41.12]"),
        [r".*(voids|cover|elevation).*"],
    ),
    "no land cover": (
        lambda made, folder: (folder / "terrain" / "landcover.tif").unlink(),
        [r".*landcover\.tif.*"],
    ),
    "unknown policy": (
        project('file = "liaoning"', 'file = "liaonign"'),
        [r'project\.toml: line \d+, policy\.file: "liaonign" is not built in; did you mean "liaoning"\?.*'],
    ),
    "no policy file": (
        project('file = "liaoning"', 'file = "mine.toml"'),
        [r'project\.toml: line \d+, policy\.file: there is no file "mine\.toml".*'],
    ),
    "unknown key and wrong value": (
        project("radius_km = 15", 'radius = 15\npolarization = "slanted"'),
        [
            r"project\.toml: line \d+, model\.radius: .*radius_km.*",
            r"project\.toml: line \d+, model\.polarization: .*",
        ],
    ),
    "no TOML": (project("[model]", "[model"), [r"project\.toml: line \d+.*"]),
    "no project.toml": (
        lambda made, folder: (folder / "project.toml").unlink(),
        [r".*project\.toml: cannot be read \(no such file\).*radiocov init.*"],
    ),
    "areas that are none": (
        lambda made, folder: (folder / "areas.geojson").write_text("{}"),
        [r"areas\.geojson.*"],
    ),
    "a policy for services that are not there": (
        project('id = "vehicle"', 'id = "car"'),
        [r'project\.toml: services: the policy "liaoning" has targets for a service "vehicle".*'],
    ),
    "frequency outside the model": (
        project('"p1812"\nradius_km = 15\nfrequency_mhz = 358', '"extended-hata"\nfrequency_mhz = 5000'),
        [r"project\.toml: line \d+, model\.frequency_mhz: 5000 MHz is outside the range of extended-hata; .*"],
    ),
    "radius outside the model": (
        project('name = "p1812"\nradius_km = 15', 'name = "extended-hata"\nradius_km = 150'),
        [r"project\.toml: .*radius_km: 150 km is beyond the reach of extended-hata; give at most 100 km.*"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_bad_input_is_told_line_by_line_and_writes_nothing(made, radiocov, fresh, kind):
    spoil, patterns = FAULTS[kind]
    spoil(made, fresh)
    before = made.snapshot(fresh)
    ran = radiocov("coverage", fresh, "-q")
    assert ran.code == 2
    assert not ran.out
    lines = ran.err.splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    assert len(errors) == len(lines) == len(patterns), ran.err
    for pattern, line in zip(patterns, errors, strict=True):
        assert re.fullmatch(pattern, line), line
    assert made.snapshot(fresh) == before


def test_bad_input_spoils_no_earlier_results(made, radiocov, computed):
    spoil_rows(made, computed)
    before = made.snapshot(computed)
    assert radiocov("coverage", computed, "-q").code == 2
    assert made.snapshot(computed) == before


def test_a_model_chosen_on_the_command_line_must_hold_for_every_site(made, radiocov, fresh):
    file = fresh / "sites.csv"
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    column = lines[0].split(",").index("frequency_mhz")
    cells = lines[4].split(",")
    cells[column] = "4000"
    lines[4] = ",".join(cells)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = made.snapshot(fresh)
    ran = radiocov("coverage", fresh, "--model", "extended-hata", "-q")
    assert ran.code == 2 and made.snapshot(fresh) == before
    assert ran.err == (
        'error: sites.csv: site "LT04", frequency_mhz: 4000 MHz is outside the range of extended-hata; '
        "give 30 to 3000 MHz or another model\n"
    )


def test_the_corners_beyond_a_radius_may_leave_the_model(made, radiocov, tmp_path):
    """Extended Hata ends at 100 km; the square around a circle of 80 km reaches to 113 km."""
    sites = [made.site("A", 126.0, 41.0)]
    folder = made.flat_project(tmp_path / "wide", sites)
    made.edit(folder / "project.toml", '"free-space"\nradius_km = 12', '"extended-hata"\nradius_km = 80')
    made.edit(folder / "project.toml", "resolution_m = 50", "resolution_m = 1000")
    made.edit(folder / "project.toml", "[125.8, 40.87, 126.2, 41.13]", "[125.0, 40.3, 127.0, 41.7]")
    made.edit(folder / "project.toml", "[terrain]", '[terrain]\nvoids = "sea"')
    ran = radiocov("coverage", folder, "-q")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("option", [("--jobs", "0"), ("--jobs", "many"), ("--job", "2", "--colour")])
def test_bad_usage_is_refused(made, radiocov, fresh, option):
    before = made.snapshot(fresh)
    ran = radiocov("coverage", fresh, *option)
    assert ran.code == 2 and "Usage: radiocov coverage" in ran.err and made.snapshot(fresh) == before


def test_a_disk_that_refuses_is_no_fault_of_the_input(radiocov, computed):
    """A file stands where the folder of a state has to be."""
    (computed / "out" / "on-2016-01-01").write_text("in the way")
    ran = radiocov("coverage", computed, "--on", "2016-01-01", "-q")
    assert ran.code == 3
    assert ran.err.startswith("error: ") and "Traceback" not in ran.err and len(ran.err.splitlines()) == 1


def test_a_state_folder_stays_inside_the_output_folder(made, radiocov, tmp_path):
    folder = made.flat_project(tmp_path / "project", [made.site("A", 126.0, 41.0)])
    (folder / "one.toml").write_text(made.ONE_PERIOD.replace('"2017"', '"../2017"').replace("{ 2017", '{ "../2017"'))
    before = made.snapshot(folder)
    ran = radiocov("coverage", folder, "-q")
    assert ran.code == 2 and "one.toml: line 4" in ran.err
    assert made.snapshot(folder) == before
