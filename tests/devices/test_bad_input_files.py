"""What a reader of files must survive, numbered as in the list of bad inputs, and what the user is told.

Rows 1-11 and 37-43 are of live links and captures, and tested there.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest

from devices.errors import DevicesError
from devices.formats.description import parse_description
from devices.jumps import distance_m
from devices.store import iso, now_us

HEADER = "time,device_id,lat,lon,rssi_dbm"


def line(second: int = 0, device: str = "A1", lat: object = 41.8, lon: object = 123.4, level: object = -80) -> str:
    return f"2025-11-29T08:{second // 60:02}:{second % 60:02}Z,{device},{lat},{lon},{level}"


def log(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def listed(receipt: dict) -> str:
    """The file of rejected rows."""
    return Path(receipt["reject_file"]).read_text("utf-8-sig")


def levels(found) -> list:
    return found.column("rssi_dbm").to_pylist()


def described(more: str, head: str = 'name = "own"\n') -> object:
    return parse_description(
        head + '[time]\ncolumn = "time"\n[fields]\ndevice_id = { column = "device_id" }\n' + more, "own.toml"
    )


def test_12_csq_values(take, table):
    own = described('rssi_dbm = { column = "rssi_dbm", decode = "csq" }\n')
    receipt = take(
        log(*(line(s, level=v) for s, v in enumerate(("99", "0", "31", "57", "031", "12")))), description=own
    )
    found = table()
    assert levels(found) == [None, -113.0, -51.0, -51.0, -89.0]
    assert found.column("rssi_censor").to_pylist() == ["none", "below", "above", "above", "none"]
    assert set(found.column("rssi_step_db").to_pylist()) == {2.0}
    assert receipt["rejected_by_reason"] == {"level_code": 1}


def test_13_spellings_of_levels_and_of_nothing(take, table):
    cells = ["-", "--", "", "N/A", "NaN", "\u221295", "-95dBm", "-95 dBm", '"-95,5"', " -95.5 "]
    receipt = take(log(*(line(s, level=cell) for s, cell in enumerate(cells))))
    assert levels(table()) == [None] * 5 + [-95, -95, -95, -95.5, -95.5] and not receipt["rejected"]


def test_14_positive_levels_are_rejected_with_the_hint(take, table):
    receipt = take(log(line(0, level=95), line(1, level=0), line(2, level=-95)))
    assert receipt["rejected_by_reason"] == {"level_positive": 2} and levels(table()) == [-95]
    assert "scale = -1" in listed(receipt)


def test_15_levels_outside_with_the_hint_of_half_decibels(take):
    receipt = take(log(line(0, level=-228), line(1, level=-300), line(2, level=-5), line(3)))
    assert receipt["rejected_by_reason"] == {"level_half_db": 1, "level_out_of_range": 2}
    assert "scale = 0.5" in listed(receipt)


def test_16_decimal_commas_and_semicolons_are_found_together_and_reported(take, table):
    text = HEADER.replace(",", ";") + "\n2025-11-29 08:00:00;A1;41,80470;123,42910;-95,5\n"
    receipt = take(text)
    assert table().select(["lat", "lon", "rssi_dbm"]).to_pylist() == [
        {"lat": 41.8047, "lon": 123.4291, "rssi_dbm": -95.5}
    ]
    assert receipt["facts"]["delimiter"] == ";" and receipt["facts"]["decimal"] == ","


def test_17_swapped_and_minutes_refuse_the_file_with_the_likely_cause(take, table):
    area = (121.0, 40.0, 125.0, 43.0)
    with pytest.raises(DevicesError, match=r"log.csv: latitude and longitude are swapped \(123.4, 41.8\)"):
        take(log(line(0, lat=123.4, lon=41.8), line(1, lat=123.4, lon=41.8)))
    with pytest.raises(DevicesError, match="swapped"):
        take(log(line(0, lat=44.2, lon=15.3), line(1, lat=44.2, lon=15.3)), area=(42.0, 12.0, 46.0, 17.0))  # in Yemen
    with pytest.raises(DevicesError, match='degrees and minutes.*degrees = "nmea"'):
        take(log(line(0, lat="4148.30", lon="12325.80")), area=area)
    own = described('lat = { column = "lat", degrees = "nmea" }\nlon = { column = "lon", degrees = "nmea" }\n'
                    'rssi_dbm = { column = "rssi_dbm" }\n')  # fmt: skip
    take(log(line(0, lat="4148.30", lon="12325.80"), line(1, lat="4148.30N", lon="12325.80E")), description=own)
    assert table().column("lat").to_pylist() == pytest.approx([41.805, 41.805])


def test_18_positions_that_are_none_keep_the_row(take, table):
    bad = [(0, 0), (90, 180), (-90, -180), (999999, 999999), ("", ""), (41.8, "")]
    receipt = take(log(*(line(s, lat=a, lon=b) for s, (a, b) in enumerate(bad)), *(line(s) for s in range(10, 30))))
    found = table()
    assert found.column("lat").to_pylist()[:6] == [None] * 6 and len(levels(found)) == 26
    assert found.column("fix").to_pylist()[:7] == ["none"] * 6 + ["2d"]
    assert receipt["flagged"] == {"position_zero": 1, "position_range": 4} and not receipt["rejected"]


def test_18_a_position_without_a_fix_is_none_although_numbers_stand_there(take, table):
    take(HEADER + ",fix\n" + line(0) + ",none\n" + line(1) + ",3d\n")
    assert table().select(["lat", "fix"]).to_pylist() == [{"lat": None, "fix": "none"}, {"lat": 41.8, "fix": "3d"}]


def test_19_jumps_lose_the_position_and_keep_the_level(take, table):
    lines = [line(s, lat=41.8 + s * 1e-4) for s in range(20)]
    lines[7] = line(7, lat=32.8)  # a thousand kilometres off for one row
    lines[12] = line(12, lat=41.8 + 0.0012 + 0.0108)  # 1.2 km in a second
    receipt = take(log(*lines))
    lat = table().column("lat").to_pylist()
    assert [at for at, value in enumerate(lat) if value is None] == [7, 12] and receipt["flagged"] == {"jump": 2}
    assert len(levels(table())) == 20 and not receipt["rejected"]


def test_19_a_move_of_the_handset_to_elsewhere_is_no_jump(take):
    receipt = take(log(*(line(s) for s in range(10)), *(line(s, lat=42.5) for s in range(1800, 1810))))
    assert not receipt["flagged"]  # 78 km in half an hour


def test_20_a_datum_has_to_be_declared_in_china_and_there_alone(take, table):
    with pytest.raises(DevicesError, match="positions in China without a datum.*--datum wgs84"):
        take(log(line()), datum="")
    take(log(line(0, lat=51.93, lon=-8.38)), "ireland.csv", datum="")
    assert table().column("lat").to_pylist() == [51.93]
    take(log(line(1)), "amap.csv", datum="gcj02", device="A2")
    lat, lon = (table(devices=["A1"]).column(name).to_pylist()[1] for name in ("lat", "lon"))
    assert 300 < distance_m(lat, lon, 41.8, 123.4) < 700
    assert table().column("datum_in").to_pylist()[1] == "gcj02"


def test_20_a_column_may_declare_it_row_by_row(take, table):
    text = HEADER + ",datum\n" + line(0) + ",gcj02\n" + line(1) + ",WGS-84\n" + line(2) + ",mars\n"
    receipt = take(text, datum="")
    assert receipt["rejected_by_reason"] == {"unknown_word": 1}
    lat = table().column("lat").to_pylist()
    assert lat[1] == 41.8 and 100 < abs(lat[0] - 41.8) * 111_195 < 700


def test_21_local_times_need_a_zone_and_the_hour_that_comes_twice_is_noted(take, table):
    naive = HEADER + "\n2025-10-26 02:30:00,A1,51.9,-8.3,-80\n2025-10-26 04:30:00,A1,51.9,-8.3,-80\n"
    with pytest.raises(DevicesError, match='the times in "time" have no zone; name it: --zone Asia/Shanghai'):
        take(naive, zone="")
    receipt = take(naive, zone="Europe/Berlin")
    assert [iso(us) for us in table().column("time_utc_us").to_pylist()] == [
        "2025-10-26T00:30:00Z",
        "2025-10-26T03:30:00Z",
    ]
    assert receipt["flagged"] == {"ambiguous_hour": 1}
    assert set(table().column("time_source").to_pylist()) == {"assumed-zone"}
    for zone in ("Asia/Shanghai", "+08:00", "UTC+8"):
        receipt = take(HEADER + f"\n2025-06-26 02:30:00,{zone},51.9,-8.3,-80\n", f"{zone[:3]}.csv", zone=zone)
        assert receipt["first_time"] == "2025-06-25T18:30:00Z" and not receipt["flagged"]
    with pytest.raises(DevicesError, match="zone 'Mars/Base' is not known"):
        take(HEADER + "\n2025-06-26 02:30:00,A9,51.9,-8.3,-80\n", "mars.csv", zone="Mars/Base")


def test_22_wrong_clocks_take_the_host_time_or_are_rejected_and_never_moved_by_weeks(take, table):
    own = HEADER + ",host_time\n"
    bad = ["1980-01-06T00:00:00Z", "2000-03-01T00:00:00Z", "2036-02-07T00:00:00Z", "2208-1", "220899"]
    lines = [f"{text},A1,41.8,123.4,-80,2025-11-29T08:00:0{at}Z" for at, text in enumerate(bad)]
    receipt = take(own + "\n".join(lines) + "\n", "host.csv")
    assert receipt["accepted"] == 5 and receipt["flagged"]["clock"] == 5
    assert set(table().column("time_source").to_pylist()) == {"host"}
    assert receipt["first_time"] == "2025-11-29T08:00:00Z" and receipt["last_time"] == "2025-11-29T08:00:04Z"
    receipt = take(log(*(f"{text},A2,41.8,123.4,-80" for text in bad), line(0, "A2")), "alone.csv")
    assert receipt["accepted"] == 1
    assert receipt["rejected_by_reason"] == {"time_out_of_range": 3, "time_unreadable": 2}
    assert "the clock was wrong" in listed(receipt)


def test_23_a_record_of_2094_leaves_last_seen_unharmed(take, sqlite):
    from devices.fleet import show

    receipt = take(log("2094-01-01T00:00:00Z,A1,41.8,123.4,-80", line()))
    assert receipt["rejected_by_reason"] == {"time_out_of_range": 1}
    assert show(sqlite, "A1")["last_record"] == "2025-11-29T08:00:00Z"
    assert show(sqlite, "A1")["last_seen"] <= iso(now_us())


def test_24_a_leap_second_is_kept(take, table):
    receipt = take(log("2016-12-31T23:59:60Z,A1,41.8,123.4,-80", "2016-12-31T23:59:59Z,A1,41.8,123.4,-80"))
    assert receipt["flagged"] == {"leap_second": 1}
    assert iso(table().column("time_utc_us").to_pylist()[1]) == "2016-12-31T23:59:59.999999Z"


def test_25_times_without_a_date_go_on_past_midnight(take, table):
    own = parse_description('name = "t"\n[time]\ncolumn = "time"\nformat = "%H:%M:%S"\ntime_only = true\n'
                            '[fields]\nrssi_dbm = { column = "rssi" }\n', "own.toml")  # fmt: skip
    text = "time,rssi\n23:59:58,-80\n23:59:59,-81\n00:00:00,-82\n00:00:01,-83\n23:59:59,-84\n00:00:02,-85\n"
    with pytest.raises(DevicesError, match="--date 2025-11-29"):
        take(text, description=own, device="A1")
    take(text, description=own, device="A1", date="2025-11-29")
    found = [iso(us)[8:-1] for us in table().column("time_utc_us").to_pylist()]
    assert found == ["29T23:59:58", "29T23:59:59", "29T23:59:59", "30T00:00:00", "30T00:00:01", "30T00:00:02"]


def test_26_unsorted_and_repeated_times_are_all_kept_sorted_and_counted(take, table):
    receipt = take(log(line(5), line(3), line(3, level=-81), line(4), line(1)))
    times = table().column("time_utc_us").to_pylist()
    assert len(times) == 5 and times == sorted(times) and receipt["facts"]["times_going_back"] == 2


def test_27_twice_parts_and_overlaps_are_each_row_once_and_said(take, table):
    take(log(*(line(s) for s in range(10))), "a.csv")
    assert take(log(*(line(s) for s in range(10))), "same.csv")["repeated"]
    assert take(log(*(line(s) for s in range(5))), "part.csv")["duplicate"] == 5
    overlap = take(log(*(line(s) for s in range(5, 15))), "overlap.csv")
    assert (overlap["accepted"], overlap["duplicate"]) == (5, 5) and len(levels(table())) == 15


def test_28_several_devices_are_split_and_a_missing_id_is_asked_for(take, table):
    assert take(log(line(0, "A1"), line(0, "B2")))["device_count"] == 2
    with pytest.raises(DevicesError, match="name the device with --device"):
        take("time,lat,lon,rssi_dbm\n2025-11-29T08:00:00Z,41.8,123.4,-80\n", "none.csv")
    receipt = take(log(line(0, ""), line(1, "C3")), "some.csv")
    assert receipt["rejected_by_reason"] == {"device_missing": 1} and "C3" in receipt["devices"]
    receipt = take(log(line(2, ""), line(3, "C3")), "given.csv", device="D4")
    assert set(receipt["devices"]) == {"C3", "D4"} and not receipt["rejected"]


def test_29_mangled_ids_are_restored_only_where_there_is_one_way(take, sqlite):
    from devices import fleet

    fleet.add(sqlite, {"device_id": "0012345"})
    ids = ["4.60E+14", "'0123", '"=""0456"""', "12345", "777.0", "0012345"]
    receipt = take(log(*(line(s, name) for s, name in enumerate(ids))))
    assert receipt["rejected_by_reason"] == {"device_mangled": 2}
    assert {name: d["rows"] for name, d in receipt["devices"].items()} == {"0123": 1, "0456": 1, "0012345": 2}
    fleet.add(sqlite, {"device_id": "012345"})  # now there are two ways
    assert "12345" in take(log(line(9, "12345")), "two.csv")["devices"]


