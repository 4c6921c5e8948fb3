"""Link budgets of sites and services: at the edge of what they allow, or at a distance over level ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from radiocov import __version__, link
from radiocov.budget import Balance, Budget, LinkPath, balance, budgets, outdoor_sigma_db, walls_of
from radiocov.chain import SiteChain, site_chain, terminal_chain
from radiocov.coverage.setup import chain_of, pattern_of, read_ground
from radiocov.coverage.store import MODELS
from radiocov.inputs import Inputs
from radiocov.pathloss import model_loss
from radiocov.pathview import find_site
from radiocov.problems import Problem, ProjectError, did_you_mean
from radiocov.site import Site
from terrain.ground import INLAND

NO_CLUTTER = "rural"  # environment of man-made noise where nothing says another


@dataclass(frozen=True)
class BudgetView:
    """Budgets of one site and one service. walls_db: median building entry loss; 0 outdoors."""

    site: Site
    service: Any
    terminal: Any
    pair: tuple[Budget, Budget]  # talk-out, talk-in
    balance: Balance
    walls_db: float
    eirp_dbm: float

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        def ways(values: tuple[float, float]) -> dict[str, float]:
            return dict(zip(("talk_out", "talk_in"), values, strict=True))

        b = self.balance
        return {
            "site": self.site.id, "service": self.service.id, "terminal": self.terminal.id,
            "direction": self.service.direction, "probability": self.service.probability,
            "indoor": self.service.indoor, "eirp_dbm": self.eirp_dbm, "sigma_db": self.pair[0].sigma_db,
            "building_entry_loss_db": self.walls_db, "allowed_loss_median_db": ways(b.allowed_median_db),
            "allowed_loss_db": ways(b.allowed_db), "talk_out_excess_db": b.excess_db, "limiting": b.limiting,
            "limit_db": b.limit_db(self.service.direction), "budgets": [budget.to_dict() for budget in self.pair],
        }  # fmt: skip


@dataclass(frozen=True)
class BudgetViews:
    """All that was asked for, and what it rests on, in a line of English."""

    views: list[BudgetView]
    origin: str


def view_budgets(
    inputs: Inputs, site: str | None = None, service: str | None = None, clutter: str | None = None,
    distance_km: float | None = None, progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> BudgetViews:  # fmt: skip
    """Budgets of a site (its id or name) or all, for a service or all.

    clutter: class of the legend around the terminal: its clutter height, stated error and man-made noise; without,
    bare ground, the project's model error and rural noise. distance_km: the loss is the model's over level ground of
    that clutter; without, it is the most that the service allows at its probability. ProjectError for names that
    are not there and what the model refuses.
    """
    project = inputs.project
    sites = inputs.sites if site is None else [find_site(inputs.sites, site, "--site")]
    around = None if clutter is None else _clutter(project, clutter)
    chains = _chains(inputs, sites, progress)
    found = [_view(project, s, asked, around, distance_km, chains[s.id])
             for s in sites for asked in _services(project, service)]
    noise = project.noise.environment if project.noise.environment != "landcover" else NO_CLUTTER
    clutter_words = f"terminal in {around.name}" if around else f"no clutter named: bare ground, {noise} noise"
    origin = (f"{project.project.name}: {project.model.frequency_mhz:g} MHz, {clutter_words}; losses include antenna "
              f"patterns, and walls come off them; not calibrated; radiocov {__version__}")
    return BudgetViews(found, origin)


def _services(project: Any, wanted: str | None) -> list[Any]:
    if wanted is None:
        return project.services
    found = [service for service in project.services if service.id == wanted]
    if not found:
        hint = did_you_mean(wanted, [service.id for service in project.services])
        raise ProjectError(Problem("--service", "", f'there is no service "{wanted}"', hint))
    return found


def _clutter(project: Any, wanted: str) -> Any:
    from terrain.errors import TerrainError
    from terrain.legend import read_legend

    try:
        classes = read_legend(project.legend)
    except TerrainError as error:
        raise ProjectError(Problem(project.path.name, "terrain.legend", str(error))) from error
    found = [c for c in classes if c.name == wanted]
    if not found:
        hint = did_you_mean(wanted, [c.name for c in classes])
        raise ProjectError(Problem("--clutter", "", f'the legend has no class "{wanted}"', hint))
    return found[0]


def _chains(
    inputs: Inputs, sites: list[Site], progress: Callable[[str, int, int], None]
) -> dict[str, SiteChain]:
    """The sites' radio chains; the ground is read only where their noise depends on it."""
    project = inputs.project
    by_landcover = project.base.threshold != "given" and project.noise.environment == "landcover"
    if not by_landcover or not project.landcover_files:
        return {site.id: site_chain(project, site, NO_CLUTTER) for site in sites}
    ground = read_ground(inputs, progress)
    return {site.id: chain_of(project, ground, site) for site in sites}


