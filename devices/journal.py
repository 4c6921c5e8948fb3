"""The journal: every byte of every port as it came, before anything is made of it.

Append-only. A file is `MAGIC` and entries; an entry is

    mark 4 bytes, length of the body u32, CRC-32C of the body u32, body

    body: kind u8, monotonic ns u64, UTC µs i64, length of the source u8, source (UTF-8), bytes

little-endian. Kinds: bytes received, bytes sent, an event, the setup of a port (JSON). What a crash tore off at the
end is cut at the next start; damage elsewhere (a CRC that fails) is reported and reading goes on at the next mark.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from google_crc32c import value as crc32c

from devices.errors import DevicesError
from devices.streams import Chunk, Event

MAGIC = b"radiocov journal 1\n"
MARK = b"\xabRJ\x1e"
MAX_BODY = 1 << 20
HELD_BYTES = 1 << 20
SYNC_BYTES = 1 << 16
READ_BYTES = 1 << 16
_HEAD = struct.Struct("<4sII")
_BODY = struct.Struct("<BQqB")
_RECEIVED, _SENT, _EVENT, _SETUP = 1, 2, 3, 4
_UNKNOWN = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes that were written to a port: a parser has to know the question to read the answer."""

    data: bytes
    utc_us: int | None = None
    mono_ns: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with the port it happened on ("" for the computer itself)."""

    event: Event
    mono_ns: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a port is to be read: {"protocol", "settings", "gps"}, written when the port is opened."""

    values: dict[str, Any] = field(default_factory=dict)
    source: str = ""


Entry = Chunk | Sent | Happened | Setup


def encode(entry: Entry) -> bytes:
    """An entry as it stands in the file."""
    mono, utc = getattr(entry, "mono_ns", None), getattr(entry, "utc_us", None)
    if isinstance(entry, Chunk):
        kind, data = _RECEIVED, entry.data
    elif isinstance(entry, Sent):
        kind, data = _SENT, entry.data
    elif isinstance(entry, Happened):
        kind, utc = _EVENT, entry.event.utc_us
        data = json.dumps([entry.event.kind, entry.event.text], ensure_ascii=False).encode()
    else:
        kind, data = _SETUP, json.dumps(entry.values, ensure_ascii=False, sort_keys=True).encode()
    source = entry.source.encode()[:255]
    body = _BODY.pack(kind, mono or 0, _UNKNOWN if utc is None else utc, len(source)) + source + data
    return _HEAD.pack(MARK, len(body), crc32c(body)) + body


def _decode(body: bytes) -> Entry | None:
    """The entry of a body whose CRC was right; None for a kind of a later version."""
    kind, mono, utc, length = _BODY.unpack_from(body)
    start = _BODY.size + length
    source, data = body[_BODY.size : start].decode("utf-8", "replace"), body[start:]
    stamp = (None if utc == _UNKNOWN else utc), (mono or None)
    if kind == _RECEIVED:
        return Chunk(data, *stamp, source)
    if kind == _SENT:
        return Sent(data, *stamp, source)
    if kind == _EVENT:
        name, text = json.loads(data)
        return Happened(Event(stamp[0], name, text), stamp[1], source)
    return Setup(json.loads(data), source) if kind == _SETUP else None


def read(file: BinaryIO, head: bytes = b"") -> Iterator[tuple[int, Entry]]:
    """(offset, entry) of a journal in order; damage and a torn end come as events of the journal itself.

    The file is only read forward; head: what was read of its beginning already. DevicesError where it is no journal.
    """
    head = head or file.read(len(MAGIC))
    if not head.startswith(MAGIC):
        raise DevicesError(f"{getattr(file, 'name', 'file')}: not a journal of radiocov")
    reader = Reader(file, len(MAGIC), head[len(MAGIC) :])
    while True:
        offset = reader.offset
        found = reader.next()
        if found is not None:
            yield offset, found
            continue
        skipped, again = reader.resynchronise()
        if not again:
            if skipped:
                text = f"the last {skipped} bytes are an entry that was cut off (power loss or a killed recorder)"
                yield offset, Happened(Event(None, "journal_cut", text))
            return
        text = f"{skipped} bytes at offset {offset} are damaged and were skipped; what follows was read"
        yield offset, Happened(Event(None, "journal_damaged", text))


