"""Helpers of these tests, which --import-mode=importlib does not put on the path."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _module(name):
    full = f"radiocov_tests_terrain_{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    return module


_tiles, _bucket = _module("tiles"), _module("bucket")


@pytest.fixture(scope="session")
def made():
    """The module tiles.py."""
    return _tiles


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket on the loopback address."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with _bucket.Bucket() as running:
        yield running
