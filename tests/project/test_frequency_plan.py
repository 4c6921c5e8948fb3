"""Carriers, groups and delays of sites.csv: how they are written, what shares what, what does not fit."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.frequency_plan import carriers_hz, frequencies_of, sharing_pairs, sharing_sites
from radiocov.network import parse_sites, read_sites, write_sites

HEAD = "id,longitude,latitude,antenna_height_m,power_dbm,losses_db,gain_dbi,frequency_mhz,"


def parse(text, head="channels,simulcast,launch_delay_us"):
    rows = [f"S{n},122.{n},42,50,47,5,9,{row}" for n, row in enumerate(text.split("\n"), start=1)]
    return parse_sites("\n".join([HEAD + head, *rows]).encode(), "sites.csv")


def said(text, **head):
    return [str(problem) for problem in parse(text, **head)[1]]


def test_carriers_are_separated_by_semicolons_or_spaces():
    sites, problems = parse(",361.0125; 361.5,,\n,361.0125 361.5,,\n,361.0125；361.5,,\n361.0125,,,\n,,,")
    assert not problems
    assert [s.channels for s in sites] == [(361.0125, 361.5)] * 3 + [(), ()]
    assert [carriers_hz(s) for s in sites[2:]] == [(361_012_500, 361_500_000), (361_012_500,), ()]


def test_chinese_headings_and_units():
    sites, problems = parse(",361.0125,北环,12.5\n,361.0125,北环,", head="信道(MHz),同播组,发射时延（微秒）")
    assert not problems
    assert [(s.channels, s.simulcast, s.launch_delay_us) for s in sites] == [
        ((361.0125,), "北环", 12.5), ((361.0125,), "北环", None)]  # fmt: skip
    assert any("us = 1000 ms" in p for p in said(",,,1", head="channels,simulcast,launch delay (ms)"))


def test_what_is_written_is_read_again(tmp_path):
    sites, _ = parse(",361.0125; 361.01875,a,-3.5\n,361.01875 361.0125,a,")
    write_sites(tmp_path / "sites.csv", sites)
    assert read_sites(tmp_path / "sites.csv") == (sites, [])


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (',"361,0125",,', 'row 2, channels: "361,0125" contains a comma; write numbers with a point and ; between'),
        (",361.0125;ch12,,", 'row 2, channels: "ch12" is not accepted; give a number from 30 to 6000 MHz'),
        (",12.5;361.0125,,", "row 2, channels: 12.5 is out of range; give a number from 30 to 6000 MHz"),
        (",361.5;361.5,,", "row 2, channels: 361.5 stands there twice; give each carrier once"),
        (",,,99999", "row 2, launch_delay_us: 99999 is out of range; give a number from -10000 to 10000 us"),
        (",361.5,,4", "row 2, launch_delay_us: counts for nothing in a site of no simulcast group"),
        (",361.5,ring,", 'row 2, simulcast: "ring" is a group of this site alone'),
        (",361.5,ring,\n,362,ring,", 'row 3, simulcast: "ring" has other carriers here (362) than in "S1" (361.5)'),
        (",361.5,ring,\n,,ring,", 'row 3, simulcast: "ring" has other carriers here (none) than in "S1" (361.5)'),
        ("358,361.5,,", "row 2, frequency_mhz: 358 MHz is none of the site's channels: it decides the loss alone"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(rows, line):
    [problem] = said(rows)
    assert line in problem


@given(st.lists(st.lists(st.sampled_from([361.0, 361.00625, 361.0125, 361.02, 362.0]), unique=True, max_size=3)
                .map(tuple), max_size=6))  # fmt: skip
def test_sites_share_a_carrier_where_channels_overlap(plan):
    sites = parse("\n".join(f",{';'.join(map(str, channels))},," for channels in plan))[0] if plan else []
    expected = {
        (a, b) for (a, one), (b, other) in itertools.combinations(enumerate(plan), 2)
        if any(abs(f - g) < 0.012499 for f in one for g in other)
    }  # fmt: skip
    assert sharing_pairs(sites, 12.5) == expected
    assert sharing_sites(sites, 12.5) == [sites[n] for n in sorted({n for pair in expected for n in pair})]


def test_the_plan_is_summed_up():
    sites, _ = parse(",361 362,a,\n,361 362,a,\n,361,,\n,363,,\n,,,")
    found = frequencies_of(sites, 12.5)
    assert (found.sites, found.without, found.carriers) == (4, 1, 3)
    assert (found.sharing_pairs, found.simulcast_pairs) == (2, 1)
    assert found.shared == ((361.0, ("S1", "S2", "S3")), (362.0, ("S1", "S2")))


def test_check_says_how_many_pairs_share_a_carrier(tmp_path, capsys):
    from radiocov.cli import run
    from radiocov.templates import init_project

    folder = tmp_path / "network"
    init_project(folder)
    sites = [site for site in read_sites(folder / "sites.csv")[0] if site.status != "candidate"]
    text = (folder / "sites.csv").read_text(encoding="utf-8-sig").splitlines()
    rows = [text[0] + ",channels", *(row + ",361.0125;361.5" for row in text[1:])]
    (folder / "sites.csv").write_text("\n".join(rows))

    def report(*options):
        with pytest.raises(SystemExit):  # the terrain is missing
            run(["check", str(folder), *options])
        return capsys.readouterr().out

    pairs = len(sites) * (len(sites) - 1) // 2
    found = json.loads(report("--json"))["plan"]
    assert found["frequencies"]["sharing_pairs"] == pairs and found["frequencies"]["carriers"] == 2
    shown = report()
    assert f"2 carriers on {len(sites)} sites; {pairs} pair" in shown
    assert f"361.0125 MHz   {len(sites)} sites: {sites[0].id}, {sites[1].id}" in shown
    with (folder / "project.toml").open("a") as file:
        file.write("\n[interference]\nenabled = true\nradius_km = 60\n")
    assert json.loads(report("--json"))["plan"]["loss_rasters"] == 2 * found["loss_rasters"]