def _view(
    project: Any, site: Site, service: Any, clutter: Any, distance_km: float | None, chain: SiteChain
) -> BudgetView:
    terminal = project.terminal(service.terminal)
    stated, height_m, environment = (project.model.model_error_db, 0.0, NO_CLUTTER) if clutter is None else (
        clutter.model_error_db, clutter.height_m, clutter.noise_environment)
    walls, spread = walls_of(service, project.model.frequency_mhz)
    sigma = float(link.total_sigma_db(outdoor_sigma_db(project, stated, height_m, terminal.height_m), spread))
    sigma_source = (f"model error {stated:g} dB ({'project.toml, model' if clutter is None else clutter.name}), "
                    f"location variability{', walls' if walls else ''}")
    terminal_end = terminal_chain(project, terminal, environment)

    ends = site, site.receiving
    patterns = tuple(end.antenna or "omni" for end in ends)

    def at(losses: tuple[float, float], off: tuple[float, float] | None, source: str) -> Any:
        path = LinkPath(off, losses, sigma, patterns, source, sigma_source, walls)
        return budgets(chain, terminal_end, path)

    walls_db = -walls.value if walls else 0.0
    found = balance(at((0.0, 0.0), None, ""), service.probability, walls_db)
    if distance_km is None:
        limit = found.limit_db(service.direction)
        source = f"the most that {service.direction} allows at {100 * service.probability:g} %"
        source = source.replace("both allows", "both directions allow")
        pair = at((limit, limit), None, source)
    else:
        losses = tuple(_level_ground_db(project, end, terminal, clutter, distance_km) for end in ends)
        off = tuple(_attenuation_db(project, end, terminal, distance_km) for end in ends)
        source = f"{MODELS[project.model.name][0]}, {distance_km:g} km of level ground"
        pair = at(losses, off, source)
    return BudgetView(site, service, terminal, pair, found, walls_db, chain.eirp_dbm)


def _attenuation_db(project: Any, site: Site, terminal: Any, distance_km: float) -> float:
    """Of the antenna's pattern [dB] in its own azimuth, towards a terminal on level ground."""
    down = np.degrees(np.arctan2(site.antenna_height_m - terminal.height_m, 1000.0 * distance_km))
    pattern = pattern_of(project, site)
    return float(pattern.attenuation_db(0.0, -down, site.tilt_deg, project.sites.pattern_method))


def _level_ground_db(project: Any, site: Site, terminal: Any, clutter: Any, distance_km: float) -> float:
    """Basic transmission loss [dB] over level ground with the clutter's height all along, by the project's model."""
    steps = max(2, round(1000.0 * distance_km / project.grid.resolution_m))
    d = np.linspace(0.0, distance_km, steps + 1)
    surface = all(source.surface for source in project.terrain.all_sources)  # the clutter is in the heights
    height_m = 0.0 if clutter is None or surface else clutter.height_m
    line = SimpleNamespace(
        distance_m=1000.0 * d, elevation_m=np.zeros(d.size), clutter_height_m=np.full(d.size, height_m),
        zone=np.full(d.size, INLAND, np.uint8))
    ground = SimpleNamespace(grid=project.grid)
    around = clutter or SimpleNamespace(kind="open", height_m=0.0)
    frequency_mhz = site.frequency_mhz or project.model.frequency_mhz
    lon, lat = site.antenna_lonlat
    try:
        return model_loss(project.model, site, terminal, line, d, frequency_mhz, lon, lat, ground, around)[0]
    except ValueError as error:
        raise ProjectError(Problem("--distance", "", str(error))) from error
