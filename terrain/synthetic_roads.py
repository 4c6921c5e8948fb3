"""Roads of the made-up prefecture: cheapest ways over its coarse relief, motorways first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import dijkstra
from shapely import LineString

from terrain.synthetic_places import Place
from terrain.synthetic_relief import CELL_M, Relief, burned, lattice_graph, noise

MOTORWAY, NATIONAL, PROVINCIAL = "motorway", "national", "provincial"
_STEP = 2  # coarse cells to a road cell
_SHUN_SLOPE = {MOTORWAY: 900.0, NATIONAL: 500.0, PROVINCIAL: 320.0}
# Townships farther apart than this (hundredths of a cell on flat ground) have no road of their own.
LINK_REACH = 6000.0
Edge = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Road:
    """One stretch; roads of one name may have several. `line` in metres of the prefecture's CRS."""

    name_en: str
    name_zh: str
    road_class: str  # motorway | national | provincial
    line: LineString


# A motorway leads from the city to a side of the map or to a seat; national roads join seats and sides.
_MOTORWAYS = ("west", "east", "north", "Qingwu", "Yundu")
_NATIONALS = (
    ("Lantai", "Qingwu"), ("Lantai", "Luyu"), ("Lantai", "Yundu"), ("Lantai", "Tuoya"),
    ("Yundu", "Songping"), ("Yundu", "Lingyu"), ("Luyu", "Songping"), ("Qingwu", "Tuoya"),
    ("Songping", "east"), ("Lingyu", "north"), ("Tuoya", "north"), ("Luyu", "east"), ("Qingwu", "west"),
)  # fmt: skip
_SIDES_ZH = {"west": "西", "east": "东", "north": "北"}


def make_roads(rng: np.random.Generator, relief: Relief, places: list[Place]) -> list[Road]:
    """Motorways, then national roads between seats, then provincial roads that tie in every township."""
    network = _Network(rng, relief, places)
    seats = {p.name_en: p for p in places if p.kind != "township"}
    city = next(p for p in places if p.kind == "city")

    def ends(name: str) -> list[int]:
        return [network.node(seats[name].x, seats[name].y)] if name in seats else network.side(name)

    def zh(name: str) -> str:
        return seats[name].name_zh[:-1] if name in seats else _SIDES_ZH[name]

    for number, goal in enumerate(_MOTORWAYS, 1):
        way = network.way(MOTORWAY, network.node(city.x, city.y), ends(goal))
        names = f"Expressway E{number} {city.name_en}-{goal}", f"E{number} {zh(city.name_en)}{zh(goal)}高速"
        network.build(MOTORWAY, *names, way)
    for number, (start, goal) in enumerate(_NATIONALS, 1):
        way = network.way(NATIONAL, ends(start)[0], ends(goal))
        names = f"National road N{number} {start}-{goal}", f"国道N{number} {zh(start)}{zh(goal)}线"
        network.build(NATIONAL, *names, way)
    _tie_in(network, [p for p in places if p.kind == "township"])
    return network.lines()


def _tie_in(network: _Network, townships: list[Place]) -> None:
    """Provincial roads: each township to the nearest road, then some to their neighbours."""
    graph = lattice_graph(network.costs(PROVINCIAL))
    nodes = [network.node(p.x, p.y) for p in townships]
    others = network.used(NATIONAL).ravel()
    others[nodes] = False
    _, before, _ = dijkstra(graph, indices=np.flatnonzero(others), min_only=True, return_predecessors=True)
    number = 0

    def build(path: list[int], start: Place, goal: Place | None) -> None:
        nonlocal number
        number += 1
        to_en, to_zh = (f"-{goal.name_en}", goal.name_zh[:-1]) if goal else (" link", "连接")
        name_en = f"Provincial road P{number} {start.name_en}{to_en}"
        network.build(PROVINCIAL, name_en, f"省道P{number} {start.name_zh[:-1]}{to_zh}线", path)

    for place, node in zip(townships, nodes, strict=True):
        if before[node] >= 0:
            build(_walk_back(before, node), place, None)
    graph = lattice_graph(network.costs(PROVINCIAL))
    cost, before = dijkstra(graph, indices=nodes, return_predecessors=True, limit=LINK_REACH)
    between = cost[:, nodes]
    pairs = sorted((between[i, j], i, j) for i in range(len(nodes)) for j in range(i))
    links = [0] * len(nodes)
    for value, i, j in pairs:
        if np.isfinite(value) and links[i] < 2 and links[j] < 2:
            links[i] += 1
            links[j] += 1
            build(_walk_back(before[i], nodes[j]), townships[j], townships[i])


def _walk_back(before: np.ndarray, node: int) -> list[int]:
    path = [node]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path


