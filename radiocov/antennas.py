"""Antenna patterns: MSI/Planet (.msi, .pln) and Radio Mobile (.ant) files, omnis, attenuation in a direction.

Angles. Azimuth [deg] clockwise from the boresight seen from above; elevation [deg] positive upwards;
tilt [deg] positive downwards. Cuts are arrays of 360 attenuations [dB], positive, relative to the maximum
gain: `horizontal_db[a]` at azimuth a, `vertical_db[v]` at v degrees from the horizon in front, **down** being
positive (so 90 is straight down, 180 the horizon behind, 270 straight up), as in most makers' files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numba import njit

from radiocov.problems import Problem, ProjectError

DIPOLE_GAIN_DBI = 2.15
MAX_PLAUSIBLE_DB = 150.0
SUFFIXES = (".msi", ".pln", ".ant")
HEADER_KEYS = frozenset([
    "NAME", "MAKE", "FREQUENCY", "H_WIDTH", "V_WIDTH", "FRONT_TO_BACK", "GAIN", "TILT", "COMMENT", "COMMENTS",
    "ELECTRICAL_TILT", "POLARIZATION"])


@dataclass(frozen=True, eq=False)
class Pattern:
    """An antenna. gain_dbi is None where the file states none (.ant); electrical_tilt_deg is information
    only, because the vertical cut already contains it."""

    name: str
    gain_dbi: float | None
    frequency_mhz: float | None
    horizontal_db: np.ndarray  # (360,) float64
    vertical_db: np.ndarray  # (360,) float64
    electrical_tilt_deg: float | None = None

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(horizontal, vertical), (360,) float64 each, for `attenuation_db`.

        The horizontal cut is taken relative to its own maximum: files that cut a tilted beam level with the
        horizon contain the loss at the horizon in both cuts, and the sum would count it twice.
        """
        horizontal = np.ascontiguousarray(self.horizontal_db - self.horizontal_db.min(), dtype=np.float64)
        return horizontal, np.ascontiguousarray(self.vertical_db, dtype=np.float64)

    @property
    def is_omni(self) -> bool:
        """Round to within 3 dB: the azimuth may be left out."""
        return bool(np.ptp(self.horizontal_db) <= 3.0)

    def attenuation_db(self, azimuth_deg, elevation_deg, tilt_deg: float = 0.0) -> np.ndarray:
        """Attenuation [dB] below the maximum gain; azimuth from boresight and elevation broadcast."""
        azimuth, elevation = np.broadcast_arrays(
            np.asarray(azimuth_deg, dtype=np.float64), np.asarray(elevation_deg, dtype=np.float64))
        out = _attenuation_many(*self.arrays, azimuth.ravel(), elevation.ravel(), float(tilt_deg))
        return out.reshape(azimuth.shape)


# ---------------------------------------------------------------------------------------------- kernels
@njit(cache=True)
def interpolate_cut(cut_db, angle_deg):
    """Linear interpolation in a cut (360,) [dB] at any angle [deg]; NaN gives NaN."""
    if not math.isfinite(angle_deg):
        return math.nan
    angle = angle_deg % 360.0
    low = int(angle)
    fraction = angle - low
    low %= 360
    high = (low + 1) % 360
    return cut_db[low] + (cut_db[high] - cut_db[low]) * fraction


@njit(cache=True)
def to_antenna_frame(azimuth_deg, elevation_deg, tilt_deg):
    """The direction (azimuth from boresight, elevation) [deg] as an antenna leaning down by tilt_deg sees it.

    A rotation about the horizontal axis across the boresight: with d the unit vector of the direction,
    x' = d.boresight, y' = across (unchanged), z' = d.axis.
    """
    if tilt_deg == 0.0:
        return azimuth_deg, elevation_deg
    azimuth = math.radians(azimuth_deg)
    elevation = math.radians(elevation_deg)
    tilt = math.radians(tilt_deg)
    ahead = math.cos(elevation) * math.cos(azimuth)
    across = math.cos(elevation) * math.sin(azimuth)
    up = math.sin(elevation)
    ahead_antenna = ahead * math.cos(tilt) - up * math.sin(tilt)
    up_antenna = ahead * math.sin(tilt) + up * math.cos(tilt)
    return (math.degrees(math.atan2(across, ahead_antenna)),
            math.degrees(math.atan2(up_antenna, math.hypot(ahead_antenna, across))))


