import datetime as dt
import pickle
from types import SimpleNamespace

import pytest

from radiocov.problems import ProjectError
from radiocov.project import State, load_project

ABOUT = '[project]\nname = "Test"\n'


@pytest.fixture
def load(tmp_path):
    """Load a project file of this text, with an empty sites.csv beside it."""
    (tmp_path / "sites.csv").touch()

    def load_text(text, encoding="utf-8"):
        (tmp_path / "project.toml").write_bytes(text.encode(encoding))
        return load_project(tmp_path)

    return load_text


def told(load, text):
    with pytest.raises(ProjectError) as caught:
        load(text)
    return str(caught.value).splitlines()


def test_a_name_is_enough_and_the_rest_has_defaults(load, tmp_path):
    project = load(ABOUT)
    assert project.folder == tmp_path
    assert project.path == tmp_path / "project.toml"
    assert (project.grid.resolution_m, project.grid.crs, project.grid.margin_km) == (50, "auto", 2)
    assert (project.model.name, project.model.radius_km, project.model.frequency_mhz) == ("p1812", 30, 358)
    assert (project.base.threshold_dbm, project.base.diversity_gain_db) == (-113, 3)
    carried = {t.id: (t.carry_loss_db, t.power_dbm) for t in project.terminals}
    assert carried == {"handheld-head": (7, 35), "handheld-hip": (12, 35), "vehicle": (1, 40)}
    services = [(s.id, s.terminal, s.direction, s.probability) for s in project.services]
    assert services == [(name, name, "both", 0.90) for name in carried]
    assert project.service("vehicle").label_zh == "车载台（车顶天线）"
    assert project.areas is None and project.roads_file is None
    assert project.elevation_files == [tmp_path / "terrain/elevation.tif"]
    assert (project.legend, project.policy_source) == ("esa-worldcover", "liaoning")
    assert project.output_folder == tmp_path / "out"


def test_missing_terrain_is_a_warning_because_fetching_it_needs_the_project(load):
    assert [str(w) for w in load(ABOUT).warnings] == [
        'project.toml: terrain.elevation: there is no file "terrain/elevation.tif" beside the project; '
        "put it there or correct the name"]


def test_relative_paths_start_at_the_file_and_bom_and_crlf_are_fine(load, tmp_path):
    (tmp_path / "my.csv").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/policy.toml").touch()
    text = ABOUT + '[terrain]\r\nlegend = "my.csv"\r\n[policy]\r\nfile = "sub/policy.toml"\r\n'
    project = load("\ufeff" + text)
    assert project.legend == tmp_path / "my.csv"
    assert project.policy_source == tmp_path / "sub/policy.toml"


def test_services_follow_the_terminals_given(load):
    text = ABOUT + '[[terminals]]\nid = "boat"\nlabel_zh = "船"\npower_dbm = 40\ncarry_loss_db = 0\n'
    project = load(text)
    assert [(s.id, s.label, s.label_zh) for s in project.services] == [("boat", "boat", "船")]
    assert project.terminal("boat").threshold_dbm == -111


def test_states_are_the_policys_periods_by_date(load):
    ends = {"2017": dt.date(2017, 12, 31), "2015": dt.date(2015, 12, 31)}
    policy = SimpleNamespace(periods=[SimpleNamespace(id=key, end=end) for key, end in ends.items()])
    assert load(ABOUT).states(policy) == [State("2015", ends["2015"]), State("2017", ends["2017"])]


def test_a_project_goes_to_worker_processes(load):
    project = load(ABOUT)
    copy = pickle.loads(pickle.dumps(project))
    assert copy == project and copy.folder == project.folder and copy.warnings == project.warnings


