"""radiocov calibrate."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.acceptance import reading_options
from radiocov.cli.common import (
    json_option,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)

SHOWN = 12  # sites and handsets, those farthest from the others


@click.command()
@project_argument
@click.argument("logs", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=str))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str),
              help="Where to write; default: [calibration] file, which coverage uses.")  # fmt: skip
@click.option("--report", "report_file", metavar="FILE.html", type=click.Path(dir_okay=False, path_type=str),
              help="Also write the report with its pictures.")  # fmt: skip
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the report.")
@click.option("--relative", is_flag=True, help="Levels are dB from an unknown zero of each receiver.")
@click.option("--clutter-heights", is_flag=True, help="Fit effective clutter heights, too.")
@click.option("--leave-out", "splits", multiple=True, type=click.Choice(["sites", "areas", "days", "random", "none"]),
              help="What to leave out for the proof; may be given several times. Default: all in turn.")  # fmt: skip
@click.option("--where-to-drive", "drive_file", metavar="FILE.gpkg", type=click.Path(dir_okay=False, path_type=str),
              help="Also write the stretches of the project's roads that would tell most about its targets; from the "
              "rasters that coverage left.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Fit and validate, and write no calibration.")
@reading_options
@json_option
@quiet_option
def calibrate(project: str, logs: tuple[str, ...], output: str | None, report_file: str | None, lang: str,
              relative: bool, clutter_heights: bool, splits: tuple[str, ...], drive_file: str | None, dry_run: bool,
              as_json: bool, quiet: bool, **reading: Any) -> None:  # fmt: skip
    """Fit the model to measured levels, prove it on levels that were left out, and write calibration.toml.

    LOGS are drive logs (`radiocov logs formats`) that name the serving site; without any, the project's fleet store
    is read. What was left out is counted step by step, what the data cannot tell keeps its prior, and the errors that
    count are those in sites, areas and days that the fit did not see. `radiocov coverage` uses the file from then on;
    `--calibration none` there shows the difference. docs/calibration.md has the whole of it.

    \b
    Examples:
      radiocov calibrate my-network drive1.csv drive2.csv --zone Asia/Shanghai --datum wgs84
      radiocov calibrate my-network --report calibration.html
      radiocov calibrate my-network --where-to-drive next.gpkg
      radiocov calibrate my-network walk.csv --relative --dry-run --json
    """
    from pathlib import Path

    from devices.formats.fields import Declared
    from radiocov.calibration import show as shown
    from radiocov.calibration.files import write_calibration
    from radiocov.calibration.rows import read_rows
    from radiocov.calibration.run import calibrate as run
    from radiocov.calibration.validate import SPLITS

    inputs = read_all(project)
    if relative:
        settings = inputs.project.calibration.model_copy(update={"levels": "relative"})
        inputs.project = inputs.project.model_copy(update={"calibration": settings})
    path = Path(output) if output else inputs.project.calibration_file
    results = _rasters(inputs, Path(drive_file)) if drive_file else None
    declared = Declared(reading["device"], reading["zone"], "", reading["datum"] or "")
    with progress(quiet or as_json) as show:
        read = read_rows(inputs.project, logs, declared, reading["format_"], reading["store_url"], show,
                         inputs.road_lines)
        chosen = [split for split in splits or SPLITS if split != "none"]
        made = run(inputs, read, clutter_heights, show, chosen)
        page = None
        if report_file:
            from radiocov.report.calibration import render

            page = render(made, lang)
    made.calibration.provenance["file"] = path.name
    written = [] if dry_run else write_calibration(path, made.calibration)
    if results is not None:
        from radiocov.calibration.advice import advise, write_advice

        written.append(write_advice(Path(drive_file), advise(inputs, results, made.calibration)))
    if page is not None:
        from radiocov.files import write_text

        write_text(Path(report_file), page)
        written.append(Path(report_file))
    if as_json:
        print_json(shown.to_dict(made) | {"written": [str(p) for p in written]})
        return
    print_table("Preparation", *shown.preparation(made), {2, 3, 4})
    print_table("Parameters", *shown.parameters(made), {1, 2, 3})
    for title, name in (("Sites", "sites"), ("Handsets", "devices")):
        headings, rows = shown.effects(getattr(made.calibration, name), SHOWN)
        if rows:
            print_table(title, headings, rows, {1, 2, 3})
    click.echo(shown.field_line(made.calibration))
    headings, rows = shown.validation(made)
    if rows:
        print_table("Errors in what was left out", headings, rows, set(range(2, 13)))
    else:
        click.echo("Nothing was left out: this calibration is fitted and not proved.")
    for line in made.calibration.advice:
        click.echo(f"note: {line}")
    for one in written:
        click.echo(f"written: {one}")


def _rasters(inputs: Any, drive_file: Any) -> Any:
    """The rasters of the last computed state; without any it is said before the fit."""
    from radiocov.coverage.results import computed_states, open_state
    from radiocov.features import driver_of

    driver_of(drive_file)
    folder = inputs.project.output_folder
    there = computed_states(folder) or [inputs.project.states(inputs.policy)[-1].id]
    return open_state(folder, there[-1])
