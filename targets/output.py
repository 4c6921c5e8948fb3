"""Compliance as JSON, CSV and rows of text; the same input always gives the same bytes."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable

from targets.changes import Change
from targets.compliance import LEVELS, Compliance
from targets.gaps import Gap

COLUMNS = (
    "level", "class", "member", "city", "county", "id", "name", "name_zh", "measure", "service", "q", "total",
    "unit", "tunnels", "share_median", "share_probable", "share_expected", "share_outside", "required", "met",
    "gap", "expected_low", "expected_high", "chance",
)  # fmt: skip
TABLE = (
    "level", "name", "service", "total", "share_median", "share_probable", "share_expected", "interval",
    "share_outside", "required", "met", "chance", "gap",
)  # fmt: skip
UNITS = {"area": "km2", "population": "people", "length": "km"}


def _clean(value):
    """Numbers with nine digits: what rounding of sums may change is not shown."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _record(item) -> dict:
    record = {key.rstrip("_"): _clean(value) for key, value in dataclasses.asdict(item).items()}
    return record | {"unit": UNITS[item.measure]}


def to_dict(compliance: Compliance, levels: Iterable[str] = LEVELS) -> dict:
    """JSON-able form; shares 0..1, null where there is nothing to share."""
    levels = set(levels)
    head = {f.name: getattr(compliance, f.name) for f in dataclasses.fields(compliance) if f.name != "rows"}
    head |= {"period_end": compliance.period_end.isoformat(), "notes": list(compliance.notes)}
    head["error"] = dataclasses.asdict(compliance.error) if compliance.error else None
    records = (_record(row) for row in compliance.rows if row.level in levels)
    rows = [{column: record[column] for column in COLUMNS} for record in records]
    return head | {"met": compliance.met, "rows": rows}


def to_json(compliance: Compliance, levels: Iterable[str] = LEVELS) -> str:
    """`to_dict` as text, UTF-8 characters as they are, with a final newline."""
    return json.dumps(to_dict(compliance, levels), ensure_ascii=False, indent=2) + "\n"


def to_csv(compliance: Compliance, levels: Iterable[str] = LEVELS) -> str:
    """Rows with a header; shares 0..1, empty cells where there is nothing, met as true or false."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in to_dict(compliance, levels)["rows"]:
        writer.writerow(row | {"met": "" if row["met"] is None else str(row["met"]).lower()})
    return text.getvalue()


CHANGE_COLUMNS = (
    "level", "class", "member", "city", "county", "id", "name", "name_zh", "measure", "service", "total", "unit",
    "required_before", "required_after", "share_before", "share_after", "change", "gain", "met_before", "met_after",
)  # fmt: skip


def change_to_dict(change: Change, judge: str) -> dict:
    """JSON-able form of a change, by the share that judges; change and gain null where a state lacks the row."""
    row, share = _record(change.row), f"share_{judge}"
    sides = {
        f"{what}_{when}": _clean(getattr(side, name)) if side else None
        for what, name in (("required", "required"), ("share", share), ("met", "met"))
        for when, side in (("before", change.before), ("after", change.after))
    }
    found = row | sides | {"change": _clean(change.points(share))}
    both = change.before is not None and change.after is not None
    return {c: found[c] for c in CHANGE_COLUMNS if c != "gain"} | {"gain": _clean(change.gain) if both else None}


def changes_as_table(
    changes: Iterable[Change], judge: str, levels: Iterable[str] = ("policy", "member")
) -> list[tuple[str, ...]]:
    """Cells of text: name, service, of, share before and after, change in points, gain, its unit, required, met."""
    levels, share, rows = set(levels), f"share_{judge}", []
    for change in changes:
        row, points = change.row, change.points(share)
        if row.level not in levels:
            continue
        name = ("" if row.level == "policy" else "  ") + (row.name or row.name_zh)
        before, after = (percent(getattr(s, share)) if s else "" for s in (change.before, change.after))
        met = [{True: "yes", False: "no", None: "-"}[s.met if s else None] for s in (change.before, change.after)]
        unit = UNITS[row.measure]
        figures = ("", "") if points is None else (f"{100 * points:+.1f}", f"{change.gain:+,.1f}")
        rows.append(
            (
                name,
                row.service,
                f"{row.total:,.1f} {unit}",
                before,
                after,
                *figures,
                unit if figures[1] else "",
                percent(row.required),
                " to ".join(met),
            )
        )
    return rows


def gaps_to_dicts(gaps: Iterable[Gap]) -> list[dict]:
    """JSON-able form of gaps, in their order, without their geometries."""
    return [
        {k: v for k, v in _record(dataclasses.replace(gap, geometry=None)).items() if k != "geometry"} for gap in gaps
    ]


def percent(share: float | None) -> str:
    """A share with one decimal, rounded down: "99.9 %" is never shown for less, nor "100.0 %" for 99.97 %."""
    return "" if share is None else f"{math.floor(share * 1000 + 1e-6) / 10:.1f} %"


def gap_text(gap: float, measure: str) -> str:
    """What is missing, with its unit, rounded up; nothing for nothing."""
    digits = _digits(UNITS[measure])
    return f"{math.ceil(gap * 10**digits - 1e-6) / 10**digits:,.{digits}f} {UNITS[measure]}" if gap else ""


def _digits(unit: str) -> int:
    return 0 if unit == "people" else 1


def chance_text(chance: float | None) -> str:
    """Whole per cent, and never certainty."""
    if chance is None:
        return ""
    return "< 1 %" if chance < 0.01 else "> 99 %" if chance > 0.99 else f"{100 * chance:.0f} %"


def rows_as_table(
    compliance: Compliance, levels: Iterable[str] = ("policy", "member"), lang: str = "en"
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """(columns, rows): names of columns, for the caller to translate, and cells of text for `levels`.

    met is "yes", "no" or ""; totals and gaps with their unit; gaps rounded up, shares down.
    """
    levels = set(levels)
    rows = []
    for row in compliance.rows:
        if row.level not in levels:
            continue
        unit = UNITS[row.measure]
        name = (row.name_zh or row.name) if lang == "zh" else (row.name or row.name_zh)
        digits = _digits(unit)
        met = "" if row.met is None else "yes" if row.met else "no"
        low, high = row.expected_low, row.expected_high
        shares = [percent(s) for s in (row.share_median, row.share_probable, row.share_expected)]
        within = f"{percent(low)} to {-math.floor(-high * 1000 + 1e-6) / 10:.1f} %" if low is not None else ""
        rest = percent(row.share_outside), percent(row.required), met, chance_text(row.chance)
        gap = gap_text(row.gap, row.measure)
        rows.append((row.level, name, row.service, f"{row.total:,.{digits}f} {unit}", *shares, within, *rest, gap))
    return TABLE, rows
