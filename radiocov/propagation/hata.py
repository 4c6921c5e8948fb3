"""Empirical loss models by distance: Okumura-Hata, extended Hata (SEAMCAT) and the planning form SPM.

- Okumura-Hata: M. Hata, "Empirical formula for propagation loss in land mobile radio services", IEEE
  Trans. Veh. Technol. 29(3), 1980; 150-1500 MHz, base 30-200 m, mobile 1-10 m, 1-20 km.
- Extended Hata: as the spectrum tool SEAMCAT states it (handbook A17.3.1, Report ITU-R SM.2028):
  30-3000 MHz, up to 100 km, the same in both directions.
- SPM: K1 + K2 log d + K3 log H + K4 diffraction + K5 log d log H + K6 h + K7 log h + K_clutter, the form
  planning tools calibrate to drive tests, d and heights in metres.

None of them sees the terrain. Losses in dB, medians.
"""

import math
from enum import IntEnum

import numba
import numpy as np

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


class HataEnvironment(IntEnum):
    """Environments; LARGE_CITY exists in Okumura-Hata only, where URBAN is a small or medium city."""

    URBAN = 0
    LARGE_CITY = 1
    SUBURBAN = 2
    OPEN = 3


def _codes(environment, allowed) -> np.ndarray:
    """Environment names, members or arrays of numbers as int64."""
    names = {e.name.lower().replace("_", "-"): int(e) for e in allowed}
    if isinstance(environment, str):
        if environment not in names:
            raise ValueError(f"environment is {environment!r}: it must be one of {', '.join(names)}")
        return np.asarray(names[environment], dtype=np.int64)
    codes = np.asarray(environment)
    if not np.all(np.isin(codes, list(names.values()))):
        raise ValueError(f"environment must be one of {names}, not {environment}")
    return codes.astype(np.int64)


def _within(name: str, unit: str, values: np.ndarray, low: float, high: float, model: str) -> None:
    if not np.all((values >= low) & (values <= high)):
        bad = values[~((values >= low) & (values <= high))].flat[0]
        raise ValueError(f"{name} is {bad:g}: {model} holds for {low:g} to {high:g} {unit}")


# -------------------------------------------------------------------------------------- Okumura-Hata


@kernel
def mobile_height_correction(f_mhz, h_m):
    """a(h_m) of a small or medium city, dB."""
    log_f = math.log10(f_mhz)
    return (1.1 * log_f - 0.7) * h_m - (1.56 * log_f - 0.8)


@kernel
def large_city_correction(f_mhz, h_m):
    """a(h_m) of a large city, dB; Hata gives one form up to 200 MHz and one from 400 MHz, here met at 300.

    At h_m = 1.5 m the two forms differ by 0.005 dB.
    """
    if f_mhz < 300.0:
        return 8.29 * math.log10(1.54 * h_m) ** 2 - 1.1
    return 3.2 * math.log10(11.75 * h_m) ** 2 - 4.97


@kernel
def suburban_correction(f_mhz):
    """What suburban areas lose less than urban ones, dB."""
    return 2.0 * math.log10(f_mhz / 28.0) ** 2 + 5.4


@kernel
def open_correction(f_mhz):
    """What open areas lose less than urban ones, dB."""
    log_f = math.log10(f_mhz)
    return 4.78 * log_f**2 - 18.33 * log_f + 40.94


@kernel
def okumura_hata_kernel(f_mhz, d_km, h_b, h_m, environment):
    """Okumura-Hata median loss; environment as `HataEnvironment`."""
    log_hb = math.log10(h_b)
    urban = 69.55 + 26.16 * math.log10(f_mhz) - 13.82 * log_hb + (44.9 - 6.55 * log_hb) * math.log10(d_km)
    if environment == 1:
        return urban - large_city_correction(f_mhz, h_m)
    loss = urban - mobile_height_correction(f_mhz, h_m)
    if environment == 2:
        return loss - suburban_correction(f_mhz)
    if environment == 3:
        return loss - open_correction(f_mhz)
    return loss


@numba.vectorize(cache=True)
def _okumura_hata(f_mhz, d_km, h_b, h_m, environment):
    return okumura_hata_kernel(f_mhz, d_km, h_b, h_m, environment)


