"""How far a predicted coverage fulfils a policy: by class, city, county, area and road, in three shares.

share_median: part of the area or length whose median level meets the threshold (margin >= 0 dB);
share_probable: part whose service probability is at least the q of the service;
share_expected: mean service probability, which is what a drive test estimates.
What lies outside the computed rasters counts as not covered and is told as share_outside.
expected_low to expected_high: where the share really covered lies with the confidence of the error model, and
chance: the probability that it reaches what is required (see `spread`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from targets.areas import Area, AreaSet, Road, RoadSet
from targets.errors import Problem, TargetsError, suggestion
from targets.policy import KIND_OF_MEASURE, Policy, Target
from targets.rasterize import Plane, RasterReader
from targets.roadways import CARRIAGEWAY_M, TILE, road_key, road_sums, sample_roads
from targets.spread import Curves, ErrorModel, Spread, interval
from targets.sums import STRIP_PIXELS, Density, Sums, area_key, area_sums, place_areas

# Shares are sums of many floating-point numbers: a whole can come out this much short of 1, and no more.
ROUNDING = 1e-9
NAMED = 5  # areas or roads named in a note
LEVELS = ("policy", "member", "city", "county", "area", "road")


@dataclass(frozen=True)
class Row:
    """One line of the table; shares 0..1, None where there is nothing to share (total 0).

    level: "policy" (the class as a whole: this one decides), "member" (a kind of road within it), "city",
    "county", "area" or "road". total, tunnels and gap: km2 for measure "area", people for "population", km for
    "length". required: share that the target asks of the whole class, repeated on the other rows for
    comparison; None before it asks for any. met: None where nothing is required or there is nothing. gap: km2,
    people or km that are missing. expected_low, expected_high, chance: None without an error model.
    """

    level: str
    class_: str
    member: str
    city: str
    county: str
    id: str
    name: str
    name_zh: str
    measure: str
    service: str
    q: float
    total: float
    tunnels: float
    share_median: float | None
    share_probable: float | None
    share_expected: float | None
    share_outside: float | None
    required: float | None
    met: bool | None
    gap: float
    expected_low: float | None = None
    expected_high: float | None = None
    chance: float | None = None

    @property
    def key(self) -> tuple:
        """What the row is about, the same in another state of the network."""
        return (
            self.level,
            self.class_,
            self.measure,
            self.service,
            self.member,
            self.city,
            self.county,
            self.id,
        )


@dataclass(frozen=True)
class Compliance:
    """Rows in the order of the targets of the policy, each target's from the whole to the single area or
    road.

    notes: what a reader of the figures has to know (overlaps, classes without data, what lies outside); error: what
    the intervals rest on.
    """

    policy: str
    policy_name: str
    policy_name_zh: str
    period: str
    period_end: datetime.date
    judge: str
    tunnels: str
    services: dict[str, float]
    resolution_m: float
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
    error: ErrorModel | None = None

    @property
    def met(self) -> bool:
        """Whether every target of the policy is met; one without data is not."""
        return all(row.met for row in self.rows if row.level == "policy" and row.required is not None)

    def row_of(self, target: Target) -> Row:
        """A target's class as a whole, by which it is met or not."""
        key = target.class_, target.measure, target.service
        return next(r for r in self.at("policy") if (r.class_, r.measure, r.service) == key)

    def at(self, *levels: str) -> list[Row]:
        """Rows of the given levels."""
        return [row for row in self.rows if row.level in levels]


