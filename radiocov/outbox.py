"""Logs on their way to a service: a queue on this computer that outlasts cuts of power and network.

A file is copied into the queue before anything is sent, so that the card it came from may be taken out. It leaves the
queue when the service has shown the receipt of its import. Sending goes on where it stopped, at the byte.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from radiocov.files import file_digest, read_json, write_json
from radiocov.problems import Problem, ProjectError

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 60.0
TRIES = 5
LONGEST_PAUSE_S = 20.0
ASK_EVERY_S = 0.5
LOOPBACK = ("127.0.0.1", "::1", "localhost")
Progress = Callable[[str, int, int], None]


class Unreachable(OSError):
    """The service did not answer, or is too busy: what is queued stays."""


class Refused(Exception):
    """The service answered that it will not take this. status: of HTTP; body: its answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message") or f"the service answered {status}"))
        self.status, self.body = status, body


def folder() -> Path:
    """RADIOCOV_STATE, else the user's own folder of states."""
    if os.environ.get("RADIOCOV_STATE"):
        return Path(os.environ["RADIOCOV_STATE"]) / "outbox"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home())
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "radiocov" / "outbox"


def check_address(url: str, plain: bool) -> str:
    """The address of a service without a slash at its end. Raises ProjectError for what is none, and for HTTP without
    encryption to another computer, which would show the token and positions, unless plain says so."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        fault = f"{url!r} is no address of a service"
        raise ProjectError(Problem("--to", "", fault, "write e.g. https://coverage.example.org"))
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not plain:
        fault = "HTTP without encryption would show the token and the positions to the network"
        raise ProjectError(Problem("--to", "", fault, "use https://, or say --plain-http where the network is yours"))
    return url.rstrip("/")


def put(file: Path, url: str, token_file: Path, declared: dict[str, str], ca: str = "") -> Path:
    """Copy a file into the queue, whole or not at all; the entry's folder."""
    if not file.stat().st_size:
        raise ProjectError(Problem(str(file), "", "is empty"))
    home = folder()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    entry = home / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
    making = home / f".{entry.name}.part"
    making.mkdir(mode=0o700)
    try:
        with file.open("rb") as source, (making / "data").open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
            target.flush()
            os.fsync(target.fileno())
        write_json(making / "entry.json", {
            "url": url, "token_file": str(token_file.absolute()), "name": file.name, "ca": ca,
            "size": (making / "data").stat().st_size, "sha256": file_digest(making / "data"),
            "declared": declared, "state": "queued", "upload": "", "message": ""})  # fmt: skip
        os.replace(making, entry)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return entry


def entries() -> list[tuple[Path, dict[str, Any]]]:
    """(folder, content) of what is queued, the oldest first."""
    found = [(path, read_json(path / "entry.json")) for path in sorted(folder().glob("[0-9]*"))]
    return [(path, content) for path, content in found if content is not None]


def forget(path: Path) -> None:
    shutil.rmtree(path)


def send(path: Path, entry: dict[str, Any], token: str, wait_s: float, progress: Progress) -> dict[str, Any]:
    """Bring one entry over and wait for its receipt; the upload as the service shows it.

    Once it is imported the entry is gone; one that was refused stays with the reason. Raises Unreachable, and Refused
    where the token is not taken: both leave it queued.
    """
    call = _Caller(entry["url"], token, entry["ca"])
    try:
        upload = _bring(call, path, entry, progress)
        deadline = time.monotonic() + wait_s
        while upload["state"] == "queued" and time.monotonic() < deadline:
            time.sleep(ASK_EVERY_S)
            upload |= call("GET", f"/api/v1/uploads/{upload['id']}")
    except Refused as error:
        if error.status in (401, 403):
            raise
        upload = {"state": "refused", "message": str(error), "name": entry["name"], "receipt": None,
                  "sent_before": False}  # fmt: skip
    if upload["state"] == "done":
        forget(path)
    else:
        write_json(path / "entry.json", entry | {"state": upload["state"], "message": upload["message"],
                                                 "upload": upload.get("id", "")})  # fmt: skip
    return upload


def _bring(call: _Caller, path: Path, entry: dict[str, Any], progress: Progress) -> dict[str, Any]:
    body = {"name": entry["name"], "size": entry["size"], "sha256": entry["sha256"], **entry["declared"]}
    upload = call("POST", "/api/v1/uploads", body)
    sent_before = upload["state"] != "open"
    what, steps = f"sending {entry['name']}, KiB", max(1, entry["size"] >> 10)
    with (path / "data").open("rb") as file:
        while upload["state"] == "open":
            file.seek(upload["offset"])
            data = file.read(CHUNK_BYTES)
            progress(what, min(upload["offset"] >> 10, steps - 1), steps)
            sum_ = base64.b64encode(hashlib.sha256(data).digest()).decode()
            try:
                upload = call("PATCH", f"/api/v1/uploads/{upload['id']}", data, {
                    "Upload-Offset": str(upload["offset"]), "Upload-Checksum": f"sha256 {sum_}"})  # fmt: skip
            except Refused as error:
                if error.status != 409:
                    raise
                upload = call("GET", f"/api/v1/uploads/{upload['id']}")  # the answer to an earlier try was lost
    progress(what, steps, steps)
    return upload | {"sent_before": sent_before}


class _Caller:
    """Calls a service, again where it is busy or the link breaks."""

    def __init__(self, url: str, token: str, ca: str) -> None:
        self.url, self.token = url, token
        handlers = []
        if url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca or None)))
        self._opener = urllib.request.build_opener(*handlers)

    def __call__(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        is_raw = isinstance(body, bytes)
        data = body if is_raw or body is None else json.dumps(body).encode()
        kind = "application/offset+octet-stream" if is_raw else "application/json"
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "User-Agent": "radiocov"}
        request = urllib.request.Request(self.url + path, data, sent | (headers or {}), method=method)
        for attempt in range(TRIES):
            try:
                with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as error:
                pause = self._pause_or_raise(error, attempt)
            except (OSError, ValueError) as error:
                if attempt == TRIES - 1 or _is_hopeless(error):
                    raise Unreachable(f"{self.url} cannot be reached: {getattr(error, 'reason', error)}") from error
                pause = 2.0**attempt / 2
            time.sleep(min(pause, LONGEST_PAUSE_S))
        raise AssertionError("every way out of the loop is taken inside")

    def _pause_or_raise(self, error: urllib.error.HTTPError, attempt: int) -> float:
        with error:
            try:
                body = json.loads(error.read())
            except (OSError, ValueError):
                body = {}
        if error.code not in (408, 429, 502, 503, 504, 507):
            raise Refused(error.code, body if isinstance(body, dict) else {}) from None
        if attempt == TRIES - 1:
            raise Unreachable(f"{self.url}: {body.get('message') or error.reason}") from None
        try:
            return float(error.headers.get("Retry-After", ""))
        except ValueError:
            return 2.0**attempt


def _is_hopeless(error: Exception) -> bool:
    """Nobody listens, or the name or certificate is wrong: asking again at once brings nothing."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError))
