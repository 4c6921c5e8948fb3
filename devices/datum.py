"""Positions on the Chinese map datums to WGS 84, as arrays.

GCJ-02 is WGS 84 moved by a smooth function of the place, some 100 to 700 m, inside China alone; BD-09 is GCJ-02
moved once more. The forward formulas are those that have been public since 2013 (and that every map library uses);
the way back is found by iteration. CGCS2000 differs from WGS 84 by centimetres and is taken as equal.
"""

from __future__ import annotations

import numpy as np

SEMI_MAJOR_M = 6_378_245.0  # Krasovsky 1940, which GCJ-02 uses
ECCENTRICITY_2 = 0.00669342162296594323
BD_PI = np.pi * 3000.0 / 180.0
LONGITUDES = (72.004, 137.8347)
LATITUDES = (0.8293, 55.8271)


def in_china(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Whether the datums move a place: the rectangle of the published formula, somewhat larger than China."""
    return (lon >= LONGITUDES[0]) & (lon <= LONGITUDES[1]) & (lat >= LATITUDES[0]) & (lat <= LATITUDES[1])


def wgs84_to_gcj02(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degrees to degrees; places outside China stay."""
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    waves = (20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)) * 2.0 / 3.0
    north = (-100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
             + (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi / 3.0 * y)) * 2.0 / 3.0
             + (160.0 * np.sin(np.pi / 12.0 * y) + 320.0 * np.sin(np.pi / 30.0 * y)) * 2.0 / 3.0)  # fmt: skip
    east = (300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
            + (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi / 3.0 * x)) * 2.0 / 3.0
            + (150.0 * np.sin(np.pi / 12.0 * x) + 300.0 * np.sin(np.pi / 30.0 * x)) * 2.0 / 3.0)  # fmt: skip
    phi = np.radians(lat)
    magic = 1.0 - ECCENTRICITY_2 * np.sin(phi) ** 2
    to_north = np.degrees(north / (SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / (magic * np.sqrt(magic))))
    to_east = np.degrees(east / (SEMI_MAJOR_M / np.sqrt(magic) * np.cos(phi)))
    inside = in_china(lat, lon)
    return np.where(inside, lat + to_north, lat), np.where(inside, lon + to_east, lon)


def gcj02_to_wgs84(lat: np.ndarray, lon: np.ndarray, rounds: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The place whose GCJ-02 position is given, within a millimetre: the shift changes slowly, so each round gains
    two digits or more."""
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    guess_lat, guess_lon = lat, lon
    for _ in range(rounds):
        moved_lat, moved_lon = wgs84_to_gcj02(guess_lat, guess_lon)
        guess_lat, guess_lon = guess_lat + lat - moved_lat, guess_lon + lon - moved_lon
    return guess_lat, guess_lon


def gcj02_to_bd09(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * BD_PI)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * BD_PI)
    return radius * np.sin(angle) + 0.006, radius * np.cos(angle) + 0.0065


def bd09_to_gcj02(lat: np.ndarray, lon: np.ndarray, rounds: int = 4) -> tuple[np.ndarray, np.ndarray]:
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    guess_lat, guess_lon = lat - 0.006, lon - 0.0065
    for _ in range(rounds):
        moved_lat, moved_lon = gcj02_to_bd09(guess_lat, guess_lon)
        guess_lat, guess_lon = guess_lat + lat - moved_lat, guess_lon + lon - moved_lon
    return guess_lat, guess_lon


def to_wgs84(lat: np.ndarray, lon: np.ndarray, datum: str) -> tuple[np.ndarray, np.ndarray]:
    """Degrees on a datum of `records.DATUMS` to degrees on WGS 84."""
    if datum == "bd09":
        inside = in_china(lat, lon)
        gcj_lat, gcj_lon = bd09_to_gcj02(lat, lon)
        wgs_lat, wgs_lon = gcj02_to_wgs84(gcj_lat, gcj_lon)
        return np.where(inside, wgs_lat, lat), np.where(inside, wgs_lon, lon)
    return gcj02_to_wgs84(lat, lon) if datum == "gcj02" else (lat, lon)


def from_wgs84(lat: np.ndarray, lon: np.ndarray, datum: str) -> tuple[np.ndarray, np.ndarray]:
    """The way back of `to_wgs84`."""
    if datum == "bd09":
        inside = in_china(lat, lon)
        bd_lat, bd_lon = gcj02_to_bd09(*wgs84_to_gcj02(lat, lon))
        return np.where(inside, bd_lat, lat), np.where(inside, bd_lon, lon)
    return wgs84_to_gcj02(lat, lon) if datum == "gcj02" else (lat, lon)
