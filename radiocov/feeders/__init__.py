"""Loss of feeder cables by type, length and frequency: the packaged table, or the user's own of the same columns.

Attenuation between two listed frequencies is linear in the square root of frequency, which conductor loss follows
exactly; beyond the listed ones it grows with that root alone.
"""

from __future__ import annotations

import csv
import io
import math
import re
from bisect import bisect
from dataclasses import dataclass
from pathlib import Path

from radiocov.problems import Problem, ProjectError

PACKAGED = Path(__file__).with_name("cables.csv")
COLUMNS = ("type", "frequency_mhz", "db_per_100m")
RANGES = {"frequency_mhz": (1.0, 10_000.0), "db_per_100m": (0.01, 500.0)}


@dataclass(frozen=True)
class Cable:
    """A type of cable: points (sqrt of MHz, dB per 100 m) by rising frequency."""

    type: str
    points: tuple[tuple[float, float], ...]
    source: str = ""

    def db_per_100m(self, frequency_mhz: float) -> float:
        """Attenuation [dB per 100 m] at a frequency [MHz]."""
        root = math.sqrt(frequency_mhz)
        at = bisect([r for r, _ in self.points], root)
        if at in (0, len(self.points)):
            edge, value = self.points[min(at, len(self.points) - 1)]
            return value * root / edge
        (r0, a0), (r1, a1) = self.points[at - 1], self.points[at]
        return a0 + (a1 - a0) * (root - r0) / (r1 - r0)

    def loss_db(self, length_m: float, frequency_mhz: float) -> float:
        """Loss [dB] of a length [m], rounded to 0.001 dB."""
        return round(self.db_per_100m(frequency_mhz) * length_m / 100.0, 3)


@dataclass(frozen=True)
class Cables:
    """The types known, in the order of their file."""

    file: str
    by_type: dict[str, Cable]
    _names: dict[str, str]  # plain spelling -> type

    @property
    def types(self) -> list[str]:
        return list(self.by_type)

    def find(self, name: str) -> Cable | None:
        """A cable by its type or another name of it, in any spelling: 7/8" foam, 7/8-FOAM."""
        found = self._names.get(_plain(name))
        return self.by_type[found] if found else None


def _plain(name: str) -> str:
    return re.sub(r"inch|英寸|[\s\"'″“”_-]", "", name.lower())


def read_cables(path: str | Path | None = None) -> Cables:
    """The packaged table, with the user's own laid over it where a path is given: its types come first and replace
    those of the same name. ProjectError with every bad row."""
    packaged = _read(PACKAGED)
    if path is None:
        return packaged
    own = _read(Path(path))
    by_type = {**own.by_type, **{k: c for k, c in packaged.by_type.items() if _plain(k) not in own._names}}
    return Cables(own.file, by_type, {**packaged._names, **own._names})


def _read(path: Path) -> Cables:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ProjectError(Problem(path.name, "", f"cannot be read ({error.strerror or error})",
                                   "put the file there or correct [sites] feeders")) from error
    except UnicodeDecodeError as error:
        raise ProjectError(Problem(path.name, "", "is not encoded in UTF-8", 'save it as "CSV UTF-8"')) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise ProjectError(Problem(path.name, "row 1", f"no column {', '.join(missing)}",
                                   f"the header has to contain {', '.join(COLUMNS)} (and may: also, source)"))
    points: dict[str, list[tuple[float, float]]] = {}
    names: dict[str, str] = {}
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    for row in reader:
        where = f"row {reader.line_num}"
        kind = (row["type"] or "").strip()
        if not any((cell or "").strip() for cell in row.values() if isinstance(cell, str)):
            continue
        if not kind:
            problems.append(Problem(path.name, f"{where}, type", "is empty", "name the type of cable"))
            continue
        values = [_number(path.name, where, name, row[name], problems) for name in RANGES]
        if None in values:
            continue
        root = math.sqrt(values[0])
        if root in [r for r, _ in points.get(kind, ())]:
            problems.append(Problem(path.name, where, f"{kind} has {values[0]:g} MHz a second time", "keep one"))
            continue
        points.setdefault(kind, []).append((root, values[1]))
        sources.setdefault(kind, (row.get("source") or "").strip())
        for name in (kind, *(row.get("also") or "").split(";")):
            if _plain(name) and names.setdefault(_plain(name), kind) != kind:
                problems.append(Problem(path.name, where, f'"{name.strip()}" names {names[_plain(name)]} already',
                                        "give each type names of its own"))
    if not points and not problems:
        problems.append(Problem(path.name, "", "contains no cable", "give a row for each type and frequency"))
    if problems:
        raise ProjectError(problems)
    cables = {kind: Cable(kind, tuple(sorted(p)), sources[kind]) for kind, p in points.items()}
    return Cables(path.name, cables, names)


def _number(file: str, where: str, name: str, text: str | None, problems: list[Problem]) -> float | None:
    low, high = RANGES[name]
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if low <= value <= high:
        return value
    problems.append(Problem(file, f"{where}, {name}", f'"{(text or "").strip()}" is not accepted',
                            f"give a number from {low:g} to {high:g}"))
    return None
