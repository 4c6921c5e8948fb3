"""Journals and raw captures through the same import as files; the parsers have tests of their own."""

from __future__ import annotations

import pytest

from devices.draft import from_table
from devices.errors import DevicesError
from devices.records import Record, to_table


def test_records_of_live_parsers_become_drafts_with_nothing_lost():
    records = [
        Record(1764403200000000 + n, "A1", lat=41.8, lon=123.4, rssi_dbm=-80.0 - n, freq_hz=361012500, slot=n or None,
               flags="clock" if n else "", raw_key=f"key {n}", profile="pdt/1", row_no=n, raw_ref=f"{n * 40}")
        for n in range(3)
    ]  # fmt: skip
    draft = from_table(to_table(records))
    again = draft.to_table()
    same = [name for name in again.column_names if name != "raw_key"]
    assert again.select(same).to_pylist() == to_table(records).select(same).to_pylist()
    assert len(set(draft.identity.tolist())) == 3


@pytest.fixture
def samples(shared):
    pytest.importorskip("devices.protocols", reason="the live parsers are not there")
    return shared / "data/handset-samples"


def test_a_polling_session_of_a_tetra_terminal(samples, take, table):
    data = (samples / "tetra_pei_poll.raw").read_bytes()
    order = {"device": "A1", "date": "2025-11-29"}
    receipt = take(data, "poll.raw", **order)
    assert receipt["profile"] == "tetra-pei" and receipt["accepted"] == receipt["rows_read"] == table().num_rows > 0
    again = take(data + b"\r\n", "again.raw", **order)
    assert again["accepted"] == 0 and again["duplicate"] == receipt["accepted"]


def test_the_reason_of_a_live_parser_stands_in_the_list(samples, take, tmp_path):
    with pytest.raises(DevicesError, match="nmea.log: 2 of 2 rows rejected"):
        take((samples / "nmea_april6_2019.log").read_bytes(), "nmea.log", device="A1")
    assert "time_out_of_range" in (tmp_path / "nmea.log.rejects.csv").read_text("utf-8-sig")


def test_binary_where_lines_are_expected_is_named(samples, take):
    with pytest.raises(DevicesError, match="u-blox UBX: switch the receiver to NMEA"):
        take((samples / "ubx_neo-m8n_binary.log").read_bytes(), "ubx.log", device="A1")
