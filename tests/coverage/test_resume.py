"""Runs that are killed, interrupted or watched: nothing is lost, nothing is ever seen half-written."""

import dataclasses
import random
import re
import shutil
import signal
import threading
import time

import pytest

from radiocov.coverage.run import CoverageRun
from radiocov.network import write_sites

LOSSES = ".radiocov/loss"


@pytest.fixture(scope="module")
def project(made, tmp_path_factory):
    """Large enough that a run can be caught at work; its kernels are compiled and nothing is computed."""
    return made.small_project(tmp_path_factory.mktemp("resume") / "project", resolution=100.0)


class Watcher(threading.Thread):
    """Reads every file under a final name in two folders, whenever it is new, until told to stop."""

    def __init__(self, made, *folders):
        super().__init__(daemon=True)
        self.made, self.folders = made, folders
        self.done = threading.Event()
        self.seen: dict = {}  # path -> contents' digests, as often as it was new
        self.failed = None

    def run(self):
        known = {}
        try:
            while not self.done.is_set():
                for path in (p for folder in self.folders if folder.is_dir() for p in folder.rglob("[!.]*")):
                    try:
                        about = path.stat()
                        if not path.is_file() or known.get(path) == (about.st_ino, about.st_mtime_ns, about.st_size):
                            continue
                        self.seen.setdefault(path, []).append(self.made.digest(path))
                    except FileNotFoundError:
                        continue
                    known[path] = about.st_ino, about.st_mtime_ns, about.st_size
                time.sleep(0.001)
        except BaseException as error:
            self.failed = error
            raise


@pytest.fixture(scope="module")
def undisturbed(made, project, tmp_path_factory):
    """A run from beginning to end with someone reading over its shoulder: (folder, what the reader saw)."""
    folder = shutil.copytree(project, tmp_path_factory.mktemp("undisturbed") / "project")
    watcher = Watcher(made, folder / "out", folder / LOSSES)
    watcher.start()
    code, out, err = made.finish(made.start("coverage", folder, "-q"))
    watcher.done.set()
    watcher.join()
    assert code == 0 and watcher.failed is None, err
    assert "14 loss rasters computed, 0 taken" in out
    return folder, watcher.seen


def test_no_file_is_visible_before_it_is_whole(made, undisturbed):
    folder, seen = undisturbed
    final = made.digests(folder / "out", "**/*") | made.digests(folder / LOSSES, "*")
    assert len(final) == 1 + 2 * 13 + 2 * 14
    watched = {path.relative_to(folder) for path in seen}
    assert len(watched) == len(final), "the reader has to have seen all of them"
    for path, contents in seen.items():
        assert set(contents) == {made.digest(path)}, path
    assert not made.temporaries(folder / "out") and not made.temporaries(folder / LOSSES)


def losses_in(folder):
    return len(list((folder / LOSSES).glob("[!.]*.json")))


def works_on(folder, state):
    return any((folder / "out" / state).glob(".*"))


MOMENTS = {
    "a first loss is there": lambda folder: losses_in(folder) >= 1,
    "half of the losses are there": lambda folder: losses_in(folder) >= 7,
    "all losses are there": lambda folder: losses_in(folder) >= 14,
    "the first state is being written": lambda folder: works_on(folder, "2015"),
    "the second state is being written": lambda folder: works_on(folder, "2017"),
}


def caught(process, folder, moment):
    """Waits for a moment of a run; False where the run came to its end first."""
    until = time.monotonic() + 120
    while process.poll() is None:
        if MOMENTS[moment](folder):
            return True
        assert time.monotonic() < until, f"never came: {moment}"
        time.sleep(0.001)
    return False


def test_killed_runs_resume_to_the_same_bytes(made, project, undisturbed, tmp_path):
    wanted = made.digests(undisturbed[0])
    folder = shutil.copytree(project, tmp_path / "project")
    delay = random.Random(9)
    killed = 0
    for moment in MOMENTS:
        process = made.start("coverage", folder, "-q")
        if caught(process, folder, moment):
            time.sleep(delay.uniform(0.0, 0.05))
        process.kill()  # SIGKILL: no handler runs
        code, _, _ = made.finish(process)
        killed += code == -signal.SIGKILL
        # what is there under a final name is whole, whenever the run died
        assert made.digests(folder).items() <= wanted.items(), moment
    assert killed >= 3
    # no more than one loss a thread was lost: the last run finds all of them
    code, out, err = made.finish(made.start("coverage", folder))
    assert code == 0, err
    computed, reused = map(int, re.search(r"(\d+) loss rasters computed, (\d+) taken", out).groups())
    assert (computed, reused) == (0, 14)
    assert made.digests(folder) == wanted
    assert not made.temporaries(folder / "out") and not made.temporaries(folder / LOSSES)


