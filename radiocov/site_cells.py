"""Cells of a row of sites.csv that hang together: numbers, antennas, losses and their parts, the receiver."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from radiocov.columns import COLUMNS, LOSS_PARTS, Column
from radiocov.feeders import Cables
from radiocov.problems import did_you_mean
from radiocov.site import OMNI_WORDS

if TYPE_CHECKING:
    from radiocov.antennas import Pattern

Cell = Callable[[str], str]  # column -> its text in this row
Fault = Callable[..., None]  # column, message, remedy and perhaps "warning"


def antenna_name(text: str) -> str:
    """As it is written; words and beams in any case, with the colon of a Chinese keyboard too."""
    plain = text.lower().replace("：", ":")
    return plain if plain in OMNI_WORDS or plain.startswith("beam:") else text


def gain_of(pattern: Pattern, name: str, column: Column, fault: Fault) -> float:
    """The gain that an antenna states; a fault where it is none that the column would accept."""
    if not column.low <= pattern.gain_dbi <= column.high:
        fault(column.name, f'"{name}" states {pattern.gain_dbi:g} dBi', f"give {column.expected}")
    return pattern.gain_dbi


def number_in(column: Column, text: str, fault: Fault) -> float | None:
    """The number in a cell, or the column's value for an empty one; NaN after a reported fault."""
    if not text:
        if column.required:
            fault(column.name, "is empty", f"give {column.expected}")
        return column.empty
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not column.low <= value <= column.high:
        comma = re.fullmatch(r"[-+]?\d+,\d+", text)
        fault(column.name, f'"{text}" is not accepted' if value != value else f"{text} is out of range",
              "write it with a point" if comma else f"give {column.expected}")
        return float("nan")
    return value


def channels_in(column: Column, text: str, fault: Fault) -> tuple[float, ...]:
    """The carriers in a cell [MHz], separated by semicolons or spaces."""
    found: dict[float, None] = {}
    for part in re.split(r"[;；、\s]+", text):
        if not part:
            continue
        if "," in part or "，" in part:
            fault(column.name, f'"{text}" contains a comma', "write numbers with a point and ; between carriers")
            return ()
        value = number_in(column, part, fault)
        if value is None or value != value:
            return ()
        if value in found:
            fault(column.name, f"{part} stands there twice", "give each carrier once")
            return ()
        found[value] = None
    return tuple(found)


def losses_of(cell: Cell, values: dict, cables: Cables, frequency_mhz: float, fault: Fault) -> dict:
    """losses_db as given, else the sum of its parts; the feeder's loss by its type and length. frequency_mhz: of
    the project, for rows without one [MHz]."""
    found: dict[str, object] = {"feeder_type": "", "feeder_db": None}
    kind, length = cell("feeder_type"), values["feeder_length_m"]
    if kind and length is None:
        fault("feeder_length_m", "is empty", f'give the length of the "{kind}" in metres')
    elif length is not None and not kind:
        fault("feeder_type", "is empty", f"name the cable that is {length:g} m long")
    elif kind:
        cable = cables.find(kind)
        if cable is None:
            fault("feeder_type", f'there is no cable "{kind}"', did_you_mean(kind, cables.types))
        elif length == length:
            loss_db = cable.loss_db(length, values["frequency_mhz"] or frequency_mhz)
            found = {"feeder_type": cable.type, "feeder_db": loss_db}
    given = [name for name in LOSS_PARTS if cell(name)]
    if cell("losses_db"):
        if given:
            fault("losses_db", f"is given, so that {', '.join(given)} count for nothing",
                  "empty one or the other", "warning")
        return {**found, "losses_db": number_in(COLUMNS["losses_db"], cell("losses_db"), fault)}
    if not given:
        fault("losses_db", "is empty", f"give {COLUMNS['losses_db'].expected}, or its parts in "
                                       f"{', '.join(LOSS_PARTS)}")
    parts = [values["combiner_db"], values["duplexer_db"], found["feeder_db"], values["jumpers_db"]]
    return {**found, "losses_db": round(sum(part or 0.0 for part in parts), 3), "losses_summed": True}


def receiver_of(cell: Cell, values: dict, pattern_of: Callable[..., Pattern | None], fault: Fault) -> dict:
    """The receive antenna, its gain from its file where the cell is empty; what an amplifier needs. pattern_of
    (column, name, fault): the pattern of an antenna, None where it cannot be had."""
    name, gain = antenna_name(cell("rx_antenna")), values["rx_gain_dbi"]
    name = "omni" if name in OMNI_WORDS else name
    if name == "omni":
        if gain is None:
            fault("rx_gain_dbi", "is empty", f"give {COLUMNS['rx_gain_dbi'].expected}")
    elif name:
        pattern = pattern_of("rx_antenna", name, fault)
        if pattern is not None:
            if gain is None and pattern.gain_dbi is not None:
                gain = gain_of(pattern, name, COLUMNS["rx_gain_dbi"], fault)
            if gain is None:
                fault("rx_gain_dbi", "is empty", f'"{name}" states no gain: give '
                                                 f"{COLUMNS['rx_gain_dbi'].expected}")
            if not pattern.is_omni and not cell("rx_azimuth_deg") and not cell("azimuth_deg"):
                fault("rx_azimuth_deg", "is empty",
                      f'"{name}" is directional: give degrees clockwise from north')
    if (values["tma_gain_db"] is None) != (values["tma_noise_figure_db"] is None):
        missing = "tma_gain_db" if values["tma_gain_db"] is None else "tma_noise_figure_db"
        fault(missing, "is empty", f"give {COLUMNS[missing].expected}: an amplifier needs its gain and its noise "
                                   "figure")
    return {"rx_antenna": name, "rx_gain_dbi": gain}
