"""Bad input of live streams, row by row of the list of what a reader must survive, and what the user is told."""

import os
import random
import threading
import tracemalloc

import pytest

from devices import causes
from devices.errors import DevicesError
from devices.link import LinkError, SerialLink, open_link
from devices.protocols import make_parser, read_file
from devices.protocols.binary import identify
from devices.settings import Settings
from devices.streams import Chunk

POSITION = "\r\n+GPSPOS: 08:00:0{},N: 41_48.0000,E: 123_24.0000,5\r\n\r\nOK\r\n"


def test_row_1_wrong_baud_says_which_rate_to_try(live):
    noise = bytes(b | 0x80 for b in random.Random(1).randbytes(600))
    parts = [(t / 10, noise[t * 20 : t * 20 + 20]) for t in range(30)]
    said = live.parse("tetra-pei", *parts, settings=Settings(device_id="7", baud=115200))
    assert not said.records
    (event,) = said.events
    assert event.kind == "noise" and event.text.startswith("bytes arrive but make no lines at 115200 baud: try 38400")
    assert event.utc_us == live.START_US + 2_000_000


def test_row_2_nul_and_ff_are_dropped_and_counted_and_good_lines_kept(live):
    junk = b"\xff\x00\r\n+CS\x00Q: 26,99\xff\r\n\r\nOK\r\n"
    said = live.parse("tetra-pei", (0, junk), (1, b"\x81\x92\r\n+CSQ: 20,99\r\n"))
    assert [r.rssi_dbm for r in said.records] == [-61, -73]
    assert said.counts["nul_or_ff"] == 4 and said.counts["noise_line"] == 1


def test_row_3_cut_first_and_last_lines_are_not_parsed(live):
    said = live.parse("tetra-pei", (0, "26,99\r\n+CSQ: 20,99\r\n+CSQ: 3"), midway=True)
    assert [r.rssi_dbm for r in said.records] == [-73]
    assert said.counts["joined_midway"] == 1 and said.counts["cut_at_end"] == 1


def test_row_4_two_indications_in_one_line_are_both_read(live):
    line = "+CTTCT:1+CTSDSR:12,1234567,0,9876543,0,84\r\n0A112853A9FF4D4FFFE810\r\n"
    said = live.parse("tetra-pei", (0, line))
    assert [r.device_id for r in said.records] == ["1234567"] and not said.rejects


def test_row_5_lines_in_pieces_and_lines_in_one_read_give_the_same(live):
    text = "\r\n+CSQ: 26,99\r\n\r\nOK\r\n" * 10
    whole = live.parse("tetra-pei", (0, text))
    pieces = live.parse("tetra-pei", *[(0, text[i : i + 3]) for i in range(0, len(text), 3)])
    assert whole.records == pieces.records and len(whole.records) == 10


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n", "\r\n\r\n\n"])
def test_row_6_every_line_end_gives_the_same(live, end):
    said = live.parse("tetra-pei", (0, "+CSQ: 26,99" + end + "+CSQ: 20,99" + end))
    assert [r.rssi_dbm for r in said.records] == [-61, -73]


def test_row_7_own_commands_echoed_are_no_answers(live):
    said = live.parse("tetra-pei", (0, "AT+CSQ?\r\r\n+CSQ: 26,99\r\n\r\nOK\r\nATE0\r\r\nOK\r\n"))
    assert [r.rssi_dbm for r in said.records] == [-61]
    assert not said.rejects and "unknown_line" not in said.counts


def test_row_8_a_megabyte_without_a_line_end_costs_no_memory(live):
    parser = make_parser("tetra-pei", Settings(device_id="7"))
    tracemalloc.start()
    for _ in range(2560):
        parser.feed(Chunk(b"A" * 4096))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert parser.counts.by_reason["overlong_line"] == 1
    items = parser.feed(live.chunk("\r\n+CSQ: 26,99\r\n")) + parser.finish()
    assert [item.rssi_dbm for item in items] == [-61]


def test_row_9_an_indication_inside_an_answer_leaves_both_right(live):
    answer = (
        "AT+GCLI?\r\r\n+GCLI: 2\r\n12345,caffe,26,43\r\n"
        "+CTSDSR: 13,9876543,0,1234567,0,16\r\n8004\r\n"
        "12346,caffd,14,19\r\n\r\nOK\r\n"
    )
    said = live.parse("tetra-pei", (0, answer))
    cells = [(r.role, r.location_area, r.rssi_dbm) for r in said.records]
    assert cells == [("serving", 12345, -61), ("neighbour", 12346, -85)]
    assert [e.text for e in said.events] == ["status 8004 from 9876543"]


