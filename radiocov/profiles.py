"""A propagation model on a given profile: cases as typed options, profiles from CSV, every term by its symbol."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from radiocov.problems import Problem, ProjectError, did_you_mean

MOST_PROBLEMS = 20  # a file that is no profile at all would otherwise name every row
COLUMNS = ("distance_km", "height_m", "clutter_m", "zone")


@dataclass(frozen=True)
class Profile:
    """A terrain profile from transmitter to receiver, (n,) each: km, m above sea level, m, zone 1, 3 or 4."""

    distance_km: np.ndarray
    height_m: np.ndarray
    clutter_m: np.ndarray
    zone: np.ndarray


@dataclass(frozen=True)
class Case:
    """What a model is asked, beside the profile. The defaults are those of the command line."""

    model: str = "p1812"
    frequency_mhz: float = 358.0
    tx_height_m: float = 30.0
    rx_height_m: float = 1.5
    time_percent: float = 50.0
    location_percent: float = 50.0
    situation_percent: float = 50.0
    polarization: str = "vertical"
    tx_lat: float = 41.0
    tx_lon: float = 123.0
    rx_lat: float | None = None
    rx_lon: float | None = None
    delta_n: float = 45.0
    n0: float = 325.0
    pixel_m: float = 100.0
    alternative_smooth_path: bool = False
    environment: str = "urban"
    climate: str = "continental-temperate"
    variability_mode: int = 12
    permittivity: float = 15.0
    conductivity: float = 0.005
    building: str = "none"
    building_percent: float = 50.0
    building_elevation_deg: float = 0.0


OPTIONS = {f.name: f for f in fields(Case) if f.name != "model"}


def read_profile(path: Path) -> Profile:
    """A CSV with the header ``distance_km,height_m[,clutter_m[,zone]]``.

    Without clutter the ground is bare, without zones inland. ProjectError names every row at fault.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ProjectError(Problem(str(path), "", error.strerror or str(error), "give a CSV file")) from error
    except UnicodeDecodeError as error:
        raise ProjectError(Problem(str(path), "", "is no text in UTF-8", "save it as CSV in UTF-8")) from error
    rows = list(csv.reader(io.StringIO(text)))
    header = [cell.strip() for cell in rows[0]] if rows else []
    if header[:2] != list(COLUMNS[:2]) or header != list(COLUMNS[: len(header)]):
        raise ProjectError(
            Problem(
                str(path), "row 1", f"the header is {','.join(header)!r}",
                "it has to be distance_km,height_m[,clutter_m[,zone]]",
            )
        )  # fmt: skip
    problems, values = [], []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            problems.append(Problem(str(path), f"row {number}", f"has {len(row)} values", f"give {len(header)}"))
            continue
        numbers = [_number(cell) for cell in row]
        for name, cell, value in zip(header, row, numbers, strict=True):
            if value is None:
                problems.append(Problem(str(path), f"row {number}, {name}", f"{cell!r} is not a number"))
        values.append(numbers)
    if not problems and len(values) < 2:
        problems.append(Problem(str(path), "", f"has {len(values)} points", "a profile needs at least two"))
    if len(problems) > MOST_PROBLEMS:
        more = f"{len(problems) - MOST_PROBLEMS} more rows or values are at fault"
        problems = [*problems[:MOST_PROBLEMS], Problem(str(path), "", more, "mend these first")]
    if problems:
        raise ProjectError(problems)
    table = np.array(values, dtype=np.float64)
    n = len(table)
    return Profile(
        table[:, 0],
        table[:, 1],
        table[:, 2] if len(header) > 2 else np.zeros(n),
        table[:, 3] if len(header) > 3 else np.full(n, 4.0),
    )


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Answer:
    """A model's answer: the loss, every intermediate term by its published symbol, and warnings in words."""

    model: str
    loss_db: float
    terms: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Flat, for JSON: the terms beside the loss; what is not a finite number is null."""
        found = {"model": self.model, "basic_transmission_loss_db": self.loss_db, **self.terms}
        return {**{k: _finite(v) for k, v in found.items()}, "warnings": self.warnings}


def _finite(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_finite(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def evaluate(profile: Profile, case: Case) -> Answer:
    """Run a model. ValueError outside its validity or where the profile does not suit it."""
    if case.model not in MODELS:
        raise ValueError(f"there is no model {case.model!r}; {did_you_mean(case.model, list(MODELS))}")
    answer = MODELS[case.model](profile, case)
    return answer if case.building == "none" else _indoors(answer, case)


def _indoors(answer: Answer, case: Case) -> Answer:
    """The outdoor answer with the building entry loss of P.2109 not exceeded at a share of locations indoors."""
    from radiocov.propagation.building_entry import building_entry_loss

    entry = float(
        building_entry_loss(
            case.frequency_mhz, case.building_percent, case.building, case.building_elevation_deg
        )
    )
    terms = {**answer.terms, "L_BEL": entry, "indoor_loss_db": answer.loss_db + entry}
    return dataclasses.replace(answer, terms=terms)


def _p1812(profile: Profile, case: Case) -> Answer:
    from radiocov.propagation import p1812

    rx_lat = case.tx_lat if case.rx_lat is None else case.rx_lat
    rx_lon = case.tx_lon if case.rx_lon is None else case.rx_lon
    phi = p1812.mid_path_latitude_deg(
        case.tx_lat, case.tx_lon, rx_lat, rx_lon, float(profile.distance_km[-1] - profile.distance_km[0])
    )
    terms, warnings = p1812.basic_transmission_loss(
        profile.distance_km, profile.height_m, clutter_m=profile.clutter_m, zone=profile.zone,
        frequency_mhz=case.frequency_mhz, tx_height_m=case.tx_height_m, rx_height_m=case.rx_height_m,
        time_percent=case.time_percent, location_percent=case.location_percent, polarization=case.polarization,
        mid_latitude_deg=phi, delta_n=case.delta_n, n0=case.n0, pixel_m=case.pixel_m,
        alternative_smooth_path=case.alternative_smooth_path,
    )  # fmt: skip
    return Answer("p1812", terms["Lb"], terms, warnings)


def _itm(profile: Profile, case: Case) -> Answer:
    from radiocov.propagation import itm

    steps = np.diff(profile.distance_km)
    length_m = 1000.0 * float(profile.distance_km[-1] - profile.distance_km[0])
    step_m = length_m / steps.size
    # distances are printed to a metre or so: more than that is another spacing
    if (np.abs(1000.0 * steps - step_m) > max(1.5, 0.01 * step_m)).any():
        raise ValueError("itm needs equally spaced points; this profile's spacing varies")
    terms = itm.itm_p2p_terms(
        profile.height_m, step_m, case.frequency_mhz, case.tx_height_m, case.rx_height_m,
        polarization=case.polarization, permittivity=case.permittivity, conductivity_s_m=case.conductivity,
        n0=case.n0, climate=case.climate, variability_mode=case.variability_mode, time_percent=case.time_percent,
        location_percent=case.location_percent, situation_percent=case.situation_percent,
    )  # fmt: skip
    loss = terms.pop("basic_transmission_loss_db")
    flags = terms.pop("warnings")
    return Answer("itm", loss, {**terms, "warning_flags": flags}, list(itm.warning_names(flags)))


def _ends(profile: Profile, case: Case) -> tuple[float, float]:
    """Length, km, and difference of the antennas' heights above sea level, m."""
    rise = (profile.height_m[0] + case.tx_height_m) - (profile.height_m[-1] + case.rx_height_m)
    return float(profile.distance_km[-1] - profile.distance_km[0]), float(rise)


