"""No bytes may crash a parser, make it invent a record, or let it grow."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.journal import Setup
from devices.protocols import PROTOCOLS, make_parser, recognise
from devices.records import CATEGORIES, LIMITS, Record
from devices.session import Session
from devices.settings import Settings
from devices.streams import Chunk

WORDS = [
    b"+CSQ: 26,99", b"+GCLI: 2", b"12345,caffe,26,43", b"+GPSPOS: 12:34:56,N: 49_01.2345,E: 010_12.3456,5", b"OK",
    b"+CTSDSR: 12,1,0,2,0,84", b"0A112853A9FF4D4FFFE810", b"+CME ERROR: 30", b"+CREG: 2", b"+CNUMF: 0,7", b"AT+CSQ?",
    b"+PDTSTAT: 2026-11-24T08:00:00Z,2,-87,0.4,3,361025000,4660,17,1,2", b"+PDTID: 1,a,b,c,d", b"+DMORDRSSI:-97",
    b"+DMOGETCURRCH:0,DIG,438802000,438802000,0", b'{"class":"TPV","mode":3,"lat":1,"lon":2}', b"\r\n", b"\r", b"\n",
    b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,241126,003.1,W*67", b"$GPGGA,123519,,,,,0,00,,,M,,M,,*6B",
    bytes.fromhex("08d0040034000015c80a0000030000"), b"\x00", b"\xff\xfb\x01", b"\xb5\x62", b",", b"+", b"*", b":",
    b"1e999", b"-", b"99", b"\xe2\x88\x92",
]  # fmt: skip
PIECE = st.sampled_from(WORDS) | st.binary(max_size=12) | st.sampled_from(WORDS).flatmap(
    lambda word: st.integers(0, len(word)).map(lambda n: word[:n])
)  # fmt: skip
STREAM = st.lists(st.tuples(PIECE, st.floats(0, 9)), max_size=60)


def is_sound(record):
    for name, limit in LIMITS.items():
        value = getattr(record, name)
        assert value is None or limit.low <= value <= limit.high, (name, value)
    for name, words in CATEGORIES.items():
        assert getattr(record, name) in (*words, None), name
    assert record.device_id and (record.lat is None) == (record.lon is None)
    assert record.service_state != "no_service" or (record.lat is not None and record.rssi_censor != "above")


@pytest.mark.parametrize("protocol", [*PROTOCOLS, ""])
@settings(max_examples=60, deadline=None)
@given(STREAM, st.booleans())
def test_any_mixture_is_survived_and_what_comes_out_is_sound(protocol, stream, stamped):
    session = Session(protocol or None, Settings(device_id="7", rssi_scale=0.5))
    now, items = 0.0, []
    for data, wait in stream:
        now += wait
        us = 1_795_507_200_000_000 + round(now * 1e6)
        items += session.feed(Chunk(data, us, round(now * 1e9) + 1, "p") if stamped else Chunk(data))
    for item in items + session.finish():
        if isinstance(item, Record):
            is_sound(item)


FIELD = st.text("0123456789.-", max_size=9) | st.sampled_from(
    ["", "A", "V", "N", "E", "1", "0", "4807.038", "01131.000", "123519", "241126", "-1", "9e9", "x", "00", "235960",
     "1e999", "nan", "3", "U1"]
)  # fmt: skip
KIND = st.sampled_from(["RMC", "GGA", "GNS", "GSA", "ZDA", "GLL", "VTG"])
ADDRESS = st.tuples(st.text("GPNABDILQ", min_size=0, max_size=3), KIND).map("".join) | st.sampled_from(
    ["PKNDS", "PKNSH", "PKLDS", "PKLSH", "PUBX", "", "RMC", "PGSA"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(ADDRESS, st.lists(FIELD, max_size=20)), min_size=1, max_size=6), st.booleans())
def test_any_fields_under_a_right_checksum_are_survived(live, sentences, stamped):
    text = "".join(live.nmea(",".join([address, *fields])) for address, fields in sentences)
    for item in live.parse("nmea", (0, text) if stamped else text).items:
        if isinstance(item, Record):
            is_sound(item)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=2000))
def test_no_record_is_made_of_noise(protocol, noise):
    parser = make_parser(protocol, Settings(device_id="7"))
    items = parser.feed(Chunk(noise, 1_795_507_200_000_000, 1)) + parser.finish()
    assert not [item for item in items if isinstance(item, Record)]


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_protocol(seed):
    assert recognise(random.Random(seed).randbytes(1 << 16)) is None


@pytest.mark.parametrize("protocol", [*PROTOCOLS, ""])
def test_endless_input_of_any_kind_costs_constant_memory(protocol):
    rng = random.Random(1)
    session = Session()
    session.feed(Setup({"protocol": protocol, "settings": {"device_id": "7"}}, "p"))
    kinds = [b"A" * 4096, rng.randbytes(4096), b"+CTSDSR: 12,1,0,2,0,84\r\n" * 50, b"\xb5\x62" * 2000, b"{" * 4096,
             b"$GPZDA,080000,24,11,2026,00,00*40\r\n" * 50, b"+GCLI: 999\r\n1,1,1,1\r\n" * 50]  # fmt: skip
    tracemalloc.start()
    size = 0
    for round_ in range(12):
        for i, data in enumerate(kinds):
            us = 1_795_507_200_000_000 + (round_ * 10 + i) * 1_000_000
            session.feed(Chunk(data, us, us * 1000, "p"))
        if round_ == 5:
            size, _ = tracemalloc.get_traced_memory()
    grown = tracemalloc.get_traced_memory()[0] - size
    tracemalloc.stop()
    assert grown < 150_000
