"""Where a project's fleet store is, and what the project says about where handsets are used."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.store import Store
from radiocov.project import Project, load_project

if TYPE_CHECKING:
    from devices.road_check import RoadDistance

FILE_NAME = "fleet.sqlite"
MARGIN_DEG = 0.5
SAY_EVERY_S = 5.0
ROADS_WITHIN_M = 2000.0  # no datum is shifted against another by more; to look farther takes long


def store_of(project: Project, url: str = "", create: bool = True,
             say: Callable[[str], None] = lambda line: print(line, file=sys.stderr)) -> Store:  # fmt: skip
    """The store: `url`, else RADIOCOV_STORE, else fleet.sqlite in the project's folder.

    It is not kept in .radiocov, which holds what can be computed again. say: takes lines about how far an older store
    is brought to the present form.
    """
    said = 0.0

    def converted(records: int) -> None:
        nonlocal said
        now = time.monotonic()
        if not records or now - said > SAY_EVERY_S:
            say(f"the records of an older fleet store are brought to the present form, once: {records:,} so far")
            said = now

    return Store(url or os.environ.get("RADIOCOV_STORE") or project.folder / FILE_NAME, create, converted)


def open_store(path: str, url: str = "", create: bool = True) -> Store:
    """The store of the project in a folder. Raises ProjectError where there is no project."""
    return store_of(load_project(path), url, create)


def area_of(project: Project) -> tuple[float, float, float, float] | None:
    """lon_min, lat_min, lon_max, lat_max of the project: its extent, else around its sites; None if unknown."""
    if project.grid.extent is not None:
        west, south, east, north = project.grid.extent
        return west, south, east, north
    from radiocov.network import read_sites

    try:
        sites, _ = read_sites(project.sites_file)
    except OSError:
        return None
    if not sites:
        return None
    lons, lats = [site.lon for site in sites], [site.lat for site in sites]
    return min(lons) - MARGIN_DEG, min(lats) - MARGIN_DEG, max(lons) + MARGIN_DEG, max(lats) + MARGIN_DEG


def fallback_folder(project: Project) -> Path:
    """For lists of rejected rows where they cannot stand beside the log."""
    return project.folder / "rejects"


def road_distance(project: Project, lines: Sequence[Any] | None = None) -> RoadDistance | None:
    """Metres to the nearest of the project's roads, infinite beyond ROADS_WITHIN_M; None without roads. lines: their
    geometries in degrees; they are read when first asked for where None."""
    if project.roads is None:
        return None
    import numpy as np
    import shapely

    from devices.cells import METRES_A_DEGREE
    from radiocov.inputs import layer_options
    from targets.vectors import read_layer

    @functools.cache
    def roads() -> tuple[shapely.STRtree, np.ndarray]:
        found = lines
        if found is None:
            layer = read_layer(project.roads_file, {}, [], {}, **layer_options(project.roads))
            found = [line for line in layer.geometries if line is not None]
        _, south, _, north = shapely.total_bounds(found)
        scale = METRES_A_DEGREE * np.array([np.cos(np.radians((south + north) / 2)), 1.0])
        return shapely.STRtree(shapely.transform(found, lambda lonlat: lonlat * scale)), scale

    def distance(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        tree, scale = roads()
        points = shapely.points(np.stack([lon, lat], axis=1) * scale)
        (at, _), metres = tree.query_nearest(points, ROADS_WITHIN_M, return_distance=True, all_matches=False)
        found = np.full(len(points), np.inf)
        found[at] = metres
        return found

    return distance
