"""A pattern from its two cuts, its tilts, and the attenuation it has in a direction."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

SUM, HPI = 0, 1
#: How the two cuts are combined away from them: name in project.toml -> code for the kernels.
METHODS = {"sum": SUM, "hpi": HPI}


@dataclass(frozen=True, eq=False)
class Pattern:
    """An antenna. gain_dbi is None where the file states none (.ant); electrical_tilt_deg, where stated, is the
    tilt that the vertical cut contains."""

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

    @property
    def beam_down_deg(self) -> float:
        """Where the beam points in front [deg], down being positive: the stated electrical tilt, else where the
        vertical cut has its maximum."""
        return self.vertical_maximum_deg if self.electrical_tilt_deg is None else self.electrical_tilt_deg

    @property
    def vertical_maximum_deg(self) -> float:
        """Where the front half of the vertical cut has its maximum [deg], down being positive; of several equal
        values their middle."""
        down = np.arange(-90, 91)
        front = self.vertical_db[down]
        return float(np.median(down[front == front.min()]))

    def tilted(self, electrical_tilt_deg: float) -> Pattern:
        """The same antenna set to another electrical tilt: the vertical cut moves down by the difference, alike in
        front and behind (the array's main cone goes down all round). Side lobes really change shape; a maker's
        file of that tilt is better where there is one."""
        change = electrical_tilt_deg - self.beam_down_deg
        if change == 0.0:
            return self
        down = np.arange(360.0)
        behind = (down > 90.0) & (down < 270.0)
        cut = np.ascontiguousarray(self.vertical_db, dtype=np.float64)
        moved = np.array([interpolate_cut(cut, v) for v in np.where(behind, down + change, down - change)])
        return dataclasses.replace(self, vertical_db=moved, electrical_tilt_deg=float(electrical_tilt_deg))

    def attenuation_db(self, azimuth_deg, elevation_deg, tilt_deg: float = 0.0, method: str = "sum") -> np.ndarray:
        """Attenuation [dB] below the maximum gain; azimuth from boresight and elevation broadcast."""
        azimuth, elevation = np.broadcast_arrays(
            np.asarray(azimuth_deg, dtype=np.float64), np.asarray(elevation_deg, dtype=np.float64))
        out = _attenuation_many(
            *self.arrays, azimuth.ravel(), elevation.ravel(), float(tilt_deg), METHODS[method])
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
def attenuation_db(horizontal_db, vertical_db, azimuth_deg, elevation_deg, tilt_deg, method=SUM):
    """Attenuation [dB] in a direction, from the two cuts in the frame of the tilted antenna.

    horizontal_db, vertical_db: (360,) float64 from `Pattern.arrays`; scalars otherwise, azimuth from
    boresight, tilt_deg mechanical.

    SUM: A = A_h(azimuth) + A_v(elevation). Exact on both cuts where the beam is not tilted electrically; between
    them (and behind, where the front half of the vertical cut stands in) it is the customary estimate.

    HPI, horizontal projection interpolation (Gil, Claro, Ferreira, Pardelinha, Correia, IEEE Antennas and
    Propagation Magazine 43(2), 2001): the horizontal cut, corrected by the front half of the vertical cut and by
    its rear half in proportion to how near the azimuth lies to each,
    A = A_h(a) + (1 - |a|/180) (A_v(t) - A_h(0)) + |a|/180 (A_v(180 - t) - A_h(180)), t the angle downwards.
    Exact on the vertical cut all round, and unlike the sum it has the measured rear lobes. Never below 0.
    """
    azimuth, elevation = to_antenna_frame(azimuth_deg, elevation_deg, tilt_deg)
    if method == SUM:
        return interpolate_cut(horizontal_db, azimuth) + interpolate_cut(vertical_db, -elevation)
    behind = abs((azimuth + 180.0) % 360.0 - 180.0) / 180.0
    front = interpolate_cut(vertical_db, -elevation) - horizontal_db[0]
    rear = interpolate_cut(vertical_db, 180.0 + elevation) - horizontal_db[180]
    found = interpolate_cut(horizontal_db, azimuth) + (1.0 - behind) * front + behind * rear
    return 0.0 if found < 0.0 else found


@njit(cache=True)
def direction_attenuation_db(east_m, north_m, rise_m, horizontal_db, vertical_db, azimuth_deg, tilt_deg, method):
    """`attenuation_db` towards a point east_m, north_m and rise_m [m] from the antenna, whose boresight has
    azimuth_deg [deg] clockwise from that north."""
    across = math.sqrt(east_m * east_m + north_m * north_m)
    azimuth = math.degrees(math.atan2(east_m, north_m)) - azimuth_deg
    elevation = math.degrees(math.atan2(rise_m, max(across, 0.1)))
    return attenuation_db(horizontal_db, vertical_db, azimuth, elevation, tilt_deg, method)


@njit(cache=True)
def _attenuation_many(horizontal_db, vertical_db, azimuth_deg, elevation_deg, tilt_deg, method):
    out = np.empty(azimuth_deg.size)
    for i in range(azimuth_deg.size):
        out[i] = attenuation_db(horizontal_db, vertical_db, azimuth_deg[i], elevation_deg[i], tilt_deg, method)
    return out
