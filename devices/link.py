"""Links to handsets and receivers: serial ports and pyserial's URLs, gpsd, files that grow, folders of such files.

All are used alike: `open`, `read` (waits a moment at most), `write`, `close`. Whatever goes wrong on the way is a
`LinkError`, whose text says why and what to do.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from typing import Any
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from devices.causes import MODEM_MANAGER, cause_of, modem_manager_runs
from devices.clocks import boot_ns, utc_us
from devices.errors import DevicesError
from devices.protocols.gpsd import WATCH
from devices.settings import Settings
from devices.streams import Chunk

DEFAULT_BAUD = 115200
READ_S = 0.2
READ_BYTES = 4096
URL_FORMS = ("rfc2217", "socket", "loop", "hwgrep", "spy", "alt", "cp2110")
GPSD_PORT = 2947


class LinkError(OSError):
    """A link that can't be opened or was lost; the text says why."""


class Link:
    """What the recorder reads from. name: as the user gave it; where: the port it is at present."""

    ends = False

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.where = name
        self.settings = settings

    def open(self) -> list[str]:
        """Opens it; what the user should be told about it. LinkError."""
        raise NotImplementedError

    def read(self) -> list[Chunk]:
        """What came within READ_S, stamped. LinkError where the link is lost."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        raise LinkError(f"{self.name} can only be read")

    def close(self) -> None:
        raise NotImplementedError

    def find_again(self) -> bool:
        """Whether it may be worth trying to open it again now."""
        return True


def open_link(name: str, settings: Settings | None = None, *, follow: bool = True) -> Link:
    """The kind of link that a name means, not opened yet. follow: a file is watched on at its end.

    DevicesError where the name is of no kind.
    """
    settings = settings or Settings()
    form = name.split("://", 1)[0].lower() if "://" in name else ""
    if form == "gpsd":
        return TcpLink(name, settings, GPSD_PORT, WATCH)
    if form == "socket":
        return TcpLink(name, settings)
    if form and form not in URL_FORMS:
        forms = ", ".join(f"{one}://" for one in ("gpsd", *URL_FORMS))
        raise DevicesError(f"{name}: there is no such form of address; possible: {forms}, a port, a file, a folder")
    if not form and os.path.isdir(name):
        from devices.link_files import FolderLink

        return FolderLink(name, settings)
    if not form and os.path.isfile(name):
        from devices.link_files import FileLink

        return FileLink(name, settings, follow=follow)
    return SerialLink(name, settings)


def stamped(data: bytes, source: str) -> list[Chunk]:
    return [Chunk(data, utc_us(), boot_ns(), source)] if data else []


class SerialLink(Link):
    """A serial port or a URL of pyserial. A USB port that comes back under another name is known by its device."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._port: serial.SerialBase | None = None
        self._device: tuple[Any, ...] | None = None

    def open(self) -> list[str]:
        notes = []
        settings = self.settings
        port = None
        try:
            port = serial.serial_for_url(self.where, do_not_open=True)
            port.baudrate = settings.baud or DEFAULT_BAUD
            port.timeout = READ_S
            if not self.where.startswith("rfc2217:"):
                # pyserial's RFC 2217 client refuses to have one
                port.write_timeout = 1.0
            port.rtscts = settings.rtscts
            if os.name == "posix" and isinstance(port, serial.Serial):
                port.exclusive = True
            if settings.dtr is not None:
                port.dtr = settings.dtr
            if settings.rts is not None:
                port.rts = settings.rts
            port.open()
        except Exception as error:
            # drivers raise termios.error and others beside OSError
            if port is not None:
                with contextlib.suppress(Exception):
                    port.close()
            raise LinkError(cause_of(error, self.where)) from error
        self._port = port
        self._device = self._device or device_of(self.where)
        notes += network_notes(self.where)
        if "ttyACM" in self.where and modem_manager_runs():
            notes.append(MODEM_MANAGER)
        return notes

    def read(self) -> list[Chunk]:
        port = self._port
        if port is None:
            raise LinkError(f"{self.name} is not open")
        try:
            data = bytearray(port.read(1))
        except (OSError, TypeError) as error:
            # TypeError: pyserial when the handle was closed under it
            self.close()
            raise LinkError(cause_of(error, self.where)) from error
        first = utc_us(), boot_ns()
        if data:
            # a loss here is told by the next read: what has come must not go with it
            with contextlib.suppress(OSError, TypeError):
                self._take_waiting(port, data)
        return [Chunk(bytes(data), *first, self.name)] if data else []

    def _take_waiting(self, port: serial.SerialBase, data: bytearray) -> None:
        """Adds what has come besides the first byte."""
        more = min(port.in_waiting, READ_BYTES)
        # pyserial's RFC 2217 client throws away what it holds when the connection ends in a longer read
        step = 1 if self.where.startswith("rfc2217:") else max(1, more)
        for _ in range(0, more, step):
            data += port.read(step)

    def write(self, data: bytes) -> None:
        if self._port is None:
            raise LinkError(f"{self.name} is not open")
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            text = f"{self.name} takes no bytes: flow control waits (rtscts), or nothing is connected"
            raise LinkError(text) from error
        except OSError as error:
            self.close()
            raise LinkError(cause_of(error, self.where)) from error

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            # flushing a device that is gone fails in several ways
            with contextlib.suppress(Exception):
                port.close()

    def find_again(self) -> bool:
        if self._device is None:
            return True
        for info in list_ports.comports():
            if _identity(info) == self._device:
                self.where = info.device
                return True
        return False


