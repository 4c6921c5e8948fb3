"""radiocov fleet add, list, show, set."""

from __future__ import annotations

import csv
import sys
from typing import Any

import click

from radiocov.cli.common import json_option, print_json, print_table, project_argument
from radiocov.cli.logs_import import store_option

TEXTS = {
    "maker": "Maker.", "model": "Model.", "firmware": "Version of its firmware.", "serial-number": "Serial number.",
    "terminal-type": "Hand-held, vehicle ...", "unit": "Unit that it belongs to.", "antenna": "Antenna.",
}  # fmt: skip
STATES = ("in service", "lent", "in repair", "lost", "retired")
CARRIES = ("head", "hip", "dash", "roof", "indoor")


def details(command: Any) -> Any:
    """The options that describe a handset."""
    for name, text in reversed(TEXTS.items()):
        command = click.option(f"--{name}", help=text)(command)
    command = click.option("--carry", type=click.Choice(CARRIES), help="How it is carried.")(command)
    command = click.option("--state", type=click.Choice(STATES), help="State.")(command)
    return click.option("--calibration-offset-db", type=float,
                        help="dB that it reads too high; records stay as they were.")(command)  # fmt: skip


@click.command()
@project_argument
@click.argument("device", required=False)
@click.option("--csv", "csv_file", type=click.Path(exists=True, dir_okay=False, path_type=str),
              help="A register: device_id, maker, model ... or the Chinese headings.")  # fmt: skip
@click.option("--duplicates", type=click.Choice(["refuse", "ignore", "override"]), default="refuse",
              show_default=True, help="What happens to handsets that are registered already.")  # fmt: skip
@details
@click.option("--note", default="", help="A remark, kept in the history.")
@store_option
@json_option
def add(project: str, device: str | None, csv_file: str | None, duplicates: Any, store_url: str, as_json: bool,
        **values: Any) -> None:  # fmt: skip
    """Add a handset, or import a register from CSV, whole or not at all.

    Writes to the store: with PostgreSQL the account needs to insert and, the first time, to create tables.

    \b
    Examples:
      radiocov fleet add my-network 46001234 --maker Hytera --model PD980 --unit "1st precinct" --carry hip
      radiocov fleet add my-network --csv handsets.csv --duplicates override
    """
    from pathlib import Path

    from devices import fleet
    from radiocov.fleet_store import open_store

    if bool(device) == bool(csv_file):
        raise click.UsageError("name one DEVICE, or a register with --csv")
    with open_store(project, store_url) as store:
        if csv_file:
            counts = fleet.import_csv(store, Path(csv_file), duplicates)
        else:
            counts = fleet.add(store, {"device_id": device, **values}, duplicates)
    if as_json:
        print_json(counts | {"duplicates": duplicates})
    else:
        click.echo(", ".join(f"{n} {what}" for what, n in counts.items()) + f" (duplicates: {duplicates})")


@click.command("list")
@project_argument
@click.option("--unit", default="", help="Only those of a unit.")
@click.option("--state", type=click.Choice(STATES), help="Only those in a state.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, which `fleet add --csv` reads again.")
@store_option
@json_option
def list_(project: str, unit: str, state: str | None, as_csv: bool, store_url: str, as_json: bool) -> None:
    """The handsets, as a table, JSON or CSV; "last seen" is by this computer's clock. Only reads.

    \b
    Examples:
      radiocov fleet list my-network --unit "1st precinct"
      radiocov fleet list my-network --csv > handsets.csv
    """
    from devices import fleet
    from devices.reject_files import escaped
    from radiocov.fleet_store import open_store

    with open_store(project, store_url, create=False) as store:
        rows = fleet.listing(store, unit, state or "")
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(fleet.FIELDS)
        for row in rows:
            writer.writerow(["" if row[name] is None else escaped(str(row[name])) for name in fleet.FIELDS])
    else:
        names = ["device_id", "maker", "model", "unit", "carry", "state", "calibration_offset_db", "last_seen"]
        headings = ["handset", "maker", "model", "unit", "carry", "state", "offset dB", "last seen"]
        cells = [["" if row[n] is None else str(row[n]) for n in names] for row in rows]
        for row, line in zip(rows, cells, strict=True):
            if not row["registered"]:
                line[names.index("state")] = "not registered"
        print_table("", headings, cells, {names.index("calibration_offset_db")})


@click.command()
@project_argument
@click.argument("device")
@store_option
@json_option
def show(project: str, device: str, store_url: str, as_json: bool) -> None:
    """One handset with its history. Only reads.

    \b
    Example:
      radiocov fleet show my-network 46001234
    """
    from devices import fleet
    from radiocov.fleet_store import open_store

    with open_store(project, store_url, create=False) as store:
        found = fleet.show(store, device)
    if as_json:
        print_json(found)
        return
    rows = [[name.replace("_", " "), str(value)] for name, value in found.items()
            if name != "history" and value is not None]  # fmt: skip
    print_table("", ["", device], rows)
    past = [[str(c[k]) if c[k] is not None else "" for k in ("at", "who", "field", "old", "new", "note")]
            for c in found["history"]]  # fmt: skip
    print_table("History", ["at", "who", "what", "from", "to", "note"], past)


@click.command("set")
@project_argument
@click.argument("device")
@details
@click.option("--note", default="", help="Why; needed to bring back a handset that is retired or lost.")
@store_option
@json_option
def set_(project: str, device: str, note: str, store_url: str, as_json: bool, **values: Any) -> None:
    """Change a handset; every change is kept with who, when and why.

    Writes to the store: with PostgreSQL the account needs to update.

    \b
    Examples:
      radiocov fleet set my-network 46001234 --state "in repair" --note "display broken"
      radiocov fleet set my-network 46001234 --calibration-offset-db -2.5
    """
    from devices import fleet
    from radiocov.fleet_store import open_store

    given = {name: value for name, value in values.items() if value is not None}
    if not given and not note:
        raise click.UsageError("nothing to change: give --state, --unit or another option")
    with open_store(project, store_url, create=False) as store:
        changed = fleet.change(store, device, given, note)
    if as_json:
        print_json({"device_id": device, "changed": changed})
    else:
        click.echo(f"{device}: {', '.join(changed) + ' changed' if changed else 'nothing changed, it was so before'}")
