"""How far a predicted coverage fulfils a policy: by class, city, county, area and road, in three shares.

share_median: part of the area or length whose median level meets the threshold (margin >= 0 dB);
share_probable: part whose service probability is at least the q of the service;
share_expected: mean service probability, which is what a drive test estimates.
What lies outside the computed rasters counts as not covered and is told as share_outside.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from targets.areas import Area, AreaSet, Road, RoadSet
from targets.errors import Problem, TargetsError, suggestion
from targets.policy import Policy, PolicyClass, Target
from targets.rasterize import Plane, RasterReader
from targets.sums import (
    STRIP_PIXELS,
    TILE,
    Sums,
    area_key,
    area_sums,
    place_areas,
    road_key,
    road_sums,
    sample_roads,
)

# Shares are sums of many floating-point numbers: a whole can come out this much short of 1, and no more.
ROUNDING = 1e-9
LEVELS = ("policy", "member", "city", "county", "area", "road")


@dataclass(frozen=True)
class Row:
    """One line of the table; shares 0..1, None where there is nothing to share (total 0).

    level: "policy" (the class as a whole: this one decides), "member" (a kind of road within it), "city",
    "county", "area" or "road". total, tunnels and gap: km2 for measure "area", km for "length". required:
    share that the target asks of the whole class, repeated on the other rows for comparison; None before it
    asks for any. met: None where nothing is required or there is nothing. gap: km2 or km that are missing.
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

    notes: what a reader of the figures has to know (overlaps, classes without data).
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

    @property
    def met(self) -> bool:
        """Whether every target of the policy is met; one without data is not."""
        return all(row.met for row in self.rows if row.level == "policy" and row.required is not None)

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
    strip_pixels: int = STRIP_PIXELS,
    tile: int = TILE,
) -> Compliance:
    """Compliance of a predicted coverage with a policy at the end of a period.

    A point belongs to its highest class only, in the order of the policy's classes (key, urban, suburban),
    and within a class to one area. Every target needs its service in the reader: TargetsError. Memory is
    bounded by `strip_pixels` for areas and by the length of the roads.
    """
    end = policy.period(period)
    check_services(policy, reader)
    plane = Plane(reader)
    ordered, shapes, notes = placed(policy, areas, plane)
    ways, samples = sampled(policy, roads, plane)
    rows: list[Row] = []
    for target in policy.targets:
        cls = policy.policy_class(target.class_)
        members = cls.data_classes()
        if target.measure == "area":
            found = [(a, s) for a, s in zip(ordered, shapes, strict=True) if a.class_ in members]
            sums = [area_sums(s, plane, reader, target.service, strip_pixels) for _, s in found]
            parts = [_area_part(a, s) for (a, _), s in zip(found, sums, strict=True)]
        else:
            leave_out = policy.tunnels == "leave-out"
            each = road_sums(ways, samples, plane, reader, target.service, leave_out, tile) if ways else []
            parts = _road_parts([(r, s) for r, s in zip(ways, each, strict=True) if r.class_ in members])
        if not parts:
            notes.append(f"no {'areas' if target.measure == 'area' else 'roads'} of class {cls.id!r}")
        rows += _rows(policy, period, target, cls, parts, reader.services[target.service])
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
        tuple(notes),
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


def sampled(policy: Policy, roads: RoadSet | None, plane: Plane):
    """Roads of the policy's classes in their order, and points along them (None where there are no roads)."""
    rank = {name: i for i, name in enumerate(policy.data_classes("line"))}
    _known_classes(roads.roads if roads else (), rank, roads.file if roads else "")
    ordered = sorted(roads.roads if roads else (), key=road_key)
    return ordered, sample_roads(ordered, plane) if ordered else None


def _known_classes(features: Sequence[Area] | Sequence[Road], rank: dict[str, int], file: str) -> None:
    unknown = sorted({f.class_ for f in features} - set(rank))
    if unknown:
        raise TargetsError(
            Problem(file, "", f"class {name!r} is not in the policy", suggestion(name, rank))
            for name in unknown
        )


@dataclass(frozen=True)
class _Part:
    """An area or a road with its sums."""

    level: str
    member: str
    city: str
    county: str
    id: str
    name: str
    name_zh: str
    sums: Sums


def _area_part(area: Area, sums: Sums) -> _Part:
    return _Part("area", area.class_, area.city, area.county, area.id, area.name, area.name_zh, sums)


def _road_parts(found: Iterable[tuple[Road, Sums]]) -> list[_Part]:
    """Stretches of one road (class, number or name, city, county) taken together."""
    parts: dict[tuple, _Part] = {}
    for road, sums in found:
        key = (road.class_, road.road, road.city, road.county)
        if key in parts:
            parts[key] = replace(parts[key], sums=parts[key].sums + sums)
        else:
            name = " ".join(filter(None, (road.ref, road.name)))
            parts[key] = _Part("road", road.class_, road.city, road.county, road.road, name, "", sums)
    return [parts[key] for key in sorted(parts)]


def _rows(
    policy: Policy, period: str, target: Target, cls: PolicyClass, parts: list[_Part], q: float
) -> list[Row]:
    """Rows of one target: the class, its members where it has several, cities, counties, areas or roads."""
    required = policy.required(target, period)

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


@dataclass(frozen=True)
class Change:
    """A row before and after; None for a row that one of the two states does not have.

    gain: km2 or km more by the figure that judges (0 where a side is missing); newly_met and newly_missed
    tell a target won or lost.
    """

    before: Row | None
    after: Row | None
    gain: float

    @property
    def row(self) -> Row:
        """The row that says what this is about."""
        return self.after or self.before

    @property
    def newly_met(self) -> bool:
        return bool(self.before and self.after and self.before.met is False and self.after.met)

    @property
    def newly_missed(self) -> bool:
        return bool(self.before and self.after and self.before.met and self.after.met is False)

    def points(self, share: str = "share_probable") -> float | None:
        """Change of a share ("share_median", ...), None where either side has none."""
        sides = [getattr(side, share) if side else None for side in (self.before, self.after)]
        return None if None in sides else sides[1] - sides[0]


def compare(before: Compliance, after: Compliance) -> list[Change]:
    """What changed between two states of a network, row by row, in the order of `after`; rows that only
    `before` has come last. TargetsError where the two were judged differently and cannot be compared."""
    for what in ("policy", "judge", "tunnels"):
        a, b = getattr(before, what), getattr(after, what)
        if a != b:
            raise TargetsError(
                Problem(
                    "",
                    "",
                    f"before and after differ in {what}: {a!r} and {b!r}",
                    "compare two states under one policy",
                )
            )
    share = "share_" + after.judge
    old = {row.key: row for row in before.rows}
    changes = []
    for row in after.rows:
        was = old.pop(row.key, None)
        gain = 0.0
        if was is not None:
            gain = (getattr(row, share) or 0.0) * row.total - (getattr(was, share) or 0.0) * was.total
        changes.append(Change(was, row, gain))
    return changes + [Change(row, None, 0.0) for row in old.values()]
