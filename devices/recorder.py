"""Recording: bytes go to the journal first and are parsed from there, so that nothing a parser does can cost any.

One thread a port reads and asks; one writes the journal; one parses it. A reader never waits for another thread: what
the disk has not taken yet stays in a bounded inbox.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devices.clocks import ClockWatch, boot_ns, utc_us
from devices.journal import Entry, Happened, Reader, Setup, Writer
from devices.link import Link, open_link
from devices.protocols.merge import Item
from devices.reading import Inbox, Port, Reading
from devices.records import Record, Reject
from devices.session import Recognising, Session, to_json
from devices.streams import Event

SYNC_S = 1.0


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


class Recorder:
    """Records ports into a journal until `stop`. `on_item` is called with every record, reject and event, from
    threads of the recorder.

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
        self._failure: Exception | None = None
        self._stop, self._pause = threading.Event(), threading.Event()
        self._written = threading.Event()
        self._raw = all(port.raw for port in ports)
        links: list[Link] = []
        self._threads: list[Reading] = []
        try:
            for port in ports:
                link = open_link(port.name, port.settings)
                reading = Reading(port, link, self.inbox, self._stop, self._pause)
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
            self.inbox.put(Happened(Event(utc_us(), "journal_cut", text), boot_ns()))

    def _set_up(self, port: Port, link: Link, notes: list[str]) -> None:
        values = {"protocol": port.settings.protocol, "settings": to_json(port.settings), "gps": port.gps,
                  "raw": port.raw, "file": type(link).__name__ == "FileLink",
                  "folder": type(link).__name__ == "FolderLink"}  # fmt: skip
        self.inbox.put(Setup({key: value for key, value in values.items() if value}, port.name))
        event = Event(utc_us(), "link_open", f"recording {port.name}")
        self.inbox.put(Happened(event, boot_ns(), port.name))
        for note in notes:
            self.inbox.put(Happened(Event(utc_us(), "link_note", note), boot_ns(), port.name))

    def start(self) -> None:
        self._journaling = threading.Thread(target=self._write, name="journal", daemon=True)
        self._parsing = threading.Thread(target=self._parse, name="parse", daemon=True)
        for thread in (self._journaling, self._parsing, *self._threads):
            thread.start()

    @property
    def ended(self) -> bool:
        """Whether there is no more to come: every link is at its end, as files are, or the journal failed."""
        return not any(thread.is_alive() for thread in self._threads) or not self._journaling.is_alive()

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
        if self._failure is not None:
            raise self._failure

    def _write(self) -> None:
        try:
            self._keep_journal()
        except Exception as error:
            self._failure = error

    def _keep_journal(self) -> None:
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
            self._tell(Event(utc_us(), "disk_back", text))
            self.trouble = ""
            self._pause.clear()
        elif self._writer.trouble and not self.trouble:
            self.trouble = (
                f"{self.journal} can't be written ({self._writer.trouble}): the newest 1 MiB is kept in memory and "
                "tried again each second; make room on the disk"
            )
            # what is not asked for need not be kept
            self._pause.set()
            self.on_item(Event(utc_us(), "disk_full", self.trouble))

    def _tell(self, event: Event) -> None:
        self._writer.append(Happened(event, boot_ns()))

    def _parse(self) -> None:
        with open(self.journal, "rb") as file:
            file.seek(self._start_offset)
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
            self.rejects["parser_fault"] = self.rejects.get("parser_fault", 0) + 1
            text = f"{source}: {type(error).__name__}: {error}; the bytes are kept"
            items = [Event(utc_us(), "parser_fault", text)]
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

    def _view(self, thread: Reading) -> PortView:
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


