"""The words of the report, one catalogue a language, and figures as they are written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


@cache
def catalogue(lang: str) -> dict[str, str]:
    """The catalogue of "en" or "zh"."""
    return json.loads(files("radiocov.report").joinpath("locales", f"{lang}.json").read_text("utf-8"))


@dataclass(frozen=True)
class Words:
    lang: str

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key, escaped for HTML together with the values in it."""
        return escape(catalogue(self.lang)[key].format(**values))

    def pick(self, en: str, zh: str) -> str:
        """The one of two texts of a project that is in this language; the other where it has only that. Escaped."""
        return escape((zh or en) if self.lang == "zh" else (en or zh))

    def known(self, prefix: str, value: str) -> str:
        """The text of `prefix_value` where the catalogue has it, else the value itself."""
        key = f"{prefix}_{value}".replace("-", "_").replace(" ", "_")
        return self(key) if key in catalogue(self.lang) else escape(value)


def table(headings: list[str], rows: list[list[str]], numeric: set[int] = frozenset(), kind: str = "") -> str:
    """An HTML table; cells are HTML already. numeric: columns aligned right; rows whose first cell starts with a
    no-break space are set back."""

    def cell(tag: str, i: int, text: str) -> str:
        return f"<{tag}{' class=n' if i in numeric else ''}>{text}</{tag}>"

    head = "".join(cell("th", i, text) for i, text in enumerate(headings))
    body = "".join("<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>" for row in rows)
    return f"<table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
