"""NMEA positions: real logs, epochs, dates that can be believed, and what an invalid fix is."""

import random
from datetime import UTC, datetime

import pytest
from pynmeagps import NMEAReader

from devices.protocols import read_file
from devices.records import Record, Reject
from devices.settings import Settings

DAY = "241126"


def rmc(nmea, tod, lat="4148.0000", status="A", day=DAY, lon="12324.0000", mode="A"):
    return nmea(f"GPRMC,{tod},{status},{lat},N,{lon},E,10.00,90.00,{day},,,{mode}")


def gga(nmea, tod, lat="4148.0000", quality=1):
    return nmea(f"GPGGA,{tod},{lat},N,12324.0000,E,{quality},09,0.9,45.0,M,0.0,M,,")


def test_sentences_of_one_epoch_are_one_record_with_everything_they_say(live):
    gsa = live.nmea("GPGSA,A,3,02,,,,,,,,,,,,1.6,0.9,1.3")
    text = rmc(live.nmea, "080000.00") + gga(live.nmea, "080000.00") + gsa
    said = live.parse("nmea", text + rmc(live.nmea, "080001.00"))
    first, second = said.records
    assert (first.lat, first.lon) == pytest.approx((41.8, 123.4)) and first.fix == "3d"
    assert (first.satellites, first.hdop, first.alt_m) == (9, 0.9, 45.0)
    assert first.speed_mps == pytest.approx(5.14444, abs=1e-4) and first.course_deg == 90
    assert first.time_utc_us == live.START_US and first.time_source == "gps" and not said.rejects
    assert second.fix == "2d" and second.satellites is None


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "GB", "BD", "GQ", "IN"])
def test_any_talker_will_do(live, talker):
    said = live.parse("nmea", live.nmea(f"{talker}RMC,080000,A,4148.0,N,12324.0,W,0,,{DAY},,,A"))
    assert said.records[0].lon == pytest.approx(-123.4)


def test_positions_are_those_of_an_independent_parser(live):
    rng = random.Random(3)
    for _ in range(50):
        lat = f"{rng.randrange(90):02d}{rng.random() * 59.99:08.5f}"
        lon = f"{rng.randrange(180):03d}{rng.random() * 59.99:07.4f}"
        sentence = rmc(live.nmea, "080000.00", lat=lat, lon=lon)
        theirs = NMEAReader.parse(sentence.encode())
        (record,) = live.parse("nmea", sentence).records
        ours = (int(lat[:2]) + float(lat[2:]) / 60, int(lon[:3]) + float(lon[3:]) / 60)
        assert (record.lat, record.lon) == pytest.approx((theirs.lat, theirs.lon))
        assert (record.lat, record.lon) == pytest.approx(ours, abs=1e-9)


@pytest.mark.parametrize(
    ("quality", "fix"),
    [(1, "3d"), (2, "dgps"), (4, "rtk"), (5, "rtk"), (6, "estimated"), (7, "manual"), (8, "estimated")],
)
def test_the_quality_is_kept(live, quality, fix):
    text = rmc(live.nmea, "080000.00", mode="") + gga(live.nmea, "080000.00", quality=quality)
    (record,) = live.parse("nmea", text).records
    assert record.fix == fix and record.lat is not None
    assert ("simulated_position" in record.flags) == (quality == 8)


@pytest.mark.parametrize("text", [("V", 1), ("A", 0)])
def test_one_sentence_that_says_no_fix_is_enough(live, text):
    status, quality = text
    said = rmc(live.nmea, "080000.00", status=status) + gga(live.nmea, "080000.00", quality=quality)
    (record,) = live.parse("nmea", said).records
    assert (record.lat, record.fix, record.speed_mps) == (None, "none", None)


def test_a_multi_constellation_sentence_alone_is_a_position(live):
    first = live.nmea("GNZDA,080000.00,24,11,2026,00,00")
    said = live.parse("nmea", first + live.nmea("GNGNS,080000.00,4148.0,N,12324.0,E,NAN,11,0.8,45.0,0.0,,"))
    (record,) = said.records
    assert record.lat == pytest.approx(41.8) and record.satellites == 11 and record.time_utc_us == live.START_US


def test_gll_counts_only_where_there_is_nothing_better(live):
    gll = live.nmea("GPGLL,4148.0,N,12324.0,E,080001.00,A,A")
    better = live.parse("nmea", rmc(live.nmea, "080000.00") + gll + rmc(live.nmea, "080002.00"))
    assert [r.time_utc_us - live.START_US for r in better.records] == [0, 2_000_000]
    alone = live.parse("nmea", live.nmea("GPZDA,080000,24,11,2026,00,00"), gll, gll)
    assert [r.lat for r in alone.records] == [pytest.approx(41.8)] * 2


def test_the_week_rollover_is_named_and_nothing_is_made_of_it(samples):
    items = list(read_file(samples / "nmea_april6_2019.log", settings=Settings(device_id="7")))
    assert all(isinstance(item, Reject) for item in items) and len(items) == 2
    assert "date '2208-1' is none" in items[0].reason and "1999-08-22, before 2010" in items[1].reason


