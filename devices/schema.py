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
#: records of one handset in order of time, identity and occurrence; those of two blocks are never mixed in time
blocks = sa.Table(
    "blocks", metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("device", sa.Integer, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False), sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("batch_min", sa.Integer, nullable=False), sa.Column("batch_max", sa.Integer, nullable=False),
    sa.Column("lat_min", Number), sa.Column("lat_max", Number),  # null: no record has a position
    sa.Column("lon_min", Number), sa.Column("lon_max", Number),
    sa.Column("data", sa.LargeBinary, nullable=False),  # columns of BLOCK_COLUMNS, see `packing`
    sa.Index("blocks_device", "device", "first_us"),
)  # fmt: skip
sa.event.listen(blocks, "after_create", sa.DDL("alter table blocks alter column data set storage external")
                .execute_if(dialect="postgresql"))  # fmt: skip
BLOCK_COLUMNS = ("time_us", "identity", "occurrence", "batch", "row_no", "context", *RECORD_NUMBERS, "raw_ref")
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


def _second(connection: sa.Connection) -> None:
    """Records from a row each to blocks of columns."""
    from devices.rows_to_blocks import convert

    metadata.create_all(connection)
    convert(connection)


#: version -> what brings a store of the version before to it; a step is never changed once published
MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {1: _first, 2: _second}


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
