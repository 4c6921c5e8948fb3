"""Offsets against the fleet come with intervals that hold the truth; and the reasons to pull a handset in."""

from __future__ import annotations

import numpy as np
import pytest

from devices import offsets
from devices.errors import DevicesError
from devices.health import health


def made_fleet(
    seed: int, handsets: int = 24, places: int = 150, visits: int = 30, sigma: float = 4.0, tau: float = 3.0
):
    """Levels of handsets with known offsets, each in some of the places."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, tau, handsets)
    level = rng.uniform(-110, -60, places)
    device = np.repeat(np.arange(handsets), visits)
    place = rng.integers(0, places, len(device))
    return truth, device, place, level[place] + truth[device] + rng.normal(0, sigma, len(device))


def test_known_offsets_lie_within_their_intervals():
    """Of 95 % intervals over many fleets 93 to 97 % hold the truth, and the spreads are found."""
    held, sigmas, taus = [], [], []
    for seed in range(60):
        truth, device, place, level = made_fleet(seed)
        fitted = offsets.fit(device, place, level)
        low, high = fitted.interval()
        held.append((low <= truth) & (truth <= high))
        sigmas.append(fitted.sigma_db)
        taus.append(fitted.tau_db)
    assert 0.93 <= np.mean(held) <= 0.97
    assert np.mean(sigmas) == pytest.approx(4.0, abs=0.1) and np.mean(taus) == pytest.approx(3.0, abs=0.3)


def test_offsets_equal_the_dense_solution_of_the_mixed_model_equations():
    """Henderson's equations with all places and handsets, at the spreads that were found."""
    truth, device, place, level = made_fleet(1, handsets=6, places=20, visits=12)
    fitted = offsets.fit(device, place, level)
    places, p = np.unique(place, return_inverse=True)
    shared = np.array([len(set(device[p == j])) > 1 for j in range(len(places))])
    use = shared[p]
    x = np.eye(len(places))[p[use]][:, shared]
    z = np.eye(6)[device[use]]
    ratio = (fitted.sigma_db / fitted.tau_db) ** 2
    left = np.block([[x.T @ x, x.T @ z], [z.T @ x, z.T @ z + ratio * np.eye(6)]])
    solved = np.linalg.solve(left, np.concatenate([x.T @ level[use], z.T @ level[use]]))
    errors = fitted.sigma_db * np.sqrt(np.diag(np.linalg.inv(left)))
    assert fitted.offset_db == pytest.approx(solved[-6:], abs=1e-8)
    assert fitted.error_db == pytest.approx(errors[-6:], rel=1e-8)


def test_no_place_in_common_says_nothing():
    assert offsets.fit(np.array([1, 1, 2]), np.array([1, 2, 3]), np.array([-80.0, -81, -82])) is None


def test_a_level_at_which_half_fail_is_found():
    rng = np.random.default_rng(3)
    level = rng.uniform(-125, -80, 4000)
    failed = rng.random(4000) < 1 / (1 + np.exp((level + 107) / 2))
    assert offsets.failing_level(level, failed) == pytest.approx(-107, abs=0.5)
    assert np.isnan(offsets.failing_level(level, np.zeros(4000, bool)))
    assert np.isnan(offsets.failing_level(level, ~failed))  # failing where it is strong: no threshold


def fleet_log(days: int = 40) -> str:
    """Six handsets on the same street on different days: F5 reads 9 dB low, F4 hears nothing, F3 drifts."""
    rng = np.random.default_rng(5)
    lines = ["time,device_id,lat,lon,rssi_dbm,service_state,battery,ber"]
    for day in range(0, days, 4):
        for number in range(6):
            for spot in range(60):
                level = -75 - 0.5 * spot + rng.normal(0, 3)
                level += {5: -9.0, 3: -0.15 * day}.get(number, 0.0)
                time = f"2026-{9 + day // 30:02}-{day % 30 + 1:02}T{8 + number:02}:{spot:02}:00Z"
                where = f"{41.8 + spot * 0.0012:.5f},123.4"
                ber = 8.0 if level < -100 else 0.5
                lines.append(
                    f"{time},F{number},{where},,no_service,50,"
                    if number == 4
                    else f"{time},F{number},{where},{level:.1f},registered,{50 - 7 * number},{ber}"
                )
    return "\n".join(lines) + "\n"


def test_handsets_to_pull_in_come_first_with_the_reason(take, sqlite):
    take(fleet_log())
    found = health(sqlite)
    rows = {row["device_id"]: row for row in found["handsets"]}
    assert rows["F5"]["offset_db"] == pytest.approx(-9 + 2, abs=2.5)  # against the mean of the five that hear
    assert any(reason.startswith("reads ") and reason.endswith("dB low") for reason in rows["F5"]["reasons"])
    assert any("without service in 100% of where others read -90 dBm" in reason for reason in rows["F4"]["reasons"])
    assert rows["F3"]["drift_db_a_month"] == pytest.approx(-0.15 * 30.4, abs=1.5)
    assert any(reason.startswith("drifts -") for reason in rows["F3"]["reasons"])
    assert not rows["F0"]["reasons"] and rows["F0"]["hours_logged"] > 9
    assert rows["F3"]["battery_percent"] == 29 and rows["F1"]["position_share"] == 1
    order = [row["device_id"] for row in found["handsets"]]
    assert set(order[:3]) == {"F3", "F4", "F5"}


def test_the_offset_of_the_register_is_taken_off_first(take, sqlite):
    from devices import fleet

    take(fleet_log())
    fleet.add(sqlite, {"device_id": "F5", "calibration_offset_db": -9})
    row = next(row for row in health(sqlite)["handsets"] if row["device_id"] == "F5")
    assert abs(row["offset_db"]) < 2.5 and not any(reason.startswith("reads ") for reason in row["reasons"])


def test_one_handset_is_held_against_all_others(take, sqlite):
    from devices.query import Wanted

    take(fleet_log())
    every = {row["device_id"]: row for row in health(sqlite)["handsets"]}
    assert health(sqlite, Wanted(devices=["F5"]))["handsets"] == [every["F5"]]
    with pytest.raises(DevicesError, match="no handset Z9"):
        health(sqlite, Wanted(devices=["Z9"]))


def test_an_empty_store_has_no_handsets(sqlite):
    assert health(sqlite) == {"fleet": {"handsets": 0, "sigma_db": None, "tau_db": None}, "handsets": []}
