"""The command line: parse, call one function, print. Every command is a module of its own, loaded when used."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from radiocov import __version__

#: command -> (module, attribute, one line for the list of commands)
COMMANDS = {
    "demo": ("radiocov.cli.demo", "demo", "A complete run on an embedded, synthetic example, offline."),
    "init": ("radiocov.cli.project", "init", "Write a commented project folder to start from."),
    "check": ("radiocov.cli.project", "check", "Validate a project; say what would be computed."),
    "terrain": ("radiocov.cli.terrain", "terrain", "The ground: fetch elevation and land cover, say what is there."),
    "coverage": ("radiocov.cli.coverage", "coverage", "Compute coverage rasters for every state of the network."),
    "store": ("radiocov.cli.store", "store", "Losses and grounds that are kept: what is there, what can go."),
    "targets": ("radiocov.cli.targets", "targets", "Compliance with each target: met, missed and by how much."),
    "plan": ("radiocov.cli.plan", "plan", "Which sites to add so that the targets of a period are met."),
    "acceptance": ("radiocov.cli.acceptance", "acceptance", "Field proof: tiles to drive, logs judged tile by tile."),
    "calibrate": ("radiocov.cli.calibrate", "calibrate", "Fit the model to measured levels, and prove it on others."),
    "report": ("radiocov.cli.report", "report", "The document for the archive: HTML or PDF, English or Chinese."),
    "map": ("radiocov.cli.map", "map_", "The manager's map: one HTML file that works offline."),
    "export": ("radiocov.cli.export", "export", "KMZ, GeoPackage, GeoTIFF with a QGIS style, PNG with a world file."),
    "loss": ("radiocov.cli.loss", "loss", "A propagation model on a given profile, with every intermediate term."),
    "antenna": ("radiocov.cli.antenna", "antenna", "Read an antenna file, or a described beam, and draw it."),
    "budget": ("radiocov.cli.budget", "budget", "Link budgets in both directions and the path loss they allow."),
    "path": ("radiocov.cli.path", "path", "Profile and loss between a site and a point, term by term."),
    "logs": ("radiocov.cli.logs", "logs", "Signal logs of handsets: ports, record, import, simulate."),
    "fleet": ("radiocov.cli.fleet", "fleet", "The handsets: register, health, records to export."),
    "serve": ("radiocov.cli.serve", "serve", "The service for field teams, managers and engineers."),
    "service": ("radiocov.cli.service", "service", "Tokens, backup and restore of the service."),
}

EXIT_CODES = """
\b
Exit codes:
  0    done
  1    a target is not met and --check was given
  2    bad input or usage
  3    something outside failed (disk, device, network)
  130  interrupted; what was finished is kept and taken up by the next run
"""


class LazyGroup(click.Group):
    """Knows its commands by name and imports one only to run it, so that --help is quick.

    table: command -> (module, attribute, one line for the list of commands).
    """

    def __init__(self, *args: Any, table: dict[str, tuple[str, str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.table:
            return None
        module, attribute, _ = self.table[name]
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.table and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.table, 1)
            suggestion = f"; did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"there is no command '{args[0]}'" + suggestion)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])


class WithOthers(click.Command):
    """A command that others stand beside: `radiocov targets PROJECT`, and `radiocov targets derive-areas PROJECT`.

    others: as LazyGroup's table. A project in a folder of such a name is given as ./NAME.
    """

    def __init__(self, *args: Any, others: dict[str, tuple[str, str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.others = others

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:
        if args and args[0] in self.others:
            module, attribute, _ = self.others[args[0]]
            command = getattr(importlib.import_module(module), attribute)
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Beside it"):
            formatter.write_dl([(f"{ctx.info_name} {name}", text) for name, (_, _, text) in self.others.items()])


HELP = {"help_option_names": ["-h", "--help"]}


@click.group(cls=LazyGroup, table=COMMANDS, epilog=EXIT_CODES, context_settings=HELP)
@click.version_option(__version__, prog_name="radiocov")
def cli() -> None:
    """Coverage of a 350 MHz public-safety trunked radio network: predict, judge against targets, show.

    \b
    radiocov demo                  see what it does, on a made-up prefecture
    radiocov init my-network       start a project of your own
    """


def main() -> None:
    """Entry point: errors become one line each and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    try:
        return cli.main(arguments, prog_name="radiocov", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was finished is kept", err=True)
        return 130
    except BrokenPipeError:
        # the reader of our output went away; say nothing more
        sys.stderr.close()
        return 0
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        for line in str(error).splitlines() or [type(error).__name__]:
            click.echo(f"error: {line}", err=True)
        return code


def _exit_code(error: Exception) -> int | None:
    """2 for what the user can mend in an input, 3 for what failed outside; None for a fault of ours."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"ProjectError", "TargetsError", "TerrainError", "DevicesError", "InputError"}:
        return 2
    if isinstance(error, OSError):
        return 3
    if "RasterioIOError" in names or "RasterioError" in names:
        return 3
    return None