def okumura_hata(frequency_mhz, distance_km, base_height_m, mobile_height_m, environment="urban"):
    """Okumura-Hata median basic transmission loss [dB]; arrays broadcast.

    Parameters
    ----------
    frequency_mhz : 150 to 1500 [MHz].
    distance_km : 1 to 20 [km].
    base_height_m : effective base antenna height, 30 to 200 [m].
    mobile_height_m : 1 to 10 [m].
    environment : "urban" (small or medium city), "large-city", "suburban", "open", or `HataEnvironment`
        numbers (arrays too).

    Raises
    ------
    ValueError outside these ranges.
    """
    f, d, h_b, h_m = (
        np.asarray(a, dtype=float) for a in (frequency_mhz, distance_km, base_height_m, mobile_height_m)
    )
    _within("frequency_mhz", "MHz", f, 150.0, 1500.0, "Okumura-Hata")
    _within("distance_km", "km", d, 1.0, 20.0, "Okumura-Hata")
    _within("base_height_m", "m", h_b, 30.0, 200.0, "Okumura-Hata")
    _within("mobile_height_m", "m", h_m, 1.0, 10.0, "Okumura-Hata")
    with np.errstate(all="ignore"):
        return _okumura_hata(f, d, h_b, h_m, _codes(environment, HataEnvironment))


# ------------------------------------------------------------------------------------- extended Hata

EXTENDED_ENVIRONMENTS = (HataEnvironment.URBAN, HataEnvironment.SUBURBAN, HataEnvironment.OPEN)


@kernel
def extended_free_space(f_mhz, d_km, h_b, h_m):
    """Free-space loss over the slant distance with SEAMCAT's constant, 0.05 dB under P.525's [A17 191]."""
    slant2 = d_km**2 + ((h_b - h_m) / 1000.0) ** 2
    return 32.4 + 20.0 * math.log10(f_mhz) + 10.0 * math.log10(slant2)


@kernel
def distance_exponent(f_mhz, d_km, h_b):
    """alpha: the exponent of log d, 1 up to 20 km [A17 201]."""
    if d_km <= 20.0:
        return 1.0
    return 1.0 + (0.14 + 1.87e-4 * f_mhz + 1.07e-3 * h_b) * math.log10(d_km / 20.0) ** 0.8


@kernel
def extended_mobile_correction(f_mhz, h_m):
    """a(H_m), dB: Hata's up to 10 m, then 20 log of the height [A17 199]."""
    return mobile_height_correction(f_mhz, min(10.0, h_m)) + max(0.0, 20.0 * math.log10(h_m / 10.0))


@kernel
def extended_base_correction(h_b):
    """b(H_b), dB: 0 from 30 m upwards [A17 200]."""
    return min(0.0, 20.0 * math.log10(h_b / 30.0))


@kernel
def extended_beyond_100_m(f_mhz, d_km, h_b, h_m, environment):
    """Loss from 0.1 km onwards, before the free-space floor [A17 192 to 197]."""
    if f_mhz <= 150.0:
        start = 69.6 + 26.2 * math.log10(150.0) - 20.0 * math.log10(150.0 / f_mhz)
    elif f_mhz <= 1500.0:
        start = 69.6 + 26.2 * math.log10(f_mhz)
    elif f_mhz <= 2000.0:
        start = 46.3 + 33.9 * math.log10(f_mhz)
    else:
        start = 46.3 + 33.9 * math.log10(2000.0) + 10.0 * math.log10(f_mhz / 2000.0)
    log_d = math.log10(d_km)
    if d_km > 20.0:
        log_d = log_d ** distance_exponent(f_mhz, d_km, h_b)
    log_hb = math.log10(max(30.0, h_b))
    loss = start - 13.82 * log_hb + (44.9 - 6.55 * log_hb) * log_d
    loss -= extended_mobile_correction(f_mhz, h_m) + extended_base_correction(h_b)
    f_environment = min(max(150.0, f_mhz), 2000.0)
    if environment == 2:
        return loss - suburban_correction(f_environment)
    if environment == 3:
        return loss - open_correction(f_environment)
    return loss


