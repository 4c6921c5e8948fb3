"""radiocov fleet health, export, retention."""

from __future__ import annotations

import csv
import sys
from typing import Any

import click

from radiocov.cli.common import json_option, print_json, print_table, progress, project_argument, quiet_option
from radiocov.cli.logs_import import store_option


def conditions(command: Any) -> Any:
    """The options that say which records."""
    for option in reversed((
        click.option("--from", "from_", metavar="TIME", help="First moment, UTC: 2026-11-01 or 2026-11-01T08:00."),
        click.option("--to", "to_", metavar="TIME", help="End, UTC, itself excluded."),
        click.option("--bbox", metavar="W,S,E,N", help="Longitudes and latitudes, degrees."),
        click.option("--area", type=click.Path(exists=True, path_type=str), help="A file of polygons (GeoJSON ...)."),
        click.option("--device", "devices", multiple=True, help="A handset; may be given several times."),
        click.option("--unit", default="", help="Handsets of a unit."),
    )):  # fmt: skip
        command = option(command)
    return command


def _wanted(from_: str | None, to_: str | None, bbox: str | None, area: str | None, devices: tuple[str, ...],
            unit: str, min_dbm: float | None = None, max_dbm: float | None = None) -> Any:  # fmt: skip
    from devices.query import Wanted

    return Wanted(
        _time(from_, "--from"), _time(to_, "--to"), _box(bbox), _polygon(area), devices, unit, min_dbm, max_dbm
    )


def _time(text: str | None, option: str) -> int | None:
    import datetime as dt

    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: write it like 2026-11-01 or 2026-11-01T08:00") from error
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp()) * 1_000_000 + moment.microsecond


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.UsageError(f"--bbox {text}: four numbers, west,south,east,north") from error
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise click.UsageError(f"--bbox {text}: west has to be less than east, south less than north, in degrees")
    return west, south, east, north


def _polygon(path: str | None) -> Any:
    if path is None:
        return None
    import numpy as np
    import shapely
    from pyogrio.errors import DataSourceError
    from pyogrio.raw import read
    from pyproj import Transformer

    from devices.errors import DevicesError

    try:
        meta, _, geometry, _ = read(path, columns=[])
    except DataSourceError as error:
        raise DevicesError(f"{path}: is no file of polygons that can be read: {error}") from error
    shapes = [shape for shape in shapely.from_wkb(geometry) if shape is not None and shape.area > 0]
    if not shapes:
        raise DevicesError(f"{path}: holds no polygon")
    joined = shapely.union_all(shapely.make_valid(shapes))
    crs = meta["crs"]
    if crs and crs != "EPSG:4326":
        to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        joined = shapely.transform(joined, lambda points: np.column_stack(to_degrees.transform(*points.T)))
    return joined


@click.command()
@project_argument
@conditions
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--all", "everything", is_flag=True, help="Also handsets with nothing to complain of.")
@store_option
@json_option
def health(project: str, as_csv: bool, everything: bool, store_url: str, as_json: bool, **which: Any) -> None:
    """Which handsets to pull in, and why, the most urgent first.

    A handset's offset is against all others that were in the same 100 m cells on the same transmitter, with an
    interval that holds the true one at 95 %; the bench offset of the register is taken off before. --device and
    --unit say which handsets are shown. Reads, and writes a line into the access log.

    \b
    Examples:
      radiocov fleet health my-network
      radiocov fleet health my-network --unit "1st precinct" --from 2026-10-01 --all --json
    """
    from devices import privacy
    from devices.health import health as judge
    from devices.offsets import Z_95
    from radiocov.fleet_store import open_store

    wanted = _wanted(**which)
    with open_store(project, store_url, create=False) as store:
        privacy.log_access(store, "health", wanted.in_words(), identities=True)
        found = judge(store, wanted)
    rows = [row for row in found["handsets"] if everything or row["reasons"]]
    if as_json:
        print_json({**found, "handsets": rows})
        return
    if as_csv:
        names = list(found["handsets"][0]) if found["handsets"] else []
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow(
                ["; ".join(row[n]) if n == "reasons" else "" if row[n] is None else row[n] for n in names]
            )
        return
    cells = []
    for row in rows:
        offset = row["offset_db"]
        shown = "" if offset is None else f"{offset:+.1f} ± {Z_95 * row['offset_error_db']:.1f}"
        hours = f"{row['hours_logged']:.1f}"
        cells.append([row["device_id"], row["unit"] or "", (row["last_seen"] or "")[:16], hours,
                      shown, str(row["places_shared"]), "; ".join(row["reasons"])])  # fmt: skip
    print_table("", ["handset", "unit", "last seen", "hours", "offset dB", "shared cells", "why"], cells, {3, 4, 5})
    figures = found["fleet"]
    spread = (
        ""
        if figures["sigma_db"] is None
        else (f"; spread within a cell {figures['sigma_db']:.1f} dB, of handsets {figures['tau_db']:.1f} dB")
    )
    click.echo(f"{len(rows)} of {figures['handsets']} handsets shown{spread}")


