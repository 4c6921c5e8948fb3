"""Backup and restore of a service, and the removal of logs that are in the store for long.

The service's database is copied first: whatever waits there for its import is imported again after a restore and
gives the same receipt, because the store takes each row once.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock

from devices.errors import DevicesError
from devices.store import iso, now_us
from radiocov import __version__
from radiocov.files import whole
from radiocov.fleet_store import FILE_NAME
from radiocov.web.audit import write_down
from radiocov.web.schema import Database, uploads
from radiocov.web.service import LOCK_NAME, lock_project
from radiocov.web.settings import DAY_US, Settings

MANIFEST = "manifest.json"
DUMP = "postgresql.dump"
SERVICE_FILE = "service/service.sqlite"
Progress = Callable[[str, int, int], None]


def write_backup(settings: Settings, target: Path, progress: Progress) -> dict[str, int]:
    """Write an archive, whole or not at all; the number of files and bytes in it."""
    sums: dict[str, str] = {}
    size = 0
    with tempfile.TemporaryDirectory(dir=target.parent if target.parent.is_dir() else None) as scratch:
        found = list(_files(settings, Path(scratch), progress))
        with whole(target) as partial, tarfile.open(partial, "w") as archive:
            os.chmod(partial, 0o600)
            for number, (name, path) in enumerate(found):
                progress("writing the backup", number, len(found))
                if not path.is_file():
                    continue  # its team removed it meanwhile
                with path.open("rb") as file:
                    info = archive.gettarinfo(arcname=name, fileobj=file)
                    info.uid = info.gid = 0
                    info.uname = info.gname = ""
                    reader = _Summed(file)
                    archive.addfile(info, reader)
                sums[name] = reader.sha256.hexdigest()
                size += info.size
            text = json.dumps({"made": iso(now_us()), "radiocov": __version__, "sha256": sums}, indent=1).encode()
            info = tarfile.TarInfo(MANIFEST)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    progress("writing the backup", len(found), len(found))
    return {"files": len(sums), "bytes": size}


class _Summed:
    """A file whose checksum is made while it is read."""

    def __init__(self, file: Any) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def read(self, n: int = -1) -> bytes:
        data = self._file.read(n)
        self.sha256.update(data)
        return data


def _files(settings: Settings, scratch: Path, progress: Progress) -> Iterator[tuple[str, Path]]:
    """(name in the archive, where it is now), databases copied aside first."""
    progress("copying the databases", 0, 1)
    if settings.database:
        dump = scratch / DUMP
        _run(["pg_dump", "--format=custom", f"--file={dump}", f"--dbname={settings.database}"])
        yield DUMP, dump
    else:
        for name, path in ((SERVICE_FILE, settings.folder / "service.sqlite"),
                           (FILE_NAME, settings.project_folder / FILE_NAME)):  # fmt: skip
            if path.is_file():
                copy = scratch / path.name
                _copy_sqlite(path, copy)
                yield name, copy
    progress("copying the databases", 1, 1)
    project = settings.project()
    for path in (project.path, project.sites_file):
        if path.is_file() and path.parent == settings.project_folder:
            yield path.name, path
    for path in sorted(settings.uploads_folder.rglob("*")):
        if path.is_file():
            yield f"service/uploads/{path.relative_to(settings.uploads_folder).as_posix()}", path


def _copy_sqlite(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    old.close()
    new.close()


def _run(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        raise OSError(f"{command[0]} is not installed: it comes with PostgreSQL's client programs")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise OSError(f"{command[0]}: {last}")


def read_backup(settings: Settings, source: Path, replace: bool, progress: Progress) -> dict[str, Any]:
    """Bring an archive back. All of it is unpacked and its checksums are verified before anything is changed.

    Raises DevicesError for what is no whole backup, and where something is there already and replace is not said.
    """
    folder = settings.project_folder
    lock = FileLock(settings.folder / LOCK_NAME, timeout=0)
    lock_project(lock, settings)
    with lock, tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as scratch:
        fresh = Path(scratch)
        manifest = _unpack(source, fresh, progress)
        there = [name for name in (FILE_NAME, SERVICE_FILE, "service/uploads") if _is_used(folder / name)]
        if there and not replace and not settings.database:
            raise DevicesError(f"{folder}: there is {', '.join(there)}; --replace puts the backup in their place")
        if settings.database:
            if not (fresh / DUMP).is_file():
                raise DevicesError(f"{source.name}: was made of SQLite files; restore it without --database")
            clean = ["--clean", "--if-exists"] if replace else []
            _run(["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", *clean,
                  f"--dbname={settings.database}", str(fresh / DUMP)])  # fmt: skip
        elif (fresh / DUMP).is_file():
            raise DevicesError(f"{source.name}: was made of PostgreSQL; name the database with --database")
        kept = folder / "service" / f"before-{iso(now_us()).replace(':', '')}"
        for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", SERVICE_FILE, f"{SERVICE_FILE}-wal",
                     f"{SERVICE_FILE}-shm", "service/uploads"):  # fmt: skip
            if _is_used(folder / name):
                kept.mkdir(parents=True, exist_ok=True)
                os.replace(folder / name, kept / Path(name).name)
        for path in sorted(fresh.iterdir()):
            if path.name not in (DUMP, "service"):
                os.replace(path, folder / path.name)
        for path in (fresh / "service").iterdir() if (fresh / "service").is_dir() else ():
            target = settings.folder / path.name
            if target.is_dir():
                target.rmdir()  # it is empty: what was used is aside
            os.replace(path, target)
    return {"files": len(manifest["sha256"]), "made": manifest["made"]}


def _is_used(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _unpack(source: Path, target: Path, progress: Progress) -> dict[str, Any]:
    """The manifest; all files unpacked and verified."""
    try:
        with tarfile.open(source, "r:") as archive:
            members = archive.getmembers()
            for number, member in enumerate(members):
                progress("unpacking the backup", number, len(members))
                archive.extract(member, target, filter="data")
        manifest = json.loads((target / MANIFEST).read_text("utf-8"))
        sums = manifest["sha256"]
        for name, sha256 in sums.items():
            with (target / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    raise DevicesError(f"{source.name}: {name} is damaged; nothing was changed")
    except (tarfile.TarError, FileNotFoundError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DevicesError):
            raise
        raise DevicesError(f"{source.name}: is no whole backup of a service; nothing was changed") from error
    extra = {m.name for m in members if m.isfile()} - set(sums) - {MANIFEST}
    if extra:
        raise DevicesError(f"{source.name}: its list does not name {sorted(extra)[0]}; nothing was changed")
    (target / MANIFEST).unlink()
    progress("unpacking the backup", len(members), len(members))
    return manifest


def prune_uploads(db: Database, settings: Settings, days: float, who: str, dry_run: bool) -> dict[str, int]:
    """Remove logs as they came that are imported, and uploads that nobody finished, older than days."""
    cutoff = now_us() - int(days * DAY_US)
    old = (uploads.c.created_us < cutoff) & uploads.c.state.in_(["done", "open", "refused"])
    with db.read() as connection:
        rows = connection.execute(sa.select(uploads).where(old)).all()
    found = {"logs": 0, "unfinished": 0, "bytes": 0}
    for row in rows:
        folder = settings.uploads_folder / row.id
        if row.state == "done" and not folder.is_dir():
            continue
        found["logs" if row.state == "done" else "unfinished"] += 1
        found["bytes"] += sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0
        if dry_run:
            continue
        if row.state != "done":
            with db.write() as connection:
                gone = sa.delete(uploads).where(uploads.c.id == row.id, uploads.c.state == row.state,
                                                uploads.c.offset == row.offset)  # fmt: skip
                if not connection.execute(gone).rowcount:
                    continue
        shutil.rmtree(folder, ignore_errors=True)
    if not dry_run:
        with db.write() as connection:
            text = f"older than {days:g} days: {found['logs']} logs, {found['unfinished']} unfinished"
            write_down(connection, who, "", "prune", text)
    return found
