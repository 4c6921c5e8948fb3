"""Files into the fleet store, each whole or not at all, each row once, with a receipt.

What is counted twice and what is not: a row is the same as another where device, time and raw values are (see
`identity`); equal rows inside one file are honest repeats and are numbered. Over several files the number of equal
rows is the largest of any file, not the sum, so that parts, repeats and overlapping exports add nothing.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from devices import schema
from devices.ahead import ahead
from devices.archives import Part, parts
from devices.checks import Context
from devices.draft import Draft
from devices.errors import DevicesError
from devices.formats.description import Description
from devices.formats.fields import Declared
from devices.formats.read import Reading
from devices.formats.sniff import UnknownFormatError
from devices.occurrences import Occurrences
from devices.positions import read_track
from devices.reject_files import RejectFile, is_ours
from devices.road_check import LEAST_PLACES, Places, RoadDistance
from devices.store import Store, now_us, this_person
from devices.tally import Tally
from devices.writing import Writer

Progress = Callable[[str, int, int], None]
READ_BYTES = 1 << 20
SMALL_BYTES = 8 << 20  # read within a second: no progress is shown


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


class _RepeatedError(Exception):
    """The file was imported before; with the first receipt."""

    def __init__(self, receipt: dict[str, Any]) -> None:
        super().__init__()
        self.receipt = receipt


class _Content:
    """What a file holds, by its digest, which for a large file is made while it is read already; `close` when done.

    DevicesError for a folder.
    """

    def __init__(self, store: Store, path: Path, order: Order) -> None:
        if path.is_dir():
            raise DevicesError(f"{path}: is a folder; name the files in it")
        self.description = "" if order.description is None else hashlib.blake2b(
            order.description.model_dump_json().encode(), digest_size=16).hexdigest()  # fmt: skip
        self._store, self._order = store, order
        self._looked = False
        self._given_up = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        if path.stat().st_size > SMALL_BYTES:
            self._digest = self._thread.submit(_digest, path, self._given_up)
        else:
            self._digest = Future()
            self._digest.set_result(_digest(path, self._given_up))

    @property
    def sha256(self) -> str:
        return self._digest.result()

    def look(self, connection: sa.Connection | None = None, now: bool = False) -> None:
        """As soon as the digest is known, or now: raises _RepeatedError where the store has this content, read in the
        same way, DevicesError where in another. connection: of who holds the store's lock, so that once is enough."""
        if self._looked or not (now or self._digest.done()):
            return
        if connection is None:
            with self._store.read() as reading:
                earlier = _receipt_of(reading, self.sha256, self.description, self._order)
        else:
            earlier = _receipt_of(connection, self.sha256, self.description, self._order)
            self._looked = True
        if earlier is not None:
            raise _RepeatedError(earlier)

    def close(self) -> None:
        self._given_up.set()
        self._thread.shutdown()


class _Shown:
    """Tells how far a large file is read."""

    def __init__(self, path: Path, found: list[Part], progress: Progress) -> None:
        self._what, self._progress = f"reading {path.name}, MiB", progress
        self._done, self._total = 0, sum(part.packed_bytes for part in found)

    def at(self, part: Part) -> None:
        self._show(min(self._done + part.position(), self._total - (1 << 20)))  # reading goes ahead of writing

    def past(self, part: Part) -> None:
        self._done += part.packed_bytes

    def end(self) -> None:
        self._show(self._total)

    def _show(self, position: int) -> None:
        if self._total > SMALL_BYTES:
            self._progress(self._what, position >> 20, self._total >> 20)


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
    with closing(_Content(store, path, order)) as content:

        def waiting(waited: float) -> None:
            progress("waiting for another import", int(waited), 0)
            content.look()

        try:
            content.look()
            found, notes = parts(path)
            with closing(RejectFile(path, order.fallback)) as reject_file:
                with store.write(waiting) as connection:
                    writer = Writer(connection, store.contexts)
                    receipt = _write(writer, path, found, notes, order, content, reject_file, progress)
                store.remember(writer.asked)  # once they are there
                return receipt
        except _RepeatedError as repeated:
            return repeated.receipt


