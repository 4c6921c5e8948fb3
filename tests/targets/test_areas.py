"""Areas and roads from files of every kind, and every way such a file can be wrong."""

import json

import numpy as np
import pyogrio.raw
import pytest
import shapely

from targets.areas import read_areas, read_roads
from targets.errors import TargetsError

SQUARE = shapely.box(123.0, 41.0, 123.1, 41.1)
NEXT = shapely.box(123.1, 41.0, 123.2, 41.1)
ROW = {"class": "urban", "name": "A", "city": "沈阳市", "county": "和平区"}


def geojson(path, features, crs=None):
    made = [
        {"type": "Feature", "properties": p, "geometry": None if g is None else shapely.geometry.mapping(g)}
        for p, g in features
    ]
    data = {"type": "FeatureCollection", "features": made}
    if crs:
        data["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def write(path, driver, features, crs="EPSG:4326", **options):
    names = list(features[0][0])
    kind = "Polygon" if features[0][1].geom_type == "Polygon" else "LineString"
    values = [np.array([p[n] for p, _ in features], dtype=object) for n in names]
    wkb = np.array([shapely.to_wkb(g) for _, g in features], dtype=object)
    pyogrio.raw.write(path, wkb, values, names, driver=driver, crs=crs, geometry_type=kind, **options)
    return path


def problems(reader, *args, **kwargs) -> list[str]:
    with pytest.raises(TargetsError) as caught:
        reader(*args, **kwargs)
    return [str(p) for p in caught.value.problems]


def test_geojson(tmp_path):
    path = geojson(tmp_path / "a.geojson", [(ROW, SQUARE), (ROW | {"name": "B", "class": " Key "}, NEXT)])
    found = read_areas(path)
    assert [(a.class_, a.name, a.city, a.county) for a in found.areas] == [
        ("urban", "A", "沈阳市", "和平区"),
        ("key", "B", "沈阳市", "和平区"),
    ]
    assert found.areas[0].id == "urban/沈阳市/和平区/A"
    assert found.areas[0].geometry.equals(SQUARE)
    assert found.warnings == ()
    assert found.bounds() == (123.0, 41.0, 123.2, 41.1)


@pytest.mark.parametrize("driver", ["GPKG", "ESRI Shapefile", "GeoJSON"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4490", "EPSG:32651"])
def test_formats_and_reference_systems(tmp_path, driver, crs):
    to = shapely.box(500000, 4540000, 510000, 4550000) if crs == "EPSG:32651" else SQUARE
    suffix = {"GPKG": "gpkg", "ESRI Shapefile": "shp", "GeoJSON": "json"}[driver]
    path = write(tmp_path / f"f.{suffix}", driver, [(ROW, to)], crs)
    (area,) = read_areas(path).areas
    assert (area.name, area.city) == ("A", "沈阳市")
    if crs == "EPSG:32651":
        assert area.geometry.bounds == pytest.approx((123.0, 41.0117, 123.1191, 41.1018), abs=2e-3)
        assert len(area.geometry.exterior.coords) > 40  # long edges stay straight in the plane they are from
    else:
        assert area.geometry.bounds == pytest.approx(SQUARE.bounds, abs=1e-6)


def test_columns_of_other_names(tmp_path):
    row = {"kind": 2.0, "NAME_EN": "Centre", "市": "大连市", "fid_": 7}
    path = geojson(tmp_path / "a.geojson", [(row, SQUARE)])
    mapping = {"class": "kind", "name": "NAME_EN", "city": "市", "id": "fid_"}
    (area,) = read_areas(path, mapping, class_map={"2": "suburban"}).areas
    assert (area.class_, area.name, area.city, area.id) == ("suburban", "Centre", "大连市", "7")


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
@pytest.mark.parametrize("declared", ["cpg", "by hand", "nowhere"])
def test_shapefile_encodings(tmp_path, encoding, declared):
    path = write(
        tmp_path / "区.shp", "ESRI Shapefile", [(ROW | {"name": "和平区中心"}, SQUARE)], encoding=encoding
    )
    dbf = path.with_suffix(".dbf")
    assert "和平区中心".encode(encoding) in dbf.read_bytes()
    if declared != "cpg":
        path.with_suffix(".cpg").unlink()
        content = bytearray(dbf.read_bytes())
        content[29] = 0
        dbf.write_bytes(bytes(content))
    found = read_areas(path, encoding=encoding if declared == "by hand" else None)
    assert (found.areas[0].name, found.areas[0].city) == ("和平区中心", "沈阳市")
    assert len(found.warnings) == (declared == "nowhere")


def test_wrong_encodings(tmp_path):
    path = write(tmp_path / "a.shp", "ESRI Shapefile", [(ROW, SQUARE)], encoding="GBK")
    path.with_suffix(".cpg").unlink()
    assert "not in the encoding UTF-8" in problems(read_areas, path, encoding="UTF-8")[0]
    assert "unknown encoding" in problems(read_areas, path, encoding="UTF-9")[0]


KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>d</name>
<Folder><name>城区</name>{place}</Folder>{more}</Document></kml>"""
PLACE = """<Placemark><name>沈阳站</name><ExtendedData><Data name="class"><value>key</value></Data>
<Data name="city"><value>沈阳市</value></Data></ExtendedData><Polygon><outerBoundaryIs><LinearRing>
<coordinates>123.39,41.79,0 123.40,41.79,0 123.40,41.80,0 123.39,41.80,0 123.39,41.79,0</coordinates>
</LinearRing></outerBoundaryIs></Polygon></Placemark>"""


def test_kml(tmp_path):
    path = tmp_path / "a.kml"
    path.write_text(KML.format(place=PLACE, more=""), encoding="utf-8")
    (area,) = read_areas(path, {"name": "Name"}).areas
    assert (area.class_, area.name, area.city) == ("key", "沈阳站", "沈阳市")
    assert not area.geometry.has_z
    assert area.geometry.bounds == pytest.approx((123.39, 41.79, 123.40, 41.80))


def test_layers(tmp_path):
    path = tmp_path / "a.kml"
    second = f"<Folder><name>郊区</name>{PLACE.replace('沈阳站', '北站')}</Folder>"
    path.write_text(KML.format(place=PLACE, more=second), encoding="utf-8")
    assert "has several layers; name one of them: 城区, 郊区" in problems(read_areas, path)[0]
    assert read_areas(path, {"name": "Name"}, layer="郊区").areas[0].name == "北站"
    assert "no layer '郊外'; did you mean '郊区'?" in problems(read_areas, path, layer="郊外")[0]


def test_roads(tmp_path):
    line = shapely.LineString([(123, 41), (123.1, 41.05)])
    both = shapely.MultiLineString([[(123, 41), (123.1, 41)], [(123.2, 41), (123.3, 41)]])
    path = geojson(
        tmp_path / "r.geojson",
        [
            (
                {"highway": "motorway", "name": "沈大高速", "ref": "G15", "oneway": "yes", "tunnel": None},
                line,
            ),
            ({"highway": "trunk", "name": None, "ref": "G202", "oneway": "-1", "tunnel": "yes"}, line),
            ({"highway": "residential", "name": "x", "ref": None, "oneway": None, "tunnel": "no"}, line),
            ({"highway": "primary", "name": "沈盘线", "ref": None, "oneway": "no", "tunnel": "no"}, both),
        ],
    )
    osm = {"trunk": "national", "primary": "provincial", "*": "ignore", "motorway": "motorway"}
    roads = read_roads(path, {"class": "highway"}, class_map=osm).roads
    assert [(r.class_, r.road, r.oneway, r.tunnel) for r in roads] == [
        ("motorway", "G15", True, False),
        ("national", "G202", True, True),
        ("provincial", "沈盘线", False, False),
    ]
    assert roads[1].geometry.coords[0] == (123.1, 41.05)
    assert roads[2].geometry.geom_type == "MultiLineString"


def test_bad_roads(tmp_path):
    line = shapely.LineString([(123, 41), (123.1, 41.05)])
    rows = [({"class": "motorway", "oneway": "perhaps"}, line), ({"class": "motorway", "oneway": ""}, SQUARE)]
    found = problems(read_roads, geojson(tmp_path / "r.geojson", rows))
    assert "feature 1: oneway is 'perhaps'; possible: yes, no, -1" in found[0]
    assert "feature 2: is a Polygon, not a line" in found[1]
    still = [({"class": "motorway"}, shapely.LineString([(1, 1), (1, 1)])), ({"class": "motorway"}, line)]
    result = read_roads(geojson(tmp_path / "s.geojson", still))
    assert len(result.roads) == 1 and "feature 1: a line without length, left out" in str(result.warnings[0])


def test_all_problems_of_a_file_at_once(tmp_path):
    rows = [
        (ROW | {"class": "urbn"}, SQUARE),
        (ROW, None),
        (ROW, SQUARE),
        (ROW, NEXT),
        (ROW | {"name": None}, SQUARE),
        (ROW | {"name": "P"}, shapely.Point(123, 41)),
        (ROW | {"class": None, "name": "Q"}, SQUARE),
        (ROW | {"name": "flat"}, shapely.Polygon([(123, 41), (123.1, 41), (123.2, 41), (123, 41)])),
    ]
    path = geojson(tmp_path / "a.geojson", rows)
    found = [p.removeprefix(f"{path}: ") for p in problems(read_areas, path)]
    assert sorted(found) == [
        "feature 1: unknown class 'urbn'; did you mean 'urban'?",
        "feature 2: has no geometry; draw it or delete the row",
        "feature 4: urban area 'A' in 沈阳市/和平区 is also feature 3; make one multi-part area of them, or "
        "give them different names",
        "feature 5: an area of class 'urban' has no name; fill in its name",
        "feature 6: 'P' is a Point, not a polygon; an area is a polygon; keep other things in a layer of "
        "their own",
        "feature 7: has no class; known: key, urban, suburban",
        "feature 8: 'flat' encloses no area; draw it again",
    ]


def test_same_name_in_two_cities_is_no_duplicate(tmp_path):
    rows = [
        (ROW | {"city": "沈阳市", "county": "铁西区"}, SQUARE),
        (ROW | {"city": "鞍山市", "county": "铁西区"}, NEXT),
    ]
    assert len(read_areas(geojson(tmp_path / "a.geojson", rows)).areas) == 2
    same_id = [(p | {"id": "7"}, g) for p, g in rows]
    found = problems(read_areas, geojson(tmp_path / "b.geojson", same_id))
    assert "feature 2: id '7' is also that of feature 1" in found[0]


def test_missing_columns_are_suggested(tmp_path):
    path = geojson(tmp_path / "a.geojson", [({"clas": "urban", "title": "A"}, SQUARE)])
    found = problems(read_areas, path, {"county": "title2"})
    assert "no column 'class' (for class); did you mean 'clas'?" in " ".join(found)
    assert "no column 'name' (for name)" in " ".join(found) and len(found) == 3
    assert (
        "no attribute 'citty' can be mapped; did you mean 'city'?"
        in problems(read_areas, path, {"class": "clas", "name": "title", "citty": "title"})[0]
    )


def test_class_maps(tmp_path):
    path = geojson(tmp_path / "a.geojson", [(ROW | {"class": "x"}, SQUARE)])
    assert "class map: unknown class 'urbanx'" in " ".join(
        problems(read_areas, path, class_map={"x": "urbanx"})
    )
    assert (
        "no feature is of a class of the policy" in problems(read_areas, path, class_map={"*": "ignore"})[0]
    )
    (area,) = read_areas(path, classes=["x", "y"]).areas
    assert area.class_ == "x"


def test_missing_reference_system(tmp_path):
    path = write(tmp_path / "a.shp", "ESRI Shapefile", [(ROW, SQUARE)])
    path.with_suffix(".prj").unlink()
    assert "states no coordinate reference system" in problems(read_areas, path)[0]


def test_projected_coordinates_called_degrees(tmp_path):
    box = shapely.box(500000, 4540000, 510000, 4550000)
    path = geojson(tmp_path / "a.geojson", [(ROW, box)])
    assert (
        "feature 1: the file says WGS 84, but (500000, 4540000) looks projected"
        in problems(read_areas, path)[0]
    )
    swapped = shapely.transform(SQUARE, lambda xy: xy[:, ::-1])
    path = geojson(tmp_path / "b.geojson", [(ROW, swapped)])
    assert "latitude and longitude look swapped at (41, 123)" in problems(read_areas, path)[0]
    # the same coordinates with their reference system are fine
    path = geojson(tmp_path / "c.geojson", [(ROW, box)], "urn:ogc:def:crs:EPSG::32651")
    assert read_areas(path).areas[0].geometry.centroid.y == pytest.approx(41.057, abs=0.01)


def test_coordinates_that_no_projection_has(tmp_path):
    box = shapely.box(5e11, 4e12, 5.1e11, 4.1e12)
    path = geojson(tmp_path / "c.geojson", [(ROW, box)], "urn:ogc:def:crs:EPSG::32651")
    assert "coordinates do not fit WGS 84 / UTM zone 51N" in problems(read_areas, path)[0]


def test_invalid_polygons_are_repaired_and_told(tmp_path):
    bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1), (0, 0)])
    found = read_areas(geojson(tmp_path / "a.geojson", [(ROW, bow)]))
    assert found.areas[0].geometry.is_valid and found.areas[0].geometry.area == pytest.approx(0.5)
    assert "feature 1: 'A' was not a valid polygon (Self-intersection" in str(found.warnings[0])


def test_files_that_are_none(tmp_path):
    assert "no such file" in problems(read_areas, tmp_path / "absent.gpkg")[0]
    (tmp_path / "a.gpkg").write_text("hello")
    assert "cannot be read as a GIS file" in problems(read_areas, tmp_path / "a.gpkg")[0]
    empty = geojson(tmp_path / "e.geojson", [])
    assert problems(read_areas, empty)
    rows = write(tmp_path / "n.gpkg", "GPKG", [(ROW, SQUARE)])
    pyogrio.raw.write(
        rows, np.array([], dtype=object), [np.array([], dtype=object)] * 2, ["class", "name"],
        driver="GPKG", layer="none", crs="EPSG:4326", geometry_type="Polygon", append=True,
    )  # fmt: skip
    assert "layer 'none' is empty" in problems(read_areas, rows, layer="none")[0]


@pytest.mark.parametrize("source", ["tianditu", "amap"])
def test_real_districts(shared, source):
    path = shared / "data" / "boundaries" / f"liaoning_district_{source}.geojson"
    mapping = {
        "class": "province_adcode", "name": "district_name", "city": "city_name", "county": "district_name",
        "id": "district_adcode",
    }  # fmt: skip
    found = read_areas(path, mapping, class_map={"210000": "suburban"})
    assert len(found.areas) == 100
    assert len({a.city for a in found.areas}) == 14
    assert {a.city for a in found.areas if a.name == "铁西区"} == {"沈阳市", "鞍山市"}
    assert all(a.geometry.is_valid for a in found.areas)
    west, south, east, north = found.bounds()
    assert 118 < west < 119.5 and 38 < south < 39.2 and 125 < east < 126 and 43 < north < 44


def test_real_districts_in_a_gbk_shapefile(shared, tmp_path):
    meta, _, wkb, data = pyogrio.raw.read(
        shared / "data" / "boundaries" / "liaoning_district_tianditu.geojson"
    )
    path = tmp_path / "liaoning.shp"
    short = {"province_name": "province", "district_name": "district", "city_name": "city"}
    values = [v for name, v in zip(meta["fields"], data, strict=True) if name in short]
    names = [short[name] for name in meta["fields"] if name in short]
    pyogrio.raw.write(
        path, wkb, values, names, driver="ESRI Shapefile", crs="EPSG:4490", geometry_type="MultiPolygon",
        encoding="GBK", promote_to_multi=True,
    )  # fmt: skip
    mapping = {"class": "province", "name": "district"}
    found = read_areas(path, mapping, class_map={"辽宁省": "suburban"})
    assert len(found.areas) == 100 and {"和平区", "浑南区"} <= {a.name for a in found.areas}


def test_counties_of_one_name_need_their_city(tmp_path):
    far = shapely.box(124.0, 41.0, 124.1, 41.1)
    row = ROW | {"city": "", "county": "铁西区"}
    rows = [(row, SQUARE), (row | {"name": "B"}, far)]
    (told,) = problems(read_areas, geojson(tmp_path / "a.geojson", rows))
    assert "county '铁西区': its areas lie 75 km apart, as if two counties had that name; give the column of" in told
    with_city = [(rows[0][0] | {"city": "沈阳市"}, SQUARE), (rows[1][0] | {"city": "鞍山市"}, far)]
    assert len(read_areas(geojson(tmp_path / "b.geojson", with_city)).areas) == 2
    near = [rows[0], (rows[1][0], NEXT)]
    assert len(read_areas(geojson(tmp_path / "c.geojson", near)).areas) == 2


@pytest.mark.parametrize(("easting", "found"), [(38_500_000, "fits"), (38_900_000, "odd"), (40_500_000, "wrong")])
def test_coordinates_outside_the_area_of_their_system(tmp_path, easting, found):
    """CGCS2000 3-degree zone 38 is made for 112.5 to 115.5 degrees; an easting of another zone's number is none."""
    box = shapely.box(easting, 4_580_000, easting + 10_000, 4_590_000)
    path = write(tmp_path / "a.gpkg", "GPKG", [(ROW, box)], "EPSG:4526")
    told = problems(read_areas, path) if found == "wrong" else [str(w) for w in read_areas(path).warnings]
    assert len(told) == (found != "fits")
    assert all("that system is made for longitude 112.5 to 115.5" in line for line in told)


def test_a_declared_datum_is_taken_off(tmp_path):
    from devices.datum import gcj02_to_wgs84, wgs84_to_gcj02

    moved = shapely.transform(SQUARE, lambda xy: np.column_stack(wgs84_to_gcj02(xy[:, 1], xy[:, 0])[::-1]))
    path = geojson(tmp_path / "a.geojson", [(ROW, moved)])
    (area,) = read_areas(path, to_wgs84=gcj02_to_wgs84).areas
    assert area.geometry.equals_exact(SQUARE, 1e-8)
    assert not read_areas(path).areas[0].geometry.equals_exact(SQUARE, 1e-3)