class Reader:
    """Whole entries from a file that is only read forward and may still be written; offset: of the next entry.

    ahead: bytes of it that were read already.
    """

    def __init__(self, file: BinaryIO, offset: int, ahead: bytes = b"") -> None:
        self.file = file
        self.offset = offset
        self._ahead = bytearray(ahead)

    def next(self) -> Entry | None:
        """The entry at the offset, or None (and the offset stays) where there is no whole and sound one."""
        while True:
            body = self._body(0)
            if body is None:
                return None
            self._skip(_HEAD.size + len(body))
            with contextlib.suppress(ValueError, struct.error):
                entry = _decode(body)
                if entry is not None:
                    return entry

    def resynchronise(self) -> tuple[int, bool]:
        """(bytes skipped, whether a sound entry follows); the offset is moved to that entry."""
        start, at = self.offset, 1
        while True:
            at = self._ahead.find(MARK, at)
            if at >= 0:
                if self._body(at) is not None:
                    self._skip(at)
                    return self.offset - start, True
                at += 1
                continue
            # the end may be the beginning of a mark
            self._skip(max(0, len(self._ahead) - len(MARK) + 1))
            known = len(self._ahead)
            if not self._has(known + 1):
                self._skip(known)
                return self.offset - start, False
            at = 0

    def _body(self, at: int) -> bytes | None:
        """The body of the sound entry that stands `at` bytes ahead."""
        if not self._has(at + _HEAD.size):
            return None
        mark, length, crc = _HEAD.unpack_from(self._ahead, at)
        if mark != MARK or not _BODY.size <= length <= MAX_BODY or not self._has(at + _HEAD.size + length):
            return None
        body = bytes(self._ahead[at + _HEAD.size : at + _HEAD.size + length])
        return body if crc32c(body) == crc else None

    def _has(self, size: int) -> bool:
        """Whether so many bytes are ahead, after reading on if need be."""
        while len(self._ahead) < size:
            data = self.file.read(max(READ_BYTES, size - len(self._ahead)))
            if not data:
                return False
            self._ahead += data
        return True

    def _skip(self, size: int) -> None:
        del self._ahead[:size]
        self.offset += size


class Writer:
    """Appends entries; the file is locked, so that two recorders can't mix theirs.

    Each entry goes to the system at once, so a killed process loses none; `sync` puts them on the disk. When the
    disk is full, up to HELD_BYTES wait in memory and are tried again; beyond that the oldest are given up and
    counted in `lost_bytes`. `trouble` says what the system answered, None while all is well.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: str | None = None
        self.lost_bytes = 0
        self.cut_bytes = 0
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._unsynced = 0
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115
        try:
            _lock(self._file, path)
            self.size = self._take_up()
        except BaseException:
            self._file.close()
            raise

    def _take_up(self) -> int:
        """Where to write on: after the last whole entry, a torn one being cut off."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        head = self._file.read(len(MAGIC))
        if not MAGIC.startswith(head):
            raise DevicesError(f"{self.path}: is there already and is no journal; choose another name with -o")
        if len(head) < len(MAGIC):
            self._file.truncate(0)
            self._file.write(MAGIC)
            return len(MAGIC)
        with open(self.path, "rb") as file:
            file.seek(len(MAGIC))
            reader = Reader(file, len(MAGIC))
            while True:
                while reader.next() is not None:
                    pass
                whole = reader.offset
                if not reader.resynchronise()[1]:
                    break
            file.seek(whole)
            if not _is_torn(file.read(MAX_BODY), end - whole):
                return end
        self.cut_bytes = end - whole
        self._file.truncate(whole)
        return whole

    def append(self, entry: Entry) -> None:
        data = encode(entry)
        self._held.append(data)
        self._held_bytes += len(data)
        if self.trouble is None:
            self.retry()
        while self._held_bytes > HELD_BYTES:
            given_up = self._held.popleft()
            self._held_bytes -= len(given_up)
            self.lost_bytes += len(given_up)

    def retry(self) -> bool:
        """Write what waits; whether all of it is with the system now."""
        while self._held:
            data = self._held[0]
            try:
                done = self._file.write(data)
                if done != len(data):
                    # what stands half there would look like damage to a reader
                    self._file.truncate(self.size)
                    done = self._file.write(data)
                    if done != len(data):
                        raise OSError(28, "no space left on the device")
            except OSError as error:
                with contextlib.suppress(OSError):
                    self._file.truncate(self.size)
                self.trouble = error.strerror or str(error)
                return False
            self.size += len(data)
            self._unsynced += len(data)
            self._held.popleft()
            self._held_bytes -= len(data)
        self.trouble = None
        return True

    @property
    def due(self) -> bool:
        """Whether so much is not on the disk yet that it should not wait for the second to end."""
        return self._unsynced >= SYNC_BYTES

    def sync(self) -> None:
        if not self._unsynced:
            return
        self._unsynced = 0
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.trouble = error.strerror or str(error)

    def close(self) -> None:
        """Write and sync what is left. OSError where the disk still refuses."""
        try:
            if not self.retry():
                raise OSError(28, f"{self.trouble}; {self._held_bytes} bytes could not be written", str(self.path))
            self.sync()
        finally:
            self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _is_torn(tail: bytes, size: int) -> bool:
    """Whether a tail without a sound entry is one that was not written to its end; else it is damaged and stays."""
    if len(tail) < _HEAD.size or not tail.strip(b"\0"):
        return True
    mark, length, _ = _HEAD.unpack_from(tail)
    return mark == MARK and _HEAD.size + length > size


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 40)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        text = f"{path}: another recording is being written to it; choose another name with -o"
        raise DevicesError(text) from error
