"""Files into the fleet store, each whole or not at all, each row once, with a receipt.

What is counted twice and what is not: a row is the same as another where device, time and raw values are (see
`identity`); equal rows inside one file are honest repeats and are numbered. Over several files the number of equal
rows is the largest of any file, not the sum, so that parts, repeats and overlapping exports add nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import sqlalchemy as sa

from devices import schema
from devices.archives import Part, parts
from devices.checks import Context
from devices.draft import Draft
from devices.errors import DevicesError
from devices.formats.description import Description
from devices.formats.fields import Declared
from devices.formats.read import Reading
from devices.formats.sniff import UnknownFormatError
from devices.identity import Occurrences
from devices.positions import read_track
from devices.reject_files import RejectFile, is_ours
from devices.road_check import LEAST_PLACES, Places, RoadDistance
from devices.store import Store, now_us, this_person
from devices.writing import Writer, reject_counts

Progress = Callable[[str, int, int], None]
DEVICES_NAMED = 1000
READ_BYTES = 1 << 20
SMALL_BYTES = 8 << 20  # read within a second or two: no progress is shown


@dataclass
class Order:
    """How files are to be read. area: lon_min, lat_min, lon_max, lat_max of the project; strict: any rejected row
    refuses the file; fallback: folder for reject files where the import's own cannot be written; road_distance: to
    the project's roads, to which positions on a wrong datum do not fit."""

    declared: Declared = field(default_factory=Declared)
    description: Description | None = None
    protocol: str = ""
    area: tuple[float, float, float, float] | None = None
    strict: bool = False
    who: str = ""
    fallback: Path = Path(".")
    road_distance: RoadDistance | None = None
    now_us: int = 0  # our clock; 0: the computer's


@dataclass
class _Tally:
    valid: int = 0
    accepted: int = 0
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    flagged: dict[str, int] = field(default_factory=dict)
    devices: dict[str, list[int]] = field(default_factory=dict)  # id -> rows, first, last time
    profiles: list[str] = field(default_factory=list)
    datums: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    area: tuple[float, float, float, float] | None = None
    positions: int = 0
    inside: int = 0
    places: Places | None = None

    def add(self, draft: Draft) -> None:
        self.valid += len(draft)
        if self.area is not None and "lat" in draft.numbers:
            west, south, east, north = self.area
            lat, lon = draft.numbers["lat"], draft.numbers["lon"]
            self.positions += int((~np.isnan(lat)).sum())
            self.inside += int(((lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)).sum())
        if self.places is not None and "lat" in draft.numbers:
            self.places.add(draft.numbers["lat"], draft.numbers["lon"])
        for key, rows in reject_counts(draft.rejected).items():
            self.rejected[key] = self.rejected.get(key, 0) + rows
        for code, rows in draft.skipped.items():
            self.skipped[code] = self.skipped.get(code, 0) + rows
        for name, mask in draft.flags.items():
            self.flagged[name] = self.flagged.get(name, 0) + int(mask.sum())
        if len(draft):
            self._add_devices(draft)
            datum = draft.texts.get("datum_in")
            self.datums |= {datum} if isinstance(datum, str) else set() if datum is None else set(
                pc.unique(datum).drop_null().to_pylist())  # fmt: skip

    def _add_devices(self, draft: Draft) -> None:
        if isinstance(draft.device, str):
            names, codes = [draft.device], np.zeros(len(draft), np.int64)
        else:
            coded = draft.device.dictionary_encode()
            names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
        rows = np.bincount(codes, minlength=len(names))
        first = np.full(len(names), np.iinfo(np.int64).max)
        last = np.full(len(names), np.iinfo(np.int64).min)
        np.minimum.at(first, codes, draft.time_us)
        np.maximum.at(last, codes, draft.time_us)
        for name, n, low, high in zip(names, rows.tolist(), first.tolist(), last.tolist(), strict=True):
            if n:
                known = self.devices.setdefault(name, [0, low, high])
                self.devices[name] = [known[0] + n, min(known[1], low), max(known[2], high)]


def import_file(store: Store, path: Path, order: Order, progress: Progress | None = None) -> dict[str, Any]:
    """Read a file into the store; its receipt, a JSON-able dict.

    The same file again gives the first receipt, with "repeated". Raises DevicesError where nothing of the file can be
    read, or `strict` refuses it; nothing of it is then in the store, and the rejected rows are in a file beside it.
    """
    progress = progress or (lambda what, done, total: None)
    if is_ours(path):
        raise DevicesError(
            f"{path.name}: is a list of rejected rows, not a log; put the rows right in the log itself"
        )
    sha256 = _digest(path, progress)
    digest = "" if order.description is None else hashlib.blake2b(
        order.description.model_dump_json().encode(), digest_size=16).hexdigest()  # fmt: skip
    earlier = _receipt_of(store, sha256, digest, order)
    if earlier is not None:
        return earlier
    found, notes = parts(path)
    reject_file = RejectFile(path, order.fallback)
    try:
        with store.write(lambda waited: progress("waiting for another import", int(waited), 0)) as connection:
            earlier = _receipt_of(store, sha256, digest, order, connection)
            if earlier is not None:
                return earlier
            receipt = _write(store, connection, path, found, notes, order, sha256, digest, reject_file, progress)
        return receipt
    finally:
        reject_file.discard()


