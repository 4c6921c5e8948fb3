"""The words of the page: one JSON catalogue a language, flat, the same keys in each."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")


@cache
def catalogue(lang: str) -> dict[str, str]:
    if lang not in LANGUAGES:
        raise ValueError(f"language {lang!r} is none of {', '.join(LANGUAGES)}")
    return json.loads(files("radiocov.maps").joinpath("locales", f"{lang}.json").read_text("utf-8"))
