"""Described beams, electrical and mechanical tilt, the two ways to combine cuts, and figures read off a pattern."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.antennas import Pattern, attenuation_db, beam_pattern, omni_pattern, parse_beam, read_pattern
from radiocov.antennas.figures import (
    front_to_back_db,
    front_to_rear_db,
    half_power_width_deg,
    polar_page,
    polar_svg,
    properties,
)
from radiocov.antennas.pattern import HPI, SUM
from radiocov.problems import ProjectError

azimuths = st.floats(-360, 720)
elevations = st.floats(-90, 90)


def cuts(seed=3, tilt=0):
    """Uneven cuts that meet where they cross: A_h(0) = A_v(0), A_h(180) = A_v(180)."""
    rng = np.random.default_rng(seed)
    around = (np.arange(360) + 180) % 360 - 180
    ripple = rng.uniform(0, 2, 360)
    horizontal = np.minimum(12 * (around / 65) ** 2, 28) + ripple
    vertical = np.minimum(12 * (((around - tilt + 180) % 360 - 180) / 14) ** 2, 30) + np.roll(ripple, 7)
    vertical[0], vertical[180] = horizontal[0], horizontal[180]
    return horizontal, vertical


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compiling takes longer than hypothesis allows an example."""
    attenuation_db(*cuts(), 0.0, 0.0, 0.0, HPI)


# ------------------------------------------------------------------------------------------ combining cuts
def hpi_in_gains(g_h, g_v, azimuth, elevation):
    """The published form: G = G_h(a) - [(pi - |a|)/pi (G_h(0) - G_v(t)) + |a|/pi (G_h(pi) - G_v(pi - t))]."""
    a = abs((azimuth + 180) % 360 - 180)
    t = -elevation

    def at(cut, angle):
        return np.interp(angle % 360, np.arange(361), np.append(cut, cut[0]))

    front = (180 - a) / 180 * (g_h[0] - at(g_v, t))
    rear = a / 180 * (g_h[180] - at(g_v, 180 - t))
    return at(g_h, azimuth) - (front + rear)


@given(azimuths, elevations, st.integers(0, 20))
def test_hpi_is_the_published_formula_and_never_above_the_maximum(azimuth, elevation, seed):
    horizontal, vertical = cuts(seed)
    expected = max(-hpi_in_gains(-horizontal, -vertical, azimuth, elevation), 0)
    assert attenuation_db(horizontal, vertical, azimuth, elevation, 0.0, HPI) == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 359), st.integers(-90, 90))
def test_hpi_is_exact_on_both_cuts_all_round(azimuth, down):
    horizontal, vertical = cuts()
    level, front, rear = (attenuation_db(horizontal, vertical, float(a), float(e), 0.0, HPI)
                          for a, e in ((azimuth, 0), (0, -down), (180, -down)))
    assert level == pytest.approx(horizontal[azimuth])
    assert front == pytest.approx(vertical[down % 360]) and rear == pytest.approx(vertical[180 - down])


@given(azimuths, elevations, st.floats(0, 20))
def test_hpi_does_not_mind_where_the_horizontal_cut_has_its_zero(azimuth, elevation, shift):
    horizontal, vertical = cuts()
    here, there = (attenuation_db(horizontal + s, vertical, azimuth, elevation, 4.0, HPI) for s in (0.0, shift))
    assert there == pytest.approx(here, abs=1e-9)


def test_the_methods_differ_behind_and_between_the_cuts_alone(tmp_path):
    pattern = beam_pattern(65, 10)
    front = [pattern.attenuation_db(0.0, np.arange(-90.0, 91.0), method=m) for m in ("sum", "hpi")]
    np.testing.assert_allclose(*front)
    behind = [float(pattern.attenuation_db(180.0, -10.0, method=m)) for m in ("sum", "hpi")]
    assert behind == [25 + 12, 25]  # the sum takes the front half of the vertical cut, HPI the rear half


@given(azimuths, elevations, st.sampled_from(["sum", "hpi"]))
def test_an_omni_is_one_by_either_method(azimuth, elevation, method):
    pattern = omni_pattern(9.0, 13.5)
    assert pattern.attenuation_db(azimuth, elevation, method=method) == pytest.approx(
        float(pattern.attenuation_db(0.0, elevation)), abs=1e-9)


