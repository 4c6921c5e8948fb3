"""A coverage run: from a project's files to rasters and manifests, taking up what is already there."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from radiocov import __version__
from radiocov.antennas import METHODS
from radiocov.coverage import cog, interference, polar
from radiocov.coverage.layers import asked_of, layers_of, tile_layers
from radiocov.coverage.network import Antenna, Server, overlap
from radiocov.coverage.results import MANIFEST, StateResults
from radiocov.coverage.sector import LossSettings, Transmitter, Window, is_compiled, loss_raster, prepare
from radiocov.coverage.setup import (
    chain_of,
    grid_north_deg,
    loss_settings,
    pattern_of,
    read_ground,
    refractivity_maps,
    terminal_height_m,
)
from radiocov.coverage.store import MODELS, STORE, KeptLoss, LossStore, ground_key, loss_key, remember
from radiocov.files import content_key, file_digest, read_json, remove_leftovers, write_json
from radiocov.frequency_plan import sharing_sites
from radiocov.inputs import Inputs
from radiocov.network import Site, in_state
from radiocov.problems import Problem, ProjectError
from radiocov.project import State
from radiocov.settings import MODEL_RANGE_MHZ, MODEL_REACH_KM
from terrain.ground import Ground

ITM_N0 = (250.0, 400.0)  # N-units that the model takes

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all


def no_progress(what: str, done: int, total: int) -> None:
    pass


class Cancelled(Exception):
    """The run was asked to stop; what was finished is kept."""


@dataclass(frozen=True)
class Result:
    """A finished run: the folder of results, the manifest's content, and what was taken from an earlier run."""

    folder: Path
    manifest: dict[str, Any]
    losses_computed: int
    losses_reused: int
    damaged: int
    states_reused: int
    outside: tuple[str, ...]  # sites that lie outside the grid and add nothing
    notes: tuple[str, ...] = ()  # what the user should know of how it was computed


def states_of(inputs: Inputs, on: dt.date | None) -> list[State]:
    """The network states to compute: the policy's periods, or the one date asked for."""
    if on is not None:
        return [State(f"on-{on.isoformat()}", on)]
    return inputs.project.states(inputs.policy)