def _hata(profile: Profile, case: Case) -> Answer:
    from radiocov.propagation import hata

    d, _ = _ends(profile, case)
    loss = hata.okumura_hata(case.frequency_mhz, d, case.tx_height_m, case.rx_height_m, case.environment)
    return Answer("hata", float(loss), {"d": d, "environment": case.environment})


def _extended_hata(profile: Profile, case: Case) -> Answer:
    from radiocov.propagation import hata

    d, _ = _ends(profile, case)
    terms = hata.extended_hata_terms(case.frequency_mhz, d, case.tx_height_m, case.rx_height_m, case.environment)
    loss = terms.pop("basic_transmission_loss_db")
    warnings = list(terms.pop("warnings", []))
    return Answer("extended-hata", float(loss), {"d": d, **terms}, warnings)


def _free_space(profile: Profile, case: Case) -> Answer:
    from radiocov.propagation import freespace

    d, rise = _ends(profile, case)
    loss = float(freespace.free_space_loss(case.frequency_mhz, d, rise))
    return Answer("free-space", loss, {"d": d, "Lbfs": loss})


def _p526(profile: Profile, case: Case) -> Answer:
    """Free space and the diffraction of P.526's complete method over ground and clutter."""
    from radiocov.propagation import diffraction, freespace

    d, rise = _ends(profile, case)
    heights = profile.height_m + profile.clutter_m
    heights[[0, -1]] = profile.height_m[[0, -1]]
    terms = diffraction.delta_bullington_terms(
        profile.distance_km, heights, case.tx_height_m, case.rx_height_m, case.frequency_mhz,
        polarization=case.polarization,
    )  # fmt: skip
    free = float(freespace.free_space_loss(case.frequency_mhz, d, rise))
    return Answer("p526", free + terms["Ld"], {"d": d, "Lbfs": free, **terms})


