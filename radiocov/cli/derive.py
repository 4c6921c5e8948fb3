"""radiocov targets derive-areas."""

from __future__ import annotations

import click

from radiocov.cli.common import (
    json_option,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)


@click.command("derive-areas")
@project_argument
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=str),
              help="A .gpkg or .geojson file.")  # fmt: skip
@click.option("--radius-m", type=click.FloatRange(50, 5000), default=500.0, show_default=True,
              help="Of the circle within which the built-up share counts.")  # fmt: skip
@click.option("--urban", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Share from which: urban.")
@click.option("--suburban", type=click.FloatRange(0, 1), default=0.2, show_default=True,
              help="Share from which: suburban.")  # fmt: skip
@click.option("--smallest-km2", type=click.FloatRange(0), default=1.0, show_default=True,
              help="Pieces and holes below this are dissolved.")  # fmt: skip
@quiet_option
@json_option
def derive_areas(project: str, output: str, radius_m: float, urban: float, suburban: float, smallest_km2: float,
                 quiet: bool, as_json: bool) -> None:  # fmt: skip
    """Draw urban and suburban areas from the land cover, where there are no polygons of them.

    Urban is where the built-up share of the land within a circle reaches --urban, suburban where it reaches
    --suburban. With [boundaries] in the project, areas are cut and named by county. Look at the file in a GIS, edit
    it, and name it in the project: [areas] file = "areas.gpkg".

    \b
    Example:
      radiocov targets derive-areas my-network -o areas.gpkg --urban 0.5 --suburban 0.2
    """
    from pathlib import Path

    from radiocov.derive import Rule, write_derived_areas

    inputs = read_all(project)
    rule = Rule(radius_m, urban, suburban, smallest_km2)
    with progress(quiet or as_json) as show:
        show("reading the land cover and drawing areas", 0, 1)
        rows = write_derived_areas(inputs, rule, Path(output))
        show("reading the land cover and drawing areas", 1, 1)
    if as_json:
        print_json({"file": output, "rule": rule.in_words(), "areas": rows})
        return
    cells = [[row["class"], row["name"], row["city"], f"{row['area_km2']:,.2f} km2"] for row in rows]
    print_table(f"{output}: {rule.in_words()}", ["class", "name", "city", "area"], cells, {3})
