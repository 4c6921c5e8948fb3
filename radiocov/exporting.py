"""A project's results for other programs: what is drawn by ``maps`` with the project's words, and a GeoPackage."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import shapely

from radiocov.boundaries import read_boundaries
from radiocov.coverage.results import StateResults
from radiocov.features import Features, write_features
from radiocov.inputs import Inputs
from radiocov.maps.catalogue import catalogue
from radiocov.maps.exports import write_geotiff, write_png
from radiocov.maps.kmz import KmzSite, write_kmz
from radiocov.maps.legend import provenance_lines
from radiocov.maps.render import Layer, layer_of
from radiocov.problems import Problem, ProjectError
from radiocov.site import Site
from targets.compliance import Compliance, Row
from targets.gaps import largest_gaps
from targets.output import gaps_to_dicts, to_dict

ENDINGS = {"kmz": ".kmz", "gpkg": ".gpkg", "geotiff": ".tif", "png": ".png"}
MOST_GAPS = 500
ROW_VALUES = ("total", "share_median", "share_probable", "share_expected", "required", "met")

Judged = list[tuple[Compliance, StateResults]]


def default_layer(inputs: Inputs, results: StateResults) -> str:
    """Coverage of the service that the first target is about, in its direction."""
    targets = inputs.policy.targets
    service = targets[0].service if targets else next(iter(results.services))
    return str(Layer("coverage", service, results.direction(service).replace("-", "_")))


def default_path(folder: Path, format_: str, state: str, layer: str) -> Path:
    """Where an export goes that is given no name: exports/ in the results' folder."""
    name = "results" if format_ == "gpkg" else f"{state}-{layer.replace(':', '-')}"
    return folder / "exports" / f"{name}{ENDINGS[format_]}"


def check_ending(path: Path, format_: str) -> None:
    """ProjectError where a file's name says another format."""
    if path.suffix.lower() != ENDINGS[format_]:
        remedy = f"end it in {ENDINGS[format_]}"
        raise ProjectError(Problem(path.name, "", f"is no name for {format_}", remedy))


def export_layer(
    inputs: Inputs, results: StateResults, format_: str, name: str, path: Path, lang: str, show: Any
) -> list[Path]:
    """Write a layer as kmz, geotiff or png; the files written, the one that was asked for first."""
    layer = layer_of(results, name)
    project = inputs.project.project
    title = (project.name_zh if lang == "zh" else "") or project.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if format_ == "geotiff":
        return write_geotiff(results, layer, path, lang, show)
    if format_ == "png":
        return write_png(results, layer, path, lang, title, show)
    counted = set(results.manifest["servers"])
    sites = [_kmz_site(site, lang) for site in inputs.sites if site.id in counted]
    return [write_kmz(results, layer, path, lang, title, sites, show)]


def _kmz_site(site: Site, lang: str) -> KmzSite:
    say = catalogue(lang)
    words = [
        (say["site_height"], f"{site.antenna_height_m:g} m"), (say["site_power"], f"{site.power_dbm:g} dBm"),
        (say["site_erp"], f"{site.eirp_max_dbm - 2.15:.1f} dBm"),
        (say["site_antenna"], site.antenna or f"omni {site.gain_dbi:g} dBi"),
    ]  # fmt: skip
    if site.antenna:
        words.append((say["site_azimuth"], f"{site.azimuth_deg:g}\u00b0 / {site.tilt_deg:g}\u00b0"))
    if site.in_service:
        words.append((say["site_in_service"], site.in_service.isoformat()))
    return KmzSite(site.name or site.id, *site.antenna_lonlat, words)


def export_geopackage(inputs: Inputs, judged: Judged, path: Path, lang: str, show: Any) -> Path:
    """Areas and roads with their shares, sites, gaps, boundaries, the table of compliance, and where all is from."""
    layers: dict[str, Features] = {
        "areas": _areas(inputs, judged),
        "roads": _roads(inputs, judged),
        "sites": _sites(inputs, judged),
    }
    for number, (compliance, results) in enumerate(judged):
        show("finding gaps", number, len(judged))
        found = largest_gaps(inputs.policy, inputs.areas, inputs.roads, results, limit=MOST_GAPS)
        for name, gaps in zip(("area_gaps", "road_gaps"), found, strict=True):
            rows = [{"rank": n, **row} for n, row in enumerate(gaps_to_dicts(gaps), 1)]
            layers[f"{name}_{compliance.period}"] = [gap.geometry for gap in gaps], rows
    show("finding gaps", len(judged), len(judged))
    outlines = read_boundaries(inputs)
    layers["boundaries"] = [b.geometry for b in outlines], [
        {"city": b.city, "county": b.county, "name": b.name, "name_zh": b.name_zh} for b in outlines
    ]
    layers["compliance"] = None, [{"period": c.period, **row} for c, _ in judged for row in to_dict(c)["rows"]]
    layers["provenance"] = None, [
        {"period": c.period, "line": line} for c, results in judged for line in provenance_lines(results, lang)
    ]
    filled = {name: layer for name, layer in layers.items() if layer[1]}
    return write_features(path, filled)


def _shares(row: Row | None, period: str) -> dict[str, Any]:
    """A row's figures as columns that name their period."""
    return {f"{name}_{period}": getattr(row, name) if row else None for name in ROW_VALUES}


def _areas(inputs: Inputs, judged: Judged) -> Features:
    rows = {c.period: {row.id: row for row in c.at("area")} for c, _ in judged}
    areas = inputs.areas.areas if inputs.areas else ()
    table = [
        {"id": a.id, "class": a.class_, "name": a.name, "name_zh": a.name_zh, "city": a.city, "county": a.county}
        | {key: value for period, by_id in rows.items() for key, value in _shares(by_id.get(a.id), period).items()}
        for a in areas
    ]
    return [a.geometry for a in areas], table


def _roads(inputs: Inputs, judged: Judged) -> Features:
    """Every line of a road with the shares of the whole road in its county, which are what is judged."""
    rows = {
        c.period: {(row.member or row.class_, row.city, row.county, row.id): row for row in c.at("road")}
        for c, _ in judged
    }
    roads = inputs.roads.roads if inputs.roads else ()
    table = []
    for road in roads:
        key = road.class_, road.city, road.county, road.road
        table.append(
            {"class": road.class_, "name": road.name, "ref": road.ref, "city": road.city, "county": road.county}
            | {name: value for period, by_key in rows.items()
               for name, value in _shares(by_key.get(key), period).items()}
        )  # fmt: skip
    return [road.geometry for road in roads], table


def _sites(inputs: Inputs, judged: Judged) -> Features:
    table = []
    for site in inputs.sites:
        row = dataclasses.asdict(site)
        row |= {"channels": " ".join(f"{c:g}" for c in site.channels), "eirp_dbm": round(site.eirp_max_dbm, 2),
                "in_service": site.in_service.isoformat() if site.in_service else None}  # fmt: skip
        table.append(row | {f"counted_{c.period}": site.id in results.manifest["servers"] for c, results in judged})
    return [shapely.Point(*site.antenna_lonlat) for site in inputs.sites], table
