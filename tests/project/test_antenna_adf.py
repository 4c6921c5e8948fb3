"""NSMA antenna files: what the Recommendation allows, and what is told about the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.antennas import SUFFIXES, beam_pattern, read_pattern
from radiocov.problems import ProjectError

PANEL = beam_pattern(65, 10).tilted(4.0)  # beam 4 degrees down


def cut(kind, points, polarization="V/V"):
    ends = f"{points[0][0]:.3f},{points[-1][0]:.3f}"
    rows = "".join(f"{angle:.3f},{value:.3f},\n" for angle, value in points)
    return f"PATCUT:,{kind}\nPOLARI:,{polarization}\nNUPOIN:,{len(points)}\nFSTLST:,{ends}\n{rows}ENDCUT:,EOC\n"


def azimuth_points(step=1.0, pattern=PANEL):
    return [(a, -float(pattern.attenuation_db(a, -4.0) - pattern.attenuation_db(0.0, -4.0)))
            for a in np.arange(-180, 180, step)]


def elevation_points(step=1.0, reach=180, pattern=PANEL):
    """Elevation counts upwards."""
    return [(e, -float(np.interp(-e % 360, np.arange(361), np.append(pattern.vertical_db, pattern.vertical_db[0]))))
            for e in np.arange(-reach, reach + (reach < 180) * step / 2, step)]


def adf(*cuts, units="DBI/DBR", gain="MDGAIN:,16.5\n", more="ELTILT:,4.0,0.5\n", frequency="PATFRE:,358\n"):
    cuts = cuts or (cut("AZ", azimuth_points()), cut("EL", elevation_points()))
    return (f"REVNUM:,NSMA WG16.99.050\nREVDAT:,19990520\nCOMNT1:,made, for a test\nANTMAN:,Nobody\n"
            f"MODNUM:,Made 样品\nDTDATA:,20260101\nLOWFRQ:,350\nHGHFRQ:,370\nGUNITS:,{units}\n{gain}{more}"
            f"PATTYP:,TYPICAL\nNOFREQ:,1\n{frequency}NUMCUT:,2\n{''.join(cuts)}ENDFIL:,EOF\n")


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "a.adf"
        path.write_text(text, encoding="utf-8", newline="")
        return path
    return write_file


def told(path):
    with pytest.raises(ProjectError) as caught:
        read_pattern(path)
    return [str(p).removeprefix("a.adf: ") for p in caught.value.problems]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_file_is_read_and_elevation_turned_downwards(write, ending):
    pattern = read_pattern(write(adf().replace("\n", ending)))
    assert (pattern.name, pattern.gain_dbi, pattern.frequency_mhz) == ("Made 样品", 16.5, 358)
    assert pattern.electrical_tilt_deg == 4 and pattern.vertical_db.argmin() == 4
    np.testing.assert_allclose(pattern.vertical_db, PANEL.vertical_db, atol=1e-3)
    np.testing.assert_allclose(pattern.horizontal_db, PANEL.horizontal_db, atol=1e-3)
    assert ".adf" in SUFFIXES


@pytest.mark.parametrize(("step", "worst"), [(0.5, 0.001), (2.0, 0.125)])
def test_points_at_any_step_are_interpolated(write, step, worst):
    """Chords of 12 (t/10)^2 over 2 degrees lie 0.12 dB above it."""
    text = adf(cut("H", azimuth_points(step)), cut("V", elevation_points(step)))
    pattern = read_pattern(write(text))
    main = np.arange(-8, 17)
    np.testing.assert_allclose(pattern.vertical_db[main], PANEL.vertical_db[main], atol=worst)
    np.testing.assert_allclose(pattern.horizontal_db, PANEL.horizontal_db, atol=worst)


def test_a_front_half_alone_is_mirrored(write):
    pattern = read_pattern(write(adf(cut("AZ", azimuth_points()), cut("EL", elevation_points(reach=90)))))
    np.testing.assert_allclose(pattern.vertical_db[:91], PANEL.vertical_db[:91], atol=1e-3)
    np.testing.assert_allclose(pattern.vertical_db[91:180], pattern.vertical_db[89:0:-1], atol=1e-9)


@pytest.mark.parametrize(
    ("units", "turn", "gain"),
    [("DBD/DBR", lambda v: v, 18.65), ("DBI/DBI", lambda v: v + 16.5, 16.5), ("DBD/DBD", lambda v: v + 16.5, 18.65),
     ("dbi/lin", lambda v: 10 ** (v / 20), 16.5)],
)
def test_units_of_gain_and_points(write, units, turn, gain):
    made = [cut(k, [(a, turn(v)) for a, v in p]) for k, p in (("AZ", azimuth_points()), ("EL", elevation_points()))]
    pattern = read_pattern(write(adf(*made, units=units)))
    assert pattern.gain_dbi == pytest.approx(gain)
    # three decimals of a field strength are few far down
    np.testing.assert_allclose(pattern.vertical_db, PANEL.vertical_db, atol=0.15)


def test_of_several_frequencies_and_polarizations_the_fitting_one(write):
    wide = beam_pattern(100, 10).tilted(4.0)

    def pair(pattern, polarization):
        return (cut("AZ", azimuth_points(pattern=pattern), polarization)
                + cut("EL", elevation_points(pattern=pattern), polarization))

    other = pair(wide, "V/V")
    text = adf(other + "PATFRE:,360\n" + pair(wide, "H/H") + pair(wide, "V/H") + pair(PANEL, "V/V"),
               frequency="PATFRE:,440\n")
    path = write(text)
    assert read_pattern(path).frequency_mhz == 360
    np.testing.assert_allclose(read_pattern(path).horizontal_db, PANEL.horizontal_db, atol=1e-3)
    assert read_pattern(path, 430.0).frequency_mhz == 440
    np.testing.assert_allclose(read_pattern(path, 430.0).horizontal_db, wide.horizontal_db, atol=1e-3)


GOOD = adf()
LINE_10 = GOOD.splitlines()[9]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("GUNITS:,DBI/DBR\n", ""), ["no GUNITS line; add one such as GUNITS:,DBI/DBR"]),
        (GOOD.replace("DBI/DBR", "DB"),
         ['line 9: GUNITS "DB" is not understood; give DBI or DBD for the gain and DBR, DBI, DBD or LIN for the '
          "points, such as DBI/DBR"]),
        (GOOD.replace("MDGAIN:,16.5\n", ""),
         ["no MDGAIN line; add the mid-band gain in the unit of GUNITS, such as MDGAIN:,10.5"]),
        (GOOD.replace("MDGAIN:,16.5", "MDGAIN:,16.5 dBi"),
         ['line 10: MDGAIN "16.5 dBi" is not a number; give the gain alone, in the unit of GUNITS']),
        (GOOD.replace("-170.000,-25.000,", "-170.000,oops,", 1),
         ['line 30: "-170.000,oops," is neither "KEY:,value" nor "angle,magnitude"; correct the line',
          "line 16: 359 points in the AZ cut; NUPOIN promises 360"]),
        (GOOD.replace("-170.000,-25.000,\n", "", 1), ["line 16: 359 points in the AZ cut; NUPOIN promises 360"]),
        (GOOD.replace("FSTLST:,-180.000,179.000", "FSTLST:,-90.000,90.000", 1),
         ["line 16: the AZ cut runs from -180 to 179; FSTLST promises -90 to 90"]),
        (GOOD.replace("-170.000,-25.000,", "-170.000,25.000,", 1),
         ["line 30: 25 is not a magnitude in DBR; give dB relative to the maximum: 0 or a negative number"]),
        (GOOD.replace("PATCUT:,EL", "PATCUT:,45"),
         ["no azimuth and elevation cut of one frequency and polarization (cuts here: AZ V/V, 45 V/V); "
          "give PATCUT:,AZ and PATCUT:,EL with the same POLARI, such as V/V"]),
        (GOOD.replace("POLARI:,V/V", "POLARI:,V/H", 1),
         ["no azimuth and elevation cut of one frequency and polarization (cuts here: AZ V/H, EL V/V); "
          "give PATCUT:,AZ and PATCUT:,EL with the same POLARI, such as V/V"]),
        (GOOD.replace("PATFRE:,358", "PATFRE:,about 358"), ['line 14: PATFRE "about 358" is not a number; give MHz']),
        (adf(cut("AZ", azimuth_points()[:300]), cut("EL", elevation_points())),
         ["line 16: the AZ cut has no points for 61 degrees; give a point at least every 5 degrees all round"]),
        (adf(cut("AZ", azimuth_points()), cut("EL", [(-e, v) for e, v in elevation_points(reach=90)][::-1])),
         ["line 381: the beam points -4 deg down while ELTILT says +4; count elevation upwards: turn the signs of "
          "the angles of the EL cut"]),
        ("", ["no GUNITS line; add one such as GUNITS:,DBI/DBR"]),
    ],
)
def test_bad_files_are_told_by_line(write, text, expected):
    assert told(write(text)) == expected


def test_a_file_that_is_something_else_is_told_in_few_lines(write):
    assert len(told(write("x y z\n" * 5000))) <= 20


lines = st.sampled_from([*GOOD.splitlines()[:40], "PATCUT:,EL", "NUPOIN:,-3", "FSTLST:,a", "1e999,nan,", "0,0", ":",
                         ",", "GUNITS:,DBI/LIN", "MDGAIN:,", "ELTILT:,x"])


@given(st.lists(lines | st.text(max_size=20), max_size=60))
def test_whatever_is_in_a_file_it_is_read_or_told(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("adf") / "a.adf"
    path.write_text("\n".join(made), encoding="utf-8")
    try:
        pattern = read_pattern(path)
    except ProjectError as error:
        assert error.problems
    else:
        assert np.isfinite(pattern.horizontal_db).all() and np.isfinite(pattern.vertical_db).all()
