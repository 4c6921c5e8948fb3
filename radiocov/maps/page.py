"""The self-contained page: shell, styles, scripts, plotly and data in one file, written whole."""

from __future__ import annotations

import os
import re
import tempfile
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from radiocov.maps.basemap import origin
from radiocov.maps.catalogue import catalogue
from radiocov.maps.data import MapData
from radiocov.maps.figure import build_figure
from radiocov.maps.payload import escape_json, payload, to_script_json
from radiocov.maps.planes import encode_page, heights

MAX_PAGE_BYTES = 15_000_000
MIN_PLANE_BYTES = 1_000_000
FIXED_BYTES = 500_000  # scripts, words, tables, control points
SCRIPTS = ("codec.js", "model.js", "planes.js", "view.js", "mapview.js", "cards.js", "profile.js", "panel.js",
           "tools.js", "picture.js", "filebasemap.js", "app.js")  # fmt: skip
SEALED = ("default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
          "font-src data:; worker-src blob:")  # fmt: skip


def build_page(
    data: MapData,
    lang: str = "en",
    path: str | os.PathLike[str] = "map.html",
    max_bytes: int = MAX_PAGE_BYTES,
    basemap: dict[str, str] | None = None,
) -> Path:
    """Writes the map of `data` to `path` and returns the path.

    lang: language the page opens in, "en" or "zh"; the reader can switch. max_bytes: rasters are thinned
    (every 2nd, 3rd... pixel, said on the page) until the page is about that size. basemap: of
    `radiocov.maps.basemap`, offered to who is online and asks for it. The file appears only when whole.
    """
    target = Path(path)
    text = render_page(data, lang, max_bytes, basemap)
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(scratch, 0o666 & ~mask)
        os.replace(scratch, target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    return target


def render_page(
    data: MapData, lang: str, max_bytes: int = MAX_PAGE_BYTES, basemap: dict[str, str] | None = None
) -> str:
    plotly = get_plotlyjs()
    about_heights, height_planes = heights(data)
    rough = len(build_figure(data, data.grid.resolution_m).to_json()) + sum(map(len, height_planes)) + FIXED_BYTES
    store, index, stride = encode_page(data, max(max_bytes - len(plotly) - rough, MIN_PLANE_BYTES))
    figure = build_figure(data, data.grid.resolution_m * stride)
    content = payload(data, index, stride) | {"heights": about_heights, "basemap": basemap}
    policy = SEALED.replace("img-src", f"img-src {origin(basemap['address'])}") if basemap else SEALED
    planes = [(f"plane-{i}", text) for i, text in enumerate(store.base64())]
    planes += [(f"heights-{i}", text) for i, text in enumerate(height_planes)]
    held = "\n".join(f'<script type="text/plain" id="{name}">{text}</script>' for name, text in planes)
    return fill_page(data, lang, figure.to_json(), content, SCRIPTS, f"<script>{plotly}</script>", policy, held)


def fill_page(
    data: MapData, lang: str, figure: str, content: dict[str, Any], scripts: tuple[str, ...], plotly: str,
    policy: str, planes: str = "", bar: str = "",
) -> str:  # fmt: skip
    """The shell with its parts. plotly: the element that brings it; policy: what the browser may load and from where;
    planes: elements that hold rasters; bar: HTML above all."""
    words = catalogue(lang)
    title = data.title.get(lang) or data.title["en"]
    parts = {
        "LANG": words["html_lang"],
        "TITLE": escape(f"{title} \u2013 {words['page_title']}"),
        "POLICY": escape(policy, quote=True).replace("&#x27;", "'"),
        "STYLE": asset("style.css"),
        "PLOTLY": plotly,
        "FIGURE": escape_json(figure),
        "DATA": to_script_json(content | {"lang": lang}),
        "PLANES": planes,
        "BAR": bar,
        "SCRIPTS": "\n".join(asset(name) for name in scripts),
    }
    return re.sub(r"@@([A-Z]+)@@", lambda match: parts[match.group(1)], asset("page.html"))


def asset(name: str) -> str:
    return files("radiocov.maps").joinpath("assets", name).read_text("utf-8")
