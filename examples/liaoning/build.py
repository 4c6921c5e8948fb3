"""Write the example project of Liaoning from its tables: project.toml, sites.csv, areas.geojson, roads.geojson.

    python examples/liaoning/build.py FOLDER [--elevation FILE...] [--boundaries DISTRICTS.geojson]

places.csv (cities and county seats), landmarks.csv (key places) and corridors.csv (roads by the places they pass)
hold what is real. What is illustrative is made here by rule: sites, extents of towns, alignments of roads.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from geography import Cells, Fault, areas, corridors, read_places, roads
from masts import Ground, candidates, sites

from radiocov.files import write_text
from radiocov.network import write_sites
from terrain.errors import TerrainError

NOTE_ZH = "站址、区域和道路走向均为示意，非实际网络"
NOTE = "Illustrative sites, areas and road alignments; the real network is not public"
PROJECT = """\
# Liaoning: 14 prefecture-level cities. Made by build.py; README.md says what is real here and what is illustrative.
[project]
name = "Liaoning (illustrative network)"
name_zh = "辽宁省（示例网络）"
note = {note}
note_zh = {note_zh}

[grid]
resolution_m = {resolution:g}
extent = [118.8, 38.65, 125.85, 43.55]   # all of the province

[terrain]
elevation = {elevation}
surface = {surface}   # true: trees and buildings are in the heights (GLO-30, SRTM); false: bare ground
voids = "sea"                 # the sea has no tiles in most data sets
{landcover}
source = {source}   # shown on maps and reports: name your elevation data here

[model]
name = "p1812"
radius_km = 40
frequency_mhz = 358

[areas]
file = "areas.geojson"

[roads]
file = "roads.geojson"

[policy]
file = "liaoning"
"""


def project_text(options: argparse.Namespace) -> str:
    def quoted(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)  # for texts and lists of texts, TOML writes them alike

    landcover = '# landcover = "terrain/landcover.tif"   # optional: ESA WorldCover, for clutter heights'
    if options.landcover:
        landcover = f"landcover = {quoted(str(options.landcover))}"
    elevation = [str(f) for f in options.elevation or ["terrain/elevation.tif"]]
    return PROJECT.format(
        note=quoted(NOTE), note_zh=quoted(NOTE_ZH), resolution=options.resolution,
        elevation=quoted(elevation), landcover=landcover,
        surface="true" if options.surface else "false", source=quoted(options.source),
    )  # fmt: skip


def write_features(path: Path, name: str, features: Iterable[dict]) -> None:
    lines = ",\n".join(json.dumps(f, ensure_ascii=False) for f in features)
    write_text(path, f'{{"type": "FeatureCollection", "name": "{name}", "features": [\n{lines}\n]}}\n')


def build(options: argparse.Namespace) -> list[Path]:
    """Write the project folder; the files written."""
    places = read_places()
    cells = Cells(places, options.boundaries)
    found = corridors(places)
    ground = None
    if options.elevation:
        positions = np.array([(c.lon, c.lat) for c, _ in candidates(places, found, cells)])
        ground = Ground(options.elevation, options.surface, positions, options.resolution)
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "project.toml", project_text(options))
    write_sites(folder / "sites.csv", list(sites(places, found, cells, ground)))
    write_features(folder / "areas.geojson", "areas", areas(places, cells))
    write_features(folder / "roads.geojson", "roads", roads(found, cells))
    return [folder / name for name in ("project.toml", "sites.csv", "areas.geojson", "roads.geojson")]


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description="Write the example project of Liaoning into a folder.")
    add = result.add_argument
    file = Path.resolve
    add("folder", type=Path, help="where to write; files of the same names are replaced")
    add("--elevation", type=lambda t: file(Path(t)), nargs="+", metavar="FILE",
        help="elevation rasters, first has priority; sites then move to the highest ground within 3 km")
    add("--resolution", type=float, default=300.0, metavar="M", help="pixel side in metres (default: 300)")
    add("--boundaries", type=lambda t: file(Path(t)), metavar="FILE",
        help="districts as GeoJSON in WGS 84 with district_adcode: areas and roads are cut by them")
    add("--landcover", type=lambda t: file(Path(t)), metavar="FILE", help="ESA WorldCover raster")
    add("--source", default="", metavar="TEXT", help="what the elevation is, shown on maps and reports")
    kind = result.add_mutually_exclusive_group()
    kind.add_argument("--surface", action="store_true", default=True,
                      help="heights contain trees and buildings, as GLO-30 and SRTM do (default)")
    kind.add_argument("--bare", dest="surface", action="store_false", help="heights are bare ground")
    return result  # fmt: skip


def main() -> None:
    options = parser().parse_args()
    try:
        for path in build(options):
            print(path)
    except (Fault, TerrainError) as error:
        raise SystemExit(f"build.py: {error}") from error


if __name__ == "__main__":
    main()
