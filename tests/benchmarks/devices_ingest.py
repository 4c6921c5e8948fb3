"""Speed of imports, as ratios within one run: ``python tests/benchmarks/devices_ingest.py [--rows N]``.

End to end means what `radiocov logs import` does: digest, decoding, every check, identity, writing, receipt.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from devices.cells import per_cell
from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.query import Wanted, numbers
from devices.store import Store

BLOCK = 1_000_000


def make_log(path: Path, rows: int, devices: int = 20) -> None:
    """Ten columns of what a fleet of handsets records, each at one row a second, sorted by time."""
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        for start in range(0, rows, BLOCK):
            n = min(BLOCK, rows - start)
            at = np.arange(start, start + n)
            device, second = at % devices, at // devices
            time_us = 1_760_000_000_000_000 + second * 1_000_000
            lat = 41.8 + 0.2 * np.sin(second / 7000 + device) + rng.normal(0, 1e-5, n)
            lon = 123.4 + 0.3 * np.cos(second / 9000 + device * 2) + rng.normal(0, 1e-5, n)
            stamps = pa.array(time_us).cast(pa.timestamp("us")).cast(pa.timestamp("s"))
            table = pa.table({
                "time": stamps.cast(pa.string()), "device_id": pa.array([f"{46001000 + d}" for d in range(devices)])
                .take(pa.array(device)), "latitude": np.round(lat, 7), "longitude": np.round(lon, 7),
                "speed": np.round(rng.uniform(0, 25, n), 1), "site_id": pa.array([f"S{s:03}" for s in range(40)])
                .take(pa.array(rng.integers(0, 40, n))), "channel": rng.integers(1, 9, n),
                "rssi_dbm": np.round(rng.normal(-85, 12, n).clip(-125, -40), 1),
                "ber": np.round(rng.exponential(0.5, n).clip(0, 20), 2), "battery": rng.integers(20, 100, n),
            })  # fmt: skip
            options = pa.csv.WriteOptions(include_header=start == 0, quoting_style="none", quoting_header="none")
            pa.csv.write_csv(table, file, options)


def timed(name: str, rows: int, work) -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:52} {wall:7.2f} s  {rows / wall:12,.0f} rows/s  {rows / cpu:12,.0f} rows/s of one core")
    return wall


def best(rounds: int, rows: int, works: dict) -> dict[str, float]:
    """Shortest wall time of each work, all in turn so that a busy machine is as busy for one as for the other."""
    found: dict[str, float] = {}
    for _ in range(rounds):
        for name, work in works.items():
            found[name] = min(found.get(name, float("inf")), timed(name, rows, work))
    return found


def into(url: str, path: Path) -> None:
    with Store(url) as store:
        import_file(store, path, Order(Declared(zone="UTC", datum="wgs84")))


def small_files(folder: Path, path: Path, files: int, rows: int = 5000) -> None:
    """Time of a file of few rows of twenty handsets, in a store that stays open, as the service's."""
    with path.open("rb") as log:
        header = log.readline()
        parts = [header + b"".join(itertools.islice(log, rows)) for _ in range(files)]
    walls, cpu = [], time.process_time()
    with Store(folder / "small.sqlite") as store:
        for number, part in enumerate(parts):
            one = folder / f"small{number}.csv"
            one.write_bytes(part)
            start = time.perf_counter()
            import_file(store, one, Order(Declared(zone="UTC", datum="wgs84")))
            walls.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / files
    print(f"a file of {rows:,} rows: {1e3 * sorted(walls)[files // 2]:.1f} ms, {1e3 * cpu:.1f} ms of a core")


def memory_mib(path: Path) -> float:
    """Most resident memory of a process that does nothing but import a file into a new store; on Linux."""
    code = (
        "import re, sys; sys.path[:0] = ['.', 'tests/benchmarks']; import devices_ingest; from pathlib import Path;"
        "devices_ingest.into(sys.argv[2], Path(sys.argv[1]));"
        "print(int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024)"
    )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        done = subprocess.run([sys.executable, "-c", code, str(path), f"{folder}/fleet.sqlite"], check=True,
                              capture_output=True, text=True, cwd=Path(__file__).parents[2])  # fmt: skip
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", help="URL of an empty database, to measure it as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        make_log(path, options.rows)
        print(f"{options.rows:,} rows, {path.stat().st_size / 2**20:.0f} MiB")
        number = itertools.count()
        works = {
            "CSV to SQLite, end to end": lambda: into(f"{folder}/{next(number)}.sqlite", path),
            "pyarrow.csv alone": lambda: pa.csv.read_csv(path),
        }
        try:
            import pandas
        except ImportError:
            print("pandas is not installed: no comparison with it")
        else:
            works[f"pandas.read_csv alone, {pandas.__version__}"] = lambda: pandas.read_csv(path)
        ours, *others = best(options.rounds, options.rows, works).items()
        for name, wall in others:
            print(f"end to end / {name}: {ours[1] / wall:.1f}")
        print(f"memory of the import: {memory_mib(path):.0f} MiB; file: {path.stat().st_size / 2**20:.0f} MiB")
        with Store(f"{folder}/0.sqlite") as store:
            print(f"{store.path.stat().st_size / options.rows:.0f} bytes a row on disk")
            again = Path(folder) / "again.csv"
            again.write_bytes(path.read_bytes() + b"\n")
            small_files(Path(folder), path, min(40, options.rows // 5000))
            timed("the same rows again, all known", options.rows, lambda: into(f"{folder}/0.sqlite", again))
            timed("per-cell figures of all rows", options.rows, lambda: per_cell(store, Wanted()))
            timed("all columns of all rows", options.rows, lambda: sum(1 for _ in numbers(store, Wanted())))
        if options.postgres:
            with Store(options.postgres) as store:
                wall = timed("CSV to PostgreSQL, end to end", options.rows, lambda: into(options.postgres, path))
                print(f"PostgreSQL / SQLite: {wall / ours[1]:.1f}")
                timed("per-cell figures of all rows", options.rows, lambda: per_cell(store, Wanted()))


if __name__ == "__main__":
    main()
