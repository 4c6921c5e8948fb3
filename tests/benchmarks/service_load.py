"""The service under load and faults, on loopback: ``python tests/benchmarks/service_load.py [--full]``.

Teams upload files all at once while readers look at the map: errors, rows lost and doubled, times of map requests.
Then the server is killed again and again during uploads: after each start everything acknowledged has to be there,
in the end every row once. On SQLite, and on PostgreSQL where its programs are installed. By default 10 teams with 20
files; --full is 50 teams with 100 files of 5,000 rows and ten kills, 25 million rows, some ten minutes on each
store with two cores. Exit code 1 where anything is lost, doubled or refused.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import http.client
import importlib.util
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
START = "from radiocov.cli import main; main()"
LIMIT_MS = 300.0  # p95 of a map request


def log_text(team: int, number: int, rows: int) -> bytes:
    """One handset a team, one row a second, files one after the other in time."""
    start = np.datetime64("2025-01-01") + np.timedelta64(number * rows, "s")
    times = np.datetime_as_string(start + np.arange(rows).astype("timedelta64[s]"))
    line = np.arange(rows)
    lat, lon = 40.8 + 0.2 * np.abs(np.sin(line / 900 + team)), 122.75 + 0.4 * np.abs(np.cos(line / 1100 + number))
    body = "".join(f"{t}Z,T{team:03},{y:.6f},{x:.6f},{-70 - i % 50}\n"
                   for i, (t, y, x) in enumerate(zip(times, lat, lon, strict=True)))  # fmt: skip
    return b"time,device_id,lat,lon,rssi_dbm\n" + body.encode()


class Caller:
    """One connection that is kept; opened again after a break."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token, self.link = port, token, None

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        try:
            if self.link is None:
                self.link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            self.link.request(method, path, body, {"Authorization": f"Bearer {self.token}", **headers})
            answer = self.link.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            if self.link is not None:
                self.link.close()
            self.link = None
            raise