@click.command()
@project_argument
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=str),
              help="The file: .gpkg, .parquet or .csv.")  # fmt: skip
@conditions
@click.option("--min-dbm", type=float, help="Weakest level.")
@click.option("--max-dbm", type=float, help="Strongest level.")
@click.option("--cells", "side_m", type=click.FloatRange(10, 10_000), metavar="METRES",
              help="Figures of square cells of that side instead of records.")  # fmt: skip
@click.option("--identities", is_flag=True, help="Real ids instead of pseudonyms; needs the key file, and is logged.")
@store_option
@json_option
@quiet_option
def export(project: str, output: str, side_m: float | None, identities: bool, store_url: str, as_json: bool,
           quiet: bool, **which: Any) -> None:  # fmt: skip
    """Records by time, area, handset, unit or level to GeoPackage, Parquet or CSV; times are UTC, positions WGS 84.

    Handsets appear under pseudonyms, made with the key in RADIOCOV_KEY_FILE (default: radiocov/pseudonym.key in your
    folder of settings; made on the first export). --identities is for who already holds that key. With --cells, cells
    of fewer than 3 handsets and fewer than 20 samples are held back. Every export is logged in the store.

    \b
    Examples:
      radiocov fleet export my-network --from 2026-11-01 -o november.gpkg
      radiocov fleet export my-network --area precinct.geojson --max-dbm -95 -o weak.csv
      radiocov fleet export my-network --cells 100 -o cells.parquet
    """
    from pathlib import Path

    from devices import export as exports
    from radiocov.fleet_store import open_store

    wanted = _wanted(**which)
    with open_store(project, store_url, create=False) as store, progress(quiet or as_json) as show:
        if side_m:
            done = exports.export_cells(store, wanted, side_m, Path(output))
        else:
            done = exports.export_records(store, wanted, Path(output), identities,
                                          progress=lambda rows: show("records written", rows, 0))  # fmt: skip
    if as_json:
        print_json(done)
        return
    held_back = f"; {done['held_back']} cells held back, too few handsets and samples" if side_m else ""
    click.echo(f"{done['file']}: {done['rows']} {'cells' if side_m else 'records'}{held_back}")
    if done.get("key_made"):
        click.echo(f"a key of pseudonyms was made: {done['key_file']}; keep it apart from the data", err=True)


@click.command()
@project_argument
@click.option(
    "--days", type=click.FloatRange(min=1), default=90, show_default=True, help="Age from which records go."
)
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--withdraw", type=int, metavar="BATCH", help="Instead: take back an import that was a mistake.")
@store_option
@json_option
def retention(project: str, days: float, dry_run: bool, withdraw: int | None, store_url: str, as_json: bool) -> None:
    """Remove records that are older than the rule, with a receipt; the figures of their 100 m cells stay, by month.

    Removes for good: with PostgreSQL the account needs to delete. --withdraw takes back one import by its batch
    number and names the files to import again, because later ones brought rows of it as well.

    \b
    Examples:
      radiocov fleet retention my-network --days 90 --dry-run
      radiocov fleet retention my-network --withdraw 12
    """
    from devices import retention as rule
    from radiocov.fleet_store import open_store

    with open_store(project, store_url, create=False) as store:
        receipt = (
            rule.remove_old(store, days, dry_run=dry_run) if withdraw is None else rule.withdraw(store, withdraw)
        )
    if as_json:
        print_json(receipt)
    elif withdraw is not None:
        click.echo(f"batch {withdraw} ({receipt['file']}) withdrawn: {receipt['removed']} records removed")
        for name in receipt["import_again"]:
            click.echo(f"import again: {name}")
    else:
        word = "would be removed" if dry_run else f"removed, figures of {receipt['cells_kept']} cells kept"
        click.echo(f"{receipt['removed']} records before {receipt['before']} {word}")
