"""radiocov fleet: the commands of who keeps the handsets, each a module of its own."""

from __future__ import annotations

import click

from radiocov.cli import LazyGroup

COMMANDS: dict[str, tuple[str, str, str]] = {
    "add": ("radiocov.cli.fleet_register", "add", "Add a handset, or import a register from CSV."),
    "list": ("radiocov.cli.fleet_register", "list_", "The handsets, as a table, JSON or CSV."),
    "show": ("radiocov.cli.fleet_register", "show", "One handset with its history."),
    "set": ("radiocov.cli.fleet_register", "set_", "Change a handset: state, unit, carry, offset."),
    "health": ("radiocov.cli.fleet_records", "health", "Which handsets to pull in, and why."),
    "receipts": ("radiocov.cli.fleet_receipts", "receipts", "What was imported, removed and looked at, by whom."),
    "export": ("radiocov.cli.fleet_records", "export", "Records by time, area, device or level to a file."),
    "retention": ("radiocov.cli.fleet_records", "retention", "Remove what is older than the rule, with a receipt."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def fleet() -> None:
    """The handsets and what they recorded.

    \b
    Examples:
      radiocov fleet add my-network --csv handsets.csv --duplicates ignore
      radiocov fleet health my-network
      radiocov fleet export my-network --from 2026-11-01 -o november.gpkg
    """