# ------------------------------------------------------------------------------------------ mechanical tilt
@pytest.mark.parametrize("method", [SUM, HPI])
def test_mechanical_tilt_does_nothing_at_90_degrees_and_lifts_the_beam_behind(method):
    horizontal, vertical = beam_pattern(65, 10).arrays
    for side in (90.0, -90.0):
        level, tilted = (attenuation_db(horizontal, vertical, side, 0.0, t, method) for t in (0.0, 8.0))
        assert tilted == pytest.approx(level, abs=1e-9)
    ahead, behind = beam_pattern(360, 10).arrays
    assert attenuation_db(ahead, behind, 0.0, -8.0, 8.0, method) == pytest.approx(0, abs=1e-9)
    assert attenuation_db(ahead, behind, 180.0, 8.0, 8.0, method) == pytest.approx(0, abs=1e-9)
    assert attenuation_db(ahead, behind, 180.0, -8.0, 8.0, method) > 19


@given(st.floats(-180, 180), st.floats(0.5, 20))
def test_mechanical_tilt_fades_with_the_azimuth(azimuth, tilt):
    """A flat disc of a beam leans: its direction lies atan(tan(tilt) cos(azimuth)) below the horizon."""
    disc = omni_pattern(9.0, 5.0)
    down = math.degrees(math.atan(math.tan(math.radians(tilt)) * math.cos(math.radians(azimuth))))
    assert disc.attenuation_db(azimuth, -down, tilt) == pytest.approx(0, abs=0.01)


# ------------------------------------------------------------------------------------------ electrical tilt
@pytest.mark.parametrize("pattern", [beam_pattern(65, 10), omni_pattern(9.0, 13.5), parse_beam("beam:360/8")])
@pytest.mark.parametrize("tilt", [3.0, 6.5, -2.0])
def test_electrical_tilt_lowers_the_beam_alike_in_all_directions(pattern, tilt):
    set_to = pattern.tilted(tilt)
    down = np.round(np.arange(-20, 20.01, 0.1), 1)
    for azimuth in (0.0, 70.0, 140.0):
        before, after = (p.attenuation_db(azimuth, -down) for p in (pattern, set_to))
        assert down[after.argmin()] - down[before.argmin()] == pytest.approx(tilt, abs=0.51)
        assert after.min() == pytest.approx(before.min(), abs=0.1)  # between whole degrees it is linear
    assert set_to.beam_down_deg == tilt and set_to.tilted(tilt) is set_to
    np.testing.assert_allclose(pattern.tilted(5.0).tilted(0.0).vertical_db[:80], pattern.vertical_db[:80], atol=1e-9)


def test_behind_an_electrically_tilted_array_the_beam_goes_down_too():
    omni = parse_beam("beam:360/10").tilted(5.0)
    assert omni.vertical_db[5] == 0 and omni.vertical_db[175] == 0 and omni.vertical_db[185] > 10


def test_a_panel_tilted_by_calculation_is_close_to_the_makers_own_file(shared):
    level, makers = (read_pattern(shared / f"data/antennas/B800A065-18-{tilt}E.pln") for tilt in (0, 4))
    main = np.arange(-2, 11)  # the main lobe of 12 degrees
    assert np.abs(level.tilted(4.0).vertical_db - makers.vertical_db)[main].max() < 1.6
    assert np.abs(level.vertical_db - makers.vertical_db)[main].max() > 6.0
    assert makers.beam_down_deg == 4.0  # its header says "ELECTRICAL" and no figure


