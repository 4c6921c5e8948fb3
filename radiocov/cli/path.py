"""radiocov path."""

from __future__ import annotations

import math
from typing import Any

import click

from radiocov.cli.budget import print_budgets
from radiocov.cli.common import (
    json_option,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)


@click.command()
@project_argument
@click.option("--from", "site", required=True, metavar="SITE", help="Id (or name) of a site in sites.csv.")
@click.option("--to", "to", required=True, metavar="LON,LAT", help="The other end, WGS 84 degrees.")
@click.option("--terminal", metavar="ID", help="Terminal there. Default: that of the first service.")
@click.option("--model", help="Another model: p1812, itm, extended-hata or free-space.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str), help="Write a picture (HTML).")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the picture.")
@quiet_option
@json_option
def path(project: str, site: str, to: str, terminal: str | None, model: str | None, output: str | None, lang: str,
         quiet: bool, as_json: bool) -> None:  # fmt: skip
    """Profile, loss and link budget between a site and a point, term by term, by the project's model.

    The loss is that of the exact path over the project's ground; a pixel of the coverage raster stands for a
    path that ends within half a pixel.

    \b
    Examples:
      radiocov path my-network --from LT01 --to 123.05,41.02
      radiocov path my-network --from LT01 --to 123.05,41.02 --terminal vehicle -o profile.html
    """
    from pathlib import Path

    from radiocov.cli.coverage import with_model

    lon, lat = _lonlat(to)
    inputs = read_all(project)
    if model:
        inputs.project = with_model(inputs.project, model)
    with progress(quiet) as show:
        show("reading the ground", 0, 1)
        from radiocov.pathview import origin_line, view_path

        view = view_path(inputs, site, lon, lat, terminal)
        show("reading the ground", 1, 1)
    if output:
        from radiocov.pathpicture import write_picture

        picture = write_picture(view, inputs.project, Path(output), lang)
    if as_json:
        print_json(view.to_dict())
    else:
        _print(view)
        click.echo(origin_line(view))
    for warning in view.warnings:
        click.echo(f"warning: {warning}", err=True)
    if output:
        click.echo(picture.resolve().as_uri(), err=as_json)


def _lonlat(text: str) -> tuple[float, float]:
    from radiocov.problems import Problem, ProjectError

    parts = text.replace("，", ",").split(",")
    try:
        lon, lat = (float(part) for part in parts)
    except ValueError:
        lon = lat = math.nan
    if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
        exchanged = math.isfinite(lon) and abs(lon) <= 90.0 < abs(lat) <= 180.0
        remedy = f"did you mean {lat:g},{lon:g}?" if exchanged else "give LON,LAT in degrees, such as 123.05,41.02"
        raise ProjectError(Problem("--to", "", f'"{text}" is no place', remedy))
    return lon, lat


def _print(view: Any) -> None:
    g, sight = view.geometry, view.sight
    rows = [
        ["distance", f"{g['distance_km']:.3f}", "km", f"{g['points']} points, {g['step_m']:.2f} m apart"],
        ["azimuth", f"{g['azimuth_deg']:.2f}", "deg", "of the point from the site, clockwise from true north"],
        ["elevation angle", f"{g['elevation_deg']:+.3f}", "deg", "of the terminal from the site's antenna"],
        ["site: ground", f"{g['site_ground_m']:.2f}", "m", "{:g},{:g}".format(*view.site.antenna_lonlat)],
        ["site: antenna", f"{g['site_antenna_m']:.2f}", "m", f"{view.site.antenna_height_m:g} m above ground"],
        ["point: ground", f"{g['point_ground_m']:.2f}", "m", f"{view.lon:g},{view.lat:g}; {view.clutter_name}"],
        ["point: antenna", f"{g['terminal_antenna_m']:.2f}", "m",
         f"{view.terminal.id}, {view.terminal.height_m:g} m above ground"],
        ["line of sight", "clear" if sight.clear else "obstructed", "", _edge(sight)],
    ]  # fmt: skip
    name = view.site.id if view.site.name == view.site.id else f"{view.site.id} ({view.site.name})"
    print_table(f"Path from {name} to {view.lon:g},{view.lat:g}", ["geometry", "value", "unit", ""], rows, {1})
    rows = [
        [symbol, _number(value), view.table[symbol].unit, view.table[symbol].section, view.table[symbol].meaning]
        for symbol, value in view.terms.items()
    ]
    title = f"{view.origin['model']}: basic transmission loss {view.loss_db:.3f} dB"
    print_table(title, ["term", "value", "unit", "section", "meaning"], rows, {1})
    print_budgets(view.budgets)
    rows = [
        [s["id"], s["direction"], f"{s['margin_db']:.2f}", f"{s['probability']:.3f}", f"{s['required']:.2f}",
         "yes" if s["served"] else "no"]
        for s in view.services
    ]  # fmt: skip
    if rows:
        columns = ["service", "direction", "margin dB", "probability", "required", "served"]
        print_table("Services by this site alone", columns, rows, {2, 3, 4})


def _edge(sight: Any) -> str:
    if sight.edge_km is None:
        return "no points between the ends"
    where = f"at {sight.edge_km:.3f} km, nu = {sight.edge_nu:.3f}"
    return f"nearest point {where}" if sight.clear else f"Bullington point {where}"


def _number(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "-"
    text = f"{value:.4f}"
    return text.removeprefix("-") if float(text) == 0.0 else text
