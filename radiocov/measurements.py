"""Signal logs as plain arrays: from files, or from the project's fleet store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from devices import formats, schema
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.query import Wanted, names, numbers
from devices.simulated import SYNTHETIC
from devices.store import Store
from radiocov.fleet_store import area_of, fallback_folder, road_distance, store_of
from radiocov.project import Project
from targets.acceptance import Samples

COLUMNS = ("device", "time_us", "context", "lat", "lon", "rssi_dbm")
DIRECTIONS = {"talk_out": "talk-out", "talk_in": "talk-in"}
SILENT = ("no_service", "searching")


@dataclass
class Measurements:
    """samples: by direction, "talk-out" and "talk-in". devices: id by number. counts: rows read, used, and left out
    by reason. sources: file names, or the store's. first_us, last_us: of the samples used, 0 where there are none."""

    samples: dict[str, Samples]
    devices: dict[int, str]
    counts: dict[str, int]
    sources: list[str]
    notes: list[str] = field(default_factory=list)
    first_us: int = 0
    last_us: int = 0


def read_logs(
    project: Project,
    files: Sequence[str] = (),
    declared: Declared | None = None,
    format_: str = "",
    store_url: str = "",
    progress: Callable[[str, int, int], None] | None = None,
) -> Measurements:
    """Measured levels of log files, or of the fleet store where no file is named.

    Only the serving cell's rows count. A row without level in a state without service is a sample that was not heard.
    What a bench found a handset of the store to read too high is taken off. DevicesError for a file that cannot be
    read, or where there is no store.
    """
    with imported(project, files, declared, format_, store_url, progress) as (store, receipts):
        if not files:
            return _collect(store, [store.name], {})
        counts, rejected = left_out(receipts)
        found = _collect(store, [Path(name).name for name in files], counts)
        found.notes += rejected
        found.counts["read"] = sum(r["rows_read"] for r in receipts)
        return found


@contextmanager
def imported(
    project: Project,
    files: Sequence[str],
    declared: Declared | None,
    format_: str,
    store_url: str,
    progress: Callable[[str, int, int], None] | None,
    roads: Sequence[Any] | None = None,
) -> Iterator[tuple[Store, list[dict[str, Any]]]]:
    """A store that holds log files, with their receipts; the fleet store, without any, where no file is named.

    roads: their lines in degrees, where they are read already.
    """
    if not files:
        with store_of(project, store_url, create=False) as store:
            yield store, []
        return
    description = formats.load(format_) if format_ else None
    order = Order(declared or Declared(), description, area=area_of(project), fallback=fallback_folder(project),
                  road_distance=road_distance(project, roads))  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="radiocov-logs-") as folder, Store(Path(folder) / "logs.sqlite") as store:
        yield store, [import_file(store, Path(name), order, progress) for name in files]


def left_out(receipts: Sequence[dict[str, Any]]) -> tuple[dict[str, int], list[str]]:
    """How many rows of some imports were rejected and duplicate; in words, where the rejected ones are listed and
    what the imports noticed."""
    counts = {key: sum(r[key] for r in receipts) for key in ("rejected", "duplicate")}
    lists = [f"{r['file']}: {r['rejected']} rows rejected, listed in {r['reject_file']}"
             for r in receipts if r["rejected"]]  # fmt: skip
    return counts, lists + [f"{r['file']}: {note}" for r in receipts for note in r["notes"]]


def _collect(store: Store, sources: list[str], counts: dict[str, int]) -> Measurements:
    blocks: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in DIRECTIONS.values()}
    counts = {"read": 0, "used": 0, "rejected": 0, "duplicate": 0, "without position": 0, "without level": 0,
              "neighbour cell": 0, "direct mode": 0, "simulated": 0} | counts  # fmt: skip
    known, offsets = None, bench_offsets(store)
    for block in numbers(store, Wanted(), COLUMNS):
        known = known or names(store)
        counts["read"] += len(block["time_us"])
        censor = known.where("rssi_censor", "below")[block["context"]]
        silent = np.isin(block["context"], _contexts(known, "service_state", SILENT)) & np.isnan(block["rssi_dbm"])
        serving = known.where("role", "serving")[block["context"]]
        direct = known.where("direction", "direct")[block["context"]]
        placed = ~np.isnan(block["lat"]) & ~np.isnan(block["lon"])
        heard = ~np.isnan(block["rssi_dbm"]) | silent
        left = serving & ~direct
        counts["neighbour cell"] += int(np.sum(~serving))
        counts["direct mode"] += int(np.sum(serving & direct))
        counts["without position"] += int(np.sum(left & ~placed))
        counts["without level"] += int(np.sum(left & placed & ~heard))
        use = left & placed & heard
        counts["used"] += int(use.sum())
        counts["simulated"] += int(np.sum(use & np.isin(block["context"], _simulated(known))))
        level = block["rssi_dbm"] - offsets[block["device"]]
        for word, name in DIRECTIONS.items():
            mine = use & known.where("direction", word)[block["context"]]
            if mine.any():
                columns = {c: block[c][mine] for c in ("lon", "lat", "time_us", "device")}
                blocks[name].append(columns | {"level": level[mine], "censored": (censor | silent)[mine]})
    samples = {name: _samples(parts) for name, parts in blocks.items() if parts}
    times = [edge for s in samples.values() for edge in (int(s.time_us.min()), int(s.time_us.max()))]
    return Measurements(samples, known.devices if known else {}, counts, sources, [], min(times, default=0),
                        max(times, default=0))  # fmt: skip


def _samples(parts: list[dict[str, np.ndarray]]) -> Samples:
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Samples(
        joined["lon"], joined["lat"], joined["time_us"], joined["level"], joined["censored"], joined["device"]
    )


def _simulated(known: Any) -> list[int]:
    return [number for number, context in known.contexts.items() if SYNTHETIC in (context["flags"] or "").split()]


def _contexts(known: Any, name: str, values: Sequence[str]) -> list[int]:
    return [number for number, context in known.contexts.items() if context[name] in values]


def bench_offsets(store: Store) -> np.ndarray:
    """dB that each handset reads too high, by its number; 0 where no bench has said."""
    with store.read() as connection:
        rows = connection.execute(sa.select(schema.handsets.c.id, schema.handsets.c.calibration_offset_db)).all()
    table = np.zeros(max((row.id for row in rows), default=0) + 1)
    for row in rows:
        table[row.id] = row.calibration_offset_db or 0.0
    return table
