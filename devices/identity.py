"""What makes two rows the same observation: device, time, and a hash of the raw values; equal rows are numbered.

The hash is over what stood in the source, before scales, offsets and conversions: a better description or a new
calibration finds the same rows again. A number counts by its value, not its spelling: a spreadsheet that writes 41.8
for 41.80 makes no new row. A field that is absent or empty adds nothing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile

import numpy as np
import pyarrow as pa

KEPT_BYTES = 4 << 20
#: the fields that tell signals of one device and moment apart
FIELDS = ("direction", "service_state", "freq_hz", "channel", "system_code", "location_area", "site_id",
          "colour_code", "slot", "role", "rssi_dbm", "lat", "lon")  # fmt: skip


def hash_texts(texts: pa.Array) -> np.ndarray:
    """(n,) int64, a keyless 64-bit hash of each text; 0 for null."""
    coded = texts.dictionary_encode() if not isinstance(texts.type, pa.DictionaryType) else texts
    words = coded.dictionary.cast(pa.string()).to_pylist()
    digests = b"".join(hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words)
    values = np.append(np.frombuffer(digests, "<i8"), 0).astype(np.int64)
    return values[coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)]


def hash_numbers(values: np.ndarray) -> np.ndarray:
    """(n,) int64 of (n,) float64; 0 for NaN, the same for 0.0 and -0.0."""
    bits = (values + 0.0).view(np.uint64)
    mixed = _mix(bits + np.uint64(0x9E3779B97F4A7C15))  # that 0.0 is not the hash of nothing
    return np.where(np.isnan(values), np.uint64(0), mixed).view(np.int64)


def combine(raw: dict[str, np.ndarray | pa.Array], n: int) -> np.ndarray:
    """(n,) int64: hash of the raw values of the fields that are there."""
    total = np.zeros(n, np.uint64)
    for place, name in enumerate(FIELDS):
        if name in raw:
            value = raw[name]
            hashed = (hash_numbers(value) if isinstance(value, np.ndarray) else hash_texts(value)).view(np.uint64)
            mixed = _mix(hashed + np.uint64((place + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1))
            total += np.where(hashed == 0, np.uint64(0), mixed)
    return _mix(total).view(np.int64)


def _mix(bits: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: a bijection that spreads every bit (Steele, Lea and Flood 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def key(device: np.ndarray, time_us: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """(n,) int64: one number for device code, time and hash."""
    total = _mix(device.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    total = _mix(total ^ time_us.view(np.uint64))
    return _mix(total ^ identity.view(np.uint64)).view(np.int64)


class Occurrences:
    """Numbers equal rows of one source 0, 1, 2, ... over all its blocks, whatever their order; `close` when done.

    A large source's keys wait on disk, where they are looked at again only by a block of the same time.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[int, int, int, int]] = []  # first time, last time, place of the keys, their bytes
        self._keys = tempfile.SpooledTemporaryFile(KEPT_BYTES)  # noqa: SIM115 - `close` closes it

    def close(self) -> None:
        self._keys.close()

    def number(self, device: np.ndarray, time_us: np.ndarray, identity: np.ndarray) -> np.ndarray:
        """(n,) int64 for a block sorted by (device, time, identity)."""
        keys = key(device, time_us, identity)
        starts = np.ones(len(keys), bool)
        starts[1:] = keys[1:] != keys[:-1]
        if starts.all():
            found = np.zeros(len(keys), np.int64)
        else:
            index = np.arange(len(keys))
            found = index - np.maximum.accumulate(np.where(starts, index, 0))
        if not len(keys):
            return found
        first, last = int(time_us.min()), int(time_us.max())
        for low, high, place, size in self._blocks:
            if low <= last and first <= high:
                rows = np.flatnonzero((time_us >= low) & (time_us <= high))
                self._keys.seek(place)
                found[rows] += _times_among(keys[rows], np.frombuffer(self._keys.read(size), np.int64))
        place = self._keys.seek(0, os.SEEK_END)
        self._blocks.append((first, last, place, keys.nbytes))
        self._keys.write(keys.data)
        return found


def _times_among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How often each key stands among the known ones, which need no order: the fewer are sorted."""
    wanted, place = np.unique(keys, return_inverse=True)
    if not len(wanted):
        return np.zeros(0, np.int64)
    at = np.minimum(np.searchsorted(wanted, known), len(wanted) - 1)
    return np.bincount(at[wanted[at] == known], minlength=len(wanted))[place]
