"""The fixtures of the engine's tests serve the command line's too."""

import importlib.util
import sys
from pathlib import Path

_name = "radiocov_tests_coverage_fixtures"
_spec = importlib.util.spec_from_file_location(_name, Path(__file__).parents[1] / "coverage" / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules[_name] = _fixtures
_spec.loader.exec_module(_fixtures)

made = _fixtures.made
small_inputs = _fixtures.small_inputs
small_computed = _fixtures.small_computed
fresh = _fixtures.fresh
computed = _fixtures.computed
radiocov = _fixtures.radiocov
