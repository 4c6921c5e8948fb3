"""Chains and budgets against sums done by hand, textbook formulas, and the functions that the rasters use."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from radiocov.budget import LinkPath, balance, budgets, walls_of
from radiocov.chain import building_entry_db, cascade_db, noise_environment, site_chain, terminal_chain
from radiocov.link import isotropic_level_dbm, talk_in_margin_db, talk_in_margin_of_path_db, talk_out_margin_db
from radiocov.project import Project
from radiocov.propagation.building_entry import building_entry_loss
from radiocov.site import Site

HIP = {"id": "hip", "power_dbm": 35.0, "carry_loss_db": 12.0}
CAR = {"id": "car", "power_dbm": 40.0, "antenna_gain_dbi": 2.0, "carry_loss_db": 1.0}


def project(**given):
    return Project.model_validate({"project": {"name": "made"}, "terminals": [HIP, CAR], **given})


def site(**given):
    values = {"antenna": "", "gain_dbi": 9.0, "losses_db": 5.5, **given}
    return Site(id="A", name="A", lon=123.0, lat=41.0, antenna_height_m=40.0, power_dbm=47.0, azimuth_deg=0.0,
                tilt_deg=0.0, frequency_mhz=None, in_service=None, status="existing", **values)  # fmt: skip


def between(loss_db=140.0, attenuation_db=2.0, **given):
    values = {"sigma_db": 7.5, "patterns": ("omni", "omni"), "loss_source": "P.1812-8", "sigma_source": "stated"}
    return LinkPath((attenuation_db,) * 2, (loss_db,) * 2, **{**values, **given})


def both(terminal="hip", mast=None, settings=None, path=None, environment="rural"):
    made = settings or project()
    return budgets(site_chain(made, mast or site(), environment),
                   terminal_chain(made, made.terminal(terminal), environment), path or between())


def contributions(budget):
    return [t for t in budget.terms if not t.is_total]


def value(budget, term):
    return next(t.value for t in budget.terms if t.term == term)


# ------------------------------------------------------------------------------------------- plain budgets
def test_budget_line_by_line_talk_out():
    out, _ = both()
    assert [(t.term, t.value) for t in out.terms[:11]] == [
        ("Site power", 47.0), ("Site losses (combiner, feeder)", -5.5), ("Site antenna gain", 9.0),
        ("EIRP of the maximum", 50.5), ("Antenna pattern (omni)", -2.0), ("Basic transmission loss", -140.0),
        ("Level at an isotropic antenna", -91.5), ("Terminal antenna gain", 0.0),
        ("Carry loss (antenna, body, vehicle)", -12.0), ("Level at the terminal's port", -103.5),
        ("Threshold, turned", 111.0)]
    assert (out.level_dbm, out.margin_db) == (-103.5, 7.5)
    assert out.probability == pytest.approx(0.841344746, abs=1e-9)  # Phi(1)
    assert out.terms[5].source == "P.1812-8" and out.terms[1].source == "sites.csv, A"
    assert out.terms[10].source == "default of threshold_dbm" and out.terms[0].unit == "dBm"


def test_budget_line_by_line_talk_in():
    _, back = both()
    assert [(t.term, t.value) for t in back.terms[:11]] == [
        ("Terminal power", 35.0), ("Carry loss (antenna, body, vehicle)", -12.0),
        ("Terminal antenna gain", 0.0), ("EIRP", 23.0), ("Basic transmission loss", -140.0),
        ("Antenna pattern (omni)", -2.0), ("Site antenna gain", 9.0),
        ("Site losses (combiner, feeder)", -5.5), ("Level at the site's port", -115.5),
        ("Threshold, turned", 113.0), ("Diversity gain", 3.0)]
    assert (back.level_dbm, back.margin_db) == (-115.5, 0.5)


@pytest.mark.parametrize("terminal", ["hip", "car"])
def test_budgets_add_up_and_agree_with_the_raster_functions(terminal):
    made = project()
    carried = made.terminal(terminal)
    out, back = both(terminal, path=between(131.7))
    level = isotropic_level_dbm(50.5, 2.0, 131.7)
    assert out.margin_db == pytest.approx(talk_out_margin_db(level, carried), abs=1e-9)
    assert back.margin_db == pytest.approx(talk_in_margin_db(2.0, 131.7, site(), carried, made.base), abs=1e-9)
    for budget in (out, back):
        assert budget.margin_db == pytest.approx(sum(t.value for t in contributions(budget)), abs=1e-9)
        assert budget.to_dict()["terms"][0]["unit"] == "dBm"


# ---------------------------------------------------------------------------------------- parts of the chain
def whole_site(**given):
    parts = {"losses_db": 6.32, "losses_summed": True, "combiner_db": 3.5, "duplexer_db": 0.9, "jumpers_db": 0.7,
             "feeder_type": "7/8-foam", "feeder_length_m": 52.0, "feeder_db": 1.22}
    return site(**{**parts, **given})


def test_losses_are_listed_by_part_and_the_combiner_is_not_passed_on_the_way_back():
    out, back = both(mast=whole_site())
    listed = [(t.term, t.value) for t in contributions(out) if t.source.find("sites.csv") >= 0]
    assert listed == [("Site power", 47.0), ("Combiner", -3.5), ("Duplexer", -0.9), ("Feeder", -1.22),
                      ("Jumpers and connectors", -0.7), ("Site antenna gain", 9.0)]
    assert value(out, "EIRP of the maximum") == pytest.approx(49.68)
    # 35 - 12 - 140 - 2 + 9 - 0.9 - 1.22 - 0.7
    assert back.level_dbm == pytest.approx(-112.82)
    feeder = next(t for t in out.terms if t.term == "Feeder")
    assert feeder.source == "52 m of 7/8-foam at 358 MHz (radiocov's table of cables; sites.csv, A)"


def test_a_receive_antenna_of_its_own_with_losses_and_diversity_of_its_own():
    mast = site(rx_gain_dbi=11.0, rx_losses_db=2.0, rx_diversity_db=4.5)
    _, back = both(mast=mast)
    assert value(back, "Receive antenna gain") == 11.0 and value(back, "Receive losses") == -2.0
    # -117 - 2 + 11 - 2 ... 23 - 140 - 2 + 11 - 2 = -110; + 113 + 4.5
    assert back.level_dbm == -110.0 and back.margin_db == 7.5


def test_cascade_is_friis():
    # textbook: NF 1.5 dB and 12 dB gain before 3 dB of cable and a 5 dB receiver
    f = 10**0.15 + (10**0.8 - 1) / 10**1.2
    assert cascade_db(12.0, 1.5, 8.0) == pytest.approx(10 * math.log10(f), abs=1e-12)
    assert cascade_db(60.0, 2.0, 9.0) == pytest.approx(2.0, abs=1e-3)  # much gain: the amplifier alone


@given(st.floats(0, 40), st.floats(0, 10), st.floats(0, 20))
def test_an_amplifier_is_never_better_than_itself_and_its_gain_helps(gain, figure, behind):
    found = cascade_db(gain, figure, behind)
    assert found >= figure - 1e-9
    assert cascade_db(gain + 1.0, figure, behind) <= found + 1e-12


def test_an_amplifier_at_the_antenna_makes_up_for_the_feeder():
    plain = both(mast=whole_site())[1]
    better = both(mast=whole_site(tma_gain_db=12.0, tma_noise_figure_db=1.5))[1]
    # losses 2.82 dB and the default 5 dB receiver: 7.82 dB against the cascade
    gained = 7.82 - cascade_db(12.0, 1.5, 7.82)
    assert better.margin_db - plain.margin_db == pytest.approx(gained, abs=1e-9) and 4.5 < gained < 5.5
    assert "Friis: 12 dB, NF 1.5 dB" in next(t.source for t in better.terms if t.term.startswith("Amplifier"))


def test_carry_loss_by_its_parts():
    parts = {"id": "in-car", "power_dbm": 35.0, "body_loss_db": 7.0, "vehicle_loss_db": 9.0}
    made = project(terminals=[parts])
    assert made.terminal("in-car").carry_loss_db == 16.0
    out, _ = both("in-car", settings=made)
    assert value(out, "Body and antenna loss") == -7.0 and value(out, "Vehicle loss") == -9.0


# ------------------------------------------------------------------------------------- thresholds and noise
def test_a_computed_threshold_is_kt0b_plus_noise_figure_plus_what_the_voice_needs():
    made = project(terminals=[{**HIP, "threshold": "computed"}, CAR], base={"threshold": "computed"})
    terms = {t.term: t.value for t in both(settings=made)[0].terms}
    # 10 log10(1.380649e-20 * 290 * 7600) = -135.167 dBm
    assert terms["Thermal noise k T0 b, turned"] == pytest.approx(135.167, abs=5e-4)
    assert terms["Receiver noise figure, turned"] == -7.0 and terms["Required faded C/(I+N), turned"] == -17.2
    assert made.terminal("hip").threshold_dbm == pytest.approx(-110.967, abs=5e-4)
    assert made.base.threshold_dbm == pytest.approx(-112.967, abs=5e-4)
    assert terms["Man-made noise, rise of the threshold"] == 0.0  # rural: below k T0 b


@pytest.mark.parametrize(("environment", "rise"), [("city", 2.06), ("residential", 0.41), ("rural", 0.0)])
def test_noise_raises_the_threshold_by_the_land_cover(environment, rise):
    """P.372 at 358 MHz over a noise figure of 7 dB: f = f_a + f_r - 1."""
    made = project(terminals=[{**HIP, "threshold": "given+noise"}, CAR])
    loud = both(settings=made, environment=environment)[0]
    plain = both(environment=environment)[0]
    f_am = {"city": 76.8, "residential": 72.5, "rural": 67.2}[environment] - 27.7 * math.log10(358)
    expected = 10 * math.log10(1 + (10 ** (max(f_am, 0) / 10) - 1) / 10**0.7)
    assert plain.margin_db - loud.margin_db == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(rise, abs=0.005)
    assert loud.level_dbm == plain.level_dbm, "noise raises the threshold, it takes nothing from the level"


def test_a_threshold_in_dbm_stays_as_it_is():
    assert both(environment="city")[0].margin_db == both(environment="rural")[0].margin_db
    assert not any("noise" in t.term for b in both(environment="city") for t in b.terms)


def test_noise_at_a_site_counts_behind_its_losses_and_its_amplifier():
    made = project(base={"threshold": "given+noise"})
    quiet, loud = (both(settings=made, mast=whole_site(), environment=e)[1] for e in ("rural", "city"))
    f_a = 10 ** ((76.8 - 27.7 * math.log10(358)) / 10)
    ahead = quiet.margin_db - loud.margin_db
    assert ahead == pytest.approx(10 * math.log10(1 + (f_a - 1) / 10**0.782), abs=1e-9)
    amplified = whole_site(tma_gain_db=12.0, tma_noise_figure_db=1.5)
    quiet, loud = (both(settings=made, mast=amplified, environment=e)[1] for e in ("rural", "city"))
    assert quiet.margin_db - loud.margin_db > ahead + 2.0, "a better receiver hears more of the noise"


def test_what_weakens_noise_as_well_as_the_signal_lessens_the_rise():
    loud, less = (terminal_chain(made, made.terminal("hip"), "city").noise[0].value for made in (
        project(terminals=[{**HIP, "threshold": "given+noise", "noise_loss_db": loss}]) for loss in (0.0, 10.0)))
    assert loud < less < 0 and loud == pytest.approx(-2.06, abs=0.01)


def test_the_environment_is_that_of_the_land_cover_unless_the_project_names_one():
    assert noise_environment(project(), "city") == "city"
    assert noise_environment(project(noise={"city": "uhf-business"}), "city") == "uhf-business"
    assert noise_environment(project(noise={"city": "uhf-business"}), "residential") == "residential"
    assert noise_environment(project(noise={"environment": "residential"}), "city") == "residential"


def test_a_noise_figure_of_a_site_moves_its_computed_threshold_alone():
    made = project(base={"threshold": "computed"})
    plain, worse = (both(settings=made, mast=site(**given))[1] for given in ({}, {"rx_noise_figure_db": 8.0}))
    assert plain.margin_db - worse.margin_db == pytest.approx(3.0, abs=1e-6)
    plain, same = (both(mast=site(**given))[1] for given in ({}, {"rx_noise_figure_db": 8.0}))
    assert plain.margin_db == same.margin_db, "the threshold is given"


MASTS = {
    "plain": site(), "parts": whole_site(), "noisy": site(rx_noise_figure_db=9.0),
    "own": site(rx_gain_dbi=11.0, rx_losses_db=2.0, rx_diversity_db=0.0),
    "amplified": whole_site(tma_gain_db=15.0, tma_noise_figure_db=2.0, rx_diversity_db=5.0),
}


@pytest.mark.parametrize("name", MASTS)
@pytest.mark.parametrize("kind", ["given", "given+noise", "computed"])
def test_the_rasters_margin_is_the_budgets(name, kind):
    """Both count with one gain of the way back, whatever the site's own receiver is."""
    made = project(base={"threshold": kind})
    chain = site_chain(made, MASTS[name], "city")
    carried = made.terminal("hip")
    _, back = budgets(chain, terminal_chain(made, carried, "city"), between(133.3, 1.5))
    of_raster = talk_in_margin_of_path_db(chain.talk_in_db(made.base) - 1.5 - 133.3, carried, made.base)
    assert back.margin_db == pytest.approx(float(of_raster), abs=2e-6)
    if name == "plain" and kind == "given":
        assert chain.talk_in_db(made.base) == 9.0 - 5.5  # to the last bit


