"""The file of rejected rows beside an import: what a person needs to put them right."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

import pyarrow as pa

from devices import rejects

try:
    import fcntl
except ImportError:
    fcntl = None

SUFFIX = ".rejects.csv"
HEADER = ("row", "column", "value", "code", "reason", "原因")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def escaped(text: str) -> str:
    """A cell that a spreadsheet takes for text, whatever it begins with; numbers stay."""
    if text.startswith(FORMULA_STARTS):
        try:
            float(text)
        except ValueError:
            return "'" + text
    return text


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside the path; renamed to it where the block ends well, else removed."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class RejectFile:
    """Collects rejected rows on disk, so that their number costs no memory; `keep` gives the file its name, `close`
    removes what was not kept."""

    def __init__(self, beside: Path, fallback: Path) -> None:
        folder = beside.parent if os.access(beside.parent, os.W_OK) else fallback
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / (beside.name + SUFFIX)
        self.rows = 0
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._file = None

    def add(self, table: pa.Table, part: str) -> None:
        """part: member of an archive that the rows are of, or ""."""
        if self._file is None:
            _remove_left_behind(self._partial.parent)
            self._file = _opened(self._partial)
            csv.writer(self._file).writerow(HEADER if not part else (*HEADER, "file"))
        codes = table.column("code").unique().to_pylist()
        words = {code: (rejects.text(code), rejects.text(code, "zh")) for code in codes}
        rows = zip(*(table.column(name).to_pylist() for name in ("row_no", *HEADER[1:5])), strict=True)
        after = (escaped(part),) if part else ()
        csv.writer(self._file).writerows(
            (row, escaped(column or ""), escaped(value or ""), code, reason or words[code][0], words[code][1], *after)
            for row, column, value, code, reason in rows
        )
        self.rows += table.num_rows

    def keep(self) -> Path | None:
        """The finished file, or None where nothing was rejected; a file of an earlier import goes then."""
        if self._file is None:
            if is_ours(self.path):
                self.path.unlink()
            return None
        if os.name == "nt":  # where no open file is renamed
            self._file.close()
        else:  # locked until it has its name
            self._file.flush()
        if self.path.exists() and not is_ours(self.path):
            self.path = self.path.with_name(self.path.name.removesuffix(SUFFIX) + f".{os.getpid()}{SUFFIX}")
        os.replace(self._partial, self.path)
        self._file.close()
        self._file = None
        return self.path

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._partial.unlink(missing_ok=True)


def _opened(path: Path) -> TextIO:
    """A new file that is locked for as long as this process lives, so that others see that it is not left behind."""
    while True:
        file = path.open("w", encoding="utf-8-sig", newline="")
        with suppress(OSError):  # a file system without locks
            _lock(file)
        if path.exists():
            return file
        file.close()


def _remove_left_behind(folder: Path) -> None:
    """Remove unfinished files of imports that were killed."""
    for path in folder.glob(f".*{SUFFIX}.*.part"):
        with suppress(OSError), path.open("rb") as file:  # locked: its import is at work; or not ours to remove
            _lock(file)
            path.unlink()


def _lock(file: IO[Any]) -> None:
    """Raises OSError where another holds it. On Windows nobody removes a file that is open."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_ours(path: Path) -> bool:
    """Whether a file is a file of rejected rows: it must not be imported, and may be replaced."""
    if not path.name.endswith(SUFFIX) or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(120).decode("utf-8-sig", "replace").startswith(",".join(HEADER[:5]))