def test_row_10_a_storm_of_errors_is_told(live):
    said = live.parse("tetra-pei", *[(t, "\r\nERROR\r\n") for t in range(8)])
    (event,) = said.events
    assert event.kind == "error_storm" and "is it unlocked" in event.text
    assert said.parser.live.trouble == "ERROR" and said.counts["error_answer"] == 8


def test_row_11_syntax_errors_at_the_start_are_passed_over(live):
    said = live.parse("tetra-pei", (0, "\r\n+CME ERROR: 35\r\nCME ERROR: 35\r\n\r\nOK\r\n+CSQ: 26,99\r\n"))
    assert [r.rssi_dbm for r in said.records] == [-61]
    assert not said.rejects and not said.events and said.counts["syntax_error_answer"] == 2


@pytest.mark.parametrize(
    ("csq", "level", "censor"),
    [("99,99", None, "none"), ("0,99", -113, "below"), ("31,99", -51, "above"), ("031,000", -51, "above"),
     ("1,99", -111, "none")],
)  # fmt: skip
def test_row_12_signal_quality_is_level_limit_or_unknown(live, csq, level, censor):
    (record,) = live.parse("tetra-pei", (0, f"+CSQ: {csq}\r\n")).records
    assert (record.rssi_dbm, record.rssi_censor) == (level, censor)
    assert record.service_state == "unknown"


def test_row_12_a_signal_quality_of_57_is_rejected(live):
    said = live.parse("tetra-pei", (0, "+CSQ: 57,99\r\n"))
    assert not said.records
    assert said.rejects[0].reason == "signal quality 57 is outside 0..31 and not 99 (unknown)"


@pytest.mark.parametrize("raw", ["95", "0"])
def test_row_14_a_positive_level_in_dbm_is_rejected_with_the_way_out(live, raw):
    said = live.parse("pdt", (0, f"+PDTSTAT: ,2,{raw},,1,361000000,1,7,1,1\r\n"))
    assert not said.records
    assert said.rejects[0].column == "rssi" and "profile says dBm" in said.rejects[0].reason
    assert "scale=-1" in said.rejects[0].reason


def hytera_frame(rssi):
    body = bytes.fromhex("d0040034000015c80a0000030000") + b"A083000241126N4148.0000E12324.00000.0207"
    body += rssi.to_bytes(2, "big", signed=True)
    return b"\x08" + body + bytes([(~sum(body) + 0x33) & 0xFF, 0x03])


def test_row_15_hytera_levels_need_a_unit_and_get_the_half_decibel_hint(live):
    unstated = live.parse("hytera", (0, hytera_frame(-228)))
    assert not unstated.records
    assert "rssi_scale = 0.5 (half decibels) would make it -114 dBm" in unstated.rejects[0].reason
    as_dbm = live.parse("hytera", (0, hytera_frame(-228)), settings=Settings(rssi_scale=1.0))
    assert not as_dbm.records
    reason = "rssi_dbm -228 is outside -140..-10; in half decibels it would be -114 dBm"
    assert as_dbm.rejects[0].reason.startswith(reason)
    (record,) = live.parse("hytera", (0, hytera_frame(-228)), settings=Settings(rssi_scale=0.5)).records
    assert (record.rssi_dbm, record.direction, record.device_id) == (-114, "talk_in", "3")


def test_row_24_a_leap_second_is_taken_as_the_end_of_the_second_before(live):
    said = live.parse("nmea", live.nmea("GPRMC,235960.00,A,4148.0000,N,12324.0000,E,0.0,,311216,,,A"))
    (record,) = said.records
    assert record.time_utc_us == 1483228799_999999 and record.flags == "leap_second"
    said = live.parse("pdt", "+PDTSTAT: 2016-12-31T23:59:60Z,2,-80,,1,361000000,1,7,1,1\r\n")
    assert said.records[0].time_utc_us == 1483228799_999999 and "leap_second" in said.records[0].flags


def test_row_25_midnight_between_positions_with_a_time_of_day_only(live):
    midnight = live.START_US + 16 * 3600 * 1_000_000
    text = "\r\n+GPSPOS: {},N: 41_48.0000,E: 123_24.0000,5\r\n\r\nOK\r\n+CSQ: 26,99\r\n"
    seen = (-1, "23:59:58"), (1, "00:00:00"), (3, "00:00:02")
    said = live.parse("tetra-pei", *[live.chunk(text.format(tod), t, midnight) for t, tod in seen])
    fixes = said.parser.assembler._fixes
    assert [round((f.time_us - midnight) / 1e6) for f in fixes] == [-2, 0, 2]
    assert all(r.lat is not None and r.pos_age_s < 5 for r in said.records)
    unstamped = live.parse("nmea", live.nmea("GPRMC,235959.00,A,4148.0,N,12324.0,E,0,,231126,,,A"),
                           live.nmea("GPGGA,000000.00,4148.0,N,12324.0,E,1,5,1.0,45.0,M,,M,,"))  # fmt: skip
    times = [r.time_utc_us for r in unstamped.records]
    assert times[1] - times[0] == 1_000_000


