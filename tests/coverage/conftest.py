"""Fixtures of the engine's tests: small made-up projects, computed once."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


def _load():
    """made.py beside this file: tests are no packages, so it cannot be imported by name."""
    name = "radiocov_tests_made"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("made.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def made():
    return _load()


@pytest.fixture(scope="session")
def small_inputs(made, tmp_path_factory):
    """A small project's folder, nothing computed."""
    return made.small_project(tmp_path_factory.mktemp("small") / "project")


@pytest.fixture(scope="session")
def small_computed(small_inputs, tmp_path_factory):
    """The same with its coverage; not to be changed."""
    from radiocov.coverage.run import CoverageRun
    from radiocov.inputs import read_inputs
    from radiocov.project import load_project

    folder = tmp_path_factory.mktemp("computed") / "project"
    shutil.copytree(small_inputs, folder)
    CoverageRun(read_inputs(load_project(folder)).or_raise()).run()
    return folder


@pytest.fixture
def fresh(small_inputs, tmp_path):
    """A copy of the small project of this test's own."""
    return Path(shutil.copytree(small_inputs, tmp_path / "project"))


@pytest.fixture
def computed(small_computed, tmp_path):
    """A copy of the small project with its coverage, of this test's own."""
    return Path(shutil.copytree(small_computed, tmp_path / "project"))


@pytest.fixture
def radiocov(capsys):
    """The command line in this process: `radiocov("check", folder)` -> code, out, err."""
    from radiocov.cli import run

    def call(*arguments):
        capsys.readouterr()
        try:
            code = run([str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return call
