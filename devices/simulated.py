"""Simulated handsets: what each protocol says at a moment of a drive. No clock and no port of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from devices.lines import checksum

SIMULATED_MAKER = "SIMULATED"  # how a simulated handset names its maker, so that its records say so
SYNTHETIC = "synthetic"  # what a journal notes of a simulated handset, and the flag of its records

KNOT_MPS = 1852 / 3600


@dataclass(frozen=True)
class Moment:
    """level_dbm: None where there is no signal; site: name of the serving site; gps: whether there is a fix."""

    utc_us: int
    lon: float
    lat: float
    speed_mps: float
    course_deg: float
    level_dbm: float | None
    site: int
    served: bool
    gps: bool

    @property
    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.utc_us / 1e6, UTC)


class Handset:
    """Answers commands and speaks of its own accord once a second."""

    def __init__(self, number: str, sensitivity_dbm: float) -> None:
        self.number = number
        self.sensitivity_dbm = sensitivity_dbm
        self.asked = False

    def answer(self, command: str, now: Moment) -> bytes:
        return b""

    def second(self, now: Moment) -> bytes:
        return b""


def nmea(now: Moment) -> bytes:
    """RMC, GGA and GSA of one epoch."""
    clock = now.clock
    tod = f"{clock:%H%M%S}.{clock.microsecond // 10000:02d}"
    if now.gps:
        place = f"{_angle(now.lat, 2, 'NS')},{_angle(now.lon, 3, 'EW')}"
        rmc = f"GPRMC,{tod},A,{place},{now.speed_mps / KNOT_MPS:.2f},{now.course_deg:.2f},{clock:%d%m%y},,,A"
        gga = f"GPGGA,{tod},{place},1,09,0.9,45.0,M,0.0,M,,"
        gsa = "GPGSA,A,3,02,05,07,09,13,16,20,29,30,,,,1.6,0.9,1.3"
    else:
        rmc = f"GPRMC,{tod},V,,,,,,,{clock:%d%m%y},,,N"
        gga = f"GPGGA,{tod},,,,,0,00,,,M,,M,,"
        gsa = "GPGSA,A,1,,,,,,,,,,,,,,,"
    return b"".join(_sentence(body) for body in (rmc, gga, gsa))


def _angle(degrees: float, width: int, letters: str) -> str:
    whole, rest = divmod(round(abs(degrees) * 60 * 100_000), 60 * 100_000)
    return f"{whole:0{width}d}{rest // 100_000:02d}.{rest % 100_000:05d},{letters[degrees < 0]}"


def _sentence(body: str) -> bytes:
    return f"${body}*{checksum(body.encode()):02X}\r\n".encode()


class Gps(Handset):
    """A receiver by itself."""

    def second(self, now: Moment) -> bytes:
        return nmea(now)


class Tetra(Handset):
    """A terminal that answers the commands of EN 300 392-5; echo is on until ATE0, as after power-up."""

    def __init__(self, number: str, sensitivity_dbm: float) -> None:
        super().__init__(number, sensitivity_dbm)
        self._echo = True

    def answer(self, command: str, now: Moment) -> bytes:
        echo = f"{command}\r".encode() if self._echo else b""
        body, final = self._body(command.upper(), now)
        lines = "".join(f"\r\n{line}\r\n" for line in body[:1]) + "".join(f"{line}\r\n" for line in body[1:])
        return echo + f"{lines}\r\n{final}\r\n".encode()

    def _body(self, command: str, now: Moment) -> tuple[list[str], str]:
        if command in ("AT", "ATZ") or command.startswith(("AT+CSCS=", "AT+CTSP=", "AT+CREG=", "AT+CMEE=")):
            return [], "OK"
        if command in ("ATE0", "ATE1"):
            self._echo = command == "ATE1"
            return [], "OK"
        csq = 99 if now.level_dbm is None or not now.served else min(31, max(0, round((now.level_dbm + 113) / 2)))
        area = 1000 + now.site
        facts: dict[str, Callable[[], list[str]]] = {
            "AT+GMI?": lambda: [f"+GMI: {SIMULATED_MAKER}"], "AT+GMM?": lambda: ["+GMM: radiocov,TETRA"],
            "AT+GMR?": lambda: ["+GMR: 1"], "AT+GSN?": lambda: [f"+GSN: SIM{self.number}"],
            "AT+CNUMF?": lambda: [f"+CNUMF: 6,090116383{self.number.zfill(8)}"],
            "AT+CREG?": lambda: [f"+CREG: {1 if now.served else 2},{area if now.served else 0},090116383"],
            "AT+CTOM?": lambda: ["+CTOM: 0"], "AT+CBC?": lambda: ["+CBC: 0,87"],
            "AT+CSQ?": lambda: [f"+CSQ: {csq},99"],
            "AT+GCLI?": lambda: self._cells(csq, area),
        }  # fmt: skip
        if command == "AT+GPSPOS?":
            return (_gpspos(now), "OK") if now.gps else ([], "+CME ERROR: 50")
        return (facts[command](), "OK") if command in facts else ([], "ERROR")

    @staticmethod
    def _cells(csq: int, area: int) -> list[str]:
        if csq == 99:
            return ["+GCLI: 0"]
        cells = ((area, csq, csq), (area + 1, max(0, csq - 6), 5))
        return ["+GCLI: 2", *(f"{la},{0xCAF00 + la:x},{level},{c1}" for la, level, c1 in cells)]


def _gpspos(now: Moment) -> list[str]:
    parts = []
    for value, letters, width in ((now.lat, "NS", 2), (now.lon, "EW", 3)):
        whole, rest = divmod(round(abs(value) * 60 * 10_000), 60 * 10_000)
        parts.append(f"{letters[value < 0]}: {whole:0{width}d}_{rest // 10_000:02d}.{rest % 10_000:04d}")
    return [f"+GPSPOS: {now.clock:%H:%M:%S},{','.join(parts)},9"]


class Pdt(Handset):
    """radiocov's PDT form: status each second until it is asked for, positions always."""

    def answer(self, command: str, now: Moment) -> bytes:
        self.asked = True
        if command == "AT+PDTSTAT?":
            return self._status(now) + b"OK\r\n"
        if command == "AT+PDTID?":
            return self._identity() + b"OK\r\n"
        return b"OK\r\n" if command == "AT" else b"ERROR\r\n"

    def second(self, now: Moment) -> bytes:
        said = b"" if self.asked else (self._identity() if now.clock.second % 10 == 0 else b"") + self._status(now)
        return nmea(now) + said

    def _identity(self) -> bytes:
        return f"+PDTID: {self.number},{SIMULATED_MAKER},radiocov-PDT,1,SIM{self.number}\r\n".encode()

    def _status(self, now: Moment) -> bytes:
        level = "" if now.level_dbm is None or not now.served else f"{now.level_dbm:.0f}"
        site = f"{now.site}" if now.served else ""
        text = f"{now.clock:%Y-%m-%dT%H:%M:%S}Z,{2 if now.served else 0},{level},,1,361000000,1,{site},1,1"
        return f"+PDTSTAT: {text}\r\n".encode()