def test_a_run_takes_up_exactly_what_a_killed_one_finished(made, project, undisturbed, tmp_path):
    folder = shutil.copytree(project, tmp_path / "project")
    process = made.start("coverage", folder, "--jobs", 1, "-q")
    assert caught(process, folder, "half of the losses are there")
    process.kill()
    made.finish(process)
    kept = losses_in(folder)
    assert kept >= 7
    code, out, err = made.finish(made.start("coverage", folder, "-q"))
    assert code == 0, err
    assert f"{14 - kept} loss rasters computed, {kept} taken from earlier runs" in out
    assert made.digests(folder) == made.digests(undisturbed[0])


def test_a_finished_run_is_not_done_again(made, undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed[0], tmp_path / "project")
    before = made.snapshot(folder)
    code, out, err = made.finish(made.start("coverage", folder, "-q"))
    assert code == 0, err
    assert "0 loss rasters computed, 14 taken from earlier runs; 2 of 2 states were up to date" in out
    assert made.snapshot(folder) == before


@pytest.mark.parametrize("moment", ["half of the losses are there", "the second state is being written"])
def test_ctrl_c_stops_soon_and_leaves_no_temporary_file(made, project, undisturbed, tmp_path, moment):
    folder = shutil.copytree(project, tmp_path / "project")
    process = made.start("coverage", folder)
    assert caught(process, folder, moment)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    code, out, err = made.finish(process)
    assert code == 130, err
    assert time.monotonic() - asked < 5.0
    assert err.splitlines()[-1] == "interrupted; what was finished is kept"
    assert "Traceback" not in err and not out
    assert made.temporaries(folder) == []
    assert made.digests(folder).items() <= made.digests(undisturbed[0]).items()
    assert losses_in(folder) >= 7


@pytest.mark.parametrize(("interference", "damaged"), [(False, False), (True, False), (False, True)])
def test_one_changed_power_rewrites_its_tiles_alone_and_gives_what_a_fresh_run_gives(
    made, tmp_path, interference, damaged
):
    folder = made.small_project(tmp_path / "project", resolution=100.0, sites=4)
    made.edit(folder / "project.toml", "radius_km = 15", "radius_km = 6")
    if interference:
        with (folder / "project.toml").open("a") as file:
            file.write("\n[interference]\nenabled = true\n")
        sites = made.inputs_of(folder).sites
        write_sites(folder / "sites.csv", [dataclasses.replace(s, channels=(361.0125,)) for s in sites])
    seen = []
    CoverageRun(made.inputs_of(folder), progress=lambda *step: seen.append(step)).run()
    everything = max(total for what, _, total in seen if what.startswith("combining the network of 2017"))
    sites = (folder / "sites.csv").read_text(encoding="utf-8-sig").splitlines()
    made.edit(folder / "sites.csv", sites[1], sites[1].replace(",47", ",41", 1))
    assert (folder / "sites.csv").read_text(encoding="utf-8-sig").splitlines() != sites
    anew = shutil.copytree(folder, tmp_path / "anew", ignore=shutil.ignore_patterns("out", ".radiocov"))
    if damaged:  # one bit of what would be copied
        victim = folder / "out" / "2017" / "margin_vehicle.tif"
        data = bytearray(victim.read_bytes())
        data[-1000] ^= 1
        victim.write_bytes(data)
    seen.clear()
    result = CoverageRun(made.inputs_of(folder), progress=lambda *step: seen.append(step)).run()
    assert result.losses_computed == 0
    changed = max(total for what, _, total in seen if what.startswith("combining the network of 2017"))
    assert changed == everything if damaged else 0 < changed < everything
    CoverageRun(made.inputs_of(anew)).run()
    rasters = made.digests(folder / "out", "**/*.tif")
    assert rasters == made.digests(anew / "out", "**/*.tif") and rasters
