"""Rows grouped by keys, with the figures of each group."""

from __future__ import annotations

import numpy as np


def packed(*columns: np.ndarray) -> np.ndarray:
    """(n,) int64: a number for every combination of values that occurs."""
    found = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        _, found = np.unique(found * max(len(values), 1) + code, return_inverse=True)
    return found


class Groups:
    """Rows by a key; results (groups,) in the order of the keys."""

    def __init__(self, key: np.ndarray) -> None:
        values, self.first, self.of, self.size = np.unique(
            key, return_index=True, return_inverse=True, return_counts=True
        )
        self._n = len(values)

    def __len__(self) -> int:
        return self._n

    def total(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.of, values, self._n)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return self.total(values) / self.size

    def extent(self, values: np.ndarray) -> np.ndarray:
        low, high = np.full(self._n, np.inf), np.full(self._n, -np.inf)
        np.minimum.at(low, self.of, values)
        np.maximum.at(high, self.of, values)
        return high - low

    def median(self, values: np.ndarray) -> np.ndarray:
        order = np.lexsort((values, self.of))
        start = np.searchsorted(self.of[order], np.arange(self._n))
        ranked = values[order]
        return 0.5 * (ranked[start + (self.size - 1) // 2] + ranked[start + self.size // 2])
