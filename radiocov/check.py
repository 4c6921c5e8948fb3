"""`radiocov check`: everything wrong with a project in one go, and what computing it would take."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radiocov.frequency_plan import Frequencies, carriers_hz, frequencies_of, sharing_sites
from radiocov.inputs import KM_PER_DEGREE, Inputs, project_grid, read_inputs
from radiocov.network import Site, in_state
from radiocov.problems import Problem, ProjectError, errors_of
from radiocov.project import Project, State, load_project
from radiocov.settings import MODEL_RANGE_MHZ, TIMED_MODELS

if TYPE_CHECKING:
    from terrain.grid import Grid

# What the estimates rest on, measured for P.1812 over radials; a rough guide, not a promise.
SECONDS_PER_RECEIVER = 0.25e-6  # one core
SECONDS_PER_PIXEL = 0.5e-6  # one core, a state and service: combining, writing
START_SECONDS = 2.0
GROUND_BYTES = 11  # a pixel: elevation 4, its source 1, class 1, clutter height 4, zone 1; on disk, and mapped
PROCESS_BYTES = 350 * 1024**2  # the program itself with its libraries
TILE_BYTES = 64 * 1024**2  # a worker's share while networks are combined
LOSS_BYTES = 4  # a receiver in a stored loss raster, before compression
STATE_BYTES = 4 + 2  # a pixel of level and best server
SERVICE_BYTES = 3 * (4 + 4)  # a pixel of margin and probability, three bands each
SAMPLES = 41  # a side, for shares of the grid inside a circle or a raster
FAR_KM = 100.0  # and twice the radius: areas farther from all sites are misplaced
TILT_STEP_DEG = 0.5  # a file set further from its own tilt is another file's
PATTERN_BAND = 0.15  # a pattern farther than this from the frequency is another antenna


@dataclass(frozen=True)
class StatePlan:
    """One network state: how many transmitters count in it."""

    id: str
    date: dt.date
    sites: int


@dataclass(frozen=True)
class Plan:
    """What would be computed. receivers: pixels within the radius, summed over the positions that need a loss
    raster of their own; seconds and bytes are estimates, disk before compression."""

    crs: str
    resolution_m: float
    width: int
    height: int
    states: tuple[StatePlan, ...]
    loss_rasters: int
    receivers: int
    cores: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    frequencies: Frequencies

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Report:
    """All problems, errors first within a file's order of reading; plan is None where there is no grid."""

    name: str
    problems: tuple[Problem, ...]
    plan: Plan | None

    @property
    def ok(self) -> bool:
        return not errors_of(self.problems)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        plan = None
        if self.plan is not None:
            plan = {**dataclasses.asdict(self.plan), "pixels": self.plan.pixels,
                    "states": [{"id": s.id, "date": s.date.isoformat(), "sites": s.sites}
                               for s in self.plan.states]}
        return {"project": self.name, "ok": self.ok, "problems": [p.to_dict() for p in self.problems],
                "plan": plan}


def check_path(path: str | Path, cores: int | None = None) -> Report:
    """`check` for a folder or project.toml; where that does not load, the report has its errors alone."""
    try:
        project = load_project(path)
    except ProjectError as error:
        return Report(str(path), tuple(error.problems), None)
    return check(project, cores)


def check(project: Project, cores: int | None = None) -> Report:
    """Read every file of a project and report what is wrong, and what computing it would take."""
    inputs = read_inputs(project)
    problems = [*_now_errors(project.warnings), *inputs.problems, *_check_far(inputs)]
    plan = None
    try:
        grid = project_grid(inputs)
    except ProjectError as error:
        problems += error.problems
    else:
        problems += _check_terrain(project, grid)
        problems += _check_places(inputs, grid)
        plan = make_plan(inputs, grid, cores)
    problems += [*_check_antennas(inputs), *_check_frequencies(inputs), *_check_receivers(inputs),
                 *_check_boundaries(inputs)]
    problems += _check_carriers(inputs)
    return Report(project.project.name, tuple(dict.fromkeys(problems)), plan)


