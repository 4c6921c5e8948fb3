"""Files that appear under their final name only when whole."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ABANDONED_S = 24 * 3600.0  # after this a temporary file of another machine is nobody's


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``; renamed to it when the block ends well, removed when it does not.

    The name keeps the suffix, by which raster drivers go, and says whose it is (machine and process). A number of its
    own keeps writers of one path apart, be they threads, or processes on machines that share the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = f"{_machine()}.{os.getpid()}"
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.{owner}.part{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno and error.filename is None:  # a write that found no room does not say where
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files in a folder whose writers were killed.

    Of this machine: those of processes which are no more. Of others, whose processes cannot be asked: the old ones.
    """
    for path in folder.glob(".*.part*"):
        found = re.fullmatch(r"\..+\.([0-9a-f]{8})\.(\d+)\.part.*", path.name)
        if found is None:
            continue
        with contextlib.suppress(OSError):  # its writer may be done with it by now
            if found[1] == _machine():
                gone = not _is_running(int(found[2]))
            else:
                gone = time.time() - path.stat().st_mtime > ABANDONED_S
            if gone:
                path.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    """A short name of all processes that see each other's numbers: a machine's, or a container's."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return hashlib.blake2b(f"{platform.node()} {numbers}".encode(), digest_size=4).hexdigest()


def _is_running(process: int) -> bool:
    if os.name == "nt":
        # a signal of 0 would end the process there; a leftover costs less than that
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """The file under a second name, which it keeps when the first gets another content by renaming; a copy on another
    disk, or one without links. Raises OSError."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def write_bytes(path: Path, data: bytes) -> None:
    with whole(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The parsed file; None where it is absent or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def content_key(value: Any) -> str:
    """Hash of a JSON-able value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
