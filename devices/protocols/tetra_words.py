"""TETRA's codes in words, for events and the live view (ETSI EN 300 392-5)."""

from __future__ import annotations

CME = {
    0: "the terminal failed", 3: "not possible in this state (GPS off, or the radio is locked)",
    4: "the terminal doesn't support this", 25: "invalid characters", 30: "out of service",
    33: "a parameter has the wrong type", 34: "a parameter is out of range", 35: "syntax error",
    40: "not possible outside direct mode", 41: "transmit inhibit is on", 42: "busy",
    43: "not possible outside trunked mode", 50: "GPS gives nothing",
}  # fmt: skip
# not GSM's meaning of the same numbers: there 2 is "searching"
REGISTRATION = {
    0: ("searching", "registering or searching, networks are there"), 1: ("registered", "registered, home network"),
    2: ("no_service", "not registered, no network"), 3: ("rejected", "registration rejected by the system"),
    4: ("unknown", "unknown"), 5: ("visited", "registered, visited network"),
}  # fmt: skip
MODES = {0: "trunked mode", 1: "direct mode", 2: "trunked mode, watching direct mode",
         3: "direct mode, watching trunked mode", 6: "direct mode repeater"}  # fmt: skip
DIRECT_MODES = (1, 3, 6)


def cme_words(code: int) -> str:
    return f"CME {code}: {CME[code]}" if code in CME else f"CME {code}"
