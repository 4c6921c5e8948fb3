"""Why a link does not work, in words that say what to do."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MODEM_MANAGER = (
    "ModemManager is running and talks to new ports for some 10 s; keep it away with a udev rule "
    'ENV{ID_MM_DEVICE_IGNORE}="1", or stop it (sudo systemctl stop ModemManager)'
)
_GONE = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF, errno.ENOENT)
# "file not found", "device is not functioning", "device not connected" and kin
_GONE_WINDOWS = (2, 22, 31, 433, 1167)


def cause_of(error: Exception, name: str) -> str:
    """What an error on a port means. name: as the user gave it."""
    code = _code(error)
    text = str(error)
    if code == errno.EACCES or "Permission denied" in text:
        return f"no permission for {name}; {permission(name)}"
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text or "PermissionError(13" in text:
        who = holder(name)
        return f"another program has {name} open{f' ({who})' if who else ''}; close it there"
    if "returned no data" in text and os.path.exists(name):
        who = holder(name)
        other = f" ({who})" if who else ""
        return f"{name} was unplugged, or another program reads it too{other}"
    if code == errno.ENOENT or "FileNotFoundError" in text or "could not find" in text.lower():
        return f"{name} is not there; `radiocov logs ports` lists what is plugged in"
    if code in _GONE or getattr(error, "winerror", None) in _GONE_WINDOWS or "returned no data" in text:
        return f"{name} was unplugged"
    if code in (errno.ECONNREFUSED,) or "refused" in text:
        return f"nothing answers at {name}: the address or port number is wrong, or the server is not running"
    if code in (errno.ECONNRESET, errno.EPIPE) or "disconnected" in text:
        return f"the other end of {name} has closed the connection"
    if isinstance(error, TimeoutError) or code == errno.ETIMEDOUT:
        return f"{name} does not answer in time"
    return f"{name}: {text or type(error).__name__}"


def _code(error: Exception) -> int | None:
    number = getattr(error, "errno", None)
    if number is None and error.__context__ is not None:
        # pyserial wraps some errors without their number
        number = getattr(error.__context__, "errno", None)
    return number


def permission(name: str) -> str:
    """How to get at a port that the system keeps from the user."""
    if os.name == "nt":
        return "another program may have it open"
    import getpass
    import grp

    try:
        group = grp.getgrgid(os.stat(name).st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    return f"add yourself to the group {group} (sudo usermod -aG {group} {getpass.getuser()}) and log in again"


def holder(name: str) -> str:
    """The program that has a port open, as far as the system tells (Linux): "minicom, process 812"."""
    try:
        target = os.stat(name)
    except OSError:
        return ""
    if not stat.S_ISCHR(target.st_mode):
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            with os.scandir(process / "fd") as handles:
                paths = [handle.path for handle in handles]
            for path in paths:
                if os.readlink(path).startswith("/dev/") and os.stat(path).st_rdev == target.st_rdev:
                    return f"{(process / 'comm').read_text().strip()}, process {process.name}"
        except OSError:
            # gone by now, or another user's
            continue
    return ""


def modem_manager_runs() -> bool:
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "ModemManager":
                return True
        except OSError:
            continue
    return False
