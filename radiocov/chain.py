"""The radio chains of a site and of a terminal: each gain, loss and threshold, and where it comes from.

Gains count positive and losses negative, so that entries add up. What a receiver needs is split in two: its
threshold in thermal noise, and how much man-made noise raises it where it stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from radiocov.problems import Problem, ProjectError
from radiocov.propagation import building_entry, noise
from radiocov.site import Site

SPREAD_PERCENT = 84.134  # one standard deviation above the median


@dataclass(frozen=True)
class Entry:
    """A line of a chain; value in unit, with its sign."""

    term: str
    value: float
    unit: str
    source: str


def loss(term: str, value_db: float, source: str) -> Entry:
    """The line of a loss [dB, positive]."""
    return Entry(term, 0.0 - value_db, "dB", source)  # not the negative, which makes -0.00 of nothing


@dataclass(frozen=True)
class SiteChain:
    """transmit: from the transmitter to the antenna's maximum, adding up to eirp_dbm. receive: from the maximum of
    the receive antenna to the receiver's port. amplifier: what an amplifier at the antenna gains in sensitivity.
    threshold: what adds up to threshold_dbm, at the receiver's port in thermal noise. noise: rise by man-made
    noise, a loss."""

    transmit: tuple[Entry, ...]
    receive: tuple[Entry, ...]
    amplifier: tuple[Entry, ...]
    threshold: tuple[Entry, ...]
    noise: tuple[Entry, ...]
    diversity: Entry
    eirp_dbm: float
    receive_db: float  # gain, losses, amplifier and noise together
    threshold_dbm: float

    @property
    def needed_dbm(self) -> float:
        """Median level at the receiver's port [dBm] from which talk-in is served, man-made noise taken in."""
        return self.threshold_dbm - self.diversity.value - sum(entry.value for entry in self.noise)

    def talk_in_db(self, base: Any) -> float:
        """Gain of the way back [dB] against the threshold and the diversity of [base], which the network's rasters
        count with: the site's own differences are folded into it."""
        own = self.threshold_dbm - self.diversity.value
        return self.receive_db + ((base.threshold_dbm - base.diversity_gain_db) - own)


@dataclass(frozen=True)
class TerminalChain:
    """carry: antenna gain and the losses between the antenna in free space and the port. threshold and noise as of
    a site."""

    power: Entry
    gain: Entry
    carry: tuple[Entry, ...]
    threshold: tuple[Entry, ...]
    noise: tuple[Entry, ...]
    threshold_dbm: float


# ------------------------------------------------------------------------------------------------ a site
def site_chain(project: Any, site: Site, environment: str) -> SiteChain:
    """environment: man-made noise around the site, by land cover (`terrain.ground.NOISE_ENVIRONMENTS`).

    ProjectError where P.372 states no noise at the site's own frequency.
    """
    row = f"sites.csv, {site.id}"
    power = Entry("Site power", site.power_dbm, "dBm", row)
    gain = Entry("Site antenna gain", site.gain_dbi, "dBi", _antenna_source(site, row))
    feeder = _parts(project, site, row)
    lump = loss("Site losses (combiner, feeder)", site.losses_db, row)
    combiner = [loss("Combiner", site.combiner_db, row)] if site.combiner_db else []
    transmit = (power, *([*combiner, *feeder] if site.losses_summed else [lump]), gain)

    receiving = site.receiving
    rx_gain = gain if receiving.gain_dbi == site.gain_dbi else \
        Entry("Receive antenna gain", receiving.gain_dbi, "dBi", _antenna_source(receiving, row))
    if site.rx_losses_db is not None:
        losses = [loss("Receive losses", site.rx_losses_db, row)]
    else:
        losses = feeder if site.losses_summed else [lump]
    ahead_db = site.receive_losses_db
    figure_db, figure_from = _noise_figure(project, site, row)
    amplifier: tuple[Entry, ...] = ()
    system_db = ahead_db + figure_db  # noise figure at the antenna's port
    if site.tma_gain_db is not None and site.tma_noise_figure_db is not None:
        amplified_db = cascade_db(site.tma_gain_db, site.tma_noise_figure_db, system_db)
        amplifier = (Entry("Amplifier at the antenna, better sensitivity", system_db - amplified_db, "dB",
                           f"Friis: {site.tma_gain_db:g} dB, NF {site.tma_noise_figure_db:g} dB ({row}); "
                           f"receiver NF {figure_db:g} dB"),)
        system_db = amplified_db
    frequency_mhz = site.frequency_mhz or project.model.frequency_mhz
    try:
        rise = _noise_rise(project, project.base, environment, frequency_mhz, system_db, 0.0)
    except ValueError as error:
        raise ProjectError(Problem(project.sites.file, f'site "{site.id}", frequency_mhz', str(error),
                                   'give [base] threshold = "given"')) from error
    receive_db = receiving.gain_dbi - ahead_db
    for entry in (*amplifier, *rise):
        receive_db += entry.value
    threshold = _threshold(project.base, figure_db, figure_from, "project.toml, base")
    change_db = figure_db - project.base.noise_figure_db if project.base.threshold == "computed" else 0.0
    diversity = (Entry("Diversity gain", project.base.diversity_gain_db, "dB", "project.toml, base")
                 if site.rx_diversity_db is None else Entry("Diversity gain", site.rx_diversity_db, "dB", row))
    return SiteChain(
        transmit, (rx_gain, *losses), amplifier, threshold, rise, diversity, site.eirp_max_dbm, receive_db,
        project.base.threshold_dbm + change_db,
    )  # fmt: skip


