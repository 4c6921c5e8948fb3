"""One path of a project: its profile, the model's loss term by term, and the link budget in both directions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radiocov import __version__, link
from radiocov.budget import Budget, LinkPath, budgets, walls_of
from radiocov.chain import terminal_chain
from radiocov.compliance import terrain_words
from radiocov.coverage.setup import (
    chain_of,
    grid_north_deg,
    pattern_of,
    read_ground,
    refractivity_maps,
    sigma_db,
    terminal_height_m,
)
from radiocov.coverage.store import MODELS
from radiocov.inputs import Inputs
from radiocov.network import Site
from radiocov.pathloss import model_loss
from radiocov.problems import Problem, ProjectError, did_you_mean
from radiocov.propagation import p1812
from radiocov.propagation.p1812_formulas import effective_earth_radius_km, wavelength_m
from radiocov.propagation.p1812_terms import Term
from terrain.grid import Grid
from terrain.ground import Ground
from terrain.profile import Profile, profile

NEAREST_M = 1.0  # closer than this a site and a point are the same place

@dataclass(frozen=True, eq=False)
class Sight:
    """What stands in the way, as P.1812 sees it. Distances km from the site; heights m over the chord of the
    effective Earth: heights above sea level and the bulge ``500 d (D - d) / a_e``, so that rays are straight."""

    effective_radius_km: float
    wavelength_m: float
    bulge_m: np.ndarray  # at the profile's points
    clear: bool  # nothing reaches into the straight line between the antennas
    edge_km: float | None  # Bullington point, or in line of sight the point that comes nearest; None without points
    edge_m: float
    edge_nu: float
    horizons_km: tuple[float, float] | None  # of the site and of the terminal, over bare ground
    horizons_m: tuple[float, float]


@dataclass(frozen=True, eq=False)
class PathView:
    """Everything there is to say about one path."""

    site: Site
    terminal: Any
    lon: float
    lat: float
    model: str
    frequency_mhz: float
    geometry: dict[str, float]
    profile: Profile
    clutter_name: str
    sight: Sight
    loss_db: float
    terms: dict[str, Any]  # by symbol
    table: dict[str, Term]  # unit, section and meaning of each
    budgets: tuple[Budget, Budget]  # talk-out, talk-in
    services: list[dict[str, Any]]
    origin: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    @property
    def distance_km(self) -> np.ndarray:
        return self.profile.distance_m / 1000.0

    @property
    def tx_m(self) -> float:
        """Site's antenna above sea level."""
        return float(self.profile.elevation_m[0]) + self.site.antenna_height_m

    @property
    def rx_m(self) -> float:
        """Terminal's antenna above sea level."""
        return float(self.profile.elevation_m[-1]) + self.terminal.height_m

    def to_dict(self) -> dict[str, Any]:
        """For `--json`: what is not a finite number is null."""
        sight = self.sight
        return {
            "from": {"site": self.site.id, "name": self.site.name, "longitude": self.site.antenna_lonlat[0],
                     "latitude": self.site.antenna_lonlat[1], "status": self.site.status},
            "to": {"longitude": self.lon, "latitude": self.lat, "terminal": self.terminal.id,
                   "clutter": self.clutter_name},
            "model": self.model,
            "frequency_mhz": self.frequency_mhz,
            "geometry": self.geometry,
            "basic_transmission_loss_db": self.loss_db,
            "terms": {symbol: _plain(value) for symbol, value in self.terms.items()},
            "units": {symbol: self.table[symbol].unit for symbol in self.terms},
            "line_of_sight": sight.clear,
            "edge": None if sight.edge_km is None
            else {"distance_km": sight.edge_km, "nu": _plain(sight.edge_nu), "bullington_point": not sight.clear},
            "budgets": [budget.to_dict() for budget in self.budgets],
            "services": self.services,
            "profile": {
                "distance_km": self.distance_km.tolist(), "height_m": self.profile.elevation_m.tolist(),
                "clutter_m": self.profile.clutter_height_m.tolist(), "zone": self.profile.zone.tolist(),
            },
            "origin": self.origin,
            "warnings": self.warnings,
        }  # fmt: skip


