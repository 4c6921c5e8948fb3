"""radiocov antenna."""

from __future__ import annotations

from typing import Any

import click

from radiocov.cli.common import Number, json_option, print_json, print_table


@click.command()
@click.argument("antenna", metavar="FILE|beam:H/V[/FB]")
@click.option("--electrical-tilt", type=Number(-30, 30), metavar="DEG",
              help="Set the beam to this electrical tilt first, positive downwards.")
@click.option("--frequency-mhz", type=Number(30, 6000), default=358.0, show_default=True, metavar="MHZ",
              help="Of several frequencies in an .adf file, take the nearest to this.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=str), metavar="FILE.svg|.html",
              help="Draw both cuts.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the attenuation of every degree as CSV.")
@json_option
def antenna(antenna: str, electrical_tilt: float | None, frequency_mhz: float, output: str | None, as_csv: bool,
            as_json: bool) -> None:  # fmt: skip
    """Read an antenna and say what it is: gain, half-power widths, front-to-back ratio, tilt; and draw it.

    FILE is an MSI/Planet (.msi, .pln), Radio Mobile (.ant) or NSMA (.adf) file. beam:H/V describes a sector
    antenna by its half-power widths in degrees, FB is its front-to-back ratio in dB (25 where it is left out):
    what the column antenna of sites.csv accepts as well.

    \b
    Examples:
      radiocov antenna antennas/panel.msi -o panel.svg
      radiocov antenna beam:65/10/30 --electrical-tilt 4 --json
    """
    from pathlib import Path

    from radiocov.antennas import BEAM_PREFIX, parse_beam, read_pattern
    from radiocov.antennas.figures import polar_page, polar_svg, properties
    from radiocov.files import write_text
    from radiocov.problems import Problem, ProjectError

    drawers = {".svg": polar_svg, ".html": polar_page}
    target = Path(output) if output else None
    if target is not None and target.suffix.lower() not in drawers:
        remedy = "end the name in .svg or .html"
        raise ProjectError(Problem(str(target), "", "is no picture that is drawn here", remedy))
    is_beam = antenna.lower().startswith(BEAM_PREFIX)
    pattern = parse_beam(antenna) if is_beam else read_pattern(antenna, frequency_mhz)
    if electrical_tilt is not None:
        pattern = pattern.tilted(electrical_tilt)
    if target is not None:
        write_text(target, drawers[target.suffix.lower()](pattern))
    if as_json:
        cuts = {"horizontal_db": pattern.horizontal_db.round(4).tolist(),
                "vertical_db": pattern.vertical_db.round(4).tolist()}
        print_json({**properties(pattern), **cuts})
    elif as_csv:
        click.echo("angle_deg,horizontal_db,vertical_db")
        for angle, (h, v) in enumerate(zip(pattern.horizontal_db, pattern.vertical_db, strict=True)):
            click.echo(f"{angle},{h:.4f},{v:.4f}")
    else:
        _print(properties(pattern))
    if target is not None:
        click.echo(target.resolve().as_uri(), err=as_json or as_csv)


def _print(p: dict[str, Any]) -> None:
    def shown(value: float | None) -> str:
        return "not stated" if value is None else f"{value:g}"

    rows = [
        ["gain", shown(p["gain_dbi"]), "dBi", "" if p["gain_dbi"] is None else f"{p['gain_dbi'] - 2.15:g} dBd"],
        ["frequency", shown(p["frequency_mhz"]), "MHz", ""],
        ["horizontal half-power width", shown(p["horizontal_width_deg"]), "deg", "an omni" if p["omni"] else ""],
        ["vertical half-power width", shown(p["vertical_width_deg"]), "deg", ""],
        ["front-to-back ratio", shown(p["front_to_back_db"]), "dB",
         f"{p['front_to_rear_db']:g} dB within 30 deg of straight behind"],
        ["electrical tilt", shown(p["electrical_tilt_deg"]), "deg",
         f"maximum {p['vertical_maximum_deg']:g} deg down"],
    ]  # fmt: skip
    print_table(p["name"], ["", "value", "unit", ""], rows, {1})
