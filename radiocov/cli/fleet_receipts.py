"""radiocov fleet receipts."""

from __future__ import annotations

import click

from radiocov.cli.common import json_option, print_json, print_table, project_argument
from radiocov.cli.logs_import import print_receipt, store_option

COUNTS = ("batch", "accepted", "duplicate", "rejected", "removed")


@click.command()
@project_argument
@click.argument("batch", required=False, type=int)
@click.option("--removals", is_flag=True, help="Receipts of retention and withdrawals instead of imports.")
@click.option("--access", is_flag=True, help="The access log instead: who looked at or exported what.")
@store_option
@json_option
def receipts(project: str, batch: int | None, removals: bool, access: bool, store_url: str, as_json: bool) -> None:
    """What was imported, removed and looked at, when and by whom; with a BATCH its receipt. Only reads.

    \b
    Examples:
      radiocov fleet receipts my-network
      radiocov fleet receipts my-network 12 --json
      radiocov fleet receipts my-network --access
    """
    from devices import receipts as kept
    from radiocov.fleet_store import open_store

    with open_store(project, store_url, create=False) as store:
        rows = kept.accesses(store) if access else kept.removals(store) if removals else kept.imports(store, batch)
    if as_json:
        print_json(rows)
    elif access:
        _print(["at", "who", "action", "detail", "identities"], rows)
    elif removals:
        _print(["at", "who", "what", "removed"], rows)
    elif batch is not None:
        print_receipt(rows[0])
    else:
        _print(["batch", "received", "who", "file", "accepted", "duplicate", "rejected", "withdrawn"], rows)


def _print(names: list[str], rows: list[dict]) -> None:
    cells = [["" if row[name] is None or row[name] is False else str(row[name]) for name in names] for row in rows]
    print_table("", names, cells, {at for at, name in enumerate(names) if name in COUNTS})
