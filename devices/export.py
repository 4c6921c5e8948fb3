"""Records and figures of cells to GeoPackage, Parquet and CSV, streamed, with the format told by the file's name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices import cells, privacy, query
from devices.errors import DevicesError
from devices.query import Wanted
from devices.reject_files import FORMULA_STARTS, whole
from devices.store import Store

FORMATS = (".gpkg", ".parquet", ".csv")
Rows = Callable[[int], None]


def export_records(store: Store, wanted: Wanted, path: Path, identities: bool = False, who: str = "",
                   progress: Rows | None = None) -> dict[str, Any]:  # fmt: skip
    """Records to a file, in constant memory. identities: real ids, for the holder of the key of pseudonyms.

    Raises DevicesError for an unknown format, or identities without the key.
    """
    _check_format(path)
    key, made = privacy.read_key(make=not identities)
    privacy.log_access(store, "export records", f"{wanted.in_words()} to {path.name}", 0, identities, who)
    counted = [0]

    def blocks() -> Iterator[pa.Table]:
        for table in query.tables(store, wanted):
            counted[0] += table.num_rows
            if progress is not None:
                progress(counted[0])
            yield _with_time(table if identities else privacy.pseudonymised(table, key))

    write(blocks(), path, "records")
    return {"file": str(path), "rows": counted[0], "identities": identities,
            "key_file": str(privacy.key_path()), "key_made": made}  # fmt: skip


def export_cells(store: Store, wanted: Wanted, side_m: float, path: Path, who: str = "") -> dict[str, Any]:
    """Figures of cells to a file; those of too few handsets and samples stay in the unit, and are counted."""
    _check_format(path)
    privacy.log_access(store, "export cells", f"{wanted.in_words()} to {path.name}", 0, False, who)
    kept, held_back = privacy.suppressed(cells.per_cell(store, wanted, side_m))
    table = kept.append_column("side_m", pa.array(np.full(kept.num_rows, side_m)))
    write(iter([table]), path, "cells")
    return {"file": str(path), "rows": kept.num_rows, "held_back": held_back, "side_m": side_m}


def write(blocks: Iterable[pa.Table], path: Path, layer: str) -> None:
    """Blocks of one shape to a file that appears when it is whole; nothing at all is an error."""
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None or not first.num_rows:
        raise DevicesError("no records are wanted by these conditions: nothing written")
    stream = itertools.chain([first], blocks)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        {".gpkg": _geopackage, ".parquet": _parquet, ".csv": _csv}[path.suffix.lower()](
            stream, first.schema, partial, layer
        )


def _check_format(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise DevicesError(f"{path.name}: the name has to end in {', '.join(FORMATS)}")


def _with_time(table: pa.Table) -> pa.Table:
    stamps = pc.cast(table.column("time_utc_us"), pa.timestamp("us", "UTC"))
    at = table.schema.get_field_index("time_utc_us")
    return table.set_column(at, "time_utc", stamps)


def _parquet(blocks: Iterator[pa.Table], schema: pa.Schema, path: Path, layer: str) -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for block in blocks:
            writer.write_table(block)


def _csv(blocks: Iterator[pa.Table], schema: pa.Schema, path: Path, layer: str) -> None:
    from pyarrow import csv

    schema = pa.schema([pa.field(f.name, pa.string() if pa.types.is_timestamp(f.type) else f.type) for f in schema])
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")  # spreadsheets take it for UTF-8 then
        with csv.CSVWriter(file, schema) as writer:
            for block in blocks:
                writer.write_table(_plain(block, schema))


def _plain(block: pa.Table, schema: pa.Schema) -> pa.Table:
    """Times as ISO 8601 texts, and texts that no spreadsheet takes for a formula."""
    columns = []
    for name, column in zip(block.column_names, block.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_string(column.type):
            start = "^[" + "".join("\\" + char if char in "-+=@" else char for char in FORMULA_STARTS) + "]"
            column = pc.if_else(
                pc.and_(pc.match_substring_regex(column, start),
                        pc.invert(pc.match_substring_regex(column, r"^[-+]?[\d.]+$"))),
                pc.binary_join_element_wise("'", column, ""), column)  # fmt: skip
        columns.append(column.cast(schema.field(name).type))
    return pa.Table.from_arrays(columns, schema=schema)


def _geopackage(blocks: Iterator[pa.Table], schema: pa.Schema, path: Path, layer: str) -> None:
    """Points; a record without position is a row without geometry."""
    import pyogrio
    import shapely

    fields = [pa.field(f.name, f.type) for f in schema]
    geometry = pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    out = pa.schema([*fields, geometry])

    def batches() -> Iterator[pa.RecordBatch]:
        for block in blocks:
            lon = block.column("lon").to_numpy().astype(float)
            lat = block.column("lat").to_numpy().astype(float)
            there = ~(np.isnan(lon) | np.isnan(lat))
            points = np.full(len(lon), None, object)
            points[there] = shapely.to_wkb(shapely.points(lon[there], lat[there]))
            table = block.append_column(geometry, pa.array(points, pa.binary()))
            yield from table.cast(out).to_batches()

    reader = pa.RecordBatchReader.from_batches(out, batches())
    pyogrio.write_arrow(reader, path, layer=layer, driver="GPKG", geometry_name="geometry", geometry_type="Point",
                        crs="EPSG:4326")  # fmt: skip
