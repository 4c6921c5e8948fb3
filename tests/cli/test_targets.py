"""radiocov targets: the table, JSON and CSV agree; exit codes for those who ask."""

import csv
import io
import json
import shutil

import pytest

LENIENT = """\
id = "lenient"
name = "Lenient targets"
judge = "median"
[[periods]]
id = "2015"
end = 2015-12-31
[[periods]]
id = "2017"
end = 2017-12-31
[[targets]]
class = "urban"
measure = "area"
service = "handheld-hip"
share = { 2015 = 0.05, 2017 = 0.10 }
[[targets]]
class = "highway"
measure = "length"
service = "vehicle"
share = { 2015 = 0.05, 2017 = 0.10 }
"""


def lenient(made, folder, **replace):
    text = LENIENT
    for old, new in replace.items():
        text = text.replace(old, new)
    (folder / "lenient.toml").write_text(text)
    made.edit(folder / "project.toml", 'file = "liaoning"', 'file = "lenient.toml"')


def by_policy(rows):
    return {(row["level"], row["class"], row["member"]): row for row in rows if row["level"] in ("policy", "member")}


def test_table_json_and_csv_tell_the_same(radiocov, small_computed):
    table = radiocov("targets", small_computed)
    as_json = radiocov("targets", small_computed, "--json")
    as_csv = radiocov("targets", small_computed, "--csv")
    assert table.code == as_json.code == as_csv.code == 0
    found = json.loads(as_json.out)
    assert [f["period"] for f in found] == ["2015", "2017"]
    lines = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert [line["period"] for line in lines] == [f["period"] for f in found for _ in f["rows"]]
    rows = [row for f in found for row in f["rows"]]
    assert {row["level"] for row in rows} == {"policy", "member", "city", "county", "area", "road"}
    for line, row in zip(lines, rows, strict=True):
        assert set(line) == set(row) | {"period"}
        for name, value in row.items():
            if isinstance(value, bool) or value is None:
                assert line[name] == {True: "true", False: "false", None: ""}[value]
            elif isinstance(value, float | int):
                assert float(line[name]) == value
            else:
                assert line[name] == value
    # the table has the policy's rows and their members, with the same figures rounded down
    printed = [line for line in table.out.splitlines() if " %" in line]
    shown = [row for row in rows if row["level"] in ("policy", "member")]
    assert len(printed) == len(shown) == 2 * 7
    for line, row in zip(printed, shown, strict=True):
        assert line.strip().startswith(row["name"])
        percents = [float(word) for word, unit in zip(line.split(), line.split()[1:], strict=False) if unit == "%"]
        shares = [row[f"share_{kind}"] for kind in ("median", "probable", "expected")]
        for percent, share in zip(percents, shares, strict=False):
            assert 0 <= 100 * share - percent < 0.1 + 1e-6
        assert (" yes" in line, " no " in line) == (row["met"], not row["met"])
    assert "2015 (judged by the probable share)" in table.out and "2017 (judged" in table.out


def test_every_answer_says_what_it_rests_on(radiocov, small_computed):
    table = radiocov("targets", small_computed, "--period", "2017")
    assert "SYNTHETIC terrain: synthetic relief, made for a test, 500 m pixels; network on 2017-12-31" in table.out
    assert "not calibrated" in table.out and "P.1812" in table.out
    answer = json.loads(radiocov("targets", small_computed, "--period", "2017", "--json").out)
    assert answer["period"] == "2017"  # one period asked for: one object
    origin = answer["origin"]
    assert origin["synthetic"] is True and origin["network_on"] == "2017-12-31" and origin["calibration"] is None
    assert (origin["resolution_m"], origin["radius_km"]) == (500.0, 15.0)


def test_more_sites_cover_no_less(radiocov, small_computed):
    before, after = json.loads(radiocov("targets", small_computed, "--json").out)
    before, after = by_policy(before["rows"]), by_policy(after["rows"])
    for key, row in before.items():
        for share in ("share_median", "share_probable", "share_expected"):
            assert after[key][share] >= row[share] - 1e-9
    assert any(after[key]["share_probable"] > row["share_probable"] + 0.01 for key, row in before.items())


