"""The rasters of a network state: which there are, and their values on one tile."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from radiocov import link
from radiocov.coverage import chance
from radiocov.coverage.cog import NODATA, Arrays, Layer
from radiocov.coverage.network import Server, rank_servers
from radiocov.coverage.sector import Window
from radiocov.coverage.setup import sigma_db
from radiocov.project import Project

BANDS = ("talk_out", "talk_in", "both")
STRONGEST = 3  # servers that count for the probability of any


def layers_of(project: Project, servers: Sequence[Server], tags: dict[str, Any]) -> list[Layer]:
    """Every raster of a state; ``tags`` go into each."""
    numbered = {**tags, "RADIOCOV_SERVERS": {i: s.site.id for i, s in enumerate(servers, 1)}}
    layers = [
        _layer("level_dbm.tif", "float32", [("best-server median level, isotropic antenna", "dBm")], tags),
        _layer("best_server.tif", "uint16", [("best server", "number")], numbered),
        _layer("second_level_dbm.tif", "float32", [("second server's median level, isotropic antenna", "dBm")], tags),
        _layer("second_server.tif", "uint16", [("second server", "number")], numbered),
    ]
    for service in project.services:
        about = {**tags, "RADIOCOV_SERVICE": service.model_dump(mode="json")}
        correlated = {"strongest": STRONGEST, "correlation": project.model.shadowing_correlation}
        any_of = [(f"any server, {service.direction}", "1")]
        serving = [(f"servers that serve, {service.direction}", "number")]
        layers += [
            _layer(f"margin_{service.id}.tif", "float32", [(band, "dB") for band in BANDS], about),
            _layer(f"probability_{service.id}.tif", "float32", [(band, "1") for band in BANDS], about),
            _layer(f"probability_any_{service.id}.tif", "float32", any_of, {**about, "RADIOCOV_ANY": correlated}),
            _layer(f"servers_{service.id}.tif", "uint16", serving, about),
        ]
    return layers


def _layer(name: str, dtype: str, bands: list[tuple[str, str]], tags: dict[str, Any]) -> Layer:
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        for key, value in tags.items()
    }
    return Layer(name, dtype, NODATA if dtype == "float32" else 0, tuple(bands), texts)


def needs_db(project: Project) -> np.ndarray:
    """(services, 2): what each service asks of the median, for ``rank_servers``."""
    rows = []
    for service in project.services:
        terminal = project.terminal(service.terminal)
        out = -link.talk_out_margin_db(0.0, terminal)
        back = -link.talk_in_margin_of_path_db(0.0, terminal, project.base)
        asks = service.direction
        rows.append([out if asks != "talk-in" else -math.inf, back if asks != "talk-out" else -math.inf])
    return np.array(rows).reshape(len(rows), 2)


def tile_layers(
    project: Project, ground: Any, servers: Sequence[Server], tile: Window, receiver_height_m: float
) -> Arrays:
    """Values of every layer on a tile, (bands, height, width) each; NaN and 0 where nothing reaches."""
    here = tile.slices
    ranked = rank_servers(
        ground.grid, servers, ground.elevation_m, tile, receiver_height_m, needs_db(project), STRONGEST
    )
    sigma = sigma_db(project, ground, ground.clutter_class[here], ground.clutter_height_m[here])
    out: Arrays = {
        "level_dbm.tif": ranked.level_dbm[:1], "best_server.tif": ranked.server[:1],
        "second_level_dbm.tif": ranked.level_dbm[1:2], "second_server.tif": ranked.server[1:2],
    }  # fmt: skip
    for number, service in enumerate(project.services):
        terminal = project.terminal(service.terminal)
        talk_out = link.talk_out_margin_db(ranked.level_dbm, terminal)
        talk_in = link.talk_in_margin_of_path_db(ranked.talk_in_db, terminal, project.base)
        margins = np.stack([talk_out[0], talk_in[0], np.minimum(talk_out[0], talk_in[0])])
        asked = link.service_margin_db(service.direction, talk_out, talk_in)
        any_of = chance.probability_of_any(asked, sigma, project.model.shadowing_correlation)
        out[f"margin_{service.id}.tif"] = margins
        out[f"probability_{service.id}.tif"] = chance.probability(margins, sigma)
        out[f"probability_any_{service.id}.tif"] = any_of[np.newaxis]
        out[f"servers_{service.id}.tif"] = ranked.count[number : number + 1]
    return out
