"""Columns in the store come back exactly, and stores of one row a record are brought over whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from devices import query, schema
from devices.packing import pack, unpack
from devices.store import Store

whole = arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(-(2**63), 2**63 - 1))
decimal = st.integers(-(10**9), 10**9).flatmap(lambda n: st.sampled_from([n / 10**d for d in range(8)]))
number = st.one_of(st.floats(width=64, allow_infinity=True), decimal, st.just(float("nan")))
numbers = st.lists(number, min_size=1, max_size=60).map(np.array)


@settings(max_examples=150, deadline=None)
@given(st.one_of(whole, numbers))
def test_every_column_comes_back_exactly(values):
    found = unpack(pack({"x": values}), len(values))
    if values.dtype.kind == "f" and np.isnan(values).all():
        assert not found
        return
    assert found["x"].dtype == values.dtype and np.array_equal(found["x"], values, equal_nan=values.dtype.kind == "f")


def test_decimals_with_gaps_are_small_and_columns_can_be_read_alone():
    rng = np.random.default_rng(1)
    level = np.where(rng.uniform(size=20_000) < 0.1, np.nan, np.round(rng.normal(-85, 12, 20_000), 1))
    columns = {"rssi_dbm": level, "raw_ref": ["a:1", None] * 10_000, "hdop": np.full(20_000, np.nan)}
    data = pack(columns)
    assert len(pack({"rssi_dbm": level})) < 2.1 * len(level)
    found = unpack(data, 20_000)
    assert list(found) == ["rssi_dbm", "raw_ref"] and found["raw_ref"] == columns["raw_ref"]
    assert list(unpack(data, 20_000, ["raw_ref", "lat"])) == ["raw_ref"]


FIRST = """create table records (device integer not null, time_us bigint not null, identity bigint not null,
    occurrence integer not null, batch integer not null, row_no bigint not null, context integer not null, {},
    raw_ref text, primary key (device, time_us, identity, occurrence))"""


@pytest.fixture
def older(store_url):
    """The rows of a store of version 1, in the order that it had them in."""
    with Store(store_url) as store, store.write() as connection:
        connection.execute(sa.text("drop table blocks"))
        connection.execute(sa.text(FIRST.format(", ".join(f"{name} float" for name in schema.RECORD_NUMBERS))))
        connection.execute(sa.text("update meta set value = '1' where key = 'schema'"))
        connection.execute(sa.insert(schema.handsets).values(id=1, device_id="A1", registered=False, state="lost"))
        connection.execute(sa.insert(schema.handsets).values(id=2, device_id="B2", registered=False, state="lost"))
        rows = [{"d": device, "t": 10**15 + at, "i": -(2**63) + at, "o": at % 2, "lat": None if at % 3 else 41.8}
                for device in (2, 1) for at in range(70)]  # fmt: skip
        connection.execute(sa.text(
            "insert into records (device, time_us, identity, occurrence, batch, row_no, context, lat, rssi_dbm,"
            " raw_ref) values (:d, :t, :i, :o, 1, :o, 1, :lat, -80.5, 'file:1')"), rows)  # fmt: skip
    return sorted(rows, key=lambda row: (row["d"], row["t"]))


def test_a_store_of_one_row_a_record_is_brought_over_whole(store_url, older, monkeypatch):
    monkeypatch.setattr("devices.rows_to_blocks.BLOCK_ROWS", 32)
    said: list[int] = []
    with Store(store_url, converted=said.append) as store:
        [block] = query.numbers(store, query.Wanted(), ("device", "time_us", "identity", "lat", "rssi_dbm", "hdop"))
        with store.read() as connection:
            assert not sa.inspect(connection).has_table("records")
            assert connection.execute(sa.select(sa.func.count()).select_from(schema.blocks)).scalar_one() == 6
            data, n = connection.execute(sa.select(schema.blocks.c.data, schema.blocks.c.rows)).first()
    assert said == [0, 32, 64, 70, 102, 134, 140]
    assert block["device"].tolist() == [row["d"] for row in older]
    assert block["time_us"].tolist() == [row["t"] for row in older]
    assert block["identity"].tolist() == [row["i"] for row in older]
    assert np.array_equal(block["lat"], [np.nan if row["lat"] is None else 41.8 for row in older], equal_nan=True)
    assert set(block["rssi_dbm"]) == {-80.5} and np.isnan(block["hdop"]).all()
    assert unpack(data, n)["raw_ref"] == ["file:1"] * n
    with Store(store_url, converted=said.append):
        assert len(said) == 7


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("at", [0, 64, 140])
def test_killed_while_it_is_converted_a_store_is_as_before_and_converts_again(store_url, older, at):
    code = """
import os, signal, sys
from devices import rows_to_blocks
from devices.store import Store
rows_to_blocks.BLOCK_ROWS = 32
Store(sys.argv[1], converted=lambda n: n == int(sys.argv[2]) and os.kill(os.getpid(), signal.SIGKILL))
"""
    killed = subprocess.run([sys.executable, "-c", code, store_url, str(at)], cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    said: list[int] = []
    with Store(store_url, converted=said.append) as store:
        [block] = query.numbers(store, query.Wanted(), ("device", "time_us", "occurrence"))
    assert said[0] == 0 and said[-1] == len(older)
    found = [block[name].tolist() for name in ("device", "time_us", "occurrence")]
    assert list(zip(*found, strict=True)) == [(row["d"], row["t"], row["o"]) for row in older]


@pytest.mark.parametrize("parts", [1, 7, 50])
def test_small_imports_end_as_few_blocks_in_order(sqlite, parts):
    from devices.blocks import Blocks

    chance = np.random.default_rng(parts)
    time_us = np.arange(5_000) + 10**15
    place = np.sort(chance.integers(0, parts, 5_000)) if parts == 50 else chance.integers(0, parts, 5_000)
    with sqlite.write() as connection:
        connection.execute(sa.insert(schema.handsets).values(id=1, device_id="A1", registered=False, state="lost"))
        blocks = Blocks(connection)
        for part in range(parts):
            mine = time_us[place == part]
            zeros = np.zeros(len(mine), np.int64)
            columns = {"time_us": mine, "identity": mine * 7, "occurrence": zeros, "batch": zeros + part,
                       "row_no": zeros, "context": zeros}  # fmt: skip
            assert blocks.add({1: columns}) == len(mine)
            assert blocks.add({1: columns}) == 0
    with sqlite.read() as connection:
        spans = connection.execute(sa.select(schema.blocks.c.first_us, schema.blocks.c.last_us)
                                   .order_by(schema.blocks.c.first_us)).all()  # fmt: skip
    assert len(spans) <= 8 and all(a.last_us <= b.first_us for a, b in zip(spans[:-1], spans[1:], strict=True))
    [block] = query.numbers(sqlite, query.Wanted(), ("time_us",))
    assert block["time_us"].tolist() == time_us.tolist()
