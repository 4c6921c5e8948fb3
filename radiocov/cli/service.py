"""radiocov service: tokens, links, backup and restore of the service of a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from radiocov.cli.common import json_option, print_json, print_table, progress, project_argument, quiet_option
from radiocov.cli.serve import _public_url, database_option


def settings_of(
    project: str, database: str = "", public_url: str = "", lang: str = "en", **more: Any
) -> Any:
    """Settings of a service. Raises ProjectError where the extra is not installed, or there is no project."""
    from importlib.util import find_spec
    from pathlib import Path

    from radiocov.problems import Problem, ProjectError
    from radiocov.project import load_project

    for package in ("fastapi", "jinja2", "prometheus_client", "segno", "uvicorn"):
        if find_spec(package) is None:
            fault = f"the package {package} is not installed"
            raise ProjectError(Problem("radiocov serve", "", fault, "pip install 'radiocov[web]'"))
    from radiocov.web.settings import Settings

    folder = load_project(project).folder
    return Settings(Path(folder).absolute(), database, public_url, lang, **more)


@contextmanager
def _opened(project: str, database: str) -> Iterator[Any]:
    settings = settings_of(project, database)
    from radiocov.web.schema import Database

    with Database(settings) as db:
        yield db


@click.group()
def service() -> None:
    """The service of a project: tokens, links for administrators, backup and restore.

    \b
    Examples:
      radiocov service token create my-network --role field --name "Team 1" --zone Asia/Shanghai --datum wgs84
      radiocov service link my-network
      radiocov service backup my-network monday.tar
    """


@service.group()
def token() -> None:
    """Tokens: make, list, revoke. Each is shown once; the service keeps its hash alone.

    \b
    Example:
      radiocov service token list my-network
    """


@token.command("create")
@project_argument
@click.option("--role", type=click.Choice(["admin", "engineer", "manager", "field", "monitor"]), required=True,
              help="What it is for.")  # fmt: skip
@click.option("--name", required=True, help="Of the person or team; a team's uploads go by it.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True, max=400), default=30.0, show_default=True,
              help="How long it is good.")  # fmt: skip
@click.option("--zone", default="", metavar="ZONE", help="Of the team's times that name none: Asia/Shanghai.")
@click.option("--datum", type=click.Choice(["wgs84", "cgcs2000", "gcj02", "bd09"]), help="Of the team's positions.")
@click.option("--public-url", callback=_public_url, default="http://127.0.0.1:8350", show_default=True,
              help="Address of the service, for --qr.")  # fmt: skip
@click.option("--qr", is_flag=True, help="Also a QR code that signs a phone in.")
@database_option
@json_option
def create(project: str, role: str, name: str, days: float, zone: str, datum: str | None, public_url: str, qr: bool,
           database: str, as_json: bool) -> None:  # fmt: skip
    """Make a token and print it, this once.

    \b
    Examples:
      radiocov service token create my-network --role manager --name "Chief of staff" --days 90
      radiocov service token create my-network --role field --name "Team 1" --qr --public-url https://coverage.example.org
    """
    with _opened(project, database) as db:
        from devices.store import this_person
        from radiocov.web import auth
        from radiocov.web.qr import print_qr

        number, secret = auth.create_token(db, name, role, days, this_person(), zone=zone, datum=datum or "")
    if as_json:
        print_json({"id": number, "token": secret, "name": name, "role": role, "days": days})
        return
    click.echo(secret)
    if qr:
        print_qr(f"{public_url}/login#token={secret}")


@token.command("list")
@project_argument
@database_option
@json_option
def list_(project: str, database: str, as_json: bool) -> None:
    """Tokens with their state, the newest first.

    \b
    Example:
      radiocov service token list my-network
    """
    with _opened(project, database) as db:
        from radiocov.web import auth

        rows = auth.listing(db)
    if as_json:
        print_json(rows)
        return
    names = ["id", "name", "role", "state", "expires", "used", "created_by"]
    cells = [[str(row[n]) if row[n] is not None else "" for n in names] for row in rows]
    print_table("", names, cells, {0})


@token.command()
@project_argument
@click.argument("number", type=int)
@database_option
def revoke(project: str, number: int, database: str) -> None:
    """End a token and all sessions by it, at once.

    \b
    Example:
      radiocov service token revoke my-network 7
    """
    with _opened(project, database) as db:
        from devices.errors import DevicesError
        from devices.store import this_person
        from radiocov.web import auth
        from radiocov.web.refusal import Refusal

        try:
            auth.revoke(db, number, None, this_person())
        except Refusal as error:
            raise DevicesError(f"there is no token {number}; `radiocov service token list` shows them") from error
    click.echo(f"token {number} is revoked")


@service.command()
@project_argument
@click.option("--public-url", callback=_public_url, default="http://127.0.0.1:8350", show_default=True,
              help="Address of the service.")  # fmt: skip
@database_option
def link(project: str, public_url: str, database: str) -> None:
    """Print a link that signs an administrator in, once, within an hour.

    \b
    Example:
      radiocov service link my-network --public-url https://coverage.example.org
    """
    with _opened(project, database) as db:
        from devices.store import this_person
        from radiocov.web import auth
        from radiocov.web.settings import Limits

        click.echo(auth.one_time_link(db, Limits(), public_url, this_person()))


@service.command()
@project_argument
@click.argument("file", type=click.Path(dir_okay=False, path_type=str))
@database_option
@quiet_option
def backup(project: str, file: str, database: str, quiet: bool) -> None:
    """Write everything the service holds into one archive, while it runs.

    In it: both databases as they stood at one moment each (with PostgreSQL a dump by pg_dump), the logs as they came,
    project.toml and the sites. Terrain and results are not: they can be made again.

    \b
    Example:
      radiocov service backup my-network /backup/my-network-2026-11-25.tar
    """
    settings = settings_of(project, database)
    from pathlib import Path

    from radiocov.web.backup import write_backup

    with progress(quiet) as show:
        made = write_backup(settings, Path(file), show)
    click.echo(f"{file}: {made['files']} files, {made['bytes'] / 2**20:.1f} MiB")


@service.command()
@project_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=str))
@click.option("--replace", is_flag=True, help="Put it in place of what is there; that is kept beside it.")
@database_option
@quiet_option
def restore(project: str, file: str, replace: bool, database: str, quiet: bool) -> None:
    """Bring a backup back, after its checksums were verified. The service must not be running.

    \b
    Examples:
      radiocov service restore my-network /backup/my-network-2026-11-25.tar
      radiocov service restore my-network monday.tar --replace
    """
    settings = settings_of(project, database)
    from pathlib import Path

    from radiocov.web.backup import read_backup

    with progress(quiet) as show:
        made = read_backup(settings, Path(file), replace, show)
    click.echo(f"{made['files']} files restored, from {made['made']}")


@service.command()
@project_argument
@click.option("--days", type=click.FloatRange(min=1), default=90.0, show_default=True,
              help="Logs as they came, and unfinished uploads, older than this go.")  # fmt: skip
@click.option("--audit-days", type=click.FloatRange(min=30), metavar="DAYS",
              help="Also remove entries of the audit trail older than this.")  # fmt: skip
@click.option("--audit-file", type=click.Path(dir_okay=False, path_type=str), metavar="FILE.jsonl",
              help="Takes the removed entries first, one JSON object a line.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only count.")
@database_option
@json_option
def prune(project: str, days: float, audit_days: float | None, audit_file: str | None, dry_run: bool, database: str,
          as_json: bool) -> None:  # fmt: skip
    """Remove logs as they came whose rows are in the store, and uploads that nobody finished; receipts stay.

    The records themselves go by `radiocov fleet retention`. What is removed, of the audit trail, too, is written down
    in the audit trail.

    \b
    Examples:
      radiocov service prune my-network --days 90
      radiocov service prune my-network --audit-days 730 --audit-file audit-2024.jsonl
    """
    if audit_file and audit_days is None:
        raise click.UsageError("--audit-file needs --audit-days")
    settings = settings_of(project, database)
    from pathlib import Path

    from devices.store import this_person
    from radiocov.web.audit import shorten
    from radiocov.web.backup import prune_uploads
    from radiocov.web.schema import Database

    with Database(settings) as db:
        audit = None
        if audit_days is not None:
            audit = shorten(db, audit_days, this_person(), Path(audit_file) if audit_file else None, dry_run)
        found: dict[str, Any] = prune_uploads(db, settings, days, this_person(), dry_run)
    if audit is not None:
        found["audit"] = audit
    if as_json:
        print_json(found)
    else:
        word = "would go" if dry_run else "gone"
        click.echo(f"{word}: {found['logs']} logs as they came, {found['unfinished']} unfinished uploads, "
                   f"{found['bytes'] / 2**20:.1f} MiB")  # fmt: skip
        if audit is not None:
            kept = f", kept in {audit['file']}" if audit["file"] and not dry_run else ""
            click.echo(f"{word}: {audit['removed']} entries of the audit trail before {audit['before']}{kept}")
