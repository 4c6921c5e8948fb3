"""The manager's map of a project: gathers what ``maps`` draws from results, compliance and inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from radiocov.boundaries import read_boundaries
from radiocov.calibration.summary import in_chinese, in_words
from radiocov.compliance import coarse_warning, origin
from radiocov.coverage.results import StateResults
from radiocov.coverage.setup import read_ground, terminal_height_m
from radiocov.inputs import Inputs
from radiocov.mapplane import MapPlane, file_plane, service_plane
from radiocov.maps import (
    MapArea,
    MapBoundary,
    MapData,
    MapGap,
    MapMeasured,
    MapRoad,
    MapService,
    MapState,
    bilingual,
    build_page,
    compliance_rows,
)
from radiocov.population import people_per_km2
from radiocov.propagation.p1812_formulas import effective_earth_radius_km
from targets.compliance import Compliance
from targets.gaps import Gap, largest_gaps
from targets.rasterize import Plane, Window
from targets.roadways import at_points

ROAD_STEP_M = 200.0  # between the points at which a drawn road takes its colour
MOST_GAPS = 500  # of areas and of roads, that are looked for
GAPS_OF_ALL, GAPS_OF_COUNTY = 40, 10  # the largest that are drawn, of the network and beside them of a county

Judged = list[tuple[Compliance, StateResults]]


def write_map(
    inputs: Inputs, judged: Judged, path: Path, lang: str = "en", measured: MapMeasured | None = None,
    basemap: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write the self-contained page; its file appears whole or not at all. Returns the path.

    measured: from `radiocov.mappoints.measured_cells`; basemap: from `radiocov.maps.basemap`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return build_page(map_data(inputs, judged, measured), lang, path, basemap=basemap)


def map_data(inputs: Inputs, judged: Judged, measured: MapMeasured | None = None) -> MapData:
    """Everything the file's page shows, from the results of one or more states."""
    return _data(inputs, judged, file_plane(judged[-1][1]), measured)


def service_data(inputs: Inputs, judged: Judged) -> MapData:
    """The same in Web Mercator with small pictures, for `radiocov.maps.service.service_page`."""
    return _data(inputs, judged, service_plane(judged[-1][1]), None)


def _data(inputs: Inputs, judged: Judged, plane: MapPlane, measured: MapMeasured | None) -> MapData:
    project = inputs.project
    results = judged[-1][1]
    ground = read_ground(inputs)
    boundaries = _boundaries(inputs, plane)
    made = results.manifest["provenance"]
    return MapData(
        title=bilingual(project.project.name, project.project.name_zh),
        note=bilingual(project.project.note, project.project.note_zh) if project.project.note else None,
        grid=plane.grid,
        elevation_m=plane.thinned(ground.elevation_m),
        states=[_state(inputs, compliance, state, boundaries, plane) for compliance, state in judged],
        class_service={t.class_: t.service for t in inputs.policy.targets},
        provenance=_provenance(results),
        synthetic=made["synthetic"],
        coarse_warning=bilingual(*coarse) if (coarse := coarse_warning(results)) else None,
        areas=_areas(inputs, judged, plane),
        roads=_roads(inputs, judged, plane),
        boundaries=boundaries,
        measured=measured,
        native_m=results.grid.resolution_m,
        earth_radius_km=effective_earth_radius_km(project.model.delta_n),
        terminal_height_m=terminal_height_m(project),
    )


def _provenance(results: StateResults) -> dict[str, Any]:
    made, o = results.manifest["provenance"], origin(results)
    ground = made["ground"]
    cover = ground.get("landcover") or {}
    return {
        "model": o["model"],
        "terrain": o["terrain"],
        "landcover": ", ".join(s["file"] for s in cover.get("sources", [])) or bilingual("none", "无"),
        "surface_rule": ground["surface_rule"],
        "resolution_m": o["resolution_m"],
        "radius_km": o["radius_km"],
        "frequency_mhz": made["model_settings"]["frequency_mhz"],
        "calibration": o["calibration"] and bilingual(in_words(o["calibration"]), in_chinese(o["calibration"])),
        "run_date": o["computed"][:10],
        "version": o["radiocov"],
    }


