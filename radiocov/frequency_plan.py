"""The frequency plan of a network: carriers, which sites share one, and what does not fit together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radiocov.site import Site

Report = Callable[..., None]  # position in the list of sites, column, message, remedy and perhaps "warning"
MOST_SHARED = 3  # carriers that are named


@dataclass(frozen=True)
class Frequencies:
    """The frequency plan of the newest state: sites with carriers and without; carriers; pairs of sites that share
    one, those of one simulcast group left out; the carriers that most sites share, (MHz, their ids)."""

    sites: int
    without: int
    carriers: int
    sharing_pairs: int
    simulcast_pairs: int
    shared: tuple[tuple[float, tuple[str, ...]], ...]


def carriers_hz(site: Site) -> tuple[int, ...]:
    """Talk-out carriers of a site: its channels, else its frequency_mhz; none where the row has neither."""
    named = site.channels or ((site.frequency_mhz,) if site.frequency_mhz is not None else ())
    return tuple(round(mhz * 1e6) for mhz in named)


def overlap(a_hz: int, b_hz: int, width_khz: float) -> bool:
    """Whether two channels have spectrum in common; neighbours in the raster have not."""
    return abs(a_hz - b_hz) < round(width_khz * 1000.0)


def sharing_pairs(sites: Sequence[Site], width_khz: float) -> set[tuple[int, int]]:
    """Pairs of positions in a list of sites that share a carrier, the smaller first."""
    plan = sorted((hz, at) for at, site in enumerate(sites) for hz in carriers_hz(site))
    pairs: set[tuple[int, int]] = set()
    first = 0
    for n, (hz, at) in enumerate(plan):
        while not overlap(plan[first][0], hz, width_khz):
            first += 1
        pairs |= {(min(at, other), max(at, other)) for _, other in plan[first:n] if other != at}
    return pairs


def sharing_sites(sites: Sequence[Site], width_khz: float) -> list[Site]:
    """The sites that share a carrier with another one."""
    there = {at for pair in sharing_pairs(sites, width_khz) for at in pair}
    return [site for at, site in enumerate(sites) if at in there]


def frequencies_of(sites: Sequence[Site], width_khz: float) -> Frequencies:
    """What a network shares of its carriers, channels being width_khz wide."""
    pairs = sharing_pairs(sites, width_khz)
    simulcast = sum(sites[a].simulcast == sites[b].simulcast != "" for a, b in pairs)
    users: dict[int, list[str]] = {}
    for site in sites:
        for hz in carriers_hz(site):
            users.setdefault(hz, []).append(site.id)
    shared = sorted((-len(ids), hz) for hz, ids in users.items() if len(ids) > 1)
    planned = sum(bool(carriers_hz(site)) for site in sites)
    return Frequencies(planned, len(sites) - planned, len(users), len(pairs) - simulcast, simulcast,
                       tuple((hz / 1e6, tuple(users[hz])) for _, hz in shared[:MOST_SHARED]))


def check_plan(sites: Sequence[Site], report: Report) -> None:
    """Simulcast groups that are none, delays without a group, a frequency that is no channel of its site."""
    groups: dict[str, list[int]] = {}
    for at, site in enumerate(sites):
        if site.simulcast:
            groups.setdefault(site.simulcast, []).append(at)
        elif site.launch_delay_us is not None:
            report(at, "launch_delay_us", "counts for nothing in a site of no simulcast group",
                   "name its group in the column simulcast, or empty the cell", "warning")
        if site.channels and site.frequency_mhz is not None and site.frequency_mhz not in site.channels:
            report(at, "frequency_mhz",
                   f"{site.frequency_mhz:.10g} MHz is none of the site's channels: it decides the loss alone",
                   "add it to the channels, or empty the cell", "warning")
    for name, members in groups.items():
        first = sites[members[0]]
        if len(members) == 1:
            report(members[0], "simulcast", f'"{name}" is a group of this site alone',
                   "name two sites or more alike, or empty the cell", "warning")
        for at in members[1:]:
            if set(carriers_hz(sites[at])) != set(carriers_hz(first)):
                report(at, "simulcast", f'"{name}" has other carriers here ({_in_mhz(sites[at])}) than in '
                       f'"{first.id}" ({_in_mhz(first)})', "give the sites of one group the same carriers")


def _in_mhz(site: Site) -> str:
    return ", ".join(f"{hz / 1e6:.10g}" for hz in carriers_hz(site)) or "none"
