"""The pieces of which a state's rasters are computed, each with a key of all that its values depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from radiocov import __version__
from radiocov.coverage import cog, interference
from radiocov.coverage.calibrated import MapCalibration
from radiocov.coverage.layers import Asked
from radiocov.coverage.losses import Losses
from radiocov.coverage.network import Antenna, Server
from radiocov.coverage.sector import Window
from radiocov.files import content_key
from radiocov.network import Site
from radiocov.project import State

Piece = tuple[int, int]  # row and column of a part of the grid that is computed alone


def part_of(place: tuple[int, int], side: int, grid: Any) -> Window:
    """The part of the grid at a row and column of blocks or pieces of so many pixels a side."""
    top, left = place[0] * side, place[1] * side
    return Window(top, left, min(side, grid.height - top), min(side, grid.width - left))


def pieces_of(leaf: cog.Leaf, grid: Any) -> list[Piece]:
    """The pieces of a block of the rasters."""
    a_side = cog.BLOCK // cog.PIECE
    rows, cols = (
        range(at * a_side, min((at + 1) * a_side, -(-size // cog.PIECE)))
        for at, size in zip(leaf, grid.shape, strict=True)
    )
    return [(row, col) for row in rows for col in cols]


class PieceKeys:
    """Says for each piece what it is made of."""

    def __init__(self, losses: Losses, asked: Sequence[Asked], calibration: MapCalibration | None) -> None:
        self.losses, self.asked, self.calibration = losses, asked, calibration
        self.project, self.ground, self.grid = losses.project, losses.ground, losses.grid

    def of(self, state: State, servers: list[Server]) -> dict[Piece, str]:
        """Each piece's common key with all that it depends on of the servers that reach it."""
        common = self._common_key(state, servers)
        farthest_km = max(self.project.model.radius_km, self.project.interference.radius_km or 0.0)
        reach_m = farthest_km * 1000.0 + 2 * self.grid.resolution_m
        own = [
            content_key(
                [number, _jsonable(s.site), s.talk_in_db, s.method, self._antenna_key(s.site, s.transmit),
                 s.receive and self._antenna_key(s.site.receiving, s.receive),
                 *([self.losses.key(interference.Unwanted.of(s.site))] if s.unwanted else [])]
            )
            for number, s in enumerate(servers, start=1)
        ]  # fmt: skip
        place = np.array([[s.x, s.y] for s in servers]).reshape(-1, 2)
        reached = [
            np.array([dataclasses.astuple(a.loss.window) for a in antennas if a]).reshape(-1, 4)
            for antennas in ([s.transmit for s in servers], [s.unwanted or s.transmit for s in servers])
        ]
        keys = {}
        for leaf in cog.leaves_of(*self.grid.shape):
            block = part_of(leaf, cog.BLOCK, self.grid)
            measured = [] if self.calibration is None else self.calibration.key_near(block)
            for piece in pieces_of(leaf, self.grid):
                tile = part_of(piece, cog.PIECE, self.grid)
                bottom, right = tile.top + tile.height - 1, tile.left + tile.width - 1
                x, y = self.grid.centre_xy(np.array([bottom, tile.top]), np.array([tile.left, right]))
                away = place - place.clip([x[0], y[0]], [x[1], y[1]])
                near = np.hypot(*away.T) <= reach_m
                near &= np.logical_or(*(_overlapping(tile, windows) for windows in reached))
                keys[piece] = content_key([common, [own[i] for i in np.flatnonzero(near)], *measured])
        return keys

    def _common_key(self, state: State, servers: list[Server]) -> str:
        """Everything that a tile's values depend on beside its servers."""
        project = self.project
        return content_key(
            {
                "radiocov": __version__,
                "date": state.date.isoformat(),
                "ground": self.losses.ground_key,
                "errors": [[c.name, c.model_error_db] for c in self.ground.classes],
                "provenance": self.ground.provenance,
                "settings": project.model_dump(mode="json", include={"terminals", "base", "services", "model"}),
                "landcover": bool(project.landcover_files),
                "noise": [None if a.noise_db is None else a.noise_db.tolist() for a in self.asked],
                **self._interference_key(servers),
                **({} if self.calibration is None else {"calibration": self.calibration.key()}),
            }
        )

    def _interference_key(self, servers: list[Server]) -> dict[str, Any]:
        """What C/(I+N) and delays depend on beside the servers; nothing where there are none."""
        project, found = self.project, {}
        if project.interference.enabled:
            noise = [interference.noise_dbm(project, self.ground, a.terminal).tolist() for a in self.asked]
            found["interference"] = [project.interference.model_dump(mode="json"), noise]
        if project.interference.enabled or interference.in_groups(servers):
            found["simulcast"] = project.simulcast.model_dump(mode="json")
        return found

    def _antenna_key(self, site: Site, antenna: Antenna) -> list[str]:
        return [self.losses.key(site), _array_key(antenna.horizontal_db, antenna.vertical_db)]


def _overlapping(tile: Window, windows: np.ndarray) -> np.ndarray:
    """Which of the windows (n, 4) have something in common with a tile."""
    top, left, height, width = windows.T
    down = np.minimum(top + height, tile.top + tile.height) > np.maximum(top, tile.top)
    return down & (np.minimum(left + width, tile.left + tile.width) > np.maximum(left, tile.left))


def _jsonable(site: Site) -> dict[str, Any]:
    """Every field of a row that a site needs or uses, but what it costs."""
    values = {field: getattr(site, field.name) for field in dataclasses.fields(site) if field.name != "cost"}
    return {field.name: str(v) for field, v in values.items() if v != field.default or field.name == "site"}


def _array_key(*arrays: np.ndarray) -> str:
    return content_key([array.tolist() for array in arrays])
