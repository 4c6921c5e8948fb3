"""radiocov terrain fetch."""

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


@click.command()
@project_argument
@click.option("--only", type=click.Choice(["glo30", "worldcover"]), help="Only elevation, or only land cover.")
@click.option("--from", "place", metavar="PLACE",
              help="A mirror: a folder that holds the tiles, or an address under which the buckets or tiles lie.")
@click.option("--missing-is-sea", is_flag=True,
              help="For a mirror without tileList.txt: elevation tiles that it lacks are open sea on your word.")
@click.option("--dry-run", is_flag=True, help="Only say which tiles are wanted and which are there.")
@json_option
@quiet_option
def fetch(
    project: str, only: str | None, place: str | None, missing_is_sea: bool, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Copernicus GLO-30 elevation and ESA WorldCover land cover for the project's extent, into its terrain folder.

    Tiles come from the public buckets and stay in a cache that all projects share (RADIOCOV_CACHE, else the user's
    cache folder). What breaks off goes on with the next call; a tile appears only when whole and checked. A tile of
    GLO-30 that does not exist is open sea and becomes a tile of 0 m; land that the public GLO-30 holds back
    (Armenia, Azerbaijan) is told and left empty.

    \b
    Examples:
      radiocov terrain fetch my-network
      radiocov terrain fetch my-network --from /media/usb/tiles --only glo30
    """  # fmt: skip
    from radiocov.fetching import adopt, advice, fetch_tiles, plan_tiles
    from radiocov.project import load_project

    inputs = read_all(project)
    if dry_run:
        planned = plan_tiles(inputs, only)
        if as_json:
            print_json([{"product": product.label, "tiles": tiles} for product, tiles in planned.items()])
            return
        rows = [[product.label, name, state] for product, tiles in planned.items() for name, state in tiles.items()]
        print_table("", ["data set", "tile", "state"], rows)
        return
    with progress(quiet) as show:
        results = fetch_tiles(inputs, place, only, missing_is_sea=missing_is_sea, progress=show)
    products = [result.product for result in results]
    changed = adopt(inputs.project, products)
    wanted = advice(load_project(project), products)
    for result in results:
        for warning in result.warnings:
            click.echo(f"warning: {result.product.label}: {warning}", err=True)
    if as_json:
        print_json({"results": [result.to_dict() for result in results], "changed": changed, "advice": wanted})
        return
    states = ("there", "cached", "fetched", "sea", "held back", "none")
    rows = [
        [result.product.label, str(len(result.states)), *(str(result.count(state)) for state in states),
         f"{result.bytes / 1e6:.0f} MB"]
        for result in results
    ]  # fmt: skip
    print_table("", ["data set", "tiles", *states, "came"], rows, numeric=set(range(1, 9)))
    for result in results:
        click.echo("\n".join(result.product.licence))
    for line in changed:
        click.echo(f"changed: {line}")
    if wanted:
        click.echo(f"\nTo use them, write into project.toml:\n{wanted}")
