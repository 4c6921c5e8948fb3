"""radiocov export."""

from __future__ import annotations

import click

from radiocov.cli.common import progress, project_argument, quiet_option, read_all


@click.command()
@project_argument
@click.option("--format", "format_", type=click.Choice(["kmz", "gpkg", "geotiff", "png"]), required=True,
              help="What to write; see above.")  # fmt: skip
@click.option("--layer", default="", metavar="LAYER", help="Default: coverage of the first target.")
@click.option("--state", default="", help="State of the network; default: the last that is computed.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of legends, titles.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str), help="Default: in exports/ of them.")
@quiet_option
def export(project: str, format_: str, layer: str, state: str, lang: str, output: str | None, quiet: bool) -> None:
    """Write results for other programs, in the colours and words of the map, each saying where it comes from.

    \b
    kmz      for Google Earth: tiles that sharpen as one comes nearer, legend, sites
    geotiff  classes with a colour table, and a QGIS style (.qml) beside it
    png      a picture with a world file (.pgw), its plane (.prj) and its legend
    gpkg     for GIS: areas and roads with their shares, sites, gaps, compliance, all states unless --state names one

    A LAYER is level, server, or one of coverage, margin, probability and change (against the state before) followed
    by a service and talk_out, talk_in or both: margin:vehicle:both. The values themselves are the GeoTIFFs that
    `radiocov coverage` wrote.

    \b
    Examples:
      radiocov export my-network --format kmz
      radiocov export my-network --format geotiff --layer margin:vehicle:both --state 2017 --lang zh
      radiocov export my-network --format gpkg -o results.gpkg
    """
    from pathlib import Path

    from radiocov import exporting
    from radiocov.compliance import judge_all
    from radiocov.levels import field_of

    if format_ == "gpkg" and layer:
        raise click.UsageError("--layer is for kmz, geotiff and png; a GeoPackage holds areas, roads and tables")
    if output:
        exporting.check_ending(Path(output), format_)
    inputs = read_all(project)
    folder = inputs.project.output_folder
    with progress(quiet) as show:
        if format_ == "gpkg":
            show("judging the targets", 0, 1)
            judged = judge_all(inputs, folder, [state] if state else [])
            show("judging the targets", 1, 1)
            path = Path(output) if output else exporting.default_path(folder, format_, state, layer)
            written = [exporting.export_geopackage(inputs, judged, path, lang, show)]
        else:
            results, name = field_of(folder, state or None)
            chosen = layer or exporting.default_layer(inputs, results)
            path = Path(output) if output else exporting.default_path(folder, format_, name, chosen)
            written = exporting.export_layer(inputs, results, format_, chosen, path, lang, show)
    for file in written:
        click.echo(file)
