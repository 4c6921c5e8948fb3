"""Records out of the store, in blocks of bounded memory: by time, area, device, unit, level."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from devices import schema
from devices.errors import DevicesError
from devices.postgres import copy_out
from devices.records import CATEGORIES
from devices.records import schema as record_schema
from devices.store import Store

VALUES = 1_000_000  # of a block
WHOLE = ("device", "time_us", "occurrence", "batch", "row_no", "context")
NUMBER_COLUMNS = (*WHOLE, *schema.RECORD_NUMBERS)


@dataclass(frozen=True)
class Wanted:
    """Which records. from_us to to_us, the end excluded; bbox: lon_min, lat_min, lon_max, lat_max; polygon: a shapely
    geometry in WGS 84; devices: ids; unit: owner in the register; levels in dBm, a row without level passes none."""

    from_us: int | None = None
    to_us: int | None = None
    bbox: tuple[float, float, float, float] | None = None
    polygon: Any = None
    devices: Sequence[str] = ()
    unit: str = ""
    min_dbm: float | None = None
    max_dbm: float | None = None
    batch: int | None = None

    def in_words(self) -> str:
        """For the access log."""
        given = {
            name: value for name, value in vars(self).items() if value not in (None, (), "") and name != "polygon"
        }
        return ", ".join(
            [f"{name} {value}" for name, value in given.items()] + ["polygon"] * (self.polygon is not None)
        )


def numbers(store: Store, wanted: Wanted, columns: Sequence[str] = NUMBER_COLUMNS) -> Iterator[dict[str, np.ndarray]]:
    """Blocks of columns of `records`, by device and time; NaN for null, whole numbers as int64."""
    bbox = wanted.bbox if wanted.polygon is None else wanted.polygon.bounds
    wanted_columns = list(dict.fromkeys([*columns, *(("lat", "lon") if wanted.polygon is not None else ())]))
    with store.read() as connection:
        query = _select(connection, wanted, wanted_columns, bbox)
        size = VALUES // len(wanted_columns)
        read = copy_out if store.is_postgres else _rows
        for values in read(connection, query, len(wanted_columns), size):
            block = _columns(values, wanted_columns)
            if wanted.polygon is not None:
                block = _inside(block, wanted.polygon)
            if len(block[wanted_columns[0]]):
                yield block


def _rows(connection: sa.Connection, query: sa.Select, columns: int, size: int) -> Iterator[np.ndarray]:
    """Blocks of a query's rows on SQLite, whose own cursor hands them out as they come, as plain tuples."""
    cursor = connection.execute(query).cursor
    while rows := cursor.fetchmany(size):
        flat = np.fromiter(itertools.chain.from_iterable(rows), np.float64, len(rows) * columns)
        yield flat.reshape(len(rows), columns)


def _columns(values: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Every number is exact as a float64 (times too, for another 200 years); infinity stands for null."""
    return {
        name: column.astype(np.int64) if name in WHOLE else np.where(np.isinf(column), np.nan, column)
        for name, column in zip(names, values.T, strict=True)
    }


def _select(connection: sa.Connection, wanted: Wanted, columns: list[str], bbox: Any) -> sa.Select:
    table, handsets = schema.records, schema.handsets
    infinity = sa.literal_column("'Infinity'::float8" if connection.dialect.name == "postgresql" else "9e999")
    query = sa.select(*(table.c[name] if name in WHOLE else sa.func.coalesce(table.c[name], infinity)
                        for name in columns))  # fmt: skip
    chosen = sa.select(handsets.c.id)
    if wanted.devices:
        known = (
            connection.execute(sa.select(handsets.c.device_id).where(handsets.c.device_id.in_(wanted.devices)))
            .scalars()
            .all()
        )
        missing = sorted(set(wanted.devices) - set(known))
        if missing:
            raise DevicesError(f"no handset {', '.join(missing)}; `radiocov fleet list` shows them")
        chosen = chosen.where(handsets.c.device_id.in_(wanted.devices))
    if wanted.unit:
        chosen = chosen.where(handsets.c.unit == wanted.unit)
    if wanted.devices or wanted.unit or wanted.from_us is not None or wanted.to_us is not None:
        ids = connection.execute(chosen).scalars().all()
        query = query.where(table.c.device.in_(ids))  # with the device, a span of time is found by the key
    if wanted.from_us is not None:
        query = query.where(table.c.time_us >= wanted.from_us)
    if wanted.to_us is not None:
        query = query.where(table.c.time_us < wanted.to_us)
    if bbox is not None:
        query = query.where(table.c.lon.between(bbox[0], bbox[2]), table.c.lat.between(bbox[1], bbox[3]))
    if wanted.min_dbm is not None:
        query = query.where(table.c.rssi_dbm >= wanted.min_dbm)
    if wanted.max_dbm is not None:
        query = query.where(table.c.rssi_dbm <= wanted.max_dbm)
    if wanted.batch is not None:
        query = query.where(table.c.batch == wanted.batch)
    return query.order_by(table.c.device, table.c.time_us, table.c.identity, table.c.occurrence)


def _inside(block: dict[str, np.ndarray], polygon: Any) -> dict[str, np.ndarray]:
    import shapely

    inside = shapely.contains_xy(polygon, block["lon"], block["lat"])
    return {name: values[inside] for name, values in block.items()}


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