# ------------------------------------------------------------------------------------------ walls, balance
@pytest.mark.parametrize(("kind", "median"), [("traditional", 13.9), ("thermally-efficient", 33.3)])
def test_walls_take_the_median_and_join_the_spread(kind, median):
    made = project(services=[{"id": "out", "terminal": "hip"}, {"id": "in", "terminal": "hip", "indoor": kind}])
    loss, spread = building_entry_db(made.service("in"), 358.0)
    assert loss == pytest.approx(median, abs=0.05)
    assert walls_of(made.service("out"), 358.0) == (None, 0.0)
    wall, joined = walls_of(made.service("in"), 358.0)
    outside, inside = both(), both(path=between(walls=wall, sigma_db=math.hypot(7.5, joined)))
    for plain, behind in zip(outside, inside, strict=True):
        assert plain.margin_db - behind.margin_db == pytest.approx(loss)
        assert value(behind, "Building entry loss") == -loss
        assert behind.allowed_loss_db() == pytest.approx(plain.allowed_loss_db())
    outdoors, indoors = (balance(pair, 0.9, w) for pair, w in ((outside, 0.0), (inside, loss)))
    wider = (math.hypot(7.5, spread) - 7.5) * norm.ppf(0.9)
    assert outdoors.limit_db("both") - indoors.limit_db("both") == pytest.approx(loss + wider)


