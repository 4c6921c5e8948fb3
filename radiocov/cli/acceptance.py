"""radiocov acceptance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from radiocov.cli import WithOthers
from radiocov.cli.common import (
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

OTHERS = {
    "plan": ("radiocov.cli.acceptance", "plan", "Draw the tiles to drive to, with files for the field team."),
    "evaluate": ("radiocov.cli.acceptance", "evaluate", "The same as without it: judge the logs of a drive."),
}


def tile_options(command: Callable) -> Callable:
    """What planning and evaluating have to agree on."""
    for option in (
        click.option(
            "--reach-m", type=click.FloatRange(0), help="From a tile's middle to a road; default: half a tile."
        ),
        click.option(
            "--access",
            type=click.Path(exists=True, dir_okay=False, path_type=str),
            help="A GIS file of more roads by which tiles are reached.",
        ),
        click.option(
            "--confidence",
            type=click.FloatRange(0.5, 0.999),
            default=0.95,
            show_default=True,
            help="Of what is proved, one-sided.",
        ),
        click.option("--tile-m", type=float, default=500.0, show_default=True, help="Side of a tile."),
        click.option("--period", default="", help="Of the policy; default: the last that is computed."),
    ):
        command = option(command)
    return command


def reading_options(command: Callable) -> Callable:
    """What logs do not say themselves, and how they are read."""
    for option in (
        click.option("--store", "store_url", metavar="URL", default="", help="Fleet store, where no LOGS are given."),
        click.option("--device", default="", help="Id of the handset, for rows that name none."),
        click.option(
            "--zone", default="", metavar="ZONE", help="Of times that name none: Asia/Shanghai, UTC, +08:00."
        ),
        click.option("--datum", type=click.Choice(["wgs84", "cgcs2000", "gcj02", "bd09"]), help="Of the positions."),
        click.option(
            "--format", "format_", metavar="NAME|FILE.toml", default="", help="Log format; default: recognised."
        ),
    ):
        command = option(command)
    return command


def levels_options(command: Callable) -> Callable:
    """How logs are read, and what they were taken with."""
    carried = click.option(
        "--measured-with",
        metavar="TERMINAL",
        default="",
        help="The project's terminal that was carried; default: each service's own.",
    )
    return carried(reading_options(command))


def logs_options(command: Callable) -> Callable:
    """How logs are read, and what becomes of a tile's samples."""
    statistic = click.option(
        "--statistic",
        type=click.Choice(["median", "mean"]),
        default="median",
        show_default=True,
        help="Of a tile's samples: median level, or mean power.",
    )
    return statistic(levels_options(command))


def evaluation_command(command: Callable) -> Callable:
    """The arguments and options of evaluating."""
    for option in (
        quiet_option, json_option, csv_option,
        click.option("--check", "must_meet", is_flag=True, help="Exit with 1 where a target is not proved."),
        click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str),
                     help="Also write the tiles as .gpkg or .geojson."),
        logs_options, tile_options,
        click.option("--plan", "plan_file", type=click.Path(exists=True, dir_okay=False, path_type=str),
                     help="plan.json of the drive: only its tiles count."),
        click.argument("logs", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=str)),
        project_argument,
    ):  # fmt: skip
        command = option(command)
    return command


def judged_logs(
    inputs: Any, logs: tuple[str, ...], plan_file: str | None, period: str, chosen: dict[str, Any], show: Any
) -> Any:
    """The evaluation of logs by what `tile_options` and `logs_options` chose (but the period)."""
    from devices.formats.fields import Declared
    from radiocov.acceptance import Rules, evaluate, frame
    from radiocov.fieldplan import read_plan
    from radiocov.measurements import read_logs

    named = ("tile_m", "confidence", "reach_m", "access", "statistic", "measured_with")
    rules = Rules(**{key: chosen[key] for key in named})
    planned = read_plan(plan_file) if plan_file else None
    declared = Declared(chosen["device"], chosen["zone"], "", chosen["datum"] or "")
    measured = read_logs(inputs.project, logs, declared, chosen["format_"], chosen["store_url"], show)
    show("judging tiles", 0, 1)
    found = evaluate(frame(inputs, inputs.project.output_folder, period, rules), measured, planned)
    show("judging tiles", 1, 1)
    return found


