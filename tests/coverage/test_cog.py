"""Cloud-Optimized GeoTIFFs put together from blocks, whole and where only some have changed."""

import dataclasses
from contextlib import ExitStack

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from radiocov.coverage import cog, tiff
from radiocov.coverage.layer_file import Damaged
from radiocov.files import file_digest
from terrain.grid import Grid

GRID = Grid("EPSG:32651", 450_000.0, 4_600_000.0, 30.0, 1400, 1100)
LAYERS = (
    cog.Layer("levels.tif", "float32", cog.NODATA, (("out", "dB"), ("in", "dB")), {"SAID": "so"}),
    cog.Layer("chance.tif", "float32", cog.NODATA, (("chance", "1"),), {}),
    cog.Layer("server.tif", "uint16", 0, (("server", "number"),), {}),
)
LEAVES = cog.leaves_of(*GRID.shape)


def made_values(seed=0):
    rng = np.random.default_rng(seed)
    shape = GRID.shape
    levels = (np.cumsum(rng.standard_normal((2, *shape)), 2) - 90.0).astype(np.float32)
    levels[:, :600, :700] = np.nan
    return {
        "levels.tif": levels, "chance.tif": rng.random((1, *shape), dtype=np.float32),
        "server.tif": rng.integers(0, 500, (1, *shape)).astype(np.uint16),
    }  # fmt: skip


def part(values, leaf):
    row, col = (cog.BLOCK * n for n in leaf)
    return {name: array[:, row : row + cog.BLOCK, col : col + cog.BLOCK] for name, array in values.items()}


def write(folder, values, dirty, digests=None):
    def changed():
        for leaf in LEAVES:
            if leaf in dirty:
                arrays = part(values, leaf)
                yield leaf, {layer.name: cog.encode(layer, arrays[layer.name]) for layer in LAYERS}, arrays

    with ExitStack() as stack:
        before = None if digests is None else cog.earlier(folder, LAYERS, GRID, stack)
        return cog.write(folder, GRID, LAYERS, changed(), set(dirty), before, digests, threads=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    values = made_values()
    return folder, values, write(folder, values, LEAVES)


def test_gdal_reads_what_was_written_at_every_scale(whole):
    folder, values, _ = whole
    for layer in LAYERS:
        limit = cog.MAX_ERROR.get(layer.bands[0][1], 0) * 1.02
        expected = np.where(np.isnan(values[layer.name]), layer.nodata, values[layer.name])
        with rasterio.open(folder / layer.name) as dataset:
            assert dataset.overviews(1) == [2, 4] and dataset.crs == rasterio.crs.CRS.from_string(GRID.crs)
            assert dataset.transform == GRID.transform and dataset.nodata == layer.nodata
            assert list(zip(dataset.descriptions, dataset.units, strict=True)) == list(layer.bands)
            assert layer.tags.items() <= dataset.tags().items()
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        for level, factor in enumerate((1, 2, 4)):
            options = {"overview_level": level - 1} if level else {}
            with rasterio.open(folder / layer.name, **options) as dataset:
                found = dataset.read()
            assert np.abs(found - expected[:, ::factor, ::factor]).max() <= limit, (layer.name, factor)


def test_directories_come_first_then_overviews_then_blocks_in_order(whole):
    """What makes a file cloud-optimized: the head and a coarse picture are near its beginning."""
    folder, _, _ = whole
    for layer in LAYERS:
        data = (folder / layer.name).read_bytes()
        found = tiff.directories(data)
        starts = []
        for directory in reversed(found):
            places = directory[tiff.OFFSETS].integers()
            sizes = directory[tiff.COUNTS].integers()
            there = sizes > 0
            assert (np.diff(places[there]) > 0).all()
            starts += places[there].tolist()
            for at, size in zip(places[there][:3], sizes[there][:3], strict=True):
                assert int.from_bytes(data[at - 4 : at], "little") == size
                assert data[at + size : at + size + 4] == data[at + size - 4 : at + size]
        assert starts == sorted(starts) and starts[0] < 10_000


def test_blocks_of_nodata_take_no_room(whole):
    folder, _, _ = whole
    directory = tiff.directories((folder / "levels.tif").read_bytes())[0]
    assert (directory[tiff.COUNTS].integers() == 0).sum() == 2  # the first block of either band


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(LEAVES), min_size=1))
def test_changed_blocks_give_the_file_that_writing_everything_gives(whole, tmp_path_factory, dirty):
    """Byte for byte, overviews too, whichever blocks changed."""
    folder, old, digests = whole
    values = {name: array.copy() for name, array in old.items()}
    other = made_values(1)
    for leaf in dirty:
        for name, array in part(values, leaf).items():
            array[:] = part(other, leaf)[name]
    updated, anew = tmp_path_factory.mktemp("updated"), tmp_path_factory.mktemp("anew")
    for layer in LAYERS:
        (updated / layer.name).write_bytes((folder / layer.name).read_bytes())
    told = write(updated, values, dirty, digests)
    assert told == write(anew, values, LEAVES)
    for layer in LAYERS:
        assert (updated / layer.name).read_bytes() == (anew / layer.name).read_bytes(), layer.name
        assert file_digest(updated / layer.name) == told[layer.name]


@pytest.mark.parametrize("at", [3, 700, -1])
def test_a_damaged_file_is_not_followed(whole, tmp_path, at):
    """One bit in its head, in a block that is copied, in the last byte: nothing is written."""
    folder, values, digests = whole
    for layer in LAYERS:
        (tmp_path / layer.name).write_bytes((folder / layer.name).read_bytes())
    data = bytearray((tmp_path / "chance.tif").read_bytes())
    data[at] ^= 0b10
    (tmp_path / "chance.tif").write_bytes(data)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises((Damaged, ValueError)):  # no TIFF at all, which can_follow tells
        write(tmp_path, values, LEAVES[-1:], digests)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_only_files_of_the_same_build_are_followed(whole, tmp_path):
    folder, _, _ = whole
    assert cog.can_follow(folder, LAYERS, GRID)
    assert not cog.can_follow(tmp_path, LAYERS, GRID)
    assert not cog.can_follow(folder, LAYERS, dataclasses.replace(GRID, width=1399))
    more = dataclasses.replace(LAYERS[1], bands=(("chance", "1"), ("other", "1")))
    assert not cog.can_follow(folder, (LAYERS[0], more, LAYERS[2]), GRID)
    other = dataclasses.replace(LAYERS[2], dtype="float32")
    assert not cog.can_follow(folder, (*LAYERS[:2], other), GRID)
    for content in (b"", b"II*\0 no BigTIFF", (folder / "chance.tif").read_bytes()[:300]):
        for layer in LAYERS:
            (tmp_path / layer.name).write_bytes((folder / layer.name).read_bytes())
        (tmp_path / "chance.tif").write_bytes(content)
        assert not cog.can_follow(tmp_path, LAYERS, GRID)


def test_a_failure_leaves_the_files_as_they_were(whole, tmp_path):
    folder, values, _ = whole
    before = {}
    for layer in LAYERS:
        before[layer.name] = (folder / layer.name).read_bytes()
        (tmp_path / layer.name).write_bytes(before[layer.name])

    def broken():
        leaf = LEAVES[0]
        arrays = part(values, leaf)
        yield leaf, {layer.name: cog.encode(layer, arrays[layer.name]) for layer in LAYERS}, arrays
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        cog.write(tmp_path, GRID, LAYERS, broken(), set(LEAVES))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
