"""Losses computed by the workers of a Dask scheduler, on storage that they share with this machine.

A task names the prepared ground's folder, the place, the settings and the store; the worker maps the ground, puts the
raster into the store and says no more than that it is there. Arrays never travel.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import rasterio

import radiocov
from radiocov.coverage.sector import LossSettings, Transmitter, loss_raster
from radiocov.coverage.store import KeptLoss, LossStore
from radiocov.files import content_key
from terrain.cache import map_kept
from terrain.ground import Ground

ANSWER_S = 10.0  # for a scheduler to answer, and for its first worker
LOOK_S = 0.5  # between looks at a cluster that finishes nothing
RETRIES = 2  # of a task that failed on a worker; how many workers may die of it is the scheduler's setting
#: Network file systems go on saying for so long that a new file isn't there.
VISIBLE_S = 90.0
#: Without a worker for so long the run gives up.
ALONE_S = 120.0


class NoCluster(OSError):
    """The cluster can't be used, or no longer."""


class WorkerDiffers(OSError):
    """A worker would not compute what this machine would, or not put it where this machine looks."""


@dataclass(frozen=True)
class Task:
    """One raster: all that a worker needs to know."""

    ground: str  # folder of the prepared ground
    digest: str  # of the ground
    transmitter: Transmitter
    settings: LossSettings
    store: str
    key: str
    about: dict[str, Any]
    likeness: tuple[tuple[str, str], ...]


def likeness() -> tuple[tuple[str, str], ...]:
    """What has to be equal for rasters to be equal byte for byte, by name."""
    return _installed() + (("radiocov", radiocov.__version__),)


@functools.cache
def _installed() -> tuple[tuple[str, str], ...]:
    return (
        ("kernels of radiocov", radiocov.kernel_digest()), ("numba", numba.__version__),
        ("GDAL", rasterio.__gdal_version__),
    )  # fmt: skip


def differences(expected: Sequence[tuple[str, str]]) -> list[str]:
    """What this process has otherwise than the one that asks."""
    here = dict(likeness())
    return [
        f"it has {name} {here[name]} where this machine has {asked}"
        for name, asked in expected
        if here[name] != asked
    ]


def processor() -> str:
    return llvmlite.binding.get_host_cpu_name()


# --- on a worker ----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _ground(folder: str, digest: str) -> Ground:
    """The ground of a folder, mapped once a process."""
    ground = map_kept(Path(folder))
    if ground.digest != digest:
        raise OSError(f"{folder}: the prepared ground is another one")
    return ground


def look(expected: Sequence[tuple[str, str]], token: str, store: str, ground: str, digest: str) -> dict[str, Any]:
    """What keeps this worker from the run (nothing: an empty list), and its processor."""
    wrong = differences(expected)
    sees = False
    with contextlib.suppress(OSError):
        sees = (Path(store) / token).read_text() == token
    if not sees:
        wrong.append(f"it does not see {store} as this machine does; share that folder under the same path")
    else:
        try:
            _ground(ground, digest)
            probe = Path(store) / f"{token}.{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            wrong.append(f"it cannot use the shared folder: {error}")
    return {"wrong": wrong, "processor": processor()}


def compute(task: Task) -> None:
    """Put the raster of a task into the store. Raises OSError or RuntimeError that says which worker and why."""
    wrong = differences(task.likeness)
    if wrong:
        raise WorkerDiffers(f"worker {_own_address()}: {'; '.join(wrong)}")
    store = LossStore(Path(task.store))
    if store.open(task.key) is not None:  # an earlier try, or another run
        return
    failure = ""
    try:
        ground = _ground(task.ground, task.digest)
        window, loss = loss_raster(ground, task.transmitter, task.settings)
        store.put(task.key, ground.grid, window, loss, task.about)
    except OSError as error:
        raise OSError(f"worker {_own_address()}: {error}") from error
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    if failure:  # without the error itself, which may be one that cannot be sent back
        raise RuntimeError(f"worker {_own_address()}: {failure}")


def _own_address() -> str:
    from distributed import get_worker

    return get_worker().address


# --- on the machine that asks ---------------------------------------------------------------------------------


