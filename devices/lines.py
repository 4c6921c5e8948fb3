"""Bytes into lines, whatever a port does to them.

CR, LF, CRLF and CRCRLF end a line and blank lines are dropped, so how the bytes are cut into chunks can't matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor

from devices.streams import Chunk, Counts

MAX_LINE = 4096
_END = re.compile(rb"[\r\n]+")
# what only the beginning of a line looks like, so that it is whole although the stream was joined before its end
_BEGINS = re.compile(rb"\+[A-Z]{3,}[:= ]|\$[A-Z]{3}|\{\s*\"class\"|AT[+EIZ]|AT$|OK$|ERROR$")


def checksum(sentence: bytes) -> int:
    """NMEA's: all bytes between $ and * exclusive-or'ed."""
    return reduce(xor, sentence, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line without its end. utc_us, mono_ns: of the chunk that held its first byte; number: from 1."""

    data: bytes
    number: int
    utc_us: int | None
    mono_ns: int | None

    @property
    def text(self) -> str:
        return self.data.decode("latin-1")


class Splitter:
    """Splits chunks into lines in constant memory; counts what it drops.

    midway: the link was opened while the other end was speaking, so what comes before the first line end is a
    fragment, unless it looks like the beginning of a line. Counted: "nul_or_ff" bytes, "overlong_line" (over `limit`
    bytes), "joined_midway", "cut_at_end".
    """

    def __init__(self, counts: Counts, *, midway: bool = False, limit: int = MAX_LINE) -> None:
        self.counts = counts
        self.limit = limit
        self.number = 0
        self._midway = midway
        self._overlong = False
        self._open = bytearray()
        self._stamp: tuple[int | None, int | None] = (None, None)

    def feed(self, chunk: Chunk) -> list[Line]:
        data = chunk.data.translate(None, b"\x00\xff")
        if len(data) != len(chunk.data):
            self.counts.add("nul_or_ff", len(chunk.data) - len(data))
        stamp = chunk.utc_us, chunk.mono_ns
        *ended, rest = _END.split(data)
        lines = []
        for piece in ended:
            self._append(piece, stamp)
            line = self._take()
            if line is not None:
                lines.append(line)
        self._append(rest, stamp)
        return lines

    def restart(self) -> None:
        """The stream was interrupted: what is open is lost, and what follows may begin midway."""
        if self._open:
            self.counts.add("cut_at_end")
        self._open.clear()
        self._overlong = False
        self._midway = True

    def finish(self) -> Line | None:
        """What stood after the last line end, for a protocol that can prove it whole; the caller counts it."""
        return self._take()

    def _append(self, piece: bytes, stamp: tuple[int | None, int | None]) -> None:
        if not piece or self._overlong:
            return
        if not self._open:
            self._stamp = stamp
        room = self.limit - len(self._open)
        self._open += piece[:room]
        if len(piece) > room:
            self._overlong = True
            self.counts.add("overlong_line")

    def _take(self) -> Line | None:
        data, overlong, midway = bytes(self._open), self._overlong, self._midway
        self._open.clear()
        self._overlong = self._midway = False
        if not data.strip() and not overlong:
            return None
        self.number += 1
        if midway and not _BEGINS.match(data):
            self.counts.add("joined_midway")
            return None
        return None if overlong else Line(data.strip(b" \t"), self.number, *self._stamp)
