"""The tiles that a field team drives to: drawn at random, in a short order, as GeoPackage, GPX, CSV and JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from radiocov import __version__
from radiocov.acceptance import Frame
from radiocov.features import write_features
from radiocov.files import read_json, whole, write_bytes, write_json
from radiocov.problems import Problem, ProjectError
from targets.policy import Target
from targets.sampling import Drawn, draw, drive_order
from targets.tiles import Tiles, name_of, of_name

FILES = ("tiles.gpkg", "tiles.gpx", "tiles.csv", "plan.json")
GPX = "http://www.topografix.com/GPX/1/1"


@dataclass(frozen=True)
class PlannedTarget:
    """Tiles drawn for one target: see `Drawn`. predicted: expected share; overdesign: what the number comes from."""

    target: Target
    required: float
    predicted: float | None
    overdesign: float
    tiles: Tiles
    drawn: Drawn


@dataclass(frozen=True)
class Stop:
    """A tile to measure in, once, for all the targets that drew it. lon, lat: on the road that reaches it."""

    key: int
    classes: tuple[str, ...]
    city: str
    county: str
    lon: float
    lat: float
    reach_m: float


def draw_plan(frame: Frame) -> list[PlannedTarget]:
    """Tiles for every target that asks for a share in the period, drawn at random by the seed."""
    found = []
    for number, (target, tiles) in enumerate(frame.tiles):
        needed = frame.needed(target)
        if needed is not None:
            drawn = draw(tiles, needed, [frame.rules.seed, number])
            found.append(
                PlannedTarget(
                    target, frame.required(target), frame.predicted(target), frame.overdesign(target), tiles, drawn
                )
            )
    return found


def stops(plan: list[PlannedTarget], frame: Frame, start: tuple[float, float] | None = None) -> list[Stop]:
    """All tiles of a plan in the order of the drive, each once. start: lon, lat; default: the westernmost tile."""
    found: dict[int, Stop] = {}
    for one in plan:
        t = one.tiles
        for i in one.drawn.chosen.tolist():
            key = int(t.key[i])
            classes = (*found[key].classes, one.target.class_) if key in found else (one.target.class_,)
            found[key] = Stop(key, tuple(dict.fromkeys(classes)), t.city[i], t.county[i], float(t.access_lon[i]),
                              float(t.access_lat[i]), float(t.reach_m[i]))  # fmt: skip
    if not found:
        return []
    each = [found[key] for key in sorted(found)]
    lon, lat = np.array([s.lon for s in each]), np.array([s.lat for s in each])
    first = int(np.argmin(lon))
    u, v = frame.grid.plane.pixels(np.r_[lon, start[0] if start else lon[first]],
                                   np.r_[lat, start[1] if start else lat[first]])  # fmt: skip
    if not (np.isfinite(u[-1]) and np.isfinite(v[-1])):
        raise ProjectError(Problem("--start", "", f"{start} is no place near the network", "give LON,LAT in degrees"))
    x, y = u * frame.grid.plane.pixel_m, v * frame.grid.plane.pixel_m
    return [each[i] for i in drive_order(x[:-1], y[:-1], (float(x[-1]), float(y[-1])))]


def write_plan(folder: Path, frame: Frame, plan: list[PlannedTarget], order: list[Stop]) -> dict[str, Any]:
    """Write the four files; what plan.json holds. The tiles' outlines and the points to drive to are layers of one
    GeoPackage."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = _summary(frame, plan)
    rows = [
        {"order": n, "tile": name_of(s.key), "classes": " ".join(s.classes), "city": s.city, "county": s.county,
         "lon": round(s.lon, 6), "lat": round(s.lat, 6), "from_middle_m": round(s.reach_m)}
        for n, s in enumerate(order, start=1)
    ]  # fmt: skip
    import shapely

    points = [shapely.Point(s.lon, s.lat) for s in order]
    write_features(folder / "tiles.gpkg", {
        "tiles": ([frame.grid.outline(s.key) for s in order], rows), "stops": (points, rows)})  # fmt: skip
    with whole(folder / "tiles.gpx") as partial:
        _gpx(rows, summary).write(partial, encoding="utf-8", xml_declaration=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["order", "tile"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(folder / "tiles.csv", text.getvalue().encode("utf-8-sig"))  # so that spreadsheets show Chinese names
    write_json(folder / "plan.json", summary)
    return summary


def _summary(frame: Frame, plan: list[PlannedTarget]) -> dict[str, Any]:
    rules = frame.rules
    return {
        "radiocov": __version__,
        "project": frame.inputs.project.project.name,
        "period": frame.compliance.period,
        "tile_m": rules.tile_m,
        "confidence": rules.confidence,
        "seed": rules.seed,
        "reach_m": rules.tile_m / 2 if rules.reach_m is None else rules.reach_m,
        "targets": [
            {
                "class": p.target.class_,
                "measure": p.target.measure,
                "service": p.target.service,
                "required": p.required,
                "predicted": None if p.predicted is None else round(p.predicted, 4),
                "overdesign": round(p.overdesign, 4),
                "needed": p.drawn.needed,
                "tiles_of_class": len(p.tiles),
                "reachable": int(p.tiles.reachable.sum()),
                "drawn": len(p.drawn.chosen),
                "counties": [
                    {"city": c, "county": k, "tiles": a, "reachable": b, "drawn": n}
                    for (c, k), (a, b, n) in p.drawn.counties.items()
                ],
                "unreachable": [name_of(k) for k in p.tiles.key[~p.tiles.reachable]],
                "tiles": [name_of(k) for k in p.tiles.key[p.drawn.chosen]],
            }
            for p in plan
        ],
    }


def _gpx(rows: list[dict[str, Any]], summary: dict[str, Any]) -> ElementTree.ElementTree:
    """Waypoints and a route through them (GPX 1.1)."""
    ElementTree.register_namespace("", GPX)
    root = ElementTree.Element(f"{{{GPX}}}gpx", version="1.1", creator=f"radiocov {__version__}")

    def point(parent: ElementTree.Element, kind: str, row: dict[str, Any]) -> None:
        at = ElementTree.SubElement(parent, f"{{{GPX}}}{kind}", lat=f"{row['lat']:.6f}", lon=f"{row['lon']:.6f}")
        ElementTree.SubElement(at, f"{{{GPX}}}name").text = f"{row['order']:03d} {row['tile']}"
        words = f"{row['classes']} {row['city']} {row['county']}".strip()
        ElementTree.SubElement(at, f"{{{GPX}}}desc").text = words

    for row in rows:
        point(root, "wpt", row)
    route = ElementTree.SubElement(root, f"{{{GPX}}}rte")
    ElementTree.SubElement(route, f"{{{GPX}}}name").text = f"{summary['project']} {summary['period']}"
    for row in rows:
        point(route, "rtept", row)
    return ElementTree.ElementTree(root)


def read_plan(path: str) -> dict[str, Any]:
    """What `write_plan` left as plan.json. ProjectError where it is no such file."""
    plan = read_json(Path(path))
    if not _is_plan(plan):
        raise ProjectError(
            Problem(path, "", "is no plan", "give the plan.json that `radiocov acceptance plan` wrote")
        )
    return plan


def _is_plan(plan: Any) -> bool:
    try:
        for target in plan["targets"]:
            for name in target["tiles"]:
                of_name(name)
        return {"tile_m", "period"} <= set(plan)
    except (TypeError, KeyError, ValueError, AttributeError):
        return False