class Cluster:
    """A scheduler with workers that were found fit. A context: what is not done when it ends is cancelled."""

    def __init__(self, address: str, store: LossStore, ground: Ground, check: Callable[[], None]) -> None:
        """Raises NoCluster, WorkerDiffers. check: called now and then; raises where the run shall stop."""
        try:
            import distributed
        except ImportError as error:
            raise NoCluster(
                "--cluster needs the package distributed; install it with: pip install 'radiocov[cluster]'"
            ) from error
        _silence("distributed")
        self.address, self.store, self.ground, self._stopped = address, store, ground, check
        self._paths = str(store.folder.absolute()), str(ground.folder.absolute())
        try:
            self._client = distributed.Client(address, timeout=ANSWER_S, set_as_default=False)
        except OSError as error:
            reason = " ".join(str(error).split())
            raise NoCluster(f"no Dask scheduler answers at {address}: {reason}") from error
        try:
            self.processors = self._look_at_workers()
        except BaseException:
            self._close()
            raise

    @property
    def dashboard(self) -> str:
        return self._client.dashboard_link

    @property
    def threads(self) -> dict[str, int]:
        """Of each worker, by address."""
        return dict(self._client.nthreads())

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._client.close(timeout=ANSWER_S)

    def _look_at_workers(self) -> set[str]:
        """Their processors. NoCluster where there are no workers, WorkerDiffers where one is unfit."""
        try:
            self._client.wait_for_workers(1, timeout=ANSWER_S)
        except TimeoutError as error:
            raise NoCluster(f"the scheduler at {self.address} has no workers; start some") from error
        token = f".seen-{uuid.uuid4().hex}"
        seen = self.store.folder / token
        seen.parent.mkdir(parents=True, exist_ok=True)
        try:
            seen.write_text(token)
            found = self._client.run(
                look, likeness(), token, *self._paths, self.ground.digest, on_error="return"
            )
        finally:
            seen.unlink(missing_ok=True)
        wrong: dict[str, list[str]] = {}
        for worker, answer in found.items():
            if isinstance(answer, Exception) and "ModuleNotFoundError" in repr(answer):
                answer = {"wrong": [f"it cannot import radiocov with its cluster extra ({answer})"]}
            elif isinstance(answer, Exception):
                answer = {"wrong": [f"it does not answer ({answer})"]}
            if answer["wrong"]:
                wrong.setdefault("; ".join(answer["wrong"]), []).append(worker)
        if wrong:
            raise WorkerDiffers("\n".join(f"{_several(workers)}: {reason}" for reason, workers in wrong.items()))
        return {answer["processor"] for answer in found.values()}

    def losses(
        self, wanted: Sequence[tuple[str, Transmitter, LossSettings, dict[str, Any]]]
    ) -> Iterator[tuple[str, KeptLoss]]:
        """The rasters of ``(key, transmitter, settings, what its note says)`` as they are finished.

        Raises NoCluster where a raster cannot be computed, or the scheduler or all workers went away. What was
        finished is in the store in any case.
        """
        (store, ground), like = self._paths, likeness()
        finished: queue.Queue[Any] = queue.Queue()
        pending: dict[str, tuple[str, str, Any]] = {}
        for key, transmitter, settings, about in wanted:
            task = Task(ground, self.ground.digest, transmitter, settings, store, key, about, like)
            # two runs over one store share what is under way
            name = f"radiocov-loss-{content_key([store, key])}"
            future = self._client.submit(compute, task, key=name, retries=RETRIES, pure=False)
            pending[name] = key, about["site"], future
            future.add_done_callback(finished.put)
        alone_since = None
        while pending:
            self._stopped()
            try:
                future = finished.get(timeout=LOOK_S)
            except queue.Empty:
                alone_since = self._alone(alone_since)
                continue
            alone_since = None
            key, site, _ = pending[future.key]
            self._check(future, site)
            yield key, self._kept(key)
            del pending[future.key]

    def _check(self, future: Any, site: str) -> None:
        from distributed.scheduler import KilledWorker

        if future.status == "finished":
            return
        if future.status != "error":
            raise NoCluster(f"the scheduler at {self.address} went away; what was finished is kept")
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise NoCluster(
                f'site "{site}": {error.allowed_failures + 1} workers in turn died over its losses, the last '
                f"{error.last_worker.address}; their logs say why (memory?); what was finished is kept"
            )
        if isinstance(error, ImportError):
            raise NoCluster(f"a worker cannot import radiocov ({error}); install it there") from error
        raise NoCluster(f'site "{site}": {error}') from error

    def _alone(self, since: float | None) -> float | None:
        """Since when there have been no workers; None where there are some. NoCluster after ALONE_S."""
        if self._client.status == "running":
            with contextlib.suppress(OSError):
                if self._client.nthreads():
                    return None
        now = time.monotonic()
        if since is not None and now - since > ALONE_S:
            raise NoCluster(f"{self.address} has had no workers for {ALONE_S:.0f} s; what was finished is kept")
        return now if since is None else since

    def _kept(self, key: str) -> KeptLoss:
        """A raster that a worker has put into the store, as soon as this machine sees it."""
        until = time.monotonic() + VISIBLE_S
        while (kept := self.store.open(key)) is None:
            if time.monotonic() > until:
                raise NoCluster(f"{self.store.folder}: a worker kept {key} there, and this machine cannot read it")
            self._stopped()
            time.sleep(0.2)
        return kept


def _silence(package: str) -> None:
    """What matters of its log comes as one line of ours."""
    for name in [package, *logging.root.manager.loggerDict]:
        if name == package or name.startswith(f"{package}."):
            logging.getLogger(name).handlers[:] = [logging.NullHandler()]


def _several(workers: list[str]) -> str:
    others = f" and {len(workers) - 1} more" if len(workers) > 1 else ""
    return f"worker {min(workers)}{others}"
