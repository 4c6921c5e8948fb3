"""The coverage map of the service: its page, made ahead in a child, tiles and read-outs from the rasters of the run.

Everything lies below an address with the key of the run, so that browsers may keep it for good. A run becomes the one
that is shown at once and whole, when its rasters are held and its pages made; the one before stays for pages that are
open.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from radiocov import __version__
from radiocov.coverage.results import MANIFEST, StateResults, computed_states, open_state
from radiocov.files import read_json, write_json, write_text
from radiocov.problems import ProjectError
from radiocov.web import lifeline
from radiocov.web.limits import CSP
from radiocov.web.refusal import Refusal
from radiocov.web.settings import Settings
from radiocov.web.snapshot import hold, key_of

FOLDER = "map"
LANGUAGES = ("en", "zh")
CODE = (
    "from radiocov.web import lifeline; order = lifeline.take_order(); lifeline.Lifeline(interrupt=True)\n"
    "from radiocov.web.mapview import prepare; prepare(order['project_folder'], order['folder'])"
)
PROFILE = (
    "from radiocov.web import lifeline; order = lifeline.take_order(); lifeline.Lifeline(interrupt=True)\n"
    "from radiocov.web.mapview import write_profile; write_profile(**order)"
)
PROFILE_S = 60.0
PROFILE_WAIT_S = 5.0  # for another's; then who asks is told
LOOK_EVERY_S = 5.0
LONGEST_WAIT_S = 300.0  # for a run that is writing, whose rasters are read through each time to see it
TILES_KEPT = 3000
RUNS_KEPT = 2
RESULTS, READY = "results", "ready.json"

log = logging.getLogger("radiocov.maps")


def prepare(project_folder: str, folder: str) -> None:
    """In a child: hold the newest run and write its pages in every language, in a folder of its key that is there
    once all is; nothing happens while a run is writing."""
    from radiocov.compliance import judge_all
    from radiocov.inputs import read_inputs
    from radiocov.mapping import service_data
    from radiocov.maps.service import service_page
    from radiocov.project import load_project
    from radiocov.web.mapbar import map_bar

    Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as part:
        target = Path(part) / "run"
        key = hold(load_project(project_folder).output_folder, target / RESULTS)
        if not key:
            return
        inputs = read_inputs(load_project(project_folder)).or_raise()
        data = service_data(inputs, judge_all(inputs, target / RESULTS))
        for lang in LANGUAGES:
            write_text(target / f"{lang}.html", service_page(data, lang, map_bar()))
        policies = {lang: page_csp((target / f"{lang}.html").read_text("utf-8")) for lang in LANGUAGES}
        write_json(target / READY, {"version": __version__, "policies": policies})
        shutil.rmtree(Path(folder) / key, ignore_errors=True)
        os.replace(target, Path(folder) / key)


def write_profile(project_folder: str, site: str, lon: float, lat: float, terminal: str) -> None:
    """In a child: the path to a place as JSON, or what is wrong with it."""
    from radiocov.inputs import read_inputs
    from radiocov.pathview import view_path
    from radiocov.project import load_project

    try:
        inputs = read_inputs(load_project(project_folder)).or_raise()
        found = view_path(inputs, site, lon, lat, terminal or None).to_dict()
    except ProjectError as error:
        found = {"error": "bad_input", "message": str(error)}
    print(json.dumps(found))


_SCRIPT = re.compile(r"<script(?:\s+type=[\"']?(?:text/javascript|module)[\"']?)?>(.*?)</script>", re.DOTALL)


def page_csp(text: str) -> str:
    """The policy for a page: its own inline scripts by their hashes and nothing else's."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in dict.fromkeys(_SCRIPT.findall(text))
    )
    policy = CSP.replace("script-src 'self'", f"script-src 'self' {hashes}")
    for part, more in (("style-src 'self'", "'unsafe-inline'"), ("connect-src 'self'", "data: blob:")):
        policy = policy.replace(part, f"{part} {more}")
    return policy + "; worker-src 'self' blob:; child-src blob:"


