"""What flows from a link to the parsers: chunks of bytes as they came, and what a parser makes of them.

A parser is fed chunks in order, from a live link or from a journal read again; how the bytes are cut into chunks
never changes its result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from devices.records import Record, Reject


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that arrived together. utc_us: wall clock of the host at the first byte (None in a plain file);
    mono_ns: a clock that never jumps; source: the link's name."""

    data: bytes
    utc_us: int | None = None
    mono_ns: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened around the signal: link lost, clock jumped, noise, a cell change reported."""

    utc_us: int | None
    kind: str
    text: str


@dataclass(slots=True)
class Counts:
    """What a parser met and did not turn into records: for receipts and the live view."""

    by_reason: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, n: int = 1) -> None:
        self.by_reason[reason] = self.by_reason.get(reason, 0) + n


class StreamParser(Protocol):
    """Turns chunks into records. `finish` is called once, at the end, for what was still open."""

    counts: Counts

    def feed(self, chunk: Chunk) -> list[Record | Reject | Event]: ...

    def finish(self) -> list[Record | Reject | Event]: ...
