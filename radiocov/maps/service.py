"""The page of the viewing service: the file's panels around a map of tiles, see `radiocov.maps.tiles`."""

from __future__ import annotations

from functools import lru_cache

from plotly.offline import get_plotlyjs

from radiocov.maps.data import MapData
from radiocov.maps.figure import build_figure
from radiocov.maps.page import fill_page
from radiocov.maps.payload import payload

SCRIPTS = ("model.js", "remote.js", "view.js", "tileview.js", "cards.js", "profile.js", "panel.js", "tools.js",
           "picture.js", "measured.js", "basemap.js", "app.js")  # fmt: skip
# https is for the tiles of a basemap that someone asks for; all else comes from the service itself
POLICY = ("default-src 'none'; script-src 'self' 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
          "img-src 'self' data: blob: https:; connect-src 'self' data: blob: https:; font-src data:; "
          "worker-src 'self' blob:; child-src blob:")  # fmt: skip


def service_page(data: MapData, lang: str = "en", bar: str = "") -> str:
    """The page as HTML. It asks for addresses beside itself only, so it may be served at any of them ending in "/".

    data: of `radiocov.mapping.service_data(inputs, judged)`, in Web Mercator. The text is the same for the same data,
    so it may be kept. bar: HTML above all, the service's own.
    """
    native_m = data.native_m or data.grid.resolution_m
    content = payload(data, {state.id: {"services": {}} for state in data.states}, 1) | {"tiled": True}
    figure = build_figure(data, native_m)
    plotly = '<script src="plotly.js"></script>'
    return fill_page(data, lang, figure.to_json(), content, SCRIPTS, plotly, POLICY, bar=bar)


@lru_cache(maxsize=1)
def plotly_script() -> bytes:
    """plotly.js, UTF-8, for ``plotly.js`` beside the page."""
    return get_plotlyjs().encode("utf-8")