FAULTS = {
    "[model]\nradius = 3": 'line 4, model.radius: unknown key "radius"; did you mean "radius_km"?',
    "[modell]\nx = 3": 'line 3, modell: unknown key "modell"; did you mean "model"?',
    '[model]\nradius_km = "far"':
        'line 4, model.radius_km: "far" is not accepted; give a number from 0.5 to 300 km',
    "[model]\nradius_km = nan":
        "line 4, model.radius_km: NaN is not accepted; give a number from 0.5 to 300 km",
    "[grid]\nresolution_m = 2":
        "line 4, grid.resolution_m: 2 is not accepted; give a number from 5 to 1000 m",
    "[grid]\nmargin_km = true":
        "line 4, grid.margin_km: true is not accepted; give a number from 0 to 200 km",
    '[model]\nname = "p1813"':
        'line 4, model.name: "p1813" is not accepted; give "p1812", "itm", "extended-hata" or "free-space"',
    "[terrain]\nsurface = 1": "line 4, terrain.surface: 1 is not accepted; give true or false",
    '[terrain]\nelevation = "a.tif"':
        'line 4, terrain.elevation: "a.tif" is not accepted; '
        'give a list of file names such as ["terrain/elevation.tif"]',
    "[terrain]\nsource = 5": "line 4, terrain.source: 5 is not accepted; give a text in quotes",
    "grid = 5": 'line 3, project.grid: unknown key "grid"; known here: name, name_zh, note, note_zh',
    "[grid]\nextent = [1, 2]":
        "line 4, grid.extent: [1, 2] is not accepted; give [lon_min, lat_min, lon_max, lat_max] in degrees",
    "[grid]\nextent = [124, 41, 123, 42]":
        "line 4, grid.extent: [124, 41, 123, 42] is not an extent; "
        "give [lon_min, lat_min, lon_max, lat_max] in degrees, smaller before larger",
    '[model]\nname = "extended-hata"\nfrequency_mhz = 5000':
        "line 5, model.frequency_mhz: 5000 MHz is outside the range of extended-hata; "
        "give 30 to 3000 MHz or another model",
    '[[services]]\nid = "v"\nterminal = "vehicel"':
        'line 5, services.terminal: there is no terminal "vehicel"; did you mean "vehicle"?',
    '[[services]]\nid = "v"': "line 3, services.terminal: is missing; give the id of a terminal in quotes",
    '[[services]]\nid = "a b"\nterminal = "vehicle"':
        'line 4, services.id: "a b" is not accepted; give letters, digits, - and _ in quotes',
    '[[services]]\nid = "v"\nterminal = "vehicle"\n[[services]]\nid = "v"\nterminal = "vehicle"':
        'line 7, services.id: the id "v" is already used in line 4; give each an id of its own',
    '[[terminals]]\nid = "x"\npower_dbm = 35':
        "line 3, terminals.carry_loss_db: is missing; give a number from -10 to 60 dB",
    '[areas]\nfile = "area.json"':
        'line 4, areas.file: there is no file "area.json" beside the project; '
        "put it there or correct the name",
    "[roads]": 'line 3, roads.file: there is no file "roads.geojson" beside the project; '
               "put it there or correct the name",
    '[sites]\nfile = "site.csv"':
        'line 4, sites.file: there is no file "site.csv" beside the project; '
        'put it there or correct the name; did you mean "sites.csv"?',
    '[terrain]\nlegend = "my.csv"':
        'line 4, terrain.legend: there is no file "my.csv" beside the project; '
        "put it there or correct the name",
    '[policy]\nfile = "lianing"':
        'line 4, policy.file: "lianing" is not built in; did you mean "liaoning"? '
        "A file of your own ends in .toml",
}


@pytest.mark.parametrize("text", list(FAULTS))
def test_each_fault_is_told_with_line_key_and_remedy(load, text):
    assert told(load, ABOUT + text + "\n") == ["project.toml: " + FAULTS[text]]


def test_all_faults_are_told_at_once_in_the_order_of_the_file(load):
    lines = told(load, '[project]\nnmae = "x"\n[model]\nradius_km = -1\nn0 = "a"\n[areas]\n[[services]]\n'
                       'id = "s"\nterminal = "none"\n')
    assert [line.split(": ")[1] for line in lines] == [
        "line 1, project.name", "line 2, project.nmae", "line 4, model.radius_km", "line 5, model.n0",
        "line 6, areas.file", "line 9, services.terminal"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[terrain]\nlegend = "terrain\\legend.csv"\n',
         ("line 4, column", "write folders with / instead of \\")),
        ("[model]\nn0 = 325,5\n", ("line 4, column", "is not valid TOML")),
        ("[model]\nname = p1812\n",
         ("line 4, column", 'put texts in "quotes" and write numbers with a point')),
        ("[project]\nnote = 1\n", ("line 3, column", "give each key and each [table] once")),
    ],
)
def test_broken_toml_is_told_by_line(load, text, expected):
    (line,) = told(load, ABOUT + text)
    assert line.startswith("project.toml: line") and all(part in line for part in expected), line


def test_another_encoding_is_told(load):
    with pytest.raises(ProjectError, match=r"^project\.toml: line 2: is not encoded in UTF-8; save the"):
        load('[project]\nname = "示例"\n', encoding="gbk")


def test_an_absent_project_is_told(tmp_path):
    with pytest.raises(ProjectError, match=r"cannot be read \(no such file\); give a project folder"):
        load_project(tmp_path / "nowhere")


def test_a_planning_level_as_threshold_warns_of_counting_margins_twice(load):
    text = '[[terminals]]\nid = "h"\npower_dbm = 35\ncarry_loss_db = 12\nthreshold_dbm = -95\n'
    warning = next(w for w in load(ABOUT + text).warnings if "threshold" in w.where)
    assert warning.where == "line 7, terminals.threshold_dbm"
    assert warning.message.startswith("-95 dBm looks like a planning level")


