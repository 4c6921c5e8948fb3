"""Rows with known faults come out counted, each under its own step; local means are those of the fading's theory."""

import datetime as dt

import numpy as np
import pytest
from scipy.special import polygamma

from radiocov.calibration.model import ABOVE, BELOW, NONE
from radiocov.calibration.prepare import NEPER_DB, prepare
from radiocov.calibration.rows import read_rows
from radiocov.inputs import project_grid
from radiocov.problems import ProjectError

START_US = 1_500_000_000_000_000
WAVE_M = 299.792458 / 358.0


def near(inputs, site: int, east_m: float, north_m: float) -> dict:
    grid = project_grid(inputs)
    x, y = grid.from_lonlat(*inputs.sites[site].antenna_lonlat)
    lon, lat = grid.to_lonlat(x + east_m, y + north_m)
    return {"lon": f"{lon:.8f}", "lat": f"{lat:.8f}"}


def row(inputs, second: float, east_m: float = 3000.0, north_m: float = 2000.0, **given) -> dict:
    return {"time_utc_us": START_US + int(second * 1e6), "site_id": inputs.sites[0].id, "rssi_dbm": "-80.0",
            **near(inputs, 0, east_m, north_m), **given}  # fmt: skip


def prepared(inputs, path):
    return prepare(inputs, project_grid(inputs), read_rows(inputs.project, [str(path)]))


def left_out(found) -> dict[str, int]:
    return {s.name: s.before - s.after for s in found.steps if s.after < s.before}


def test_every_fault_is_counted_under_its_own_step(made, fresh, logs, tmp_path):
    inputs = made.inputs_of(fresh)
    good = [row(inputs, i, 3000.0 + i, rssi_dbm=f"{-80.0 - i % 3}") for i in range(10)]
    faulty = {
        "signal": [{"role": "neighbour", "site_id": ""}] * 2,
        "trunked": [{"direction": "direct"}],
        "band": [{"freq_hz": 415_000_000}] * 3,
        "position": [{"lat": "", "lon": ""}],
        "level": [{"rssi_dbm": ""}] * 2,
        "fix": [{"hdop": 9.0}, {"pos_age_s": 12.0}],
        "speed": [{"speed_mps": 60.0}],
        "outdoors": [{"carry": "indoor"}] * 2,
        "site": [{"site_id": "NOWHERE"}, {"site_id": ""}],
        "near": [near(inputs, 0, 60.0, 20.0)],
        "reach": [near(inputs, 0, 16_000.0, 2000.0)],
    }
    bad = [row(inputs, 600 + 600 * i) | fault for i, fault in enumerate(f for some in faulty.values() for f in some)]
    found = prepared(inputs, logs.write(tmp_path / "log.csv", good + bad))
    counted = left_out(found)
    assert {name: counted.get(name) for name in faulty} == {name: len(some) for name, some in faulty.items()}
    assert found.steps[0].before == len(good) + len(bad) and found.means.samples.sum() == len(good)
    why = next(s.why for s in found.steps if s.name == "site")
    assert "NOWHERE (1)" in why and "(none) (1)" in why


def test_places_outside_the_grid_and_false_fixes(made, fresh, logs, tmp_path):
    inputs = made.inputs_of(fresh)
    rows = [row(inputs, i, 3000.0 + i) | {"rssi_dbm": f"-8{i % 2}"} for i in range(30)]
    rows[10] |= {"lat": "0", "lon": "0"}
    rows[20] |= near(inputs, 0, 40_000.0, 40_000.0)  # 50 km within a second
    rows.append(row(inputs, 7200.0) | {"lat": "42.2", "lon": "123.0"})
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows))
    counted = left_out(found)
    assert counted["jumps"] == 2 and counted["grid"] == 1


def test_a_tunnel_of_the_roads_takes_the_samples_in_it(made, fresh, logs, tmp_path):
    made.edit(fresh / "project.toml", 'file = "roads.geojson"', 'file = "tunnel.geojson"')
    inputs = made.inputs_of(_with_tunnel(fresh))
    inside = [row(inputs, i, 3000.0, 2000.0 + 5 * i, rssi_dbm=f"-8{i % 2}") for i in range(5)]
    beside = [row(inputs, 50 + i, 3200.0, 2000.0 + 5 * i, rssi_dbm=f"-8{i % 2}") for i in range(4)]
    found = prepared(inputs, logs.write(tmp_path / "log.csv", inside + beside))
    assert left_out(found)["tunnels"] == 5 and found.means.samples.sum() == 4


