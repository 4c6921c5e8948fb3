"""Exports read back by other programs: classes, colours, places, links, and that each says where it comes from."""

import json
import warnings
import zipfile
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from radiocov.coverage.results import open_state
from radiocov.maps import render
from radiocov.maps.exports import write_geotiff, write_png
from radiocov.maps.kmz import KmzSite, write_kmz
from radiocov.maps.legend import legend_png

KML = "{http://www.opengis.net/kml/2.2}"
SYNTHETIC = {"en": "SYNTHETIC TERRAIN", "zh": "合成地形"}
LAYERS = ("level", "server", "coverage:vehicle:both", "margin:handheld:talk_in", "probability:handheld:talk_out",
          "change:handheld:both")  # fmt: skip


def quiet(what, done, total):
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def results(raster_run):
    found = open_state(raster_run[0], "2017")
    yield found
    found.close()


def pictured(data):
    """(bands, h, w) of a PNG's bytes and its text, by another program."""
    with warnings.catch_warnings(), MemoryFile(data) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            return file.read(), file.tags(), file.colormap(1) if file.count == 1 else {}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_geotiff_holds_the_classes_of_the_legend(results, tmp_path, name, lang):
    layer = render.layer_of(results, name)
    path, style = write_geotiff(results, layer, tmp_path / "layer.tif", lang, quiet)
    codes, palette = render.codes(results, layer), render.palette_of(results, layer)
    with rasterio.open(path) as file:
        classes, colours, tags = file.read(1), file.colormap(1), file.tags()
        assert file.crs == results.crs and file.transform == results.transform and file.nodata == 0
        assert file.overviews(1) == [2]
    assert ((classes == 0) == (codes < render.FIRST)).all()
    for value in np.unique(classes[classes > 0]):
        (code,) = np.unique(codes[classes == value])
        assert colours[value] == tuple(int(c) for c in palette[code])
    assert SYNTHETIC[lang] in tags["PROVENANCE"] and "ITU-R P.1812-8" in tags["PROVENANCE"]
    entries = ElementTree.parse(style).getroot().findall(".//paletteEntry")
    told = json.loads(tags["CLASSES"])
    assert {e.get("value"): e.get("label") for e in entries} == told
    for entry in entries:
        assert render.rgb(entry.get("color")) == colours[int(entry.get("value"))][:3]
    assert {str(v) for v in np.unique(classes[classes > 0])} <= set(told)


