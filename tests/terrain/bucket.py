"""A bucket on the loopback address: ranges, ETags, and the faults of real servers when they are asked for."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Bucket:
    """Serves `files` (key -> bytes). `faults[key]` is a list of what goes wrong with the next requests, in turn:

    a status ("503", "403"), "drop" (the connection ends half way), "garble" (right length, wrong bytes), "plain" (no
    range, no ETag), ("retry", seconds). `requests` holds (key, Range header or None, status).
    """

    def __init__(self):
        self.files, self.faults, self.requests, self.etags = {}, {}, [], {}
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                bucket._answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def etag(self, key):
        return self.etags.get(key, f'"{hashlib.md5(self.files[key]).hexdigest()}"')

    def of(self, key):
        """(Range header, status) of the requests for a key."""
        return [(asked, status) for name, asked, status in self.requests if name == key]

    def _answer(self, handler):
        key, asked = handler.path.lstrip("/"), handler.headers.get("Range")
        fault = self.faults.get(key, [])
        fault = fault.pop(0) if fault else None
        if isinstance(fault, tuple):
            return self._status(handler, key, asked, 503, {"Retry-After": str(fault[1])})
        if fault and fault.isdigit():
            return self._status(handler, key, asked, int(fault), {})
        if key not in self.files:
            return self._status(handler, key, asked, 404, {})
        data, headers, status, start = self.files[key], {}, 200, 0
        if fault != "plain":
            headers = {"ETag": self.etag(key), "Accept-Ranges": "bytes"}
            if asked and handler.headers.get("If-Range", self.etag(key)) == self.etag(key):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    return self._status(handler, key, asked, 416, {})
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if fault == "garble":
            body = bytes(byte ^ 0x55 for byte in body)
        self.requests.append((key, asked, status))
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if fault == "drop" else body)
        if fault == "drop":
            handler.close_connection = True

    def _status(self, handler, key, asked, status, headers):
        self.requests.append((key, asked, status))
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            handler.send_header(name, value)
        handler.end_headers()
