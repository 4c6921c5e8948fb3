"""The report of a calibration: how it came about, what it is worth where it was not fitted, and in pictures."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from radiocov.calibration import show
from radiocov.calibration.model import NONE, Calibration
from radiocov.calibration.proving import CALIBRATED
from radiocov.calibration.validate import HeldOut
from radiocov.report import sentences
from radiocov.report.document import _asset
from radiocov.report.graphs import DIVERGING, FILL, Graph, medians, residual_map
from radiocov.report.words import Words, table

if TYPE_CHECKING:
    from radiocov.calibration.run import Made

MOST_POINTS = 4000
RANGE_DB, MAP_DB = 30.0, 9.0
BEFORE = "#c98a00"


def render(made: Made, lang: str) -> str:
    """The report as HTML with everything in one file."""
    w = Words(lang)
    about = made.calibration.provenance
    parts = [
        ("cal_worth", _worth(w, made)),
        ("cal_pictures", _pictures(w, made)),
        ("cal_preparation", _translated(w, made)),
        ("cal_parameters", _parameters(w, made)),
        ("cal_groups", _groups(w, made)),
        ("cal_notes", _notes(w, made)),
        ("provenance", _provenance(w, made)),
    ]
    body = "".join(f"<section id={key}><h2><span>{n}</span>{w(f's_{key}')}</h2>{html}</section>"
                   for n, (key, html) in enumerate(parts, start=1))  # fmt: skip
    project = made.inputs.project.project
    warnings = f"<p>{w('synthetic')}</p>" if made.ground.synthetic else ""
    if simulated := about["simulated_rows"]:
        warnings += f"<p>{w('simulated', rows=f'{simulated:,}')}</p>"
    values = {
        "LANG": w("html_lang"), "TITLE": w.pick(project.name, project.name_zh), "SUBTITLE": w("cal_title"),
        "STYLE": _asset("report.css"), "BODY": body, "WARNINGS": warnings, "FOOT": w("cal_foot"),
        "FACTS": w("cal_facts", cells=f"{len(made.cells):,}", first=about["first_day"], last=about["last_day"],
                   model=about["model"], mhz=f"{about['frequency_mhz']:g}", date=about["made"],
                   version=about["radiocov"]),
    }  # fmt: skip
    return re.sub(r"@@([A-Z]+)@@", lambda match: values[match.group(1)], _asset("report.html"))


def _worth(w: Words, made: Made) -> str:
    """The errors that count, in a sentence and in a table."""
    proof = made.proof
    if not proof.hardest:
        return f"<p class=verdict>{w('cal_not_proved')}</p>"
    rows = {r["model"]: r for r in proof.rows if r["by"] == "all" and r["split"] == proof.hardest}
    mine, line = rows[CALIBRATED], rows["log-distance line"]
    lead = w("cal_lead", rmse=show.figure(mine["rmse_db"]), bias=show.figure(mine["bias_db"]),
             cells=f"{mine['cells']:,}", split=w(f"cal_split_{proof.hardest}"), line=show.figure(line["rmse_db"]),
             raw=show.figure(rows["uncalibrated"]["rmse_db"]))  # fmt: skip
    _, cells = show.validation(made)
    head = [w(f"cal_{key}") for key in ("left_out", "model", "cells", "censored", "bias", "sigma", "rmse", "mae",
                                        "correlation", "hits", "false_alarms", "silence", "promised")]  # fmt: skip
    body = [[w.known("cal_split", row[0].split(" ")[0]), w.known("cal_model", row[1]), *row[2:]] for row in cells]
    return f"<p class=verdict>{lead}</p><p class=note>{w('cal_worth_note')}</p>" + table(
        head, body, set(range(2, 13)), "small")


def _pictures(w: Words, made: Made) -> str:
    one = made.proof.of(made.proof.hardest)
    if one is None:
        return f"<p>{w('cal_not_proved')}</p>"
    figures = [_by_distance(w, made, one), _by_class(w, made, one), _map(w, made, one)]
    if curve := made.proof.curves.get(one.split):
        figures.append(_reliability(w, curve))
    note = w("cal_pictures_note", split=w(f"cal_split_{one.split}"))
    return f"<p class=note>{note}</p><div class=maps>{''.join(figures)}</div>"


def _figure(svg: str, caption: str, key: str = "") -> str:
    return f"<figure>{svg}<figcaption>{caption}</figcaption>{key}</figure>"


def _left(made: Made, one: HeldOut) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(positions of heard cells that were left out, measured less calibrated, measured less uncalibrated)."""
    cells = made.cells
    at = np.flatnonzero(one.told & (cells.censored == NONE))
    before = made.proof.of(one.split, "uncalibrated")
    return at, (cells.level_dbm - one.level_dbm)[at], (cells.level_dbm - before.level_dbm)[at]


