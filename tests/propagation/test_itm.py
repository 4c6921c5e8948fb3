"""Irregular Terrain Model against NTIA's own cases and against its own symmetries."""

import csv
import math

import numpy as np
import pytest

from radiocov.propagation.itm import (
    itm_area,
    itm_area_terms,
    itm_p2p,
    itm_p2p_terms,
    warning_names,
)
from radiocov.propagation.itm_limits import Climate, ItmError, ItmWarning, Siting
from radiocov.propagation.itm_path import (
    HUGE,
    WORK_SIZE,
    least_squares_line,
    order_statistic,
    running_sums,
    terrain_irregularity,
)
from radiocov.propagation.itm_sweep import itm_p2p_radial
from radiocov.propagation.itm_variability import upper_normal_quantile

# Cases of NTIA/itm `area.csv` (public domain), printed to 0.1 dB; columns as in the file.
AREA_CASES = [
    (10, 1, 0, 0, 16, 0, 0, 15, 0.008, 301, 230, 0, 5, 87, 50, 50, 152.5),
    (3, 1.5, 10, 1, 10, 1, 0, 15, 0.008, 301, 450, 0, 5, 40, 28, 25, 133.0),
    (15, 3, 5, 2, 100, 2, 1, 15, 0.008, 301, 980, 1, 4, 92, 53, 97, 224.1),
    (3, 5, 20, 3, 75, 0, 1, 15, 0.008, 301, 3100, 1, 2, 50, 80, 43, 205.1),
    (1.5, 10, 45, 0, 25, 1, 2, 15, 0.008, 301, 8900, 1, 1, 70, 99, 26, 156.0),
]


def area_case(row) -> dict:
    (h_tx, h_rx, delta_h, mdvar, d, tx, rx, eps, sigma, n0, f, pol, climate, time, location, situation) = row
    return itm_area_terms(
        d, delta_h, f, h_tx, h_rx, tx_siting=int(tx), rx_siting=int(rx), permittivity=eps,
        conductivity_s_m=sigma, n0=n0, polarization=int(pol), climate=int(climate),
        variability_mode=int(mdvar), time_percent=time, location_percent=location,
        situation_percent=situation,
    )


def hilly(n=120, step=250.0, seed=3) -> tuple[np.ndarray, float]:
    rng = np.random.default_rng(seed)
    return 150.0 + np.cumsum(rng.normal(0.0, 6.0, n + 1)), step


# ------------------------------------------------------------------------------------ published cases


@pytest.mark.parametrize("case", AREA_CASES)
def test_area_cases_of_ntia_as_printed(case):
    assert area_case(case[:-1])["basic_transmission_loss_db"] == pytest.approx(case[-1], abs=0.05)


def test_area_table(shared):
    with open(shared / "reference/itm/area.csv", newline="") as file:
        rows = [tuple(float(v) for v in row) for row in list(csv.reader(file))[1:]]
    assert len(rows) == 5
    for row in rows:
        assert area_case(row[:-1])["basic_transmission_loss_db"] == pytest.approx(row[-1], abs=0.05)


