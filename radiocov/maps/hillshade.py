"""Shaded relief, quiet enough to lie under a coverage map."""

from __future__ import annotations

import numpy as np

LIGHTS = ((315.0, 0.6), (270.0, 0.2), (0.0, 0.2))  # azimuth [deg], weight
SUN_HEIGHT_DEG = 45.0
TARGET_SLOPE = 0.5  # slope that the steep tenth of the map is stretched or flattened to
DARKEST, LIGHTEST, TONES = 120, 250, 40


def hillshade(elevation_m: np.ndarray, resolution_m: float) -> np.ndarray:
    """(h, w) uint8 greys of (h, w) heights [m]; slopes are exaggerated alike everywhere to suit the relief.

    Lambert shading with three lights from the north-west; few tones, because the picture is only a backdrop.
    """
    heights = np.nan_to_num(np.asarray(elevation_m, np.float32))
    if min(heights.shape) < 2:
        return np.full(heights.shape, LIGHTEST, np.uint8)
    down, right = np.gradient(heights, np.float32(resolution_m))
    east, north = right, -down
    steep = float(np.percentile(np.hypot(east, north), 90))
    scale = np.float32(np.clip(TARGET_SLOPE / max(steep, 1e-6), 1.0, 12.0))
    east, north = east * scale, north * scale
    up = 1.0 / np.sqrt(1.0 + east**2 + north**2)
    height = np.radians(SUN_HEIGHT_DEG)
    shade = np.zeros_like(heights)
    for azimuth_deg, weight in LIGHTS:
        azimuth = np.radians(azimuth_deg)
        light = np.cos(height) * (-east * np.sin(azimuth) - north * np.cos(azimuth)) + np.sin(height)
        shade += np.float32(weight) * np.clip(light * up, 0.0, 1.0)
    flat = np.sin(height)
    # flat ground stays light, so that only relief draws the eye
    lit = np.clip(0.85 + (shade - flat) * 0.75, 0.0, 1.0)
    tones = np.rint(lit * (TONES - 1)) / (TONES - 1)
    return (DARKEST + tones * (LIGHTEST - DARKEST)).astype(np.uint8)
