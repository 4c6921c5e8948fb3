"""Tables of the service, the same on SQLite and PostgreSQL, beside the fleet store's.

On SQLite they are a file of their own: an import holds the fleet store's only write lock until it is whole, and
people who sign in or send a chunk must not wait for it. On PostgreSQL they are in the fleet store's database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from devices.store import Store
from radiocov.web.settings import Settings

ROLES = ("admin", "engineer", "manager", "field", "monitor")
#: of an upload: not whole yet, waiting for its import, imported, refused for what it is, given up after crashes
STATES = ("open", "queued", "done", "refused", "failed")

metadata = sa.MetaData()

meta = sa.Table(
    "service_meta", metadata,
    sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False),
)  # fmt: skip
tokens = sa.Table(
    "service_tokens", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),  # of the person or team; what is theirs goes by it
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("once", sa.Boolean, nullable=False),  # a link that is good for one sign-in
    sa.Column("zone", sa.Text, nullable=False), sa.Column("datum", sa.Text, nullable=False),  # of a team's logs
    sa.Column("created_us", sa.BigInteger, nullable=False), sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("revoked_us", sa.BigInteger), sa.Column("used_us", sa.BigInteger),
)  # fmt: skip
sessions = sa.Table(
    "service_sessions", metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("token", sa.Integer, sa.ForeignKey("service_tokens.id"), nullable=False, index=True),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False), sa.Column("expires_us", sa.BigInteger, nullable=False),
)  # fmt: skip
uploads = sa.Table(
    "service_uploads", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),  # as the team knows the file
    sa.Column("stored", sa.Text, nullable=False),  # its name in the upload's own folder
    sa.Column("size", sa.BigInteger, nullable=False), sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("declared", sa.Text, nullable=False),  # JSON: zone, datum, device, date, format
    sa.Column("offset", sa.BigInteger, nullable=False),  # bytes that are on the disk for good
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("whole_us", sa.BigInteger), sa.Column("ended_us", sa.BigInteger),
    sa.Column("batch", sa.Integer), sa.Column("receipt", sa.Text),
    sa.Column("message", sa.Text, nullable=False),  # why it was refused, or is not read yet
    sa.UniqueConstraint("team", "sha256", "declared"),
)  # fmt: skip
sa.Index("service_uploads_team", uploads.c.team, uploads.c.created_us)
sa.Index("service_uploads_state", uploads.c.state, uploads.c.whole_us)
jobs = sa.Table(
    "service_jobs", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False), sa.Column("state", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False), sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("started_us", sa.BigInteger), sa.Column("ended_us", sa.BigInteger),
    sa.Column("step", sa.Text, nullable=False),  # what it is doing
    sa.Column("done", sa.Integer, nullable=False), sa.Column("total", sa.Integer, nullable=False),
    sa.Column("output", sa.Text, nullable=False),  # the last it said
    sa.Column("exit_code", sa.Integer),
)  # fmt: skip
audit = sa.Table(
    "service_audit", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at_us", sa.BigInteger, nullable=False), sa.Column("who", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False), sa.Column("action", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)  # fmt: skip
squares = sa.Table(
    "service_squares", metadata,  # sums of what was measured, see `squares`; made from the fleet store
    sa.Column("side", sa.Integer, primary_key=True), sa.Column("square", sa.BigInteger, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),  # when it was written
    sa.Column("cells", sa.Integer, nullable=False), sa.Column("data", sa.LargeBinary, nullable=False),
)  # fmt: skip


def _first(connection: sa.Connection) -> None:
    metadata.create_all(connection)


def _second(connection: sa.Connection) -> None:
    """Sums of cells from a row each to squares of them: all are counted anew."""
    connection.execute(sa.text("drop table if exists service_cells"))
    connection.execute(sa.delete(meta).where(meta.c.key.in_(["cells_batch", "cells_removal"])))
    metadata.create_all(connection)


#: as those of devices.schema: a step is never changed once published
MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {1: _first, 2: _second}


class Database(Store):
    """The service's tables; brought up to date when opened. Writers of this process take turns by a lock of its own,
    which is fairer than asking SQLite again and again."""

    meta, steps, lock = meta, MIGRATIONS, 0x7264_7376
    patience_s = 30.0

    def __init__(self, settings: Settings) -> None:
        self._turn = threading.Lock()
        if not settings.database:
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(settings.database or settings.folder / "service.sqlite")

    @contextmanager
    def write(self, waiting: Callable[[float], None] | None = None, lock: bool = False) -> Iterator[sa.Connection]:
        """As Store.write; by default without PostgreSQL's lock of the whole: these are changes of single rows."""
        with self._turn, super().write(waiting, lock) as connection:
            yield connection
