"""radiocov report: complete in both languages, alone on a machine without network, the same for the same inputs."""

import json
import re
import shutil
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from radiocov.report import document
from radiocov.report.words import LANGUAGES, catalogue

SOURCES = "".join(p.read_text("utf-8") for p in files("radiocov.report").iterdir() if p.name.endswith(".py"))


class Page(HTMLParser):
    """Text, tables and tags of a page; complains about tags that do not close."""

    VOID = {"meta", "br", "img", "rect", "path", "circle", "image", "link"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.tables, self.links = [], [], [], []
        self.feed(text)
        assert self.tags == [], self.tags

    def handle_starttag(self, tag, attributes):
        self.links += [v for k, v in attributes if k in ("src", "href", "action")]
        if tag not in self.VOID:
            self.tags.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and "table" in self.tags:
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.tags.pop() == tag

    def handle_data(self, data):
        if self.tags and self.tags[-1] != "style":
            self.words.append(data)
        if self.tables and ("td" in self.tags or "th" in self.tags):
            self.tables[-1][-1][-1] += data

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module", params=LANGUAGES)
def written(request, small_computed, tmp_path_factory):
    """(language, page, its text) of the small project."""
    from radiocov.cli import run

    path = tmp_path_factory.mktemp("report") / f"{request.param}.html"
    assert run(["report", str(small_computed), "--lang", request.param, "-o", str(path), "-q"]) == 0
    text = path.read_text("utf-8")
    return request.param, Page(text), text


def test_catalogues_have_the_same_keys_and_places():
    one, other = (catalogue(lang) for lang in LANGUAGES)
    assert one.keys() == other.keys()
    for key in one:
        assert set(re.findall(r"\{(\w+)\}", one[key])) == set(re.findall(r"\{(\w+)\}", other[key])), key
    assert not [k for k, v in other.items() if not re.search(r"[\u4e00-\u9fff]", v) and len(v) > 12 and "{" not in v]
    # words that nothing uses are words that nobody reviews
    used = set(re.findall(r"""\bw\(\s*f?["']([a-z_0-9]+)["']""", SOURCES)) | set(
        re.findall(r"""["']([a-z_]+)["']""", SOURCES)
    )
    parts = (
        "s_",
        "k_",
        "measure_",
        "direction_",
        "class_",
        "verdict_",
        "judged_",
        "tunnels_",
        "statistic_",
        "surface_",
        "cal_",
        "s_cal_",
    )
    assert not [k for k in one if k not in used and not k.startswith(parts)]


def test_the_page_needs_nothing_else(written):
    _, page, text = written
    assert all(link.startswith("data:image/png;base64,") for link in page.links) and page.links
    assert "<script" not in text and "@import" not in text and "url(" not in text and "@@" not in text
    assert len(text) < 4_000_000


def test_every_section_is_there_in_its_language(written):
    lang, page, text = written
    words = catalogue(lang)
    for key in ("summary", "meaning", "maps", "compliance", "proof", "gaps", "assumptions", "network", "provenance"):
        assert f"<section id={key}>" in text and words[f"s_{key}"] in page.text
    assert f'<html lang="{words["html_lang"]}">' in text
    assert words["synthetic"] in page.text and words["no_proof"][:30] in page.text
    assert ("SYNTHETIC" in page.text) == (lang == "en")
    assert not re.search(r"\{[a-z_]+\}", page.text)


def test_figures_are_those_of_the_targets(written, radiocov, small_computed):
    _, page, _ = written
    for period in ("2015", "2017"):
        rows = json.loads(radiocov("targets", small_computed, "--period", period, "--json").out)["rows"]
        for row in rows:
            if row["level"] == "policy":
                share = int(row["share_probable"] * 1000 + 1e-6) / 10
                assert any(f"{share:.1f} %" in cells for table in page.tables for cells in table)
    (sites,) = (t for t in page.tables if t[0][0] in ("Site", "站号"))
    assert len(sites) == 1 + 14 and "CA99" not in page.text  # a candidate is no part of the network


def test_the_same_inputs_give_the_same_page(written, radiocov, small_computed, tmp_path):
    lang, _, text = written
    radiocov("report", small_computed, "--lang", lang, "-o", tmp_path / "again.html", "-q")
    assert (tmp_path / "again.html").read_text("utf-8") == text


def test_hostile_names_are_only_text(made, radiocov, computed, tmp_path):
    made.edit(computed / "project.toml", 'name = "Small test network"', 'name = "<script>alert(1)</script> & Co"')
    assert radiocov("report", computed, "-o", tmp_path / "r.html", "-q").code == 0
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<script>" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in text


def test_measured_proof_is_part_of_it(radiocov, small_computed, drive_file, tmp_path):
    options = ("--measured-with", "vehicle", "--datum", "wgs84", "-q")
    assert radiocov("report", small_computed, "-o", tmp_path / "r.html", "--logs", drive_file, *options).code == 0
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    answer = json.loads(radiocov("acceptance", small_computed, drive_file, "--json", *options).out)
    (found,) = (
        o for o in answer["outcomes"] if (o["class"], o["direction"], o["level"]) == ("highway", "both", "class")
    )
    (table,) = (t for t in page.tables if "Tiles measured" in t[0])
    (row,) = (cells for cells in table if cells[0] == "Highways" and cells[2] == "both")
    assert (row[3], row[5]) == (str(found["measured"]), str(found["passed"]))
    assert "drive.csv" in page.text and "Predicted against measured" in page.text


@pytest.fixture
def drive_file(made, small_computed, tmp_path):
    """A log of a hundred metres at every tenth of a road."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("drive_maker", Path(__file__).with_name("test_acceptance.py"))
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    return maker.write_drive(made, small_computed, tmp_path / "drive.csv", roads=2)


def test_a_pdf_where_a_browser_is_at_hand(radiocov, small_computed, tmp_path):
    if not any(shutil.which(name) for name in document.BROWSERS):
        pytest.skip("no Chromium on this machine")
    ran = radiocov("report", small_computed, "--lang", "zh", "-o", tmp_path / "r.pdf", "-q")
    assert ran.code == 0, ran.err
    data = (tmp_path / "r.pdf").read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) >= 4
    assert [p.name for p in tmp_path.iterdir()] == ["r.pdf"]


def test_a_pdf_without_a_browser_says_what_to_do(monkeypatch, radiocov, small_computed, tmp_path):
    monkeypatch.setattr(document, "BROWSERS", ())
    monkeypatch.setattr(document, "PLACES", ())
    monkeypatch.delenv("RADIOCOV_CHROMIUM", raising=False)
    ran = radiocov("report", small_computed, "-o", tmp_path / "r.pdf", "-q")
    assert (
        ran.code == 3 and ran.err.count("\n") == 1 and "set RADIOCOV_CHROMIUM to one, or write report.html" in ran.err
    )
    monkeypatch.setenv("RADIOCOV_CHROMIUM", str(tmp_path / "none"))
    assert "and there is no such file" in radiocov("report", small_computed, "-o", tmp_path / "r.pdf", "-q").err
    failing = tmp_path / "browser"
    failing.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("RADIOCOV_CHROMIUM", str(failing))
    ran = radiocov("report", small_computed, "-o", tmp_path / "r.pdf", "-q")
    assert ran.code == 3 and "could not print the report: out of order" in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["browser"]


def test_an_unknown_format_is_refused_before_any_work(radiocov, small_computed, tmp_path):
    ran = radiocov("report", small_computed, "-o", tmp_path / "r.docx", "-q")
    assert ran.code == 2 and ran.err == "error: r.docx: no format is known for this name; end it in .html or .pdf\n"
    assert radiocov("report", small_computed, "--plan", Path(__file__), "-q").code == 2
