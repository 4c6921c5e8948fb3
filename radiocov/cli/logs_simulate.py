"""radiocov logs simulate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from radiocov.cli.common import progress, quiet_option

if TYPE_CHECKING:
    from devices.route import Route
    from devices.simulator import Level, Simulated

#: a made-up drive past a made-up site, for who has no project yet
ROUTE = [(123.30, 41.75), (123.38, 41.80), (123.46, 41.79), (123.52, 41.84)]
SITE = (123.40, 41.80)


@click.command()
@click.argument("project", type=click.Path(exists=True), required=False)
@click.option("--route", type=click.Path(exists=True, dir_okay=False), help="GPX, GeoJSON or CSV (lon,lat) to drive.")
@click.option("--kind", "kinds", multiple=True, metavar="NAME", help="tetra-pei, pdt, dmr-at, nmea; several in turn.")
@click.option("--handsets", type=click.IntRange(1, 50), default=1, show_default=True, help="How many.")
@click.option("--speed-kmh", type=click.FloatRange(1, 300), default=45.0, show_default=True)
@click.option("--fast", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="Times real time.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Length; default: until Ctrl-C, or the route.")
@click.option("--fault", "faults", multiple=True, metavar="KIND@START[+DURATION]",
              help="noise, unplug, silence, errors, gps, clock-jump.")  # fmt: skip
@click.option("--baud", type=int, help="The rate they are set to; another one makes noise. Default: any.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same drive.")
@click.option("--state", help="State of the network; default: the last that was computed.")
@click.option("--loss-db", type=float, default=8.0, show_default=True, help="Antenna and body loss of the handsets.")
@click.option("--to", type=click.Path(dir_okay=False), help="Write what would be recorded: .journal or .csv.")
@click.option("--start", type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]), help="UTC start of a drive written with --to.")
@click.option("--folder", type=click.Path(file_okay=False), default="simulated", show_default=True,
              help="Where the ports appear.")  # fmt: skip
@quiet_option
def simulate(project: str | None, route: str | None, kinds: tuple[str, ...], handsets: int, speed_kmh: float,
             fast: float, seconds: float | None, faults: tuple[str, ...], baud: int | None, seed: int,
             state: str | None, loss_db: float, to: str | None, start: Any, folder: str,
             quiet: bool) -> None:  # fmt: skip
    """Rehearse a field day: handsets that drive a route through the computed coverage and speak like real ones.

    They appear as serial ports (pseudo-terminals) to record from in another window, with shadowing, fading and
    faults. With --to the day is written at once as a journal or as records. Without PROJECT they pass a made-up site.

    \b
    Examples:
      radiocov logs simulate my-network --route drive.gpx --kind tetra-pei --handsets 3
      radiocov logs record simulated/tetra-pei-1001 --protocol tetra-pei
      radiocov logs simulate my-network --route drive.gpx --seconds 28800 --to day.journal --fault unplug@600+30
    """
    from devices.route import Route, read_route
    from devices.simulator import fleet, parse_fault

    way = read_route(route) if route else _route_of(project) if project else Route(ROUTE)
    level = _level(project, state, way, loss_db)
    speed_mps = speed_kmh / 3.6
    wanted = [parse_fault(fault) for fault in faults]
    made = fleet(kinds or ("tetra-pei",), handsets, way, level, seed=seed, speed_mps=speed_mps, faults=wanted)
    if to:
        _write(to, made, seconds or way.length_m / speed_mps, start, quiet)
    else:
        _serve(folder, made, fast, baud, seconds, quiet)


def _route_of(project: str) -> Route:
    """Round the middle of a project's area, for who has drawn no route yet."""
    from devices.route import Route

    results, _ = _results(project, None)
    west, south, east, north = results.grid.lonlat_bounds()
    corners = ((0.3, 0.3), (0.7, 0.35), (0.65, 0.7), (0.35, 0.6), (0.3, 0.3))
    return Route([(west + x * (east - west), south + y * (north - south)) for x, y in corners])