def test_rows_by_county_and_road_on_request(radiocov, small_computed):
    plain = radiocov("targets", small_computed, "--period", "2017").out
    longer = radiocov("targets", small_computed, "--period", "2017", "--by", "county", "--by", "road").out
    rows = json.loads(radiocov("targets", small_computed, "--period", "2017", "--json").out)["rows"]
    extra = sum(row["level"] in ("county", "road") for row in rows)
    count = [sum(" %" in line for line in text.splitlines()) for text in (plain, longer)]
    assert extra > 0 and count[1] == count[0] + extra


def test_check_fails_where_a_target_is_missed(radiocov, small_computed):
    plain, checked = radiocov("targets", small_computed), radiocov("targets", small_computed, "--check")
    assert plain.code == 0 and checked.code == 1
    assert checked.out == plain.out and " no " in plain.out
    answer = radiocov("targets", small_computed, "--check", "--json", "--period", "2017")
    assert answer.code == 1 and json.loads(answer.out)["met"] is False


def test_check_passes_where_all_targets_are_met(made, radiocov, computed):
    lenient(made, computed)
    ran = radiocov("targets", computed, "--check")
    assert ran.code == 0, ran.out
    assert " no " not in ran.out and "judged by the median share" in ran.out


def test_check_asks_of_the_chosen_period_alone(made, radiocov, computed):
    lenient(made, computed, **{"2015 = 0.05, 2017 = 0.10": "2015 = 0.05, 2017 = 1.0"})
    assert radiocov("targets", computed, "--check", "--period", "2015").code == 0
    assert radiocov("targets", computed, "--check", "--period", "2017").code == 1
    assert radiocov("targets", computed, "--check").code == 1


def test_a_period_that_is_not_computed_says_what_to_do(made, radiocov, fresh):
    before = made.snapshot(fresh)
    for options in ((), ("--period", "2017"), ("--json",), ("--csv", "--check")):
        ran = radiocov("targets", fresh, *options)
        assert ran.code == 2 and not ran.out
        assert ran.err.count("\n") == 1 and "run `radiocov coverage`" in ran.err
        assert "nothing has been computed" in ran.err
    assert made.snapshot(fresh) == before


def test_what_is_there_is_named_beside_what_is_not(radiocov, computed):
    shutil.rmtree(computed / "out" / "2017")
    ran = radiocov("targets", computed, "--period", "2017")
    assert ran.code == 2
    assert ran.err.startswith("error: out: 2017: there is no coverage of this state; there are 2015; ")
    assert ran.err.endswith("run `radiocov coverage`\n") and ran.err.count("\n") == 1
    assert radiocov("targets", computed).code == 0  # all that are computed


def test_an_unknown_period_lists_the_policys(radiocov, small_computed):
    ran = radiocov("targets", small_computed, "--period", "2016")
    assert ran.code == 2 and ran.err == 'error: --period: "2016" is no period of the policy; choose 2015, 2017\n'


def test_results_of_another_folder(made, radiocov, computed, tmp_path):
    (computed / "out").rename(tmp_path / "elsewhere")
    assert radiocov("targets", computed).code == 2
    ran = radiocov("targets", computed, "-o", tmp_path / "elsewhere", "--period", "2017")
    assert ran.code == 0 and "Highways" in ran.out


def test_a_raster_that_is_gone_is_named(radiocov, computed):
    (computed / "out" / "2017" / "margin_vehicle.tif").unlink()
    ran = radiocov("targets", computed, "--period", "2017")
    assert ran.code == 2
    assert ran.err == "error: 2017: margin_vehicle.tif: cannot be read; run `radiocov coverage` again\n"


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_the_same_question_has_the_same_answer(radiocov, small_computed, option):
    assert radiocov("targets", small_computed, option).out == radiocov("targets", small_computed, option).out
