"""The picture of a path: one HTML file with plotly inside, in English or Chinese."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from radiocov.files import write_text
from radiocov.pathview import PathView
from terrain.ground import SEA

INK, GROUND, GROUND_LINE, CLUTTER, WATER = "#16222c", "#c9b79c", "#7a664a", "#6f9a5d", "#5b9bd5"
ZONE, SIX_TENTHS, RAY, MARK = "rgba(43,123,186,0.12)", "#2b7bba", "#c2410c", "#7c3aed"
FINE = 241  # points of the Fresnel zone

WORDS = {
    "en": {
        "lang": "en", "title": "Path from {site} to {lon:.5f}, {lat:.5f}", "distance": "Distance from the site, km",
        "height": "Height above the chord of the effective Earth, m", "ground": "Ground", "clutter": "Clutter",
        "sea": "Sea", "level": "Sea level", "sight": "Line of sight", "zone": "First Fresnel zone",
        "tenths": "0.6 of the first Fresnel zone", "ray": "Rays over the Bullington point",
        "bullington": "Bullington point", "nearest": "Nearest point to the line of sight",
        "horizon_t": "Horizon of the site (bare ground)", "horizon_r": "Horizon of the terminal (bare ground)",
        "horizons": "Horizon of both (bare ground)",
        "horizon": "Point with the largest edge parameter (bare ground)", "site": "Site",
        "mast": "{name}<br>{above:g} m above ground, {level:.1f} m above sea level",
        "point": "{d:.3f} km<br>ground {h:.1f} m above sea level<br>clutter {r:g} m ({zone})<br>"
                 "line of sight {clear:+.1f} m over the top = {share:+.2f} of the Fresnel radius {f1:.1f} m",
        "zones": {1: "sea", 3: "coastal land", 4: "inland"}, "mark": "{name}<br>{d:.3f} km", "nu": "nu = {nu:.3f}",
        "loss": "{model}: loss {loss:.1f} dB over {d:.2f} km at {f:g} MHz", "clear": "line of sight clear",
        "obstructed": "line of sight obstructed",
        "budget": "{direction}: level {level:.1f} dBm, margin {margin:+.1f} dB, probability {p:.1%}",
        "talk-out": "Talk-out", "talk-in": "Talk-in", "blind": "this model does not look at the profile",
        "synthetic": "SYNTHETIC TERRAIN",
        "how": "Ground is drawn over the median effective Earth (a_e = {ae:.0f} km): sea level bulges by up to "
               "{bulge:.1f} m and rays are straight. Heights are exaggerated about {times:.0f} times.",
        "origin": "{model}, not calibrated; terrain: {terrain}, {step:g} m pixels; {project}; radiocov {version}",
    },
    "zh": {
        "lang": "zh-CN", "title": "{site} 至 {lon:.5f}, {lat:.5f} 的传播路径", "distance": "距基站距离（km）",
        "height": "等效地球弦线以上高度（m）", "ground": "地面", "clutter": "地物", "sea": "海面",
        "level": "海平面", "sight": "视线", "zone": "第一菲涅耳区", "tenths": "0.6 倍第一菲涅耳区",
        "ray": "经 Bullington 点的射线", "bullington": "Bullington 点", "nearest": "距视线最近的点",
        "horizon_t": "基站视界点（裸地）", "horizon_r": "终端视界点（裸地）", "horizons": "双方视界点（裸地）",
        "horizon": "绕射参数最大的点（裸地）",
        "site": "基站", "mast": "{name}<br>离地 {above:g} m，海拔 {level:.1f} m",
        "point": "{d:.3f} km<br>地面海拔 {h:.1f} m<br>地物 {r:g} m（{zone}）<br>"
                 "视线高出其顶 {clear:+.1f} m，为菲涅耳半径 {f1:.1f} m 的 {share:+.2f} 倍",
        "zones": {1: "海面", 3: "沿海陆地", 4: "内陆"}, "mark": "{name}<br>{d:.3f} km", "nu": "nu = {nu:.3f}",
        "loss": "{model}：{d:.2f} km、{f:g} MHz 的传输损耗 {loss:.1f} dB", "clear": "视线无遮挡",
        "obstructed": "视线受遮挡",
        "budget": "{direction}：电平 {level:.1f} dBm，余量 {margin:+.1f} dB，概率 {p:.1%}",
        "talk-out": "下行", "talk-in": "上行", "blind": "该模型不考虑地形剖面", "synthetic": "合成地形",
        "how": "地面绘于中值等效地球（a_e = {ae:.0f} km）之上：海平面最多隆起 {bulge:.1f} m，射线为直线。"
               "高度约放大 {times:.0f} 倍。",
        "origin": "{model}，未校准；地形：{terrain}，像元 {step:g} m；{project}；radiocov {version}",
    },
}  # fmt: skip

PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
 body {{ margin: 0; font: 15px/1.45 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; color: #16222c; }}
 header, footer {{ padding: 10px 24px; }}
 h1 {{ font-size: 20px; margin: 4px 0; }}
 header p {{ margin: 2px 0; }}
 .synthetic {{ background: #fde68a; color: #7c2d12; padding: 1px 8px; border-radius: 3px; font-weight: 600; }}
 footer {{ color: #4b5a66; font-size: 13px; order: 3; }}
 body {{ display: flex; flex-direction: column; min-height: 100vh; }}
 main {{ flex: 1; min-height: 420px; position: relative; }}
 main > div {{ position: absolute; inset: 0; }}
</style>
<script>{plotly}</script></head>
<body>
<header><h1>{title}</h1>{lines}</header>
<footer>{notes}</footer>
<main>{figure}</main>
</body></html>
"""


