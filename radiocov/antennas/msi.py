"""MSI/Planet antenna files (.msi, .pln)."""

from __future__ import annotations

import numpy as np

from radiocov.antennas.cells import DIPOLE_GAIN_DBI, MAX_FAULTS, MAX_PLAUSIBLE_DB, Fault, parse_number
from radiocov.antennas.pattern import Pattern

HEADER_KEYS = frozenset([
    "NAME", "MAKE", "FREQUENCY", "H_WIDTH", "V_WIDTH", "FRONT_TO_BACK", "GAIN", "TILT", "COMMENT", "COMMENTS",
    "ELECTRICAL_TILT", "POLARIZATION"])


def read_msi(stem: str, lines: list[str], fault: Fault) -> Pattern | None:
    """MSI/Planet: header keys in any order, HORIZONTAL 360 and VERTICAL 360 blocks of `angle attenuation`."""
    header: dict[str, tuple[int, str]] = {}
    cuts: dict[str, list[tuple[int, list[str]]]] = {}
    block = ""
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0][0] in "#;!" or words[0].startswith("//"):
            continue
        key = words[0].upper()
        if key in ("HORIZONTAL", "VERTICAL"):
            block = key
            if block in cuts:
                fault(f"line {number}", f"a second {block} block", "keep one")
            cuts[block] = []
        elif block and key not in HEADER_KEYS and (len(cuts[block]) < 360 or parse_number(key) is not None):
            cuts[block].append((number, words))  # a word here is a misprinted number, and reported as such
        else:
            block = ""
            header.setdefault(key, (number, line.strip()[len(words[0]):].strip()))
    arrays = {}
    for name in ("HORIZONTAL", "VERTICAL"):
        if name in cuts:
            arrays[name] = _msi_cut(name, cuts[name], fault)
        else:
            fault("", f"no {name} block", f'add a line "{name} 360" and 360 lines "angle attenuation"')
    gain = _msi_gain(header, fault)
    frequency = _header_number(header, "FREQUENCY", fault)
    if len(arrays) < 2 or any(cut is None for cut in arrays.values()) or gain is None:
        return None
    return Pattern(header.get("NAME", (0, ""))[1] or stem, gain, frequency, arrays["HORIZONTAL"],
                   arrays["VERTICAL"], _electrical_tilt(header))


def _msi_cut(name: str, rows: list[tuple[int, list[str]]], fault: Fault) -> np.ndarray | None:
    cut = np.full(360, np.nan)
    bad = 0
    for number, words in rows:
        values = [parse_number(word) for word in words]
        if len(values) != 2 or None in values:
            message, remedy = f'"{" ".join(words)}" is not an angle and an attenuation', "give two numbers"
        elif abs(values[0] - round(values[0])) > 0.01 or not 0 <= round(values[0]) <= 359:
            message, remedy = f"angle {values[0]:g} in the {name} block", "give whole degrees from 0 to 359"
        elif not np.isnan(cut[round(values[0])]):
            message, remedy = f"angle {values[0]:g} a second time in the {name} block", "give each angle once"
        elif values[1] < 0:
            message, remedy = (f"negative attenuation {values[1]:g}",
                               "give dB below the maximum as positive numbers")
        elif values[1] > MAX_PLAUSIBLE_DB:
            message, remedy = f"attenuation {values[1]:g} dB", f"give at most {MAX_PLAUSIBLE_DB:g} dB"
        else:
            cut[round(values[0])] = values[1]
            continue
        bad += 1
        if bad <= MAX_FAULTS:
            fault(f"line {number}", message, remedy)
    if bad:
        return None
    if len(rows) != 360:
        fault("", f"{len(rows)} values in the {name} block", "give 360, one for each degree")
        return None
    return cut


def _msi_gain(header: dict[str, tuple[int, str]], fault: Fault) -> float | None:
    """GAIN in dBi; a gain without unit is dBd, as Planet defines it."""
    if "GAIN" not in header:
        fault("", "no GAIN line", 'add one such as "GAIN 8.0 dBd" or "GAIN 10.15 dBi"')
        return None
    number, text = header["GAIN"]
    words = text.lower().replace("dbd", " dbd").replace("dbi", " dbi").split()
    value = parse_number(words[0]) if words else None
    unit = words[1] if len(words) > 1 else "dbd"
    if value is None or unit not in ("dbd", "dbi"):
        fault(f"line {number}", f'gain "{text}" is not understood', 'give a number and "dBd" or "dBi"')
        return None
    return round(value + (DIPOLE_GAIN_DBI if unit == "dbd" else 0.0), 6)


def _header_number(header: dict[str, tuple[int, str]], key: str, fault: Fault) -> float | None:
    if key not in header:
        return None
    number, text = header[key]
    value = parse_number(text.split()[0]) if text else None
    if value is None:
        fault(f"line {number}", f'{key} "{text}" is not a number', "give a number")
    return value


def _electrical_tilt(header: dict[str, tuple[int, str]]) -> float | None:
    """From ELECTRICAL_TILT or a numeric TILT; a bare "TILT ELECTRICAL" says nothing about how much."""
    for key in ("ELECTRICAL_TILT", "TILT"):
        for word in header.get(key, (0, ""))[1].split():
            value = parse_number(word)
            if value is not None:
                return value
    return None
