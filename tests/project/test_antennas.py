import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.antennas import (
    attenuation_db,
    omni_beamwidth_deg,
    omni_pattern,
    read_pattern,
    to_antenna_frame,
)
from radiocov.problems import ProjectError

azimuths = st.floats(-360, 720)
elevations = st.floats(-90, 90)


def panel_cuts(downtilt=0):
    """A made-up panel: 12 (angle/width)^2 up to 30 dB, 65 degrees wide and 12 high."""
    around = (np.arange(360) + 180) % 360 - 180
    horizontal = np.minimum(12 * (around / 65) ** 2, 30)
    vertical = np.minimum(12 * (((np.arange(360) - downtilt + 180) % 360 - 180) / 12) ** 2, 30)
    return horizontal, vertical


def msi(horizontal, vertical, header="NAME Made\nFREQUENCY 360\nGAIN 8 dBd\n", gap=" "):
    def block(name, cut):
        return f"{name}{gap}360\n" + "".join(f"{a}{gap}{v:.4f}\n" for a, v in enumerate(cut))
    return header + block("HORIZONTAL", horizontal) + block("VERTICAL", vertical)


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="a.msi"):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return tmp_path / name
    return write_file


@pytest.fixture
def panel(write):
    return read_pattern(write(msi(*panel_cuts())))


# ------------------------------------------------------------------------------------------------ readers
def test_msi_is_read(write):
    horizontal, vertical = panel_cuts(4)
    text = msi(horizontal, vertical, "\n\n# a comment\nGAIN\t8 dBd\nname\tMade 样品\nFrequency 360\n"
                                     "COMMENT HORIZONTAL cut first\nELECTRICAL_TILT 4\n", gap="\t")
    pattern = read_pattern(write(text.replace("\n", "\r\n")))
    assert (pattern.name, pattern.gain_dbi, pattern.frequency_mhz) == ("Made 样品", 10.15, 360)
    assert pattern.electrical_tilt_deg == 4
    np.testing.assert_allclose(pattern.horizontal_db, horizontal, atol=1e-4)
    np.testing.assert_allclose(pattern.vertical_db, vertical, atol=1e-4)
    assert not pattern.is_omni


@pytest.mark.parametrize(("gain", "dbi"), [("8", 10.15), ("8 dBd", 10.15), ("8dBd", 10.15), ("8.5 dBi", 8.5)])
def test_gain_units(write, gain, dbi):
    assert read_pattern(write(msi(*panel_cuts(), header=f"GAIN {gain}\n"))).gain_dbi == pytest.approx(dbi)


def test_header_after_the_blocks_is_read(write):
    blocks = msi(*panel_cuts(), header="")
    assert read_pattern(write(blocks + "GAIN 8 dBi\nNAME Late\n")).name == "Late"


FULL = msi(*panel_cuts(), header="GAIN 8\n")
VERTICAL_AT = FULL.index("VERTICAL")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FULL[:VERTICAL_AT],
         ['no VERTICAL block; add a line "VERTICAL 360" and 360 lines "angle attenuation"']),
        ("GAIN 8\n" + FULL[VERTICAL_AT:],
         ['no HORIZONTAL block; add a line "HORIZONTAL 360" and 360 lines "angle attenuation"']),
        (FULL.replace("GAIN 8\n", ""), ['no GAIN line; add one such as "GAIN 8.0 dBd" or "GAIN 10.15 dBi"']),
        (FULL.replace("GAIN 8", "GAIN lots"),
         ['line 1: gain "lots" is not understood; give a number and "dBd" or "dBi"']),
        (FULL.replace("\n359 0.0028\nVERTICAL", "\nVERTICAL"),
         ["359 values in the HORIZONTAL block; give 360, one for each degree"]),
        (FULL.replace("\n5 0.0710\n", "\n5 oops\n"),
         ['line 8: "5 oops" is not an angle and an attenuation; give two numbers']),
        (FULL.replace("\n5 0.0710\n", "\nfive 0.07\n"),
         ['line 8: "five 0.07" is not an angle and an attenuation; give two numbers']),
        (FULL.replace("\n5 0.0710\n", "\n4 0.07\n"),
         ["line 8: angle 4 a second time in the HORIZONTAL block; give each angle once"]),
        (FULL.replace("\n5 0.0710\n", "\n5 -0.07\n"),
         ["line 8: negative attenuation -0.07; give dB below the maximum as positive numbers"]),
        (FULL.replace("\n5 0.0710\n", "\n5.5 0.07\n"),
         ["line 8: angle 5.5 in the HORIZONTAL block; give whole degrees from 0 to 359"]),
        (FULL.replace("GAIN 8", "GAIN 8\nFREQUENCY x"),
         ['line 2: FREQUENCY "x" is not a number; give a number']),
    ],
)
def test_bad_msi_files_are_told(write, text, expected):
    with pytest.raises(ProjectError) as caught:
        read_pattern(write(text))
    assert str(caught.value).splitlines() == ["a.msi: " + line for line in expected]


