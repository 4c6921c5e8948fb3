"""Records out again: conditions, formats, pseudonyms, small groups, retention, and what is written down."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import shapely
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from devices import cells, fleet, privacy, query, retention, schema
from devices.errors import DevicesError
from devices.export import export_cells, export_records
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.query import Wanted
from devices.store import Store, now_us

HEADER = "time,device_id,lat,lon,rssi_dbm,site_id\n"
START = 1764403200000000  # 2025-11-29T08:00:00Z


@pytest.fixture
def filled(store, tmp_path):
    """Three handsets, 50 rows each, a row a second on parallel streets."""
    lines = [f"2025-11-29T08:00:{s:02}Z,{d},{41.8 + s * 1e-4:.4f},{123.4 + n * 0.01:.2f},{-60 - s},S{n}"
             for n, d in enumerate(("A1", "B2", "C3")) for s in range(50)]  # fmt: skip
    (tmp_path / "log.csv").write_text(HEADER + "\n".join(lines) + "\n")
    import_file(store, tmp_path / "log.csv", Order(Declared(datum="wgs84")))
    fleet.add(store, {"device_id": "B2", "unit": "2nd"})
    return store


def count(store, **wanted):
    return sum(table.num_rows for table in query.tables(store, Wanted(**wanted)))


def test_conditions(filled):
    assert count(filled) == 150
    assert count(filled, from_us=START + 10_000_000, to_us=START + 20_000_000) == 30  # the end excluded
    assert count(filled, devices=["A1", "C3"]) == 100 and count(filled, unit="2nd") == 50
    assert count(filled, min_dbm=-69, max_dbm=-65) == 15
    assert count(filled, bbox=(123.405, 41.8, 123.415, 41.80095)) == 10
    triangle = shapely.Polygon([(123.395, 41.7999), (123.405, 41.7999), (123.395, 41.8049)])
    inside = [s for s in range(50) if triangle.contains(shapely.Point(123.4, 41.8 + s * 1e-4))]
    assert count(filled, polygon=triangle) == len(inside) > 10
    with pytest.raises(DevicesError, match="no handset Z9"):
        count(filled, devices=["A1", "Z9"])


def test_parquet_csv_and_geopackage_hold_the_same(filled, tmp_path):
    import pyogrio

    for suffix in (".parquet", ".csv", ".gpkg"):
        done = export_records(filled, Wanted(), tmp_path / f"out{suffix}")
        assert done["rows"] == 150 and not done["identities"]
    table = pa.parquet.read_table(tmp_path / "out.parquet")
    assert table.column("time_utc").type == pa.timestamp("us", "UTC") and table.num_rows == 150
    meta, points = pyogrio.read_arrow(tmp_path / "out.gpkg")
    assert meta["crs"] == "EPSG:4326" and meta["geometry_type"] == "Point"
    found = shapely.from_wkb(points.column(meta["geometry_name"] or "wkb_geometry").to_numpy(zero_copy_only=False))
    assert shapely.get_x(found).tolist() == table.column("lon").to_pylist()
    assert points.column("rssi_dbm").to_pylist() == table.column("rssi_dbm").to_pylist()
    lines = (tmp_path / "out.csv").read_text("utf-8-sig").splitlines()
    assert len(lines) == 151 and '"2025-11-29T08:00:00.000000Z"' in lines[1]
    text = "".join(
        (tmp_path / f"out{suffix}").read_bytes().decode("latin-1") for suffix in (".parquet", ".csv", ".gpkg")
    )
    assert "A1" not in lines[1] and "log.csv" not in text


def test_a_name_without_a_known_ending_and_nothing_wanted_are_told(filled, tmp_path):
    with pytest.raises(DevicesError, match="has to end in .gpkg, .parquet, .csv"):
        export_records(filled, Wanted(), tmp_path / "out.xls")
    with pytest.raises(DevicesError, match="no records are wanted"):
        export_records(filled, Wanted(min_dbm=-20), tmp_path / "out.csv")
    assert not list(tmp_path.glob("*out*"))


def test_pseudonyms_hold_with_the_key_and_mean_nothing_without(filled, tmp_path, own_key):
    done = export_records(filled, Wanted(), tmp_path / "a.parquet")
    assert done["key_made"] and os.stat(own_key).st_mode & 0o777 == 0o600
    assert not export_records(filled, Wanted(), tmp_path / "b.parquet")["key_made"]
    a, b = (pa.parquet.read_table(tmp_path / f"{name}.parquet").column("device_id") for name in "ab")
    assert a == b and len(set(a.to_pylist())) == 3 and all(name.startswith("p-") for name in a.to_pylist())
    own_key.unlink()
    export_records(filled, Wanted(), tmp_path / "c.parquet")
    assert not set(pa.parquet.read_table(tmp_path / "c.parquet").column("device_id").to_pylist()) & set(a.to_pylist())


def test_identities_are_for_the_holder_of_the_key_and_are_logged(filled, tmp_path):
    with pytest.raises(DevicesError, match="identities are for the holder of the key of pseudonyms"):
        export_records(filled, Wanted(), tmp_path / "a.csv", identities=True)
    privacy.read_key()
    export_records(filled, Wanted(unit="2nd"), tmp_path / "a.csv", identities=True)
    assert '"B2"' in (tmp_path / "a.csv").read_text("utf-8-sig")
    with filled.read() as connection:
        log = connection.execute(sa.select(schema.access_log)).mappings().all()
    assert [(row["who"], row["action"], row["identities"], row["detail"]) for row in log] == [
        ("tester", "export records", True, "unit 2nd to a.csv")]  # fmt: skip


def test_hmac_of_the_standard():
    """RFC 4231, test case 2, cut to 64 bits."""
    assert privacy.pseudonym(b"Jefe", "what do ya want for nothing?") == "p-5bdcc146bf60754e"


def test_cells_of_few_stay_in_the_unit(filled, tmp_path):
    done = export_cells(filled, Wanted(), 1000.0, tmp_path / "cells.parquet")
    kept = pa.parquet.read_table(tmp_path / "cells.parquet").to_pylist()
    everything = cells.per_cell(filled, Wanted(), 1000.0).to_pylist()
    assert done["rows"] + done["held_back"] == len(everything)
    for row in everything:
        kept_it = any(other["cell"] == row["cell"] for other in kept)
        assert kept_it == (row["devices"] >= 3 or row["samples"] >= 20)


def test_cell_figures_are_those_of_numpy(filled):
    found = {row["cell"]: row for row in cells.per_cell(filled, Wanted(), 300.0).to_pylist()}
    table = pa.concat_tables(list(query.tables(filled, Wanted())))
    lat, lon, level = (table.column(name).to_numpy() for name in ("lat", "lon", "rssi_dbm"))
    number = cells.cell_of(lat, lon, 300.0)
    assert set(number.tolist()) == set(found)
    for cell in set(number.tolist()):
        mine = level[number == cell]
        row = found[cell]
        assert row["samples"] == len(mine) and row["mean_dbm"] == pytest.approx(mine.mean())
        assert row["median_dbm"] == pytest.approx(np.median(mine), abs=0.25)
        assert row["sd_db"] == (pytest.approx(mine.std(ddof=1)) if len(mine) > 1 else None)
        assert row["devices"] == len(set(table.filter(pa.array(number == cell)).column("device_id").to_pylist()))


@given(st.floats(-89, 89), st.floats(-179.99, 179.99), st.sampled_from([10.0, 100.0, 1000.0]))
def test_a_place_is_in_its_cell(lat, lon, side):
    cell = cells.cell_of(np.array([lat]), np.array([lon]), side)
    middle_lat, middle_lon = cells.centre_of(cell, side)
    assert abs(middle_lat[0] - lat) * 111_195 <= side / 2 + 1e-3
    width = abs((middle_lon[0] - lon + 180) % 360 - 180) * 111_195 * np.cos(np.radians(middle_lat[0]))
    assert width <= side / 2 * 1.6 + 1e-3
    assert cells.cell_of(middle_lat, middle_lon, side)[0] == cell[0]


def test_retention_removes_what_is_old_keeps_cells_and_says_so(store, tmp_path):
    old = [f"2026-0{5 + s % 2}-01T08:00:{s:02}Z,A{s % 4},41.8,123.4,{-60 - s},S1" for s in range(40)]
    recent = [f"{np.datetime64(now_us() // 1_000_000 - 3600 - s, 's')}Z,A1,41.8,123.4,-70,S1" for s in range(5)]
    (tmp_path / "log.csv").write_text(HEADER + "\n".join([*old, *recent]) + "\n")
    import_file(store, tmp_path / "log.csv", Order(Declared(datum="wgs84")))
    days = 30
    assert retention.remove_old(store, days, dry_run=True)["removed"] == 40 and count(store) == 45
    receipt = retention.remove_old(store, days)
    assert receipt["removed"] == 40 and receipt["cells_kept"] == 2 and receipt["devices"]["A1"] == 10
    assert count(store) == 5
    with store.read() as connection:
        kept = connection.execute(sa.select(schema.kept_cells).order_by(schema.kept_cells.c.month)).mappings().all()
        stored = connection.execute(sa.select(schema.removals.c.receipt)).scalar()
    assert [(row["month"], row["samples"], row["devices"]) for row in kept] == [
        ("2026-05", 20, 2),
        ("2026-06", 20, 2),
    ]
    assert kept[0]["mean_dbm"] == pytest.approx(np.mean([-60 - s for s in range(0, 40, 2)]))
    assert json.loads(stored) == receipt
    assert retention.remove_old(store, days)["removed"] == 0


def test_figures_of_a_second_removal_join_those_of_the_first(sqlite, tmp_path):
    for number, levels in enumerate(((-60.0, -70.0, -80.0), (-90.0, -95.0))):
        lines = [f"2026-05-01T08:0{number}:{s:02}Z,A{number},41.8,123.4,{level},S1" for s, level in enumerate(levels)]
        (tmp_path / "log.csv").write_text(HEADER + "\n".join(lines) + "\n")
        import_file(sqlite, tmp_path / "log.csv", Order(Declared(datum="wgs84")))
        retention.remove_old(sqlite, 30)
    with sqlite.read() as connection:
        kept = connection.execute(sa.select(schema.kept_cells)).mappings().all()
    every = np.array([-60, -70, -80, -90, -95])
    assert len(kept) == 1 and kept[0]["samples"] == 5
    assert (kept[0]["mean_dbm"], kept[0]["sd_db"]) == (pytest.approx(every.mean()), pytest.approx(every.std(ddof=1)))


def test_removed_positions_are_not_left_in_the_file(sqlite, tmp_path):
    import struct

    place = struct.pack(">d", 41.8123456)  # as SQLite stores it
    (tmp_path / "log.csv").write_text(HEADER + "2026-05-01T08:00:00Z,A1,41.8123456,123.4,-60,S1\n")
    import_file(sqlite, tmp_path / "log.csv", Order(Declared(datum="wgs84")))
    files = [sqlite.path, sqlite.path.with_name(sqlite.path.name + "-wal")]
    assert any(place in file.read_bytes() for file in files if file.exists())
    retention.remove_old(sqlite, 30)
    assert not any(place in file.read_bytes() for file in files if file.exists())


def test_an_export_that_is_imported_keeps_what_was_noted(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,device_id,lat,lon,rssi_dbm,hdop,flags\n2025-11-29T08:00:00Z,A1,41.8,123.4,-80,99,synthetic\n"
                    "2025-11-29T08:00:01Z,A1,41.8,123.4,-80,1,\n")  # fmt: skip
    noted = []
    for number in range(2):
        with Store(tmp_path / f"{number}.sqlite") as store:
            import_file(store, path, Order(Declared(datum="wgs84")))
            known = query.names(store).contexts
            [block] = query.numbers(store, Wanted(), ("context",))
            noted.append([known[context]["flags"] for context in block["context"].tolist()])
            path = tmp_path / "out.csv"
            export_records(store, Wanted(), path)
    assert noted == [["hdop_range synthetic", ""]] * 2
