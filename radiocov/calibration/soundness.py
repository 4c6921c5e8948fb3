"""Whether cells can be calibrated to at all: faults that stop the work, and doubts that go with the result.

What would be signed under: a fault is refused where a calibration from such data would look right and be wrong
(levels that follow nothing, another band, directions swapped, a transmitter that was off); it is a doubt where the
calibration is honest but says less than it seems (one handset, one site, one day).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata

from radiocov.calibration.directions import exchanged
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.model import ABOVE, BELOW, NONE, Cells
from radiocov.problems import Problem, errors_of

FEWEST = 30  # heard cells
CONSTANT_DB = 0.5  # spread of levels
MOVING_DB = 3.0  # spread of predictions over which levels must follow
FOLLOWS = 0.1  # rank correlation of level and prediction
FOLLOWS_CELLS = 60
FAR_DB = 40.0  # median residual: no feeder or body explains it
WEAKEST_DBM, STRONGEST_DBM = -150.0, 10.0  # below the thermal noise of 6 kHz; above 10 mW at a receiver
SAME_BAND, NEAR_BAND = 0.1, 0.02  # relative differences of frequency
OFF_CELLS = 20
OFF_DB = 20.0  # below what the other days and sites say: three standard deviations
SILENT_DB = 12.0  # expected this far above its limit, one cell of 20 is silent
OFF_SHARE = 0.9
ODD_HANDSET_DB = 15.0
UNSET_DBM = (0.0, -1.0, -127.0, -128.0, -255.0)  # what firmware writes where it has no level


def checked(
    cells: Cells,
    *,
    measured_mhz: float | None = None,
    other_direction_dbm: np.ndarray | None = None,
) -> list[Problem]:
    """Doubts about cells, as warnings.

    measured_mhz: frequency that the logs state. other_direction_dbm: (n,) what the model says of the same path in the
    other direction, to recognise swapped ones; None where they are trusted.

    Raises CalibrationError with every fault found.
    """
    problems = list(_whole(cells))
    if not errors_of(problems):
        problems += _band(cells, measured_mhz)
        problems += _levels(cells)
    if not errors_of(problems):
        if other_direction_dbm is not None and not cells.relative:
            problems += exchanged(cells, other_direction_dbm)
        problems += _off(cells)
        problems += _thin(cells)
    if errors := errors_of(problems):
        raise CalibrationError(errors)
    return problems


def _fault(message: str, remedy: str = "", where: str = "") -> Problem:
    return Problem("", where, message, remedy)


def _doubt(message: str, remedy: str = "", where: str = "") -> Problem:
    return Problem("", where, message, remedy, "warning")


def _whole(cells: Cells) -> Iterator[Problem]:
    """Enough of it, and finite."""
    if not len(cells):
        yield _fault("no cell to calibrate to", "logs have to lie where the rasters of their sites do")
        return
    for name in ("level_dbm", "predicted_dbm", "excess_db", "distance_km", "tx_height_m", "error_db", "x_m", "y_m"):
        bad = ~np.isfinite(getattr(cells, name))
        if bad.any():
            yield _fault(f"{name} is no number in {bad.sum()} of {len(cells)} cells, first in cell {np.argmax(bad)}")
    heard = int(np.sum(cells.censored == NONE))
    if heard == 0:
        limit = "their limits" if np.any(cells.censored == BELOW) else "overload"
        yield _fault(
            f"all {len(cells)} cells are censored: only {limit} are known, no level",
            "levels that were heard are needed; check the limit of the receiver and the sites that were on",
        )
    elif heard < FEWEST:
        yield _fault(f"{heard} cells were heard", f"at least {FEWEST} are needed, and some hundreds for every class")


def _band(cells: Cells, measured_mhz: float | None) -> Iterator[Problem]:
    if measured_mhz is None:
        return
    off = abs(measured_mhz / cells.frequency_mhz - 1)
    said = f"the logs were taken at {measured_mhz:g} MHz and the prediction is for {cells.frequency_mhz:g} MHz"
    if off > SAME_BAND:
        yield _fault(said, "clutter and diffraction differ: calibrate a project of that band")
    elif off > NEAR_BAND:
        yield _doubt(said, "the offset contains the difference")


def _levels(cells: Cells) -> Iterator[Problem]:
    heard = cells.censored == NONE
    level, predicted = cells.level_dbm[heard], cells.predicted_dbm[heard]
    moving = _spread(predicted) > MOVING_DB
    if moving and _spread(level) < CONSTANT_DB:
        yield _fault(
            f"levels are constant at {np.median(level):.1f} dBm, predictions spread over {_spread(predicted):.0f} dB",
            "look at the column that was taken as the level",
        )
        return
    values, counts = np.unique(level, return_counts=True)
    most = values[np.argmax(counts)]
    if moving and most in UNSET_DBM and counts.max() > 0.3 * len(level):
        yield _fault(
            f"{100 * counts.max() / len(level):.0f} % of the levels are exactly {most:g} dBm, which many sets write "
            "where they have none", "say so in the log's description (invalid values)",
        )  # fmt: skip
    if not cells.relative:
        if level.max() > STRONGEST_DBM or level.min() < WEAKEST_DBM:
            worst = level.max() if level.max() > STRONGEST_DBM else level.min()
            yield _fault(
                f"a level of {worst:.0f} dBm is none that a receiver's port sees: these look like relative levels",
                "declare them relative, or give the unit in the log's description",
            )
        elif abs(offset := float(np.median(level - predicted))) > FAR_DB:
            yield _fault(
                f"half of the levels lie {abs(offset):.0f} dB {'above' if offset > 0 else 'below'} the prediction: "
                "relative levels, another unit (dBuV), a power or a band that is not the project's",
                "declare relative levels, or correct the project",
            )
    if moving and len(level) >= FOLLOWS_CELLS:
        follows, cells_used = _follows(cells, heard)
        if cells_used >= FOLLOWS_CELLS and follows < FOLLOWS:
            yield _fault(
                "levels do not follow the prediction at all: their rank correlation within sites and handsets is "
                f"{follows:.2f}",
                "look for wrong serving sites, swapped or shifted coordinates (datum), clocks that do not agree, or "
                "a column that is no level",
            )


def _follows(cells: Cells, heard: np.ndarray) -> tuple[float, int]:
    """Rank correlation of level and prediction within sites and handsets of 10 cells or more; the cells in them."""
    group = ((cells.site * len(cells.devices) + cells.device) * 2 + cells.talk_in)[heard]
    level, predicted = cells.level_dbm[heard], cells.predicted_dbm[heard]
    total, used = 0.0, 0
    for g in np.unique(group):
        mine = group == g
        n = int(mine.sum())
        if n < 10 or _spread(predicted[mine]) < 1.0 or _spread(level[mine]) == 0:
            continue
        total += n * _rank_correlation(level[mine], predicted[mine])
        used += n
    return (total / used if used else 1.0), used


def _off(cells: Cells) -> Iterator[Problem]:
    """A site that its own other days, or that day's other sites, say should have been heard."""
    for site, day, count, said in off_periods(cells):
        date = np.datetime64(int(day), "D")
        yield _fault(
            f"{cells.sites[site]} {said} at {count} cells on {date}: its transmitter was off, or it was another site",
            "leave that day of the site out ([calibration] off), or correct the state of the network on that day",
        )


