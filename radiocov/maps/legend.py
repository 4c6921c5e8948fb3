"""Where a layer comes from and what its colours mean, as a picture and as lines of text, for exports."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from radiocov.coverage.results import StateResults
from radiocov.maps import render
from radiocov.maps.catalogue import catalogue

# By name, as the systems have them; the first that is there. Without one, what is built in knows Latin letters only.
CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "SourceHanSansSC-Regular.otf", "msyh.ttc", "simhei.ttf",
    "PingFang.ttc", "STHeiti Medium.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc",
)  # fmt: skip
SIZE, SMALL, LINE, SWATCH, PAD, WIDTH = 20, 15, 30, 44, 14, 520
PLAIN = {"\u2265": ">=", "\u2212": "-", "\u2013": "-", "\u2026": "..."}
BAND = "#ffd84d"  # behind "synthetic"


def provenance_lines(results: StateResults, lang: str) -> list[str]:
    """What every export says of itself, the synthetic ground first."""
    say = catalogue(lang)
    made = results.manifest["provenance"]
    ground = made["ground"]
    terrain = ground["source"] or ", ".join(s["file"] for s in ground["elevation"]["sources"])
    calibration = made["calibration"] or say["calibration_none"]
    lines = [say["synthetic"]] if made["synthetic"] else []
    return [
        *lines,
        f"{say['state']}: {results.folder.name}, {results.manifest['date']}",
        f"{say['prov_model']}: {made['model_version']}, {made['model_settings']['frequency_mhz']:g} MHz, "
        f"{made['model_settings']['radius_km']:g} km",
        f"{say['prov_calibration']}: {calibration}",
        f"{say['prov_terrain']}: {terrain}, {made['resolution_m']:g} m",
        f"{say['prov_run_date']}: {results.manifest['computed'][:10]}, radiocov {made['radiocov']}",
        say["picture_predicted"],
    ]


def legend_png(results: StateResults, layer: render.Layer, lang: str, title: str = "") -> bytes:
    """PNG of the legend: title, layer, steps with their words, and where it comes from. English where the machine has
    no font that knows Chinese."""
    lang = lang if lang != "zh" or _chinese_font() else "en"
    palette = render.palette_of(results, layer)
    head = [(title, SIZE)] if title else []
    head += [(render.layer_title(results, layer, lang), SIZE)]
    rows = [(palette[code], " ".join(filter(None, (figures, words))))
            for code, figures, words in render.legend_rows(results, layer, lang)]  # fmt: skip
    foot = provenance_lines(results, lang)
    lines = sum(len(_wrapped(text, SIZE, lang, WIDTH - 2 * PAD)) for text, _ in head)
    lines += sum(len(_wrapped(text, SMALL, lang, WIDTH - 3 * PAD - SWATCH)) for _, text in rows)
    lines += sum(len(_wrapped(text, SMALL, lang, WIDTH - 2 * PAD)) for text in foot)
    image = Image.new("RGB", (WIDTH, 2 * PAD + LINE * lines), "white")
    draw = ImageDraw.Draw(image)
    y = PAD
    for text, size in head:
        for line in _wrapped(text, size, lang, WIDTH - 2 * PAD):
            draw.text((PAD, y), line, "#16222c", font_of(size))
            y += LINE
    for colour, text in rows:
        draw.rectangle((PAD, y, PAD + SWATCH, y + LINE - 8), tuple(int(c) for c in colour[:3]), "#7d8a94")
        for line in _wrapped(text, SMALL, lang, WIDTH - 3 * PAD - SWATCH):
            draw.text((2 * PAD + SWATCH, y + 2), line, "#16222c", font_of(SMALL))
            y += LINE
    for number, text in enumerate(foot):
        for line in _wrapped(text, SMALL, lang, WIDTH - 2 * PAD):
            if number == 0 and results.manifest["provenance"]["synthetic"]:
                draw.rectangle((0, y - 4, WIDTH, y + LINE - 6), BAND)
            draw.text((PAD, y), line, "#16222c", font_of(SMALL))
            y += LINE
    return png_bytes(image)


def swatch_png(colour: Any) -> bytes:
    """A small square of one colour, for lists."""
    return png_bytes(Image.new("RGB", (16, 16), tuple(int(c) for c in colour[:3])))


def stamp(codes: np.ndarray, text: str, ink: int, lang: str) -> None:
    """Write a text again and again along the lower edge of a picture of codes, with the code `ink`."""
    size = max(11, min(codes.shape) // 30)
    lang = lang if lang != "zh" or _chinese_font() else "en"
    font = font_of(size)
    height = min(2 * size, codes.shape[0])
    mask = Image.new("L", (codes.shape[1], height), 0)
    step = int(font.getlength(text + "     ")) + 1
    for x in range(size, codes.shape[1], step):
        ImageDraw.Draw(mask).text((x, size // 3), text, 255, font)
    codes[codes.shape[0] - height :][np.asarray(mask) > 127] = ink


def png_bytes(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@lru_cache(maxsize=16)
def font_of(size: int) -> Any:
    name = _chinese_font()
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _chinese_font() -> str:
    for name in CHINESE_FONTS:
        try:
            ImageFont.truetype(name, SIZE)
        except OSError:
            continue
        return name
    return ""


def _wrapped(text: str, size: int, lang: str, width: int) -> list[str]:
    """Lines no wider than `width` px; Chinese may break anywhere."""
    if not _chinese_font():
        for sign, plain in PLAIN.items():
            text = text.replace(sign, plain)
    font = font_of(size)
    parts = list(text) if lang == "zh" else [word + " " for word in text.split(" ")]
    lines = [""]
    for part in parts:
        if lines[-1] and font.getlength((lines[-1] + part).rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]
