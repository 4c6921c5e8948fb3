"""Numbers of equal rows within one source: 0, 1, 2, ... over all its blocks, whatever their order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from devices.identity import key

KEPT_BYTES = 4 << 20


class _Run(NamedTuple):
    """Rows of one handset in order of time: their times, then their hashes lie at `place` of the file."""

    first_us: int
    last_us: int
    place: int
    rows: int


class Occurrences:
    """`close` when done. A large source's rows wait on disk, where they are looked at again only by rows of the same
    handset and time; runs that overlap in time are joined as they grow, so that there are few of them."""

    def __init__(self) -> None:
        self._runs: dict[str, list[_Run]] = {}
        self._newest: dict[str, int] = {}
        self._file = tempfile.SpooledTemporaryFile(KEPT_BYTES)  # noqa: SIM115 - `close` closes it

    def close(self) -> None:
        self._file.close()

    def number(self, groups: Iterable[tuple[str, int, int]], time_us: np.ndarray, identity: np.ndarray) -> np.ndarray:
        """(n,) int64. groups: (handset, start, end) of rows that follow one another, in order of time and hash."""
        found = np.zeros(len(time_us), np.int64)
        same = (time_us[1:] == time_us[:-1]) & (identity[1:] == identity[:-1])
        for name, start, end in groups:
            inside = same[start : end - 1]
            if inside.any():
                at = np.arange(end - start)
                found[start:end] = at - np.maximum.accumulate(np.where(np.append(False, inside), 0, at))
            self._after_others(name, time_us[start:end], identity[start:end], found[start:end])
        return found

    def _after_others(self, name: str, time_us: np.ndarray, identity: np.ndarray, found: np.ndarray) -> None:
        """Count those of earlier blocks in, and keep these rows for later ones."""
        first, last = int(time_us[0]), int(time_us[-1])
        runs = self._runs.setdefault(name, [])
        if first <= self._newest.get(name, first - 1):
            joined = [(time_us, identity)]
            rows = len(time_us)
            # the newest first: they are the small ones
            for run in [run for run in reversed(runs) if run.first_us <= last and first <= run.last_us]:
                old = self._read(run)
                found += _times_among(time_us, identity, *old)
                if run.rows <= 2 * rows:
                    runs.remove(run)
                    joined.append(old)
                    rows += run.rows
            if len(joined) > 1:
                time_us, identity = (np.concatenate(parts) for parts in zip(*joined, strict=True))
                order = np.argsort(time_us, kind="stable")
                time_us, identity = time_us[order], identity[order]
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(time_us.data)
        self._file.write(identity.data)
        runs.append(_Run(int(time_us[0]), int(time_us[-1]), place, len(time_us)))
        self._newest[name] = max(last, self._newest.get(name, last))

    def _read(self, run: _Run) -> tuple[np.ndarray, np.ndarray]:
        self._file.seek(run.place)
        both = np.frombuffer(self._file.read(16 * run.rows), np.int64)
        return both[: run.rows], both[run.rows :]


def _times_among(time_us: np.ndarray, identity: np.ndarray, old_us: np.ndarray, old: np.ndarray) -> np.ndarray:
    """(n,) how often each row stands among the old ones; both in order of time."""
    counts = np.zeros(len(time_us), np.int64)
    low, high = np.searchsorted(old_us, [time_us[0], time_us[-1] + 1])
    start, end = np.searchsorted(time_us, [old_us[0], old_us[-1] + 1])
    if low == high or start == end:
        return counts
    wanted, place = np.unique(key(time_us[start:end], identity[start:end]), return_inverse=True)
    known = key(old_us[low:high], old[low:high])
    at = np.minimum(np.searchsorted(wanted, known), len(wanted) - 1)
    counts[start:end] = np.bincount(at[wanted[at] == known], minlength=len(wanted))[place]
    return counts