def _write(store: Store, connection: sa.Connection, path: Path, found: list[Part], notes: list[str], order: Order,
           sha256: str, digest: str, reject_file: RejectFile, progress: Progress) -> dict[str, Any]:  # fmt: skip
    now = order.now_us or now_us()
    who = order.who or this_person()
    made = connection.execute(sa.insert(schema.batches).values(
        sha256=sha256, description=digest, received_us=now, who=who, receipt="{}"))  # fmt: skip
    batch = made.inserted_primary_key[0]
    track = read_track(Path(order.declared.track), order.declared.zone, order.declared.datum, now) \
        if order.declared.track else None  # fmt: skip
    known = list(connection.execute(sa.select(schema.handsets.c.device_id)).scalars())
    writer = Writer(connection, batch)
    tally = _Tally(notes=list(notes), area=order.area, places=Places() if order.road_distance else None)
    total = sum(part.packed_bytes for part in found)
    done = 0
    for part in found:
        context = Context(now, order.declared.datum, order.area, known, track)
        reading = Reading(part, order.declared, context, order.description, order.protocol)
        try:
            with closing(Occurrences()) as occurrences:
                for draft in _ahead(reading.drafts()):
                    for table in draft.rejected:
                        reject_file.add(table, part.member)
                    tally.add(draft)
                    tally.accepted += writer.write(draft, occurrences)
                    if total > SMALL_BYTES:
                        position = min(done + part.position(), total - (1 << 20))  # reading goes ahead of writing
                        progress(f"reading {path.name}, MiB", position >> 20, total >> 20)
        except UnknownFormatError as error:
            if part is found[-1] and not tally.profiles:
                raise
            tally.notes.append(f"left out: {error}")  # a text that lies beside the logs in an archive
            continue
        tally.accepted += writer.flush()
        done += part.packed_bytes
        tally.notes += part.notes
        tally.facts |= reading.facts
        if reading.profile and reading.profile not in tally.profiles:
            tally.profiles.append(reading.profile)
    if total > SMALL_BYTES:
        progress(f"reading {path.name}, MiB", total >> 20, total >> 20)
    if tally.positions and not tally.inside:
        tally.notes.append("no position is in the project's area: is this the right project, and the right datum?")
    elif order.road_distance is not None and len(tally.places) >= LEAST_PLACES:
        progress(f"comparing {path.name} with the roads", 0, 1)
        tally.notes += _off_roads(tally, order.road_distance)
        progress(f"comparing {path.name} with the roads", 1, 1)
    rejected = sum(tally.rejected.values())
    receipt = _receipt(path, order, tally, sha256, now, who, batch)
    if rejected and (order.strict or not tally.valid):
        kept = reject_file.keep()
        raise DevicesError(_refusal(path, tally, rejected, order.strict, kept))
    kept = reject_file.keep()
    receipt["reject_file"] = str(kept) if kept else ""
    connection.execute(sa.update(schema.batches).where(schema.batches.c.id == batch).values(
        receipt=json.dumps(receipt, ensure_ascii=False),
        first_us=min((d[1] for d in tally.devices.values()), default=None),
        last_us=max((d[2] for d in tally.devices.values()), default=None)))  # fmt: skip
    for (code, column), rows in tally.rejected.items():
        connection.execute(sa.insert(schema.rejects).values(batch=batch, code=code, column=column, rows=rows))
    _seen(connection, writer, tally, now)
    return receipt


def _off_roads(tally: _Tally, distance: RoadDistance) -> list[str]:
    if len(tally.datums) != 1:
        return []
    try:
        found = tally.places.note(next(iter(tally.datums)), distance)
    except (ValueError, OSError) as error:  # the roads' fault, and no reason to refuse a log
        found = f"positions were not compared with the project's roads: {error}"
    return [found] if found else []


