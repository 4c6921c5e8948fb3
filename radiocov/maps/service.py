"""The page of the viewing service: the file's panels around a `layout.map` with tiles."""

from __future__ import annotations

from radiocov.maps.data import MapData


def service_page(data: MapData, lang: str = "en") -> str:
    """The page as HTML. It asks for addresses beside itself only, see `radiocov.maps.tiles`.

    data: of `radiocov.mapping.service_data(inputs, judged)`, whose rasters are thinned. The text is the same for the
    same data, so it may be kept.
    """
    raise NotImplementedError


def plotly_script() -> bytes:
    """plotly.js, UTF-8, for ``plotly.js`` beside the page."""
    raise NotImplementedError
