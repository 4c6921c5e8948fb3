"""radiocov targets."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli import WithOthers
from radiocov.cli.common import (
    csv_option,
    json_option,
    print_csv,
    print_json,
    print_table,
    project_argument,
    read_all,
)

HEADINGS = {
    "level": "level", "name": "target", "service": "service", "total": "of", "share_median": "median",
    "share_probable": "probable", "share_expected": "expected", "interval": "{confidence} interval",
    "share_outside": "not computed", "required": "required", "met": "met", "chance": "chance", "gap": "missing",
}  # fmt: skip
LEVELS = ("policy", "member", "city", "county", "area", "road")
OTHERS = {
    "derive-areas": ("radiocov.cli.derive", "derive_areas", "Urban and suburban areas from the land cover."),
}


@click.command(cls=WithOthers, others=OTHERS)
@project_argument
@click.option("--period", help="One period of the policy; default: all that are computed.")
@click.option("--check", "must_meet", is_flag=True, help="Exit with 1 where a target is not met.")
@click.option("--by", type=click.Choice(LEVELS[2:]), multiple=True, help="Also by city, county, area or road.")
@click.option("--compare", "comparing", is_flag=True, help="What changes from the first computed period to the last.")
@click.option("--gaps", "gap_file", type=click.Path(dir_okay=False, path_type=str), metavar="FILE",
              help="Also write the largest uncovered pieces as .gpkg or .geojson, to drive there.")  # fmt: skip
@click.option("--largest", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="How many pieces of areas, and of roads, --gaps has.")  # fmt: skip
@csv_option
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=str), help="Folder of the results.")
@json_option
def targets(project: str, period: str | None, must_meet: bool, by: tuple[str, ...], comparing: bool,
            gap_file: str | None, largest: int, as_csv: bool, output: str | None, as_json: bool) -> None:  # fmt: skip
    """Judge the computed coverage by the policy: share covered, share required, met or missing.

    Three shares are shown. median: where the median level meets the threshold; probable: where the service
    probability is at least what the service asks for; expected: the mean service probability, which a drive test
    estimates, with the interval that the model's error leaves. The policy says which of them is judged. chance: how
    likely the share that is really covered reaches what is required.

    \b
    Examples:
      radiocov targets my-network
      radiocov targets my-network --period 2017 --by county
      radiocov targets my-network --compare
      radiocov targets my-network --period 2017 --gaps gaps.gpkg
      radiocov targets my-network --period 2017 --check --json
    """
    from pathlib import Path

    from radiocov.compliance import judge_all, origin

    if comparing and (period or must_meet):
        raise click.UsageError(
            "--compare takes no --period and no --check: it compares the first period and the last"
        )
    inputs = read_all(project)
    folder = Path(output) if output else inputs.project.output_folder
    judged = judge_all(inputs, folder, [period] if period else [])
    if gap_file:
        _write_gaps(inputs, judged[-1][1], Path(gap_file), largest)
    if comparing:
        _compare(judged, by, as_json, as_csv)
        return
    if as_json:
        from targets.output import to_dict

        found = [{**to_dict(c), "origin": origin(r)} for c, r in judged]
        print_json(found[0] if period else found)
    elif as_csv:
        _print_csv([c for c, _ in judged])
    else:
        _print(inputs.project, judged, by)
    if must_meet and not all(compliance.met for compliance, _ in judged):
        raise SystemExit(1)


def _print(project: Any, judged: list[tuple[Any, Any]], by: tuple[str, ...]) -> None:
    from radiocov.compliance import error_line, origin_line

    for compliance, results in judged:
        print_compliance(compliance, ("policy", "member", *by))
        click.echo(origin_line(results))
        click.echo(error_line(project, results))
        for note in compliance.notes:
            click.echo(f"note: {note}")


def _print_csv(found: list[Any]) -> None:
    from targets.output import to_csv

    for number, compliance in enumerate(found):
        header, *lines = to_csv(compliance).splitlines()
        if number == 0:
            click.echo(f"period,{header}")
        for line in lines:
            click.echo(f"{compliance.period},{line}")


def print_compliance(compliance: Any, levels: tuple[str, ...] = ("policy", "member")) -> None:
    from targets.output import rows_as_table

    columns, rows = rows_as_table(compliance, levels)
    drop = {"level"} | ({"share_outside"} if not any(r.share_outside for r in compliance.rows) else set())
    if compliance.error is None:
        drop |= {"interval", "chance"}
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
    confidence = f"{100 * compliance.error.confidence:.0f}%" if compliance.error else ""
    print_table(title, [HEADINGS[columns[i]].format(confidence=confidence) for i in keep], table, numeric)


def _compare(judged: list[tuple[Any, Any]], by: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """The first and the last of the computed periods."""
    from radiocov.compliance import origin
    from radiocov.problems import Problem, ProjectError
    from targets.changes import compare
    from targets.output import CHANGE_COLUMNS, change_to_dict, changes_as_table

    if len(judged) < 2:
        raise ProjectError(Problem("--compare", "", "only one period is computed", "run `radiocov coverage`"))
    (before, _), (after, results) = judged[0], judged[-1]
    changes = compare(before, after)
    if as_json:
        print_json(
            {
                "before": before.period,
                "after": after.period,
                "policy": after.policy,
                "judge": after.judge,
                "rows": [change_to_dict(c, after.judge) for c in changes],
                "origin": origin(results),
            }
        )
    elif as_csv:
        print_csv(CHANGE_COLUMNS, (change_to_dict(c, after.judge) for c in changes))
    else:
        levels = ("policy", "member", *by)
        title = f"{after.policy_name}: {before.period} to {after.period} ({after.judge} share)"
        headings = ["target", "service", "of", before.period, after.period, "change", "gained", "", "needs", "met"]
        print_table(title, headings, changes_as_table(changes, after.judge, levels), {2, 3, 4, 5, 6, 8})


def _write_gaps(inputs: Any, results: Any, path: Any, limit: int) -> None:
    from radiocov.features import driver_of, write_features
    from targets.gaps import largest_gaps
    from targets.output import gaps_to_dicts

    driver_of(path)
    found = largest_gaps(inputs.policy, inputs.areas, inputs.roads, results, limit=limit)
    layers = {name: ([g.geometry for g in gaps], [{"rank": n, **row} for n, row in enumerate(gaps_to_dicts(gaps), 1)])
              for name, gaps in zip(("area_gaps", "road_gaps"), found, strict=True)}  # fmt: skip
    write_features(path, layers)
    click.echo(f"{path}: {len(found[0])} pieces of areas and {len(found[1])} stretches of road not covered in "
               f"{results.manifest['state']}", err=True)  # fmt: skip