def view_path(inputs: Inputs, site: str, lon: float, lat: float, terminal: str | None = None) -> PathView:
    """The path from a site (its id, or its name) to a place in WGS 84 degrees, with the project's model.

    terminal: id of a terminal; default: that of the first service. ProjectError for an unknown site or terminal,
    a place outside the project's grid, the site's own place, and what the model refuses.
    """
    project = inputs.project
    chosen, carried = find_site(inputs.sites, site), _find_terminal(project, terminal)
    ground = read_ground(inputs)
    site_lon, site_lat = chosen.antenna_lonlat
    x0, y0 = _place(ground.grid, site_lon, site_lat, f"--from {chosen.id}", "the site")
    x1, y1 = _place(ground.grid, lon, lat, "--to", "the point")
    if math.hypot(x1 - x0, y1 - y0) < NEAREST_M:
        raise ProjectError(Problem("--to", "", f"is the place of site {chosen.id} itself", "choose another point"))
    line = profile(ground, x0, y0, x1, y1, ground.grid.resolution_m)
    d = line.distance_m / 1000.0
    frequency_mhz = chosen.frequency_mhz or project.model.frequency_mhz
    mapped = {key: found.at(site_lon, site_lat) for key, found in refractivity_maps(project).items()}
    model = project.model.model_copy(update=mapped)
    here = ground.classes[int(line.clutter_class[-1])]
    receiving = chosen.receiving
    along = line, d, frequency_mhz, lon, lat, ground, here
    try:
        loss, terms, table, warnings = model_loss(model, chosen, carried, *along)
        same = receiving.antenna_height_m == chosen.antenna_height_m
        heard = loss if same else model_loss(model, receiving, carried, *along)[0]
    except ProjectError:
        raise
    except ValueError as error:
        raise ProjectError(Problem(project.path.name, f"from {chosen.id} to {lon:g},{lat:g}", str(error))) from error
    geometry = _geometry(ground.grid, chosen, carried, line)
    pair = _budgets(project, ground, chosen, carried, line, (loss, heard))
    return PathView(
        chosen, carried, lon, lat, model.name, frequency_mhz, geometry, line, here.name,
        _sight(model.delta_n, chosen, carried, line, d, frequency_mhz), loss, terms, table, pair,
        _services(project, carried, pair), _origin(project, ground),
        _remarks(project, chosen, carried, d) + warnings,
    )  # fmt: skip


