import datetime as dt
import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.columns import BASIC, parse_coordinate, parse_date
from radiocov.network import Site, in_state, parse_sites, read_sites, write_sites

HEADER = ",".join(name for name in BASIC if name != "site")
GOOD = "s1,One,123.4,41.8,45,47,5,,9,,,,2015-06-30,existing"


def rows(*lines, header=HEADER):
    return ("\n".join([header, *lines]) + "\n").encode()


def told(*lines, header=HEADER, antennas=None):
    sites, problems = parse_sites(rows(*lines, header=header), "sites.csv", antennas)
    return [str(p).removeprefix("sites.csv: ") for p in problems]


def row(**cells):
    """The good row with other cells."""
    values = {**dict(zip(HEADER.split(","), GOOD.split(","), strict=True)), **cells}
    return ",".join(values.values())


def test_a_row_becomes_a_site():
    (site,), problems = parse_sites(rows(GOOD), "sites.csv")
    assert problems == []
    day = dt.date(2015, 6, 30)
    assert site == Site("s1", "One", 123.4, 41.8, 45, 47, 5, "", 9, 0, 0, None, day, "existing")
    assert site.eirp_max_dbm == 51


def test_chinese_headers_units_words_and_semicolons_are_read():
    header = "编号;名称;经度;纬度;天线挂高（米）;发射功率(dBm);馈线损耗;增益 [dBi];方位角;开通日期;状态"
    line = "a;甲站;东经123度30分;41°48'30\"N;45;47;3;9;90;2016/1/2;规划"
    (site,), problems = parse_sites(("\ufeff" + header + "\r\n" + line + "\r\n").encode(), "sites.csv")
    assert problems == []
    assert (site.name, site.lon, site.azimuth_deg) == ("甲站", 123.5, 90)
    assert site.lat == pytest.approx(41 + 48.5 / 60)
    assert (site.in_service, site.status) == (dt.date(2016, 1, 2), "planned")


FAULTS = {
    row(id=""): "row 2, id: is empty; give each row an id of its own",
    row(longitude="223.4"): "row 2, longitude: 223.4 is not a longitude; give degrees between -180 and 180",
    row(latitude="-91"): "row 2, latitude: -91 is not a latitude; give degrees between -90 and 90",
    row(latitude="north"): 'row 2, latitude: "north" is not a latitude; give degrees between -90 and 90',
    row(latitude=""): "row 2, latitude: is empty; give degrees",
    row(longitude="41.8", latitude="123.4"):
        'row 2, longitude, latitude: "41.8", "123.4" look exchanged; '
        "give the longitude first or exchange the headers",
    row(longitude="41.8N"):
        'row 2, longitude, latitude: "41.8N", "41.8" look exchanged; '
        "give the longitude first or exchange the headers",
    row(antenna_height_m="0.5"):
        "row 2, antenna_height_m: 0.5 is out of range; give a number from 1 to 500 m",
    row(antenna_height_m=""): "row 2, antenna_height_m: is empty; give a number from 1 to 500 m",
    row(power_dbm="50W"): 'row 2, power_dbm: "50W" is not accepted; give a number from 0 to 60 dBm',
    row(power_dbm="nan"): 'row 2, power_dbm: "nan" is not accepted; give a number from 0 to 60 dBm',
    row(losses_db='"3,5"'): 'row 2, losses_db: "3,5" is not accepted; write it with a point',
    row(gain_dbi="30"): "row 2, gain_dbi: 30 is out of range; give a number from -10 to 25 dBi",
    row(gain_dbi=""): "row 2, gain_dbi: is empty; give a number from -10 to 25 dBi",
    row(azimuth_deg="361"): "row 2, azimuth_deg: 361 is out of range; give a number from 0 to 360 deg",
    row(frequency_mhz="3"): "row 2, frequency_mhz: 3 is out of range; give a number from 30 to 6000 MHz",
    row(status="plan"): 'row 2, status: "plan" is not a status; did you mean "planned"?',
    row(in_service="31/12/2015"): 'row 2, in_service: "31/12/2015" is not a date; write it as 2015-12-31',
    row(in_service="2015-02-30"): 'row 2, in_service: "2015-02-30" is not a date; write it as 2015-12-31',
    row(status="planned", in_service=""):
        "row 2, in_service: is empty; a planned site needs the date from which it counts (2015-12-31)",
    row(tilt_deg="3"): "row 2, tilt_deg: 3 has no effect on an omni without antenna file; "
                       "name an antenna file or leave the tilt empty",
    GOOD + ",,7": "row 2: 16 cells where the header has 14; "
                  'write numbers with a point and put texts that contain a comma in "quotes"',
}


@pytest.mark.parametrize("line", list(FAULTS))
def test_each_bad_cell_is_told_with_row_column_value_and_remedy(line):
    assert told(line) == [FAULTS[line]]