def write_picture(view: PathView, project: Any, target: Path, lang: str = "en") -> Path:
    """Write the page, which needs no network; it appears only when whole. Returns the path."""
    write_text(target, render(view, project, lang))
    return target


def render(view: PathView, project: Any, lang: str = "en") -> str:
    words = WORDS[lang]
    figure = build_figure(view, lang)
    body = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id="path", default_height="100%",
        config={"displaylogo": False, "responsive": True},
    )  # fmt: skip
    title = words["title"].format(site=_site_name(view), lon=view.lon, lat=view.lat)
    lines = [escape(line) for line in summary(view, lang)]
    if view.origin["synthetic"]:
        lines[0] += f' <span class="synthetic">{escape(words["synthetic"])}</span>'
    about = project.project
    notes = [
        words["how"].format(
            ae=view.sight.effective_radius_km, bulge=view.sight.bulge_m.max(), times=_exaggeration(figure, view)
        ),
        words["origin"].format(
            model=view.origin["model"], terrain=view.origin["terrain"], step=view.origin["resolution_m"],
            project=(lang == "zh" and about.name_zh) or about.name, version=view.origin["radiocov"],
        ),
    ]  # fmt: skip
    return PAGE.format(
        lang=words["lang"], title=escape(title), plotly=get_plotlyjs(), figure=body,
        lines="".join(f"<p>{line}</p>" for line in lines), notes="<br>".join(escape(note) for note in notes),
    )  # fmt: skip


def summary(view: PathView, lang: str) -> list[str]:
    """What comes out, in two or three lines."""
    words = WORDS[lang]
    loss = words["loss"].format(
        model=view.origin["model"], loss=view.loss_db, d=view.geometry["distance_km"], f=view.frequency_mhz
    )
    comma = "，" if lang == "zh" else "; "
    label = _terminal_name(view, words)
    lines = [f"{loss}{comma}{words['clear' if view.sight.clear else 'obstructed']}"]
    if view.model != "p1812":
        lines[0] += f"{comma}{words['blind']}"
    both = [
        words["budget"].format(
            direction=words[b.direction], level=b.level_dbm, margin=b.margin_db, p=b.probability
        )
        for b in view.budgets
    ]
    lines.append(f"{label}{comma}" + comma.join(both) if lang == "zh" else f"{label}. " + ". ".join(both))
    return lines


def _site_name(view: PathView) -> str:
    return view.site.id if view.site.name == view.site.id else f"{view.site.id} {view.site.name}"


def _terminal_name(view: PathView, words: dict[str, Any]) -> str:
    return view.terminal.label_zh if words is WORDS["zh"] else view.terminal.label