def evaluate(
    policy: Policy,
    period: str,
    areas: AreaSet | None,
    roads: RoadSet | None,
    reader: RasterReader,
    *,
    error: ErrorModel | None = None,
    density: Density | None = None,
    carriageway_m: float = CARRIAGEWAY_M,
    strip_pixels: int = STRIP_PIXELS,
    tile: int = TILE,
) -> Compliance:
    """Compliance of a predicted coverage with a policy at the end of a period.

    A point belongs to its highest class only, in the order of the policy's classes (key, urban, suburban),
    and within a class to one area. error: what intervals and chances rest on; density: people per km2, for
    targets of population; carriageway_m: see `sample_roads`. TargetsError where a target's service is not in
    the reader, or the density is wanting. Memory is bounded by `strip_pixels` for areas and by the length of
    the roads.
    """
    end = policy.period(period)
    check_services(policy, reader)
    _check_density(policy, density)
    plane = Plane(reader)
    ordered, shapes, notes = placed(policy, areas, plane)
    ways, samples = sampled(policy, roads, plane, carriageway_m)
    spread = Spread(error, *reader.shape, plane.pixel_m) if error else None
    found: list[list[_Part]] = []
    for target in policy.targets:
        members = policy.policy_class(target.class_).data_classes()
        if KIND_OF_MEASURE[target.measure] == "area":
            people = density if target.measure == "population" else None
            mine = [i for i, area in enumerate(ordered) if area.class_ in members]
            sums = {
                i: area_sums(shapes[i], plane, reader, target.service, strip_pixels, people, spread)
                for i in sorted(mine, key=lambda i: place_on_disk(shapes[i]))
            }
            parts = [_area_part(ordered[i], *sums[i]) for i in mine]
        else:
            leave_out = policy.tunnels == "leave-out"
            each = road_sums(ways, samples, plane, reader, target.service, leave_out, tile, spread) if ways else []
            parts = _road_parts((r, *s) for r, s in zip(ways, each, strict=True) if r.class_ in members)
        notes += _notes(target, parts)
        found.append(parts)
    if spread:
        drawn = iter(spread.draw([p.curves for parts in found for p in parts]))
        found = [[replace(p, draws=next(drawn)) for p in parts] for parts in found]
    rows: list[Row] = []
    for target, parts in zip(policy.targets, found, strict=True):
        rows += _rows(policy, period, target, parts, reader.services[target.service], error)
    used = {t.service: float(reader.services[t.service]) for t in policy.targets}
    return Compliance(
        policy.id,
        policy.name,
        policy.name_zh,
        end.id,
        end.end,
        policy.judge,
        policy.tunnels,
        dict(sorted(used.items())),
        plane.pixel_m,
        tuple(rows),
        tuple(dict.fromkeys(notes)),
        error,
    )


