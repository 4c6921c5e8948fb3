"""Recording from real pseudo-terminals: nothing lost, whatever is unplugged, killed or too slow."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from devices import journal, polling
from devices.clocks import ClockWatch
from devices.errors import DevicesError
from devices.journal import Happened, Sent
from devices.link import LinkError
from devices.protocols import read_file
from devices.reading import INBOX_BYTES, Inbox, Port
from devices.recorder import Recorder
from devices.records import Record, Reject
from devices.settings import Settings
from devices.simulator import parse_fault
from devices.streams import Chunk, Event

ROOT = Path(__file__).resolve().parents[3]


def wait_for(condition, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def entries(path):
    with open(path, "rb") as file:
        return [entry for _, entry in journal.read(file)]


def kinds(path):
    return [entry.event.kind for entry in entries(path) if isinstance(entry, Happened)]


@pytest.fixture
def recording(tmp_path):
    """Starts a recorder: recording([Port, ...]) -> (recorder, items); stops it at the end."""
    started = []

    def start(ports, name="a.journal"):
        items = []
        recorder = Recorder(ports, tmp_path / name, items.append)
        recorder.start()
        started.append(recorder)
        return recorder, items

    yield start
    for recorder in started:
        if not recorder._stop.is_set():
            recorder.stop()


def test_a_terminal_is_asked_and_its_rounds_become_records_that_replay_the_same(handset, recording, tmp_path):
    terminal = handset("tetra-pei")
    recorder, items = recording([Port(str(terminal.path), Settings(protocol="tetra-pei", poll_s=0.3))])
    wait_for(lambda: recorder.records >= 4)
    (view,) = recorder.view()
    assert view.device == "00001001" and view.rssi_dbm == -81 and view.service_state == "registered"
    assert view.cell == "LA 1007 carrier cb2ef" and view.lat == pytest.approx(41.8, abs=0.1) and view.fix_age_s < 5
    recorder.stop()
    live = [item for item in items if isinstance(item, Record)]
    again = [item for item in read_file(tmp_path / "a.journal") if isinstance(item, Record)]
    assert again == live and {r.role for r in live} == {"serving", "neighbour"}
    assert not [item for item in items if isinstance(item, Reject)]


def test_bytes_are_journalled_exactly_and_questions_stand_before_their_answers(handset, recording, tmp_path):
    terminal = handset("tetra-pei")
    recorder, _ = recording([Port(str(terminal.path), Settings(protocol="tetra-pei", poll_s=0.3))])
    wait_for(lambda: len(terminal.heard) > 12)
    recorder.stop()
    terminal.stop()
    found = entries(tmp_path / "a.journal")
    received = sum(len(entry.data) for entry in found if isinstance(entry, Chunk))
    assert received == recorder.view()[0].received_bytes
    asked = 0
    for entry in found:
        if isinstance(entry, Sent) and b"AT+CSQ?" in entry.data:
            asked += 1
        if isinstance(entry, Chunk) and b"+CSQ:" in entry.data:
            assert asked
            asked -= 1


def test_unplugged_and_back_it_goes_on_within_two_seconds_and_says_so(handset, recording, tmp_path):
    terminal = handset("pdt", faults=[parse_fault("unplug@0.8+0.8")])
    recorder, items = recording([Port(str(terminal.path), Settings(protocol="pdt", poll_s=0.3))])
    wait_for(lambda: "link_back" in [item.kind for item in items if isinstance(item, Event)])
    before = recorder.records
    wait_for(lambda: recorder.records > before)
    recorder.stop()
    lost, back = (e for e in items if isinstance(e, Event) and e.kind in ("link_lost", "link_back"))
    assert lost.text == f"{terminal.path} was unplugged" and back.text == f"{terminal.path} is back"
    assert (back.utc_us - lost.utc_us) / 1e6 < 0.8 + 2
    # the gap is in the journal, so that it can't look like no coverage
    assert kinds(tmp_path / "a.journal")[-2:] == ["link_lost", "link_back"]


def test_positions_of_one_port_are_given_to_the_levels_of_another(handset, recording):
    gps, chip = handset("nmea", "1"), handset("dmr-at", "2")
    ports = [Port(str(gps.path), Settings(protocol="nmea"), gps=True),
             Port(str(chip.path), Settings(protocol="dmr-at", poll_s=0.3))]  # fmt: skip
    recorder, items = recording(ports)
    wait_for(lambda: sum(isinstance(i, Record) and i.lat is not None for i in items) >= 3)
    recorder.stop()
    records = [item for item in items if isinstance(item, Record)]
    assert {r.device_id for r in records} == {"2"} and {r.technology for r in records} == {"dmr"}
    placed = [r for r in records if r.lat is not None]
    assert all(r.pos_age_s <= 5 and r.rssi_dbm == -80 for r in placed)


def test_an_unknown_protocol_is_recognised_from_what_comes(handset, recording):
    terminal = handset("pdt", speed=4)
    recorder, items = recording([Port(str(terminal.path))])
    wait_for(lambda: recorder.view()[0].protocol == "pdt")
    recorder.stop()
    hints = [item.text for item in items if isinstance(item, Event) and item.kind == "recognised"]
    assert hints == ["it speaks pdt; --protocol pdt would ask it for levels"]
    assert {r.device_id for r in items if isinstance(r, Record)} <= {"1001"}


def test_row_1_a_wrong_rate_is_told_while_recording(handset, recording):
    terminal = handset("nmea", baud=9600)
    settings = Settings(protocol="nmea", baud=115200, device_id="1")
    recorder, items = recording([Port(str(terminal.path), settings)])
    wait_for(lambda: [item for item in items if isinstance(item, Event) and item.kind == "noise"])
    recorder.stop()
    (told,) = [item.text for item in items if isinstance(item, Event) and item.kind == "noise"]
    assert told.startswith("bytes arrive but make no lines at 115200 baud: try 38400")
    assert not recorder.records


def test_row_10_a_handset_that_never_answers_is_told(handset, recording, monkeypatch):
    monkeypatch.setattr(polling, "ANSWER_S", 0.2)
    terminal = handset("tetra-pei", baud=9600)
    settings = Settings(protocol="tetra-pei", baud=115200, poll_s=0.2)
    recorder, items = recording([Port(str(terminal.path), settings)])
    wait_for(lambda: [item for item in items if isinstance(item, Event) and item.kind == "silent"])
    recorder.stop()
    assert any("no answer: is the handset on" in item.text for item in items if isinstance(item, Event))


def test_a_folder_is_watched_and_each_of_its_files_read_as_it_grows(recording, tmp_path, live):
    folder = tmp_path / "captures"
    folder.mkdir()
    status = "+PDTSTAT: 2026-11-24T08:00:{:02d}Z,2,-87,,3,361025000,4660,17,1,2\n"
    (folder / "a.txt").write_text("+PDTID: 7,M,X,1,S\n" + status.format(0) + status.format(1)[:20])
    recorder, items = recording([Port(str(folder))])
    wait_for(lambda: recorder.view()[0].received_bytes >= 80)
    (folder / "b.txt").write_text("+PDTID: 8,M,X,1,S\n" + status.format(5))
    with open(folder / "a.txt", "a") as file:
        file.write(status.format(1)[20:])
    size = sum(path.stat().st_size for path in folder.iterdir())
    wait_for(lambda: recorder.view()[0].received_bytes == size)
    recorder.stop()
    found = [(r.device_id, r.time_utc_us - live.START_US) for r in items if isinstance(r, Record)]
    assert sorted(found) == [("7", 0), ("7", 1_000_000), ("8", 5_000_000)]


def test_raw_sends_nothing_and_reads_nothing_into_it(handset, recording, tmp_path):
    terminal = handset("pdt", speed=4)
    recorder, items = recording([Port(str(terminal.path), Settings(protocol="pdt", device_id="1"), raw=True)])
    wait_for(lambda: recorder.view()[0].received_bytes > 300)
    recorder.stop()
    assert not terminal.heard and not [item for item in items if not isinstance(item, Event)]
    assert not [entry for entry in entries(tmp_path / "a.journal") if isinstance(entry, Sent)]
    assert [item for item in read_file(tmp_path / "a.journal") if isinstance(item, Record)]


def test_a_capture_in_a_file_is_recorded_to_its_end(recording, tmp_path, live):
    path = tmp_path / "capture.txt"
    status = "+PDTSTAT: 2026-11-24T08:00:{:02d}Z,2,-87,,3,361025000,4660,17,1,2\n"
    path.write_text("+PDTID: 7,M,X,1,S\n" + "".join(status.format(i) for i in range(50)))
    recorder, items = recording([Port(str(path))])
    wait_for(lambda: recorder.view()[0].received_bytes == path.stat().st_size)
    recorder.stop()
    times = [r.time_utc_us for r in items if isinstance(r, Record)]
    assert times == [live.START_US + i * 1_000_000 for i in range(50)]


def test_a_port_that_can_not_be_opened_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(LinkError, match="is not there"):
        Recorder([Port(str(tmp_path / "tty9"))], tmp_path / "a.journal")
    assert not (tmp_path / "a.journal").exists()


def test_a_file_that_is_no_journal_is_not_written_into(handset, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    port = Port(str(handset("nmea").path))
    with pytest.raises(DevicesError, match="is no journal"):
        Recorder([port], tmp_path / "notes.txt")
    Recorder([port], tmp_path / "b.journal")._writer.close()


def test_a_fault_in_a_parser_costs_no_bytes_and_does_not_end_the_recording(handset, recording, tmp_path, monkeypatch):
    from devices.protocols.pdt import Pdt

    monkeypatch.setattr(Pdt, "line", lambda self, line: 1 / 0)
    terminal = handset("pdt")
    recorder, items = recording([Port(str(terminal.path), Settings(protocol="pdt"))])
    wait_for(lambda: recorder.rejects.get("parser_fault", 0) >= 2)
    recorder.stop()
    monkeypatch.undo()
    assert any("the bytes are kept" in item.text for item in items if isinstance(item, Event))
    assert [item for item in read_file(tmp_path / "a.journal") if isinstance(item, Record)]


def test_the_inbox_is_bounded_and_what_it_loses_is_counted():
    inbox = Inbox()
    for i in range(300):
        inbox.put(Chunk(bytes(4096), i, i, "slow"))
    inbox.put(Chunk(b"other", 1, 1, "other"))
    taken = inbox.take()
    assert sum(len(entry.data) for entry in taken) == INBOX_BYTES + 5
    inbox.put(Chunk(b"later", 2, 2, "slow"))
    event, later = inbox.take()
    assert event.event.kind == "bytes_lost" and event.event.text.startswith(f"{300 * 4096 - INBOX_BYTES} bytes")
    assert later.data == b"later"


def test_readers_never_wait_for_a_slow_disk(handset, recording, monkeypatch):
    terminal = handset("nmea", speed=10)
    gate = threading.Event()
    append = journal.Writer.append
    monkeypatch.setattr(journal.Writer, "append", lambda self, entry: gate.wait(10) and append(self, entry))
    recorder, items = recording([Port(str(terminal.path), Settings(protocol="nmea", device_id="1"))])
    wait_for(lambda: recorder.view()[0].received_bytes > 2000)
    assert not items
    gate.set()
    recorder.stop()
    assert sum(isinstance(item, Record) for item in items) > 5


FULL = """
import resource, sys, time
from pathlib import Path
from devices.reading import Port
from devices.recorder import Recorder
from devices.settings import Settings
items = []
recorder = Recorder([Port(sys.argv[1], Settings(protocol="nmea", device_id="1"))], Path(sys.argv[2]), items.append)
recorder.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
def told(kind):
    end = time.monotonic() + 20
    while not [i for i in items if getattr(i, "kind", "") == kind] and time.monotonic() < end:
        time.sleep(0.05)
    return [i.text for i in items if getattr(i, "kind", "") == kind]
