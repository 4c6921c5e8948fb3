"""Everything a project names, read once: policy, sites, areas, roads; and the grid they make."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from radiocov.feeders import read_cables
from radiocov.network import Site, read_sites
from radiocov.problems import Problem, ProjectError, did_you_mean, errors_of, from_foreign
from radiocov.project import Project
from radiocov.settings import LayerSettings

if TYPE_CHECKING:
    from targets.areas import AreaSet, RoadSet
    from targets.policy import Policy
    from terrain.clutter import ClutterHeights
    from terrain.grid import Grid
    from terrain.sources import ElevationSource

KM_PER_DEGREE = 111.0  # of latitude, rounded down so that a margin is never short


@dataclass
class Inputs:
    """What could be read; None (or no sites) where a file is absent or faulty, which `problems` then say."""

    project: Project
    policy: Policy | None = None
    sites: list[Site] = field(default_factory=list)
    areas: AreaSet | None = None
    roads: RoadSet | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def road_lines(self) -> list[Any] | None:
        """Geometries of the roads in degrees; None where the project has none."""
        return [road.geometry for road in self.roads.roads] if self.roads and self.roads.roads else None

    def or_raise(self) -> Inputs:
        """Itself, or ProjectError with the errors among the problems."""
        if found := errors_of(self.problems):
            raise ProjectError(found)
        return self


def read_inputs(project: Project) -> Inputs:
    """Read all files of a project except its terrain; problems of every file, warnings among them."""
    from targets.areas import AREA_CLASSES, ROAD_CLASSES, read_areas, read_roads
    from targets.policy import load_policy

    inputs = Inputs(project)
    inputs.policy = _foreign(inputs, load_policy, project.policy_source)
    try:
        cables = read_cables(project.feeders_file)
    except ProjectError as error:
        cables = None
        inputs.problems += error.problems
    inputs.sites, problems = read_sites(
        project.sites_file, project.antennas_folder, cables, project.model.frequency_mhz)
    inputs.problems += problems
    area_classes = inputs.policy.data_classes("area") if inputs.policy else AREA_CLASSES
    road_classes = inputs.policy.data_classes("line") if inputs.policy else ROAD_CLASSES
    if project.areas:
        inputs.areas = _foreign(inputs, read_areas, project.areas_file, _attributes(project.areas),
                                classes=area_classes, class_map=project.areas.classes, **layer_options(project.areas))
    if project.roads:
        inputs.roads = _foreign(inputs, read_roads, project.roads_file, _attributes(project.roads),
                                classes=road_classes, class_map=project.roads.classes, **layer_options(project.roads))
    if inputs.policy:
        _check_services(inputs)
    return inputs


def layer_options(section: LayerSettings) -> dict[str, Any]:
    """How a vector file of the project is to be read: layer, encoding, and the way from its datum to WGS 84."""
    from devices.datum import to_wgs84

    moved = section.datum in ("gcj02", "bd09")
    return {"layer": section.layer, "encoding": section.encoding,
            "to_wgs84": (lambda lat, lon: to_wgs84(lat, lon, section.datum)) if moved else None}


def _attributes(section: Any) -> dict[str, str]:
    """role -> column, for the columns a project names itself: those need to exist, others may."""
    return {key.removesuffix("_attribute"): getattr(section, key)
            for key in section.model_fields_set if key.endswith("_attribute")
            and getattr(section, key) != type(section).model_fields[key].default}


def _foreign(inputs: Inputs, read: Any, *arguments: Any, **options: Any) -> Any:
    """Call a reader of another package: its problems and warnings join ours; None where it fails."""
    try:
        result = read(*arguments, **options)
    except ValueError as error:
        result, found, severity = None, getattr(error, "problems", [error]), "error"
    else:
        found, severity = getattr(result, "warnings", ()), "warning"
    for problem in map(from_foreign, found):
        file = problem.file.removeprefix(f"{inputs.project.folder}{os.sep}")  # as the project names it
        inputs.problems.append(dataclasses.replace(problem, file=file, severity=severity))
    return result


def _check_services(inputs: Inputs) -> None:
    """Targets of the policy that no service of the project can answer."""
    services = [service.id for service in inputs.project.services]
    for wanted in dict.fromkeys(target.service for target in inputs.policy.targets):
        if wanted not in services:
            inputs.problems.append(Problem(
                inputs.project.path.name, "services",
                f'the policy "{inputs.policy.id}" has targets for a service "{wanted}" that is not here',
                f"add [[services]] with that id; {did_you_mean(wanted, services)}"))


def lonlat_extent(inputs: Inputs) -> tuple[float, float, float, float]:
    """(lon_min, lat_min, lon_max, lat_max) [deg]: the project's, or areas + roads + sites with the margin.

    ProjectError where there is neither an extent nor anything to take it from.
    """
    settings = inputs.project.grid
    if settings.extent is not None:
        return tuple(settings.extent)
    boxes = [layer.bounds() for layer in (inputs.areas, inputs.roads) if layer is not None]
    boxes += [(site.lon, site.lat, site.lon, site.lat) for site in inputs.sites]
    if not boxes:
        raise ProjectError(Problem(inputs.project.path.name, "grid", "there is nothing to make the grid from",
                                   "give grid.extent, or areas, roads or sites"))
    west, south, east, north = (min(b[0] for b in boxes), min(b[1] for b in boxes),
                                max(b[2] for b in boxes), max(b[3] for b in boxes))
    margin = settings.margin_km / KM_PER_DEGREE
    margin_lon = margin / max(math.cos(math.radians(max(abs(south), abs(north)))), 0.05)
    return (max(west - margin_lon, -180.0), max(south - margin, -90.0),
            min(east + margin_lon, 180.0), min(north + margin, 90.0))


def project_grid(inputs: Inputs) -> Grid:
    """The grid of a project. ProjectError where its settings make none."""
    from terrain.errors import TerrainError
    from terrain.grid import Grid

    settings = inputs.project.grid
    try:
        return Grid.covering(lonlat_extent(inputs), settings.resolution_m, settings.crs)
    except TerrainError as error:
        raise ProjectError(Problem(inputs.project.path.name, "grid", str(error))) from error


def elevation_sources(project: Project) -> list[ElevationSource]:
    """The project's sources of heights as `terrain.load.load_ground` takes them."""
    return [_source(project, one, surface=one.surface, voids=one.voids) for one in project.terrain.all_sources]


def clutter_heights(project: Project) -> ClutterHeights | None:
    """The project's measured clutter heights; None without."""
    from terrain.clutter import ClutterHeights

    settings = project.terrain.clutter
    return None if settings is None else ClutterHeights(_source(project, settings), settings.above)


def _source(project: Project, settings: Any, **options: Any) -> ElevationSource:
    from terrain.sources import ElevationSource

    return ElevationSource(
        tuple(map(project.resolve, settings.files)), settings.vertical_unit, label=settings.label,
        nodata=tuple(settings.nodata), crs=settings.crs, **options)
