from importlib import resources

import pytest

from radiocov.inputs import lonlat_extent, read_inputs
from radiocov.network import read_sites
from radiocov.problems import ProjectError
from radiocov.project import Project, load_project
from radiocov.settings import default_terminals
from radiocov.templates import FILES, init_project


def test_the_files_are_part_of_the_package():
    folder = resources.files("radiocov.templates")
    assert all(folder.joinpath(name).is_file() for name in FILES)


def test_a_new_project_loads_with_nothing_missing_but_terrain(tmp_path):
    folder = tmp_path / "new/deep"
    assert init_project(folder) == [folder / name for name in FILES]
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)
    project = load_project(folder)
    assert [w.where.split(", ")[1] for w in project.warnings] == ["terrain.elevation", "terrain.landcover"]
    inputs = read_inputs(project)
    assert inputs.problems == []
    assert inputs.or_raise() is inputs
    assert len(inputs.sites) == 4
    west, south, east, north = lonlat_extent(inputs)
    assert 121.9 < west < 122.0 < 122.31 < east < 122.4 and 41.9 < south < 42.02 < 42.2 < north < 42.3
    assert "Illustrative" in project.project.note
    assert all("Illustrative" in site.name for site in read_sites(folder / "sites.csv")[0])


def test_the_starting_file_shows_the_defaults(tmp_path):
    """What the comments call defaults is what an emptier file gives; terrain is the deliberate exception."""
    init_project(tmp_path)
    project = load_project(tmp_path)
    for section in ("grid", "model", "sites", "base", "policy", "output"):
        assert getattr(project, section) == Project.model_fields[section].default, section
    known = {t.id: t for t in default_terminals()}
    assert all(terminal == known[terminal.id] for terminal in project.terminals)


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_overwritten_and_then_nothing_written(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ProjectError, match=f"{name}: is there already and is not overwritten; give another"):
        init_project(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(ProjectError, match="is a file; give a folder for the project"):
        init_project(tmp_path / "f")


def test_the_ground_that_is_commented_out_is_accepted(tmp_path):
    """Whoever takes the comment signs away gets what the comments promise."""
    init_project(tmp_path)
    path = tmp_path / "project.toml"
    text = path.read_text(encoding="utf-8")
    head, tail = text.split("# More about the ground", 1)
    for line in ('elevation = ["terrain/elevation.tif"]', 'vertical_unit = "m" ', "surface = true "):
        assert line in head
        head = head.replace(line, f"# {line}")
    tail = tail.split("\n\n", 1)[0]
    tail = "\n".join(line.removeprefix("# ") for line in tail.split("\n")[2:])
    path.write_text(head + tail, encoding="utf-8")
    terrain = load_project(tmp_path).terrain
    assert [source.surface for source in terrain.all_sources] == [True, False]
    assert terrain.clutter.above == "ground" and terrain.density.dense_urban == 0.8


def test_the_calibration_that_is_commented_out_shows_the_defaults(tmp_path):
    init_project(tmp_path)
    path = tmp_path / "project.toml"
    before = load_project(tmp_path).calibration
    lines = path.read_text(encoding="utf-8").split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("# [calibration]"))
    end = lines.index("", start)
    lines[start:end] = [line.removeprefix("# ") for line in lines[start:end]]
    path.write_text("\n".join(lines), encoding="utf-8")
    shown = load_project(tmp_path).calibration
    examples = {"terminal", "carried", "devices", "site_ids", "not_heard_dbm", "off"}
    assert examples == {key for key in shown.model_fields_set if getattr(shown, key) != getattr(before, key)}
    assert shown.model_fields_set == set(type(shown).model_fields)


def test_the_interference_that_is_commented_out_shows_the_defaults(tmp_path):
    init_project(tmp_path)
    path = tmp_path / "project.toml"
    before = load_project(tmp_path)
    head, tail = path.read_text(encoding="utf-8").split("# What sites of one carrier do", 1)
    tail = "\n".join(line.removeprefix("# ") for line in tail.split("\n")[2:])
    path.write_text(head + tail, encoding="utf-8")
    project = load_project(tmp_path)
    assert project.simulcast == before.simulcast
    shown = project.interference.model_dump()
    assert shown == before.interference.model_dump() | {"radius_km": 60.0, "noise_figure_db": 7.0}
    assert project.terminals[0].noise_figure_db == 7.0
