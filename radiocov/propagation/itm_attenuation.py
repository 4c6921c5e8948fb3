"""Irregular Terrain Model, second step: the reference attenuation (loss beyond free space).

Kernels of numbers only: heights, distances and radii in metres, angles in radians, losses in dB. Pairs
end in `_tx` and `_rx`; d_tx, d_rx are horizon distances, theta_tx, theta_rx horizon angles, h_e_tx, h_e_rx
effective heights, theta_los the angular distance of the line-of-sight region.

Sources, cited at the lines that come from them:

- [Alg] G. A. Hufford, "The ITS Irregular Terrain Model, version 1.2.2: The Algorithm", NTIA/ITS
- [ERL] Longley and Rice, "Prediction of tropospheric radio transmission loss over irregular terrain",
  ESSA Technical Report ERL 79-ITS 67, 1968
- [TN101] Rice et al., "Transmission loss predictions for tropospheric communication circuits",
  NBS Technical Note 101, 1967
- [Vogler] L. E. Vogler, "Smooth earth diffraction calculations for horizontal polarization", 1964
"""

import math

import numba
import numpy as np

from .fastmath import exp, log, log10, power

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

A_0 = 6370e3  # m, radius of the actual earth in [Vogler]
MHZ_PER_WAVENUMBER = 47.7  # f [MHz] / 47.7 = wavenumber [1/m]

LINE_OF_SIGHT, DIFFRACTION, TROPOSCATTER = 1, 2, 3  # mode of propagation
POINT_TO_POINT, AREA = 0, 1  # mode of operation


@kernel
def roughness(d, delta_h):
    """Terrain irregularity of a path of length d [ERL 3]."""
    return delta_h * (1.0 - 0.8 * exp(-d / 50e3))


@kernel
def sigma_h(delta_h_d):
    """RMS deviation of terrain within the first Fresnel zone of the reflecting plane [ERL 3.6a]."""
    return 0.78 * delta_h_d * exp(-0.5 * math.sqrt(math.sqrt(delta_h_d)))


@kernel
def fresnel_integral(v2):
    """Loss of an ideal knife edge for v squared [TN101 III.24b, III.24c; ERL 3.27]."""
    if v2 < 5.76:
        return 6.02 + 9.11 * math.sqrt(v2) - 1.27 * v2
    return 12.953 + 10.0 * log10(v2)


@kernel
def knife_edge_loss(d, f_mhz, a_e, theta_los, d_tx, d_rx):
    """Double knife-edge loss at both horizons [TN101 I.1, I.7; Alg 4.12]."""
    theta = d / a_e - theta_los
    d_nlos = d - (d_tx + d_rx)
    c = 0.0795775 * (f_mhz / MHZ_PER_WAVENUMBER) * theta**2  # 1/(4 pi)
    return fresnel_integral(c * d_tx * d_nlos / (d_nlos + d_tx)) + fresnel_integral(
        c * d_rx * d_nlos / (d_nlos + d_rx)
    )


@kernel
def height_function(x, k):
    """Height gain F(x, K) of smooth-earth diffraction, dB [Vogler; Alg 6.4 ff]."""
    if x < 200.0:
        w = -log(k)
        if k < 1e-5 or x * w**3 > 5495.0:
            return 17.372 * log(x) - 117.0 if x > 1.0 else -117.0
        return 2.5e-5 * x**2 / k - 8.686 * w - 15.0
    result = 0.05751 * x - 4.343 * log(x)
    if x < 2000.0:
        w = 0.0134 * x * exp(-0.005 * x)
        result = (1.0 - w) * result + w * (17.372 * log(x) - 117.0)
    return result


@kernel
def normalized_distance(a, d, f_third, z_abs):
    """x and K of Vogler's method for a sphere of radius a and an arc of d metres [Vogler 2, 6a, 7a]."""
    c_0 = power((4.0 / 3.0) * A_0 / a, 1.0 / 3.0)
    k = 0.017778 * c_0 / f_third / z_abs
    return (1.607 - k) * c_0**2 * f_third * (d / 1000.0), k


