"""The rasters of a network state, of which only tiles that depend on a change are made anew, and its manifest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import operator
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from radiocov import __version__
from radiocov.antennas import METHODS
from radiocov.calibration.model import Calibration
from radiocov.coverage import cog, interference, polar
from radiocov.coverage.calibrated import MapCalibration
from radiocov.coverage.layers import asked_of, layers_of, tile_layers
from radiocov.coverage.losses import Losses
from radiocov.coverage.network import Antenna, Server, overlap
from radiocov.coverage.results import MANIFEST, StateResults
from radiocov.coverage.sector import Window
from radiocov.coverage.setup import chain_of, grid_north_deg, pattern_of
from radiocov.coverage.store import MODELS, KeptLoss
from radiocov.coverage.threads import Progress, Threads
from radiocov.files import content_key, file_digest, read_json, write_json
from radiocov.network import Site
from radiocov.project import State


class StateWriter:
    """Writes the states of one run into the folder of results."""

    def __init__(
        self, losses: Losses, folder: Path, progress: Progress, calibration: Calibration | None = None
    ) -> None:
        self.losses, self.folder, self.progress = losses, folder, progress
        self.project, self.ground, self.grid = losses.project, losses.ground, losses.grid
        self.threads = losses.threads
        self.asked = asked_of(self.project, self.ground)
        self._patterns: dict[str, Any] = {}
        self.calibration = None
        if calibration is not None:
            self.calibration = MapCalibration(calibration, self.project, self.ground)

    def _antenna(self, site: Site, ground_m: float, north_deg: float, losses: dict[str, KeptLoss]) -> Antenna:
        kind = site.antenna, site.gain_dbi, site.electrical_tilt_deg, site.frequency_mhz
        if kind not in self._patterns:
            self._patterns[kind] = pattern_of(self.project, site)
        return Antenna(
            ground_m + site.antenna_height_m, site.azimuth_deg + north_deg, site.tilt_deg,
            *self._patterns[kind].arrays, losses[self.losses.key(site)],
        )  # fmt: skip

    def server(self, site: Site, losses: dict[str, KeptLoss], unwanted: dict[str, KeptLoss]) -> Server:
        x, y = (float(v) for v in self.grid.from_lonlat(*site.antenna_lonlat))
        at = polar.ground_height_m(self.ground, x, y), grid_north_deg(self.grid, site)
        transmit = self._antenna(site, *at, losses)
        made = Server(
            site, x, y, transmit,
            None if site.receiving is site else self._antenna(site.receiving, *at, losses),
            METHODS[self.project.sites.pattern_method],
            chain_of(self.project, self.ground, site).talk_in_db(self.project.base),
            dataclasses.replace(transmit, loss=unwanted[site.id]) if site.id in unwanted else None,
        )  # fmt: skip
        return made if self.calibration is None else self.calibration.corrected(made)

    def _common_key(self, state: State, servers: list[Server]) -> str:
        """Everything that a tile's values depend on beside its servers."""
        project = self.project
        return content_key(
            {
                "radiocov": __version__,
                "date": state.date.isoformat(),
                "ground": self.losses.ground_key,
                "errors": [[c.name, c.model_error_db] for c in self.ground.classes],
                "provenance": self.ground.provenance,
                "settings": project.model_dump(mode="json", include={"terminals", "base", "services", "model"}),
                "landcover": bool(project.landcover_files),
                "noise": [None if a.noise_db is None else a.noise_db.tolist() for a in self.asked],
                **self._interference_key(servers),
                **({} if self.calibration is None else {"calibration": self.calibration.key()}),
            }
        )

    def _interference_key(self, servers: list[Server]) -> dict[str, Any]:
        """What C/(I+N) and delays depend on beside the servers; nothing where there are none."""
        project, found = self.project, {}
        if project.interference.enabled:
            noise = [interference.noise_dbm(project, self.ground, a.terminal).tolist() for a in self.asked]
            found["interference"] = [project.interference.model_dump(mode="json"), noise]
        if project.interference.enabled or interference.in_groups(servers):
            found["simulcast"] = project.simulcast.model_dump(mode="json")
        return found

    def _tile_keys(self, state: State, servers: list[Server]) -> dict[cog.Leaf, str]:
        """Each tile's common key with all that it depends on of the servers that reach it."""
        common = self._common_key(state, servers)
        farthest_km = max(self.project.model.radius_km, self.project.interference.radius_km or 0.0)
        reach_m = farthest_km * 1000.0 + 2 * self.grid.resolution_m
        own = [
            [number, _jsonable(s.site), s.talk_in_db, s.method, self._antenna_key(s.site, s.transmit),
             s.receive and self._antenna_key(s.site.receiving, s.receive),
             *([self.losses.key(interference.Unwanted.of(s.site))] if s.unwanted else [])]
            for number, s in enumerate(servers, start=1)
        ]  # fmt: skip
        keys = {}
        for leaf in cog.leaves_of(*self.grid.shape):
            tile = self._window(leaf)
            x, y = self.grid.centre_xy(
                np.array([tile.top, tile.top + tile.height - 1]), np.array([tile.left, tile.left + tile.width - 1])
            )
            near = [
                about for about, s in zip(own, servers, strict=True)
                if (overlap(tile, s.transmit.loss.window) or s.unwanted and overlap(tile, s.unwanted.loss.window))
                and math.hypot(max(x[0] - s.x, s.x - x[1], 0.0), max(y[1] - s.y, s.y - y[0], 0.0)) <= reach_m
            ]  # fmt: skip
            measured = [] if self.calibration is None else self.calibration.key_near(tile)
            keys[leaf] = content_key([common, near, *measured])
        return keys

    def _antenna_key(self, site: Site, antenna: Antenna) -> list[str]:
        return [self.losses.key(site), _array_key(antenna.horizontal_db, antenna.vertical_db)]

    def _window(self, leaf: cog.Leaf) -> Window:
        top, left = leaf[0] * cog.BLOCK, leaf[1] * cog.BLOCK
        return Window(top, left, min(cog.BLOCK, self.grid.height - top), min(cog.BLOCK, self.grid.width - left))

    def write(self, state: State, servers: list[Server]) -> tuple[dict[str, Any], bool]:
        """Rasters of one state: ``(its manifest, whether anything was computed now)``."""
        folder = self.folder / state.id
        tiles = self._tile_keys(state, servers)
        ids = [s.site.id for s in servers]
        about = [] if self.calibration is None else [self.calibration.about(tuple(ids))]
        key = content_key([ids, list(tiles.values()), *about])
        known = read_json(folder / MANIFEST)
        if known is not None and known.get("key") == key and _intact(folder, known, self.threads.number):
            return known, False
        with alone(self.folder, self.threads, self.progress):
            return self._write_anew(state, servers, tiles, key)

    def _write_anew(
        self, state: State, servers: list[Server], tiles: dict[cog.Leaf, str], key: str
    ) -> tuple[dict[str, Any], bool]:
        folder = self.folder / state.id
        ids = [s.site.id for s in servers]
        known = read_json(folder / MANIFEST)  # another run may have written it meanwhile
        intact = known is not None and _intact(folder, known, self.threads.number)
        if intact and known.get("key") == key:
            return known, False
        layers = layers_of(self.project, servers, self._tags(state, ids), self.calibration is not None)
        dirty = set(tiles)
        if intact and known.get("grid") == self.grid.to_dict() and cog.can_follow(folder, layers, self.grid):
            before = dict(zip(tiles, known.get("tiles", []), strict=False))
            dirty = {leaf for leaf, tile in tiles.items() if before.get(leaf) != tile}
        digests = self._write_rasters(state, servers, folder, layers, dirty)
        for name in set((known or {}).get("files", {})) - {layer.name for layer in layers}:
            (folder / name).unlink(missing_ok=True)  # of a network or settings that are no more
        manifest = {
            "state": state.id,
            "date": state.date.isoformat(),
            "key": key,
            "computed": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "grid": self.grid.to_dict(),
            "servers": ids,
            "losses": {s.site.id: self.losses.key(s.site) for s in servers},
            "receiver_losses": {
                s.site.id: self.losses.key(s.site.receiving) for s in servers if s.receive is not None
            },
            "talk_in_needs_dbm": {
                s.site.id: round(chain_of(self.project, self.ground, s.site).needed_dbm, 3) for s in servers
            },
            "services": [service.model_dump(mode="json") for service in self.project.services],
            "provenance": self._provenance(ids),
            "files": {
                layer.name: {
                    "bands": [{"description": d, "unit": u} for d, u in layer.bands], "nodata": layer.nodata,
                    "dtype": layer.dtype, "sha256": digests[layer.name],
                }
                for layer in layers
            },
            "tiles": list(tiles.values()),
        }  # fmt: skip
        manifest |= self._disturbed(StateResults(folder, manifest), servers)
        write_json(folder / MANIFEST, manifest)
        return manifest, True

    def _disturbed(self, results: StateResults, servers: list[Server]) -> dict[str, Any]:
        what = f"summing up {results.manifest['state']}"
        try:
            return interference.summary(
                self.project, results, interference.in_groups(servers),
                lambda done, total: self.progress(what, done, total),
            )  # fmt: skip
        finally:
            results.close()

    def _provenance(self, ids: list[str]) -> dict[str, Any]:
        model = self.project.model
        return {
            "model": model.name,
            "model_version": MODELS[model.name][0],
            "model_settings": model.model_dump(mode="json"),
            "calibration": None if self.calibration is None else self.calibration.about(tuple(ids)),
            "resolution_m": self.grid.resolution_m,
            "ground": self.ground.provenance,
            "synthetic": self.ground.synthetic,
            "radiocov": __version__,
            **({"device": self.losses.device} if self.losses.device else {}),
            **self._unusual(),
        }

    def _unusual(self) -> dict[str, Any]:
        """What else the numbers rest on, where the project asks for it."""
        noise = any(a.noise_db is not None for a in self.asked) or self.project.base.threshold != "given"
        method = self.project.sites.pattern_method
        return {
            **({"pattern_method": method} if METHODS[method] else {}),
            **({"man_made_noise": self.project.noise.model_dump(mode="json")} if noise else {}),
        }

    def _tags(self, state: State, ids: list[str]) -> dict[str, Any]:
        provenance = self._provenance(ids)
        return {
            "RADIOCOV_STATE": state.id,
            "RADIOCOV_DATE": state.date.isoformat(),
            "RADIOCOV_PROVENANCE": provenance,
            "RADIOCOV_SYNTHETIC": "yes" if provenance["synthetic"] else "no",
        }

    def _write_rasters(
        self, state: State, servers: list[Server], folder: Path, layers: list[cog.Layer], dirty: set[cog.Leaf]
    ) -> dict[str, str]:
        """The tiles that changed, computed by several threads, and the files made of them and of what was there."""
        what = f"combining the network of {state.id}"
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.progress(what, done, len(dirty))

        self.progress(what, 0, len(dirty))
        order = [leaf for leaf in cog.leaves_of(*self.grid.shape) if leaf in dirty]
        with self.threads.pool() as pool:
            return cog.write(
                folder, self.grid, layers, self._in_turn(pool, servers, layers, order), dirty, advance,
                # until the new manifest is there, the folder does not hold what the old one says
                lambda: (folder / MANIFEST).unlink(missing_ok=True), self.threads.number,
            )  # fmt: skip

    def _in_turn(
        self, pool: ThreadPoolExecutor, servers: list[Server], layers: list[cog.Layer], order: list[cog.Leaf]
    ) -> Iterator[tuple[cog.Leaf, cog.Blocks, cog.Arrays]]:
        """Tiles in order."""
        for _, tile in self.threads.bounded((leaf, pool.submit(self._tile, servers, layers, leaf)) for leaf in order):
            yield tile

    def _tile(
        self, servers: list[Server], layers: list[cog.Layer], leaf: cog.Leaf
    ) -> tuple[cog.Leaf, cog.Blocks, cog.Arrays]:
        self.threads.check()
        arrays = tile_layers(
            self.project, self.ground, servers, self.asked, self._window(leaf), self.losses.rx_height_m,
            self.calibration,
        )  # fmt: skip
        return leaf, {layer.name: cog.encode(layer, arrays[layer.name]) for layer in layers}, arrays


def _intact(folder: Path, manifest: dict[str, Any], threads: int) -> bool:
    """Whether every file of a state is as it was written."""
    try:
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(file_digest, [folder / name for name in manifest["files"]])
            return all(map(operator.eq, found, [about["sha256"] for about in manifest["files"].values()]))
    except OSError:
        return False


def _jsonable(site: Site) -> dict[str, Any]:
    """Every field of a row that a site needs or uses."""
    values = {field: getattr(site, field.name) for field in dataclasses.fields(site)}
    return {field.name: str(v) for field, v in values.items() if v != field.default or field.name == "site"}


def _array_key(*arrays: np.ndarray) -> str:
    return content_key([array.tolist() for array in arrays])


@contextmanager
def alone(folder: Path, threads: Threads, progress: Progress) -> Iterator[None]:
    """While this run writes to the folder of results, others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".results.lock"
    lock = FileLock(path)
    what = "waiting for another run that writes these results"
    waited = False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.2)
        except Timeout:
            threads.check()
            progress(what, 0, 1)
            waited = True
    if waited:
        progress(what, 1, 1)
    try:
        yield
    finally:
        with suppress(OSError):  # an open file stays on Windows
            path.unlink()  # while it is held: whoever has it open by then takes a new one
        lock.release()