def test_all_bad_cells_are_told_and_rows_count_as_in_a_spreadsheet():
    lines = told(GOOD, "", row(id="s2", longitude="x", power_dbm="99"), row(id="s1", name='"two\nlines"'),
                 row(id="s3", status="?"))
    assert [line.split(":")[0] for line in lines] == [
        "row 4, longitude", "row 4, power_dbm", "row 5, id", "row 6, status"]
    assert lines[2] == 'row 5, id: "s1" is already the id of row 2; give each row an id of its own'


def test_good_rows_are_returned_beside_bad_ones():
    data = rows(GOOD, row(id="s2", longitude="x"), row(id="s3", name="C"))
    sites, problems = parse_sites(data, "sites.csv")
    assert [s.id for s in sites] == ["s1", "s3"] and len(problems) == 1


def test_names_may_repeat_at_one_mast_only():
    assert told(GOOD, row(id="s2")) == []
    assert told(GOOD, row(id="s2", longitude="123.6")) == [
        'row 3, name: "One" is the name of row 2, at another place; give different masts different names']


def test_sectors_of_a_mast_stand_at_one_place():
    lines = told(GOOD + ",M", row(id="s2", name="B", latitude="41.9") + ",M", header=HEADER + ",site")
    assert lines == ['row 3, site: "M" is the mast of row 2 too, at another place; '
                     "give the sectors of one mast the same coordinates"]


def test_one_row_exchanged_within_range_is_noticed_among_the_others():
    lines = told(*(row(id=f"s{i}", name=f"n{i}", longitude="80.1", latitude="42.2") for i in range(3)),
                 row(id="x", name="x", longitude="42.2", latitude="80.1"))
    assert lines == ["row 5, longitude, latitude: 42.2, 80.1 is far from the other sites, exchanged it is "
                     "near; exchange the two cells"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HEADER.replace("power_dbm", "powr_dbm"),
         ['row 1: unknown column "powr_dbm"; did you mean "power_dbm"?',
          "row 1: no column power_dbm; the header has to contain "
          "id, longitude, latitude, antenna_height_m, power_dbm, losses_db"]),
        (HEADER.replace("power_dbm", "功率(W)"),
         ['row 1: the column "功率(W)" is in W; give power_dbm in dBm (dBm = 30 + 10 log10(W))']),
        (HEADER.replace("gain_dbi", "gain (dBd)"),
         ['row 1: the column "gain (dBd)" is in dBd; give gain_dbi in dBi (dBi = dBd + 2.15)']),
        (HEADER.replace("status", "经度"), ['row 1: "经度" is a second column longitude; keep one']),
    ],
)
def test_headers_are_checked(header, expected):
    line = GOOD if "经度" not in header else row(status="")
    assert told(line, header=header) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("编号,名称\n".encode("gbk"),
         'line 1: is encoded in GBK, not in UTF-8; save the file as "CSV UTF-8"'),
        (b"id,name\na,caf\xe9\n", "line 2: is encoded in another encoding than UTF-8; "
                                  'save the file as "CSV UTF-8"'),
        ("id,name".encode("utf-16"), 'is encoded in UTF-16; save it as "CSV UTF-8"'),
        (b"PK\x03\x04rest", 'is a spreadsheet workbook, not a CSV file; save it as "CSV UTF-8"'),
        (b"a\x00b", 'contains binary data; save it as "CSV UTF-8"'),
        (b"", f"is empty; give a header row: {','.join(BASIC)}"),
        (rows(), "contains no site; give one row for each transmitter"),
        (rows('s1,"a"b'), "is not a CSV table (',' expected after '\"'); "
                          "save it again as CSV, with quotes in pairs"),
    ],
)
def test_files_that_are_no_utf8_table_are_told(data, expected):
    sites, problems = parse_sites(data, "sites.csv")
    assert sites == []
    assert [str(p) for p in problems] == ["sites.csv: " + expected]


def test_an_absent_file_is_told(tmp_path):
    (problem,) = read_sites(tmp_path / "sites.csv")[1]
    assert str(problem) == ("sites.csv: cannot be read (No such file or directory); "
                            "put the file there or correct its name in project.toml")


# ------------------------------------------------------------------------------------------ antenna files
@pytest.fixture
def antennas(tmp_path):
    cut = "".join(f"{a} {min(a, 360 - a) / 10}\n" for a in range(360))
    (tmp_path / "panel.msi").write_text(f"GAIN 10 dBd\nHORIZONTAL 360\n{cut}VERTICAL 360\n{cut}")
    (tmp_path / "broken.msi").write_text("GAIN x\n")
    return tmp_path