def device_of(name: str) -> tuple[Any, ...] | None:
    """What a USB port is known by across unplugging; None for ports of another kind."""
    for info in list_ports.comports():
        # names under /dev/serial/by-id are links to the port's own
        if info.vid is not None and info.device in (name, os.path.realpath(name)):
            return _identity(info)
    return None


def _identity(info: Any) -> tuple[Any, ...]:
    # many cheap cables have no serial number: then the socket it is plugged into has to do
    if info.serial_number:
        interface = info.location.partition(":")[2] if info.location else ""
        return info.vid, info.pid, info.serial_number, interface
    return info.vid, info.pid, None, info.location


def network_notes(url: str) -> list[str]:
    """A warning where an address leads to another machine."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    if "://" not in url or parts.scheme not in ("rfc2217", "socket", "gpsd") or host == "localhost":
        return []
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return []
    return [f"{url} crosses the network without encryption or password"]


class TcpLink(Link):
    """Bytes over TCP: a port server without control lines (socket://HOST:PORT), or gpsd (gpsd://HOST[:PORT]).

    Not through pyserial's socket://, which loses what it has read when the other end closes.
    """

    def __init__(self, name: str, settings: Settings, default_port: int | None = None, greeting: bytes = b"") -> None:
        super().__init__(name, settings)
        parts = urlsplit(name)
        try:
            port = parts.port or default_port
        except ValueError as error:
            raise DevicesError(f"{name}: the port number has to be 1..65535") from error
        if port is None or (not parts.hostname and default_port is None):
            raise DevicesError(f"{name}: has to be socket://HOST:PORT")
        self._address = parts.hostname or "localhost", port
        self._greeting = greeting
        self._socket: socket.socket | None = None

    def open(self) -> list[str]:
        try:
            self._socket = socket.create_connection(self._address, timeout=3)
            self._socket.settimeout(READ_S)
            self._socket.sendall(self._greeting)
        except OSError as error:
            self.close()
            raise LinkError(cause_of(error, self.name)) from error
        return network_notes(self.name)

    def read(self) -> list[Chunk]:
        if self._socket is None:
            raise LinkError(f"{self.name} is not open")
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return []
        except OSError as error:
            self.close()
            raise LinkError(cause_of(error, self.name)) from error
        if not data:
            self.close()
            raise LinkError(f"the other end of {self.name} has closed the connection")
        return stamped(data, self.name)

    def write(self, data: bytes) -> None:
        if self._socket is None:
            raise LinkError(f"{self.name} is not open")
        try:
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise LinkError(cause_of(error, self.name)) from error

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
