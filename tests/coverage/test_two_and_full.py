"""Two runs over one project, and disks without room."""

import shutil
import subprocess

import pytest

LOSSES = ".radiocov/loss"


def test_two_runs_at_once_leave_what_one_leaves(made, small_inputs, small_computed, tmp_path):
    folder = shutil.copytree(small_inputs, tmp_path / "project")
    runs = [made.start("coverage", folder, "-q", "--jobs", 1) for _ in range(2)]
    for process in runs:
        code, _, err = made.finish(process)
        assert code == 0 and not err
    assert made.digests(folder) == made.digests(small_computed)
    assert made.digests(folder / LOSSES, "*") == made.digests(small_computed / LOSSES, "*")
    assert made.temporaries(folder) == []
    code, out, _ = made.finish(made.start("coverage", folder, "-q"))
    assert code == 0 and "2 of 2 states were up to date" in out


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", place], capture_output=True).returncode:
        pytest.skip("this user can't mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk, room):
    """A file that leaves so many bytes free."""
    free = shutil.disk_usage(disk).free
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(free - room))


@pytest.mark.parametrize("ready", ["the ground", "the losses"])
def test_a_full_disk_ends_the_run_in_one_line_and_the_next_goes_on(made, radiocov, small_computed, disk, ready):
    project = disk / "project"
    shutil.copytree(small_computed, project, ignore=shutil.ignore_patterns("out"))
    if ready == "the ground":
        shutil.rmtree(project / LOSSES)
    fill(disk, 80_000)
    ran = radiocov("coverage", project, "-q", "--jobs", 1)
    assert ran.code == 3 and not ran.out
    (line,) = ran.err.splitlines()
    assert line.startswith("error: ") and "No space left on device" in line and str(project) in line
    assert made.temporaries(project) == []
    done = made.digests(project / LOSSES, "*")
    assert done.items() <= made.digests(small_computed / LOSSES, "*").items()
    rasters = sum(name.endswith(".json") for name in done)  # the note makes a raster complete
    assert 0 < rasters < 14 if ready == "the ground" else rasters == 14
    (disk / "ballast").unlink()
    ran = radiocov("coverage", project, "-q")
    assert ran.code == 0 and f"{rasters} taken from earlier runs" in ran.out
    assert made.digests(project) == made.digests(small_computed)