def off_periods(cells: Cells) -> list[tuple[int, int, int, str]]:
    """(position of the site, day, cells, what was seen) of days on which a site was as good as off."""
    expected = cells.level_dbm - cells.predicted_dbm
    expected = np.where(cells.censored == ABOVE, np.maximum(expected, 0.0), expected)
    heard = cells.censored == NONE
    if not heard.any():
        return []
    usual = float(np.median(expected[heard]))
    strong = (cells.censored == BELOW) & (expected - usual < -SILENT_DB)
    found = []
    key = cells.site.astype(np.int64) * 1_000_000 + cells.day
    for one in np.unique(key):
        mine = key == one
        site, day = int(one // 1_000_000), int(one % 1_000_000)
        surely = strong & mine
        weak = heard & mine & (expected - usual < -OFF_DB)
        told = mine & (heard | strong | (cells.censored == ABOVE))
        elsewhere = ~mine & heard & (expected - usual > -OFF_DB)
        if told.sum() < OFF_CELLS or not elsewhere.any() or cells.relative:
            continue
        if (surely | weak).sum() >= OFF_SHARE * told.sum() and elsewhere.sum() >= OFF_CELLS:
            silent = surely.sum() > weak.sum()
            said = f"was not heard although expected {SILENT_DB:.0f} dB above the limit or more" if silent else (
                f"lies {usual - np.median(expected[weak]):.0f} dB below what the other levels say")  # fmt: skip
            found.append((site, day, int((surely | weak).sum()), said))
    return found


def _thin(cells: Cells) -> Iterator[Problem]:
    heard = cells.censored == NONE
    if len(np.unique(cells.device[heard])) == 1:
        name = cells.devices[cells.device[heard][0]]
        yield _doubt(
            f"all levels come from one handset ({name}): its own error cannot be told from the model's offset",
            "compare it with others on a bench, or drive with three",
        )
    else:
        yield from _odd_handsets(cells, heard)
    if len(np.unique(cells.site[heard])) == 1:
        name = cells.sites[cells.site[heard][0]]
        yield _doubt(
            f"all levels come from one site ({name}): what is its own cannot be told from the model's offset",
            "new sites keep the spread between sites that was assumed; measure three more",
        )
    if len(np.unique(cells.day[heard])) == 1:
        yield _doubt("all levels come from one day: weather, leaves and traffic of other days are not in the spread")
    if not np.any(cells.censored == BELOW):
        yield _doubt(
            "no cell says where nothing was heard: of weak places only those that happened to be strong are known",
            "let the handsets log where there is no service",
        )


def _odd_handsets(cells: Cells, heard: np.ndarray) -> Iterator[Problem]:
    residual = cells.level_dbm - cells.predicted_dbm
    if cells.relative:
        return
    usual = np.median(residual[heard])
    for d in np.unique(cells.device[heard]):
        mine = heard & (cells.device == d)
        off = float(np.median(residual[mine]) - usual)
        if mine.sum() >= 10 and abs(off) > ODD_HANDSET_DB:
            yield _doubt(
                f"{cells.devices[d]} reads {abs(off):.0f} dB {'more' if off > 0 else 'less'} than the others",
                "an attenuator, a broken antenna or another unit: check it before its levels count",
            )


def _spread(values: np.ndarray) -> float:
    """Half of what lies between the 16th and 84th of 100."""
    return float(np.subtract(*np.quantile(values, [0.84, 0.16]))) / 2


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
