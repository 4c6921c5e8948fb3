"""Files as they come: plain, .gz, .zip (and .kmz). What is inside is read as a stream; nothing is
unpacked to disk.

Names inside an archive are shown and never used as paths. A truncated archive gives what is whole, and says so; one
that unpacks to far more than a log can is refused.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from devices.errors import DevicesError

RATIO = 250  # logs that repeat themselves pack 50 : 1
FREE_BYTES = 64 << 20  # no ratio is looked at below
LARGEST_BYTES = 64 << 30
MOST_MEMBERS = 10_000
BUFFER = 1 << 20
GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"


@dataclass
class Part:
    """One file of rows. name: as the user knows it ("drives.zip: day1.csv"); notes: what happened while reading;
    cut: the archive ended before this file did."""

    name: str
    path: Path
    member: str = ""
    packed_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    cut: bool = False
    _offset: int = -1
    _file: BinaryIO | None = None
    _start: int = 0

    def position(self) -> int:
        """Bytes of the packed file that were read so far, for progress."""
        try:
            return max(0, min(self._file.tell() - self._start, self.packed_bytes))
        except (AttributeError, ValueError, OSError):  # not opened, or closed by the thread that reads
            return self.packed_bytes

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as file:
            self._file = file
            if self._offset >= 0:
                yield io.BufferedReader(_Checked(self, _inflate(file, self._offset)), BUFFER)
            elif self.member:
                with zipfile.ZipFile(file) as archive, _opened(archive, self) as stream:
                    yield io.BufferedReader(_Checked(self, stream), BUFFER)
            elif file.read(2) == GZIP_MAGIC:
                file.seek(0)
                yield io.BufferedReader(_Checked(self, gzip.GzipFile(fileobj=file)), BUFFER)
            else:
                file.seek(0)
                yield file


def parts(path: Path) -> tuple[list[Part], list[str]]:
    """(the files of rows in a file, notes on what is left out). Raises DevicesError for what is refused."""
    with path.open("rb") as file:
        head = file.read(4)
    size = path.stat().st_size
    if not size:
        raise DevicesError(f"{path.name}: is empty")
    if head != ZIP_MAGIC:
        return [Part(path.name, path, packed_bytes=size)], []
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(m.filename, m.file_size, m.compress_size, -1) for m in archive.infolist() if not m.is_dir()]
        notes = []
    except zipfile.BadZipFile:
        members = list(_local_members(path))
        notes = [f"{path.name}: the archive is cut; what is whole of it is read"]
    if len(members) > MOST_MEMBERS:
        raise DevicesError(f"{path.name}: holds {len(members)} files; more than {MOST_MEMBERS} are refused")
    found = []
    for name, plain_bytes, packed_bytes, offset in members:
        shown = f"{path.name}: {name}"
        last = PurePosixPath(name.replace("\\", "/")).name
        if "__MACOSX" in name or last.startswith("."):
            notes.append(f"{shown}: left out, a computer's own file")
        elif last.lower().endswith((".zip", ".kmz", ".gz", ".7z", ".rar")):
            notes.append(f"{shown}: left out, an archive inside the archive; unpack it and import it by itself")
        elif plain_bytes > max(FREE_BYTES, RATIO * packed_bytes) or plain_bytes > LARGEST_BYTES:
            raise DevicesError(_bomb(shown, plain_bytes, packed_bytes))
        else:
            found.append(Part(shown, path, name, packed_bytes, _offset=offset))
    if not found:
        raise DevicesError("\n".join([f"{path.name}: holds no file to read", *notes]))
    return found, notes


def _bomb(name: str, plain_bytes: int, packed_bytes: int) -> str:
    return (f"{name}: unpacks to {plain_bytes / 2**20:.0f} MiB and more from {packed_bytes / 2**20:.1f} MiB, which "
            f"no log does (the limit is {RATIO} : 1); refused")  # fmt: skip


@contextmanager
def _opened(archive: zipfile.ZipFile, part: Part) -> Iterator[BinaryIO]:
    try:
        with archive.open(part.member) as stream:
            yield stream
    except RuntimeError as error:  # what zipfile raises for a password
        raise DevicesError(f"{part.name}: is encrypted; unpack it first") from error
    except NotImplementedError as error:
        raise DevicesError(f"{part.name}: is packed in a way that is not supported; pack it again as zip") from error


class _Checked(io.RawIOBase):
    """Reads a packed stream: an early end becomes an end and a note, more than a log can hold an error."""

    def __init__(self, part: Part, stream: BinaryIO) -> None:
        self._part, self._stream, self._given = part, stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
                raise
            if not self._part.cut:
                self._part.cut = True
                self._part.notes.append(f"{self._part.name}: cut or damaged ({error}); what stands before is read")
            return 0
        self._given += len(data)
        if self._given > max(FREE_BYTES, RATIO * self._part.packed_bytes) or self._given > LARGEST_BYTES:
            raise DevicesError(_bomb(self._part.name, self._given, self._part.packed_bytes))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, n: int) -> bytes:
        """At most n bytes; what was whole before a damage comes out before the error does."""
        read1 = getattr(self._stream, "read1", self._stream.read)
        return read1(min(n, 1 << 16))


def _local_members(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """(name, 0, packed bytes, offset) of the files in a zip that lost its directory, by the headers before each."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while True:
            file.seek(at)
            header = file.read(30)
            if len(header) < 30 or header[:4] != ZIP_MAGIC:
                return
            flags, method, packed, name_bytes, extra_bytes = struct.unpack("<6xHH8xI4xHH", header)
            name = file.read(name_bytes).decode("utf-8" if flags & 0x800 else "cp437", "replace")
            start = at + 30 + name_bytes + extra_bytes
            if flags & 8 or packed == 0xFFFFFFFF:
                packed = _length_of_deflated(file, start)
            if not name.endswith("/") and method in (0, 8):
                yield name, 0, min(packed, size - start), at
            at = start + packed
            file.seek(at)
            if flags & 8:
                at += 16 if file.read(4) == b"PK\x07\x08" else 12


def _length_of_deflated(file: BinaryIO, start: int) -> int:
    """Bytes of a deflated stream whose length its header does not tell."""
    file.seek(start)
    inflater, read = zlib.decompressobj(-15), 0
    while not inflater.eof and (data := file.read(1 << 16)):
        read += len(data)
        try:
            while data and not inflater.eof:
                inflater.decompress(data, 1 << 20)
                data = inflater.unconsumed_tail
        except zlib.error:
            return read
    return read - len(inflater.unused_data)


def _inflate(file: BinaryIO, header_at: int) -> BinaryIO:
    file.seek(header_at)
    method, packed, name_bytes, extra_bytes = struct.unpack("<8xH8xI4xHH", file.read(30))
    file.seek(name_bytes + extra_bytes, io.SEEK_CUR)
    return _Stored(file, packed) if method == 0 else _Inflated(file)


class _Stored:
    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left

    def read(self, n: int) -> bytes:
        data = self._file.read(min(n, self._left))
        if self._left and not data:
            raise EOFError("ends early")
        self._left -= len(data)
        return data


class _Inflated:
    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflater = file, zlib.decompressobj(-15)

    def read(self, n: int) -> bytes:
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(1 << 16)
            if not packed:
                raise EOFError("ends early")
            if plain := self._inflater.decompress(packed, n):
                return plain
        return b""
