"""radiocov logs ports, record, replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from radiocov.cli.common import json_option, print_json, print_table, quiet_option

if TYPE_CHECKING:
    from devices.settings import Settings

profile_option = click.option(
    "--profile", type=click.Path(exists=True, dir_okay=False), help="TOML file with what the bytes don't say."
)
PER_PORT = "(PORT=VALUE where they differ)"


@click.command()
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
def ports(as_csv: bool, as_json: bool) -> None:
    """List the serial ports that are plugged in, what they seem to be, and what stands in the way of using them.

    Nothing is opened and nothing sent. `radiocov logs record PORT --probe` finds out more about one.

    \b
    Example:
      radiocov logs ports
    """
    import csv
    import sys
    from dataclasses import asdict, fields

    from devices.ports import PortInfo, plugged_in

    found = plugged_in()
    if as_json:
        print_json([asdict(info) for info in found])
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, [field.name for field in fields(PortInfo)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(info) for info in found)
    elif not found:
        click.echo("no serial port is plugged in", err=True)
    else:
        columns = ["port", "seems to be", "protocol", "USB", "serial number", "description", "note"]
        rows = [[i.name, i.seems, i.protocol, i.usb, i.serial_number, i.description, i.note] for i in found]
        print_table("", columns, rows)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PORT...")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The journal, continued if it is there.")
@click.option("--protocol", "protocols", multiple=True, metavar="NAME",
              help=f"tetra-pei, pdt, dmr-at, hytera, nmea or gpsd {PER_PORT}.")  # fmt: skip
@click.option("--baud", "bauds", multiple=True, metavar="RATE", help=f"Default 115200 {PER_PORT}.")
@click.option("--probe", is_flag=True, help="Find baud rate and protocol first; sends nothing that can transmit.")
@click.option("--device", "devices", multiple=True, metavar="ID", help=f"Identity of the handset {PER_PORT}.")
@click.option("--gps", metavar="PORT", help="Positions from this receiver (a port, or gpsd://HOST) for all others.")
@profile_option
@click.option("--raw", is_flag=True, help="Listen only: send nothing, read nothing into it.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop by itself after so long.")
@quiet_option
@json_option
def record(names: tuple[str, ...], output: str | None, protocols: tuple[str, ...], bauds: tuple[str, ...],
           probe: bool, devices: tuple[str, ...], gps: str | None, profile: str | None, raw: bool,
           seconds: float | None, quiet: bool, as_json: bool) -> None:  # fmt: skip
    """Record everything handsets say, byte for byte, and show level and position live. Ctrl-C ends it.

    PORT is a serial port, an address (socket://HOST:PORT, rfc2217://HOST:PORT, gpsd://HOST), a capture file that may
    still grow, or a folder of such. The journal holds the bytes as they came; `radiocov logs replay` and `radiocov
    logs import` read it; without -o it is named after the time. With --protocol (or --probe) a handset that speaks
    only when asked is asked in turn; no query can make a radio transmit.

    \b
    Examples:
      radiocov logs record /dev/ttyACM0 --protocol tetra-pei --baud 38400 -o day1.journal
      radiocov logs record /dev/ttyUSB0 /dev/ttyUSB1 --probe --gps gpsd://localhost
      radiocov logs record /dev/ttyUSB0 --raw -o unknown-handset.journal
    """
    from pathlib import Path

    from devices.clocks import utc_us, when
    from devices.reading import Port
    from devices.recorder import Recorder
    from radiocov.cli.logs_live import watch

    if gps in names:
        raise click.UsageError(f"--gps {gps}: is among the ports to record; name it once")
    settings = _settings(names, gps, protocols, bauds, devices, profile)
    if probe:
        settings |= {name: _probed(name, settings[name], quiet) for name in names}
    wanted = [Port(name, one, gps=name == gps, raw=raw) for name, one in settings.items()]
    stamp = when(utc_us()).replace("-", "").replace(":", "").replace(" ", "-").rstrip("Z")
    journal = Path(output or f"radiocov-{stamp}.journal")
    if not journal.parent.is_dir():
        raise click.UsageError(f"-o {journal}: there is no folder {journal.parent}")
    lines: list[Any] = []
    recorder = Recorder(wanted, journal, lines.append)
    recorder.start()
    watch(recorder, lines, seconds, quiet or as_json)
    rejects = sum(recorder.rejects.values())
    if as_json:
        print_json({"journal": str(journal), "bytes": sum(v.received_bytes for v in recorder.view()),
                    "records": recorder.records, "rejected": recorder.rejects,
                    "counts": recorder.session.counts()})  # fmt: skip
    else:
        received = sum(view.received_bytes for view in recorder.view())
        click.echo(f"{journal}: {received} bytes, {recorder.records} records, {rejects} rejected")
        for code, number in sorted(recorder.rejects.items()):
            click.echo(f"  rejected, {code}: {number}")


def _per_port(option: str, values: tuple[str, ...], names: tuple[str, ...], gps: str | None) -> dict[str, str]:
    """Values by port: one for all that are recorded, or PORT=VALUE each."""
    found: dict[str, str] = {}
    for value in values:
        name = next((n for n in (*names, gps) if n and value.startswith(f"{n}=")), None)
        if name is not None:
            found[name] = value[len(name) + 1 :]
        elif "=" in value:
            raise click.UsageError(f"{option} {value}: there is no such port; ports here: {', '.join(names)}")
        elif option == "--device" and len(names) > 1:
            raise click.UsageError(f"{option} {value}: say whose of the {len(names)} ports, as PORT={value}")
        else:
            found |= dict.fromkeys(names, value)
    return found


def _settings(names: tuple[str, ...], gps: str | None, protocols: tuple[str, ...], bauds: tuple[str, ...],
              devices: tuple[str, ...], profile: str | None) -> dict[str, Settings]:  # fmt: skip
    from dataclasses import replace

    from devices.protocols import PROTOCOLS
    from devices.settings import Settings, load_profile

    by_protocol = _per_port("--protocol", protocols, names, gps)
    by_baud = _per_port("--baud", bauds, names, gps)
    by_device = _per_port("--device", devices, names, gps)
    for name in by_protocol.values():
        if name not in PROTOCOLS:
            raise click.UsageError(f"--protocol {name}: there is no such; possible: {', '.join(PROTOCOLS)}")
    for rate in by_baud.values():
        if not rate.isdigit() or int(rate) == 0:
            raise click.UsageError(f"--baud {rate}: a rate such as 9600, 38400 or 115200")
    settings = dict.fromkeys(names, load_profile(profile) if profile else Settings())
    if gps:
        settings[gps] = Settings(protocol="gpsd" if gps.startswith("gpsd://") else "nmea", baud=9600)
    for name, one in settings.items():
        baud = int(by_baud[name]) if name in by_baud else one.baud
        settings[name] = replace(one, protocol=by_protocol.get(name, one.protocol), baud=baud,
                                 device_id=by_device.get(name, one.device_id))  # fmt: skip
    return settings


def _probed(name: str, settings: Settings, quiet: bool) -> Settings:
    from dataclasses import replace

    from devices.probe import probe
    from radiocov.cli.common import progress

    if settings.protocol and settings.baud:
        return settings
    with progress(quiet) as say:
        found = probe(name, settings, lambda what, done, total: say(f"{name}: {what}", done, total))
    click.echo(f"{name}: {found.protocol or 'unknown protocol'} at {found.baud} baud; {found.evidence}", err=True)
    return replace(settings, baud=found.baud, protocol=settings.protocol or found.protocol)


@click.command()
@click.argument("journal", type=click.Path(exists=True, dir_okay=False))
@click.option("--protocol", metavar="NAME", help="Read all of it as this, whatever was noted.")
@click.option("--device", metavar="ID", help="Identity of a handset that doesn't tell its own.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Day of a capture without dates.")
@profile_option
@click.option("--csv", "as_csv", is_flag=True, help="Print the records as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print records, rejects and events as JSON, one a line.")
@quiet_option
def replay(journal: str, protocol: str | None, device: str | None, day: Any, profile: str | None, as_csv: bool,
           as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Read a journal (or a raw capture) again with the parsers of today: records, and what was rejected and why.

    \b
    Examples:
      radiocov logs replay day1.journal
      radiocov logs replay day1.journal --csv > day1.csv
      radiocov logs replay capture.txt --protocol tetra-pei --date 2026-11-24 --device 1001
    """
    from dataclasses import replace

    from devices.session import Session
    from devices.settings import Settings, load_profile
    from radiocov.cli.logs_replay import show

    settings = load_profile(profile) if profile else Settings()
    if device:
        settings = replace(settings, device_id=device)
    if day:
        settings = replace(settings, date=day.date())
    show(journal, Session(protocol, settings), "csv" if as_csv else "json" if as_json else "table", quiet)
