"""Statistics of the fit on cells whose truth is known: ``python tests/benchmarks/calibration.py synthetic``.

For 0, 20 and 50 % of the cells censored, over --draws truths (200; effects, sites, handsets, field and roads drawn
anew): how many of the 90 % intervals hold the true value, by kind of effect; the estimated share of the area above
the threshold against the true one, of the fit and of one that leaves the censored cells out. Then the time and peak
memory of 100,000 cells, 30 sites and 300 handsets. --independent: without a field; --jobs N: N processes (2).
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from radiocov.calibration import synthetic
from radiocov.calibration.fit import fit
from radiocov.calibration.model import NONE, Calibration
from radiocov.calibration.outcome import corrected

CENSORED = (0.0, 0.2, 0.5)
CELLS = 4000
PLACES = 600  # of the area whose coverage is estimated
CLASS_DB = 3.5
WITHIN = float(ndtri(0.95))
FIXED = ("offset_db", "slope_db_per_decade", "excess", "height_db_per_decade")


def truth_of(seed: int, independent: bool) -> synthetic.Truth:
    classes = np.random.default_rng([seed, 9]).normal(0, CLASS_DB, 4)
    truth = synthetic.Truth(seed=seed, class_db=tuple(classes))
    return replace(truth, own_db=0.0, common_db=0.0, cell_db=6.5) if independent else truth


def sigma_of(truth: synthetic.Truth) -> float:
    """Of the normal distribution that meets the true spread at 10 and 90 %."""
    shared = truth.own_db**2 + truth.common_db**2
    narrow, wide = (math.sqrt((truth.cell_db * by) ** 2 + shared) for by in (1.0, 3.0))

    def below(x: float) -> float:
        return (1 - truth.outliers) * ndtr(x / narrow) + truth.outliers * ndtr(x / wide) - 0.9

    return brentq(below, 0, 100) / float(ndtri(0.9))


def one(order: tuple[int, float, bool]) -> dict[str, np.ndarray]:
    """Errors over stated standard deviations by kind of effect, and coverage shares less the true one (points)."""
    seed, censored, independent = order
    truth = truth_of(seed, independent)
    drawn = synthetic.draw(truth, CELLS, censored)
    cells = drawn.cells
    found = fit(cells)
    z = {name: [(found.fixed[name].value - getattr(truth, name)) / found.fixed[name].sd] for name in FIXED}
    pairs = {
        "class": zip(found.classes.values(), truth.class_db, strict=True),
        "site": zip(found.sites.values(), drawn.site_db, strict=True),
        "handset": ((e, drawn.device_db[int(name[1:])]) for name, e in found.devices.items()),
        "sigma_db": ((e, sigma_of(truth)) for e in found.sigma_db.values()),
    }
    z |= {kind: [(e.value - value) / e.sd for e, value in pair] for kind, pair in pairs.items()}
    there = synthetic.area(truth, drawn, PLACES)
    threshold = float(np.quantile(cells.predicted_dbm + truth.offset_db, max(censored, 0.2)))
    covered = float(np.mean(there.true_dbm >= threshold))
    z["points"] = [100 * (coverage(found, there.cells, threshold) - covered)]
    if censored:
        blind = fit(cells.of(cells.censored == NONE), block_m=found.provenance["block_m"])
        z["points, blind"] = [100 * (coverage(blind, there.cells, threshold) - covered)]
    return {kind: np.array(values) for kind, values in z.items()}


def coverage(found: Calibration, cells, threshold_dbm: float) -> float:
    """Mean probability of a level above the threshold, as a map states it."""
    level, sd = corrected(cells, found)
    return float(np.mean(ndtr((level - threshold_dbm) / np.sqrt(sd**2 - found.device_db**2))))


def recovery(draws: int, jobs: int, independent: bool) -> None:
    print(f"{draws} truths of {CELLS:,} cells, {'independent' if independent else 'with a field of 400 m range'}")
    with ProcessPoolExecutor(jobs) as pool:
        for censored in CENSORED:
            start = time.perf_counter()
            results = list(pool.map(one, [(seed, censored, independent) for seed in range(draws)]))
            each = (time.perf_counter() - start) / draws
            print(f"{100 * censored:.0f} % of the cells censored ({each:.2f} s a truth)", flush=True)
            for kind in (*FIXED, "class", "site", "handset", "sigma_db"):
                z = np.concatenate([r[kind] for r in results])
                within = 100 * np.mean(np.abs(z) < WITHIN)
                print(f"  {kind:22} {within:5.1f} % within the 90 % interval   error / sd: mean {z.mean():5.2f}, "
                      f"sd {z.std():4.2f}")  # fmt: skip
            for kind in ("points", "points, blind"):
                if kind in results[0]:
                    off = np.concatenate([r[kind] for r in results])
                    name = "censored cells left out" if "blind" in kind else "this fit"
                    print(f"  covered share, {name:24} {off.mean():+5.2f} points of bias, {off.std():4.2f} of spread")


def size() -> None:
    truth = synthetic.Truth(sites=30, devices=300, side_m=40_000.0, spacing_m=50.0, seed=3)
    cells = synthetic.draw(truth, 100_000, 0.3).cells
    wall, cpu = time.perf_counter(), time.process_time()
    found = fit(cells)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(cells):,} cells, 30 sites, 300 handsets, 30 % censored: {wall:.1f} s, {cpu:.1f} s of a core, "
          f"peak {peak:.2f} GiB; blocks of {found.provenance['block_m']:g} m")  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--independent", action="store_true", help="no field: every cell by itself")
    options = parser.parse_args(arguments)
    size()
    recovery(options.draws, options.jobs, options.independent)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes share the cores
    main()