class _Network:
    """Roads as edges between cells of a 500 m lattice; each edge belongs to the first road that took it."""

    def __init__(self, rng: np.random.Generator, relief: Relief, places: list[Place]) -> None:
        grid = relief.grid
        rows, cols = grid.height // _STEP, grid.width // _STEP

        def blocks(values: np.ndarray, how) -> np.ndarray:
            return how(values[: rows * _STEP, : cols * _STEP].reshape(rows, _STEP, cols, _STEP), axis=(1, 3))

        height = blocks(relief.elevation_m, np.mean)
        by_row, by_col = np.gradient(height, CELL_M * _STEP)
        self.shape = (rows, cols)
        self.slope2 = by_row**2 + by_col**2
        # Fields, villages and owners bend a road on level ground, where the lattice would rule it straight.
        bends = noise(rng, 4000, grid) + 0.7 * noise(rng, 1500, grid)
        self.bends = np.exp(0.38 * blocks(bends, np.mean))
        self.barred = blocks(relief.inland_km < 0.4, np.max)
        self.barred |= blocks(burned([lake.buffer(150) for lake, _ in relief.lakes], grid), np.max)
        self.wet = blocks(burned([r.water.buffer(150) for r in relief.rivers], grid), np.max)
        centres = [p for p in places if p.urban is not None]
        self.core = blocks(burned([p.urban.buffer(-300) for p in centres], grid), np.max)
        self.grid = grid
        self.owner: dict[Edge, int] = {}
        self.roads: list[tuple[str, str, str]] = []

    def node(self, x: float, y: float) -> int:
        row, col = self.grid.rowcol(x, y)
        row, col = (int((float(v) + 0.5) // _STEP) for v in (row, col))
        return min(max(row, 0), self.shape[0] - 1) * self.shape[1] + min(max(col, 0), self.shape[1] - 1)

    def xy(self, node: int) -> tuple[float, float]:
        row, col = divmod(node, self.shape[1])
        return self.grid.centre_xy((row + 0.5) * _STEP - 0.5, (col + 0.5) * _STEP - 0.5)

    def side(self, name: str) -> list[int]:
        """Nodes on one side of the map, on land and off the corners."""
        node = np.arange(self.barred.size).reshape(self.shape)
        line = {"west": np.s_[8:, 0], "east": np.s_[8:, -1], "north": np.s_[0, 8:-8]}[name]
        return node[line][~self.barred[line]].tolist()

    def used(self, road_class: str | None = None) -> np.ndarray:
        mask = np.zeros(self.shape, bool)
        for edge, road in self.owner.items():
            if road_class is None or self.roads[road][2] == road_class:
                mask.ravel()[list(edge)] = True
        return mask

    def costs(self, road_class: str) -> np.ndarray:
        """Whole numbers, so that the cheapest way is the same on every machine."""
        cost = self.bends + _SHUN_SLOPE[road_class] * self.slope2 + 1.5 * self.wet
        if road_class == MOTORWAY:
            cost += 5.0 * self.core
            cost *= np.where(self.used(), 0.4, 1.0)
        else:
            # Roads keep off the motorway's line and share the way of their own kind.
            beside = ndimage.binary_dilation(self.used(MOTORWAY), np.ones((3, 3)))
            cost += 0.8 * beside
            cost *= np.where(self.used(NATIONAL) | self.used(PROVINCIAL), 0.55, 1.0)
        return np.where(self.barred, 1e6, np.minimum(np.round(cost * 100), 50_000))

    def way(self, road_class: str, start: int, ends: list[int]) -> list[int]:
        """Nodes of the cheapest way from `start` to the cheapest of `ends`."""
        cost, before = dijkstra(
            lattice_graph(self.costs(road_class)), indices=start, return_predecessors=True
        )
        at = min(ends, key=lambda end: (cost[end], end))
        return _walk_back(before, at)[::-1]

    def build(self, road_class: str, name_en: str, name_zh: str, path: list[int]) -> None:
        self.roads.append((name_en, name_zh, road_class))
        for a, b in zip(path[:-1], path[1:], strict=True):
            self.owner.setdefault((min(a, b), max(a, b)), len(self.roads) - 1)

    def lines(self) -> list[Road]:
        """Edges joined to stretches between junctions, corners cut; stretches meet exactly at junctions."""
        around: dict[int, list[int]] = defaultdict(list)
        for a, b in sorted(self.owner):
            around[a].append(b)
            around[b].append(a)

        def road_of(a: int, b: int) -> int:
            return self.owner[(min(a, b), max(a, b))]

        def ends_here(node: int) -> bool:
            near = around[node]
            return len(near) != 2 or road_of(node, near[0]) != road_of(node, near[1])

        found = []
        done: set[Edge] = set()
        for node in sorted(n for n in around if ends_here(n)):
            for first in around[node]:
                if (min(node, first), max(node, first)) in done:
                    continue
                path = [node, first]
                while not ends_here(path[-1]):
                    a, b = around[path[-1]]
                    path.append(b if a == path[-2] else a)
                done.update((min(p), max(p)) for p in zip(path[:-1], path[1:], strict=True))
                name_en, name_zh, road_class = self.roads[road_of(node, first)]
                found.append((road_of(node, first), Road(name_en, name_zh, road_class, self._smooth(path))))
        return [road for _, road in sorted(found, key=lambda item: item[0])]

    def _smooth(self, path: list[int]) -> LineString:
        points = np.array([self.xy(n) for n in path])
        for _ in range(2):
            if len(points) > 4:
                points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
        for _ in range(2):
            if len(points) > 2:
                quarter = points[:-1] * 0.75 + points[1:] * 0.25
                three = points[:-1] * 0.25 + points[1:] * 0.75
                inner = np.stack([quarter, three], 1).reshape(-1, 2)[1:-1]
                points = np.concatenate([points[:1], inner, points[-1:]])
        return LineString(points).simplify(8)
