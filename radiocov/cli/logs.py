"""radiocov logs: the commands of field teams, each a module of its own."""

from __future__ import annotations

import click

from radiocov.cli import LazyGroup

COMMANDS: dict[str, tuple[str, str, str]] = {
    "ports": ("radiocov.cli.logs_record", "ports", "Serial ports that are plugged in, and what they seem to be."),
    "record": ("radiocov.cli.logs_record", "record", "Record what a handset says, every byte, and show it live."),
    "replay": ("radiocov.cli.logs_record", "replay", "Read a journal again, with the parsers of today."),
    "import": ("radiocov.cli.logs_import", "import_", "Bring logs into the fleet store, with a receipt."),
    "upload": ("radiocov.cli.logs_upload", "upload", "Send logs to a service, now or when there is a network."),
    "formats": ("radiocov.cli.logs_import", "formats", "Log formats that can be read, built in and your own."),
    "simulate": ("radiocov.cli.logs_simulate", "simulate", "Handsets on pseudo-terminals that drive a route."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def logs() -> None:
    """Signal logs of handsets: record them over a serial port, bring files, rehearse without a radio.

    \b
    Examples:
      radiocov logs ports
      radiocov logs record /dev/ttyUSB0 -o day1.journal
      radiocov logs import my-network day1.journal drive.csv
    """
