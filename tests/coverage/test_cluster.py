"""Coverage by the workers of a real Dask scheduler: processes of their own, on loopback."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from radiocov.files import read_json

distributed = pytest.importorskip("distributed", reason="the extra radiocov[cluster] is not installed")

pytestmark = [
    # sockets that Dask's client leaves to the collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
LOSSES = ".radiocov/loss"
LAST_DAY = "2017-12-31"


class Processes:
    """A scheduler and workers, each a process."""

    def __init__(self, made, folder):
        self.made, self.folder, self.all = made, folder, []
        self.file = folder / "scheduler.json"

    def _start(self, module, *arguments, before=(), **environment):
        log = (self.folder / f"{len(self.all)}.log").open("w")
        process = subprocess.Popen(
            [*before, sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", "--host", "127.0.0.1",
             "--scheduler-file", str(self.file), *arguments],
            env={**os.environ, "PYTHONPATH": str(self.made.ROOT), **environment}, stdout=log, stderr=log,
            cwd=self.folder,
        )  # fmt: skip
        log.close()
        self.all.append(process)
        return process

    def scheduler(self, **environment):
        process = self._start("dask_scheduler", "--port", "0", **environment)
        until(self._address, process)
        self.address = self._address()
        return process

    def _address(self):
        """Of the scheduler, as soon as its file is whole."""
        return (read_json(self.file) or {}).get("address")

    def worker(self, preload="", before=()):
        """preload: Python that the worker runs when it starts."""
        arguments = ["--nthreads", "1", "--no-nanny"]
        if preload:
            script = self.folder / f"preload{len(self.all)}.py"
            script.write_text(preload)
            arguments += ["--preload", str(script)]
        return self._start("dask_worker", *arguments, before=before)

    def ready(self, workers):
        with self.client() as client:
            client.wait_for_workers(workers, timeout=60)
        return self

    @contextmanager
    def client(self):
        with distributed.Client(self.address, set_as_default=False) as client:
            yield client


def until(true, process, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def processes(made, folder):
    started = Processes(made, folder)
    try:
        yield started
    finally:
        for process in reversed(started.all):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def two_workers(made, tmp_path_factory):
    with processes(made, tmp_path_factory.mktemp("cluster")) as started:
        started.scheduler()
        started.worker()
        started.worker()
        yield started.ready(2)


@pytest.fixture
def cluster(made, tmp_path):
    """A scheduler of this test's own."""
    folder = tmp_path / "processes"
    folder.mkdir()
    with processes(made, folder) as started:
        yield started


@pytest.fixture(scope="module")
def local(made, tmp_path_factory):
    """A project computed here: (folder before, folder after)."""
    folder = made.small_project(tmp_path_factory.mktemp("local") / "before", resolution=250.0)
    after = shutil.copytree(folder, folder.with_name("after"))
    code, _, err = made.finish(made.start("coverage", after, "-q"))
    assert code == 0, err
    return SimpleNamespace(before=folder, after=after)


@pytest.fixture
def project(local, tmp_path):
    return shutil.copytree(local.before, tmp_path / "project")


@pytest.fixture
def run(radiocov):
    """`radiocov coverage --cluster` in this process: (exit code, stdout, stderr)."""

    def call(project, address, *arguments):
        ran = radiocov("coverage", project, "--cluster", address, *arguments)
        return ran.code, ran.out, ran.err

    return call


# --- what comes out -------------------------------------------------------------------------------------------


def test_rasters_losses_and_notes_are_those_of_a_local_run(made, run, local, project, two_workers):
    code, out, err = run(project, two_workers.address)
    assert code == 0, err
    assert "14 loss rasters computed, 0 taken" in out
    assert "2 workers, 2 threads; dashboard http" in err and "computing losses: 14/14" in err
    assert "the engine" not in err.replace("loading the engine", ""), "kernels are prepared where they run"
    assert made.digests(project) == made.digests(local.after)
    assert made.digests(project / LOSSES, "*") == made.digests(local.after / LOSSES, "*")
    assert made.temporaries(project) == []
    with two_workers.client() as client:
        assert client.run(lambda dask_worker: len(dask_worker.data)) == dict.fromkeys(client.nthreads(), 0)


