"""radiocov init, radiocov check."""

from __future__ import annotations

import click

from radiocov.cli.common import json_option, print_json, print_table, project_argument


@click.command()
@click.argument("folder", type=click.Path(path_type=str))
def init(folder: str) -> None:
    """Write a commented project folder to start from. Existing files are never overwritten.

    \b
    Example:
      radiocov init my-network
    """
    from pathlib import Path

    from radiocov.templates import init_project

    for path in init_project(Path(folder)):
        click.echo(path)
    click.echo(f"\nNext: edit the files; radiocov terrain fetch {folder}, or put terrain of your own there;")
    click.echo(f"then: radiocov check {folder}")


@click.command()
@project_argument
@json_option
def check(project: str, as_json: bool) -> None:
    """Validate everything in a project and report every problem in one go; exit code 2 where there are errors.

    Says how large and long computing would be, and how many sites share a carrier.

    \b
    Example:
      radiocov check my-network
    """
    from radiocov.check import check_path

    report = check_path(project)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if not report.ok:
        raise SystemExit(2)


def _print(report) -> None:
    for problem in report.problems:
        click.echo(f"{problem.severity}: {problem}", err=problem.is_error)
    errors = sum(problem.is_error for problem in report.problems)
    if report.plan is not None:
        plan = report.plan
        rows = [
            ["grid", f"{plan.width} x {plan.height} pixels of {plan.resolution_m:g} m"],
            ["pixels", f"{plan.pixels / 1e6:.2f} million"],
            ["projection", plan.crs],
            *[[f"state {s.id}", f"{s.sites} sites on {s.date}"] for s in plan.states],
            ["loss rasters", f"{plan.loss_rasters} ({plan.receivers / 1e6:.1f} million receivers)"],
            ["time", f"about {_duration(plan.seconds)} on {plan.cores} cores, less what is already computed"],
            ["memory", f"about {plan.memory_bytes / 2**20:.0f} MiB"],
            ["disk", f"at most {plan.disk_bytes / 2**20:.0f} MiB"],
        ]  # fmt: skip
        print_table(report.name, ["", "what would be computed"], [*rows, *_frequency_rows(plan.frequencies)])
    click.echo(f"{errors} errors, {len(report.problems) - errors} warnings" if report.problems else "no problems")


def _frequency_rows(plan) -> list[list[str]]:
    """Nothing where no site has a carrier."""
    if not plan.sites:
        return []
    without = f", {plan.without} sites without" if plan.without else ""
    group = f", {plan.simulcast_pairs} more in simulcast" if plan.simulcast_pairs else ""
    pairs = "1 pair of sites shares" if plan.sharing_pairs == 1 else f"{plan.sharing_pairs} pairs of sites share"
    carriers = f"{plan.carriers} carriers on {plan.sites} sites{without}; {pairs} one{group}"
    return [["frequency plan", carriers], *[[f"  {mhz:.10g} MHz", _few(ids)] for mhz, ids in plan.shared]]


def _few(ids) -> str:
    return f"{len(ids)} sites: {', '.join(ids[:6])}{', ...' if len(ids) > 6 else ''}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
