"""Basic transmission loss of one path by a project's model, with its terms."""

from __future__ import annotations

from typing import Any

import numpy as np

from radiocov.coverage.sector import hata_environment
from radiocov.propagation import freespace, hata, itm, p1812
from radiocov.propagation.p1812_terms import TABLE, Term
from radiocov.site import Site
from terrain.ground import SEA, Ground
from terrain.profile import Profile

#: Terms of the models that do not look at the profile.
FREE_SPACE_TERMS = {"d": TABLE["d"], "Lbfs": Term("dB", "P.525, 2.2", "free-space loss over the slant distance")}
EXTENDED_HATA_TERMS = {
    "d": TABLE["d"],
    "environment": Term("", "A17.3.1", "surroundings of the terminal, by its clutter class"),
    "H_b": Term("m", "A17.3.1", "higher antenna above ground"),
    "H_m": Term("m", "A17.3.1", "lower antenna above ground"),
    "alpha": Term("1", "A17.3.1", "exponent of the logarithm of distance"),
    "a_Hm": Term("dB", "A17.3.1", "correction for the lower antenna"),
    "b_Hb": Term("dB", "A17.3.1", "correction for the higher antenna"),
    "L_free_space": Term("dB", "A17.3.1", "free-space loss, never undercut"),
    "sigma": Term("dB", "A17.3.1", "standard deviation that extended Hata states"),
    "L": Term("dB", "A17.3.1", "median basic transmission loss"),
}

ITM_TERMS = {
    "A_ref": Term("dB", "Alg. 4", "reference attenuation, beyond free space"),
    "A_fs": Term("dB", "Alg. 4", "free-space loss"),
    "theta_hzn": Term("rad", "TN101 6", "horizon elevation angles, site and terminal"),
    "d_hzn": Term("m", "TN101 6", "horizon distances, site and terminal"),
    "h_e": Term("m", "Alg. 3", "effective antenna heights, site and terminal"),
    "N_s": Term("N", "TN101 4.3", "surface refractivity"),
    "delta_h": Term("m", "ERL 3", "terrain irregularity"),
    "d_km": Term("km", "", "path length"),
    "mode": Term("", "", "mode of propagation"),
}


def model_loss(
    model: Any, site: Site, terminal: Any, line: Profile, d: np.ndarray, frequency_mhz: float, lon: float,
    lat: float, ground: Ground, clutter: Any,
) -> tuple[float, dict[str, Any], dict[str, Term], list[str]]:  # fmt: skip
    """(loss, its terms by symbol, what they are, warnings) by the project's model."""
    if model.name == "p1812":
        loss, terms, warnings = _p1812(model, site, terminal, line, d, frequency_mhz, lon, lat, ground)
        return loss, terms, TABLE, warnings
    if model.name == "itm":
        loss, terms, warnings = _itm(model, site, terminal, line, frequency_mhz)
        return loss, terms, ITM_TERMS, warnings
    if model.name == "extended-hata":
        environment = hata.HataEnvironment(hata_environment(clutter))
        loss, terms, warnings = _extended_hata(site, terminal, d, frequency_mhz, environment)
        return loss, terms, EXTENDED_HATA_TERMS, warnings
    rise = line.elevation_m[0] + site.antenna_height_m - line.elevation_m[-1] - terminal.height_m
    loss = float(freespace.free_space_loss(frequency_mhz, d[-1], rise))
    return loss, {"d": float(d[-1]), "Lbfs": loss}, FREE_SPACE_TERMS, []


def coast_distances_km(d: np.ndarray, zone: np.ndarray) -> tuple[float, float]:
    """From the ends of a profile over land to the sea, km; 500 at both where there is none."""
    sea = np.flatnonzero(zone == SEA)
    if not sea.size:
        return p1812.NO_COAST_KM, p1812.NO_COAST_KM
    return float(d[sea[0]]), float(d[-1] - d[sea[-1]])


def _p1812(
    model: Any, site: Site, terminal: Any, line: Profile, d: np.ndarray, frequency_mhz: float, lon: float,
    lat: float, ground: Ground,
) -> tuple[float, dict[str, Any], list[str]]:  # fmt: skip
    to_coast = coast_distances_km(d, line.zone)
    site_lon, site_lat = site.antenna_lonlat
    terms, warnings = p1812.basic_transmission_loss(
        d, line.elevation_m, clutter_m=line.clutter_height_m, zone=line.zone, frequency_mhz=frequency_mhz,
        tx_height_m=site.antenna_height_m, rx_height_m=terminal.height_m, time_percent=model.time_percent,
        polarization=model.polarization, delta_n=model.delta_n, n0=model.n0, pixel_m=ground.grid.resolution_m,
        mid_latitude_deg=p1812.mid_path_latitude_deg(site_lat, site_lon, lat, lon, float(d[-1])),
        tx_coast_km=to_coast[0], rx_coast_km=to_coast[1],
    )  # fmt: skip
    return terms["Lb"], terms, warnings


def _itm(
    model: Any, site: Site, terminal: Any, line: Profile, frequency_mhz: float
) -> tuple[float, dict[str, Any], list[str]]:
    step_m = float(line.distance_m[-1]) / (line.distance_m.size - 1)
    found = itm.itm_p2p_terms(
        line.elevation_m, step_m, frequency_mhz, site.antenna_height_m, terminal.height_m,
        polarization=model.polarization, n0=model.n0, time_percent=model.time_percent,
    )  # fmt: skip
    loss = float(found.pop("basic_transmission_loss_db"))
    warnings = [f"ITM: {name}" for name in itm.warning_names(found.pop("warnings"))]

    def shown(value: Any) -> Any:
        return " / ".join(f"{v:.5g}" for v in value) if isinstance(value, tuple) else value

    return loss, {symbol: shown(found[symbol]) for symbol in ITM_TERMS}, warnings


def _extended_hata(
    site: Site, terminal: Any, d: np.ndarray, frequency_mhz: float, environment: hata.HataEnvironment
) -> tuple[float, dict[str, Any], list[str]]:
    name = environment.name.lower()
    found = hata.extended_hata_terms(frequency_mhz, d[-1], site.antenna_height_m, terminal.height_m, name)
    loss = float(found.pop("basic_transmission_loss_db"))
    warnings = found.pop("warnings")
    values = {"d": float(d[-1]), "environment": name, **found, "L": loss}
    return loss, {symbol: values[symbol] for symbol in EXTENDED_HATA_TERMS}, warnings
