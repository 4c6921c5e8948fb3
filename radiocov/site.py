"""A site of the network: one row of sites.csv, read and whole."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass

OMNI_WORDS = ("omni", "全向")
EARTH_A_M, EARTH_E2 = 6_378_137.0, 0.00669437999  # WGS 84: semi-major axis, square of the eccentricity


@dataclass(frozen=True)
class Site:
    """A transmitter and its receiver: one row of sites.csv, a sector where a mast has several.

    lon, lat: WGS 84 degrees. losses_db: combiner, feeder and the like between transmitter and antenna, as given or
    the sum of its parts (losses_summed). antenna: a file's name in the antennas folder, "beam:H/V", "" for an omni
    of gain_dbi. azimuth_deg: of the boresight, clockwise from true north; tilt_deg: mechanical, positive downwards;
    electrical_tilt_deg: None = as in the file. frequency_mhz: None = the project's. in_service: None = always.
    status: existing, planned or candidate. site: name of the mast, "" = its own. offset_east_m, offset_north_m: of
    the antenna from lon, lat. feeder_db: from type and length, at the site's frequency. rx_...: None or "" = as for
    transmission, rx_antenna "omni" = an omni; rx_losses_db None: the losses without the combiner where they are
    summed, else losses_db. rx_diversity_db, rx_noise_figure_db: None = those of [base]. channels: talk-out carriers,
    MHz. simulcast: name of a group that sends the same on the same carriers, "" = none; launch_delay_us: by how much
    later than the group's time this site sends, None = 0. cost: of building it, in any unit, for plans.
    """

    id: str
    name: str
    lon: float
    lat: float
    antenna_height_m: float
    power_dbm: float
    losses_db: float
    antenna: str
    gain_dbi: float
    azimuth_deg: float
    tilt_deg: float
    frequency_mhz: float | None
    in_service: dt.date | None
    status: str
    site: str = ""
    electrical_tilt_deg: float | None = None
    offset_east_m: float | None = None
    offset_north_m: float | None = None
    combiner_db: float | None = None
    duplexer_db: float | None = None
    feeder_type: str = ""
    feeder_length_m: float | None = None
    jumpers_db: float | None = None
    rx_antenna: str = ""
    rx_gain_dbi: float | None = None
    rx_antenna_height_m: float | None = None
    rx_azimuth_deg: float | None = None
    rx_tilt_deg: float | None = None
    rx_electrical_tilt_deg: float | None = None
    rx_losses_db: float | None = None
    rx_diversity_db: float | None = None
    rx_noise_figure_db: float | None = None
    tma_gain_db: float | None = None
    tma_noise_figure_db: float | None = None
    losses_summed: bool = False
    feeder_db: float | None = None
    channels: tuple[float, ...] = ()
    simulcast: str = ""
    launch_delay_us: float | None = None
    cost: float | None = None

    @property
    def eirp_max_dbm(self) -> float:
        """EIRP [dBm] in the direction of the antenna's maximum."""
        return self.power_dbm - self.losses_db + self.gain_dbi

    @property
    def antenna_lonlat(self) -> tuple[float, float]:
        """Where the antenna is, WGS 84 degrees: lon, lat moved by the offsets on the ellipsoid."""
        if not self.offset_east_m and not self.offset_north_m:
            return self.lon, self.lat
        sine = math.sin(math.radians(self.lat))
        across = EARTH_A_M / math.sqrt(1.0 - EARTH_E2 * sine**2)
        along = across * (1.0 - EARTH_E2) / (1.0 - EARTH_E2 * sine**2)
        east = (self.offset_east_m or 0.0) / (across * math.cos(math.radians(self.lat)))
        return self.lon + math.degrees(east), self.lat + math.degrees((self.offset_north_m or 0.0) / along)

    @property
    def receiving(self) -> Site:
        """The site as its receive antenna is: that antenna's pattern, gain, height and angles in the place of the
        transmit antenna's. The site itself where they are the same."""
        changed: dict[str, object] = {
            name: value for name, value in (
                ("gain_dbi", self.rx_gain_dbi), ("antenna_height_m", self.rx_antenna_height_m),
                ("azimuth_deg", self.rx_azimuth_deg), ("tilt_deg", self.rx_tilt_deg),
                ("electrical_tilt_deg", self.rx_electrical_tilt_deg),
            ) if value is not None and value != getattr(self, name)
        }  # fmt: skip
        if self.rx_antenna:
            changed["antenna"] = "" if self.rx_antenna in OMNI_WORDS else self.rx_antenna
            changed["electrical_tilt_deg"] = self.rx_electrical_tilt_deg  # it belongs to the antenna
        return dataclasses.replace(self, **changed) if changed else self

    @property
    def receive_losses_db(self) -> float:
        """Between the receive antenna and the receiver [dB], an amplifier at the antenna left aside."""
        if self.rx_losses_db is not None:
            return self.rx_losses_db
        if not self.losses_summed:
            return self.losses_db
        return round((self.duplexer_db or 0.0) + (self.feeder_db or 0.0) + (self.jumpers_db or 0.0), 3)


def in_state(sites: Iterable[Site], date: dt.date) -> list[Site]:
    """The sites that count on a date: in service by then, and no mere candidates."""
    return [site for site in sites
            if site.status != "candidate" and (site.in_service is None or site.in_service <= date)]
