"""The audit trail: who did what, when."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from devices.errors import DevicesError
from devices.store import iso, now_us
from radiocov.files import whole
from radiocov.web.schema import Database, audit
from radiocov.web.settings import DAY_US

LEAST_DAYS = 30


def write_down(connection: sa.Connection, who: str, role: str, action: str, detail: str) -> None:
    """In the caller's transaction, so that what was done and what is written about it are one."""
    connection.execute(sa.insert(audit).values(at_us=now_us(), who=who, role=role, action=action, detail=detail))


def note(db: Database, who: str, role: str, action: str, detail: str) -> None:
    with db.write() as connection:
        write_down(connection, who, role, action, detail)


def trail(db: Database, limit: int, before: int | None = None) -> list[dict[str, Any]]:
    """The newest first; before: number of an entry, to read on."""
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    with db.read() as connection:
        rows = connection.execute(query).mappings().all()
    return _shown(rows)


def _shown(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"id": r["id"], "at": iso(r["at_us"]), **{k: r[k] for k in ("who", "role", "action", "detail")}}
            for r in rows]  # fmt: skip


def shorten(db: Database, days: float, who: str, file: Path | None = None, dry_run: bool = False) -> dict[str, Any]:
    """Remove entries older than a number of days; the receipt, which is an entry of the trail itself.

    file: takes the removed entries first, one JSON object a line. dry_run: only count. Raises DevicesError for fewer
    than LEAST_DAYS, and where the file is there already.
    """
    if days < LEAST_DAYS:
        raise DevicesError(f"{days:g} days: the audit trail is kept for at least {LEAST_DAYS}")
    if file is not None and file.exists():
        raise DevicesError(f"{file}: is there already; name another file for the removed entries")
    now = now_us()
    cutoff = now - int(days * DAY_US)
    with db.write() as connection:
        old = sa.select(audit).where(audit.c.at_us < cutoff).order_by(audit.c.id)
        found = _shown(connection.execute(old).mappings())
        receipt = {"before": iso(cutoff), "days": days, "removed": len(found), "dry_run": dry_run,
                   "first": found[0]["at"] if found else None, "last": found[-1]["at"] if found else None,
                   "file": str(file) if file is not None and found else ""}  # fmt: skip
        if dry_run or not found:
            return receipt
        if file is not None:
            with whole(file) as partial:
                partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), "utf-8")
        connection.execute(sa.delete(audit).where(audit.c.at_us < cutoff))
        text = f"{len(found)} entries from {receipt['first']} to {receipt['last']}, older than {days:g} days"
        write_down(connection, who, "", "shorten audit trail", text)
    return receipt
