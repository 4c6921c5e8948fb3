"""Positions of a track for rows that have none."""

from __future__ import annotations

import pytest

from devices.errors import DevicesError

TRACK = """<gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="51.9" lon="-8.3"><time>2025-11-29T08:00:00Z</time></trkpt>
<trkpt lat="51.901" lon="-8.302"><time>2025-11-29T08:00:10Z</time></trkpt>
<trkpt lat="51.91" lon="-8.31"><time>2025-11-29T08:01:00Z</time></trkpt></trkseg></trk></gpx>"""
LOG = "time,device_id,rssi_dbm\n" + "".join(f"2025-11-29T08:{t}Z,A1,-80\n" for t in (
    "00:00", "00:02.5", "00:13", "00:30", "00:57", "01:04", "02:00"))  # fmt: skip


@pytest.fixture
def track(tmp_path):
    path = tmp_path / "walk.gpx"
    path.write_text(TRACK)
    return path


def test_between_points_that_are_near_in_time_or_at_one_that_is(take, table, track, tmp_path):
    (tmp_path / "scan.csv").write_text(LOG)
    receipt = take_with(take, track)
    found = table()
    assert receipt["accepted"] == 7
    lat = found.column("lat").to_pylist()
    assert lat[:3] == pytest.approx([51.9, 51.90025, 51.901]) and lat[4:6] == pytest.approx([51.91, 51.91])
    assert lat[3] is None and lat[6] is None  # 20 s and 60 s from any point, in a gap of 50 s
    assert found.column("fix").to_pylist() == ["interpolated"] * 3 + ["none"] + ["interpolated"] * 2 + ["none"]
    assert found.column("pos_age_s").to_pylist()[:3] == [0, 2.5, 3]


def test_rows_with_a_position_keep_it(take, table, track):
    take_with(take, track, LOG.replace("rssi_dbm", "rssi_dbm,lat,lon").replace("-80", "-80,50,-8"))
    assert set(table().column("lat").to_pylist()) == {50}


def test_what_is_no_track_is_told_and_a_second_import_with_one_too(take, track, tmp_path):
    empty = tmp_path / "empty.gpx"
    empty.write_text("<gpx></gpx>")
    with pytest.raises(DevicesError, match="empty.gpx: holds fewer than two positions with a time"):
        take_with(take, empty)
    take(LOG, "scan.csv")
    with pytest.raises(DevicesError, match="batch 1 with track not given.*--withdraw 1"):
        take_with(take, track)


def take_with(take, track, text: str = LOG):
    return take(text, "scan.csv", track=str(track))
