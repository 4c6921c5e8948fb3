"""Bytes of a text file to blocks of whole lines in UTF-8, whatever the encoding and the line ends were.

The encoding is that of the byte order mark, else UTF-8, else GB18030 (which holds GBK and GB 2312). A line that can't
be decoded comes back apart, and what stands after the last line end is told from whole lines.
"""

from __future__ import annotations

import codecs
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

BLOCK_BYTES = 4 << 20
LONGEST_LINE = 1_000_000
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass
class Lines:
    """data: whole lines, each with its end. first_number: that of the first in the file, from 1. bad: (number, text,
    code) of those that are no text and were emptied. ended: False where the file's last line had no end of its own;
    last: whether these are the file's last lines."""

    data: bytes
    first_number: int
    bad: list[tuple[int, str, str]] = field(default_factory=list)
    ended: bool = True
    last: bool = False

    @functools.cached_property
    def count(self) -> int:
        return int(np.count_nonzero(np.frombuffer(self.data, np.uint8) == 10))

    @property
    def filled(self) -> np.ndarray:
        """(count,) bool: lines that hold anything."""
        ends = np.flatnonzero(np.frombuffer(self.data, np.uint8) == 10)
        return np.diff(ends, prepend=-1) > 1

    @property
    def texts(self) -> list[bytes]:
        return self.data.split(b"\n")[:-1]


@dataclass
class Encoding:
    """What was found out; name is "ascii" until a byte above 127 was met."""

    name: str = "ascii"
    asked: str = "auto"


def read_lines(stream: BinaryIO, encoding: Encoding, block_bytes: int = BLOCK_BYTES) -> Iterator[Lines]:
    """Blocks of lines. Memory is bounded by the block, also for a file without line ends."""
    number = 1
    overlong = False  # inside a line whose beginning was given up
    rest = b""
    for data, last in _whole(_unicode(stream, encoding, block_bytes)):
        if b"\r" in data:
            data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        whole, tail = b"".join((rest, memoryview(data)[:end])) if end else b"", data[end:] if end else rest + data
        bad: list[tuple[int, str, str]] = []
        if overlong and whole:
            whole, overlong = whole[whole.index(b"\n"):], False  # fmt: skip
        elif overlong:
            tail = b""
        rest = b"" if last else tail
        ended = not (last and tail)
        if last and tail:
            whole += tail + b"\n"
        elif len(rest) > LONGEST_LINE:
            overlong, rest = True, b""
            bad.append((number + whole.count(b"\n"), "", "overlong"))
        if whole or bad or last:
            lines = Lines(whole, number, bad, ended, last)
            _decode(lines, encoding)
            yield lines
            number += lines.count


def _whole(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """(block, whether it is the last); a carriage return at a block's end waits for what follows it."""
    held = None
    for block in blocks:
        if held is not None:
            cut = len(held) - len(held.rstrip(b"\r"))
            yield held[: len(held) - cut], False
            block = b"\r" * cut + block
        held = block
    yield held or b"", True


def _unicode(stream: BinaryIO, encoding: Encoding, block_bytes: int) -> Iterator[bytes]:
    """Blocks as they stand, UTF-16 as UTF-8; the byte order mark is taken off."""
    block = stream.read(block_bytes)
    decoder = None
    for bom, name in BOMS:
        if block.startswith(bom):
            encoding.name, block = name, block[len(bom):]  # fmt: skip
    if encoding.asked != "auto":
        encoding.name = codecs.lookup(encoding.asked).name
    if encoding.name in ("ascii", "utf-8") and (wide := _looks_like_utf16(block[:400])):
        encoding.name = wide
    if encoding.name.startswith("utf-16"):
        decoder = codecs.getincrementaldecoder(encoding.name)("replace")
    while block:
        yield decoder.decode(block).encode("utf-8", "replace") if decoder else block
        block = stream.read(block_bytes)
    if decoder and (left := decoder.decode(b"", final=True)):
        yield left.encode("utf-8", "replace")


def _looks_like_utf16(sample: bytes) -> str:
    if sample[1::2].count(0) > len(sample) * 0.3:
        return "utf-16-le"
    return "utf-16-be" if sample[::2].count(0) > len(sample) * 0.3 else ""


def _decode(lines: Lines, encoding: Encoding) -> None:
    """Bring lines to UTF-8 in place; those that cannot be are emptied and noted."""
    if lines.data.isascii():
        return
    if encoding.name == "ascii":
        encoding.name = _tell(lines.texts)
    if encoding.name.startswith("utf-16"):
        return
    try:
        plain = lines.data.decode(encoding.name)
        if encoding.name != "utf-8":
            lines.data = plain.encode("utf-8")
        return
    except UnicodeDecodeError:
        pass
    texts = lines.texts
    for at, line in enumerate(texts):
        try:
            texts[at] = line.decode(encoding.name).encode("utf-8")
        except UnicodeDecodeError:
            texts[at] = b""
            lines.bad.append((lines.first_number + at, line.decode("latin-1")[:200], "undecodable"))
    lines.data = b"\n".join(texts) + b"\n"


def _tell(texts: list[bytes]) -> str:
    """UTF-8 unless more lines are GB18030 only: hardly a text of another encoding happens to be valid UTF-8."""
    votes = {"utf-8": 0, "gb18030": 0}
    for line in texts:
        if not line.isascii():
            for name in votes:
                try:
                    line.decode(name)
                    votes[name] += 1
                    break
                except UnicodeDecodeError:
                    continue
    return "utf-8" if votes["utf-8"] >= votes["gb18030"] else "gb18030"
