"""Imports: each file whole or not at all, each row once, whatever happens."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import query, schema
from devices.draft import reject_table
from devices.errors import DevicesError
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.reject_files import RejectFile
from devices.store import Store

_spec = importlib.util.spec_from_file_location("devices_conftest", Path(__file__).parent / "conftest.py")
_made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_made)
HEADER, log, rows = _made.HEADER, _made.log, _made.rows
ORDER = Order(Declared(zone="UTC", datum="wgs84"))
ROOT = Path(__file__).resolve().parents[2]


def content(store) -> Counter:
    """What is in the store: how often each row's visible values stand there."""
    names = query.names(store).devices
    columns = ("device", "time_us", "lat", "lon", "rssi_dbm")
    found: Counter = Counter()
    for block in query.numbers(store, query.Wanted(), columns):
        for device, *values in zip(*(block[name].tolist() for name in columns), strict=True):
            found[(names[device], *values)] += 1
    return found


def put(store, path: Path, lines: list[str], name: str = "log.csv") -> dict:
    file = path / name
    file.write_text(log(*lines))
    return import_file(store, file, ORDER)


def test_receipt_says_what_happened(store, tmp_path):
    receipt = put(
        store,
        tmp_path,
        [*rows(10), *rows(5, "B2"), "yesterday,A1,41.8,123.4,-80", "2025-11-29T08:00:00Z,A1,41,123,80"],
    )
    assert receipt["rows_read"] == 17 and receipt["accepted"] == 15 and receipt["duplicate"] == 0
    assert receipt["rejected_by_reason"] == {"level_positive": 1, "time_unreadable": 1}
    assert receipt["devices"]["B2"] == {
        "rows": 5,
        "first_time": "2025-11-29T08:00:00Z",
        "last_time": "2025-11-29T08:00:04Z",
    }
    assert receipt["profile"] == "generic/1" and receipt["datum"] == "wgs84" and receipt["who"] == "tester"
    assert json.loads(json.dumps(receipt)) == receipt
    assert sum(content(store).values()) == 15


def test_the_same_file_gives_the_first_receipt(store, tmp_path):
    first = put(store, tmp_path, rows(10))
    second = put(store, tmp_path, rows(10), "copy.csv")
    assert second == first | {"repeated": True}
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.batches)).scalar() == 1


def test_honest_repeats_stay_and_are_the_largest_number_of_any_file(store, tmp_path):
    once = "2025-11-29T08:00:00Z,A1,41.8,123.4,-80"
    put(store, tmp_path, [once] * 3, "three.csv")
    two = put(store, tmp_path, [once, *rows(1, "B2"), once], "two.csv")
    assert two["accepted"] == 1 and two["duplicate"] == 2
    five = put(store, tmp_path, [once] * 5, "five.csv")
    assert five["accepted"] == 2
    assert content(store)["A1", 1764403200000000, 41.8, 123.4, -80.0] == 5


def test_a_spreadsheet_that_rewrites_numbers_makes_no_new_rows(store, tmp_path):
    put(store, tmp_path, ["2025-11-29T08:00:00Z,A1,41.80470,123.40,-80.0"], "a.csv")
    again = put(store, tmp_path, ["2025-11-29 08:00:00Z,A1,41.8047,123.4,-80"], "b.csv")
    assert again["duplicate"] == 1 and again["accepted"] == 0


def test_a_better_description_finds_the_same_rows(sqlite, tmp_path):
    from devices.formats.description import parse_description

    text = 'name = "x"\n[time]\ncolumn = "time"\n[fields]\ndevice_id = {{ column = "device_id" }}\n' \
           'rssi_dbm = {{ column = "rssi_dbm", scale = {} }}\n'  # fmt: skip
    file = tmp_path / "log.csv"
    file.write_text(log("2025-11-29T08:00:00Z,A1,41.8,123.4,80", "2025-11-29T08:00:01Z,A1,41.8,123.4,-81"))
    first, better = (Order(Declared(), parse_description(text.format(scale), "x.toml")) for scale in (1, -1))
    assert import_file(sqlite, file, first)["rejected"] == 1
    receipt = import_file(sqlite, file, better)
    assert not receipt["repeated"] and receipt["accepted"] == 1  # the row that was rejected before


