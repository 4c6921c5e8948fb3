"""The columns of sites.csv about antennas, losses and receivers."""

import dataclasses

import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.columns import BASIC, COLUMNS, match_headers
from radiocov.feeders import read_cables
from radiocov.network import parse_sites, read_sites, write_sites
from radiocov.site import Site

BASIC_CELLS = {"id": "s1", "name": "One", "longitude": "123.4", "latitude": "41.8", "antenna_height_m": "45",
               "power_dbm": "47", "losses_db": "5", "gain_dbi": "9"}
WITHOUT = {"losses_db": ""}


def table(*rows, extra=()):
    """A file with the basic columns and those that the rows use."""
    columns = [c for c in COLUMNS if c in BASIC or any(c in row for row in rows) or c in extra]
    lines = [",".join(columns)]
    lines += [",".join({**BASIC_CELLS, **row}.get(c, "") for c in columns) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def read(*rows, antennas=None, **options):
    sites, problems = parse_sites(table(*rows), "sites.csv", antennas, **options)
    return sites, [str(p).removeprefix("sites.csv: ") for p in problems]


def one(**cells):
    (site,), problems = read(cells)
    assert problems == []
    return site


@pytest.fixture
def antennas(tmp_path):
    cut = "".join(f"{a} {min(a, 360 - a) / 10}\n" for a in range(360))
    flat = "".join(f"{a} 0\n" for a in range(360))
    (tmp_path / "panel.msi").write_text(f"GAIN 10 dBd\nHORIZONTAL 360\n{cut}VERTICAL 360\n{cut}")
    (tmp_path / "round.msi").write_text(f"GAIN 6 dBd\nHORIZONTAL 360\n{flat}VERTICAL 360\n{cut}")
    (tmp_path / "silent.ant").write_text("0\n" * 720)
    return tmp_path


# ------------------------------------------------------------------------------------------------- losses
def test_losses_are_the_sum_of_their_parts_where_the_cell_is_empty():
    parts = {"combiner_db": "3.5", "duplexer_db": "0.9", "feeder_type": '7/8 foam', "feeder_length_m": "52",
             "jumpers_db": "0.7"}
    site = one(**WITHOUT, **parts)
    cable = read_cables().find("7/8-foam").db_per_100m(358.0) * 0.52
    assert site.feeder_type == "7/8-foam" and site.feeder_db == pytest.approx(cable, abs=5e-4)
    assert site.losses_db == pytest.approx(3.5 + 0.9 + 0.7 + cable, abs=1e-3) and site.losses_summed
    assert site.receive_losses_db == pytest.approx(0.9 + 0.7 + cable, abs=1e-3)
    assert site.eirp_max_dbm == pytest.approx(47 + 9 - site.losses_db)


def test_losses_given_win_and_say_so():
    (site,), problems = read({"combiner_db": "3.5", "jumpers_db": "1"})
    assert problems == ["row 2, losses_db: is given, so that combiner_db, jumpers_db count for nothing; empty one or "
                        "the other"]
    assert (site.losses_db, site.receive_losses_db, site.losses_summed) == (5, 5, False)
    assert one(rx_losses_db="2.5").receive_losses_db == 2.5


def test_the_feeder_is_computed_at_the_sites_frequency():
    feeder = {**WITHOUT, "feeder_type": "1/2-foam", "feeder_length_m": "100"}
    own, project = one(**feeder, frequency_mhz="450"), read(feeder, frequency_mhz=150.0)[0][0]
    assert (own.feeder_db, project.feeder_db) == (5.2, 2.8)


def test_the_losses_column_may_be_missing_where_parts_are_there():
    header = ",".join(c for c in BASIC if c != "losses_db")
    cells = ",".join(BASIC_CELLS.get(c, "") for c in BASIC if c != "losses_db")
    sites, problems = parse_sites(f"{header},combiner_db\n{cells},3\n".encode(), "sites.csv")
    assert problems == [] and sites[0].losses_db == 3
    _, problems = parse_sites(f"{header}\n{cells}\n".encode(), "sites.csv")
    assert "no column losses_db" in str(problems[0])


FAULTS = [
    (WITHOUT, "row 2, losses_db: is empty; give a number from 0 to 40 dB, or its parts in combiner_db, duplexer_db, "
              "feeder_type, feeder_length_m, jumpers_db"),
    ({"feeder_type": "7/8-foam", **WITHOUT}, 'row 2, feeder_length_m: is empty; give the length of the "7/8-foam" in '
                                             "metres"),
    ({"feeder_length_m": "50", **WITHOUT}, "row 2, feeder_type: is empty; name the cable that is 50 m long"),
    ({"feeder_type": "7/8-foma", "feeder_length_m": "50", **WITHOUT},
     'row 2, feeder_type: there is no cable "7/8-foma"; did you mean "7/8-foam"?'),
    ({"combiner_db": "31", **WITHOUT}, "row 2, combiner_db: 31 is out of range; give a number from 0 to 20 dB"),
    ({"tma_gain_db": "12"}, "row 2, tma_noise_figure_db: is empty; give a number from 0 to 20 dB: an amplifier needs "
                            "its gain and its noise figure"),
    ({"tma_noise_figure_db": "2"}, "row 2, tma_gain_db: is empty; give a number from 0 to 40 dB: an amplifier needs "
                                   "its gain and its noise figure"),
    ({"rx_antenna": "omni"}, "row 2, rx_gain_dbi: is empty; give a number from -10 to 25 dBi"),
    ({"rx_antenna_height_m": "0.2"},
     "row 2, rx_antenna_height_m: 0.2 is out of range; give a number from 1 to 500 m"),
    ({"antenna": "beam:65/10", "gain_dbi": ""},
     'row 2, azimuth_deg: is empty; "beam:65/10" is directional: give degrees clockwise from north'),
    ({"antenna": "beam:65-10"},
     'row 2, antenna: "beam:65-10" is not a beam; write it as "beam:65/10" or, with a front-to-back ratio of 30 dB, '
     '"beam:65/10/30"'),
    ({"rx_antenna": "beam:1/10"}, 'row 2, rx_antenna: "beam:1/10": 1 deg is no horizontal width; give 5 to 360 deg'),
    ({"rx_antenna": "beam:65/10"},
     'row 2, rx_azimuth_deg: is empty; "beam:65/10" is directional: give degrees clockwise from north'),
    ({"electrical_tilt_deg": "95"},
     "row 2, electrical_tilt_deg: 95 is out of range; give a number from -30 to 30 deg"),
    ({"offset_east_m": "far"}, 'row 2, offset_east_m: "far" is not accepted; give a number from -1000 to 1000 m'),
]


@pytest.mark.parametrize(("cells", "expected"), FAULTS, ids=range(len(FAULTS)))
def test_each_bad_cell_is_told(cells, expected):
    assert read(cells)[1] == [expected]


# ------------------------------------------------------------------------------------- antennas, receivers
def test_a_described_beam_gives_its_gain():
    site = one(antenna="beam:65/10", gain_dbi="", azimuth_deg="30", electrical_tilt_deg="4")
    assert (site.antenna, site.gain_dbi, site.electrical_tilt_deg) == ("beam:65/10", 16.98, 4)


def test_spellings_of_omnis_and_beams():
    assert one(antenna="OMNI").antenna == one(antenna="全向").antenna == ""
    assert one(antenna="Beam：65/10", azimuth_deg="0").antenna == "beam:65/10"


def test_a_gain_that_no_antenna_has_is_told(antennas):
    text = (antennas / "panel.msi").read_text().replace("GAIN 10", "GAIN 100")
    (antennas / "panel.msi").write_text(text)
    cells = {"antenna": "panel.msi", "gain_dbi": "", "azimuth_deg": "0", "rx_antenna": "panel.msi"}
    assert read(cells, antennas=antennas)[1] == [
        'row 2, gain_dbi: "panel.msi" states 102.15 dBi; give a number from -10 to 25 dBi',
        'row 2, rx_gain_dbi: "panel.msi" states 102.15 dBi; give a number from -10 to 25 dBi']


def test_a_receiver_is_as_the_transmitter_unless_a_cell_says_otherwise():
    plain = one(antenna="omni", electrical_tilt_deg="2")
    assert plain.antenna == "" and plain.receiving is plain
    own = one(rx_gain_dbi="12", rx_antenna_height_m="60", rx_azimuth_deg="0").receiving
    assert (own.gain_dbi, own.antenna_height_m, own.antenna) == (12, 60, "")
    turned = one(rx_antenna="beam:65/10", azimuth_deg="120").receiving
    assert (turned.azimuth_deg, turned.gain_dbi) == (120, 16.98)
    same = one(rx_antenna_height_m="45", rx_gain_dbi="9")
    assert same.receiving is same


def test_a_receive_antenna_of_its_own(antennas):
    cells = {"antenna": "panel.msi", "azimuth_deg": "120", "tilt_deg": "3", "electrical_tilt_deg": "5"}
    (site,), problems = read({**cells, "rx_antenna": "round.msi"}, antennas=antennas)
    assert problems == [] and site.rx_gain_dbi == 8.15
    heard = site.receiving
    assert (heard.antenna, heard.gain_dbi, heard.azimuth_deg, heard.tilt_deg) == ("round.msi", 8.15, 120, 3)
    assert heard.electrical_tilt_deg is None, "the electrical tilt belongs to the antenna"
    (site,), _ = read({**cells, "rx_antenna": "omni", "rx_gain_dbi": "8"}, antennas=antennas)
    assert (site.rx_antenna, site.receiving.antenna, site.receiving.gain_dbi) == ("omni", "", 8)


def test_faults_of_receive_antennas_name_their_column(antennas):
    told = [read({"rx_antenna": name}, antennas=antennas)[1] for name in ("pannel.msi", "silent.ant", "panel.msi")]
    assert told == [
        [f'row 2, rx_antenna: there is no file "pannel.msi" in "{antennas.name}"; did you mean "panel.msi"?'],
        ['row 2, rx_gain_dbi: is empty; "silent.ant" states no gain: give a number from -10 to 25 dBi'],
        ['row 2, rx_azimuth_deg: is empty; "panel.msi" is directional: give degrees clockwise from north']]


@given(st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(-70, 70))
def test_offsets_are_metres_on_the_ellipsoid(east, north, lat):
    site = Site("s", "s", 123.0, lat, 40, 47, 5, "", 9, 0, 0, None, None, "existing", offset_east_m=east,
                offset_north_m=north)
    lon, moved = site.antenna_lonlat
    globe = pyproj.Geod(ellps="WGS84")
    azimuth, _, distance = globe.inv(123.0, lat, lon, moved)
    assert distance == pytest.approx((east**2 + north**2) ** 0.5, abs=0.3)
    if not east and not north:
        assert (lon, moved) == (123.0, lat)


# ------------------------------------------------------------------------------------------- headers, files
def test_every_column_has_a_chinese_header_and_no_two_share_one():
    problems = []
    for name, column in COLUMNS.items():
        assert any("\u4e00" <= char <= "\u9fff" for alias in column.aliases for char in alias), name
        for alias in (name, *column.aliases):
            found = match_headers([alias], 1, lambda *told: problems.append(told))
            assert found == {name: 0}, alias
    assert problems == []


def numbers(name):
    column = COLUMNS[name]
    return st.none() | st.floats(column.low, column.high)


extras = st.fixed_dictionaries({
    name: numbers(name) for name in COLUMNS
    if name not in BASIC and COLUMNS[name].high > COLUMNS[name].low and not name.startswith(("tma_", "feeder_"))
} | {"rx_antenna": st.just("") | st.just("omni"), "amplifier": st.booleans(), "feeder": st.booleans()})


@given(extras, st.booleans())
def test_what_is_written_is_read_back_the_same(tmp_path_factory, given_cells, summed):
    cells = dict(given_cells)
    amplified, fed = cells.pop("amplifier"), cells.pop("feeder")
    if amplified:
        cells |= {"tma_gain_db": 12.0, "tma_noise_figure_db": 1.5}
    if fed:
        cells |= {"feeder_type": "1/2-foam", "feeder_length_m": 40.0}
    if cells["rx_antenna"] == "omni" and cells["rx_gain_dbi"] is None:
        cells["rx_gain_dbi"] = 6.0
    cells = {k: ("" if v is None else str(v)) for k, v in cells.items()}
    if summed and any(cells.get(k) for k in ("combiner_db", "duplexer_db", "jumpers_db", "feeder_type")):
        cells["losses_db"] = ""
    sites, _ = parse_sites(table(cells), "sites.csv")
    assert len(sites) == 1
    path = tmp_path_factory.mktemp("sites") / "sites.csv"
    write_sites(path, sites)
    assert read_sites(path)[0] == sites


def test_a_plain_network_is_written_with_the_basic_columns_alone(tmp_path):
    plain, own = one(), dataclasses.replace(one(), id="s2", rx_gain_dbi=11.0)
    write_sites(tmp_path / "a.csv", [plain])
    write_sites(tmp_path / "b.csv", [plain, own])
    headers = [(tmp_path / f).read_text(encoding="utf-8-sig").splitlines()[0] for f in ("a.csv", "b.csv")]
    assert headers == [",".join(BASIC), ",".join([*BASIC, "rx_gain_dbi"])]
