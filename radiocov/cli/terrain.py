"""radiocov terrain: fetch, info, legend."""

from __future__ import annotations

import click

from radiocov.cli import LazyGroup

COMMANDS: dict[str, tuple[str, str, str]] = {
    "fetch": ("radiocov.cli.terrain_fetch", "fetch", "Elevation and land cover from the public data sets."),
    "info": ("radiocov.cli.terrain_info", "info", "Sources, voids, land cover, what the grid loses."),
    "legend": ("radiocov.cli.terrain_info", "legend", "A built-in legend of land cover, as a table to edit."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def terrain() -> None:
    """The ground under a network: elevation and land cover.

    \b
    Examples:
      radiocov terrain fetch my-network
      radiocov terrain info my-network -o relief.png
      radiocov terrain legend corine > my-network/legend.csv
    """
