"""A layer of a run for other programs: GeoTIFF with colours and a QGIS style, PNG with a world file.

Colours and words are those of the map; every file says where it comes from, and when its ground is synthetic.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import rasterio
from pyproj import CRS
from rasterio.enums import Resampling

from radiocov.coverage.results import StateResults
from radiocov.files import whole, write_bytes, write_text
from radiocov.maps import render
from radiocov.maps.catalogue import catalogue
from radiocov.maps.colours import INK
from radiocov.maps.legend import legend_png, provenance_lines, stamp
from radiocov.maps.png import chunk, encode_png
from radiocov.maps.servers import HUE_CODES
from targets.rasterize import Window

BLOCK = 512
STRIP_ROWS = 2048  # rows of the raster in memory at once
MOST_PNG_PX = 8192  # a side; larger rasters are thinned, as viewers open no larger pictures
SMALLEST_OVERVIEW_PX = 256
CLASS_OFFSET = render.FIRST - 1  # classes of a GeoTIFF count from 1; 0 is no data


def write_geotiff(results: StateResults, layer: render.Layer, path: Path, lang: str, show: Any) -> list[Path]:
    """Classes as uint8 with a colour table, overviews and a QGIS style file beside it; 0 where nothing was computed.

    Returns the files written. The values themselves are the GeoTIFFs of the run.
    """
    palette = render.palette_of(results, layer)
    height, width = results.shape
    classes = {code: words for code, _, words in _classes(results, layer, lang)}
    about = {"TITLE": render.layer_title(results, layer, lang), "CLASSES": json.dumps(classes, ensure_ascii=False),
             "PROVENANCE": "\n".join(provenance_lines(results, lang))}  # fmt: skip
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "width": width, "height": height, "crs": results.crs,
               "transform": results.transform, "nodata": 0, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
               "compress": "deflate", "bigtiff": "if_safer"}  # fmt: skip
    overviews = [2**i for i in range(1, 12) if max(height, width) / 2**i >= SMALLEST_OVERVIEW_PX]
    with whole(path) as partial:
        with rasterio.open(partial, "w", **profile) as file:
            file.write_colormap(1, {code - CLASS_OFFSET: tuple(map(int, colour))
                                    for code, colour in enumerate(palette) if code >= render.FIRST})  # fmt: skip
            file.update_tags(**about)
            for top in range(0, height, STRIP_ROWS):
                show("drawing", top, height)
                window = Window(top, 0, min(STRIP_ROWS, height - top), width)
                codes = render.codes(results, layer, window)
                values = np.where(codes >= render.FIRST, codes - CLASS_OFFSET, 0).astype(np.uint8)
                file.write(values, 1, window=rasterio.windows.Window(0, top, width, window.height))
        if overviews:
            with rasterio.open(partial, "r+") as file:
                file.build_overviews(overviews, Resampling.nearest)
    show("drawing", height, height)
    style = path.with_suffix(".qml")
    write_text(style, _qml(results, layer, lang))
    return [path, style]


def _classes(results: StateResults, layer: render.Layer, lang: str) -> list[tuple[int, str, str]]:
    """(class, colour, words) of what a GeoTIFF holds, in the order of a legend."""
    palette = render.palette_of(results, layer)

    def colour(code: int) -> str:
        return "#" + "".join(f"{int(c):02x}" for c in palette[code][:3])

    if layer.kind == "server":
        say, table = catalogue(lang), render.server_table(results)
        rows = [(render.FIRST, say["legend_no_server"])]
        for code in range(render.FIRST + 1, render.FIRST + 1 + HUE_CODES):
            sites = [s for s, c in zip(results.manifest["servers"], table[1:], strict=True) if c == code]
            rows += [(code, ", ".join(sites))] if sites else []
    else:
        found = render.legend_rows(results, layer, lang)
        rows = [(code, " ".join(filter(None, words))) for code, *words in found if code >= render.FIRST]
    return [(code - CLASS_OFFSET, colour(code), words) for code, words in rows]


def _qml(results: StateResults, layer: render.Layer, lang: str) -> str:
    """A style of QGIS (3.x) for a raster of classes: its renderer of palettes."""
    entries = "\n".join(
        f'     <paletteEntry value="{value}" color="{colour}" alpha="255" label={quoteattr(words)}/>'
        for value, colour, words in _classes(results, layer, lang)
    )
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
 <pipe>
  <rasterrenderer type="paletted" band="1" opacity="0.8" alphaBand="-1" nodataColor="">
   <rasterTransparency/>
   <colorPalette>
{entries}
   </colorPalette>
  </rasterrenderer>
  <brightnesscontrast brightness="0" contrast="0"/>
  <huesaturation saturation="0"/>
  <rasterresampler maxOversampling="2"/>
 </pipe>
 <blendMode>0</blendMode>
</qgis>
"""


def write_png(
    results: StateResults, layer: render.Layer, path: Path, lang: str, title: str, show: Any
) -> list[Path]:
    """The picture in the plane of the project, with its world file, the plane's name (.prj) and the legend.

    Returns the files written. Rasters of more than 8192 pixels a side are thinned to every 2nd, 4th, ... pixel.
    """
    shape = render.thin_shape(results.shape, MOST_PNG_PX)
    show("drawing", 0, 1)
    codes = render.codes(results, layer, None, shape if shape != results.shape else None)
    palette = render.palette_of(results, layer)
    palette[render.OUTSIDE] = palette[render.HATCH] = 0  # transparent: what is not computed is no colour of a picture
    lines = provenance_lines(results, lang)
    if results.manifest["provenance"]["synthetic"]:
        palette = np.vstack([palette, [*render.rgb(INK), 255]]).astype(np.uint8)
        stamp(codes, lines[0], len(palette) - 1, lang)
    write_bytes(path, _with_text(encode_png(codes, palette=palette), [title, *lines], lang))
    grid, step = results.grid, -(-results.shape[0] // shape[0]) * results.grid.resolution_m
    world = path.with_suffix(".pgw")
    numbers = (step, 0.0, 0.0, -step, grid.x_min + step / 2, grid.y_max - step / 2)
    write_text(world, "".join(f"{value:.10g}\n" for value in numbers))
    plane = path.with_suffix(".prj")
    write_text(plane, CRS.from_user_input(grid.crs).to_wkt("WKT1_ESRI") + "\n")
    legend = path.with_name(f"{path.stem}-legend.png")
    write_bytes(legend, legend_png(results, layer, lang, title))
    show("drawing", 1, 1)
    return [path, world, plane, legend]


def _with_text(png: bytes, lines: list[str], lang: str) -> bytes:
    """The picture with a description in it (iTXt, PNG specification 11.3.4.5)."""
    text = b"Description\0\0\0" + lang.encode() + b"\0\0" + "\n".join(lines).encode("utf-8")
    after_header = 8 + 12 + struct.unpack(">I", png[8:12])[0]
    return png[:after_header] + chunk(b"iTXt", text) + png[after_header:]
