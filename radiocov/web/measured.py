"""What was measured, for maps: figures of cells, kept up to date from the fleet store, and the points of one upload.

The sums are of cells of 100 m and handsets, so that reading them costs what is shown and not what is stored. They are
made from the store alone: batches are added in their order, and after a removal all are counted anew.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import sqlalchemy as sa

from devices import cells as squares
from devices import schema as fleet
from devices.privacy import LEAST_DEVICES, LEAST_SAMPLES
from devices.query import Wanted, numbers
from devices.store import Store
from radiocov.web.schema import Database, cells, meta

SIDE_M = 100.0
MOST_CELLS = 8_000
MOST_POINTS = 5_000
BATCHES_AT_ONCE = 200
COARSER = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # sides of what is shown, in sides of what is kept
Sums = dict[tuple[int, int], list[float]]
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
            sums: Sums = {}
            _add(sums, store, Wanted())
            _put(db, sums, newest, removal, anew=True)
        return
    last = int(known.get("cells_batch", "0"))
    while last < newest:
        with store.read() as connection:
            rows = connection.execute(
                sa.select(fleet.batches).where(fleet.batches.c.id > last, fleet.batches.c.reopened_us.is_(None))
                .order_by(fleet.batches.c.id).limit(BATCHES_AT_ONCE)
            ).all()  # fmt: skip
        sums = {}
        for row in rows:
            receipt = json.loads(row.receipt)
            if receipt["accepted"]:
                _add(sums, store, wanted_of(row.id, row.first_us, row.last_us, receipt))
        last = rows[-1].id if rows else newest
        _put(db, sums, last, removal)


def wanted_of(batch: int, first_us: int, last_us: int, receipt: dict[str, Any]) -> Wanted:
    """The records of a batch, found by handset and time."""
    named = tuple(receipt["devices"]) if receipt["device_count"] == len(receipt["devices"]) else ()
    return Wanted(from_us=first_us, to_us=last_us + 1, devices=named, batch=batch)


def _add(sums: Sums, store: Store, wanted: Wanted) -> None:
    for cell, device, level, silent in squares.samples(store, wanted, SIDE_M):
        numbered, inverse = np.unique(cell, return_inverse=True)
        heard = np.bincount(inverse, ~silent, len(numbered))
        quiet = np.bincount(inverse, silent, len(numbered))
        level_sum = np.bincount(inverse, np.where(silent, 0.0, level), len(numbered))
        for key, *values in zip(numbered.tolist(), heard.tolist(), level_sum.tolist(), quiet.tolist(), strict=True):
            total = sums.setdefault((key, device), [0.0, 0.0, 0.0])
            for at, value in enumerate(values):
                total[at] += value


_UPSERT = sa.text(
    "insert into service_cells (cell, device, lat, lon, samples, level_sum, no_service) "
    "values (:cell, :device, :lat, :lon, :samples, :level_sum, :no_service) "
    "on conflict (cell, device) do update set samples = service_cells.samples + excluded.samples, "
    "level_sum = service_cells.level_sum + excluded.level_sum, "
    "no_service = service_cells.no_service + excluded.no_service"
)


def _put(db: Database, sums: Sums, batch: int, removal: int, anew: bool = False) -> None:
    """Sums and how far they go, in one transaction."""
    numbered = np.array([cell for cell, _ in sums], np.int64)
    lat, lon = squares.centre_of(numbered, SIDE_M)
    places = zip(sums.items(), lat.tolist(), lon.tolist(), strict=True)
    rows = [
        {"cell": cell, "device": device, "lat": y, "lon": x, "samples": int(heard), "level_sum": level,
         "no_service": int(quiet)}
        for ((cell, device), (heard, level, quiet)), y, x in places
    ]  # fmt: skip
    with db.write() as connection:
        if anew:
            connection.execute(sa.delete(cells))
        if rows:
            connection.execute(_UPSERT, rows)
        for key, value in (("cells_batch", batch), ("cells_removal", removal)):
            connection.execute(sa.delete(meta).where(meta.c.key == key))
            connection.execute(sa.insert(meta).values(key=key, value=str(value)))


def cells_in(db: Database, box: Box, whole: bool) -> dict[str, Any]:
    """Figures of cells in a box of longitude and latitude: {side_m, cells: [[lat, lon, mean dBm or null, samples,
    no service], ...], held_back}.

    whole: also those of so few handsets and samples that they tell where somebody was. Sides grow with the box.
    """
    west, south, east, north = box
    across_m = max(north - south, (east - west) * np.cos(np.radians((north + south) / 2))) * squares.METRES_A_DEGREE
    times = next((n for n in COARSER if across_m / (SIDE_M * n) <= np.sqrt(MOST_CELLS)), COARSER[-1])
    step = times * SIDE_M / squares.METRES_A_DEGREE
    wide = step / max(0.01, float(np.cos(np.radians((north + south) / 2))))
    table = cells.c
    # SQLite has no floor; PostgreSQL knows an expression again only where the numbers stand in it
    row, column = (sa.func.round(place / sa.literal_column(repr(float(side))) - sa.literal_column("0.5"))
                   for place, side in ((table.lat, step), (table.lon, wide)))  # fmt: skip
    heard, quiet = sa.func.sum(table.samples), sa.func.sum(table.no_service)
    query = (
        sa.select(sa.func.avg(table.lat), sa.func.avg(table.lon), sa.func.sum(table.level_sum), heard, quiet,
                  sa.func.count(table.device.distinct()))
        .where(table.lat.between(south, north), table.lon.between(west, east))
        .group_by(row, column).order_by(row, column)
    )  # fmt: skip
    with db.read() as connection:
        found = connection.execute(query).all()
    shown = [
        [round(lat, 5), round(lon, 5), round(level / int(samples), 1) if samples else None, int(samples), int(silent)]
        for lat, lon, level, samples, silent, devices in found
        if whole or devices >= LEAST_DEVICES or samples + silent >= LEAST_SAMPLES
    ]
    return {"side_m": times * SIDE_M, "cells": shown[: 2 * MOST_CELLS], "held_back": len(found) - len(shown)}


def points_of(store: Store, batch: int) -> dict[str, Any]:
    """Points of a batch's records, in order of time: {points: [[lat, lon, dBm or null], ...], rows, every}. Of many
    every n-th is given."""
    with store.read() as connection:
        row = connection.execute(sa.select(fleet.batches).where(fleet.batches.c.id == batch)).first()
    if row is None or row.first_us is None:
        return {"points": [], "rows": 0, "every": 1}
    receipt = json.loads(row.receipt)
    blocks = list(numbers(store, wanted_of(batch, row.first_us, row.last_us, receipt), ("lat", "lon", "rssi_dbm")))
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
