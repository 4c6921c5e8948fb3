"""Irregular Terrain Model (Longley-Rice): point-to-point over a terrain profile, and area mode.

The model as NTIA's reimplementation states it (ITM 1.3 / "v7"): basic transmission loss between 20 MHz and
20 GHz for antennas 0.5 m to 3000 m above ground, with variability either in time, location and situation
(TLS) or as confidence and reliability (CR). Three steps, a module each: `itm_path` (what the model needs
of the path), `itm_attenuation` (reference attenuation), `itm_variability`; their docstrings name the
sources. `itm_limits` names return codes and warning flags. This module chains the steps.

    symbol     unit   meaning                                             key in the dict of terms
    A          dB     basic transmission loss                             basic_transmission_loss_db
    A_ref      dB     reference attenuation beyond free space             A_ref
    A_fs       dB     free-space basic transmission loss                  A_fs
    theta_hzn  rad    horizon angle, transmitter and receiver             theta_hzn
    d_hzn      m      horizon distance, transmitter and receiver          d_hzn
    h_e        m      effective antenna height, transmitter and receiver  h_e
    N_s        N      surface refractivity                                N_s
    delta_h    m      terrain irregularity                                delta_h
    d          km     path length                                         d_km
               -      line-of-sight, diffraction or troposcatter          mode

`itm_sweep` computes every receiver of a radial.
"""

import math

import numba
import numpy as np

from radiocov.propagation.itm_attenuation import AREA, POINT_TO_POINT, reference_attenuation
from radiocov.propagation.itm_limits import (
    ERRORS,
    Climate,
    ItmError,
    ItmWarning,
    Siting,
    check_geometry,
    check_inputs,
)
from radiocov.propagation.itm_path import (
    WORK_SIZE,
    area_effective_height,
    mean_path_height,
    path_constants,
    path_geometry,
    smooth_horizon,
)
from radiocov.propagation.itm_variability import far_in_tail, upper_normal_quantile, variability

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

MODES = ("none", "line-of-sight", "diffraction", "troposcatter")
POLARIZATIONS = {"horizontal": 0, "vertical": 1}
RESULT_SIZE = 15  # values in the tuple that the kernels of both modes return


@kernel
def loss_from_geometry(
    d, f_mhz, gamma_e, n_s, z_g, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, h_tx, h_rx,
    operation, climate, mdvar, z_t, z_l, z_s,
):
    """Loss of a path whose geometry is known: (A, A_ref, A_fs in dB, mode of propagation)."""
    a_ref, mode = reference_attenuation(
        d, f_mhz, gamma_e, n_s, z_g, delta_h,
        theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, h_tx, h_rx, operation,
    )
    a_fs = 32.45 + 20.0 * math.log10(f_mhz) + 20.0 * math.log10(d / 1000.0)
    a = variability(a_ref, d, f_mhz, h_e_tx, h_e_rx, delta_h, climate, mdvar, z_t, z_l, z_s) + a_fs
    return a, a_ref, a_fs, mode


@kernel
def finish(
    d, f_mhz, gamma_e, n_s, z_g, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, h_tx, h_rx,
    operation, climate, mdvar, z_t, z_l, z_s, flags,
):
    """Checks and loss of a path with its geometry: the tuple of RESULT_SIZE values of either mode."""
    code, more = check_geometry(d, gamma_e, n_s, z_g, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx)
    flags |= more
    a = a_ref = a_fs = math.nan
    mode = 0
    if code == 0:
        if far_in_tail(mdvar, z_t, z_l, z_s):
            flags |= 0x2000
        a, a_ref, a_fs, mode = loss_from_geometry(
            d, f_mhz, gamma_e, n_s, z_g, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx,
            h_tx, h_rx, operation, climate, mdvar, z_t, z_l, z_s,
        )
        code = 1 if flags else 0
    return (
        a, float(code), float(flags), a_ref, a_fs, float(mode), d / 1000.0,
        n_s, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx,
    )


@kernel
def quantiles(time, location, situation):
    """Standard normal deviates exceeded with the given percentages."""
    return (
        upper_normal_quantile(time / 100.0),
        upper_normal_quantile(location / 100.0),
        upper_normal_quantile(situation / 100.0),
    )


