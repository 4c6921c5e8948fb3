"""A rehearsal over a project's coverage: the levels are the rasters'."""

import csv
import json
import statistics

import pytest
import rasterio

from devices.query import Wanted, names, numbers
from devices.store import Store


def states(folder):
    return [state["state"] for state in json.loads((folder / "out" / "manifest.json").read_text())["states"]]


def middle_route(folder, path):
    """A short way round the place of the strongest level."""
    from rasterio.warp import transform

    with rasterio.open(folder / "out" / states(folder)[-1] / "level_dbm.tif") as raster:
        levels = raster.read(1, masked=True)
        row, col = divmod(int(levels.argmax()), raster.width)
        xs, ys = zip(raster.xy(row, col), raster.xy(row, max(0, col - 40)), strict=True)
        lons, lats = transform(raster.crs, "EPSG:4326", xs, ys)
    path.write_text("lon,lat\n" + "".join(f"{lon:.7f},{lat:.7f}\n" for lon, lat in zip(lons, lats, strict=True)))


def test_the_levels_of_a_drive_are_those_of_the_rasters_less_the_loss(computed, radiocov, tmp_path):
    route, out = tmp_path / "way.csv", tmp_path / "day.csv"
    middle_route(computed, route)
    ran = radiocov("logs", "simulate", computed, "--route", route, "--kind", "pdt", "--seconds", "600", "--to", out,
                   "--loss-db", "12", "--start", "2026-11-24T08:00:00", "-q")  # fmt: skip
    assert ran.code == 0 and f"coverage of {states(computed)[-1]}" in ran.err
    with open(out, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["rssi_dbm"] and row["service_state"] == "registered"]
    assert len(rows) > 100
    from rasterio.warp import transform

    folder = computed / "out" / states(computed)[-1]
    differences = []
    with rasterio.open(folder / "level_dbm.tif") as raster, rasterio.open(folder / "best_server.tif") as servers:
        for row in rows:
            (x,), (y,) = transform("EPSG:4326", raster.crs, [float(row["lon"])], [float(row["lat"])])
            pixel = raster.index(x, y)
            differences.append(float(row["rssi_dbm"]) - float(raster.read(1)[pixel]) + 12)
            assert int(row["site_id"]) in servers.read(1)[tuple(slice(max(0, i - 1), i + 2) for i in pixel)]
    assert statistics.median(differences) == pytest.approx(0, abs=3)


def test_a_route_outside_and_a_project_without_coverage_are_told(computed, small_inputs, radiocov, tmp_path):
    route = tmp_path / "way.csv"
    route.write_text("lon,lat\n10,10\n10.1,10\n")
    ran = radiocov("logs", "simulate", computed, "--route", route, "--to", tmp_path / "x.csv")
    assert ran.code == 2 and "no place of it lies in the computed area" in ran.err
    ran = radiocov("logs", "simulate", small_inputs, "--to", tmp_path / "x.csv")
    assert ran.code == 2 and "run `radiocov coverage`" in ran.err
    assert not (tmp_path / "x.csv").exists()


def test_without_a_route_it_drives_round_the_middle(computed, radiocov, tmp_path):
    ran = radiocov("logs", "simulate", computed, "--seconds", "20", "--to", tmp_path / "x.journal")
    assert ran.code == 0 and "(SYNTHETIC)" in ran.out
    ran = radiocov("logs", "replay", tmp_path / "x.journal")
    assert ran.code == 0 and "00001001" in ran.out


@pytest.mark.parametrize("suffix", ["csv", "journal"])
def test_what_is_simulated_says_so_in_the_store_and_proves_nothing(small_computed, radiocov, tmp_path, suffix):
    out, store = tmp_path / f"day.{suffix}", tmp_path / "fleet.sqlite"
    ran = radiocov("logs", "simulate", small_computed, "--seconds", "900", "--speed-kmh", "72", "--to", out,
                   "--start", "2026-01-01T08:00:00", "-q")  # fmt: skip
    assert ran.code == 0, ran.err
    ran = radiocov("logs", "import", small_computed, out, "--store", store, "--datum", "wgs84", "--json")
    (receipt,) = json.loads(ran.out)["receipts"]
    assert receipt["flagged"]["synthetic"] == receipt["accepted"] > 100
    with Store(store) as opened:
        contexts = names(opened).contexts
        used = {int(context) for block in numbers(opened, Wanted(), ("context",)) for context in block["context"]}
    assert used and all("synthetic" in contexts[context]["flags"].split() for context in used)
    for logs in ([out, "--datum", "wgs84"], ["--store", store]):
        ran = radiocov("acceptance", small_computed, *logs, "--measured-with", "vehicle", "--check", "--json", "-q")
        assert ran.code == 1, ran.err
        answer = json.loads(ran.out)
        assert answer["met"] is False
        assert answer["simulated"] == answer["rows"]["used"] > 100
        assert "SIMULATED" in " ".join(answer["notes"])
    ran = radiocov("acceptance", small_computed, out, "--datum", "wgs84", "--measured-with", "vehicle", "--check")
    assert ran.code == 1 and "SIMULATED" in ran.out + ran.err
