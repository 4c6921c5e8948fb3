"""Settings of receivers, noise, buildings and antennas in project.toml, and what check says about them."""

import json

import pytest

from radiocov.check import check_path
from radiocov.problems import ProjectError
from radiocov.project import Project, load_project
from radiocov.templates import init_project

ABOUT = '[project]\nname = "Test"\n'
HIP = '[[terminals]]\nid = "hip"\npower_dbm = 35.0\n'


@pytest.fixture
def load(tmp_path):
    (tmp_path / "sites.csv").touch()

    def load_text(text):
        (tmp_path / "project.toml").write_text(ABOUT + text, encoding="utf-8")
        return load_project(tmp_path)

    return load_text


def told(load, text):
    with pytest.raises(ProjectError) as caught:
        load(text)
    return [line.removeprefix("project.toml: ") for line in str(caught.value).splitlines()]


def warned(load, text):
    return [str(w).removeprefix("project.toml: ") for w in load(text).warnings if "elevation" not in str(w)]


def test_what_is_not_used_is_not_written():
    """Results carry these settings: those of projects that use nothing new stay as they were."""
    plain = Project.model_validate({"project": {"name": "a"}}).model_dump(
        mode="json", include={"terminals", "base", "services"})
    assert set(plain["base"]) == {"threshold_dbm", "diversity_gain_db"}
    assert set(plain["terminals"][0]) == {"id", "label", "label_zh", "height_m", "power_dbm", "antenna_gain_dbi",
                                          "carry_loss_db", "threshold_dbm"}
    assert set(plain["services"][0]) == {"id", "label", "label_zh", "terminal", "direction", "probability"}


def test_what_is_used_is_written_and_read_back():
    given = {"project": {"name": "a"}, "base": {"threshold": "computed", "noise_figure_db": 6.0},
             "terminals": [{"id": "t", "power_dbm": 35.0, "carry_loss_db": 7.0, "threshold": "given+noise"}],
             "services": [{"id": "s", "terminal": "t", "indoor": "traditional"}]}
    dumped = json.loads(Project.model_validate(given).model_dump_json())
    assert dumped["base"]["noise_figure_db"] == 6 and dumped["services"][0]["indoor"] == "traditional"
    assert dumped["terminals"][0]["threshold"] == "given+noise"


