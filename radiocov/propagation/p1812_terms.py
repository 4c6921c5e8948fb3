"""What the terms of P.1812 are: symbol -> unit, place in Recommendation ITU-R P.1812-8, meaning.

The symbols are those of ``p1812.TERMS`` and come in its order. "Att. 1" is Attachment 1 to Annex 1.
"""

from typing import NamedTuple


class Term(NamedTuple):
    unit: str
    section: str
    meaning: str


TABLE = {
    "d": Term("km", "3.2", "path length"),
    "dlt": Term("km", "Att. 1, eq 78", "distance to the transmitter's horizon"),
    "dlr": Term("km", "Att. 1, eq 81a", "distance to the receiver's horizon"),
    "theta_t": Term("mrad", "Att. 1, eq 76-78", "transmitter's horizon elevation angle"),
    "theta_r": Term("mrad", "Att. 1, eq 79-81", "receiver's horizon elevation angle"),
    "theta": Term("mrad", "Att. 1, eq 82", "angular distance of the path"),
    "hts": Term("m", "3.8", "transmitting antenna above sea level"),
    "hrs": Term("m", "3.8", "receiving antenna above sea level"),
    "omega": Term("1", "3.8", "fraction of the path over sea"),
    "dtm": Term("km", "3.6", "longest continuous land section"),
    "dlm": Term("km", "3.6", "longest continuous inland section"),
    "phi": Term("deg", "3.6, eq 4", "latitude of the path's centre"),
    "b0": Term("%", "3.6, eq 2-5", "time percentage of anomalous propagation"),
    "ae": Term("km", "3.7, eq 7a", "median effective Earth radius"),
    "ab": Term("km", "3.7, eq 7b", "effective Earth radius exceeded for b0 % of time"),
    "hst_fit": Term("m", "Att. 1, eq 85", "smooth surface under the transmitter, as fitted"),
    "hsr_fit": Term("m", "Att. 1, eq 86", "smooth surface under the receiver, as fitted"),
    "hobs": Term("m", "Att. 1, eq 87", "highest ground above the line between the antennas"),
    "alpha_obt": Term("m/km", "Att. 1, eq 87", "steepest ground above that line from the transmitter"),
    "alpha_obr": Term("m/km", "Att. 1, eq 87", "steepest ground above that line from the receiver"),
    "hst": Term("m", "Att. 1, eq 90a", "smooth surface under the transmitter, not above ground"),
    "hsr": Term("m", "Att. 1, eq 90b", "smooth surface under the receiver, not above ground"),
    "hstd": Term("m", "Att. 1, eq 88-89", "smooth surface for diffraction, transmitter"),
    "hsrd": Term("m", "Att. 1, eq 88-89", "smooth surface for diffraction, receiver"),
    "htc": Term("m", "4.3.4, eq 37a", "transmitting antenna above the diffraction surface"),
    "hrc": Term("m", "4.3.4, eq 37b", "receiving antenna above the diffraction surface"),
    "hte": Term("m", "Att. 1, eq 92a", "effective height of the transmitting antenna"),
    "hre": Term("m", "Att. 1, eq 92b", "effective height of the receiving antenna"),
    "hm": Term("m", "Att. 1, eq 93", "terrain roughness between the horizons"),
    "Lbfs": Term("dB", "4.2, eq 8", "free-space loss"),
    "Lb0p": Term("dB", "4.2, eq 10", "line-of-sight loss not exceeded for p % of time"),
    "Lb0b": Term("dB", "4.2, eq 11", "line-of-sight loss not exceeded for b0 % of time"),
    "Lbulla50": Term("dB", "4.3.1, eq 21", "Bullington loss of the profile, median"),
    "Lbulls50": Term("dB", "4.3.1, eq 21", "Bullington loss of the smooth path, median"),
    "Ldsph50": Term("dB", "4.3.2, eq 27", "spherical-Earth loss, median"),
    "Ld50": Term("dB", "4.3.4, eq 39", "diffraction loss, median"),
    "Lbulla": Term("dB", "4.3.1, eq 21", "Bullington loss of the profile for b0 % of time"),
    "Lbulls": Term("dB", "4.3.1, eq 21", "Bullington loss of the smooth path for b0 % of time"),
    "Ldsph": Term("dB", "4.3.2, eq 27", "spherical-Earth loss for b0 % of time"),
    "Ldb": Term("dB", "4.3.4, eq 39", "diffraction loss not exceeded for b0 % of time"),
    "Fi": Term("1", "4.3.5, eq 40", "weight between the median and b0 %"),
    "Ldp": Term("dB", "4.3.5, eq 41", "diffraction loss not exceeded for p % of time"),
    "Lbd50": Term("dB", "4.3.5, eq 42", "free-space and diffraction loss, median"),
    "Lbd": Term("dB", "4.3.5, eq 43", "line-of-sight and diffraction loss for p % of time"),
    "Lminb0p": Term("dB", "4.6, eq 59", "notional least loss of line of sight and diffraction over sea"),
    "Lba": Term("dB", "4.5, eq 46", "ducting and layer reflection"),
    "Lminbap": Term("dB", "4.6, eq 60", "notional least loss of line of sight and ducting"),
    "Fj": Term("1", "4.6, eq 57", "weight by angular distance"),
    "Fk": Term("1", "4.6, eq 58", "weight by path length"),
    "Lbda": Term("dB", "4.6, eq 61", "diffraction and ducting combined"),
    "Lbam": Term("dB", "4.6, eq 62", "the same with the weight by angular distance"),
    "Lbs": Term("dB", "4.4, eq 44", "tropospheric scatter"),
    "Lbc": Term("dB", "4.6, eq 63", "all mechanisms, 50 % of locations"),
    "sigma_L": Term("dB", "4.7", "location variability within a pixel"),
    "Lloc": Term("dB", "4.7", "location correction, 0 at 50 % of locations"),
    "Lb": Term("dB", "4.9, eq 69", "basic transmission loss"),
}
