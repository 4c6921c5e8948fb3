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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radiocov import __version__, link
from radiocov.antennas import METHODS
from radiocov.chain import building_entry_db
from radiocov.coverage import polar
from radiocov.coverage.network import Receiver, Server, best_servers
from radiocov.coverage.outputs import MANIFEST, NODATA, Rasters, tiles
from radiocov.coverage.sector import LossSettings, Transmitter, Window, loss_raster
from radiocov.coverage.setup import (
    chain_of,
    grid_north_deg,
    loss_settings,
    pattern_of,
    read_ground,
    refractivity_maps,
    sigma_db,
    terminal_height_m,
    terminal_noise_db,
)
from radiocov.coverage.store import MODELS, LossStore, ground_key, loss_key
from radiocov.files import content_key, file_digest, read_json, remove_leftovers, write_json
from radiocov.inputs import Inputs
from radiocov.network import Site, in_state
from radiocov.problems import Problem, ProjectError
from radiocov.project import State
from radiocov.settings import MODEL_RANGE_MHZ, MODEL_REACH_KM

STORE = Path(".radiocov") / "loss"
ITM_N0 = (250.0, 400.0)  # N-units that the model takes
BANDS = ("talk_out", "talk_in", "both")

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


def states_of(inputs: Inputs, on: dt.date | None) -> list[State]:
    """The network states to compute: the policy's periods, or the one date asked for."""
    if on is not None:
        return [State(f"on-{on.isoformat()}", on)]
    return inputs.project.states(inputs.policy)