def build_figure(view: PathView, lang: str = "en") -> go.Figure:
    """Profile over the effective Earth: ground, clutter, sea, line of sight, Fresnel zone, horizons, edge."""
    words, sight = WORDS[lang], view.sight
    d, bulge = view.distance_km, sight.bulge_m
    ground = view.profile.elevation_m + bulge
    clutter = view.profile.clutter_height_m.copy()
    clutter[0] = clutter[-1] = 0.0
    top = ground + clutter
    line = view.tx_m + (view.rx_m - view.tx_m) * d / d[-1]
    figure = go.Figure()
    add = figure.add_trace
    fine = np.linspace(0.0, d[-1], FINE)
    middle = view.tx_m + (view.rx_m - view.tx_m) * fine / d[-1]
    radius = np.sqrt(sight.wavelength_m * fine * (d[-1] - fine) * 1000.0 / d[-1])
    low, high = _range(view, ground, top, float((middle + radius).max()))

    add(go.Scatter(
        x=np.r_[fine, fine[::-1]], y=np.r_[middle + radius, (middle - radius)[::-1]], fill="toself",
        fillcolor=ZONE, line={"width": 0.8, "color": SIX_TENTHS}, name=words["zone"], hoverinfo="skip",
        legendrank=60,
    ))  # fmt: skip
    for number, side in enumerate((0.6, -0.6)):
        add(go.Scatter(
            x=fine, y=middle + side * radius, mode="lines", hoverinfo="skip", name=words["tenths"],
            line={"width": 1.3, "color": SIX_TENTHS, "dash": "dot"}, legendgroup="tenths", showlegend=number == 0,
            legendrank=70,
        ))  # fmt: skip
    if clutter.any():
        add(_steps(d, ground, top, CLUTTER, words["clutter"]))
    add(go.Scatter(x=d, y=np.full(d.size, low), mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False))
    add(go.Scatter(
        x=d, y=ground, fill="tonexty", fillcolor=GROUND, mode="lines", name=words["ground"], hoverinfo="skip",
        line={"width": 1.2, "color": GROUND_LINE}, legendrank=10,
    ))  # fmt: skip
    sea = view.profile.zone == SEA
    if sea.any():
        add(go.Scatter(
            x=d, y=np.where(sea, ground, np.nan), mode="lines", name=words["sea"], hoverinfo="skip",
            line={"width": 5, "color": WATER}, connectgaps=False, legendrank=30,
        ))  # fmt: skip
    if low <= bulge.max():
        add(go.Scatter(
            x=d, y=bulge, mode="lines", name=words["level"], hoverinfo="skip",
            line={"width": 1, "color": WATER, "dash": "dash"}, legendrank=40,
        ))  # fmt: skip
    add(go.Scatter(
        x=[0.0, d[-1]], y=[view.tx_m, view.rx_m], mode="lines", name=words["sight"], hoverinfo="skip",
        line={"width": 1.8, "color": INK}, legendrank=50,
    ))  # fmt: skip
    if not sight.clear and sight.edge_km is not None:
        add(go.Scatter(
            x=[0.0, sight.edge_km, d[-1]], y=[view.tx_m, sight.edge_m, view.rx_m], mode="lines", hoverinfo="skip",
            name=words["ray"], line={"width": 1.5, "color": RAY, "dash": "dash"}, legendrank=80,
        ))  # fmt: skip
    add(_readings(view, words, top, line))
    for trace in _marks(view, words):
        add(trace)
    for trace in _masts(view, words):
        add(trace)
    figure.update_layout(
        template="plotly_white", margin={"l": 70, "r": 30, "t": 10, "b": 50}, hovermode="closest",
        paper_bgcolor="white", annotations=_labels(view, words),
        plot_bgcolor="#f4f8fb", font={"color": INK, "size": 13}, hoverlabel={"align": "left", "bgcolor": "white"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
        xaxis={"title": {"text": words["distance"]}, "range": [-0.02 * d[-1], 1.02 * d[-1]], "zeroline": False,
               "showspikes": True, "spikethickness": 1, "spikedash": "dot", "spikemode": "across",
               "spikecolor": "#7b8894"},
        yaxis={"title": {"text": words["height"]}, "range": [low, high], "zeroline": False, "gridcolor": "#dde5eb"},
    )  # fmt: skip
    return figure


def _range(view: PathView, ground: np.ndarray, top: np.ndarray, zone_top: float) -> tuple[float, float]:
    """Everything that stands, the Fresnel zone above it, and some ground below."""
    sight = view.sight
    highest = max(float(top.max()), view.tx_m, view.rx_m, zone_top)
    if not sight.clear and sight.edge_km is not None:
        highest = max(highest, sight.edge_m)
    lowest = float(ground.min())
    room = max(highest - lowest, 20.0)
    return lowest - 0.16 * room, highest + 0.06 * room


def _exaggeration(figure: go.Figure, view: PathView) -> float:
    """How many times heights are stretched in a window of the usual shape (plot area about 2.4 to 1)."""
    low, high = figure.layout.yaxis.range
    return max(1.0, view.distance_km[-1] * 1040.0 / 2.4 / (high - low))


def _steps(d: np.ndarray, ground: np.ndarray, top: np.ndarray, colour: str, name: str) -> go.Scatter:
    """Clutter as blocks: each sample's height holds half-way to its neighbours."""
    between = np.r_[d[0], 0.5 * (d[1:] + d[:-1]), d[-1]]
    left, right = between[:-1], between[1:]
    base = np.interp(between, d, ground)
    rise = top - ground
    xs, ys = [], []
    run = rise > 0.0
    starts = np.flatnonzero(run & ~np.r_[False, run[:-1]])
    ends = np.flatnonzero(run & ~np.r_[run[1:], False])
    for a, b in zip(starts, ends, strict=True):
        x = np.column_stack([left[a : b + 1], right[a : b + 1]]).ravel()
        under = np.column_stack([base[a : b + 1], base[a + 1 : b + 2]]).ravel()
        xs += [*x, *x[::-1], None]
        ys += [*(under + np.repeat(rise[a : b + 1], 2)), *under[::-1], None]
    return go.Scatter(
        x=xs, y=ys, fill="toself", mode="lines", fillcolor=colour, line={"width": 0.4, "color": colour}, name=name,
        hoverinfo="skip", legendrank=20,
    )  # fmt: skip


def _readings(view: PathView, words: dict[str, Any], top: np.ndarray, line: np.ndarray) -> go.Scatter:
    """Invisible points along the profile that carry the hover text."""
    d, sight, p = view.distance_km, view.sight, view.profile
    radius = np.sqrt(sight.wavelength_m * d * (d[-1] - d) * 1000.0 / d[-1])
    texts = [
        words["point"].format(
            d=d[i], h=p.elevation_m[i], r=p.clutter_height_m[i], zone=words["zones"][int(p.zone[i])],
            clear=line[i] - top[i], share=(line[i] - top[i]) / radius[i], f1=radius[i],
        )
        for i in range(1, d.size - 1)
    ]  # fmt: skip
    return go.Scatter(
        x=d[1:-1], y=top[1:-1], mode="markers", marker={"size": 9, "opacity": 0}, hovertext=texts, hoverinfo="text",
        showlegend=False,
    )  # fmt: skip


def _marks(view: PathView, words: dict[str, Any]) -> list[go.Scatter]:
    sight = view.sight
    found = []
    if sight.horizons_km is not None:
        symbols = ("triangle-right", "triangle-left")
        names = (words["horizon_t"], words["horizon_r"])
        marks = list(zip(symbols, names, sight.horizons_km, sight.horizons_m, strict=True))
        if sight.horizons_km[0] == sight.horizons_km[1]:
            both = "horizon" if sight.clear else "horizons"
            marks = [("diamond-wide", words[both], sight.horizons_km[0], sight.horizons_m[0])]
        found = [(s, n, x, y, MARK, "") for s, n, x, y in marks]
    if sight.edge_km is not None:
        name = words["nearest" if sight.clear else "bullington"]
        nu = "<br>" + words["nu"].format(nu=sight.edge_nu)
        found.append(("circle" if sight.clear else "star-diamond", name, sight.edge_km, sight.edge_m, RAY, nu))
    return [
        go.Scatter(
            x=[x], y=[y], mode="markers", name=name, legendrank=90,
            marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 1.5, "color": "white"}},
            hovertext=[words["mark"].format(name=name, d=x) + more], hoverinfo="text",
        )
        for symbol, name, x, y, colour, more in found
    ]  # fmt: skip


