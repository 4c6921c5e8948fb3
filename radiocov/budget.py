"""The link budget of a site and a terminal in both directions, term by term, and what loss it allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radiocov import link
from radiocov.chain import Entry, SiteChain, TerminalChain, building_entry_db, loss
from radiocov.link import Direction, service_probability
from radiocov.propagation.building_entry import normal_quantile


@dataclass(frozen=True)
class BudgetTerm:
    """A line of a budget. Contributions carry their sign and add up; a total is the sum of those above it
    (the threshold, a contribution with its sign turned, takes the level to the margin)."""

    term: str
    value: float
    unit: str
    source: str
    is_total: bool = False


@dataclass(frozen=True)
class Budget:
    """The budget of one direction, and what it comes to. path_db: everything between the antennas, as a loss:
    patterns, basic transmission loss, walls."""

    direction: Direction
    terms: tuple[BudgetTerm, ...]
    path_db: float
    level_dbm: float  # median at the receiver's port
    margin_db: float
    sigma_db: float
    probability: float

    def allowed_loss_db(self, probability: float = 0.5) -> float:
        """The most that may lie between the antennas [dB], patterns and walls included, for a service probability
        above 0 and below 1: the reliability margin sigma * z(probability) comes off once, here."""
        return self.path_db + self.margin_db - self.sigma_db * float(normal_quantile(probability))

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"direction": self.direction, "level_dbm": self.level_dbm, "margin_db": self.margin_db,
                "sigma_db": self.sigma_db, "probability": self.probability,
                "terms": [{"term": t.term, "value": t.value, "unit": t.unit, "source": t.source,
                           "is_total": t.is_total} for t in self.terms]}


@dataclass(frozen=True)
class LinkPath:
    """What lies between a site and a terminal [dB], with its sources. attenuation_db: of the antenna towards the
    terminal, transmitting and receiving, None where the loss contains it; loss_db: basic transmission loss from and
    to the site; walls: median building entry loss, None outdoors; sigma_db: of the outdoor prediction and the walls
    together."""

    attenuation_db: tuple[float, float] | None
    loss_db: tuple[float, float]
    sigma_db: float
    patterns: tuple[str, str]
    loss_source: str
    sigma_source: str
    walls: Entry | None = None


def budgets(site: SiteChain, terminal: TerminalChain, path: LinkPath) -> tuple[Budget, Budget]:
    """(talk-out, talk-in) between a site and a terminal, line by line."""
    between = [_between(path, way) for way in (0, 1)]
    carried = [terminal.gain, *terminal.carry]
    talk_out = _budget("talk-out", [
        *site.transmit,
        "EIRP of the maximum",
        *between[0],
        "Level at an isotropic antenna",
        *carried,
        "Level at the terminal's port",
        *terminal.noise,
        *_turned(terminal.threshold),
    ], path, between[0])
    talk_in = _budget("talk-in", [
        terminal.power,
        *reversed(carried),
        "EIRP",
        *reversed(between[1]),
        *site.receive,
        "Level at the site's port",
        *site.amplifier,
        *site.noise,
        *_turned(site.threshold),
        site.diversity,
    ], path, between[1])
    return talk_out, talk_in


def _between(path: LinkPath, way: int) -> list[Entry]:
    term = "Basic transmission loss" if path.attenuation_db else "Path loss, antenna pattern included"
    entries = [loss(term, path.loss_db[way], path.loss_source)]
    if path.attenuation_db:
        antenna = path.patterns[way]
        named = "Antenna pattern (omni)" if antenna == "omni" else "Antenna pattern towards the terminal"
        entries.insert(0, loss(named, path.attenuation_db[way], antenna))
    return entries + ([path.walls] if path.walls else [])


def _turned(threshold: Sequence[Entry]) -> list[Entry]:
    return [Entry(f"{e.term}, turned", -e.value, e.unit, e.source) for e in threshold]


def _budget(direction: Direction, rows: Sequence[Entry | str], path: LinkPath, between: Sequence[Entry]) -> Budget:
    """Run the sum through the rows; a name alone asks for the total so far."""
    total = 0.0
    level = math.nan
    terms = []
    for row in rows:
        if isinstance(row, str):
            level = total  # the last one asked for is the level at the port
            terms.append(BudgetTerm(row, total, "dBm", "sum", is_total=True))
        else:
            total += row.value
            terms.append(BudgetTerm(row.term, row.value, row.unit, row.source))
    probability = float(service_probability(total, path.sigma_db))
    terms += [
        BudgetTerm("Margin of the median", total, "dB", "sum", is_total=True),
        BudgetTerm("Spread (sigma)", path.sigma_db, "dB", path.sigma_source, is_total=True),
        BudgetTerm("Service probability", probability, "", "Phi(margin / sigma)", is_total=True),
    ]
    lost = -sum(entry.value for entry in between)
    return Budget(direction, tuple(terms), lost, level, total, path.sigma_db, probability)


# ------------------------------------------------------------------------------------- a site and a service
@dataclass(frozen=True)
class Balance:
    """What the budgets of a service come to. Losses [dB] are outdoor ones, patterns included, as (talk-out, talk-in):
    allowed at the median, and at the service's probability; limiting: the direction that allows less, "balanced"
    within 0.05 dB."""

    allowed_median_db: tuple[float, float]
    allowed_db: tuple[float, float]
    excess_db: float  # of talk-out over talk-in
    limiting: str

    def limit_db(self, direction: Direction) -> float:
        """Loss that a service in this direction allows at its probability."""
        talk_out, talk_in = self.allowed_db
        return {"talk-out": talk_out, "talk-in": talk_in, "both": min(talk_out, talk_in)}[direction]


def balance(pair: tuple[Budget, Budget], probability: float, walls_db: float = 0.0) -> Balance:
    """walls_db: what of the allowed loss the building takes [dB]."""
    median, wanted = (tuple(b.allowed_loss_db(p) - walls_db for b in pair) for p in (0.5, probability))
    excess = median[0] - median[1]
    limiting = "balanced" if abs(excess) < 0.05 else "talk-in" if excess > 0 else "talk-out"
    return Balance(median, wanted, excess, limiting)


def outdoor_sigma_db(project: Any, model_error_db: float, clutter_m: float, height_m: float) -> float:
    """Standard deviation [dB] outdoors of an uncalibrated model: its error and the location variability of P.1812 at
    height_m among clutter_m [m] (as `coverage.setup.sigma_db` has it for rasters)."""
    location = link.location_variability_db(project.model.frequency_mhz / 1000.0, project.grid.resolution_m)
    location *= float(np.clip(1.0 - (height_m - clutter_m) / 10.0, 0.0, 1.0))
    return float(link.total_sigma_db(model_error_db, location))


def walls_of(service: Any, frequency_mhz: float) -> tuple[Entry | None, float]:
    """(median building entry loss of a service or None outdoors, its spread [dB])."""
    median, spread = building_entry_db(service, frequency_mhz)
    if not median:
        return None, 0.0
    source = f"P.2109 {service.indoor}, {frequency_mhz:g} MHz, median"
    return loss("Building entry loss", median, source), spread