class Maps:
    """Pages and tiles of the newest run that is whole, and of the one before."""

    def __init__(self, settings: Settings, output_folder: Path) -> None:
        self.settings, self.output_folder = settings, output_folder
        self.folder = settings.folder / FOLDER
        self._results: dict[tuple[str, str], StateResults] = {}
        self._tiles: OrderedDict[tuple, asyncio.Future[bytes]] = OrderedDict()  # of the event loop alone
        self._turn = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        self._lock = threading.Lock()
        self._profiles = threading.Lock()
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._newest: tuple[Any, str] = (None, "")
        self._failed = ""
        self._runs = self._ready()

    def begin(self) -> None:
        for left in self.folder.glob(".part-*"):  # of a server that was killed
            shutil.rmtree(left, ignore_errors=True)
        self._thread = threading.Thread(target=self._watch, name="maps", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stopping.set()
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
        self._thread.join(LOOK_EVERY_S)

    @property
    def key(self) -> str:
        """Of the run that is shown; "" where there is none."""
        return self._runs[0] if self._runs else ""

    @property
    def newest(self) -> str:
        """Key of the newest run, whose map may have to be made yet; "" where nothing has been computed."""
        path = self.output_folder / MANIFEST
        try:
            found = path.stat()
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
            if self._newest[0] != stamp:
                self._newest = stamp, key_of(path.read_bytes())
        except FileNotFoundError:
            return ""
        return self._newest[1]

    @property
    def state(self) -> str:
        """ready; else none, preparing or failed, of the newest run."""
        if self._runs:
            return "ready"
        return "none" if not self.newest else "failed" if self._failed == self.newest else "preparing"

    @property
    def states(self) -> list[str]:
        """Of the network, in the run that is shown."""
        return computed_states(self.folder / self.key / RESULTS) if self.key else []

    def _ready(self) -> list[str]:
        """Keys of the runs that can be shown, the newest first; pages of another version are made anew."""
        found = {path.parent.name: path.stat().st_mtime_ns for path in self.folder.glob(f"[0-9a-f]*/{READY}")
                 if read_json(path).get("version") == __version__}  # fmt: skip
        return sorted(found, key=found.__getitem__, reverse=True)[:RUNS_KEPT]

    def page(self, key: str, lang: str) -> tuple[bytes, str]:
        """(HTML, its content security policy)."""
        self.check(key)
        policy = read_json(self.folder / key / READY)["policies"][lang]
        if self.settings.basemap:
            for part in ("img-src 'self'", "connect-src 'self'"):
                policy = policy.replace(part, f"{part} https:")
        return (self.folder / key / f"{lang}.html").read_bytes(), policy

    async def tile(self, key: str, state: str, layer: str, z: int, x: int, y: int, lang: str) -> bytes:
        """PNG. A few are drawn side by side, each once for all who wait for it."""
        self.check(key)
        wanted = key, state, layer, z, x, y, lang
        if wanted not in self._tiles:
            self._tiles[wanted] = asyncio.ensure_future(self._draw(*wanted))
            if len(self._tiles) > TILES_KEPT:
                self._tiles.popitem(last=False)
        self._tiles.move_to_end(wanted)
        try:
            return await asyncio.shield(self._tiles[wanted])  # who waits no more does not take it from the others
        except Exception:
            self._tiles.pop(wanted, None)
            raise

    async def _draw(self, key: str, state: str, *tile: Any) -> bytes:
        def draw() -> bytes:
            from radiocov.maps.tiles import tile_png

            return tile_png(self.results(key, state), *tile)

        async with self._turn:
            return await run_in_threadpool(draw)

    def profile(self, key: str, site: str, lon: float, lat: float, terminal: str) -> dict[str, Any]:
        """The path from a site to a place. It needs the ground: a child reads that, one at a time."""
        self.check(key)
        order = {"project_folder": str(self.settings.project_folder), "site": site, "lon": lon, "lat": lat,
                 "terminal": terminal}  # fmt: skip
        if not self._profiles.acquire(timeout=PROFILE_WAIT_S):
            raise Refusal(503, "busy", "others are looking at profiles; try again", {"retry-after": "10"})
        try:
            child = lifeline.start(PROFILE, order, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert child.stdout is not None
            timer = threading.Timer(PROFILE_S, child.kill)
            timer.start()
            said = child.stdout.read()
            child.wait()
            timer.cancel()
        finally:
            self._profiles.release()
        if child.returncode:
            raise Refusal(503, "failed", "the profile could not be computed")
        found = json.loads(said, parse_constant=lambda _: None)  # what is not finite is null
        if found.get("error"):
            raise Refusal(400, found["error"], self.settings.without_paths(found["message"]))
        return found

    def results(self, key: str, state: str) -> StateResults:
        self.check(key)
        with self._lock:
            if (key, state) not in self._results:
                folder = self.folder / key / RESULTS
                if state not in computed_states(folder):
                    raise Refusal(404, "no_state", "there is no such state of the network")
                self._results = {known: held for known, held in self._results.items() if known[0] in self._runs}
                self._results[key, state] = open_state(folder, state)
            return self._results[key, state]

    def check(self, key: str) -> None:
        """Raises Refusal where a run is no more shown."""
        if key not in self._runs:
            raise Refusal(404, "other_run", "there is a newer run: load the map again")

    def _watch(self) -> None:
        """Prepare the pages of each new run."""
        import radiocov.maps.tiles  # noqa: F401  so that the first who looks does not wait for it

        wait = LOOK_EVERY_S
        while not self._stopping.is_set():
            newest = self.newest
            if newest not in ("", self.key, self._failed):
                self._prepare(newest)
                wait = LOOK_EVERY_S if self.key == newest else min(2 * wait, LONGEST_WAIT_S)
            self._stopping.wait(wait)

    def _prepare(self, key: str) -> None:
        order = {"project_folder": str(self.settings.project_folder), "folder": str(self.folder)}
        self._child = lifeline.start(CODE, order, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert self._child.stderr is not None
        said = self._child.stderr.read().decode("utf-8", "replace")
        if self._child.wait() and not self._stopping.is_set():
            self._failed = key
            log.error("the map could not be prepared", extra={"why": self.settings.without_paths(said[-2000:])})
        self._runs = self._ready()
        for old in self.folder.glob("[0-9a-f]*"):
            if old.name not in self._runs:
                shutil.rmtree(old, ignore_errors=True)
