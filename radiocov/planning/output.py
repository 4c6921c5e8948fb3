"""A plan for tables, programs and GIS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import shapely

from radiocov.compliance import origin
from radiocov.features import write_features
from radiocov.files import write_json
from radiocov.network import write_sites
from radiocov.planning.choose import SLACK
from radiocov.planning.plan import Plan


def step_rows(plan: Plan) -> list[dict[str, Any]]:
    """A row a site in the order of the plan, with each lacking target's share after it (as single sites promise)."""
    rows = []
    achieved = [t.achieved for t in plan.lacking]
    there = {s.id for s in plan.network if s.status != "candidate"}
    for number, step in enumerate(plan.steps, start=1):
        c = step.candidate
        achieved = [a + float(g) for a, g in zip(achieved, step.gains, strict=True)]
        lon, lat = c.lonlat
        rows.append(
            {
                "order": number, "id": c.id, "name": c.name, "longitude": lon, "latitude": lat,
                "antenna_height_m": c.rows[0].antenna_height_m, "sectors": len(c.rows), "cost": c.cost,
                "found": c.found, "changed": any(row.id in there for row in c.rows),
                **{f"gain_{key}": round(float(g), 4) for key, g in zip(_keys(plan), step.gains, strict=True)},
                **{f"share_{key}": min(1.0, a / t.total)
                   for key, a, t in zip(_keys(plan), achieved, plan.lacking, strict=True)},
            }
        )  # fmt: skip
    return rows


def _keys(plan: Plan) -> list[str]:
    return [f"{t.target.class_}_{t.target.service}" for t in plan.lacking]


def target_rows(plan: Plan) -> list[dict[str, Any]]:
    """A row a target of the period: now, and with the plan as the whole network is judged."""
    possible = {id(t): reach for t, reach in zip(plan.lacking, plan.reachable, strict=True)}
    rows = []
    for t in plan.targets:
        row = (plan.after or plan.before).row_of(t.target)
        reach = possible.get(id(t))
        rows.append(
            {
                "class": t.target.class_, "name": t.name, "name_zh": t.name_zh, "service": t.target.service,
                "measure": t.target.measure, "total": t.total, "share_now": t.achieved / t.total if t.total else 0.0,
                "share_after": getattr(row, f"share_{plan.before.judge}") or 0.0, "required": t.required,
                "met": bool(row.met), "missing": row.gap, "chance": row.chance,
                "share_outside": t.outside / t.total if t.total else 0.0,
                "share_with_all": None if reach is None else min(1.0, (t.achieved + float(reach)) / t.total),
                "out_of_reach": reach is not None and float(reach) < t.needed * (1.0 - SLACK),
            }
        )  # fmt: skip
    return rows


def to_dict(plan: Plan) -> dict[str, Any]:
    proof = plan.fewest
    return {
        "period": plan.asked.period, "judge": plan.before.judge, "met": plan.met, "cost": plan.cost,
        "candidates": len(plan.candidates), "sites": step_rows(plan), "targets": target_rows(plan),
        "least_cost": None if proof is None else proof.bound, "proved": proof is not None and proof.proved,
        "notes": list(plan.notes), "origin": origin(plan.results),
    }  # fmt: skip


def write_plan(plan: Plan, folder: Path) -> list[tuple[Path, str]]:
    """sites.csv, plan.gpkg and plan.json in a folder: (path, what it is) of each and of the rasters there."""
    folder.mkdir(parents=True, exist_ok=True)
    write_sites(folder / "sites.csv", plan.sites)
    order = {step.candidate.id: number for number, step in enumerate(plan.steps, start=1)}
    points = [shapely.Point(*c.lonlat) for c in plan.candidates]
    rows = [
        {"id": c.id, "name": c.name, "in_plan": c.id in order, "order": order.get(c.id), "cost": c.cost,
         "found": c.found, "sectors": len(c.rows), "antenna_height_m": c.rows[0].antenna_height_m}
        for c in plan.candidates
    ]  # fmt: skip
    chosen = [i for i, row in enumerate(rows) if row["in_plan"]]
    steps = {row["id"]: row for row in step_rows(plan)}
    write_features(
        folder / "plan.gpkg",
        {
            "plan": ([points[i] for i in chosen], [steps[rows[i]["id"]] for i in chosen]),
            "candidates": (points, rows),
        },
    )
    write_json(folder / "plan.json", to_dict(plan))
    return [
        (folder / "sites.csv", "rows for sites.csv"), (folder / "plan.gpkg", "plan and candidates"),
        (folder / "plan.json", "all figures"), (folder / "coverage", "rasters of the network with the plan"),
    ]  # fmt: skip