# ------------------------------------------------------------------------------------------------- beams
def test_a_beam_has_the_widths_it_is_named_after():
    pattern = parse_beam("beam:65/10/30")
    for degrees, cut in ((65, pattern.horizontal_db), (10, pattern.vertical_db)):
        assert half_power_width_deg(cut) == pytest.approx(degrees, abs=0.05)
    assert front_to_back_db(pattern) == front_to_rear_db(pattern) == 30
    # TR 36.814: 12 (30/65)^2 and 12 (6/10)^2
    assert pattern.attenuation_db(30.0, -6.0) == pytest.approx(12 * (30 / 65) ** 2 + 12 * 0.36, abs=1e-9)
    assert pattern.attenuation_db(0.0, -40.0) == 20
    assert pattern.gain_dbi == pytest.approx(10 * math.log10(32400 / 650), abs=0.01)
    assert parse_beam("beam:360/13.5").gain_dbi == pytest.approx(9.0, abs=0.05)  # as F.1336 has it for omnis
    assert parse_beam("beam: 65 / 10").name == "beam:65/10" and parse_beam("beam:360/8").is_omni


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beam:65", 'is not a beam; write it as "beam:65/10"'),
        ("beam:65x10", "is not a beam"), ("beam:65/10/25/3", "is not a beam"), ("beam:-65/10", "is not a beam"),
        ("beam:inf/10", "is not a beam"), ("beam:", "is not a beam"),
        ("beam:2/10", "2 deg is no horizontal width; give 5 to 360 deg"),
        ("beam:65/0.2", "0.2 deg is no vertical width; give 1 to 180 deg"),
        ("beam:65/10/90", "90 dB is no front-to-back ratio; give 5 to 60 dB"),
    ],
)
def test_beams_that_are_none(text, message):
    with pytest.raises(ProjectError) as caught:
        parse_beam(text)
    assert message in str(caught.value) and f'"{text}"' in str(caught.value)


# ----------------------------------------------------------------------------------------------- figures
@pytest.mark.parametrize(
    ("name", "width", "height", "front_to_back"),
    [("SV460-SF2SNM_0890_00T.msi", 15.5, 28.5, 22.2), ("SV460-SF2SNM_0920_00T.msi", 14.5, 29.0, 21),
     ("B800A065-18-0E.pln", 65, 11.2, 30.1), ("B800A065-18-4E.pln", 65, 11.2, 33.2)],
)
def test_figures_agree_with_what_makers_print(shared, name, width, height, front_to_back):
    found = properties(read_pattern(shared / "data/antennas" / name))
    assert found["horizontal_width_deg"] == pytest.approx(width, abs=3.6)  # makers state the nominal 65
    assert found["vertical_width_deg"] == pytest.approx(height, abs=1.5)
    assert found["front_to_back_db"] == pytest.approx(front_to_back, abs=2.1)


def test_half_power_width_is_interpolated_and_an_omni_has_none():
    cut = np.full(360, 20.0)
    cut[[358, 359, 0, 1, 2]] = 4.0, 2.0, 0.0, 1.0, 5.0
    assert half_power_width_deg(cut) == pytest.approx(1.5 + 1.5)
    assert half_power_width_deg(np.roll(cut, 77) + 6.0) == pytest.approx(3.0)
    assert half_power_width_deg(np.zeros(360)) == 360


def test_the_picture_shows_both_cuts_to_scale():
    root = ElementTree.fromstring(polar_svg(beam_pattern(65, 10).tilted(90.0)))
    shapes = [[tuple(map(float, p.split(","))) for p in polygon.get("points").split()]
              for polygon in root.iter("{http://www.w3.org/2000/svg}polygon")]
    assert [len(points) for points in shapes] == [360, 360]
    dials = [(float(c.get("cx")), float(c.get("cy")), float(c.get("r")))
             for c in root.iter("{http://www.w3.org/2000/svg}circle")]
    (x0, y0, radius), (x1, y1, _) = max(dials[:5], key=lambda d: d[2]), max(dials[5:], key=lambda d: d[2])
    above, side = shapes
    assert above[0] == pytest.approx((x0, y0 - radius), abs=0.1)  # the boresight is up
    assert above[180] == pytest.approx((x0, y0 + radius * (1 - 25 / 40)), abs=0.1)
    assert above[60][0] > x0, "azimuth is clockwise"
    assert side[90] == pytest.approx((x1, y1 + radius), abs=0.1)  # tilted straight down is down


def test_names_of_antennas_cannot_break_the_page():
    wicked = Pattern("<script>&", 9.0, None, np.zeros(360), np.zeros(360))
    page = polar_page(wicked)
    assert "<script" not in page and "&lt;script&gt;&amp;" in page and page.count("<tr>") == 361