def _with_tunnel(folder):
    import json

    from radiocov.inputs import read_inputs
    from radiocov.network import read_sites
    from radiocov.project import load_project

    text = (folder / "roads.geojson").read_text()
    (folder / "tunnel.geojson").write_text(text)
    site = read_sites(folder / "sites.csv")[0][0]
    inputs = read_inputs(load_project(folder))
    ends = [near(inputs, 0, 3000.0, north) for north in (1900.0, 2200.0)]
    line = [[float(p["lon"]), float(p["lat"])] for p in ends]
    assert site.id == inputs.sites[0].id
    collection = json.loads(text)
    collection["features"].append({
        "type": "Feature", "geometry": {"type": "LineString", "coordinates": line},
        "properties": {**collection["features"][0]["properties"], "tunnel": "yes", "name": "Tunnel"},
    })  # fmt: skip
    (folder / "tunnel.geojson").write_text(json.dumps(collection))
    return folder


def test_a_site_counts_from_the_day_it_is_in_service(made, fresh, logs, tmp_path):
    inputs = made.inputs_of(fresh)
    later = next(i for i, s in enumerate(inputs.sites) if s.in_service and s.in_service > dt.date(2014, 6, 1))
    day = int(dt.datetime(2014, 2, 1, tzinfo=dt.UTC).timestamp()) * 10**6
    rows = [{"time_utc_us": day + i * 10**6, "site_id": inputs.sites[later].id, "rssi_dbm": f"-8{i % 2}",
             **near(inputs, later, 2000.0 + i, 0.0)} for i in range(5)]  # fmt: skip
    rows += [row(inputs, i, 3000.0 + i, rssi_dbm=f"-8{i % 2}") for i in range(5)]
    assert left_out(prepared(inputs, logs.write(tmp_path / "log.csv", rows)))["in service"] == 5


def test_sites_are_known_by_their_aliases_and_their_masts(made, fresh, logs, tmp_path):
    text = '\n[calibration]\nsite_ids = { "17" = "LT03" }\n'
    with (fresh / "project.toml").open("a") as file:
        file.write(text)
    inputs = made.inputs_of(fresh)
    by_name = inputs.sites[0].name
    rows = [row(inputs, i, 3000.0 + i, site_id="17", rssi_dbm=f"-8{i % 2}") for i in range(4)]
    rows += [row(inputs, 50 + i, 3000.0 + i, site_id=by_name, rssi_dbm=f"-8{i % 2}") for i in range(3)]
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows))
    assert {inputs.sites[s].id for s in found.means.site} == {"LT01", "LT03"}


def test_a_local_mean_of_rayleigh_samples_is_unbiased_and_knows_its_error(made, fresh, logs, tmp_path):
    """Over 300 places the means scatter about the true level as their stated error says."""
    with (fresh / "project.toml").open("a") as file:
        file.write('\n[calibration]\nfading = "rayleigh"\n')
    inputs, rng = made.inputs_of(fresh), np.random.default_rng(5)
    rows, n = [], 8
    for place in range(300):
        for k in range(n):
            level = -80.0 + 10.0 * np.log10(rng.exponential())
            east, north = 1000.0 + 500.0 * (place % 20), 1000.0 + 500.0 * (place // 20)
            rows.append(row(inputs, place * 300 + k, east + k * 3.0, north, rssi_dbm=f"{level:.3f}"))
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows))
    whole = found.means.samples == n
    assert whole.sum() > 200
    error = found.means.level_dbm[whole] + 80.0
    one = NEPER_DB * np.sqrt(polygamma(1, n))
    assert found.means.error_db[whole].min() >= one * 0.99
    assert abs(error.mean()) < 4 * one / np.sqrt(whole.sum())
    assert error.std() == pytest.approx(np.sqrt(np.mean(found.means.error_db[whole] ** 2)), rel=0.15)


def test_fading_is_taken_from_the_logs(made, fresh, logs, tmp_path):
    """Samples that the handset has averaged over four independent ones scatter by gamma fading of shape 4."""
    inputs, rng = made.inputs_of(fresh), np.random.default_rng(6)
    rows = [row(inputs, place * 300 + k, 1000.0 + 500.0 * (place % 20) + 4 * k, 1000.0 + 500.0 * (place // 20),
                rssi_dbm=f"{-80.0 + 10.0 * np.log10(rng.gamma(4.0) / 4.0):.3f}")
            for place in range(200) for k in range(6)]  # fmt: skip
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows))
    assert found.fading_shape == pytest.approx(4.0, rel=0.15)
    assert found.fading_db == pytest.approx(NEPER_DB * np.sqrt(polygamma(1, 4.0)), rel=0.08)


