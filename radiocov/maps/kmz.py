"""A layer of a run for Google Earth and its like: a KMZ whose tiles come as one comes nearer, legend and sites."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from radiocov.coverage.results import StateResults
from radiocov.files import whole
from radiocov.maps import render
from radiocov.maps.catalogue import catalogue
from radiocov.maps.legend import legend_png, provenance_lines, swatch_png
from radiocov.maps.png import encode_png
from radiocov.maps.sampling import sampled_codes

TILE_PX = 512
NEAR_PX = 256  # of the screen, from which on a tile is shown
STRENGTH = 0.75
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n'
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every entry: the same results give the same bytes


@dataclass(frozen=True)
class KmzSite:
    """A site to show: words are rows of its balloon."""

    name: str
    lon: float
    lat: float
    words: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class _Tile:
    """A square of longitude and latitude; degrees."""

    level: int
    row: int
    col: int
    west: float
    north: float
    side: float

    @property
    def name(self) -> str:
        return f"tiles/{self.level}/{self.row}-{self.col}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        return self.west, self.north - self.side, self.west + self.side, self.north

    def children(self) -> Iterator[_Tile]:
        half = self.side / 2
        for down in (0, 1):
            for right in (0, 1):
                yield _Tile(self.level + 1, 2 * self.row + down, 2 * self.col + right,
                            self.west + right * half, self.north - down * half, half)  # fmt: skip


def write_kmz(
    results: StateResults, layer: render.Layer, path: Path, lang: str, title: str, sites: Sequence[KmzSite], show: Any
) -> Path:
    """Write the file, which appears when whole. Tiles go down to the raster's own pixels."""
    root, deepest = _root(results)
    palette = render.palette_of(results, layer)
    palette[[render.OUTSIDE, render.HATCH]] = 0  # a globe has its own ground to show there
    palette[:, 3] = np.where(palette[:, 3] > 0, round(255 * STRENGTH), 0)
    say = catalogue(lang)
    of = sum(4**level for level in range(deepest + 1))
    with whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        drawn: dict[str, _Tile] = {}
        done = 0
        for tile, codes in _tiles(results, layer, root, deepest):
            done += 1 if codes is not None else 4 ** (deepest - tile.level)
            show("drawing", min(done, of), of)
            if codes is None:
                continue
            _put(archive, f"{tile.name}.png", encode_png(codes, palette=palette))
            drawn[tile.name] = tile
        show("drawing", of, of)
        for name, tile in drawn.items():
            _put(archive, f"{name}.kml", _tile_kml(tile, [child for child in tile.children() if child.name in drawn]))
        _put(archive, "legend.png", legend_png(results, layer, lang, title))
        legend = render.legend_rows(results, layer, lang)
        for code, _, _ in legend:
            _put(archive, f"legend/{code}.png", swatch_png(render.palette_of(results, layer)[code]))
        document = _document(results, layer, lang, title, root, legend, sites, say)
        _put(archive, "doc.kml", document.encode("utf-8"))
    return path


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _root(results: StateResults) -> tuple[_Tile, int]:
    """The square that holds the raster, and the level whose pixels are no larger than the raster's."""
    west, south, east, north = results.grid.lonlat_bounds()
    side = max(east - west, north - south)
    pixel_deg = results.grid.resolution_m / 111_320.0
    deepest = 0
    while side / 2**deepest / TILE_PX > pixel_deg * 1.01:
        deepest += 1
    return _Tile(0, 0, 0, west, north, side), deepest


def _tiles(
    results: StateResults, layer: render.Layer, tile: _Tile, deepest: int
) -> Iterator[tuple[_Tile, np.ndarray | None]]:
    """Every tile with something in it, from the whole down; None for those without, whose children are left out."""
    codes = sampled_codes(results, layer, "EPSG:4326", tile.bounds, TILE_PX)
    yield tile, codes
    if codes is not None and tile.level < deepest:
        for child in tile.children():
            yield from _tiles(results, layer, child, deepest)


def _box(tile: _Tile) -> str:
    west, south, east, north = tile.bounds
    return f"<north>{north:.9f}</north><south>{south:.9f}</south><east>{east:.9f}</east><west>{west:.9f}</west>"


def _region(tile: _Tile) -> str:
    least = 0 if tile.level == 0 else NEAR_PX
    return (f"<Region><LatLonAltBox>{_box(tile)}</LatLonAltBox><Lod><minLodPixels>{least}</minLodPixels>"
            "<maxLodPixels>-1</maxLodPixels></Lod></Region>")  # fmt: skip


def _tile_kml(tile: _Tile, children: Sequence[_Tile]) -> bytes:
    picture = (f"<GroundOverlay>{_region(tile)}<drawOrder>{tile.level}</drawOrder><Icon><href>../../{tile.name}.png"
               f"</href></Icon><LatLonBox>{_box(tile)}</LatLonBox></GroundOverlay>\n")  # fmt: skip
    links = "".join(
        f"<NetworkLink>{_region(child)}<Link><href>../../{child.name}.kml</href>"
        "<viewRefreshMode>onRegion</viewRefreshMode></Link></NetworkLink>\n"
        for child in children
    )
    return f"{HEAD}<Document>\n{picture}{links}</Document>\n</kml>\n".encode()


def _document(
    results: StateResults, layer: render.Layer, lang: str, title: str, root: _Tile,
    legend: list[tuple[int, str, str]], sites: Sequence[KmzSite], say: dict[str, str],
) -> str:  # fmt: skip
    name = escape(f"{title}: {render.layer_title(results, layer, lang)}, {results.folder.name}")
    about = "<br/>".join(escape(line) for line in provenance_lines(results, lang))
    rows = "\n".join(
        f"<Placemark><name>{escape(' '.join(filter(None, (figures, words))))}</name><Style><ListStyle><ItemIcon>"
        f"<href>legend/{code}.png</href></ItemIcon></ListStyle></Style></Placemark>"
        for code, figures, words in legend
    )
    marks = "\n".join(_site(site) for site in sites)
    return f"""{HEAD}<Document>
<name>{name}</name>
<open>1</open>
<description><![CDATA[{about}]]></description>
<ScreenOverlay><name>{escape(say["legend"])}</name><Icon><href>legend.png</href></Icon>
<overlayXY x="0" y="1" xunits="fraction" yunits="fraction"/>
<screenXY x="0.01" y="0.98" xunits="fraction" yunits="fraction"/>
<size x="0.24" y="0" xunits="fraction" yunits="fraction"/></ScreenOverlay>
<Folder><name>{escape(say["legend"])}</name>
{rows}
</Folder>
<NetworkLink><name>{escape(render.layer_title(results, layer, lang))}</name>{_region(root)}
<Link><href>{root.name}.kml</href><viewRefreshMode>onRegion</viewRefreshMode></Link></NetworkLink>
<Folder><name>{escape(say["overlay_sites"])}</name>
{marks}
</Folder>
</Document>
</kml>
"""


def _site(site: KmzSite) -> str:
    table = "".join(f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>" for key, value in site.words)
    balloon = escape(f"<table>{table}</table>")
    return (f"<Placemark><name>{escape(site.name)}</name><description>{balloon}</description>"
            f"<Point><coordinates>{site.lon:.7f},{site.lat:.7f},0</coordinates></Point></Placemark>")  # fmt: skip
