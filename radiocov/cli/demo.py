"""radiocov demo."""

from __future__ import annotations

import click

from radiocov.cli.common import progress, quiet_option, read_all


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=str), default="radiocov-demo")
@click.option("--jobs", type=click.IntRange(1), help="Threads. Default: all cores.")
@quiet_option
def demo(folder: str, jobs: int | None, quiet: bool) -> None:
    """Write a made-up prefecture with a network as a project folder and run everything on it, offline.

    \b
    Example:
      radiocov demo
    """
    from pathlib import Path

    with progress(quiet) as show:
        show("making the terrain", 0, 1)
        from radiocov.demo import write_demo

        write_demo(Path(folder))
        show("making the terrain", 1, 1)

    from radiocov.cli.coverage import compute
    from radiocov.cli.targets import print_compliance

    inputs = read_all(folder)
    result = compute(inputs, None, None, jobs, quiet)

    from radiocov.compliance import judge, origin_line
    from radiocov.mapping import write_map

    with progress(quiet) as show:
        show("judging the targets", 0, 1)
        judged = [judge(inputs, result.folder, period.id) for period in inputs.policy.periods]
        show("judging the targets", 1, 1)
        show("drawing the map", 0, 1)
        page = write_map(inputs, judged, result.folder / "map.html")
        show("drawing the map", 1, 1)
    for compliance, _ in judged:
        print_compliance(compliance)
    click.echo(origin_line(judged[-1][1]))
    click.echo(f"\nProject: {Path(folder).resolve()}")
    click.echo(f"Map:     {page.resolve().as_uri()}")
    click.echo(f"Next:    radiocov plan {folder}, radiocov init my-network")
