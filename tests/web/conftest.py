"""A real server on a free port, with people of every role; PostgreSQL where it is installed."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("admin", "engineer", "manager", "field", "monitor")
START = "from radiocov.cli import main; main()"


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_devices = _load("radiocov_tests_devices_fixtures", ROOT / "tests" / "devices" / "conftest.py")
postgres_server, store_url, own_key = _devices.postgres_server, _devices.store_url, _devices.own_key


class Server:
    """`radiocov serve` in a process of its own."""

    def __init__(self, folder: Path, database: str = "", public_url: str = "") -> None:
        self.folder, self.database = folder, database
        self.options = ["--database", database] if database else []
        self.options += ["--public-url", public_url] if public_url else []
        self.tokens: dict[str, str] = {}
        self._clients: list[httpx.Client] = []
        self._asked = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.log = (self.folder / "server.log").open("a+b")
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", START, "serve", str(self.folder), "--port", str(self.port), *self.options],
            stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        )  # fmt: skip
        said = self.process.stdout.readline()
        assert "radiocov serves" in said, (said, self.said())
        self.banner = said
        if not self.tokens:
            self.banner += self.process.stdout.readline() + self.process.stdout.readline()

    def said(self) -> str:
        self.log.flush()
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.process.stdout.close()
        self.log.close()

    def stop(self, for_good: bool = True) -> int:
        """Its exit code after a polite end; clients are of use again after another start unless it is for good."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        for client in self._clients if for_good else ():
            client.close()
        return code

    def token(self, role: str, name: str = "", **more: Any) -> str:
        """A token of a role; of the same name the same."""
        key = f"{role} {name or role}"
        if key not in self.tokens:
            from radiocov.web import auth
            from radiocov.web.schema import Database
            from radiocov.web.settings import Settings

            with Database(Settings(self.folder, self.database)) as db:
                _, self.tokens[key] = auth.create_token(db, name or role, role, more.pop("days", 1), "tests", **more)
        return self.tokens[key]

    def client(self, role: str = "", name: str = "", **more: Any) -> httpx.Client:
        """Who asks with a token of a role; of none where role is ""."""
        headers = {"Authorization": f"Bearer {self.token(role, name, **more)}"} if role else {}
        self._asked += 1  # as the proxy names them, so that not all share one address's rate
        headers["X-Forwarded-For"] = f"10.0.{self._asked >> 8}.{self._asked & 255}"
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30.0, trust_env=False)
        self._clients.append(client)
        return client

    def signed_in(self, role: str, name: str = "") -> httpx.Client:
        """Who asks as a browser does: with a session's cookie and its X-CSRF-Token."""
        client = self.client()
        answer = client.post("/api/v1/session", json={"token": self.token(role, name)})
        assert answer.status_code == 201, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client


def announce(client: httpx.Client, data: bytes, name: str = "log.csv", **declared: str) -> httpx.Response:
    sha256 = hashlib.sha256(data).hexdigest()
    body = {"name": name, "size": len(data), "sha256": sha256, **{"zone": "UTC", "datum": "wgs84", **declared}}
    return client.post("/api/v1/uploads", json=body)


def patch(client: httpx.Client, upload: str, offset: int, part: bytes, **headers: str) -> httpx.Response:
    checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
    return client.patch(f"/api/v1/uploads/{upload}", content=part, headers={
        "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {checksum}", **headers})  # fmt: skip


def bring(client: httpx.Client, data: bytes, name: str = "log.csv", **declared: str) -> dict[str, Any]:
    """The whole way of a file; the upload once it was read."""
    answer = announce(client, data, name, **declared)
    assert answer.status_code in (200, 201), answer.text
    upload = answer.json()
    if upload["state"] == "open":
        answer = patch(client, upload["id"], upload["offset"], data[upload["offset"] :])
        assert answer.status_code == 200, answer.text
    return ended(client, upload["id"])


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ended(client: httpx.Client, upload: str, seconds: float = 60.0) -> dict[str, Any]:
    """An upload once its import has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = client.get(f"/api/v1/uploads/{upload}").json()
        if found["state"] not in ("open", "queued"):
            return found
        time.sleep(0.05)
    raise AssertionError(f"upload {upload} is still {found}")


@pytest.fixture(scope="session")
def ways():
    """The functions above, by name."""
    from types import SimpleNamespace

    return SimpleNamespace(announce=announce, patch=patch, bring=bring, ended=ended, until=until, log=_devices.log,
                           rows=_devices.rows, Server=Server)  # fmt: skip


@pytest.fixture(scope="session")
def server(small_inputs, tmp_path_factory) -> Iterator[Server]:
    """One for tests that don't get in each other's way."""
    folder = Path(shutil.copytree(small_inputs, tmp_path_factory.mktemp("served") / "project"))
    running = Server(folder)
    yield running
    assert running.stop() == 0, running.said()


@pytest.fixture
def own_server(small_inputs, tmp_path) -> Iterator[Server]:
    """One of the test's own."""
    running = Server(Path(shutil.copytree(small_inputs, tmp_path / "project")))
    yield running
    if running.process.poll() is None:
        running.stop()