CHINESE = "时间,设备编号,纬度,经度,场强(dBm)\n2025-11-29 08:00:00,手台一,41.8,123.4,-80\n"


@pytest.mark.parametrize(("encoding", "reported"), [
    ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("utf-16-be", "utf-16-be"),
    ("gbk", "gb18030"), ("gb18030", "gb18030"),
])  # fmt: skip
def test_30_encodings_are_found_and_reported(take, table, encoding, reported):
    receipt = take(CHINESE.encode(encoding))
    assert receipt["facts"]["encoding"] == reported and list(receipt["devices"]) == ["手台一"]
    assert levels(table()) == [-80]


def test_30_a_row_of_another_encoding_is_rejected_alone(take):
    good = CHINESE.encode() + "2025-11-29 08:00:01,手台二,41.8,123.4,-80\n".encode()
    receipt = take(
        good + "2025-11-29 08:00:02,手台,41.8,123.4,-80\n".encode("gbk") + b"2025-11-29 08:00:03,A1,41.8,123.4,-80\n"
    )
    assert receipt["rejected_by_reason"] == {"undecodable": 1} and receipt["accepted"] == 3


def test_31_broken_rows_cost_themselves_alone(take, table):
    lines = [line(0), '2025-11-29T08:00:01Z,"A\n1",41.8,123.4,-80',
             '2025-11-29T08:00:02Z,"A1,41.8,123.4,-80', line(3),
             '2025-11-29T08:00:04Z,A"1,41.8,123.4,-80', line(5) + ",more", "2025-11-29T08:00:06Z,A1,41.8", HEADER,
             ",,,,", '2025-11-29T08:00:08Z,A1,41.8,123.4,"-1,080"', line(9), "Total,,,,12"]  # fmt: skip
    receipt = take(log(*lines))
    assert receipt["rejected_by_reason"] == {"ragged": 2, "quote_open": 2, "not_a_number": 1, "time_unreadable": 1}
    assert receipt["skipped"] == {"repeated_header": 1, "blank": 1}
    assert receipt["devices"]["A1"]["rows"] == 3 and receipt["devices"]["A\n1"]["rows"] == 1
    text = listed(receipt)
    assert '5,,"2025-11-29T08:00:02Z' in text and "not closed" in text  # the line the user finds in an editor


