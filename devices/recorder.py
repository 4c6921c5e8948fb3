"""Recording: bytes go to the journal first and are parsed from there, so that nothing a parser does can cost any.

One thread a port reads and asks; one writes the journal; one parses it. A reader never waits for another thread: what
the disk has not taken yet stays in a bounded inbox.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devices.clocks import ClockWatch, boot_ns, utc_us, when
from devices.journal import Entry, Happened, Reader, Sent, Setup, Writer
from devices.link import Link, LinkError, open_link
from devices.polling import Poller
from devices.protocols.merge import Item
from devices.records import Record, Reject
from devices.session import Recognising, Session, to_json
from devices.settings import Settings
from devices.streams import Chunk, Event

INBOX_BYTES = 1 << 20
SEARCH_S = 0.5
QUIET_S = 30.0
SYNC_S = 1.0
RATE_S = 5.0


@dataclass(frozen=True)
class Port:
    """A port to record. gps: it gives the positions for the others. raw: listen only, send nothing, parse nothing."""

    name: str
    settings: Settings = field(default_factory=Settings)
    gps: bool = False
    raw: bool = False


@dataclass
class PortView:
    """What is known of a port now. Ages are in seconds, None where there is nothing yet."""

    name: str
    protocol: str
    state: str
    received_bytes: int
    bytes_per_s: float
    records: int
    rejects: int
    device: str
    rssi_dbm: float | None
    rssi_censor: str
    level_age_s: float | None
    cell: str
    service_state: str
    lat: float | None
    lon: float | None
    fix_age_s: float | None
    battery_percent: float | None
    trouble: str


class Inbox:
    """Entries on their way to the journal. `put` never waits: a port's bytes over INBOX_BYTES are counted as lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._sizes: dict[str, int] = {}
        self._lost: dict[str, int] = {}
        self.filled = threading.Event()

    def put(self, entry: Entry) -> None:
        size = len(entry.data) if isinstance(entry, Chunk) else 0
        with self._lock:
            waiting = self._sizes.get(entry.source, 0)
            if size and waiting + size > INBOX_BYTES:
                self._lost[entry.source] = self._lost.get(entry.source, 0) + size
                return
            lost = self._lost.pop(entry.source, 0) if size else 0
            if lost:
                text = f"{lost} bytes were lost: the disk was too slow for too long"
                event = Event(entry.utc_us, "bytes-lost", text)
                self._entries.append(Happened(event, entry.mono_ns, entry.source))
            self._entries.append(entry)
            self._sizes[entry.source] = waiting + size
        self.filled.set()

    def take(self) -> list[Entry]:
        with self._lock:
            self.filled.clear()
            entries, self._entries = list(self._entries), deque()
            self._sizes.clear()
        return entries


class _Reading(threading.Thread):
    """Reads one port until told to stop, through every loss of the link."""

    def __init__(self, port: Port, link: Link, inbox: Inbox, stop: threading.Event) -> None:
        super().__init__(name=f"read {port.name}", daemon=True)
        self.port = port
        self.link = link
        self.inbox = inbox
        self.stop = stop
        self.poller = Poller("" if port.raw or port.gps else port.settings.protocol, port.settings)
        self.state = "open"
        self.received_bytes = 0
        self.heard_ns: int | None = None
        self._rates: deque[tuple[int, int]] = deque(maxlen=256)
        self._quiet_told = False

    def tell(self, kind: str, text: str) -> None:
        self.inbox.put(Happened(Event(utc_us(), kind, text), boot_ns(), self.port.name))

    def run(self) -> None:
        self.poller.restart()
        opened_ns = boot_ns()
        while not self.stop.is_set():
            try:
                self._read(opened_ns)
                if self.link.ends:
                    self.state = "ended"
                    break
            except LinkError as error:
                self.link.close()
                self.state = "lost"
                self.tell("link-lost", str(error))
                if not self._open_again():
                    break
                opened_ns = boot_ns()
        self.link.close()

    def _read(self, opened_ns: int) -> None:
        for chunk in self.link.read():
            self.inbox.put(chunk)
            self.received_bytes += len(chunk.data)
            self.heard_ns = boot_ns()
            self._quiet_told = False
            self._rates.append((self.heard_ns, len(chunk.data)))
            self._tell(self.poller.received(chunk))
        now_ns = boot_ns()
        query, events = self.poller.due(now_ns / 1e9, utc_us())
        self._tell(events)
        if query is not None:
            # noted before it is written: the answer must not stand before the question
            self.inbox.put(Sent(query, utc_us(), now_ns, self.port.name))
            self.link.write(query)
        silent_s = (now_ns - max(self.heard_ns or 0, opened_ns)) / 1e9
        if silent_s > QUIET_S and not self._quiet_told:
            self._quiet_told = True
            self.tell("quiet", f"nothing has come for {silent_s:.0f} s")

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self.tell(event.kind, event.text)

    def _open_again(self) -> bool:
        """Waits for the link to come back; False when told to stop first."""
        said = ""
        while not self.stop.wait(SEARCH_S):
            if not self.link.find_again():
                continue
            try:
                notes = self.link.open()
            except LinkError as error:
                if str(error) != said and "is not there" not in str(error):
                    said = str(error)
                    self.tell("link-waits", said)
                continue
            self.state = "open"
            where = "" if self.link.where == self.port.name else f" as {self.link.where}"
            self.tell("link-back", f"{self.port.name} is back{where}")
            for note in notes:
                self.tell("link-note", note)
            self.poller.restart()
            return True
        return False

    def rate(self) -> float:
        """Bytes per second over the last seconds."""
        since = boot_ns() - int(RATE_S * 1e9)
        return sum(size for then, size in list(self._rates) if then >= since) / RATE_S


