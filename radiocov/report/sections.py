"""Sections of the report, each from what was computed to HTML."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from radiocov.calibration.summary import in_chinese, in_words
from radiocov.compliance import origin
from radiocov.coverage.results import StateResults
from radiocov.inputs import Inputs
from radiocov.network import in_state
from radiocov.report.words import Words, table
from targets.changes import compare
from targets.compliance import Compliance, Row
from targets.output import UNITS, chance_text, percent

INDENT = "\u00a0\u00a0"
Judged = list[tuple[Compliance, StateResults]]


def unit_of(w: Words, measure: str) -> str:
    return {"km2": "km²", "km": "km", "people": w("people")}[UNITS[measure]]


def amount(w: Words, value: float, measure: str) -> str:
    return f"{value:,.{0 if measure == 'population' else 1}f} {unit_of(w, measure)}"


def lacking(w: Words, value: float, measure: str) -> str:
    """An amount that is missing, rounded up."""
    digits = 0 if measure == "population" else 1
    return f"{math.ceil(value * 10**digits - 1e-6) / 10**digits:,.{digits}f} {unit_of(w, measure)}"


def row_name(w: Words, row: Row, chinese: dict[str, str]) -> str:
    if row.level in ("policy", "member"):
        return w.pick(row.name, row.name_zh)
    return w.pick(row.name, row.name_zh or chinese.get(row.name, "")) or w("no_county")


def chance(value: float | None) -> str:
    return escape(chance_text(value))


def verdict(w: Words, row: Row) -> str:
    if row.met is None:
        return f"<span class=none>{w('no_data') if row.required is not None else '–'}</span>"
    return f"<span class={'yes' if row.met else 'no'}>{w('met' if row.met else 'missed')}</span>"


def within(row: Row) -> str:
    """The interval of the expected share."""
    if row.expected_low is None:
        return ""
    return f"{100 * row.expected_low:.1f} – {100 * row.expected_high:.1f} %"


# -------------------------------------------------------------------------------------------------- summary
def summary(w: Words, judged: Judged) -> str:
    html = []
    for compliance, _ in judged:
        rows = [r for r in compliance.at("policy") if r.required is not None]
        met = sum(bool(r.met) for r in rows)
        key = "verdict_all" if met == len(rows) else "verdict_some"
        html.append(f"<h3>{w('period_until', period=compliance.period, date=compliance.period_end.isoformat())}</h3>"
                    f"<p class=verdict>{w(key, met=met, total=len(rows))}</p>")  # fmt: skip
        html.append("".join(_bar(w, row, compliance) for row in rows))
    if judged and judged[0][0].error:
        confidence = f"{100 * judged[0][0].error.confidence:.0f} %"
        html.append(f"<p class=note>{w('bar_note', confidence=confidence)} {w(f'judged_{judged[0][0].judge}')}</p>")
    return "".join(html)


def _bar(w: Words, row: Row, compliance: Compliance) -> str:
    share = getattr(row, f"share_{compliance.judge}")
    if share is None:
        drawn = f"<div class=track><em>{w('no_data')}</em></div>"
    else:
        low, high = row.expected_low, row.expected_high
        whisker = (
            "" if low is None else f"<i style='left:{100 * low:.2f}%;width:{100 * max(high - low, 0.002):.2f}%'></i>"
        )
        drawn = (
            f"<div class=track><b class={'yes' if row.met else 'no'} style='width:{100 * share:.2f}%'></b>{whisker}"
            f"<u style='left:{100 * row.required:.2f}%'></u></div>"
        )
    gap = f"{w('missing')} {lacking(w, row.gap, row.measure)}" if row.gap else ""
    likely = f"{w('chance')} {chance(row.chance)}" if row.chance is not None else ""
    return (
        f"<div class=bar><div class=label>{w.pick(row.name, row.name_zh)}<small>{w.known('measure', row.measure)}"
        f"</small></div>{drawn}<div class=figure>{percent(share)} <small>/ {percent(row.required)}</small> "
        f"{verdict(w, row)}<small class=more>{' · '.join(filter(None, (gap, likely)))}</small></div></div>"
    )


def changes(w: Words, judged: Judged) -> str:
    """What the network gained between the first and the last period; empty for one alone."""
    if len(judged) < 2:
        return ""
    before, after = judged[0][0], judged[-1][0]
    rows = []
    for change in compare(before, after):
        if change.row.level not in ("policy", "member"):
            continue
        row, points = change.row, change.points(f"share_{after.judge}")
        sides = [
            percent(getattr(side, f"share_{after.judge}")) if side else "" for side in (change.before, change.after)
        ]
        met = " → ".join(verdict(w, side) if side else "–" for side in (change.before, change.after))
        rows.append(
            [
                ("" if row.level == "policy" else INDENT) + w.pick(row.name, row.name_zh),
                amount(w, row.total, row.measure),
                *sides,
                "" if points is None else f"{100 * points:+.1f}",
                "" if points is None else f"{change.gain:+,.1f} {unit_of(w, row.measure)}",
                met,
            ]
        )
    head = [w("target"), w("of"), before.period, after.period, w("points"), w("gained"), w("result")]
    return f"<h2>{w('changes')}</h2>" + table(head, rows, {1, 2, 3, 4, 5})


# ---------------------------------------------------------------------------------------------- assumptions
def services(w: Words, inputs: Inputs) -> str:
    rows = []
    for service in inputs.project.services:
        t = inputs.project.terminal(service.terminal)
        rows.append(
            [
                w.pick(service.label, service.label_zh),
                w.known("direction", service.direction),
                f"{t.height_m:g} m",
                f"{t.power_dbm:g} dBm",
                f"{t.antenna_gain_dbi:g} dBi",
                f"{t.carry_loss_db:g} dB",
                f"{t.threshold_dbm:g} dBm",
                percent(service.probability),
            ]
        )
    base = inputs.project.base
    receiver = w("base_means", threshold=f"{base.threshold_dbm:g}", gain=f"{base.diversity_gain_db:g}")
    head = [
        w(k) for k in ("service", "direction", "height", "power", "gain", "carry_loss", "threshold", "probability")
    ]
    return (
        f"<p>{w('covered_means')}</p>"
        + table(head, rows, set(range(2, 8)))
        + f"<p class=note>{receiver}</p>"
    )


def _error(w: Words, model: dict[str, Any], stated: Any, calibration: dict[str, Any] | None, draws: int) -> str:
    """What the intervals rest on."""
    confidence = f"{100 * stated.confidence:.0f} %"
    if calibration is None:
        return w("a_error_text", error=f"{model['model_error_db']:g}", common=f"{stated.common_error_db:g}",
                 distance=f"{stated.correlation_km:g}", confidence=confidence, draws=draws)  # fmt: skip
    parts = {k.removesuffix("_db2"): f"{v**0.5:.1f}" for k, v in calibration["error"].items() if k.endswith("_db2")}
    distance = f"{calibration['error']['correlation_km']:.2g}"
    return w("a_error_calibrated", **parts, distance=distance, confidence=confidence, draws=draws)


def assumptions(w: Words, inputs: Inputs, judged: Judged) -> str:
    compliance, results = judged[-1]
    o, made = origin(results), results.manifest["provenance"]
    model, ground, policy = made["model_settings"], made["ground"], inputs.policy
    cover = ", ".join(s["file"] for s in (ground.get("landcover") or {}).get("sources", []))
    native = max((s["native_step_m"] for s in ground["elevation"]["sources"]), default=0)
    u, error, calibration = inputs.project.uncertainty, compliance.error, o["calibration"]
    rows = [
        (w("a_policy"), w.pick(policy.name, policy.name_zh)),
        (w("a_judge"), w(f"judged_{policy.judge}") + " " + w(f"tunnels_{policy.tunnels}".replace("-", "_"))),
        (w("a_overlap"), w("overlap_rule")),
        (
            w("a_model"),
            w(
                "a_model_text",
                model=o["model"],
                radius=f"{o['radius_km']:g}",
                frequency=f"{model['frequency_mhz']:g}",
                time=f"{model['time_percent']:g}",
            ),
        ),
        (w("a_calibration"), w.pick(in_words(calibration), in_chinese(calibration)) if calibration
         else w("uncalibrated")),
        (
            w("a_terrain"),
            w("a_terrain_text", source=o["terrain"], native=f"{native:g}", step=f"{o['resolution_m']:g}"),
        ),
        (w("a_surface"), _heights(w, ground)),
        (w("a_cover"), escape(cover) or w("none")),
        (w("a_error"), _error(w, model, u, calibration, error.draws if error else 0)),
        (w("a_limits"), w("a_limits_text")),
    ]
    return (
        "<table class=facts><tbody>"
        + "".join(f"<tr><th>{k}</th><td>{v}</td></tr>" for k, v in rows)
        + "</tbody></table>"
    )


def _heights(w: Words, ground: dict[str, Any]) -> str:
    """Whether heights are bare ground or a surface, and where clutter heights were measured."""
    text = w.known("surface", ground["surface_rule"].split(":")[0])
    if measured := ground.get("clutter", {}).get("measured"):
        text += " " + w("clutter_measured", share=percent(measured["share"]), name=measured["label"])
    return text


def network(w: Words, inputs: Inputs, judged: Judged) -> str:
    """Every site that counts in the last state, and since which period."""
    states = [(c.period, {s.id for s in in_state(inputs.sites, c.period_end)}) for c, _ in judged]
    rows = []
    for site in in_state(inputs.sites, judged[-1][0].period_end):
        first = next((period for period, there in states if site.id in there), "")
        antenna = site.antenna or w("omni", gain=f"{site.gain_dbi:g}")
        aim = f"{site.azimuth_deg:g}° / {site.tilt_deg:g}°" if site.antenna else "–"
        rows.append(
            [
                escape(site.id),
                escape(site.name),
                f"{site.lon:.5f}",
                f"{site.lat:.5f}",
                f"{site.antenna_height_m:g}",
                f"{site.power_dbm:g}",
                f"{site.eirp_max_dbm - 2.15:.1f}",
                antenna,
                aim,
                site.in_service.isoformat() if site.in_service else "–",
                first,
            ]
        )
    counts = w("list_gap").join(w("sites_in", count=len(there), period=period) for period, there in states)
    head = [
        w(k)
        for k in (
            "site",
            "name",
            "lon",
            "lat",
            "height_m",
            "power_dbm",
            "erp_dbm",
            "antenna",
            "aim",
            "since",
            "first_in",
        )
    ]
    return f"<p>{counts}</p>" + table(head, rows, {2, 3, 4, 5, 6}, "small")


# ------------------------------------------------------------------------------------------------ compliance
def compliance_tables(w: Words, judged: Judged, chinese: dict[str, str]) -> str:
    """Of the last period, by city and county; of the others the class as a whole."""
    html = []
    for compliance, _ in reversed(judged):
        last = compliance is judged[-1][0]
        levels = ("policy", "member", "city", "county") if last else ("policy", "member")
        one_city = len({row.city for row in compliance.at("city")}) == 1
        rows = [
            _compliance_row(w, row, chinese)
            for row in compliance.at(*levels)
            if (row.total > 0 or row.level == "policy") and not (row.level == "city" and one_city)
        ]
        confidence = f"{100 * compliance.error.confidence:.0f} %" if compliance.error else ""
        head = [w("target"), w("of"), w("median"), w("probable"), w("expected"), w("interval", confidence=confidence),
                w("required"), w("result"), w("chance"), w("missing")]  # fmt: skip
        html.append(f"<h3>{w('period_until', period=compliance.period, date=compliance.period_end.isoformat())}</h3>")
        html.append(table(head, rows, {1, 2, 3, 4, 5, 6, 8, 9}, "small"))
        if compliance.notes:
            html.append("<ul class=note>" + "".join(f"<li>{escape(n)}</li>" for n in compliance.notes) + "</ul>")
    return f"<p class=note>{w('three_shares')}</p>" + "".join(html)


def _compliance_row(w: Words, row: Row, chinese: dict[str, str]) -> list[str]:
    name = row_name(w, row, chinese)
    if row.level == "policy":
        name = f"<strong>{name}</strong>"
    else:
        name = INDENT * (2 if row.level == "county" else 1) + name
    return [name, amount(w, row.total, row.measure), percent(row.share_median), percent(row.share_probable),
            percent(row.share_expected), within(row), percent(row.required), verdict(w, row), chance(row.chance),
            lacking(w, row.gap, row.measure) if row.gap else ""]  # fmt: skip


def gaps_table(w: Words, inputs: Inputs, gaps: list[tuple[str, Any]], chinese: dict[str, str]) -> str:
    if not gaps:
        return f"<p>{w('no_gaps')}</p>"
    areas = gaps[0][1].measure == "area"
    in_chinese = {a.id: a.name_zh for a in inputs.areas.areas} if areas and inputs.areas else {}
    rows = []
    for label, gap in gaps:
        place = w("list_gap").join(
            w.pick(p, chinese.get(p, "")) for p in dict.fromkeys((gap.city, gap.county)) if p
        )  # fmt: skip
        row = [label, w.known("class", gap.class_), w.pick(gap.name, in_chinese.get(gap.id, "")), place,
               f"{gap.size:,.2f} {unit_of(w, gap.measure)}", f"{gap.lon:.5f}, {gap.lat:.5f}"]  # fmt: skip
        if areas and gap.road is not None:
            row += [escape(gap.road), f"{gap.road_lon:.5f}, {gap.road_lat:.5f}", f"{gap.road_m / 1000:.1f} km"]
        rows.append(row)
    keys = ("number", "class", "name", "place", "size", "middle", "road", "road_point", "off_road")
    return table([w(k) for k in keys[: len(rows[0])]], rows, {4, 8}, "small")


# ------------------------------------------------------------------------------------------------ provenance
def provenance(w: Words, inputs: Inputs, judged: Judged, logs: list[str]) -> str:
    rows = []
    for compliance, results in judged:
        m = results.manifest
        rows.append([compliance.period, m["date"], m["computed"], f"<code>{m['key']}</code>"])
    html = table([w("state"), w("network_on"), w("computed"), w("content_key")], rows, kind="small")
    ground = judged[-1][1].manifest["provenance"]["ground"]
    sources = ground["elevation"]["sources"] + (ground.get("landcover") or {}).get("sources", [])
    files = [
        [escape(s["file"]), escape(str(s["crs"])), f"{s['native_step_m']:g} m", f"<code>{s['sha256'][:16]}…</code>"]
        for s in sources
    ]
    html += f"<h3>{w('ground_files')}</h3>" + table([w("file"), w("crs"), w("step"), "SHA-256"], files, {2}, "small")
    name = inputs.project.folder.resolve().name
    commands = [f"radiocov check {name}", f"radiocov coverage {name}", f"radiocov targets {name}"]
    if logs:
        commands.append(" ".join(["radiocov acceptance", name, *logs]))
    commands.append(f"radiocov report {name} --lang {w.lang}")
    version = escape(judged[-1][1].manifest["provenance"]["radiocov"])
    return (html + f"<div class=keep><h3>{w('repeat')}</h3><p>{w('repeat_text', version=version)}</p>"
            f"<pre>{escape(chr(10).join(commands))}</pre></div>")  # fmt: skip