def test_labels_with_signs_of_xml_stay_labels(results, tmp_path, monkeypatch):
    monkeypatch.setitem(results.manifest["services"][0], "label", 'A "<b>" & c')
    layer = render.Layer("level")
    _, style = write_geotiff(results, layer, tmp_path / "layer.tif", "en", quiet)
    labels = [e.get("label") for e in ElementTree.parse(style).getroot().findall(".//paletteEntry")]
    assert any('A "<b>" & c' in label for label in labels)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_png_lies_where_its_world_file_says(results, tmp_path, lang):
    layer = render.Layer("coverage", "vehicle", "both")
    path, _, plane, legend = write_png(results, layer, tmp_path / "layer.png", lang, "Network", quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            assert file.transform == pytest.approx(results.transform)
            codes, tags = file.read(1), file.tags()
            table = np.array([file.colormap(1)[i] for i in range(int(codes.max()) + 1)])
    assert rasterio.crs.CRS.from_wkt(plane.read_text()).to_epsg() == 32651
    assert SYNTHETIC[lang] in tags["Description"]
    wanted = render.codes(results, layer)
    top = np.s_[: 600, :]  # below it the picture itself says that the ground is synthetic
    assert (codes[top] == wanted[top]).all() and (codes[600:] != wanted[600:]).any()
    assert table[render.OUTSIDE, 3] == 0 and table[render.FIRST, 3] == 255
    assert pictured(legend.read_bytes())[0].shape[0] == 3


def test_a_large_png_is_thinned_and_keeps_its_place(results, tmp_path, monkeypatch):
    from radiocov.maps import exports

    monkeypatch.setattr(exports, "MOST_PNG_PX", 500)
    path, *_ = write_png(results, render.Layer("level"), tmp_path / "layer.png", "en", "Network", quiet)
    with rasterio.open(path) as file:
        assert (file.height, file.width) == (350, 450)
        assert (file.transform.a, file.transform.c, file.transform.f) == (200.0, 500_000.0, 4_650_000.0)


def test_the_legend_shows_every_colour_and_the_warning_of_synthetic_ground(results):
    layer = render.Layer("level")
    bands, _, _ = pictured(legend_png(results, layer, "en", "Network"))
    seen = {tuple(pixel) for pixel in bands[:3].reshape(3, -1).T}
    for code, _, _ in render.legend_rows(results, layer, "en"):
        assert tuple(render.palette_of(results, layer)[code][:3]) in seen
    assert (0xFF, 0xD8, 0x4D) in seen


@pytest.fixture(scope="module")
def kmz(results, tmp_path_factory):
    sites = [KmzSite("<A&B>", 123.05, 41.97, [("Power", "47 dBm")]), KmzSite("Zwei", 123.6, 41.8, [])]
    path = tmp_path_factory.mktemp("kmz") / "layer.kmz"
    layer = render.Layer("coverage", "handheld", "both")
    return write_kmz(results, layer, path, "zh", "试验网", sites, quiet), layer


def box_of(node):
    return {side: float(node.find(f"{KML}{side}").text) for side in ("north", "south", "east", "west")}


def test_every_link_of_a_kmz_leads_to_a_file_in_it(kmz):
    with zipfile.ZipFile(kmz[0]) as archive:
        names, reached = set(archive.namelist()), {"doc.kml"}
        assert archive.testzip() is None
        todo = ["doc.kml"]
        while todo:
            at = todo.pop()
            for node in ElementTree.fromstring(archive.read(at)).iter(f"{KML}href"):
                base = at.split("/")[:-1]
                for part in node.text.split("/"):
                    base = base[:-1] if part == ".." else [*base, part]
                name = "/".join(base)
                assert name in names, (at, node.text)
                if name not in reached and name.endswith(".kml"):
                    todo.append(name)
                reached.add(name)
    assert reached == names


def test_the_tiles_of_a_kmz_halve_and_show_the_layer_where_it_is(kmz, results):
    path, layer = kmz
    codes = render.codes(results, layer)
    colours = render.palette_of(results, layer)
    with zipfile.ZipFile(path) as archive:
        levels = {}
        for name in archive.namelist():
            if not (name.startswith("tiles/") and name.endswith(".kml")):
                continue
            overlay = ElementTree.fromstring(archive.read(name)).find(f".//{KML}GroundOverlay")
            box = box_of(overlay.find(f"{KML}LatLonBox"))
            assert box_of(overlay.find(f".//{KML}LatLonAltBox")) == box
            levels.setdefault(int(name.split("/")[1]), set()).add(round(box["north"] - box["south"], 6))
            shown, _, table = pictured(archive.read(name[:-4] + ".png"))
            side = (box["north"] - box["south"]) / shown.shape[1]
            if side * 111_000 > 100.0 * 1.1:
                continue
            for i, j in ((100, 100), (300, 200), (400, 450)):  # the sharpest tiles
                lon, lat = box["west"] + (j + 0.5) * side, box["north"] - (i + 0.5) * side
                row, col = (int(np.floor(v + 0.5)) for v in results.grid.rowcol(*results.grid.from_lonlat(lon, lat)))
                if 1 <= row < results.shape[0] - 1 and 1 <= col < results.shape[1] - 1:
                    around = codes[row - 1 : row + 2, col - 1 : col + 2]
                    if len(np.unique(around)) == 1 and around[0, 0] >= render.FIRST:
                        assert table[shown[0, i, j]][:3] == tuple(int(c) for c in colours[around[0, 0]][:3])
    sides = [sizes.pop() for _, sizes in sorted(levels.items())]
    assert len(sides) > 1 and all(a == pytest.approx(2 * b, abs=2e-6) for a, b in zip(sides, sides[1:], strict=False))


def test_a_kmz_says_what_it_is_and_its_sites_are_read_by_gdal(kmz):
    with zipfile.ZipFile(kmz[0]) as archive:
        document = ElementTree.fromstring(archive.read("doc.kml"))
    assert "合成地形" in document.find(f".//{KML}description").text
    assert "试验网" in document.find(f".//{KML}name").text
    inside = f"/vsizip/{kmz[0]}/doc.kml"
    meta, _, shapes, fields = pyogrio.raw.read(inside, layer="基站")
    assert "<A&B>" in fields[list(meta["fields"]).index("Name")]
    assert len(shapes) == 2


#: the order in which the schema of KML 2.2 (OGC 07-147r2) has what stands in each element
FEATURE = ("name", "visibility", "open", "Snippet", "description", "styleUrl", "Style", "Region")
ORDER = {
    "kml": ("Document",),
    "Document": (*FEATURE, "Placemark", "NetworkLink", "Folder", "GroundOverlay", "ScreenOverlay"),
    "Folder": (*FEATURE, "Placemark"), "Placemark": (*FEATURE, "Point"), "NetworkLink": (*FEATURE, "Link"),
    "GroundOverlay": (*FEATURE, "color", "drawOrder", "Icon", "LatLonBox"),
    "ScreenOverlay": (*FEATURE, "color", "drawOrder", "Icon", "overlayXY", "screenXY", "rotationXY", "size"),
    "Region": ("LatLonAltBox", "Lod"), "LatLonAltBox": ("north", "south", "east", "west"),
    "LatLonBox": ("north", "south", "east", "west", "rotation"), "Lod": ("minLodPixels", "maxLodPixels"),
    "Link": ("href", "refreshMode", "viewRefreshMode"), "Icon": ("href",), "Style": ("ListStyle",),
    "ListStyle": ("listItemType", "bgColor", "ItemIcon"), "ItemIcon": ("state", "href"), "Point": ("coordinates",),
}  # fmt: skip
ANY_ORDER = {"Placemark", "NetworkLink", "Folder", "GroundOverlay", "ScreenOverlay"}  # features of a container


def test_a_kmz_keeps_to_the_schema(kmz):
    with zipfile.ZipFile(kmz[0]) as archive:
        for name in (name for name in archive.namelist() if name.endswith(".kml")):
            for node in ElementTree.fromstring(archive.read(name)).iter():
                inside = [child.tag.removeprefix(KML) for child in node]
                order = ORDER.get(node.tag.removeprefix(KML), ())
                assert set(inside) <= set(order), (name, node.tag, inside)
                ranked = [order.index(tag) for tag in inside if tag not in ANY_ORDER]
                assert ranked == sorted(ranked), (name, node.tag, inside)


def test_a_style_is_what_qgis_reads_of_a_palette(results, tmp_path):
    """Elements and attributes that QgsPalettedRasterRenderer::create and QgsRasterRenderer::readXml look for."""
    layer = render.Layer("coverage", "handheld", "both")
    _, qml = write_geotiff(results, layer, tmp_path / "layer.tif", "en", quiet)
    root = ElementTree.fromstring(qml.read_text("utf-8"))
    renderer = root.find("pipe/rasterrenderer")
    assert root.tag == "qgis" and renderer.get("type") == "paletted" and renderer.get("band") == "1"
    assert 0 < float(renderer.get("opacity")) <= 1 and renderer.get("alphaBand") == "-1"
    for entry in renderer.findall("colorPalette/paletteEntry"):
        assert entry.get("alpha") == "255" and int(entry.get("value")) > 0 and entry.get("label")


def test_the_same_run_gives_the_same_kmz(kmz, results, tmp_path):
    again = write_kmz(results, kmz[1], tmp_path / "again.kmz", "zh", "试验网", [
        KmzSite("<A&B>", 123.05, 41.97, [("Power", "47 dBm")]), KmzSite("Zwei", 123.6, 41.8, [])], quiet)  # fmt: skip
    assert again.read_bytes() == kmz[0].read_bytes()


def test_a_failure_leaves_no_file(results, tmp_path, monkeypatch):
    from radiocov.maps import kmz as module

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module, "legend_png", fail)
    with pytest.raises(OSError, match="disk full"):
        write_kmz(results, render.Layer("level"), tmp_path / "layer.kmz", "en", "x", [], quiet)
    assert list(tmp_path.iterdir()) == []
