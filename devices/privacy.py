"""Officers' positions: who sees identities, what leaves the unit, and what is written down about it.

An export names handsets by a keyed pseudonym. The key is a file outside the store and the project, so that neither
gives identities away, and whoever holds it can trace a pseudonym back. Identities themselves come out only for the
holder of the key who asks for them outright, and every access is logged with who, what and how much.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from devices import schema
from devices.errors import DevicesError
from devices.store import Store, now_us, this_person

LEAST_DEVICES, LEAST_SAMPLES = 3, 20
KEY_BYTES = 32


def key_path() -> Path:
    """RADIOCOV_KEY_FILE, else radiocov/pseudonym.key in the user's folder of settings."""
    if os.environ.get("RADIOCOV_KEY_FILE"):
        return Path(os.environ["RADIOCOV_KEY_FILE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home())
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "radiocov" / "pseudonym.key"


def read_key(make: bool = True) -> tuple[bytes, bool]:
    """(key, whether it was made now). Raises DevicesError where there is none and none is to be made."""
    path = key_path()
    if path.exists():
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except ValueError as error:
            raise DevicesError(
                f"{path}: is no key of pseudonyms; it holds {2 * KEY_BYTES} hexadecimal digits"
            ) from error
        if len(key) < 16:
            raise DevicesError(f"{path}: the key of pseudonyms has fewer than 32 hexadecimal digits")
        return key, False
    if not make:
        raise DevicesError(
            f"identities are for the holder of the key of pseudonyms, and {path} is not there; RADIOCOV_KEY_FILE "
            "names another place"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
        os.link(partial, path)  # where another process was quicker, its key counts
        made = True
    except FileExistsError:
        made = False
    finally:
        partial.unlink(missing_ok=True)
    return read_key(make=False)[0], made


def pseudonym(key: bytes, device_id: str) -> str:
    """The same for the same key and id, and of no use without the key (HMAC-SHA-256, RFC 2104, first 64 bits)."""
    return "p-" + hmac.new(key, device_id.encode(), hashlib.sha256).hexdigest()[:16]


def pseudonymised(table: pa.Table, key: bytes) -> pa.Table:
    """Records with pseudonyms for ids, and without what leads back to a file and a row."""
    coded = table.column("device_id").combine_chunks().dictionary_encode()
    names = pa.array([pseudonym(key, name) for name in coded.dictionary.to_pylist()], pa.string())
    at = table.schema.get_field_index("device_id")
    table = table.set_column(at, "device_id", names.take(coded.indices))
    return table.drop_columns(
        [name for name in ("raw_ref", "raw_key", "row_no", "batch") if name in table.column_names]
    )


def suppressed(cells: pa.Table) -> tuple[pa.Table, int]:
    """(cells that may leave the unit: of three handsets or twenty samples and more, how many may not)."""
    count = pc.add(cells.column("samples"), cells.column("no_service"))
    many = pc.or_(pc.greater_equal(cells.column("devices"), LEAST_DEVICES), pc.greater_equal(count, LEAST_SAMPLES))
    kept = cells.filter(many)
    return kept, cells.num_rows - kept.num_rows


def log_access(
    store: Store, action: str, detail: str, rows: int = 0, identities: bool = False, who: str = ""
) -> None:
    """Write down who looks at what; `rows` is 0 where it is logged before the rows are read."""
    with store.write(lock=False) as connection:
        connection.execute(sa.insert(schema.access_log).values(
            at_us=now_us(), who=who or this_person(), action=action, detail=detail, rows=rows,
            identities=identities))  # fmt: skip
