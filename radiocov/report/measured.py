"""The section of measured proof."""

from __future__ import annotations

from html import escape
from typing import Any

from radiocov.acceptance import Evaluation
from radiocov.proof import to_dict
from radiocov.report.words import Words, table
from targets.acceptance import SAMPLES
from targets.output import percent


def measured(w: Words, e: Evaluation) -> str:
    """Outcome by class and service, prediction against measurement, what was left out."""
    data = to_dict(e)
    confidence = f"{100 * e.frame.rules.confidence:g} %"
    policy, project = e.frame.inputs.policy, e.frame.inputs.project
    rows = []
    for o in e.outcomes:
        if o.level != "class":
            continue
        cls = policy.policy_class(o.class_)
        service = project.service(o.service)
        interval = f"{percent(o.low)} – {percent(o.high)}" if o.low is not None else ""
        rows.append(
            [
                w.pick(cls.text("en"), cls.text("zh")),
                w.pick(service.label, service.label_zh),
                w.known("direction", o.direction),
                f"{o.measured}",
                f"{o.short}",
                f"{o.passed}",
                percent(o.share),
                interval,
                percent(o.lower),
                percent(o.required),
                str(o.needed or ""),
                f"<span class={_colour(o.verdict)}>{w.known('verdict', o.verdict) if o.verdict else ''}</span>",
            ]
        )
    head = [w("class"), w("service"), w("direction"), w("tiles_measured"), w("tiles_short"), w("tiles_passed"),
            w("share"), w("interval", confidence=confidence), w("at_least", confidence=confidence), w("required"),
            w("tiles_needed"), w("result")]  # fmt: skip
    html = f"<p>{_lead(w, data)}</p>" + _cautions(w, e) + table(head, rows, {3, 4, 5, 6, 7, 8, 9, 10}, "small proof")
    against = [[w.pick(policy.policy_class(a["class"]).text("en"), policy.policy_class(a["class"]).text("zh")),
                *(str(a[k]) for k in ("hit", "false_alarm", "miss", "correct_rejection")), percent(a["agreement"])]
               for a in data["predicted_against_measured"]]  # fmt: skip
    head = [w("class"), *(w(k) for k in ("hit", "false_alarm", "miss", "correct_rejection", "agreement"))]
    if against:
        html += f"<h3>{w('against')}</h3><p class=note>{w('against_note')}</p>"
        html += table(head, against, {1, 2, 3, 4, 5}, "small")
    html += _curve(w, data)
    unreachable = sum(map(len, data["unreachable"].values()))
    return html + f"<p class=note>{w('left_out', unreachable=unreachable, other=data['left_out_tiles'])}</p>"


def _cautions(w: Words, e: Evaluation) -> str:
    found = [w("simulated", rows=f"{e.simulated:,}")] if e.simulated else []
    if (short := e.short_of_samples) is not None:
        found.append(w("short_tiles", short=short[0], visited=short[1], samples=SAMPLES, median=f"{short[2]:g}"))
    return "".join(f"<p class=warn>{text}</p>" for text in found)


def _lead(w: Words, data: dict[str, Any]) -> str:
    counts = data["rows"]
    talk_in = w("talk_in_balance" if "budget" in data["talk_in"] else "talk_in_measured")
    return (
        w(
            "measured_lead",
            files=", ".join(data["sources"]),
            read=f"{counts['read']:,}",
            used=f"{counts['used']:,}",
            devices=data["devices"],
            first=(data["first"] or "")[:10],
            last=(data["last"] or "")[:10],
            tile=f"{data['tile_m']:g}",
            statistic=w(f"statistic_{data['statistic']}"),
        )
        + " "
        + talk_in
    )


def _colour(verdict: str) -> str:
    return {"passed": "yes", "failed": "no"}.get(verdict, "none")


def _curve(w: Words, data: dict[str, Any]) -> str:
    """Share that passed over predicted probability, all classes; the area of a disc is its tiles."""
    bins = [b for a in data["predicted_against_measured"] for b in a["reliability"]]
    if not bins:
        return ""
    side, edge = 260, 42
    most = max(b["tiles"] for b in bins)

    def at(x: float, y: float) -> tuple[float, float]:
        return edge + x * side, 12 + (1 - y) * side

    discs = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + 9 * (b["tiles"] / most) ** 0.5:.1f}" fill="#2b7bba" '
        'opacity=".7"/>'
        for b in bins
        for x, y in [at(b["predicted"], b["measured"])]
    )
    ticks = "".join(
        f'<text x="{at(v, 0)[0]:.0f}" y="{at(0, 0)[1] + 15:.0f}" text-anchor="middle">{100 * v:.0f}</text>'
        f'<text x="{edge - 6}" y="{at(0, v)[1] + 4:.0f}" text-anchor="end">{100 * v:.0f}</text>'
        for v in (0, 0.25, 0.5, 0.75, 1)
    )
    x0, y0 = at(0, 0)
    x1, y1 = at(1, 1)
    return (
        f'<figure class=curve><svg viewBox="0 0 {side + edge + 14} {side + 52}" role="img" '
        f'aria-label="{w("curve")}"><rect x="{x0}" y="{y1}" width="{side}" height="{side}" '
        'fill="none" stroke="#9aa3ab"/>'
        f'<path d="M{x0} {y0}L{x1} {y1}" stroke="#9aa3ab" stroke-dasharray="4 3"/>{discs}{ticks}'
        f'<text x="{edge + side / 2}" y="{side + 46}" text-anchor="middle">{escape(w("curve_x"))}</text></svg>'
        f"<figcaption>{w('curve')}</figcaption></figure>"
    )
