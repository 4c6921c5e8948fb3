"""Cables: the packaged table and the user's own, and the loss of a length."""

import csv
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.feeders import PACKAGED, read_cables
from radiocov.problems import ProjectError

HEADER = "type,frequency_mhz,db_per_100m"


@pytest.fixture
def own(tmp_path):
    def write(*rows, header=HEADER):
        path = tmp_path / "own.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path
    return write


def told(path):
    with pytest.raises(ProjectError) as caught:
        read_cables(path)
    return [str(p).removeprefix("own.csv: ") for p in caught.value.problems]


def test_every_listed_point_comes_out_as_it_is_listed():
    cables = read_cables()
    with PACKAGED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 15
    for row in rows:
        found = cables.find(row["type"]).db_per_100m(float(row["frequency_mhz"]))
        assert found == pytest.approx(float(row["db_per_100m"])) and row["source"]


def test_between_two_frequencies_it_is_linear_in_the_root():
    cable = read_cables().find("7/8-foam")
    share = (math.sqrt(358) - math.sqrt(144)) / (math.sqrt(435) - math.sqrt(144))
    assert cable.db_per_100m(358.0) == pytest.approx(1.43 + share * (2.6 - 1.43))
    assert cable.loss_db(50.0, 358.0) == round(cable.db_per_100m(358.0) / 2, 3)
    # the catalogue figure at 100 MHz is 1.19: the root alone carries it there within 1 %
    assert cable.db_per_100m(100.0) == pytest.approx(1.19, rel=0.01)


@given(st.sampled_from(read_cables().types), st.floats(30, 6000))
def test_more_frequency_is_more_loss_and_thicker_is_less(kind, frequency):
    cables = read_cables()
    cable = cables.find(kind)
    assert 0 < cable.db_per_100m(frequency) < cable.db_per_100m(frequency * 1.01)
    thick, thin = (cables.find(k).db_per_100m(frequency) for k in ("1-5/8-foam", "1/2-foam"))
    assert thick < thin


@pytest.mark.parametrize("name", ['7/8" foam', "7/8-FOAM", "LDF5-50A", "ldf5 50a", "7/8英寸 foam"])
def test_a_cable_has_many_spellings(name):
    assert read_cables().find(name).type == "7/8-foam"
    assert read_cables().find("9/8") is None


def test_ones_own_table_comes_first(own):
    cables = read_cables(own("House cable,300,3.0", "House cable,400,3.6", "7/8-FOAM,350,9.9"))
    assert cables.find("house-cable").db_per_100m(300) == 3.0
    assert cables.find('7/8" foam').db_per_100m(350) == 9.9
    assert cables.find("1/2-foam").db_per_100m(450) == 5.2, "the packaged ones stay"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["a,300,x"], ['row 2, db_per_100m: "x" is not accepted; give a number from 0.01 to 500']),
        (["a,,3"], ['row 2, frequency_mhz: "" is not accepted; give a number from 1 to 10000']),
        (["a,nan,3"], ['row 2, frequency_mhz: "nan" is not accepted; give a number from 1 to 10000']),
        ([",300,3"], ["row 2, type: is empty; name the type of cable"]),
        (["a,300,3", "a,300,4"], ["row 3: a has 300 MHz a second time; keep one"]),
        (["a b,300,3", "A-B,400,4"], ['row 3: "A-B" names a b already; give each type names of its own']),
        (["a,300"], ['row 2, db_per_100m: "" is not accepted; give a number from 0.01 to 500']),
        ([], ["contains no cable; give a row for each type and frequency"]),
    ],
)
def test_bad_rows_are_told(own, rows, expected):
    assert told(own(*rows)) == expected


def test_bad_files_are_told(own, tmp_path):
    assert told(own("a,1", header="type,MHz")) == [
        "row 1: no column frequency_mhz, db_per_100m; the header has to contain type, frequency_mhz, db_per_100m "
        "(and may: also, source)"]
    assert told(tmp_path / "own.csv2") == [
        "own.csv2: cannot be read (No such file or directory); put the file there or correct [sites] feeders"]
    (tmp_path / "own.csv").write_bytes("类型".encode("gbk"))
    assert told(tmp_path / "own.csv") == ['is not encoded in UTF-8; save it as "CSV UTF-8"']