@kernel
def terminals_on_smooth_earth(d_tx, d_rx, h_e_tx, h_e_rx, f_third, z_abs):
    """What the foregrounds of both terminals add in Vogler's method, at any distance: (x, height gains in dB)."""
    x_tx, k_tx = normalized_distance(0.5 * d_tx**2 / h_e_tx, d_tx, f_third, z_abs)
    x_rx, k_rx = normalized_distance(0.5 * d_rx**2 / h_e_rx, d_rx, f_third, z_abs)
    return x_tx + x_rx, height_function(x_tx, k_tx) + height_function(x_rx, k_rx)


@kernel
def smooth_earth_loss(d, a_e, theta_los, d_ml, x_ends, gain_ends, f_third, z_abs):
    """Smooth-earth diffraction loss by Vogler's three radii [Alg 4.20; TN101 8.4]."""
    theta = d / a_e - theta_los
    radius = (d - d_ml) / theta
    x, _ = normalized_distance(radius, radius * theta, f_third, z_abs)
    x += x_ends
    return 0.05751 * x - 10.0 * log10(x) - gain_ends - 20.0


@kernel
def diffraction_line(
    d_3, d_4, f_mhz, a_e, theta_los, d_tx, d_rx, h_e_tx, h_e_rx, z_g, delta_h, h_tx, h_rx, d_sml, operation
):
    """Diffraction loss as a line through two distances: (slope in dB/m, loss at distance 0).

    At each distance it is knife edges and smooth earth, weighted, plus clutter.
    """
    sigma = sigma_h(roughness(d_sml, delta_h))
    a_fo = min(15.0, 5.0 * log10(1.0 + 1e-5 * h_tx * h_rx * f_mhz * sigma))  # [ERL 3.38c]
    q = h_tx * h_rx
    raised = h_e_tx * h_e_rx - q
    if operation == POINT_TO_POINT:
        q += 10.0  # low antennas with known path parameters [ERL p. 3-8]
    height_ratio = math.sqrt(1.0 + raised / q)
    d_ml = d_tx + d_rx
    f_third = power(f_mhz, 1.0 / 3.0)
    z_abs = abs(z_g)
    x_ends, gain_ends = terminals_on_smooth_earth(d_tx, d_rx, h_e_tx, h_e_rx, f_third, z_abs)
    a_3 = a_4 = 0.0
    for d in (d_3, d_4):
        a_k = knife_edge_loss(d, f_mhz, a_e, theta_los, d_tx, d_rx)
        a_se = smooth_earth_loss(d, a_e, theta_los, d_ml, x_ends, gain_ends, f_third, z_abs)
        # weighting factor [ERL 3.23]
        scale = min(roughness(d, delta_h) * f_mhz / MHZ_PER_WAVENUMBER, 6283.2)
        w = 25.1 / (25.1 + math.sqrt((height_ratio + (d_ml - theta_los * a_e) / d) * scale))
        a_3, a_4 = a_4, w * a_se + (1.0 - w) * a_k + a_fo
    slope = (a_4 - a_3) / (d_4 - d_3)
    return slope, a_3 - slope * d_3


# ----------------------------------------------------------------------- line of sight, troposcatter


@kernel
def line_of_sight_loss(d, f_mhz, h_e_tx, h_e_rx, z_g, delta_h, m_d, a_d0, d_sml):
    """Two-ray loss weighted with the extended diffraction line, at distance d."""
    wn = f_mhz / MHZ_PER_WAVENUMBER
    h_sum = h_e_tx + h_e_rx
    sin_psi = h_sum / math.sqrt(d**2 + h_sum**2)  # [Alg 4.46]
    fade = exp(-min(10.0, wn * sigma_h(roughness(d, delta_h)) * sin_psi))
    r_e = (sin_psi - z_g) / (sin_psi + z_g) * fade  # [Alg 4.47]
    q = r_e.real**2 + r_e.imag**2
    if q < 0.25 or q < sin_psi:  # [Alg 4.48]
        r_e = r_e * math.sqrt(sin_psi / q)
    phase = wn * 2.0 * h_e_tx * h_e_rx / d  # [Alg 4.49]
    if phase > math.pi / 2.0:  # [Alg 4.50]
        phase = math.pi - (math.pi / 2.0) ** 2 / phase
    a_t = -10.0 * log10((math.cos(phase) + r_e.real) ** 2 + (r_e.imag - math.sin(phase)) ** 2)
    w = 1.0 / (1.0 + f_mhz * delta_h / max(10e3, d_sml))
    return w * a_t + (1.0 - w) * (m_d * d + a_d0)