def test_a_handset_that_stands_still_does_not_gain_samples(made, fresh, logs, tmp_path):
    inputs = made.inputs_of(fresh)
    rows = [row(inputs, i, rssi_dbm=f"{-80 - i % 7}") for i in range(100)]
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows)).means
    assert found.samples.tolist() == [100] and found.error_db[0] > 4.0


def test_overload_and_silence_are_censored_and_the_fewer_give_way(made, fresh, logs, tmp_path):
    inputs = made.inputs_of(fresh)
    silent = {"site_id": "", "rssi_dbm": "", "service_state": "no_service"}
    rows = [row(inputs, i, 3000.0 + i, rssi_dbm=f"-3{i % 2}") for i in range(6)]
    rows += [row(inputs, 500 + i, 6000.0 + i, **silent) for i in range(6)]
    rows += [row(inputs, 1000 + i, 9000.0 + i, **(silent if i < 2 else {"rssi_dbm": f"-9{i % 2}"})) for i in range(6)]
    rows += [row(inputs, 2000 + i, 9000.0 + i, 8000.0, rssi_dbm="-110", rssi_censor="below") for i in range(3)]
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows))
    means = found.means
    kinds = {(int(c), round(float(level))) for c, level in zip(means.censored, means.level_dbm, strict=True)}
    assert {k for k, _ in kinds} == {ABOVE, BELOW, NONE}
    assert (int(ABOVE), -40) in kinds and (int(BELOW), -111) in kinds and (int(BELOW), -110) in kinds
    assert left_out(found)["heard or not"] == 2
    assert means.site[means.censored == BELOW].min() == -1


def test_one_value_a_cell_handset_site_and_day(made, fresh, logs, tmp_path):
    inputs = made.inputs_of(fresh)
    rows = [row(inputs, day * 86400 + i, 3000.0 + i, device_id=str(1001 + d), rssi_dbm=f"-8{i % 2}")
            for d in range(2) for day in range(3) for i in range(5)]  # fmt: skip
    found = prepared(inputs, logs.write(tmp_path / "log.csv", rows)).means
    assert len(found) == 6 and found.samples.tolist() == [5] * 6


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"freq_hz": 415_000_000}, "of another band: 415 MHz where the project has 358 MHz"),
        ({"lat": "31.2", "lon": "121.4"}, "no position lies in the project's grid: the log has longitude 121.400"),
        ({"lat": "", "lon": ""}, "without position"),
        ({"site_id": "XX"}, "without a site of sites.csv: XX (40)"),
        ({"rssi_dbm": "-87.0"}, "the level is always -87.0 dBm"),
        ({"direction": "direct"}, "direct mode"),
    ],
)
def test_logs_that_leave_nothing_are_named_with_their_fault(made, fresh, logs, tmp_path, given, said):
    inputs = made.inputs_of(fresh)
    rows = [row(inputs, i, 3000.0 + i, rssi_dbm=f"-8{i % 7}") | given for i in range(40)]
    with pytest.raises(ProjectError) as error:
        prepared(inputs, logs.write(tmp_path / "log.csv", rows))
    assert said in str(error.value) and len(error.value.problems) == 1


def test_positions_of_two_datums_are_refused(made, fresh, logs, tmp_path):
    """One handset drives a road of the project as it is, the other the same road in GCJ-02."""
    from devices.datum import wgs84_to_gcj02

    inputs = made.inputs_of(fresh)
    road = max((r.geometry for r in inputs.roads.roads), key=lambda g: g.length)
    rows = []
    for i in range(40):
        point = road.interpolate(0.2 + 0.6 * i / 40, normalized=True)
        lat, lon = (float(v) for v in wgs84_to_gcj02(point.y, point.x))
        rows.append({"time_utc_us": START_US + i * 10**8, "device_id": "1001", "lat": f"{point.y:.7f}",
                     "lon": f"{point.x:.7f}", "site_id": "LT01", "rssi_dbm": f"-8{i % 7}"})  # fmt: skip
        rows.append({**rows[-1], "device_id": "1002", "lat": f"{lat:.7f}", "lon": f"{lon:.7f}"})
    rows.sort(key=lambda r: (r["device_id"], r["time_utc_us"]))
    with pytest.raises(ProjectError, match="positions of 1002 are .* m off the roads .*mixes datums"):
        prepared(inputs, logs.write(tmp_path / "log.csv", rows))
