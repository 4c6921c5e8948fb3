"""Settings of receivers, buildings and noise that do not go together, found in the tables as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from radiocov.settings import CARRY_PARTS, MODEL_REACH_KM

BUILDING_ENTRY_MHZ = 80.0  # where P.2109 begins
NOISE_RANGE_MHZ = {"uhf-business": (200.0, 900.0)}  # P.372
OTHER_NOISE_MHZ = (0.3, 1000.0)  # stated to 250 MHz, extrapolated beyond
LARGEST_CN_DB = 25.0  # more is no faded C/(I+N) but one with a margin
# Keys that only a threshold of these kinds looks at.
NEEDED_BY = {"required_cn_db": ("computed",), "noise_bandwidth_hz": ("computed",),
             "noise_loss_db": ("computed", "given+noise"), "noise_figure_db": ("computed", "given+noise")}

Path = tuple[str | int, ...]
Add = Callable[..., None]  # path of the key, message, remedy and perhaps "warning"


def check_receivers(
    receivers: Iterable[tuple[Path, dict[str, Any]]], add: Add, interference: dict[str, Any]
) -> None:
    """A threshold or a loss given and computed at once, and figures that nothing asks for. interference: the table
    of that name, which may ask for them."""
    asked = {"noise_loss_db", "noise_figure_db"} if interference.get("enabled") is True else set()
    otherwise = asked - interference.keys()
    for path, table in receivers:
        kind, cn = table.get("threshold", "given"), table.get("required_cn_db")
        if kind == "computed" and "threshold_dbm" in table:
            add((*path, "threshold_dbm"), 'is given although threshold = "computed"',
                'leave it out, or give threshold = "given" or "given+noise"')
        if kind == "computed" and isinstance(cn, int | float) and cn > LARGEST_CN_DB:
            add((*path, "required_cn_db"), f"{cn:g} dB seems to contain a reliability margin",
                "give the faded C/(I+N) of the voice grade (about 17), because probability adds the rest", "warning")
        for key, kinds in NEEDED_BY.items():
            elsewhere = key == "noise_figure_db" if path == ("base",) else key in otherwise  # amplifiers; C/(I+N)
            if key in table and kind in ("given", "given+noise") and kind not in kinds and not elsewhere:
                wanted = " or ".join(f'"{k}"' for k in kinds)
                add((*path, key), f'counts for nothing while threshold = "{kind}"',
                    f"give threshold = {wanted}, or leave it out", "warning")
        parts = [key for key in CARRY_PARTS if key in table]
        if parts and "carry_loss_db" in table:
            add((*path, "carry_loss_db"), f"stands beside {', '.join(parts)}, which it sums up",
                "give the sum or its parts")


def check_indoor(services: Iterable[tuple[int, dict[str, Any]]], frequency_mhz: float, add: Add) -> None:
    """Buildings at frequencies [MHz] that P.2109 does not know."""
    for index, table in services:
        if table.get("indoor", "none") != "none" and frequency_mhz < BUILDING_ENTRY_MHZ:
            add(("services", index, "indoor"), f"P.2109 knows no building entry loss at {frequency_mhz:g} MHz",
                f"it begins at {BUILDING_ENTRY_MHZ:g} MHz: put the loss into carry_loss_db")


def check_noise(
    environment: Any, city: Any, has_landcover: bool, frequency_mhz: float, add: Add,
    without: str = 'give threshold = "given"',
) -> None:  # fmt: skip
    """Noise at frequencies [MHz] that P.372 does not state, and noise by a land cover that is not there. without:
    how to do without it."""
    if environment == "landcover" and not has_landcover:
        add(("noise", "environment"), "is the land cover's, and there is none: everywhere is rural, without noise",
            'name [terrain] landcover, or an environment such as "residential"', "warning")
    named = {"environment": environment} if environment not in ("landcover", "city") else {"city": city}
    for key, name in named.items():
        low, high = NOISE_RANGE_MHZ.get(name, OTHER_NOISE_MHZ)
        if not low <= frequency_mhz <= high:
            add(("noise", key), f"P.372 has no man-made noise of this kind at {frequency_mhz:g} MHz",
                f"it holds from {low:g} to {high:g} MHz: {without}")


def check_interference(given: dict[str, Any], model: Any, radius_km: Any, time_percent: Any, add: Add) -> None:
    """Settings of [interference] that do not go with those of [model]."""
    reach_km = given.get("radius_km")
    if is_number(reach_km) and is_number(radius_km) and reach_km < radius_km:
        add(("interference", "radius_km"), f"{reach_km:g} km is less than the radius of the model, {radius_km:g} km",
            "sites disturb farther than they serve: give more, or leave it out")
    if model in MODEL_REACH_KM and is_number(reach_km) and reach_km > MODEL_REACH_KM[model]:
        add(("interference", "radius_km"), f"{reach_km:g} km is beyond the reach of {model}",
            f"give at most {MODEL_REACH_KM[model]:g} km or another model")
    if given.get("enabled") is True and is_number(time_percent) and time_percent != 50:
        add(("model", "time_percent"), f"wanted levels are those of {time_percent:g} % of time, not of half of it",
            "C/(I+N) asks for time_percent = 50", "warning")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