def _state(
    inputs: Inputs, compliance: Compliance, results: StateResults, boundaries: list[MapBoundary], plane: MapPlane
) -> MapState:
    project = inputs.project
    services = []
    for service in project.services:
        terminal = project.terminal(service.terminal)
        services.append(
            MapService(
                id=service.id,
                label=bilingual(service.label, service.label_zh),
                direction=service.direction.replace("-", "_"),
                threshold=bilingual(
                    f"{terminal.threshold_dbm:g} dBm at the port, carrying loss {terminal.carry_loss_db:g} dB",
                    f"天线口 {terminal.threshold_dbm:g} dBm，佩戴损耗 {terminal.carry_loss_db:g} dB",
                ),
                q=service.probability,
                margin_db=_directions(plane, results, f"margin_{service.id}.tif"),
                probability=_directions(plane, results, f"probability_{service.id}.tif"),
            )
        )
    best = plane.read(results, "best_server.tif", 1)
    return MapState(
        id=compliance.period,
        label=bilingual(compliance.period),
        date=results.manifest["date"],
        level_dbm=plane.read(results, "level_dbm.tif", 1),
        best_server=best,
        services=services,
        sites=_sites(inputs, results, best, plane),
        rows=_with_chinese_names(compliance_rows(compliance), boundaries),
        gaps=_gaps(inputs, results, plane),
    )


def _with_chinese_names(rows: list[dict[str, Any]], boundaries: list[MapBoundary]) -> list[dict[str, Any]]:
    """Areas name their city and county in one language; the boundaries know the other."""
    names = {boundary.county or boundary.city: boundary.name["zh"] for boundary in boundaries}
    for row in rows:
        if row["level"] in ("city", "county"):
            row["name_zh"] = row["name_zh"] or names.get(row["name"], "")
    return rows


def _directions(plane: MapPlane, results: StateResults, name: str) -> dict[str, np.ndarray]:
    """Both directions, and the worse of the two taken from them: the stored one is rounded on its own."""
    talk_out, talk_in = plane.read(results, name, 1), plane.read(results, name, 2)
    return {"talk_out": talk_out, "talk_in": talk_in, "both": np.minimum(talk_out, talk_in)}


def _gaps(inputs: Inputs, results: StateResults, plane: MapPlane) -> list[MapGap]:
    """The largest pieces of areas and stretches of roads: of the whole network, and of every county."""
    pixel_m = results.grid.resolution_m
    found = []
    # what is less than a pixel would be a dot that nobody can drive to
    for gaps, least in zip(
        largest_gaps(inputs.policy, inputs.areas, inputs.roads, results, limit=MOST_GAPS),
        (pixel_m**2 / 1e6, pixel_m / 1e3), strict=True,
    ):  # fmt: skip
        seen: dict[tuple[str, str], int] = {}
        for rank, gap in enumerate(gap for gap in gaps if gap.size >= least):
            place = gap.city, gap.county
            seen[place] = seen.get(place, 0) + 1
            if rank < GAPS_OF_ALL or seen[place] <= GAPS_OF_COUNTY:
                found.append(_gap(gap, plane))
    return found


def _gap(gap: Gap, plane: MapPlane) -> MapGap:
    return MapGap(
        _in_plane(gap.geometry, plane), gap.measure, gap.class_, gap.name, gap.city, gap.county, gap.service,
        gap.size, gap.road or "", gap.road_m,
    )  # fmt: skip