@njit(cache=True)
def attenuation_db(horizontal_db, vertical_db, azimuth_deg, elevation_deg, tilt_deg):
    """Summing method: A = A_h(azimuth) + A_v(elevation) [dB], in the frame of the tilted antenna.

    horizontal_db, vertical_db: (360,) float64 from `Pattern.arrays`; scalars otherwise, azimuth from
    boresight, tilt_deg mechanical. Exact on both cuts where the beam is not tilted electrically; between
    them (and behind, where the front half of the vertical cut stands in) it is the customary estimate.
    """
    azimuth, elevation = to_antenna_frame(azimuth_deg, elevation_deg, tilt_deg)
    return interpolate_cut(horizontal_db, azimuth) + interpolate_cut(vertical_db, -elevation)


@njit(cache=True)
def _attenuation_many(horizontal_db, vertical_db, azimuth_deg, elevation_deg, tilt_deg):
    out = np.empty(azimuth_deg.size)
    for i in range(azimuth_deg.size):
        out[i] = attenuation_db(horizontal_db, vertical_db, azimuth_deg[i], elevation_deg[i], tilt_deg)
    return out


# ------------------------------------------------------------------------------------------------ omnis
def omni_beamwidth_deg(gain_dbi: float) -> float:
    """Half-power vertical beamwidth [deg] of an omni of this gain, ITU-R F.1336 recommends 2.1 (reference
    omnidirectional pattern): 107.6 * 10^(-0.1 G)."""
    return 107.6 * 10.0 ** (-0.1 * gain_dbi)


def omni_pattern(
    gain_dbi: float, vertical_beamwidth_deg: float | None = None, downtilt_deg: float = 0.0
) -> Pattern:
    """An omni. Without a beamwidth it radiates alike in all directions; with one, the vertical cut is the
    peak side-lobe pattern of ITU-R F.1336 recommends 2.1 with k = 0.7, tilted down all round by downtilt_deg
    (which needs a beamwidth to mean anything)."""
    vertical = np.zeros(360)
    if vertical_beamwidth_deg is not None:
        if not 0.0 < vertical_beamwidth_deg <= 180.0:
            raise ValueError(f"vertical beamwidth {vertical_beamwidth_deg:g} deg; give 0 (excluded) to 180")
        down = (np.arange(360.0) + 180.0) % 360.0 - 180.0
        behind = np.copysign(180.0 - np.abs(down), down)  # the back mirrors the front
        from_horizon = np.where(np.abs(down) <= 90.0, down, behind)
        x = np.abs(from_horizon - downtilt_deg) / vertical_beamwidth_deg
        k = 0.7
        knee = math.sqrt(1.0 - math.log10(k + 1.0) / 1.2)
        beyond = 12.0 - 10.0 * np.log10(np.maximum(x, 1.0) ** -1.5 + k)
        shoulder = 12.0 - 10.0 * math.log10(k + 1.0)
        vertical = np.where(x < knee, 12.0 * x**2, np.where(x < 1.0, shoulder, beyond))
    name = f"omni {gain_dbi:g} dBi"
    return Pattern(name, float(gain_dbi), None, np.zeros(360), vertical, float(downtilt_deg))


