"""The list of bad inputs that a reader must survive has 44 rows, and each a test that bears its number."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_row_has_a_test_that_bears_its_number(shared):
    reference = (shared / "reference" / "handsets.md").read_text(encoding="utf-8")
    listed = re.search(r"^## 8\..*?\n(.*?)^## ", reference, re.S | re.M)[1]
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", listed, re.M)}
    folder = Path(__file__).parent
    tests = "".join((folder / name).read_text(encoding="utf-8")
                    for name in ("test_bad_input_files.py", "live/test_bad_input_live.py"))  # fmt: skip
    tested = {int(number) for number in re.findall(r"^def test_(?:row_)?(\d+)_", tests, re.M)}
    assert rows == set(range(1, 45)) and rows <= tested
