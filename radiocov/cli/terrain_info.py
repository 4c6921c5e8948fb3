"""radiocov terrain info, radiocov terrain legend."""

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

PICTURES = (".png", ".jpg", ".jpeg", ".tif")


@click.command()
@project_argument
@click.option("-o", "--output", type=click.Path(path_type=str), help="A picture of the relief: .png, .jpg or .tif.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a row for each source as CSV.")
@quiet_option
def info(project: str, output: str | None, as_json: bool, as_csv: bool, quiet: bool) -> None:
    """What the ground of a project is made of: sources and their shares, voids, land cover, and what the grid loses.

    What the grid loses is measured at the sources' own pixels: their height less the bilinear reading of the grid.
    Voids are counted whatever the project's rule says of them.

    \b
    Example:
      radiocov terrain info my-network -o relief.png
    """
    from pathlib import Path

    if output is not None and not output.lower().endswith(PICTURES):
        raise click.BadParameter(f"{output}: give a name that ends in {', '.join(PICTURES)}", param_hint="-o")
    from radiocov.terrain_info import describe, write_relief

    inputs = read_all(project)
    with progress(quiet) as show:
        ground, about = describe(inputs, show)
    if output is not None:
        write_relief(ground, Path(output))
    if as_json:
        print_json(about)
    elif as_csv:
        _print_csv(about)
    else:
        _print(about)
        if output is not None:
            click.echo(output)


def _print(about: dict[str, Any]) -> None:
    grid, elevation, cover = about["grid"], about["elevation"], about["landcover"]
    west, south, east, north = grid["extent"]
    size = f"{grid['width']} x {grid['height']} pixels of {grid['resolution_m']:g} m"
    zones = about["zones"]
    heights = "none"
    if elevation["lowest_m"] is not None:
        heights = f"{elevation['lowest_m']:.0f} to {elevation['highest_m']:.0f} m"
    voids = elevation["voids"]
    rows = [
        ["extent", f"{west:.4f} to {east:.4f} E, {south:.4f} to {north:.4f} N"],
        ["grid", f"{size}, {grid['area_km2']:,.0f} km2"],
        ["projection", grid["crs"]],
        ["heights", heights],
        ["voids", f"{voids['pixels']:,} pixels ({voids['share']:.3%}), rule: {voids['rule']}"],
        ["clutter", about["clutter"]["rule"]],
        ["land cover", _cover(cover)],
        ["sea", f"{zones['sea_share']:.1%} of the pixels; coastal land {zones['coastal_land_share']:.1%}"],
    ]  # fmt: skip
    for source in elevation["sources"]:
        if source["voids_as_sea"]:
            rows.insert(5, ["voids made sea", f"{source['voids_as_sea']:,} pixels of {source['label']}, as it asks"])
    if elevation["sea_tiles"]:
        rows.insert(5, ["sea tiles", f"{elevation['sea_tiles']} made where GLO-30 has none"])
    if about["synthetic"]:
        rows.insert(0, ["SYNTHETIC", "this ground is made up"])
    print_table(about["project"], ["", "ground"], rows)
    loss = {one["label"]: one for one in elevation["grid_loss"]}
    rows = []
    for source in elevation["sources"]:
        lost = loss.get(source["label"])
        step = source["native_step_m"]
        rows.append([
            source["label"], "surface" if source["surface"] else "bare ground", str(source["files"]),
            "" if step is None else f"{step:.0f} m", f"{source['share']:.1%}",
            *(["", ""] if lost is None else [f"{lost['rms_m']:.1f} m", f"{lost['p95_m']:.1f} m"]),
        ])  # fmt: skip
    heads = ["source", "kind", "files", "step", "serves", "grid loses (RMS)", "95 % within"]
    print_table("", heads, rows, numeric={2, 3, 4, 5, 6})
    if voids["problem"]:
        click.echo(f"warning: a computation would stop: {voids['problem']}", err=True)


def _print_csv(about: dict[str, Any]) -> None:
    """Sources with what they serve and what the grid loses of them."""
    import csv
    import sys

    loss = {one["label"]: one for one in about["elevation"]["grid_loss"]}
    rows = [one | loss.get(one["label"], {}) for one in about["elevation"]["sources"]]
    names = ["label", "surface", "files", "native_step_m", "pixels", "share", "voids_as_sea"]
    names += ["source_pixels", "mean_m", "rms_m", "p95_m", "max_m"]
    writer = csv.DictWriter(sys.stdout, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _cover(cover: dict[str, Any]) -> str:
    if not cover["files"]:
        return "none"
    shares = sorted(cover["shares"].items(), key=lambda item: -item[1])
    return f"{cover['legend']}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares[:6])


@click.command()
@click.argument("name", required=False)
def legend(name: str | None) -> None:
    """A built-in legend of land cover as CSV, to edit and name in the project; without a NAME, the names.

    A row gives a code its class: representative height [m], noise environment (city, residential, rural, quiet),
    stated error of an uncalibrated model (sigma, dB) and kind (water, open, trees, built, nodata).

    \b
    Example:
      radiocov terrain legend corine > my-network/legend.csv
    """
    from terrain.legend import legend_path, packaged_legends

    if name is None:
        click.echo("\n".join(packaged_legends()))
    else:
        click.echo(legend_path(name).read_text(encoding="utf-8"), nl=False)