@kernel
def failure(code, flags):
    """The result tuple of a case that was refused."""
    nan = math.nan
    return (nan, float(code), float(flags), nan, nan, 0.0, nan, nan, nan, nan, nan, nan, nan, nan, nan)


@kernel
def p2p_kernel(
    heights, n, step, h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n_0, climate, mdvar,
    time, location, situation, work,
):
    """Point-to-point mode over heights[0..n]; percentages 0 to 100; `work` of WORK_SIZE values.

    Returns (A, code, flags, A_ref, A_fs, mode, d_km, N_s, delta_h, theta_tx, theta_rx, d_tx, d_rx,
    h_e_tx, h_e_rx); A is NaN when the code is 1000 or more.
    """
    code, flags = check_inputs(
        h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n_0, climate, mdvar, time, location, situation
    )
    if code != 0:
        return failure(code, flags)
    h_sys = mean_path_height(heights, n, np.empty((2, 0)))
    z_g, gamma_e, n_s = path_constants(f_mhz, h_sys, n_0, vertical, epsilon, sigma)
    theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, delta_h = path_geometry(
        heights, n, step, gamma_e, h_tx, h_rx, work
    )
    return finish(
        n * step, f_mhz, gamma_e, n_s, z_g, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx,
        h_tx, h_rx, POINT_TO_POINT, climate, mdvar, *quantiles(time, location, situation), flags,
    )


@kernel
def area_kernel(
    d_km, delta_h, siting_tx, siting_rx, h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n_0, climate, mdvar,
    time, location, situation,
):
    """Area mode; returns the same tuple as `p2p_kernel`."""
    code, flags = check_inputs(
        h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n_0, climate, mdvar, time, location, situation
    )
    if code == 0:
        if not d_km > 0.0:
            code = 1017
        elif not delta_h >= 0.0:
            code = 1018
        elif siting_tx < 0 or siting_tx > 2:
            code = 1019
        elif siting_rx < 0 or siting_rx > 2:
            code = 1020
    if code != 0:
        return failure(code, flags)
    z_g, gamma_e, n_s = path_constants(f_mhz, 0.0, n_0, vertical, epsilon, sigma)
    h_e_tx = area_effective_height(h_tx, delta_h, siting_tx)
    h_e_rx = area_effective_height(h_rx, delta_h, siting_rx)
    d_tx, theta_tx = smooth_horizon(h_e_tx, 1.0 / gamma_e, delta_h)
    d_rx, theta_rx = smooth_horizon(h_e_rx, 1.0 / gamma_e, delta_h)
    return finish(
        d_km * 1000.0, f_mhz, gamma_e, n_s, z_g, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx,
        h_tx, h_rx, AREA, climate, mdvar, *quantiles(time, location, situation), flags,
    )


@kernel
def p2p_cases(heights, n, step, real, whole, out):
    """`p2p_kernel` for every column of real (9, k) and whole (3, k) into out (k, RESULT_SIZE)."""
    work = np.empty(WORK_SIZE)
    for i in range(out.shape[0]):
        result = p2p_kernel(
            heights, n, step, real[0, i], real[1, i], real[2, i], whole[0, i], real[3, i], real[4, i],
            real[5, i], whole[1, i], whole[2, i], real[6, i], real[7, i], real[8, i], work,
        )
        for j in range(RESULT_SIZE):
            out[i, j] = result[j]


@kernel
def area_cases(real, whole, out):
    """`area_kernel` for every column of real (11, k) and whole (5, k) into out (k, RESULT_SIZE)."""
    for i in range(out.shape[0]):
        result = area_kernel(
            real[9, i], real[10, i], whole[3, i], whole[4, i], real[0, i], real[1, i], real[2, i],
            whole[0, i], real[3, i], real[4, i], real[5, i], whole[1, i], whole[2, i],
            real[6, i], real[7, i], real[8, i],
        )
        for j in range(RESULT_SIZE):
            out[i, j] = result[j]


# ---------------------------------------------------------------------------------- public functions

