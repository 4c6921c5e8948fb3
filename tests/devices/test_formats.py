"""Log formats: the built-in ones on real samples, users' own descriptions and what is said of a faulty one."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import formats
from devices.archives import Part
from devices.checks import Context
from devices.errors import DevicesError
from devices.formats.description import FIELDS, parse_description
from devices.formats.fields import Declared
from devices.formats.read import Reading
from devices.records import LIMITS, to_table
from devices.store import iso, now_us


def read(path, description=None, **declared):
    """(table of all rows in order of the file, rejects by code, the reading)."""
    import pyarrow as pa

    reading = Reading(Part(path.name, path), Declared(**{"device": "X9", "zone": "UTC", **declared}),
                      Context(now_us(), declared.get("datum", "wgs84")), description)  # fmt: skip
    tables, rejected = [], {}
    for draft in reading.drafts():
        tables.append(draft.to_table())
        for block in draft.rejected:
            for code in block.column("code").to_pylist():
                rejected[code] = rejected.get(code, 0) + 1
    table = pa.concat_tables(tables) if tables else to_table([])
    return table.sort_by("row_no"), rejected, reading


@pytest.fixture
def samples(shared):
    return shared / "data/handset-samples"


def test_gnettrack_400_real_rows(samples):
    found, rejected, reading = read(samples / "gnettrack_driving.csv", zone="Europe/Dublin")
    first = found.slice(0, 1).to_pylist()[0]
    assert reading.profile == "gnettrack/1" and found.num_rows == 400 and not rejected
    assert iso(first["time_utc_us"]) == "2019-12-14T10:16:30Z" and first["time_source"] == "assumed-zone"
    assert (first["lat"], first["lon"], first["rssi_dbm"], first["cinr_db"]) == (51.935604, -8.388186, -90, 6)
    assert first["site_id"] == "11016972"
    text = (samples / "gnettrack_driving.csv").read_text()
    unknown = sum(line.split(",")[11] == "-" for line in text.splitlines()[1:])
    assert found.column("rssi_dbm").null_count == unknown
    speeds = [float(line.split(",")[3]) / 3.6 for line in text.splitlines()[1:]]
    assert found.column("speed_mps").to_pylist() == pytest.approx(speeds)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_tetra_mess(samples, suffix):
    found, rejected, reading = read(samples / f"tetra_mess_constructed.{suffix}")
    first = found.slice(0, 1).to_pylist()[0]
    assert reading.profile.startswith("tetra-mess") and not rejected
    assert (first["lat"], first["lon"], first["satellites"], first["location_area"]) == (
        52.349885,
        13.377718,
        7,
        12345,
    )
    assert (first["rssi_dbm"], first["c1_db"], first["technology"]) == (-61, 43, "tetra")
    if suffix == "csv":
        assert found.column("role").to_pylist() == ["serving", "neighbour", "serving"]
        assert found.column("rssi_dbm").to_pylist() == [-61, -85, None]  # 99 is no level
        assert found.column("lat").to_pylist()[2] is None  # nor is 0/0 a place


def test_wigle(samples):
    found, _, reading = read(samples / "wigle_1.6_constructed.csv")
    row = found.to_pylist()[0]
    assert reading.profile == "wigle/1" and row["site_id"] == "46001_4365_16971" and row["accuracy_m"] == 4
    assert iso(row["time_utc_us"]) == "2025-11-29T12:34:56Z" and row["row_no"] == 3


def test_sdrtrunk_events_hold_no_level_and_are_no_log(samples):
    with pytest.raises(DevicesError, match="of no format known here"):
        read(samples / "sdrtrunk_header.csv")


def put(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("ttnmapper", "id,time,nodeaddr,gwaddr,datarate,snr,rssi,freq,lat,lon,alt\n"
                  "1,2020-01-02 03:04:05,AB12,GW1,SF7,-2.5,-110,868.1,51.9,-8.3,10\n",
     {"rssi_dbm": -110, "cinr_db": -2.5, "direction": "talk_in", "device_id": "AB12", "freq_hz": 868_100_000}),
    ("meshmapper", "timestamp,device_id,lat,lon,status,rssi,snr\n1764403200,M1,51.9,-8.3,0,,\n",
     {"service_state": "no_service", "rssi_dbm": None, "lat": 51.9}),
    ("opencellid", "mcc,net,area,cell,lon,lat,signal,measured,created,rating,speed,direction,radio\n"
                   "460,0,4365,16971,-8.3,51.9,-85,1764403200,1764403300,1,36,90,GSM\n",
     {"rssi_dbm": -85, "site_id": "16971", "speed_mps": 10.0, "course_deg": 90}),
    ("cellmapper", "timestamp,latitude,longitude,altitude,MCC,MNC,LAC,CID,Signal,type\n"
                   "2025-11-29 08:00:00,51.9,-8.3,12,460,0,4365,16971,-85,GSM\n",
     {"rssi_dbm": -85, "site_id": "16971"}),
])  # fmt: skip
def test_formats_of_public_tools(tmp_path, name, text, expected):
    found, rejected, reading = read(put(tmp_path, "log.csv", text))
    assert reading.profile == f"{name}/1" and not rejected
    row = found.to_pylist()[0]
    assert {key: row[key] for key in expected} == expected


def test_levels_in_dbfs_need_the_offset_that_only_the_user_knows(tmp_path):
    call = {
        "freq": 361012500,
        "signal": -42,
        "noise": -60,
        "start_time": 1764403200,
        "talkgroup": 101,
        "short_name": "sys",
    }
    path = put(tmp_path, "call.json", json.dumps(call, indent=1))
    with pytest.raises(
        DevicesError, match=r"fields.rssi_dbm.offset only you can know: radiocov logs formats trunk-recorder"
    ):
        read(path)
    own = parse_description(formats.source("trunk-recorder").replace('"required"', "-50.0"), "own.toml")
    row = read(path, own)[0].to_pylist()[0]
    assert (row["rssi_dbm"], row["freq_hz"], row["lat"], row["fix"]) == (-92, 361012500, None, "none")
    sweep = "".join(
        f"2025-11-29, 08:00:{s:02}, 361000000, 361025000, 6250.00, 100, -60, -50, -50, -60\n" for s in range(3)
    )
    path = put(tmp_path, "sweep.csv", sweep)
    with pytest.raises(DevicesError, match="spectrum.channel_hz only you can know"):
        read(path)
    text = (
        formats.source("rtl-power").replace('offset = "required"', "offset = -30").replace('"required"', "361012500")
    )
    found = read(path, parse_description(text, "own.toml"))[0]
    # two bins of -50 dBFS lie within the channel: 3.01 dB more
    assert found.column("rssi_dbm").to_pylist() == pytest.approx([-76.99] * 3, abs=0.001)


GPX = """<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1"><trk><trkseg>
<trkpt lat="51.9" lon="-8.3"><ele>12</ele><time>2025-11-29T08:00:00Z</time><desc>-91.5 dBm</desc>
<extensions><x:rssi xmlns:x="urn:x">-90</x:rssi></extensions></trkpt>
<trkpt lat="51.91" lon="-8.3"><time>2025-11-29T08:01:00.5Z</time><desc>none</desc></trkpt></trkseg></trk></gpx>"""
KML = """<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2">
<Document><Placemark><gx:Track><when>2025-11-29T08:00:00Z</when><when>2025-11-29T08:00:01Z</when>
<gx:coord>-8.3 51.9 12</gx:coord><gx:coord>-8.3 51.9001 13</gx:coord><ExtendedData><SchemaData>
<gx:SimpleArrayData name="rssi"><gx:value>-80</gx:value><gx:value>-81</gx:value></gx:SimpleArrayData>
</SchemaData></ExtendedData></gx:Track></Placemark>
<Placemark><TimeStamp><when>2025-11-29T08:00:02Z</when></TimeStamp><ExtendedData>
<Data name="rssi"><value>-82</value></Data></ExtendedData>
<Point><coordinates>-8.3,51.9002,14</coordinates></Point></Placemark>
<Placemark><LineString><coordinates>-8.3,51.9,1 -8.4,51.9,1</coordinates></LineString></Placemark></Document></kml>"""


def test_gpx_with_a_level_in_extensions_or_a_text(tmp_path):
    path = put(tmp_path, "track.gpx", GPX)
    found, rejected, _ = read(path)
    assert found.column("rssi_dbm").to_pylist() == [-90, None] and not rejected
    assert found.column("alt_m").to_pylist() == [12, None] and found.column("time_source").to_pylist() == [
        "gps",
        "gps",
    ]
    own = parse_description(formats.source("gpx").replace(
        'rssi_dbm = { column = ["extensions/rssi", "extensions/level", "extensions/signal"] }',
        'rssi_dbm = { column = "desc", pattern = "(-?[0-9.]+) *dBm" }'), "own.toml")  # fmt: skip
    assert read(path, own)[0].column("rssi_dbm").to_pylist() == [-91.5, None]


def test_a_gpx_that_ends_early_gives_what_is_whole(tmp_path):
    found, _, _ = read(put(tmp_path, "cut.gpx", GPX[: GPX.index("<desc>none")]))
    assert found.num_rows == 1


def test_kml_tracks_points_and_kmz(tmp_path, take, table):
    found, _, _ = read(put(tmp_path, "track.kml", KML))
    assert found.column("rssi_dbm").to_pylist() == [-80, -81, -82]
    assert found.column("lat").to_pylist() == [51.9, 51.9001, 51.9002]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("doc.kml", KML)
    assert take(out.getvalue(), "track.kmz", device="K1")["accepted"] == 3


def test_lines_by_a_pattern(tmp_path):
    own = parse_description(
        r"""
