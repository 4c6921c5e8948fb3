"""NSMA antenna files (.adf): Recommendation WG16.99.050, the format that TIA/EIA-804 took over.

Lines `KEY:,value`. For each frequency (PATFRE) some cuts (PATCUT), each with its polarization (POLARI), its number
of points (NUPOIN), its first and last angle (FSTLST), and then lines `angle,magnitude[,phase]`. Azimuth is
clockwise; elevation is positive **upwards**, the other way round than in MSI files.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np

from radiocov.antennas.cells import DIPOLE_GAIN_DBI, MAX_FAULTS, MAX_PLAUSIBLE_DB, Fault, parse_number
from radiocov.antennas.pattern import Pattern

CUTS = {"AZ": "AZ", "H": "AZ", "EL": "EL", "V": "EL"}
GAIN_UNITS = ("DBI", "DBD")
DATA_UNITS = ("DBR", "DBI", "DBD", "LIN")
POLARIZATIONS = ("V/V", "SLR/SLR", "SLL/SLL", "H/H")  # co-polar ones, in the order of preference
GAINS = ("MDGAIN", "HGGAIN", "LWGAIN")
LARGEST_STEP_DEG = 5.0  # between neighbouring points


@dataclass
class _Cut:
    line: int
    kind: str  # AZ, EL or what else the file says
    frequency_mhz: float | None
    polarization: str = ""
    points: int | None = None
    span: tuple[float, float] | None = None
    rows: list[tuple[int, float, float]] = field(default_factory=list)  # line, angle [deg], magnitude


def read_adf(stem: str, lines: list[str], fault: Fault, near_mhz: float = 358.0) -> Pattern | None:
    """The co-polar cuts of the frequency nearest to near_mhz [MHz]; vertical polarization before others."""
    header: dict[str, tuple[int, str]] = {}
    cuts = _cuts(lines, header, fault)
    if cuts is None:
        return None
    if "GUNITS" in header:
        gain_unit, _, data_unit = header["GUNITS"][1].upper().replace(" ", "").partition("/")
        if gain_unit not in GAIN_UNITS or data_unit not in DATA_UNITS:
            fault(f"line {header['GUNITS'][0]}", f'GUNITS "{header["GUNITS"][1]}" is not understood',
                  "give DBI or DBD for the gain and DBR, DBI, DBD or LIN for the points, such as DBI/DBR")
            return None
    else:
        fault("", "no GUNITS line", "add one such as GUNITS:,DBI/DBR")
        return None
    gain = _gain(header, gain_unit, fault)
    chosen = _choose(cuts, near_mhz, fault)
    if gain is None or chosen is None:
        return None
    attenuations = [_attenuations(cut, data_unit) for cut in chosen]
    if data_unit in ("DBI", "DBD"):  # absolute: relative to the strongest point of both
        peak = min(a.min() for a in attenuations)
        attenuations = [a - peak for a in attenuations]
    found = []
    for cut, attenuation in zip(chosen, attenuations, strict=True):
        if attenuation.min() < 0 or attenuation.max() > MAX_PLAUSIBLE_DB:
            at = int(attenuation.argmin() if attenuation.min() < 0 else attenuation.argmax())
            fault(f"line {cut.rows[at][0]}", f"{cut.rows[at][2]:g} is not a magnitude in {data_unit}",
                  "give dB relative to the maximum: 0 or a negative number" if data_unit == "DBR"
                  else "give field strengths relative to the maximum: 0 to 1")
            return None
        found.append(_resampled(cut, attenuation, fault))
    if any(cut is None for cut in found):
        return None
    tilt = parse_number(header["ELTILT"][1].split(",")[0]) if "ELTILT" in header else None
    pattern = Pattern(header.get("MODNUM", (0, ""))[1] or stem, gain, chosen[0].frequency_mhz, *found, tilt)
    if tilt and abs(tilt) >= 1.0:
        peak = pattern.vertical_maximum_deg
        if abs(peak + tilt) < abs(peak - tilt):
            fault(f"line {chosen[1].line}", f"the beam points {peak:+g} deg down while ELTILT says {tilt:+g}",
                  "count elevation upwards: turn the signs of the angles of the EL cut")
            return None
    return pattern


def _cuts(lines: list[str], header: dict[str, tuple[int, str]], fault: Fault) -> list[_Cut] | None:
    """All cuts of a file; header gets the other keys."""
    cuts: list[_Cut] = []
    frequency = None
    bad = 0

    def wrong(number: int, message: str, remedy: str) -> None:
        nonlocal bad
        bad += 1
        if bad <= MAX_FAULTS:
            fault(f"line {number}", message, remedy)

    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        key_line = re.fullmatch(r"([A-Za-z][A-Za-z0-9]*)\s*:\s*,?\s*(.*?)[\s,]*", text)
        if key_line is None:
            values = [parse_number(cell) for cell in text.rstrip(", ").split(",")]
            if not cuts or not 2 <= len(values) <= 3 or None in values:
                wrong(number, f'"{text[:40]}" is neither "KEY:,value" nor "angle,magnitude"', "correct the line")
            else:
                cuts[-1].rows.append((number, values[0], values[1]))
            continue
        key, value = key_line[1].upper(), key_line[2]
        if key == "PATFRE":
            frequency = parse_number(value)
            if frequency is None:
                wrong(number, f'PATFRE "{value}" is not a number', "give MHz")
        elif key == "PATCUT":
            cuts.append(_Cut(number, CUTS.get(value.upper(), value), frequency))
        elif key == "POLARI" and cuts:
            cuts[-1].polarization = value.upper().replace(" ", "")
        elif key == "NUPOIN" and cuts:
            points = parse_number(value)
            if points is None or points != int(points):
                wrong(number, f'NUPOIN "{value}" is not a number of points', "give a whole number")
            else:
                cuts[-1].points = int(points)
        elif key == "FSTLST" and cuts:
            ends = [parse_number(cell) for cell in value.split(",")]
            if len(ends) != 2 or None in ends:
                wrong(number, f'FSTLST "{value}" is not two angles', "give the first and the last, in degrees")
            else:
                cuts[-1].span = (ends[0], ends[1])
        else:
            header.setdefault(key, (number, value))
    for cut in cuts:
        if cut.points is not None and cut.points != len(cut.rows):
            wrong(cut.line, f"{len(cut.rows)} points in the {cut.kind} cut", f"NUPOIN promises {cut.points}")
        elif cut.span and cut.rows:
            first, last = cut.rows[0][1], cut.rows[-1][1]
            if max(abs(first - cut.span[0]), abs(last - cut.span[1])) > 0.5:
                wrong(cut.line, f"the {cut.kind} cut runs from {first:g} to {last:g}",
                      f"FSTLST promises {cut.span[0]:g} to {cut.span[1]:g}")
    return None if bad else cuts


def _gain(header: dict[str, tuple[int, str]], unit: str, fault: Fault) -> float | None:
    """Mid-band gain [dBi], else that of the high or the low end."""
    key = next((key for key in GAINS if header.get(key, (0, ""))[1]), None)
    if key is None:
        fault("", "no MDGAIN line", "add the mid-band gain in the unit of GUNITS, such as MDGAIN:,10.5")
        return None
    number, text = header[key]
    value = parse_number(text)
    if value is None:
        fault(f"line {number}", f'{key} "{text}" is not a number', "give the gain alone, in the unit of GUNITS")
        return None
    return round(value + (DIPOLE_GAIN_DBI if unit == "DBD" else 0.0), 6)


def _choose(cuts: list[_Cut], near_mhz: float, fault: Fault) -> tuple[_Cut, _Cut] | None:
    """(azimuth cut, elevation cut) of one frequency and one polarization, received as it is sent."""
    def co_polar(cut: _Cut) -> bool:
        sent, _, received = cut.polarization.partition("/")
        return sent == received or not received

    whole = {}
    for cut in filter(co_polar, cuts):
        whole.setdefault((cut.frequency_mhz, cut.polarization), {}).setdefault(cut.kind, cut)
    pairs = {key: (c["AZ"], c["EL"]) for key, c in whole.items() if {"AZ", "EL"} <= set(c)}
    if not pairs:
        kinds = ", ".join(dict.fromkeys(f"{c.kind} {c.polarization}".strip() for c in cuts)) or "none"
        fault("", f"no azimuth and elevation cut of one frequency and polarization (cuts here: {kinds})",
              "give PATCUT:,AZ and PATCUT:,EL with the same POLARI, such as V/V")
        return None

    def rank(key: tuple[float | None, str]) -> tuple[float, int]:
        frequency, polarization = key
        known = POLARIZATIONS.index(polarization) if polarization in POLARIZATIONS else len(POLARIZATIONS)
        return abs(math.log((frequency or near_mhz) / near_mhz)), known

    return pairs[min(pairs, key=rank)]


def _attenuations(cut: _Cut, unit: str) -> np.ndarray:
    """Of a cut's points [dB], positive; for DBI and DBD less the gain."""
    values = np.array([magnitude for _, _, magnitude in cut.rows])
    if unit != "LIN":
        return -values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(-20.0 * np.log10(np.maximum(values, 0.0)), MAX_PLAUSIBLE_DB)


def _resampled(cut: _Cut, attenuation_db: np.ndarray, fault: Fault) -> np.ndarray | None:
    """A cut at each degree of azimuth, or of depression for an elevation cut; its front half alone is mirrored."""
    angle = np.array([a for _, a, _ in cut.rows])
    if cut.kind == "EL":
        angle = -angle
        if angle.min() >= -90.5 and angle.max() <= 90.5:
            angle = np.append(angle, 180.0 - angle)
            attenuation_db = np.append(attenuation_db, attenuation_db)
    angle, order = np.unique(np.round(angle % 360.0, 6) % 360.0, return_index=True)
    gaps = np.diff(np.append(angle, angle[0] + 360.0))
    if gaps.max() > LARGEST_STEP_DEG + 1e-6:
        fault(f"line {cut.line}", f"the {cut.kind} cut has no points for {gaps.max():g} degrees",
              f"give a point at least every {LARGEST_STEP_DEG:g} degrees all round")
        return None
    return np.interp(np.arange(360.0), angle, attenuation_db[order], period=360.0)
