"""Binary protocols that turn up where lines were expected: recognised by their framing and named, never read."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    name: str
    advice: str


UBX = Foreign("ubx", "u-blox UBX: switch the receiver to NMEA, or read it through gpsd (--gps gpsd://localhost)")
SIRF = Foreign("sirf", "SiRF binary: switch the receiver to NMEA, or read it through gpsd (--gps gpsd://localhost)")
TELNET = Foreign("telnet", "telnet option bytes: the other end speaks RFC 2217; use rfc2217://HOST:PORT, not socket://")
# IAC WILL/WONT/DO/DONT option, the options a serial server negotiates
_TELNET = re.compile(rb"(?:\xff[\xfb-\xfe][\x00\x01\x03\x05\x18\x1f\x22\x2c]){2}")


def identify(data: bytes) -> Foreign | None:
    """The foreign protocol whose whole frames are in the data; a chance pair of bytes is not enough."""
    if _TELNET.search(data):
        return TELNET
    if _has_frame(data, b"\xb5\x62", _ubx):
        return UBX
    if _has_frame(data, b"\xa0\xa2", _sirf):
        return SIRF
    return None


def _has_frame(data: bytes, start: bytes, is_frame) -> bool:
    at = data.find(start)
    while at >= 0:
        if is_frame(data[at:]):
            return True
        at = data.find(start, at + 1)
    return False


def _ubx(frame: bytes) -> bool:
    if len(frame) < 8:
        return False
    size = int.from_bytes(frame[4:6], "little")
    if len(frame) < size + 8:
        return False
    a = b = 0
    for byte in frame[2 : size + 6]:
        a = (a + byte) & 255
        b = (b + a) & 255
    return frame[size + 6] == a and frame[size + 7] == b


def _sirf(frame: bytes) -> bool:
    if len(frame) < 8:
        return False
    size = int.from_bytes(frame[2:4], "big")
    end = frame[size + 4 : size + 8]
    return 0 < size < 1024 and len(end) == 4 and end[2:] == b"\xb0\xb3" and (
        sum(frame[4 : size + 4]) & 0x7FFF == int.from_bytes(end[:2], "big")
    )  # fmt: skip
