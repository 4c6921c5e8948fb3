"""Small graphs of a report as SVG: axes with round figures, points, lines, boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 360, 250, 44, 36, 10, 12
INK, QUIET, FILL = "#16222c", "#9aa3ab", "#2b7bba"
DIVERGING = ("#8c510a", "#d8b365", "#d9d9d9", "#5ab4ac", "#01665e")  # too weak as predicted ... too strong


@dataclass
class Graph:
    """A frame with linear or logarithmic x; the labels are HTML already; drawn: SVG pieces in it."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    log_x: bool = False
    percent: bool = False
    drawn: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Place in the picture."""
        low, high = (math.log10(v) for v in self.x) if self.log_x else self.x
        value = math.log10(max(x, 1e-9)) if self.log_x else x
        across = (value - low) / (high - low or 1.0)
        up = (y - self.y[0]) / (self.y[1] - self.y[0] or 1.0)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)

    def points(self, x: np.ndarray, y: np.ndarray, colour: str = FILL) -> None:
        places = (self.at(float(a), float(b)) for a, b in zip(x, np.clip(y, *self.y), strict=True))
        marks = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in places)
        self.drawn.append(f'<path d="{marks}" stroke="{colour}" stroke-width="2.6" stroke-linecap="round" '
                          'fill="none" opacity=".45"/>')  # fmt: skip

    def line(self, x: Sequence[float], y: Sequence[float], colour: str = INK, dashed: bool = False) -> None:
        path = "L".join("{:.1f} {:.1f}".format(*self.at(a, b)) for a, b in zip(x, y, strict=True))
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.drawn.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}/>')

    def bar(self, x: float, low: float, middle: float, high: float, half: float, colour: str = FILL) -> None:
        """A box from low to high with its middle, half as wide in units of x to each side."""
        x0, y1 = self.at(x - half, min(high, self.y[1]))
        x1, y0 = self.at(x + half, max(low, self.y[0]))
        _, y = self.at(x, middle)
        self.drawn.append(f'<rect x="{x0:.1f}" y="{y1:.1f}" width="{x1 - x0:.1f}" height="{max(y0 - y1, 1):.1f}" '
                          f'fill="{colour}" opacity=".5"/><path d="M{x0:.1f} {y:.1f}H{x1:.1f}" stroke="{INK}" '
                          'stroke-width="1.6"/>')  # fmt: skip

    def disc(self, x: float, y: float, radius: float, low: float, high: float) -> None:
        """A point with its interval."""
        cx, cy = self.at(x, y)
        (_, y0), (_, y1) = self.at(x, low), self.at(x, high)
        self.drawn.append(
            f'<path d="M{cx:.1f} {y0:.1f}V{y1:.1f}" stroke="{QUIET}" stroke-width="1.2"/>'
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}" fill="{FILL}" opacity=".8"/>'
        )

    def svg(self, title: str, names: Sequence[tuple[float, str]] = ()) -> str:
        """The whole picture; names: words along x in place of figures, at their places."""
        ticks = []
        for value, text in names or [(v, _short(v, self.percent)) for v in self._x_ticks()]:
            px, py = self.at(value, self.y[0])
            ticks.append(f'<text x="{px:.0f}" y="{py + 13:.0f}" text-anchor="middle">{escape(text)}</text>')
        for value in round_figures(*self.y):
            px, py = self.at(self.x[0], value)
            ticks.append(f'<path d="M{px:.0f} {py:.1f}H{WIDTH - RIGHT}" stroke="#e3e7ea"/><text x="{px - 5:.0f}" '
                         f'y="{py + 3.5:.1f}" text-anchor="end">{_short(value, self.percent)}</text>')  # fmt: skip
        frame = (f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - BOTTOM - TOP}" '
                 f'fill="none" stroke="{QUIET}"/>')  # fmt: skip
        words = (f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" text-anchor="middle">{self.x_label}'
                 f'</text><text transform="translate(11 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
                 f'text-anchor="middle">{self.y_label}</text>')  # fmt: skip
        return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" font-size="10">'
                f"{''.join(ticks)}{''.join(self.drawn)}{frame}{words}</svg>")  # fmt: skip

    def _x_ticks(self) -> list[float]:
        if not self.log_x:
            return round_figures(*self.x)
        first, last = math.floor(math.log10(self.x[0])), math.ceil(math.log10(self.x[1]))
        found = [n * 10.0**e for e in range(first, last + 1) for n in (1, 2, 5)]
        return [v for v in found if self.x[0] <= v <= self.x[1]]


def round_figures(low: float, high: float, about: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 in a range, some `about` of them."""
    raw = (high - low) / about or 1.0
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(n * unit for n in (1, 2, 5, 10) if n * unit >= raw - 1e-12)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _short(value: float, percent: bool) -> str:
    return f"{100 * value:.0f}" if percent else f"{value:g}"


def medians(x: np.ndarray, y: np.ndarray, edges: np.ndarray, fewest: int = 5) -> list[tuple[float, float]]:
    """(middle of x, median of y) between edges that hold enough."""
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        mine = (x >= low) & (x < high)
        if mine.sum() >= fewest:
            rows.append((math.sqrt(low * high), float(np.median(y[mine]))))
    return rows


def residual_map(x: np.ndarray, y: np.ndarray, value: np.ndarray, limit: float, title: str) -> str:
    """Places coloured by what was measured above (green) or below (brown) the prediction, with a scale bar."""
    side = 380
    span = max(np.ptp(x), np.ptp(y), 1.0)
    px, py = (x - x.min()) / span * (side - 20) + 10, (y.max() - y) / span * (side - 20) + 10
    height = float(py.max()) + 26
    edges = np.array([-limit, -limit / 3, limit / 3, limit])
    kind = np.searchsorted(edges, value)
    parts = []
    for k, colour in enumerate(DIVERGING):
        mine = kind == k
        marks = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(px[mine], py[mine], strict=True))
        if marks:
            parts.append(f'<path d="{marks}" stroke="{colour}" stroke-width="3" stroke-linecap="round"/>')
    km = next((n for n in (20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if n * 1000 / span * (side - 20) <= side / 3), 0.05)
    long = km * 1000 / span * (side - 20)
    bar = (f'<path d="M10 {height - 10:.0f}h{long:.1f}" stroke="{INK}" stroke-width="2"/>'
           f'<text x="{16 + long:.0f}" y="{height - 6:.0f}">{km:g} km</text>')  # fmt: skip
    return (f'<svg viewBox="0 0 {side} {height:.0f}" role="img" aria-label="{escape(title)}" font-size="10">'
            f"{''.join(parts)}{bar}</svg>")  # fmt: skip
