"""What is kept from coming in, and what goes out with every answer: sizes, rates, headers."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from starlette.exceptions import HTTPException

from radiocov.web.refusal import Refusal

MOST_BUCKETS = 50_000
CSP = "; ".join([
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'",
    "font-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
])  # fmt: skip
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",
    "server": "radiocov",
}


class Rate:
    """Token buckets: so many a second over time, and a burst at once, for each key."""

    def __init__(self, a_second: float, burst: float) -> None:
        self.a_second, self.burst = a_second, burst
        self._buckets: dict[Any, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: Any) -> None:
        """Raises Refusal 429, with the seconds to wait, where a key has asked too often."""
        now = time.monotonic()
        with self._lock:
            level, then = self._buckets.get(key, (self.burst, now))
            level = min(self.burst, level + (now - then) * self.a_second)
            if level < 1.0:
                wait = math.ceil((1.0 - level) / self.a_second)
                raise Refusal(429, "too_many", f"too many requests; wait {wait} s", {"retry-after": str(wait)})
            if len(self._buckets) > MOST_BUCKETS:
                self._forget(now)
            self._buckets[key] = level - 1.0, now

    def _forget(self, now: float) -> None:
        """Those that are full again need no memory."""
        self._buckets = {key: (level, then) for key, (level, then) in self._buckets.items()
                         if level + (now - then) * self.a_second < self.burst}  # fmt: skip


class Guard:
    """ASGI: refuses bodies that are too large, counts and logs every request, adds the headers."""

    def __init__(self, app: Any, *, largest: Any, https: bool, done: Any) -> None:
        """largest: path -> bytes that a body may have; done: told the scope, status and seconds of each answer."""
        self.app, self.largest, self.done = app, largest, done
        self.headers = dict(HEADERS)
        if https:
            self.headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, got = time.perf_counter(), [500], [0]
        limit = self.largest(scope["path"])

        async def limited() -> Any:
            message = await receive()
            if message["type"] == "http.request":
                got[0] += len(message.get("body", b""))
                if got[0] > limit:
                    raise TooLarge
            return message

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in self.headers.items() if n.encode() not in given),
                ]
            await send(message)

        try:
            declared = int(dict(scope["headers"]).get(b"content-length", b"0"))
        except ValueError:
            declared = 0
        try:
            if declared > limit:
                raise TooLarge
            await self.app(scope, limited, with_headers)
        except TooLarge:
            await _too_large(with_headers, limit)
        finally:
            self.done(scope, status[0], time.perf_counter() - start)


class TooLarge(HTTPException):
    """More came than may. Of a kind that no reader of bodies takes for a fault of its own."""

    def __init__(self) -> None:
        super().__init__(413)


async def _too_large(send: Any, limit: int) -> None:
    body = b'{"error": "too_large", "message": "at most %d bytes are taken here"}' % limit
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]  # fmt: skip
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
