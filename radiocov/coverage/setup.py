"""What a project means for the engine: its ground, the model's settings, the spread about the prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from radiocov import link
from radiocov.antennas import BEAM_PREFIX, Pattern, omni_beamwidth_deg, omni_pattern, parse_beam, read_pattern
from radiocov.chain import SiteChain, site_chain, terminal_noise
from radiocov.coverage.sector import LossSettings
from radiocov.inputs import Inputs, clutter_heights, elevation_sources, project_grid
from radiocov.network import Site
from radiocov.problems import Problem, ProjectError
from radiocov.project import Project
from radiocov.refractivity import RefractivityMap, read_map
from radiocov.settings import MODEL_RANGE_MHZ, MODEL_REACH_KM
from terrain.density import Density
from terrain.errors import TerrainError
from terrain.files import is_there
from terrain.grid import Grid
from terrain.ground import Ground
from terrain.load import load_ground
from terrain.rasters import Progress, no_progress

GROUND_CACHE = Path(".radiocov") / "ground"
ITM_N0 = (250.0, 400.0)  # N-units that the model takes
OMNI_DIRECTIVE_DBI = 3.0  # an omni of more gain than this has a vertical beam worth modelling


def read_ground(
    inputs: Inputs, progress: Progress = no_progress, voids: str | None = None, prepare: bool = True
) -> Ground:
    """The ground of a project on its grid, prepared before or now. ProjectError where it cannot be read.

    voids: a rule in place of the project's; prepare: without it, FileNotFoundError where none is prepared.
    """
    project = inputs.project
    settings = project.terrain
    grid = project_grid(inputs)
    heights = "terrain.elevation" if settings.sources is None else "terrain.sources"
    named = dict.fromkeys(project.elevation_files, heights)
    named |= dict.fromkeys(project.landcover_files, "terrain.landcover")
    missing = [
        Problem(project.path.name, key, f'there is no file "{path.name}"', "put it there or correct the name")
        for path, key in named.items()
        if not is_there(path)
    ]
    if missing:
        raise ProjectError(missing)
    try:
        return load_ground(
            grid, elevation_sources(project), voids=voids or settings.voids,
            landcover=project.landcover_files or None, legend=project.legend,
            density=None if settings.density is None else Density(**settings.density.model_dump()),
            clutter=clutter_heights(project),
            land_mask=None if settings.land_mask is None else project.resolve(settings.land_mask),
            synthetic=settings.synthetic, source=settings.source, cache=project.folder / GROUND_CACHE,
            prepare=prepare, progress=progress,
        )  # fmt: skip
    except TerrainError as error:
        raise ProjectError(Problem(project.path.name, "terrain", str(error))) from error


def check_ranges(project: Project, sites: Iterable[Site]) -> None:
    """ProjectError where a site or the radius leaves the model, which the command line may have chosen."""
    model = project.model
    low, high = MODEL_RANGE_MHZ[model.name]
    reach_km = MODEL_REACH_KM.get(model.name, math.inf)
    problems = []
    radii = {"model": model.radius_km, "interference": project.interference.radius_km or 0.0}
    for section, radius_km in radii.items():
        if radius_km > reach_km:
            fault = f"{radius_km:g} km is beyond the reach of {model.name}"
            remedy = f"give at most {reach_km:g} km or another model"
            problems.append(Problem(project.path.name, f"{section}, radius_km", fault, remedy))
    if model.name == "itm" and not ITM_N0[0] <= model.n0 <= ITM_N0[1]:
        fault = f"{model.n0:g} N-units is outside the range of itm"
        remedy = f"give {ITM_N0[0]:g} to {ITM_N0[1]:g} or another model"
        problems.append(Problem(project.path.name, "model, n0", fault, remedy))
    for site in dict.fromkeys(sites):
        frequency = site.frequency_mhz or model.frequency_mhz
        if not low <= frequency <= high:
            where = f'site "{site.id}", frequency_mhz'
            fault = f"{frequency:g} MHz is outside the range of {model.name}"
            remedy = f"give {low:g} to {high:g} MHz or another model"
            problems.append(Problem(project.sites_file.name, where, fault, remedy))
    if problems:
        raise ProjectError(problems)


def loss_settings(project: Project, frequency_mhz: float, receiver_height_m: float) -> LossSettings:
    model = project.model
    return LossSettings(
        model.name, frequency_mhz, model.radius_km, receiver_height_m, model.time_percent, model.polarization,
        model.delta_n, model.n0,
    )  # fmt: skip


def refractivity_maps(project: Project) -> dict[str, RefractivityMap]:
    """The user's copies of the ITU maps that the project names, by the setting they stand in for."""
    named = {"delta_n": (project.model.delta_n_map, 1.0, 156.0), "n0": (project.model.n0_map, 200.0, 500.0)}
    return {
        key: read_map(project.resolve(name), low, high)
        for key, (name, low, high) in named.items()
        if name is not None
    }


