"""Losses on a CUDA device: the kernels in numba's simulator, compiled for a device that is absent, and on one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent
SCRIPT = HERE / "on_a_device.py"


def device_is_there() -> bool:
    from numba import cuda

    try:
        return cuda.is_available()
    except Exception:
        return False


def losses_by(made, **environment):
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], text=True, capture_output=True, timeout=600,
        env={**os.environ, "PYTHONPATH": str(made.ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(f["percent"], f["number"]) for f in found] == [(p, i) for p in (50.0, 10.0) for i in range(3)]
    for f in found:
        assert f["same window"] and f["same pixels"] and f["pixels"] > 200 and f["spread"] > 3.0, f
    return found


def test_the_simulated_device_gives_the_processor_s_losses(made):
    """Every index, order of radials, batch and launch; the arithmetic is the processor's own here."""
    found = losses_by(made, NUMBA_ENABLE_CUDASIM="1")
    assert max(f["difference"] for f in found) == 0.0


@pytest.mark.skipif(not device_is_there(), reason="no CUDA device")
def test_a_device_gives_the_processor_s_losses_within_a_twentieth_of_a_decibel(made):
    assert max(f["difference"] for f in losses_by(made)) < 0.05


def test_the_kernels_compile_for_a_device(monkeypatch):
    """To the device's assembly, without a device: needs numba-cuda with NVIDIA's compiler library."""
    pytest.importorskip("numba_cuda", reason="the extra gpu is not installed")
    import numba.cuda.dispatcher
    from numba import cuda, float32, float64, int32, int64, types, uint8

    from radiocov.coverage import gpu

    capability = (8, 0)
    monkeypatch.setattr(
        numba.cuda.dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=capability)
    )

    def array(kind, dimensions):
        return types.Array(kind, dimensions, "C")

    size = types.UniTuple(int64, 2)
    pixels = (array(float64, 2), array(int64, 2))
    table = (size, array(int32, 1), array(int64, 1))
    scratch = (array(float64, 2), array(float64, 2), array(uint8, 2), array(float64, 3), array(float64, 3))
    for kernel, signature in (
        (gpu._mark, (*pixels, *table, array(uint8, 2))),
        (gpu._gather, (*pixels, array(int64, 1), *table, array(float32, 2), array(float32, 1))),
        (gpu._radials, (
            int64, int64, size, array(int64, 1), array(float64, 2), array(uint8, 2), array(float32, 2),
            array(float32, 2), array(uint8, 2), array(float64, 2), float64, float64, float64, float64, int64,
            *scratch, array(float32, 2),
        )),
    ):  # fmt: skip
        assembly, _ = cuda.compile_ptx(kernel.py_func, signature, cc=capability)
        assert ".target sm_80" in assembly and ".entry" in assembly


@pytest.mark.skipif(device_is_there(), reason="there is a CUDA device")
def test_without_a_device_the_option_says_so_and_writes_nothing(radiocov, fresh):
    before = sorted(path.name for path in fresh.iterdir())
    ran = radiocov("coverage", fresh, "--gpu", "--quiet")
    assert ran.code == 3
    assert "no CUDA device can be used" in ran.err and "run without --gpu" in ran.err
    assert len(ran.err.strip().splitlines()) == 1 and not ran.out
    assert sorted(path.name for path in fresh.iterdir()) == before


def test_another_model_on_the_device_is_refused(radiocov, fresh):
    ran = radiocov("coverage", fresh, "--gpu", "--model", "itm", "--quiet")
    assert ran.code == 2 and "--gpu computes p1812, not itm" in ran.err


def test_a_run_on_the_device_equals_one_without_and_has_keys_of_its_own(made, small_computed, tmp_path):
    """The whole command, on numba's simulator where there is no device."""
    flat = made.small_project(tmp_path / "project", resolution=1000.0, sites=2)
    made.edit(flat / "project.toml", "radius_km = 15", "radius_km = 8")
    other = Path(shutil.copytree(flat, tmp_path / "other"))
    simulate = (
        "import numba.cuda.simulator.kernel as k; k.FakeWithinKernelCUDAArray = lambda a: a._ary\n"
        if not device_is_there() else ""
    )  # fmt: skip
    start = f"import sys\n{simulate}from radiocov.cli import run\nsys.exit(run(sys.argv[1:]))"
    manifests = []
    for folder, more in ((flat, ()), (other, ("--gpu",))):
        done = subprocess.run(
            [sys.executable, "-c", start, "coverage", str(folder), "--json", "--quiet", *more], text=True,
            capture_output=True, timeout=600,
            env={**os.environ, "PYTHONPATH": str(made.ROOT), "NUMBA_ENABLE_CUDASIM": str(int(not device_is_there()))},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        manifests.append(json.loads(done.stdout))
    import rasterio

    (here, there) = manifests
    for state in here["states"]:
        for name in state["files"]:
            with rasterio.open(flat / "out" / name) as a, rasterio.open(other / "out" / name) as b:
                assert abs(a.read(masked=True).filled(0) - b.read(masked=True).filled(0)).max() < 0.05
    assert "device" in there["states"][0]["provenance"] and "device" not in here["states"][0]["provenance"]
    assert not {p.name for p in (flat / ".radiocov" / "loss").iterdir()} & {
        p.name for p in (other / ".radiocov" / "loss").iterdir()
    }
