"""Antenna files, by their suffix."""

from __future__ import annotations

from pathlib import Path

from radiocov.antennas.adf import read_adf
from radiocov.antennas.ant import read_ant
from radiocov.antennas.msi import read_msi
from radiocov.antennas.pattern import Pattern
from radiocov.problems import Problem, ProjectError

READERS = {".msi": read_msi, ".pln": read_msi, ".ant": read_ant, ".adf": read_adf}
SUFFIXES = tuple(READERS)


def read_pattern(path: str | Path, near_mhz: float = 358.0) -> Pattern:
    """Read a pattern file, by suffix; of several frequencies in one file, that nearest to near_mhz [MHz].

    ProjectError with every fault found (file, line, what is right).
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ProjectError(Problem(path.name, "", f'"{path.suffix}" is not an antenna format read here',
                                   "give an MSI/Planet file (.msi, .pln), a Radio Mobile file (.ant) or an NSMA "
                                   "file (.adf)"))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProjectError(Problem(path.name, "", f"cannot be read ({error.strerror or error})",
                                   "put the file there or correct its name")) from error
    faults: list[Problem] = []

    def fault(where: str, message: str, remedy: str) -> None:
        faults.append(Problem(path.name, where, message, remedy))

    options = {"near_mhz": near_mhz} if reader is read_adf else {}
    pattern = reader(path.stem, _decode(data).splitlines(), fault, **options)
    if faults or pattern is None:
        raise ProjectError(faults)
    return pattern


def _decode(data: bytes) -> str:
    """Only names and comments can hold other letters than ASCII, so any encoding that decodes will do."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
