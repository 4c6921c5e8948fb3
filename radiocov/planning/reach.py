"""What each candidate would serve of what is missing, with the network's own arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from radiocov.coverage import cog
from radiocov.coverage.layers import Asked, tile_layers
from radiocov.coverage.network import Server, overlap
from radiocov.coverage.pieces import part_of
from radiocov.coverage.results import BANDS
from radiocov.planning.choose import SLACK
from targets.missing import Missing, judged


@dataclass(frozen=True, eq=False)
class Places:
    """The places of all targets, in the order of the pieces of the grid that they lie in.

    target: (n,) number in ``targets``; row, col, weight, value: as in `targets.missing.Missing`; pieces: row and
    column of a piece, and the part of the arrays that lies in it.
    """

    targets: list[Missing]
    target: np.ndarray
    row: np.ndarray
    col: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    pieces: list[tuple[tuple[int, int], slice]]


def places_of(targets: Sequence[Missing]) -> Places:
    """Of the targets that are not met."""
    wanted = [t for t in targets if t.needed > 0]
    target = np.repeat(np.arange(len(wanted), dtype=np.int16), [len(t.row) for t in wanted])
    row, col, weight, value = (
        np.concatenate([getattr(t, name) for t in wanted] or [np.zeros(0, kind)])
        for name, kind in (("row", np.int32), ("col", np.int32), ("weight", float), ("value", np.float32))
    )
    order = np.lexsort((col // cog.PIECE, row // cog.PIECE))
    target, row, col, weight, value = (a[order] for a in (target, row, col, weight, value))
    piece = np.column_stack([row // cog.PIECE, col // cog.PIECE])
    starts = np.flatnonzero(np.diff(piece, axis=0, prepend=-1).any(axis=1)).tolist()
    pieces = [
        ((int(piece[a, 0]), int(piece[a, 1])), slice(a, b)) for a, b in pairwise([*starts, len(piece)])
    ]
    return Places(wanted, target, row, col, weight, value, pieces)


@dataclass(frozen=True, eq=False)
class Reach:
    """Computes what servers give to places. judge: of the policy; calibration: as in `tile_layers`."""

    project: Any
    ground: Any
    asked: Sequence[Asked]
    receiver_height_m: float
    judge: str
    calibration: Any = None

    def of(self, servers: Sequence[Server], places: Places) -> tuple[np.ndarray, np.ndarray]:
        """(numbers of places, float32 values) of those that the servers, alone, would give more than they have."""
        numbers, values = [], []
        for piece, here in places.pieces:
            tile = part_of(piece, cog.PIECE, self.ground.grid)
            if not any(overlap(tile, s.transmit.loss.window) for s in servers):
                continue
            made = tile_layers(
                self.project, self.ground, servers, self.asked, tile, self.receiver_height_m, self.calibration
            )
            at = places.row[here] - tile.top, places.col[here] - tile.left
            reached = np.zeros(here.stop - here.start, np.float32)
            for number, target in enumerate(places.targets):
                mine = places.target[here] == number
                if mine.any():
                    reached[mine] = self._judged(made, target.target.service, at[0][mine], at[1][mine])
            more = np.flatnonzero(reached > places.value[here] + SLACK)
            numbers.append((here.start + more).astype(np.int32))
            values.append(reached[more])
        found = np.concatenate([*numbers, np.zeros(0, np.int32)])
        if self.judge != "expected":  # all or nothing: one number stands for all
            return found, np.broadcast_to(np.float32(1.0), found.shape)
        return found, np.concatenate([*values, np.zeros(0, np.float32)])

    def _judged(self, made: dict[str, np.ndarray], service: str, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        settings = next(s for s in self.project.services if s.id == service)
        band = BANDS[settings.direction] - 1
        margin, probability = (made[f"{name}_{service}.tif"][band][row, col] for name in ("margin", "probability"))
        return np.nan_to_num(judged(self.judge, settings.probability, margin, probability))
