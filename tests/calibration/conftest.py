"""Logs whose truth is known."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

START_US, DAY_US = 1_500_000_000_000_000, 86_400_000_000
COLUMNS = ("time_utc_us", "device_id", "lat", "lon", "datum_in", "direction", "site_id", "service_state", "role",
           "rssi_dbm", "rssi_censor", "freq_hz", "hdop", "speed_mps", "pos_age_s", "carry", "flags")  # fmt: skip


def write_log(path: Path, rows: list[dict]) -> Path:
    """A canonical log; what a row does not say is that of a good one."""
    usual = {"device_id": "1001", "datum_in": "wgs84", "direction": "talk_out", "service_state": "registered",
             "role": "serving", "rssi_censor": "none"}  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, COLUMNS)
        out.writeheader()
        out.writerows({**usual, **row} for row in rows)
    return path


def cells_of(inputs, sites: int, n: int, seed: int = 1):
    """Local means without levels, at random places within 12 km of the first sites of a project."""
    from radiocov.calibration.model import NONE
    from radiocov.calibration.prepare import Means
    from radiocov.inputs import project_grid

    grid, rng = project_grid(inputs), np.random.default_rng(seed)
    site = np.repeat(np.arange(sites), n)
    at = np.array([grid.from_lonlat(*s.antenna_lonlat) for s in inputs.sites[:sites]])[site]
    angle, away = rng.uniform(0, 2 * np.pi, len(site)), rng.uniform(600.0, 12_000.0, len(site))
    x, y = at[:, 0] + away * np.sin(angle), at[:, 1] + away * np.cos(angle)
    inside = grid.contains(x, y)
    zeros = np.zeros(int(inside.sum()))
    return Means(x[inside], y[inside], site[inside], zeros.astype(int), zeros.astype(int), zeros.astype(bool),
                 zeros.astype(int), zeros, np.full(len(zeros), NONE), zeros.astype(int) + 1, zeros + 1.0,
                 zeros + np.nan, zeros, zeros)  # fmt: skip


def drawn_log(inputs, path: Path, offset_db: float, n: int = 120, seed: int = 1, limit_dbm: float = -111.0):
    """A log of what a known truth lets be heard: the model less an offset, 4 dB of shadowing a place, fast fading; of
    the site that the model has as strongest there (the truly strongest would be strong by its shadowing, too)."""
    from dataclasses import replace

    from radiocov.calibration.pairing import Predictor
    from radiocov.coverage.setup import read_ground
    from radiocov.inputs import project_grid

    rng, grid = np.random.default_rng(seed), project_grid(inputs)
    sites = [i for i, site in enumerate(inputs.sites) if site.status != "candidate"]
    means = cells_of(inputs, len(sites), n, seed)
    model = Predictor(inputs, read_ground(inputs))
    levels = [model.predict(replace(means, site=np.full(len(means), site))).predicted_dbm for site in sites]
    best = np.argmax(levels, axis=0)
    level = np.max(levels, axis=0) + offset_db + rng.normal(0.0, 4.0, len(means))
    lon, lat = grid.to_lonlat(means.x_m, means.y_m)
    rows = []
    for i in range(len(level)):
        for k in range(6):
            faded = level[i] + 10.0 * np.log10(rng.gamma(3.0) / 3.0)
            heard = level[i] > limit_dbm and faded > -139
            rows.append({
                "time_utc_us": START_US + (i % 3) * DAY_US + i * 100_000_000 + k * 1_000_000,
                "device_id": str(1001 + i % 4), "lat": f"{lat[i] + k * 2e-5:.7f}", "lon": f"{lon[i]:.7f}",
                "site_id": inputs.sites[sites[best[i]]].id if heard else "",
                "service_state": "registered" if heard else "no_service",
                "rssi_dbm": f"{faded:.1f}" if heard else "",
            })  # fmt: skip
    rows.sort(key=lambda row: (row["device_id"], row["time_utc_us"]))
    return write_log(path, rows)


@pytest.fixture(scope="session")
def logs():
    """The makers of logs."""
    return SimpleNamespace(write=write_log, drawn=drawn_log, cells=cells_of)
