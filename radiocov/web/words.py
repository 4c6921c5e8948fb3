"""The words of the pages: one JSON catalogue a language, flat, the same keys in each."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from fastapi import Request

LANGUAGES = ("en", "zh")
COOKIE = "radiocov_lang"


@cache
def catalogue(lang: str) -> dict[str, str]:
    return json.loads(files("radiocov.web").joinpath("locales", f"{lang}.json").read_text("utf-8"))


def language_of(request: Request) -> str:
    """Chosen on the page, else what the browser prefers, else the service's own."""
    chosen = request.query_params.get("lang") or request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("accept-language", "").split(","):
        short = part.split(";")[0].strip().lower()[:2]
        if short in LANGUAGES:
            return short
    return request.app.state.service.settings.lang
