"""Blocks that we encode, read by GDAL."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from radiocov.coverage import lerc, tiff

PLACE = rasterio.Affine(2.0, 0.0, 0.0, 0.0, -2.0, 0.0)


def read_by_gdal(blob: bytes, shape: tuple[int, int]) -> np.ndarray:
    """The values of a blob that stands for the only block of a file."""
    height, width = (-(-side // 16) * 16 for side in shape)
    assert (height, width) == shape, "GDAL's blocks are multiples of 16"
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype="float32", tiled=True, blockxsize=width,
            blockysize=height, compress="LERC", MAX_Z_ERROR=0.1, BIGTIFF="YES", transform=PLACE,
        ) as dataset:  # fmt: skip
            dataset.write(np.zeros(shape, np.float32), 1)
        (directory,) = tiff.directories(bytes(memory.getbuffer()))
    directory[tiff.COUNTS] = directory[tiff.OFFSETS] = tiff.long8(np.array([len(blob)]))
    directory[tiff.OFFSETS] = tiff.long8(np.array([len(tiff.header([directory]))]))
    with MemoryFile(tiff.header([directory]) + blob) as memory, memory.open() as dataset:
        return dataset.read(1)


def made(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    rows, cols = np.indices(shape)
    values = {
        "noise": rng.normal(-90.0, 12.0, shape),
        "slope": 100.0 + 0.013 * rows - 0.4 * cols,
        "flat": np.full(shape, 7.25),
        "zero": np.zeros(shape),
        "nearly flat": 1.0 + 1e-5 * rng.random(shape),
        "far apart": np.where(rng.random(shape) < 0.1, -9999.0, rng.normal(0.0, 1.0, shape)),
        "steps of blocks": np.floor(cols / 8) * 40.0,
        "zero beside much": np.where(cols < 8, 0.0, 1000.0 * rng.random(shape)),
    }[kind]
    return values.astype(np.float32)


KINDS = ("noise", "slope", "flat", "zero", "nearly flat", "far apart", "steps of blocks", "zero beside much")
MASKS = ("none", "few", "half", "most", "all but one")


@given(
    st.sampled_from(KINDS), st.sampled_from(MASKS), st.sampled_from([(16, 16), (16, 48), (256, 256), (512, 64)]),
    st.sampled_from([0.5, 0.004, 0.00005]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_gdal_reads_every_value_within_the_error_and_every_gap(kind, gaps, shape, error, seed):
    rng = np.random.default_rng(seed)
    values = made(kind, shape, rng)
    rows = np.indices(shape)[0]
    missing = {
        "none": np.zeros(shape, bool), "few": rng.random(shape) < 0.01, "half": rows < shape[0] // 2 + 3,
        "most": rng.random(shape) < 0.97, "all but one": rows + np.indices(shape)[1] > 0,
    }[gaps]  # fmt: skip
    values[missing] = np.nan
    found = read_by_gdal(lerc.encode(values, error), shape)
    assert np.array_equal(np.isnan(found), np.isnan(values))
    rounding = np.spacing(np.abs(values[~missing]).max(initial=0.0))
    assert np.abs(found - values)[~missing].max(initial=0.0) <= error + 2 * rounding


def test_a_block_without_a_value_is_empty():
    assert lerc.encode(np.full((16, 16), np.nan, np.float32), 0.1) == b""


def test_a_long_mask_keeps_its_runs_and_its_singles():
    values = np.ones((1024, 1024), np.float32)
    values[:, ::2] = np.nan  # 131,072 equal bytes
    values[500, ::3] = np.nan
    values[0, 0] = 2.0
    found = read_by_gdal(lerc.encode(values, 0.01), values.shape)
    assert np.array_equal(np.isnan(found), np.isnan(values))


def test_it_is_about_as_small_as_gdal_makes_it():
    values = made("noise", (512, 512), np.random.default_rng(3))
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=512, height=512, count=1, dtype="float32", tiled=True, blockxsize=512,
            blockysize=512, compress="LERC", MAX_Z_ERROR=0.004, transform=PLACE,
        ) as dataset:  # fmt: skip
            dataset.write(values, 1)
        by_gdal = len(memory.getbuffer())
    assert len(lerc.encode(values, 0.004)) < 1.05 * by_gdal


@pytest.mark.parametrize("at", [20, 200, -1])
def test_a_flipped_bit_is_noticed(at):
    blob = bytearray(lerc.encode(made("noise", (64, 64), np.random.default_rng(1)), 0.004))
    blob[at] ^= 4
    with pytest.raises(rasterio.errors.RasterioIOError):
        read_by_gdal(bytes(blob), (64, 64))
