"""Steps of an import that run ahead of one another: order, errors, early ends, and what is counted over blocks."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import ahead as ahead_module
from devices import ingest, schema
from devices.ahead import ahead
from devices.errors import DevicesError
from devices.formats import read, text
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.occurrences import Occurrences
from devices.ordering import order_of

ORDER = Order(Declared(zone="UTC", datum="wgs84"))


def lines(n: int, start: int = 0) -> str:
    return "".join(
        f"2025-11-29T{8 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}Z,A{at % 3},41.8,123.4,{-80 - at % 7}\n"
        for at in range(start, start + n)
    )


@pytest.fixture
def in_threads(monkeypatch):
    """Small files are read as large ones are: block by block, in threads, their digest made aside."""
    monkeypatch.setattr(text, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(text.read_lines, "__defaults__", (2000,))
    monkeypatch.setattr(read, "SMALL_BYTES", 0)
    monkeypatch.setattr(ingest, "SMALL_BYTES", 0)


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_what_runs_ahead_comes_in_order_and_not_too_far(depth):
    made, taken = [], 0

    def numbers():
        for number in range(50):
            made.append(number)
            yield number

    for number in ahead(numbers(), depth):
        assert number == taken
        taken += 1
        assert len(made) <= taken + depth + 1
    assert taken == 50


@pytest.mark.parametrize("depth", [0, 3])
def test_an_error_comes_where_its_item_would_have_come(depth):
    def numbers():
        yield 1
        yield 2
        raise DevicesError("the third is broken")

    taken = []
    with pytest.raises(DevicesError, match="the third is broken"):
        for number in ahead(numbers(), depth):
            taken.append(number)
    assert taken == [1, 2]


@pytest.mark.parametrize("depth", [0, 3])
def test_who_stops_early_leaves_no_thread_and_nothing_open(depth):
    closed = threading.Event()

    def numbers():
        try:
            yield from range(1000)
        finally:
            closed.set()

    before = threading.active_count()
    with closing(ahead(numbers(), depth)) as items:
        assert next(items) == 0
    assert closed.is_set() and threading.active_count() == before


moments = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 6), st.integers(0, 2)), max_size=60)


@settings(max_examples=150)
@given(moments, st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_equal_rows_are_numbered_over_all_blocks_whatever_their_order(moments, sizes):
    seen, want, got = Counter(), defaultdict(list), defaultdict(list)
    with closing(Occurrences()) as occurrences:
        at = 0
        for size in sizes:
            block = sorted(moments[at : at + size])
            at += size
            if not block:
                break
            starts = [row for row, one in enumerate(block) if not row or one[0] != block[row - 1][0]]
            ends = [*starts[1:], len(block)]
            groups = [(block[start][0], start, end) for start, end in zip(starts, ends, strict=True)]
            time_us = np.array([moment for _, moment, _ in block], np.int64)
            identity = np.array([value for _, _, value in block], np.int64)
            for row, number in zip(block, occurrences.number(groups, time_us, identity).tolist(), strict=True):
                got[row].append(number)
                want[row].append(seen[row])
                seen[row] += 1
    assert got == want


def test_rows_of_a_sorted_source_are_not_looked_at_again(monkeypatch):
    with closing(Occurrences()) as occurrences:
        monkeypatch.setattr(occurrences, "_read", lambda run: pytest.fail("an earlier block was read"))
        for block in range(200):
            time_us = np.arange(100, dtype=np.int64) + block * 100
            assert not occurrences.number([("A", 0, 100)], time_us, time_us * 3).any()


def test_runs_of_a_shuffled_source_stay_few():
    chance = np.random.default_rng(1)
    with closing(Occurrences()) as occurrences:
        for _ in range(256):
            time_us = np.sort(chance.integers(0, 10**6, 50))
            occurrences.number([("A", 0, 50)], time_us, time_us)
        assert len(occurrences._runs["A"]) <= 12


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(-3, 3)), max_size=40))
def test_order_is_by_device_time_and_hash(rows):
    columns = [np.array(values, np.int64) for values in zip(*rows, strict=True)] or [np.zeros(0, np.int64)] * 3
    order = order_of(*columns)
    found = rows if order is None else [rows[at] for at in order.tolist()]
    assert found == sorted(rows)


def test_a_file_read_in_threads_is_stored_as_one_read_at_once(sqlite, tmp_path, in_threads, table, monkeypatch):
    file = tmp_path / "a.csv"
    file.write_text("time,device_id,lat,lon,rssi_dbm\n" + lines(900) + lines(50, 100) + "never,A1,41.8,123.4,-80\n")
    receipt = import_file(sqlite, file, ORDER)
    assert (receipt["rows_read"], receipt["accepted"], receipt["rejected"]) == (951, 950, 1)
    found = table()
    assert found.num_rows == 950 and len(receipt["sha256"]) == 64
    assert found.column("row_no").to_pylist().count(2) == 1
    again = import_file(sqlite, file, ORDER)
    assert again["repeated"] and again["batch"] == receipt["batch"] and table().num_rows == 950
    with pytest.raises(DevicesError, match="imported as batch 1 with zone UTC"):
        import_file(sqlite, file, Order(Declared(zone="Asia/Shanghai", datum="wgs84")))


def test_a_known_file_without_what_it_needs_to_be_read_gives_its_receipt_all_the_same(sqlite, tmp_path, in_threads):
    file = tmp_path / "a.csv"
    file.write_text("time,device_id,lat,lon,rssi_dbm\n" + lines(300).replace("Z,", ","))
    first = import_file(sqlite, file, ORDER)
    assert import_file(sqlite, file, Order())["batch"] == first["batch"]
    (tmp_path / "b.csv").write_text(file.read_text() + lines(1).replace("Z,", ","))
    with pytest.raises(DevicesError, match="have no zone"):
        import_file(sqlite, tmp_path / "b.csv", Order())


def test_ctrl_c_in_the_middle_leaves_nothing_and_no_thread(sqlite, tmp_path, in_threads):
    file = tmp_path / "a.csv"
    file.write_text("time,device_id,lat,lon,rssi_dbm\n" + lines(2000) + "never,A1,41.8,123.4,-80\n" * 50)
    before = threading.active_count()

    def interrupt(what: str, done: int, total: int) -> None:
        if "reading" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(sqlite, file, ORDER, interrupt)
    assert threading.active_count() == before
    with sqlite.read() as connection:
        for found in (schema.batches, schema.blocks, schema.handsets, schema.contexts):
            assert not connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()
    assert sorted(path.name for path in tmp_path.iterdir() if "csv" in path.name) == ["a.csv"]
    assert import_file(sqlite, file, ORDER)["accepted"] == 2000


def test_numbers_of_contexts_of_an_import_that_failed_are_not_remembered(sqlite, tmp_path):
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    header = "time,device_id,lat,lon,rssi_dbm,site_id\n"
    row = "2025-11-29T08:00:0{}Z,A1,41.8,123.4,-80,{}\n"
    bad.write_text(header + row.format(1, "S1") + "never,A1,41.8,123.4,-80,S1\n")
    with pytest.raises(DevicesError, match="--strict"):
        import_file(sqlite, bad, Order(ORDER.declared, strict=True))
    assert not sqlite.contexts
    good.write_text(header + row.format(2, "S2") + row.format(3, "S1"))
    import_file(sqlite, good, ORDER)
    other = tmp_path / "other.csv"
    other.write_text(header + row.format(4, "S1"))
    import_file(sqlite, other, ORDER)
    from devices import query

    [block] = query.tables(sqlite, query.Wanted())
    assert block.column("site_id").to_pylist() == ["S2", "S1", "S1"]


def test_depth_is_for_large_files_only(tmp_path):
    from devices.archives import Part
    from devices.checks import Context

    small = read.Reading(Part("a", Path("a"), packed_bytes=1000), Declared(), Context(0))
    large = read.Reading(Part("a", Path("a"), packed_bytes=10 << 20), Declared(), Context(0))
    assert small.depth == 0 and large.depth == ahead_module.DEPTH
