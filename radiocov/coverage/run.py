"""A coverage run: from a project's files to rasters and manifests, taking up what is already there."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiocov.calibration.model import Calibration
from radiocov.coverage.calibration_in_use import check_use, with_effective_heights
from radiocov.coverage.losses import Losses
from radiocov.coverage.results import MANIFEST
from radiocov.coverage.setup import check_ranges, read_ground
from radiocov.coverage.states import StateWriter, alone
from radiocov.coverage.store import remember
from radiocov.coverage.threads import Cancelled, Progress, Threads, no_progress
from radiocov.files import read_json, remove_leftovers, write_json
from radiocov.inputs import Inputs
from radiocov.network import in_state
from radiocov.problems import Problem, ProjectError
from radiocov.project import State
from terrain.ground import Ground

__all__ = ["Cancelled", "CoverageRun", "Progress", "Result", "no_progress", "states_of"]


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
        calibration: Calibration | None = None,
    ) -> None:  # fmt: skip
        """gpu: compute losses on a CUDA device. Raises NoDevice (an OSError) where there is none.

        cluster: address of a Dask scheduler whose workers compute the losses; calibration: what corrects levels.
        """
        self.inputs, self.project = inputs, inputs.project
        self.folder = folder or self.project.output_folder
        self.states = states_of(inputs, on)
        self.threads = Threads(jobs or os.cpu_count() or 1)
        self.progress = progress
        self.device = self._require_device() if gpu else ""
        self.cluster = cluster
        self.calibration = calibration

    def _require_device(self) -> str:
        if self.project.model.name != "p1812":
            fault = f"--gpu computes p1812, not {self.project.model.name}"
            raise ProjectError(Problem(self.project.path.name, "model, name", fault, "run without --gpu"))
        from radiocov.coverage.gpu import require_device

        return require_device()

    def cancel(self) -> None:
        self.threads.stop()

    def run(self) -> Result:
        """Raises ProjectError for bad input (nothing is written), Cancelled, OSError."""
        active = {state: in_state(self.inputs.sites, state.date) for state in self.states}
        sites = {site.id: site for present in active.values() for site in present}
        check_ranges(self.project, sites.values())
        ground = read_ground(self.inputs, self.progress)
        notes = check_use(self.calibration, self.project, ground)
        losses = self.losses = self.losses_over(ground)
        inside = {key: site for key, site in sites.items() if losses.reaches(site)}
        if sites and not inside:
            fault = "every site lies outside the grid"
            raise ProjectError(Problem(self.project.sites_file.name, "", fault, "mend grid.extent or the sites"))
        for folder in (losses.store.folder, self.folder, *(self.folder / state.id for state in self.states)):
            remove_leftovers(folder)
        kept = losses.of([antenna for site in inside.values() for antenna in (site, site.receiving)])
        unwanted = losses.unwanted(list(inside.values()), kept)
        writer = StateWriter(losses, self.folder, self.progress, self.calibration)
        servers = {key: writer.server(site, kept, unwanted) for key, site in inside.items()}
        reused = 0
        manifests = []
        for state, present in active.items():
            manifest, fresh = writer.write(state, [servers[s.id] for s in present if s.id in servers])
            manifests.append(manifest)
            reused += not fresh
        manifest = self._manifest(manifests)
        if self.folder.absolute() != self.project.output_folder.absolute():
            remember(self.project.folder, self.folder)
        outside = tuple(key for key in sites if key not in inside)
        return Result(
            self.folder, manifest, losses.computed, losses.reused, losses.damaged, reused, outside,
            (*notes, *losses.notes),
        )  # fmt: skip

    def losses_over(self, ground: Ground) -> Losses:
        """The project's losses over a ground; nothing is computed yet."""
        ground = with_effective_heights(ground, self.calibration)
        return Losses(self.project, ground, self.threads, self.progress, self.device, self.cluster)

    def keys(self, ground: Ground) -> set[str]:
        """Keys of all losses that the states need on a ground, by the processor or a device."""
        losses = self.losses_over(ground)
        sites = {site for state in self.states for site in in_state(self.inputs.sites, state.date)}
        places = {losses.place(a) for site in sites if losses.reaches(site) for a in (site, site.receiving)}
        return {losses.key_of(place, device) for place in places for device in ("", "cuda")}

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
            with alone(self.folder, self.threads, self.progress):
                _, manifest = merged()
                write_json(path, manifest)
        return manifest


def _summary(state: dict[str, Any]) -> dict[str, Any]:
    keys = ("state", "date", "key", "computed", "servers", "provenance")
    files = {f"{state['state']}/{name}": about for name, about in state["files"].items()}
    disturbed = {key: state[key] for key in ("interference", "simulcast") if key in state}
    return {**{key: state[key] for key in keys}, "files": files, **disturbed}