def test_31_a_quoted_text_over_the_edge_of_two_blocks_is_whole(take, table, monkeypatch):
    from devices.formats import text

    monkeypatch.setattr(text.read_lines, "__defaults__", (64,))
    receipt = take(log(*(f'2025-11-29T08:00:{s:02}Z,"A\n1",41.8,123.4,-80' for s in range(60))))
    assert receipt["accepted"] == 60 and not receipt["rejected"]


def test_32_headers_below_title_rows_are_found(take, shared):
    titles = "Drive test of the 3rd\nProvince,Liaoning\n\n"
    receipt = take(titles + log(line()))
    assert receipt["accepted"] == 1 and receipt["skipped"]["before_header"] == 2
    receipt = take((shared / "data/handset-samples/wigle_1.6_constructed.csv").read_bytes(), "wigle.csv", device="A1")
    assert receipt["profile"] == "wigle/1" and receipt["accepted"] == 1
    with pytest.raises(DevicesError, match="is of no format known here; the first line holds: a, b"):
        take("a,b\n1,2\n", "odd.csv")


def test_33_formulas_go_in_as_text_and_come_out_escaped(take, sqlite, tmp_path):
    from devices.export import export_records
    from devices.privacy import read_key
    from devices.query import Wanted

    evil = '=HYPERLINK("http://x")'
    take(HEADER + ",site_id\n" + line() + ',"' + evil.replace('"', '""') + '"\n' + line(1) + ",-12\n")
    read_key()
    export_records(sqlite, Wanted(), tmp_path / "out.csv", identities=True)
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert "\"'=HYPERLINK" in text and '"-12"' in text


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_34_archives_are_read_and_junk_in_them_is_named(take):
    one, two = log(line(0)).encode(), log(line(1)).encode()
    packed = zipped(**{"day1/a.csv": one, "../../x.csv": two, "__MACOSX/._a.csv": b"\0\5", ".DS_Store": b"x",
                       "more.zip": zipped(**{"b.csv": one})})  # fmt: skip
    receipt = take(packed, "logs.zip")
    assert receipt["accepted"] == 2 and sum("computer's own file" in note for note in receipt["notes"]) == 2
    assert any("more.zip: left out, an archive inside the archive" in note for note in receipt["notes"])
    assert take(gzip.compress(log(line(3)).encode()), "log.csv.gz")["accepted"] == 1