SOURCES = """
[[terrain.sources]]
files = "dsm"
label = "City"
surface = true
[[terrain.sources]]
files = ["a/*.hgt", "b.tif"]
surface = false
vertical_unit = "ft"
nodata = [-9999, 0]
voids = "sea"
crs = "EPSG:4326"
"""


def test_sources_say_for_themselves_what_they_are(load, tmp_path):
    from radiocov.inputs import elevation_sources

    (tmp_path / "dsm").mkdir()
    (tmp_path / "a").mkdir()
    for name in ("dsm/x.tif", "a/n.hgt", "b.tif"):
        (tmp_path / name).touch()
    project = load(ABOUT + SOURCES)
    assert project.warnings == ()
    first, second = elevation_sources(project)
    assert (first.files, first.surface, first.label) == ((tmp_path / "dsm",), True, "City")
    assert second.files == (tmp_path / "a/*.hgt", tmp_path / "b.tif")
    assert (second.vertical_unit, second.surface, second.nodata) == ("ft", False, (-9999, 0))
    assert (second.voids, second.crs) == ("sea", "EPSG:4326")
    assert project.elevation_files == [*first.files, *second.files]


def test_a_list_of_files_is_a_source_each(load, tmp_path):
    from radiocov.inputs import elevation_sources

    text = '[terrain]\nelevation = ["a.tif", "b.tif"]\nsurface = true\nvertical_unit = "ft"\n'
    sources = elevation_sources(load(ABOUT + text))
    assert [s.files for s in sources] == [(tmp_path / "a.tif",), (tmp_path / "b.tif",)]
    assert all(s.surface and s.vertical_unit == "ft" and s.voids == "next" for s in sources)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[terrain.sources]]\nfiles = "a.tif"',
         "line 3, terrain.sources.surface: is missing; give true (trees and buildings are in the heights) or false "
         "(bare ground)"),
        ('[[terrain.sources]]\nfiles = 7\nsurface = true',
         "line 4, terrain.sources.files: 7 is not accepted; give a file, a folder or a pattern such as "
         '"terrain/*.tif" in quotes, or a list of them'),
        ('[[terrain.sources]]\nfiles = "a.tif"\nsurface = true\nunit = "m"',
         'line 6, terrain.sources.unit: unknown key "unit"; known here: files, label, vertical_unit, surface'),
        ('[[terrain.sources]]\nfiles = "a.tif"\nsurface = true\nvertical_unit = "yard"',
         'line 6, terrain.sources.vertical_unit: "yard" is not accepted; give "m", "dm", "cm", "ft" or "us-ft"'),
        ('[terrain]\nsurface = true\n[[terrain.sources]]\nfiles = "a.tif"\nsurface = true',
         "line 4, terrain.surface: stands beside [[terrain.sources]], each of which says it for itself; "
         "leave it out here"),
        ('[terrain.density]\nradius_m = 5',
         "line 4, terrain.density.radius_m: 5 is not accepted; give a number from 10 to 10000 m"),
        ('[terrain.density]\nurban = 0.9',
         "line 3, terrain.density.dense_urban: 0.8 is not above urban (0.9); dense urban begins at a larger share "
         "than urban"),
        ('[terrain.clutter]\nabove = "roof"\nfiles = "a.tif"',
         'line 4, terrain.clutter.above: "roof" is not accepted; give "ground" or "sea"'),
        ("[terrain]\nlandcover = 3",
         "line 4, terrain.landcover: 3 is not accepted; give a file, a folder or a pattern such as "
         '"terrain/*.tif" in quotes, or a list of them'),
    ],
)  # fmt: skip
def test_faults_of_the_terrain_table(load, text, expected):
    lines = told(load, ABOUT + text + "\n")
    assert lines[0].startswith("project.toml: " + expected), lines


def test_missing_ground_of_every_kind_is_told(load):
    rest = '[terrain]\nlandcover = ["c.tif"]\nland_mask = "m.tif"\n[terrain.clutter]\nfiles = "h/*.tif"\n'
    named = [(w.where.split(", ")[1], w.message) for w in load(ABOUT + rest + SOURCES).warnings]
    assert [where for where, _ in named] == [
        "terrain.landcover", "terrain.land_mask", "terrain.clutter.files", *["terrain.sources.files"] * 3,
    ]  # fmt: skip
    assert '"a/*.hgt"' in named[-2][1]


def test_an_extent_may_go_on_beyond_180_degrees(load):
    assert load(ABOUT + "[grid]\nextent = [179.5, -17, 180.5, -16]\n").grid.extent[2] == 180.5
