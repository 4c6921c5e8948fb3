"""The process that reads uploads into the fleet store, one after the other, and counts what was measured by cell.

It may be killed at any moment: an import is whole or not at all, and one that was not written down yet gives the same
receipt again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
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
FILES_BETWEEN = 50  # after so many the cells are brought up to date
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
        while not line.ended.is_set():
            try:
                for _ in range(FILES_BETWEEN):
                    row = None if line.ended.is_set() else _next(db)
                    if row is None:
                        break
                    _read(db, store, settings, row, order)
                if not line.ended.is_set():
                    catch_up(db, store)
                waits = _next_id(db) is None
            except OSError as error:  # the disk is full, the database away: what is queued stays queued
                log.error("import waits", extra={"why": settings.without_paths(str(error))})
                waits = True
            if waits and not line.wait(IDLE_S):
                return


def _next_id(db: Database) -> str | None:
    query = sa.select(uploads.c.id).where(uploads.c.state == "queued").order_by(uploads.c.whole_us).limit(1)
    with db.read() as connection:
        return connection.execute(query).scalar()


def _next(db: Database) -> Any:
    """The upload that waits longest, its attempt counted before it is made; None where none waits."""
    found = _next_id(db)
    if found is None:
        return None
    with db.write() as connection:
        connection.execute(
            sa.update(uploads).where(uploads.c.id == found, uploads.c.state == "queued")
            .values(attempts=uploads.c.attempts + 1)
        )  # fmt: skip
        return connection.execute(sa.select(uploads).where(uploads.c.id == found)).one()


def _read(db: Database, store: Store, settings: Settings, row: Any, order: Order) -> None:
    if row.attempts > MOST_ATTEMPTS:
        text = f"reading it failed {MOST_ATTEMPTS} times by a fault of the service; it is kept"
        _end(db, row, "failed", message=text)
        return
    said = json.loads(row.declared)
    try:
        receipt = import_file(store, path_of(settings, row), dataclasses.replace(
            order, who=row.team, description=formats.load(said["format"]) if said.get("format") else None,
            declared=Declared(said.get("device", ""), said.get("zone", ""), said.get("date", ""),
                              said.get("datum", ""))))  # fmt: skip
    except DevicesError as error:
        text = settings.without_paths(str(error)).replace("; All of them", ". All of them")
        _end(db, row, "refused", message=text.replace(row.stored, row.name))
    except FileNotFoundError:
        _end(db, row, "failed", message="the file is gone from the server's disk; send it again")
    except OSError:
        with db.write() as connection:
            connection.execute(sa.update(uploads).where(uploads.c.id == row.id).values(attempts=row.attempts - 1))
        raise
    except Exception:  # a fault of ours: the attempt counts, and others go on
        log.exception("a file ends the reading of it")
    else:
        _end(db, row, "done", batch=receipt["batch"],
             receipt=json.dumps(public_receipt(receipt, row.name, settings), ensure_ascii=False))  # fmt: skip
        log.info("imported", extra={"rows": receipt["rows_read"], "accepted": receipt["accepted"],
                                    "rejected": receipt["rejected"], "repeated": receipt["repeated"]})  # fmt: skip


def _end(db: Database, row: Any, state: str, message: str = "", **more: Any) -> None:
    with db.write() as connection:
        connection.execute(sa.update(uploads).where(uploads.c.id == row.id).values(
            state=state, message=message, ended_us=now_us(), **more))  # fmt: skip
