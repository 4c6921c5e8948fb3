"""Held-out errors on real campaigns: ``python tests/benchmarks/calibration.py real [NAME ...] [--quick]``.

Each campaign is made a project with its log (`examples/campaigns/make.py`), taken through the same preparation and
fit as `radiocov calibrate` does, and predicted while whole areas, days and receivers are left out: this model, the
model without calibration, free space, fitted Hata and a log-distance line, each fitted to the same training cells and
judged on the same others. RMSE is given of the levels of cells, of the single samples in them, and of readings: there
a receiver's noise is added to every model's level, and cells that read no more than it count as well. No setting
differs from the defaults of a project but what a campaign's README asks for (levels that are relative, near_m = 20
where links are short), and all of these are printed.

Beside it, where levels are relative and a receiver's zero goes with it, "receivers" leaves out every receiver in turn
but for a tenth of its cells, which tell its zero.

Each fold searches for its own side of blocks, tails and covariance of the field, so that nothing of what was left out
is in a figure. With --quick these are taken over from the fit of all cells, as `radiocov calibrate` does, which
flatters where cells are few.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from radiocov.calibration.baselines import BASELINES
from radiocov.calibration.fit import fit
from radiocov.calibration.model import NONE, Cells
from radiocov.calibration.noise import reading
from radiocov.calibration.proving import CALIBRATED, predictor
from radiocov.calibration.residuals import predicted, with_field
from radiocov.calibration.rows import read_rows
from radiocov.calibration.run import measured_cells
from radiocov.calibration.scores import heard_where_promised
from radiocov.calibration.validate import Fold, HeldOut, held_out
from radiocov.inputs import read_inputs
from radiocov.problems import ProjectError
from radiocov.project import load_project

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
RECEIVERS = 10  # left out one at a time, those with most cells
ZERO_SHARE = 0.1


def campaigns():
    """The module of the example, which is no package."""
    spec = importlib.util.spec_from_file_location("campaigns", ROOT / "examples" / "campaigns" / "make.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def strict(crs: str):
    def predict(train: Cells, test: Cells):
        return predicted(test, with_field(fit(train), train, crs))

    return predict


def receiver_folds(cells: Cells) -> list[Fold]:
    """One receiver each; where levels are relative a tenth of its cells stays, in one piece of the walk."""
    counts = np.bincount(cells.site)
    parts = []
    for site in np.argsort(-counts, kind="stable")[:RECEIVERS]:
        test = cells.site == site
        if cells.relative:
            mine = np.flatnonzero(test)
            mine = mine[np.lexsort((cells.x_m[mine], cells.day[mine]))]
            test[mine[: max(5, int(ZERO_SHARE * len(mine)))]] = False
        if (~test & (cells.censored == NONE)).sum() >= 30:
            parts.append(Fold(~test, test))
    return parts


def by_receiver(cells: Cells, models) -> list[HeldOut]:
    parts, found = receiver_folds(cells), []
    for name, predict in models.items():
        level, sd = (np.full(len(cells), np.nan) for _ in range(2))
        for fold in parts:
            level[fold.test], sd[fold.test] = predict(cells.of(fold.train), cells.of(fold.test))
        found.append(HeldOut("receivers", name, level, sd, len(parts), 0))
    return found


def row(cells: Cells, means, one: HeldOut) -> str:
    at = one.told & (cells.censored == NONE)
    error = (one.level_dbm - cells.level_dbm)[at]
    samples, offset = means.samples[at], (one.level_dbm - means.sample_dbm)[at]
    single = np.sqrt(np.sum(samples * (offset**2 + means.sample_sd_db[at] ** 2)) / samples.sum())
    read = one.told & (means.censored == NONE)
    readings = (reading(one.level_dbm, cells.floor_dbm) - means.level_dbm)[read]
    said = ""
    if one.model == CALIBRATED:
        share, _, low, high = heard_where_promised(cells, one.level_dbm, one.sd_db)
        said = f"{100 * share:.0f} % ({100 * low:.0f}-{100 * high:.0f})" if share is not None else ""
    return (f"  {one.split:10s} {one.model:18s} {at.sum():7,d} {error.mean():7.1f} {error.std():6.1f} "
            f"{np.sqrt(np.mean(error**2)):6.2f} {np.abs(error).mean():6.2f} {single:10.2f} "
            f"{np.sqrt(np.mean(readings**2)):8.2f} ({read.sum():6,d}) {said:>16s}")  # fmt: skip


def judge(name: str, make, folder: Path, is_quick: bool) -> None:
    campaign = make.SETS[name](SHARED / "measurements" / make.FOLDERS[name])
    log = make.write(campaign, SHARED / "dem" / "dted0", folder / name, 50.0)
    inputs = read_inputs(load_project(folder / name)).or_raise()
    print(f"\n{campaign.name}, {campaign.frequency_mhz:g} MHz; assumed: {campaign.assumed}")
    start = time.perf_counter()
    try:
        ground, prepared, paired = measured_cells(inputs, read_rows(inputs.project, [str(log)]))
    except ProjectError as error:
        print(f"  refused: {error}")
        return
    cells, crs = paired.cells, ground.grid.crs
    print(f"  settings: near_m = 20, {campaign.settings}; {prepared.steps[0].before:,} rows, {len(cells):,} cells, "
          f"{int((cells.censored != NONE).sum())} censored, {len(cells.sites)} sites")  # fmt: skip
    whole = with_field(fit(cells), cells, crs)
    print("  " + "; ".join(f"{k} {e.value:+.2f} ± {e.sd:.2f}{' (kept)' if e.status == 'kept' else ''}"
                           for k, e in whole.fixed.items()))  # fmt: skip
    models = {CALIBRATED: predictor(whole, crs) if is_quick else strict(crs), **BASELINES}
    held, reasons = held_out(cells, models, ("sites", "areas", "days"))
    if len(cells.sites) > 1 and cells.relative:
        held += by_receiver(cells, models)
    for reason in reasons:
        print(f"  {reason}")
    print(f"  {'left out':10s} {'model':18s} {'cells':>7s} {'bias':>7s} {'sigma':>6s} {'RMSE':>6s} {'MAE':>6s} "
          f"{'of samples':>10s} {'of readings':>17s} {'90 % heard':>16s}")  # fmt: skip
    for one in held:
        print(row(cells, paired.means, one))
    print(f"  {time.perf_counter() - start:.0f} s")


def main(arguments: list[str] | None = None) -> None:
    make = campaigns()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *make.SETS], help=f"which: {', '.join(make.SETS)}; all")
    parser.add_argument("--quick", action="store_true", help="blocks, tails and field taken over from the whole fit")
    given = parser.parse_args(arguments)
    if not SHARED.is_dir():
        raise SystemExit(f"the campaigns are not here: {SHARED}")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or make.SETS:
            judge(name, make, Path(folder), given.quick)


if __name__ == "__main__":
    main()
