"""The files `radiocov init` starts a project from, and the function that writes them."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from radiocov.problems import Problem, ProjectError

FILES = ("project.toml", "sites.csv", "areas.geojson", "roads.geojson", "README.txt")


def init_project(folder: str | Path) -> list[Path]:
    """Write the starting files into a folder (made where absent) and return their paths.

    ProjectError where one of them is there already: nothing is overwritten, and then nothing is written. Each
    file appears whole or not at all.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ProjectError(Problem(str(folder), "", "is a file", "give a folder for the project"))
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise ProjectError([
            Problem(str(folder / name), "", "is there already and is not overwritten",
                    "give another folder or move the file away") for name in there])
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / name, resources.files(__name__).joinpath(name).read_bytes()) for name in FILES]


def _write(path: Path, content: bytes) -> Path:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(partial, path)  # unlike a rename, refuses a file that came up meanwhile
        except FileExistsError as error:
            raise ProjectError(Problem(str(path), "", "is there already and is not overwritten",
                                       "give another folder or move the file away")) from error
        except OSError:  # a file system without hard links
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
