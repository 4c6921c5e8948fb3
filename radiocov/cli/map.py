"""radiocov map."""

from __future__ import annotations

import click

from radiocov.cli.common import progress, project_argument, quiet_option, read_all


@click.command("map")
@project_argument
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True,
              help="Language the page opens in; the reader can switch.")  # fmt: skip
@click.option("--period", multiple=True, help="Periods to show; default: all that are computed.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str), help="Default: out/map.html.")
@quiet_option
def map_(project: str, lang: str, period: tuple[str, ...], output: str | None, quiet: bool) -> None:
    """Write the manager's map: one HTML file that needs no network and opens by double-click.

    \b
    Examples:
      radiocov map my-network
      radiocov map my-network --lang zh -o map-zh.html
    """
    from pathlib import Path

    from radiocov.compliance import judge_all
    from radiocov.mapping import write_map

    inputs = read_all(project)
    folder = inputs.project.output_folder
    with progress(quiet) as show:
        show("judging the targets", 0, 1)
        judged = judge_all(inputs, folder, period)
        show("judging the targets", 1, 1)
        show("drawing the map", 0, 1)
        page = write_map(inputs, judged, Path(output) if output else folder / "map.html", lang)
        show("drawing the map", 1, 1)
    click.echo(page.resolve().as_uri())
