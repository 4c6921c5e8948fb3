"""P.1812 along a radial: the exact result at every sample while the receiver moves outward.

A point-to-area prediction asks for the loss of every path that ends on a radial. Path by path that costs
O(n) a receiver. Here everything that depends on the whole profile is carried along instead:

* sums (smooth-Earth surface, zones) and maxima seen from the transmitter are running values;
* maxima seen from the receiver are tangents from it to the upper convex hull of the points passed so far;
  the extreme point in a direction is a search on a hull (``hull``);
* the edge parameter of the smooth path has one maximum along the path, found by bisection of its derivative;
* the largest edge parameter of a line-of-sight path, and the roughness that ducting asks for, are searched
  block by block, and a block whose best possible value cannot win is not read.

The work is done in two passes: ``walk`` follows the profile, one receiver after the other, and leaves slopes
and heights in arrays; the formulas then run over these arrays with the functions of ``p1812_formulas`` that the
path-by-path form uses too, written so that the compiler turns them into vector instructions.
"""

import math

import numpy as np

from .fastmath import exp10, inlined, log10, power
from .hull import block_maxima, extreme, kernel, max_above_line, max_edge_parameter, push, tangent, unknown_maxima
from .p1812_formulas import (
    AB_KM,
    INLAND,
    LOG10_4_17,
    NO_COAST_KM,
    SEA,
    angular_weight,
    bullington_db,
    bullington_point_nu,
    diffraction_heights,
    ducting_angle_db,
    ducting_db,
    ducting_diffraction_db,
    ducting_frequency_db,
    ducting_time_db,
    effective_earth_radius_km,
    elevation_mrad,
    free_space_db,
    land_tau,
    least_loss_db,
    log_beta_0,
    multipath_db,
    power_sum_db,
    smooth_earth_fit,
    spherical_earth_db,
    time_weight,
    troposcatter_db,
    wavelength_m,
)

#: Receivers a block. The formulas run over blocks of fixed size whose columns lie at constant offsets of one
#: array: only so can the compiler see that they don't overlap, and use vector instructions.
W = 64

# Offsets of the columns of a block, which the first pass fills and the second completes.
(
    N, HRS, NU, S_TIM, S_RIM, NU_B, S_TIM_B, S_RIM_B, HT, HR, OMEGA, THETA_T, THETA_R, DLT, DLR, HST, HSR, DTM, DLM,
    DCT, DCR, FIRST, LAST, SPHERICAL, NU_SMOOTH, LD50, LDB, TAU, LOG_B0, HM, DUCTING_MARGIN, LBS, LB,
) = range(0, 33 * W, W)  # fmt: skip
BLOCK_SIZE = 33 * W

# Rows of the scratch space: per-sample values of the whole radial and the hulls.
(
    INV_SQRT, Y_G, Y_H, Y_B, TOP_G, TOP_H, TOP_0, TOP_B, TAN_G, TAN_H, TAN_0, TAN_B,
    GX, GY, HX, HY, FX, FY, BX, BY,
) = range(20)  # fmt: skip
ROWS = 20
DUCTING_MATTERS_DB = 1e-3  # where a bound of Lba exceeds Lbd50 by less, ducting is computed in full
UNKNOWN = np.inf  # HM that is still to be searched for
NO_TANGENT = np.inf  # S_RIM of a path in line of sight, whose edge parameter is in NU


