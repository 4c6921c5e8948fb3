"""What each target of a policy still lacks, place by place: what a plan of new sites has to cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from targets.areas import AreaSet, RoadSet
from targets.compliance import ROUNDING, check_services, placed, sampled
from targets.policy import KIND_OF_MEASURE, Policy, Target
from targets.rasterize import Plane, RasterReader, read_beyond
from targets.roadways import CARRIAGEWAY_M, read_at
from targets.sums import STRIP_PIXELS, Density, pixels_of

SURE = 0.9995  # an expected share gains nothing where the probability is as high as this


@dataclass(frozen=True, eq=False)
class Missing:
    """A target that asks for a share at the end of a period, and where it is not served.

    name, name_zh: of the class; total, achieved, outside: km2, people or km, of all, of what counts as served by the
    policy's judge, and beyond the rasters; required: share, 0 to 1. row, col: (n,) int32 pixels of the rasters;
    weight: (n,) what each counts for; value: (n,) how much of it counts now, 0, or the service probability where the
    expected share is judged.
    """

    target: Target
    name: str
    name_zh: str
    total: float
    achieved: float
    outside: float
    required: float
    row: np.ndarray
    col: np.ndarray
    weight: np.ndarray
    value: np.ndarray

    @property
    def needed(self) -> float:
        """km2, people or km that are wanting; 0 where the target is met."""
        needed = self.required * self.total - self.achieved
        return needed if needed > ROUNDING * self.total else 0.0


def missing(
    policy: Policy, period: str, areas: AreaSet | None, roads: RoadSet | None, reader: RasterReader, *,
    density: Density | None = None, carriageway_m: float = CARRIAGEWAY_M, strip_pixels: int = STRIP_PIXELS,
) -> list[Missing]:  # fmt: skip
    """Every target that asks for something at the end of the period, in the policy's order.

    Counts as `compliance.evaluate` does, whose arguments these are. What lies outside the rasters is in the total and
    in no pixel: no site can be planned for it.
    """
    policy.period(period)
    check_services(policy, reader)
    plane = Plane(reader)
    ordered, shapes, _ = placed(policy, areas, plane)
    ways, samples = sampled(policy, roads, plane, carriageway_m)
    found = []
    for target in policy.targets:
        required = policy.required(target, period)
        if required is None:
            continue
        cls = policy.policy_class(target.class_)
        members = set(cls.data_classes())
        gathered = _Gathered(policy.judge, reader.services[target.service], reader.shape)
        if KIND_OF_MEASURE[target.measure] == "area":
            people = density if target.measure == "population" else None
            for area, shape in zip(ordered, shapes, strict=True):
                if area.class_ in members:
                    inside = _of_area(shape, plane, reader, target.service, strip_pixels, people)
                    whole = people is not None or shape.is_empty or plane.holds(shape.bounds)
                    gathered.add(inside, 0.0 if whole else shape.area * plane.pixel_km2)
        elif ways:
            counts = [r.class_ in members and not (r.tunnel and policy.tunnels == "leave-out") for r in ways]
            here = np.array(counts)[samples.road]
            margin, probability = (band[here] for band in read_at(samples, plane, reader, target.service))
            row, col = np.floor(samples.v[here]).astype(np.int64), np.floor(samples.u[here]).astype(np.int64)
            gathered.add([(row, col, samples.km[here], margin, probability)])
        found.append(
            Missing(target, cls.text("en"), cls.text("zh"), gathered.total, gathered.achieved, gathered.outside,
                    required, *gathered.places())  # fmt: skip
        )
    return found


Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # row, col, weight, margin, probability


def _of_area(shape, plane, reader, service, strip_pixels, density) -> Iterator[Part]:
    """The pixels of an area that have some weight."""
    for window, km2 in pixels_of(shape, plane, strip_pixels, beyond=density is not None):
        weight = km2 if density is None else km2 * density(window)
        margin = read_beyond(reader, service, "margin_db", window)
        probability = read_beyond(reader, service, "probability", window)
        row, col = np.nonzero(weight > 0)
        yield row + window.row, col + window.col, weight[row, col], margin[row, col], probability[row, col]


class _Gathered:
    """Adds up a target's parts and keeps what is not served."""

    def __init__(self, judge: str, q: float, shape: tuple[int, int]) -> None:
        self.judge, self.q, self.shape = judge, q, shape
        self.total = self.achieved = self._on = 0.0
        self._kept: list[tuple[np.ndarray, ...]] = []

    def add(self, parts: Iterable[Part], whole: float = 0.0) -> None:
        """whole: what the parts should add up to at least; more of it lies outside the rasters."""
        seen = 0.0
        for row, col, weight, margin, probability in parts:
            value = np.nan_to_num(judged(self.judge, self.q, margin, probability)).astype(np.float32)
            seen += float(weight.sum())
            self.achieved += float((weight * value).sum())
            on = (row >= 0) & (col >= 0) & (row < self.shape[0]) & (col < self.shape[1])
            self._on += float(weight[on].sum())
            left = on & (value < (SURE if self.judge == "expected" else 1.0)) & (weight > 0)
            self._kept.append(tuple(a[left] for a in (row, col, weight, value)))
        self.total += max(seen, whole)

    @property
    def outside(self) -> float:
        return max(0.0, self.total - self._on)

    def places(self) -> tuple[np.ndarray, ...]:
        kinds = np.int32, np.int32, float, np.float32
        columns = zip(*self._kept, strict=True) if self._kept else ([np.zeros(0)],) * 4
        return tuple(np.concatenate(c).astype(kind) for c, kind in zip(columns, kinds, strict=True))


def judged(judge: str, q: float, margin_db: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """How much of each place counts by a policy's judge: 0 or 1, or its service probability; NaN or 0 where nothing
    was computed."""
    if judge == "expected":
        return probability
    served = margin_db >= 0 if judge == "median" else probability >= q
    return served & ~np.isnan(margin_db) & ~np.isnan(probability)
