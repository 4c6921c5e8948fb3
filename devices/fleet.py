"""The register of handsets: what each is, whose it is, what state it is in, and every change with who and when."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from devices import schema
from devices.errors import DevicesError
from devices.records import CARRIES
from devices.schema import STATES
from devices.store import Store, iso, now_us, this_person

#: column -> other headings
FIELDS = {
    "device_id": ("device", "issi", "ssi", "id", "终端编号", "设备编号", "个呼号", "号码"),
    "maker": ("manufacturer", "厂商", "制造商", "厂家"), "model": ("型号", "机型"),
    "firmware": ("firmware_version", "固件版本", "软件版本"), "serial_number": ("serial", "序列号", "机身号"),
    "terminal_type": ("type", "终端类型", "类型"), "unit": ("owner", "owner_unit", "单位", "所属单位", "部门"),
    "antenna": ("天线",), "carry": ("携带方式",),
    "calibration_offset_db": ("calibration_offset", "offset_db", "校准偏移"), "state": ("status", "状态"),
    "note": ("备注",),
}  # fmt: skip
STATE_WORDS = {"在用": "in service", "借出": "lent", "维修": "in repair", "维修中": "in repair", "丢失": "lost",
               "遗失": "lost", "报废": "retired", "退役": "retired"}  # fmt: skip
GONE = ("retired", "lost")
LARGEST_OFFSET_DB = 40.0
Duplicates = Literal["refuse", "ignore", "override"]


def add(store: Store, values: dict[str, Any], duplicates: Duplicates = "refuse", who: str = "") -> dict[str, int]:
    """One handset, as `import_rows`."""
    return import_rows(store, [("", values)], duplicates, who)


def import_csv(store: Store, path: Path, duplicates: Duplicates, who: str = "") -> dict[str, int]:
    """A register in CSV, English or Chinese headings: whole or not at all, every fault named by row."""
    return import_rows(store, read_csv(path), duplicates, who)


def import_rows(store: Store, rows: list[tuple[str, dict[str, Any]]], duplicates: Duplicates,
                who: str = "") -> dict[str, int]:  # fmt: skip
    """(where, values) of handsets; how many were added, ignored, overridden, unchanged.

    Of handsets that are registered already, "ignore" keeps what is there, "override" takes the new values (an empty
    one changes nothing), "refuse" is an error. Raises DevicesError with every fault.
    """
    faults: list[str] = []
    counts = {"added": 0, "ignored": 0, "overridden": 0, "unchanged": 0}
    seen: dict[str, str] = {}
    with store.write() as connection:
        for where, values in rows:
            try:
                clean = checked(values)
                name = clean.get("device_id") or ""
                if not name:
                    raise DevicesError("no device_id")
                if name in seen:
                    raise DevicesError(f"device_id {name} stands already in {seen[name] or 'an earlier row'}")
                seen[name] = where
                counts[_put(connection, clean, duplicates, who)] += 1
            except DevicesError as error:
                faults.append(f"{where}: {error}" if where else str(error))
        if faults:
            raise DevicesError("\n".join(faults))
    return counts


def _put(connection: sa.Connection, values: dict[str, Any], duplicates: Duplicates, who: str) -> str:
    table = schema.handsets
    name = values["device_id"]
    old = connection.execute(sa.select(table).where(table.c.device_id == name)).mappings().first()
    if old is None:
        _check_serial(connection, name, values)
        made = connection.execute(sa.insert(table).values(registered=True, **{"state": "in service", **values}))
        _note(connection, made.inserted_primary_key[0], "registered", None, name, values.get("note"), who)
        return "added"
    if not old["registered"]:
        _change(connection, old, values | {"registered": True}, who, values.get("note"))
        return "added"
    if duplicates == "refuse":
        raise DevicesError(f"device_id {name} is registered already; say ignore or override for duplicates")
    if duplicates == "ignore":
        return "ignored"
    changes = {field: value for field, value in values.items() if value is not None}
    return "overridden" if _change(connection, old, changes, who, values.get("note")) else "unchanged"


def change(store: Store, device_id: str, values: dict[str, Any], note: str = "", who: str = "") -> list[str]:
    """Change a handset; the names of the fields that changed. DevicesError with the reason for what can't be."""
    with store.write() as connection:
        table = schema.handsets
        old = connection.execute(sa.select(table).where(table.c.device_id == device_id)).mappings().first()
        if old is None:
            raise DevicesError(f"no handset {device_id}; `radiocov fleet add` registers one")
        values = checked(values)
        if note:
            values["note"] = note
        return _change(connection, old, values | {"registered": True}, who, note)


def _change(connection: sa.Connection, old: Any, values: dict[str, Any], who: str, note: str | None) -> list[str]:
    changed = {field: value for field, value in values.items() if field != "device_id" and value != old[field]}
    state = changed.get("state")
    if state and old["state"] in GONE and not note:
        raise DevicesError(
            f'{old["device_id"]} is {old["state"]}: from there to "{state}" only with a note that says why'
        )
    _check_serial(connection, old["device_id"], {**old, **changed})
    if changed:
        table = schema.handsets
        connection.execute(sa.update(table).where(table.c.id == old["id"]).values(changed))
    for field, value in changed.items():
        if field != "note":
            _note(connection, old["id"], field, old[field], value, note, who)
    return sorted(changed)


