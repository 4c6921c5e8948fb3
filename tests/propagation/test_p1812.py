"""P.1812 path by path: the published validation cases, their intermediate terms, and what degenerate input gives."""

import csv

import numpy as np
import pytest
from profiles import ReferenceProfile, draw_terrain

from radiocov.propagation import p1812

# the log's names that differ from ours
LOG_NAMES = {"th_t": "theta_t", "th_r": "theta_r", "th": "theta", "w": "omega"}
# symbols that the log prints twice, by the equation of the row
LOG_TWICE = {
    ("hst", "Eq (85)"): "hst_fit", ("hsr", "Eq (86)"): "hsr_fit",
    ("hst", "Eq (90a)"): "hst", ("hsr", "Eq (90b)"): "hsr",
    ("htc", "Table 5"): "hts", ("hrc", "Table 5"): "hrs", ("htc", "Eq (37a)"): "htc", ("hrc", "Eq (37b)"): "hrc",
}  # fmt: skip


def solve(profile: ReferenceProfile, case: list[str]) -> dict[str, float]:
    rows = profile.rows
    phi = p1812.mid_path_latitude_deg(*profile.ends, rows[-1, 0])
    terms, _ = p1812.basic_transmission_loss(
        rows[:, 0], rows[:, 1], clutter_m=rows[:, 3], zone=rows[:, 4], frequency_mhz=float(case[0]),
        tx_height_m=float(case[1]), rx_height_m=float(case[3]), time_percent=float(case[14]),
        polarization=("horizontal", "vertical")[int(case[4]) - 1], mid_latitude_deg=phi, delta_n=profile.delta_n,
        n0=profile.n0,
    )  # fmt: skip
    return terms


def reference_files(shared):
    for folder in ("profiles", "at_350mhz"):
        files = sorted((shared / "reference" / "p1812" / folder).glob("*.csv"))
        assert files
        yield from files


def test_every_published_loss(shared):
    worst, count = 0.0, 0
    for path in reference_files(shared):
        profile = ReferenceProfile.read(path)
        for case in profile.cases:
            worst = max(worst, abs(solve(profile, case)["Lb"] - float(case[17])))
            count += 1
    assert count > 300
    assert worst < 1e-6


def test_every_intermediate_term(shared):
    """Within 1e-6, relative, of every term in the published logs.

    One exception: in two cases the log's Lbd is not Lb0p + Ldp (eq 43) but the value of Lbda.
    """
    folder = shared / "reference" / "p1812"
    compared, odd = 0, []
    for log in sorted((folder / "terms").glob("*_log.csv")):
        name, number = log.stem.removesuffix("_log").rsplit("_", 1)
        profile = ReferenceProfile.read(folder / "profiles" / f"{name}.csv")
        terms = solve(profile, profile.cases[int(number)])
        for row in csv.reader(log.read_text().splitlines()):
            if len(row) < 4 or not row[3].strip():
                continue
            symbol, equation = row[0].split(" (")[0].strip(), row[1].strip()
            key = LOG_TWICE.get((symbol, equation), LOG_NAMES.get(symbol, symbol))
            if key not in terms:
                continue
            expected = float(row[3])
            if symbol == "Lbd" and abs(expected - terms["Lbd"]) > 1e-6:
                odd.append(log.stem)
                assert expected == pytest.approx(terms["Lbda"], rel=1e-6)
                continue
            assert terms[key] == pytest.approx(expected, rel=1e-6, abs=1e-6), (log.stem, symbol, equation)
            compared += 1
    assert compared > 27 * 40
    assert odd == ["rburg_urban_with_clutter_0_log", "rburg_urban_with_clutter_3_log"]


@pytest.mark.parametrize("p", [1.0, 10.0, 50.0])
def test_against_the_equations_written_out_in_plain_python(p):
    """A second, naive writing of the delta-Bullington part over random ground: no shared code, no vector forms."""
    rng = np.random.default_rng(3)
    for kind in range(6):
        n = 60
        h, clutter, _ = draw_terrain(rng, n, kind)
        d = np.arange(n) * 0.25
        clutter[[0, -1]] = 0.0
        terms, _ = p1812.basic_transmission_loss(
            d, h, clutter_m=clutter, frequency_mhz=358.0, tx_height_m=30.0, rx_height_m=1.5, time_percent=p
        )
        ae, lam = 6371 * 157 / (157 - 45), 0.2998 / 0.358
        expected = _plain_bullington(d, h + clutter, h[0] + 30.0, h[-1] + 1.5, ae, lam)
        assert terms["Lbulla50"] == pytest.approx(expected, abs=1e-9)
        assert terms["Lbd"] == pytest.approx(terms["Lb0p"] + terms["Ldp"], abs=1e-9)
        assert terms["Lb"] >= terms["Lb0p"]


