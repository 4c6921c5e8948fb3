"""radiocov report."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.acceptance import judged_logs, logs_options, tile_options
from radiocov.cli.common import progress, project_argument, quiet_option, read_all


@click.command()
@project_argument
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the document."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=str),
    help="A .html or .pdf file; default: report-LANG.html in the results folder.",
)
@click.option("--logs", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=str),
              help="A drive log, judged in the report; may be given several times.")  # fmt: skip
@click.option("--plan", "plan_file", type=click.Path(exists=True, dir_okay=False, path_type=str),
              help="plan.json of the drive: only its tiles count.")  # fmt: skip
@tile_options
@logs_options
@quiet_option
def report(project: str, lang: str, output: str | None, logs: tuple[str, ...], plan_file: str | None, period: str,
           quiet: bool, **chosen: Any) -> None:  # fmt: skip
    """Write the document for the archive: targets, maps, tables by city and county, gaps, proof and provenance.

    HTML that prints well on A4, with everything in one file; PDF where a Chromium, Chrome or Edge is on the machine.
    With --logs or --store the measured proof is part of it.

    \b
    Examples:
      radiocov report my-network --lang zh
      radiocov report my-network -o report.pdf --logs drive.csv --zone Asia/Shanghai --datum wgs84
    """
    from pathlib import Path

    from radiocov.compliance import judge_all
    from radiocov.report import write_report

    if plan_file and not (logs or chosen["store_url"]):
        raise click.UsageError("--plan needs the --logs of its drive, or --store")
    inputs = read_all(project)
    folder = inputs.project.output_folder
    path = Path(output) if output else folder / f"report-{lang}.html"
    with progress(quiet) as show:
        show("judging the targets", 0, 1)
        judged = judge_all(inputs, folder, [period] if period else [])
        show("judging the targets", 1, 1)
        proof = None
        if logs or chosen["store_url"]:
            proof = judged_logs(inputs, logs, plan_file, judged[-1][0].period, chosen, show)
        write_report(inputs, judged, path, lang, proof, show)
    click.echo(path.resolve().as_uri())
