"""Reference profiles, and terrain drawn at random to compare the two forms of P.1812 on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class ReferenceProfile:
    name: str
    ends: tuple[float, float, float, float]  # transmitter latitude, longitude, receiver latitude, longitude
    delta_n: float
    n0: float
    rows: np.ndarray  # km, m, coverage code, clutter m, zone
    cases: list[list[str]]

    @classmethod
    def read(cls, path: Path) -> "ReferenceProfile":
        lines = path.read_text().splitlines()

        def value(key: str) -> float:
            return next(float(line.split(",")[1]) for line in lines if line.startswith(key))

        at = next(i for i, line in enumerate(lines) if line.startswith("Number of Points"))
        count = int(lines[at].split(",")[1])
        rows = np.array([[float(v) for v in line.split(",")[:5]] for line in lines[at + 1 : at + 1 + count]])
        rows[:, 0] -= rows[0, 0]
        first = lines.index("{Begin of Measurements}") + 1
        last = lines.index("{End of Measurements}")
        keys = ("Tx LAT", "Tx LON", "Rx LAT", "Rx LON")
        return cls(
            path.stem, tuple(value(k) for k in keys), value("Average annual values dN"),
            value("Average annual sea-level"), rows, [line.split(",") for line in lines[first:last]],
        )  # fmt: skip


def draw_terrain(rng: np.random.Generator, n: int, kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heights, clutter heights and zones of n samples: flat, rough, spiked, stepped, ridged or coastal ground."""
    i = np.arange(n)
    if kind == 0:
        h = np.full(n, rng.uniform(0, 300))
    elif kind == 1:
        h = np.cumsum(rng.normal(0, 5, n))
        h -= h.min()
    elif kind == 2:
        h = np.full(n, 20.0)
        h[rng.integers(0, n, 3)] += rng.uniform(10, 400, 3)
    elif kind == 3:
        h = np.where(i < rng.integers(1, n + 1), 10.0, rng.uniform(0, 400))
    elif kind == 4:
        h = 300 * np.abs(np.sin(i / rng.uniform(20, 200))) + rng.normal(0, 3, n)
    else:
        h = np.maximum(np.cumsum(rng.normal(0, 2, n)), 0.0)
    clutter = rng.choice([0.0, 10.0, 15.0, 20.0], n) if rng.random() < 0.6 else np.zeros(n)
    zone = np.full(n, 4, np.uint8)
    if rng.random() < 0.6:
        a, b, c, d = np.sort(rng.integers(0, n + 1, 4))
        zone[a:b], zone[b:c], zone[c:d] = 1, 3, 1
        h = np.where(zone == 1, 0.0, h)
    return h.astype(float), clutter, zone
