"""Helpers of these tests, which --import-mode=importlib does not put on the path."""

import importlib.util
import sys
from pathlib import Path

import pytest

_name = "radiocov_tests_terrain_tiles"
_spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name("tiles.py"))
_tiles = importlib.util.module_from_spec(_spec)
sys.modules[_name] = _tiles
_spec.loader.exec_module(_tiles)


@pytest.fixture(scope="session")
def made():
    """The module tiles.py."""
    return _tiles