_H0_A = np.array([25.0, 80.0, 177.0, 395.0, 705.0])  # [Alg 6.13]
_H0_B = np.array([24.0, 45.0, 68.0, 80.0, 105.0])


@kernel
def h0_curve(j, r):
    """One curve of the frequency gain function, dB [Alg 6.13]."""
    return 10.0 * log10(1.0 + _H0_A[j] / r**4 + _H0_B[j] / r**2)


@kernel
def h0_function(r, eta_s):
    """Frequency gain function H_0(r, eta_s), dB, interpolated between curves [TN101 9.2]."""
    eta = min(max(eta_s, 1.0), 5.0)
    i = int(eta)
    q = eta - i
    result = h0_curve(i - 1, r)
    if q != 0.0:
        result = (1.0 - q) * result + q * h0_curve(i, r)
    return result


@kernel
def attenuation_function(td):
    """F(theta d), dB, for theta d in metres [Alg 6.9]."""
    if td <= 10e3:
        return 133.4 + 0.332e-3 * td - 10.0 * log10(td)
    if td <= 70e3:
        return 104.6 + 0.212e-3 * td - 2.5 * log10(td)
    return 71.8 + 0.157e-3 * td + 5.0 * log10(td)


@kernel
def troposcatter_loss(
    d, f_mhz, a_e, n_s, theta_los, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, h_0_before
):
    """Troposcatter loss at distance d and the H_0 used: (loss, H_0) [Alg 4.63].

    `h_0_before` is the H_0 found at a farther distance, or a negative number. The loss is NaN where
    the function is not defined: both r below 0.2 [Alg p. 11].
    """
    wn = f_mhz / MHZ_PER_WAVENUMBER
    h_0 = h_0_before
    if not h_0_before > 15.0:
        ad = d_tx - d_rx
        rr = h_e_rx / h_e_tx
        if ad < 0.0:
            ad = -ad
            rr = 1.0 / rr
        theta = theta_tx + theta_rx + d / a_e
        r_1 = 2.0 * wn * theta * h_e_tx  # [TN101 9.4a]
        r_2 = 2.0 * wn * theta * h_e_rx
        if r_1 < 0.2 and r_2 < 0.2:
            return math.nan, h_0_before
        s = (d - ad) / (d + ad)  # asymmetry; s and q truncated at 0.1 and 10 [Alg p. 16; TN101 9.5]
        q = min(max(0.1, rr / s), 10.0)
        s = max(0.1, s)
        crossover = (d - ad) * (d + ad) * theta * 0.25 / d  # height, [Alg 4.66; TN101 9.3b]
        eta_s = (crossover / 1.7556e3) * (  # [Alg 4.67; TN101 9.3a]
            1.0
            + (0.031 - n_s * 2.32e-3 + n_s**2 * 5.67e-6) * exp(-(min(1.7, crossover / 8e3) ** 6))
        )
        h_00 = (h0_function(r_1, eta_s) + h0_function(r_2, eta_s)) / 2.0
        change = min(h_00, 6.0 * (0.6 - log10(max(eta_s, 1.0))) * log10(s) * log10(q))
        h_0 = max(h_00 + change, 0.0)  # [TN101 9.5]
        if eta_s < 1.0:  # towards the special case eta_s = 0
            root2 = math.sqrt(2.0)
            spread = ((1.0 + root2 / r_1) * (1.0 + root2 / r_2)) ** 2
            at_zero = 10.0 * log10(spread * (r_1 + r_2) / (r_1 + r_2 + 2.0 * root2))
            h_0 = eta_s * h_0 + (1.0 - eta_s) * at_zero
        if h_0 > 15.0 and h_0_before >= 0.0:  # [Alg p. 12]
            h_0 = h_0_before
    th = d / a_e - theta_los
    return (
        attenuation_function(th * d)
        + 10.0 * log10(wn * 47.7 * th**4)
        - 0.1 * (n_s - 301.0) * exp(-th * d / 40e3)
        + h_0
    ), h_0


# ----------------------------------------------------------------------------- reference attenuation


