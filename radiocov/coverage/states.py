"""The rasters of a network state, of which only tiles that depend on a change are made anew, and its manifest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import operator
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from radiocov import __version__
from radiocov.antennas import METHODS
from radiocov.calibration.model import Calibration
from radiocov.coverage import cog, interference, polar
from radiocov.coverage.calibrated import MapCalibration
from radiocov.coverage.layer_file import Damaged, Earlier
from radiocov.coverage.layers import asked_of, layers_of, tile_layers
from radiocov.coverage.losses import Losses
from radiocov.coverage.network import Antenna, Server
from radiocov.coverage.pieces import Piece, PieceKeys, part_of, pieces_of
from radiocov.coverage.results import MANIFEST, StateResults
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

    def write(self, state: State, servers: list[Server]) -> tuple[dict[str, Any], bool]:
        """Rasters of one state: ``(its manifest, whether anything was computed now)``."""
        folder = self.folder / state.id
        pieces = PieceKeys(self.losses, self.asked, self.calibration).of(state, servers)
        ids = [s.site.id for s in servers]
        about = [] if self.calibration is None else [self.calibration.about(tuple(ids))]
        key = content_key([ids, list(pieces.values()), *about])
        known = self._finished(folder, key)
        if known is not None:
            return known, False
        with alone(self.folder, self.threads, self.progress):
            known = self._finished(folder, key)  # another run may have written it meanwhile
            if known is not None:
                return known, False
            return self._write_anew(state, servers, pieces, key), True

    def _finished(self, folder: Path, key: str) -> dict[str, Any] | None:
        """The manifest of a state that is there as it should be."""
        known = read_json(folder / MANIFEST)
        if known is None or known.get("key") != key or not _intact(folder, known, self.threads.number):
            return None
        return known

    def _write_anew(
        self, state: State, servers: list[Server], pieces: dict[Piece, str], key: str
    ) -> dict[str, Any]:
        folder = self.folder / state.id
        ids = [s.site.id for s in servers]
        known = read_json(folder / MANIFEST)
        layers = layers_of(self.project, servers, self._tags(state, ids), self.calibration is not None)
        digests = None
        same_grid = known is not None and known.get("grid") == self.grid.to_dict()
        if same_grid and cog.can_follow(folder, layers, self.grid):
            before = dict(zip(pieces, known.get("pieces", []), strict=False))
            dirty = {piece for piece, made_of in pieces.items() if before.get(piece) != made_of}
            digests = self._write_rasters(state, servers, folder, layers, dirty, known["files"])
        if digests is None:  # nothing to follow, or it was damaged
            digests = self._write_rasters(state, servers, folder, layers, set(pieces))
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
            "pieces": list(pieces.values()),
        }  # fmt: skip
        manifest |= self._disturbed(StateResults(folder, manifest), servers)
        write_json(folder / MANIFEST, manifest)
        return manifest

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
        self, state: State, servers: list[Server], folder: Path, layers: list[cog.Layer], dirty: set[Piece],
        files: dict[str, Any] | None = None,
    ) -> dict[str, str] | None:  # fmt: skip
        """The pieces that changed, computed by several threads, and the rasters made of them and of what was there.

        files: what the earlier manifest says of the rasters that are there; without, all pieces are dirty. Returns
        the sha256 of each, or None, with nothing written, where one that was there is not what the manifest says.
        """
        what = f"combining the network of {state.id}"
        order = [leaf for leaf in cog.leaves_of(*self.grid.shape) if dirty & set(pieces_of(leaf, self.grid))]
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.progress(what, done, len(order))

        self.progress(what, 0, len(order))
        with ExitStack() as stack:
            before = None if files is None else cog.earlier(folder, layers, self.grid, stack)
            pool = stack.enter_context(self.threads.pool())
            tasks = ((leaf, pool.submit(self._tile, servers, layers, leaf, dirty, before)) for leaf in order)
            with suppress(Damaged):
                return cog.write(
                    folder, self.grid, layers, (tile for _, tile in self.threads.bounded(tasks)), set(order), before,
                    None if files is None else {name: about.get("sha256", "") for name, about in files.items()},
                    advance,
                    # until the new manifest is there, the folder does not hold what the old one says
                    lambda: (folder / MANIFEST).unlink(missing_ok=True), self.threads.number,
                )  # fmt: skip
        return None

    def _tile(
        self, servers: list[Server], layers: list[cog.Layer], leaf: cog.Leaf, dirty: set[Piece],
        before: dict[str, Earlier] | None,
    ) -> tuple[cog.Leaf, cog.Blocks, cog.Arrays]:  # fmt: skip
        """A block of every layer: pieces that changed are computed, the others as they were."""
        self.threads.check()
        whole = part_of(leaf, cog.BLOCK, self.grid)
        pieces = pieces_of(leaf, self.grid)
        if dirty.issuperset(pieces):
            arrays = {x.name: np.empty((len(x.bands), whole.height, whole.width), x.dtype) for x in layers}
        else:
            arrays = {x.name: before[x.name].read(0, *leaf) for x in layers}
        for piece in pieces:
            if piece in dirty:
                part = part_of(piece, cog.PIECE, self.grid)
                down, right = part.top - whole.top, part.left - whole.left
                made = tile_layers(
                    self.project, self.ground, servers, self.asked, part, self.losses.rx_height_m, self.calibration
                )
                for name, values in arrays.items():
                    values[:, down : down + part.height, right : right + part.width] = made[name]
        return leaf, {layer.name: cog.encode(layer, arrays[layer.name]) for layer in layers}, arrays


def _intact(folder: Path, manifest: dict[str, Any], threads: int) -> bool:
    """Whether every file of a state is as it was written."""
    try:
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(file_digest, [folder / name for name in manifest["files"]])
            return all(map(operator.eq, found, [about["sha256"] for about in manifest["files"].values()]))
    except OSError:
        return False


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
