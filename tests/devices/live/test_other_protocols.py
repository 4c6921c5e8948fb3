"""PDT lines, DMR chips, Hytera frames, gpsd; recognition of all by their bytes."""

import csv
import json

import pytest

from devices.errors import DevicesError
from devices.protocols import PROTOCOLS, make_parser, read_file, recognise
from devices.settings import Settings
from devices.streams import Chunk

STATUS = "+PDTSTAT: 2026-11-24T08:00:00Z,2,-87,0.4,3,361025000,4660,17,1,2\r\n"


def test_a_pdt_line_is_a_whole_record(live):
    (record,) = live.parse("pdt", (0.5, STATUS)).records
    assert (record.service_state, record.rssi_dbm, record.ber_percent) == ("registered", -87, 0.4)
    assert (record.channel, record.freq_hz, record.system_code, record.site_id) == ("3", 361025000, "4660", "17")
    assert (record.colour_code, record.slot, record.technology, record.direction) == (1, 2, "pdt", "talk_out")
    assert record.time_utc_us == live.START_US and record.time_source == "handset"


def test_a_pdt_handset_with_its_position_between_the_lines(live):
    text = live.nmea("GPRMC,080000.00,A,4148.0000,N,12324.0000,E,10.0,90.0,241126,,,A")
    later = live.nmea("GPRMC,080002.00,A,4148.0400,N,12324.0000,E,10.0,90.0,241126,,,A")
    after = live.nmea("GPRMC,080003.00,A,4148.0600,N,12324.0000,E,10.0,90.0,241126,,,A")
    identity = "+PDTID: 460001,Maker,Model,1.0,SN1\r\n"
    parts = (0, identity + text), (1, STATUS), (2, later), (3, after)
    said = live.parse("pdt", *parts, settings=Settings())
    (record,) = said.records
    assert record.device_id == "460001" and record.fix == "interpolated"
    assert record.lat == pytest.approx(41.8 + 0.02 / 60, abs=1e-9)
    assert said.parser.live.serial_number == "SN1"


def test_pdt_without_service_is_a_censored_row_where_a_position_is_known(live):
    place = live.nmea("GPRMC,080000.00,A,4148.0000,N,12324.0000,E,10.0,90.0,241126,,,A")
    none = "+PDTSTAT: ,0,,,3,361025000,4660,17,1,2\r\n"
    (record,) = live.parse("pdt", (0, place), (1, none)).records
    assert (record.service_state, record.rssi_dbm, record.rssi_censor) == ("no_service", -118, "below")
    assert (record.site_id, record.system_code, record.colour_code) == (None, None, None)


@pytest.mark.parametrize("word", ["", "-", "--", "N/A", "NaN"])
def test_words_for_unknown_are_null(live, word):
    (record,) = live.parse("pdt", (0, STATUS.replace("-87", word))).records
    assert record.rssi_dbm is None and record.service_state == "registered"


@pytest.mark.parametrize(("text", "level"), [("−87", -87), ("-87dBm", -87), ("-87.5 dBm", -87.5)])
def test_levels_as_people_write_them(live, text, level):
    assert live.parse("pdt", (0, STATUS.replace("-87", text))).records[0].rssi_dbm == level


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [(",2,-87", ",9,-87", "service"), ("361025000", "361e6", "freq"), ("08:00:00Z", "08:00:00", "time"),
     ("-87", "-87,5", "line"), ("-87", "-8O", "rssi"), ("-87", "-150", "rssi_dbm"), ("361025000", "36", "freq_hz")],
)  # fmt: skip
def test_a_pdt_line_with_a_fault_is_rejected_by_field(live, old, new, column):
    said = live.parse("pdt", (0, STATUS.replace(old, new)))
    assert not said.records and [r.column for r in said.rejects] == [column]


def test_direct_mode_is_not_coverage_of_the_network(live):
    (record,) = live.parse("pdt", (0, STATUS.replace(",2,-87", ",3,-87"))).records
    assert (record.service_state, record.direction) == ("direct_mode", "direct")


def test_dmr_chips_give_level_channel_and_identity(live, samples):
    lines = [line for line in (samples / "dmr_at_lines.txt").read_text().splitlines() if line.startswith("+")]
    assert lines
    said = live.parse("dmr-at", (0, "".join(f"{line}\r\nOK\r\n" for line in lines)), (1, "+DMORDRSSI:-97\r\n"),
                      (2, "+DMOGETWLKTLKID:4600123\r\n"), settings=Settings())  # fmt: skip
    (record,) = said.records
    assert (record.rssi_dbm, record.device_id, record.channel, record.freq_hz) == (-97, "4600123", "15", 405000000)
    assert record.direction == "direct"
    duplex = live.parse("dmr-at", (0, "+DMOGETCURRCH:1,DIG,361000000,351000000,0,0,1,1\r\n+DMORDRSSI:-97\r\n"))
    assert duplex.records[0].direction == "talk_out"


