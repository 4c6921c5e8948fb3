"""Runs that an engineer starts: the commands of the command line, in a process of their own, one at a time."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa

from devices.store import iso, now_us
from radiocov.web import lifeline
from radiocov.web.audit import write_down
from radiocov.web.auth import Person
from radiocov.web.refusal import Refusal
from radiocov.web.schema import Database, jobs
from radiocov.web.settings import SECOND_US, Settings

#: kind -> commands, one after the other; the project's folder takes the place of {}
KINDS = {
    "check": (("check", "{}"),),
    "coverage": (("coverage", "{}"), ("targets", "{}")),
    "calibration": (("calibrate", "{}"),),
    "report": (("report", "{}"),),
}
CODE = (
    "from radiocov.web import lifeline; order = lifeline.take_order(); lifeline.Lifeline(interrupt=True)\n"
    "import os, sys; os.environ.update(order['environment'])\n"
    "from radiocov.cli import run; sys.exit(run(order['arguments']))"
)
KEPT_CHARACTERS = 8000
STOP_S = 30.0
WRITE_EVERY_US = SECOND_US // 2
_PROGRESS = re.compile(r"(.+): (\d+)/(\d+)")
_RUNNING = ("queued", "running")


def kinds() -> list[str]:
    """Those whose commands this version has."""
    return [kind for kind in KINDS if kind != "calibration" or find_spec("radiocov.cli.calibrate") is not None]


class Jobs:
    """The queue of runs and the thread that works through it."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self._wake, self._stopping = threading.Event(), False
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled: set[int] = set()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def begin(self) -> None:
        """What ran when the server ended is marked so; then work."""
        with self.db.write() as connection:
            connection.execute(
                sa.update(jobs).where(jobs.c.state == "running")
                .values(state="interrupted", ended_us=now_us(), step="")
            )  # fmt: skip
        self._thread.start()

    def end(self) -> None:
        self._stopping = True
        self._wake.set()
        self._interrupt()
        self._thread.join(STOP_S)

    def add(self, person: Person, kind: str) -> dict[str, Any]:
        if kind not in kinds():
            raise Refusal(400, "no_kind", f"there is no run of kind {kind!r}; known: {', '.join(kinds())}")
        with self.db.write() as connection:
            waits = connection.execute(
                sa.select(jobs.c.id).where(jobs.c.kind == kind, jobs.c.state.in_(_RUNNING))
            ).scalar()
            if waits is not None:
                raise Refusal(409, "runs", f"a run of this kind is on its way already: number {waits}")
            made = connection.execute(sa.insert(jobs).values(
                kind=kind, state="queued", who=person.name, created_us=now_us(), step="", done=0, total=0, output=""))
            number = made.inserted_primary_key[0]
            write_down(connection, person.name, person.role, "start run", f"{number}: {kind}")
        self._wake.set()
        return self.show(number)

    def cancel(self, person: Person, number: int) -> dict[str, Any]:
        with self.db.write() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == number)).first()
            if row is None:
                raise Refusal(404, "no_job", f"there is no run {number}")
            if row.state not in _RUNNING:
                raise Refusal(409, "not_running", f"run {number} is {row.state}")
            if row.state == "queued":
                _change(connection, number, state="cancelled", ended_us=now_us())
            write_down(connection, person.name, person.role, "cancel run", f"{number}: {row.kind}")
        self._cancelled.add(number)
        if row.state == "running":
            self._interrupt()
        return self.show(number)

    def show(self, number: int) -> dict[str, Any]:
        with self.db.read() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == number)).mappings().first()
        if row is None:
            raise Refusal(404, "no_job", f"there is no run {number}")
        return _shown(row)

    def listing(self, limit: int = 50) -> list[dict[str, Any]]:
        with self.db.read() as connection:
            rows = connection.execute(sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit)).mappings().all()
        return [_shown(row) | {"output": ""} for row in rows]

    def _interrupt(self) -> None:
        child = self._child
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGINT)

    def _work(self) -> None:
        while not self._stopping:
            with self.db.read() as connection:
                row = connection.execute(
                    sa.select(jobs).where(jobs.c.state == "queued").order_by(jobs.c.id).limit(1)
                ).first()
            if row is None:
                self._wake.wait(60.0)
                self._wake.clear()
                continue
            self._run(row)

    def _run(self, row: Any) -> None:
        with self.db.write() as connection:
            waits = jobs.c.state == "queued"
            started = _change(connection, row.id, where=waits, state="running", started_us=now_us())
        if not started:
            return
        said: list[str] = []
        code = 0
        for command in KINDS[row.kind]:
            code = self._command(row.id, [part.format(self.settings.project_folder) for part in command], said)
            if code:
                break
        if self._stopping:
            state = "interrupted"
        else:
            # 1: a target is missed, which is a result
            state = "cancelled" if row.id in self._cancelled else "done" if code in (0, 1) else "failed"
        with self.db.write() as connection:
            _change(connection, row.id, state=state, ended_us=now_us(), step="", exit_code=code, output=_last(said))
            write_down(connection, row.who, "", "end run", f"{row.id}: {row.kind}, {state}")

    def _command(self, number: int, arguments: list[str], said: list[str]) -> int:
        store = {"RADIOCOV_STORE": self.settings.fleet_url} if self.settings.fleet_url else {}
        order = {"arguments": arguments, "environment": store}
        child = lifeline.start(CODE, order, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._child = child
        if number in self._cancelled:  # it came while nothing was there to be stopped
            self._interrupt()
        assert child.stdout is not None
        written = 0
        for raw in child.stdout:
            line = self.settings.without_paths(raw.decode("utf-8", "replace").rstrip())
            progress = _PROGRESS.fullmatch(line)
            if progress is None:
                said.append(line)
            if now_us() - written > WRITE_EVERY_US or progress is None:
                written = now_us()
                values = {"output": _last(said)}
                if progress:
                    values |= {"step": progress[1], "done": int(progress[2]), "total": int(progress[3])}
                with self.db.write() as connection:
                    _change(connection, number, **values)
        return child.wait()


def _last(said: list[str]) -> str:
    return "\n".join(said)[-KEPT_CHARACTERS:]


def _change(connection: sa.Connection, number: int, where: Any = None, **values: Any) -> bool:
    query = sa.update(jobs).where(jobs.c.id == number)
    return connection.execute((query if where is None else query.where(where)).values(values)).rowcount == 1


def _shown(row: Any) -> dict[str, Any]:
    times = {name: None if row[f"{name}_us"] is None else iso(row[f"{name}_us"])
             for name in ("created", "started", "ended")}  # fmt: skip
    names = ("id", "kind", "state", "who", "step", "done", "total", "output", "exit_code")
    return {**{name: row[name] for name in names}, **times}
