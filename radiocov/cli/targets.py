"""radiocov targets."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.common import json_option, print_json, print_table, project_argument, read_all

HEADINGS = {
    "level": "level", "name": "target", "service": "service", "total": "of", "share_median": "median",
    "share_probable": "probable", "share_expected": "expected", "share_outside": "not computed",
    "required": "required", "met": "met", "gap": "missing",
}  # fmt: skip
LEVELS = ("policy", "member", "city", "county", "area", "road")


@click.command()
@project_argument
@click.option("--period", help="One period of the policy; default: all that are computed.")
@click.option("--check", "must_meet", is_flag=True, help="Exit with 1 where a target is not met.")
@click.option("--by", type=click.Choice(LEVELS[2:]), multiple=True, help="Also by city, county, area or road.")
@click.option("--csv", "as_csv", is_flag=True, help="Print all rows as CSV.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=str), help="Folder of the results.")
@json_option
def targets(project: str, period: str | None, must_meet: bool, by: tuple[str, ...], as_csv: bool, output: str | None,
            as_json: bool) -> None:  # fmt: skip
    """Judge the computed coverage by the policy: share covered, share required, met or missing.

    Three shares are shown. median: where the median level meets the threshold; probable: where the service
    probability is at least what the service asks for; expected: the mean service probability, which a drive test
    estimates. The policy says which of them is judged.

    \b
    Examples:
      radiocov targets my-network
      radiocov targets my-network --period 2017 --by county
      radiocov targets my-network --period 2017 --check --json
    """
    from pathlib import Path

    from radiocov.compliance import judge_all, origin, origin_line
    from targets.output import to_csv, to_dict

    inputs = read_all(project)
    folder = Path(output) if output else inputs.project.output_folder
    judged = judge_all(inputs, folder, [period] if period else [])
    if as_json:
        found = [{**to_dict(c), "origin": origin(r)} for c, r in judged]
        print_json(found[0] if period else found)
    elif as_csv:
        for number, (compliance, _) in enumerate(judged):
            header, *lines = to_csv(compliance).splitlines()
            if number == 0:
                click.echo(f"period,{header}")
            for line in lines:
                click.echo(f"{compliance.period},{line}")
    else:
        for compliance, results in judged:
            print_compliance(compliance, ("policy", "member", *by))
            click.echo(origin_line(results))
            for note in compliance.notes:
                click.echo(f"note: {note}")
    if must_meet and not all(compliance.met for compliance, _ in judged):
        raise SystemExit(1)


def print_compliance(compliance: Any, levels: tuple[str, ...] = ("policy", "member")) -> None:
    from targets.output import rows_as_table

    columns, rows = rows_as_table(compliance, levels)
    drop = {"level"} | ({"share_outside"} if not any(r.share_outside for r in compliance.rows) else set())
    keep = [i for i, name in enumerate(columns) if name not in drop]
    level = columns.index("level")
    name = columns.index("name")
    table = []
    for row in rows:
        cells = list(row)
        if row[level] != "policy":
            cells[name] = f"  {cells[name]}"
        table.append([cells[i] for i in keep])
    numeric = {n for n, i in enumerate(keep) if columns[i] not in ("name", "service", "met")}
    title = f"{compliance.policy_name}: {compliance.period} (judged by the {compliance.judge} share)"
    print_table(title, [HEADINGS[columns[i]] for i in keep], table, numeric)