def _plain_bullington(d, g, hts, hrs, a, lam):
    inside = slice(1, -1)
    di, gi, total = d[inside], g[inside], d[-1]
    bulge = 500.0 * di * (total - di) / a
    s_tim = ((gi + bulge - hts) / di).max()
    s_tr = (hrs - hts) / total
    if s_tim < s_tr:
        over = gi + bulge - (hts * (total - di) + hrs * di) / total
        nu = (over * np.sqrt(0.002 * total / (lam * di * (total - di)))).max()
    else:
        s_rim = ((gi + bulge - hrs) / (total - di)).max()
        db = (hrs - hts + s_rim * total) / (s_tim + s_rim)
        over = hts + s_tim * db - (hts * (total - db) + hrs * db) / total
        nu = over * np.sqrt(0.002 * total / (lam * db * (total - db)))
    j = 6.9 + 20 * np.log10(np.sqrt((nu - 0.1) ** 2 + 1) + nu - 0.1) if nu > -0.78 else 0.0
    return j + (1 - np.exp(-j / 6)) * (10 + 0.02 * total)


def path(d, h, **options):
    given = {"frequency_mhz": 358.0, "tx_height_m": 30.0, "rx_height_m": 1.5} | options
    return p1812.basic_transmission_loss(d, h, **given)


def test_two_points_are_free_space_or_spherical_earth():
    terms, _ = path([0.0, 0.5], [10.0, 10.0])
    assert terms["Lbulla50"] == 0.0
    no_obstacle = ("hobs", "alpha_obt", "alpha_obr")
    assert all(np.isfinite(value) for symbol, value in terms.items() if symbol not in no_obstacle)
    assert terms["Lb"] >= terms["Lbfs"]


def test_short_paths_warn():
    assert path([0.0, 0.1], [5.0, 5.0])[1] == ["the path is 0.1 km long; P.1812 is intended for 0.25 to 3000 km"]
    assert path([0.0, 1.0, 2.0], [5.0, 5.0, 5.0])[1] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frequency_mhz": 20.0}, "frequency_mhz is 20; P.1812 holds from 30 to 6000 MHz"),
        ({"tx_height_m": 0.5}, "tx_height_m is 0.5"),
        ({"time_percent": 60.0}, "time_percent is 60"),
        ({"polarization": "circular"}, 'polarization is "circular"'),
        ({"zone": [4, 2, 4]}, "zone must be"),
        ({"clutter_m": [0, -1, 0]}, "negative"),
        ({"clutter_m": [0, 0]}, "as many heights"),
    ],
)
def test_outside_its_validity_it_says_so(change, message):
    with pytest.raises(ValueError, match=message):
        path([0.0, 1.0, 2.0], [0.0, 0.0, 0.0], **change)


@pytest.mark.parametrize(
    ("d", "h", "message"),
    [
        ([0.0], [1.0], "at least two points"),
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], "distance_km of point 3 is not beyond"),
        ([0.5, 1.0], [1.0, 1.0], "must start at 0"),
        ([0.0, 1.0], [1.0, np.nan], "height_m of point 2 is not a number"),
    ],
)
def test_what_is_no_profile_is_refused(d, h, message):
    with pytest.raises(ValueError, match=message):
        path(d, h)


def test_locations():
    median, _ = path(np.arange(40) * 0.5, np.zeros(40))
    most, _ = path(np.arange(40) * 0.5, np.zeros(40), location_percent=90.0)
    sigma = (0.024 * 0.358 + 0.52) * 100**0.28 * 0.85  # the antenna stands 1.5 m above open ground
    assert most["sigma_L"] == pytest.approx(sigma, rel=1e-9)
    assert most["Lb"] - median["Lb"] == pytest.approx(1.28155 * sigma, rel=1e-3)


def test_loss_falls_with_time_percentage():
    rng = np.random.default_rng(5)
    h, clutter, zone = draw_terrain(rng, 200, 5)
    losses = [
        path(np.arange(200) * 0.2, h, clutter_m=clutter, zone=zone, time_percent=p)[0]["Lb"] for p in (1, 5, 20, 50)
    ]
    assert losses == sorted(losses)


def test_the_alternative_smooth_path_is_the_limit_of_ever_finer_profiles():
    """Attachment 4 has no profile points: beyond the horizon those of a fine profile come as near as one likes."""
    fine = np.linspace(0.0, 80.0, 8001)
    ground = np.zeros(fine.size)
    profile, _ = path(fine, ground)
    closed, _ = path(fine, ground, alternative_smooth_path=True)
    assert closed["Lbulls50"] == pytest.approx(profile["Lbulls50"], abs=1e-4)
    coarse, _ = path(fine[::1000], ground[::1000])
    assert abs(closed["Lbulls50"] - coarse["Lbulls50"]) > 0.01