def test_the_computed_threshold_needs_no_figure(load):
    project = load(HIP + 'carry_loss_db = 7.0\nthreshold = "computed"\nnoise_figure_db = 9.0\n')
    # -135.167 + 9 + 17.2
    assert project.terminal("hip").threshold_dbm == pytest.approx(-108.967, abs=0.001)
    assert load(HIP + "carry_loss_db = 7.0\n").terminal("hip").threshold_dbm == -111


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HIP + 'carry_loss_db = 7.0\nthreshold = "computed"\nthreshold_dbm = -111.0\n',
         ['line 8, terminals.threshold_dbm: is given although threshold = "computed"; leave it out, or give '
          'threshold = "given" or "given+noise"']),
        (HIP + "carry_loss_db = 7.0\nbody_loss_db = 7.0\n",
         ["line 6, terminals.carry_loss_db: stands beside body_loss_db, which it sums up; "
          "give the sum or its parts"]),
        (HIP, ["line 3, terminals.carry_loss_db: is missing; give a number from -10 to 60 dB"]),
        (HIP + 'body_loss_db = "much"\n',
         ["line 3, terminals.carry_loss_db: is missing; give a number from -10 to 60 dB",
          'line 6, terminals.body_loss_db: "much" is not accepted; give a number from -10 to 40 dB']),
        (HIP + 'carry_loss_db = 7.0\nthreshold = "guessed"\n',
         ['line 7, terminals.threshold: "guessed" is not accepted; give "given", "given+noise" or "computed"']),
        ('[base]\nthreshold = "computed"\nnoise_bandwidth_hz = 0\n',
         ["line 5, base.noise_bandwidth_hz: 0 is not accepted; give a number from 1000 to 100000 Hz"]),
        ('[sites]\npattern_method = "mean"\n',
         ['line 4, sites.pattern_method: "mean" is not accepted; give "sum" or "hpi"']),
        ('[sites]\nfeeders = "cabels.csv"\n',
         ['line 4, sites.feeders: there is no file "cabels.csv" beside the project; put it there or correct the '
          'name; did you mean "sites.csv"?']),
        ('[noise]\nenvironment = "suburb"\n',
         ['line 4, noise.environment: "suburb" is not accepted; give "landcover", "city", "residential", "rural", '
          '"quiet-rural" or "uhf-business"']),
        ('[model]\nfrequency_mhz = 60\n[[services]]\nid = "in"\nterminal = "vehicle"\nindoor = "traditional"\n',
         ["line 8, services.indoor: P.2109 knows no building entry loss at 60 MHz; it begins at 80 MHz: put the loss "
          "into carry_loss_db"]),
        ('[model]\nfrequency_mhz = 1500\n[base]\nthreshold = "given+noise"\n',
         ['noise.city: P.372 has no man-made noise of this kind at 1500 MHz; it holds from 0.3 to 1000 MHz: give '
          'threshold = "given"']),
        ('[model]\nfrequency_mhz = 150\n[base]\nthreshold = "computed"\n[noise]\ncity = "uhf-business"\n',
         ['line 8, noise.city: P.372 has no man-made noise of this kind at 150 MHz; it holds from 200 to 900 MHz: '
          'give threshold = "given"']),
    ],
)
def test_each_fault_is_told_with_line_key_and_remedy(load, text, expected):
    assert told(load, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HIP + "carry_loss_db = 7.0\nnoise_figure_db = 7.0\n",
         ['line 7, terminals.noise_figure_db: counts for nothing while threshold = "given"; give threshold = '
          '"computed" or "given+noise", or leave it out']),
        ('[noise]\nenvironment = "city"\n[base]\nthreshold = "given+noise"\nrequired_cn_db = 17.0\n',
         ['line 7, base.required_cn_db: counts for nothing while threshold = "given+noise"; give threshold = '
          '"computed", or leave it out']),
        ("[base]\nnoise_figure_db = 4.0\n", []),  # amplifiers at the antenna need it
        ('[noise]\nenvironment = "city"\n[base]\nthreshold = "computed"\nrequired_cn_db = 30.0\n',
         ["line 7, base.required_cn_db: 30 dB seems to contain a reliability margin; give the faded C/(I+N) of the "
          "voice grade (about 17), because probability adds the rest"]),
        ('[base]\nthreshold = "given+noise"\n',
         ["noise.environment: is the land cover's, and there is none: everywhere is rural, without noise; "
          'name [terrain] landcover, or an environment such as "residential"']),
        ("[model]\nfrequency_mhz = 1500\n", []),  # no noise is asked for
    ],
)
def test_figures_that_count_for_nothing_or_twice_are_warned_of(load, text, expected):
    assert warned(load, text) == expected


# ------------------------------------------------------------------------------------------ radiocov check
@pytest.fixture
def folder(tmp_path):
    init_project(tmp_path)
    cut = "".join(f"{a} {min(a, 360 - a) / 10}\n" for a in range(360))
    (tmp_path / "antennas").mkdir()
    for name, frequency in (("tx.msi", 360), ("rx.msi", 450)):
        text = f"GAIN 8\nFREQUENCY {frequency}\nELECTRICAL_TILT 2\nHORIZONTAL 360\n{cut}VERTICAL 360\n{cut}"
        (tmp_path / "antennas" / name).write_text(text)
    return tmp_path


