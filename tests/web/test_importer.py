"""The importer's own decisions: what is set aside, what waits, what is counted anew."""

from __future__ import annotations

import errno
import json

import pytest

from devices import retention
from devices.ingest import Order
from devices.store import Store
from radiocov.web import importer, uploads
from radiocov.web.auth import Person
from radiocov.web.measured import Cells, catch_up
from radiocov.web.schema import Database
from radiocov.web.settings import Settings

BOX = (123.38, 41.79, 123.42, 41.83)  # small enough for cells of 100 m


@pytest.fixture
def desk(tmp_path, ways):
    """A service's database, a store, and a function that queues a log."""
    import base64
    import hashlib
    from types import SimpleNamespace

    settings, person = Settings(tmp_path), Person("Team", "field", 1)
    settings.uploads_folder.mkdir(parents=True)
    with Database(settings) as db, Store(tmp_path / "fleet.sqlite") as store:

        def queue(name, *lines):
            data = ways.log(*lines).encode()
            digest = hashlib.sha256(data)
            made, _ = uploads.create(db, settings, person, name, len(data), digest.hexdigest(),
                                     {"zone": "UTC", "datum": "wgs84"})  # fmt: skip
            checksum = f"sha256 {base64.b64encode(digest.digest()).decode()}"
            return uploads.append(db, settings, person, made["id"], 0, data, checksum).id

        def take():
            row = importer.next_after(db)
            found = importer.read(db, store, settings, row, Order(fallback=tmp_path))
            importer.next_after(db, row, found, more=False)
            return uploads.find(db, person, row.id)

        kept = Cells(db)

        def cells(whole=True, box=BOX):
            """As the service answers, which holds what it once read, and as one that has just begun does."""
            found = kept.within(box, whole)
            assert Cells(db).within(box, whole) == found
            return json.loads(found[1])

        yield SimpleNamespace(cells=cells, db=db, store=store, queue=queue, take=take, settings=settings,
                              person=person)  # fmt: skip


def test_a_file_that_runs_into_a_fault_three_times_is_set_aside_and_kept(desk, ways, monkeypatch):
    upload = desk.queue("odd.csv", *ways.rows(3))

    def fault(*_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(importer, "import_file", fault)
    assert [desk.take().state for _ in range(4)] == ["queued"] * 3 + ["failed"]
    monkeypatch.undo()
    assert importer.next_after(desk.db) is None
    assert uploads.retry(desk.db, desk.person, upload).state == "queued"
    assert desk.take().state == "done"


def test_a_full_disk_counts_as_no_attempt(desk, ways, monkeypatch):
    desk.queue("day.csv", *ways.rows(3))

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(importer, "import_file", full)
    for _ in range(5):
        with pytest.raises(OSError):
            desk.take()
    monkeypatch.undo()
    assert desk.take().state == "done"


def test_a_crash_between_import_and_receipt_gives_the_same_receipt(desk, ways, monkeypatch):
    desk.queue("day.csv", *ways.rows(10))

    def crash(*_, **__):
        raise SystemExit

    monkeypatch.setattr(importer, "public_receipt", crash)
    with pytest.raises(SystemExit):
        desk.take()
    monkeypatch.undo()
    catch_up(desk.db, desk.store)
    done = uploads.shown_upload(desk.take())
    assert done["receipt"]["accepted"] == 10 and done["receipt"]["batch"] == 1
    catch_up(desk.db, desk.store)
    assert sum(cell[3] for cell in desk.cells()["cells"]) == 10


def test_cells_are_those_of_the_store_after_imports_and_removals(desk, ways):
    """Of batches that came one by one, of one that another program brought, and after a withdrawal."""
    for number in range(3):
        desk.queue(f"{number}.csv", *ways.rows(40, f"D{number}", start=number * 1000))
        desk.take()
        catch_up(desk.db, desk.store)
    found = desk.cells()
    assert sum(cell[3] for cell in found["cells"]) == 120
    retention.withdraw(desk.store, 2)
    catch_up(desk.db, desk.store)
    after = desk.cells()["cells"]
    assert sum(cell[3] for cell in after) == 80 and {tuple(c) for c in after} < {tuple(c) for c in found["cells"]}