def _ahead(drafts: Iterator[Draft]) -> Iterator[Draft]:
    """The same blocks, the next one read by a thread while the caller writes this one."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, drafts, None)
        while (draft := coming.result()) is not None:
            coming = reader.submit(next, drafts, None)
            yield draft


def _seen(connection: sa.Connection, writer: Writer, tally: _Tally, now: int) -> None:
    """Handsets that brought something newer than was known were seen now, by our clock."""
    table = schema.handsets
    for name, number in writer.devices.items():
        newest = tally.devices[name][2]
        connection.execute(
            sa.update(table)
            .where(table.c.id == number, sa.or_(table.c.last_record_us.is_(None), table.c.last_record_us < newest))
            .values(last_seen_us=now, last_record_us=newest)
        )


def _receipt(path: Path, order: Order, tally: _Tally, sha256: str, now: int, who: str, batch: int) -> dict[str, Any]:
    rejected = sum(tally.rejected.values())
    by_code: dict[str, int] = {}
    for (code, _), rows in tally.rejected.items():
        by_code[code] = by_code.get(code, 0) + rows
    devices = dict(sorted(tally.devices.items()))
    return {
        "batch": batch, "repeated": False, "file": path.name, "sha256": sha256, "received": iso(now), "who": who,
        "profile": ", ".join(tally.profiles), "datum": ", ".join(sorted(tally.datums)),
        "declared": {name: value for name, value in vars(order.declared).items() if value},
        "rows_read": tally.valid + rejected, "accepted": tally.accepted, "duplicate": tally.valid - tally.accepted,
        "rejected": rejected, "rejected_by_reason": dict(sorted(by_code.items())),
        "skipped": dict(sorted(tally.skipped.items())), "flagged": dict(sorted(tally.flagged.items())),
        "first_time": iso(min(d[1] for d in devices.values())) if devices else None,
        "last_time": iso(max(d[2] for d in devices.values())) if devices else None,
        "device_count": len(devices),
        "devices": {name: {"rows": rows, "first_time": iso(first), "last_time": iso(last)}
                    for name, (rows, first, last) in list(devices.items())[:DEVICES_NAMED]},
        "facts": tally.facts, "notes": tally.notes, "reject_file": "",
    }  # fmt: skip


def _refusal(path: Path, tally: _Tally, rejected: int, strict: bool, kept: Path | None) -> str:
    from devices import rejects

    (code, column), rows = max(tally.rejected.items(), key=lambda item: item[1])
    where = f'column "{column}": ' if column else ""
    first = f"{path.name}: {rejected} of {rejected + tally.valid} rows rejected"
    why = "and --strict refuses the file for it" if strict and tally.valid else "so that nothing is left"
    return f"{first}, {why}; most ({rows}): {where}{rejects.text(code)}. All of them: {kept}"


def _receipt_of(store: Store, sha256: str, digest: str, order: Order,
                connection: sa.Connection | None = None) -> dict[str, Any] | None:  # fmt: skip
    """The first receipt of this content, read in the same way; None where it is new.

    Raises DevicesError where it was read with another device, zone, date or datum: its rows would be stored twice.
    """
    if connection is None:
        with store.read() as reading:
            return _receipt_of(store, sha256, digest, order, reading)
    table = schema.batches
    rows = connection.execute(
        sa.select(table).where(table.c.sha256 == sha256, table.c.reopened_us.is_(None)).order_by(table.c.id)
    ).all()
    declared = {name: value for name, value in vars(order.declared).items() if value}
    for row in rows:
        receipt = json.loads(row.receipt)
        before = {"datum": receipt["datum"], **receipt["declared"]}
        # what was not declared before was not needed
        different = [name for name, value in declared.items()
                     if (before.get(name) or name == "track") and before.get(name) != value]  # fmt: skip
        if different:
            was = ", ".join(f"{name} {before.get(name) or 'not given'}" for name in different)
            raise DevicesError(
                f"{receipt['file']} was imported as batch {row.id} with {was}; its rows would be there twice. "
                f"Withdraw that batch first: radiocov fleet retention PROJECT --withdraw {row.id}"
            )
        wanted_device = declared.get("device") and "device_missing" in receipt["rejected_by_reason"]
        if digest in ("", row.description) and not wanted_device:
            return receipt | {"repeated": True}
    return None


def _digest(path: Path, progress: Progress) -> str:
    """sha256 of a file's content. Raises DevicesError for a folder."""
    if path.is_dir():
        raise DevicesError(f"{path}: is a folder; name the files in it")
    total = path.stat().st_size
    found = hashlib.sha256()
    data = memoryview(bytearray(READ_BYTES))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(data):
            found.update(data[:size])
            if total > SMALL_BYTES:
                progress(f"looking at {path.name}, MiB", min(file.tell(), total - (1 << 20)) >> 20, total >> 20)
    if total > SMALL_BYTES:
        progress(f"looking at {path.name}, MiB", total >> 20, total >> 20)
    return found.hexdigest()


def iso(us: int) -> str:
    """UTC in ISO 8601, with microseconds where there are any."""
    stamp = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=us)
    return stamp.isoformat(timespec="auto") + "Z"
