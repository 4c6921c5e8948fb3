"""Loss rasters of a run: taken from the store, or computed here, on a device or by a cluster, and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np

from radiocov import __version__
from radiocov.coverage import interference
from radiocov.coverage.sector import LossSettings, Transmitter, Window, is_compiled, loss_raster, prepare
from radiocov.coverage.setup import loss_settings, refractivity_maps, terminal_height_m
from radiocov.coverage.store import MODELS, STORE, KeptLoss, LossStore, ground_key, loss_key
from radiocov.coverage.threads import Progress, Threads, no_progress
from radiocov.frequency_plan import sharing_sites
from radiocov.network import Site
from radiocov.project import Project
from terrain.ground import Ground


class Losses:
    """Loss rasters of a project's sites over its ground.

    device: name of the CUDA device that computes them, or none; cluster: address of a Dask scheduler for it.
    computed, reused, damaged: how many were made now, taken as they were, and found damaged and made again.
    """

    def __init__(
        self, project: Project, ground: Ground, threads: Threads, progress: Progress = no_progress, device: str = "",
        cluster: str = "",
    ) -> None:  # fmt: skip
        self.project, self.ground, self.grid = project, ground, ground.grid
        self.threads, self.progress = threads, progress
        self.device, self.cluster = device, cluster
        self.store = LossStore(project.folder / STORE)
        self.ground_key = ground_key(ground)
        self.rx_height_m = terminal_height_m(project)
        self.computed = self.reused = self.damaged = 0
        self.notes: list[str] = []
        self._refractivity = refractivity_maps(project)

    def place(self, site: Site) -> tuple[Transmitter, LossSettings]:
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

    def reaches(self, site: Site) -> bool:
        """Whether a site stands on the grid, outside of which nothing is computed."""
        return bool(self.grid.contains(*self.grid.from_lonlat(*site.antenna_lonlat)))

    def key(self, site: Site) -> str:
        return self.key_of(self.place(site), "cuda" if self.device else "")

    def key_of(self, place: tuple[Transmitter, LossSettings], device: str) -> str:
        return loss_key(self.ground_key, *place, device)

    def of(self, sites: list[Site]) -> dict[str, KeptLoss]:
        """Loss rasters by key, in the store by now; several are computed at a time."""
        wanted = {self.key(site): site for site in sites}
        done: dict[str, KeptLoss] = {}
        what = "computing losses"
        missing = []
        with self.threads.pool() as pool:
            there = [self.store.has(key) for key in wanted]
            found = pool.map(self._kept, wanted, there)
            for (key, site), was, kept in zip(wanted.items(), there, found, strict=True):
                if kept is None:
                    self.damaged += was
                    missing.append((key, site))
                else:
                    done[key] = kept
        self.reused += len(done)
        if missing and not self.device and not self.cluster:
            self._prepare()
        self.progress(what, len(done), len(wanted))
        compute = self._on_device if self.device else self._here
        if self.cluster and missing:
            compute = self._on_cluster
        with self.threads.pool() as pool, closing(compute(pool, missing)) as found:
            for key, loss in found:
                done[key] = loss
                self.computed += 1
                self.progress(what, len(done), len(wanted))
        return done

    def _kept(self, key: str, there: bool) -> KeptLoss | None:
        self.threads.check()
        return self.store.open(key) if there else None

    def unwanted(self, sites: list[Site], wanted: dict[str, KeptLoss]) -> dict[str, KeptLoss]:
        """Losses of the sites that share a carrier by their ids, as they are where they are not wanted."""
        settings = self.project.interference
        sharing = sharing_sites(sites, settings.channel_width_khz) if settings.enabled else []
        as_unwanted = [interference.Unwanted.of(site) for site in sharing]
        missing = [site for site in as_unwanted if self.key(site) not in wanted]
        losses = wanted | (self.of(missing) if missing else {})
        return {site.id: losses[self.key(site)] for site in as_unwanted}

    def _prepare(self) -> None:
        model = self.project.model.name
        what = "preparing the engine" if is_compiled(model) else "compiling the engine, this once (some 30 s)"
        self.progress(what, 0, 1)
        prepare(model)
        self.progress(what, 1, 1)

    def _here(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        pending = {pool.submit(self._loss, key, site): key for key, site in missing}
        for future in self.threads.finished(pending):
            yield pending[future], future.result()

    def _on_device(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        """The device computes while threads compress and keep what it has finished, two a thread at most."""
        from radiocov.coverage.gpu import LossEngine

        def keeping() -> Iterator[tuple[str, Future]]:
            for number, window, loss in LossEngine(self.ground).losses([self.place(site) for _, site in missing]):
                self.threads.check()
                key, site = missing[number]
                yield key, pool.submit(self._keep, key, site, window, loss)

        yield from self.threads.bounded(keeping())

    def _on_cluster(
        self, pool: ThreadPoolExecutor, missing: list[tuple[str, Site]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        from radiocov.coverage.cluster import Cluster, processor

        what = "looking at the workers"
        self.progress(what, 0, 1)
        with Cluster(self.cluster, self.store, self.ground, self.threads.check) as cluster:
            self.progress(what, 1, 1)
            threads = cluster.threads
            found = f"{len(threads)} workers, {sum(threads.values())} threads; dashboard {cluster.dashboard}"
            self.progress(found, 1, 1)
            others = cluster.processors - {processor()}
            if others:
                self.notes.append(
                    f"workers have other processors ({', '.join(sorted(others))}) than this machine ({processor()}); "
                    "the last digits of losses may differ from those computed here"
                )
            yield from cluster.losses([(key, *self.place(site), self._about(site)) for key, site in missing])

    def _loss(self, key: str, site: Site) -> KeptLoss:
        self.threads.check()
        window, loss = loss_raster(self.ground, *self.place(site), run=self.threads.checked_map)
        return self._keep(key, site, window, loss)

    def _keep(self, key: str, site: Site, window: Window, loss: np.ndarray) -> KeptLoss:
        return self.store.put(key, self.grid, window, loss, self._about(site))

    def _about(self, site: Site) -> dict[str, Any]:
        """What the note beside a raster says of it."""
        transmitter, settings = self.place(site)
        return {
            "site": site.id, "transmitter": [transmitter.x, transmitter.y, transmitter.height_m],
            "model": MODELS[settings.model][0], "settings": settings.to_dict(), "radiocov": __version__,
            **({"device": self.device} if self.device else {}),
        }  # fmt: skip
