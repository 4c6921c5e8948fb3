"""Columns of one handset's records as bytes and back, exactly: what repeats is kept once, decimals as whole numbers.

A header in JSON names the columns, then their bytes follow, each column by itself, so that a few can be read alone. A
level of -85.3 dBm is stored as -853 and the divisor 10, where dividing gives the same 64 bits again; a column that no
divisor fits stays as it is. Wide numbers go as differences, their bytes parted by significance, and all through LZ4.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

DIVISORS = tuple(10.0**digits for digits in range(10))
KINDS = {"<i1": 7, "<i2": 15, "<i4": 31, "<i8": 63}  # bits without the sign
SAMPLE = 64
CODEC = "lz4_raw"  # zstd saves a tenth of the bytes and takes twice as long
Column = np.ndarray | Sequence[str | None]


def pack(columns: Mapping[str, Column]) -> bytes:
    """int64 and float64 arrays (NaN: unknown) or texts, all of one length; one that is unknown throughout is left
    out. NaN comes back as NaN, and -0.0 as 0.0."""
    codec = pa.Codec(CODEC)
    heads, bodies = [], []
    with np.errstate(invalid="ignore", over="ignore"):
        for name, values in columns.items():
            found = _packed(values, codec)
            if found is not None:
                head, body = found
                heads.append([name, len(body), *head])
                bodies.append(body)
    header = json.dumps(heads, separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(header)), header, *bodies])


def unpack(data: bytes, rows: int, names: Collection[str] | None = None) -> dict[str, Column]:
    """The columns of those names that are there, or all; writable arrays of `rows` elements."""
    size = struct.unpack_from("<I", data)[0]
    at = 4 + size
    found: dict[str, Column] = {}
    view = memoryview(data)
    for name, length, *head in json.loads(bytes(view[4:at])):
        if names is None or name in names:
            found[name] = _unpacked(view[at : at + length], rows, *head)
        at += length
    return found


def _packed(values: Column, codec: pa.Codec) -> tuple[list, bytes] | None:
    if not isinstance(values, np.ndarray):
        text = json.dumps(list(values), ensure_ascii=False).encode()
        return (["texts", len(text)], codec.compress(text, asbytes=True)) if any(values) else None
    first = values[0]
    if (values == first).all():
        return ["same", values.dtype.kind, first.item()], b""
    if values.dtype.kind == "i":
        return _whole(values, 0.0, codec)
    if np.isnan(first) and np.isnan(values).all():
        return None
    return _decimals(values, codec) or (["raw", "<f8"], values.tobytes())


def _decimals(values: np.ndarray, codec: pa.Codec) -> tuple[list, bytes] | None:
    known = ~np.isnan(values)
    unknown = not known.all()
    few = values[:: max(1, len(values) // SAMPLE)]
    few = few[~np.isnan(few)]
    for divisor in DIVISORS:
        if not (np.rint(few * divisor) / divisor == few).all():
            continue
        scaled = np.rint(values * divisor)
        same = scaled / divisor == values
        if not (same | ~known if unknown else same).all():
            continue
        if unknown:
            scaled[~known] = scaled[known][0]
        if np.abs(scaled).max() >= 1 << 31:
            return None
        whole = scaled.astype(np.int64)
        gap = int(whole.min()) - 1  # stands for NaN
        if unknown:
            whole[~known] = gap
        head, body = _whole(whole, divisor, codec)
        return [*head, *([gap] if unknown else [])], body
    return None


def _whole(values: np.ndarray, divisor: float, codec: pa.Codec) -> tuple[list, bytes]:
    """divisor: 0.0 for a column of whole numbers."""
    low, high = int(values.min()), int(values.max())
    kind = next(kind for kind, bits in KINDS.items() if -(1 << bits) <= low and high < 1 << bits)
    small = values.astype(kind)
    differences = small.itemsize > 2
    if differences:
        steps = small.copy()
        steps[1:] -= small[:-1]  # wraps around, and back again
        small = (steps << 1) ^ (steps >> KINDS[kind])  # small steps either way are small numbers
    parted = small.view(np.uint8).reshape(len(small), -1).T.tobytes()
    packed = codec.compress(parted, asbytes=True)
    if kind == "<i8" and len(packed) > 0.95 * len(parted):  # hashes do not shrink, and are read faster as they are
        return ["raw", "<i8"], values.astype("<i8").tobytes()
    return ["whole", kind, differences, divisor], packed


def _unpacked(data: memoryview, rows: int, how: str, *head) -> Column:
    if how == "same":
        kind, value = head
        return np.full(rows, value, np.int64 if kind == "i" else np.float64)
    if how == "raw":
        return np.frombuffer(data, head[0]).astype(head[0][1:])
    codec = pa.Codec(CODEC)
    if how == "texts":
        return json.loads(codec.decompress(data, head[0], asbytes=True))
    kind, differences, divisor, *gap = head
    size = rows * np.dtype(kind).itemsize
    parted = np.frombuffer(codec.decompress(data, size), np.uint8)
    small = np.ascontiguousarray(parted.reshape(-1, rows).T).view(kind).ravel()
    if differences:
        plain = (small >> 1) & ((1 << KINDS[kind]) - 1) ^ -(small & 1)
        small = np.cumsum(plain, dtype=kind)
    if not divisor:
        return small.astype(np.int64)
    values = small / divisor
    if gap:
        values[small == gap[0]] = np.nan
    return values
