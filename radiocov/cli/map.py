"""radiocov map."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.acceptance import levels_options
from radiocov.cli.common import progress, project_argument, quiet_option, read_all


@click.command("map")
@project_argument
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True,
              help="Language the page opens in; the reader can switch.")  # fmt: skip
@click.option("--period", multiple=True, help="Periods to show; default: all that are computed.")
@click.option("--logs", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=str),
              help="Drive log to show as measured points; may be given again.")  # fmt: skip
@click.option("--fleet", is_flag=True, help="Show what the project's fleet store has measured.")
@click.option("--basemap", metavar="URL", default="",
              help="Offer a basemap's tiles, to readers who are online and ask "
              "for them: https://.../{z}/{x}/{y}.png. Without this the file asks for nothing.")  # fmt: skip
@click.option("--basemap-credit", metavar="TEXT", default="", help="What is to stand on the map about who made it.")
@levels_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str), help="Default: out/map.html.")
@quiet_option
def map_(project: str, lang: str, period: tuple[str, ...], logs: tuple[str, ...], fleet: bool, basemap: str,
         basemap_credit: str, output: str | None, quiet: bool, **reading: Any) -> None:  # fmt: skip
    """Write the manager's map: one HTML file that needs no network and opens by double-click.

    Measured points are medians of cells of 50 m or more, by level or by what they differ from the prediction. Cells
    of the fleet store need three handsets and twenty samples, so that no officer's way can be read from the file;
    logs that are named are shown as they are.

    With --basemap the page offers tiles of a map server, and asks for them once its reader says so. Chinese map
    services have them in GCJ-02 or BD-09, on which all of this lies 100 to 700 m off; known ones are warned of.

    \b
    Examples:
      radiocov map my-network
      radiocov map my-network --lang zh -o map-zh.html
      radiocov map my-network --logs drive.csv --datum wgs84 --measured-with vehicle
      radiocov map my-network --basemap https://tile.example.org/{z}/{x}/{y}.png --basemap-credit "© Example"
    """
    from pathlib import Path

    from radiocov.compliance import judge_all
    from radiocov.mapping import write_map

    fleet = fleet or bool(reading["store_url"])
    if logs and fleet:
        raise click.UsageError("give either --logs or --fleet: their points mean different things")
    below = _basemap(basemap, basemap_credit)
    inputs = read_all(project)
    folder = inputs.project.output_folder
    with progress(quiet) as show:
        show("judging the targets", 0, 1)
        judged = judge_all(inputs, folder, period)
        show("judging the targets", 1, 1)
        measured = cells = None
        if logs or fleet:
            from devices.formats.fields import Declared
            from radiocov.mappoints import measured_cells
            from radiocov.measurements import read_logs

            declared = Declared(reading["device"], reading["zone"], "", reading["datum"] or "")
            measured = read_logs(inputs.project, logs, declared, reading["format_"], reading["store_url"], show)
            states = [results for _, results in judged]
            cells = measured_cells(inputs.project, states, measured, reading["measured_with"], private=fleet)
        show("drawing the map", 0, 1)
        path = Path(output) if output else folder / "map.html"
        page = write_map(inputs, judged, path, lang, cells, below)
        show("drawing the map", 1, 1)
    for note in measured.notes if measured else ():
        click.echo(note, err=True)
    if measured and (cells is None or not len(cells.x)):
        counts = measured.counts | (cells.left_out if cells else {})
        told = ", ".join(f"{reason} {n}" for reason, n in counts.items() if n) or "no rows"
        click.echo(f"warning: the map has no measured points; samples: {told}", err=True)
    click.echo(page.resolve().as_uri())


def _basemap(address: str, credit: str) -> dict[str, str] | None:
    """What the page offers; a warning where its tiles are known to lie beside everything."""
    if not address:
        return None
    from radiocov.maps.basemap import basemap, is_shifted

    found = basemap(address, credit)
    if is_shifted(address):
        click.echo("warning: tiles of this server are in GCJ-02 or BD-09: everything on the map, in WGS 84, lies 100 "
                   "to 700 m off on them", err=True)  # fmt: skip
    return found