def _write(writer: Writer, path: Path, found: list[Part], notes: list[str], order: Order,
           content: _Content, reject_file: RejectFile, progress: Progress) -> dict[str, Any]:  # fmt: skip
    now = order.now_us or now_us()
    who = order.who or this_person()
    connection, batch = writer.connection, writer.begin(content.description, now, who)
    tally = Tally(list(notes), order.area, Places() if order.road_distance else None)
    shown = _Shown(path, found, progress)
    try:
        track = read_track(Path(order.declared.track), order.declared.zone, order.declared.datum, now) \
            if order.declared.track else None  # fmt: skip
        context = Context(now, order.declared.datum, order.area, list(writer.devices), track)
        for part in found:
            reading = Reading(part, order.declared, context, order.description, order.protocol)
            try:
                for draft, occurrence in ahead(_numbered(reading), reading.depth):
                    content.look(connection)
                    for table in draft.rejected:
                        reject_file.add(table, part.member)
                    tally.add(draft)
                    tally.accepted += writer.write(draft, occurrence)
                    shown.at(part)
            except UnknownFormatError as error:
                if part is found[-1] and not tally.profiles:
                    raise
                tally.notes.append(f"left out: {error}")  # a text that lies beside the logs in an archive
                continue
            tally.accepted += writer.flush()
            tally.notes += part.notes
            tally.facts |= reading.facts
            if reading.profile and reading.profile not in tally.profiles:
                tally.profiles.append(reading.profile)
            shown.past(part)
    except DevicesError:
        content.look(connection, now=True)
        raise
    content.look(connection, now=True)
    shown.end()
    if tally.positions and not tally.inside:
        tally.notes.append("no position is in the project's area: is this the right project, and the right datum?")
    elif order.road_distance is not None and len(tally.places) >= LEAST_PLACES:
        progress(f"comparing {path.name} with the roads", 0, 1)
        tally.off_roads(order.road_distance)
        progress(f"comparing {path.name} with the roads", 1, 1)
    kept = reject_file.keep()
    if tally.rejected and (order.strict or not tally.valid):
        raise DevicesError(tally.refusal(path, order.strict, kept))
    receipt = tally.receipt(path, _said(order), content.sha256, now, who, batch)
    receipt["reject_file"] = str(kept) if kept else ""
    first, last = tally.span()
    connection.execute(sa.update(schema.batches).where(schema.batches.c.id == batch).values(
        sha256=content.sha256, first_us=first, last_us=last, receipt=json.dumps(receipt, ensure_ascii=False)
    ))  # fmt: skip
    if tally.rejected:
        connection.execute(sa.insert(schema.rejects), [
            {"batch": batch, "code": code, "column": column, "rows": rows}
            for (code, column), rows in tally.rejected.items()
        ])  # fmt: skip
    _seen(connection, writer, tally, now)
    return receipt


def _numbered(reading: Reading) -> Generator[tuple[Draft, np.ndarray], None, None]:
    """Blocks of checked rows, each with the numbers of its rows among their equals."""
    with closing(Occurrences()) as occurrences:
        for draft in reading.drafts():
            yield draft, occurrences.number(draft.groups(), draft.time_us, draft.identity)


def _seen(connection: sa.Connection, writer: Writer, tally: Tally, now: int) -> None:
    """Handsets that brought something newer than was known were seen now, by our clock."""
    if not tally.devices:
        return
    table = schema.handsets
    number, newest = sa.bindparam("number"), sa.bindparam("newest", type_=sa.BigInteger)
    connection.execute(
        sa.update(table)
        .where(table.c.id == number, sa.or_(table.c.last_record_us.is_(None), table.c.last_record_us < newest))
        .values(last_seen_us=now, last_record_us=newest),
        [{"number": writer.devices[name], "newest": last} for name, (_, _, last) in tally.devices.items()],
    )


def _said(order: Order) -> dict[str, str]:
    return {name: value for name, value in vars(order.declared).items() if value}


def _receipt_of(connection: sa.Connection, sha256: str, description: str, order: Order) -> dict[str, Any] | None:
    """The first receipt of this content, read in the same way; None where it is new.

    Raises DevicesError where it was read with another device, zone, date or datum: its rows would be stored twice.
    """
    table = schema.batches
    rows = connection.execute(
        sa.select(table).where(table.c.sha256 == sha256, table.c.reopened_us.is_(None)).order_by(table.c.id)
    ).all()
    for row in rows:
        receipt = json.loads(row.receipt)
        before = {"datum": receipt["datum"], **receipt["declared"]}
        # what was not declared before was not needed
        different = [name for name, value in _said(order).items()
                     if (before.get(name) or name == "track") and before.get(name) != value]  # fmt: skip
        if different:
            was = ", ".join(f"{name} {before.get(name) or 'not given'}" for name in different)
            raise DevicesError(
                f"{receipt['file']} was imported as batch {row.id} with {was}; its rows would be there twice. "
                f"Withdraw that batch first: radiocov fleet retention PROJECT --withdraw {row.id}"
            )
        wanted_device = order.declared.device and "device_missing" in receipt["rejected_by_reason"]
        if description in ("", row.description) and not wanted_device:
            return receipt | {"repeated": True}
    return None


def _digest(path: Path, given_up: threading.Event) -> str:
    """sha256 of a file's content; "" where it is not wanted any more."""
    found = hashlib.sha256()
    data = memoryview(bytearray(READ_BYTES))
    with path.open("rb", buffering=0) as file:
        while (size := file.readinto(data)) and not given_up.is_set():
            found.update(data[:size])
    return "" if given_up.is_set() else found.hexdigest()
