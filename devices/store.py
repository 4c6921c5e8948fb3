"""The fleet store: a SQLite file, or a PostgreSQL database where several offices write.

One import writes at a time: it holds the store's lock from its first row to its receipt, so that it is there whole or
not at all. Others wait and say so; readers never wait.
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from devices import schema
from devices.errors import DevicesError

LOCK = 0x7264_636F  # of PostgreSQL's advisory locks
PATIENCE_S = 1800.0
ASK_EVERY_S = 1.0
FIRST_OPENING_S = 30.0
MOST_REMEMBERED = 100_000


class StoreError(OSError):
    """The store cannot be reached or written: not the input's fault."""


class Store:
    """url: postgresql://..., or the path of a SQLite file. create: make it where it is not there yet. converted: told
    how many records of an older store have the present form; first 0, where there are any to bring to it.

    Raises DevicesError where there is none, or what is there is no fleet store; StoreError where it can't be reached.
    """

    meta, steps, lock = schema.meta, schema.MIGRATIONS, LOCK
    patience_s = PATIENCE_S  # for another's import; who must answer soon sets less

    def __init__(self, url: str | Path, create: bool = True, converted: Callable[[int], None] | None = None) -> None:
        self.contexts: dict[tuple, dict[tuple, int]] = {}
        text = str(url)
        scheme, there, rest = text.partition("://")
        self.is_postgres = scheme.split("+")[0] in ("postgresql", "postgres")
        if there and not self.is_postgres and scheme != "sqlite":
            raise DevicesError(
                f"store {scheme}://: use the path of a SQLite file, or postgresql://user@host/database"
            )
        if self.is_postgres:
            self.name = sa.make_url(f"postgresql://{rest}").render_as_string(hide_password=True)
            self.engine = _postgres(f"postgresql+psycopg://{rest}")
        else:
            self.path = Path(rest.removeprefix("/") if there else text)
            self.name = str(self.path)
            if not create and not self.path.exists():
                raise DevicesError(
                    f"{self.path}: there is no fleet store yet; `radiocov logs import` or `radiocov fleet add` "
                    "makes it"
                )
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = _sqlite(self.path)
        try:
            self._open(converted or (lambda records: None))
        except BaseException:
            self.close()
            raise

    def _open(self, converted: Callable[[int], None]) -> None:
        with self._named_errors(), self.engine.connect() as connection:
            have = schema.version_of(connection, self.meta)
        if have != max(self.steps):
            with self.write(lock=True) as connection:
                schema.migrate(connection.execution_options(converted=converted), self.meta, self.steps)

    def remember(self, contexts: dict[tuple, dict[tuple, int]]) -> None:
        """Numbers of contexts, which never change, that the next import need not ask for; see `writing`."""
        if sum(map(len, self.contexts.values())) > MOST_REMEMBERED:
            self.contexts.clear()
        for kind, found in contexts.items():
            self.contexts.setdefault(kind, {}).update(found)

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view of the store."""
        with self._named_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, waiting: Callable[[float], None] | None = None, lock: bool = True) -> Iterator[sa.Connection]:
        """A transaction that holds the store's lock; committed where the block ends well, else nothing happened.

        waiting: told the seconds waited while another process writes. lock: False for a single row that conflicts
        with nobody's; SQLite has one writer at a time all the same.
        """
        with self._named_errors(), self.engine.connect() as connection:
            connection = connection.execution_options(write=True)
            with self._begin(connection, waiting, lock and self.is_postgres):
                yield connection

    @contextmanager
    def _begin(self, connection: sa.Connection, waiting: Callable[[float], None] | None,
               lock: bool) -> Iterator[None]:  # fmt: skip
        start = time.monotonic()
        while True:
            try:
                transaction = connection.begin()
                asked = sa.text("select pg_try_advisory_xact_lock(:lock)")
                if not lock or connection.execute(asked, {"lock": self.lock}).scalar():
                    break
                transaction.rollback()
                time.sleep(ASK_EVERY_S)
            except sa.exc.OperationalError as error:
                if "locked" not in str(error):
                    raise
            waited = time.monotonic() - start
            if waited > self.patience_s:
                raise StoreError(f"{self.name}: another import has been writing for {waited:.0f} s; try later")
            if waiting is not None:
                waiting(waited)
        with transaction:
            yield

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._named(str(error.orig).strip().splitlines()[0]) from error
        except self.engine.dialect.loaded_dbapi.Error as error:
            raise self._named(str(error).strip().splitlines()[0]) from error

    def _named(self, text: str) -> Exception:
        if "not a database" in text or "no such column" in text:
            return DevicesError(f"{self.name}: is no fleet store ({text})")
        return StoreError(f"{self.name}: {text}")


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": ASK_EVERY_S, "isolation_level": None})

    @sa.event.listens_for(engine, "connect")
    def _(connection, _) -> None:
        _to_wal(connection)
        connection.execute("pragma synchronous = full")  # a receipt that was shown outlasts a power cut
        connection.execute("pragma cache_size = -16384")
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma secure_delete = on")  # removed positions are overwritten

    @sa.event.listens_for(engine, "begin")
    def _(connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("begin immediate" if write else "begin")

    return engine


def _to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait by itself where two make the same new file one with a write-ahead log."""
    last = time.monotonic() + FIRST_OPENING_S
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > last:
                raise
            time.sleep(0.01)


def _postgres(url: str) -> sa.Engine:
    try:
        return sa.create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise DevicesError("PostgreSQL needs the package psycopg: pip install 'radiocov[postgres]'") from error


def this_person() -> str:
    """Who works here, for receipts and logs: RADIOCOV_USER, else the account's name."""
    try:
        return os.environ.get("RADIOCOV_USER") or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def now_us() -> int:
    """Our clock, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def iso(us: int) -> str:
    """UTC in ISO 8601, with microseconds where there are any; us: since 1970."""
    stamp = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=us)
    return stamp.isoformat(timespec="auto") + "Z"
