"""radiocov plan."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.common import (
    Number,
    csv_option,
    json_option,
    print_csv,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)


@click.command()
@project_argument
@click.option("--to", "period", metavar="PERIOD", help="Period of the policy to meet; default: the last.")
@click.option("--candidates", type=click.Path(exists=True, dir_okay=False, path_type=str), metavar="FILE.csv",
              help="Masts that can be had, columns as in sites.csv, `cost` in any unit. Rows of sites.csv with the "
              "status \"candidate\" count as well.")  # fmt: skip
@click.option("--search", type=click.IntRange(0, 2000), default=60, show_default=True,
              help="How many high places to find on the ground near what is missing; 0: only masts that are given.")
@click.option("--like", metavar="SITE", help="Site whose equipment found places get; default: the most usual.")
@click.option("--cost", type=Number(0.001, 1e9), default=1.0, show_default=True,
              help="Cost of a found place, and of a mast that says none.")  # fmt: skip
@click.option("--at-most", type=click.IntRange(1, 1000), default=1000, help="Sites at the most.")
@click.option("--least", type=Number(0, 100), default=1.0, show_default=True, metavar="PERCENT",
              help="A site has to bring this much of what some target needs.")  # fmt: skip
@click.option("--prove", "prove_s", type=Number(0, 86_400), default=30.0, show_default=True, metavar="SECONDS",
              help="How long to look for fewer sites, and to prove that there are none; 0: not at all.")  # fmt: skip
@click.option("--calibration", metavar="FILE|none", help="As in `radiocov coverage`.")
@click.option("--jobs", type=click.IntRange(1), help="Threads; the plan does not depend on it. Default: all cores.")
@click.option("--check", "must_meet", is_flag=True, help="Exit with 1 where the plan leaves a target missed.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=str),
              help="Folder for the plan; default: plan in the project.")  # fmt: skip
@quiet_option
@csv_option
@json_option
def plan(project: str, period: str | None, candidates: str | None, search: int, like: str | None, cost: float,
         at_most: int, least: float, prove_s: float, calibration: str | None, jobs: int | None, must_meet: bool,
         output: str | None, quiet: bool, as_csv: bool, as_json: bool) -> None:  # fmt: skip
    """Which sites to add so that the targets of a period are met, at the least cost.

    Candidates are masts that you list, and high places that the ground offers near what is missing. A listed row with
    the id of a site is that site as it could be: higher, stronger, turned. Each is computed like a site of the
    network; the plan takes those that bring most, leaves out what the others make needless, and looks for the fewest
    by integer programming. The network with the plan is then computed as a whole, and judged.

    The folder of the plan gets sites.csv (rows to put into yours), plan.gpkg (all candidates, what each is for),
    plan.json, and the rasters with the plan under coverage/, which `radiocov targets -o` takes.

    \b
    Examples:
      radiocov plan my-network --to 2017
      radiocov plan my-network --to 2017 --candidates towers.csv --search 0
      radiocov plan my-network --to 2017 --like LT02 --at-most 10 -o ten-sites
    """
    from pathlib import Path

    inputs = read_all(project)
    asked = _asked(inputs, period, candidates, search, like, cost, at_most, least, prove_s)
    folder = Path(output) if output else inputs.project.folder / "plan"
    found = _make(inputs, asked, folder, calibration, jobs, quiet)
    from radiocov.planning.output import step_rows, to_dict, write_plan

    written = write_plan(found, folder) if found.steps else []
    if as_json:
        print_json(to_dict(found))
    elif as_csv:
        rows = step_rows(found)
        print_csv(list(rows[0]) if rows else ["order"], rows)
    else:
        _print(found)
    for path, what in written:
        click.echo(f"{path}: {what}", err=True)
    if not written and (folder / "plan.json").exists():
        click.echo(f"nothing was written: {folder} holds an earlier plan", err=True)
    if must_meet and not found.met:
        raise SystemExit(1)


def _asked(inputs: Any, period: str | None, candidates: str | None, search: int, like: str | None, cost: float,
           at_most: int, least: float, prove_s: float) -> Any:  # fmt: skip
    from pathlib import Path

    from radiocov.network import read_sites
    from radiocov.planning.plan import Asked
    from radiocov.problems import Problem, ProjectError, errors_of

    ids = [p.id for p in inputs.policy.periods]
    if period is not None and period not in ids:
        raise ProjectError(Problem("--to", "", f'"{period}" is no period of the policy', f"choose {', '.join(ids)}"))
    rows, file = (), "sites.csv"
    if candidates:
        project, file = inputs.project, Path(candidates).name
        from radiocov.feeders import read_cables

        sites, problems = read_sites(
            candidates, project.antennas_folder, read_cables(project.feeders_file), project.model.frequency_mhz
        )
        if errors := errors_of(problems):
            raise ProjectError(errors)
        for problem in problems:
            click.echo(f"warning: {problem}", err=True)
        rows = tuple(sites)
    return Asked(period or ids[-1], rows, file, search, like, at_most, least / 100.0, cost, prove_s)


def _make(inputs: Any, asked: Any, folder: Any, calibration: str | None, jobs: int | None, quiet: bool) -> Any:
    with progress(quiet) as show:
        show("loading the engine", 0, 1)
        from radiocov.coverage.calibration_in_use import calibration_of
        from radiocov.coverage.threads import Cancelled
        from radiocov.planning.plan import Planner

        show("loading the engine", 1, 1)
        planner = Planner(
            inputs, asked, inputs.project.output_folder, folder / "coverage", jobs=jobs, progress=show,
            calibration=calibration_of(inputs.project, calibration),
        )  # fmt: skip
        try:
            return planner.plan()
        except Cancelled:
            raise KeyboardInterrupt from None


def _print(found: Any) -> None:
    from radiocov.compliance import origin_line
    from radiocov.planning.output import step_rows, target_rows
    from targets.output import chance_text, gap_text, percent

    period = found.asked.period
    if not found.lacking:
        click.echo(f"All targets of {period} are met: nothing to add.")
        click.echo(origin_line(found.results))
        return
    if found.steps:
        rows = step_rows(found)
        shares = [key for key in rows[0] if key.startswith("share_")]
        names = [t.name for t in found.lacking]
        lines = [
            [str(r["order"]), r["id"] + (" (changed)" if r["changed"] else ""), r["name"], f"{r['longitude']:.5f}",
             f"{r['latitude']:.5f}", f"{r['antenna_height_m']:g} m", f"{r['cost']:g}",
             *(percent(r[s]) for s in shares)]
            for r in rows
        ]  # fmt: skip
        headings = ["", "site", "name", "longitude", "latitude", "height", "cost", *names]
        print_table(
            f"Sites for {period}: {len(found.steps)} of {len(found.candidates)} candidates, cost "
            f"{found.cost:g}; share after each", headings, lines, set(range(7 + len(names))) - {1, 2},
        )  # fmt: skip
    else:
        click.echo(f"None of {len(found.candidates)} candidates brings enough to be proposed.")
    judged = target_rows(found)
    headings = ["target", "service", "now", "with the plan", "required", "met", "chance", "missing",
                "all candidates"]  # fmt: skip
    table = [
        [r["name"], r["service"], percent(r["share_now"]), percent(r["share_after"]), percent(r["required"]),
         "yes" if r["met"] else "no", chance_text(r["chance"]), gap_text(r["missing"], r["measure"]),
         percent(r["share_with_all"])]
        for r in judged
    ]  # fmt: skip
    title = f"Targets of {period} (judged by the {found.before.judge} share)"
    print_table(title, headings, table, {2, 3, 4, 6, 7, 8})
    for line in _words(found, judged):
        click.echo(line)
    click.echo(origin_line(found.results))


def _words(found: Any, judged: list[dict[str, Any]]) -> list[str]:
    from targets.output import percent

    lines = []
    proof = found.fewest
    if proof is not None and proof.proved:
        lines.append("proved: no cheaper choice of these candidates reaches the targets")
    elif proof is not None:
        lines.append(f"no choice of these candidates that reaches the targets costs less than {proof.bound:g}; "
                     "--prove 600 looks longer")  # fmt: skip
    beyond = [r["name"] for r in judged if r["out_of_reach"]]
    if beyond:
        lines.append(f"out of reach of all candidates together: {', '.join(beyond)}; more places (--search), masts "
                     "of your own (--candidates) or higher antennas may help")  # fmt: skip
    for r in judged:
        if r["share_outside"] >= 0.001:
            lines.append(f"{percent(r['share_outside'])} of {r['name']} lies outside the project's grid, where no "
                         "site is planned")  # fmt: skip
    if any(step.candidate.found for step in found.steps):
        lines.append("found places are high ground of the terrain model: whether they can be had, reached and "
                     "powered is not known; their carriers are not planned")  # fmt: skip
    return [*lines, *(f"note: {note}" for note in found.notes)]
