"""What calibration works on, and what it finds.

A residual is measured less predicted level, dB: positive where the model was too pessimistic. The calibrated median
level of a site at a pixel is the model's own plus `Calibration`'s correction,

    offset + slope * log10(d / 1 km) + excess * (L - Lfs) + height * log10(h / 30 m) + class(pixel) + site + field,

where L is the model's basic transmission loss, Lfs free-space loss, d the distance and h the transmit antenna's
height above ground. Sites and the field are known near measurements only; elsewhere they are zero with their own
variance.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

NONE, BELOW, ABOVE = 0, -1, 1  # how a cell is censored: heard; the level lies below, above what is given
REFERENCE_HEIGHT_M = 30.0


@dataclass(frozen=True, eq=False)
class Cells:
    """Local means, one a raster cell, site, handset, direction and day, with what the model says of each; (n,) each.

    x_m, y_m: in the grid's plane. site, device, clutter: positions in `sites`, `devices`, `classes`. day: since 1970,
    in UTC. level_dbm: local mean at the antenna port, or the limit of a censored one. error_db: standard deviation of
    the local mean itself. predicted_dbm: median at the same port without calibration; excess_db: the model's loss
    less free space. weight: 0 to 1, of the balance over sites and classes. clutter_slope_db_per_m: (n, classes) what
    a metre more of each class's clutter does to predicted_dbm, where that was computed.
    """

    x_m: np.ndarray
    y_m: np.ndarray
    site: np.ndarray
    device: np.ndarray
    day: np.ndarray
    clutter: np.ndarray
    level_dbm: np.ndarray
    censored: np.ndarray
    samples: np.ndarray
    error_db: np.ndarray
    predicted_dbm: np.ndarray
    distance_km: np.ndarray
    excess_db: np.ndarray
    tx_height_m: np.ndarray
    weight: np.ndarray
    talk_in: np.ndarray  # bool: heard by the site, not by the handset
    sites: tuple[str, ...]
    devices: tuple[str, ...]
    classes: tuple[str, ...]
    frequency_mhz: float
    relative: bool = False  # levels are dB from an unknown zero of each receiver
    clutter_slope_db_per_m: np.ndarray | None = None
    floor_dbm: np.ndarray | None = None  # noise of the receiver on that day, NaN where it shows none; see `noise`

    def __len__(self) -> int:
        return len(self.level_dbm)

    def of(self, chosen: np.ndarray) -> Cells:
        """The cells of a mask or of positions."""
        values = {
            name: value[chosen] if isinstance(value, np.ndarray) else value for name, value in vars(self).items()
        }
        return Cells(**values)


@dataclass(frozen=True)
class Effect:
    """One fitted number. status: "fitted", "shrunk" (few cells: near its prior), "kept" (the prior; why: reason)."""

    value: float
    sd: float
    cells: int
    status: str = "fitted"
    reason: str = ""


@dataclass(frozen=True)
class Field:
    """Residuals left in space: an exponential covariance of a part that all sites share (the obstacles around the
    handset) and of a part of each site's own, with a nugget (within a cell, and between handsets)."""

    common_db: float = 0.0  # standard deviations
    own_db: float = 0.0
    nugget_db: float = 0.0
    range_m: float = 0.0  # of exp(-d / range)
    ratio: float = 1.0  # range along the main axis / range across; 1 unless the data ask for more
    azimuth_deg: float = 0.0  # of the main axis, clockwise from grid north


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the fit leaves at measured places, one a place and site, (n,) each; the field between them is drawn from
    it. `calibration.field.settle` makes them of cells: no censored ones, duplicates or outliers are left.

    x_m, y_m: in the plane `crs`. site: positions in `sites`. residual_db: measured less calibrated, handset's offset
    taken off. error_db: its standard deviation without the field's nugget.
    """

    x_m: np.ndarray
    y_m: np.ndarray
    site: np.ndarray
    residual_db: np.ndarray
    error_db: np.ndarray
    sites: tuple[str, ...]
    crs: str

    def __len__(self) -> int:
        return len(self.residual_db)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fit. fixed: "offset_db", "slope_db_per_decade", "excess", "height_db_per_decade" and those the model adds;
    "clutter_height_m CLASS" is metres more than stated. covariance: of fixed, then classes, then sites, in the order
    of these dicts: errors of the offset and of a site's own effect nearly cancel. devices: by name, or "NAME talk-in"
    for what the sites hear of it. sigma_db: by clutter class, spread of a cell's true median about the calibrated one
    where nothing was measured near: it contains the field and location variability, not the error of the fit. It is
    the sigma of the normal distribution that meets the fitted Student's t at 10 and 90 %. With relative levels the
    offset is unknown (kept at 0) and each receiver's effect holds its zero. validity: frequency_mhz, distance_km,
    tx_height_m, classes: the ranges seen. validation: one row a split and model.
    """

    fixed: dict[str, Effect]
    covariance: np.ndarray
    classes: dict[str, Effect]
    sites: dict[str, Effect]
    devices: dict[str, Effect]
    sigma_db: dict[str, Effect]
    site_db: float  # standard deviation of sites: the variance of a site that was not measured
    device_db: float
    degrees_of_freedom: float  # of Student's t about the fit; inf: normal
    field: Field = Field()
    residuals: Residuals | None = None  # None: no field in the map
    clutter_heights_m: dict[str, Effect] = dataclasses.field(default_factory=dict)
    validity: dict[str, Any] = dataclasses.field(default_factory=dict)
    validation: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    day_db: float = 0.0  # standard deviation of a site's levels from day to day; sigma_db contains it
    days: dict[tuple[str, int], Effect] = dataclasses.field(default_factory=dict)  # of a site; in no file
    day_span: int = 1  # days since 1970 that are taken as one in `days`
    joint: np.ndarray | None = None  # covariance with handsets and days; in no file
    advice: tuple[str, ...] = ()
