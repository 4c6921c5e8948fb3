"""Log formats as data: built-in descriptions beside this file, and those that users write."""

from __future__ import annotations

import difflib
import functools
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from devices.errors import DevicesError

if TYPE_CHECKING:
    from devices.formats.description import Description

GENERIC = "generic"


def names() -> list[str]:
    """The built-in formats."""
    files = resources.files(__name__).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in files if entry.name.endswith(".toml"))


def source(name: str) -> str:
    """A built-in description as its TOML text, to start one's own from. Raises DevicesError for an unknown name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        known = f"did you mean {near[0]}?" if near else f"known: {', '.join(names())}; or the path of a .toml file"
        raise DevicesError(f"there is no log format {name!r}; {known}")
    return (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


def load(name: str) -> Description:
    """A built-in description by name, or the user's own by the path of its TOML file."""
    from devices.formats.description import read_description

    if name.endswith(".toml") or "/" in name or "\\" in name:
        if not Path(name).is_file():
            raise DevicesError(f"{name}: no such description; `radiocov logs formats generic > {name}` starts one")
        return read_description(Path(name))
    return _built_in(name)


@functools.cache
def _built_in(name: str) -> Description:
    from devices.formats.description import parse_description

    return parse_description(source(name), f"{name}.toml")


def built_in() -> list[Description]:
    return [load(name) for name in names()]
