"""The journal gives back what was put in, whatever happens to its end, its middle or its disk."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import journal
from devices.errors import DevicesError
from devices.journal import Happened, Sent, Setup, Writer
from devices.streams import Chunk, Event

ROOT = Path(__file__).resolve().parents[3]
ENTRIES = [
    Setup({"protocol": "pdt", "settings": {"device_id": "ä7"}}, "port"),
    Chunk(b"+CSQ: 1\r\n", 1, 2, "port"),
    Sent(b"AT\r", None, 5, "port"),
    Happened(Event(3, "link_lost", "gone"), 9, "port"),
    Chunk(journal.MARK + b"\x00\xff", -5, None, ""),
]


def write(path, entries):
    with Writer(path) as writer:
        for entry in entries:
            writer.append(entry)


def contents(path):
    with open(path, "rb") as file:
        return [entry for _, entry in journal.read(file)]


def told(entries):
    return [e.event.kind for e in entries if isinstance(e, Happened) and e.event.kind.startswith("journal")]


def test_entries_come_back_the_same_and_are_added_to(tmp_path):
    path = tmp_path / "a.journal"
    write(path, ENTRIES[:2])
    write(path, ENTRIES[2:])
    assert contents(path) == ENTRIES


@given(st.lists(st.builds(Chunk, st.binary(max_size=300), st.none() | st.integers(-(2**50), 2**50),
                          st.none() | st.integers(1, 2**60), st.text(max_size=20))))  # fmt: skip
def test_any_chunks_come_back_the_same(chunks):
    data = journal.MAGIC + b"".join(map(journal.encode, chunks))
    assert [entry for _, entry in journal.read(io.BytesIO(data))] == chunks


def test_a_torn_end_at_any_byte_costs_that_entry_only_and_is_cut_at_the_next_start(tmp_path):
    path = tmp_path / "a.journal"
    write(path, ENTRIES)
    whole = path.read_bytes()
    last = len(journal.encode(ENTRIES[-1]))
    for missing in range(1, last):
        path.write_bytes(whole[:-missing])
        found = contents(path)
        assert found[:4] == ENTRIES[:4] and told(found) == ["journal_cut"]
        with Writer(path) as writer:
            assert writer.cut_bytes == last - missing
            writer.append(ENTRIES[1])
        assert contents(path) == [*ENTRIES[:4], ENTRIES[1]]


def test_any_flipped_bit_is_noticed_and_the_rest_read(tmp_path):
    path = tmp_path / "a.journal"
    write(path, ENTRIES)
    whole = path.read_bytes()
    for at in range(len(journal.MAGIC), len(whole)):
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << (at % 8)
        path.write_bytes(spoilt)
        found = contents(path)
        good = [entry for entry in found if entry in ENTRIES]
        assert len(good) == len(ENTRIES) - 1 and len(told(found)) == 1
        assert good == [entry for entry in ENTRIES if entry in good]


def test_damage_at_the_end_is_kept_when_the_recording_goes_on(tmp_path):
    path = tmp_path / "a.journal"
    write(path, ENTRIES)
    spoilt = bytearray(path.read_bytes())
    spoilt[-1] ^= 1
    path.write_bytes(spoilt)
    write(path, [ENTRIES[1]])
    assert path.read_bytes().startswith(spoilt)
    found = contents(path)
    assert told(found) == ["journal_damaged"] and found[-1] == ENTRIES[1]


def test_zeros_that_a_power_loss_left_are_cut(tmp_path):
    path = tmp_path / "a.journal"
    write(path, ENTRIES)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(700))
    write(path, [])
    assert path.read_bytes() == whole


class OneWay(io.RawIOBase):
    """A stream that can't go back, as packed files are, and gives a little at a time."""

    def __init__(self, data):
        self.rest = data

    def read(self, size=-1):
        given, self.rest = self.rest[: min(size, 7)], self.rest[min(size, 7) :]
        return given


def test_a_journal_is_read_from_a_stream_that_only_goes_forward():
    data = journal.MAGIC + b"".join(map(journal.encode, ENTRIES))
    spoilt = bytearray(data)
    spoilt[len(journal.MAGIC) + 30] ^= 1
    assert [entry for _, entry in journal.read(OneWay(data[30:]), data[:30])] == ENTRIES
    assert [e for _, e in journal.read(OneWay(bytes(spoilt)[25:]), bytes(spoilt)[:25]) if e in ENTRIES] == ENTRIES[1:]


@given(st.binary(max_size=400))
def test_rubbish_after_the_start_gives_no_entries(rubbish):
    found = [entry for _, entry in journal.read(io.BytesIO(journal.MAGIC + rubbish))]
    assert not [entry for entry in found if not isinstance(entry, Happened)]


def test_another_file_is_never_written_into(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    with pytest.raises(DevicesError, match="is there already and is no journal; choose another name"):
        Writer(path)
    assert path.read_text() == "my notes"
    with pytest.raises(DevicesError, match="not a journal"):
        contents(path)


def test_two_recordings_into_one_file_are_refused(tmp_path):
    with Writer(tmp_path / "a.journal"), pytest.raises(DevicesError, match="another recording is being written"):
        Writer(tmp_path / "a.journal")


FULL = """
import resource, signal, sys
from pathlib import Path
from devices.journal import HELD_BYTES, Writer
from devices.streams import Chunk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
writer = Writer(path)
chunks = [Chunk(bytes([i]) * 5000, i, i + 1, "p") for i in range(40)]
writer.append(chunks[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (52000, resource.RLIM_INFINITY))
for chunk in chunks[1:]:
    writer.append(chunk)
assert writer.trouble and not writer.lost_bytes, (writer.trouble, writer.lost_bytes)
assert not writer.retry()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert writer.retry() and writer.trouble is None
resource.setrlimit(resource.RLIMIT_FSIZE, (writer.size, resource.RLIM_INFINITY))
for i in range(300):
    writer.append(Chunk(bytes(5000), i, i + 1, "late"))
assert 300 * 5000 - HELD_BYTES < writer.lost_bytes < 320 * 5100 - HELD_BYTES
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.close()
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are a POSIX thing")
def test_a_full_disk_keeps_a_mebibyte_and_goes_on_when_there_is_room(tmp_path):
    path = tmp_path / "a.journal"
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "done\n", done.stderr
    found = contents(path)
    assert [e.data[:1] for e in found if e.source == "p"] == [bytes([i]) for i in range(40)]
    assert not told(found) and [e.utc_us for e in found if e.source == "late"][-1] == 299
