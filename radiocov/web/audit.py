"""The audit trail: who did what, when."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from devices.store import iso, now_us
from radiocov.web.schema import Database, audit


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
    return [{"id": r["id"], "at": iso(r["at_us"]), **{k: r[k] for k in ("who", "role", "action", "detail")}}
            for r in rows]  # fmt: skip
