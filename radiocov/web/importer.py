"""The process that reads uploads into the fleet store, one after the other, and counts what was measured by cell.

It may be killed at any moment: an import is whole or not at all, and one that was not written down yet gives the same
receipt again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock

from devices import formats
from devices.errors import DevicesError
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.store import Store, now_us
from radiocov.fleet_store import area_of, fallback_folder, road_distance, store_of
from radiocov.web import lifeline
from radiocov.web.measured import catch_up
from radiocov.web.observe import set_up_logs
from radiocov.web.receipts import public_receipt
from radiocov.web.schema import Database, uploads
from radiocov.web.settings import Settings
from radiocov.web.uploads import path_of

CODE = "from radiocov.web.importer import main; main()"
MOST_ATTEMPTS = 3  # of a file by which the process dies, or that runs into a fault of ours
IDLE_S = 5.0
CATCH_UP_S, REST = 5.0, 10.0  # the cells follow after so long, and ten times what it took the last time
LOCK_NAME = "importer.lock"

log = logging.getLogger("radiocov.importer")


def main() -> None:
    order = lifeline.take_order()
    set_up_logs()
    settings = Settings(Path(order["project_folder"]), order["database"])
    line = lifeline.Lifeline()
    turn = FileLock(settings.folder / LOCK_NAME)  # one of a server that was killed ends first
    with turn, Database(settings) as db:
        run(db, settings, line)


def run(db: Database, settings: Settings, line: lifeline.Lifeline) -> None:
    project = settings.project()
    order = Order(area=area_of(project), fallback=fallback_folder(project), road_distance=road_distance(project))
    with store_of(project, settings.fleet_url, say=log.info) as store:
        pause = 0.0
        while not line.ended.is_set():
            try:
                due = time.monotonic() + pause
                row = next_after(db)
                while row is not None:
                    found = read(db, store, settings, row, order)
                    row = next_after(db, row, found, more=time.monotonic() < due and not line.ended.is_set())
                if not line.ended.is_set():
                    began = time.monotonic()
                    catch_up(db, store)
                    pause = max(CATCH_UP_S, REST * (time.monotonic() - began))
                with db.read() as connection:
                    waits = _next_id(connection) is None
            except OSError as error:  # the disk is full, the database away: what is queued stays queued
                log.error("import waits", extra={"why": settings.without_paths(str(error))})
                waits = True
            if waits and not line.wait(IDLE_S):
                return


def _next_id(connection: sa.Connection) -> str | None:
    query = sa.select(uploads.c.id).where(uploads.c.state == "queued").order_by(uploads.c.whole_us).limit(1)
    return connection.execute(query).scalar()


def next_after(db: Database, ended: Any = None, found: dict[str, Any] | None = None, more: bool = True) -> Any:
    """The upload that waits longest, its attempt counted before it is made; None where none waits.

    ended, found: the upload before it and what is to be written down about it, in the same transaction, because each
    waits for the disk. more: False to take no other.
    """
    with db.read() as connection:
        if not found and (not more or _next_id(connection) is None):
            return None
    with db.write() as connection:
        if found:
            connection.execute(sa.update(uploads).where(uploads.c.id == ended.id).values(found))
        number = _next_id(connection) if more else None
        if number is None:
            return None
        connection.execute(
            sa.update(uploads).where(uploads.c.id == number).values(attempts=uploads.c.attempts + 1)
        )  # fmt: skip
        return connection.execute(sa.select(uploads).where(uploads.c.id == number)).one()


def read(db: Database, store: Store, settings: Settings, row: Any, order: Order) -> dict[str, Any]:
    """Read an upload into the store; what is to be written down about it, nothing where it is to be tried again."""
    if row.attempts > MOST_ATTEMPTS:
        return _ended("failed", f"reading it failed {MOST_ATTEMPTS} times by a fault of the service; it is kept")
    said = json.loads(row.declared)
    try:
        receipt = import_file(store, path_of(settings, row), dataclasses.replace(
            order, who=row.team, description=formats.load(said["format"]) if said.get("format") else None,
            declared=Declared(said.get("device", ""), said.get("zone", ""), said.get("date", ""),
                              said.get("datum", ""))))  # fmt: skip
    except DevicesError as error:
        text = settings.without_paths(str(error)).replace("; All of them", ". All of them")
        return _ended("refused", text.replace(row.stored, row.name))
    except FileNotFoundError:
        return _ended("failed", "the file is gone from the server's disk; send it again")
    except OSError:
        with db.write() as connection:
            connection.execute(sa.update(uploads).where(uploads.c.id == row.id).values(attempts=row.attempts - 1))
        raise
    except Exception:  # a fault of ours: the attempt counts, and others go on
        log.exception("a file ends the reading of it")
        return {}
    log.info("imported", extra={"rows": receipt["rows_read"], "accepted": receipt["accepted"],
                                "rejected": receipt["rejected"], "repeated": receipt["repeated"]})  # fmt: skip
    shown = public_receipt(receipt, row.name, settings)
    return _ended("done", batch=receipt["batch"], receipt=json.dumps(shown, ensure_ascii=False))


def _ended(state: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": state, "message": message, "ended_us": now_us(), **more}
