"""What is sent to a handset: one query at a time, never anything that could transmit."""

import re

import pytest

from devices.errors import DevicesError
from devices.link import LinkError
from devices.polling import PLANS, Poller, check_queries, is_safe
from devices.probe import probe
from devices.settings import Settings
from devices.simulator import parse_fault

UNSAFE = ["ATD1234567;", "ATD", "AT+CTSDS=12,0", "AT+CMGS=1001,16", "AT+CTOCP=1", "ATA", "ATH", "AT+CTOM=1", "AT&F",
          "AT+CTXD=1,1", "AT+CUTXC=1", "AT+DMOSETGROUP=1", "AT+DMOSENDDATA=1", "AT+CSQ?;D123", "AT+CSQ?\rATD1", "ATO",
          "AT+CFUN=1", "AT+CLCK=1"]  # fmt: skip


@pytest.mark.parametrize("command", UNSAFE)
def test_what_could_transmit_or_change_the_radio_is_not_sent(command):
    assert not is_safe(command)
    with pytest.raises(DevicesError, match="might transmit or change the radio"):
        check_queries([command])


def test_everything_that_is_sent_by_itself_is_safe():
    for plan in PLANS.values():
        for command in (*plan.start, *plan.identity, *plan.round, *plan.seldom):
            assert is_safe(command), command


def answer(poller, live, text):
    return poller.received(live.chunk(text))


def asked(poller, now):
    query, events = poller.due(now)
    return (query or b"").decode().strip(), [event.kind for event in events]


def test_one_query_at_a_time_and_rounds_at_the_pace_set(live):
    poller = Poller("pdt", Settings(poll_s=5))
    poller.restart()
    assert asked(poller, 0) == ("AT+PDTID?", [])
    assert asked(poller, 1) == ("", [])
    answer(poller, live, "+PDTID: 1,a,b,c,d\r\nOK\r\n")
    assert asked(poller, 1) == ("AT+PDTSTAT?", [])
    answer(poller, live, "OK\r\n")
    assert asked(poller, 5.9) == ("", []) and asked(poller, 6) == ("AT+PDTSTAT?", [])


def test_an_answer_in_pieces_and_with_indications_inside_ends_at_its_end(live):
    poller = Poller("tetra-pei", Settings(queries=("AT+CSQ?", "AT+CREG?")))
    poller.restart()
    asked(poller, 0)
    answer(poller, live, "\r\nOK\r\n")
    for _ in range(8):
        asked(poller, 0)
        answer(poller, live, "\r\nOK\r\n")
    assert asked(poller, 0)[0] == "AT+CSQ?"
    answer(poller, live, "\r\n+CTSDSR: 13,1,0,2,0,16\r\n8004\r\n+CSQ: 2")
    assert asked(poller, 0.5)[0] == ""
    answer(poller, live, "6,99\r\n\r\nO")
    assert asked(poller, 0.5)[0] == ""
    answer(poller, live, "K\r\n")
    assert asked(poller, 0.5)[0] == "AT+CREG?"


def test_rubbish_in_the_terminals_buffer_is_cleared_first(live):
    poller = Poller("tetra-pei", Settings())
    poller.restart()
    assert poller.due(0)[0] == b"\r\nAT\r"
    answer(poller, live, "CME ERROR: 35\r\n")
    assert poller.due(0)[0] == b"\r\nAT\r"
    answer(poller, live, "\r\nOK\r\n")
    assert asked(poller, 0)[0] == "ATZ"


def test_no_answer_is_told_once_and_the_next_query_tried(live):
    poller = Poller("pdt", Settings(poll_s=0.2))
    poller.restart()
    told, sent, now = [], [], 0.0
    while now < 40:
        query, kinds = asked(poller, now)
        told += kinds
        sent += [query] if query else []
        now += 0.1
    assert told == ["silent"] and len(sent) < 12 and sent[-1] == "AT"
    answer(poller, live, "OK\r\n")
    while now < 52 and not (query := asked(poller, now)[0]):
        now += 0.1
    assert query == "AT+PDTSTAT?"


