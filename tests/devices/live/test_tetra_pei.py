"""TETRA terminals: real lines, their quirks, and what becomes of levels, cells and positions."""

import csv
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.protocols import lip, make_parser, read_file
from devices.protocols.tetra_sds import header
from devices.records import Record
from devices.settings import Settings
from devices.streams import Chunk

POSITION = "\r\n+GPSPOS: {},N: 41_48.0000,E: 123_24.0000,5\r\n\r\nOK\r\n"
ROUND = (
    "+CREG: 1,12345,090116383\r\n\r\nOK\r\n+CSQ: 26,3\r\n\r\nOK\r\n"
    "+GCLI: 2\r\n12345,caffe,26,43\r\n12346,caffd,14,-19\r\nOK\r\n"
)


def day(samples, name, **settings):
    import datetime

    settings = Settings(date=datetime.date(2026, 11, 24), **settings)
    return list(read_file(samples / name, settings=settings))


def test_a_real_polling_session_gives_the_serving_cell_a_neighbour_and_the_unknown_level(samples):
    serving, neighbour, unknown = day(samples, "tetra_pei_poll.raw")
    assert {r.device_id for r in (serving, neighbour, unknown)} == {"00023401"}
    assert (serving.lat, serving.lon) == pytest.approx((49.020575, 10.205760), abs=1e-7)
    assert (serving.location_area, serving.channel, serving.rssi_dbm, serving.c1_db) == (12345, "caffe", -61, 43)
    assert (neighbour.role, neighbour.channel, neighbour.rssi_dbm) == ("neighbour", "caffd", -85)
    assert unknown.rssi_dbm is None and unknown.service_state == "unknown"
    assert serving.satellites == 5 and serving.time_source == "gps" and serving.rssi_step_db == 2


def test_every_single_line_of_the_collection_is_understood(samples, live):
    with open(samples / "tetra_pei_lines.tsv", newline="") as file:
        lines = [row["line"] for row in csv.DictReader(file, delimiter="\t")]
    assert len(lines) > 10
    said = live.parse("tetra-pei", (0, "".join(line + "\r\n" for line in lines)))
    assert not said.rejects and "unknown_line" not in said.counts
    assert said.parser.live.model == "5606,H63PCH6TZ7AN,43.8.0.0" and said.parser.live.serial_number == "893TPZA838"
    assert said.records[0].rssi_dbm == -61


def test_identity_answers_fill_the_fleet_row(samples):
    parser = make_parser("tetra-pei")
    parser.feed(Chunk((samples / "tetra_pei_motorola_info.raw").read_bytes()))
    assert (parser.live.maker, parser.live.model) == ("MOTOROLA", "54009,M83PFT6TZ6AG,91.2.0.0")
    assert parser.live.firmware == "R27.220.9063" and not parser.counts.by_reason


@pytest.mark.parametrize(
    ("answer", "number"),
    [("6,09011638300023401", "00023401"), ("0,2420109806101625", "06101625"), ("0,242109806101625", "06101625"),
     ("0,1001", "1001")],
)  # fmt: skip
def test_the_identity_is_the_short_subscriber_number(live, answer, number):
    said = live.parse("tetra-pei", (0, f"+CNUMF: {answer}\r\n+CSQ: 20,99\r\n"), settings=Settings())
    assert [r.device_id for r in said.records] == [number]


def test_levels_before_the_identity_wait_for_it_and_without_one_are_listed(live):
    late = live.parse("tetra-pei", (0, "+CSQ: 20,99\r\n"), (9, "+CNUMF: 0,1001\r\n"), settings=Settings())
    assert [r.device_id for r in late.records] == ["1001"]
    never = live.parse("tetra-pei", (0, "+CSQ: 20,99\r\n"), settings=Settings())
    assert not never.records and never.rejects[0].code == "device_missing" and "--device" in never.rejects[0].reason


def test_a_round_is_one_record_for_the_serving_cell_and_one_a_neighbour(live):
    said = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), (1, ROUND))
    serving, neighbour = said.records
    assert (serving.rssi_dbm, serving.ber_low_percent, serving.ber_high_percent) == (-61, 0.8, 1.6)
    assert serving.service_state == neighbour.service_state == "registered"
    assert neighbour.ber_low_percent is None and neighbour.c1_db == -19
    assert serving.time_utc_us == live.START_US + 1_000_000 and serving.time_source == "host"
    assert serving.raw_key == "+CSQ: 26,3 12345,caffe,26,43"