def _evaluate(project: str, logs: tuple[str, ...], plan_file: str | None, period: str, output: str | None,
              must_meet: bool, as_csv: bool, as_json: bool, quiet: bool, **chosen: Any) -> None:  # fmt: skip
    """Judge measured levels tile by tile: pass or fail for every service and direction, and what that proves.

    LOGS are drive logs (`radiocov logs formats`); without any, the project's fleet store is read. A tile counts from
    50 samples over 33 m on; others are listed as short. Tiles that no road reaches are listed, and count neither way.
    `radiocov acceptance plan` draws the tiles to drive to.

    \b
    Examples:
      radiocov acceptance my-network drive1.csv drive2.csv --zone Asia/Shanghai
      radiocov acceptance my-network drive.csv --plan field/plan.json --check
      radiocov acceptance my-network --measured-with vehicle --json
    """
    from pathlib import Path

    from radiocov import proof
    from radiocov.features import driver_of, write_features

    if output:
        driver_of(Path(output))
    inputs = read_all(project)
    with progress(quiet or as_json) as show:
        found = judged_logs(inputs, logs, plan_file, period, chosen, show)
    rows = proof.tile_rows(found) if output or as_csv else []
    if output:
        seen = [row for row in rows if row["status"] != "not visited"]
        write_features(Path(output), {"tiles": (proof.outlines(found.frame, seen), seen)})
    if as_json:
        print_json(proof.to_dict(found))
    elif as_csv:
        print_csv(proof.TILE_COLUMNS, rows)
    else:
        _print(found)
    if must_meet and not found.met:
        raise SystemExit(1)


acceptance = click.command("acceptance", cls=WithOthers, others=OTHERS)(evaluation_command(_evaluate))
evaluate = click.command("evaluate")(evaluation_command(_evaluate))


def _print(e: Any) -> None:
    from radiocov import proof
    from targets.output import percent

    data = proof.to_dict(e)
    confidence = f"{100 * e.frame.rules.confidence:g} %"
    directions = {s.id: s.direction for s in e.frame.inputs.project.services}
    cells = []
    for o in e.outcomes:
        if o.level == "county" and (not o.measured or o.direction != directions[o.service]):
            continue
        name = f"  {o.county or o.city or '(no county)'}" if o.level == "county" else o.class_
        within = f"{percent(o.low)} to {percent(o.high)}" if o.low is not None else ""
        cells.append([name, o.service, o.direction, str(o.tiles), str(o.reachable), str(o.measured), str(o.short),
                      str(o.passed), percent(o.share), within, percent(o.lower), percent(o.predicted),
                      percent(o.required), str(o.needed or ""), o.verdict])  # fmt: skip
    headings = ["class", "service", "direction", "tiles", "reachable", "measured", "short", "passed", "share",
                f"{confidence} within", "at least", "predicted", "required", "needed", "verdict"]  # fmt: skip
    print_table(f"Acceptance of {data['period']}: tiles of {data['tile_m']:g} m, {data['statistic']} level",
                headings, cells, set(range(3, 14)))  # fmt: skip
    against = [[a["class"], a["service"], *(str(a[k]) for k in ("hit", "false_alarm", "miss", "correct_rejection")),
                percent(a["agreement"])] for a in data["predicted_against_measured"]]  # fmt: skip
    if against:
        print_table(
            "Predicted against measured, tiles",
            ["class", "service", "hit", "false alarm", "miss", "correct rejection", "agree"],
            against,
            set(range(2, 7)),
        )
        bins = [[a["class"], a["service"], f"{100 * b['low']:g} to {100 * b['high']:g} %", str(b["tiles"]),
                 percent(b["predicted"]), percent(b["measured"])]
                for a in data["predicted_against_measured"] for b in a["reliability"]]  # fmt: skip
        print_table(
            "Reliability of the predicted probability",
            ["class", "service", "predicted", "tiles", "mean", "passed"],
            bins,
            {2, 3, 4, 5},
        )
    rows = ", ".join(f"{name} {n}" for name, n in data["rows"].items() if n)
    click.echo(f"rows: {rows}; {data['devices']} handsets, {data['first']} to {data['last']}")
    click.echo(f"talk-in: {data['talk_in']}")
    unreachable = sum(map(len, data["unreachable"].values()))
    click.echo(
        f"left out: {unreachable} tiles that no road reaches (listed by --json and --csv), {data['left_out_tiles']} "
        f"measured tiles of no target or plan; {data['planned_not_visited']} planned tiles not visited"
    )
    for note in data["notes"]:
        click.echo(f"note: {note}")


