"""The rasters of a network state: which there are, and their values on one tile."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radiocov import link
from radiocov.chain import building_entry_db
from radiocov.coverage import chance, interference
from radiocov.coverage.calibrated import MapCalibration
from radiocov.coverage.cog import NODATA, Arrays, Layer
from radiocov.coverage.network import Needs, Server, rank_servers
from radiocov.coverage.sector import Window
from radiocov.coverage.setup import sigma_db, terminal_noise_db
from radiocov.project import Project

BANDS = ("talk_out", "talk_in", "both")
STRONGEST = 3  # servers that count for the probability of any
UNCERTAINTY = "uncertainty_db.tif"


def layers_of(
    project: Project, servers: Sequence[Server], tags: dict[str, Any], calibrated: bool = False
) -> list[Layer]:
    """Every raster of a state; ``tags`` go into each."""
    numbered = {**tags, "RADIOCOV_SERVERS": {i: s.site.id for i, s in enumerate(servers, 1)}}
    layers = [
        _layer("level_dbm.tif", "float32", [("best-server median level, isotropic antenna", "dBm")], tags),
        _layer("best_server.tif", "uint16", [("best server", "number")], numbered),
        _layer("second_level_dbm.tif", "float32", [("second server's median level, isotropic antenna", "dBm")], tags),
        _layer("second_server.tif", "uint16", [("second server", "number")], numbered),
    ]
    if calibrated:
        what = "standard deviation of the best server's level, outdoors"
        layers.append(_layer(UNCERTAINTY, "float32", [(what, "dB")], tags))
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
        if project.interference.enabled:
            unwanted = {"RADIOCOV_INTERFERENCE": project.interference.model_dump(mode="json")}
            name = interference.ci_name(service)
            layers.append(_layer(name, "float32", [("C/(I+N) at the terminal's port", "dB")], {**about, **unwanted}))
    if interference.in_groups(servers):
        simulcast = {"RADIOCOV_SIMULCAST": project.simulcast.model_dump(mode="json")}
        spread = [("largest difference of arrival in the best server's group", "us")]
        layers.append(_layer(interference.DELAY, "float32", spread, {**tags, **simulcast}))
    return layers


def _layer(name: str, dtype: str, bands: list[tuple[str, str]], tags: dict[str, Any]) -> Layer:
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        for key, value in tags.items()
    }
    return Layer(name, dtype, NODATA if dtype == "float32" else 0, tuple(bands), texts)


@dataclass(frozen=True, eq=False)
class Asked:
    """A service as the tiles need it: walls in front of it, their spread, the noise at its terminal by class."""

    service: Any
    terminal: Any
    walls_db: float
    walls_sigma_db: float
    noise_db: np.ndarray | None  # (classes,) float32; None where the threshold stays as it is given


def asked_of(project: Project, ground: Any) -> list[Asked]:
    """The project's services over its ground."""
    found = []
    for service in project.services:
        terminal = project.terminal(service.terminal)
        walls = building_entry_db(service, project.model.frequency_mhz)
        found.append(Asked(service, terminal, *walls, terminal_noise_db(project, ground, terminal)))
    return found


def needs_of(project: Project, ground: Any, asked: Sequence[Asked]) -> Needs:
    """What the services ask of the medians, for ``rank_servers``."""
    limits = np.empty((len(asked), 2))
    noise = np.zeros((len(asked), len(ground.classes)), np.float32)
    for number, a in enumerate(asked):
        out = a.walls_db - link.talk_out_margin_db(0.0, a.terminal)
        back = a.walls_db - link.talk_in_margin_of_path_db(0.0, a.terminal, project.base)
        asks = a.service.direction
        limits[number] = out if asks != "talk-in" else -math.inf, back if asks != "talk-out" else -math.inf
        if a.noise_db is not None:
            noise[number] = a.noise_db
    return Needs(limits, noise)


def tile_layers(
    project: Project, ground: Any, servers: Sequence[Server], asked: Sequence[Asked], tile: Window,
    receiver_height_m: float, calibration: MapCalibration | None = None,
) -> Arrays:  # fmt: skip
    """Values of every layer on a tile, (bands, height, width) each; NaN and 0 where nothing reaches.

    calibration: the one by which the servers' losses are corrected.
    """
    here = tile.slices
    classes = ground.clutter_class[here]
    ranked = rank_servers(
        ground.grid, servers, ground.elevation_m, ground.clutter_class, tile, receiver_height_m,
        needs_of(project, ground, asked), STRONGEST,
    )  # fmt: skip
    if calibration is None:
        about = each = sigma_db(project, ground, classes, ground.clutter_height_m[here])
    else:
        each = calibration.sigma_db(servers, ranked.server, tile)
        about = each[0]
    out: Arrays = {
        "level_dbm.tif": ranked.level_dbm[:1], "best_server.tif": ranked.server[:1],
        "second_level_dbm.tif": ranked.level_dbm[1:2], "second_server.tif": ranked.server[1:2],
        **interference.tile_layers(
            project, ground, servers, asked, tile, receiver_height_m, ranked.level_dbm[0], ranked.server[0]
        ),
    }  # fmt: skip
    if calibration is not None:
        out[UNCERTAINTY] = each[:1]
    for number, a in enumerate(asked):
        service = a.service
        talk_out = link.talk_out_margin_db(ranked.level_dbm, a.terminal)
        talk_in = link.talk_in_margin_of_path_db(ranked.talk_in_db, a.terminal, project.base)
        if a.noise_db is not None:
            talk_out = talk_out - a.noise_db[classes]
        if a.walls_db:
            talk_out, talk_in = talk_out - np.float32(a.walls_db), talk_in - np.float32(a.walls_db)
        sigma = link.total_sigma_db(about, np.float32(a.walls_sigma_db)) if a.walls_sigma_db else about
        margins = np.stack([talk_out[0], talk_in[0], np.minimum(talk_out[0], talk_in[0])])
        deciding = link.service_margin_db(service.direction, talk_out, talk_in)
        if calibration is not None:  # each server has its own: of 1 after division by it
            own = np.maximum(np.hypot(each, np.float32(a.walls_sigma_db)), np.float32(1e-3))
            deciding, sigma_any = deciding / own, np.ones_like(sigma)
        else:
            sigma_any = sigma
        any_of = chance.probability_of_any(deciding, sigma_any, project.model.shadowing_correlation)
        out[f"margin_{service.id}.tif"] = margins
        out[f"probability_{service.id}.tif"] = chance.probability(margins, sigma)
        out[f"probability_any_{service.id}.tif"] = any_of[np.newaxis]
        out[f"servers_{service.id}.tif"] = ranked.count[number : number + 1]
    return out
