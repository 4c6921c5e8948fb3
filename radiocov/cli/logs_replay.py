"""What `radiocov logs replay` prints."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import sys
from collections import Counter
from typing import Any

import click

from devices.clocks import when
from devices.protocols import read_into
from devices.records import NAMES, Record, Reject
from devices.session import Session
from radiocov.cli.common import print_table, progress

REJECTS_SHOWN = 20
EVENTS_SHOWN = 40


def show(path: str, session: Session, form: str, quiet: bool) -> None:
    """Prints all of a journal: as "csv", "json" lines or a "table" of what is in it."""
    handsets: dict[str, _Handset] = {}
    rejected: Counter[str] = Counter()
    rejects, events = [], []
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        writer.writerow(NAMES)
    size = max(1, os.path.getsize(path))
    with open(path, "rb") as file, progress(quiet) as say:
        for number, item in enumerate(read_into(session, file)):
            if number % 2000 == 0 and size > 1 << 22:
                say("reading, MiB", file.tell() >> 20, size >> 20)
            if isinstance(item, Record):
                handsets.setdefault(item.device_id, _Handset()).add(item)
                if form == "csv":
                    writer.writerow(["" if v is None else v for v in (getattr(item, name) for name in NAMES)])
            elif isinstance(item, Reject):
                rejected[item.code] += 1
                rejects += [item] if len(rejects) < REJECTS_SHOWN else []
            else:
                events += [item] if len(events) < EVENTS_SHOWN else []
            if form == "json":
                _print_line(type(item).__name__.lower(), dataclasses.asdict(item))
    records = sum(one.records for one in handsets.values())
    counts = session.counts()
    if form == "json":
        _print_line("total", {"records": records, "rejected": dict(rejected), "counts": counts})
        return
    if form == "table":
        rows = [one.row(name) for name, one in sorted(handsets.items())]
        columns = ["handset", "records", "with level", "with position", "no service", "lowest", "highest", "first",
                   "last"]  # fmt: skip
        if rows:
            print_table("", columns, rows, {1, 2, 3, 4, 5, 6})
        for event in events:
            click.echo(f"{when(event.utc_us) or '-':20}  {event.kind}: {event.text}", err=True)
    click.echo(f"{records} records, {sum(rejected.values())} rejected", err=True)
    for reject in rejects:
        click.echo(f"  line {reject.row_no}, {reject.column}: {reject.reason}", err=True)
    if sum(rejected.values()) > len(rejects):
        by_code = ", ".join(f"{code} {number}" for code, number in sorted(rejected.items()))
        click.echo(f"  ... in all: {by_code}", err=True)
    if counts:
        click.echo("counted: " + ", ".join(f"{name} {number}" for name, number in sorted(counts.items())), err=True)


def _print_line(kind: str, values: dict[str, Any]) -> None:
    click.echo(json.dumps({"kind": kind, **values} if kind != "event" else {"kind": kind, "event": values},
                          ensure_ascii=False))  # fmt: skip


class _Handset:
    """What there is of one handset, in constant memory."""

    def __init__(self) -> None:
        self.records = self.levels = self.positions = self.no_service = 0
        self.low = self.high = None
        self.first = self.last = None

    def add(self, record: Record) -> None:
        self.records += 1
        self.positions += record.lat is not None
        self.no_service += record.service_state == "no_service"
        if record.rssi_dbm is not None and record.service_state != "no_service":
            self.levels += 1
            self.low = record.rssi_dbm if self.low is None else min(self.low, record.rssi_dbm)
            self.high = record.rssi_dbm if self.high is None else max(self.high, record.rssi_dbm)
        us = record.time_utc_us
        self.first = us if self.first is None else min(self.first, us)
        self.last = us if self.last is None else max(self.last, us)

    def row(self, name: str) -> list[str]:
        numbers = [str(n) for n in (self.records, self.levels, self.positions, self.no_service)]
        levels = ["" if level is None else f"{level:.0f} dBm" for level in (self.low, self.high)]
        return [name, *numbers, *levels, when(self.first), when(self.last)]
