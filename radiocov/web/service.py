"""A running service: its databases, its child processes, its limits. One for each project."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import subprocess
import threading
import time
from typing import Any

from filelock import FileLock, Timeout

from radiocov.fleet_store import store_of
from radiocov.problems import Problem, ProjectError
from radiocov.web import importer, lifeline
from radiocov.web.audit import note, shorten
from radiocov.web.auth import People, Person
from radiocov.web.jobs import Jobs
from radiocov.web.limits import Rate
from radiocov.web.mapview import Maps
from radiocov.web.measured import Cells
from radiocov.web.observe import Metrics
from radiocov.web.schema import Database
from radiocov.web.settings import Settings

LOCK_NAME = "serve.lock"
AGAIN_S = (1.0, 2.0, 5.0, 15.0, 30.0)  # before an importer that ended is started again
FLEET_PATIENCE_S = 8.0  # a person who changes a handset waits no longer for an import
STOP_S = 20.0
DAY_S = 86_400.0

log = logging.getLogger("radiocov.service")


class Service:
    """Opened with `with`. children: False for one that only answers, in tests and for the OpenAPI document."""

    def __init__(self, settings: Settings, children: bool = True) -> None:
        self.settings, self._children = settings, children
        limits = settings.limits
        self.rates = Rate(limits.requests_a_second, limits.request_burst)
        self.sign_ins = Rate(limits.sign_ins_a_minute / 60.0, limits.sign_ins_a_minute)
        self.metrics = Metrics()
        self.cookie = "__Host-radiocov" if settings.is_https else "radiocov_session"
        self._lock = FileLock(settings.folder / LOCK_NAME, timeout=0)
        self._importer: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self.sites_turn = threading.Lock()

    def __enter__(self) -> Service:
        settings = self.settings
        self.project = settings.project()
        lock_project(self._lock, settings)
        try:
            settings.uploads_folder.mkdir(exist_ok=True, mode=0o700)
            self.store = store_of(self.project, settings.fleet_url, say=log.info)
            self.store.patience_s = FLEET_PATIENCE_S
            self.db = Database(settings)
            self.people, self.cells = People(self.db), Cells(self.db)
            self.jobs = Jobs(self.db, settings)
            self.maps = Maps(settings, self.project.output_folder)
            self.turn = asyncio.Semaphore(settings.limits.uploads_at_once)
            if self._children:
                self.jobs.begin()
                self._watcher = threading.Thread(target=self._watch_importer, name="importer", daemon=True)
                self._watcher.start()
                self.maps.begin()
                if settings.audit_days:
                    threading.Thread(target=self._shorten_audit, name="audit", daemon=True).start()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._children:
            self._let_go()
            self.maps.end()
            self.jobs.end()
            self._watcher.join(STOP_S)
        self.db.close()
        self.store.close()
        self._lock.release()

    def note(self, person: Person, action: str, detail: str) -> None:
        """Into the audit trail."""
        note(self.db, person.name, person.role, action, detail)

    def _shorten_audit(self) -> None:
        while not self._stopping.is_set():
            try:
                receipt = shorten(self.db, self.settings.audit_days, "service")
                log.info("audit trail", extra={"removed": receipt["removed"]})
            except OSError as error:
                log.error("the audit trail was not shortened", extra={"why": self.settings.without_paths(str(error))})
            self._stopping.wait(DAY_S)

    def wake_importer(self) -> None:
        child = self._importer
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # it ended, and looks for itself when it starts again
                child.stdin.write(b"\n")
                child.stdin.flush()

    @property
    def is_importing(self) -> bool:
        """Whether the importer is alive."""
        return self._importer is not None and self._importer.poll() is None

    def is_ready(self) -> dict[str, bool]:
        """What has to be well for work to go on."""
        with self.db.read() as connection:
            connection.exec_driver_sql("select 1")
        free = shutil.disk_usage(self.settings.folder).free
        return {"database": True, "importer": self.is_importing, "disk": free > self.settings.limits.free_bytes}

    def _let_go(self) -> None:
        """The importer finishes the file it is at, or is stopped; what it did not finish it does after the start."""
        child = self._importer
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()

    def _watch_importer(self) -> None:
        order = {"project_folder": str(self.settings.project_folder), "database": self.settings.database}
        failures = 0
        while not self._stopping.is_set():
            begun = time.monotonic()
            self._importer = child = lifeline.start(importer.CODE, order)
            while not self._stopping.is_set() and child.poll() is None:
                self._stopping.wait(0.25)
            if self._stopping.is_set():
                self._let_go()
                try:
                    child.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                return
            self.metrics.restarts.inc()
            failures = 0 if time.monotonic() - begun > 60.0 else failures + 1
            log.error("the importer ended", extra={"code": child.returncode})
            self._stopping.wait(AGAIN_S[min(failures, len(AGAIN_S)) - 1] if failures else AGAIN_S[0])

    def count(self, scope: Any, status: int, seconds: float) -> None:
        """An answer, for metrics and the log."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.requests.labels(route, method, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if route not in QUIET or status >= 400:
            logging.getLogger("radiocov.access").info(
                "request", extra={"route": route, "method": method, "status": status, "ms": round(1000 * seconds, 1),
                                  "role": scope.get("radiocov.role", "")})  # fmt: skip


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
QUIET = ("/healthz", "/readyz", "/metrics", "/assets/{name}")


def lock_project(lock: FileLock, settings: Settings) -> None:
    """Hold the project for one server, or for a restore. Raises ProjectError where another has it."""
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        lock.acquire()
    except Timeout:
        fault = "a service runs on this project already"
        raise ProjectError(Problem(settings.project_folder.name, "", fault, "stop that one first")) from None
