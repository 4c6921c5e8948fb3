import tomllib

from hypothesis import given
from hypothesis import strategies as st

from radiocov.toml_lines import key_lines, line_of

TEXT = '''# comment = 1
top = "a # b"
[model]   # [not]
radius_km = 30
"quoted key".x = 1
extent = [
  1, # k = 2
  2,
]
note = """
fake = 1
[fake]
"""
after = { inline = [1, 2] }

[[terminals]]
id = "a"
[terminals.sub]
deep = 1
[[terminals]]
id = 'b = [ "'
last = 1
'''


def test_every_key_has_its_line():
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    expected = {
        ("top",): 2, ("model",): 3, ("model", "radius_km"): 4, ("model", "quoted key", "x"): 5,
        ("model", "extent"): 6, ("model", "note"): 10, ("model", "after"): 14,
        ("terminals",): 16, ("terminals", 0): 16, ("terminals", 0, "id"): 17, ("terminals", 0, "sub"): 18,
        ("terminals", 0, "sub", "deep"): 19, ("terminals", 1): 20, ("terminals", 1, "id"): 21,
        ("terminals", 1, "last"): 22,
    }
    assert {path: lines[path] for path in expected} == expected
    assert not [path for path in lines if "fake" in path or "k" in path]


def test_what_has_no_line_takes_that_of_what_holds_it():
    lines = key_lines(TEXT)
    assert line_of(lines, ("model", "extent", 1)) == 6
    assert line_of(lines, ("model", "after", "inline")) == 14
    assert line_of(lines, ("terminals", 1, "missing")) == 20
    assert line_of(lines, ("absent", "key")) == 1


@given(st.lists(st.sampled_from([
    'k{} = "[x]"', "k{} = '''\nq = 1\n'''", "k{} = [\n1,\n2]", "k{} = 1 # [[a]]", '"k{}" = {{a = [1]}}',
    'k{} = "a\\"b = #"', "",
]), max_size=8))
def test_lines_are_those_where_the_text_has_the_key(parts):
    text = "[t]\n" + "\n".join(part.format(i) for i, part in enumerate(parts)) + "\n"
    tomllib.loads(text)
    lines = key_lines(text)
    for i, part in enumerate(parts):
        if part:
            assert f"k{i}" in text.splitlines()[lines["t", f"k{i}"] - 1]