class Recorder:
    """Records ports into a journal until `stop`. `on_item` is called from the parsing thread with (port, item).

    Opening is done here, so that a port that can't be opened is told before anything is recorded (LinkError).
    """

    def __init__(self, ports: Sequence[Port], journal: Path,
                 on_item: Callable[[Item], None] = lambda item: None) -> None:  # fmt: skip
        self.journal = journal
        self.on_item = on_item
        self.inbox = Inbox()
        self.session = Session()
        self.records = 0
        self.rejects: dict[str, int] = {}
        self.by_source: dict[str, list[int]] = {}
        self.trouble = ""
        self.synced_bytes = 0
        self._stop = threading.Event()
        self._written = threading.Event()
        self._raw = all(port.raw for port in ports)
        links: list[Link] = []
        self._threads: list[_Reading] = []
        try:
            for port in ports:
                link = open_link(port.name, port.settings)
                reading = _Reading(port, link, self.inbox, self._stop)
                notes = link.open()
                links.append(link)
                self._threads.append(reading)
                self._set_up(port, link, notes)
            self._writer = Writer(journal)
        except BaseException:
            for link in links:
                link.close()
            raise
        self._start_offset = self._writer.size
        if self._writer.cut_bytes:
            text = f"the {self._writer.cut_bytes} bytes a crash had left half written were cut off"
            self.inbox.put(Happened(Event(utc_us(), "journal-cut", text), boot_ns()))

    def _set_up(self, port: Port, link: Link, notes: list[str]) -> None:
        values = {"protocol": port.settings.protocol, "settings": to_json(port.settings), "gps": port.gps,
                  "raw": port.raw, "file": type(link).__name__ == "FileLink",
                  "folder": type(link).__name__ == "FolderLink"}  # fmt: skip
        self.inbox.put(Setup({key: value for key, value in values.items() if value}, port.name))
        text = f"recording {port.name} since {when(utc_us())}"
        self.inbox.put(Happened(Event(utc_us(), "link-open", text), boot_ns(), port.name))
        for note in notes:
            self.inbox.put(Happened(Event(utc_us(), "link-note", note), boot_ns(), port.name))

    def start(self) -> None:
        self._journaling = threading.Thread(target=self._write, name="journal", daemon=True)
        self._parsing = threading.Thread(target=self._parse, name="parse", daemon=True)
        for thread in (self._journaling, self._parsing, *self._threads):
            thread.start()

    @property
    def ended(self) -> bool:
        """Whether every link has come to its end, as files do."""
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Ends the recording: what has come is written, synced and parsed. OSError where the disk refuses it."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
        self.inbox.filled.set()
        self._journaling.join()
        self._written.set()
        self._parsing.join()
        self._writer.close()

    def _write(self) -> None:
        watch = ClockWatch()
        looked = 0.0
        while True:
            last = self._stop.is_set() and not any(thread.is_alive() for thread in self._threads)
            self.inbox.filled.wait(0.2)
            for entry in self.inbox.take():
                self._writer.append(entry)
            self._written.set()
            now = time.monotonic()
            if now - looked >= SYNC_S or self._writer.due or last:
                looked = now
                self._writer.sync()
                self.synced_bytes = self._writer.size
                for event in watch.look(utc_us(), boot_ns(), time.monotonic_ns()):
                    self._writer.append(Happened(event, boot_ns()))
                self._look_after_disk()
            if last:
                return

    def _look_after_disk(self) -> None:
        if self._writer.trouble and self._writer.retry():
            lost = self._writer.lost_bytes
            self._writer.lost_bytes = 0
            text = f"the journal is written again; {lost} bytes were lost" if lost else "the journal is written again"
            self._tell(Event(utc_us(), "disk-back", text))
            self.trouble = ""
        elif self._writer.trouble and not self.trouble:
            self.trouble = (
                f"{self.journal} can't be written ({self._writer.trouble}): the newest 1 MiB is kept in memory and "
                "tried again each second; make room on the disk"
            )
            self.on_item(Event(utc_us(), "disk-full", self.trouble))

    def _tell(self, event: Event) -> None:
        self._writer.append(Happened(event, boot_ns()))

    def _parse(self) -> None:
        with open(self.journal, "rb") as file:
            reader = Reader(file, self._start_offset)
            while True:
                # asked before reading: what is written afterwards is found in the next round
                last = not self._journaling.is_alive()
                self._written.clear()
                while (entry := reader.next()) is not None:
                    self._take(entry)
                if last:
                    break
                self._written.wait(0.5)
        self._deliver(self.session.finish, "")

    def _take(self, entry: Entry) -> None:
        if self._raw and not isinstance(entry, Happened):
            return
        self._deliver(lambda: self.session.feed(entry), entry.source)

    def _deliver(self, work: Callable[[], list[Item]], source: str) -> None:
        try:
            items = work()
        except Exception as error:
            # a fault of ours must not end the recording: the bytes are safe, a better parser can read them again
            self.rejects["parser-fault"] = self.rejects.get("parser-fault", 0) + 1
            text = f"{source}: {type(error).__name__}: {error}; the bytes are kept"
            items = [Event(utc_us(), "parser-fault", text)]
        for item in items:
            if isinstance(item, Record):
                self.records += 1
                # a position of one port releases levels of others
                self.by_source.setdefault(item.raw_ref.rpartition(":")[0], [0, 0])[0] += 1
            elif isinstance(item, Reject):
                self.rejects[item.code] = self.rejects.get(item.code, 0) + 1
                self.by_source.setdefault(source, [0, 0])[1] += 1
            self.on_item(item)

    def view(self) -> list[PortView]:
        """The ports as they are now."""
        return [self._view(thread) for thread in self._threads]

    def _view(self, thread: _Reading) -> PortView:
        name = thread.port.name
        now_ns = boot_ns()
        now_s = now_ns / 1e9
        parser = self.session.parsers.get(name)
        known = parser is not None and not isinstance(parser, Recognising)
        live = parser.live if parser is not None else None
        fix = parser.assembler.last_fix if known else None
        records, rejects = self.by_source.get(name, (0, 0))
        return PortView(
            name=name,
            protocol=parser.name if known else ("raw" if thread.port.raw else ""),
            state=thread.state,
            received_bytes=thread.received_bytes,
            bytes_per_s=thread.rate(),
            records=records,
            rejects=rejects,
            device=parser.assembler.device_id if known else "",
            rssi_dbm=live.rssi_dbm if live else None,
            rssi_censor=live.rssi_censor if live else "none",
            level_age_s=None if live is None or live.level_at_s is None else now_s - live.level_at_s,
            cell=live.cell if live else "",
            service_state=live.service_state if live else "unknown",
            lat=fix.lat if fix else None,
            lon=fix.lon if fix else None,
            fix_age_s=now_s - fix.at_s if fix and fix.lat is not None else None,
            battery_percent=live.battery_percent if live else None,
            trouble=self.trouble or (live.trouble if live else ""),
        )


