"""radiocov plan: the network with the plan is what it says, and the plan is the best of its candidates."""

import dataclasses
import json
import shutil
import signal
import time

import pytest

from radiocov.network import read_sites, write_sites

POLICY = """\
id = "towns"
name = "Towns"
judge = "{judge}"
[[periods]]
id = "2016"
end = 2016-12-31
[[periods]]
id = "2017"
end = 2017-12-31
[[classes]]
id = "key"
kind = "area"
[[classes]]
id = "urban"
kind = "area"
[[targets]]
class = "urban"
measure = "area"
service = "vehicle"
share = {{ 2016 = 0.2, 2017 = {urban} }}
[[targets]]
class = "key"
measure = "area"
service = "handheld-hip"
share = {{ 2017 = {key} }}
"""


def box(class_, name, west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Feature", "properties": {"class": class_, "name": name},
            "geometry": {"type": "Polygon", "coordinates": [ring]}}  # fmt: skip


AREAS = [
    box("urban", "East", 123.02, 40.78, 123.26, 41.0), box("urban", "West", 122.66, 40.95, 122.85, 41.08),
    box("key", "Camp", 123.1, 41.04, 123.16, 41.08),
]  # fmt: skip


def project_with(made, folder, judge="probable", urban=0.9, key=0.8, sites=4):
    made.small_project(folder, sites=sites)
    (folder / "areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": AREAS}))
    (folder / "towns.toml").write_text(POLICY.format(judge=judge, urban=urban, key=key))
    made.edit(folder / "project.toml", 'file = "liaoning"', 'file = "towns.toml"')
    made.edit(folder / "project.toml", '[roads]\nfile = "roads.geojson"\n', "")
    return folder


@pytest.fixture(scope="module")
def base(made, tmp_path_factory):
    from radiocov.coverage.run import CoverageRun

    folder = project_with(made, tmp_path_factory.mktemp("plan") / "project")
    CoverageRun(made.inputs_of(folder)).run()
    return folder


@pytest.fixture
def project(base, tmp_path):
    return shutil.copytree(base, tmp_path / "project")


def planned(radiocov, folder, *options):
    ran = radiocov("plan", folder, "--json", "-q", *options)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def accepted(made, folder):
    """The project with the rows of the plan put into sites.csv."""
    rows, problems = read_sites(folder / "plan" / "sites.csv", folder / "antennas")
    assert not problems
    new = {r.id: r for r in rows}
    own = [new.pop(s.id, s) for s in made.inputs_of(folder).sites]
    write_sites(folder / "sites.csv", own + list(new.values()))
    return rows


def judged(radiocov, folder, period="2017"):
    ran = radiocov("targets", folder, "--period", period, "--json")
    return {r["class"]: r for r in json.loads(ran.out)["rows"] if r["level"] == "policy"}


def test_the_plan_does_in_the_network_what_it_says(made, radiocov, project):
    before = made.digests(project / "out")
    now = judged(radiocov, project)
    assert not any(r["met"] for r in now.values())
    plan = planned(radiocov, project, "--to", "2017", "--search", "40")
    assert plan["met"] and 1 < len(plan["sites"]) < 15
    assert made.digests(project / "out") == before, "the rasters without the plan stay as they are"
    for target in plan["targets"]:
        assert target["share_now"] == pytest.approx(now[target["class"]]["share_probable"], abs=1e-9)
    rows = accepted(made, project)
    assert [r.id for r in rows] == [s["id"] for s in plan["sites"]] and {r.status for r in rows} == {"planned"}
    assert radiocov("coverage", project, "-q").code == 0
    after = judged(radiocov, project)
    for target in plan["targets"]:
        found = after[target["class"]]
        assert target["share_after"] == pytest.approx(found["share_probable"], abs=1e-9) and found["met"]
        # what single sites promise is what the network does, but where another server becomes the best
        promised = plan["sites"][-1][f"share_{target['class']}_{target['service']}"]
        assert promised == pytest.approx(target["share_after"], abs=0.01)
    rasters = made.digests(project / "out" / "2017")
    assert made.digests(project / "plan" / "coverage" / "2017") == rasters
    assert radiocov("plan", project, "-q").out.startswith("All targets of 2017 are met: nothing to add.")


