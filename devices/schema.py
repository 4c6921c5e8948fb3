"""Tables of the fleet store, the same on SQLite and PostgreSQL, and how an older store is brought up to date."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from devices.errors import DevicesError

#: what many records have in common is kept once, as a row of `contexts`
CONTEXT_FIELDS = ("time_source", "datum_in", "fix", "direction", "service_state", "technology", "freq_hz", "channel",
                  "system_code", "location_area", "site_id", "colour_code", "slot", "role", "rssi_censor",
                  "rssi_step_db", "carry", "tx_power_dbm", "profile", "flags")  # fmt: skip
CONTEXT_NUMBERS = ("freq_hz", "location_area", "colour_code", "slot", "rssi_step_db", "tx_power_dbm")
RECORD_NUMBERS = ("lat", "lon", "rssi_dbm", "hdop", "satellites", "accuracy_m", "pos_age_s", "alt_m", "speed_mps",
                  "course_deg", "ber_percent", "ber_low_percent", "ber_high_percent", "cinr_db", "c1_db",
                  "battery_percent")  # fmt: skip
STATES = ("in service", "lent", "in repair", "lost", "retired")

metadata = sa.MetaData()
Number = sa.Double()

meta = sa.Table(
    "meta", metadata, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False),
)  # fmt: skip
handsets = sa.Table(
    "handsets", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("device_id", sa.Text, nullable=False, unique=True),
    sa.Column("registered", sa.Boolean, nullable=False, default=False),  # False: known from its logs alone
    sa.Column("maker", sa.Text), sa.Column("model", sa.Text), sa.Column("firmware", sa.Text),
    sa.Column("serial_number", sa.Text), sa.Column("terminal_type", sa.Text), sa.Column("unit", sa.Text),
    sa.Column("antenna", sa.Text), sa.Column("carry", sa.Text),
    sa.Column("calibration_offset_db", Number),
    sa.Column("state", sa.Text, nullable=False, default="in service"),
    sa.Column("note", sa.Text),
    sa.Column("last_seen_us", sa.BigInteger),  # by our clock; a handset's own may be wrong
    sa.Column("last_record_us", sa.BigInteger),
)  # fmt: skip
history = sa.Table(
    "history", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("handset", sa.Integer, sa.ForeignKey("handsets.id"), nullable=False, index=True),
    sa.Column("at_us", sa.BigInteger, nullable=False), sa.Column("who", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False), sa.Column("old", sa.Text), sa.Column("new", sa.Text),
    sa.Column("note", sa.Text),
)  # fmt: skip
batches = sa.Table(
    "batches", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False, index=True),
    sa.Column("description", sa.Text, nullable=False),  # digest of the log description it was read by
    sa.Column("received_us", sa.BigInteger, nullable=False), sa.Column("who", sa.Text, nullable=False),
    sa.Column("first_us", sa.BigInteger), sa.Column("last_us", sa.BigInteger),
    sa.Column("reopened_us", sa.BigInteger),
    sa.Column("receipt", sa.Text, nullable=False),
)  # fmt: skip
rejects = sa.Table(
    "rejects", metadata,
    sa.Column("batch", sa.Integer, sa.ForeignKey("batches.id"), primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
)  # fmt: skip
contexts = sa.Table(
    "contexts", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    *(sa.Column(name, Number if name in CONTEXT_NUMBERS else sa.Text) for name in CONTEXT_FIELDS),
)  # fmt: skip
records = sa.Table(
    "records", metadata,
    sa.Column("device", sa.Integer, primary_key=True),
    sa.Column("time_us", sa.BigInteger, primary_key=True),
    sa.Column("identity", sa.BigInteger, primary_key=True),
    sa.Column("occurrence", sa.Integer, primary_key=True),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("row_no", sa.BigInteger, nullable=False),
    sa.Column("context", sa.Integer, nullable=False),
    *(sa.Column(name, Number) for name in RECORD_NUMBERS),
    sa.Column("raw_ref", sa.Text),
    sqlite_with_rowid=False,
)  # fmt: skip
sa.Index("records_time", records.c.time_us, postgresql_using="brin").ddl_if(dialect="postgresql")
access_log = sa.Table(
    "access_log", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at_us", sa.BigInteger, nullable=False), sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False), sa.Column("detail", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False), sa.Column("identities", sa.Boolean, nullable=False),
)  # fmt: skip
kept_cells = sa.Table(
    "kept_cells", metadata,  # what stays of removed records: figures of a cell in a month, no identities
    sa.Column("cell", sa.BigInteger, primary_key=True), sa.Column("month", sa.Text, primary_key=True),
    sa.Column("devices", sa.Integer, nullable=False), sa.Column("samples", sa.BigInteger, nullable=False),
    sa.Column("mean_dbm", Number), sa.Column("sd_db", Number), sa.Column("no_service", sa.BigInteger, nullable=False),
)  # fmt: skip
removals = sa.Table(
    "removals", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at_us", sa.BigInteger, nullable=False), sa.Column("who", sa.Text, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
)  # fmt: skip


def _first(connection: sa.Connection) -> None:
    metadata.create_all(connection)


#: version -> what brings a store of the version before to it; a step is never changed once published
MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {1: _first}


def version_of(connection: sa.Connection, table: sa.Table = meta) -> int:
    """0 for an empty database. table: where the version is kept."""
    if not sa.inspect(connection).has_table(table.name):
        return 0
    found = connection.execute(sa.select(table.c.value).where(table.c.key == "schema")).scalar()
    return int(found or 0)


def migrate(
    connection: sa.Connection, table: sa.Table = meta, steps: dict[int, Callable[[sa.Connection], None]] = MIGRATIONS
) -> None:
    """Bring the store to the version of this program, in the caller's transaction."""
    have, newest = version_of(connection, table), max(steps)
    if have > newest:
        raise DevicesError(
            f"the fleet store is of version {have}, made by a newer radiocov than this one, which knows {newest}; "
            "update radiocov"
        )
    for version in range(have + 1, newest + 1):
        steps[version](connection)
        connection.execute(sa.delete(table).where(table.c.key == "schema"))
        connection.execute(sa.insert(table).values(key="schema", value=str(version)))
