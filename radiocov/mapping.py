"""The manager's map of a project: gathers what ``maps`` draws from results, compliance and inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from radiocov.boundaries import read_boundaries
from radiocov.calibration.summary import in_chinese, in_words
from radiocov.compliance import coarse_warning, origin
from radiocov.coverage.results import StateResults
from radiocov.coverage.setup import read_ground
from radiocov.inputs import Inputs
from radiocov.maps import (
    MapArea,
    MapBoundary,
    MapData,
    MapRoad,
    MapService,
    MapState,
    bilingual,
    build_page,
    compliance_rows,
)
from targets.compliance import Compliance

ROAD_STEP_M = 200.0  # between the points at which a drawn road takes its colour

Judged = list[tuple[Compliance, StateResults]]


def write_map(inputs: Inputs, judged: Judged, path: Path, lang: str = "en") -> Path:
    """Write the self-contained page; its file appears whole or not at all. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return build_page(map_data(inputs, judged), lang, path)


def map_data(inputs: Inputs, judged: Judged) -> MapData:
    """Everything the page shows, from the results of one or more states."""
    project = inputs.project
    results = judged[-1][1]
    ground = read_ground(inputs)
    to_grid = Transformer.from_crs("EPSG:4326", results.grid.crs, always_xy=True)
    boundaries = _boundaries(inputs, to_grid)
    made = results.manifest["provenance"]
    return MapData(
        title=bilingual(project.project.name, project.project.name_zh),
        note=bilingual(project.project.note, project.project.note_zh) if project.project.note else None,
        grid=results.grid,
        elevation_m=ground.elevation_m,
        states=[_state(inputs, compliance, state, boundaries) for compliance, state in judged],
        class_service={t.class_: t.service for t in inputs.policy.targets},
        provenance=_provenance(results),
        synthetic=made["synthetic"],
        coarse_warning=bilingual(*coarse) if (coarse := coarse_warning(results)) else None,
        areas=_areas(inputs, judged, to_grid),
        roads=_roads(inputs, judged, to_grid),
        boundaries=boundaries,
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
    inputs: Inputs, compliance: Compliance, results: StateResults, boundaries: list[MapBoundary]
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
                margin_db=_directions(results, f"margin_{service.id}.tif"),
                probability=_directions(results, f"probability_{service.id}.tif"),
            )
        )
    best = results.band("best_server.tif", 1)
    return MapState(
        id=compliance.period,
        label=bilingual(compliance.period),
        date=results.manifest["date"],
        level_dbm=results.band("level_dbm.tif", 1),
        best_server=best,
        services=services,
        sites=_sites(inputs, results, best),
        rows=_with_chinese_names(compliance_rows(compliance), boundaries),
    )


def _with_chinese_names(rows: list[dict[str, Any]], boundaries: list[MapBoundary]) -> list[dict[str, Any]]:
    """Areas name their city and county in one language; the boundaries know the other."""
    names = {boundary.county or boundary.city: boundary.name["zh"] for boundary in boundaries}
    for row in rows:
        if row["level"] in ("city", "county"):
            row["name_zh"] = row["name_zh"] or names.get(row["name"], "")
    return rows


def _directions(results: StateResults, name: str) -> dict[str, np.ndarray]:
    """Both directions, and the worse of the two taken from them: the stored one is rounded on its own."""
    talk_out, talk_in = results.band(name, 1), results.band(name, 2)
    return {"talk_out": talk_out, "talk_in": talk_in, "both": np.minimum(talk_out, talk_in)}


def _sites(inputs: Inputs, results: StateResults, best: np.ndarray) -> list[dict[str, Any]]:
    numbers = {key: i for i, key in enumerate(results.manifest["servers"], start=1)}
    pixels = np.bincount(best.ravel(), minlength=len(numbers) + 1)
    served = max(int(pixels[1:].sum()), 1)
    found = []
    for site in inputs.sites:
        x, y = (float(v) for v in results.grid.from_lonlat(site.lon, site.lat))
        number = numbers.get(site.id, 0)
        found.append(
            {
                "id": site.id, "name": site.name, "x": x, "y": y, "lon": site.lon, "lat": site.lat,
                "height": site.antenna_height_m, "power": site.power_dbm,
                "erp": round(site.eirp_max_dbm - 2.15, 2), "antenna": site.antenna or f"omni {site.gain_dbi:g} dBi",
                "azimuth": site.azimuth_deg if site.antenna else None,
                "tilt": site.tilt_deg if site.antenna else None, "status": site.status,
                "in_service": site.in_service.isoformat() if site.in_service else None, "server": number,
                "share_percent": round(100.0 * int(pixels[number]) / served, 1) if number else None,
            }
        )  # fmt: skip
    return found


def _areas(inputs: Inputs, judged: Judged, to_grid: Transformer) -> list[MapArea]:
    if inputs.areas is None:
        return []
    rows = {c.period: {r.id: r for r in c.at("area")} for c, _ in judged}
    found = []
    for area in inputs.areas.areas:
        here = {period: by_id[area.id] for period, by_id in rows.items() if area.id in by_id}
        share = {c.period: getattr(here[c.period], f"share_{c.judge}") for c, _ in judged if c.period in here}
        found.append(
            MapArea(
                _in_plane(area.geometry, to_grid), area.class_, bilingual(area.name, area.name_zh), area.city,
                area.county, {period: row.met for period, row in here.items()}, share,
            )
        )  # fmt: skip
    return found


def _roads(inputs: Inputs, judged: Judged, to_grid: Transformer) -> list[MapRoad]:
    if inputs.roads is None:
        return []
    policy = inputs.policy
    service_of = {
        data_class: target.service
        for target in policy.targets
        for data_class in policy.policy_class(target.class_).data_classes()
    }
    planes = {
        (c.period, service): results.read(service, "probability", _Whole(results.shape))
        for c, results in judged
        for service in set(service_of.values())
    }
    grid = judged[-1][1].grid
    found = []
    for road in inputs.roads.roads:
        if road.class_ not in service_of:
            continue
        lines = _in_plane(road.geometry, to_grid)
        for line in shapely.get_parts(lines):
            xy = shapely.get_coordinates(shapely.segmentize(line, ROAD_STEP_M))
            probability = {
                c.period: _at(planes[c.period, service_of[road.class_]], grid, xy) for c, _ in judged
            }
            found.append(MapRoad(road.class_, bilingual(road.name or road.ref), xy, probability))
    return found


class _Whole:
    """The window of a whole raster."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.row = self.col = 0
        self.height, self.width = shape


def _at(plane: np.ndarray, grid: Any, xy: np.ndarray) -> np.ndarray:
    """Values of the pixels that hold the points; NaN outside."""
    row, col = grid.rowcol(xy[:, 0], xy[:, 1])
    row, col = np.floor(row + 0.5).astype(int), np.floor(col + 0.5).astype(int)
    inside = (row >= 0) & (col >= 0) & (row < grid.height) & (col < grid.width)
    out = np.full(len(xy), np.nan)
    out[inside] = plane[row[inside], col[inside]]
    return out


def _boundaries(inputs: Inputs, to_grid: Transformer) -> list[MapBoundary]:
    return [
        MapBoundary(_in_plane(b.geometry, to_grid), b.city, b.county, bilingual(b.name, b.name_zh))
        for b in read_boundaries(inputs)
    ]


def _in_plane(geometry: Any, to_grid: Transformer) -> Any:
    """Longitude and latitude to the grid's metres."""
    return shapely.transform(geometry, lambda xy: np.column_stack(to_grid.transform(xy[:, 0], xy[:, 1])))