def test_row_36_a_file_that_is_still_written_is_read_to_its_last_whole_line_and_watched(live, tmp_path):
    path = tmp_path / "growing.txt"
    status = "+PDTSTAT: 2026-11-24T08:00:0{},2,-80,,1,361000000,1,7,1,1\n"
    path.write_text("+PDTID: 7,M,X,1,S\n" + status.format("0Z") + status.format("1Z")[:20])
    link = open_link(str(path))
    link.open()
    assert b"".join(c.data for c in link.read()).endswith(b"7,1,1\n")
    with path.open("a") as file:
        file.write(status.format("1Z")[20:])
    (more,) = link.read()
    assert more.data.decode() == status.format("1Z")
    assert link.read() == [] and not link.ends


def test_row_37_nmea_checksums_and_invalid_fixes(live):
    good = "GPRMC,080001.00,A,4148.0000,N,12324.0001,E,0.9,,241126,,,A"
    wrong = live.parse("nmea", f"${good}*00\r\n")
    assert not wrong.records and wrong.rejects[0].code == "checksum"
    missing = live.parse("nmea", f"${good}\r\n")
    assert not missing.records and "checksum_optional" in missing.rejects[0].reason
    allowed = live.parse("nmea", f"${good}\r\n", settings=Settings(device_id="7", checksum_optional=True))
    stem, checksum = live.nmea(good).split("*")
    assert checksum != checksum.lower()
    lower = live.parse("nmea", f"{stem}*{checksum.lower()}")
    assert allowed.records[0].lat == lower.records[0].lat == pytest.approx(41.8)
    (record,) = live.parse("nmea", live.nmea(good.replace(",A,4148", ",V,4148").replace(",,A", ",,N"))).records
    assert record.lat is None and record.lon is None and record.fix == "none"


def test_row_38_lip_with_21_digits_a_wrong_length_and_the_long_form(live):
    pdu = "0A112853A9FF4D4FFFE81"
    head = "+CTSDSR: 12,1234567,0,9876543,0,{}\r\n{}\r\n"
    for bits, digits in ((84, pdu), (84, pdu + "0"), (100, pdu), (40, pdu)):
        (record,) = live.parse("tetra-pei", (0, head.format(bits, digits))).records
        assert (record.lat, record.lon) == pytest.approx((44.938642, 26.044346), abs=1e-6)
        assert record.pos_age_s == 300 and record.flags == "position_age"
    long = live.parse("tetra-pei", (0, head.format(168, "0A4DD400000000000000005FE0002308517A100060")))
    assert [(record.lat, record.flags) for record in long.records] == [(None, "position_age position_zero")]
    other = live.parse("tetra-pei", (0, head.format(168, "0A51D400000000000000005FE0002308517A100060")))
    assert not other.records and other.counts["lip_unsupported"] == 1
    assert "which is no report" in other.rejects[0].reason


def test_row_39_the_same_message_four_times_is_one_record(live):
    message = "+CTSDSR: 12,1234567,0,9876543,0,84\r\n0A112853A9FF4D4FFFE810\r\n"
    said = live.parse("tetra-pei", *[(t, message) for t in (0, 1, 2, 3)])
    assert len(said.records) == 1 and said.counts["sds_repeated"] == 3
    later = live.parse("tetra-pei", (0, message), (120, message))
    assert len(later.records) == 2


def test_row_40_two_programs_on_one_port_name_the_other(handset):
    terminal = handset("nmea")
    mine, other = SerialLink(str(terminal.path), Settings()), SerialLink(str(terminal.path), Settings())
    mine.open()
    with pytest.raises(LinkError, match="another program has .* open"):
        other.open()
    mine.close()


def test_row_40_a_missing_port_and_a_refused_address_say_what_to_do(tmp_path):
    with pytest.raises(LinkError, match="is not there; `radiocov logs ports` lists what is plugged in"):
        SerialLink(str(tmp_path / "ttyUSB9"), Settings()).open()
    with pytest.raises(LinkError, match="nothing answers at socket://127.0.0.1:1"):
        SerialLink("socket://127.0.0.1:1", Settings()).open()
    text = causes.cause_of(PermissionError(13, "Permission denied"), str(tmp_path))
    assert "add yourself to the group" in text and "log in again" in text


