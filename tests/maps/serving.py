"""The service's page, tiles, points and profiles over HTTP on this machine, without the service itself."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from radiocov.maps.service import plotly_script, service_page
from radiocov.maps.tiles import point_at, tile_png


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        words = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        self.server.asked.append(path)
        if path == "/":
            self.answer(self.server.page.encode(), "text/html; charset=utf-8")
        elif path == "/plotly.js":
            self.answer(plotly_script(), "text/javascript; charset=utf-8")
        elif path.startswith("/tiles/"):
            _, _, state, layer, z, x, y = path.removesuffix(".png").split("/")
            self.answer(tile_png(self.server.states[state], layer, int(z), int(x), int(y)), "image/png")
        elif path == "/api/point":
            found = point_at(self.server.states[words["state"]], float(words["lon"]), float(words["lat"]))
            self.answer(json.dumps(found).encode(), "application/json")
        elif path == "/api/profile":
            found = self.server.profile(words["site"], float(words["lon"]), float(words["lat"]))
            self.answer(json.dumps(found).encode(), "application/json")
        else:
            self.send_error(404)

    def answer(self, content, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def served(data, states, profile, lang="en"):
    """The server: `address`, and `asked`, the paths that were asked for. states: results by name; profile: a function
    (site, lon, lat) -> JSON-able."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.page, server.states, server.profile, server.asked = service_page(data, lang), states, profile, []
        server.address = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
