"""A folder of results as a coverage run leaves it, with made-up values that a test can work out again."""

import json

import numpy as np
import rasterio
from rasterio.enums import Resampling

from terrain.grid import Grid

GRID = Grid("EPSG:32651", 500_000.0, 4_650_000.0, 100.0, 900, 700)
NODATA = -9999.0
SERVERS = {"2015": ["A"], "2017": ["A", "B"]}
SERVICES = {"handheld": (-99.0, 0.9), "vehicle": (-112.0, 0.9)}  # threshold [dBm], q
CHINESE = {"handheld": "手持台", "vehicle": "车载台"}


def arrays(state):
    """{file: (bands, h, w)} of a state. 2017 is 8 dB stronger; the northern rows are not computed."""
    down, across = np.mgrid[0 : GRID.height, 0 : GRID.width].astype(np.float32)
    level = -75.0 - 45.0 * across / GRID.width - 6.0 * np.sin(down / 40.0) + (8.0 if state == "2017" else 0.0)
    level = level.astype(np.float32)
    level[:70] = np.nan
    east = across > 450
    best = np.where(east & (state == "2017"), 2, 1).astype(np.uint16)
    second = np.where(best == 2, 1, 2 if state == "2017" else 0).astype(np.uint16)
    for servers in (best, second):
        servers[:70] = 0
    weaker = level - 7.0 if state == "2017" else np.full_like(level, np.nan)
    found = {
        "level_dbm": level[None], "best_server": best[None], "second_server": second[None],
        "second_level_dbm": weaker[None],
    }  # fmt: skip
    for service, (threshold, _) in SERVICES.items():
        out = level - np.float32(threshold)
        back = out - np.float32(3.0) + np.float32(0.01) * down
        margin = np.stack([out, back, np.minimum(out, back)]).astype(np.float32)
        chance = np.clip(0.5 + margin * 0.04, 0.0, 1.0).astype(np.float32)
        found[f"margin_{service}"], found[f"probability_{service}"] = margin, chance
        found[f"probability_any_{service}"] = np.maximum(chance[2:], np.float32(0.3)).astype(np.float32)
        found[f"probability_any_{service}"][np.isnan(chance[2:])] = np.nan
        found[f"servers_{service}"] = (chance[2:] >= 0.9).astype(np.uint16)
    return found


def write_run(folder):
    """Both states under `folder`; returns their arrays."""
    every = {}
    for state in SERVERS:
        (folder / state).mkdir(parents=True)
        every[state] = arrays(state)
        for name, bands in every[state].items():
            nodata = NODATA if bands.dtype == np.float32 else 0
            with rasterio.open(
                folder / state / f"{name}.tif", "w", driver="GTiff", dtype=bands.dtype, count=len(bands),
                width=GRID.width, height=GRID.height, crs=GRID.crs, transform=GRID.transform, nodata=nodata,
                tiled=True, blockxsize=256, blockysize=256, compress="deflate",
            ) as file:  # fmt: skip
                file.write(np.where(np.isnan(bands), np.float32(nodata), bands) if nodata else bands)
                file.build_overviews([2, 4, 8], Resampling.nearest)
        (folder / state / "manifest.json").write_text(json.dumps(manifest(state)))
    (folder / "manifest.json").write_text(json.dumps({"states": [{"state": s} for s in SERVERS]}))
    return every


def manifest(state):
    return {
        "state": state, "date": f"{state}-12-31", "key": f"key of {state}", "computed": "2026-11-25T10:00:00+00:00",
        "grid": GRID.to_dict(), "servers": SERVERS[state],
        "services": [
            {"id": service, "label": service.title(), "label_zh": CHINESE[service],
             "terminal": service, "direction": "both", "probability": q}
            for service, (_, q) in SERVICES.items()
        ],
        "provenance": {
            "model": "p1812", "model_version": "ITU-R P.1812-8", "resolution_m": GRID.resolution_m, "synthetic": True,
            "model_settings": {"frequency_mhz": 358.0, "radius_km": 30.0}, "calibration": None, "radiocov": "0.1.0",
            "ground": {"source": "made for a test", "elevation": {"sources": []}, "surface_rule": "bare"},
        },
    }  # fmt: skip