name = "scanner"
[file]
kind = "lines"
line = '^(?P<t>\S+) RX (?P<f>[\d.]+)MHz (?P<l>-?\d+)$'
[time]
column = "t"
[fields]
freq_hz = { column = "f", unit = "MHz" }
rssi_dbm = { column = "l" }
""",
        "own.toml",
    )
    found, rejected, reading = read(put(tmp_path, "a.txt", "2025-11-29T08:00:00Z RX 361.0125MHz -90\nhello\n"), own)
    assert found.to_pylist()[0]["freq_hz"] == 361_012_500 and rejected == {"no_match": 1}


@pytest.mark.parametrize(("form", "text", "expected"), [
    ("%d.%m.%Y %H:%M:%S", "29.11.2025 08:00:01", "2025-11-29T08:00:01Z"),
    ("%d.%m.%Y %H:%M:%S", "02.11.2025 08:00:01", "2025-11-02T08:00:01Z"),
    ("%Y.%m.%d_%H.%M.%S", "2025.02.30_10.16.30", None), ("%Y.%m.%d_%H.%M.%S", "2025.13.01_10.16.30", None),
    ("%Y%m%d %H%M%S.%f", "20251129 080001.25", "2025-11-29T08:00:01.250000Z"),
    ("%d%m%y %H:%M", "291125 08:00", "2025-11-29T08:00:00Z"), ("%d%m%y %H:%M", "291199 08:00", None),
    ("%Y-%m-%d %H:%M:%S%z", "2025-11-29 08:00:01+08:00", "2025-11-29T00:00:01Z"),
    ("unix_s", "1764403200.5", "2025-11-29T08:00:00.500000Z"),
    ("unix_ms", "1764403200500", "2025-11-29T08:00:00.500000Z"),
    ("auto", "1764403200", "2025-11-29T08:00:00Z"), ("auto", "2025/11/29 8:00", "2025-11-29T08:00:00Z"),
    ("auto", "2025年11月29日 8时05分06秒", "2025-11-29T08:05:06Z"), ("auto", "2025-11-29T08:00:00.1234567Z",
                                                                 "2025-11-29T08:00:00.123456Z"),
    ("auto", "29/11/2025 08:00", None), ("auto", "2025-02-29 08:00:00", None), ("auto", "tomorrow", None),
])  # fmt: skip
def test_forms_of_time(tmp_path, form, text, expected):
    own = parse_description(f'name = "t"\n[time]\ncolumn = "t"\nformat = "{form}"\n'
                            '[fields]\nrssi_dbm = { column = "l" }\n', "own.toml")  # fmt: skip
    found, rejected, _ = read(put(tmp_path, "a.csv", f't,l\n"{text}",-80\n'), own)
    assert [iso(us) for us in found.column("time_utc_us").to_pylist()] == ([expected] if expected else [])
    assert sum(rejected.values()) == (expected is None)


@pytest.mark.parametrize(("change", "said"), [
    (('rssi_dbm = { column = "l"', 'rsi_dbm = { column = "l"'),
     r"own.toml: line 5, fields.rsi_dbm: did you mean rssi_dbm\?"),
    (('scale = 1.0', 'scal = 1.0'),
     r'own.toml: line 5, fields.rssi_dbm.scal: unknown key "scal"; did you mean scale\?'),
    (('unit = "dBm"', 'unit = "dBuV"'),
     r"line 5, fields.rssi_dbm: unit 'dBuV' is not known for rssi_dbm; known: dbm"),
    (('column = "t"', 'colum = "t"'), r'line 3, time.colum: unknown key "colum"; did you mean column\?'),
    (('technology = "pdt"', 'technology = "lte"'),
     r"line 7, constants.technology: 'lte' is not known; known: pdt, tetra"),
    (('[time]', '[file]\nencoding = "klingon"\n[time]'),
     "line 3, file.encoding: 'klingon' is no encoding; such as utf-8"),
    (('name = "own"', 'name = "own" x'), "own.toml: is not valid TOML.*line 1"),
    (('scale = 1.0', 'pattern = "("'), "line 5, fields.rssi_dbm.pattern: .*is not a regular expression"),
    (('technology = "pdt"', 'slot = 9'), "line 7, constants.slot: give a number from 1 to 4"),
])  # fmt: skip
def test_faults_of_a_description_are_told_with_line_and_key(change, said):
    good = ('name = "own"\n[time]\ncolumn = "t"\n[fields]\nrssi_dbm = { column = "l", unit = "dBm", scale = 1.0 }\n'
            '[constants]\ntechnology = "pdt"\n')  # fmt: skip
    parse_description(good, "own.toml")
    with pytest.raises(DevicesError, match=said):
        parse_description(good.replace(*change), "own.toml")


def test_units_of_a_description_and_of_headings_are_converted(tmp_path):
    text = "time,速度（km/h）,频率(MHz),rssi\n2025-11-29 08:00:00,36,361.0125,-80\n"
    row = read(put(tmp_path, "a.csv", text))[0].to_pylist()[0]
    assert row["speed_mps"] == pytest.approx(10) and row["freq_hz"] == 361_012_500
    with pytest.raises(DevicesError, match=r"is in 'furlong/h', which is not known for speed_mps; known: m/s, km/h"):
        read(put(tmp_path, "b.csv", text.replace("km/h", "furlong/h")))


def test_values_out_of_range_are_unknown_and_noted(tmp_path):
    names = [name for name, limit in LIMITS.items() if limit.outside == "null" and name not in ("lat", "lon")]
    text = "time,rssi_dbm," + ",".join(names) + "\n2025-11-29 08:00:00,-80" + ",99999" * len(names) + "\n"
    row = read(put(tmp_path, "a.csv", text))[0].to_pylist()[0]
    assert {row[name] for name in names} == {None}
    assert row["flags"].split() == sorted(f"{name}_range" for name in names)


def test_our_own_export_is_read_as_it_was_written(tmp_path):
    import pyarrow.csv as csv

    text = ("time,device_id,lat,lon,rssi_dbm,site_id,service_state,carry,ber_percent,freq_hz,direction\n"
            "2025-11-29T08:00:00.25Z,0012,51.9,-8.3,-80.5,S1,registered,hip,0.4,361012500,talk_in\n"
            "2025-11-29T08:00:01Z,0012,,,,,no_service,hip,,,talk_out\n")  # fmt: skip
    found, _, _ = read(put(tmp_path, "a.csv", text))
    csv.write_csv(found, tmp_path / "b.csv")
    again, rejected, _ = read(tmp_path / "b.csv")
    assert not rejected
    same = [name for name in found.column_names if name not in ("raw_key", "raw_ref", "time_source")]
    assert again.select(same).to_pylist() == found.select(same).to_pylist()


def test_an_empty_status_is_unknown_and_never_null(tmp_path):
    text = "time,rssi_dbm,service_state,direction,role\n2025-11-29 08:00:00,-80,,,\n"
    text += "2025-11-29 08:00:01,-80,注册,上行,neighbour\n"
    found, rejected, _ = read(put(tmp_path, "a.csv", text))
    assert not rejected and found.column("service_state").to_pylist() == ["unknown", "registered"]
    assert found.column("direction").to_pylist() == ["talk_out", "talk_in"]
    assert found.column("role").to_pylist() == ["serving", "neighbour"]


def test_a_quote_that_opens_the_last_cell_costs_its_own_line(tmp_path):
    good = "2025-11-29T08:00:00Z,7,41.8,123.4,-80"
    path = tmp_path / "log.csv"
    for odd in ('0","', '1,2,"",""', '2025-11-29T08:00:00Z,7,41.8,a","b', '"x"","'):
        path.write_text(f"time,device_id,lat,lon,rssi_dbm\n{good}\n{odd}\n{good}\n")
        found, rejects, _ = read(path)
        assert found.column("rssi_dbm").to_pylist() == [-80.0, -80.0] and len(rejects) == 1, odd


cells = st.one_of(
    st.sampled_from(["2025-11-29T08:00:00Z", "-80", "41.8", "123.4", "A1", "", "-", '"', ",", ";", "\r", "\n", "=1",
                     "99"]),
    st.text(max_size=8), st.floats(width=32).map(str), st.integers().map(str),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(st.lists(cells, min_size=1, max_size=7).map(",".join), max_size=12), encoding=st.sampled_from(
    ["utf-8", "utf-16", "gb18030"]))  # fmt: skip
def test_no_input_crashes_a_reader_and_none_makes_a_record_up(tmp_path_factory, lines, encoding):
    """Whatever stands in the rows: each comes out as a record whose level stood there, as a reject, or is counted."""
    path = tmp_path_factory.mktemp("fuzz") / "log.csv"
    text = "time,device_id,lat,lon,rssi_dbm\n" + "\n".join(lines)
    path.write_bytes(text.encode(encoding, "surrogatepass" if encoding == "utf-16" else "replace"))
    try:
        found, _, _ = read(path)
    except DevicesError as error:
        assert "log.csv" in str(error)
        return
    stood = set()
    for line in lines:
        stood |= set(line.replace('"', ",").replace("\r", ",").replace("\n", ",").split(","))
    numbers = set()
    for cell in stood:
        try:
            numbers.add(float(cell.strip().removesuffix("dBm").replace("\u2212", "-")))
        except ValueError:
            continue
    for level in found.column("rssi_dbm").to_pylist():
        assert level is None or (-140 <= level <= -10 and any(abs(level - number) < 1e-9 for number in numbers))
    assert found.num_rows <= len(text.splitlines()) - 1


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    data=st.binary(max_size=400),
    prefix=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"<gpx>", b"{", b"[", b"\xff\xfe"]),
)
def test_no_bytes_crash_a_reader(tmp_path_factory, data, prefix):
    from devices.archives import parts

    path = tmp_path_factory.mktemp("bytes") / "log"
    path.write_bytes(prefix + data)
    try:
        found, _ = parts(path)
        for part in found:
            reading = Reading(part, Declared(device="X", zone="UTC"), Context(now_us(), "wgs84"))
            assert all(len(draft) == 0 for draft in reading.drafts())
    except DevicesError:
        pass


def test_every_field_of_the_generic_format_has_a_chinese_heading_where_people_write_it():
    generic = formats.load("generic")
    assert set(generic.fields) == {*FIELDS, "flags"}
    for name in ("device_id", "lat", "lon", "rssi_dbm", "site_id", "speed_mps", "ber_percent", "freq_hz"):
        assert any(not heading.isascii() for heading in generic.fields[name].headings), name


def test_an_unknown_format_is_told_with_the_nearest():
    with pytest.raises(DevicesError, match=r"there is no log format 'gnetrack'; did you mean gnettrack\?"):
        formats.load("gnetrack")
    with pytest.raises(
        DevicesError, match=r"mine.toml: no such description; `radiocov logs formats generic > mine.toml`"
    ):
        formats.load("mine.toml")


def test_what_was_noted_of_rows_before_is_kept_and_only_what_can_be_noted(tmp_path):
    path = tmp_path / "canonical.csv"
    flags = ["synthetic", "", "hdop_range Synthetic", "position_age", "lunar_range 17"]
    lines = [f"2025-11-29T08:00:0{at}Z,A1,-80,{words}\n" for at, words in enumerate(flags)]
    path.write_text("time,device_id,rssi_dbm,flags\n" + "".join(lines))
    found, rejected, reading = read(path)
    kept = ["synthetic", "", "hdop_range synthetic", "position_age", "flags_word"]
    assert found.column("flags").to_pylist() == kept
    assert reading.profile == "generic/1" and not rejected
    mine = parse_description(
        """name = "mine"
        [time]
        column = "time"
        [fields]
        rssi_dbm = { column = "rssi_dbm" }
        flags = { column = "kind", map = { "exercise" = "synthetic" } }""", "mine.toml")  # fmt: skip
    path.write_text("time,rssi_dbm,kind\n2025-11-29T08:00:00Z,-80,Exercise\n2025-11-29T08:00:01Z,-80,\n")
    assert read(path, mine)[0].column("flags").to_pylist() == ["synthetic", ""]