def _masts(view: PathView, words: dict[str, Any]) -> list[go.Scatter]:
    d, ground = view.distance_km, view.profile.elevation_m
    traces = []
    for x, foot, antenna, above, name, symbol in (
        (0.0, ground[0], view.tx_m, view.site.antenna_height_m, f"{words['site']} {view.site.id}", "circle"),
        (d[-1], ground[-1], view.rx_m, view.terminal.height_m, _terminal_name(view, words), "square"),
    ):
        text = words["mast"].format(name=name, above=above, level=antenna)
        traces.append(go.Scatter(
            x=[x, x], y=[foot, antenna], mode="lines+markers", showlegend=False, hoverinfo="text",
            line={"width": 4, "color": INK}, hovertext=[text, text],
            marker={"symbol": ["line-ew", symbol], "size": [1, 11], "color": INK, "opacity": 1},
        ))  # fmt: skip
    return traces


def _labels(view: PathView, words: dict[str, Any]) -> list[dict[str, Any]]:
    """Names beside the antennas, aside of the rays: the site's above its own, the terminal's below."""
    box = {
        "showarrow": True, "arrowhead": 0, "arrowcolor": INK, "arrowwidth": 1, "bgcolor": "rgba(255,255,255,0.85)",
        "bordercolor": "#9ea6ad", "borderpad": 3, "font": {"size": 13, "color": INK}, "standoff": 7,
    }  # fmt: skip
    site = f"{words['site']} {view.site.id}, {view.site.antenna_height_m:g} m"
    terminal = f"{_terminal_name(view, words)}, {view.terminal.height_m:g} m"
    return [
        {**box, "x": 0.0, "y": view.tx_m, "text": site, "ax": 18, "ay": -30, "xanchor": "left"},
        {**box, "x": view.distance_km[-1], "y": view.rx_m, "text": terminal, "ax": -18, "ay": 42, "xanchor": "right"},
    ]
