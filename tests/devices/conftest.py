"""Stores to test on, SQLite and a PostgreSQL server of the tests' own, and small logs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.formats.fields import Declared
from devices.ingest import Order, import_file
from devices.store import Store

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
HEADER = "time,device_id,lat,lon,rssi_dbm"


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch) -> Path:
    """No test touches the user's own key of pseudonyms."""
    path = tmp_path_factory.mktemp("key") / "pseudonym.key"
    monkeypatch.setenv("RADIOCOV_KEY_FILE", str(path))
    monkeypatch.setenv("RADIOCOV_USER", "tester")
    monkeypatch.delenv("RADIOCOV_STORE", raising=False)
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server of its own on a free port, without a database's name."""
    binaries = Path(shutil.which("initdb") or (BINARIES[-1] / "initdb" if BINARIES else "/")).parent
    if not (binaries / "initdb").exists():
        pytest.skip("PostgreSQL is not installed here")
    pytest.importorskip("psycopg", reason="the package psycopg is not installed")
    as_user = ["runuser", "-u", "postgres", "--"] if os.name == "posix" and os.geteuid() == 0 else []
    if as_user and (
        not shutil.which("runuser") or subprocess.run([*as_user, "true"], capture_output=True).returncode
    ):
        pytest.skip("PostgreSQL refuses to run as root, and there is no account postgres to run it as")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        data = Path(folder) / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        def call(*command: str) -> None:
            subprocess.run([*as_user, str(binaries / command[0]), *command[1:]], check=True, cwd=folder,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip

        call("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        call("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o",
             f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off", "start")  # fmt: skip
        try:
            yield f"postgresql://tester@127.0.0.1:{port}"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request, tmp_path) -> Iterator[str]:
    """An empty store of either kind."""
    if request.param == "sqlite":
        yield str(tmp_path / "fleet.sqlite")
        return
    import psycopg

    server = request.getfixturevalue("postgres_server")
    name = f"t{abs(hash(str(tmp_path))):x}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield f"{server}/{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def store(store_url) -> Iterator[Store]:
    with Store(store_url) as opened:
        yield opened


@pytest.fixture
def sqlite(tmp_path) -> Iterator[Store]:
    """A store on SQLite, where the kind makes no difference."""
    with Store(tmp_path / "fleet.sqlite") as opened:
        yield opened


@pytest.fixture
def take(sqlite, tmp_path):
    """A function that imports text or bytes as a file, and returns the receipt."""

    def do(content: str | bytes, name: str = "log.csv", **order: Any) -> dict[str, Any]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        declared = {key: order.pop(key) for key in ("device", "zone", "date", "datum", "track") if key in order}
        return import_file(sqlite, path, Order(Declared(**{"zone": "UTC", "datum": "wgs84", **declared}), **order))

    return do


@pytest.fixture
def table(sqlite):
    """A function that returns what is in the store, as a table of records in order of device and time."""
    import pyarrow as pa

    from devices import query

    def do(**wanted: Any) -> pa.Table:
        blocks = list(query.tables(sqlite, query.Wanted(**wanted)))
        return pa.concat_tables(blocks) if blocks else pa.table({})

    return do


def rows(n: int, device: str = "A1", start: int = 0, level: float = -80.0) -> list[str]:
    """Lines of a log: one row a second along a street in Shenyang."""
    return [f"2025-11-29T{8 + s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}Z,"
            f"{device},{41.8 + s * 1e-5:.5f},123.4,{level - s % 7}"
            for s in range(start, start + n)]  # fmt: skip


def log(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"