def place_on_disk(shape) -> tuple[float, float]:
    """An order in which neighbours follow each other, so that tiles of a raster are read from the cache."""
    return (0.0, 0.0) if shape.is_empty else (shape.bounds[1] // TILE, shape.bounds[0])


def _notes(target: Target, parts: list[_Part]) -> list[str]:
    """A class without data, and areas or roads that lie wholly outside what was computed."""
    kind = "areas" if KIND_OF_MEASURE[target.measure] == "area" else "roads"
    if not parts:
        return [f"no {kind} of class {target.class_!r}"]
    off = [p for p in parts if p.sums.total > 0 and p.sums.outside >= p.sums.total * (1 - ROUNDING)]
    if not off:
        return []
    names = ", ".join(repr(p.name or p.id) for p in off[:NAMED]) + (", ..." if len(off) > NAMED else "")
    return [
        f"{len(off)} {kind} of class {target.class_!r} lie wholly outside the computed rasters and count as not "
        f"covered: {names}"
    ]


def _check_density(policy: Policy, density: Density | None) -> None:
    wanting = [t.class_ for t in policy.targets if t.measure == "population"]
    if wanting and density is None:
        raise TargetsError(
            Problem(
                f"policy {policy.id}",
                "",
                f"the target for {wanting[0]!r} is a share of the people, and there is no population raster",
                'give it in the project: [areas] population = "people.tif"',
            )
        )


def check_services(policy: Policy, reader: RasterReader) -> None:
    """TargetsError where the policy asks for services that were not computed."""
    missing = dict.fromkeys(t.service for t in policy.targets if t.service not in reader.services)
    if missing:
        known = list(reader.services)
        raise TargetsError(
            Problem(f"policy {policy.id}", "", f"service {name!r} was not computed", suggestion(name, known))
            for name in missing
        )


def placed(policy: Policy, areas: AreaSet | None, plane: Plane) -> tuple[list[Area], list, list[str]]:
    """Areas of the policy's classes in their order, their geometries without overlaps, notes on overlaps."""
    rank = {name: i for i, name in enumerate(policy.data_classes("area"))}
    _known_classes(areas.areas if areas else (), rank, areas.file if areas else "")
    ordered = sorted(areas.areas if areas else (), key=lambda a: area_key(a, rank))
    shapes, notes = place_areas(ordered, plane) if ordered else ([], [])
    return ordered, shapes, notes


def sampled(policy: Policy, roads: RoadSet | None, plane: Plane, carriageway_m: float = CARRIAGEWAY_M):
    """Roads of the policy's classes in their order, and points along them (None where there are no roads)."""
    rank = {name: i for i, name in enumerate(policy.data_classes("line"))}
    _known_classes(roads.roads if roads else (), rank, roads.file if roads else "")
    ordered = sorted(roads.roads if roads else (), key=road_key)
    return ordered, sample_roads(ordered, plane, carriageway_m) if ordered else None


def _known_classes(features: Sequence[Area] | Sequence[Road], rank: dict[str, int], file: str) -> None:
    unknown = sorted({f.class_ for f in features} - set(rank))
    if unknown:
        raise TargetsError(
            Problem(file, "", f"class {name!r} is not in the policy", suggestion(name, rank))
            for name in unknown
        )


@dataclass(frozen=True)
class _Part:
    """An area or a road with its sums, and draws of what is covered of it."""

    level: str
    member: str
    city: str
    county: str
    id: str
    name: str
    name_zh: str
    sums: Sums
    curves: Curves
    draws: np.ndarray | None = None


def _area_part(area: Area, sums: Sums, curves: Curves) -> _Part:
    return _Part("area", area.class_, area.city, area.county, area.id, area.name, area.name_zh, sums, curves)


def _road_parts(found: Iterable[tuple[Road, Sums, Curves]]) -> list[_Part]:
    """Stretches of one road (class, number or name, city, county) taken together."""
    stretches: dict[tuple, list[tuple[Road, Sums, Curves]]] = {}
    for one in found:
        road = one[0]
        stretches.setdefault((road.class_, road.road, road.city, road.county), []).append(one)
    parts = []
    for key in sorted(stretches):
        road = stretches[key][0][0]
        name = " ".join(filter(None, (road.ref, road.name)))
        sums = sum((s for _, s, _ in stretches[key]), Sums())
        curves = Curves.joined([c for _, _, c in stretches[key]])
        parts.append(_Part("road", road.class_, road.city, road.county, road.road, name, "", sums, curves))
    return parts


def _rows(
    policy: Policy, period: str, target: Target, parts: list[_Part], q: float, error: ErrorModel | None
) -> list[Row]:
    """Rows of one target: the class, its members where it has several, cities, counties, areas or roads."""
    cls = policy.policy_class(target.class_)
    required = policy.required(target, period)

    def likely(chosen: list[_Part], total: float) -> tuple[float | None, float | None, float | None]:
        if error is None or total <= 0:
            return None, None, None
        shares = np.minimum(sum(p.draws for p in chosen) / total, 1.0)
        chance = None if required is None else float(np.mean(shares >= policy.provable(required) - ROUNDING))
        return *interval(shares, error.confidence), chance

    def row(
        level: str, chosen: list[_Part], member="", city="", county="", id="", name="", name_zh=""
    ) -> Row:
        sums = sum((p.sums for p in chosen), Sums())
        shares = [
            min(1.0, value / sums.total) if sums.total > 0 else None
            for value in (sums.median, sums.probable, sums.expected, sums.outside)
        ]
        judged = shares[("median", "probable", "expected").index(policy.judge)]
        asked = required is not None and judged is not None
        met = judged >= required - ROUNDING if asked else None
        gap = (required - judged) * sums.total if asked and not met else 0.0
        return Row(
            level,
            cls.id,
            member,
            city,
            county,
            id,
            name,
            name_zh,
            target.measure,
            target.service,
            q,
            sums.total,
            sums.tunnels,
            *shares,
            required,
            met,
            gap,
            *likely(chosen, sums.total),
        )

    rows = [row("policy", parts, name=cls.text("en"), name_zh=cls.text("zh"))]
    members = cls.data_classes()
    if len(members) > 1:
        for m in members:
            chosen = [p for p in parts if p.member == m]
            rows.append(row("member", chosen, m, name=cls.text("en", m), name_zh=cls.text("zh", m)))
    cities = sorted({p.city for p in parts})
    for city in cities if any(cities) else []:
        rows.append(row("city", [p for p in parts if p.city == city], city=city, name=city))
    counties = sorted({(p.city, p.county) for p in parts})
    for city, county in counties if any(c for _, c in counties) else []:
        chosen = [p for p in parts if (p.city, p.county) == (city, county)]
        rows.append(row("county", chosen, city=city, county=county, name=county))
    rows += [row(p.level, [p], p.member, p.city, p.county, p.id, p.name, p.name_zh) for p in parts]
    return rows