@pytest.mark.parametrize("text", ["0,DIG,,405000000,1,1", "0,DIG,²,1,1", "0,FM,1,1", f"0,DIG,{'9' * 400},1", "0"])
def test_a_channel_answer_that_is_none_is_rejected(live, text):
    said = live.parse("dmr-at", (0, f"+DMOGETCURRCH:{text}\r\n".encode("latin-1")))
    assert [r.column for r in said.rejects] == ["channel"]


def test_hytera_captures_agree_with_their_decoded_fields(samples, live):
    with open(samples / "hytera_location_protocol.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    frames = b"".join(b"\x08" + bytes.fromhex(row["hex"]) for row in rows)
    for cut in (1, 7, 1000):
        parts = [Chunk(frames[i : i + cut]) for i in range(0, len(frames), cut)]
        said = live.parse("hytera", *parts, settings=Settings(rssi_scale=1.0))
        report, answer = said.records
        assert (report.rssi_dbm, report.device_id, report.direction) == (-58, "3", "talk_in")
        assert (report.lat, report.lon) == pytest.approx((47 + 24.0158 / 60, 7 + 31.1073 / 60), abs=1e-9)
        assert (answer.rssi_dbm, answer.device_id, answer.course_deg) == (None, "222222", 5)
        assert not said.rejects


def test_gpsd_positions_quality_and_the_loss_of_its_receiver(live):
    tpv = {"class": "TPV", "mode": 3, "time": "2026-11-24T08:00:00.000Z", "lat": 41.8, "lon": 123.4, "altHAE": 50.0,
           "altMSL": 45.0, "speed": 5.0, "track": 90.0, "eph": 4.5, "status": 2}  # fmt: skip
    lines = [{"class": "VERSION", "release": "3.25"}, {"class": "SKY", "hdop": 0.8, "uSat": 11}, tpv,
             {"class": "TPV", "mode": 1, "time": "2026-11-24T08:00:01Z"}, {"class": "NEW", "x": 1},
             {"class": "DEVICE", "path": "/dev/ttyACM0", "activated": 0}]  # fmt: skip
    said = live.parse("gpsd", (0, "".join(json.dumps(line) + "\r\n" for line in lines)))
    fix, none = said.records
    assert (fix.lat, fix.lon, fix.fix, fix.hdop, fix.satellites) == (41.8, 123.4, "dgps", 0.8, 11)
    assert (fix.alt_m, fix.speed_mps, fix.accuracy_m) == (45, 5, 4.5) and fix.time_utc_us == live.START_US
    assert none.lat is None and [e.text for e in said.events] == ["gpsd has lost its receiver /dev/ttyACM0"]


@pytest.mark.parametrize("place", ['"lat":NaN,"lon":1e999', '"lat":"41","lon":[1]', '"lat":true,"lon":{}'])
def test_gpsd_numbers_that_are_none_are_no_position(live, place):
    line = '{"class":"TPV","mode":3,"time":"2026-11-24T08:00:00Z",' + place + "}\n"
    assert live.parse("gpsd", (0, line)).records[0].lat is None


@pytest.mark.parametrize(("file", "protocol"), [
    ("tetra_pei_poll.raw", "tetra-pei"), ("tetra_pei_sds.raw", "tetra-pei"),
    ("tetra_pei_motorola_info.raw", "tetra-pei"),
    ("nmea_beidou-gb.log", "nmea"), ("nmea_kenwood_lmr.txt", "nmea"), ("dmr_at_lines.txt", "dmr-at"),
    ("gnettrack_driving.csv", None), ("wigle_1.6_constructed.csv", None), ("ubx_neo-m8n_binary.log", None),
])  # fmt: skip
def test_captures_are_recognised_by_content(samples, file, protocol):
    assert recognise((samples / file).read_bytes()) == protocol


def test_what_is_unknown_is_refused_with_what_would_do(tmp_path):
    for text, reason in ((b"a,b\n1,2\n", "neither a journal nor a capture of a known protocol"), (b"", "is empty")):
        path = tmp_path / "x.txt"
        path.write_bytes(text)
        with pytest.raises(DevicesError, match=reason):
            list(read_file(path))
    with pytest.raises(DevicesError, match="there is no protocol 'morse'; possible: tetra-pei"):
        make_parser("morse")
    assert all(make_parser(name).name == name for name in PROTOCOLS)
