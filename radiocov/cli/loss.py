"""radiocov loss."""

from __future__ import annotations

import json
from typing import Any

import click

from radiocov.cli.common import print_table

MODELS = ("p1812", "itm", "hata", "extended-hata", "free-space", "p526", "spm")
ENVIRONMENTS = ("urban", "large-city", "suburban", "open")


@click.command()
@click.argument("profile", required=False, type=click.Path(exists=True, dir_okay=False, path_type=str))
@click.option("--cases", type=click.Path(exists=True, dir_okay=False, path_type=str),
              help="CSV with a row a case: profile, model and option names; one JSON object a line comes out.")
@click.option("--model", type=click.Choice(MODELS), default="p1812", show_default=True)
@click.option("--frequency-mhz", type=float, default=358.0, show_default=True)
@click.option("--tx-height-m", type=float, default=30.0, show_default=True, help="Above ground.")
@click.option("--rx-height-m", type=float, default=1.5, show_default=True, help="Above ground.")
@click.option("--time-percent", type=float, default=50.0, show_default=True)
@click.option("--location-percent", type=float, default=50.0, show_default=True)
@click.option("--polarization", type=click.Choice(["horizontal", "vertical"]), default="vertical", show_default=True)
@click.option("--tx-lat", type=float, default=41.0, show_default=True, help="Degrees; P.1812 needs the latitude.")
@click.option("--tx-lon", type=float, default=123.0, show_default=True)
@click.option("--rx-lat", type=float, help="Default: the transmitter's.")
@click.option("--rx-lon", type=float, help="Default: the transmitter's.")
@click.option("--delta-n", type=float, default=45.0, show_default=True, help="N-units/km.")
@click.option("--n0", type=float, default=325.0, show_default=True, help="N-units; sea-level refractivity.")
@click.option("--pixel-m", type=float, default=100.0, show_default=True, help="P.1812: square of the locations.")
@click.option("--alternative-smooth-path", is_flag=True, help="P.1812: smooth path by Attachment 4 to Annex 1.")
@click.option("--environment", type=click.Choice(ENVIRONMENTS), default="urban", show_default=True, help="Hata.")
@click.option("--situation-percent", type=float, default=50.0, show_default=True, help="ITM.")
@click.option("--climate", default="continental-temperate", show_default=True, help="ITM: name or number 1 to 7.")
@click.option("--variability-mode", type=int, default=12, show_default=True, help="ITM.")
@click.option("--permittivity", type=float, default=15.0, show_default=True, help="ITM: relative, of the ground.")
@click.option("--conductivity", type=float, default=0.005, show_default=True, help="ITM: of the ground, S/m.")
@click.option("--building", type=click.Choice(["none", "traditional", "thermally-efficient"]), default="none",
              show_default=True, help="Also the loss indoors, by P.2109.")
@click.option("--building-percent", type=float, default=50.0, show_default=True, help="Of locations indoors.")
@click.option("--building-elevation-deg", type=float, default=0.0, show_default=True, help="Of the path at the wall.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def loss(profile: str | None, cases: str | None, as_json: bool, **options: Any) -> None:
    """A propagation model on a given profile: the loss and every intermediate term by its published symbol.

    PROFILE is a CSV with the header distance_km,height_m[,clutter_m[,zone]]; zone is 1 sea, 3 coastal land, 4 inland.

    \b
    Examples:
      radiocov loss profile.csv --frequency-mhz 370 --tx-height-m 40
      radiocov loss profile.csv --model itm --time-percent 90 --json
      radiocov loss --cases cases.csv --json
    """
    from pathlib import Path

    from radiocov import profiles
    from radiocov.problems import Problem, ProjectError

    if (profile is None) == (cases is None):
        raise click.UsageError("give a PROFILE or --cases, one of them")

    def answer(path: Path, case: profiles.Case, where: str) -> profiles.Answer:
        try:
            return profiles.evaluate(profiles.read_profile(path), case)
        except ProjectError:
            raise
        except ValueError as error:
            raise ProjectError(Problem(where, "", str(error))) from error

    if cases is not None:
        # all are read and computed before the first line is printed: no half of an answer
        found = [
            answer(path, case, f"{cases}: case {number}")
            for number, (path, case) in enumerate(profiles.read_cases(Path(cases)), start=1)
        ]
        for one in found:
            click.echo(json.dumps(one.to_dict(), ensure_ascii=False))
        return
    result = answer(Path(profile), profiles.Case(**options), profile)
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=1, ensure_ascii=False))
        return
    rows = [[name, _text(value)] for name, value in result.terms.items()]
    print_table(f"{result.model}: basic transmission loss {result.loss_db:.4f} dB", ["term", "value"], rows, {1})
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)


def _text(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)