def test_point_to_point_table(shared):
    folder = shared / "reference/itm"
    with open(folder / "pfls.csv", newline="") as file:
        profiles = [[float(v) for v in row] for row in csv.reader(file)]
    with open(folder / "p2p.csv", newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    assert len(rows) == len(profiles) == 5
    for row, pfl in zip(rows, profiles, strict=True):
        loss = itm_p2p(
            pfl[2:], pfl[1], row["f__mhz"], row["h_tx__meter"], row["h_rx__meter"],
            polarization=int(row["pol"]), permittivity=row["epsilon"], conductivity_s_m=row["sigma"],
            n0=row["N_0"], climate=int(row["climate"]), variability_mode=int(row["mdvar"]),
            time_percent=row["time"], location_percent=row["location"], situation_percent=row["situation"],
        )
        assert loss == pytest.approx(row["A__db"], abs=0.01)


def test_point_to_point_at_350_mhz_with_flags(shared):
    """192 cases; 0.01 dB beyond the spread that a nanometre of terrain noise causes."""
    def profile(name):
        lines = (shared / f"reference/p1812/at_350mhz/{name}.csv").read_text().splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("Number of Points"))
        points = int(lines[start].split(",")[1])
        rows = [line.split(",") for line in lines[start + 1 : start + 1 + points]]
        return [float(r[1]) for r in rows], 1000.0 * float(rows[-1][0]) / (points - 1)

    with open(shared / "reference/itm/p2p_at_350mhz.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 192
    profiles = {name: profile(name) for name in {row["profile"] for row in rows}}
    for row in rows:
        number = {k: float(v) for k, v in row.items() if k != "profile"}
        terms = itm_p2p_terms(
            *profiles[row["profile"]], number["f_mhz"], number["h_tx_m"], number["h_rx_m"],
            polarization=int(row["pol"]), permittivity=number["epsilon"],
            conductivity_s_m=number["sigma_s_m"], n0=number["N_0"], climate=int(row["climate"]),
            variability_mode=int(row["mdvar"]), time_percent=number["time_pct"],
            location_percent=number["location_pct"], situation_percent=number["situation_pct"],
        )
        tolerance = 0.01 + number["A_db_spread"]
        assert terms["basic_transmission_loss_db"] == pytest.approx(number["A_db"], abs=tolerance), row
        assert terms["warnings"] == int(row["warnings"])
        assert terms["return_code"] == int(row["return_code"])


# Profile d350_synthetic_00 of the reference set: 10 intervals of 30 m
SHORT_PROFILE = [
    125.000, 115.438, 103.389, 100.008, 97.527, 83.482, 67.431, 67.746, 64.414,
    47.747, 41.467,
]
# Rows of p2p_at_350mhz.csv on it: f, h_tx, h_rx, time, location, situation, loss, flags
SHORT_CASES = [
    (351, 15, 1.5, 50, 50, 50, 86.291716, 1984),
    (351, 15, 1.5, 90, 50, 50, 86.291997, 1984),
    (351, 30, 1.5, 10, 50, 90, 89.142107, 64),
    (351, 80, 3, 10, 50, 90, 83.135220, 96),
    (389, 30, 1.5, 50, 90, 50, 79.810880, 64),
]


@pytest.mark.parametrize(("f", "h_tx", "h_rx", "time", "location", "situation", "loss", "flags"), SHORT_CASES)
def test_a_short_profile_of_the_reference_set(f, h_tx, h_rx, time, location, situation, loss, flags):
    terms = itm_p2p_terms(
        SHORT_PROFILE, 30.0, f, h_tx, h_rx,
        time_percent=time, location_percent=location, situation_percent=situation,
    )
    assert terms["basic_transmission_loss_db"] == pytest.approx(loss, abs=1e-4)
    assert terms["warnings"] == flags


def test_flags_are_spelt_out():
    assert warning_names(1984) == [
        "path distance too small 2", "tx horizon angle", "rx horizon angle",
        "tx horizon distance 1", "rx horizon distance 1",
    ]


# ------------------------------------------------------------------------------------------- kernels


def test_least_squares_line_of_a_straight_slope_is_the_slope():
    heights = 10.0 + 2.0 * np.arange(21.0)
    ends = least_squares_line(heights, 20, 100.0, 300.0, 1700.0, np.empty((2, 0)))
    assert ends == pytest.approx((10.0, 50.0), abs=1e-9)


def test_least_squares_line_is_the_same_from_running_sums():
    heights, _ = hilly(600)
    sums = np.empty((2, heights.size + 1))
    running_sums(heights, sums)
    for ends in ((0.0, 60000.0), (1234.0, 40000.0), (30000.0, 30100.0)):
        direct = least_squares_line(heights, 600, 100.0, *ends, np.empty((2, 0)))
        assert least_squares_line(heights, 600, 100.0, *ends, sums) == pytest.approx(direct, abs=1e-6)


SHAPES = ("normal", "ties", "two values", "one peak", "heavy tails", "uniform", "far from zero")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_order_statistic_is_what_sorting_gives(shape):
    rng = np.random.default_rng(0)
    for n in (35, 95, 245):
        values = {
            "normal": rng.normal(size=n), "ties": rng.normal(size=n).round(1),
            "two values": rng.choice([-1.0, 1.0], n),
            "one peak": np.eye(1, n, 7)[0] - 1.0 / n, "heavy tails": rng.standard_cauchy(n),
            "uniform": rng.random(n) - 0.5, "far from zero": rng.random(n) + 50.0,
        }[shape]  # fmt: skip
        filled = np.full((n + 15) // 16 * 16, HUGE)
        filled[:n] = values
        spread = math.sqrt(np.mean(values**2))
        for k in (0, 3, n // 10, n // 2, n - 1):
            assert order_statistic(filled, k, spread) == np.sort(values)[k]


def test_terrain_irregularity_is_the_interdecile_range():
    """245 samples at whole profile points: residuals of a fitted line, 25th highest less 25th lowest."""
    rng = np.random.default_rng(4)
    normal = rng.normal(0.0, 8.0, 246)
    tied = rng.integers(0, 3, 246).astype(float)
    skewed = 50.0 * rng.random(246) ** 9
    for residual in (normal, tied, skewed):
        heights = 100.0 + 0.3 * np.arange(246.0) + residual
        found = terrain_irregularity(heights, 245, 100.0, 0.0, 24400.0, np.empty(WORK_SIZE))
        fit = least_squares_line(heights[:245].copy(), 244, 1.0, 0.0, 244.0, np.empty((2, 0)))
        left = np.sort(heights[:245] - np.linspace(*fit, 245))
        scale = 1.0 - 0.8 * math.exp(-24400.0 / 50e3)
        assert found == pytest.approx((left[220] - left[24]) / scale, abs=1e-9)
    assert terrain_irregularity(np.full(246, 7.0), 245, 100.0, 0.0, 24400.0, np.empty(WORK_SIZE)) < 1e-9


def test_quantile_is_within_its_published_error():
    from statistics import NormalDist

    for q in (1e-4, 0.01, 0.1, 0.3, 0.5, 0.6, 0.9, 0.999):
        assert upper_normal_quantile(q) == pytest.approx(-NormalDist().inv_cdf(q), abs=4.5e-4)


# ----------------------------------------------------------------------------------------- properties


def test_terms_add_up_and_carry_the_symbols():
    heights, step = hilly()
    terms = itm_p2p_terms(heights, step, 358.0, 40.0, 1.5)
    assert set(terms) == {
        "basic_transmission_loss_db", "A_ref", "A_fs", "theta_hzn", "d_hzn", "h_e", "N_s", "delta_h", "d_km",
        "mode", "warnings", "return_code",
    }
    assert terms["d_km"] == 30.0
    assert terms["A_fs"] == pytest.approx(32.45 + 20 * math.log10(358.0 * 30.0))
    assert terms["A_ref"] >= 0.0
    assert terms["N_s"] == pytest.approx(301.0 * math.exp(-np.mean(heights[12:109]) / 9460.0))
    assert isinstance(terms["basic_transmission_loss_db"], float)
    assert terms["mode"] in ("line-of-sight", "diffraction", "troposcatter")


def test_the_path_is_reciprocal():
    heights, step = hilly()
    there = itm_p2p(heights, step, 358.0, 40.0, 1.5)
    back = itm_p2p(heights[::-1], step, 358.0, 1.5, 40.0)
    # horizons, fits and delta_h are sampled from either end: equal but for the sampling of delta_h
    assert there == pytest.approx(back, abs=0.5)


def test_flat_ground_loss_grows_with_distance_and_passes_all_modes():
    distances = np.array([5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0])
    terms = itm_area_terms(distances, 30.0, 358.0, 40.0, 1.5)
    assert np.all(np.diff(terms["basic_transmission_loss_db"]) > 0)
    assert list(dict.fromkeys(terms["mode"])) == ["line-of-sight", "diffraction", "troposcatter"]
    assert np.all(np.diff(itm_area(distances, 30.0, [[150.0], [358.0]], 40.0, 1.5), axis=1) > 0)


def test_variability_is_monotonic_in_each_percentage():
    heights, step = hilly()
    percent = np.array([1.0, 10.0, 50.0, 90.0, 99.0])
    for name in ("time_percent", "location_percent", "situation_percent"):
        loss = itm_p2p(heights, step, 358.0, 40.0, 1.5, variability_mode=3, **{name: percent})
        assert np.all(np.diff(loss) > 0), name


def test_modes_leave_out_what_they_say():
    heights, step = hilly()
    at = {"variability_mode": np.array([3, 13]), "location_percent": np.array([[50.0], [90.0]])}
    loss = itm_p2p(heights, step, 358.0, 40.0, 1.5, **at)
    assert loss[1, 0] > loss[0, 0]
    assert loss[1, 1] == loss[0, 1]  # +10: no location variability
    wide, narrow = itm_p2p(
        heights, step, 358.0, 40.0, 1.5, variability_mode=np.array([12, 32]), situation_percent=90.0
    )
    assert narrow < wide  # +20: no direct situation variability


def test_confidence_and_reliability_are_situation_and_time():
    heights, step = hilly()
    by_cr = itm_p2p(heights, step, 358.0, 40.0, 1.5, confidence_percent=90.0, reliability_percent=95.0)
    by_tls = itm_p2p(heights, step, 358.0, 40.0, 1.5, situation_percent=90.0, time_percent=95.0)
    assert by_cr == by_tls
    with pytest.raises(ItmError, match="confidence_percent is 100") as error:
        itm_p2p(heights, step, 358.0, 40.0, 1.5, confidence_percent=100.0)
    assert error.value.code == 1006
    with pytest.raises(ItmError, match="reliability_percent") as error:
        itm_area(10.0, 30.0, 358.0, 40.0, 1.5, reliability_percent=0.0)
    assert error.value.code == 1007
    with pytest.raises(ValueError, match="not both"):
        itm_p2p(heights, step, 358.0, 40.0, 1.5, confidence_percent=50.0, time_percent=50.0)


def test_names_and_numbers_mean_the_same():
    by_name = itm_area(
        20.0, 90.0, 358.0, 40.0, 1.5, climate="desert", polarization="horizontal", tx_siting="very-careful"
    )
    by_number = itm_area(
        20.0, 90.0, 358.0, 40.0, 1.5, climate=Climate.DESERT, polarization=0, tx_siting=Siting.VERY_CAREFUL
    )
    assert by_name == by_number
    with pytest.raises(ValueError, match="climate is 'lunar'"):
        itm_area(20.0, 90.0, 358.0, 40.0, 1.5, climate="lunar")
    with pytest.raises(ValueError, match="whole number"):
        itm_area(20.0, 90.0, 358.0, 40.0, 1.5, climate=2.5)


def test_arrays_equal_single_cases():
    heights, step = hilly()
    frequencies = np.array([351.0, 370.0])
    receivers = np.array([[1.5], [3.0], [10.0]])
    many = itm_p2p(heights, step, frequencies, 40.0, receivers)
    assert many.shape == (3, 2)
    for (i, j), value in np.ndenumerate(many):
        assert value == itm_p2p(heights, step, frequencies[j], 40.0, receivers[i, 0])


@pytest.mark.parametrize("shape", ["hills", "mountains", "flat", "staircase", "lone hill"])
def test_radial_equals_path_by_path(shape):
    rng = np.random.default_rng(11)
    x = np.arange(400.0)
    heights = {
        "hills": 150.0 + np.cumsum(rng.normal(0.0, 3.0, 400)),
        "mountains": 800.0 + np.cumsum(rng.normal(0.0, 25.0, 400)),
        "flat": np.full(400, 30.0),
        "staircase": 10.0 * (x // 50),
        "lone hill": 5.0 + 120.0 * np.exp(-(((x - 90.0) / 12.0) ** 2)),
    }[shape]
    options = {"time_percent": 90.0, "location_percent": 70.0, "variability_mode": 3}
    loss, flags = itm_p2p_radial(heights, 90.0, 358.0, 40.0, 1.5, **options)
    assert loss.shape == flags.shape == heights.shape and math.isnan(loss[0])
    for k in range(1, 400, 1 if shape == "hills" else 7):
        terms = itm_p2p_terms(heights[: k + 1], 90.0, 358.0, 40.0, 1.5, **options)
        assert loss[k] == pytest.approx(terms["basic_transmission_loss_db"], abs=1e-6), k
        assert flags[k] == terms["warnings"]


def test_radial_refuses_like_the_path():
    heights, step = hilly()
    with pytest.raises(ItmError, match="rx_height_m is 0.1"):
        itm_p2p_radial(heights, step, 358.0, 40.0, 0.1)
    with pytest.raises(ValueError, match="single values"):
        itm_p2p_radial(heights, step, [351.0, 358.0], 40.0, 1.5)
    loss, _ = itm_p2p_radial(np.full(30, 9000.0), step, 358.0, 40.0, 1.5)
    assert np.all(np.isnan(loss))  # surface refractivity under 150 N-units


# --------------------------------------------------------------------------------- errors and warnings


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("tx_height_m", 0.4, 1000), ("tx_height_m", math.nan, 1000), ("rx_height_m", 3001.0, 1001),
        ("climate", 0, 1002), ("climate", 8, 1002), ("time_percent", 0.0, 1003),
        ("location_percent", 100.0, 1004), ("situation_percent", -1.0, 1005), ("n0", 249.0, 1008),
        ("n0", 401.0, 1008), ("frequency_mhz", 19.0, 1009), ("frequency_mhz", 20001.0, 1009),
        ("polarization", 2, 1010), ("permittivity", 0.9, 1011), ("conductivity_s_m", 0.0, 1012),
        ("variability_mode", 4, 1014), ("variability_mode", 34, 1014), ("variability_mode", -1, 1014),
        ("distance_km", 0.0, 1017), ("delta_h_m", -1.0, 1018),
        ("tx_siting", 3, 1019), ("rx_siting", -1, 1020),
    ],
)
def test_error_codes(option, value, code):
    case = {"distance_km": 20.0, "delta_h_m": 90.0, "frequency_mhz": 358.0, "tx_height_m": 40.0,
            "rx_height_m": 1.5, option: value}
    with pytest.raises(ItmError) as error:
        itm_area(**case)
    assert error.value.code == code
    assert f"{value:g}" in str(error.value)


def test_ground_impedance_with_too_large_an_imaginary_part():
    with pytest.raises(ItmError, match="imaginary") as error:
        itm_area(20.0, 90.0, 358.0, 40.0, 1.5, permittivity=1.0, polarization="horizontal")
    assert error.value.code == 1013


def test_high_ground_makes_refractivity_small_and_earth_refuses():
    step = 250.0
    flat = np.full(101, 1.0)
    with pytest.raises(ItmError, match="surface refractivity below 150") as error:
        itm_p2p(flat * 9000.0, step, 358.0, 40.0, 1.5)
    assert error.value.code == 1021
    with pytest.raises(ItmError) as error:  # far below the sea: above 400 N-units
        itm_p2p(flat * -3000.0, step, 358.0, 40.0, 1.5)
    assert error.value.code == 1022
    assert ItmWarning(itm_p2p_terms(flat * 3000.0, step, 358.0, 40.0, 1.5)["warnings"]) \
        & ItmWarning.SURFACE_REFRACTIVITY


def test_the_first_case_refused_is_named():
    with pytest.raises(ItmError, match="rx_height_m is 0.2"):
        itm_area(20.0, 90.0, 358.0, 40.0, [1.5, 0.2, 0.1])


def test_warning_flags():
    def flags(**changes):
        case = {"distance_km": 20.0, "delta_h_m": 30.0, "frequency_mhz": 358.0, "tx_height_m": 40.0,
                "rx_height_m": 1.5, **changes}
        return ItmWarning(itm_area_terms(**case)["warnings"])

    assert flags() == 0
    assert ItmWarning.TX_TERMINAL_HEIGHT in flags(tx_height_m=0.9)
    assert ItmWarning.RX_TERMINAL_HEIGHT in flags(rx_height_m=1001.0)
    assert ItmWarning.FREQUENCY in flags(frequency_mhz=30.0)
    assert ItmWarning.PATH_DISTANCE_TOO_BIG_1 in flags(distance_km=1001.0)
    assert ItmWarning.PATH_DISTANCE_TOO_BIG_2 in flags(distance_km=2001.0)
    assert ItmWarning.PATH_DISTANCE_TOO_SMALL_1 in flags(distance_km=0.1)
    assert ItmWarning.PATH_DISTANCE_TOO_SMALL_2 in flags(distance_km=0.9)
    # the flag looks at the percentages that the mode uses: broadcast uses location, single message does not
    assert ItmWarning.EXTREME_VARIABILITIES in flags(location_percent=99.99, variability_mode=3)
    assert ItmWarning.EXTREME_VARIABILITIES not in flags(location_percent=99.99, variability_mode=0)
    assert itm_area_terms(0.9, 30.0, 358.0, 40.0, 1.5)["return_code"] == 1


@pytest.mark.parametrize(
    ("heights", "step", "match"),
    [
        ([1.0], 30.0, "at least two heights"), ([[1.0, 2.0]], 30.0, "one row"),
        ([1.0, math.nan, 2.0], 30.0, r"heights_m\[1\] is nan"), ([1.0, 2.0], 0.0, "step_m is 0"),
    ],
)
def test_bad_profiles_are_refused_with_the_place(heights, step, match):
    with pytest.raises(ValueError, match=match):
        itm_p2p(heights, step, 358.0, 40.0, 1.5)


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="unknown option 'time'"):
        itm_area(20.0, 90.0, 358.0, 40.0, 1.5, time=50.0)
