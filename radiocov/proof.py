"""What an evaluation found, as JSON, rows and features."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from radiocov.acceptance import Evaluation, Frame
from targets.acceptance import EXTENT_M, SAMPLES, contingency, reliability
from targets.tiles import name_of, of_name


def to_dict(e: Evaluation) -> dict[str, Any]:
    """JSON-able form: settings, outcomes, prediction against measurement, what was left out and why."""
    m, rules = e.measurements, e.frame.rules
    q = {s.id: s.probability for s in e.frame.inputs.project.services}
    against = []
    for target, one in e.judged:
        table = contingency([one], q[target.service])
        if table.agreement is None:  # no tile was measured
            continue
        against.append(
            {
                "class": target.class_,
                "service": target.service,
                **asdict(table),
                "agreement": table.agreement,
                "reliability": [asdict(b) for b in reliability([one])],
            }
        )
    return {
        "period": e.frame.compliance.period,
        "tile_m": rules.tile_m,
        "confidence": rules.confidence,
        "statistic": rules.statistic,
        "measured_with": rules.measured_with or None,
        "talk_in": "from talk-out by the link budget" if e.balance else "measured",
        "met": e.met,
        "sources": m.sources,
        "first": _when(m.first_us),
        "last": _when(m.last_us),
        "rows": m.counts,
        "devices": len({int(d) for s in m.samples.values() for d in np.unique(s.device)}),
        "measured_tiles": {name: len(found.key) for name, found in e.levels.items()},
        "left_out_tiles": e.left_out,
        "planned_not_visited": e.not_visited,
        "outcomes": [{k.rstrip("_"): v for k, v in asdict(o).items()} for o in e.outcomes],
        "predicted_against_measured": against,
        "unreachable": {
            f"{t.class_}/{t.service}": [name_of(k) for k in j.tiles.key[j.unreachable]] for t, j in e.judged
        },
        "simulated": e.simulated,
        "notes": [*_cautions(e), *m.notes],
    }


def _cautions(e: Evaluation) -> list[str]:
    found = []
    if e.simulated:
        found.append(f"{e.simulated:,} rows are SIMULATED: a rehearsal, which proves nothing of the network")
    if (short := e.short_of_samples) is not None:
        found.append(
            f"{short[0]} of {short[1]} visited tiles have fewer than {SAMPLES} samples over {EXTENT_M:g} m (their "
            f"median: {short[2]:g}): drive slower, go round inside, or let the handset measure more often"
        )
    return found


def _when(us: int) -> str | None:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC).isoformat(timespec="seconds") if us else None


TILE_COLUMNS = ("class", "service", "tile", "city", "county", "status", "samples", "level_dbm", "margin_db", "silent",
                "predicted", "reach_m", "lon", "lat")  # fmt: skip


def tile_rows(e: Evaluation) -> list[dict[str, Any]]:
    """One row a tile of each target: passed, failed, short of samples, unreachable or not visited."""
    rows = []
    for target, one in e.judged:
        levels = e.levels["talk-out" if "talk-out" in e.levels else "talk-in"]
        at = levels.at(one.tiles.key)
        status = np.select([one.passed, one.measured, one.short, one.unreachable],
                           ["passed", "failed", "short", "unreachable"], "not visited")  # fmt: skip
        for i in range(len(one.tiles)):
            t, seen = one.tiles, at[i] >= 0
            rows.append(
                {
                    "class": target.class_,
                    "service": target.service,
                    "tile": name_of(t.key[i]),
                    "city": t.city[i],
                    "county": t.county[i],
                    "status": str(status[i]),
                    "samples": int(levels.samples[at[i]]) if seen else 0,
                    "level_dbm": _number(levels.level_dbm[at[i]]) if seen else None,
                    "margin_db": _number(one.margin_db[i]),
                    "silent": _number(levels.silent[at[i]]) if seen else None,
                    "predicted": _number(one.predicted[i], 4),
                    "reach_m": _number(t.reach_m[i], 0),
                    "lon": round(float(t.lon[i]), 6),
                    "lat": round(float(t.lat[i]), 6),
                }
            )
    return rows


def _number(value: float, digits: int = 2) -> float | None:
    """Rounded; None for what is no number, -inf (not heard) included."""
    return round(float(value), digits) if np.isfinite(value) else None


def outlines(frame: Frame, rows: Sequence[dict[str, Any]]) -> list[Any]:
    """The squares of rows with a `tile`, in longitude and latitude."""
    return [frame.grid.outline(of_name(row["tile"])) for row in rows]