def terminal_height_m(project: Project) -> float:
    """One loss field serves all terminals: its height is the services' terminals' lowest."""
    return min(project.terminal(service.terminal).height_m for service in project.services)


def sigma_db(
    project: Project, ground: Ground, classes: np.ndarray, clutter_m: np.ndarray, height_m: float | None = None
) -> np.ndarray:
    """Standard deviation of the level about its predicted median, dB: model error and location variability.

    The model's error is the one stated for the clutter class where there is land cover, else the project's.
    height_m: of the terminal above ground; default: the one that the rasters are computed for.
    """
    height_m = terminal_height_m(project) if height_m is None else height_m
    if not project.landcover_files:
        error = np.full(len(ground.classes), project.model.model_error_db)
    else:
        error = np.array(
            [project.model.model_error_db if c.kind == "nodata" else c.model_error_db for c in ground.classes]
        )
    among_clutter = link.location_variability_db(project.model.frequency_mhz / 1000.0, ground.grid.resolution_m)
    # an antenna above the clutter sees less of it (P.1812 section 4.7)
    location = among_clutter * np.clip(1.0 - (height_m - clutter_m) / 10.0, 0.0, 1.0)
    return link.total_sigma_db(error[classes], location).astype(np.float32)


def pattern_of(project: Project, site: Site) -> Pattern:
    """A site's antenna at its electrical tilt: its file's, a described beam, or an omni with the vertical beam that
    its gain implies. `site.receiving` gives that of its receiver."""
    tilt = site.electrical_tilt_deg
    if not site.antenna:
        directive = site.gain_dbi > OMNI_DIRECTIVE_DBI
        return omni_pattern(site.gain_dbi, omni_beamwidth_deg(site.gain_dbi) if directive else None, tilt or 0.0)
    if site.antenna.startswith(BEAM_PREFIX):
        pattern = parse_beam(site.antenna)
    else:
        near_mhz = site.frequency_mhz or project.model.frequency_mhz
        pattern = read_pattern(project.antennas_folder / site.antenna, near_mhz)
    return pattern if tilt is None else pattern.tilted(tilt)


def chain_of(project: Project, ground: Ground, site: Site) -> SiteChain:
    """The radio chain of a site, with the man-made noise of the land cover it stands in."""
    row, col = ground.grid.rowcol(*ground.grid.from_lonlat(*site.antenna_lonlat))
    last_row, last_col = ground.grid.height - 1, ground.grid.width - 1
    here = ground.clutter_class[min(max(round(float(row)), 0), last_row), min(max(round(float(col)), 0), last_col)]
    return site_chain(project, site, ground.classes[int(here)].noise_environment)


def terminal_noise_db(project: Project, ground: Ground, terminal: Any) -> np.ndarray | None:
    """Rise of a terminal's threshold by man-made noise [dB] in each clutter class, (classes,) float32; None where
    its threshold stays as it is given."""
    rises = [terminal_noise(project, terminal, c.noise_environment) for c in ground.classes]
    return np.array([0.0 - rise[0].value for rise in rises], np.float32) if all(rises) and rises else None


def grid_north_deg(grid: Grid, site: Site) -> float:
    """Direction of true north on the grid at a site, degrees clockwise from its columns."""
    lon, lat = site.antenna_lonlat
    x0, y0 = grid.from_lonlat(lon, lat)
    x1, y1 = grid.from_lonlat(lon, lat + 1e-4)
    return math.degrees(math.atan2(x1 - x0, y1 - y0))
