"""What the map is built from: plain arrays, shapes and words, already computed elsewhere.

The map computes nothing about radio: every number it shows comes from here, and what it draws never changes
a result. Rasters are (height, width) on `MapData.grid`; vector shapes are in the grid's CRS [m].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from targets.compliance import Compliance
    from terrain.grid import Grid

DIRECTIONS = ("talk_out", "talk_in", "both")
ROW_LEVELS = ("policy", "member", "city", "county")
JUDGES = ("share_median", "share_probable", "share_expected")

ROW_KEYS = (
    "level", "class", "member", "name", "name_zh", "city", "county", "measure", "total", "share_median",
    "share_probable", "share_expected", "required", "met", "gap", "judge",
)  # fmt: skip

Text = Mapping[str, str]
"""The same words by language: {"en": ..., "zh": ...}; English stands in for a missing language."""


def bilingual(en: str, zh: str | None = None) -> dict[str, str]:
    """The two-language form of a text; without Chinese, the English (or only) wording serves both."""
    return {"en": en, "zh": zh or en}


@dataclass(frozen=True)
class MapService:
    """One service in one state of the network.

    margin_db and probability map a direction (talk_out, talk_in, both) to a (height, width) float array,
    NaN where nothing was computed; probability is 0..1 and a pixel is served where it is at least `q`.
    """

    id: str
    label: Text
    direction: str
    threshold: Text
    q: float
    margin_db: Mapping[str, np.ndarray]
    probability: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"service {self.id}: direction {self.direction!r} is none of {DIRECTIONS}")
        if not 0.0 < self.q < 1.0:
            raise ValueError(f"service {self.id}: q is {self.q}, must lie between 0 and 1")
        for name, planes in (("margin_db", self.margin_db), ("probability", self.probability)):
            unknown = set(planes) - set(DIRECTIONS)
            if unknown or self.direction not in planes:
                raise ValueError(
                    f"service {self.id}: {name} has {sorted(planes)}; it needs {self.direction} "
                    f"and may hold only {DIRECTIONS}"
                )


@dataclass(frozen=True)
class MapGap:
    """An uncovered piece of an area [km2] (measure "area") or stretch of road [km] ("length"); road: the nearest
    road, "" where there is none, road_m [m] how far it is."""

    geometry: BaseGeometry
    measure: str
    class_name: str
    name: str
    city: str
    county: str
    service: str
    size: float
    road: str = ""
    road_m: float | None = None


@dataclass(frozen=True)
class MapMeasured:
    """Measured cells (n,) of cell_m [m] a side, talk-out.

    x, y: middle of the cell [m]. level_dbm: median at an isotropic antenna, as predicted levels are; NaN where more
    samples were not heard than heard. samples, silent: how many, and those not heard. residual_db: by state id,
    median measured less predicted; NaN where either is missing. terminal: what was carried; carry_db: what was added
    to the level at its port; source: where the samples are from; left_out: samples that are not shown, by reason.
    """

    x: np.ndarray
    y: np.ndarray
    level_dbm: np.ndarray
    samples: np.ndarray
    silent: np.ndarray
    residual_db: Mapping[str, np.ndarray]
    cell_m: float
    terminal: Text
    carry_db: float
    source: str
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MapState:
    """The network on one date: the end of a policy period, or any other day.

    level_dbm: (h, w) float32, median best-server level, NaN outside the computation.
    best_server: (h, w) uint16, 0 none, i the site with `server` = i (default: its place in `sites`, from 1).
    sites: dicts with id, name, x, y, lon, lat, height [m], power [dBm], erp [dBm], antenna, azimuth [deg],
        tilt [deg], status, in_service, share_percent, people_percent (of the area and of the people that some site
        serves best); all but id, x and y may be absent or None.
    rows: the compliance table, see `compliance_rows`; rows of single areas and roads are left out.
    gaps: the largest uncovered pieces, largest first.
    """

    id: str
    label: Text
    date: str
    level_dbm: np.ndarray
    best_server: np.ndarray
    services: list[MapService]
    sites: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    gaps: list[MapGap] = field(default_factory=list)

    def service(self, service_id: str) -> MapService | None:
        return next((s for s in self.services if s.id == service_id), None)

    def server_index(self, position: int) -> int:
        """Value of `best_server` that means the site at `position` of `sites`; 0 when it serves nowhere."""
        return int(self.sites[position].get("server", position + 1) or 0)


@dataclass(frozen=True)
class MapArea:
    """A target area. met and share are by state id; a state that is absent or None was not judged."""

    geometry: BaseGeometry
    class_name: str
    name: Text
    city: str
    county: str
    met: Mapping[str, bool | None] = field(default_factory=dict)
    share: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class MapRoad:
    """A stretch of road: xy (n, 2) [m]; probability by state id: (n,) service probability at the vertices."""

    class_name: str
    name: Text
    xy: np.ndarray
    probability: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class MapBoundary:
    """A county (or a city when `county` is empty). city and county are the words the table rows use."""

    geometry: BaseGeometry
    city: str
    county: str
    name: Text


@dataclass(frozen=True)
class MapData:
    """Everything one page shows.

    class_service: service id by area or road class, e.g. {"urban": "handheld-hip", "highway": "vehicle"}.
    provenance: words for the strip at the foot, by key: model, model_version, terrain, landcover,
        surface_rule, resolution_m, radius_km, frequency_mhz, calibration, run_date, version; further keys are
        shown as given. A value is a text, a number or a {"en", "zh"} mapping; `calibration` None says that
        there is none.
    """

    title: Text
    grid: Grid
    elevation_m: np.ndarray
    states: list[MapState]
    class_service: Mapping[str, str]
    provenance: Mapping[str, Any]
    note: Text | None = None
    synthetic: bool = False
    coarse_warning: Text | None = None
    areas: list[MapArea] = field(default_factory=list)
    roads: list[MapRoad] = field(default_factory=list)
    boundaries: list[MapBoundary] = field(default_factory=list)
    measured: MapMeasured | None = None
    native_m: float | None = None  # pixel of the rasters behind these, where they were thinned on the way [m]
    earth_radius_km: float = 8500.0  # effective, for the curve of the Earth under a profile
    terminal_height_m: float = 1.5  # of the antenna that the levels are computed for

    def __post_init__(self) -> None:
        if not self.states:
            raise ValueError("a map needs at least one state of the network")
        shape = (self.grid.height, self.grid.width)
        check_shape("elevation_m", self.elevation_m, shape)
        for state in self.states:
            check_shape(f"state {state.id}: level_dbm", state.level_dbm, shape)
            check_shape(f"state {state.id}: best_server", state.best_server, shape)
            for service in state.services:
                for name, planes in (("margin_db", service.margin_db), ("probability", service.probability)):
                    for direction, plane in planes.items():
                        check_shape(f"state {state.id}: service {service.id}: {name} {direction}", plane, shape)
            for row in state.rows:
                if row["judge"] not in JUDGES:
                    raise ValueError(f"state {state.id}: judge {row['judge']!r} is none of {JUDGES}")
        known = {service.id for service in self.services()}
        for class_name, service_id in self.class_service.items():
            if service_id not in known:
                raise ValueError(f"class {class_name}: service {service_id!r} is none of {sorted(known)}")

    def services(self) -> list[MapService]:
        """One entry a service, in order of first appearance over the states."""
        seen: dict[str, MapService] = {}
        for state in self.states:
            for service in state.services:
                seen.setdefault(service.id, service)
        return list(seen.values())


def compliance_rows(compliance: Compliance) -> list[dict[str, Any]]:
    """The rows of a compliance table as the map wants them.

    Dicts with level ("policy": the class as a whole, "member": a kind of road in it, "city" or "county"),
    class, member, name, name_zh, city, county, measure (area | length), total [km2 or km], share_median,
    share_probable, share_expected (0..1 or None), required (0..1 or None), met (bool or None), gap and judge
    (one of JUDGES).
    """
    return [
        {"class": row.class_, "judge": f"share_{compliance.judge}"}
        | {key: getattr(row, key) for key in ROW_KEYS if key not in ("class", "judge")}
        for row in compliance.rows
        if row.level in ROW_LEVELS
    ]


def check_shape(what: str, array: np.ndarray, shape: tuple[int, int]) -> None:
    if array.shape != shape:
        raise ValueError(f"{what} has shape {array.shape}, the grid is {shape}")