def test_with_a_computer_its_time_is_used_instead_and_said_once(live):
    parts = [(t, rmc(live.nmea, f"08000{t}.00", day="100407")) for t in range(4)]
    said = live.parse("nmea", *parts)
    assert [(r.time_utc_us - live.START_US) / 1e6 for r in said.records] == [0, 1, 2, 3]
    assert {(r.time_source, r.flags) for r in said.records} == {("host", "clock")}
    assert [e.text for e in said.events] == [
        "the receiver's clock says 2007-04-10, before 2010 (a GPS week rollover?); the computer's time is used"
    ]


def test_a_receiver_in_the_future_is_not_believed(live):
    said = live.parse("nmea", (0, rmc(live.nmea, "080000.00", day="241179")))
    assert said.records[0].time_utc_us == live.START_US and "in the future" in said.events[0].text
    alone = live.parse("nmea", rmc(live.nmea, "080000.00", day="241179"))
    assert not alone.records and "in the future" in alone.rejects[0].reason


def test_a_computer_that_was_never_set_is_not_believed_either(live):
    year_2020 = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    parts = [live.chunk(rmc(live.nmea, f"08000{t}.00"), t, year_2020) for t in range(5)]
    said = live.parse("nmea", *parts)
    assert [(r.time_utc_us - live.START_US) / 1e6 for r in said.records] == [0, 1, 2, 3, 4]
    assert any("behind the satellites'" in e.text for e in said.events)


def test_years_of_two_digits_turn_at_80(live):
    said = live.parse("nmea", rmc(live.nmea, "080000.00", day="241180"))
    assert "1980-11-24, before 2010" in said.rejects[0].reason


def test_times_that_go_back_are_all_kept(live):
    tods = ["080024.00", "080011.00", "080012.00"]
    said = live.parse("nmea", "".join(rmc(live.nmea, tod) for tod in tods))
    assert [(r.time_utc_us - live.START_US) // 1_000_000 for r in said.records] == [24, 11, 12]


def test_repeats_are_kept_as_they_came(live):
    said = live.parse("nmea", rmc(live.nmea, "080000.00") * 3)
    assert len(said.records) == 3


@pytest.mark.parametrize(("tod", "lat"), [("250000", "4148.0"), ("080000", "4168.0"), ("080000", "abc")])
def test_values_that_can_not_be_are_rejected(live, tod, lat):
    said = live.parse("nmea", rmc(live.nmea, tod, lat=lat))
    assert not said.records and [r.code for r in said.rejects] == ["no_match"]


@pytest.mark.parametrize(("lat", "lon"), [("0000.0000", "00000.0000"), ("9959.0000", "12324.0000")])
def test_places_that_are_none_leave_the_row_without_a_position(live, lat, lon):
    (record,) = live.parse("nmea", rmc(live.nmea, "080000.00", lat=lat, lon=lon)).records
    assert (record.lat, record.lon, record.fix) == (None, None, "none") and record.flags


def test_real_logs(samples):
    stationary = list(read_file(samples / "nmea_hab-gpspi.log", settings=Settings(device_id="7")))
    assert len(stationary) > 2 and all(isinstance(r, Record) for r in stationary)
    assert stationary[0].lat == pytest.approx(48.0690898, abs=1e-6) and stationary[0].fix == "3d"
    assert [b.time_utc_us - a.time_utc_us for a, b in zip(stationary, stationary[1:], strict=False)][0] == 1_000_000
    beidou = list(read_file(samples / "nmea_beidou-gb.log", settings=Settings(device_id="7")))
    assert beidou[0].lat is None
    assert (beidou[-1].lat, beidou[-1].lon) == pytest.approx((31.248035, 121.58738), abs=1e-5)
    # a log of 2006: the receiver was right, but such dates are what a rollover makes, too
    assert {r.code for r in read_file(samples / "nmea_humminbird-M37.log")} == {"time_out_of_range"}


def test_radios_name_themselves_in_their_position_sentences(samples):
    named, dateless = list(read_file(samples / "nmea_kenwood_lmr.txt"))
    assert named.device_id == "U00002" and (named.lat, named.lon) == pytest.approx((49.9024167, -119.393405))
    assert datetime.fromtimestamp(named.time_utc_us / 1e6, UTC) == datetime(2023, 2, 13, 11, 44, tzinfo=UTC)
    assert dateless.device_id == "100-1001" and dateless.lat == pytest.approx(49.90245667)


def test_a_last_sentence_without_a_line_end_is_whole_if_its_checksum_is_there(live):
    sentence = rmc(live.nmea, "080000.00").strip()
    assert len(live.parse("nmea", sentence).records) == 1
    cut = live.parse("nmea", sentence[:-1])
    assert not cut.records and not cut.rejects and cut.counts == {"cut_at_end": 1}
