"""radiocov budget."""

from __future__ import annotations

import csv
import sys
from typing import Any

import click

from radiocov.cli.common import (
    Number,
    json_option,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)


@click.command()
@project_argument
@click.option("--site", metavar="ID", help="Id (or name) of a site: its budgets term by term. Default: a row each.")
@click.option("--service", metavar="ID", help="One service of project.toml. Default: all.")
@click.option("--distance", "distance_km", type=Number(0.1, 300), metavar="KM",
              help="Count with the loss over that much level ground, by the project's model.")
@click.option("--clutter", metavar="CLASS",
              help="Class of the legend around the terminal: its clutter height, stated error and man-made noise. "
              "Default: bare ground, the project's model error, rural noise.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every term of every budget as CSV.")
@quiet_option
@json_option
def budget(project: str, site: str | None, service: str | None, distance_km: float | None, clutter: str | None,
           as_csv: bool, quiet: bool, as_json: bool) -> None:  # fmt: skip
    """Link budgets in both directions, term by term with the source of each, and the path loss that they allow.

    Without --distance the path has the largest loss at which the service is still served with its probability, so
    that the margin left over in the direction that limits is the reliability margin, counted once. docs/network.md
    works one through by hand. For a real path over the terrain see radiocov path.

    \b
    Examples:
      radiocov budget my-network
      radiocov budget my-network --site EX-1 --service handheld-hip
      radiocov budget my-network --site EX-1 --clutter built-up --distance 8 --json
    """
    inputs = read_all(project)
    with progress(quiet) as show:
        from radiocov.budgetview import view_budgets

        found = view_budgets(inputs, site, service, clutter, distance_km, show)
    if as_json:
        print_json({"distance_km": distance_km, "clutter": clutter, "origin": found.origin,
                    "budgets": [view.to_dict() for view in found.views]})
    elif as_csv:
        _write_csv(found.views)
    elif site is None:
        _print_summary(found.views)
        click.echo(found.origin)
    else:
        for view in found.views:
            _print_view(view)
        click.echo(found.origin)


def print_budgets(pair: Any) -> None:
    """Both directions, a table each."""
    for budget in pair:
        rows = [
            [("= " if t.is_total else "  ") + t.term, f"{t.value:.{2 if t.unit else 3}f}", t.unit, t.source]
            for t in budget.terms
        ]
        print_table(f"Link budget, {budget.direction}", ["", "value", "unit", "from"], rows, {1})


def _print_view(view: Any) -> None:
    name = view.site.id if view.site.name == view.site.id else f"{view.site.id} ({view.site.name})"
    click.echo(f"{name}, antenna at {view.site.antenna_height_m:g} m, to {view.terminal.label} at "
               f"{view.terminal.height_m:g} m\nservice {view.service.id}: {view.service.label}; "
               f"{view.service.direction}, {100 * view.service.probability:g} %\n")
    print_budgets(view.pair)
    b, percent = view.balance, f"{100 * view.service.probability:g} %"
    reliability = [m - w for m, w in zip(b.allowed_median_db, b.allowed_db, strict=True)]
    rows = [["Allowed path loss, median", *(f"{v:.2f}" for v in b.allowed_median_db), "dB", ""],
            [f"Reliability margin for {percent}", *(f"{-v:.2f}" for v in reliability), "dB",
             f"z({percent}) times a sigma of {view.pair[0].sigma_db:.2f} dB"],
            [f"Allowed path loss at {percent}", *(f"{v:.2f}" for v in b.allowed_db), "dB",
             "outdoors" if view.walls_db else ""]]  # fmt: skip
    print_table("What it allows", ["", "talk-out", "talk-in", "unit", ""], rows, {1, 2})
    click.echo(_verdict(b) + "\n")


def _verdict(b: Any) -> str:
    if b.limiting == "balanced":
        return "The directions are balanced."
    other = "talk-in" if b.limiting == "talk-out" else "talk-out"
    return f"{b.limiting} limits: {other} allows {abs(b.excess_db):.2f} dB more."


def _print_summary(views: list[Any]) -> None:
    rows = [
        [v.site.id, v.service.id, f"{v.eirp_dbm:.1f}", f"{v.pair[0].sigma_db:.1f}",
         *(f"{loss:.1f}" for loss in v.balance.allowed_median_db), f"{100 * v.service.probability:g} %",
         *(f"{loss:.1f}" for loss in v.balance.allowed_db), f"{v.balance.excess_db:+.1f}", v.balance.limiting]
        for v in views
    ]  # fmt: skip
    columns = ["site", "service", "EIRP dBm", "sigma dB", "median: out", "in dB", "probability", "then: out", "in dB",
               "out - in dB", "limits"]
    print_table("Allowed path loss, at the median and at the service's probability", columns, rows, set(range(2, 10)))


def _write_csv(views: list[Any]) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["site", "service", "direction", "term", "value", "unit", "source", "is_total"])
    for view in views:
        for way, budget in enumerate(view.pair):
            key = [view.site.id, view.service.id, budget.direction]
            for t in budget.terms:
                out.writerow([*key, t.term, f"{t.value:.4f}", t.unit, t.source, int(t.is_total)])
            for term, losses in (("Allowed path loss, median", view.balance.allowed_median_db),
                                 ("Allowed path loss at the service's probability", view.balance.allowed_db)):
                out.writerow([*key, term, f"{losses[way]:.4f}", "dB", "sum", 1])
