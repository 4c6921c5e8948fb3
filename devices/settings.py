"""What a user declares about a handset and its port, because the bytes alone don't say it."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from devices.errors import DevicesError
from devices.records import CARRIES, DATUMS, DIRECTIONS, TECHNOLOGIES


@dataclass(frozen=True)
class Settings:
    """A profile. Empty text and None mean "as the protocol says" or "not known".

    device_id: for handsets that don't tell their own. rssi_scale: dBm per unit of a protocol whose unit is not
    documented (Hytera: 1 or 0.5). sensitivity_dbm: level the handset needs for service, the censoring limit of
    no-service rows. date: day of a capture whose lines carry a time of day only, for files without the host's
    stamps. checksum_optional: take NMEA sentences without a checksum. lost_s: age of a fix in seconds from which a
    position is no longer believed; stale_s: from which it is flagged. poll_s: seconds between two rounds of queries;
    queries: what is asked in a round instead of the protocol's own list; setup: what is sent once before. rtscts,
    dtr, rts: lines of the port, None leaves what the system does at opening (which raises DTR and RTS).
    """

    name: str = ""
    device_id: str = ""
    technology: str = ""
    direction: str = ""
    datum: str | None = None
    carry: str | None = None
    rssi_scale: float | None = None
    sensitivity_dbm: float | None = None
    date: date | None = None
    checksum_optional: bool = False
    stale_s: float = 5.0
    lost_s: float = 20.0
    protocol: str = ""
    baud: int | None = None
    rtscts: bool = False
    dtr: bool | None = None
    rts: bool | None = None
    poll_s: float = 2.0
    queries: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, allowed in (("technology", TECHNOLOGIES), ("direction", DIRECTIONS), ("datum", DATUMS),
                             ("carry", CARRIES)):  # fmt: skip
            value = getattr(self, key)
            if value and value not in allowed:
                raise DevicesError(f"{key} is {value!r}; possible: {', '.join(allowed)}")
        if len(self.device_id) > 32 or re.fullmatch(r"\d+(\.\d+)?[eE][+-]?\d+", self.device_id):
            raise DevicesError(f"device_id {self.device_id!r} is no identity; at most 32 characters, no exponent")
        if self.rssi_scale == 0:
            raise DevicesError("rssi_scale is 0; it is dBm per unit, such as 1 or 0.5")
        if self.sensitivity_dbm is not None and not -140 <= self.sensitivity_dbm <= -10:
            raise DevicesError(f"sensitivity_dbm is {self.sensitivity_dbm:g}; a level between -140 and -10 dBm")
        if self.poll_s < 0.2:
            raise DevicesError(f"poll_s is {self.poll_s:g}; a handset needs 0.2 s or more between two rounds")


def load_profile(path: str | Path) -> Settings:
    """Settings from a TOML file of `key = value` lines. DevicesError names the key at fault."""
    path = Path(path)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DevicesError(f"{path}: not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise DevicesError(f"{path}: not UTF-8 text; a profile is a TOML file") from error
    kinds = {field.name: str(field.type) for field in dataclasses.fields(Settings)}
    for key, value in values.items():
        if key not in kinds:
            raise DevicesError(f"{path}: there is no key {key!r}; possible: {', '.join(kinds)}")
        values[key] = _fitting(path, key, value, kinds[key])
    try:
        return Settings(**values)
    except DevicesError as error:
        raise DevicesError(f"{path}: {error}") from error


def _fitting(path: Path, key: str, value: Any, kind: str) -> Any:
    base = kind.removesuffix(" | None")
    types = {"str": str, "float": (int, float), "int": int, "bool": bool, "date": date, "tuple[str, ...]": list}
    right = isinstance(value, types[base]) and (base == "bool" or not isinstance(value, bool))
    if right and base.startswith("tuple"):
        right = all(isinstance(item, str) for item in value)
        value = tuple(value)
    if not right:
        words = {"str": "text in quotes", "float": "a number", "int": "a whole number", "bool": "true or false",
                 "date": "a date such as 2026-11-24"}.get(base, "a list of texts")  # fmt: skip
        raise DevicesError(f"{path}: {key} = {value!r}; it has to be {words}")
    return value
