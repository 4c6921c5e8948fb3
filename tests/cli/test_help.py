"""Help and versions: quick, with an example, and without the libraries that a run needs."""

import os
import subprocess
import sys

import pytest

from radiocov.cli import COMMANDS

HEAVY = {"numpy", "numba", "rasterio", "pyproj", "scipy", "shapely", "pydantic", "plotly", "rich", "pyogrio",
         "fastapi", "uvicorn", "sqlalchemy", "jinja2"}  # fmt: skip
START = "from radiocov.cli import main; main()"


def helped(made, *arguments):
    """(exit code, stdout, top-level modules that were imported) of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", START, *arguments], text=True, encoding="utf-8", timeout=60,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(made.ROOT), "COLUMNS": "100"},
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    others = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert len(lines) > 20 and not others
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines[1:]}
    assert "click" in imported
    return done.returncode, done.stdout, imported


@pytest.mark.parametrize("command", [*COMMANDS, None], ids=str)
def test_help_is_light_and_gives_an_example(made, command):
    code, out, imported = helped(made, *([command] if command else []), "--help")
    assert code == 0
    assert not imported & HEAVY
    if command:
        assert out.startswith(f"Usage: radiocov {command} ")
        assert "Example" in out and f"radiocov {command} " in out.split("Example", 1)[1].replace("\n", " ")
    else:
        assert "radiocov demo" in out and "radiocov init my-network" in out
        assert "Exit codes" in out and all(name in out for name in COMMANDS)


def test_version_is_light_too(made):
    code, out, imported = helped(made, "--version")
    assert code == 0 and out.startswith("radiocov, version ")
    assert not imported & HEAVY


def test_an_unknown_command_suggests_the_nearest(radiocov):
    ran = radiocov("covrage")
    assert ran.code == 2 and not ran.out
    assert "there is no command 'covrage'; did you mean 'coverage'?" in ran.err


def test_every_command_that_is_listed_is_there(radiocov):
    for command in COMMANDS:
        assert radiocov(command, "-h").code == 0, command
