"""Many ports at once: each stream to the parser of its protocol, positions of one port to levels of the others."""

from __future__ import annotations

import dataclasses
from collections import deque
from datetime import date
from typing import Any

from devices.journal import Entry, Happened, Sent, Setup
from devices.polling import PLANS
from devices.protocols import PROTOCOLS, make_parser, recognise
from devices.protocols.base import LineParser, Live, Watch, at_s
from devices.protocols.hytera import Hytera
from devices.protocols.merge import Fix, Item
from devices.protocols.values import add_flag
from devices.records import Record
from devices.settings import Settings
from devices.simulated import SIMULATED_MAKER, SYNTHETIC
from devices.streams import Chunk, Counts, Event

HELD_BYTES = 16384
#: NMEA may be the positions beside another protocol: wait for its lines so long
NMEA_ALONE_S = 3.0
NMEA_ALONE_BYTES = 4096
Parser = LineParser | Hytera


class Recognising:
    """A stream whose protocol is not known yet: holds its first bytes, then passes them to the right parser."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.live = Live()
        self.watch = Watch(settings, self.counts)
        self.found = ""
        self._held: deque[Chunk | Sent] = deque()
        self._size = 0

    def feed(self, chunk: Chunk) -> list[Event]:
        self._held.append(chunk)
        self._size += len(chunk.data)
        while self._size > HELD_BYTES and len(self._held) > 1:
            lost = self._held.popleft()
            self._size -= len(lost.data)
            self.counts.add("unrecognised_bytes", len(lost.data))
        self._look(chunk, final=False)
        return [] if self.found else self.watch.feed(chunk, False)

    def sent(self, sent: Sent) -> list[Event]:
        self._held.append(sent)
        self._size += len(sent.data)
        return []

    def interrupted(self) -> list[Event]:
        return []

    def finish(self) -> list[Event]:
        self._look(None, final=True)
        if self.found:
            return []
        if self._size:
            self.counts.add("unrecognised_bytes", self._size)
        return self.watch.finish()

    def handed_over(self) -> list[Chunk | Sent]:
        held, self._held = list(self._held), deque()
        return held

    def _look(self, chunk: Chunk | None, final: bool) -> None:
        received = [one for one in self._held if isinstance(one, Chunk)]
        name = recognise(b"".join(one.data for one in received))
        if name == "nmea" and not final:
            first, last = at_s(received[0]), at_s(chunk)
            waited = first is not None and last is not None and last - first >= NMEA_ALONE_S
            if not waited and self._size < NMEA_ALONE_BYTES:
                return
        if name in PROTOCOLS:
            self.found = name


class Session:
    """Entries of a journal, live or from a file, in; records, rejects and events out.

    protocol, settings: what the user says now; they go before what the journal has noted at the time. Only
    `device_id` doesn't: it is for handsets that neither tell their own nor had one noted.
    """

    def __init__(self, protocol: str | None = None, settings: Settings | None = None) -> None:
        self.protocol = protocol
        self.settings = settings or Settings()
        self.parsers: dict[str, Parser | Recognising] = {}
        self.positions: set[str] = set()
        self._noted: dict[str, dict[str, Any]] = {}
        self._now: list[Fix] = []
        self._past = Counts()

    def feed(self, entry: Entry) -> list[Item]:
        if isinstance(entry, Setup):
            return self._set_up(entry)
        if isinstance(entry, Happened):
            parser = self.parsers.get(entry.source)
            lost = parser is not None and entry.event.kind in ("link_lost", "bytes_lost")
            items = self._named(parser.interrupted(), entry.source) if lost else []
            source = "" if entry.source in entry.event.text else entry.source
            return [*items, *(self._named([entry.event], source) if source else [entry.event])]
        source = entry.source
        if source not in self.parsers:
            # a file of a folder is read as the folder is to be
            noted = next((v for name, v in self._noted.items() if source.startswith((name + "/", name + "\\"))), {})
            self.parsers[source] = self._parser(noted, midway=entry.mono_ns is not None)
            self._connect(source)
        parser = self.parsers[source]
        items = parser.feed(entry) if isinstance(entry, Chunk) else parser.sent(entry)
        if isinstance(parser, Recognising) and parser.found:
            items = [*items, *self._replace(source, parser)]
        return self._named(items, source) + self._pass_on()

    def finish(self) -> list[Item]:
        """What is still open, sources of positions first: the levels wait for them."""
        items: list[Item] = []
        for source in sorted(self.parsers, key=lambda name: name not in self.positions):
            items += self._end(source)
        return items

    def counts(self) -> dict[str, int]:
        """What was met and made no record, over all ports."""
        total = Counts(dict(self._past.by_reason))
        for parser in self.parsers.values():
            _add(total, parser.counts)
        return total.by_reason

    def _end(self, source: str) -> list[Item]:
        """What the parser of a port still holds."""
        parser = self.parsers[source]
        items: list[Item] = []
        if isinstance(parser, Recognising):
            items += parser.finish()
            if not parser.found:
                return items
            items += self._named(self._replace(source, parser), source)
            parser = self.parsers[source]
        return items + self._named(parser.finish(), source) + self._pass_on()

    def _set_up(self, setup: Setup) -> list[Item]:
        items: list[Item] = []
        if setup.source in self.parsers:
            # the port was opened again, by a recording that went on in the same file
            items = self._end(setup.source)
            _add(self._past, self.parsers[setup.source].counts)
        if setup.values.get("gps"):
            self.positions.add(setup.source)
        self._noted[setup.source] = setup.values
        if setup.values.get("folder"):
            return items
        self.parsers[setup.source] = self._parser(setup.values, midway=not setup.values.get("file"))
        for source in self.parsers:
            self._connect(source)
        return items

    def _parser(self, noted: dict[str, Any], midway: bool) -> Parser | Recognising:
        at_the_time = _from_json(noted.get("settings") or {})
        settings = dataclasses.replace(merged(at_the_time, self.settings), device_id=at_the_time.device_id)
        name = self.protocol or settings.protocol or noted.get("protocol") or ""
        return self._made(name, settings, midway) if name else Recognising(settings)

    def _made(self, name: str, settings: Settings, midway: bool) -> Parser:
        parser = make_parser(name, settings, midway=midway)
        parser.assembler.fallback_id = self.settings.device_id
        if not parser.tells_identity and not settings.device_id:
            parser.assembler.device_id = self.settings.device_id
        return parser

    def _replace(self, source: str, old: Recognising) -> list[Item]:
        held = old.handed_over()
        live = any(one.mono_ns is not None for one in held)
        parser = self.parsers[source] = self._made(old.found, old.settings, live)
        self._connect(source)
        items: list[Item] = []
        if live:
            ask = f"; --protocol {old.found} would ask it for levels" if old.found in PLANS else ""
            items.append(Event(held[0].utc_us, "recognised", f"it speaks {old.found}{ask}"))
        for one in held:
            items += parser.feed(one) if isinstance(one, Chunk) else parser.sent(one)
        _add(parser.counts, old.counts)
        return items

    def _connect(self, source: str) -> None:
        parser = self.parsers[source]
        if isinstance(parser, Recognising):
            return
        if source in self.positions:
            parser.on_fix = self._now.append
        else:
            parser.assembler.external = bool(self.positions)

    def _pass_on(self) -> list[Item]:
        items: list[Item] = []
        fixes, self._now[:] = list(self._now), []
        for fix in fixes:
            for source, parser in self.parsers.items():
                if source not in self.positions and not isinstance(parser, Recognising):
                    items += self._named(parser.assembler.fix(fix, external=True), source)
        return items

    def _made_up(self, source: str) -> bool:
        parser = self.parsers.get(source)
        told = isinstance(parser, Parser) and parser.live.maker == SIMULATED_MAKER
        return told or bool(self._noted.get(source, {}).get(SYNTHETIC))

    def _named(self, items: list[Item], source: str) -> list[Item]:
        """Items that say which port they are from, and whether a simulated handset made them."""
        made_up = self._made_up(source)
        for i, item in enumerate(items):
            if isinstance(item, Record):
                if made_up:
                    add_flag(item, SYNTHETIC)
                item.raw_ref = f"{source}:{item.row_no}" if source else str(item.row_no)
            elif isinstance(item, Event) and len(self.parsers) > 1:
                items[i] = dataclasses.replace(item, text=f"{source}: {item.text}")
        return items


def _add(total: Counts, more: Counts) -> None:
    for reason, n in more.by_reason.items():
        total.add(reason, n)


def merged(noted: Settings, said: Settings) -> Settings:
    """The settings noted, with what is said now (anything but the default) in their place."""
    given = {
        field.name: value
        for field in dataclasses.fields(Settings)
        if (value := getattr(said, field.name)) != field.default
    }
    return dataclasses.replace(noted, **given)


def to_json(settings: Settings) -> dict[str, Any]:
    """What differs from the defaults, for the journal."""
    values = {
        field.name: value
        for field in dataclasses.fields(Settings)
        if (value := getattr(settings, field.name)) != field.default
    }
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in values.items()}


def _from_json(values: dict[str, Any]) -> Settings:
    known = {field.name for field in dataclasses.fields(Settings)}
    fitting = {key: value for key, value in values.items() if key in known}
    if "date" in fitting:
        fitting["date"] = date.fromisoformat(fitting["date"])
    for name in ("queries", "setup"):
        if name in fitting:
            fitting[name] = tuple(fitting[name])
    return Settings(**fitting)

