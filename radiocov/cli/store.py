"""radiocov store: the losses and grounds that a project keeps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from radiocov.cli.common import (
    Number,
    json_option,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)

if TYPE_CHECKING:
    from radiocov.coverage.upkeep import Survey


@click.group()
def store() -> None:
    """What a project keeps under .radiocov, so that nothing is computed twice: loss rasters and prepared grounds.

    \b
    Examples:
      radiocov store info my-network
      radiocov store prune my-network --unused --dry-run
    """


def _survey(project: str, quiet: bool) -> Survey:
    inputs = read_all(project)
    with progress(quiet) as show:
        from radiocov.coverage.upkeep import survey

        return survey(inputs, show)


@store.command()
@project_argument
@quiet_option
@json_option
def info(project: str, quiet: bool, as_json: bool) -> None:
    """How many losses and grounds are kept, of which models and sites, what is in use and what is damaged.

    In use is what the project needs as it stands, and what the listed results were made from.

    \b
    Example:
      radiocov store info my-network
    """
    found = _survey(project, quiet)
    if as_json:
        print_json(_to_dict(found))
        return
    entries = found.entries
    rows = [
        ["loss rasters", *_counted(entries)],
        ["  the project needs", *_counted([e for e in entries if e.in_project])],
        ["  results were made from", *_counted([e for e in entries if e.in_results])],
        ["  not in use", *_counted([e for e in entries if not e.used])],
        ["  damaged", *_counted([e for e in entries if e.damaged])],
        ["prepared grounds", *_counted(found.grounds)],
        ["  not in use", *_counted([g for g in found.grounds if not g.in_project])],
    ]
    print_table(str(found.store.folder), ["", "count", "MB"], rows, {1, 2})
    if entries:
        for what in ("model", "site"):
            values = sorted({getattr(e, what) for e in entries})
            rows = [[value, *_counted([e for e in entries if getattr(e, what) == value])] for value in values]
            print_table("", [what, "count", "MB"], rows, {1, 2})
        click.echo(f"oldest: {_date(min(e.written_s for e in entries))}")
    for e in entries:
        if e.damaged:
            click.echo(f"damaged: {e.files[0].with_suffix('.tif')} (site {e.site}); the next run computes it again")
    if not found.ground_known:
        click.echo("the project's ground is not prepared, so no loss can be said to be of the project as it stands")


@store.command()
@project_argument
@click.option("--unused", is_flag=True, help="All that neither the project nor listed results use.")
@click.option("--older-than", type=Number(0.0), metavar="DAYS", help="Of what is not in use, what is older.")
@click.option("--all", "everything", is_flag=True, help="Everything, also what is in use; not while a run goes on.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@quiet_option
@json_option
def prune(project: str, unused: bool, older_than: float | None, everything: bool, dry_run: bool, quiet: bool,
          as_json: bool) -> None:  # fmt: skip
    """Remove loss rasters and prepared grounds. Damaged rasters go in any case.

    What the project needs, or listed results were made from, stays unless --all is given.

    \b
    Examples:
      radiocov store prune my-network --unused --dry-run
      radiocov store prune my-network --older-than 90
    """
    if unused + (older_than is not None) + everything != 1:
        raise click.UsageError("give one of --unused, --older-than DAYS and --all")
    found = _survey(project, quiet)
    with progress(quiet) as show:
        from radiocov.coverage.upkeep import Choice, chosen, remove

        losses, grounds = chosen(found, Choice(everything, older_than or 0.0))
        if not dry_run:
            remove(found.store, losses, grounds, show)
    size = sum(one.bytes for one in (*losses, *grounds))
    if as_json:
        print_json(
            {
                "removed": not dry_run, "bytes": size, "losses": [_entry(e) for e in losses],
                "grounds": [g.folder.name for g in grounds],
            }  # fmt: skip
        )
        return
    for e in losses:
        click.echo(f"{e.key} {e.model}, site {e.site}{', damaged' if e.damaged else ''}")
    for g in grounds:
        click.echo(f"{g.folder.name} ground")
    done = "would be removed" if dry_run else "removed"
    click.echo(f"{len(losses)} loss rasters and {len(grounds)} prepared grounds {done}, {size:,} bytes")


def _counted(of: list[Any]) -> list[str]:
    return [str(len(of)), f"{sum(one.bytes for one in of) / 1e6:.1f}"]


def _date(seconds: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def _entry(e: Any) -> dict[str, Any]:
    return {
        "key": e.key, "site": e.site, "model": e.model, "bytes": e.bytes, "written": _date(e.written_s),
        "in_project": e.in_project, "in_results": e.in_results, "damaged": e.damaged,
    }  # fmt: skip


def _to_dict(found: Survey) -> dict[str, Any]:
    entries = found.entries
    return {
        "folder": str(found.store.folder),
        "count": len(entries),
        "bytes": sum(e.bytes for e in entries),
        "oldest": _date(min(e.written_s for e in entries)) if entries else None,
        "by_model": dict(Counter(e.model for e in entries)),
        "by_site": dict(Counter(e.site for e in entries)),
        "in_project": sum(e.in_project for e in entries),
        "in_results": sum(e.in_results for e in entries),
        "unused": sum(not e.used for e in entries),
        "damaged": [e.key for e in entries if e.damaged],
        "ground_prepared": found.ground_known,
        "losses": [_entry(e) for e in entries],
        "grounds": [{"key": g.folder.name, "bytes": g.bytes, "in_project": g.in_project} for g in found.grounds],
    }