def _sites(inputs: Inputs, results: StateResults, best: np.ndarray, plane: MapPlane) -> list[dict[str, Any]]:
    numbers = {key: i for i, key in enumerate(results.manifest["servers"], start=1)}
    area = _shares(best, len(numbers))
    people = None
    if inputs.project.population_file is not None:
        of_area = people_per_km2(inputs.project.population_file, inputs.project.areas.population_unit, plane.grid)
        people = _shares(best, len(numbers), of_area(Window(0, 0, *plane.grid.shape)))
    found = []
    for site in inputs.sites:
        x, y = (float(v) for v in plane.grid.from_lonlat(site.lon, site.lat))
        number = numbers.get(site.id, 0)
        found.append(
            {
                "id": site.id, "name": site.name, "x": x, "y": y, "lon": site.lon, "lat": site.lat,
                "height": site.antenna_height_m, "power": site.power_dbm,
                "erp": round(site.eirp_max_dbm - 2.15, 2), "antenna": site.antenna or f"omni {site.gain_dbi:g} dBi",
                "azimuth": site.azimuth_deg if site.antenna else None,
                "tilt": site.tilt_deg if site.antenna else None, "status": site.status,
                "in_service": site.in_service.isoformat() if site.in_service else None, "server": number,
                "share_percent": area[number] if number else None,
                "people_percent": people[number] if number and people else None,
            }
        )  # fmt: skip
    return found


def _shares(best: np.ndarray, count: int, weight: np.ndarray | None = None) -> list[float]:
    """Per cent of the served pixels, or of their weight, that each server serves best; by its number."""
    sums = np.bincount(best.ravel(), None if weight is None else weight.ravel(), minlength=count + 1)
    served = max(float(sums[1:].sum()), 1e-9)
    return [round(100.0 * float(value) / served, 1) for value in sums]


def _areas(inputs: Inputs, judged: Judged, plane: MapPlane) -> list[MapArea]:
    if inputs.areas is None:
        return []
    rows = {c.period: {r.id: r for r in c.at("area")} for c, _ in judged}
    found = []
    for area in inputs.areas.areas:
        here = {period: by_id[area.id] for period, by_id in rows.items() if area.id in by_id}
        share = {c.period: getattr(here[c.period], f"share_{c.judge}") for c, _ in judged if c.period in here}
        found.append(
            MapArea(
                _in_plane(area.geometry, plane), area.class_, bilingual(area.name, area.name_zh), area.city,
                area.county, {period: row.met for period, row in here.items()}, share,
            )
        )  # fmt: skip
    return found


def _roads(inputs: Inputs, judged: Judged, plane: MapPlane) -> list[MapRoad]:
    if inputs.roads is None:
        return []
    policy = inputs.policy
    service_of = {
        data_class: target.service
        for target in policy.targets
        for data_class in policy.policy_class(target.class_).data_classes()
    }
    found = []
    for road in inputs.roads.roads:
        if road.class_ not in service_of:
            continue
        for line in shapely.get_parts(_in_plane(road.geometry, plane)):
            xy = shapely.get_coordinates(shapely.segmentize(line, ROAD_STEP_M))
            found.append((road, xy))
    if not found:
        return []
    lonlat = np.column_stack(plane.grid.to_lonlat(*np.concatenate([xy for _, xy in found]).T))
    cuts = np.cumsum([len(xy) for _, xy in found])[:-1]
    chances = {
        (c.period, service): np.split(_chances(results, service, lonlat), cuts)
        for c, results in judged
        for service in set(service_of.values())
    }
    return [
        MapRoad(
            road.class_, bilingual(road.name or road.ref), xy,
            {c.period: chances[c.period, service_of[road.class_]][i] for c, _ in judged},
        )
        for i, (road, xy) in enumerate(found)
    ]  # fmt: skip


def _chances(results: StateResults, service: str, lonlat: np.ndarray) -> np.ndarray:
    """Service probability at points in longitude and latitude (n, 2); NaN outside the rasters."""
    plane = Plane(results)
    u, v = plane.pixels(lonlat[:, 0], lonlat[:, 1])
    return at_points(u, v, plane, lambda window: results.read(service, "probability", window))


def _boundaries(inputs: Inputs, plane: MapPlane) -> list[MapBoundary]:
    return [
        MapBoundary(_in_plane(b.geometry, plane), b.city, b.county, bilingual(b.name, b.name_zh))
        for b in read_boundaries(inputs)
    ]


def _in_plane(geometry: Any, plane: MapPlane) -> Any:
    """Longitude and latitude to the plane's metres."""
    return shapely.transform(geometry, plane.project)