def make_plan(inputs: Inputs, grid: Grid, cores: int | None = None) -> Plan:
    """Size and time of computing every state of the policy on a grid."""
    project = inputs.project
    cores = cores or os.cpu_count() or 1
    states: Iterable[State] = project.states(inputs.policy) if inputs.policy else ()
    counted = {state: in_state(inputs.sites, state.date) for state in states}
    positions = {_position(project, antenna) for sites in counted.values() for site in sites
                 for antenna in (site, site.receiving)}
    radius_m = project.model.radius_km * 1000
    receivers = sum(_receivers(grid, lon, lat, radius_m) for lon, lat, *_ in positions)
    newest = list(counted.values())[-1] if counted else []
    unwanted = _unwanted_positions(project, {site.id: site for sites in counted.values() for site in sites})
    unwanted_m = (project.interference.radius_km or project.model.radius_km) * 1000
    receivers += sum(_receivers(grid, lon, lat, unwanted_m) for lon, lat, *_ in unwanted)
    pixels = grid.width * grid.height
    combined = len(counted) * len(project.services) * pixels
    return Plan(
        crs=grid.crs, resolution_m=grid.resolution_m, width=grid.width, height=grid.height,
        states=tuple(StatePlan(state.id, state.date, len(sites)) for state, sites in counted.items()),
        loss_rasters=len(positions) + len(unwanted), receivers=receivers, cores=cores,
        seconds=START_SECONDS
        + (receivers * SECONDS_PER_RECEIVER + combined * SECONDS_PER_PIXEL) / cores,
        memory_bytes=PROCESS_BYTES + pixels * GROUND_BYTES + receivers * LOSS_BYTES + cores * TILE_BYTES,
        disk_bytes=pixels * GROUND_BYTES + receivers * LOSS_BYTES
        + len(counted) * pixels * (STATE_BYTES + len(project.services) * SERVICE_BYTES),
        frequencies=frequencies_of(newest, project.interference.channel_width_khz))


def _unwanted_positions(project: Project, sites: dict[str, Site]) -> set[tuple[float, float, float, float]]:
    """Positions that need a loss raster at a small percentage of time too."""
    asked = project.interference
    longer = asked.radius_km not in (None, project.model.radius_km)
    if not asked.enabled or not (longer or project.model.name in TIMED_MODELS):
        return set()
    return {_position(project, site) for site in sharing_sites(list(sites.values()), asked.channel_width_khz)}


def _position(project: Project, site: Site) -> tuple[float, float, float, float]:
    """What a loss raster depends on, the terrain and model being the project's. Powers, patterns and tilts do
    not matter, so sectors of one mast share one; a receive antenna needs its own where its height differs."""
    return *site.antenna_lonlat, site.antenna_height_m, site.frequency_mhz or project.model.frequency_mhz


def _receivers(grid: Grid, lon: float, lat: float, radius_m: float) -> int:
    """Pixels of the grid within a radius of a place, to a few per cent: a share of sample points."""
    x, y = grid.from_lonlat(lon, lat)
    x_min, y_min, x_max, y_max = grid.bounds
    west, east = max(x - radius_m, x_min), min(x + radius_m, x_max)
    south, north = max(y - radius_m, y_min), min(y + radius_m, y_max)
    if west >= east or south >= north:
        return 0
    middle = (np.arange(SAMPLES) + 0.5) / SAMPLES
    dx = west + (east - west) * middle - x
    dy = south + (north - south) * middle - y
    inside = dx[np.newaxis, :] ** 2 + dy[:, np.newaxis] ** 2 <= radius_m**2
    return round(float(inside.mean()) * (east - west) * (north - south) / grid.resolution_m**2)


def _now_errors(warnings: Iterable[Problem]) -> list[Problem]:
    """Missing terrain does not stop loading a project, but it stops computing one."""
    return [dataclasses.replace(problem, severity="error")
            if problem.where.split(", ")[-1].startswith("terrain.") else problem
            for problem in warnings]


def _check_terrain(project: Project, grid: Grid) -> list[Problem]:
    """Rasters that cannot be opened, and ground they do not cover; missing files are reported already."""
    from terrain.errors import TerrainError
    from terrain.files import is_there, rasters_of
    from terrain.legend import read_legend

    file = project.path.name
    problems = []
    if project.landcover_files:
        try:
            read_legend(project.legend)
        except TerrainError as error:
            problems.append(Problem(file, "terrain.legend", str(error)))
    lon, lat = _sample_lonlat(grid)
    heights = "elevation" if project.terrain.sources is None else "sources"
    for what, declared in _declared_rasters(project).items():
        covered = np.zeros(lon.shape, dtype=bool)
        there = [(path, crs, unit) for name, crs, unit in declared if is_there(name)
                 for path in rasters_of([name], what)]
        for path, crs, unit in there:
            try:
                covered |= _covered(path, what, crs, unit, lon, lat)
            except TerrainError as error:
                problems.append(Problem(file, f"terrain.{what}", str(error)))
                covered[:] = True  # what a broken file covers is anyone's guess
        if not there or covered.all() or what not in (heights, "landcover"):
            continue
        share = f"covers {np.floor(1000 * covered.mean()) / 10:g} % of the grid"
        west, south, east, north = (round(v, 3) for v in grid.lonlat_bounds())
        remedy = f"it has to reach from {west}, {south} to {east}, {north}"
        stops = what == heights and (project.terrain.voids == "error" or not covered.any())
        problems.append(Problem(file, f"terrain.{what}", share, remedy, "error" if stops else "warning"))
    return problems


