"""Finding the baud rate and the protocol of a port the user has named.

First it is listened to; then a line end and AT are sent, and queries that only read. Nothing that could transmit is
ever written: every command passes `polling.is_safe`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from devices.link import Link, LinkError, open_link
from devices.polling import is_safe
from devices.protocols import recognise
from devices.protocols.base import BAUDS
from devices.protocols.binary import identify
from devices.settings import Settings

LISTEN_S = 1.2
ANSWER_S = 0.8
#: what tells the protocols apart that speak only when asked
QUESTIONS = (("AT+CNUMF?", "tetra-pei"), ("AT+PDTID?", "pdt"), ("AT+DMOCONNECT", "dmr-at"))


@dataclass(frozen=True)
class Found:
    """protocol: "" where text was understood but not whose; evidence: what was heard, in words."""

    baud: int
    protocol: str
    evidence: str


def probe(name: str, settings: Settings, say: Callable[[str, int, int], None] = lambda what, done, total: None,
          bauds: tuple[int, ...] = BAUDS) -> Found:  # fmt: skip
    """Tries the rates in turn. LinkError where none makes sense, or the port can't be opened.

    say: called with what is tried, how many tries are done and how many there are.
    """
    bauds = (settings.baud,) if settings.baud else bauds
    foreign, noise = "", 0
    for number, baud in enumerate(bauds):
        say(f"trying {baud} baud", number, len(bauds))
        link = open_link(name, dataclasses.replace(settings, baud=baud))
        link.open()
        try:
            heard = _listen(link, LISTEN_S)
            found = _judge(heard, baud)
            if found is None or found.protocol == "nmea":
                # positions may be only what a handset says without being asked
                found = _ask(link, baud) or found
        finally:
            link.close()
        if found:
            say(f"found at {baud} baud", len(bauds), len(bauds))
            return found
        other = identify(heard)
        foreign = other.advice if other else foreign
        noise += len(heard)
    if foreign:
        raise LinkError(f"{name}: {foreign}")
    tried = ", ".join(map(str, bauds))
    what = f"{noise} bytes came that make no sense" if noise else "nothing came and AT is not answered"
    raise LinkError(f"{name}: {what} at {tried} baud; is the handset on, and is this its data port?")


def _judge(heard: bytes, baud: int) -> Found | None:
    protocol = recognise(heard)
    if protocol and protocol != "journal":
        return Found(baud, protocol, f"it speaks {protocol} by itself")
    return None


def _ask(link: Link, baud: int) -> Found | None:
    answer = _query(link, "AT", b"\r\nAT\r")
    # chips with AT+DMO say nothing before they are greeted
    for command, protocol in QUESTIONS if _is_answer(answer) else QUESTIONS[-1:]:
        said = _query(link, command)
        if recognise(said.replace(command.encode(), b"")) == protocol:
            return Found(baud, protocol, f"it answers {command}")
    if _is_answer(answer) and recognise(answer) != "nmea":
        return Found(baud, "", "it answers AT, but none of the known queries")
    return None


def _is_answer(data: bytes) -> bool:
    lines = data.replace(b"\r", b"\n").split(b"\n")
    return any(line.strip() in (b"OK", b"ERROR") or b"CME ERROR" in line for line in lines)


def _query(link: Link, command: str, data: bytes | None = None) -> bytes:
    if not is_safe(command):
        raise ValueError(f"{command} is not to be sent")
    link.write(data or command.encode() + b"\r")
    return _listen(link, ANSWER_S, stop_at_answer=True)


def _listen(link: Link, seconds: float, stop_at_answer: bool = False) -> bytes:
    heard = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        heard += b"".join(chunk.data for chunk in link.read())
        if stop_at_answer and _is_answer(heard):
            break
        if not stop_at_answer and recognise(heard) not in (None, "nmea"):
            break
    return heard
