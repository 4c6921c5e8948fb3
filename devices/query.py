"""Records out of the store, in blocks of bounded memory: by time, area, device, unit, level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from devices import blocks, schema
from devices.errors import DevicesError
from devices.records import CATEGORIES
from devices.records import schema as record_schema
from devices.store import Store

VALUES = 1_000_000  # of a block
NUMBER_COLUMNS = ("device", "time_us", "occurrence", "batch", "row_no", "context", *schema.RECORD_NUMBERS)


@dataclass(frozen=True)
class Wanted:
    """Which records. from_us to to_us, the end excluded; bbox: lon_min, lat_min, lon_max, lat_max; polygon: a shapely
    geometry in WGS 84; devices: ids; unit: owner in the register; levels in dBm, a row without level passes none;
    batch: that import's, or with to_batch those of all imports between the two."""

    from_us: int | None = None
    to_us: int | None = None
    bbox: tuple[float, float, float, float] | None = None
    polygon: Any = None
    devices: Sequence[str] = ()
    unit: str = ""
    min_dbm: float | None = None
    max_dbm: float | None = None
    batch: int | None = None
    to_batch: int | None = None

    @property
    def last_batch(self) -> int | None:
        return self.batch if self.to_batch is None else self.to_batch

    def in_words(self) -> str:
        """For the access log."""
        given = {
            name: value for name, value in vars(self).items() if value not in (None, (), "") and name != "polygon"
        }
        return ", ".join(
            [f"{name} {value}" for name, value in given.items()] + ["polygon"] * (self.polygon is not None)
        )


def numbers(store: Store, wanted: Wanted, columns: Sequence[str] = NUMBER_COLUMNS) -> Iterator[dict[str, np.ndarray]]:
    """Blocks of columns of records, by device and time; NaN for unknown, whole numbers as int64."""
    bbox = wanted.bbox if wanted.polygon is None else wanted.polygon.bounds
    conditions = _conditions(wanted, bbox)
    size = VALUES // len(columns)
    held: list[dict[str, np.ndarray]] = []
    rows = 0
    with store.read() as connection:
        query = _select(connection, wanted, bbox)
        names = {*columns, *conditions, *(("lat", "lon") if wanted.polygon is not None else ())}
        for row, found in blocks.read(connection, query, names):
            block = {"device": np.full(row.rows, row.device)} | {
                name: found[name] if name in found else np.full(row.rows, np.nan) for name in names - {"device"}
            }
            block = _fitting(block, conditions, wanted.polygon)
            if not len(block["device"]):
                continue
            held.append({name: block[name] for name in columns})
            rows += len(block["device"])
            if rows >= size:
                yield _joined(held)
                held, rows = [], 0
    if held:
        yield _joined(held)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _conditions(wanted: Wanted, bbox: Any) -> dict[str, tuple[float | None, float | None]]:
    """Column -> its least and its greatest value that are wanted, None without a limit."""
    west, south, east, north = bbox or (None,) * 4
    limits: dict[str, tuple[float | None, float | None]] = {
        "time_us": (wanted.from_us, None if wanted.to_us is None else wanted.to_us - 1),
        "batch": (wanted.batch, wanted.last_batch), "lat": (south, north), "lon": (west, east),
        "rssi_dbm": (wanted.min_dbm, wanted.max_dbm),
    }  # fmt: skip
    return {name: limit for name, limit in limits.items() if limit != (None, None)}


def _fitting(block: dict[str, np.ndarray], conditions: dict[str, tuple[float | None, float | None]],
             polygon: Any) -> dict[str, np.ndarray]:  # fmt: skip
    good = np.ones(len(block["device"]), bool)
    for name, (least, greatest) in conditions.items():
        if least is not None:
            good &= block[name] >= least
        if greatest is not None:
            good &= block[name] <= greatest
    if polygon is not None:
        import shapely

        good[good] = shapely.contains_xy(polygon, block["lon"][good], block["lat"][good])
    return block if good.all() else {name: values[good] for name, values in block.items()}


def _select(connection: sa.Connection, wanted: Wanted, bbox: Any) -> sa.Select:
    """Blocks that can hold what is wanted."""
    table, handsets = schema.blocks, schema.handsets
    query = sa.select(table)
    if wanted.devices:
        known = (
            connection.execute(sa.select(handsets.c.device_id).where(handsets.c.device_id.in_(wanted.devices)))
            .scalars()
            .all()
        )
        missing = sorted(set(wanted.devices) - set(known))
        if missing:
            raise DevicesError(f"no handset {', '.join(missing)}; `radiocov fleet list` shows them")
        query = query.where(table.c.device.in_(sa.select(handsets.c.id).where(handsets.c.device_id.in_(known))))
    if wanted.unit:
        query = query.where(table.c.device.in_(sa.select(handsets.c.id).where(handsets.c.unit == wanted.unit)))
    if wanted.from_us is not None:
        query = query.where(table.c.last_us >= wanted.from_us)
    if wanted.to_us is not None:
        query = query.where(table.c.first_us < wanted.to_us)
    if bbox is not None:
        query = query.where(table.c.lon_max >= bbox[0], table.c.lat_max >= bbox[1], table.c.lon_min <= bbox[2],
                            table.c.lat_min <= bbox[3])  # fmt: skip
    if wanted.batch is not None:
        query = query.where(table.c.batch_min <= wanted.last_batch, table.c.batch_max >= wanted.batch)
    return query.order_by(table.c.device, table.c.first_us, table.c.last_us, table.c.id)


@dataclass
class Names:
    """What numbers of the store stand for. devices: number -> id; contexts: number -> its fields."""

    devices: dict[int, str]
    contexts: dict[int, dict[str, Any]]

    def where(self, field: str, value: Any) -> np.ndarray:
        """A table to look up, by the number of a context, whether a field of it has a value."""
        table = np.zeros(max(self.contexts, default=0) + 1, bool)
        for number, context in self.contexts.items():
            table[number] = context[field] == value
        return table


def names(store: Store) -> Names:
    with store.read() as connection:
        devices = connection.execute(sa.select(schema.handsets.c.id, schema.handsets.c.device_id)).all()
        contexts = connection.execute(sa.select(schema.contexts)).mappings().all()
    return Names({row.id: row.device_id for row in devices}, {row["id"]: dict(row) for row in contexts})


def tables(store: Store, wanted: Wanted) -> Iterator[pa.Table]:
    """Blocks of records with the columns of `records.schema()` and `batch`."""
    known = None
    for block in numbers(store, wanted):
        if known is None:
            known = names(store)
        yield to_table(block, known)


def to_table(block: dict[str, np.ndarray], known: Names) -> pa.Table:
    """A block of numbers with what they stand for."""
    used, inverse = np.unique(block["context"], return_inverse=True)
    contexts = [known.contexts[number] for number in used.tolist()]
    devices, device_codes = np.unique(block["device"], return_inverse=True)
    columns = {}
    for field in record_schema():
        name = field.name
        if name == "time_utc_us":
            columns[name] = pa.array(block["time_us"])
        elif name == "device_id":
            ids = pa.array([known.devices[number] for number in devices.tolist()])
            columns[name] = ids.take(pa.array(device_codes))
        elif name in schema.CONTEXT_FIELDS:
            values = pa.array([context[name] for context in contexts])
            if name in CATEGORIES:
                values = values.cast(pa.string())
            columns[name] = values.take(pa.array(inverse)).cast(field.type if name not in CATEGORIES else pa.string())
        elif name in block:
            columns[name] = pa.array(block[name], from_pandas=True).cast(field.type)
    return pa.table(columns | {"batch": pa.array(block["batch"])})