def _declared_rasters(project: Project) -> dict[str, list[tuple[Path, str | None, str | None]]]:
    """Key of the terrain table -> what it names: (file, folder or pattern, declared system, unit of heights)."""
    terrain = project.terrain
    heights = "elevation" if terrain.sources is None else "sources"
    found = {heights: [(project.resolve(name), source.crs, source.vertical_unit)
                       for source in terrain.all_sources for name in source.files],
             "landcover": [(path, None, None) for path in project.landcover_files]}
    if terrain.clutter is not None:
        clutter = terrain.clutter
        found["clutter"] = [(project.resolve(name), clutter.crs, clutter.vertical_unit) for name in clutter.files]
    if terrain.land_mask is not None:
        found["land_mask"] = [(project.resolve(terrain.land_mask), None, None)]
    return found


def _sample_lonlat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    rows = np.linspace(0, grid.height - 1, min(SAMPLES, grid.height))
    cols = np.linspace(0, grid.width - 1, min(SAMPLES, grid.width))
    x, y = grid.centre_xy(*(a.ravel() for a in np.meshgrid(rows, cols, indexing="ij")))
    return grid.to_lonlat(x, y)


def _covered(
    path: Path, what: str, crs: str | None, unit: str | None, lon: np.ndarray, lat: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Which places lie inside a raster's frame (voids inside it are found when it is read)."""
    from pyproj import Transformer

    from terrain.rasters import crs_of, opened
    from terrain.sources import check_unit

    with opened(path, what) as dataset:
        if unit is not None:
            check_unit(dataset, path, unit)
        to_raster = Transformer.from_crs("EPSG:4326", crs_of(dataset, path, crs).to_wkt(), always_xy=True)
        x, y = to_raster.transform(lon, lat)
        inverse = ~dataset.transform
        # affine by hand: `inverse * (x, y)` is deprecated for arrays in some versions
        col = inverse.a * x + inverse.b * y + inverse.c
        row = inverse.d * x + inverse.e * y + inverse.f
        return (col >= 0) & (col <= dataset.width) & (row >= 0) & (row <= dataset.height)


def _check_places(inputs: Inputs, grid: Grid) -> list[Problem]:
    """Sites and areas that an extent given by hand leaves out."""
    problems = []
    for site in inputs.sites:
        if not grid.contains(*grid.from_lonlat(*site.antenna_lonlat)):
            problems.append(Problem(
                inputs.project.sites_file.name, f'site "{site.id}"', "lies outside the grid and adds nothing",
                "enlarge grid.extent or leave the site out", "warning"))
    west, south, east, north = grid.lonlat_bounds()
    if west > east:  # across the antimeridian
        west, east = -180.0, 180.0
    for layer, path in ((inputs.areas, inputs.project.areas_file), (inputs.roads, inputs.project.roads_file)):
        if layer is None:
            continue
        box = layer.bounds()
        if box[0] < west or box[1] < south or box[2] > east or box[3] > north:
            problems.append(Problem(
                path.name, "", "reaches outside the grid, so that shares count only a part of it",
                "enlarge grid.extent or leave it out", "warning"))
    return problems


def _check_far(inputs: Inputs) -> list[Problem]:
    """Layers so far from all sites that the one or the others must be misplaced."""
    problems = []
    for layer, path in ((inputs.areas, inputs.project.areas_file), (inputs.roads, inputs.project.roads_file)):
        if layer is None or not inputs.sites:
            continue
        west, south, east, north = layer.bounds()
        scale = math.cos(math.radians((south + north) / 2))
        nearest = min(math.hypot(scale * max(west - s.lon, s.lon - east, 0.0), max(south - s.lat, s.lat - north, 0.0))
                      for s in inputs.sites)
        km = KM_PER_DEGREE * nearest
        if km > 2 * inputs.project.model.radius_km + FAR_KM:
            problems.append(Problem(
                path.name, "", f"lies {km:.0f} km from the nearest site",
                "state the right coordinate reference system in the file, or correct the sites"))
    return problems


def _check_boundaries(inputs: Inputs) -> list[Problem]:
    """Boundaries that cannot be read, and a datum that seems to be another than declared."""
    from radiocov.boundaries import datum_warnings

    try:
        return datum_warnings(inputs)
    except ProjectError as error:
        return error.problems


def _check_frequencies(inputs: Inputs) -> list[Problem]:
    """Frequencies of sites outside the model's range."""
    project = inputs.project
    low, high = MODEL_RANGE_MHZ[project.model.name]
    return [
        Problem(project.sites_file.name, f'site "{site.id}", frequency_mhz',
                f"{frequency:g} MHz is outside the range of {project.model.name}",
                f"give {low:g} to {high:g} MHz or another model")
        for site in inputs.sites
        if not low <= (frequency := site.frequency_mhz or project.model.frequency_mhz) <= high]


def _check_carriers(inputs: Inputs) -> list[Problem]:
    """C/(I+N) that is asked for while sites have no carrier."""
    without = [site.id for site in inputs.sites if not carriers_hz(site)]
    if not inputs.project.interference.enabled or not without:
        return []
    named = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
    return [Problem(inputs.project.sites_file.name, "channels",
                    f"{len(without)} of {len(inputs.sites)} sites have no carrier, and disturb nobody: {named}",
                    "give their talk-out carriers in MHz", "warning")]


def _check_antennas(inputs: Inputs) -> list[Problem]:
    """Patterns measured at another frequency, and files set to another electrical tilt than theirs."""
    from radiocov.antennas import BEAM_PREFIX, read_pattern
    from radiocov.coverage.setup import OMNI_DIRECTIVE_DBI

    project = inputs.project
    problems = []
    seen: set[tuple[str, float | None]] = set()
    for site in (end for row in inputs.sites for end in (row, row.receiving)):
        name, tilt = site.antenna, site.electrical_tilt_deg
        if not name and tilt and site.gain_dbi <= OMNI_DIRECTIVE_DBI:
            problems.append(Problem(
                project.sites_file.name, f'site "{site.id}", electrical tilt',
                f"{tilt:g} deg has no effect on an omni of {site.gain_dbi:g} dBi, which has no vertical beam",
                "name an antenna or leave the tilt empty", "warning"))
        if not name or name.startswith(BEAM_PREFIX) or (name, tilt) in seen:
            continue
        known = any(name == other for other, _ in seen)
        seen.add((name, tilt))
        frequency = site.frequency_mhz or project.model.frequency_mhz
        pattern = read_pattern(project.antennas_folder / name, frequency)
        measured, own = pattern.frequency_mhz, pattern.beam_down_deg
        if not known and measured and abs(measured / frequency - 1) > PATTERN_BAND:
            problems.append(Problem(
                name, "FREQUENCY",
                f"the pattern is of {measured:g} MHz, the network is at {frequency:g} MHz",
                "use a pattern of the antenna's own band", "warning"))
        if not known and abs(own) > TILT_STEP_DEG and abs(pattern.vertical_maximum_deg + own) <= TILT_STEP_DEG:
            problems.append(Problem(
                name, "VERTICAL", f"the beam points {own:g} deg up, while the file states that much downwards",
                "angles of the vertical cut count downwards: turn the cut over if the maker counted upwards",
                "warning"))
        if tilt is not None and abs(tilt - own) > TILT_STEP_DEG:
            problems.append(Problem(
                project.sites_file.name, f'site "{site.id}", electrical tilt',
                f'the file "{name}" is that of {own:g} deg; its vertical cut is moved to {tilt:g} deg',
                "name the maker's file of that tilt if there is one", "warning"))
    return problems


def _check_receivers(inputs: Inputs) -> list[Problem]:
    """Noise figures of receivers that nothing asks for, and frequencies without a figure of man-made noise."""
    project = inputs.project
    if project.base.threshold == "given":
        return [
            Problem(project.sites_file.name, f'site "{site.id}", rx_noise_figure_db',
                    "counts for nothing: [base] gives the threshold, and there is no amplifier at the antenna",
                    'give [base] threshold = "computed", or empty the cell', "warning")
            for site in inputs.sites if site.rx_noise_figure_db is not None and site.tma_gain_db is None]
    from radiocov.chain import site_chain

    problems = []
    for site in inputs.sites:
        if site.frequency_mhz is not None:
            try:
                site_chain(project, site, "city")
            except ProjectError as error:
                problems += error.problems
    return problems
