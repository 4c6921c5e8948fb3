"""Fixtures shared by every suite: real data, a browser, and small made-up projects, computed once."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

# a time limit for each example would judge the machine and what else it does
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> None:
    """Tests leave the user's cache alone."""
    os.environ["RADIOCOV_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference values beside the project; tests that need it skip without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder of real data beside the project is absent")
    return folder


@pytest.fixture(scope="session")
def browser():
    """A Chromium for all suites: Playwright runs once in a process."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-proxy-server"]
    with sync_api.sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield instance
        instance.close()


def _load():
    """coverage/made.py: tests are no packages, so it cannot be imported by name."""
    name = "radiocov_tests_made"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "coverage" / "made.py")
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
