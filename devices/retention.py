"""What is old goes, and is told; figures of cells stay. And the withdrawal of an import that was a mistake."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import sqlalchemy as sa

from devices import blocks, cells, query, schema
from devices.errors import DevicesError
from devices.query import Wanted
from devices.store import Store, iso, now_us, this_person

DAY_US = 86_400_000_000
KEEP_DAYS = 90
KEPT_SIDE_M = 100.0


def remove_old(store: Store, days: float = KEEP_DAYS, who: str = "", dry_run: bool = False) -> dict[str, Any]:
    """Remove records older than a number of days, keeping the figures of their cells month by month; the receipt.

    The receipt is stored, and the freed pages are overwritten. dry_run: only count.
    """
    if days < 1:
        raise DevicesError(f"{days:g} days: keep at least one")
    now = now_us()
    cutoff = now - int(days * DAY_US)
    table = schema.blocks
    first_us, found = _older(store, cutoff)
    rows = sum(found.values())
    receipt = {
        "at": iso(now), "who": who or this_person(), "days": days, "before": iso(cutoff), "removed": rows,
        "first_time": None if first_us is None else iso(first_us), "devices": dict(sorted(found.items())),
        "cells_kept": 0, "dry_run": dry_run,
    }  # fmt: skip
    if dry_run or not rows:
        return receipt
    with store.write() as connection:  # from here on nothing comes in
        kept = _months(store, first_us, cutoff)
        receipt["cells_kept"] = len(kept)
        for values in kept:
            _keep_cell(connection, values)
        receipt["removed"] = blocks.drop(connection, table.c.first_us < cutoff, table.c.last_us < cutoff,
                                         lambda columns: columns["time_us"] < cutoff)  # fmt: skip
        connection.execute(sa.insert(schema.removals).values(
            at_us=now, who=receipt["who"], receipt=json.dumps(receipt, ensure_ascii=False)))  # fmt: skip
    _truncate_log(store)
    return receipt


def _older(store: Store, cutoff: int) -> tuple[int | None, dict[str, int]]:
    """(time of the oldest record, number of records before the cutoff by handset)."""
    table = schema.blocks
    names = query.names(store).devices
    counts: dict[str, int] = {}
    first = None
    with store.read() as connection:
        whole = connection.execute(
            sa.select(table.c.device, sa.func.sum(table.c.rows), sa.func.min(table.c.first_us))
            .where(table.c.last_us < cutoff).group_by(table.c.device)
        )  # fmt: skip
        partly = blocks.read(
            connection, sa.select(table).where(table.c.first_us < cutoff, table.c.last_us >= cutoff), ("time_us",)
        )
        found = [(row.device, int((columns["time_us"] < cutoff).sum()), row.first_us) for row, columns in partly]
        for device, rows, oldest in [*whole, *found]:
            counts[names[device]] = counts.get(names[device], 0) + int(rows)
            first = oldest if first is None else min(first, oldest)
    return first, counts


def _months(store: Store, first_us: int, end_us: int) -> list[dict[str, Any]]:
    """Figures of every cell in every month, without identities."""
    kept = []
    start = dt.datetime.fromtimestamp(first_us / 1e6, dt.UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    while start.timestamp() * 1e6 < end_us:
        following = (start + dt.timedelta(days=32)).replace(day=1)
        span = Wanted(from_us=int(start.timestamp() * 1e6), to_us=min(end_us, int(following.timestamp() * 1e6)))
        for row in cells.per_cell(store, span, KEPT_SIDE_M).to_pylist():
            kept.append({
                "cell": row["cell"], "month": f"{start:%Y-%m}", "devices": row["devices"],
                "samples": row["samples"], "mean_dbm": row["mean_dbm"], "sd_db": row["sd_db"],
                "no_service": row["no_service"],
            })  # fmt: skip
        start = following
    return kept


def _keep_cell(connection: sa.Connection, new: dict[str, Any]) -> None:
    """Store the figures of a cell; those of the same month from an earlier removal are joined to them.

    Handsets cannot be told apart any more: their number is the larger of the two.
    """
    table = schema.kept_cells
    here = (table.c.cell == new["cell"]) & (table.c.month == new["month"])
    old = connection.execute(sa.select(table).where(here)).mappings().first()
    if old is None:
        connection.execute(sa.insert(table).values(new))
        return
    n, m = old["samples"], new["samples"]
    joined = {**new, "samples": n + m, "no_service": old["no_service"] + new["no_service"],
              "devices": max(old["devices"], new["devices"])}  # fmt: skip
    if n and m:
        mean = (n * old["mean_dbm"] + m * new["mean_dbm"]) / (n + m)
        squares = sum(k * (row["mean_dbm"] - mean) ** 2 + max(0, k - 1) * (row["sd_db"] or 0.0) ** 2
                      for k, row in ((n, old), (m, new)))  # fmt: skip
        joined |= {"mean_dbm": mean, "sd_db": float(np.sqrt(squares / (n + m - 1)))}
    elif n:
        joined |= {"mean_dbm": old["mean_dbm"], "sd_db": old["sd_db"]}
    connection.execute(sa.update(table).where(here).values(joined))


def withdraw(store: Store, batch: int, who: str = "") -> dict[str, Any]:
    """Take an import back: its records go, its receipt no longer stands for the file. The receipt of that.

    Rows that later imports brought as well went with it, because they were stored once: the files to import again are
    named, and may be.
    """
    now = now_us()
    table, records = schema.batches, schema.blocks
    with store.write() as connection:
        row = connection.execute(sa.select(table).where(table.c.id == batch)).first()
        if row is None or row.reopened_us is not None:
            raise DevicesError(f"there is no batch {batch} that stands; `radiocov fleet receipts` lists them")
        overlapping = connection.execute(
            sa.select(table.c.id, table.c.receipt).where(
                table.c.id > batch, table.c.reopened_us.is_(None), table.c.first_us <= row.last_us,
                table.c.last_us >= row.first_us)
        ).all()  # fmt: skip
        again = {r.id: json.loads(r.receipt) for r in overlapping if json.loads(r.receipt)["duplicate"]}
        removed = blocks.drop(
            connection, (records.c.batch_min <= batch) & (records.c.batch_max >= batch),
            (records.c.batch_min == batch) & (records.c.batch_max == batch),
            lambda columns: columns["batch"] == batch,
        )  # fmt: skip
        connection.execute(sa.update(table).where(table.c.id.in_([batch, *again])).values(reopened_us=now))
        receipt = {
            "at": iso(now), "who": who or this_person(), "withdrawn": batch, "file": json.loads(row.receipt)["file"],
            "removed": removed, "import_again": [r["file"] for r in again.values()],
        }  # fmt: skip
        connection.execute(sa.insert(schema.removals).values(
            at_us=now, who=receipt["who"], receipt=json.dumps(receipt, ensure_ascii=False)))  # fmt: skip
    _truncate_log(store)
    return receipt


def _truncate_log(store: Store) -> None:
    """What was removed must not live on in SQLite's write-ahead log."""
    if not store.is_postgres:
        with store.engine.connect() as connection:
            connection.connection.driver_connection.execute("pragma wal_checkpoint(truncate)")