def _check_serial(connection: sa.Connection, name: str, values: dict[str, Any]) -> None:
    """Two handsets of one serial number can't both be live."""
    serial = values.get("serial_number")
    if not serial or values.get("state") in GONE:
        return
    table = schema.handsets
    other = connection.execute(
        sa.select(table.c.device_id).where(table.c.serial_number == serial, table.c.device_id != name,
                                           table.c.state.not_in(GONE))
    ).scalar()  # fmt: skip
    if other is not None:
        raise DevicesError(
            f"serial number {serial} is that of {other}, which is live; retire that one first, or correct the number"
        )


def _note(
    connection: sa.Connection, handset: int, field: str, old: Any, new: Any, note: str | None, who: str
) -> None:
    connection.execute(sa.insert(schema.history).values(
        handset=handset, at_us=now_us(), who=who or this_person(), field=field,
        old=None if old is None else str(old), new=None if new is None else str(new), note=note or None))  # fmt: skip


def checked(values: dict[str, Any]) -> dict[str, Any]:
    """Values of known fields, empty ones left out. Raises DevicesError for what can't be."""
    found: dict[str, Any] = {}
    for field, value in values.items():
        text = value.strip() if isinstance(value, str) else value
        if field not in FIELDS:
            raise DevicesError(f"unknown field {field!r}; known: {', '.join(FIELDS)}")
        if text in (None, ""):
            continue
        found[field] = text
    name = found.get("device_id", "")
    if len(name) > 32 or "E+" in name.upper() or any(char.isspace() for char in name):
        raise DevicesError(
            f"device_id {name!r}: at most 32 characters, no blanks, and not spoilt by a spreadsheet (4.60E+14)"
        )
    if "state" in found:
        state = STATE_WORDS.get(found["state"], found["state"].lower().replace("_", " ").replace("-", " "))
        if state not in STATES:
            raise DevicesError(f"state {found['state']!r}; known: {', '.join(STATES)}")
        found["state"] = state
    if found.get("carry", CARRIES[0]) not in CARRIES:
        raise DevicesError(f"carry {found['carry']!r}; known: {', '.join(CARRIES)}")
    if "calibration_offset_db" in found:
        try:
            offset = float(found["calibration_offset_db"])
        except (TypeError, ValueError):
            offset = float("nan")
        if not abs(offset) <= LARGEST_OFFSET_DB:
            raise DevicesError(f"calibration_offset_db {found['calibration_offset_db']}: a number of dB within ±40, "
                               "positive where the handset reads too high")  # fmt: skip
        found["calibration_offset_db"] = offset
    return found


def read_csv(path: Path) -> list[tuple[str, dict[str, str]]]:
    """("handsets.csv: row 2", values) of every filled row. Raises DevicesError for unknown or missing columns."""
    from devices.formats.fields import plain_heading
    from devices.formats.text import Encoding, read_lines

    with path.open("rb") as file:
        blocks = list(read_lines(file, Encoding()))
    bad = [number for block in blocks for number, _, _ in block.bad]
    if bad:
        raise DevicesError(f"{path.name}: row {bad[0]}: is no text in the file's encoding; save the file as UTF-8")
    text = b"".join(block.data for block in blocks).decode("utf-8")
    first = text.split("\n", 1)[0]
    rows = list(csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count)))
    if not rows:
        raise DevicesError(f"{path.name}: is empty")
    known = {plain_heading(alias): field for field, aliases in FIELDS.items() for alias in (field, *aliases)}
    unknown = [cell for cell in rows[0] if cell.strip() and plain_heading(cell) not in known]
    columns = [known.get(plain_heading(cell), "") for cell in rows[0]]
    if unknown:
        raise DevicesError(f'{path.name}: row 1: unknown column "{unknown[0]}"; known: {", ".join(FIELDS)}')
    if "device_id" not in columns:
        raise DevicesError(f"{path.name}: row 1: no column device_id")
    found = []
    for number, cells in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in cells):
            if len(cells) > len(columns):
                raise DevicesError(f"{path.name}: row {number}: more cells than the header has")
            found.append((f"{path.name}: row {number}", dict(zip(columns, cells, strict=False))))
    return found


def listing(store: Store, unit: str = "", state: str = "") -> list[dict[str, Any]]:
    """Handsets, by id, with when they were last seen (our clock)."""
    table = schema.handsets
    query = sa.select(table).order_by(table.c.device_id)
    if unit:
        query = query.where(table.c.unit == unit)
    if state:
        query = query.where(table.c.state == state)
    with store.read() as connection:
        return [_shown(row) for row in connection.execute(query).mappings()]


def show(store: Store, device_id: str) -> dict[str, Any]:
    """One handset with its history, newest first, and the number of its records."""
    table = schema.handsets
    with store.read() as connection:
        row = connection.execute(sa.select(table).where(table.c.device_id == device_id)).mappings().first()
        if row is None:
            raise DevicesError(f"no handset {device_id}; `radiocov fleet list` shows them")
        changes = connection.execute(
            sa.select(schema.history).where(schema.history.c.handset == row["id"])
            .order_by(schema.history.c.at_us.desc(), schema.history.c.id.desc())
        ).mappings()  # fmt: skip
        past = [{"at": iso(c["at_us"]), **{k: c[k] for k in ("who", "field", "old", "new", "note")}} for c in changes]
        blocks = schema.blocks
        n = connection.execute(
            sa.select(sa.func.coalesce(sa.func.sum(blocks.c.rows), 0)).where(blocks.c.device == row["id"])
        ).scalar_one()
    return {**_shown(row), "records": int(n), "history": past}


def _shown(row: Any) -> dict[str, Any]:
    values = {name: row[name] for name in FIELDS}
    times = {
        name: iso(row[f"{name}_us"]) if row[f"{name}_us"] is not None else None
        for name in ("last_seen", "last_record")
    }
    return {**values, "registered": bool(row["registered"]), **times}