def test_another_zone_for_the_same_file_is_refused_until_withdrawn(sqlite, tmp_path):
    from devices.retention import withdraw

    file = tmp_path / "log.csv"
    file.write_text(log("2025-11-29 08:00:00,A1,41.8,123.4,-80"))
    import_file(sqlite, file, ORDER)
    other = Order(Declared(zone="Asia/Shanghai", datum="wgs84"))
    with pytest.raises(DevicesError, match="batch 1 with zone UTC.*--withdraw 1"):
        import_file(sqlite, file, other)
    assert withdraw(sqlite, 1)["removed"] == 1
    assert import_file(sqlite, file, other)["first_time"] == "2025-11-29T00:00:00Z"


def test_withdrawing_names_the_files_whose_rows_went_with_it(sqlite, tmp_path):
    from devices.retention import withdraw

    put(sqlite, tmp_path, rows(10), "a.csv")
    put(sqlite, tmp_path, rows(15), "b.csv")
    receipt = withdraw(sqlite, 1)
    assert receipt["removed"] == 10 and receipt["import_again"] == ["b.csv"]
    assert put(sqlite, tmp_path, rows(15), "b.csv")["accepted"] == 10
    assert sum(content(sqlite).values()) == 15


def test_strict_refuses_the_file_and_lists_its_rows(store, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(log(*rows(3), "2025-11-29T08:00:00Z,A1,41.8,123.4,80"))
    with pytest.raises(DevicesError, match=r"1 of 4 rows rejected, and --strict refuses.*scale = -1"):
        import_file(store, file, Order(ORDER.declared, strict=True))
    assert not content(store)
    text = (tmp_path / "log.csv.rejects.csv").read_text("utf-8-sig")
    assert '5,rssi_dbm,80,level_positive,"level is not negative' in text and "电平不是负数" in text


def test_rejects_are_escaped_and_a_list_of_them_is_no_log(sqlite, tmp_path):
    put(sqlite, tmp_path, [*rows(1), '=HYPERLINK("http://x"),A1,41.8,123.4,-80'])
    file = tmp_path / "log.csv.rejects.csv"
    assert "'=HYPERLINK" in file.read_text("utf-8-sig")
    with pytest.raises(DevicesError, match="list of rejected rows"):
        import_file(sqlite, file, ORDER)


def test_last_seen_is_by_our_clock_and_moves_with_newer_records_only(sqlite, tmp_path):
    from devices.fleet import show

    put(sqlite, tmp_path, rows(10, start=100), "new.csv")
    seen = show(sqlite, "A1")["last_seen"]
    assert seen > "2026" and show(sqlite, "A1")["last_record"] == "2025-11-29T08:01:49Z"
    put(sqlite, tmp_path, rows(10), "old.csv")
    assert show(sqlite, "A1")["last_seen"] == seen


lines_of = st.lists(
    st.tuples(st.sampled_from(["A1", "B2"]), st.integers(0, 3), st.sampled_from([-80, -81]),
              st.sampled_from([41.8, 41.80001])),
    min_size=1, max_size=12,
).map(lambda found: [f"2025-11-29T08:00:0{s}Z,{d},{lat},123.4,{level}" for d, s, level, lat in found])  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=lines_of, data=st.data())
def test_any_order_parts_twice_two_people_make_the_same_store(tmp_path_factory, lines, data):
    """A file as a whole, and what is made of it: shuffled, cut in overlapping parts, sent again."""
    folder = tmp_path_factory.mktemp("ingest")
    with Store(folder / "a.sqlite") as one, Store(folder / "b.sqlite") as other:
        put(one, folder, lines)
        uploads = []
        for at in range(data.draw(st.integers(1, 3), "parts")):
            picked = data.draw(st.lists(st.sampled_from(range(len(lines))), unique=True), f"rows of part {at}")
            uploads.append([lines[i] for i in picked])
        uploads.append(data.draw(st.permutations(lines), "all"))
        uploads += data.draw(st.lists(st.sampled_from(uploads), max_size=2), "again")
        for at, upload in enumerate(data.draw(st.permutations(uploads), "order")):
            if upload:
                put(other, folder, upload, f"{at}.csv")
        assert content(one) == content(other)
        assert content(one) == Counter((d, t, *rest) for (d, t, *rest), n in content(one).items() for _ in range(n))
        assert sum(content(one).values()) == len(lines)