def _results(project: str, state: str | None) -> Any:
    from radiocov.levels import field_of
    from radiocov.project import load_project

    return field_of(load_project(project).output_folder, state)


def _level(project: str | None, state: str | None, way: Route, loss_db: float) -> Level:
    import math

    if project:
        from radiocov.levels import level_at

        results, name = _results(project, state)
        click.echo(f"driving through the coverage of {name} as computed in {project}", err=True)
        return level_at(results, way.points, loss_db)
    if state:
        raise click.UsageError("--state needs a PROJECT")
    click.echo("SYNTHETIC: a made-up site and its made-up levels", err=True)

    def level(lon: float, lat: float) -> tuple[float, int]:
        km = 111.2 * math.hypot((lon - SITE[0]) * math.cos(math.radians(lat)), lat - SITE[1])
        return -60 - 38 * math.log10(max(km, 0.1) / 1.0) - loss_db, 1

    return level


def _write(to: str, made: list[Simulated], seconds: float, start: Any, quiet: bool) -> None:
    """The journal or the records of a drive, whole or not at all."""
    import csv
    from datetime import UTC, datetime
    from pathlib import Path

    from devices.clocks import utc_us
    from devices.journal import Writer
    from devices.records import NAMES, Record
    from devices.session import Session
    from devices.settings import Settings
    from devices.simulator import recorded
    from radiocov.files import whole

    path = Path(to)
    if path.suffix not in (".journal", ".csv"):
        raise click.UsageError(f"--to {to}: the name has to end in .journal or .csv")
    start_us = int(start.replace(tzinfo=UTC).timestamp() * 1e6) if start else utc_us() - round(seconds * 1e6)
    day = f"{datetime.fromtimestamp(start_us / 1e6, UTC):%Y-%m-%d %H:%M}"
    number = 0
    with whole(path) as partial, progress(quiet) as say:
        entries = recorded(made, seconds, start_us, Settings(),
                           lambda share: say("driving, %", round(100 * share), 100))  # fmt: skip
        if path.suffix == ".journal":
            with Writer(partial) as writer:
                for entry in entries:
                    writer.append(entry)
                    number += 1
        else:
            session = Session()
            with open(partial, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(NAMES)
                for items in (*(session.feed(entry) for entry in entries), session.finish()):
                    for item in items:
                        if isinstance(item, Record):
                            values = (getattr(item, name) for name in NAMES)
                            writer.writerow(["" if value is None else value for value in values])
                            number += 1
    kind = "entries" if path.suffix == ".journal" else "records"
    click.echo(f"{path}: {number} {kind} of {len(made)} handsets, {seconds:.0f} s from {day}Z (SYNTHETIC)")


def _serve(folder: str, made: list[Simulated], fast: float, baud: int | None, seconds: float | None,
           quiet: bool) -> None:  # fmt: skip
    """The handsets on pseudo-terminals until the time is over or Ctrl-C."""
    import os
    import time
    from pathlib import Path

    from devices.protocols.base import BAUDS
    from devices.simulator import Terminal

    if baud is not None and baud not in BAUDS:
        raise click.UsageError(f"--baud {baud}: one of {', '.join(map(str, BAUDS))}")
    if os.name == "nt":
        raise click.UsageError("pseudo-terminals don't exist on Windows; --to writes the drive to a file instead")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    terminals = [Terminal(one, place / one.name, fast, baud) for one in made]
    try:
        for terminal in terminals:
            terminal.start()
            click.echo(f"{terminal.path}")
        if not quiet:
            click.echo("record with: radiocov logs record " + " ".join(
                f"{t.path} --protocol {t.path}={t.simulated.kind}" for t in terminals), err=True)  # fmt: skip
        end = None if seconds is None else time.monotonic() + seconds / fast
        while end is None or time.monotonic() < end:
            time.sleep(0.2)
    finally:
        for terminal in terminals:
            terminal.stop()