def test_34_truncated_archives_give_what_is_whole_and_say_so(take):
    many = log(*(line(s) for s in range(3000))).encode()
    noise = log(*(line(s, level=-60 - random.Random(s).random() * 50) for s in range(3000))).encode()
    packed = gzip.compress(noise)
    receipt = take(packed[: len(packed) // 2], "cut.csv.gz")
    assert 500 < receipt["accepted"] < 3000 and any("cut or damaged" in note for note in receipt["notes"])
    archive = zipped(**{"a.csv": many, "b.csv": noise.replace(b"A1", b"B2")})
    receipt = take(archive[: len(archive) * 2 // 3], "cut.zip")
    assert receipt["devices"]["A1"]["rows"] == 3000 and 300 < receipt["devices"]["B2"]["rows"] < 3000
    assert any("the archive is cut; what is whole of it is read" in note for note in receipt["notes"])


def test_34_bombs_are_refused_by_their_ratio(take, tmp_path):
    bomb = gzip.compress((HEADER + "\n").encode() + b"\n" * (80 << 20))
    with pytest.raises(DevicesError, match="which no log does .the limit is 250 : 1.; refused"):
        take(bomb, "bomb.csv.gz")
    with pytest.raises(DevicesError, match="bomb.zip: a.csv: unpacks to 80 MiB and more.*refused"):
        take(zipped(**{"a.csv": b"\0" * (80 << 20)}), "bomb.zip")


def test_35_nothing_and_a_header_alone(take):
    with pytest.raises(DevicesError, match="log.csv: is empty"):
        take("")
    with pytest.raises(DevicesError, match="is empty"):
        take("\n\n \n", "blank.csv")
    receipt = take(HEADER + "\n", "header.csv")
    assert receipt["rows_read"] == 0 and not receipt["rejected"]


def test_36_a_file_still_being_written_is_read_to_its_last_whole_line(take, table):
    whole = log(*(line(s, level=-105) for s in range(5)))
    for number, cut in enumerate((3, 20, 30)):  # within the level, the position, the time
        receipt = take(whole[: -1 - cut], f"{number}.csv")
        assert receipt["skipped"] == {"cut_at_end": 1} and not receipt["rejected"]
    assert set(levels(table())) == {-105} and len(levels(table())) == 4  # no -1 of a half-written -105
    assert take(whole, "grown.csv")["accepted"] == 1
    assert take(log(line(9)).rstrip("\n"), "no-end.csv")["accepted"] == 1  # whole, but for the line's end


@pytest.mark.parametrize("name", ["evil.gpx", "evil.kml"])
def test_44_entities_and_document_types_are_refused(take, name):
    kind = name[-3:]
    bomb = ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
            f'<{kind}><trk><trkseg><trkpt lat="41" lon="123"><name>&b;</name></trkpt></trkseg></trk>'
            f"</{kind}>")  # fmt: skip
    outside = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><{kind}>&a;</{kind}>'
    for text in (bomb, outside):
        with pytest.raises(DevicesError, match=f"{name}: holds a document type or entities.*refused"):
            take(text, name, device="A1")


def test_34_a_text_beside_the_logs_in_an_archive_is_left_out_and_named(take):
    receipt = take(zipped(**{"README.txt": b"Logs of the 3rd\n", "a.csv": log(line()).encode()}), "logs.zip")
    assert receipt["accepted"] == 1
    named = "left out: logs.zip: README.txt: is of no format known here"
    assert any(note.startswith(named) for note in receipt["notes"])
    with pytest.raises(DevicesError, match="README.txt: is of no format known"):
        take(zipped(**{"README.txt": b"Logs of the 3rd\n"}), "texts.zip")


def test_28_a_device_named_afterwards_takes_in_the_rows_without_one(take):
    take(log(line(0, ""), line(1, "C3")))
    receipt = take(log(line(0, ""), line(1, "C3")), device="D4")
    assert (receipt["accepted"], receipt["duplicate"], receipt["repeated"]) == (1, 1, False)


def test_no_service_has_no_cell(take, table):
    header = "time,device_id,lat,lon,rssi_dbm,service_state,site_id,slot\n"
    rows = "2025-11-29T08:00:00Z,A1,41.8,123.4,-80,registered,S1,2\n2025-11-29T08:00:01Z,A1,41.8,123.4,,无服务,S1,2\n"
    take(header + rows)
    assert table().select(["service_state", "site_id", "slot"]).to_pylist() == [
        {"service_state": "registered", "site_id": "S1", "slot": 2},
        {"service_state": "no_service", "site_id": None, "slot": None},
    ]