@pytest.mark.parametrize("kind", ["traditional", "thermally-efficient"])
def test_one_spread_stands_for_the_whole_of_p2109_where_services_are_planned(kind):
    """The loss that P.2109 states for 80, 90 and 95 % is the median and a normal spread to half a decibel."""
    made = project(services=[{"id": "in", "terminal": "hip", "indoor": kind}])
    loss, spread = building_entry_db(made.service("in"), 358.0)
    for percent in (80.0, 90.0, 95.0):
        stated = float(building_entry_loss(358.0, percent, kind))
        assert loss + spread * norm.ppf(percent / 100) == pytest.approx(stated, abs=0.5)


def test_allowed_loss_at_the_median_and_at_the_probability():
    out, back = both()
    assert out.allowed_loss_db() == pytest.approx(142.0 + 7.5) and back.allowed_loss_db() == pytest.approx(142.5)
    assert out.allowed_loss_db(0.9) == pytest.approx(149.5 - 7.5 * norm.ppf(0.9))
    found = balance((out, back), 0.9)
    assert found.limit_db("talk-out") == found.allowed_db[0] > found.limit_db("talk-in")
    assert found.limiting == "talk-in" and found.excess_db == pytest.approx(7.0)
    assert found.limit_db("both") == pytest.approx(142.5 - 7.5 * norm.ppf(0.9))


@given(st.floats(90, 170), st.floats(0, 30), st.floats(0.55, 0.99))
def test_at_the_allowed_loss_the_service_has_just_its_probability(loss, attenuation, wanted):
    """The reliability margin comes off once: a path of the allowed loss serves with the probability asked for."""
    for way, budget in enumerate(both(path=between(loss, attenuation))):
        allowed = budget.allowed_loss_db(wanted)
        again = both(path=between(allowed - attenuation, attenuation))[way]
        assert again.probability == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(("power", "limiting"), [(35.0, "talk-in"), (42.0, "balanced"), (46.0, "talk-out")])
def test_the_direction_that_limits(power, limiting):
    """47 - 5.5 dBm against the terminal's power with a receiver 2 + 3 dB better: equal at 42 dBm, the losses
    being the same both ways."""
    made = project(terminals=[{**HIP, "power_dbm": power}])
    assert balance(both(settings=made), 0.9).limiting == limiting
