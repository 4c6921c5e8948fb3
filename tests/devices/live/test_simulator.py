"""Rehearsal: the same seed gives the same day, faults come when asked for, what is recorded is what was driven."""

import dataclasses
import statistics

import pytest

from devices.errors import DevicesError
from devices.journal import Setup
from devices.records import Record
from devices.route import Route, read_route
from devices.session import Session
from devices.settings import Settings
from devices.simulator import Drive, Simulated, fleet, parse_fault, recorded
from devices.streams import Chunk

WAY = [(123.4, 41.8), (123.5, 41.8)]
START_US = 1_795_507_200_000_000


def level(lon, lat):
    return -80.0, 7


def drive(kind, seconds, faults=(), seed=1, **more):
    made = fleet([kind], 1, Route(WAY), level, seed=seed, speed_mps=10, faults=[parse_fault(f) for f in faults])
    return list(recorded(made, seconds, START_US, Settings(**more)))


def read(entries):
    session = Session()
    items = [item for entry in entries for item in session.feed(entry)]
    return items + session.finish()


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others():
    assert drive("tetra-pei", 30) == drive("tetra-pei", 30)
    assert drive("tetra-pei", 30) != drive("tetra-pei", 30, seed=2)


@pytest.mark.parametrize(("kind", "device"), [("tetra-pei", "00001001"), ("pdt", "1001")])
def test_what_is_read_is_where_and_what_the_handset_was_given(kind, device):
    moments = Drive(Route(WAY), level, 10, seed=1000)
    records = [r for r in read(drive(kind, 60)) if isinstance(r, Record) and r.role == "serving"]
    assert len(records) > 25 and {r.device_id for r in records} == {device}
    for record in records:
        now = moments.at((record.time_utc_us - START_US) / 1e6, START_US, -112)
        assert (record.lat, record.lon) == pytest.approx((now.lat, now.lon), abs=2e-4)
    mean = statistics.fmean(r.rssi_dbm for r in records if r.rssi_dbm is not None)
    assert mean == pytest.approx(-80, abs=8)


def test_shadowing_has_its_deviation_and_is_alike_nearby():
    moments = Drive(Route(WAY), level, 10, seed=5, shadowing_db=6, fading_db=0)
    levels = [moments.at(t * 20.0, START_US, -112).level_dbm + 80 for t in range(400)]
    assert statistics.pstdev(levels) == pytest.approx(6, rel=0.15)
    near = [moments.at(t * 20.0 + 0.5, START_US, -112).level_dbm + 80 for t in range(400)]
    assert statistics.correlation(levels, near) > 0.95


def test_a_hole_in_the_coverage_becomes_no_service_rows_with_positions():
    made = [Simulated("tetra-pei", "1", Drive(Route(WAY), lambda lon, lat: (-130.0, 0), 10))]
    records = [r for r in read(recorded(made, 30, START_US, Settings())) if isinstance(r, Record)]
    states = [r.service_state for r in records if r.service_state == "no_service"]
    assert len(states) > 8 and all(r.lat is not None for r in records if r.service_state == "no_service")


@pytest.mark.parametrize(("fault", "kind"), [("unplug@10+5", "link_lost"), ("silence@10+15", "silent"),
                                             ("errors@10+20", "error_storm"), ("clock-jump@10", "clock_offset"),
                                             ("noise@10+10", "silent")])  # fmt: skip
def test_faults_come_when_they_are_asked_for_and_are_noticed(fault, kind):
    before, after = drive("tetra-pei", 45), drive("tetra-pei", 45, [fault])
    events = [item for item in read(after) if hasattr(item, "kind")]
    assert kind in [event.kind for event in events]
    assert kind not in [item.kind for item in read(before) if hasattr(item, "kind")]
    # the handset is heard again afterwards, at the time of the satellites
    last = [r for r in read(after) if isinstance(r, Record)][-1]
    assert last.time_utc_us == pytest.approx(START_US + 44e6, abs=4e6)


def test_without_gps_levels_lose_their_position_after_the_time_allowed():
    records = [r for r in read(drive("pdt", 60, ["gps@20+40"])) if isinstance(r, Record)]
    for record in records:
        age = (record.time_utc_us - START_US) / 1e6 - 19
        assert (record.lat is None) == (age > 20.5) or abs(age - 20) < 1.5


def test_routes_are_read_from_what_people_have(tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffname,lon,lat\nA,123.4,41.8\nB,123.5,41.8\n", encoding="utf-8")
    (tmp_path / "a.geojson").write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":'
        '{"type":"LineString","coordinates":[[123.4,41.8],[123.5,41.8]]}}]}'
    )
    (tmp_path / "a.gpx").write_text(
        '<gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg><trkpt lat="41.8" lon="123.4"/>'
        '<trkpt lat="41.8" lon="123.5"/></trkseg></trk></gpx>'
    )
    for name in ("a.csv", "a.geojson", "a.gpx"):
        assert read_route(tmp_path / name).points == WAY
    assert Route(WAY).length_m == pytest.approx(8290, rel=0.002)


@pytest.mark.parametrize(("name", "text", "reason"), [
    ("a.csv", "x,y\n1,2\n", "columns lon and lat"), ("a.csv", "lon,lat\n123,41\n123,x\n", "row 3: lon and lat"),
    ("a.csv", "lon,lat\n41.8,123.4\n41.9,123.4\n", "longitude first"),
    ("a.csv", "lon,lat\n1,2\n", "two places or more"),
    ("a.csv", "lon,lat\n1,nan\n2,3\n", "row 2"), ("a.geojson", "{", "not JSON"), ("a.geojson", "[]", "no LineString"),
    ("a.geojson", '{"type":"LineString","coordinates":[1,2]}', "no places"), ("a.gpx", "<gpx>", "not XML"),
    ("a.gpx", '<!DOCTYPE x [<!ENTITY a "b">]><gpx/>', "DTD or entities"), ("a.shp", "", "a route is a .gpx"),
])  # fmt: skip
def test_a_bad_route_is_refused_by_file_and_place(tmp_path, name, text, reason):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DevicesError) as caught:
        read_route(path)
    assert str(caught.value).startswith(str(path)) and reason in str(caught.value)


@pytest.mark.parametrize("text", ["fire@1", "unplug", "unplug@x", "unplug@1+"])
def test_a_bad_fault_is_refused(text):
    with pytest.raises(DevicesError, match=r"KIND@START\[\+DURATION\] in seconds, such as unplug@60\+5"):
        parse_fault(text)


@pytest.mark.parametrize("kind", ["tetra-pei", "pdt"])
def test_what_was_simulated_is_labelled_however_it_was_recorded(kind):
    """By what the journal notes; and where a recorder noted nothing, by what the handset says of its maker."""
    entries = drive(kind, 60)
    plain = [Setup({"protocol": kind}, e.source) if isinstance(e, Setup) else e for e in entries]
    genuine = [
        dataclasses.replace(e, data=e.data.replace(b"SIMULATED", b"MOTOROLA")) if isinstance(e, Chunk) else e
        for e in plain
    ]
    for recording, labelled in ((entries, True), (plain, True), (genuine, False)):
        records = [item for item in read(recording) if isinstance(item, Record)]
        assert len(records) > 25
        later = records[len(records) // 2 :]  # the maker is asked for at the start
        assert all(("synthetic" in r.flags.split()) == labelled for r in later)