def test_no_site_of_the_plan_is_needless(made, radiocov, project):
    plan = planned(radiocov, project, "--search", "40")
    assert plan["proved"] and plan["least_cost"] == plan["cost"] == len(plan["sites"])
    rows = accepted(made, project)
    everything = made.inputs_of(project).sites
    for out in rows:
        write_sites(project / "sites.csv", [s for s in everything if s.id != out.id])
        assert radiocov("coverage", project, "-q").code == 0
        assert not all(r["met"] for r in judged(radiocov, project).values()), out.id


def test_the_same_plan_whatever_the_threads_and_again(radiocov, project):
    one = planned(radiocov, project, "--jobs", "1", "--search", "20")
    again = planned(radiocov, project, "--jobs", "4", "--search", "20")
    for plan in (one, again):
        plan["origin"].pop("computed")
    assert one == again and one["sites"]


@pytest.mark.parametrize("judge", ["median", "expected"])
def test_every_judge_is_planned_for(made, radiocov, tmp_path, judge):
    folder = project_with(made, tmp_path / "project", judge=judge, urban=0.85, key=0.7)
    plan = planned(radiocov, folder, "--search", "40")
    assert plan["met"] and plan["sites"] and plan["judge"] == judge
    assert (plan["least_cost"] is None) == (judge == "expected")


def test_masts_of_a_table_are_taken_by_what_they_cost(made, radiocov, project):
    found = planned(radiocov, project, "--search", "40")["sites"]
    rows, _ = read_sites(project / "plan" / "sites.csv", project / "antennas")
    first = rows[0]
    beside = dataclasses.replace(first, id="M2", name="second", lon=first.lon + 0.002)
    sectors = [
        dataclasses.replace(first, id=f"S{n}", name="sectors", site="S", antenna="beam:120/20", gain_dbi=12.0,
                            azimuth_deg=120.0 * n, lat=first.lat + 0.002)
        for n in range(3)
    ]  # fmt: skip

    def chosen(*costs):
        table = [dataclasses.replace(first, id="M1", name="first", cost=costs[0]),
                 dataclasses.replace(beside, cost=costs[1]),
                 *(dataclasses.replace(s, cost=costs[2]) for s in sectors)]  # fmt: skip
        rest = [dataclasses.replace(r, cost=1.0) for r in rows[1:]]
        write_sites(project / "towers.csv", [dataclasses.replace(r, status="candidate") for r in table + rest])
        plan = planned(radiocov, project, "--search", "0", "--candidates", project / "towers.csv")
        return {s["id"] for s in plan["sites"]} & {"M1", "M2", "S"}, plan

    assert found[0]["id"] == first.id
    assert chosen(1.0, 9.0, 9.0)[0] == {"M1"} and chosen(9.0, 1.0, 9.0)[0] == {"M2"}
    mast, plan = chosen(9.0, 9.0, 1.0)
    assert mast == {"S"} and next(s for s in plan["sites"] if s["id"] == "S")["sectors"] == 3
    assert {"S0", "S1", "S2"} <= {r.id for r in read_sites(project / "plan" / "sites.csv")[0]}


def test_a_site_that_is_there_can_be_changed(made, radiocov, tmp_path):
    """A cheap change goes before a new site, and the network with it is what the plan says."""
    project = project_with(made, tmp_path / "project", urban=0.465, key=0.0)
    sites = [s for s in made.inputs_of(project).sites if s.status != "candidate"]
    changed = [dataclasses.replace(s, antenna_height_m=120.0, power_dbm=50.0, cost=0.1) for s in sites]
    write_sites(project / "changes.csv", changed)
    plan = planned(radiocov, project, "--search", "10", "--candidates", project / "changes.csv")
    assert plan["met"] and plan["proved"] and plan["cost"] == pytest.approx(0.1)
    assert [s["changed"] for s in plan["sites"]] == [True]
    (row,) = accepted(made, project)
    site = next(s for s in sites if s.id == row.id)
    assert (row.antenna_height_m, row.in_service, row.status) == (120.0, site.in_service, site.status)
    assert radiocov("coverage", project, "-q").code == 0
    after = judged(radiocov, project)
    for target in plan["targets"]:
        assert target["share_after"] == pytest.approx(after[target["class"]]["share_probable"], abs=1e-9)


