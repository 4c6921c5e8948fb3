"""One file over HTTP: taken up where it broke off, tried again with growing waits, checked, whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # before each further attempt
TIMEOUT_S = 30.0  # without a byte
_CHUNK = 1 << 18
_AGAIN = (408, 425, 429, 500, 502, 503, 504)

Told = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says so


class FetchError(OSError):
    """Something outside failed: the network, the server, or what it sent."""


class NotThere(Exception):
    """The server says that there is no such file."""


class _Again(Exception):
    """Worth another attempt; wait_s: what the server asks for, where it does."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Receipt:
    """What came: bytes, the server's ETag, sha256; `attempts` it took, `resumed` where a part was there before."""

    size: int
    etag: str
    sha256: str
    attempts: int = 1
    resumed: bool = False


def download(
    url: str, path: Path, told: Told = lambda done, total: None, *, waits_s: tuple[float, ...] | None = None,
    sleep: Callable[[float], Any] = time.sleep,
) -> Receipt:  # fmt: skip
    """Fetch `url` into `path`. A part of it stays beside the path as .NAME.part and is taken up by the next call.

    waits_s: before each further attempt, WAITS_S by default. NotThere where the server has no such file; FetchError
    where it cannot be had after all attempts, or where what came is not what the server announced (size, or MD5 where
    the ETag is one).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    resumed = part.exists()

    def bring() -> tuple[str, str]:
        etag = _attempt(url, part, told)
        return etag, _checked(part, etag)

    (etag, digest), attempts = _persistent(bring, url, waits_s, sleep)
    size = part.stat().st_size
    os.replace(part, path)
    _etag_file(part).unlink(missing_ok=True)
    return Receipt(size, etag, digest, attempts, resumed)


def read_text(
    url: str, *, waits_s: tuple[float, ...] | None = None, sleep: Callable[[float], Any] = time.sleep
) -> str:  # fmt: skip
    """A small text file. Raises as `download` does."""

    def read() -> str:
        try:
            with _opened(url, {}) as response:
                return response.read().decode("utf-8", errors="replace")
        except (http.client.HTTPException, ConnectionError, TimeoutError) as err:
            raise _said(err) from err

    return _persistent(read, url, waits_s, sleep)[0]


def _persistent(
    action: Callable[[], Any], url: str, waits_s: tuple[float, ...] | None, sleep: Callable[[float], Any]
) -> tuple[Any, int]:
    """What an action returns, tried again while it raises _Again; and how many attempts it took."""
    waits_s = WAITS_S if waits_s is None else waits_s
    for attempt, wait_s in enumerate([*waits_s, None], start=1):
        try:
            return action(), attempt
        except _Again as reason:
            # a name that is not known now is not known in ten seconds either
            if wait_s is None or (attempt > 1 and isinstance(reason.__cause__, socket.gaierror)):
                raise FetchError(f"{url}: {reason} ({attempt} attempts)") from reason
            sleep(max(wait_s, min(reason.wait_s or 0.0, 120.0)))
    raise AssertionError("the last attempt returns or raises")


def _attempt(url: str, part: Path, told: Told) -> str:
    """Bring `part` to the whole file; returns its ETag."""
    have = part.stat().st_size if part.exists() else 0
    known = _etag_file(part).read_text(encoding="utf-8") if have and _etag_file(part).exists() else ""
    # Without an ETag there is no telling whether the rest belongs to the same file.
    headers = {"Range": f"bytes={have}-", "If-Range": known} if known else {}
    try:
        with _opened(url, headers) as response:
            goes_on = response.status == 206 and _starts_at(response.headers) == have
            if response.status == 206 and not goes_on:
                _forget(part)
                raise _Again("the server sent another part than was asked for")
            have = have if goes_on else 0
            etag = response.headers.get("ETag") or ""
            length = response.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            _etag_file(part).write_text(etag, encoding="utf-8")
            with part.open("ab" if goes_on else "wb") as out:
                told(have, total)
                while chunk := response.read(_CHUNK):
                    out.write(chunk)
                    have += len(chunk)
                    told(have, total)
            if total is not None and have != total:
                raise _Again(f"the connection ended after {have} of {total} bytes")
            return etag
    except _TooLong:
        _forget(part)
        raise
    except (http.client.HTTPException, ConnectionError, TimeoutError) as err:
        raise _said(err) from err


def _opened(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "radiocov", **headers})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as err:
        with contextlib.closing(err):
            if err.code in (404, 410):
                raise NotThere(url) from err
            if err.code == 416:
                raise _TooLong from err
            if err.code in _AGAIN:
                after = err.headers.get("Retry-After") or ""
                raise _Again(f"the server answers {err.code} ({err.reason})",
                             float(after) if after.isdigit() else None) from err
            raise FetchError(f"{url}: the server refuses ({err.code} {err.reason}); is the address right?") from err
    except urllib.error.URLError as err:
        cause = err.reason if isinstance(err.reason, Exception) else err
        raise _said(cause) from cause
    except (http.client.HTTPException, ConnectionError, TimeoutError) as err:
        raise _said(err) from err


class _TooLong(_Again):
    """The part that is there reaches beyond the file's end: it was another file."""

    def __init__(self) -> None:
        super().__init__("the part that was there does not belong to this file")


def _said(err: BaseException) -> _Again:
    if isinstance(err, socket.gaierror):
        reason = "no connection: the name is not known here; is there a network?"
    elif isinstance(err, TimeoutError):
        reason = f"no answer for {TIMEOUT_S:g} s"
    else:
        reason = f"no connection, or it broke ({err or type(err).__name__})"
    again = _Again(reason)
    again.__cause__ = err
    return again


def _starts_at(headers: Message) -> int | None:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range") or "")
    return int(found[1]) if found else None


def _etag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _etag_file(part).unlink(missing_ok=True)


def _checked(part: Path, etag: str) -> str:
    """sha256 of the whole file, whose MD5 has to be its ETag where that looks like one (S3, one upload).

    Some servers write other ETags of that form: the same content twice with the same ETag is believed.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with part.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
    wanted = etag.strip('"')
    if re.fullmatch(r"[0-9a-f]{32}", wanted) and md5.hexdigest() != wanted:
        seen = part.with_name(f"{part.name}.seen")
        said = json.dumps([wanted, md5.hexdigest()])
        if not (seen.exists() and seen.read_text(encoding="utf-8") == said):
            seen.write_text(said, encoding="utf-8")
            _forget(part)
            raise _Again("what came is not what the server announced (checksum)")
        seen.unlink()
    return sha256.hexdigest()