def cascade_db(gain_db: float, noise_figure_db: float, behind_db: float) -> float:
    """Noise figure [dB] of an amplifier of gain_db and noise_figure_db [dB] with all that is behind_db [dB] after
    it (losses and receiver together): Friis, f = f_1 + (f_2 - 1) / g_1."""
    behind = (10.0 ** (0.1 * behind_db) - 1.0) / 10.0 ** (0.1 * gain_db)
    return 10.0 * math.log10(10.0 ** (0.1 * noise_figure_db) + behind)


def _parts(project: Any, site: Site, row: str) -> list[Entry]:
    """Of the losses that both directions pass, those that are there."""
    frequency = site.frequency_mhz or project.model.frequency_mhz
    table = project.sites.feeders or "radiocov's table of cables"
    cable = f"{site.feeder_length_m or 0:g} m of {site.feeder_type} at {frequency:g} MHz ({table}; {row})"
    named = (("Duplexer", site.duplexer_db, row), ("Feeder", site.feeder_db, cable),
             ("Jumpers and connectors", site.jumpers_db, row))
    return [loss(term, value, source) for term, value, source in named if value]


def _antenna_source(site: Site, row: str) -> str:
    return f"{row}; {site.antenna}" if site.antenna else row


def _noise_figure(project: Any, site: Site, row: str) -> tuple[float, str]:
    if site.rx_noise_figure_db is not None:
        return site.rx_noise_figure_db, row
    return project.base.noise_figure_db, _base_source(project.base, "noise_figure_db", "project.toml, base")


# -------------------------------------------------------------------------------------------- a terminal
def terminal_chain(project: Any, terminal: Any, environment: str) -> TerminalChain:
    """environment: man-made noise around the terminal, by land cover."""
    source = f"project.toml, terminals, {terminal.id}"
    parts = [(name, value) for name, value in (("Cable loss", terminal.cable_loss_db),
                                               ("Body and antenna loss", terminal.body_loss_db),
                                               ("Vehicle loss", terminal.vehicle_loss_db)) if value]
    if not parts:
        parts = [("Carry loss (antenna, body, vehicle)", terminal.carry_loss_db)]
    figure_from = _base_source(terminal, "noise_figure_db", source)
    return TerminalChain(
        Entry("Terminal power", terminal.power_dbm, "dBm", source),
        Entry("Terminal antenna gain", terminal.antenna_gain_dbi, "dBi", source),
        tuple(loss(name, value, source) for name, value in parts),
        _threshold(terminal, terminal.noise_figure_db, figure_from, source),
        terminal_noise(project, terminal, environment),
        terminal.threshold_dbm,
    )


def terminal_noise(project: Any, terminal: Any, environment: str) -> tuple[Entry, ...]:
    """The rise of a terminal's threshold by man-made noise; nothing where its threshold does not ask for it."""
    return _noise_rise(project, terminal, environment, project.model.frequency_mhz, terminal.noise_figure_db,
                       terminal.noise_loss_db)


# ------------------------------------------------------------------------------------------ receivers, walls
def noise_environment(project: Any, landcover: str) -> str:
    """The curve of P.372 for a place, by the noise environment of its land cover and the project's [noise]."""
    named = project.noise.environment
    named = landcover if named == "landcover" else named
    return project.noise.city if named == "city" else named


def _noise_rise(
    project: Any, receiver: Any, environment: str, frequency_mhz: float, figure_db: float, ahead_db: float
) -> tuple[Entry, ...]:
    if receiver.threshold == "given":
        return ()
    curve = noise_environment(project, environment)
    rise = float(noise.noise_rise_db(frequency_mhz, curve, figure_db, ahead_db))
    external = float(noise.man_made_noise_figure_db(frequency_mhz, curve))
    source = (f"P.372 {curve}: F_am {external:.1f} dB at {frequency_mhz:g} MHz over a noise figure of "
              f"{figure_db + ahead_db:.1f} dB")
    return (loss("Man-made noise, rise of the threshold", rise, source),)


def _threshold(receiver: Any, figure_db: float, figure_from: str, source: str) -> tuple[Entry, ...]:
    """What adds up to a receiver's threshold in thermal noise."""
    if receiver.threshold != "computed":
        return (Entry("Threshold", receiver.threshold_dbm, "dBm", _base_source(receiver, "threshold_dbm", source)),)
    bandwidth = receiver.noise_bandwidth_hz
    return (
        Entry("Thermal noise k T0 b", noise.thermal_noise_dbm(bandwidth), "dBm",
              f"290 K, {bandwidth:g} Hz ({_base_source(receiver, 'noise_bandwidth_hz', source)})"),
        Entry("Receiver noise figure", figure_db, "dB", figure_from),
        Entry("Required faded C/(I+N)", receiver.required_cn_db, "dB",
              _base_source(receiver, "required_cn_db", source)),
    )


def _base_source(section: Any, key: str, source: str) -> str:
    return source if key in section.model_fields_set else f"default of {key}"


def building_entry_db(service: Any, frequency_mhz: float) -> tuple[float, float]:
    """(median loss into the service's buildings, its spread) [dB] by P.2109 for level paths; (0, 0) outdoors.

    The loss is no normal variable; its spread is what one standard deviation adds to the median on the side of the
    larger losses, which decides a probability of more than one half.
    """
    if service.indoor == "none":
        return 0.0, 0.0
    median, above = (float(building_entry.building_entry_loss(frequency_mhz, percent, service.indoor))
                     for percent in (50.0, SPREAD_PERCENT))
    return median, above - median