def test_row_41_damage_and_a_torn_end_of_the_journal_cost_no_more_than_themselves(live, tmp_path):
    from devices.journal import Setup, Writer

    path = tmp_path / "a.journal"
    with Writer(path) as writer:
        writer.append(Setup({"protocol": "tetra-pei", "settings": {"device_id": "7"}, "file": True}, "port"))
        for t in range(5):
            writer.append(live.chunk(f"+CSQ: {20 + t},99\r\n", t))
    data = bytearray(path.read_bytes())
    data[data.index(b"+CSQ: 22") + 6] ^= 1
    path.write_bytes(data[:-3])
    items = list(read_file(path))
    kinds = [item.kind for item in items if hasattr(item, "kind")]
    levels = [item.rssi_dbm for item in items if hasattr(item, "rssi_dbm")]
    assert kinds == ["journal_damaged", "journal_cut"]
    assert levels == [-73, -71, -67]


def test_row_42_ubx_sirf_and_telnet_are_named_and_make_no_records(live, samples):
    ubx = (samples / "ubx_neo-m8n_binary.log").read_bytes()
    said = live.parse("nmea", *[(i / 10, ubx[i : i + 100]) for i in range(0, len(ubx), 100)])
    assert not said.records
    assert [e.text for e in said.events if e.kind == "foreign_protocol"] == [
        "u-blox UBX: switch the receiver to NMEA, or read it through gpsd (--gps gpsd://localhost)"
    ]
    with pytest.raises(DevicesError, match="u-blox UBX: switch the receiver to NMEA"):
        list(read_file(samples / "ubx_neo-m8n_binary.log"))
    payload = bytes([41, 1, 2, 3])
    sirf = b"\xa0\xa2\x00\x04" + payload + sum(payload).to_bytes(2, "big") + b"\xb0\xb3"
    assert identify(b"xx" + sirf).name == "sirf" and identify(b"\xa0\xa2" + bytes(40)) is None
    telnet = live.parse("tetra-pei", (0, b"\xff\xfb\x01\xff\xfd\x03\xff\xfb\x2c"))
    assert "use rfc2217://HOST:PORT" in telnet.events[0].text


def test_row_43_direct_mode_and_transmit_inhibit_are_not_no_service(live):
    position = POSITION.format(0)
    none = live.parse("tetra-pei", (0, position), (1, "+CREG: 2\r\n"))
    assert [r.service_state for r in none.records] == ["no_service"]
    assert none.records[0].rssi_censor == "below" and none.records[0].rssi_dbm == -112
    direct = live.parse("tetra-pei", (0, position), (1, "+CTOM: 1\r\n+CSQ: 26,99\r\n+CREG: 2\r\n"))
    assert [(r.service_state, r.direction) for r in direct.records] == [("direct_mode", "direct")]
    inhibited = live.parse("tetra-pei", (0, position), (1, "+CME ERROR: 41\r\n+CREG: 2\r\n"))
    assert not inhibited.records and inhibited.counts["no_service_set_aside"] == 1
    nowhere = live.parse("tetra-pei", (0, "+CREG: 2\r\n"))
    assert [(r.service_state, r.rssi_dbm) for r in nowhere.records] == [("unknown", None)]
    assert nowhere.records[0].flags == "no_service_without_position"


def test_row_40_the_thread_that_reads_survives_an_unplugged_pseudo_terminal():
    """What the operating system really answers when the other end goes away."""
    master, slave = os.openpty()
    link = SerialLink(os.ttyname(slave), Settings())
    link.open()
    os.close(slave)
    closer = threading.Thread(target=os.close, args=(master,))
    closer.start()
    closer.join()
    with pytest.raises(LinkError, match="was unplugged"):
        for _ in range(10):
            link.read()


def test_noise_that_comes_byte_by_byte_is_told_once():
    from devices.protocols.base import Counts, Watch
    from devices.settings import Settings
    from devices.streams import Chunk

    watch = Watch(Settings(), Counts())
    told = [event for at in range(3000) for event in watch.feed(Chunk(b"\x81", at, at * 10**8, "p"), False)]
    assert [event.kind for event in told] == ["noise"]
    clean = Watch(Settings(), Counts())
    assert not [event for at in range(300) for event in clean.feed(Chunk(b"text\r\n", at, at * 10**8, "p"), False)]
