"""Files as links: one that may still be written to, and a folder of such files.

Their chunks have no stamps: when a line was written is not when it is read.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from devices.causes import cause_of
from devices.link import READ_S, Link, LinkError
from devices.settings import Settings
from devices.streams import Chunk

BLOCK = 1 << 16
LONGEST_LINE = 1 << 14
SKIPPED = (".part", ".tmp", ".crdownload", ".journal")


class Tail:
    """Reads a file to its last complete line, and on when it has grown."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._identity: tuple[int, int] | None = None

    def read(self, whole: bool = False) -> bytes:
        """What is new, at most BLOCK bytes, up to the last line end; whole: also what has none yet. OSError."""
        state = os.stat(self.path)
        identity = state.st_dev, state.st_ino
        if self._identity not in (None, identity) or state.st_size < self.offset:
            # written anew or another file under the name
            self.offset = 0
        self._identity = identity
        if state.st_size == self.offset:
            return b""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(BLOCK)
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not whole and len(data) < BLOCK and len(data) - end < LONGEST_LINE:
            data = data[:end]
        self.offset += len(data)
        return data


class FileLink(Link):
    """A capture in a file. follow: its end is not the end, more may be written."""

    def __init__(self, name: str, settings: Settings, *, follow: bool = True) -> None:
        super().__init__(name, settings)
        self.follow = follow
        self.ends = False
        self._tail = Tail(Path(name))

    def open(self) -> list[str]:
        try:
            os.stat(self.name)
        except OSError as error:
            raise LinkError(cause_of(error, self.name)) from error
        return []

    def read(self) -> list[Chunk]:
        try:
            data = self._tail.read(whole=not self.follow)
        except OSError as error:
            raise LinkError(cause_of(error, self.name)) from error
        if not data:
            self.ends = not self.follow
            if self.follow:
                time.sleep(READ_S)
        return [Chunk(data, source=self.name)] if data else []

    def close(self) -> None:
        pass


class FolderLink(Link):
    """All files of a folder, also those that appear later; each is a source of its own."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._tails: dict[str, Tail] = {}

    def open(self) -> list[str]:
        if not os.path.isdir(self.name):
            raise LinkError(f"{self.name} is no folder any more")
        return []

    def read(self) -> list[Chunk]:
        try:
            names = sorted(entry.name for entry in os.scandir(self.name) if entry.is_file())
        except OSError as error:
            raise LinkError(cause_of(error, self.name)) from error
        chunks: list[Chunk] = []
        for name in names:
            if name.startswith(".") or name.endswith(SKIPPED):
                continue
            path = Path(self.name) / name
            tail = self._tails.setdefault(name, Tail(path))
            try:
                data = tail.read()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise LinkError(cause_of(error, str(path))) from error
            if data:
                chunks.append(Chunk(data, source=str(path)))
        if not chunks:
            time.sleep(READ_S)
        return chunks

    def close(self) -> None:
        pass