def find_site(sites: list[Site], wanted: str, option: str = "--from") -> Site:
    """A site by its id, else by its name where only one has it. ProjectError with the nearest id otherwise."""
    found = [s for s in sites if s.id == wanted] or [s for s in sites if s.name == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(s.id for s in found)
        raise ProjectError(Problem(option, "", f'"{wanted}" is the name of several sites', f"give one of {ids}"))
    known = [*(s.id for s in sites), *(s.name for s in sites if s.name != s.id)]
    hint = did_you_mean(wanted, known)
    if not hint.startswith("did") and len(sites) > 12:
        hint = f"sites.csv has {len(sites)} sites, {sites[0].id} to {sites[-1].id}"
    raise ProjectError(Problem(option, "", f'there is no site "{wanted}"', hint))


def _find_terminal(project: Any, wanted: str | None) -> Any:
    if wanted is None:
        return project.terminal(project.services[0].terminal)
    for terminal in project.terminals:
        if terminal.id == wanted:
            return terminal
    hint = did_you_mean(wanted, [t.id for t in project.terminals])
    raise ProjectError(Problem("--terminal", "", f'there is no terminal "{wanted}"', hint))


def _place(grid: Grid, lon: float, lat: float, option: str, what: str) -> tuple[float, float]:
    x, y = (float(v) for v in grid.from_lonlat(lon, lat))
    if grid.contains(x, y):
        return x, y
    west, south, east, north = grid.lonlat_bounds()
    bounds = f"(longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f})"
    exchanged = grid.contains(*grid.from_lonlat(lat, lon))
    remedy = "give the longitude first" if exchanged else "choose a point within it, or enlarge [grid]"
    message = f"{what} at {lon:g},{lat:g} is outside the project's grid {bounds}"
    raise ProjectError(Problem(option, "", message, remedy))


# --- geometry ----------------------------------------------------------------------------------------------


def _geometry(grid: Grid, site: Site, terminal: Any, line: Profile) -> dict[str, float]:
    dx, dy = float(line.x[-1] - line.x[0]), float(line.y[-1] - line.y[0])
    on_grid = math.degrees(math.atan2(dx, dy))
    north = grid_north_deg(grid, site)
    distance_m = float(line.distance_m[-1])
    rise = float(line.elevation_m[-1]) + terminal.height_m - float(line.elevation_m[0]) - site.antenna_height_m
    return {
        "distance_km": distance_m / 1000.0,
        "azimuth_deg": (on_grid - north) % 360.0,
        "elevation_deg": math.degrees(math.atan2(rise, distance_m)),
        "site_ground_m": float(line.elevation_m[0]),
        "site_antenna_m": float(line.elevation_m[0]) + site.antenna_height_m,
        "point_ground_m": float(line.elevation_m[-1]),
        "terminal_antenna_m": float(line.elevation_m[-1]) + terminal.height_m,
        "points": line.distance_m.size,
        "step_m": distance_m / (line.distance_m.size - 1),
    }


def _sight(
    delta_n: float, site: Site, terminal: Any, line: Profile, d: np.ndarray, frequency_mhz: float
) -> Sight:
    h, clutter = line.elevation_m, line.clutter_height_m.copy()
    clutter[0] = clutter[-1] = 0.0
    tx, rx = h[0] + site.antenna_height_m, h[-1] + terminal.height_m
    radius, wave = effective_earth_radius_km(delta_n), wavelength_m(frequency_mhz / 1000.0)
    c = 500.0 / radius
    bulge = c * d * (d[-1] - d)
    inside = d.size > 2
    nu, edge_km, edge_m, beyond = p1812.profile_edge(d, h + clutter, tx, rx, c, wave)
    lt, lr, *_ = p1812.horizons(d, h, tx, rx, radius, wave)
    marks = (lt, lr) if lt > 0 else None
    return Sight(
        radius, wave, bulge, not beyond, edge_km if inside else None, edge_m, nu,
        None if marks is None else tuple(float(d[i]) for i in marks),
        (math.nan, math.nan) if marks is None else tuple(float(h[i] + bulge[i]) for i in marks),
    )  # fmt: skip


# --- budget ------------------------------------------------------------------------------------------------


def _budgets(
    project: Any, ground: Ground, site: Site, terminal: Any, line: Profile, losses: tuple[float, float]
) -> tuple[Budget, Budget]:
    def attenuation(antenna: Site) -> float:
        towards = _geometry(ground.grid, antenna, terminal, line)
        off = towards["azimuth_deg"] - antenna.azimuth_deg
        return float(pattern_of(project, antenna).attenuation_db(
            off, towards["elevation_deg"], antenna.tilt_deg, project.sites.pattern_method))

    ends = site, site.receiving
    kind = line.clutter_class[-1:]
    here = ground.classes[int(kind[0])]
    sigma = float(sigma_db(project, ground, kind, line.clutter_height_m[-1:], terminal.height_m)[0])
    stated = here.name if project.landcover_files else "project.toml, model"
    path = LinkPath(
        tuple(attenuation(end) for end in ends), losses, sigma, tuple(end.antenna or "omni" for end in ends),
        MODELS[project.model.name][0], f"model error ({stated}) and location variability",
    )  # fmt: skip
    return budgets(chain_of(project, ground, site), terminal_chain(project, terminal, here.noise_environment), path)


def _services(project: Any, terminal: Any, pair: tuple[Budget, Budget]) -> list[dict[str, Any]]:
    """The services of the terminal, indoor ones behind their walls: margin and probability in the direction that
    each asks for."""
    found = []
    for service in project.services:
        if service.terminal != terminal.id:
            continue
        walls, spread = walls_of(service, project.model.frequency_mhz)
        margin = float(link.service_margin_db(service.direction, pair[0].margin_db, pair[1].margin_db))
        margin += walls.value if walls else 0.0
        probability = float(link.service_probability(margin, link.total_sigma_db(pair[0].sigma_db, spread)))
        found.append({
            "id": service.id, "direction": service.direction, "margin_db": margin, "probability": probability,
            "required": service.probability, "served": probability >= service.probability,
            **({"indoor": service.indoor, "building_entry_loss_db": -walls.value} if walls else {}),
        })  # fmt: skip
    return found


def _origin(project: Any, ground: Ground) -> dict[str, Any]:
    return {
        "model": MODELS[project.model.name][0],
        "resolution_m": ground.grid.resolution_m,
        "terrain": terrain_words(ground.provenance),
        "synthetic": ground.synthetic,
        "calibration": None,
        "radiocov": __version__,
    }


def origin_line(view: PathView) -> str:
    """Where the figures come from, in one line of English."""
    o = view.origin
    kind = "SYNTHETIC terrain" if o["synthetic"] else "terrain"
    return (
        f"{o['model']} at {view.frequency_mhz:g} MHz, not calibrated; {kind}: {o['terrain']}, "
        f"{o['resolution_m']:g} m pixels; radiocov {o['radiocov']}"
    )


def _remarks(project: Any, site: Site, terminal: Any, d: np.ndarray) -> list[str]:
    found = []
    if site.status == "candidate":
        found.append(f"{site.id} is a candidate and counts in no state of the network")
    if d[-1] > project.model.radius_km:
        found.append(
            f"the point is {d[-1]:.1f} km away; the map ends at radius_km = {project.model.radius_km:g} and has no "
            f"level of {site.id} there"
        )
    height = terminal_height_m(project)
    if terminal.height_m != height:
        found.append(
            f"the map is computed for terminals at {height:g} m, this path for {terminal.id} at "
            f"{terminal.height_m:g} m"
        )
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
