"""A prepared ground is found again, by content; two runs make it once; damage and leftovers do no harm."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from terrain import cache as ground_cache
from terrain.density import Density
from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.ground import ARRAYS
from terrain.load import load_ground
from terrain.sources import ElevationSource

ROOT = Path(__file__).resolve().parents[2]
GRID = Grid.covering((10.3, 45.3, 10.7, 45.7), 500)


@pytest.fixture
def files(made, tmp_path):
    dem = made.degree_tile(tmp_path / "dem.tif", made.rough, 45, 10, 240, 240)
    codes = np.where(np.indices((240, 240))[0] < 120, 50, 10).astype(np.uint8)
    cover = made.write(tmp_path / "cover.tif", codes, made.Affine(1 / 240, 0, 10, 0, -1 / 240, 46))
    return dem, cover


def load(files, cache, **options):
    dem, cover = files
    options = {"landcover": cover} | options
    return load_ground(GRID, options.pop("sources", [ElevationSource(dem)]), cache=cache, **options)


def grounds(cache):
    return sorted(path.parent.name for path in cache.glob(f"*/{ground_cache.ABOUT}"))


def same(one, other):
    return all((getattr(one, name) == getattr(other, name)).all() for name in [*ARRAYS, "elevation_source"])


def test_a_kept_ground_is_the_ground(files, tmp_path):
    cache = tmp_path / "cache"
    plain, kept, found = load(files, None), load(files, cache), load(files, cache)
    for ground in (kept, found):
        assert same(plain, ground) and ground.classes == plain.classes and ground.digest == plain.digest
        assert json.dumps(ground.provenance) == json.dumps(plain.provenance)
    assert type(found.elevation_m) is np.ndarray and found.elevation_m.flags.writeable
    assert len(grounds(cache)) == 1


def test_what_is_found_is_not_made_again(files, tmp_path, monkeypatch):
    load(files, tmp_path / "cache")

    def never(*_, **__):
        raise AssertionError("warped again")

    monkeypatch.setattr("terrain.load.fill_elevation", never)
    load(files, tmp_path / "cache")
    # what users are shown is no part of the content
    ground = load(files, tmp_path / "cache", source="told so", synthetic=True,
                  sources=[ElevationSource(files[0], label="Alps")])  # fmt: skip
    assert ground.provenance["source"] == "told so" and ground.synthetic
    assert ground.provenance["elevation"]["served"][0]["label"] == "Alps"


def test_every_part_of_the_content_counts(files, made, tmp_path):
    cache = tmp_path / "cache"
    dem, cover = files
    legend = tmp_path / "mine.csv"
    shutil.copy(ground_cache.__file__.replace("cache.py", "legends/esa-worldcover.csv"), legend)
    load(files, cache, legend=legend)
    seen = set(grounds(cache))

    def is_new(**options):
        load(files, cache, **{"legend": legend} | options)
        new = set(grounds(cache)) - seen
        seen.update(new)
        return len(new) == 1

    assert is_new(voids="sea") and is_new(density=Density()) and is_new(landcover=None)
    assert is_new(sources=[ElevationSource(dem, surface=True)])
    assert is_new(sources=[ElevationSource(dem, nodata=(600,))], voids="interpolate")
    legend.write_text(legend.read_text(encoding="utf-8").replace("林地,15", "林地,14"), encoding="utf-8")
    assert is_new()
    made.degree_tile(dem, lambda lon, lat: made.rough(lon, lat) + 1, 45, 10, 240, 240)
    assert is_new()


def test_only_the_grounds_used_last_are_kept(files, tmp_path):
    cache = tmp_path / "cache"
    load(files, cache)
    first = grounds(cache)[0]
    os.utime(cache / first / ground_cache.ABOUT, (1, 1))
    load(files, cache, voids="sea")
    second = (set(grounds(cache)) - {first}).pop()
    os.utime(cache / second / ground_cache.ABOUT, (2, 2))
    load(files, cache)  # used again, so the second is now the oldest
    load(files, cache, density=Density())
    assert first in grounds(cache) and second not in grounds(cache) and len(grounds(cache)) == ground_cache.KEPT


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "no json"])
def test_a_damaged_ground_is_made_again(files, tmp_path, harm):
    cache = tmp_path / "cache"
    before = load(files, None)
    load(files, cache)
    folder = cache / grounds(cache)[0]
    victim = folder / "zone.npy"
    data = bytearray(victim.read_bytes())
    if harm == "flip":
        data[-7] ^= 1
        victim.write_bytes(data)
    elif harm == "cut":
        victim.write_bytes(data[:-7])
    elif harm == "gone":
        victim.unlink()
    else:
        (folder / ground_cache.ABOUT).write_text("{")
    assert same(load(files, cache), before)


def test_a_failed_or_interrupted_making_leaves_nothing(files, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    with pytest.raises(TerrainError, match="no height"):
        load_ground(Grid.covering((10.9, 45.3, 11.1, 45.4), 500), [ElevationSource(files[0])], cache=cache)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("terrain.load.fill_clutter", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(files, cache)
    assert not cache.exists()
    load(files, cache)
    # what a killed run leaves is cleared away by the next that wants the same
    name = grounds(cache)[0]
    (cache / name).rename(cache / f".{name}.99.part")
    abandoned = cache / ".other.98.part"
    abandoned.mkdir()
    os.utime(abandoned, (1, 1))
    load(files, cache)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [name]


def test_a_disk_without_room_is_told_before_anything_is_made(files, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("terrain.cache.shutil.disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OSError, match=r"needs \d+ MB and 0 MB are free"):
        load(files, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


ONE_RUN = """
import sys
from pathlib import Path
from terrain import cache as ground_cache
from terrain.grid import Grid
from terrain.load import load_ground
from terrain.sources import ElevationSource

dem, cover, cache = map(Path, sys.argv[1:])
made = []
write = ground_cache._write
ground_cache._write = lambda *arguments: (made.append(1), write(*arguments))
print("ready", flush=True)
sys.stdin.readline()
grid = Grid.covering((10.3, 45.3, 10.7, 45.7), 500)
ground = load_ground(grid, [ElevationSource(dem)], landcover=cover, cache=cache)
print(len(made), ground.digest)
"""


def test_two_processes_make_it_once(files, tmp_path):
    command = [sys.executable, "-c", ONE_RUN, *map(str, files), str(tmp_path / "cache")]
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
        for _ in range(2)
    ]  # fmt: skip
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    (one, digest), (other, same_digest) = (run.communicate(timeout=60)[0].split() for run in runs)
    assert sorted((one, other)) == ["0", "1"] and digest == same_digest
