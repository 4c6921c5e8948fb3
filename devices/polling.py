"""What a handset is asked, one query at a time; nothing that could transmit is ever sent.

A poller belongs to the thread that reads the port: it is told what came and says what to write next.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from devices.errors import DevicesError
from devices.lines import Splitter
from devices.settings import Settings
from devices.streams import Chunk, Counts, Event

ANSWER_S = 2.0
SLOW_ANSWER_S = 8.0
WATCHDOG_S = 10.0
REFUSED = 3
SILENT = 5


@dataclass(frozen=True)
class Plan:
    """start: sent once, when the line is clear; identity: after it; round: again and again; seldom: every SELDOM_S;
    slow: queries that take long."""

    start: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    round: tuple[str, ...] = ()
    seldom: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()


SELDOM_S = 60.0
PLANS = {
    "tetra-pei": Plan(
        start=("ATZ", "ATE0", "AT+CSCS=8859-1"),
        identity=("AT+GMI?", "AT+GMM?", "AT+GMR?", "AT+GSN?", "AT+CNUMF?"),
        round=("AT+CREG?", "AT+CTOM?", "AT+GPSPOS?", "AT+CSQ?", "AT+GCLI?"),
        seldom=("AT+CBC?", "AT+CNUMF?"),
        slow=("AT+GCLI?",),
    ),
    "pdt": Plan(identity=("AT+PDTID?",), round=("AT+PDTSTAT?",), seldom=("AT+PDTID?",)),
    "dmr-at": Plan(
        start=("AT+DMOCONNECT",),
        identity=("AT+DMOGETSOFTVERSION", "AT+DMOGETWLKTLKID", "AT+DMOGETCURRCH"),
        round=("AT+DMORDRSSI",),
        seldom=("AT+DMOGETCURRCH",),
    ),
}
#: reading and setting up the interface; dialling (ATD), sending (+CTSDS, +CMGS, +CTOCP) and keying are not among them
_SAFE = re.compile(
    r"AT|AT[EV][01]|ATZ|ATI\d?|AT\+[A-Z]{2,12}=?\?|AT\+CSQ|AT\+(CCI|CNCI|CGPS)|AT\+GETINCALLID"
    r"|AT\+CSCS=[\w-]+|AT\+(CMEE|CREG)=\d|AT\+CTSP=\d,\d,\d{1,3}"
    r"|AT\+DMO(CONNECT|DISCONNECT|RDRSSI|GET[A-Z]+|VERQ|RLIC)"
)


def is_safe(command: str) -> bool:
    """Whether a command only reads, or sets up how the interface answers: it can't make the radio transmit."""
    return _SAFE.fullmatch(command.upper()) is not None


def check_queries(queries: Sequence[str]) -> None:
    """DevicesError for a query that might transmit or change the radio."""
    for query in queries:
        if not is_safe(query):
            text = f"query {query!r} might transmit or change the radio; allowed are queries such as AT+CSQ? or ATI"
            raise DevicesError(text)


class Poller:
    """When to send what. Times are seconds on a clock that never jumps."""

    def __init__(self, protocol: str, settings: Settings) -> None:
        plan = PLANS.get(protocol, Plan())
        check_queries((*settings.queries, *settings.setup))
        start = (*plan.start, *settings.setup)
        self.plan = Plan(start, plan.identity, settings.queries or plan.round, plan.seldom, plan.slow)
        self.period_s = settings.poll_s
        self.timeouts = 0
        self._splitter = Splitter(Counts())
        self._queue: list[str] = []
        self._open: tuple[str, float] | None = None
        self._next_round: float | None = None
        self._next_seldom = 0.0
        self._refused: Counter[str] = Counter()
        self._answers: set[str] = set()
        self._dropped: set[str] = set()
        self._clearing = 0
        self._silent_told = False

    @property
    def asks(self) -> bool:
        return bool(self.plan.round)

    def restart(self) -> None:
        """The link is new: begin with the greeting."""
        self._splitter = Splitter(Counts())
        self._queue = [*self.plan.start, *self.plan.identity] if self.plan.round else []
        self._open = None
        self._next_round = None
        self._clearing = 4 if self.plan.start else 0

    def received(self, chunk: Chunk) -> list[Event]:
        """Looks for the end of the open answer."""
        events = []
        for line in self._splitter.feed(chunk):
            text = line.text
            final = text in ("OK", "ERROR") or re.fullmatch(r"\+?CM[ES] ERROR:\s*\d+", text)
            if not final:
                continue
            self.timeouts = 0
            self._silent_told = False
            if self._open is None:
                continue
            query, _ = self._open
            self._open = None
            if self._clearing and query == "AT":
                # rubbish in the terminal's line buffer answers 35 until it is cleared
                self._clearing = 0 if text == "OK" else self._clearing - 1
                continue
            events += self._answered(query, text, chunk.utc_us)
        return events

    def due(self, now: float, utc_us: int | None = None) -> tuple[bytes | None, list[Event]]:
        """What to send now, or None."""
        if not self.asks:
            return None, []
        events = self._timed_out(now, utc_us)
        if self._open is not None:
            return None, events
        if self._clearing:
            self._open = "AT", now + ANSWER_S
            return b"\r\nAT\r", events
        if not self._queue:
            self._fill(now)
        if not self._queue:
            return None, events
        query = self._queue.pop(0)
        wait = SLOW_ANSWER_S if query in self.plan.slow else ANSWER_S
        self._open = query, now + wait
        return query.encode("ascii") + b"\r", events

    def _fill(self, now: float) -> None:
        if self._next_round is not None and now < self._next_round:
            return
        # a round that took longer than the period is followed by the next at once, not by several
        self._next_round = now + self.period_s
        self._queue = [query for query in self.plan.round if query not in self._dropped]
        if now >= self._next_seldom:
            if self._next_seldom:
                self._queue += [*self.plan.seldom, *sorted(self._dropped - set(self.plan.seldom))]
            self._next_seldom = now + SELDOM_S
        if self.timeouts >= SILENT:
            # a dead port is only tapped on
            self._queue = ["AT"]
            self._next_round = now + WATCHDOG_S

    def _timed_out(self, now: float, utc_us: int | None) -> list[Event]:
        if self._open is None or now < self._open[1]:
            return []
        self._open = None
        self.timeouts += 1
        self._clearing = max(0, self._clearing - 1)
        if self.timeouts < SILENT or self._silent_told:
            return []
        self._silent_told = True
        self._queue = []
        text = "no answer: is the handset on, is this its data port, is the baud rate right (--probe finds it)?"
        return [Event(utc_us, "silent", text)]

    def _answered(self, query: str, final: str, utc_us: int | None) -> list[Event]:
        """Asks seldom what the terminal seems not to know: refused again and again while others are answered.

        One that was ever answered stays, and a terminal that refuses all is locked for a while rather than dumb.
        """
        if final != "ERROR" and not re.search(r"ERROR:\s*4$", final):
            if query not in self._answers:
                self._answers.add(query)
                self._dropped.discard(query)
                self._refused.clear()
            return []
        self._refused[query] += 1
        others = self._answers & set(self.plan.round)
        if self._refused[query] < REFUSED or not others or query in self._answers | self._dropped:
            return []
        self._dropped.add(query)
        return [Event(utc_us, "not_supported", f"the handset refuses {query}; it is asked once a minute only")]