@pytest.mark.parametrize("seed", range(3))
def test_parts_that_overlap_in_time_and_device_make_the_whole(store, tmp_path, seed):
    """Blocks that are partly newer than what is there, partly among it, in either store."""
    chance = random.Random(seed)
    every = [line for device in ("A1", "B2", "C3") for line in rows(200, device)]
    lines = [line for line in every for _ in range(chance.choice((1, 1, 2)))]
    chance.shuffle(lines)
    uploads = [chance.sample(lines, 150) for _ in range(5)] + [lines]
    chance.shuffle(uploads)
    new = sum(put(store, tmp_path, upload, f"{number}.csv")["accepted"] for number, upload in enumerate(uploads))
    expected = Counter(lines)
    assert new == sum(content(store).values()) == len(lines)
    assert sorted(content(store).values()) == sorted(expected.values())


def test_blocks_of_a_large_file_number_repeats_together(sqlite, tmp_path, monkeypatch):
    from devices.formats import text

    monkeypatch.setattr(text.read_lines, "__defaults__", (2000,))
    lines = [line for line in rows(200) for _ in range(2)]
    random.Random(1).shuffle(lines)
    receipt = put(sqlite, tmp_path, lines)
    assert receipt["accepted"] == 400 and set(content(sqlite).values()) == {2}
    random.Random(2).shuffle(lines)
    assert put(sqlite, tmp_path, lines, "again.csv")["duplicate"] == 400


WORKER = """
import sys
from pathlib import Path
from devices.formats import text
text.read_lines.__defaults__ = (20_000,)
from devices import writing
from devices.ingest import Order, import_file
from devices.formats.fields import Declared
from devices.store import Store

class Told(writing.Writer):
    def write(self, *args):
        new = super().write(*args)
        print("block", flush=True)
        return new

import devices.ingest
devices.ingest.Writer = Told
from devices.formats import read
devices.ingest.SMALL_BYTES = read.SMALL_BYTES = 0  # in threads, as large files are read
with Store(sys.argv[1]) as store:
    for name in sys.argv[2:]:
        import_file(store, Path(name), Order(Declared(zone="UTC", datum="wgs84")))
        print("done", flush=True)
"""


def worker(url: str, *files: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WORKER, url, *map(str, files)], stdout=subprocess.PIPE, text=True,
                            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_killed_at_any_moment_the_file_is_there_whole_or_not_at_all(store_url, tmp_path):
    lines = rows(6000)
    file = tmp_path / "log.csv"
    file.write_text(log(*lines))
    chance = random.Random(7)
    for attempt in range(4):
        process = worker(store_url, file)
        last = attempt == 3
        wait_for = 15 if last else chance.randint(1, 10)  # blocks; the 15th is about the time of the receipt
        said = [process.stdout.readline() for _ in range(wait_for)]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with Store(store_url) as store:
            n = sum(content(store).values())
            with store.read() as connection:
                receipts = connection.execute(sa.select(schema.batches.c.receipt)).scalars().all()
            if not last:
                assert set(said) == {"block\n"} and (n, len(receipts)) == (0, 0)
            else:
                assert (n, len(receipts)) in ((0, 0), (len(lines), 1))
                assert all(json.loads(receipt)["accepted"] == len(lines) for receipt in receipts)
    with Store(store_url) as store:
        import_file(store, file, ORDER)
        assert set(content(store).values()) == {1} and sum(content(store).values()) == len(lines)


