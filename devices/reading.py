"""Reading one port: a thread that reads and asks through every loss of the link, and the inbox it fills."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from devices.clocks import boot_ns, utc_us
from devices.journal import Entry, Happened, Sent
from devices.link import Link, LinkError
from devices.polling import Poller
from devices.settings import Settings
from devices.streams import Chunk, Event

INBOX_BYTES = 1 << 20
SEARCH_S = 0.5
QUIET_S = 30.0
RATE_S = 5.0


@dataclass(frozen=True)
class Port:
    """A port to record. gps: it gives the positions for the others. raw: listen only, send nothing, parse nothing."""

    name: str
    settings: Settings = field(default_factory=Settings)
    gps: bool = False
    raw: bool = False


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
                event = Event(entry.utc_us, "bytes_lost", text)
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


class Reading(threading.Thread):
    """Reads one port until `stop` is set, through every loss of the link; while `pause` is, nothing is asked."""

    def __init__(self, port: Port, link: Link, inbox: Inbox, stop: threading.Event, pause: threading.Event) -> None:
        super().__init__(name=f"read {port.name}", daemon=True)
        self.port = port
        self.link = link
        self.inbox = inbox
        self.stop, self.pause = stop, pause
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
            except Exception as error:
                # a driver may raise anything; what it raised is told and the port opened again
                self.link.close()
                self.state = "lost"
                known = isinstance(error, LinkError)
                self.tell("link_lost", str(error) if known else f"{self.port.name}: {error!r}")
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
        query, events = (None, []) if self.pause.is_set() else self.poller.due(now_ns / 1e9, utc_us())
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
                    self.tell("link_waits", said)
                continue
            self.state = "open"
            where = "" if self.link.where == self.port.name else f" as {self.link.where}"
            self.tell("link_back", f"{self.port.name} is back{where}")
            for note in notes:
                self.tell("link_note", note)
            self.poller.restart()
            return True
        return False

    def rate(self) -> float:
        """Bytes per second over the last seconds."""
        since = boot_ns() - int(RATE_S * 1e9)
        return sum(size for then, size in list(self._rates) if then >= since) / RATE_S
