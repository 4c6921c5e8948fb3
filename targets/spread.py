"""How far the share that is really covered may lie from the expected one.

The error of a predicted level, in units of its sigma, is taken as three independent parts:

    error = sqrt(common) g + sqrt(correlated) u(place) + sqrt(rest) v(pixel)

g is one number for the whole network (the model's bias), u a Gaussian field with correlation exp(-distance / D), v
differs from pixel to pixel (the location variability). A pixel of service probability p is then covered, given g and
u, with probability Phi((Phi^-1(p) + sqrt(common) g + sqrt(correlated) u) / sqrt(rest)), whose mean is p again.

g and u are drawn many times, u on a grid of square blocks and constant in each (which errs towards wide intervals
for areas smaller than a block). What a block holds is kept as a curve, covered amount over error, so that a draw
costs one interpolation a block and area. The draws depend on the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.special import ndtr, ndtri

BIN = 0.1  # of Phi^-1(probability), sigmas
BINS = np.arange(-4.5, 4.5 + BIN / 2, BIN)
NODES = np.arange(-6.0, 6.01, 0.25)
STEPS = 10_000  # probabilities are stored within half of one of these
MAX_SIDE = 384
PADDING = 6.0  # correlation distances, beyond which the edges of the drawn field do not meet
SMALLEST_REST = 0.0025


@dataclass(frozen=True)
class ErrorModel:
    """common, correlated: parts of the variance (0..1, together at most 1); correlation_km: distance over which the
    correlation falls to 1/e; confidence: of the intervals, 0..1."""

    common: float
    correlated: float
    correlation_km: float = 1.5
    confidence: float = 0.90
    draws: int = 400
    seed: int = 1


@dataclass(frozen=True)
class Curves:
    """Covered km2, km or people of blocks, (n, len(NODES)), over the error there; block: (n,) their numbers."""

    block: np.ndarray
    curve: np.ndarray

    @classmethod
    def none(cls) -> Curves:
        return cls(np.zeros(0, np.int64), np.zeros((0, len(NODES)), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Curves]) -> Curves:
        if not parts:
            return cls.none()
        return cls(np.concatenate([p.block for p in parts]), np.concatenate([p.curve for p in parts]))


class Spread:
    """Blocks over a raster of height x width pixels of pixel_m metres, and draws of the error on them."""

    def __init__(self, error: ErrorModel, height: int, width: int, pixel_m: float) -> None:
        self.error = error
        quarter = error.correlation_km * 1000 / pixel_m / 4
        self.side = max(1, math.ceil(quarter), math.ceil(max(height, width) / MAX_SIDE))
        self.rows, self.cols = -(-height // self.side), -(-width // self.side)
        self.reach = error.correlation_km * 1000 / pixel_m / self.side  # blocks
        rest = max(1.0 - error.common - error.correlated, SMALLEST_REST)
        self._covered = ndtr((BINS[:, None] + NODES[None, :]) / math.sqrt(rest)).astype(np.float32)
        with np.errstate(divide="ignore"):
            place = np.clip((ndtri(np.arange(STEPS + 1) / STEPS) - BINS[0]) / BIN, 0, len(BINS) - 1.001)
        self._bin, self._above = place.astype(np.int64), place - place.astype(np.int64)

    def curves(self, row: np.ndarray, col: np.ndarray, probability: np.ndarray, weight: np.ndarray) -> Curves:
        """Of pixels (n,): their row and column, service probability and the km2, km or people each stands for."""
        if len(row) == 0:
            return Curves.none()
        r, c = row // self.side, col // self.side
        r0, c0 = int(r.min()), int(c.min())
        across = int(c.max()) - c0 + 1
        local = (r - r0) * across + (c - c0)
        step = np.rint(np.clip(probability, 0, 1) * STEPS).astype(np.int32)
        size = (int(r.max()) - r0 + 1) * across * len(BINS)
        # shared between the two bins around the value, so that what the bins stand for has its mean
        cell, above = local * len(BINS) + self._bin[step], weight * self._above[step]
        amount = np.bincount(cell, weight - above, minlength=size) + np.bincount(cell + 1, above, minlength=size)
        amount = amount.reshape(-1, len(BINS))
        used = np.flatnonzero(amount.any(axis=1))
        block = (used // across + r0) * self.cols + used % across + c0
        return Curves(block, amount[used].astype(np.float32) @ self._covered)

    def draw(self, parts: Sequence[Curves]) -> np.ndarray:
        """(len(parts), draws) covered amount of each part; the error is one field over all of them."""
        out = np.zeros((len(parts), self.error.draws))
        lengths = np.array([len(p.block) for p in parts])
        if not lengths.sum():
            return out
        all_parts = Curves.joined(parts)
        curve, start = all_parts.curve.ravel(), np.arange(len(all_parts.block)) * len(NODES)
        owner = np.repeat(np.arange(len(parts)), lengths)
        blocks, place = np.unique(all_parts.block, return_inverse=True)
        for number, error in enumerate(self._errors(blocks)):
            at = np.clip((error - NODES[0]) / (NODES[1] - NODES[0]), 0, len(NODES) - 1.001)[place]
            node = at.astype(np.int64)
            low, high = curve[start + node], curve[start + node + 1]
            out[:, number] = np.bincount(owner, low + (at - node) * (high - low), minlength=len(parts))
        return out

    def _errors(self, blocks: np.ndarray) -> Iterator[np.ndarray]:
        """Draws of the common and correlated error in some blocks, sigmas.

        The field is drawn by circulant embedding: two at a time from one Fourier transform (Dietrich and Newsam
        1997). What the embedding lacks to be exact is a fraction of the smallest eigenvalues, set to nothing.
        """
        error = self.error
        random = np.random.default_rng(error.seed)
        pad = math.ceil(PADDING * self.reach)
        shape = [fft.next_fast_len(n + pad) for n in (self.rows, self.cols)]
        apart = [np.minimum(np.arange(n), n - np.arange(n)) for n in shape]
        correlation = np.exp(-np.hypot(apart[0][:, None], apart[1][None, :]) / max(self.reach, 1e-9))
        eigenvalues = np.clip(fft.fft2(correlation).real, 0, None)
        eigenvalues *= eigenvalues.size / eigenvalues.sum()
        scale = np.sqrt(eigenvalues * eigenvalues.size).astype(np.float32)
        rows, cols = blocks // self.cols, blocks % self.cols
        for first in range(0, error.draws, 2):
            noise = random.standard_normal((2, *shape), dtype=np.float32)
            field = fft.ifft2(scale * (noise[0] + 1j * noise[1]))
            common = random.standard_normal(2)
            for number, part in enumerate((field.real, field.imag)[: error.draws - first]):
                yield math.sqrt(error.common) * common[number] + math.sqrt(error.correlated) * part[rows, cols]


def interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """Limits that hold the middle `confidence` of draws (n,)."""
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