def test_a_relative_path_and_what_was_computed_before(made, run, local, project, two_workers, monkeypatch):
    """Both runs fill one store; the second computes only what the first lacks."""
    monkeypatch.chdir(project.parent)
    code, out, err = run(project.name, two_workers.address, "-q", "--on", "2015-12-31")
    assert code == 0 and "9 loss rasters computed, 0 taken" in out and not err
    code, out, err = run(project.name, two_workers.address, "-q")
    assert code == 0 and "5 loss rasters computed, 9 taken" in out
    assert made.digests(project / LOSSES, "*") == made.digests(local.after / LOSSES, "*")
    nothing_listens = "tcp://127.0.0.1:1"
    code, out, err = run(project.name, nothing_listens, "-q")
    assert code == 0 and "0 loss rasters computed, 14 taken" in out, "no cluster is needed where nothing is missing"


def test_two_runs_at_once_share_what_is_under_way(made, local, project, two_workers):
    first = made.start("coverage", project, "--cluster", two_workers.address, "-q")
    second = made.start("coverage", project, "--cluster", two_workers.address, "-q", "-o", project / "second")
    for process in (first, second):
        code, _, err = made.finish(process)
        assert code == 0, err
    assert made.digests(project / "out") == made.digests(project / "second") == made.digests(local.after / "out")
    assert made.digests(project / LOSSES, "*") == made.digests(local.after / LOSSES, "*")


# --- what goes wrong --------------------------------------------------------------------------------------------

# a preloaded script may run twice
DIES_HALF_WAY = """
import os, posix, signal
from radiocov.coverage import cluster

done = []

def dying(source, target):
    done.append(target)
    if len(done) > {files}:
        os.kill(os.getpid(), signal.SIGKILL)
    posix.replace(source, target)

os.replace = dying
"""


def test_a_worker_killed_while_it_writes_costs_a_retry(made, run, local, project, cluster):
    cluster.scheduler()
    doomed = cluster.worker(DIES_HALF_WAY.format(files=2))
    cluster.worker()
    cluster.ready(2)
    code, out, err = run(project, cluster.address, "-q")
    assert code == 0, err
    assert doomed.wait(10) == -signal.SIGKILL
    assert "14 loss rasters computed" in out
    assert made.digests(project) == made.digests(local.after)
    assert len(made.temporaries(project)) == 1, "what the killed worker was writing"
    assert made.finish(made.start("coverage", project, "-q"))[0] == 0
    assert made.temporaries(project) == []


def test_a_raster_that_kills_every_worker_is_named(made, run, project, cluster):
    cluster.scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    cluster.worker(DIES_HALF_WAY.format(files=0))
    cluster.ready(1)
    code, out, err = run(project, cluster.address, "-q")
    assert code == 3 and not out
    (line,) = err.splitlines()
    assert line.startswith('error: site "') and "1 workers in turn died over its losses" in line
    assert not (project / "out").exists()


UNFIT = {
    "import radiocov; radiocov.__version__ = '0.0.9'": "it has radiocov 0.0.9 where this machine has 0.1.0",
    "import radiocov; radiocov.kernel_digest = lambda: 'abc'": "it has kernels of radiocov abc where this machine",
    "import sys; sys.modules['radiocov'] = None": "it cannot import radiocov with its cluster extra",
}


def test_workers_that_differ_are_named_before_anything_is_computed(made, run, project, cluster):
    cluster.scheduler()
    cluster.worker()
    for preload in UNFIT:
        cluster.worker(preload)
    cluster.ready(4)
    code, out, err = run(project, cluster.address, "-q")
    assert code == 3 and not out
    named = set()
    for line in err.splitlines():
        found = re.match(r"error: worker (tcp://127\.0\.0\.1:\d+): (.+)", line)
        named.add(found[1])
        assert any(reason in found[2] for reason in UNFIT.values())
    assert len(named) == len(err.splitlines()) == 3 and all(reason in err for reason in UNFIT.values())
    assert made.digests(project / LOSSES, "*") == {} and not (project / "out").exists()
    assert made.temporaries(project) == []


def test_a_worker_on_other_storage_is_named(made, run, project, cluster):
    """The worker has an empty disk where the project lies here."""
    alone = ["unshare", "--mount", "--"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this user can't have mounts of its own")
    cluster.scheduler()
    hidden = 'mount -t tmpfs -o size=64k none "$0" && exec "$@"'
    cluster.worker(before=[*alone, "sh", "-c", hidden, str(project)])
    cluster.ready(1)
    code, _, err = run(project, cluster.address, "-q")
    (line,) = err.splitlines()
    assert code == 3 and f"does not see {project / LOSSES} as this machine does" in line


def test_no_scheduler(made, run, project):
    code, out, err = run(project, "tcp://127.0.0.1:1", "-q")
    assert code == 3 and not out
    (line,) = err.splitlines()
    assert line.startswith("error: no Dask scheduler answers at tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://127.0.0.1", "http://a:8786", "tcp://a:99999", ""])