def _thinned(at: np.ndarray) -> np.ndarray:
    return np.linspace(0, len(at) - 1, min(len(at), MOST_POINTS)).astype(int)


def _by_distance(w: Words, made: Made, one: HeldOut) -> str:
    at, after, before = _left(made, one)
    km = made.cells.distance_km[at]
    reach = max(km.min() * 0.9, 0.01), km.max() * 1.1
    graph = Graph(reach, (-RANGE_DB, RANGE_DB), w("cal_km"), w("cal_residual"), log_x=True)
    some = _thinned(at)
    graph.points(km[some], after[some])
    edges = np.geomspace(*graph.x, 11)
    for values, colour, dashed in ((before, BEFORE, True), (after, "#16222c", False)):
        if rows := medians(km, values, edges):
            graph.line([r[0] for r in rows], np.clip([r[1] for r in rows], -RANGE_DB, RANGE_DB), colour, dashed)
    return _figure(graph.svg(w("cal_graph_distance")), w("cal_by_distance_note"))


def _by_class(w: Words, made: Made, one: HeldOut) -> str:
    at, after, before = _left(made, one)
    cells = made.cells
    kinds = [k for k in range(len(cells.classes)) if np.sum(cells.clutter[at] == k) >= 5]
    graph = Graph((-0.5, len(kinds) - 0.5), (-RANGE_DB, RANGE_DB), w("cal_class"), w("cal_residual"))
    for place, k in enumerate(kinds):
        mine = cells.clutter[at] == k
        for values, shift, colour in ((before, -0.2, BEFORE), (after, 0.2, FILL)):
            graph.bar(place + shift, *np.quantile(values[mine], [0.16, 0.5, 0.84]), 0.16, colour)
    labels = _labels(w, made)
    names = [(float(i), labels.get(cells.classes[k], cells.classes[k])[:14]) for i, k in enumerate(kinds)]
    return _figure(graph.svg(w("cal_graph_class"), names), w("cal_by_class_note"))


def _labels(w: Words, made: Made) -> dict[str, str]:
    return {c.name: c.label_zh if w.lang == "zh" else c.label_en for c in made.ground.classes}


def _map(w: Words, made: Made, one: HeldOut) -> str:
    at, after, _ = _left(made, one)
    some = _thinned(at)
    cells = made.cells
    svg = residual_map(cells.x_m[at][some], cells.y_m[at][some], after[some], MAP_DB, w("cal_map"))
    said = (f"&lt; −{MAP_DB:g}", f"−{MAP_DB:g} … −{MAP_DB / 3:g}", f"±{MAP_DB / 3:g}", f"{MAP_DB / 3:g} … {MAP_DB:g}",
            f"&gt; {MAP_DB:g}")  # fmt: skip
    key = "".join(f"<span><i style='background:{c}'></i>{t} dB</span>" for c, t in zip(DIVERGING, said, strict=True))
    return _figure(svg, w("cal_map_note"), f"<div class=key>{key}</div>")


def _reliability(w: Words, curve: list[dict[str, Any]]) -> str:
    graph = Graph((0.0, 1.0), (0.0, 1.0), w("cal_stated"), w("cal_heard"), percent=True)
    graph.line([0, 1], [0, 1], "#9aa3ab", True)
    most = max(row["cells"] for row in curve)
    for row in curve:
        low, high = row["block_low"], row["block_high"]
        graph.disc(row["stated"], row["heard"], 2.0 + 5.0 * (row["cells"] / most) ** 0.5, low, high)
    return _figure(graph.svg(w("cal_reliability")), w("cal_reliability_note"))