def _spm(profile: Profile, case: Case) -> Answer:
    """The planning form with its Hata-equivalent coefficients and P.526's Bullington loss as diffraction."""
    from radiocov.propagation import diffraction, hata

    d, _ = _ends(profile, case)
    heights = profile.height_m + profile.clutter_m
    heights[[0, -1]] = profile.height_m[[0, -1]]
    edge = float(
        diffraction.bullington_loss(
            profile.distance_km, heights, case.tx_height_m, case.rx_height_m, case.frequency_mhz
        )
    )
    base = float(profile.height_m[0] + case.tx_height_m - profile.height_m[-1])
    k = hata.spm_hata_coefficients(case.frequency_mhz)
    loss = float(hata.spm(d, base, case.rx_height_m, k, edge))
    return Answer("spm", loss, {"d": d, "Hte": base, "Diff": edge, **{f"K{i}": float(v) for i, v in enumerate(k, 1)}})


MODELS = {
    "p1812": _p1812,
    "itm": _itm,
    "hata": _hata,
    "extended-hata": _extended_hata,
    "free-space": _free_space,
    "p526": _p526,
    "spm": _spm,
}


def read_cases(path: Path) -> list[tuple[Path, Case]]:
    """Cases from a CSV: ``profile`` (relative to the file), ``model`` and options by name; empty is the default."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except OSError as error:
        raise ProjectError(Problem(str(path), "", error.strerror or str(error), "give a CSV file")) from error
    problems: list[Problem] = []
    known = {"profile", "model", *OPTIONS}
    for name in rows[0] if rows else ():
        if name not in known:
            hint = did_you_mean(str(name), list(known))
            problems.append(Problem(str(path), "row 1", f"there is no column {name!r}", hint))
    if not rows:
        problems.append(Problem(str(path), "", "has no cases", "one row a case under a header"))
    elif "profile" not in rows[0]:
        problems.append(Problem(str(path), "row 1", "there is no column profile", "it names the profile of a case"))
    if problems:
        raise ProjectError(problems)
    cases = []
    for number, row in enumerate(rows, start=2):
        given: dict[str, Any] = {}
        for name, cell in row.items():
            if name == "profile" or not (cell or "").strip():
                continue
            value = convert(name, cell.strip())
            if value is None:
                problems.append(Problem(str(path), f"row {number}, {name}", f"{cell!r} is not a number"))
            else:
                given[name] = value
        cases.append((path.parent / (row["profile"] or "").strip(), Case(**given)))
    if problems:
        raise ProjectError(problems)
    return cases


def convert(name: str, cell: str) -> Any:
    """An option's value from text; None where it should be a number and is none."""
    if name in ("model", "polarization", "environment", "climate", "building"):
        return cell
    if name == "alternative_smooth_path":
        return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(cell.lower())
    value = _number(cell)
    return int(value) if value is not None and name == "variability_mode" else value
