"""What a project's store of losses and its prepared grounds hold, what of it is in use, and removing the rest."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiocov.coverage.calibration_in_use import calibration_of
from radiocov.coverage.results import MANIFEST
from radiocov.coverage.run import CoverageRun, Progress, no_progress
from radiocov.coverage.setup import GROUND_CACHE, read_ground
from radiocov.coverage.store import STORE, LossStore, elsewhere
from radiocov.files import read_json, remove_leftovers
from radiocov.inputs import Inputs
from terrain.cache import by_use

DAY_S = 86_400.0


@dataclass(frozen=True)
class Entry:
    """A loss raster with its note, or what is left of the two."""

    key: str
    files: tuple[Path, ...]
    bytes: int
    written_s: float  # since 1970
    site: str
    model: str
    damaged: bool
    in_project: bool  # the project as it stands needs it
    in_results: bool  # a listed manifest was made from it

    @property
    def used(self) -> bool:
        return self.in_project or self.in_results


@dataclass(frozen=True)
class KeptGround:
    """A prepared ground."""

    folder: Path
    bytes: int
    used_s: float  # since 1970
    in_project: bool


@dataclass(frozen=True)
class Survey:
    store: LossStore
    entries: list[Entry]
    grounds: list[KeptGround]
    ground_known: bool  # whether the project's ground is prepared, without which no loss can be told to be its


def survey(inputs: Inputs, progress: Progress = no_progress) -> Survey:
    """Everything kept under a project's folder, each raster read once. Raises ProjectError, OSError."""
    project = inputs.project
    store = LossStore(project.folder / STORE)
    try:
        ground = read_ground(inputs, prepare=False)
        run = CoverageRun(inputs, calibration=calibration_of(project))
        needed, current = run.keys(ground), ground.folder
    except FileNotFoundError:
        needed, current = set(), None
    made_from = set(_of_results(project))
    parts: dict[str, list[Path]] = {}
    for path in sorted(store.folder.glob("[!.]*")):
        if path.suffix in (".tif", ".json"):
            parts.setdefault(path.stem, []).append(path)
    entries = []
    for number, (key, files) in enumerate(parts.items(), start=1):
        progress("checking stored losses", number, len(parts))
        about = read_json(store.folder / f"{key}.json")
        about = about if isinstance(about, dict) else {}
        stats = [path.stat() for path in files]
        entries.append(
            Entry(
                key, tuple(files), sum(s.st_size for s in stats), max(s.st_mtime for s in stats),
                str(about.get("site", "?")), str(about.get("model", "?")), store.open(key) is None, key in needed,
                key in made_from,
            )  # fmt: skip
        )
    grounds = [
        KeptGround(folder, _bytes_of(folder), _used_s(folder), folder == current)
        for folder in by_use(project.folder / GROUND_CACHE)
    ]
    return Survey(store, entries, grounds, current is not None)


def _of_results(project: Any) -> Iterator[str]:
    """Keys of the losses that listed manifests were made from."""
    inside = [path for path in project.folder.iterdir() if path.is_dir()]
    folders = [project.output_folder, *elsewhere(project.folder), *inside]
    for folder in dict.fromkeys(folder.absolute() for folder in folders):
        for state in (read_json(folder / MANIFEST) or {}).get("states", []):
            manifest = read_json(folder / state["state"] / MANIFEST) or {}
            yield from manifest.get("losses", {}).values()
            yield from manifest.get("receiver_losses", {}).values()


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _used_s(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.iterdir())


@dataclass(frozen=True)
class Choice:
    """What to remove. Damaged rasters always go, for nothing reads them."""

    everything: bool = False
    older_than_days: float = 0.0  # only what lay for so long; what is in use stays


def chosen(found: Survey, choice: Choice) -> tuple[list[Entry], list[KeptGround]]:
    """What of a survey would be removed."""
    before_s = time.time() - choice.older_than_days * DAY_S
    losses = [
        e for e in found.entries
        if choice.everything or e.damaged or not e.used and e.written_s <= before_s
    ]  # fmt: skip
    grounds = [g for g in found.grounds if choice.everything or not g.in_project and g.used_s <= before_s]
    return losses, grounds


def remove(
    store: LossStore, losses: list[Entry], grounds: list[KeptGround], progress: Progress = no_progress
) -> None:
    """Remove what was chosen; a raster's note goes first, so that what is left of one is never taken for whole."""
    total = len(losses) + len(grounds)
    for number, entry in enumerate(losses, start=1):
        for path in sorted(entry.files):
            path.unlink(missing_ok=True)
        progress("removing", number, total)
    for number, ground in enumerate(grounds, start=len(losses) + 1):
        shutil.rmtree(ground.folder)
        progress("removing", number, total)
    remove_leftovers(store.folder)
