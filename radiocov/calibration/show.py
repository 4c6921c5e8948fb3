"""A calibration in figures, for tables, JSON and the report."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from radiocov.calibration.model import Calibration, Effect

if TYPE_CHECKING:
    from radiocov.calibration.run import Made

Z_90 = 1.6449
UNITS = {"offset_db": "dB", "slope_db_per_decade": "dB/decade", "excess": "dB/dB",
         "height_db_per_decade": "dB/decade"}  # fmt: skip
Table = tuple[list[str], list[list[str]]]


def preparation(made: Made) -> Table:
    rows = [[s.name, s.unit, f"{s.before:,}", f"{s.after:,}", f"{s.before - s.after:,}" if s.before > s.after else "",
             s.why] for s in made.steps]  # fmt: skip
    return ["step", "of", "in", "stay", "out", "why, and what else"], rows


def parameters(made: Made) -> Table:
    c = made.calibration
    rows = [_row(name, e, UNITS.get(name, "")) for name, e in c.fixed.items()]
    rows += [_row(f"class {name}", e, "dB") for name, e in c.classes.items()]
    rows += [_row(f"sigma {name}", e, "dB") for name, e in c.sigma_db.items()]
    rows += [_row(f"clutter height {name}", e, "m") for name, e in c.clutter_heights_m.items()]
    return ["parameter", "value", "90 % within", "cells", "unit", "status", "why"], rows


def _row(name: str, e: Effect, unit: str) -> list[str]:
    return [name, f"{e.value:+.2f}" if not name.startswith(("sigma", "clutter")) else f"{e.value:.2f}", _within(e),
            f"{e.cells:,}", unit, e.status, e.reason]  # fmt: skip


def _within(e: Effect) -> str:
    return f"{e.value - Z_90 * e.sd:.2f} to {e.value + Z_90 * e.sd:.2f}"


def effects(group: dict[str, Effect], most: int = 0) -> Table:
    """The effects of sites or handsets, the largest first; most: at most so many, 0 for all."""
    ordered = sorted(group.items(), key=lambda item: -abs(item[1].value))
    rows = [[name, f"{e.value:+.2f}", _within(e), f"{e.cells:,}", e.status, e.reason]
            for name, e in (ordered[:most] if most else ordered)]  # fmt: skip
    if most and len(ordered) > most:
        rows.append([f"and {len(ordered) - most} more", "", "", "", "", ""])
    return ["name", "dB", "90 % within", "cells", "status", "why"], rows


def validation(made: Made) -> Table:
    """What was left out, by model; random cells last, which flatter."""
    rows = []
    for r in made.calibration.validation:
        if r["by"] != "all":
            continue
        split = f"{r['split']} (flatters)" if r["split"] == "random" else r["split"]
        figures = [figure(r.get(k)) for k in ("bias_db", "sigma_db", "rmse_db", "mae_db")]
        shares = [*(_share(r.get(k)) for k in ("hit_rate", "false_alarm_rate", "silent_found")), promised(r)]
        rows.append([split, r["model"], f"{r['cells']:,}", f"{r['censored']:,}", *figures,
                     figure(r.get("correlation"), 2), *shares])  # fmt: skip
    return ["left out", "model", "cells", "censored", "bias", "sigma", "RMSE dB", "MAE", "corr", "hits",
            "false alarms", "silence found", "90 % promised"], rows  # fmt: skip


def figure(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def promised(row: dict[str, Any]) -> str:
    """Share that reached what was promised with 90 %, and the limits within which it is known."""
    if row.get("promised_90_heard") is None:
        return ""
    share, low, high = (100 * row[f"promised_90_{part}"] for part in ("heard", "low", "high"))
    return f"{share:.0f} % ({low:.0f}-{high:.0f})"


def field_line(c: Calibration) -> str:
    f = c.field
    spread = f"sites that were not measured spread by {c.site_db:.1f} dB, handsets by {c.device_db:.1f} dB"
    if not c.validity.get("absolute", True):
        spread = "levels are relative: of receivers that were not measured nothing is known"
    if not f.range_m:
        return f"Field: none; neighbours are no more alike than others; {spread}"
    shape = "" if f.ratio == 1.0 else f", {f.ratio:.1f} times as far along {f.azimuth_deg:.0f} degrees"
    days = f", {c.day_db:.1f} dB from day to day" if c.day_db else ""
    parts = f"{f.common_db:.1f} dB common to sites and {f.own_db:.1f} dB of each site's own"
    return f"Field: {parts} over {f.range_m:.0f} m{shape}, nugget {f.nugget_db:.1f} dB{days}; {spread}"


def to_dict(made: Made) -> dict[str, Any]:
    """For `--json`."""
    c = made.calibration
    plain = {name: {key: dataclasses.asdict(e) for key, e in getattr(c, name).items()}
             for name in ("fixed", "classes", "sites", "devices", "sigma_db", "clutter_heights_m")}  # fmt: skip
    return {
        "preparation": [dataclasses.asdict(step) for step in made.steps], **plain, "site_db": c.site_db,
        "device_db": c.device_db, "degrees_of_freedom": min(c.degrees_of_freedom, 1e9),
        "field": dataclasses.asdict(c.field), "validation": c.validation, "validity": c.validity,
        "provenance": c.provenance, "advice": list(c.advice),
    }  # fmt: skip
