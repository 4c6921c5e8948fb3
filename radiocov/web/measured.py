"""What was measured, for maps: figures of cells, kept up to date from the fleet store, and the points of one upload.

The sums are made from the store alone: batches are added in their order, and after a removal all are counted anew.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa

from devices import cells
from devices import schema as fleet
from devices.privacy import LEAST_DEVICES, LEAST_SAMPLES
from devices.query import Wanted, numbers
from devices.store import Store, now_us
from radiocov.web import schema, squares
from radiocov.web.schema import Database, meta
from radiocov.web.squares import SIDE_M, SIDES, Sums

MOST_POINTS = 5_000
BATCHES_AT_ONCE = 500
PARTS_HELD = 200
SQUARES_KEPT, ANSWERS_KEPT = 256, 64
Box = tuple[float, float, float, float]


def catch_up(db: Database, store: Store) -> None:
    """Count batches that are not counted yet; all of them anew after records were removed."""
    with db.read() as connection:
        known = dict(connection.execute(sa.select(meta.c.key, meta.c.value)).all())
    with store.read() as connection:
        removal = connection.execute(sa.select(sa.func.coalesce(sa.func.max(fleet.removals.c.id), 0))).scalar()
        newest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(fleet.batches.c.id), 0))).scalar()
    if str(removal) != known.get("cells_removal", "0"):
        with store.write():  # nothing comes in while all is counted
            _put(db, _counted(store, Wanted()), newest, removal, anew=True)
        return
    last = int(known.get("cells_batch", "0"))
    while last < newest:
        with store.read() as connection:
            rows = connection.execute(
                sa.select(fleet.batches.c.id, fleet.batches.c.first_us, fleet.batches.c.last_us,
                          fleet.batches.c.receipt)
                .where(fleet.batches.c.id > last, fleet.batches.c.id <= newest, fleet.batches.c.reopened_us.is_(None))
                .order_by(fleet.batches.c.id).limit(BATCHES_AT_ONCE)
            ).all()  # fmt: skip
        last = rows[-1].id if len(rows) == BATCHES_AT_ONCE else newest
        _put(db, _counted(store, wanted_of(rows)) if rows else None, last, removal)


def wanted_of(batches: list[Any]) -> Wanted:
    """The records of batches that follow one another, found by handset and time."""
    receipts = [json.loads(row.receipt) for row in batches]
    times = [(row.first_us, row.last_us) for row in batches if row.first_us is not None]
    named = {name for receipt in receipts for name in receipt["devices"]}
    if any(receipt["device_count"] != len(receipt["devices"]) for receipt in receipts):
        named = set()  # a receipt names no more than so many
    return Wanted(
        from_us=min((first for first, _ in times), default=0), to_us=max((last for _, last in times), default=-1) + 1,
        devices=tuple(sorted(named)), batch=batches[0].id, to_batch=batches[-1].id,
    )  # fmt: skip


def _counted(store: Store, wanted: Wanted) -> Sums | None:
    parts: list[Sums] = []
    for cell, device, level, silent in cells.samples(store, wanted, SIDE_M):
        parts.append(squares.counted(cell, device, level, silent))
        if len(parts) == PARTS_HELD:
            parts = [squares.joined(parts)]
    return squares.joined(parts) if parts else None


def _put(db: Database, sums: Sums | None, batch: int, removal: int, anew: bool = False) -> None:
    """Sums and how far they go, in one transaction. Nobody else writes them, so that they are read before it."""
    version, rows = now_us(), []
    for side in SIDES if sums is not None else ():
        found = squares.by_square(squares.coarser(sums, side), side)
        with db.read() as connection:
            for number, old in () if anew else _stored(connection, side, list(found)):
                found[number] = squares.joined([old, found[number]])
        rows += [{"side": side, "square": number, "version": version, "cells": len(found[number]),
                  "data": squares.packed(found[number])} for number in found]  # fmt: skip
    with db.write() as connection:
        if anew:
            connection.execute(sa.delete(_TABLE))
        if rows:
            connection.execute(_PUT, rows)
        for key, value in (("cells_batch", batch), ("cells_removal", removal)):
            connection.execute(sa.delete(meta).where(meta.c.key == key))
            connection.execute(sa.insert(meta).values(key=key, value=str(value)))


_TABLE = schema.squares
_PUT = sa.text(
    "insert into service_squares (side, square, version, cells, data) "
    "values (:side, :square, :version, :cells, :data) on conflict (side, square) do update "
    "set version = excluded.version, cells = excluded.cells, data = excluded.data"
)
_ASKED_AT_ONCE = 500  # databases take no endless lists


def _stored(connection: sa.Connection, side: int, wanted: list[int]) -> Iterator[tuple[int, Sums]]:
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        some = _TABLE.c.square.in_(wanted[start : start + _ASKED_AT_ONCE])
        rows = connection.execute(sa.select(_TABLE.c.square, _TABLE.c.cells, _TABLE.c.data).where(
            _TABLE.c.side == side, some)).all()  # fmt: skip
        yield from ((row.square, squares.unpacked(row.data, row.cells)) for row in rows)


class Cells:
    """Figures of cells in a box, as answers of the service. Squares and answers are held until they change."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._squares: OrderedDict[tuple[int, int], tuple[int, Sums]] = OrderedDict()
        self._answers: OrderedDict[tuple[Box, bool], tuple[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def within(self, box: Box, whole: bool, known: str = "") -> tuple[str, bytes | None]:
        """(tag of the content, JSON), of a box west, south, east, north in degrees; None where the tag is known.

        JSON: {side_m, cells: [[lat, lon, mean dBm or null, samples, no service], ...], held_back}. whole: also cells
        of so few handsets and samples that they tell where somebody was. Sides grow with the box.
        """
        side, wanted = squares.view(*box)
        query = sa.select(_TABLE.c.square, _TABLE.c.version).order_by(_TABLE.c.square)
        with self._db.read() as connection:
            rows = connection.execute(query.where(_TABLE.c.side == side, _TABLE.c.square.in_(wanted))).all()
        versions = {row.square: row.version for row in rows}
        tag = hashlib.sha256(repr((box, whole, versions)).encode()).hexdigest()[:32]
        if tag == known:
            return tag, None
        with self._lock:
            if self._answers.get((box, whole), ("",))[0] != tag:
                found = self._sums(side, versions)
                self._answers[box, whole] = tag, json.dumps(_shown(found, side, box, whole)).encode()
            return tag, _used(self._answers, (box, whole), ANSWERS_KEPT)[1]

    def _sums(self, side: int, versions: dict[int, int]) -> list[Sums]:
        stale = [square for square, version in versions.items()
                 if self._squares.get((side, square), (0,))[0] != version]  # fmt: skip
        with self._db.read() as connection:
            for square, sums in _stored(connection, side, stale):
                self._squares[side, square] = versions[square], sums
        return [_used(self._squares, (side, square), SQUARES_KEPT)[1] for square in versions]


def _used(held: OrderedDict, key: Any, most: int) -> Any:
    """What is held by a key, which is forgotten last."""
    held.move_to_end(key)
    while len(held) > most:
        held.popitem(last=False)
    return held[key]


def _shown(found: list[Sums], side: int, box: Box, whole: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"side_m": side * SIDE_M, "cells": [], "held_back": 0}
    for sums in found:
        lat, lon = cells.centre_of(sums.cell, SIDE_M * side)
        west, south, east, north = box
        inside = (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
        few = sums.samples + sums.no_service < LEAST_SAMPLES
        shown = inside & (whole | ~few | (sums.devices[:, LEAST_DEVICES - 1] > 0))
        answer["held_back"] += int(inside.sum() - shown.sum())
        mean = np.round(sums.level_sum[shown] / np.maximum(sums.samples[shown], 1), 1)
        answer["cells"] += [
            [y, x, level if samples else None, samples, silent]
            for y, x, level, samples, silent in zip(
                np.round(lat[shown], 5).tolist(), np.round(lon[shown], 5).tolist(), mean.tolist(),
                sums.samples[shown].tolist(), sums.no_service[shown].tolist(), strict=True)
        ]  # fmt: skip
    return answer


def points_of(store: Store, batch: int) -> dict[str, Any]:
    """Points of a batch's records, in order of time: {points: [[lat, lon, dBm or null], ...], rows, every}. Of many
    every n-th is given."""
    with store.read() as connection:
        row = connection.execute(sa.select(fleet.batches).where(fleet.batches.c.id == batch)).first()
    if row is None or row.first_us is None:
        return {"points": [], "rows": 0, "every": 1}
    blocks = list(numbers(store, wanted_of([row]), ("lat", "lon", "rssi_dbm")))
    if not blocks:
        return {"points": [], "rows": 0, "every": 1}
    lat, lon, level = (np.concatenate([block[name] for block in blocks]) for name in ("lat", "lon", "rssi_dbm"))
    there = ~(np.isnan(lat) | np.isnan(lon))
    every = max(1, -(-int(there.sum()) // MOST_POINTS))
    kept = np.flatnonzero(there)[::every]
    points = [
        [round(y, 6), round(x, 6), None if np.isnan(v) else round(v, 1)]
        for y, x, v in zip(lat[kept].tolist(), lon[kept].tolist(), level[kept].tolist(), strict=True)
    ]
    return {"points": points, "rows": len(lat), "every": every}