class CoverageRun:
    """Computes every state of a project. One instance runs once; ``cancel`` may be called from another thread."""

    def __init__(
        self, inputs: Inputs, *, folder: Path | None = None, on: dt.date | None = None, jobs: int | None = None,
        progress: Progress = no_progress, gpu: bool = False, cluster: str = "",
    ) -> None:  # fmt: skip
        """gpu: compute losses on a CUDA device. Raises NoDevice (an OSError) where there is none.

        cluster: address of a Dask scheduler whose workers compute the losses.
        """
        self.inputs, self.project = inputs, inputs.project
        self.folder = folder or self.project.output_folder
        self.states = states_of(inputs, on)
        self.jobs = jobs or os.cpu_count() or 1
        self.progress = progress
        self.store = LossStore(self.project.folder / STORE)
        self._stop = threading.Event()
        self._reused = self._computed = self._damaged = 0
        self._patterns: dict[str, Any] = {}
        self._refractivity = refractivity_maps(self.project)
        self.device = self._require_device() if gpu else ""
        self.cluster = cluster
        self._notes: list[str] = []

    def _require_device(self) -> str:
        if self.project.model.name != "p1812":
            fault = f"--gpu computes p1812, not {self.project.model.name}"
            raise ProjectError(Problem(self.project.path.name, "model, name", fault, "run without --gpu"))
        from radiocov.coverage.gpu import require_device

        return require_device()

    def cancel(self) -> None:
        self._stop.set()

    def run(self) -> Result:
        """Raises ProjectError for bad input (nothing is written), Cancelled, OSError."""
        active = {state: in_state(self.inputs.sites, state.date) for state in self.states}
        self._check_ranges([site for sites in active.values() for site in sites])
        self.ground = read_ground(self.inputs, self.progress)
        self.grid = self.ground.grid
        self.ground_key = ground_key(self.ground)
        sites = {site.id: site for sites in active.values() for site in sites}
        inside = {key: site for key, site in sites.items() if self._inside(site)}
        if sites and not inside:
            fault = "every site lies outside the grid"
            raise ProjectError(Problem(self.project.sites_file.name, "", fault, "mend grid.extent or the sites"))
        for folder in (self.store.folder, self.folder, *(self.folder / state.id for state in self.states)):
            remove_leftovers(folder)
        self.rx_height_m = terminal_height_m(self.project)
        self.asked = asked_of(self.project, self.ground)
        losses = self._losses([antenna for site in inside.values() for antenna in (site, site.receiving)])
        unwanted = self._unwanted(list(inside.values()), losses)
        servers = {key: self._server(site, losses, unwanted) for key, site in inside.items()}
        reused = 0
        manifests = []
        for state, present in active.items():
            manifest, fresh = self._state(state, [servers[s.id] for s in present if s.id in servers])
            manifests.append(manifest)
            reused += not fresh
        manifest = self._manifest(manifests)
        if self.folder.absolute() != self.project.output_folder.absolute():
            remember(self.project.folder, self.folder)
        outside = tuple(key for key in sites if key not in inside)
        return Result(
            self.folder, manifest, self._computed, self._reused, self._damaged, reused, outside, tuple(self._notes)
        )  # fmt: skip

    def keys(self, ground: Ground) -> set[str]:
        """Keys of all losses that the states need on a ground, by the processor or a device."""
        self.ground, self.grid, self.ground_key = ground, ground.grid, ground_key(ground)
        self.rx_height_m = terminal_height_m(self.project)
        sites = {site for state in self.states for site in in_state(self.inputs.sites, state.date)}
        places = {self._place(a) for site in sites if self._inside(site) for a in (site, site.receiving)}
        return {loss_key(self.ground_key, *place, device) for place in places for device in ("", "cuda")}

    def _check_ranges(self, sites: list[Site]) -> None:
        """ProjectError where a site or the radius leaves the model, which the command line may have chosen."""
        model, project = self.project.model, self.project
        low, high = MODEL_RANGE_MHZ[model.name]
        reach_km = MODEL_REACH_KM.get(model.name, math.inf)
        problems = []
        radii = {"model": model.radius_km, "interference": project.interference.radius_km or 0.0}
        for section, radius_km in radii.items():
            if radius_km > reach_km:
                fault = f"{radius_km:g} km is beyond the reach of {model.name}"
                remedy = f"give at most {reach_km:g} km or another model"
                problems.append(Problem(project.path.name, f"{section}, radius_km", fault, remedy))
        if model.name == "itm" and not ITM_N0[0] <= model.n0 <= ITM_N0[1]:
            fault = f"{model.n0:g} N-units is outside the range of itm"
            remedy = f"give {ITM_N0[0]:g} to {ITM_N0[1]:g} or another model"
            problems.append(Problem(project.path.name, "model, n0", fault, remedy))
        for site in dict.fromkeys(sites):
            frequency = site.frequency_mhz or model.frequency_mhz
            if not low <= frequency <= high:
                where = f'site "{site.id}", frequency_mhz'
                fault = f"{frequency:g} MHz is outside the range of {model.name}"
                remedy = f"give {low:g} to {high:g} MHz or another model"
                problems.append(Problem(project.sites_file.name, where, fault, remedy))
        if problems:
            raise ProjectError(problems)

    def _inside(self, site: Site) -> bool:
        return bool(self.grid.contains(*self.grid.from_lonlat(*site.antenna_lonlat)))

    # --- loss rasters -------------------------------------------------------------------------------

    def _place(self, site: Site) -> tuple[Transmitter, LossSettings]:
        lon, lat = site.antenna_lonlat
        x, y = self.grid.from_lonlat(lon, lat)
        settings = loss_settings(
            self.project, site.frequency_mhz or self.project.model.frequency_mhz, self.rx_height_m
        )
        mapped = {key: round(map_.at(lon, lat), 3) for key, map_ in self._refractivity.items()}
        settings = dataclasses.replace(settings, **mapped)
        if isinstance(site, interference.Unwanted):
            settings = interference.unwanted_settings(self.project, settings)
        return Transmitter(float(x), float(y), site.antenna_height_m), settings

    def _key(self, site: Site) -> str:
        return loss_key(self.ground_key, *self._place(site), "cuda" if self.device else "")

    def _losses(self, sites: list[Site]) -> dict[str, KeptLoss]:
        """Loss rasters by key, in the store by now; several are computed at a time."""
        wanted = {self._key(site): site for site in sites}
        done: dict[str, KeptLoss] = {}
        what = "computing losses"
        missing = []
        for key, site in wanted.items():
            self._check()
            there = self.store.has(key)
            kept = self.store.open(key) if there else None
            if kept is None:
                self._damaged += there
                missing.append((key, site))
            else:
                done[key] = kept
        self._reused += len(done)
        if missing and not self.device and not self.cluster:
            self._prepare()
        self.progress(what, len(done), len(wanted))
        compute = self._losses_on_device if self.device else self._losses_here
        if self.cluster and missing:
            compute = self._losses_on_cluster
        with self._pool() as pool, closing(compute(pool, missing)) as found:
            for key, loss in found:
                done[key] = loss
                self._computed += 1
                self.progress(what, len(done), len(wanted))
        return done

    def _unwanted(self, sites: list[Site], wanted: dict[str, KeptLoss]) -> dict[str, KeptLoss]:
        """Losses of the sites that share a carrier by their ids, as they are where they are not wanted."""
        settings = self.project.interference
        sharing = sharing_sites(sites, settings.channel_width_khz) if settings.enabled else []
        as_unwanted = [interference.Unwanted.of(site) for site in sharing]
        missing = [site for site in as_unwanted if self._key(site) not in wanted]
        losses = wanted | (self._losses(missing) if missing else {})
        return {site.id: losses[self._key(site)] for site in as_unwanted}

    def _prepare(self) -> None:
        model = self.project.model.name
        what = "preparing the engine" if is_compiled(model) else "compiling the engine, this once (some 30 s)"
        self.progress(what, 0, 1)
        prepare(model)
        self.progress(what, 1, 1)

    def _losses_here(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        pending = {pool.submit(self._loss, key, site): key for key, site in missing}
        for future in self._finished(pending):
            yield pending[future], future.result()

    def _losses_on_device(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        """The device computes while threads compress and keep what it has finished, two a thread at most."""
        from radiocov.coverage.gpu import LossEngine

        def keeping() -> Iterator[tuple[str, Future]]:
            for number, window, loss in LossEngine(self.ground).losses([self._place(site) for _, site in missing]):
                self._check()
                key, site = missing[number]
                yield key, pool.submit(self._keep, key, site, window, loss)

        yield from self._bounded(keeping())

    def _losses_on_cluster(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        from radiocov.coverage.cluster import Cluster, processor

        what = "looking at the workers"
        self.progress(what, 0, 1)
        with Cluster(self.cluster, self.store, self.ground, self._check) as cluster:
            self.progress(what, 1, 1)
            threads = cluster.threads
            found = f"{len(threads)} workers, {sum(threads.values())} threads; dashboard {cluster.dashboard}"
            self.progress(found, 1, 1)
            others = cluster.processors - {processor()}
            if others:
                self._notes.append(
                    f"workers have other processors ({', '.join(sorted(others))}) than this machine ({processor()}); "
                    "the last digits of losses may differ from those computed here"
                )
            yield from cluster.losses([(key, *self._place(site), self._about(site)) for key, site in missing])

    def _loss(self, key: str, site: Site) -> KeptLoss:
        self._check()
        window, loss = loss_raster(self.ground, *self._place(site), run=self._checked_map)
        return self._keep(key, site, window, loss)

    def _keep(self, key: str, site: Site, window: Window, loss: np.ndarray) -> KeptLoss:
        return self.store.put(key, self.grid, window, loss, self._about(site))

    def _about(self, site: Site) -> dict[str, Any]:
        """What the note beside a raster says of it."""
        transmitter, settings = self._place(site)
        return {
            "site": site.id, "transmitter": [transmitter.x, transmitter.y, transmitter.height_m],
            "model": MODELS[settings.model][0], "settings": settings.to_dict(), "radiocov": __version__,
            **({"device": self.device} if self.device else {}),
        }  # fmt: skip

    def _checked_map(self, work: Callable[..., None], tasks: Any) -> Iterator[None]:
        for task in tasks:
            self._check()
            yield work(task)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that stop soon after the block is left by an interruption."""
        pool = ThreadPoolExecutor(self.jobs)
        try:
            yield pool
        except BaseException:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()

    def _finished(self, pending: dict[Future, Any]) -> Iterator[Future]:
        left = set(pending)
        while left:
            # a wait without a limit would hold back Ctrl-C on some systems
            finished, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
            self._check()
            yield from finished

    def _bounded(self, submitted: Iterator[tuple[Any, Future]]) -> Iterator[tuple[Any, Any]]:
        """What is submitted, by its name and in order, with no more of it in memory than keeps the threads busy."""
        waiting: deque[tuple[Any, Future]] = deque()
        for named in submitted:
            waiting.append(named)
            if len(waiting) > 2 * self.jobs:
                name, future = waiting.popleft()
                yield name, future.result()
        for name, future in waiting:
            yield name, future.result()

    # --- states ---------------------------------------------------------------------------------------

    def _antenna(self, site: Site, ground_m: float, north_deg: float, losses: dict[str, KeptLoss]) -> Antenna:
        kind = site.antenna, site.gain_dbi, site.electrical_tilt_deg, site.frequency_mhz
        if kind not in self._patterns:
            self._patterns[kind] = pattern_of(self.project, site)
        return Antenna(
            ground_m + site.antenna_height_m, site.azimuth_deg + north_deg, site.tilt_deg,
            *self._patterns[kind].arrays, losses[self._key(site)],
        )  # fmt: skip

    def _server(self, site: Site, losses: dict[str, KeptLoss], unwanted: dict[str, KeptLoss]) -> Server:
        x, y = (float(v) for v in self.grid.from_lonlat(*site.antenna_lonlat))
        at = polar.ground_height_m(self.ground, x, y), grid_north_deg(self.grid, site)
        transmit = self._antenna(site, *at, losses)
        return Server(
            site, x, y, transmit,
            None if site.receiving is site else self._antenna(site.receiving, *at, losses),
            METHODS[self.project.sites.pattern_method],
            chain_of(self.project, self.ground, site).talk_in_db(self.project.base),
            dataclasses.replace(transmit, loss=unwanted[site.id]) if site.id in unwanted else None,
        )  # fmt: skip

    def _common_key(self, state: State, servers: list[Server]) -> str:
        """Everything that a tile's values depend on beside its servers."""
        project = self.project
        return content_key(
            {
                "radiocov": __version__,
                "date": state.date.isoformat(),
                "ground": self.ground_key,
                "errors": [[c.name, c.model_error_db] for c in self.ground.classes],
                "provenance": self.ground.provenance,
                "settings": project.model_dump(mode="json", include={"terminals", "base", "services", "model"}),
                "landcover": bool(project.landcover_files),
                "noise": [None if a.noise_db is None else a.noise_db.tolist() for a in self.asked],
                **self._interference_key(servers),
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
             *([self._key(interference.Unwanted.of(s.site))] if s.unwanted else [])]
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
            keys[leaf] = content_key([common, near])
        return keys

    def _antenna_key(self, site: Site, antenna: Antenna) -> list[str]:
        return [self._key(site), _array_key(antenna.horizontal_db, antenna.vertical_db)]

    def _window(self, leaf: cog.Leaf) -> Window:
        top, left = leaf[0] * cog.BLOCK, leaf[1] * cog.BLOCK
        return Window(top, left, min(cog.BLOCK, self.grid.height - top), min(cog.BLOCK, self.grid.width - left))

    def _state(self, state: State, servers: list[Server]) -> tuple[dict[str, Any], bool]:
        """Rasters of one state: ``(its manifest, whether anything was computed now)``."""
        folder = self.folder / state.id
        tiles = self._tile_keys(state, servers)
        key = content_key([[s.site.id for s in servers], list(tiles.values())])
        known = read_json(folder / MANIFEST)
        if known is not None and known.get("key") == key and _intact(folder, known):
            return known, False
        with self._alone():
            return self._state_anew(state, servers, tiles, key)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While this run writes to the folder of results, others wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / ".results.lock"
        lock = FileLock(path)
        what = "waiting for another run that writes these results"
        waited = False
        while not lock.is_locked:
            try:
                lock.acquire(timeout=0.2)
            except Timeout:
                self._check()
                self.progress(what, 0, 1)
                waited = True
        if waited:
            self.progress(what, 1, 1)
        try:
            yield
        finally:
            with suppress(OSError):  # an open file stays on Windows
                path.unlink()  # while it is held: whoever has it open by then takes a new one
            lock.release()

    def _state_anew(
        self, state: State, servers: list[Server], tiles: dict[cog.Leaf, str], key: str
    ) -> tuple[dict[str, Any], bool]:
        folder = self.folder / state.id
        ids = [s.site.id for s in servers]
        known = read_json(folder / MANIFEST)  # another run may have written it meanwhile
        intact = known is not None and _intact(folder, known)
        if intact and known.get("key") == key:
            return known, False
        layers = layers_of(self.project, servers, self._tags(state))
        dirty = set(tiles)
        if intact and known.get("grid") == self.grid.to_dict() and cog.can_follow(folder, layers, self.grid):
            before = dict(zip(tiles, known.get("tiles", []), strict=False))
            dirty = {leaf for leaf, tile in tiles.items() if before.get(leaf) != tile}
        self._write_rasters(state, servers, folder, layers, dirty)
        for name in set((known or {}).get("files", {})) - {layer.name for layer in layers}:
            (folder / name).unlink(missing_ok=True)  # of a network or settings that are no more
        manifest = {
            "state": state.id,
            "date": state.date.isoformat(),
            "key": key,
            "computed": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "grid": self.grid.to_dict(),
            "servers": ids,
            "losses": {s.site.id: self._key(s.site) for s in servers},
            "receiver_losses": {s.site.id: self._key(s.site.receiving) for s in servers if s.receive is not None},
            "services": [service.model_dump(mode="json") for service in self.project.services],
            "provenance": self._provenance(),
            "files": {
                layer.name: {
                    "bands": [{"description": d, "unit": u} for d, u in layer.bands], "nodata": layer.nodata,
                    "dtype": layer.dtype, "sha256": file_digest(folder / layer.name),
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

    def _provenance(self) -> dict[str, Any]:
        model = self.project.model
        return {
            "model": model.name,
            "model_version": MODELS[model.name][0],
            "model_settings": model.model_dump(mode="json"),
            "calibration": None,
            "resolution_m": self.grid.resolution_m,
            "ground": self.ground.provenance,
            "synthetic": self.ground.synthetic,
            "radiocov": __version__,
            **({"device": self.device} if self.device else {}),
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

    def _tags(self, state: State) -> dict[str, Any]:
        provenance = self._provenance()
        return {
            "RADIOCOV_STATE": state.id,
            "RADIOCOV_DATE": state.date.isoformat(),
            "RADIOCOV_PROVENANCE": provenance,
            "RADIOCOV_SYNTHETIC": "yes" if provenance["synthetic"] else "no",
        }

    def _write_rasters(
        self, state: State, servers: list[Server], folder: Path, layers: list[cog.Layer], dirty: set[cog.Leaf]
    ) -> None:
        """The tiles that changed, computed by several threads, and the files made of them and of what was there."""
        what = f"combining the network of {state.id}"
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.progress(what, done, len(dirty))

        self.progress(what, 0, len(dirty))
        order = [leaf for leaf in cog.leaves_of(*self.grid.shape) if leaf in dirty]
        with self._pool() as pool:
            cog.write(
                folder, self.grid, layers, self._in_turn(pool, servers, layers, order), dirty, advance,
                # until the new manifest is there, the folder does not hold what the old one says
                lambda: (folder / MANIFEST).unlink(missing_ok=True),
            )  # fmt: skip

    def _in_turn(
        self, pool: ThreadPoolExecutor, servers: list[Server], layers: list[cog.Layer], order: list[cog.Leaf]
    ) -> Iterator[tuple[cog.Leaf, cog.Blocks, cog.Arrays]]:
        """Tiles in order."""
        for _, tile in self._bounded((leaf, pool.submit(self._tile, servers, layers, leaf)) for leaf in order):
            yield tile

    def _tile(
        self, servers: list[Server], layers: list[cog.Layer], leaf: cog.Leaf
    ) -> tuple[cog.Leaf, cog.Blocks, cog.Arrays]:
        self._check()
        arrays = tile_layers(
            self.project, self.ground, servers, self.asked, self._window(leaf), self.rx_height_m
        )
        return leaf, {layer.name: cog.encode(layer, arrays[layer.name]) for layer in layers}, arrays

    def _manifest(self, states: list[dict[str, Any]]) -> dict[str, Any]:
        """The run's manifest; states of earlier runs in the same folder stay listed while they are there."""
        path = self.folder / MANIFEST

        def merged() -> tuple[dict[str, Any], dict[str, Any]]:
            before = read_json(path) or {}
            listed = {s["state"]: s for s in before.get("states", [])} | {s["state"]: _summary(s) for s in states}
            there = [listed[name] for name in sorted(listed) if (self.folder / name / MANIFEST).is_file()]
            return before, {"project": self.project.project.name, "states": there}

        before, manifest = merged()
        if before != manifest:
            with self._alone():
                _, manifest = merged()
                write_json(path, manifest)
        return manifest


def _summary(state: dict[str, Any]) -> dict[str, Any]:
    keys = ("state", "date", "key", "computed", "servers", "provenance")
    files = {f"{state['state']}/{name}": about for name, about in state["files"].items()}
    disturbed = {key: state[key] for key in ("interference", "simulcast") if key in state}
    return {**{key: state[key] for key in keys}, "files": files, **disturbed}


def _intact(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether every file of a state is as it was written."""
    try:
        return all(file_digest(folder / name) == about["sha256"] for name, about in manifest["files"].items())
    except OSError:
        return False


def _jsonable(site: Site) -> dict[str, Any]:
    """Every field of a row that a site needs or uses."""
    values = {field: getattr(site, field.name) for field in dataclasses.fields(site)}
    return {field.name: str(v) for field, v in values.items() if v != field.default or field.name == "site"}


def _array_key(*arrays: np.ndarray) -> str:
    return content_key([array.tolist() for array in arrays])
