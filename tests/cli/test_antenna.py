"""radiocov antenna: what is printed and drawn, and bad input."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree

import pytest


def test_a_makers_file(radiocov, shared, tmp_path):
    target = tmp_path / "new" / "panel.svg"
    done = radiocov("antenna", shared / "data/antennas/B800A065-18-4E.pln", "-o", target)
    assert done.code == 0 and done.out.strip().endswith(target.resolve().as_uri())
    for text in ("B800A065-18-4E", "15.75   dBi    13.6 dBd", "66.5   deg", "33.3   dB", "not stated",
                 "maximum 4 deg down"):
        assert text in done.out, text
    root = ElementTree.parse(target).getroot()
    assert len(root.findall("{http://www.w3.org/2000/svg}polygon")) == 2
    assert [p.name for p in target.parent.iterdir()] == ["panel.svg"]


def test_a_beam_as_json_and_csv(radiocov):
    found = json.loads(radiocov("antenna", "beam:65/10/30", "--electrical-tilt", "4", "--json").out)
    assert found["horizontal_width_deg"] == pytest.approx(65, abs=0.05) and found["front_to_back_db"] == 30
    assert found["electrical_tilt_deg"] == found["vertical_maximum_deg"] == 4
    assert found["gain_dbi"] == 16.98 and len(found["vertical_db"]) == 360 and found["vertical_db"][4] == 0
    rows = list(csv.DictReader(io.StringIO(radiocov("antenna", "beam:65/10/30", "--csv").out)))
    assert len(rows) == 360 and float(rows[65]["horizontal_db"]) == 12 and float(rows[5]["vertical_db"]) == 3


def test_a_page_that_needs_nothing_else(radiocov, tmp_path):
    done = radiocov("antenna", "beam:65/10", "-o", tmp_path / "a.html", "--json")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert json.loads(done.out)["name"] == "beam:65/10" and "file:" in done.err
    assert "<svg" in page and "src=" not in page and page.count("http") == page.count("http://www.w3.org")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["beam:65"], '"beam:65" is not a beam; write it as "beam:65/10"'),
        (["absent.msi"], "absent.msi: cannot be read (No such file or directory)"),
        (["{}/bad.msi"], "bad.msi: line 1: gain"),
        (["{}/bad.txt"], '".txt" is not an antenna format read here'),
        (["beam:65/10", "-o", "{}/a.pdf"], "is no picture that is drawn here; end the name in .svg or .html"),
        (["beam:65/10", "--electrical-tilt", "60"], "--electrical-tilt"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(radiocov, tmp_path, arguments, message):
    (tmp_path / "bad.msi").write_text("GAIN x\n")
    before = sorted(tmp_path.iterdir())
    done = radiocov("antenna", *(a.replace("{}", str(tmp_path)) for a in arguments))
    assert done.code == 2 and done.out == "" and message in done.err and "Traceback" not in done.err
    assert sorted(tmp_path.iterdir()) == before