class CoverageRun:
    """Computes every state of a project. One instance runs once; ``cancel`` may be called from another thread."""

    def __init__(
        self, inputs: Inputs, *, folder: Path | None = None, on: dt.date | None = None, jobs: int | None = None,
        progress: Progress = no_progress, gpu: bool = False,
    ) -> None:  # fmt: skip
        """gpu: compute losses on a CUDA device. Raises NoDevice (an OSError) where there is none."""
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
        self.progress("reading the ground", 0, 1)
        self.ground = read_ground(self.inputs)
        self.grid = self.ground.grid
        self.progress("reading the ground", 1, 1)
        self.ground_key = ground_key(self.ground)
        sites = {site.id: site for sites in active.values() for site in sites}
        inside = {key: site for key, site in sites.items() if self._inside(site)}
        if sites and not inside:
            fault = "every site lies outside the grid"
            raise ProjectError(Problem(self.project.sites_file.name, "", fault, "mend grid.extent or the sites"))
        for folder in (self.store.folder, self.folder, *(self.folder / state.id for state in self.states)):
            remove_leftovers(folder)
        self.rx_height_m = terminal_height_m(self.project)
        self.walls_db = {
            s.id: building_entry_db(s, self.project.model.frequency_mhz) for s in self.project.services}
        self.noise_db = {t.id: terminal_noise_db(self.project, self.ground, t) for t in self.project.terminals}
        losses = self._losses([antenna for site in inside.values() for antenna in (site, site.receiving)])
        servers = {key: self._server(site, losses) for key, site in inside.items()}
        reused = 0
        manifests = []
        for state, present in active.items():
            manifest, fresh = self._state(state, [servers[s.id] for s in present if s.id in servers])
            manifests.append(manifest)
            reused += not fresh
        manifest = self._manifest(manifests)
        outside = tuple(key for key in sites if key not in inside)
        return Result(self.folder, manifest, self._computed, self._reused, self._damaged, reused, outside)

    def _check_ranges(self, sites: list[Site]) -> None:
        """ProjectError where a site or the radius leaves the model, which the command line may have chosen."""
        model, project = self.project.model, self.project
        low, high = MODEL_RANGE_MHZ[model.name]
        reach_km = MODEL_REACH_KM.get(model.name, math.inf)
        problems = []
        if model.radius_km > reach_km:
            fault = f"{model.radius_km:g} km is beyond the reach of {model.name}"
            remedy = f"give at most {reach_km:g} km or another model"
            problems.append(Problem(project.path.name, "model, radius_km", fault, remedy))
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
        return Transmitter(float(x), float(y), site.antenna_height_m), settings

    def _key(self, site: Site) -> str:
        return loss_key(self.ground_key, *self._place(site), "cuda" if self.device else "")

    def _losses(self, sites: list[Site]) -> dict[str, Any]:
        """Loss rasters by key, from the store or computed, several at a time."""
        wanted = {self._key(site): site for site in sites}
        done: dict[str, Any] = {}
        what = "computing losses"
        missing = []
        for key, site in wanted.items():
            self._check()
            there = self.store.has(key)
            kept = self.store.get(key) if there else None
            if kept is None:
                self._damaged += there
                missing.append((key, site))
            else:
                done[key] = kept
        self._reused = len(done)
        self.progress(what, len(done), len(wanted))
        compute = self._losses_on_device if self.device else self._losses_here
        with self._pool() as pool:
            for key, loss in compute(pool, missing):
                done[key] = loss
                self._computed += 1
                self.progress(what, len(done), len(wanted))
        return done

    def _losses_here(self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]) -> Iterator[tuple[str, Any]]:
        pending = {pool.submit(self._loss, key, site): key for key, site in missing}
        for future in self._finished(pending):
            yield pending[future], future.result()

    def _losses_on_device(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, Any]]:
        """The device computes while threads compress and keep what it has finished, two a thread at most."""
        from radiocov.coverage.gpu import LossEngine

        waiting: deque[tuple[str, Future]] = deque()
        for number, window, loss in LossEngine(self.ground).losses([self._place(site) for _, site in missing]):
            self._check()
            key, site = missing[number]
            waiting.append((key, pool.submit(self._keep, key, site, window, loss)))
            if len(waiting) > 2 * self.jobs:
                first, kept = waiting.popleft()
                yield first, kept.result()
        for key, kept in waiting:
            yield key, kept.result()

    def _loss(self, key: str, site: Site) -> Any:
        self._check()
        window, loss = loss_raster(self.ground, *self._place(site), run=self._checked_map)
        return self._keep(key, site, window, loss)

    def _keep(self, key: str, site: Site, window: Window, loss: np.ndarray) -> Any:
        transmitter, settings = self._place(site)
        about = {
            "site": site.id, "transmitter": [transmitter.x, transmitter.y, transmitter.height_m],
            "model": MODELS[settings.model][0], "settings": settings.to_dict(), "radiocov": __version__,
            **({"device": self.device} if self.device else {}),
        }  # fmt: skip
        return window, self.store.put(key, self.grid, window, loss, about)

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

    # --- states ---------------------------------------------------------------------------------------

    def _pattern(self, site: Site) -> tuple[np.ndarray, np.ndarray]:
        antenna = site.antenna, site.gain_dbi, site.electrical_tilt_deg, site.frequency_mhz
        if antenna not in self._patterns:
            self._patterns[antenna] = pattern_of(self.project, site)
        return self._patterns[antenna].arrays

    def _server(self, site: Site, losses: dict[str, Any]) -> Server:
        x, y = (float(v) for v in self.grid.from_lonlat(*site.antenna_lonlat))
        ground_m, north_deg = polar.ground_height_m(self.ground, x, y), grid_north_deg(self.grid, site)
        window, loss = losses[self._key(site)]
        horizontal, vertical = self._pattern(site)
        receiving, receiver = site.receiving, None
        if receiving is not site:
            receiver = Receiver(
                ground_m + receiving.antenna_height_m, receiving.azimuth_deg + north_deg, receiving.tilt_deg,
                *self._pattern(receiving), losses[self._key(receiving)][1],
            )  # fmt: skip
        return Server(
            site, x, y, ground_m + site.antenna_height_m, site.azimuth_deg + north_deg, horizontal, vertical,
            not (horizontal.any() or vertical.any()), window, loss, METHODS[self.project.sites.pattern_method],
            chain_of(self.project, self.ground, site).talk_in_db(self.project.base), receiver,
        )  # fmt: skip

    def _state_key(self, state: State, servers: list[Server]) -> str:
        """Everything that the state's rasters depend on."""
        project = self.project
        return content_key(
            {
                "radiocov": __version__,
                "date": state.date.isoformat(),
                "sites": [
                    [self._key(s.site), _jsonable(s.site), _array_key(s.horizontal_db, s.vertical_db),
                     *self._receiver_key(s)]
                    for s in servers
                ],
                "ground": self.ground_key,
                "errors": [[c.name, c.model_error_db] for c in self.ground.classes],
                "provenance": self.ground.provenance,
                "settings": project.model_dump(mode="json", include={"terminals", "base", "services", "model"}),
                "landcover": project.landcover_file is not None,
                **{f"noise {key}": rise.tolist() for key, rise in self.noise_db.items() if rise is not None},
            }
        )

    def _receiver_key(self, s: Server) -> list[Any]:
        """What a site adds to the key beside its transmitter and its row; nothing for a plain site."""
        plain = s.talk_in_db == s.site.gain_dbi - s.site.losses_db and not s.method
        parts = [] if plain else [s.talk_in_db, s.method]
        if s.receiver:
            rx = s.receiver
            parts += [self._key(s.site.receiving), _array_key(rx.horizontal_db, rx.vertical_db)]
        return parts

    def _state(self, state: State, servers: list[Server]) -> tuple[dict[str, Any], bool]:
        """Rasters of one state: ``(its manifest, whether they were computed now)``."""
        folder = self.folder / state.id
        key = self._state_key(state, servers)
        known = read_json(folder / MANIFEST)
        if known is not None and known.get("key") == key and _intact(folder, known):
            return known, False
        files = self._write_rasters(state, servers, folder)
        manifest = {
            "state": state.id,
            "date": state.date.isoformat(),
            "key": key,
            "computed": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "grid": self.grid.to_dict(),
            "servers": [s.site.id for s in servers],
            "losses": {s.site.id: self._key(s.site) for s in servers},
            "services": [service.model_dump(mode="json") for service in self.project.services],
            "provenance": self._provenance(),
            "files": {name: {**about, "sha256": file_digest(folder / name)} for name, about in files.items()},
        }
        write_json(folder / MANIFEST, manifest)
        return manifest, True

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
        noise = any(rise is not None for rise in self.noise_db.values()) or self.project.base.threshold != "given"
        method = self.project.sites.pattern_method
        return {
            **({"pattern_method": method} if METHODS[method] else {}),
            **({"man_made_noise": self.project.noise.model_dump(mode="json")} if noise else {}),
        }

    def _layers(self, state: State, servers: list[Server]) -> list[tuple[str, str, float, list, dict]]:
        provenance = self._provenance()
        tags = {
            "RADIOCOV_STATE": state.id,
            "RADIOCOV_DATE": state.date.isoformat(),
            "RADIOCOV_PROVENANCE": provenance,
            "RADIOCOV_SYNTHETIC": "yes" if provenance["synthetic"] else "no",
        }
        layers = [
            ("level_dbm.tif", "float32", NODATA, [("best-server median level, isotropic antenna", "dBm")], tags),
            ("best_server.tif", "uint16", 0, [("best server", "number")],
             {**tags, "RADIOCOV_SERVERS": {i: s.site.id for i, s in enumerate(servers, 1)}}),
        ]  # fmt: skip
        for service in self.project.services:
            about = {**tags, "RADIOCOV_SERVICE": service.model_dump(mode="json")}
            for name, unit in (("margin", "dB"), ("probability", "1")):
                bands = [(band, unit) for band in BANDS]
                layers.append((f"{name}_{service.id}.tif", "float32", NODATA, bands, about))
        return layers

    def _write_rasters(self, state: State, servers: list[Server], folder: Path) -> dict[str, dict[str, Any]]:
        layers = self._layers(state, servers)
        # from now on the folder does not hold what an older manifest says
        (folder / MANIFEST).unlink(missing_ok=True)
        windows = tiles(self.grid)
        what = f"combining the network of {state.id}"
        with Rasters(folder, self.grid, layers, self.jobs) as rasters, self._pool() as pool:
            for done, (window, layers_of_tile) in enumerate(self._in_turn(pool, servers, windows), start=1):
                for (name, band), values in layers_of_tile.items():
                    rasters.write(name, band, window, values)
                self.progress(what, done, len(windows))
        return {
            name: {"bands": [{"description": d, "unit": u} for d, u in bands], "nodata": nodata, "dtype": dtype}
            for name, dtype, nodata, bands, _ in layers
        }

    def _in_turn(self, pool: ThreadPoolExecutor, servers: list[Server], windows: list[Window]) -> Iterator[Any]:
        """``(window, its tile)``, with no more tiles in memory than keep the threads busy."""
        waiting: deque[tuple[Window, Future]] = deque()
        for window in windows:
            waiting.append((window, pool.submit(self._tile, servers, window)))
            if len(waiting) > 2 * self.jobs:
                first, tile = waiting.popleft()
                yield first, tile.result()
        while waiting:
            first, tile = waiting.popleft()
            yield first, tile.result()

    def _tile(self, servers: list[Server], window: Any) -> dict[tuple[str, int], np.ndarray]:
        self._check()
        ground, project = self.ground, self.project
        best = best_servers(self.grid, servers, ground.elevation_m, window, self.rx_height_m)
        here = window.slices
        sigma = sigma_db(project, ground, ground.clutter_class[here], ground.clutter_height_m[here])
        out: dict[tuple[str, int], np.ndarray] = {
            ("level_dbm.tif", 1): best.level_dbm,
            ("best_server.tif", 1): best.server,
        }
        base = project.base
        for service in project.services:
            terminal = project.terminal(service.terminal)
            talk_out = link.talk_out_margin_db(best.level_dbm, terminal)
            talk_in = link.talk_in_margin_of_path_db(best.talk_in_db, terminal, base)
            if self.noise_db[terminal.id] is not None:
                talk_out = talk_out - self.noise_db[terminal.id][ground.clutter_class[here]]
            walls, spread = self.walls_db[service.id]
            if walls:
                talk_out, talk_in = (m - np.float32(walls) for m in (talk_out, talk_in))
            spread_all = link.total_sigma_db(sigma, np.float32(spread)) if spread else sigma
            for band, margin in enumerate((talk_out, talk_in, np.minimum(talk_out, talk_in)), start=1):
                out[f"margin_{service.id}.tif", band] = margin
                out[f"probability_{service.id}.tif", band] = link.service_probability(margin, spread_all)
        return out

    def _manifest(self, states: list[dict[str, Any]]) -> dict[str, Any]:
        """The run's manifest; states of earlier runs in the same folder stay listed while they are there."""
        path = self.folder / MANIFEST
        before = read_json(path) or {}
        listed = {s["state"]: s for s in before.get("states", [])}
        listed |= {s["state"]: _summary(s) for s in states}
        manifest = {
            "project": self.project.project.name,
            "states": [
                listed[name] for name in sorted(listed) if (self.folder / name / MANIFEST).is_file()
            ],
        }
        if before != manifest:
            write_json(path, manifest)
        return manifest


def _summary(state: dict[str, Any]) -> dict[str, Any]:
    keys = ("state", "date", "key", "computed", "servers", "provenance")
    files = {f"{state['state']}/{name}": about for name, about in state["files"].items()}
    return {**{key: state[key] for key in keys}, "files": files}


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
