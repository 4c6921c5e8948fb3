"""Bytes into lines: whatever the ends and the cuts, the same lines, in constant memory."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.lines import MAX_LINE, Splitter
from devices.streams import Chunk, Counts

PIECES = st.lists(st.sampled_from([b"\r", b"\n", b"\x00", b"\xff", b"+CSQ: 1,2", b"$GP", b"A" * 3000, b" ", b"\x80"]))


def split(data, sizes=(), **kwargs):
    counts = Counts()
    splitter = Splitter(counts, **kwargs)
    lines, at = [], 0
    for size in [*sizes, len(data)]:
        lines += splitter.feed(Chunk(data[at : at + size]))
        at += size
    last = splitter.finish()
    return [(line.data, line.number) for line in [*lines, last] if line is not None], counts.by_reason


@given(PIECES, st.lists(st.integers(1, 50), max_size=40), st.booleans())
def test_how_the_bytes_are_cut_does_not_matter(pieces, sizes, midway):
    data = b"".join(pieces)
    assert split(data, sizes, midway=midway) == split(data, midway=midway)


@given(st.lists(st.binary(min_size=1, max_size=20).map(lambda b: bytes(97 + x % 26 for x in b)), min_size=1))
def test_lines_come_back_as_they_were(lines):
    for end in (b"\r", b"\n", b"\r\n", b"\r\r\n"):
        assert [data for data, _ in split(end.join(lines) + end)[0]] == lines


def test_an_endless_line_is_cut_once_and_costs_constant_memory():
    counts = Counts()
    splitter = Splitter(counts)
    tracemalloc.start()
    for _ in range(2000):
        assert splitter.feed(Chunk(b"x" * 8192)) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000 and counts.by_reason == {"overlong_line": 1}
    assert [line.data for line in splitter.feed(Chunk(b"\r\nnext\r\n"))] == [b"next"]


def test_the_longest_line_that_is_not_cut():
    assert split(b"x" * MAX_LINE + b"\n")[0] == [(b"x" * MAX_LINE, 1)]
    lines, counts = split(b"x" * (MAX_LINE + 1) + b"\n")
    assert lines == [] and counts == {"overlong_line": 1}


def test_a_line_has_the_stamp_of_its_first_byte():
    splitter = Splitter(Counts())
    splitter.feed(Chunk(b"one\r\ntw", 1, 10))
    (line,) = splitter.feed(Chunk(b"o\r\n", 2, 20))
    assert (line.data, line.utc_us, line.mono_ns) == (b"two", 1, 10)


@pytest.mark.parametrize(("first", "kept"), [(b"26,99", False), (b"+CSQ: 26,99", True), (b"$GPRMC,1*00", True),
                                             (b"SQ: 26,99", False), (b"OK", True)])  # fmt: skip
def test_joined_midway_only_a_fragment_is_dropped(first, kept):
    lines, counts = split(first + b"\r\nOK\r\n", midway=True)
    assert [data for data, _ in lines] == ([first, b"OK"] if kept else [b"OK"])
    assert counts == ({} if kept else {"joined_midway": 1})


def test_after_a_lost_link_the_open_line_is_not_joined_with_what_follows():
    counts = Counts()
    splitter = Splitter(counts)
    splitter.feed(Chunk(b"+CSQ: 2"))
    splitter.restart()
    assert splitter.feed(Chunk(b"6,99\r\n")) == []
    assert counts.by_reason == {"cut_at_end": 1, "joined_midway": 1}
