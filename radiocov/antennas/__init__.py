"""Antenna patterns: makers' files, described beams and omnis, tilts, attenuation in a direction.

Angles. Azimuth [deg] clockwise from the boresight seen from above; elevation [deg] positive upwards;
tilt [deg] positive downwards. Cuts are arrays of 360 attenuations [dB], positive, relative to the maximum
gain: `horizontal_db[a]` at azimuth a, `vertical_db[v]` at v degrees from the horizon in front, **down** being
positive (so 90 is straight down, 180 the horizon behind, 270 straight up), as in most makers' files.
"""

from radiocov.antennas.files import SUFFIXES, read_pattern
from radiocov.antennas.pattern import (
    HPI,
    METHODS,
    SUM,
    Pattern,
    attenuation_db,
    direction_attenuation_db,
    interpolate_cut,
    to_antenna_frame,
)
from radiocov.antennas.shapes import BEAM_PREFIX, beam_pattern, omni_beamwidth_deg, omni_pattern, parse_beam

__all__ = [
    "BEAM_PREFIX", "HPI", "METHODS", "SUFFIXES", "SUM", "Pattern", "attenuation_db", "beam_pattern",
    "direction_attenuation_db", "interpolate_cut", "omni_beamwidth_deg", "omni_pattern", "parse_beam",
    "read_pattern", "to_antenna_frame",
]  # fmt: skip
