"""What an engineer reads off a pattern: widths, front-to-back ratio; and its picture, both cuts in polar form."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from radiocov.antennas.pattern import Pattern

HALF_POWER_DB = 3.0
REAR_SECTOR_DEG = 30  # to either side of straight behind
FLOOR_DB = 40.0  # at the middle of the picture
RINGS_DB = (0, 3, 10, 20, 30)
_RADIUS, _GAP = 220.0, 70.0


def half_power_width_deg(cut_db: np.ndarray) -> float:
    """Width [deg] of the main lobe of a cut (360,) [dB] between the points 3 dB below its maximum; 360 where
    nothing falls so far."""
    relative = cut_db - cut_db.min()
    if relative.max() <= HALF_POWER_DB:
        return 360.0
    peak = int(relative.argmin())
    width = 0.0
    for step in (1, -1):
        lobe = relative[(peak + step * np.arange(361)) % 360]
        first = int(np.argmax(lobe > HALF_POWER_DB))
        width += first - (lobe[first] - HALF_POWER_DB) / (lobe[first] - lobe[first - 1])
    return width


def front_to_back_db(pattern: Pattern) -> float:
    """Attenuation [dB] straight behind the maximum of the horizontal cut."""
    cut = pattern.horizontal_db
    return float(cut[(int(cut.argmin()) + 180) % 360] - cut.min())


def front_to_rear_db(pattern: Pattern) -> float:
    """Least attenuation [dB] within 30 degrees of straight behind: what a neighbour's interference depends on."""
    cut = pattern.horizontal_db
    rear = int(cut.argmin()) + 180 + np.arange(-REAR_SECTOR_DEG, REAR_SECTOR_DEG + 1)
    return float(cut[rear % 360].min() - cut.min())


def properties(pattern: Pattern) -> dict[str, float | str | bool | None]:
    """The figures, with units in the names."""
    return {
        "name": pattern.name,
        "gain_dbi": pattern.gain_dbi,
        "frequency_mhz": pattern.frequency_mhz,
        "omni": pattern.is_omni,
        "horizontal_width_deg": round(half_power_width_deg(pattern.horizontal_db), 2),
        "vertical_width_deg": round(half_power_width_deg(pattern.vertical_db), 2),
        "front_to_back_db": round(front_to_back_db(pattern), 2),
        "front_to_rear_db": round(front_to_rear_db(pattern), 2),
        "electrical_tilt_deg": pattern.electrical_tilt_deg,
        "vertical_maximum_deg": pattern.vertical_maximum_deg,
        "horizontal_maximum_deg": float((int(pattern.horizontal_db.argmin()) + 180) % 360 - 180),
    }


def polar_svg(pattern: Pattern) -> str:
    """Both cuts as SVG: seen from above with the boresight up, and from the side with the boresight to the right."""
    size = 2 * (_RADIUS + _GAP)
    p = properties(pattern)
    gain = "gain not stated" if pattern.gain_dbi is None else f"{pattern.gain_dbi:g} dBi"
    facts = (f"{gain} · {p['horizontal_width_deg']:.0f}° × {p['vertical_width_deg']:.1f}° half-power · "
             f"front-to-back {p['front_to_back_db']:.1f} dB · beam {p['vertical_maximum_deg']:g}° down")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * size:.0f}" height="{size + 60:.0f}" '
        f'viewBox="0 0 {2 * size:.0f} {size + 60:.0f}" font-family="sans-serif" font-size="13">',
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{_GAP}" y="30" font-size="18">'
        f"{escape(pattern.name)}</text>",
        f'<text x="{_GAP}" y="52" fill="#444">{escape(facts)}</text>',
    ]
    # screen angle of a cut's angle a, clockwise from the right
    cuts = (("Horizontal, from above", pattern.horizontal_db, -90.0, "#1f5fa8"),
            ("Vertical, from the side", pattern.vertical_db, 0.0, "#b3431e"))
    for number, (title, cut, turn, colour) in enumerate(cuts):
        x0, y0 = (number + 0.5) * size, 60.0 + 0.5 * size
        parts += _dial(x0, y0, turn, down=number == 1)
        points = " ".join(
            f"{x0 + r * math.cos(w):.1f},{y0 + r * math.sin(w):.1f}"
            for r, w in ((_reach(db), math.radians(a + turn)) for a, db in enumerate(cut)))
        parts.append(f'<polygon points="{points}" fill="{colour}" fill-opacity="0.08" stroke="{colour}" '
                     f'stroke-width="2"><title>{title}</title></polygon>')
        parts.append(f'<text x="{x0}" y="{y0 + _RADIUS + 55:.0f}" text-anchor="middle">{title}</text>')
    return "\n".join([*parts, "</svg>\n"])


def polar_page(pattern: Pattern) -> str:
    """The picture in a page of HTML, with the attenuation of every degree as a table to copy."""
    rows = "".join(f"<tr><td>{a}<td>{h:.2f}<td>{v:.2f}" for a, (h, v) in
                   enumerate(zip(pattern.horizontal_db, pattern.vertical_db, strict=True)))
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(pattern.name)}</title>'
            "<style>body{font-family:sans-serif;margin:1em}svg{max-width:100%;height:auto}"
            "td,th{text-align:right;padding:0 1em}</style></head><body>"
            f"{polar_svg(pattern)}<details><summary>Attenuation, dB</summary><table><tr><th>degrees<th>horizontal, "
            f"clockwise<th>vertical, downwards{rows}</table></details></body></html>\n")


def _reach(attenuation_db: float) -> float:
    return _RADIUS * max(0.0, 1.0 - float(attenuation_db) / FLOOR_DB)


def _dial(x0: float, y0: float, turn: float, down: bool) -> list[str]:
    """Rings and spokes of one cut, labelled in dB and degrees."""
    parts = []
    for db in RINGS_DB:
        r = _reach(db)
        dash = ' stroke-dasharray="4 3"' if db == HALF_POWER_DB else ""
        parts.append(f'<circle cx="{x0}" cy="{y0}" r="{r:.1f}" fill="none" stroke="#bbb"{dash}/>')
        if db not in (0, 3):
            parts.append(f'<text x="{x0 + 3:.1f}" y="{y0 - r - 2:.1f}" fill="#777" font-size="11">−{db} dB</text>')
    for angle in range(0, 360, 30):
        w = math.radians(angle + turn)
        cos, sin = math.cos(w), math.sin(w)
        label = (f"{angle}°" if angle <= 180 else f"−{360 - angle}°") if down else f"{angle}°"
        parts.append(f'<line x1="{x0}" y1="{y0}" x2="{x0 + _RADIUS * cos:.1f}" y2="{y0 + _RADIUS * sin:.1f}" '
                     f'stroke="#ddd"/>')
        parts.append(f'<text x="{x0 + (_RADIUS + 20) * cos:.1f}" y="{y0 + (_RADIUS + 20) * sin + 4:.1f}" '
                     f'text-anchor="middle" fill="#555">{label}</text>')
    return parts