@click.command()
@project_argument
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=str),
              help="Folder for tiles.gpkg, tiles.gpx, tiles.csv and plan.json.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed draws the same tiles."
)
@click.option("--start", metavar="LON,LAT", help="Where the drive starts; default: at the westernmost tile.")
@tile_options
@json_option
@quiet_option
def plan(
    project: str,
    output: str,
    seed: int,
    start: str | None,
    period: str,
    tile_m: float,
    confidence: float,
    access: str | None,
    reach_m: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw the tiles of an acceptance drive at random, by class and county, with a short way through them.

    How many: the greater-than test, T = Z^2 p q / e^2 with the over-design e that the prediction leaves, at least
    100; for a target of 100 %, as many as prove the policy's full_share without a failure (299 for 99 % at 95 %).

    \b
    Examples:
      radiocov acceptance plan my-network -o field
      radiocov acceptance plan my-network -o field --tile-m 1000 --confidence 0.99 --access local-roads.gpkg
    """
    from pathlib import Path

    from radiocov.acceptance import Rules, frame
    from radiocov.fieldplan import draw_plan, stops, write_plan
    from targets.output import percent

    at = _place(start) if start else None
    inputs = read_all(project)
    with progress(quiet or as_json) as show:
        show("drawing tiles", 0, 1)
        state = frame(inputs, inputs.project.output_folder, period, Rules(tile_m, confidence, reach_m, access, seed))
        found = draw_plan(state)
        order = stops(found, state, at)
        summary = write_plan(Path(output), state, found, order)
        show("drawing tiles", 1, 1)
    if as_json:
        print_json(summary | {"stops": len(order)})
        return
    cells = []
    for t in summary["targets"]:
        cells.append([t["class"], t["service"], percent(t["required"]),
                      percent(t["overdesign"]) if t["required"] < 1 else "", str(t["needed"]),
                      str(t["tiles_of_class"]), str(t["reachable"]), str(t["drawn"])])  # fmt: skip
        cells += [
            [
                f"  {c['county'] or c['city'] or '(no county)'}",
                "",
                "",
                "",
                "",
                str(c["tiles"]),
                str(c["reachable"]),
                str(c["drawn"]),
            ]
            for c in t["counties"]
        ]
    print_table(f"Tiles of {tile_m:g} m for {summary['period']}, confidence {100 * confidence:g} %, seed {seed}",
                ["class", "service", "required", "over-design", "needed", "tiles", "reachable", "drawn"], cells,
                set(range(2, 8)))  # fmt: skip
    for t in summary["targets"]:
        if t["predicted"] is not None and t["predicted"] < inputs.policy.provable(t["required"]):
            click.echo(
                f"warning: {t['class']}: {percent(t['predicted'])} is predicted, less than the "
                f"{percent(t['required'])} asked for; a drive cannot be expected to prove it",
                err=True,
            )
        if t["drawn"] < t["needed"]:
            click.echo(
                f"warning: {t['class']}: {t['drawn']} tiles can be reached, the test asks for {t['needed']}; "
                "smaller tiles, or --access with more roads, give more",
                err=True,
            )
    click.echo(f"{len(order)} stops in {output}: tiles.gpkg, tiles.gpx, tiles.csv; plan.json for the evaluation")


def _place(text: str) -> tuple[float, float]:
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f'"{text}" is no LON,LAT in degrees, such as 123.4,41.8', param_hint="--start"
        ) from None
    return lon, lat
