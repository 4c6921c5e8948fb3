"""A PNG of one byte a pixel, written by hand, so that the picture *is* the table of values.

PNG specification (ISO/IEC 15948): filter types 0-4 of section 9, chunk layout of section 5.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TRIAL_ROWS = 256  # rows on which plain and filtered storage are compared


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def encode_png(
    codes: np.ndarray, level: int = 7, palette: np.ndarray | None = None, quick: bool = False
) -> bytes:
    """PNG bytes of a (height, width) uint8 array, exact: greys, or colours of a (n, 4) uint8 palette of RGBA.

    quick: no other storage of the rows is tried than plain, which suits palettes."""
    height, width = codes.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if palette is None else 3, 0, 0, 0)
    colours = b"" if palette is None else (
        chunk(b"PLTE", palette[:, :3].tobytes()) + chunk(b"tRNS", palette[:, 3].tobytes())
    )  # fmt: skip
    body = chunk(b"IDAT", zlib.compress(plain_rows(codes).tobytes(), level) if quick else deflate(codes, level))
    return SIGNATURE + chunk(b"IHDR", header) + colours + body + chunk(b"IEND", b"")


def deflate(codes: np.ndarray, level: int) -> bytes:
    """Rows stored plain or filtered, whichever is smaller on a block of rows from the middle."""
    start = max(0, (codes.shape[0] - TRIAL_ROWS) // 2)
    sample = codes[start : start + TRIAL_ROWS]
    filters = min((plain_rows, filtered_rows), key=lambda rows: len(zlib.compress(rows(sample).tobytes(), 6)))
    return zlib.compress(filters(codes).tobytes(), level)


def plain_rows(codes: np.ndarray) -> np.ndarray:
    """(h, w + 1) bytes: filter type 0 and the row itself."""
    return np.pad(codes, ((0, 0), (1, 0)))


def filtered_rows(codes: np.ndarray) -> np.ndarray:
    """(h, w + 1) bytes: for each row the filter with the least sum of absolute differences (section 12.8)."""
    height, width = codes.shape
    out = np.empty((height, width + 1), np.uint8)
    for start in range(0, height, TRIAL_ROWS):  # blocks keep the int16 temporaries small
        stop = min(height, start + TRIAL_ROWS)
        here = codes[start:stop].astype(np.int16)
        above = np.zeros_like(here)
        above[1:] = here[:-1]
        if start:
            above[0] = codes[start - 1]
        left, corner = shifted(here), shifted(above)
        guess = left + above - corner
        to_left, to_above, to_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
        paeth = np.where(
            (to_left <= to_above) & (to_left <= to_corner),
            left,
            np.where(to_above <= to_corner, above, corner),
        )
        predictions = (np.zeros_like(here), left, above, (left + above) >> 1, paeth)
        candidates = np.stack([(here - prediction).astype(np.uint8) for prediction in predictions])
        cost = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        best = cost.argmin(axis=0)
        out[start:stop, 0] = best
        out[start:stop, 1:] = candidates[best, np.arange(stop - start)]
    return out


def shifted(rows: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(rows)
    moved[:, 1:] = rows[:, :-1]
    return moved
