"""What the store remembers of imports, removals and looks into it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from devices import schema
from devices.errors import DevicesError
from devices.store import Store, iso


def imports(store: Store, batch: int | None = None) -> list[dict[str, Any]]:
    """Receipts, the newest first; `withdrawn` is when one stopped to stand for its file, else None."""
    table = schema.batches
    query = sa.select(table).order_by(table.c.id.desc())
    if batch is not None:
        query = query.where(table.c.id == batch)
    with store.read() as connection:
        rows = connection.execute(query).all()
    if batch is not None and not rows:
        raise DevicesError(f"there is no batch {batch}; `radiocov fleet receipts` lists them")
    return [
        json.loads(row.receipt) | {"withdrawn": None if row.reopened_us is None else iso(row.reopened_us)}
        for row in rows
    ]


def removals(store: Store) -> list[dict[str, Any]]:
    """Receipts of retention and of withdrawals, the newest first, with `what` in words."""
    table = schema.removals
    with store.read() as connection:
        found = connection.execute(sa.select(table.c.receipt).order_by(table.c.id.desc())).scalars().all()
    receipts = [json.loads(text) for text in found]
    for receipt in receipts:
        batch = receipt.get("withdrawn")
        receipt["what"] = f"before {receipt['before']}" if batch is None else f"batch {batch}, {receipt['file']}"
    return receipts


def accesses(store: Store) -> list[dict[str, Any]]:
    """The access log, the newest first."""
    table = schema.access_log
    names = ("who", "action", "detail", "identities")
    with store.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.id.desc())).mappings().all()
    return [{"at": iso(row["at_us"]), **{name: row[name] for name in names}} for row in rows]
