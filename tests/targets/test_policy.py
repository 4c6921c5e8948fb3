"""Policies: the shipped table, and every way to write one wrongly."""

import datetime
import re

import pytest

from targets.errors import TargetsError
from targets.policy import built_in_policies, load_policy, parse_policy

GOOD = """\
id = "p"
name = "Policy"
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
share = { 2015 = 0.80, 2017 = 1.00 }
[[targets]]
class = "highway"
measure = "length"
service = "vehicle"
share = { 2015 = 0.50 }
"""


def problems(text: str) -> list[str]:
    with pytest.raises(TargetsError) as caught:
        parse_policy(text.encode(), "mine.toml")
    return [str(p) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("class_", "y2015", "y2017", "measure", "service"),
    [
        ("key", 1.00, 1.00, "area", "handheld-hip"),
        ("urban", 0.80, 1.00, "area", "handheld-hip"),
        ("suburban", 0.50, 0.90, "area", "handheld-hip"),
        ("highway", 0.50, 0.80, "length", "vehicle"),
    ],
)
def test_liaoning_table(class_, y2015, y2017, measure, service):
    policy = load_policy("liaoning")
    (target,) = [t for t in policy.targets if t.class_ == class_]
    assert (target.measure, target.service) == (measure, service)
    assert policy.required(target, "2015") == y2015
    assert policy.required(target, "2017") == y2017


def test_liaoning_frame():
    policy = load_policy("liaoning")
    assert "liaoning" in built_in_policies()
    assert [(p.id, p.end) for p in policy.periods] == [
        ("2015", datetime.date(2015, 12, 31)),
        ("2017", datetime.date(2017, 12, 31)),
    ]
    assert policy.judge == "probable" and policy.tunnels == "count"
    assert policy.data_classes("area") == ["key", "urban", "suburban"]
    assert policy.data_classes("line") == ["motorway", "national", "provincial"]
    assert policy.name_zh and all(p.label and p.label_zh for p in policy.periods)
    for c in policy.classes:
        assert c.text("en") != c.id and re.search("[\u4e00-\u9fff]", c.text("zh"))
        for member in c.members:
            assert c.text("en", member) != member and re.search("[\u4e00-\u9fff]", c.text("zh", member))


def test_standard_classes_without_a_class_table_are_those_of_liaoning():
    assert parse_policy(GOOD.encode()).classes == load_policy("liaoning").classes


def test_share_of_a_period_left_out_is_kept():
    policy = parse_policy(GOOD.encode())
    assert policy.required(policy.targets[1], "2017") == 0.50
    later = parse_policy(GOOD.replace("share = { 2015 = 0.50 }", "share = { 2017 = 0.50 }").encode())
    assert later.required(later.targets[1], "2015") is None
    with pytest.raises(TargetsError, match="no period '2019'; it has 2015, 2017"):
        policy.required(policy.targets[0], "2019")


