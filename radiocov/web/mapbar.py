"""The bar above the map: where else one can go, who is signed in, the way out. The page is made once for all who
look; its script asks who that is, and shows the links of the role."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, select_autoescape

from radiocov.web.words import LANGUAGES, catalogue

#: address -> (words of it, roles that it is for)
STAFF = "engineer admin"
LINKS = (("/map", "map", f"manager {STAFF}"), ("/measured", "measured", f"manager {STAFF}"),
         *((f"/desk/{name}", f"desk_{name}", STAFF) for name in ("uploads", "runs", "fleet", "sites")),
         ("/team", "send_logs", STAFF))  # fmt: skip


def map_bar() -> str:
    """HTML for the top of the map's page, in every language: the page's own switch changes it, too."""
    templates = Environment(
        loader=PackageLoader("radiocov.web", "templates"), autoescape=select_autoescape(default=True),
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    words = {lang: catalogue(lang) for lang in LANGUAGES}
    return templates.get_template("mapbar.html").render(words=words, links=LINKS)
