"""The report as one HTML file, or as PDF through a Chromium that is on the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from radiocov.acceptance import Evaluation
from radiocov.boundaries import read_boundaries
from radiocov.compliance import coarse_warning
from radiocov.files import whole, write_text
from radiocov.inputs import Inputs
from radiocov.network import in_state
from radiocov.problems import Problem, ProjectError
from radiocov.report import pictures, sections
from radiocov.report.measured import measured
from radiocov.report.sections import Judged
from radiocov.report.words import Words
from targets.gaps import largest_gaps

GAPS = 10  # of areas, and of roads
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
            "microsoft-edge")  # fmt: skip
PLACES = (
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PDF_SECONDS = 180


def write_report(inputs: Inputs, judged: Judged, path: Path, lang: str, proof: Evaluation | None = None,
                 show: Any = lambda what, done, total: None) -> Path:  # fmt: skip
    """Write the report; its file appears whole or not at all. The name's ending says HTML or PDF.

    Raises ProjectError for another ending, OSError where a PDF is wanted and there is no browser to print it.
    """
    suffix = path.suffix.lower()
    if suffix not in (".html", ".htm", ".pdf"):
        raise ProjectError(Problem(path.name, "", "no format is known for this name", "end it in .html or .pdf"))
    browser = find_browser() if suffix == ".pdf" else ""
    text = render(inputs, judged, lang, proof, show)
    if not browser:
        write_text(path, text)
        return path
    show("printing", 0, 1)
    with tempfile.TemporaryDirectory(prefix="radiocov-report-") as folder, whole(path) as partial:
        page = Path(folder) / "report.html"
        page.write_text(text, encoding="utf-8")
        print_pdf(browser, page, partial.resolve(), Path(folder))
    show("printing", 1, 1)
    return path


def find_browser() -> str:
    """A Chromium, Chrome or Edge: RADIOCOV_CHROMIUM, else one on the path or at its usual place. OSError: none."""
    named = os.environ.get("RADIOCOV_CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise OSError(f"RADIOCOV_CHROMIUM names {named}, and there is no such file")
        return named
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    for place in PLACES:
        if Path(place).is_file():
            return place
    raise OSError("a PDF needs Chromium, Chrome or Edge, and none was found; set RADIOCOV_CHROMIUM to one, or write "
                  "report.html and print it from any browser")  # fmt: skip


def print_pdf(browser: str, page: Path, pdf: Path, scratch: Path) -> None:
    """Print a page; OSError with the browser's last words where that fails."""
    # without its sandbox only where it has to be: Chromium refuses to run as root with it
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [browser, "--headless", *alone, "--disable-gpu", f"--user-data-dir={scratch / 'profile'}",
               "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri()]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PDF_SECONDS)
    except subprocess.TimeoutExpired:
        raise OSError(f"{browser} did not print the report within {PDF_SECONDS} s") from None
    if done.returncode or not pdf.is_file():
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise OSError(f"{browser} could not print the report: {said}")


def render(inputs: Inputs, judged: Judged, lang: str, proof: Evaluation | None = None,
           show: Any = lambda what, done, total: None) -> str:  # fmt: skip
    """The report as HTML, the same for the same inputs."""
    w = Words(lang)
    project = inputs.project
    compliance, results = judged[-1]
    boundaries = read_boundaries(inputs)
    chinese = {b.county or b.city: b.name_zh for b in boundaries if b.name_zh}
    show("finding the largest gaps", 0, 1)
    found = largest_gaps(inputs.policy, inputs.areas, inputs.roads, results, limit=GAPS)
    show("finding the largest gaps", 1, 1)
    gaps = [[(f"{letter}{n}", g) for n, g in enumerate(part, 1)] for letter, part in zip("AR", found, strict=True)]
    parts = [
        ("summary", sections.summary(w, judged) + sections.changes(w, judged)),
        ("meaning", sections.services(w, inputs)),
        ("maps", _maps(w, inputs, judged, boundaries, gaps, show)),
        ("compliance", sections.compliance_tables(w, judged, chinese)),
        ("proof", measured(w, proof) if proof else f"<p>{w('no_proof')}</p>"),
        ("gaps", f"<p class=note>{w('gaps_note', state=compliance.period)}</p>"
                 f"<h3>{w('gaps_areas')}</h3>{sections.gaps_table(w, inputs, gaps[0], chinese)}"
                 f"<h3>{w('gaps_roads')}</h3>{sections.gaps_table(w, inputs, gaps[1], chinese)}"),
        ("assumptions", sections.assumptions(w, inputs, judged)),
        ("network", sections.network(w, inputs, judged)),
        ("provenance", sections.provenance(w, inputs, judged, proof.measurements.sources if proof else [])),
    ]  # fmt: skip
    body = "".join(f"<section id={key}><h2><span>{n}</span>{w(f's_{key}')}</h2>{html}</section>"
                   for n, (key, html) in enumerate(parts, start=1))  # fmt: skip
    values = {
        "LANG": w("html_lang"), "TITLE": w.pick(project.project.name, project.project.name_zh),
        "SUBTITLE": w("title"), "STYLE": _asset("report.css"), "BODY": body, "WARNINGS": _warnings(w, inputs, judged),
        "FACTS": w("cover_facts", states=w("list_gap").join(c.period for c, _ in judged),
                   computed=results.manifest["computed"][:10], version=results.manifest["provenance"]["radiocov"]),
        "FOOT": w("foot"),
    }  # fmt: skip
    return re.sub(r"@@([A-Z]+)@@", lambda match: values[match.group(1)], _asset("report.html"))


def _warnings(w: Words, inputs: Inputs, judged: Judged) -> str:
    results = judged[-1][1]
    found = []
    if results.manifest["provenance"]["synthetic"]:
        found.append(w("synthetic"))
    if coarse := coarse_warning(results):
        found.append(w.pick(*coarse))
    about = inputs.project.project
    if about.note or about.note_zh:
        found.append(w.pick(about.note, about.note_zh))
    return "".join(f"<p>{text}</p>" for text in found)


def _maps(w: Words, inputs: Inputs, judged: Judged, boundaries: list[Any], gaps: list[Any], show: Any) -> str:
    frame = pictures.Frame.of(inputs, judged[-1][1])
    lines = pictures.base_lines(frame, inputs, boundaries)
    wanted = list(dict.fromkeys(t.service for t in inputs.policy.targets))
    figures, total = [], len(judged) * len(wanted)
    for number, (compliance, results) in enumerate(reversed(judged)):
        sites = pictures.site_marks(frame, in_state(inputs.sites, compliance.period_end))
        for which, service_id in enumerate(wanted):
            show("drawing maps", number * len(wanted) + which, total)
            service = inputs.project.service(service_id)
            marks = []
            if compliance is judged[-1][0]:
                marks = pictures.gap_marks(frame, [g for part in gaps for g in part if g[1].service == service_id])
            label = w.pick(service.label, service.label_zh)
            caption = w("map_caption", service=label, period=compliance.period)
            png = pictures.coverage_png(frame, results, service_id, service.probability)
            kind = "'map wide'" if compliance is judged[-1][0] else "map"
            figures.append(f"<figure class={kind}>{pictures.svg(frame, png, [*lines, *sites, *marks], caption)}"
                           f"<figcaption>{caption}</figcaption></figure>")  # fmt: skip
    show("drawing maps", total, total)
    swatches = zip(("served", "weak", "unserved", "outside"), reversed(pictures.COLOURS), strict=True)
    key = "".join(f"<span><i style='background:{colour}'></i>{w(f'k_{name}')}</span>" for name, colour in swatches)
    key += "".join(f"<span><i class=line style='border-color:{colour}'></i>{w.known('class', name)}</span>"
                   for name, colour in pictures.AREA_LINE.items())  # fmt: skip
    key += f"<span><i class=site>△</i>{w('k_site')}</span><span><i class=gap>A1</i>{w('k_gap')}</span>"
    return f"<p class=note>{w('maps_note')}</p><div class=key>{key}</div><div class=maps>{''.join(figures)}</div>"


def _asset(name: str) -> str:
    return files("radiocov.report").joinpath("assets", name).read_text("utf-8")
