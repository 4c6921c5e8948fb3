"""The bytes of a BigTIFF: its directories read, and laid out anew around blocks that are already encoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

_SIZE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SUBFILE, WIDTH, HEIGHT, OFFSETS, COUNTS, TIE_POINT = 254, 256, 257, 324, 325, 33922
_LONG, _DOUBLE, _LONG8 = 4, 12, 16
#: What GDAL reads at the start of a cloud-optimized file; see its "Cloud Optimized GeoTIFF" page.
_NOTE = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
LEADER, TRAILER = 4, 4  # bytes around each block: its size before, its last four again behind
_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_NOTE) + _NOTE


@dataclass(frozen=True)
class Tag:
    """A value of a directory as it stands in the file: its type's number, how many, little-endian bytes."""

    kind: int
    count: int
    data: bytes

    def integers(self) -> np.ndarray:
        return np.frombuffer(self.data, {3: "<u2", _LONG: "<u4", _LONG8: "<u8"}[self.kind]).astype(np.int64)


Directory = dict[int, Tag]


def long8(values: np.ndarray) -> Tag:
    return Tag(_LONG8, values.size, np.ascontiguousarray(values, "<u8").tobytes())


def long(value: int) -> Tag:
    return Tag(_LONG, 1, struct.pack("<I", value))


def double(*values: float) -> Tag:
    return Tag(_DOUBLE, len(values), struct.pack(f"<{len(values)}d", *values))


def framed(block: bytes) -> bytes:
    """A block between its leader and its trailer."""
    return struct.pack("<I", len(block)) + block + block[-TRAILER:]


def directories(read: memoryview | bytes) -> list[Directory]:
    """All directories of a little-endian BigTIFF, in the order of their chain. ValueError for anything else."""
    try:
        order, version, _, _, at = struct.unpack_from("<2sHHHQ", read, 0)
        if (order, version) != (b"II", 43):
            raise ValueError("no little-endian BigTIFF")
        found = []
        while at:
            (entries,) = struct.unpack_from("<Q", read, at)
            directory: Directory = {}
            for i in range(entries):
                tag, kind, count, value = struct.unpack_from("<HHQ8s", read, at + 8 + 20 * i)
                size = _SIZE[kind] * count
                start = at + 8 + 20 * i + 12 if size <= 8 else struct.unpack("<Q", value)[0]
                data = bytes(read[start : start + size])
                if len(data) != size:
                    raise ValueError("a directory is cut short")
                directory[tag] = Tag(kind, count, data)
            found.append(directory)
            (at,) = struct.unpack_from("<Q", read, at + 8 + 20 * entries)
            if len(found) > 64:
                raise ValueError("directories without end")
    except (struct.error, KeyError) as error:
        raise ValueError("a directory is cut short") from error
    return found


def header(chain: list[Directory]) -> bytes:
    """The head of a file with these directories, after which the data may follow."""
    at = 16 + len(_GHOST)
    at += -at % 8
    start = at
    parts = []
    for number, directory in enumerate(chain):
        beyond = at + 8 + 20 * len(directory) + 8
        entries, values = [], []
        for tag in sorted(directory):
            held = directory[tag]
            if len(held.data) <= 8:
                entries.append(struct.pack("<HHQ8s", tag, held.kind, held.count, held.data))
            else:
                entries.append(struct.pack("<HHQQ", tag, held.kind, held.count, beyond))
                padded = held.data + b"\0" * (-len(held.data) % 8)
                values.append(padded)
                beyond += len(padded)
        following = beyond if number + 1 < len(chain) else 0
        parts.append(
            struct.pack("<Q", len(directory)) + b"".join(entries) + struct.pack("<Q", following) + b"".join(values)
        )
        at = beyond
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) + _GHOST
    return head + b"\0" * (start - len(head)) + b"".join(parts)