def test_an_empty_gain_comes_from_the_antenna_file(antennas):
    data = rows(row(antenna="panel.msi", gain_dbi="", azimuth_deg="30"))
    (site,), problems = parse_sites(data, "sites.csv", antennas)
    assert problems == [] and site.gain_dbi == 12.15


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"antenna": "panl.msi"},
         'row 2, antenna: there is no file "panl.msi" in "{}"; did you mean "panel.msi"?'),
        ({"antenna": "../panel.msi"}, 'row 2, antenna: "../panel.msi" is not a file name; '
                                      'put the file into "{}" and give its name alone'),
        ({"antenna": "panel.msi"},
         'row 2, azimuth_deg: is empty; "panel.msi" is directional: give degrees clockwise from north'),
    ],
)
def test_antenna_faults_are_told(antennas, cells, expected):
    assert told(row(**cells), antennas=antennas) == [expected.replace("{}", antennas.name)]


def test_a_faulty_antenna_file_is_told_once_with_its_own_lines(antennas):
    data = rows(row(antenna="broken.msi"), row(id="s2", antenna="broken.msi"))
    sites, problems = parse_sites(data, "sites.csv", antennas)
    texts = [str(p) for p in problems]
    assert sum(t.startswith("broken.msi: line 1: gain") for t in texts) == 1
    assert texts[-1] == 'sites.csv: row 3, antenna: "broken.msi" cannot be used; correct the antenna file'


# ------------------------------------------------------------------------------------------------- cells
@pytest.mark.parametrize(
    ("text", "degrees", "axis"),
    [
        ("41.5", 41.5, ""), ("-41.5", -41.5, ""), ("41.5S", -41.5, "lat"), ("E 123.25°", 123.25, "lon"),
        ("41°48'30\"N", 41.808333333, "lat"), ("N41°48′30″", 41.808333333, "lat"), ("-41 30 0", -41.5, ""),
        ("西经123度30分", -123.5, "lon"), ("41:48.5", 41.808333333, ""), ("41d48m30sS", -41.808333333, "lat"),
        ("41°75'", None, ""), ("41.5°30'", None, ""), ("", None, ""), ("N41S", None, ""), ("-41N", None, ""),
        ("1e400", None, ""), ("41,5", None, ""),
    ],
)
def test_coordinates(text, degrees, axis):
    assert parse_coordinate(text) == (None if degrees is None else pytest.approx(degrees), axis)


@given(st.integers(0, 89), st.integers(0, 59), st.integers(0, 5999), st.sampled_from("NS"))
def test_degrees_minutes_seconds_add_up(d, m, hundredths, letter):
    value, axis = parse_coordinate(f"{d}°{m}'{hundredths / 100:.2f}\"{letter}")
    assert axis == "lat"
    assert math.isclose(abs(value), d + m / 60 + hundredths / 360000, abs_tol=1e-9)


def test_dates_are_year_first():
    day = dt.date(2015, 1, 3)
    assert [parse_date(t) for t in ("2015-01-03", "2015/1/3", "2015.1.3", "2015年1月3日")] == [day] * 4
    assert [parse_date(t) for t in ("3/1/2015", "2015", "15-01-03", "2015-13-01")] == [None] * 4


# ------------------------------------------------------------------------------------------- whole network
def site(ident="s", date=None, status="existing"):
    return Site(ident, ident, 0.0, 0.0, 30, 47, 5, "", 9, 0, 0, None, date, status)


def test_sites_count_from_their_date_and_candidates_never():
    day = dt.date(2015, 12, 31)
    later = day + dt.timedelta(1)
    network = [site("always"), site("on the day", day, "planned"), site("later", later, "planned"),
               site("idea", dt.date(2000, 1, 1), "candidate")]
    assert [s.id for s in in_state(network, day)] == ["always", "on the day"]


texts = st.text(string.ascii_letters + "示例站 ,\"'；#", min_size=1, max_size=12).map(str.strip).filter(bool)


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


random_sites = st.builds(
    Site, id=texts, name=texts, lon=numbers(100, 101), lat=numbers(40, 41), antenna_height_m=numbers(1, 500),
    power_dbm=numbers(0, 60), losses_db=numbers(0, 40), antenna=st.just(""), gain_dbi=numbers(-10, 25),
    azimuth_deg=numbers(0, 360), tilt_deg=numbers(-30, 30), frequency_mhz=st.none() | numbers(30, 6000),
    in_service=st.dates(dt.date(1990, 1, 1)), status=st.sampled_from(["existing", "planned", "candidate"]),
    site=st.just("") | texts)


@given(st.lists(random_sites, min_size=1, max_size=5, unique_by=lambda s: s.id))
def test_what_is_written_is_read_back_the_same(tmp_path_factory, sites):
    path = tmp_path_factory.mktemp("sites") / "sites.csv"
    write_sites(path, sites)
    again, problems = read_sites(path)
    assert again == sites
    assert all(not p.is_error for p in problems)
    assert [p.name for p in path.parent.iterdir()] == ["sites.csv"]
