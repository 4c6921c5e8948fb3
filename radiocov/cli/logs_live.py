"""What is shown while a recording runs: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from typing import Any

import click

from devices.clocks import when
from devices.recorder import PortView, Recorder
from devices.streams import Event

LINE_EVERY_S = 10.0
EVENTS_SHOWN = 8


class _Stop(Exception):
    """The user or the system asks for the end."""


def watch(recorder: Recorder, items: list[Any], seconds: float | None, quiet: bool) -> None:
    """Shows a recording until it is interrupted, its links end or the time is over; then stops it in order."""

    def stop(*_: Any) -> None:
        raise _Stop

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    end = None if seconds is None else time.monotonic() + seconds
    try:
        shown = _Table(recorder) if sys.stderr.isatty() and not quiet else _Lines(recorder, quiet)
        with shown:
            try:
                while not recorder.ended and (end is None or time.monotonic() < end):
                    time.sleep(0.2)
                    shown.take(items)
            except _Stop:
                pass
            # from here on a second Ctrl-C must not cut off the writing of what has come
            for number in before:
                signal.signal(number, signal.SIG_IGN)
            recorder.stop()
            shown.take(items)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _drain(items: list[Any]) -> list[Any]:
    taken = items[:]
    del items[: len(taken)]
    return taken


class _Lines:
    """Events as they come, and a line a port now and then."""

    def __init__(self, recorder: Recorder, quiet: bool) -> None:
        self.recorder = recorder
        self.quiet = quiet
        self._said = time.monotonic()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def take(self, items: list[Any]) -> None:
        for item in _drain(items):
            if isinstance(item, Event) and not self.quiet:
                click.echo(f"{when(item.utc_us)} {item.kind}: {item.text}".strip(), err=True)
        now = time.monotonic()
        if not self.quiet and now - self._said >= LINE_EVERY_S:
            self._said = now
            for view in self.recorder.view():
                cells = [f"{name} {text}" for name, text in zip(COLUMNS, cells_of(view), strict=True) if text]
                click.echo("; ".join(cells), err=True)


COLUMNS = ("port", "speaks", "handset", "level", "cell", "service", "position", "fix", "bytes/s", "records",
           "rejected", "note")  # fmt: skip
#: on a narrow screen, in this order
LEFT_OUT = ("speaks", "bytes/s", "position", "service", "cell")


def cells_of(view: PortView) -> list[str]:
    """A port in words, in the order of COLUMNS."""
    mark = {"below": "<= ", "above": ">= "}.get(view.rssi_censor, "")
    level = "" if view.rssi_dbm is None else f"{mark}{view.rssi_dbm:.0f} dBm"
    if level and view.level_age_s is not None and view.level_age_s > 10:
        level += f" ({view.level_age_s:.0f} s ago)"
    position = "" if view.lat is None else f"{view.lat:.5f} {view.lon:.5f}"
    fix = "" if view.fix_age_s is None else f"{max(0.0, view.fix_age_s):.0f} s ago"
    state = "" if view.state == "open" else view.state
    battery = "" if view.battery_percent is None else f"battery {view.battery_percent:.0f} %"
    note = ", ".join(part for part in (state, view.trouble, battery) if part)
    service = view.service_state.replace("_", " ") if view.service_state != "unknown" else ""
    numbers = f"{view.bytes_per_s:.0f}", str(view.records), str(view.rejects)
    return [view.name, view.protocol, view.device, level, view.cell, service, position, fix, *numbers, note]


class _Table:
    """The ports with what they say now, and the last events below."""

    def __init__(self, recorder: Recorder) -> None:
        from rich.console import Console
        from rich.live import Live

        self.recorder = recorder
        self._events: deque[str] = deque(maxlen=EVENTS_SHOWN)
        self._live = Live(console=Console(stderr=True), auto_refresh=False)

    def __enter__(self) -> _Table:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._live.__exit__(*exc)

    def take(self, items: list[Any]) -> None:
        for item in _drain(items):
            if isinstance(item, Event):
                self._events.append(f"{when(item.utc_us)} {item.kind}: {item.text}".strip())
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        rows = [cells_of(view) for view in self.recorder.view()]
        used = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
        widths = [max(len(cell) for cell in column) + 3 for column in zip(COLUMNS, *rows, strict=True)]
        for name in LEFT_OUT:
            if sum(widths[i] for i in used) > self._live.console.width and COLUMNS.index(name) in used:
                used.remove(COLUMNS.index(name))
        for i in used:
            table.add_column(COLUMNS[i], overflow="fold")
        for row in rows:
            table.add_row(*(Text(row[i]) for i in used))
        size = f"{self.recorder.journal}: {self.recorder.synced_bytes} bytes safe on the disk; Ctrl-C ends it"
        return Group(table, *(Text(event) for event in self._events), Text(size, style="dim"))
