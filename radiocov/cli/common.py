"""What several commands share: progress on stderr, tables and JSON on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from radiocov.inputs import Inputs

QUIET_EVERY_S = 30.0  # without a terminal, a line this often


class _Lines:
    """Progress for logs and pipes: a line when a step begins or ends, and now and then between."""

    def __init__(self) -> None:
        self._what = ""
        self._said = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        begins = what != self._what
        ends = done == total
        if begins or ends or now - self._said > QUIET_EVERY_S:
            click.echo(f"{what}: {done}/{total}" if total > 1 else f"{what}{' (done)' if ends else ' …'}", err=True)
            self._what, self._said = what, now


@contextmanager
def progress(quiet: bool = False) -> Iterator[Any]:
    """A function ``(what, done, total)`` that shows how far a run is, with the time left where it can be known."""
    if quiet:
        yield lambda what, done, total: None
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True)) as bar:
            tasks: dict[str, Any] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=total)
                bar.update(tasks[what], completed=done, total=total)

            yield show


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def print_table(title: str, columns: list[str], rows: list[list[str]], numeric: set[int] | None = None) -> None:
    """A table as wide as it needs to be: cut off figures are worse than a wrapped line."""
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number in (numeric or set()) else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    needed = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    console.width = max(console.width, needed)
    if title:
        click.echo(title)
    console.print(table)


def read_all(project_path: str) -> Inputs:
    """A project with its files, or every error in them; warnings go to stderr."""
    from radiocov.inputs import read_inputs
    from radiocov.project import load_project

    inputs = read_inputs(load_project(project_path)).or_raise()
    for problem in inputs.problems:
        click.echo(f"warning: {problem}", err=True)
    return inputs


def print_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Rows with a header: empty cells for None, true and false in small letters."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()})
    click.echo(text.getvalue(), nl=False)


class Number(click.FloatRange):
    """A number within a range; nan, which no comparison refuses, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = super().convert(value, param, ctx)
        if found != found:
            self.fail(f"{value} is not a number.", param, ctx)
        return found


project_argument = click.argument("project", type=click.Path(exists=True, path_type=str))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print all rows as CSV.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
