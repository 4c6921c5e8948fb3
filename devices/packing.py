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

DIVISORS = np.array([10.0**digits for digits in range(10)])
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
        return _whole(values, int(values.min()), int(values.max()), 0.0, codec)
    known = np.count_nonzero(values == values)
    if not known:
        return None
    return _decimals(values, known, codec) or (["raw", "<f8"], values.tobytes())


def _decimals(values: np.ndarray, known: int, codec: pa.Codec) -> tuple[list, bytes] | None:
    """known: how many are not NaN."""
    few = values[:: max(1, len(values) // SAMPLE)]
    few = few[~np.isnan(few), None]
    fitting = (np.rint(few * DIVISORS) / DIVISORS == few).all(axis=0)
    for divisor in DIVISORS[fitting].tolist():
        scaled = values * divisor
        np.rint(scaled, out=scaled)
        if np.count_nonzero(scaled / divisor == values) < known:
            continue
        gaps = np.isnan(values) if known < len(values) else None
        if gaps is not None:
            scaled[gaps] = scaled[np.argmin(gaps)]
        low, high = scaled.min(), scaled.max()
        if max(-low, high) >= 1 << 31:
            return None
        if gaps is None:
            return _whole(scaled, int(low), int(high), divisor, codec)
        gap = int(low) - 1  # stands for NaN
        scaled[gaps] = gap
        head, body = _whole(scaled, gap, int(high), divisor, codec)
        return [*head, gap], body
    return None


def _whole(values: np.ndarray, low: int, high: int, divisor: float, codec: pa.Codec) -> tuple[list, bytes]:
    """low, high: least and greatest of the values; divisor: 0.0 for a column of whole numbers."""
    kind = next(kind for kind, bits in KINDS.items() if -(1 << bits) <= low and high < 1 << bits)
    differences = kind in ("<i4", "<i8")
    if kind == "<i8" and not _shrinks(_steps(values[:SAMPLE].astype(kind)), codec):
        return ["raw", "<i8"], values.astype(kind, copy=False).tobytes()  # hashes are read faster as they are
    small = values.astype(kind)
    packed = codec.compress(_parted(_steps(small) if differences else small), asbytes=True)
    return ["whole", kind, differences, divisor], packed


def _steps(values: np.ndarray) -> np.ndarray:
    """From one to the next, such that small steps either way are small numbers."""
    steps = values.copy()
    steps[1:] -= values[:-1]  # wraps around, and back again
    folded = steps >> (8 * steps.itemsize - 1)
    steps <<= 1
    folded ^= steps
    return folded


def _parted(values: np.ndarray) -> bytes:
    return values.view(np.uint8).reshape(len(values), -1).T.tobytes()


def _shrinks(values: np.ndarray, codec: pa.Codec) -> bool:
    parted = _parted(values)
    return len(codec.compress(parted, asbytes=True)) < 0.95 * len(parted)


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