def edit(folder, old, new):
    text = (folder / "project.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "project.toml").write_text(text.replace(old, new), encoding="utf-8")


def checked(folder, header, *rows):
    basic = "id,longitude,latitude,antenna_height_m,power_dbm,losses_db,gain_dbi,azimuth_deg"
    lines = [f"{basic},{header}", *(f"s{n},122.1{n},42.1,50,47,5,9,0,{row}" for n, row in enumerate(rows))]
    (folder / "sites.csv").write_text("\n".join(lines) + "\n")
    report = check_path(folder, cores=1)
    return report, [f"{p.severity}: {p}" for p in report.problems if "terrain" not in p.where]


def test_check_knows_receive_antennas_and_their_rasters(folder):
    header = "antenna,rx_antenna,rx_antenna_height_m"
    report, problems = checked(folder, header, "tx.msi,rx.msi,", "tx.msi,,30", ",,50")
    assert problems == ["warning: rx.msi: FREQUENCY: the pattern is of 450 MHz, the network is at 358 MHz; "
                        "use a pattern of the antenna's own band"]
    assert report.plan.loss_rasters == 4  # three places, one of them at two heights


def test_check_says_where_a_tilt_is_calculated_or_means_nothing(folder):
    _, problems = checked(folder, "antenna,electrical_tilt_deg", "tx.msi,6", "tx.msi,2.3", ",4", "beam:65/10,4")
    assert problems == [
        'warning: sites.csv: site "s0", electrical tilt: the file "tx.msi" is that of 2 deg; its vertical cut is '
        "moved to 6 deg; name the maker's file of that tilt if there is one"]
    text = (folder / "sites.csv").read_text().replace("47,5,9,0,,4", "47,5,2,0,,4")
    (folder / "sites.csv").write_text(text)
    found = [str(p) for p in check_path(folder, cores=1).problems]
    assert ('sites.csv: site "s2", electrical tilt: 4 deg has no effect on an omni of 2 dBi, which has no vertical '
            "beam; name an antenna or leave the tilt empty") in found


def test_check_notices_a_vertical_cut_that_counts_upwards(folder):
    text = (folder / "antennas" / "tx.msi").read_text()
    head, vertical = text.split("VERTICAL 360\n")
    values = [line.split()[1] for line in vertical.splitlines()]
    turned = {2: values[-2:] + values[:-2], -2: values[2:] + values[:2]}  # beam 2 degrees down, and up
    for down, cut in turned.items():
        rows = "".join(f"{a} {v}\n" for a, v in enumerate(cut))
        (folder / "antennas" / "tx.msi").write_text(f"{head}VERTICAL 360\n{rows}")
        _, problems = checked(folder, "antenna", "tx.msi")
        assert problems == ([] if down > 0 else [
            "warning: tx.msi: VERTICAL: the beam points 2 deg up, while the file states that much downwards; "
            "angles of the vertical cut count downwards: turn the cut over if the maker counted upwards"])


def test_check_says_which_noise_figures_count_for_nothing(folder):
    rows = "6,,", "6,12,1.5"
    header = "rx_noise_figure_db,tma_gain_db,tma_noise_figure_db"
    assert checked(folder, header, *rows)[1] == [
        'warning: sites.csv: site "s0", rx_noise_figure_db: counts for nothing: [base] gives the threshold, and '
        'there is no amplifier at the antenna; give [base] threshold = "computed", or empty the cell']
    edit(folder, "threshold_dbm = -113.0\n", 'threshold = "computed"\n')
    assert checked(folder, header, *rows)[1] == []


def test_a_site_beyond_the_stated_noise_is_told(folder):
    edit(folder, "threshold_dbm = -113.0\n", 'threshold = "computed"\n')
    edit(folder, 'name = "p1812"', 'name = "free-space"')
    _, problems = checked(folder, "frequency_mhz", "1500", "400")
    assert problems == [
        'error: sites.csv: site "s0", frequency_mhz: frequency_mhz must be 0.3 to 1000 MHz for city noise, not '
        '1500.0; give [base] threshold = "given"']


def test_check_reads_the_projects_own_cables(folder):
    edit(folder, 'file = "sites.csv"', 'file = "sites.csv"\nfeeders = "own.csv"')
    (folder / "own.csv").write_text("type,frequency_mhz,db_per_100m\nhouse,350,x\n")
    _, problems = checked(folder, "feeder_type,feeder_length_m", "7/8-foam,50")
    assert problems[0] == 'error: own.csv: row 2, db_per_100m: "x" is not accepted; give a number from 0.01 to 500'