def test_without_cells_the_level_stands_by_itself(live):
    said = live.parse("tetra-pei", (0, "AT+CSQ?\r\n+CSQ: 26,99\r\nOK\r\n"), (2, "AT+CSQ?\r\n+CSQ: 20,99\r\nOK\r\n"))
    assert [r.rssi_dbm for r in said.records] == [-61, -73]


def test_fewer_cells_than_announced_are_counted(live):
    said = live.parse("tetra-pei", (0, "+GCLI: 3\r\n12345,caffe,26,43\r\n\r\nOK\r\n1,2,3,4\r\n"))
    assert len(said.records) == 1 and said.counts == {"cells_missing": 2, "unknown_line": 1}


def test_registration_is_tetras_and_not_gsms(live):
    states = []
    for code in range(6):
        said = live.parse("tetra-pei", (0, f"+CREG: {code}\r\n"), (1, "+CSQ: 20,99\r\n"))
        states.append(said.parser.live.service_state)
    assert states == ["searching", "registered", "no_service", "rejected", "unknown", "visited"]


def test_out_of_service_is_a_row_only_with_a_fresh_position(live):
    fresh = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), (2, "AT+CSQ?\r\r\n+CME ERROR: 30\r\n"))
    (record,) = fresh.records
    assert (record.service_state, record.rssi_dbm, record.rssi_censor) == ("no_service", -112, "below")
    assert record.location_area is None and "sensitivity_assumed" in record.flags
    own = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), (2, "+CREG: 2\r\n"),
                     settings=Settings(device_id="7", sensitivity_dbm=-110))  # fmt: skip
    assert own.records[0].rssi_dbm == -110 and not own.records[0].flags
    stale = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), (12, "+CREG: 2\r\n"))
    assert [(r.service_state, r.rssi_dbm) for r in stale.records] == [("unknown", None)]
    for silent in ("+CSQ: 99,99\r\n", "+CREG: 0\r\n+CSQ: 99,99\r\n"):
        said = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), (2, silent))
        assert all(r.service_state != "no_service" for r in said.records)


def test_positions_are_joined_by_time_flagged_when_old_and_dropped_when_lost(live):
    levels = [(t, "+CSQ: 20,99\r\n") for t in (4, 9, 30)]
    near, stale, lost = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), *levels).records
    assert (near.pos_age_s, near.flags, near.lat) == (4, "", 41.8)
    assert (stale.pos_age_s, stale.flags, stale.lat) == (9, "position_age", 41.8)
    assert (lost.flags, lost.lat, lost.lon, lost.fix) == ("position_old", None, None, "none")


def test_a_position_that_the_terminal_repeats_gets_older(live):
    text = POSITION.format("08:00:00")
    parts = [(t, text + "+CSQ: 20,99\r\nOK\r\n") for t in (0, 3, 6, 9, 25)]
    ages = [(r.pos_age_s, r.lat is not None) for r in live.parse("tetra-pei", *parts).records]
    assert ages == [(0, True), (3, True), (6, True), (9, True), (25, False)]


def test_between_two_positions_a_level_is_placed_in_proportion_and_marked(live):
    moved = "\r\n+GPSPOS: 08:00:04,N: 41_48.0400,E: 123_24.0000,5\r\n"
    said = live.parse("tetra-pei", (0, POSITION.format("08:00:00")), (1, "+CSQ: 20,99\r\n"), (4, moved))
    (record,) = said.records
    assert record.lat == pytest.approx(41.8 + 0.01 / 60) and record.fix == "interpolated" and record.pos_age_s == 1


def test_utm_positions_are_those_of_pyproj(live):
    from pyproj import Transformer

    east, north = Transformer.from_crs(4326, 32632, always_xy=True).transform(10.2, 49.02)
    said = live.parse("tetra-pei", (0, f"+GPSPOS: 08:00:00,32N,{east:.1f},{north:.1f},7\r\n"), (1, "+CSQ: 20,99\r\n"))
    assert (said.records[0].lon, said.records[0].lat) == pytest.approx((10.2, 49.02), abs=2e-6)


