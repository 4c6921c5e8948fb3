"""radiocov serve."""

from __future__ import annotations

import click

from radiocov.cli.common import project_argument

database_option = click.option("--database", metavar="URL", envvar="RADIOCOV_DATABASE", default="", show_envvar=True,
                               help="postgresql://user@host/database for records and service; default: SQLite in the "
                                    "project.")  # fmt: skip


def _public_url(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/")):
        raise click.BadParameter(f"{value!r} is no address; write e.g. https://coverage.example.org")
    return value.rstrip("/")


def _addresses(ctx: click.Context, param: click.Parameter, value: str) -> str:
    import ipaddress

    for one in value.split(","):
        try:
            ipaddress.ip_network(one.strip(), strict=False)
        except ValueError as error:
            raise click.BadParameter(f"{one!r} is no address; write e.g. 10.88.0.1 or 10.88.0.0/16") from error
    return value.replace(" ", "")


@click.command()
@project_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; leave it to the proxy.")
@click.option("--port", type=click.IntRange(0, 65535), default=8350, show_default=True, help="0: any that is free.")
@database_option
@click.option("--public-url", callback=_public_url, default="", metavar="URL",
              help="As people type it, when a reverse proxy stands before: https://coverage.example.org")  # fmt: skip
@click.option("--proxy", "proxies", callback=_addresses, default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Of the reverse proxy, as the service sees it; its X-Forwarded-For is believed. Several: with "
                   "commas.")  # fmt: skip
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True,
              help="Of pages, where a browser prefers none of the two.")  # fmt: skip
@click.option("--basemap", is_flag=True, help="Let the map fetch a basemap's tiles from the internet, for who asks.")
@click.option("--audit-days", type=click.FloatRange(min=30), metavar="DAYS",
              help="Entries of the audit trail older than this go, day by day; by default none does.")  # fmt: skip
def serve(project: str, host: str, port: int, database: str, public_url: str, proxies: str, lang: str, basemap: bool,
          audit_days: float | None) -> None:  # fmt: skip
    """Serve a project to field teams, managers and engineers, until Ctrl-C.

    The first run prints a link that signs an administrator in, once. Records come into the project's fleet store;
    what the service itself keeps is in the folder service/ of the project. Needs the extra radiocov[web].

    \b
    Examples:
      radiocov serve my-network
      radiocov serve my-network --public-url https://coverage.example.org --database postgresql://radiocov@db/radiocov
    """
    from radiocov.cli.service import settings_of

    settings = settings_of(project, database, public_url, lang, basemap=basemap, proxies=proxies,
                           audit_days=audit_days or 0.0)  # fmt: skip
    from radiocov.web.serve import serve as run

    try:
        run(settings, host, port, click.echo)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