def test_a_file_that_is_something_else_is_told_in_few_lines(write):
    with pytest.raises(ProjectError) as caught:
        read_pattern(write("HORIZONTAL 360\n" + "x y\n" * 5000 + "GAIN 5\n"))
    assert len(caught.value.problems) < 20
    with pytest.raises(ProjectError, match='".txt" is not an antenna format read here; give an MSI'):
        read_pattern(write("", "a.txt"))
    with pytest.raises(ProjectError, match="cannot be read"):
        read_pattern("absent.msi")


def ant(horizontal, elevations_from_top):
    return "\n".join(f"{-v:.4f}" for v in [*horizontal, *elevations_from_top]) + "\n"


@pytest.mark.parametrize("count", [360, 181, 180])
def test_ant_elevations_run_from_straight_up_through_the_front(write, count):
    horizontal, vertical = panel_cuts(6)
    from_top = np.roll(vertical, 90)[:count]  # index 0 is straight up: 270 degrees down
    pattern = read_pattern(write(ant(horizontal, from_top), "b.ant"))
    assert (pattern.name, pattern.gain_dbi) == ("b", None)
    np.testing.assert_allclose(pattern.vertical_db[:90], vertical[:90], atol=1e-4)
    np.testing.assert_allclose(pattern.vertical_db[270:], vertical[270:], atol=1e-4)
    assert pattern.vertical_db.argmin() == 6  # degrees down
    if count < 360:
        np.testing.assert_allclose(pattern.vertical_db[91:180], pattern.vertical_db[89:0:-1])


def test_bad_ant_files_are_told(write):
    with pytest.raises(ProjectError, match=r"^a\.ant: 719 values; give 360 azimuths and then 360 \(V3\)"):
        read_pattern(write("0\n" * 719, "a.ant"))
    with pytest.raises(ProjectError) as caught:
        read_pattern(write("0\n-3\n2.5\nx\n" + "0\n" * 716, "a.ant"))
    assert [str(p) for p in caught.value.problems] == [
        f'a.ant: line {line}: "{word}" is not a relative gain; give dB relative to the maximum: '
        "0 or a negative number" for line, word in ((3, "2.5"), (4, "x"))]


pieces = st.sampled_from(["HORIZONTAL 360", "VERTICAL 360", "GAIN 8", "GAIN", "FREQUENCY x", "0 0", "1 -1", "5.5 2",
                          "nan 3", "-3", "0", "1e9", "TILT", "#", "NAME"])


@given(st.sampled_from([".msi", ".pln", ".ant"]), st.lists(pieces | st.text(max_size=15), max_size=40))
def test_whatever_is_in_a_file_it_is_read_or_told(tmp_path_factory, suffix, made):
    path = tmp_path_factory.mktemp("antennas") / f"a{suffix}"
    path.write_text("\n".join(made), encoding="utf-8")
    try:
        pattern = read_pattern(path)
    except ProjectError as error:
        assert error.problems
    else:
        assert np.isfinite(pattern.horizontal_db).all() and np.isfinite(pattern.vertical_db).all()


SAMPLES = {
    "SV460-SF2SNM_0890_00T.msi": (17.15, 890, 0), "SV460-SF2SNM_0920_00T.msi": (17.15, 920, 0),
    "B800A065-18-0E.pln": (15.75, 851, 0), "B800A065-18-4E.pln": (15.75, 851, 4),
    "AMB4520R8v06_05T.msi": (19.10, 1845, 5), "anonymous.msi": (9.84, 2450, 0),
    "generic_antenna.ant": (None, None, 0),
}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_makers_files(shared, name):
    gain, frequency, beam_down = SAMPLES[name]
    pattern = read_pattern(shared / "data/antennas" / name)
    assert pattern.gain_dbi == (None if gain is None else pytest.approx(gain))
    assert pattern.frequency_mhz == frequency
    assert pattern.vertical_db.argmin() == beam_down
    assert (pattern.horizontal_db >= 0).all() and (pattern.vertical_db >= 0).all()
    down = np.linspace(-10, 20, 301)
    best = down[pattern.attenuation_db(float(pattern.horizontal_db.argmin()), -down).argmin()]
    assert best == pytest.approx(beam_down, abs=1)


def test_radio_mobile_sample_has_its_front_where_the_format_says(shared):
    pattern = read_pattern(shared / "data/antennas/generic_antenna.ant")
    assert pattern.vertical_db[0] == 0 and pattern.vertical_db[180] == 25
    assert pattern.vertical_db[[15, 345]] == pytest.approx(7.4)
    assert pattern.horizontal_db[180] == 28


