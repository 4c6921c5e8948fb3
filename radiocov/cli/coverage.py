"""radiocov coverage."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.common import (
    json_option,
    print_json,
    print_table,
    progress,
    project_argument,
    quiet_option,
    read_all,
)


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """The address of a scheduler, or "" where none is given."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value or "")
        fit = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port and not parts.path
    except ValueError:
        fit = False
    if value is not None and not fit:
        raise click.BadParameter(f"{value!r} is no address of a scheduler; write e.g. tcp://10.0.0.5:8786")
    return value or ""


@click.command()
@project_argument
@click.option("--jobs", type=click.IntRange(1), help="Threads; the results do not depend on it. Default: all cores.")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="Only the network as it stood on this day.")
@click.option("--model", help="Another model: p1812, itm, extended-hata or free-space.")
@click.option("--gpu", is_flag=True, help="Compute losses (p1812) on a CUDA device; needs the extra radiocov[gpu].")
@click.option("--cluster", metavar="tcp://HOST:PORT", callback=_address,
              help="Compute losses on the workers of this Dask scheduler; needs the extra radiocov[cluster].")
@click.option("--calibration", metavar="FILE|none", help="Calibration to correct levels with; \"none\" for the plain "
              "model. Default: [calibration] file in project.toml (calibration.toml) where it is there.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=str), help="Folder for the results.")
@quiet_option
@json_option
def coverage(project: str, jobs: int | None, on: Any, model: str | None, gpu: bool, cluster: str,
             calibration: str | None, output: str | None, quiet: bool, as_json: bool) -> None:  # fmt: skip
    """Compute level, best server, margin and service probability for every state of the network.

    What an earlier run finished is taken up; Ctrl-C leaves nothing half-written. With --cluster the workers must see
    the project's folder under the same path; the results are the same.

    With [interference] enabled = true in project.toml also C/(I+N) over the frequency plan, and for simulcast groups
    the spread of arrival.

    A calibration (`radiocov calibrate`) corrects every level, near measured roads nearly to what was measured there,
    and gives each pixel its own uncertainty, a raster uncertainty_db.tif.

    \b
    Examples:
      radiocov coverage my-network
      radiocov coverage my-network --on 2016-06-30 -o half-way
      radiocov coverage my-network --calibration none -o uncalibrated
      radiocov coverage /shared/my-network --cluster tcp://10.0.0.5:8786
    """
    from pathlib import Path

    if gpu and cluster:
        raise click.UsageError("--gpu and --cluster exclude each other")
    inputs = read_all(project)
    if model:
        inputs.project = with_model(inputs.project, model)
    folder, date = Path(output) if output else None, on.date() if on else None
    from radiocov.calibration.summary import in_words
    from radiocov.coverage.calibration_in_use import calibration_of

    used = calibration_of(inputs.project, calibration)
    result = compute(inputs, folder, date, jobs, quiet, gpu, cluster, used)
    if as_json:
        print_json(result.manifest)
        return
    rows = [
        [s["state"], s["date"], str(len(s["servers"])), ", ".join(sorted(f.split("/", 1)[1] for f in s["files"]))]
        for s in result.manifest["states"]
    ]
    print_table(f"Coverage in {result.folder}", ["state", "date", "sites", "rasters"], rows, {2})
    for state in result.manifest["states"]:
        for line in disturbed_lines(state):
            click.echo(f"{state['state']}, {line}")
    for words in dict.fromkeys(in_words(s["provenance"]["calibration"]) for s in result.manifest["states"]):
        click.echo(f"levels are {words}")
    click.echo(
        f"{result.losses_computed} loss rasters computed, {result.losses_reused} taken from earlier runs; "
        f"{result.states_reused} of {len(result.manifest['states'])} states were up to date"
    )


def disturbed_lines(state: dict[str, Any]) -> list[str]:
    """What a state's manifest says of C/(I+N) and simulcast, a line for each service."""
    found = []
    for what, after, limit in (
        ("interference", "of the served pixels have less than {:g} dB of C/(I+N)", "protection_db"),
        ("simulcast", "of the pixels served by simulcast are beyond {:g} us", "limit_us"),
    ):
        about = state.get(what, {"services": {}})
        for service, counted in about["services"].items():
            served = counted["served_pixels"]
            share = f"{100.0 * counted['disturbed_pixels'] / served:.1f} %" if served else "none"
            found.append(f"{service}: {share} {after.format(about[limit])}")
    return found


def with_model(project: Any, name: str) -> Any:
    """The project with another model, checked against the models there are and their frequencies."""
    from radiocov.problems import Problem, ProjectError, did_you_mean
    from radiocov.settings import MODEL_RANGE_MHZ

    if name not in MODEL_RANGE_MHZ:
        raise ProjectError(
            Problem("--model", "", f'"{name}" is not a coverage model', did_you_mean(name, list(MODEL_RANGE_MHZ)))
        )
    return project.model_copy(update={"model": project.model.model_copy(update={"name": name})})


def compute(
    inputs: Any, folder: Any, on: Any, jobs: int | None, quiet: bool, gpu: bool = False, cluster: str = "",
    calibration: Any = None,
) -> Any:
    """Run with progress; Ctrl-C stops the threads and leaves what is finished."""
    with progress(quiet) as show:
        show("loading the engine", 0, 1)
        from radiocov.coverage.run import Cancelled, CoverageRun

        show("loading the engine", 1, 1)
        run = CoverageRun(inputs, folder=folder, on=on, jobs=jobs, progress=show, gpu=gpu, cluster=cluster,
                          calibration=calibration)
        try:
            result = run.run()
        except Cancelled:
            raise KeyboardInterrupt from None
    if result.damaged:
        click.echo(f"{result.damaged} stored loss rasters were damaged and have been computed again", err=True)
    if result.outside:
        click.echo(f"warning: outside the grid, and adding nothing: {', '.join(result.outside)}", err=True)
    for note in result.notes:
        click.echo(f"warning: {note}", err=True)
    return result
