"""radiocov logs import, radiocov logs formats."""

from __future__ import annotations

import json
from typing import Any

import click

from radiocov.cli.common import json_option, print_json, print_table, progress, project_argument, quiet_option

store_option = click.option("--store", "store_url", metavar="URL", default="",
                            help="A SQLite file or postgresql://user@host/database; default: RADIOCOV_STORE, else "
                                 "fleet.sqlite in the project.")  # fmt: skip


@click.command("import")
@project_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=str))
@click.option("--format", "format_", metavar="NAME|FILE.toml", default="",
              help="A log format, or your own description of one; default: recognised from the content.")  # fmt: skip
@click.option("--protocol", default="", help="Of a raw capture (tetra-pei, pdt, nmea ...); default: recognised.")
@click.option("--device", default="", help="Id of the handset, for rows that name none.")
@click.option("--datum", type=click.Choice(["wgs84", "cgcs2000", "gcj02", "bd09"]), help="Of the positions.")
@click.option("--zone", default="", metavar="ZONE", help="Of times that name none: Asia/Shanghai, UTC, +08:00.")
@click.option("--date", default="", metavar="DAY", help="On which times without a date begin: 2025-11-29.")
@click.option("--track", type=click.Path(exists=True, dir_okay=False, path_type=str),
              help="A file of positions (GPX, NMEA ...) for rows that have none: merged by time.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Refuse a file of which any row is rejected.")
@store_option
@json_option
@quiet_option
def import_(project: str, files: tuple[str, ...], format_: str, protocol: str, device: str, datum: str | None,
            zone: str, date: str, track: str | None, strict: bool, store_url: str, as_json: bool,
            quiet: bool) -> None:  # fmt: skip
    """Bring logs into the project's fleet store: each file whole or not at all, each row once, with a receipt.

    FILES are CSV and other logs (`radiocov logs formats`), GPX, KML, journals and raw captures, plain or in .gz and
    .zip. The same file again, parts of it and overlapping exports add nothing twice. Rows that cannot be used are
    rejected one by one and listed, with the reason, in FILE.rejects.csv beside the log.

    Writes to the store: with PostgreSQL the account needs to insert and, the first time, to create tables.

    \b
    Examples:
      radiocov logs import my-network drive.csv --zone Asia/Shanghai --datum wgs84
      radiocov logs import my-network *.zip --device 46001234 --json
      radiocov logs import my-network export.txt --format mine.toml --strict
    """
    from pathlib import Path

    from devices import formats
    from devices.errors import DevicesError
    from devices.formats.fields import Declared
    from devices.ingest import Order, import_file
    from radiocov.fleet_store import area_of, fallback_folder, road_distance, store_of
    from radiocov.project import load_project

    loaded = load_project(project)
    order = Order(
        Declared(device, zone, date, datum or "", track or ""), formats.load(format_) if format_ else None, protocol,
        area_of(loaded), strict, fallback=fallback_folder(loaded), road_distance=road_distance(loaded),
    )  # fmt: skip
    receipts, errors = [], []
    with store_of(loaded, store_url) as store:
        for name in files:
            try:
                with progress(quiet or as_json) as show:
                    receipts.append(import_file(store, Path(name), order, show))
            except DevicesError as error:
                errors.append({"file": name, "error": str(error)})
                if not as_json:
                    for line in str(error).splitlines():
                        click.echo(f"error: {line}", err=True)
            else:
                if not as_json:
                    print_receipt(receipts[-1])
    if as_json:
        print_json({"receipts": receipts, "errors": errors})
    if errors:
        raise SystemExit(2)


def print_receipt(receipt: dict[str, Any]) -> None:
    from devices import rejects

    again = ", imported before: the first receipt" if receipt["repeated"] else ""
    rows = [["rows read", str(receipt["rows_read"])], ["accepted", str(receipt["accepted"])],
            ["duplicate", str(receipt["duplicate"])], ["rejected", str(receipt["rejected"])]]  # fmt: skip
    rows += [[f"  {code}", f"{n}  {rejects.text(code)}"] for code, n in receipt["rejected_by_reason"].items()]
    rows += [[f"noted: {name}", f"{n}  {rejects.text(name)}"] for name, n in receipt["flagged"].items()]
    rows += [[f"skipped: {name}", f"{n}  {rejects.text(name)}"] for name, n in receipt["skipped"].items()]
    if receipt["devices"]:
        shown = ", ".join(list(receipt["devices"])[:5]) + (" ..." if receipt["device_count"] > 5 else "")
        rows += [["handsets", f"{receipt['device_count']}  {shown}"],
                 ["time", f"{receipt['first_time']} to {receipt['last_time']}"]]  # fmt: skip
    facts = [f"{key.replace('_', ' ')} {json.dumps(value)}" for key, value in receipt["facts"].items()]
    rows.append(["read as", ", ".join([receipt["profile"], f"datum {receipt['datum'] or '-'}", *facts])])
    print_table(f"{receipt['file']}: batch {receipt['batch']}{again}", ["", "receipt"], rows)
    for note in receipt["notes"]:
        click.echo(f"note: {note}", err=True)
    if not receipt["rows_read"]:
        click.echo(f"warning: {receipt['file']}: 0 rows", err=True)
    if receipt["reject_file"]:
        click.echo(f"rejected rows: {receipt['reject_file']}", err=True)


@click.command()
@click.argument("name", required=False)
@json_option
def formats(name: str | None, as_json: bool) -> None:
    """List the log formats that are built in, or print the description of one: a start for your own.

    \b
    Examples:
      radiocov logs formats
      radiocov logs formats generic > mine.toml
      radiocov logs formats mine.toml
    """
    from devices import formats as known

    if name and not name.endswith(".toml"):
        text = known.source(name)
        print_json({"name": name, "description": text}) if as_json else click.echo(text, nl=False)
        return
    descriptions = [known.load(name)] if name else known.built_in()
    rows = [{"name": d.name, "version": d.version, "kind": d.file.kind, "title": d.title, "title_zh": d.title_zh,
             "to_be_stated": d.missing_facts()} for d in descriptions]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    cells = [[r["name"], r["version"], r["kind"], r["title"], ", ".join(r["to_be_stated"])] for r in rows]
    print_table("", ["name", "version", "kind", "what it is", "only you can state"], cells)