# -------------------------------------------------------------------------------------------- directions
def test_without_tilt_the_cuts_come_out_raw(panel):
    angles = np.arange(360.0)
    np.testing.assert_array_equal(panel.attenuation_db(angles, 0.0), panel.horizontal_db)
    down = np.arange(-90.0, 91.0)
    np.testing.assert_array_equal(panel.attenuation_db(0.0, -down), panel.vertical_db[down.astype(int) % 360])


def test_between_degrees_it_is_linear(panel):
    h = panel.horizontal_db
    assert panel.attenuation_db(359.25, 0.0) == pytest.approx(0.75 * h[359] + 0.25 * h[0])
    assert panel.attenuation_db(-0.75, 0.0) == panel.attenuation_db(359.25, 0.0)
    assert panel.attenuation_db(20.5, 0.0) == pytest.approx((h[20] + h[21]) / 2)


@given(azimuths, elevations, st.floats(-20, 20))
def test_azimuth_has_a_period_of_a_turn_and_a_symmetric_panel_two_equal_sides(azimuth, elevation, tilt):
    h, v = panel_cuts()
    here = attenuation_db(h, v, azimuth, elevation, tilt)
    assert attenuation_db(h, v, azimuth + 360, elevation, tilt) == pytest.approx(here, abs=1e-6)
    assert attenuation_db(h, v, -azimuth, elevation, tilt) == pytest.approx(here, abs=1e-6)
    assert 0 <= here <= h.max() + v.max() + 1e-9


@pytest.mark.parametrize("tilt", [-5.0, 3.0, 8.0, 12.5])
def test_mechanical_downtilt_moves_the_maximum(panel, tilt):
    down = np.linspace(-30, 30, 601)
    front = panel.attenuation_db(0.0, -down, tilt)
    assert down[front.argmin()] == pytest.approx(tilt, abs=0.06)
    assert front.min() == pytest.approx(0, abs=0.01)
    behind = panel.attenuation_db(180.0, down, tilt)  # behind, the beam rises as much
    assert down[behind.argmin()] == pytest.approx(tilt, abs=0.06)
    aside = panel.attenuation_db(90.0, -down, 0.0)
    assert down[aside.argmin()] == pytest.approx(0, abs=0.06)


@given(azimuths, elevations, st.floats(-30, 30))
def test_tilting_is_a_rotation(azimuth, elevation, tilt):
    def unit(a, e):
        a, e = math.radians(a), math.radians(e)
        return np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])

    there = to_antenna_frame(azimuth, elevation, tilt)
    back = to_antenna_frame(*there, -tilt)
    np.testing.assert_allclose(unit(*back), unit(azimuth, elevation), atol=1e-9)
    boresight = unit(0.0, -tilt)
    assert unit(*there)[0] == pytest.approx(float(boresight @ unit(azimuth, elevation)), abs=1e-9)


def test_nan_directions_give_nan(panel):
    assert np.isnan(panel.attenuation_db(np.nan, 0.0)) and np.isnan(panel.attenuation_db(0.0, np.nan, 3.0))


def test_a_level_cut_through_a_tilted_beam_does_not_count_its_loss_twice(write):
    horizontal, vertical = panel_cuts(10)
    level = horizontal + vertical[0]  # what an instrument on the horizon sees
    pattern = read_pattern(write(msi(level, vertical)))
    assert pattern.attenuation_db(0.0, 0.0) == pytest.approx(vertical[0], abs=1e-3)
    assert pattern.attenuation_db(0.0, -10.0) == pytest.approx(0, abs=1e-3)


# ------------------------------------------------------------------------------------------------- omnis
@given(azimuths, elevations)
def test_an_omni_is_the_same_all_round(azimuth, elevation):
    flat, narrow = omni_pattern(9.0), omni_pattern(9.0, 13.5, downtilt_deg=2.0)
    assert flat.attenuation_db(azimuth, elevation) == 0
    assert narrow.attenuation_db(azimuth, elevation) == narrow.attenuation_db(0.0, elevation)
    assert flat.is_omni and narrow.is_omni


def test_omni_beam_follows_f1336():
    assert omni_beamwidth_deg(9.0) == pytest.approx(13.546, abs=0.001)
    pattern = omni_pattern(9.0, 20.0)
    # half power at half the beamwidth; shoulder 12 - 10 log10(1.7); then 12 - 10 log10(x^-1.5 + 0.7)
    assert pattern.attenuation_db(0.0, -10.0) == pytest.approx(3.0)
    assert pattern.attenuation_db(0.0, 19.0) == pytest.approx(9.6955, abs=1e-3)
    assert pattern.attenuation_db(0.0, 60.0) == pytest.approx(12 - 10 * math.log10(3**-1.5 + 0.7), abs=1e-9)
    np.testing.assert_array_equal(pattern.vertical_db[1:], pattern.vertical_db[:0:-1])
    assert omni_pattern(9.0, 20.0, downtilt_deg=3.0).attenuation_db(77.0, -3.0) == 0
    with pytest.raises(ValueError, match="vertical beamwidth 0 deg"):
        omni_pattern(9.0, 0.0)