def test_an_earlier_period_is_planned_with_its_network(radiocov, project):
    ran = radiocov("plan", project, "--to", "2016", "-q")
    assert ran.code == 0 and "nothing to add" in ran.out and "network on 2016-12-31" in ran.out


def test_what_is_out_of_reach_is_said_and_check_fails(radiocov, project):
    made_of = "--search", "2", "--like", "LT03"
    ran = radiocov("plan", project, *made_of, "-q", "--check")
    assert ran.code == 1
    assert "out of reach of all candidates together: " in ran.out and "SYNTHETIC terrain" in ran.out
    assert radiocov("plan", project, *made_of, "-q").code == 0


def test_the_number_of_sites_can_be_limited(radiocov, project):
    whole = planned(radiocov, project, "--search", "40")
    two = planned(radiocov, project, "--search", "40", "--at-most", "2")
    assert len(two["sites"]) == 2 < len(whole["sites"]) and not two["met"] and two["least_cost"] is None


def test_features_and_rows_are_written(radiocov, project):
    import pyogrio.raw

    plan = planned(radiocov, project, "--search", "20", "-o", project / "mine")
    layers = dict(pyogrio.list_layers(project / "mine" / "plan.gpkg"))
    assert layers == {"plan": "Point", "candidates": "Point"}
    meta, _, _, values = pyogrio.raw.read(project / "mine" / "plan.gpkg", layer="candidates")
    columns = dict(zip(meta["fields"], values, strict=True))
    assert len(columns["id"]) == plan["candidates"]
    assert {i for i, yes in zip(columns["id"], columns["in_plan"], strict=True) if str(yes) in ("1", "True")} == {
        s["id"] for s in plan["sites"]
    }
    assert json.loads((project / "mine" / "plan.json").read_text()) == plan
    rows = radiocov("plan", project, "--search", "20", "-o", project / "mine", "--csv", "-q").out.splitlines()
    assert len(rows) == 1 + len(plan["sites"]) and rows[0].startswith("order,id,name,longitude,latitude,")


BAD = {
    "period": (["--to", "2030"], '--to: "2030" is no period of the policy; choose 2016, 2017'),
    "site": (["--like", "LT99"], '--like: "LT99" is no site in service'),
    "moved": (["--candidates", "moved.csv"], 'moved.csv: id "LT01": is the id of a site of the network, at another'),
    "table": (["--candidates", "areas.geojson"], "areas.geojson"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named_and_nothing_is_written(made, radiocov, project, what):
    options, said = BAD[what]
    moved = [dataclasses.replace(s, lat=s.lat + 0.1) for s in made.inputs_of(project).sites[:1]]
    write_sites(project / "moved.csv", moved)
    options = [project / o if o.endswith((".csv", ".geojson")) else o for o in options]
    ran = radiocov("plan", project, "-q", *options)
    assert ran.code == 2 and said in ran.err and "Traceback" not in ran.err
    assert not (project / "plan").exists()


def test_nothing_to_choose_from_is_said(made, radiocov, project):
    write_sites(project / "sites.csv", [s for s in made.inputs_of(project).sites if s.status != "candidate"])
    ran = radiocov("plan", project, "-q", "--search", "0")
    assert ran.code == 2 and "candidates: there are none to choose from; give --candidates" in ran.err


def test_ctrl_c_leaves_the_results_and_no_temporary_file(made, base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "project")
    made.edit(folder / "project.toml", "resolution_m = 500.0", "resolution_m = 150.0")
    process = made.start("plan", folder, "--search", "300")
    while process.poll() is None and len(list((folder / ".radiocov" / "loss").glob("*.json"))) < 20:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, out, err = made.finish(process)
    assert code == 130 and not out and "Traceback" not in err
    assert not made.temporaries(folder) and not (folder / "plan" / "plan.json").exists()