REAL = (
    "tx_height_m", "rx_height_m", "frequency_mhz", "permittivity", "conductivity_s_m", "n0",
    "time_percent", "location_percent", "situation_percent",
)
WHOLE = ("polarization", "climate", "variability_mode")
_DEFAULTS = {
    "polarization": "vertical",
    "permittivity": 15.0,
    "conductivity_s_m": 0.005,
    "n0": 301.0,
    "climate": Climate.CONTINENTAL_TEMPERATE,
    "variability_mode": 12,
    "time_percent": 50.0,
    "location_percent": 50.0,
    "situation_percent": 50.0,
}
DEFAULT_GROUND = (_DEFAULTS["permittivity"], _DEFAULTS["conductivity_s_m"])
DEFAULT_CLIMATE, DEFAULT_MODE = int(_DEFAULTS["climate"]), _DEFAULTS["variability_mode"]
_CONFIDENCE_CODES = {1003: 1007, 1005: 1006}  # time and situation under their names in CR


def _whole(name: str, value) -> np.ndarray:
    """An option of whole numbers, or of names, as int64."""
    if isinstance(value, str):
        names = {
            "polarization": POLARIZATIONS,
            "climate": {c.name.lower().replace("_", "-"): int(c) for c in Climate},
        }.get(name) or {s.name.lower().replace("_", "-"): int(s) for s in Siting}
        if value not in names:
            raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(names)}")
        value = names[value]
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and not np.all(array == np.floor(array)):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    return array.astype(np.int64)


def gather_options(options: dict, given: dict, real: tuple, whole: tuple):
    """Arrays (real, whole) with a case a column, the common shape, and the values by name."""
    confidence = {"confidence_percent", "reliability_percent"} & set(options)
    if confidence:
        clash = {"time_percent", "location_percent", "situation_percent"} & set(options)
        if clash:
            raise ValueError(f"give confidence and reliability, or {min(clash)}, not both")
        options = dict(options)
        options["situation_percent"] = options.pop("confidence_percent", 50.0)
        options["time_percent"] = options.pop("reliability_percent", 50.0)
    unknown = sorted(set(options) - set(_DEFAULTS))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; options are {', '.join(sorted(_DEFAULTS))}")
    values = {**_DEFAULTS, **options, **given}
    columns = [np.asarray(values[name], dtype=float) for name in real]
    columns += [_whole(name, values[name]) for name in whole]
    columns = np.broadcast_arrays(*columns)
    shape = columns[0].shape
    flat = [np.ravel(c) for c in columns]
    named = dict(zip(real + whole, flat, strict=True))
    return np.stack(flat[: len(real)]), np.stack(flat[len(real) :]), shape, named, bool(confidence)


def _terms(out: np.ndarray, shape: tuple, named: dict, confidence: bool) -> dict:
    """Results (k, RESULT_SIZE) as the dict of terms, or the error of the first case refused."""
    codes = out[:, 1].astype(int)
    refused = np.flatnonzero(codes >= 1000)
    if refused.size:
        first = refused[0]
        code = int(codes[first])
        code = _CONFIDENCE_CODES.get(code, code) if confidence else code
        raise ItmError(ERRORS[code].format(**{k: v[first] for k, v in named.items()}), code)

    def column(j, dtype=float):
        array = out[:, j].astype(dtype).reshape(shape)
        return array if shape else array.item()

    modes = np.array(MODES)[out[:, 5].astype(int)].reshape(shape)
    return {
        "basic_transmission_loss_db": column(0),
        "A_ref": column(3),
        "A_fs": column(4),
        "theta_hzn": (column(9), column(10)),
        "d_hzn": (column(11), column(12)),
        "h_e": (column(13), column(14)),
        "N_s": column(7),
        "delta_h": column(8),
        "d_km": column(6),
        "mode": modes if shape else modes.item(),
        "warnings": column(2, int),
        "return_code": column(1, int),
    }


def checked_profile(heights_m, step_m) -> tuple[np.ndarray, float]:
    heights = np.ascontiguousarray(heights_m, dtype=float)
    step = float(step_m)
    if heights.ndim != 1 or heights.size < 2:
        raise ValueError(f"heights_m has shape {heights.shape}: give at least two heights in one row")
    if not np.all(np.isfinite(heights)):
        bad = int(np.flatnonzero(~np.isfinite(heights))[0])
        raise ValueError(f"heights_m[{bad}] is {heights[bad]}: fill the profile's voids first")
    if not (step > 0.0 and math.isfinite(step)):
        raise ValueError(f"step_m is {step:g}: the distance between heights must be above 0 m")
    return heights, step


