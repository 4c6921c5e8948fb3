"""Files as they come: announced, sent in chunks, whole. What was acknowledged is on the disk for good.

The database holds how many bytes of a file count. A chunk is written and flushed before that number moves, so that
after a crash the sender goes on from it and overwrites what lies beyond. Once whole, a file waits for the importer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
import shutil
import threading
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from devices.store import iso, now_us
from radiocov.files import file_digest
from radiocov.web.audit import write_down
from radiocov.web.auth import Person
from radiocov.web.refusal import Refusal
from radiocov.web.schema import Database, uploads
from radiocov.web.settings import MIB, Settings
from radiocov.web.sniff import check_start, checked_name, stored_name

_locks = [threading.Lock() for _ in range(64)]


def path_of(settings: Settings, row: Any) -> Path:
    """An upload's file, in a folder of its own."""
    return settings.uploads_folder / row.id / row.stored


def create(db: Database, settings: Settings, person: Person, name: str, size: int, sha256: str,
           declared: dict[str, str]) -> tuple[dict[str, Any], bool]:  # fmt: skip
    """(the upload, whether it is new): the same file of the same team, read in the same way, is one upload."""
    shown, limits = checked_name(name), settings.limits
    if size > limits.file_bytes:
        raise Refusal(413, "too_large", f"the file has {size / MIB:.0f} MiB; at most {limits.file_bytes // MIB} are "
                                        "taken: pack it as zip or gz, or split it")  # fmt: skip
    key = json.dumps({name: value for name, value in sorted(declared.items()) if value}, ensure_ascii=False)
    mine = (uploads.c.team == person.name) & (uploads.c.sha256 == sha256) & (uploads.c.declared == key)
    with db.read() as connection:
        known = connection.execute(sa.select(uploads).where(mine)).first()
    if known is not None:
        return shown_upload(known), False
    if shutil.disk_usage(settings.folder).free - size < limits.free_bytes:
        raise Refusal(507, "disk_full", "the server's disk is nearly full; keep the file and send it later")
    values = {
        "id": secrets.token_hex(16), "team": person.name, "name": shown, "stored": stored_name(shown), "size": size,
        "sha256": sha256, "declared": key, "offset": 0, "state": "open", "attempts": 0, "created_us": now_us(),
        "message": "",
    }  # fmt: skip
    with db.write() as connection:
        known = connection.execute(sa.select(uploads).where(mine)).first()
        if known is None:
            _check_quota(connection, person, limits, size)
            connection.execute(sa.insert(uploads).values(values))
            known = connection.execute(sa.select(uploads).where(uploads.c.id == values["id"])).one()
            return shown_upload(known), True
    return shown_upload(known), False


def _check_quota(connection: sa.Connection, person: Person, limits: Any, size: int) -> None:
    files, held = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(uploads.c.size), 0))
        .where(uploads.c.team == person.name, uploads.c.state == "open")
    ).one()  # fmt: skip
    if files >= limits.open_files or held + size > limits.open_bytes:
        raise Refusal(409, "too_many_open", "too many files of this team are not whole yet; finish or remove those "
                                            "first")  # fmt: skip


def find(db: Database, person: Person, upload_id: str) -> Any:
    """The row of an upload that a person may see: a team its own, engineers and administrators all."""
    with db.read() as connection:
        row = connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).first()
    if row is None or (person.role == "field" and row.team != person.name):
        raise Refusal(404, "no_upload", "there is no such upload")
    return row


