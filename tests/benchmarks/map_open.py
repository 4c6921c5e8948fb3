"""The map of a prefecture at some 30 m: ``python tests/benchmarks/map_open.py [--resolution 31.25] [--folder DIR]``.

Computes the demo's made-up prefecture (minutes; --folder keeps it), writes its map, and opens it in headless Chromium
from disk with the network off. Prints the size of the file, the time to write it, and the median and slowest time
until the page is ready, until another layer is drawn, and until a click is answered. Then the same of the viewing
service's page with its tiles, from a server on this machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT_MB, LIMIT_S = 15.0, 3.0
OPENINGS = 5


def write_prefecture_map(folder: Path, resolution_m: float) -> tuple[Path, float, Any, Any]:
    """The page, the seconds it took to judge and write, and what it was written from."""
    from radiocov import demo
    from radiocov.compliance import judge_all
    from radiocov.coverage.results import computed_states
    from radiocov.coverage.run import CoverageRun
    from radiocov.inputs import read_inputs
    from radiocov.mapping import write_map
    from radiocov.project import load_project

    if not (folder / "project.toml").is_file():
        demo.RESOLUTION_M = resolution_m
        demo.write_demo(folder)
    inputs = read_inputs(load_project(folder)).or_raise()
    if not computed_states(inputs.project.output_folder):
        CoverageRun(inputs).run()
    start = time.perf_counter()
    judged = judge_all(inputs, inputs.project.output_folder)
    page = write_map(inputs, judged, folder / "out" / "map.html")
    return page, time.perf_counter() - start, inputs, judged


def serving() -> Any:
    """The tests' server of the service's page."""
    path = Path(__file__).resolve().parents[1] / "maps" / "serving.py"
    spec = importlib.util.spec_from_file_location("serving", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def no_profile(site: str, lon: float, lat: float) -> dict[str, Any]:
    """What the server answers in place of one, which needs the ground."""
    ends = {"site_antenna_m": 1.0, "site_ground_m": 0.0, "terminal_antenna_m": 1.0, "point_ground_m": 0.0}
    flat = {"distance_km": [0.0, 1.0], "height_m": [0.0, 0.0], "clutter_m": [0.0, 0.0]}
    return {"profile": flat, "geometry": ends, "basic_transmission_loss_db": 0.0, "origin": {"model": ""}}


def opened(browser, address: str, offline: bool) -> tuple[float, float, float]:
    """Seconds until the page is ready, until another layer is there, and until a click is answered."""
    context = browser.new_context(offline=offline, viewport={"width": 1600, "height": 1000})
    view = context.new_page()
    start = time.perf_counter()
    view.goto(address)
    view.wait_for_selector("body[data-ready=yes]", timeout=120_000)
    ready = time.perf_counter()
    view.evaluate("document.getElementById('layer-level').click()")
    view.wait_for_function("() => document.getElementById('map').dataset.layer.includes('level')")
    drawn = time.perf_counter()
    box = view.locator("#map").bounding_box()
    view.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.wait_for_selector("#readout[data-level]:not([hidden])", timeout=60_000)
    answered = time.perf_counter()
    context.close()
    return ready - start, drawn - ready, answered - drawn


def main() -> None:
    from playwright.sync_api import sync_playwright

    from radiocov.mapping import service_data

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=float, default=31.25, help="pixel, m; a part of 5000")
    parser.add_argument("--folder", type=Path, help="keep the project here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="radiocov-map-") as scratch:
        folder = options.folder or Path(scratch) / "prefecture"
        page, seconds, inputs, judged = write_prefecture_map(folder, options.resolution)
        size = page.stat().st_size / 1e6
        print(f"file {size:.1f} MB ({size / LIMIT_MB:.2f} of the limit), judged and written in {seconds:.1f} s")
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            tell("file", [opened(browser, page.as_uri(), True) for _ in range(OPENINGS)])
            states = {results.folder.name: results for _, results in judged}
            with serving().served(service_data(inputs, judged), states, no_profile) as server:
                tell("service", [opened(browser, server.address, False) for _ in range(OPENINGS)])
            browser.close()


def tell(what: str, times: list[tuple[float, float, float]]) -> None:
    print(what)
    for name, values in zip(("ready", "another layer", "a click answered"), zip(*times, strict=True), strict=True):
        print(f"  {name:18s} median {statistics.median(values):.2f} s   slowest {max(values):.2f} s")
    ready = statistics.median(values[0] for values in times)
    print(f"  ready against the limit of {LIMIT_S:g} s: {ready / LIMIT_S:.2f}")


if __name__ == "__main__":
    main()
