"""What makes two rows the same observation: device, time, and a hash of the raw values; equal rows are numbered (see
`occurrences`).

The hash is over what stood in the source, before scales, offsets and conversions: a better description or a new
calibration finds the same rows again. A number counts by its value, not its spelling: a spreadsheet that writes 41.8
for 41.80 makes no new row. A field that is absent or empty adds nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio: the step of splitmix64
CHUNK = 1 << 13  # rows at once: what is made on the way stays in the cache
#: the fields that tell signals of one device and moment apart
FIELDS = ("direction", "service_state", "freq_hz", "channel", "system_code", "location_area", "site_id",
          "colour_code", "slot", "role", "rssi_dbm", "lat", "lon")  # fmt: skip


def hash_texts(texts: pa.Array) -> np.ndarray:
    """(n,) int64, a keyless 64-bit hash of each text; 0 for null."""
    words, codes = _words(texts)
    return words[codes]


def _words(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(hash of each word and 0 for null, (n,) number of each row's): every word is hashed once."""
    coded = texts.dictionary_encode() if not isinstance(texts.type, pa.DictionaryType) else texts
    words = coded.dictionary.cast(pa.string()).to_pylist()
    digests = b"".join(hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words)
    codes = coded.indices.fill_null(len(words)) if coded.null_count else coded.indices
    return np.append(np.frombuffer(digests, "<i8"), 0).astype(np.int64), codes.to_numpy(zero_copy_only=False)


def hash_numbers(values: np.ndarray) -> np.ndarray:
    """(n,) int64 of (n,) float64; 0 for NaN, the same for 0.0 and -0.0."""
    bits = (values + 0.0).view(np.uint64)
    bits += np.uint64(GOLDEN)  # that 0.0 is not the hash of nothing
    return _without(_mix(bits), np.isnan(values)).view(np.int64)


def combine(raw: dict[str, np.ndarray | pa.Array], n: int) -> np.ndarray:
    """(n,) int64: hash of the raw values of the fields that are there."""
    numbers, texts = [], []
    for place, name in enumerate(FIELDS):
        if name in raw:
            value, step = raw[name], np.uint64((place + 1) * GOLDEN & (1 << 64) - 1)
            if isinstance(value, np.ndarray):
                numbers.append((value, step))
            else:
                words, codes = _words(value)
                texts.append((_placed(words, step), codes))
    total = np.zeros(n, np.uint64)
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        for value, step in numbers:
            total[rows] += _placed(hash_numbers(value[rows]), step)
        for words, codes in texts:
            total[rows] += words[codes[rows]]
        total[rows] = _mix(total[rows])
    return total.view(np.int64)


def _placed(hashed: np.ndarray, step: np.uint64) -> np.ndarray:
    """Hashes of one field's values such that those of another field differ; 0 stays 0."""
    return _without(_mix(hashed.view(np.uint64) + step), hashed == 0)


def _without(bits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if rows.any():
        bits[rows] = 0
    return bits


def _mix(bits: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: a bijection that spreads every bit (Steele, Lea and Flood 2014)."""
    mixed = bits >> np.uint64(30)
    mixed ^= bits
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    shifted = mixed >> np.uint64(27)
    mixed ^= shifted
    mixed *= np.uint64(0x94D049BB133111EB)
    np.right_shift(mixed, np.uint64(31), out=shifted)
    mixed ^= shifted
    return mixed


def key(*columns: np.ndarray) -> np.ndarray:
    """(n,) int64: one number for the int64 of several columns."""
    total = np.full(len(columns[0]), GOLDEN, np.uint64)
    for column in columns:
        total = _mix(total ^ column.view(np.uint64))
    return total.view(np.int64)