def test_what_a_terminal_does_not_have_is_asked_no_more(live):
    poller = Poller("tetra-pei", Settings(poll_s=1, queries=("AT+CSQ?", "AT+GCLI?")))
    poller.restart()
    events, sent, now = [], [], 0.0
    while now < 20:
        query, _ = asked(poller, now)
        if query:
            sent.append(query)
            events += answer(poller, live, "ERROR\r\n" if "GCLI" in query else "OK\r\n")
        now += 0.1
    assert [event.text for event in events] == ["the handset refuses AT+GCLI?; it is asked once a minute only"]
    assert sent.count("AT+GCLI?") == 3 and sent.count("AT+CSQ?") > 15


def test_a_terminal_that_is_locked_for_a_while_is_asked_everything_again(live):
    poller = Poller("tetra-pei", Settings(poll_s=1, queries=("AT+CSQ?", "AT+GCLI?", "AT+GPSPOS?")))
    poller.restart()
    events, sent, now = [], [], 0.0
    while now < 60:
        query, _ = asked(poller, now)
        if query:
            sent.append((now, query))
            locked = now < 15 or 30 < now < 45
            events += answer(poller, live, "ERROR\r\n" if locked else "OK\r\n")
        now += 0.1
    assert not events
    for query in ("AT+CSQ?", "AT+GCLI?", "AT+GPSPOS?"):
        assert sum(q == query for t, q in sent if t > 45) >= 13


def test_what_was_refused_at_first_is_taken_up_when_it_works(live):
    poller = Poller("tetra-pei", Settings(poll_s=1, queries=("AT+CSQ?", "AT+GCLI?")))
    poller.restart()
    events, sent, now = [], [], 0.0
    while now < 150:
        query, _ = asked(poller, now)
        if query:
            sent.append((now, query))
            events += answer(poller, live, "ERROR\r\n" if query == "AT+GCLI?" and now < 20 else "OK\r\n")
        now += 0.1
    assert len(events) == 1
    assert sum(q == "AT+GCLI?" for t, q in sent if 10 < t < 55) == 0
    assert sum(q == "AT+GCLI?" for t, q in sent if t > 75) > 60


@pytest.fixture
def hasty(monkeypatch):
    """A probe that listens for a short time; handsets that live four times as fast fit it."""
    monkeypatch.setattr("devices.probe.LISTEN_S", 0.4)
    monkeypatch.setattr("devices.probe.ANSWER_S", 0.3)


@pytest.mark.parametrize("kind", ["tetra-pei", "pdt", "dmr-at", "nmea"])
def test_the_probe_finds_each_protocol_and_writes_nothing_unsafe(handset, hasty, kind):
    terminal = handset(kind, waits=True, speed=4)
    found = probe(str(terminal.path), Settings(baud=38400))
    assert (found.protocol, found.baud) == (kind, 38400)
    assert all(is_safe(command) for command in terminal.heard), terminal.heard
    assert terminal.heard[0] == "AT"


def test_the_probe_says_what_it_found_where_nothing_speaks(handset, hasty):
    terminal = handset("tetra-pei", faults=[parse_fault("silence@0+999")])
    with pytest.raises(LinkError, match="nothing came and AT is not answered at 9600 baud; is the handset on"):
        probe(str(terminal.path), Settings(baud=9600))
    written = "\r".join(terminal.heard)
    assert re.fullmatch(r"AT(\rAT\+DMOCONNECT)?", written)


@pytest.mark.parametrize("kind", ["tetra-pei", "nmea"])
def test_the_probe_hunts_for_the_rate(handset, hasty, kind):
    terminal = handset(kind, baud=38400, waits=True, speed=4)
    tried = []
    found = probe(str(terminal.path), Settings(), lambda what, done, total: tried.append(what))
    assert (found.protocol, found.baud) == (kind, 38400)
    assert tried == ["trying 115200 baud", "trying 38400 baud", "found at 38400 baud"]