def append(db: Database, settings: Settings, person: Person, upload_id: str, offset: int, data: bytes,
           checksum: str) -> Any:  # fmt: skip
    """Write a chunk at an offset, for good; the upload's row afterwards.

    checksum: "sha256 " and the base64 of the chunk's. Raises Refusal for another offset than where the file ends, for
    a chunk that came damaged, and at the end where the whole is not the file that was announced: then it starts anew.
    """
    with _locks[hash(upload_id) % len(_locks)]:
        row = find(db, person, upload_id)
        if row.state != "open":
            raise Refusal(409, "not_open", f"this upload is {row.state}", offset=row.offset)
        if offset != row.offset:
            raise Refusal(409, "wrong_offset", f"{row.offset} bytes are here; go on from there", offset=row.offset)
        if offset + len(data) > row.size:
            raise Refusal(413, "too_large", f"the file was announced with {row.size} bytes")
        if not data:
            raise Refusal(400, "empty", "a chunk has at least one byte")
        own = hashlib.sha256(data)
        if _checksum(checksum) != own.digest():
            raise Refusal(400, "damaged", "the chunk came damaged: send it again", offset=row.offset)
        if offset == 0:
            check_start(data)
        _write(settings, row, offset, data)
        end = offset + len(data)
        changed: dict[str, Any] = {"offset": end}
        damaged = False
        if end == row.size:
            whole = own.hexdigest() if offset == 0 else file_digest(path_of(settings, row))
            damaged = whole != row.sha256
            changed |= {"offset": 0} if damaged else {"state": "queued", "whole_us": now_us()}
        with db.write() as connection:
            connection.execute(sa.update(uploads).where(uploads.c.id == upload_id).values(changed))
            if "state" in changed:
                write_down(connection, person.name, person.role, "upload", f"{upload_id}: {row.size} bytes")
            after = connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).one()
        if damaged:
            raise Refusal(409, "other_content", "the whole is not the file that was announced: send it anew",
                          offset=0)  # fmt: skip
        return after


def _checksum(text: str) -> bytes:
    kind, _, value = text.partition(" ")
    try:
        if kind != "sha256":
            raise ValueError
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise Refusal(400, "bad_checksum", 'Upload-Checksum must be "sha256 " and base64') from None


def _write(settings: Settings, row: Any, offset: int, data: bytes) -> None:
    path = path_of(settings, row)
    new = not path.exists()
    if new:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.lseek(handle, offset, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.ftruncate(handle, offset + len(data))
        os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        for folder in (path.parent, settings.uploads_folder):
            flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Names in a folder outlast a power cut, where the system can be asked for that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(db: Database, settings: Settings, person: Person, upload_id: str) -> None:
    """Remove an upload that is not whole, or was refused; what was imported stays."""
    with _locks[hash(upload_id) % len(_locks)]:
        row = find(db, person, upload_id)
        if row.state not in ("open", "refused"):
            raise Refusal(409, "not_open", f"this upload is {row.state} and stays")
        with db.write() as connection:
            gone = sa.delete(uploads).where(uploads.c.id == upload_id, uploads.c.state == row.state)
            if connection.execute(gone).rowcount != 1:
                raise Refusal(409, "not_open", "this upload is being read again and stays")
            write_down(connection, person.name, person.role, "remove upload", f"{upload_id}: {row.state}")
        shutil.rmtree(settings.uploads_folder / row.id, ignore_errors=True)


def retry(db: Database, person: Person, upload_id: str) -> Any:
    """Queue once more what was refused or given up."""
    with db.write() as connection:
        ended = (uploads.c.id == upload_id) & uploads.c.state.in_(["refused", "failed"])
        again = sa.update(uploads).where(ended).values(state="queued", attempts=0, message="")
        if connection.execute(again).rowcount != 1:
            raise Refusal(409, "not_refused", "only what was refused or given up can be read again")
        write_down(connection, person.name, person.role, "retry upload", upload_id)
        return connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).one()


def listing(db: Database, person: Person, limit: int, before_us: int | None = None) -> list[dict[str, Any]]:
    """Uploads that a person may see, the newest first; before_us: to read on."""
    query = sa.select(uploads).order_by(uploads.c.created_us.desc(), uploads.c.id).limit(limit)
    if person.role == "field":
        query = query.where(uploads.c.team == person.name)
    if before_us is not None:
        query = query.where(uploads.c.created_us < before_us)
    with db.read() as connection:
        return [shown_upload(row) for row in connection.execute(query)]


def shown_upload(row: Any) -> dict[str, Any]:
    """An upload as an answer shows it."""
    return {
        "id": row.id, "team": row.team, "name": row.name, "size": row.size, "sha256": row.sha256,
        "declared": json.loads(row.declared), "offset": row.offset, "state": row.state, "message": row.message,
        "created": iso(row.created_us), "created_us": row.created_us,
        "ended": None if row.ended_us is None else iso(row.ended_us),
        "receipt": None if row.receipt is None else json.loads(row.receipt),
    }  # fmt: skip