# ---------------------------------------------------------------------------------------------- readers
def read_pattern(path: str | Path) -> Pattern:
    """Read a pattern file, by suffix. ProjectError with every fault found (file, line, what is right)."""
    path = Path(path)
    reader = {".msi": _read_msi, ".pln": _read_msi, ".ant": _read_ant}.get(path.suffix.lower())
    if reader is None:
        raise ProjectError(Problem(path.name, "", f'"{path.suffix}" is not an antenna format read here',
                                   "give an MSI/Planet file (.msi, .pln) or a Radio Mobile file (.ant)"))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProjectError(Problem(path.name, "", f"cannot be read ({error.strerror or error})",
                                   "put the file there or correct its name")) from error
    faults: list[Problem] = []

    def fault(where: str, message: str, remedy: str) -> None:
        faults.append(Problem(path.name, where, message, remedy))

    pattern = reader(path.stem, _decode(data).splitlines(), fault)
    if faults or pattern is None:
        raise ProjectError(faults)
    return pattern


Fault = Callable[[str, str, str], None]
MAX_FAULTS = 10  # a file that is not a pattern at all would otherwise report every line


def _decode(data: bytes) -> str:
    """Only names and comments can hold other letters than ASCII, so any encoding that decodes will do."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read_msi(stem: str, lines: list[str], fault: Fault) -> Pattern | None:
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
        elif block and key not in HEADER_KEYS and (len(cuts[block]) < 360 or _number(key) is not None):
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
        values = [_number(word) for word in words]
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
    value = _number(words[0]) if words else None
    unit = words[1] if len(words) > 1 else "dbd"
    if value is None or unit not in ("dbd", "dbi"):
        fault(f"line {number}", f'gain "{text}" is not understood', 'give a number and "dBd" or "dBi"')
        return None
    return round(value + (DIPOLE_GAIN_DBI if unit == "dbd" else 0.0), 6)


def _header_number(header: dict[str, tuple[int, str]], key: str, fault: Fault) -> float | None:
    if key not in header:
        return None
    number, text = header[key]
    value = _number(text.split()[0]) if text else None
    if value is None:
        fault(f"line {number}", f'{key} "{text}" is not a number', "give a number")
    return value


def _electrical_tilt(header: dict[str, tuple[int, str]]) -> float | None:
    """From ELECTRICAL_TILT or a numeric TILT; a bare "TILT ELECTRICAL" says nothing about how much."""
    for key in ("ELECTRICAL_TILT", "TILT"):
        for word in header.get(key, (0, ""))[1].split():
            value = _number(word)
            if value is not None:
                return value
    return None


def _read_ant(stem: str, lines: list[str], fault: Fault) -> Pattern | None:
    """Radio Mobile: 360 gains relative to the maximum [dB] by azimuth, then from +90 (up) through 0 (front)
    and -90 (down): 360 values all the way round (V3), or 180 or 181 of the front half (V2), then mirrored."""
    values: list[float] = []
    bad = 0
    for number, line in enumerate(lines, start=1):
        for word in line.split():
            value = _number(word.replace(",", "."))
            if value is None or value > 0 or value < -MAX_PLAUSIBLE_DB:
                bad += 1
                if bad <= MAX_FAULTS:
                    fault(f"line {number}", f'"{word}" is not a relative gain',
                          "give dB relative to the maximum: 0 or a negative number")
            else:
                values.append(-value)
    if bad:
        return None
    if len(values) not in (540, 541, 720):
        fault("", f"{len(values)} values", "give 360 azimuths and then 360 (V3) or 181 (V2) elevations")
        return None
    horizontal, listed = np.array(values[:360]), np.array(values[360:])
    down = (np.arange(listed.size) - 90) % 360
    vertical = np.full(360, np.nan)
    vertical[down] = listed
    if listed.size == 180:  # the value straight down is left out
        vertical[90] = listed[-1]
    behind = np.flatnonzero(np.isnan(vertical))
    vertical[behind] = vertical[(180 - behind) % 360]
    return Pattern(stem, None, None, horizontal, vertical)