def itm_p2p_terms(heights_m, step_m, frequency_mhz, tx_height_m, rx_height_m, **options) -> dict:
    """Basic transmission loss over a terrain profile, with every intermediate value by its symbol.

    Parameters
    ----------
    heights_m : (n,) array, ground height above sea level [m] at equal steps, transmitter to receiver.
    step_m : distance between heights [m].
    frequency_mhz : 20 to 20000 [MHz]; flagged outside 40 to 10000.
    tx_height_m, rx_height_m : antenna heights above ground, 0.5 to 3000 [m]; flagged outside 1 to 1000.
    polarization : "vertical" (default) or "horizontal", or 1 and 0.
    permittivity, conductivity_s_m : of the ground [1, S/m]; default 15 and 0.005 (average ground).
    n0 : refractivity reduced to sea level, 250 to 400 [N-units]; default 301.
    climate : `Climate`, its number or name ("continental-temperate", default 5).
    variability_mode : 0 single message, 1 accidental, 2 mobile, 3 broadcast; +10 to leave out location
        variability, +20 direct situation variability; default 12.
    time_percent, location_percent, situation_percent : between 0 and 100 [%]; default 50 (TLS). Or
    confidence_percent, reliability_percent : the same as situation and time with location 50 (CR).

    Everything after the profile may be an array; arrays broadcast and the results have their shape.

    Returns
    -------
    dict with the keys in the module's table, `warnings` (an `ItmWarning` as int; `warning_names` spells it
    out) and `return_code` (0, or 1 where a flag is set).

    Raises
    ------
    ItmError (a ValueError with NTIA's `code`) for the first case outside the model.
    """
    heights, step = checked_profile(heights_m, step_m)
    given = {"frequency_mhz": frequency_mhz, "tx_height_m": tx_height_m, "rx_height_m": rx_height_m}
    real, whole, shape, named, confidence = gather_options(options, given, REAL, WHOLE)
    out = np.empty((real.shape[1], RESULT_SIZE))
    p2p_cases(heights, heights.size - 1, step, real, whole, out)
    return _terms(out, shape, named, confidence)


def itm_p2p(heights_m, step_m, frequency_mhz, tx_height_m, rx_height_m, **options):
    """Basic transmission loss [dB] over a terrain profile; arguments as in `itm_p2p_terms`."""
    terms = itm_p2p_terms(heights_m, step_m, frequency_mhz, tx_height_m, rx_height_m, **options)
    return terms["basic_transmission_loss_db"]


def itm_area_terms(
    distance_km, delta_h_m, frequency_mhz, tx_height_m, rx_height_m, *, tx_siting=0, rx_siting=0, **options
) -> dict:
    """Basic transmission loss in area mode: no profile, only the irregularity of the terrain.

    Parameters
    ----------
    distance_km : path length, above 0 [km].
    delta_h_m : terrain irregularity, interdecile range of heights, 0 or more [m]; 90 is average.
    tx_siting, rx_siting : `Siting`, its number or name ("random" 0, "careful" 1, "very-careful" 2).

    The other arguments, the result and errors are those of `itm_p2p_terms`.
    """
    given = {
        "frequency_mhz": frequency_mhz, "tx_height_m": tx_height_m, "rx_height_m": rx_height_m,
        "distance_km": distance_km, "delta_h_m": delta_h_m, "tx_siting": tx_siting, "rx_siting": rx_siting,
    }
    real, whole, shape, named, confidence = gather_options(
        options, given, (*REAL, "distance_km", "delta_h_m"), (*WHOLE, "tx_siting", "rx_siting")
    )
    out = np.empty((real.shape[1], RESULT_SIZE))
    area_cases(real, whole, out)
    return _terms(out, shape, named, confidence)


def itm_area(distance_km, delta_h_m, frequency_mhz, tx_height_m, rx_height_m, **options):
    """Basic transmission loss [dB] in area mode; arguments as in `itm_area_terms`."""
    terms = itm_area_terms(distance_km, delta_h_m, frequency_mhz, tx_height_m, rx_height_m, **options)
    return terms["basic_transmission_loss_db"]


def warning_names(flags: int) -> list[str]:
    """Names of the flags set in `warnings`, for people."""
    return [flag.name.lower().replace("_", " ") for flag in ItmWarning if flag & int(flags)]
