"""The table [calibration] of project.toml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from radiocov.problems import did_you_mean
from radiocov.settings import Section, _file, _number


def _table(expected: str) -> Any:
    return Field(default_factory=dict, json_schema_extra={"expected": expected})


class CalibrationSettings(Section):
    """How measured levels become a calibration, and whether it is used.

    terminal: what the logs were taken with, "" for that of the first service; carried: by the log's `carry`; devices:
    by the handset's id, which wins. site_ids: id of a site as logs give it -> id in sites.csv. levels: "relative" are
    dB from an unknown zero of each receiver. not_heard_dbm: what an unheard sample lies below, None = the receiver's
    threshold. near_m, null_db: nearer to a site, deeper in a null of its antenna, the model is not judged. fading:
    how samples vary within a local mean; "measured" takes it from the logs. noise_floors: take the noise of
    receivers off where readings show it. off: sites, or "SITE 2016-05-03", that were not on the air. trust_direction:
    levels that fit the other direction better are right all the same.
    """

    use: bool = True
    file: str = _file("calibration.toml", "a TOML file")
    terminal: str = ""
    carried: dict[str, str] = _table('a table from "head", "hip", "dash" or "roof" to ids of terminals')
    devices: dict[str, str] = _table("a table from ids of handsets to ids of terminals")
    site_ids: dict[str, str] = _table("a table from ids in the logs to ids in sites.csv")
    levels: Literal["dbm", "relative"] = "dbm"
    local_mean: Literal["power", "median"] = "power"
    fading: Literal["measured", "rayleigh"] = "measured"
    wavelengths: float = _number(40.0, 5, 200, "")
    not_heard_dbm: float | None = _number(None, -160, -20, "dBm")
    overload_dbm: float = _number(-40.0, -80, 0, "dBm")
    near_m: float = _number(150.0, 0, 5000, "m")
    null_db: float = _number(20.0, 3, 60, "dB")
    fastest_mps: float = _number(45.0, 1, 150, "m/s")
    worst_hdop: float = _number(5.0, 0.5, 50, "")
    oldest_fix_s: float = _number(5.0, 0, 60, "s")
    tunnel_m: float = _number(30.0, 0, 500, "m")
    band_percent: float = _number(5.0, 0.1, 50, "%")
    noise_floors: bool = True
    trust_direction: bool = False
    off: list[str] = Field([], json_schema_extra={"expected": 'a list of sites, or of "SITE 2016-05-03"'})


CARRIED = ("head", "hip", "dash", "roof")


def check_calibration(table: Any, terminals: list[str], add: Callable[..., None]) -> None:
    """Terminals and ways of carrying that [calibration] names and that are not there."""
    if not isinstance(table, dict):
        return
    named = [(("terminal",), table.get("terminal"))]
    for key in ("carried", "devices"):
        inner = table.get(key)
        named += [((key, name), value) for name, value in inner.items()] if isinstance(inner, dict) else []
        if key == "carried" and isinstance(inner, dict):
            for name in inner:
                if name not in CARRIED:
                    add(("calibration", key, name), f'"{name}" is no way of carrying', did_you_mean(name, CARRIED))
    for path, value in named:
        if isinstance(value, str) and value and value not in terminals:
            add(("calibration", *path), f'there is no terminal "{value}"', did_you_mean(value, terminals))