@kernel
def workspace(n):
    """``(q, scratch)`` for radials of up to n samples."""
    return np.zeros(((n + W - 1) // W, BLOCK_SIZE)), np.zeros((ROWS, n + 1))


@kernel
def _prepare(h, clutter, step, c, cb, hts, below_median, w):
    """Per-sample values: heights over the curved Earth, their block maxima and slopes from the transmitter."""
    n = h.size
    inv_sqrt, y_g, y_h, y_b = w[INV_SQRT], w[Y_G], w[Y_H], w[Y_B]
    tan_g, tan_h, tan_0, tan_b = w[TAN_G], w[TAN_H], w[TAN_0], w[TAN_B]
    cs, cbs = c * step * step, cb * step * step
    for i in range(1, n):
        y_g[i] = h[i] + clutter[i] - cs * i * i
    for i in range(1, n):
        y_h[i] = h[i] - cs * i * i
    for i in range(1, n):
        tan_0[i] = (h[i] - hts) / (i * step)
    for i in range(1, n):
        tan_g[i] = (y_g[i] - hts) / (i * step)
    for i in range(1, n):
        tan_h[i] = (y_h[i] - hts) / (i * step)
    for i in range(1, n):
        inv_sqrt[i] = 1.0 / math.sqrt(i)
    block_maxima(y_g[:n], w[TOP_G])
    if below_median:
        for i in range(1, n):
            y_b[i] = h[i] + clutter[i] - cbs * i * i
        for i in range(1, n):
            tan_b[i] = (y_b[i] - hts) / (i * step)
        block_maxima(y_h[:n], w[TOP_H])
        block_maxima(h, w[TOP_0])
        block_maxima(y_b[:n], w[TOP_B])
    else:
        # bare ground is searched for the few receivers only where ducting may matter: without block maxima
        unknown_maxima(n, w[TOP_H])
        unknown_maxima(n, w[TOP_0])


@kernel
def walk(h, clutter, zone, step, want, htg, hrg, lam, ae, below_median, q, w):
    """First pass: what every wanted receiver sees of its profile.

    Fills the blocks of q; returns the number of receivers and whether there is sea on the radial.
    """
    c, cb = 500.0 / ae, 500.0 / AB_KM
    cs, cbs = c * step * step, cb * step * step
    h0 = h[0]
    hts = h0 + htg
    _prepare(h, clutter, step, c, cb, hts, below_median, w)
    n_all = h.size
    inv_sqrt, y_g, y_h, y_b = w[INV_SQRT], w[Y_G, :n_all], w[Y_H, :n_all], w[Y_B, :n_all]
    top_g, top_h, top_b = w[TOP_G], w[TOP_H], w[TOP_B]
    tan_g, tan_h, tan_0, tan_b = w[TAN_G], w[TAN_H], w[TAN_0], w[TAN_B]
    gx, gy, hx, hy, fx, fy, bx, by = w[GX], w[GY], w[HX], w[HY], w[FX], w[FY], w[BX], w[BY]
    size_g = size_h = size_f = size_b = 0
    at_g = at_h = at_f = at_b = at_x = at_m = 0
    nu_g = nu_b = nu_h = 0
    bare = True

    slope_g = slope_b = slope_h = slope_0 = -np.inf
    lt = 0
    v1 = v2 = 0.0
    sea_halves = 0
    first_sea = last_sea = 0 if zone[0] == SEA else -1
    land_from = -1.0 if zone[0] == SEA else 0.0
    inland_from = 0.0 if zone[0] == INLAND else -1.0
    longest_land = longest_inland = 0.0
    k = 0

    for n in range(1, n_all):
        d = n * step
        hn = h[n]
        # the point before is now inside the path
        i = n - 1
        x = i * step
        if i > 0:
            f = float(i)
            bare = bare and clutter[i] == 0.0
            slope_g = max(slope_g, tan_g[i])
            slope_0 = max(slope_0, tan_0[i])
            if tan_h[i] > slope_h:
                slope_h = tan_h[i]
                lt = i
            size_g = push(gx, gy, size_g, f, y_g[i])
            size_h = push(hx, hy, size_h, f, y_h[i])
            size_f = push(fx, fy, size_f, f, h[i])
            if below_median:
                slope_b = max(slope_b, tan_b[i])
                size_b = push(bx, by, size_b, f, y_b[i])
        v1 += step * (hn + h[i])
        v2 += step * (hn * (2.0 * d + x) + h[i] * (d + 2.0 * x))
        # a zone changes half-way between two points
        between = (n - 0.5) * step
        if zone[i] == SEA:
            sea_halves += 1
        if zone[n] == SEA:
            sea_halves += 1
            last_sea = n
            if first_sea < 0:
                first_sea = n
            if land_from >= 0.0:
                longest_land = max(longest_land, between - land_from)
                land_from = -1.0
        elif land_from < 0.0:
            land_from = between
        if zone[n] != INLAND:
            if inland_from >= 0.0:
                longest_inland = max(longest_inland, between - inland_from)
                inland_from = -1.0
        elif inland_from < 0.0:
            inland_from = between
        if not want[n]:
            continue

        block = q[k // W]
        j = k % W
        k += 1
        hrs = hn + hrg
        s_tr = (hrs - hts) / d
        direct = s_tr - c * d
        hst, hsr = smooth_earth_fit(v1, v2, d)
        hobs, alpha_obr = -1.0, 0.0
        alpha_obt = slope_0 - s_tr
        if alpha_obt > 0.0:
            at_x = extreme(fx, fy, size_f, s_tr * step, at_x)
            hobs = fy[at_x] - hts - s_tr * (fx[at_x] * step)
            at_f = tangent(fx, fy, size_f, n, hrs, at_f)
            alpha_obr = (fy[at_f] - hts - s_tr * (fx[at_f] * step)) / (d - fx[at_f] * step)
        hstd, hsrd = diffraction_heights(hst, hsr, h0, hn, hobs, alpha_obt, alpha_obr)

        if slope_g < direct:
            block[S_RIM + j] = NO_TANGENT
            block[NU + j], nu_g = _line_of_sight_nu(y_g, top_g, n, step, hts, direct, inv_sqrt, lam, nu_g)
        elif n > 1:
            at_g = tangent(gx, gy, size_g, n, hrs - cs * n * n, at_g)
            block[S_RIM + j] = (gy[at_g] - hrs + cs * n * n) / (d - gx[at_g] * step) - c * d
        block[S_TIM + j] = slope_g + c * d
        if below_median:
            if slope_b < s_tr - cb * d:
                block[S_RIM_B + j] = NO_TANGENT
                slope = s_tr - cb * d
                block[NU_B + j], nu_b = _line_of_sight_nu(y_b, top_b, n, step, hts, slope, inv_sqrt, lam, nu_b)
            elif n > 1:
                at_b = tangent(bx, by, size_b, n, hrs - cbs * n * n, at_b)
                block[S_RIM_B + j] = (by[at_b] - hrs + cbs * n * n) / (d - bx[at_b] * step) - cb * d
            block[S_TIM_B + j] = slope_b + cb * d

        hst, hsr = min(hst, h0), min(hsr, hn)
        if slope_h > direct:
            at_h = tangent(hx, hy, size_h, n, hrs - cs * n * n, at_h)
            last = int(hx[at_h])
            first = lt
            dlt, dlr = lt * step, d - last * step
            back = (h[last] - hrs) / dlr - c * dlr
            if below_median:
                # the highest ground above the smooth surface is mostly between the horizons
                rise = (hsr - hst) / n
                at_m = extreme(fx, fy, size_f, rise, at_m)
                block[HM + j] = fy[at_m] - hst - rise * fx[at_m] if first <= fx[at_m] <= last else UNKNOWN
        else:
            back = -s_tr - c * d
            first = last = 0
            if below_median:
                if bare and nu_g > 0 and slope_g < direct:
                    first = nu_g  # what was just found with clutter is what there is without
                else:
                    _, first = max_edge_parameter(y_h, top_h, n, hts, direct * step, inv_sqrt, -np.inf, nu_h)
                last = nu_h = first
                block[HM + j] = h[first] - hst - (hsr - hst) / n * first if first > 0 else 0.0
            dlt = first * step if first > 0 else 0.5 * d
            dlr = d - dlt

        block[N + j] = n
        block[HRS + j] = hrs
        block[HT + j] = hts - hstd
        block[HR + j] = hrs - hsrd
        block[OMEGA + j] = 0.5 * sea_halves / n
        block[THETA_T + j] = max(slope_h, direct)
        block[THETA_R + j] = back
        block[DLT + j] = dlt
        block[DLR + j] = dlr
        block[HST + j] = hst
        block[HSR + j] = hsr
        block[DTM + j] = max(longest_land, d - land_from) if land_from >= 0.0 else longest_land
        block[DLM + j] = max(longest_inland, d - inland_from) if inland_from >= 0.0 else longest_inland
        block[DCT + j] = first_sea * step if first_sea >= 0 else NO_COAST_KM
        block[DCR + j] = (n - last_sea) * step if last_sea >= 0 else NO_COAST_KM
        block[FIRST + j] = first
        block[LAST + j] = last
    return k, sea_halves > 0


@kernel
def _line_of_sight_nu(y, top, n, step, hts, direct, inv_sqrt, lam, hint):
    """Largest edge parameter of a path in line of sight, but for the factor sqrt(0.002 D / lambda), and its place.

    Below -0.78 there is no loss, so what lies under -0.79 is not told apart, and is given as far below.
    """
    floor = -0.79 * step / math.sqrt(0.002 * n * step / lam)
    nu, at = max_edge_parameter(y, top, n, hts, direct * step, inv_sqrt, floor, hint)
    return nu / step if at > 0 else -1e6, at


# --- second pass: the formulas, a block of receivers at a time --------------------------------------------


@kernel
def _spherical(q, step, a_km, f_ghz, lam, pol):
    for j in range(W):
        q[SPHERICAL + j] = spherical_earth_db(
            q[N + j] * step, q[HT + j], q[HR + j], a_km, f_ghz, lam, 0.0, pol, False
        )


@kernel
def _spherical_mixed(q, step, a_km, f_ghz, lam, pol):
    for j in range(W):
        q[SPHERICAL + j] = spherical_earth_db(
            q[N + j] * step, q[HT + j], q[HR + j], a_km, f_ghz, lam, q[OMEGA + j], pol, True
        )


@inlined
def _smooth_nu(q, step, c, lam, halvings):
    """``p1812.smooth_nu`` of equally spaced points, at most 2**halvings of them.

    The slopes are concave along the path, so their maximum is next to the continuous one. In line of sight the
    edge parameter at the fraction x of the path is, up to a factor,
    C D sqrt(x (1-x)) - (a (1-x) + b x) / sqrt(x (1-x)) with a = h_t/D, b = h_r/D, C = 500/a_p.
    Its derivative has the sign of C D x (1-x) (1-2x) + a (1-x) - b x, which over x (1-x) is
    C D (1-2x) + a/x - b/(1-x) and only falls: one root, and the largest sample is next to it. The halvings bring
    it within a sample.
    """
    for k in range(W):
        n, h_t, h_r = q[N + k], q[HT + k], q[HR + k]
        last = n - 1.0
        d = n * step
        a, b = h_t / d, h_r / d

        i = min(max(math.floor(math.sqrt(max(h_t, 0.0) / c) / step), 1.0), last)
        j = min(i + 1.0, last)
        s_tim = max(c * (d - i * step) - h_t / (i * step), c * (d - j * step) - h_t / (j * step))
        i = min(max(math.floor(math.sqrt(max(h_r, 0.0) / c) / step), 1.0), last)
        j = min(i + 1.0, last)
        s_rim = max(c * (d - i * step) - h_r / (i * step), c * (d - j * step) - h_r / (j * step))
        over_horizon = bullington_point_nu(s_tim, s_rim, h_t, h_r, d, lam, step, d - step)

        low, width = 0.0, 1.0
        for _ in range(halvings):
            width *= 0.5
            x = low + width
            rising = c * d * x * (1.0 - x) * (1.0 - 2.0 * x) + a * (1.0 - x) - b * x > 0.0
            low = x if rising else low
        i = math.floor(low * n)
        best = -1e300
        for shift in range(-1, 3):
            j = min(max(i + shift, 1.0), last)
            d1 = j * step
            d2 = d - d1
            best = max(best, (c * d1 * d2 - a * d2 - b * d1) / math.sqrt(d1 * d2))
        in_sight = best * math.sqrt(0.002 * d / lam)
        nu = in_sight if s_tim < b - a else over_horizon
        q[NU_SMOOTH + k] = nu if last >= 1.0 else -10.0


@kernel
def _smooth_nu_short(q, step, c, lam):
    _smooth_nu(q, step, c, lam, 12)


@kernel
def _smooth_nu_long(q, step, c, lam):
    _smooth_nu(q, step, c, lam, 18)


@inlined
def _delta_bullington(q, nus, s_tims, s_rims, out, step, hts, lam):
    """Ld (eq 38) from the columns named."""
    for j in range(W):
        d = q[N + j] * step
        s_rim = q[s_rims + j]
        over_horizon = bullington_point_nu(q[s_tims + j], s_rim, hts, q[HRS + j], d, lam, step, d - step)
        nu = q[nus + j] * math.sqrt(0.002 * d / lam) if s_rim == NO_TANGENT else over_horizon
        excess = max(q[SPHERICAL + j] - bullington_db(q[NU_SMOOTH + j], d), 0.0)
        q[out + j] = bullington_db(nu, d) + excess


@inlined
def _diffraction(q, nus, s_tims, s_rims, out, step, hts, a_km, f_ghz, lam, pol, mixed):
    """Ld over an Earth of radius a_km; the columns named are constants, so that the loops stay vectors."""
    if mixed:
        _spherical_mixed(q, step, a_km, f_ghz, lam, pol)
    else:
        _spherical(q, step, a_km, f_ghz, lam, pol)
    farthest = 0.0
    for j in range(W):
        farthest = max(farthest, q[N + j])
    if farthest <= 4096.0:
        _smooth_nu_short(q, step, 500.0 / a_km, lam)
    else:
        _smooth_nu_long(q, step, 500.0 / a_km, lam)
    _delta_bullington(q, nus, s_tims, s_rims, out, step, hts, lam)


@kernel
def _median_diffraction(q, step, hts, ae, f_ghz, lam, pol, mixed):
    _diffraction(q, NU, S_TIM, S_RIM, LD50, step, hts, ae, f_ghz, lam, pol, mixed)


@kernel
def _beta_0_diffraction(q, step, hts, f_ghz, lam, pol, mixed):
    _diffraction(q, NU_B, S_TIM_B, S_RIM_B, LDB, step, hts, AB_KM, f_ghz, lam, pol, mixed)


@kernel
def _angles(q):
    """Slopes become elevation angles."""
    for j in range(W):
        q[THETA_T + j] = elevation_mrad(q[THETA_T + j])
        q[THETA_R + j] = elevation_mrad(q[THETA_R + j])


@kernel
def _beta_0(q, step, phi0, phi_per_km):
    for j in range(W):
        tau = land_tau(q[DLM + j])
        q[TAU + j] = tau
        q[LOG_B0 + j] = log_beta_0(phi0 + phi_per_km * (q[N + j] * step), q[DTM + j], tau)


@inlined
def _ducting(q, j, d, theta_t, theta_r, hm, dct, dcr, hts, f_ghz, p, ae):
    return ducting_db(
        f_ghz, p, d, q[DLT + j], q[DLR + j], theta_t, theta_r, hts, q[HRS + j], hts - q[HST + j],
        q[HRS + j] - q[HSR + j], hm, ae, q[OMEGA + j], q[TAU + j], q[LOG_B0 + j], dct, dcr,
    )  # fmt: skip


@kernel
def _combine_below_median(q, hts, step, f_ghz, p, ae, n0):
    for j in range(W):
        d = q[N + j] * step
        theta_t, theta_r = q[THETA_T + j], q[THETA_R + j]
        lbfs = free_space_db(f_ghz, d, hts, q[HRS + j])
        theta = 1000.0 * d / ae + theta_t + theta_r
        b0, ld50 = exp10(q[LOG_B0 + j]), q[LD50 + j]
        lb0p = lbfs + multipath_db(q[DLT + j], q[DLR + j], p)
        lb0b = lbfs + multipath_db(q[DLT + j], q[DLR + j], b0)
        fi = time_weight(p, b0)
        ldp = ld50 + (q[LDB + j] - ld50) * fi
        lminb0p = least_loss_db(p, b0, fi, q[OMEGA + j], lb0p, lb0b, lbfs + ld50, ldp)
        lba = _ducting(q, j, d, theta_t, theta_r, q[HM + j], q[DCT + j], q[DCR + j], hts, f_ghz, p, ae)
        lbda = ducting_diffraction_db(lb0p + ldp, lba, lb0p, d)
        lbam = lbda + (lminb0p - lbda) * angular_weight(theta)
        lbs = troposcatter_db(f_ghz, d, theta, n0, p)
        q[LB + j] = max(lb0p, power_sum_db(lbs, lbam))


@kernel
def _combine_median(q, hts, step, f_ghz, ae, n0):
    """Lb at p = 50 %, where Lb0p = Lbfs and Lminb0p = Lbd50, so that Lbam = Lbd50 unless ducting matters."""
    for j in range(W):
        d = q[N + j] * step
        theta_t, theta_r = q[THETA_T + j], q[THETA_R + j]
        lbfs = free_space_db(f_ghz, d, hts, q[HRS + j])
        theta = 1000.0 * d / ae + theta_t + theta_r
        lbd50 = lbfs + q[LD50 + j]
        lbs = troposcatter_db(f_ghz, d, theta, n0, 50.0)
        q[LBS + j] = lbs
        q[LB + j] = max(lbfs, power_sum_db(lbs, lbd50))


@kernel
def _ducting_margin(q, hts, step, f_ghz, ae, phi0, phi_per_km, mixed):
    """A quick bound: no more than Lba at p = 50 %, less Lbd50.

    beta is put at the most that the latitude allows (mu_1 = mu_2 = mu_3 = 1), because A(p) never falls as beta
    falls, and over-sea coupling at the most there can be; one logarithm serves all of Af. In line of sight there
    is no upward angle to shield.
    """
    known = 102.45 - 92.4 + ducting_frequency_db(f_ghz) - (12.0 if mixed else 0.0)
    shielding = 0.264 * power(f_ghz, 1.0 / 3.0)
    for j in range(W):
        d = q[N + j] * step
        dlt, dlr = q[DLT + j], q[DLR + j]
        in_sight = q[FIRST + j] == 0.0
        theta_t = min(q[THETA_T + j], 0.0) if in_sight else q[THETA_T + j]
        theta_r = min(q[THETA_R + j], 0.0) if in_sight else q[THETA_R + j]
        over_t, over_r = max(theta_t - 0.1 * dlt, 0.0), max(theta_r - 0.1 * dlr, 0.0)
        dh = 0.001 * (hts - q[HRS + j])
        ratio = (
            (1.0 + 0.361 * over_t * math.sqrt(f_ghz * dlt))
            * (1.0 + 0.361 * over_r * math.sqrt(f_ghz * dlr))
            * (dlt + dlr)
        )
        phi = abs(phi0 + phi_per_km * d)
        log_beta = LOG10_4_17 if phi > 70.0 else 1.67 - 0.015 * phi
        least = (
            known
            + 10.0 * log10(ratio * ratio / (d * d + dh * dh))
            + shielding * (over_t + over_r)
            + ducting_angle_db(d, dlt, dlr, theta_t, theta_r, f_ghz, ae)
            + ducting_time_db(d, 50.0, log_beta)
        )
        q[DUCTING_MARGIN + j] = least - q[LD50 + j]


@kernel
def _ducting_floor(q, hts, step, f_ghz, ae):
    """A closer bound, with beta as it is but for the roughness.

    Lba never falls as the roughness hm grows (``tests/propagation/test_ducting.py``): hm = 0. In line of sight the
    horizon distances are not known, but for their sum: without upward angles there is no shielding and the least
    angular loss, whatever they are. Over-sea coupling (dct = dcr = 0) is taken at its strongest.
    """
    for j in range(W):
        d = q[N + j] * step
        in_sight = q[FIRST + j] == 0.0
        theta_t = min(q[THETA_T + j], 0.0) if in_sight else q[THETA_T + j]
        theta_r = min(q[THETA_R + j], 0.0) if in_sight else q[THETA_R + j]
        least = _ducting(q, j, d, theta_t, theta_r, 0.0, 0.0, 0.0, hts, f_ghz, 50.0, ae)
        q[DUCTING_MARGIN + j] = least - q[LD50 + j] - free_space_db(f_ghz, d, hts, q[HRS + j])


# --- the radial -----------------------------------------------------------------------------------------


@kernel
def radial_loss(
    h, clutter, zone, step, want, htg, hrg, f_ghz, p, phi0, phi_per_km, delta_n, n0, pol, q, w, out
):
    """Basic transmission loss not exceeded for p % of time at every wanted sample of a radial, dB.

    h, clutter: (n,) float64, m; zone: (n,) uint8; sample 0 is the transmitter, ``step`` km apart
    want: (n,) uint8, samples to evaluate; others are passed over and keep what ``out`` holds
    htg, hrg: antenna heights above ground, m
    phi0, phi_per_km: latitude of the transmitter, deg, and of the path's centre per km of path length
    q, w: working space from ``workspace(n)``
    out: (n,) float to receive the loss
    """
    lam = wavelength_m(f_ghz)
    ae = effective_earth_radius_km(delta_n)
    hts = h[0] + htg
    if want[0]:
        out[0] = free_space_db(f_ghz, 0.0, hts, h[0] + hrg)
    below_median = p < 50.0
    m, mixed = walk(h, clutter, zone, step, want, htg, hrg, lam, ae, below_median, q, w)
    for b in range((m + W - 1) // W):
        block = q[b]
        used = min(W, m - b * W)
        _median_diffraction(block, step, hts, ae, f_ghz, lam, pol, mixed)
        _angles(block)
        if below_median:
            _beta_0(block, step, phi0, phi_per_km)
            _beta_0_diffraction(block, step, hts, f_ghz, lam, pol, mixed)
            for j in range(used):
                if block[HM + j] == UNKNOWN:
                    block[HM + j] = _roughness(block, j, h, w[TOP_0])
            _combine_below_median(block, hts, step, f_ghz, p, ae, n0)
        else:
            _combine_median(block, hts, step, f_ghz, ae, n0)
            _ducting_margin(block, hts, step, f_ghz, ae, phi0, phi_per_km, mixed)
            least = np.inf
            for j in range(used):
                least = min(least, block[DUCTING_MARGIN + j])
            if least < DUCTING_MATTERS_DB:
                _beta_0(block, step, phi0, phi_per_km)
                _ducting_floor(block, hts, step, f_ghz, ae)
                for j in range(used):
                    if block[DUCTING_MARGIN + j] < DUCTING_MATTERS_DB:
                        _median_with_ducting(block, j, h, step, hts, f_ghz, ae, w)
        for j in range(used):
            out[int(block[N + j])] = block[LB + j]


@kernel
def _roughness(q, j, h, top):
    """hm of a receiver: the largest height above the smooth surface between the horizons (eq 93)."""
    first, last = int(q[FIRST + j]), int(q[LAST + j])
    if first == 0:
        return 0.0
    hst = q[HST + j]
    return max_above_line(h, top, first, last, hst, (q[HSR + j] - hst) / q[N + j])


@kernel
def _median_with_ducting(q, j, h, step, hts, f_ghz, ae, w):
    """Lb at p = 50 % of a receiver where ducting may matter (eqs 60 to 63)."""
    n = int(q[N + j])
    d = n * step
    if q[FIRST + j] == 0.0 and n > 1:
        direct = (q[HRS + j] - hts) / d - 500.0 / ae * d
        _, at = max_edge_parameter(
            w[Y_H, : h.size], w[TOP_H], n, hts, direct * step, w[INV_SQRT], -np.inf, 0
        )
        q[FIRST + j] = q[LAST + j] = at
        q[DLT + j] = at * step
        q[DLR + j] = d - at * step
    theta_t, theta_r = q[THETA_T + j], q[THETA_R + j]
    hm = _roughness(q, j, h, w[TOP_0])
    lba = _ducting(q, j, d, theta_t, theta_r, hm, q[DCT + j], q[DCR + j], hts, f_ghz, 50.0, ae)
    lbfs = free_space_db(f_ghz, d, hts, q[HRS + j])
    lbd50 = lbfs + q[LD50 + j]
    lbda = ducting_diffraction_db(lbd50, lba, lbfs, d)
    lbam = lbda + (lbd50 - lbda) * angular_weight(1000.0 * d / ae + theta_t + theta_r)
    q[LB + j] = max(lbfs, power_sum_db(q[LBS + j], lbam))