def test_what_is_no_address(radiocov, project, address):
    ran = radiocov("coverage", project, "--cluster", address)
    assert ran.code == 2 and "is no address of a scheduler; write e.g. tcp://10.0.0.5:8786" in ran.err


def test_a_device_and_a_cluster_exclude_each_other(radiocov, project):
    ran = radiocov("coverage", project, "--cluster", "tcp://127.0.0.1:1", "--gpu")
    assert ran.code == 2 and "--gpu and --cluster exclude each other" in ran.err


SLOW = """
import time
from radiocov.coverage import cluster, store

class Slow(store.LossStore):
    def put(self, *arguments):
        kept = super().put(*arguments)
        time.sleep(1.0)
        return kept

cluster.LossStore = Slow
"""


def test_ctrl_c_cancels_what_is_pending_and_keeps_what_is_done(made, local, project, cluster):
    cluster.scheduler()
    cluster.worker(SLOW)
    cluster.ready(1)
    process = made.start("coverage", project, "--cluster", cluster.address, "-q")
    until(lambda: len(list((project / LOSSES).glob("*.json"))) >= 2, process)
    process.send_signal(signal.SIGINT)
    code, out, err = made.finish(process)
    assert code == 130 and not out
    assert err.splitlines()[-1] == "interrupted; what was finished is kept" and "Traceback" not in err
    with cluster.client() as client:
        worker = cluster.all[-1]
        until(lambda: client.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks), worker)
    kept = made.digests(project / LOSSES, "*")
    assert 4 <= len(kept) < 20 and kept.items() <= made.digests(local.after / LOSSES, "*").items()
    assert made.temporaries(project) == []


def test_a_scheduler_that_goes_away_ends_the_run(made, project, cluster):
    scheduler = cluster.scheduler()
    cluster.worker(SLOW)
    cluster.ready(1)
    process = made.start("coverage", project, "--cluster", cluster.address, "-q")
    until(lambda: len(list((project / LOSSES).glob("*.json"))) >= 1, process)
    scheduler.kill()
    code, out, err = made.finish(process)
    assert code == 3 and not out
    assert err.splitlines() == [f"error: the scheduler at {cluster.address} went away; what was finished is kept"]


FULL = """
import errno
from radiocov.coverage import cluster

def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")

cluster.LossStore.put = full
"""


def test_a_worker_without_room_says_so(made, run, project, cluster):
    cluster.scheduler()
    cluster.worker(FULL)
    cluster.ready(1)
    code, out, err = run(project, cluster.address, "-q")
    (line,) = err.splitlines()
    assert code == 3 and line.startswith('error: site "') and ": worker tcp://127.0.0.1:" in line
    assert line.endswith("No space left on device")


UNSPEAKABLE = """
from radiocov.coverage import cluster

class Unspeakable(Exception):
    def __reduce__(self):
        raise TypeError("not to be sent")

def fails(*arguments):
    raise Unspeakable("of its own kind")

cluster.loss_raster = fails
"""


def test_an_error_that_cannot_be_sent_ends_the_run_in_words(made, run, project, cluster):
    cluster.scheduler()
    cluster.worker(UNSPEAKABLE)
    cluster.ready(1)
    code, out, err = run(project, cluster.address, "-q")
    (line,) = err.splitlines()
    assert code == 3 and line.startswith('error: site "') and line.endswith("Unspeakable: of its own kind")


DIES_AT_ONCE = """
import os
from radiocov.coverage import cluster

cluster.loss_raster = lambda *arguments: os._exit(1)
"""


def test_workers_that_never_come_back_end_the_run(made, run, project, cluster, monkeypatch):
    from radiocov.coverage import cluster as module

    monkeypatch.setattr(module, "ALONE_S", 2.0)
    cluster.scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="100")
    cluster.worker(DIES_AT_ONCE)
    cluster.ready(1)
    code, out, err = run(project, cluster.address, "-q")
    (line,) = err.splitlines()
    assert code == 3 and line == f"error: {cluster.address} has had no workers for 2 s; what was finished is kept"