@pytest.mark.parametrize("text", ["25:00:00,N: 41_48.0,E: 123_24.0,5", "08:00:00,N: 41_68.0,E: 123_24.0,5",
                                  "08:00:00,99N,500000,5000000,5", "nonsense"])  # fmt: skip
def test_positions_that_can_not_be_are_rejected_by_line(live, text):
    said = live.parse("tetra-pei", (0, f"+GPSPOS: {text}\r\n"))
    assert [r.column for r in said.rejects] == ["position"] and said.parser.assembler.last_fix is None


def test_no_satellites_is_no_position(live):
    said = live.parse("tetra-pei", (0, "+GPSPOS: 08:00:00,N: 41_48.0000,E: 123_24.0000,0\r\n+CSQ: 20,99\r\n"))
    assert said.records[0].lat is None


def test_a_capture_without_dates_is_asked_for_one(samples):
    items = list(read_file(samples / "tetra_pei_poll.raw"))
    assert not [item for item in items if isinstance(item, Record)]
    assert "give the day of the capture" in next(item.reason for item in items if item.column == "time")


def test_location_reports_agree_with_the_decoded_ones(samples):
    with open(samples / "tetra_lip_pdus.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:2]:
        report = lip.short_report(row["hex"])
        assert (report.lat, report.lon) == pytest.approx((float(row["latitude"]), float(row["longitude"])), abs=1e-6)
        assert report.reason == int(row["reason"]) and report.error_m is None and report.speed_mps is None
    with pytest.raises(lip.LipError, match="long location report"):
        lip.short_report(rows[2]["hex"])


@given(st.floats(-89.9, 89.9), st.floats(-179.9, 179.9), st.integers(0, 126), st.integers(0, 15))
def test_location_reports_come_back_within_their_resolution(lat, lon, velocity, direction):
    lat_code, lon_code = round(lat * 2**24 / 180) & 0xFFFFFF, round(lon * 2**25 / 360) & 0x1FFFFFF
    bits = f"00{0:02b}{lon_code:025b}{lat_code:024b}{3:03b}{velocity:07b}{direction:04b}0{10:08b}"
    report = lip.short_report(f"0A{int(bits, 2):019X}")
    assert (report.lat, report.lon) == pytest.approx((lat, lon), abs=1.1e-5)
    assert report.error_m == 2000 and report.reason == 10 and report.elapsed_s == 5
    assert report.speed_mps == pytest.approx((velocity if velocity <= 28 else 16 * 1.038 ** (velocity - 13)) / 3.6)


def test_a_captured_long_report_is_read_with_its_own_time(live, samples):
    with open(samples / "tetra_lip_pdus.csv", newline="") as file:
        pdu = list(csv.DictReader(file))[2]["hex"]
    report = lip.location_report(pdu)
    assert (report.lat, report.lon) == pytest.approx((52.234218, 11.015854), abs=1e-6)
    assert report.moment == (14, 15, 29, 42) and report.reason == 129
    sent = f"\r\n+CTSDSR: 12,1234567,0,9876543,0,{len(pdu) * 4}\r\n{pdu}\r\n"
    (record,) = live.parse("tetra-pei", (0, sent)).records
    when = dt.datetime.fromtimestamp(record.time_utc_us / 1e6, dt.UTC)
    assert (when.day, when.hour, when.minute, when.second) == (14, 15, 29, 42)
    assert record.time_source == "gps" and record.pos_age_s == 0 and not record.flags


def _in_hex(bits: str) -> str:
    """A location message of whole hexadecimal digits, filled up with zeros."""
    return "0A" + "".join(f"{int(bits[i : i + 4].ljust(4, '0'), 2):X}" for i in range(0, len(bits), 4))


@given(st.floats(-89.9, 89.9), st.floats(-179.9, 179.9), st.integers(0, 126), st.integers(0, 255), st.integers(0, 62),
       st.sampled_from(sorted(lip.SHAPES)), st.integers(0, 7), st.integers(0, 2))  # fmt: skip
def test_long_reports_of_every_shape_velocity_and_time(lat, lon, speed, course, uncertainty, shape, velocity, time):
    """Widths as ETSI TS 100 392-18-1 gives them for the whole of each part, so that its pieces are checked."""
    shape_bits = {1: 0, 2: 6, 3: 23, 4: 12, 5: 18, 6: 35, 7: 21, 8: 38, 10: 3}[shape]
    rest = f"{uncertainty:06b}" if shape in (2, 3, 5, 6, 7, 8) else "010"[: 3 if shape == 10 else 0]
    place = f"{round(lon * 2**25 / 360) & 0x1FFFFFF:025b}{round(lat * 2**24 / 180) & 0xFFFFFF:024b}"
    width, course_at = {0: (0, 0), 1: (7, 0), 2: (10, 0), 3: (15, 0), 4: (21, 0), 5: (15, 7), 6: (21, 10),
                        7: (32, 21)}[velocity]  # fmt: skip
    moving = f"{speed:07b}"[: width].ljust(width, "0")
    if course_at:
        moving = moving[:course_at] + f"{course:08b}" + moving[course_at + 8 :]
    when = ["", "01", f"{7:05b}{23:05b}{59:06b}{58:06b}"][time]
    bits = f"010011{time:02b}{when}{shape:04b}{place}{rest.ljust(shape_bits, '0')}{velocity:03b}{moving}00{9:08b}"
    report = lip.location_report(_in_hex(bits))
    assert (report.lat, report.lon) == pytest.approx((lat, lon), abs=1.1e-5) and report.reason == 9
    assert report.moment == ((7, 23, 59, 58) if time == 2 else None)
    assert report.elapsed_s == (300 if time == 1 else None)
    assert report.course_deg == (course * 360 / 256 if course_at and speed else None)
    assert (report.speed_mps is None) == (velocity == 0)
    if shape in (2, 3, 5, 6, 7, 8):
        assert report.error_m == pytest.approx(2 * 1.2 ** (uncertainty + 5) - 4)
    with pytest.raises(lip.LipError, match="cut off"):
        lip.location_report(_in_hex(bits[:-8]))


@pytest.mark.parametrize("bits, why", [("01" "0100", "kind 4"), ("01" "0011" "11" + "0" * 99, "reserved"),
                                       ("01" "0011" "00" "1001" + "0" * 120, "shape 9")])  # fmt: skip
def test_other_location_messages_are_rejected_with_the_reason(bits, why):
    with pytest.raises(lip.LipError, match=why):
        lip.location_report(_in_hex(bits))


PDU = "0A112853A9FF4D4FFFE810"


@pytest.mark.parametrize("text", [f"12,1234567,0,9876543,0,84\r\n{PDU}", f"12,1234567,0,9876543,0,84,{PDU}",
                                  f"12,1234567,0,9876543,0,84{PDU}", f"12,1234567,0,9876543,0,84,0\r\n{PDU}",
                                  f"12,1234567,0,9876543,0,84,0,{PDU}", f"12,,,9876543,0,84\r\n{PDU[:-1]}",
                                  f"12,1234567,0,9876543,0,84\r\n{PDU.lower()}"])  # fmt: skip
def test_a_report_is_found_wherever_its_pdu_stands(live, text):
    said = live.parse("tetra-pei", (0, f"\r\n+CTSDSR: {text}\r\n"))
    (record,) = said.records
    assert (record.lat, record.lon) == pytest.approx((44.938642, 26.044346), abs=1e-6)
    assert record.device_id == ("1234567" if "1234567" in text else "7") and not said.rejects


def test_glued_lengths_are_told_from_the_digits_behind_them():
    assert header("12,1,0,2,0,16" + "8004").bits == 16
    assert header("12,1,0,2,0,168" + "0A4DD400000000000000005FE0002308517A100060").bits == 168
    assert header("12,1,0,2,0,nonsense") is None and header("12") is None


def test_coverage_reasons_are_events(live):
    bits = f"0000{1:025b}{1:024b}{7:03b}{127:07b}{0:04b}0{10:08b}"
    said = live.parse("tetra-pei", (0, f"+CTSDSR: 12,1234567,0,2,0,84\r\n0A{int(bits, 2):019X}\r\n"))
    assert [e.text for e in said.events] == ["1234567 reports: service lost"]


def test_nmea_inside_short_data_is_a_position_of_the_sender(live):
    sentence = live.nmea("GPRMC,080000.00,A,4148.0000,N,12324.0000,E,10.0,90.0,241126,,,A").strip()
    said = live.parse("tetra-pei", (0, f"+CTSDSR: 12,1234567,0,2,0,600\r\n83{sentence.encode().hex()}\r\n"))
    (record,) = said.records
    assert (record.device_id, record.lat, record.time_source) == ("1234567", pytest.approx(41.8), "gps")
    assert record.speed_mps == pytest.approx(5.1444, abs=1e-3)


def test_a_message_whose_pdu_never_comes_is_listed(live):
    said = live.parse("tetra-pei", (0, "+CTSDSR: 12,1,0,2,0,84\r\n+CSQ: 20,99\r\n+CTSDSR: 12,1,0,2,0,84\r\n"))
    assert len(said.records) == 1 and [r.code for r in said.rejects] == ["sds_without_pdu"] * 2


def test_words_for_modes_and_service_come_once(live):
    said = live.parse("tetra-pei", (0, "+CREG: 1\r\n+CREG: 1\r\n+CREG: 2\r\n+CTOM: 1\r\n+CTOM: 1\r\n"))
    texts = [e.text for e in said.events]
    assert texts == ["registered, home network", "not registered, no network", "direct mode"]


@given(st.lists(st.integers(1, 60), max_size=60))
def test_how_the_bytes_are_cut_does_not_matter(sizes):
    data = (ROUND + "\r\n+CTTCT:1+CTSDSR: 12,1,0,2,0,84\r\n" + PDU + "\r\n+CSQ: 57,1\r\n" + ROUND).encode()

    def run(cuts):
        parser, items, at = make_parser("tetra-pei", Settings(device_id="7")), [], 0
        for size in [*cuts, len(data)]:
            items += parser.feed(Chunk(data[at : at + size], 1_795_507_200_000_000, 10**12))
            at += size
        return items + parser.finish(), parser.counts

    assert run(sizes) == run([])


def test_the_computers_clock_is_corrected_once_three_positions_agree(live):
    hour = 3_600_000_000
    parts = [live.chunk(POSITION.format(f"08:00:{t:02d}") + "+CSQ: 20,99\r\nOK\r\n", t, live.START_US + hour)
             for t in range(0, 16, 2)]  # fmt: skip
    said = live.parse("tetra-pei", *parts)
    assert [e.kind for e in said.events] == ["clock_offset"] and "3600 s ahead of" in said.events[0].text
    off = [(r.time_utc_us - live.START_US) / 1e6 for r in said.records]
    assert off == [0, 2, 4, 6, 8, 10, 12, 14]
    assert {(r.time_source, r.flags) for r in said.records} == {("gps", "satellite_time")}


def test_one_old_position_is_no_reason_to_doubt_the_computers_clock(live):
    parts = [(0, POSITION.format("06:00:00")), (2, POSITION.format("08:00:02")), (4, POSITION.format("08:00:04"))]
    said = live.parse("tetra-pei", *parts, (5, "+CSQ: 20,99\r\n"))
    assert not said.events and said.records[0].time_utc_us == live.START_US + 5_000_000


def test_a_jump_of_the_computers_clock_spoils_no_time_once_the_satellites_are_known(live):
    hour = 3_600_000_000
    parts = [live.chunk(POSITION.format(f"08:00:{t:02d}") + "+CSQ: 20,99\r\nOK\r\n", t,
                        live.START_US + (hour if t >= 10 else 0)) for t in range(0, 16, 2)]  # fmt: skip
    records = live.parse("tetra-pei", *parts).records
    assert [(r.time_utc_us - live.START_US) / 1e6 for r in records] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert [r.time_source for r in records] == ["host"] * 5 + ["gps"] * 3


def test_without_stamps_and_echo_a_level_belongs_to_the_position_before_it(live):
    from datetime import date

    moved = POSITION.format("08:00:05").replace("41_48", "41_49")
    text = POSITION.format("08:00:00") + "+CSQ: 26,99\r\nOK\r\n" + moved + "+CSQ: 20,99\r\nOK\r\n+CME ERROR: 50\r\n"
    said = live.parse("tetra-pei", text, settings=Settings(device_id="7", date=date(2026, 11, 24)))
    assert [(r.rssi_dbm, round(r.lat * 60) - 41 * 60) for r in said.records] == [(-61, 48), (-73, 49)]
    assert [r.time_utc_us - live.START_US for r in said.records] == [0, 5_000_000]
