"""radiocov logs upload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from radiocov.cli.common import json_option, print_json, print_table, progress, quiet_option


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=str))
@click.option("--to", "url", metavar="URL", default="", help="Address of the service.")
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=str),
              help="A file that holds the team's token; it is read each time and not copied.")  # fmt: skip
@click.option("--device", default="", help="Id of the handset, for rows that name none.")
@click.option("--datum", type=click.Choice(["wgs84", "cgcs2000", "gcj02", "bd09"]), help="Of the positions.")
@click.option("--zone", default="", metavar="ZONE", help="Of times that name none: Asia/Shanghai, UTC, +08:00.")
@click.option("--date", default="", metavar="DAY", help="On which times without a date begin: 2025-11-29.")
@click.option("--format", "format_", metavar="NAME", default="", help="A built-in log format; default: recognised.")
@click.option("--queue-only", is_flag=True, help="Put into the queue, send nothing now.")
@click.option("--send", "only_send", is_flag=True, help="Send what is queued; no FILES.")
@click.option("--list", "only_list", is_flag=True, help="Show what is queued; no FILES.")
@click.option("--forget", metavar="ID", default="", help="Remove an entry from the queue, by its id in --list.")
@click.option("--wait", type=click.FloatRange(min=0), default=120.0, show_default=True,
              help="Seconds to wait for each receipt.")  # fmt: skip
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=str), default=None,
              help="Certificates to trust, where the service's is of your own authority.")  # fmt: skip
@click.option("--plain-http", is_flag=True, help="Allow http:// to another computer: token and positions are open.")
@json_option
@quiet_option
def upload(files: tuple[str, ...], url: str, token_file: str | None, device: str, datum: str | None, zone: str,
           date: str, format_: str, queue_only: bool, only_send: bool, only_list: bool, forget: str, wait: float,
           ca: str | None, plain_http: bool, as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Send logs to a service and print the receipts.

    FILES are first copied into a queue of this computer (radiocov/outbox in your folder of states, or
    RADIOCOV_STATE): without a network they wait there, and `--send` brings them over later, from the byte where it
    stopped. The same file twice is recognised by the service. Exit code 3: the service can't be reached, and what is
    queued is said.

    \b
    Examples:
      radiocov logs upload day1.journal drive.csv --to https://coverage.example.org --token-file token.txt
      radiocov logs upload --send
      radiocov logs upload --list
    """
    from radiocov import outbox

    if bool(files) + only_send + only_list + bool(forget) != 1:
        raise click.UsageError("name FILES, or give one of --send, --list and --forget")
    if only_list:
        _list(outbox.entries(), as_json)
        return
    if forget:
        _forget(outbox, forget)
        return
    if files:
        if not url or not token_file:
            raise click.UsageError("FILES need --to URL and --token-file FILE")
        address = outbox.check_address(url, plain_http)
        _token(token_file)
        declared = {"device": device, "datum": datum or "", "zone": zone, "date": date, "format": format_}
        trusted = str(Path(ca).absolute()) if ca else ""
        wanted = {outbox.put(Path(name), address, Path(token_file), declared, trusted) for name in files}
    else:
        wanted = {path for path, entry in outbox.entries() if entry["state"] != "refused"}
    chosen = [(path, entry) for path, entry in outbox.entries() if path in wanted]
    if queue_only:
        click.echo(f"{len(chosen)} queued; `radiocov logs upload --send` sends", err=True)
        return
    _send(outbox, chosen, token_file, wait, as_json, quiet)


def _send(outbox: Any, chosen: list[Any], token_file: str | None, wait: float, as_json: bool, quiet: bool) -> None:
    from filelock import FileLock, Timeout

    from radiocov.problems import Problem, ProjectError

    found, refused, waiting = [], 0, 0
    outbox.folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(outbox.folder() / "sending.lock", timeout=0):
            for number, (path, entry) in enumerate(chosen):
                try:
                    token = _token(token_file or entry["token_file"])
                    with progress(quiet or as_json) as show:
                        sent = outbox.send(path, entry, token, wait, show)
                except outbox.Unreachable as error:
                    left = len(chosen) - number
                    raise OSError(f"{error}; {left} queued, `radiocov logs upload --send` sends later") from error
                except outbox.Refused as error:
                    fault = f"{error}; {len(chosen) - number} stay queued"
                    problem = Problem(entry["url"], "", fault, "--send with another --token-file")
                    raise ProjectError(problem) from error
                found.append(sent)
                refused += sent["state"] in ("refused", "failed")
                waiting += sent["state"] == "queued"
                if not as_json:
                    _print(sent)
    except Timeout:
        raise OSError("another `radiocov logs upload` is sending; what is queued here goes with --send") from None
    if as_json:
        print_json(found)
    if waiting:
        click.echo(f"{waiting} arrived and wait to be read; --send shows the receipts later", err=True)
    if refused:
        raise SystemExit(2)


def _token(path: str) -> str:
    from radiocov.problems import Problem, ProjectError

    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split()
    except FileNotFoundError:
        raise ProjectError(Problem(path, "", "there is no such file", "put the token there")) from None
    except ValueError:
        lines = []
    if len(lines) != 1 or not lines[0].startswith("rc_"):
        raise ProjectError(Problem(path, "", "holds no token", "it is one word that begins with rc_"))
    return lines[0]


def _print(sent: dict[str, Any]) -> None:
    receipt = sent["receipt"]
    if receipt is None:
        if sent["state"] != "queued":
            click.echo(f"error: {sent['name']}: {sent['message']}", err=True)
        return
    rows = [[key.replace("_", " "), str(receipt[key])] for key in ("rows_read", "accepted", "duplicate", "rejected")]
    for key, word in (("rejected_by_reason", ""), ("flagged", "noted: "), ("skipped", "skipped: ")):
        rows += [[f"  {word}{found['code']}", f"{found['rows']}  {found['reason']}"] for found in receipt[key]]
    rows.append(["handsets", f"{receipt['device_count']}  {', '.join(list(receipt['devices'])[:5])}"])
    rows.append(["time", f"{receipt['first_time']} to {receipt['last_time']}"])
    before = sent["sent_before"] or receipt["repeated"]
    again = ", imported before: the first receipt" if before else ""
    print_table(f"{receipt['file']}: batch {receipt['batch']}{again}", ["", "receipt"], rows)
    for note in receipt["notes"]:
        click.echo(f"note: {note}", err=True)


def _list(found: list[Any], as_json: bool) -> None:
    rows = [{"id": path.name, "file": entry["name"], "bytes": entry["size"], "to": entry["url"],
             "state": entry["state"], "message": entry["message"]} for path, entry in found]  # fmt: skip
    if as_json:
        print_json(rows)
    else:
        print_table("", ["id", "file", "bytes", "to", "state", "message"],
                    [[str(value) for value in row.values()] for row in rows], {2})  # fmt: skip


def _forget(outbox: Any, wanted: str) -> None:
    from radiocov.problems import Problem, ProjectError

    found = [path for path, _ in outbox.entries() if path.name == wanted]
    if not found:
        raise ProjectError(Problem("--forget", "", f"{wanted} is not in the queue", "--list shows what is"))
    outbox.forget(found[0])
    click.echo(f"{wanted} is gone from the queue")