class DmrAt(Handset):
    """A chip with AT commands; it has no position, so give it a receiver (--gps)."""

    def answer(self, command: str, now: Moment) -> bytes:
        level = -130 if now.level_dbm is None else round(now.level_dbm)
        facts = {
            "AT+DMOCONNECT": "+DMOCONNECT:0", "AT+DMORDRSSI": f"+DMORDRSSI:{level}",
            "AT+DMOGETWLKTLKID": f"+DMOGETWLKTLKID:{int(re.sub(r'[^0-9]', '', self.number) or 0)}",
            "AT+DMOGETSOFTVERSION": "+DMOGETSOFTVERSION:SIM1",
            "AT+DMOGETCURRCH": "+DMOGETCURRCH:1,DIG,361000000,351000000,0,0,1,1,0,0,0",
        }  # fmt: skip
        text = facts.get(command.upper(), "OK" if command.upper() == "AT" else "ERROR")
        return f"{text}\r\n".encode() + (b"OK\r\n" if text.startswith("+") else b"")


KINDS: dict[str, tuple[type[Handset], float]] = {
    "tetra-pei": (Tetra, -112.0), "pdt": (Pdt, -118.0), "dmr-at": (DmrAt, -118.0), "nmea": (Gps, -118.0),
}  # fmt: skip


def make(kind: str, number: str) -> Handset:
    maker, sensitivity_dbm = KINDS[kind]
    return maker(number, sensitivity_dbm)