def test_two_writers_at_once_lose_and_double_nothing(store_url, tmp_path):
    Store(store_url).close()
    files = []
    for number, start in enumerate((0, 1000, 2000, 500)):
        files.append(tmp_path / f"{number}.csv")
        files[-1].write_text(log(*rows(2000, start=start)))
    processes = [worker(store_url, *files[:2]), worker(store_url, *files[2:]), worker(store_url, *reversed(files))]
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
    with Store(store_url) as store:
        assert set(content(store).values()) == {1} and sum(content(store).values()) == 4000


def test_two_threads_make_an_empty_store_ready_together(store_url):
    faults, together = [], threading.Barrier(4)

    def begin() -> None:
        try:
            together.wait()
            Store(store_url).close()
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_a_store_of_a_newer_version_is_refused_and_an_older_one_is_brought_up(store_url, monkeypatch):
    Store(store_url).close()

    def second(connection) -> None:
        connection.execute(sa.text("alter table handsets add column colour text"))

    newest = max(schema.MIGRATIONS)
    monkeypatch.setitem(schema.MIGRATIONS, newest + 1, second)
    with Store(store_url) as store, store.read() as connection:
        assert "colour" in {column["name"] for column in sa.inspect(connection).get_columns("handsets")}
    monkeypatch.delitem(schema.MIGRATIONS, newest + 1)
    with pytest.raises(DevicesError, match=f"version {newest + 1}.*knows {newest}; update radiocov"):
        Store(store_url)


def test_a_file_that_is_no_store_is_named(tmp_path):
    (tmp_path / "fleet.sqlite").write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(DevicesError, match="fleet.sqlite: is no fleet store"):
        Store(tmp_path / "fleet.sqlite")
    with pytest.raises(DevicesError, match="no fleet store yet"):
        Store(tmp_path / "other.sqlite", create=False)
    with pytest.raises(DevicesError, match="postgresql://"):
        Store("mysql://host/db")


def test_hash_of_identity_is_fixed_for_all_time():
    """Stores keep these numbers: a change would count every row anew."""
    import pyarrow as pa

    from devices.identity import combine, hash_numbers, hash_texts

    raw = {"rssi_dbm": np.array([-95.5, np.nan]), "site_id": pa.array(["S001", None]), "lat": np.array([41.8, -0.0])}
    assert hash_numbers(np.array([-95.5]))[0] != hash_numbers(np.array([-95.0]))[0]
    assert hash_texts(pa.array(["S001", None])).tolist() == [HASH_TEXT, 0]
    assert combine(raw, 2).tolist() == HASHES
    assert combine(raw | {"channel": pa.array([None, None], pa.string())}, 2).tolist() == HASHES


HASH_TEXT = -4567305806774095837
HASHES = [-8796826076356873576, -203199701734926110]


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_what_a_killed_import_left_beside_its_log_goes_with_the_next(sqlite, tmp_path):
    """And what an import that still works holds stays."""
    code = """
import os, signal, sys
from pathlib import Path
from devices import writing
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.store import Store
writing.Writer.flush = lambda self: os.kill(os.getpid(), signal.SIGKILL)
with Store(sys.argv[1]) as store:
    import_file(store, Path(sys.argv[2]), Order(Declared(zone="UTC", datum="wgs84")))
"""
    file = tmp_path / "a.csv"
    file.write_text(log(*rows(30), "when,A1,41.8,123.4,-80"))
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "other.sqlite"), str(file)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    [left] = tmp_path.glob(".a.csv.rejects.csv.*.part")
    working = RejectFile(tmp_path / "b.csv", tmp_path)
    working.add(reject_table([1], "rssi_dbm", pa.array(["x"]), "not_a_number"), "")
    assert not left.exists()
    left.write_text("row")
    receipt = import_file(sqlite, file, ORDER)
    assert not left.exists() and receipt["rejected"] == 1
    [held] = tmp_path.glob(".*.part")
    assert working.keep() == tmp_path / "b.csv.rejects.csv" and not held.exists()