def bring(call: Caller, name: str, data: bytes, pieces: int, acknowledged: dict[str, Any],
          tally: dict[str, int]) -> None:  # fmt: skip
    """Send a file in pieces until it is whole on the server, whatever happens between.

    acknowledged: upload -> the state and the offset that the server told; tally: answers that were not yes.
    """
    body = json.dumps({"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}).encode()
    while True:
        try:
            status, answer = call("POST", "/api/v1/uploads", body, **{"Content-Type": "application/json"})
            while status in (200, 201):
                upload = json.loads(answer)
                acknowledged[upload["id"]] = upload["state"], upload["offset"]
                if upload["state"] != "open":
                    return
                part = data[upload["offset"] : upload["offset"] + -(-len(data) // pieces)]
                checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
                status, answer = call("PATCH", f"/api/v1/uploads/{upload['id']}", part, **{
                    "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(upload["offset"]),
                    "Upload-Checksum": f"sha256 {checksum}"})  # fmt: skip
            tally[str(status)] = tally.get(str(status), 0) + 1
            time.sleep(1.0)
        except (OSError, http.client.HTTPException):
            tally["broken"] = tally.get("broken", 0) + 1
            time.sleep(0.3)


def write_logs(folder: Path, teams: int, files: int, rows: int, first: int) -> None:
    """The teams' logs, made before the clock runs: no field team computes on the server's processors."""
    folder.mkdir()
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(_write_logs_of, range(teams), *(itertools.repeat(v) for v in (folder, files, rows, first))):
            pass


def _write_logs_of(team: int, folder: Path, files: int, rows: int, first: int) -> None:
    for number in range(first, first + files):
        (folder / f"{team}-{number}.csv").write_bytes(log_text(team, number, rows))


def upload_all(port: int, tokens: list[str], logs: Path, files: int, first: int, pieces: int, out: Any) -> None:
    """In a process: every team its files, one after the other, all teams at once. pieces: to cut a file into."""
    acknowledged: dict[str, tuple[str, int]] = {}
    tally: dict[str, int] = {}

    def work(team: int, token: str) -> None:
        call = Caller(port, token)
        for number in range(first, first + files):
            log = logs / f"{team}-{number}.csv"
            bring(call, f"{number:04}.csv", log.read_bytes(), pieces, acknowledged, tally)
            log.unlink()

    threads = [threading.Thread(target=work, args=item) for item in enumerate(tokens)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        with contextlib.suppress(RuntimeError):  # it grew while it was copied
            out["acknowledged"] = dict(acknowledged)
    out["acknowledged"], out["tally"] = dict(acknowledged), dict(tally)


def read_all(port: int, tokens: list[str], stop: Any, out: Any) -> None:
    """In a process: every reader looks at one view of the map after the other."""
    times: dict[str, list[float]] = {"tile": [], "point": [], "cells": []}
    errors: dict[str, int] = {}

    def work(number: int, token: str) -> None:
        call, draw = Caller(port, token), random.Random(number)
        shown = json.loads(call("GET", "/api/v1/map")[1])
        base = f"/map/{shown['key']}"
        while not stop.is_set():
            z, state, layer = draw.randint(9, 13), shown["states"][-1], draw.choice(shown["layers"])
            n = 2**z
            x, y = int(n * (122.9 + 180) / 360), int(n * 0.3755)
            lon, lat = draw.uniform(122.7, 123.2), draw.uniform(40.8, 41.0)
            tiles = [f"{base}/tiles/{state}/{layer}/{z}/{x + i % 4 - 2}/{y + i // 4 - 1}.png" for i in range(8)]
            wanted = [("tile", path) for path in tiles]
            wanted += [("point", f"{base}/api/point?state={state}&lon={lon}&lat={lat}"),
                       ("cells", "/api/v1/cells?west=122.6&south=40.7&east=123.3&north=41.1")]  # fmt: skip
            for kind, path in wanted:
                before = time.perf_counter()
                try:
                    status, _ = call("GET", path)
                except OSError:
                    status = 0
                times[kind].append(time.perf_counter() - before)
                if status != 200:
                    errors[str(status)] = errors.get(str(status), 0) + 1
            stop.wait(draw.uniform(0.5, 1.5))

    threads = [threading.Thread(target=work, args=item) for item in enumerate(tokens)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out["times"], out["errors"] = times, errors


class Server:
    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        options = ["--database", self.database] if self.database else []
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", START, "serve", str(self.folder), "--port", str(self.port), *options],
            stdout=subprocess.PIPE, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
        log.close()
        assert self.process.stdout is not None
        while b"radiocov serves" not in (line := self.process.stdout.readline()):
            assert line, (self.folder / "server.log").read_text()[-2000:]

    def stop(self, how: int) -> None:
        self.process.send_signal(how)
        self.process.wait(60)

    def token(self, role: str, name: str) -> str:
        from radiocov.web import auth
        from radiocov.web.schema import Database
        from radiocov.web.settings import Settings

        with Database(Settings(self.folder, self.database)) as db:
            return auth.create_token(db, name, role, 1, "benchmark", zone="UTC", datum="wgs84")[1]

    def states(self) -> tuple[dict[str, tuple[str, int]], int, int]:
        """(upload -> state and offset, rows that receipts tell of, records in the store)."""
        import sqlalchemy as sa

        from devices import schema
        from devices.store import Store
        from radiocov.web.schema import Database, uploads
        from radiocov.web.settings import Settings

        with Database(Settings(self.folder, self.database)) as db, db.read() as connection:
            rows = connection.execute(sa.select(uploads)).all()
        with Store(self.database or self.folder / "fleet.sqlite") as store, store.read() as connection:
            records = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(schema.blocks.c.rows), 0))).scalar()
        told = sum(json.loads(row.receipt)["rows_read"] for row in rows if row.receipt)
        return {row.id: (row.state, row.offset) for row in rows}, told, records

    def wait_until_read(self) -> None:
        while any(state in ("open", "queued") for state, _ in self.states()[0].values()):
            time.sleep(1.0)


def under_load(server: Server, o: argparse.Namespace) -> bool:
    teams = [server.token("field", f"Team {n}") for n in range(o.teams)]
    readers = [server.token("engineer", f"Reader {n}") for n in range(o.readers)]
    while json.loads(Caller(server.port, readers[0])("GET", "/api/v1/map")[1])["state"] != "ready":
        time.sleep(0.5)
    logs = server.folder / "logs"
    write_logs(logs, o.teams, o.files, o.rows, 0)
    with multiprocessing.Manager() as manager:
        sent, seen, stop = manager.dict(), manager.dict(), manager.Event()
        sender = multiprocessing.Process(target=upload_all, args=(server.port, teams, logs, o.files, 0, 1, sent))
        reader = multiprocessing.Process(target=read_all, args=(server.port, readers, stop, seen))
        before = time.perf_counter()
        for process in (sender, reader):
            process.start()
        sender.join()
        uploaded = time.perf_counter() - before
        server.wait_until_read()
        imported = time.perf_counter() - before
        stop.set()
        reader.join()
        tally, errors = sent["tally"], seen["errors"]
        kinds = {kind: np.array(values) * 1000 for kind, values in seen["times"].items()}
    times = np.concatenate(list(kinds.values()))
    states, told, records = server.states()
    wanted = o.teams * o.files * o.rows
    print(f"  {len(states)} files of {o.rows} rows by {o.teams} teams: all acknowledged after {uploaded:.1f} s, all "
          f"imported after {imported:.1f} s ({wanted / imported:,.0f} rows/s)")  # fmt: skip
    print(f"  answers that were not yes: {tally or 'none'}; rows wanted {wanted}, in receipts {told}, in the store "
          f"{records}: lost {max(0, wanted - records)}, doubled {max(0, records - wanted)}")  # fmt: skip
    print(f"  {len(times)} map requests by {o.readers} readers: median {np.median(times):.0f} ms, p95 "
          f"{np.percentile(times, 95):.0f} ms (limit {LIMIT_MS:.0f}), largest {times.max():.0f} ms; errors "
          f"{errors or 'none'}; machine's load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # fmt: skip
    for kind, own in kinds.items():
        print(f"    {kind:5} {len(own):6}: median {np.median(own):.0f} ms, p95 {np.percentile(own, 95):.0f} ms, "
              f"largest {own.max():.0f} ms")  # fmt: skip
    return not tally and not errors and told == records == wanted


def under_faults(server: Server, o: argparse.Namespace) -> bool:
    """kill -9 at random moments while files come in three pieces and are imported."""
    teams = [server.token("field", f"Fault {n}") for n in range(o.teams)]
    before_rows = server.states()[2]
    draw, missing, resumed = random.Random(1), 0, 0
    logs = server.folder / "fault-logs"
    write_logs(logs, o.teams, o.fault_files, o.rows, 1000)
    with multiprocessing.Manager() as manager:
        sent = manager.dict()
        arguments = (server.port, teams, logs, o.fault_files, 1000, 3, sent)
        sender = multiprocessing.Process(target=upload_all, args=arguments)
        sender.start()
        kills = 0
        while kills < o.kills and sender.is_alive():
            time.sleep(draw.uniform(0.5, 2.5))
            promised = dict(sent.get("acknowledged", {}))
            server.stop(signal.SIGKILL)
            kills += 1
            server.start()
            there = server.states()[0]
            for upload, (state, offset) in promised.items():
                now, at = there.get(upload, ("gone", 0))
                missing += now == "gone" or at < offset or (state != "open" and now == "open")
                resumed += now == "open" and at > 0
        sender.join()
        tally = sent["tally"]
    server.wait_until_read()
    records = server.states()[2] - before_rows
    wanted = o.teams * o.fault_files * o.rows
    print(f"  {kills} times kill -9 during uploads: {missing} acknowledged uploads or chunks missing after a start, "
          f"{resumed} went on from where they stopped")  # fmt: skip
    print(f"  rows wanted {wanted}, in the store {records}: lost {max(0, wanted - records)}, doubled "
          f"{max(0, records - wanted)}; tries that broke: {tally}")  # fmt: skip
    return not missing and records == wanted


def make_project(folder: Path) -> Path:
    """The small project of the tests, with its coverage."""
    spec = importlib.util.spec_from_file_location("made", ROOT / "tests" / "coverage" / "made.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    from radiocov.coverage.run import CoverageRun
    from radiocov.inputs import read_inputs
    from radiocov.project import load_project

    made.small_project(folder)
    CoverageRun(read_inputs(load_project(folder)).or_raise()).run()
    return folder


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A server of this run's own; "" where PostgreSQL is not installed."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb") or (str(binaries[-1] / "initdb") if binaries else "")
    if not found:
        yield ""
        return
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        os.chmod(folder, 0o777)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()

        def call(name: str, *arguments: str) -> None:
            subprocess.run([*as_user, str(Path(found).with_name(name)), *arguments], check=True, cwd=folder,
                           stdout=subprocess.DEVNULL)  # fmt: skip

        call("initdb", "-D", f"{folder}/data", "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
        call("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", f"-p {port} -k {folder}", "start")
        try:
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="50 teams, 100 files, 10 kills")
    sizes = {"teams": 10, "files": 20, "rows": 5000, "readers": 20, "kills": 4, "fault-files": 25}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    o = parser.parse_args()
    if o.full:
        o.teams, o.files, o.rows, o.readers, o.kills = 50, 100, 5000, 20, 10
    good = True
    with tempfile.TemporaryDirectory() as scratch, postgres() as url:
        project = make_project(Path(scratch) / "made")
        for store in ("sqlite", "postgresql") if o.store == "both" else (o.store,):
            if store == "postgresql" and not url:
                print("PostgreSQL: not installed here")
                continue
            print(store)
            folder = Path(shutil.copytree(project, Path(scratch) / store))
            server = Server(folder, url if store == "postgresql" else "")
            try:
                good &= under_load(server, o)
                good &= under_faults(server, o)
            finally:
                server.stop(signal.SIGTERM)
    print("nothing lost, doubled or refused" if good else "NOT GOOD: see above")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
