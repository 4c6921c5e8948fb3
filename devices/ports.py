"""Serial ports that are plugged in, and what they seem to be by what USB tells; nothing is opened."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from serial.tools import list_ports

from devices.causes import MODEM_MANAGER, holder, modem_manager_runs, permission

_CHIPS = {0x0403: "FTDI", 0x067B: "Prolific", 0x1A86: "WCH", 0x10C4: "Silicon Labs", 0x04D8: "Microchip"}
_RECEIVERS = {0x1546: "u-blox", 0x091E: "Garmin"}
_MOTOROLA, _HYTERA = 0x0CAD, 0x238B


@dataclass(frozen=True)
class PortInfo:
    """usb: VID:PID, "" for others; seems: what it probably is; protocol: to try first, "" where that is open;
    note: what stands in the way of opening it."""

    name: str
    description: str
    usb: str
    serial_number: str
    seems: str
    protocol: str
    note: str


def plugged_in() -> list[PortInfo]:
    """All ports, USB first; built-in ones that no hardware stands behind are left out."""
    manager = modem_manager_runs()
    found = [_info(port, manager) for port in list_ports.comports()]
    return sorted(found, key=lambda info: (not info.usb, info.name))


def _info(port: Any, manager: bool) -> PortInfo:
    seems, protocol = what_it_seems(port)
    note = ""
    if os.name == "posix" and not os.access(port.device, os.R_OK | os.W_OK):
        note = f"no permission; {permission(port.device)}"
    if not note:
        who = holder(port.device)
        note = f"in use by {who}" if who else ""
    if not note and manager and "ttyACM" in port.device:
        note = MODEM_MANAGER
    usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else ""
    description = "" if port.description in (None, "n/a") else port.description
    return PortInfo(port.device, description, usb, port.serial_number or "", seems, protocol, note)


def what_it_seems(port: Any) -> tuple[str, str]:
    """(words, protocol or "") by the texts and numbers of its USB descriptor."""
    text = " ".join(str(part) for part in (port.description, port.manufacturer, port.product, port.interface) if part)
    if re.search(r"tetra_pei", text, re.I):
        return "TETRA handset, data port", "tetra-pei"
    if port.vid == _MOTOROLA:
        return "Motorola radio", ""
    if port.vid == _HYTERA:
        return "Hytera radio", ""
    if port.vid in _RECEIVERS:
        return f"{_RECEIVERS[port.vid]} receiver", "nmea"
    if re.search(r"\b(gps|gnss|nmea)\b", text, re.I):
        return "GPS receiver", "nmea"
    if port.vid in _CHIPS:
        return f"cable or adapter ({_CHIPS[port.vid]})", ""
    if port.vid is not None:
        return "USB serial port", ""
    if "rfcomm" in port.device or "bluetooth" in text.lower():
        return "Bluetooth", ""
    return "built-in serial port", ""