@kernel
def extended_hata_kernel(f_mhz, d_km, h_1, h_2, environment):
    """Extended Hata median loss; the heights are interchangeable, environment 0, 2 or 3."""
    h_m = max(1.0, min(h_1, h_2))
    h_b = max(1.0, max(h_1, h_2))
    free = extended_free_space(f_mhz, d_km, h_b, h_m)
    if d_km <= 0.04:
        return free
    if d_km >= 0.1:
        return max(free, extended_beyond_100_m(f_mhz, d_km, h_b, h_m, environment))
    at_40_m = extended_free_space(f_mhz, 0.04, h_b, h_m)
    at_100_m = extended_beyond_100_m(f_mhz, 0.1, h_b, h_m, environment)
    share = math.log10(d_km / 0.04) / math.log10(0.1 / 0.04)
    return max(free, at_40_m + share * (at_100_m - at_40_m))  # [A17 198]


@kernel
def extended_hata_sigma_kernel(d_km, above_roof):
    """Standard deviation (dB) about the median by distance [A17 table 81]."""
    near = 12.0 if above_roof else 17.0
    if d_km <= 0.04:
        return 3.5
    if d_km <= 0.1:
        return 3.5 + (near - 3.5) / (0.1 - 0.04) * (d_km - 0.04)
    if d_km <= 0.2:
        return near
    if d_km <= 0.6:
        return near + (9.0 - near) / (0.6 - 0.2) * (d_km - 0.2)
    return 9.0


# compiled at import for these types: the engine calls it from several threads, and numba warns when two compile
@numba.vectorize(["float64(float64,float64,float64,float64,int64)"], cache=True)
def _extended_hata(f_mhz, d_km, h_1, h_2, environment):
    return extended_hata_kernel(f_mhz, d_km, h_1, h_2, environment)


@numba.vectorize(cache=True)
def _extended_hata_sigma(d_km, above_roof):
    return extended_hata_sigma_kernel(d_km, above_roof)


def _extended_checked(frequency_mhz, distance_km, height_1_m, height_2_m, environment):
    f, d, h_1, h_2 = (
        np.asarray(a, dtype=float) for a in (frequency_mhz, distance_km, height_1_m, height_2_m)
    )
    _within("frequency_mhz", "MHz", f, 30.0, 3000.0, "extended Hata")
    _within("distance_km", "km", d, 1e-3, 100.0, "extended Hata")
    for name, h in (("height_1_m", h_1), ("height_2_m", h_2)):
        if not np.all((h > 0) & np.isfinite(h)):
            raise ValueError(f"{name} must be above 0 m, not {h.min():g}")
    return f, d, h_1, h_2, _codes(environment, EXTENDED_ENVIRONMENTS)


def extended_hata(frequency_mhz, distance_km, height_1_m, height_2_m, environment="urban"):
    """Extended Hata (SEAMCAT) median basic transmission loss [dB]; arrays broadcast.

    Parameters
    ----------
    frequency_mhz : 30 to 3000 [MHz].
    distance_km : 0.001 to 100 [km]; free space up to 0.04, interpolated up to 0.1.
    height_1_m, height_2_m : antenna heights above ground in either order, above 0 [m]. The lower counts
        as at least 1 m. `extended_hata_terms` warns outside 1-10 m for the lower, 30-200 m for the higher.
    environment : "urban", "suburban" or "open", or `HataEnvironment` numbers (arrays too).

    Never less than free space. Raises ValueError outside these ranges.
    """
    arguments = _extended_checked(frequency_mhz, distance_km, height_1_m, height_2_m, environment)
    with np.errstate(all="ignore"):
        return _extended_hata(*arguments)


def extended_hata_terms(frequency_mhz, distance_km, height_1_m, height_2_m, environment="urban") -> dict:
    """One case of `extended_hata` with its terms by symbol [dB] and warnings (list of sentences)."""
    f, d, h_1, h_2, code = (
        a.item() for a in _extended_checked(frequency_mhz, distance_km, height_1_m, height_2_m, environment)
    )
    h_m, h_b = max(1.0, min(h_1, h_2)), max(1.0, max(h_1, h_2))
    warnings = []
    if not 1.0 <= min(h_1, h_2) <= 10.0:
        warnings.append(f"the lower antenna at {min(h_1, h_2):g} m is outside 1 m to 10 m")
    if not 30.0 <= max(h_1, h_2) <= 200.0:
        warnings.append(f"the higher antenna at {max(h_1, h_2):g} m is outside 30 m to 200 m")
    return {
        "basic_transmission_loss_db": extended_hata_kernel(f, d, h_1, h_2, code),
        "L_free_space": extended_free_space(f, d, h_b, h_m),
        "alpha": distance_exponent(f, d, h_b),
        "a_Hm": extended_mobile_correction(f, h_m),
        "b_Hb": extended_base_correction(h_b),
        "H_m": h_m,
        "H_b": h_b,
        "sigma": extended_hata_sigma_kernel(d, True),
        "warnings": warnings,
    }