@kernel
def reference_attenuation(
    d, f_mhz, gamma_e, n_s, z_g, delta_h,
    theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, h_tx, h_rx, operation,
):
    """Reference attenuation A_ref (dB, never negative) and the mode of propagation.

    Diffraction and troposcatter are straight lines in distance, each through two points far in its
    region; within the smooth-earth horizon a curve through line-of-sight values replaces them.
    """
    a_e = 1.0 / gamma_e
    d_sml = math.sqrt(2.0 * h_e_tx * a_e) + math.sqrt(2.0 * h_e_rx * a_e)  # smooth-earth line of sight
    d_ml = d_tx + d_rx  # line of sight over the actual path
    theta_los = -max(theta_tx + theta_rx, -d_ml / a_e)

    scale = power(a_e * a_e / f_mhz, 1.0 / 3.0)
    d_3 = max(d_sml, d_ml + 5.0 * scale)
    d_4 = d_3 + 10.0 * scale
    m_d, a_d0 = diffraction_line(
        d_3, d_4, f_mhz, a_e, theta_los, d_tx, d_rx, h_e_tx, h_e_rx, z_g, delta_h, h_tx, h_rx, d_sml, operation
    )

    if d < d_sml:
        a_ref = line_of_sight_curve(d, f_mhz, h_e_tx, h_e_rx, z_g, delta_h, m_d, a_d0, d_sml, d_ml)
        return max(a_ref, 0.0), LINE_OF_SIGHT

    d_5 = d_ml + 200e3
    d_6 = d_ml + 400e3
    a_6, h_0 = troposcatter_loss(
        d_6, f_mhz, a_e, n_s, theta_los, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, -1.0
    )
    a_5, h_0 = troposcatter_loss(
        d_5, f_mhz, a_e, n_s, theta_los, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, h_0
    )
    if not math.isnan(a_5):
        m_s = (a_6 - a_5) / 200e3
        d_x = max(  # distance where troposcatter takes over
            max(d_sml, d_ml + 1.088 * scale * log(f_mhz)),
            (a_5 - a_d0 - m_s * d_5) / (m_d - m_s),
        )
        if d > d_x:
            return max(m_s * d + (m_d - m_s) * d_x + a_d0, 0.0), TROPOSCATTER
    elif d > 10e6:
        return max(m_d * d + a_d0, 0.0), TROPOSCATTER
    return max(m_d * d + a_d0, 0.0), DIFFRACTION


@kernel
def line_of_sight_curve(d, f_mhz, h_e_tx, h_e_rx, z_g, delta_h, m_d, a_d0, d_sml, d_ml):
    """Attenuation within the smooth-earth horizon: A_o + K_1 d + K_2 log(d) [ERL 3.19]."""
    a_sml = d_sml * m_d + a_d0
    d_0 = 0.04 * f_mhz * h_e_tx * h_e_rx  # [ERL 3.16a], in metres
    if a_d0 >= 0.0:
        d_0 = min(d_0, 0.5 * d_ml)
        d_1 = d_0 + 0.25 * (d_ml - d_0)  # [ERL 3.16d]
    else:
        d_1 = max(-a_d0 / m_d, 0.25 * d_ml)
    a_1 = line_of_sight_loss(d_1, f_mhz, h_e_tx, h_e_rx, z_g, delta_h, m_d, a_d0, d_sml)

    k_1 = 0.0
    k_2 = 0.0
    fitted = False
    if d_0 < d_1:
        a_0 = line_of_sight_loss(d_0, f_mhz, h_e_tx, h_e_rx, z_g, delta_h, m_d, a_d0, d_sml)
        q = log(d_sml / d_0)
        k_2 = max(  # [ERL 3.20]
            0.0,
            ((d_sml - d_0) * (a_1 - a_0) - (d_1 - d_0) * (a_sml - a_0))
            / ((d_sml - d_0) * log(d_1 / d_0) - (d_1 - d_0) * q),
        )
        fitted = a_d0 > 0.0 or k_2 > 0.0
        if fitted:
            k_1 = (a_sml - a_0 - k_2 * q) / (d_sml - d_0)  # [ERL 3.21]
            if k_1 < 0.0:
                k_1 = 0.0
                k_2 = max(a_sml - a_0, 0.0) / q
                if k_2 == 0.0:
                    k_1 = m_d
    if not fitted:
        k_1 = max(a_sml - a_1, 0.0) / (d_sml - d_1)
        k_2 = 0.0
        if k_1 == 0.0:
            k_1 = m_d
    a_o = a_sml - k_1 * d_sml - k_2 * log(d_sml)
    return a_o + k_1 * d + k_2 * log(d)