def _translated(w: Words, made: Made) -> str:
    """The steps of the preparation; what they did is in the language where the catalogue has it."""
    rows = []
    for step in made.steps:
        out = step.before - step.after
        rows.append([w.known("cal_step", step.name), w.known("cal_unit", step.unit), f"{step.before:,}",
                     f"{step.after:,}", f"{out:,}" if out else "", _why(w, step)])  # fmt: skip
    head = [w(f"cal_{key}") for key in ("step", "of", "in", "stay", "out", "why")]
    return f"<p class=note>{w('cal_preparation_note')}</p>" + table(head, rows, {2, 3, 4}, "small")


def _why(w: Words, step: Any) -> str:
    text = w.known("cal_why", step.name)
    return escape(step.why) if w.lang == "en" or text == escape(step.name) else text


def _parameters(w: Words, made: Made) -> str:
    _, rows = show.parameters(made)
    rows = [[w.known("cal_parameter", row[0]), *map(escape, row[1:5]), w.known("cal_status", row[5]),
             _said(w, row[6])] for row in rows]  # fmt: skip
    head = [w(f"cal_{key}") for key in ("parameter", "value", "within", "cells", "unit", "status", "reason")]
    return table(head, rows, {1, 2, 3}, "small") + f"<p>{escape(_field(w, made.calibration))}</p>"


def _said(w: Words, text: str) -> str:
    return escape(sentences.in_chinese(text) if w.lang == "zh" else text)


def _field(w: Words, c: Calibration) -> str:
    return sentences.field_in_chinese(c) if w.lang == "zh" else show.field_line(c)


def _groups(w: Words, made: Made) -> str:
    """Errors by class, distance and site; effects of sites and handsets."""
    html = []
    rows = [r for r in made.proof.rows if r["split"] == made.proof.hardest and r["by"] != "all" and r["cells"]]
    if rows:
        body = [[w.known("cal_by", r["by"]), escape(r["group"]), f"{r['cells']:,}",
                 *(show.figure(r[k]) for k in ("bias_db", "sigma_db", "rmse_db"))] for r in rows]  # fmt: skip
        head = [w(f"cal_{key}") for key in ("by", "group", "cells", "bias", "sigma", "rmse")]
        html.append(table(head, body, {2, 3, 4, 5}, "small"))
    for name in ("sites", "devices"):
        _, rows = show.effects(getattr(made.calibration, name))
        body = [[*map(escape, row[:4]), w.known("cal_status", row[4]), _said(w, row[5])] for row in rows]
        head = [w(f"cal_{name}"), "dB", *(w(f"cal_{key}") for key in ("within", "cells", "status", "reason"))]
        html.append(table(head, body, {1, 2, 3}, "small"))
    return "".join(html)


def _notes(w: Words, made: Made) -> str:
    notes = made.calibration.advice
    items = "".join(f"<li>{_said(w, text)}</li>" for text in notes)
    return f"<ul>{items}</ul>" if notes else f"<p>{w('none')}</p>"


def _provenance(w: Words, made: Made) -> str:
    c, seen = made.calibration, made.calibration.validity
    about, labels = c.provenance, _labels(w, made)
    logs = "<br>".join(f"{escape(log['name'])}: {log['rows']:,}; <code>{log['sha256']}</code>"
                       for log in about["logs"])  # fmt: skip
    span = "{0[0]:.2f} – {0[1]:.2f} km; {1[0]:g} – {1[1]:g} m; {2:g} MHz".format(
        seen["distance_km"], seen["tx_height_m"], seen["frequency_mhz"])
    rows = [
        [w("cal_logs"), logs],
        [w("cal_valid"), f"{span}; {escape(', '.join(labels.get(name, name) for name in seen['classes']))}"],
        [w("cal_local_mean"), w("cal_local_mean_text", kind=about["local_mean"],
                                wavelengths=f"{about['wavelengths']:g}", spread=f"{about['fading_db']:.1f}")],
        [w("cal_model"), f"{escape(about['model'])} ({about['model_version']}), {about['time_percent']:g} %"],
        [w("cal_ground"), f"<code>{about['ground']}</code>, {about['resolution_m']:g} m"],
    ]  # fmt: skip
    body = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in rows)
    return f"<table class='facts'><tbody>{body}</tbody></table>"
