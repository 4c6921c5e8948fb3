"""What an import counts while it reads, and the receipt that is made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices import rejects
from devices.draft import Draft
from devices.road_check import LEAST_PLACES, Places, RoadDistance
from devices.store import iso

DEVICES_NAMED = 1000


@dataclass
class Tally:
    """area: lon_min, lat_min, lon_max, lat_max of the project; places: where positions are held against roads."""

    notes: list[str]
    area: tuple[float, float, float, float] | None = None
    places: Places | None = None
    valid: int = 0
    accepted: int = 0
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)  # (code, column) -> rows
    skipped: dict[str, int] = field(default_factory=dict)
    flagged: dict[str, int] = field(default_factory=dict)
    devices: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # id -> rows, first, last time
    profiles: list[str] = field(default_factory=list)
    datums: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)
    positions: int = 0
    inside: int = 0

    def add(self, draft: Draft) -> None:
        """A block that was checked: in order of device and time."""
        self.valid += len(draft)
        if "lat" in draft.numbers:
            self._add_places(draft.numbers["lat"], draft.numbers["lon"])
        for key, rows in reject_counts(draft.rejected).items():
            self.rejected[key] = self.rejected.get(key, 0) + rows
        for code, rows in draft.skipped.items():
            self.skipped[code] = self.skipped.get(code, 0) + rows
        for name, mask in draft.flags.items():
            self.flagged[name] = self.flagged.get(name, 0) + int(np.count_nonzero(mask))
        for name, start, end in draft.groups():
            first, last = int(draft.time_us[start]), int(draft.time_us[end - 1])
            rows, low, high = self.devices.get(name, (0, first, last))
            self.devices[name] = rows + end - start, min(low, first), max(high, last)
        if len(draft):
            datum = draft.texts.get("datum_in")
            self.datums |= {datum} if isinstance(datum, str) else set() if datum is None else set(
                pc.unique(datum).drop_null().to_pylist())  # fmt: skip

    def _add_places(self, lat: np.ndarray, lon: np.ndarray) -> None:
        if self.area is not None:
            west, south, east, north = self.area
            self.positions += int(np.count_nonzero(lat == lat))
            self.inside += int(np.count_nonzero((lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)))
        if self.places is not None:
            self.places.add(lat, lon)

    def off_roads(self, distance: RoadDistance) -> None:
        """Note where the positions fit the roads on another datum only."""
        if self.places is None or len(self.places) < LEAST_PLACES or len(self.datums) != 1:
            return
        try:
            found = self.places.note(next(iter(self.datums)), distance)
        except (ValueError, OSError) as error:  # the roads' fault, and no reason to refuse a log
            found = f"positions were not compared with the project's roads: {error}"
        self.notes += [found] if found else []

    def span(self) -> tuple[int | None, int | None]:
        """First and last time; None without rows."""
        return (min((first for _, first, _ in self.devices.values()), default=None),
                max((last for _, _, last in self.devices.values()), default=None))  # fmt: skip

    def receipt(self, path: Path, declared: dict[str, str], sha256: str, now_us: int, who: str,
                batch: int) -> dict[str, Any]:  # fmt: skip
        rejected = sum(self.rejected.values())
        by_code: dict[str, int] = {}
        for (code, _), rows in self.rejected.items():
            by_code[code] = by_code.get(code, 0) + rows
        first, last = self.span()
        return {
            "batch": batch, "repeated": False, "file": path.name, "sha256": sha256, "received": iso(now_us),
            "who": who, "profile": ", ".join(self.profiles), "datum": ", ".join(sorted(self.datums)),
            "declared": declared,
            "rows_read": self.valid + rejected, "accepted": self.accepted, "duplicate": self.valid - self.accepted,
            "rejected": rejected, "rejected_by_reason": dict(sorted(by_code.items())),
            "skipped": dict(sorted(self.skipped.items())), "flagged": dict(sorted(self.flagged.items())),
            "first_time": None if first is None else iso(first), "last_time": None if last is None else iso(last),
            "device_count": len(self.devices),
            "devices": {name: {"rows": rows, "first_time": iso(first), "last_time": iso(last)}
                        for name, (rows, first, last) in sorted(self.devices.items())[:DEVICES_NAMED]},
            "facts": self.facts, "notes": self.notes, "reject_file": "",
        }  # fmt: skip

    def refusal(self, path: Path, strict: bool, kept: Path | None) -> str:
        """Why nothing of a file is stored, in words. kept: the file of rejected rows."""
        rejected = sum(self.rejected.values())
        (code, column), rows = max(self.rejected.items(), key=lambda item: item[1])
        where = f'column "{column}": ' if column else ""
        first = f"{path.name}: {rejected} of {rejected + self.valid} rows rejected"
        why = "and --strict refuses the file for it" if strict and self.valid else "so that nothing is left"
        return f"{first}, {why}; most ({rows}): {where}{rejects.text(code)}. All of them: {kept}"


def reject_counts(tables: Iterable[pa.Table]) -> dict[tuple[str, str], int]:
    """(code, column) -> rows."""
    counts: dict[tuple[str, str], int] = {}
    for table in tables:
        grouped = table.group_by(["code", "column"]).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            key = row["code"], row["column"]
            counts[key] = counts.get(key, 0) + row["count_all"]
    return counts