def test_own_classes_and_file(tmp_path):
    text = GOOD + '[[classes]]\nid = "urban"\nkind = "area"\nmembers = ["core", "town"]\n'
    text += '[[classes]]\nid = "highway"\nkind = "line"\n'
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8-sig")
    policy = load_policy(path)
    assert policy.data_classes("area") == ["core", "town"]
    assert policy.data_classes("line") == ["highway"]
    assert policy.policy_class("urban").text("zh", "core") == "core"
    assert load_policy(str(path)) == policy


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('service = "vehicle"', 'servise = "vehicle"',
         ["mine.toml: line 14, targets 2.service: key 'service' is missing; add service = ...",
          "mine.toml: line 17, targets 2.servise: unknown key 'servise'; did you mean 'service'?"]),
        ('name = "Policy"', 'name = "Policy"\njugde = "median"',
         ["mine.toml: line 3, jugde: unknown key 'jugde'; did you mean 'judge'?"]),
        ("2017 = 1.00 }", "2017 = 1.10 }",
         ["mine.toml: line 13, targets 1.share.2017: a share of 1.1 is 110 %, more than 100 %; "
          "shares lie between 0 and 1"]),
        ("2017 = 1.00 }", "2017 = 90 }",
         ["mine.toml: line 13, targets 1.share.2017: a share of 90 is 9000 %, more than 100 %; "
          "write 0.9 for 90 %"]),
        ("2015 = 0.50 }", "2015 = -0.5 }",
         ["mine.toml: line 18, targets 2.share.2015: a share of -0.5 is not possible; "
          "shares lie between 0 and 1"]),
        ("2015 = 0.50 }", "2015 = nan }",
         ["mine.toml: line 18, targets 2.share.2015: a share of nan is not possible; "
          "shares lie between 0 and 1"]),
        ("2015 = 0.50 }", "2016 = 0.50 }",
         ["mine.toml: line 18, targets 2.share: unknown period '2016'; did you mean '2017'?"]),
        ("share = { 2015 = 0.50 }", "share = {}",
         ["mine.toml: line 18, targets 2.share: no share for any period; "
          "for example share = { 2017 = 0.90 }"]),
        ('class = "urban"', 'class = "urbn"',
         ["mine.toml: line 10, targets 1.class: unknown class 'urbn'; did you mean 'urban'?"]),
        ('measure = "area"', 'measure = "length"',
         ["mine.toml: line 11, targets 1.measure: class 'urban' is of kind 'area' and has no length; "
          'measure = "area"']),
        ("end = 2017-12-31", "end = 2013-12-31",
         ["mine.toml: line 8, periods 2.end: period '2017' ends on 2013-12-31, not after the period before "
          "it; "
          "put the periods in the order of their ends"]),
        ('id = "2017"', 'id = "2015"',
         ["mine.toml: line 7, periods 2.id: id '2015' appears twice; every id may appear once",
          "mine.toml: line 13, targets 1.share: unknown period '2017'; did you mean '2015'?"]),
        ('measure = "length"', 'measure = "lenght"',
         ["mine.toml: line 16, targets 2.measure: measure is 'lenght'; "
              "possible: 'area', 'population' or 'length'"]),
    ],
)  # fmt: skip
def test_wrong_entries_say_line_key_and_remedy(old, new, expected):
    assert old in GOOD
    assert sorted(problems(GOOD.replace(old, new, 1))) == sorted(expected)


def test_all_problems_come_at_once():
    text = GOOD.replace('class = "urban"', 'class = "town"').replace("2015 = 0.50", "2014 = 0.50")
    assert len(problems(text)) == 2
    twice = GOOD + GOOD[GOOD.index('[[targets]]\nclass = "highway"') :]
    assert "a second target for class 'highway' and service 'vehicle'" in problems(twice)[0]


def test_wrong_classes():
    text = GOOD + '[[classes]]\nid = "urban"\nkind = "area"\n[[classes]]\nid = "highway"\nkind = "line"\n'
    text += 'members = ["urban", "a"]\nmember_labels = { b = "B" }\n'
    found = problems(text)
    assert any("line 25, classes 2.members: 'urban' is in class 'urban' and again in" in p for p in found)
    assert any("line 26, classes 2.member_labels: 'b' is not a member" in p for p in found)
    assert any("kind is 'spot'" in p for p in problems(GOOD + '[[classes]]\nid = "x"\nkind = "spot"\n'))


def test_wrong_types_and_empty_parts():
    assert "end is '2015'" in problems(GOOD.replace("end = 2015-12-31", 'end = "2015"'))[0]
    assert problems('id = "p"\nname = "n"\nperiods = []\ntargets = []\n')
    (found,) = problems(GOOD.replace("2015 = 0.50", "2015 = true"))
    assert "line 18" in found


def test_unreadable_policies(tmp_path):
    assert "line 2: is not valid TOML" in problems("id = 1\nname = = 2\n")[0]
    with pytest.raises(TargetsError, match="not UTF-8 text; save it with the encoding UTF-8"):
        parse_policy("name = '辽宁'".encode("gbk"), "mine.toml")
    with pytest.raises(TargetsError, match="no built-in policy 'liaonin'; did you mean 'liaoning'"):
        load_policy("liaonin")
    with pytest.raises(TargetsError, match="absent.toml: cannot be read: No such file"):
        load_policy(tmp_path / "absent.toml")