print(*told("disk_full"))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(*told("disk_back"))
recorder.stop()
print(recorder.view()[0].received_bytes)
"""


def test_row_41_a_full_disk_is_told_and_nothing_is_missing_when_there_is_room_again(handset, tmp_path):
    terminal = handset("nmea", speed=10)
    path = tmp_path / "a.journal"
    done = subprocess.run([sys.executable, "-c", FULL, terminal.path, path], capture_output=True, text=True, cwd=ROOT,
                          timeout=60)  # fmt: skip
    full, back, received = done.stdout.splitlines()
    assert full.startswith(f"{path} can't be written (") and "the newest 1 MiB is kept in memory" in full
    assert back == "the journal is written again"
    data = b"".join(entry.data for entry in entries(path) if isinstance(entry, Chunk))
    assert len(data) == int(received) > 1500
    assert kinds(path) == ["link_open", "disk_back"]


def test_row_41_clock_jumps_and_sleep_are_told_apart():
    watch = ClockWatch()
    second = 1_000_000_000
    assert watch.look(0, 0, 0) == []
    assert watch.look(1_000_000, second, second) == []
    (jump,) = watch.look(3_601_000_000, 2 * second, 2 * second)
    assert jump.kind == "clock_jump" and "forward by 3599.0 s" in jump.text
    (sleep,) = watch.look(3_601_000_000 + 600_000_000, 602 * second, 3 * second)
    assert sleep.kind == "sleep" and "599 s" in sleep.text
    (back,) = watch.look(3_601_000_000, 603 * second, 4 * second)
    assert back.kind == "clock_jump" and "back by 601.0 s" in back.text


KILLED = """
import sys, time
from pathlib import Path
from devices.reading import Port
from devices.recorder import Recorder
from devices.settings import Settings
recorder = Recorder([Port(sys.argv[1], Settings(protocol="nmea", device_id="1"))], Path(sys.argv[2]))
recorder.start()
while True:
    print(recorder._writer.size, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_moment_it_keeps_all_that_was_written_without_a_hole(tmp_path):
    rng = random.Random(7)
    path = tmp_path / "a.journal"
    number = 0
    for run in range(6):
        master, slave = os.openpty()
        command = [sys.executable, "-c", KILLED, os.ttyname(slave), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            start = size = int(process.stdout.readline())
            # killed when so much has been written, in the middle of the next
            wanted = start + rng.randrange(500, 5000)
            while size < wanted:
                os.write(master, b"$run%d,%06d\r\n" % (run, number))
                number += 1
                size = int(process.stdout.readline())
            for _ in range(rng.randrange(5)):
                os.write(master, b"$run%d,%06d\r\n" % (run, number))
                number += 1
            process.send_signal(signal.SIGKILL)
        os.close(master)
        os.close(slave)
        assert path.stat().st_size >= size
        assert "journal_damaged" not in kinds(path)
    data = b"".join(entry.data for entry in entries(path) if isinstance(entry, Chunk))
    for run in range(6):
        found = [int(n) for n in re.findall(rb"\$run%d,(\d{6})\r\n" % run, data)]
        assert len(found) > 3 and found == list(range(found[0], found[0] + len(found)))