def extended_hata_sigma(distance_km, above_roof=True):
    """Standard deviation [dB] of extended Hata at a distance [km, above 0]; arrays broadcast.

    `above_roof` says whether one antenna stands above the roofs, as a base station's does.
    """
    d = np.asarray(distance_km, dtype=float)
    if not np.all(d > 0):
        raise ValueError(f"distance_km must be above 0 km, not {d.min():g}")
    with np.errstate(all="ignore"):
        return _extended_hata_sigma(d, np.asarray(above_roof, dtype=bool))


# ----------------------------------------------------------------------------------------------- SPM


@kernel
def spm_kernel(d_m, h_te, h_rx, diffraction_db, clutter_db, k):
    """SPM loss; k holds K1 to K7. The effective base height is limited to 20 m to 200 m."""
    log_d = math.log10(d_m)
    log_h = math.log10(min(max(h_te, 20.0), 200.0))
    return (
        k[0]
        + k[1] * log_d
        + k[2] * log_h
        + k[3] * diffraction_db
        + k[4] * log_d * log_h
        + k[5] * h_rx
        + k[6] * math.log10(h_rx)
        + clutter_db
    )


@kernel
def _spm_cases(d_m, h_te, h_rx, diffraction_db, clutter_db, k, out):
    for i in range(out.size):
        out[i] = spm_kernel(d_m[i], h_te[i], h_rx[i], diffraction_db[i], clutter_db[i], k)


def spm_hata_coefficients(frequency_mhz: float = 350.0) -> np.ndarray:
    """K1 to K7 (7,) that make SPM Okumura-Hata's urban loss at 1.5 m, where a(h_m) is about 0; K4 = 1."""
    _within("frequency_mhz", "MHz", np.asarray(float(frequency_mhz)), 150.0, 1500.0, "Okumura-Hata")
    # Hata counts d in km: log d_km = log d_m - 3
    k1 = 69.55 + 26.16 * math.log10(frequency_mhz) - 3.0 * 44.9
    return np.array([k1, 44.9, -13.82 + 3.0 * 6.55, 1.0, -6.55, 0.0, 0.0])


def spm(
    distance_km, base_height_m, mobile_height_m, coefficients=None, diffraction_db=0.0, clutter_db=0.0
):
    """Standard propagation model loss [dB]; arrays broadcast.

    Parameters
    ----------
    distance_km : above 0 [km].
    base_height_m : effective base antenna height above the receiver's ground [m], used within 20 to 200.
    mobile_height_m : above 0 [m].
    coefficients : K1 to K7 (7,); default `spm_hata_coefficients()`, that is 350 MHz.
    diffraction_db : diffraction loss that K4 weighs [dB].
    clutter_db : weighted clutter offset [dB].
    """
    d, h_te, h_rx, diffraction, clutter = (
        np.asarray(a, dtype=float)
        for a in (distance_km, base_height_m, mobile_height_m, diffraction_db, clutter_db)
    )
    k = np.ascontiguousarray(spm_hata_coefficients() if coefficients is None else coefficients, dtype=float)
    if k.shape != (7,):
        raise ValueError(f"coefficients must be K1 to K7, seven numbers, not shape {k.shape}")
    for name, values, unit in (("distance_km", d, "km"), ("mobile_height_m", h_rx, "m")):
        if not np.all(values > 0):
            raise ValueError(f"{name} must be above 0 {unit}, not {values.min():g}")
    columns = np.broadcast_arrays(d * 1000.0, h_te, h_rx, diffraction, clutter)
    out = np.empty(columns[0].size)
    _spm_cases(*(np.ravel(c) for c in columns), k, out)
    return out.reshape(columns[0].shape)[()]
