"""Coverage-guided fuzzing of the stream parsers and the journal; not part of the tests.

    pip install atheris
    python tests/fuzz/stream_parsers.py [CORPUS...] -max_total_time=600

The first byte of an input chooses the protocol, the second the size of the chunks. Anything but a sound record, a
reject or an event is a finding, and so is an exception. Samples of real captures make a good corpus.
"""

from __future__ import annotations

import io
import sys

import atheris

with atheris.instrument_imports(include=["devices"]):
    from devices import journal
    from devices.protocols import PROTOCOLS, recognise
    from devices.records import CATEGORIES, LIMITS, Record
    from devices.session import Session
    from devices.settings import Settings
    from devices.streams import Chunk

CHOICES = (*PROTOCOLS, "", "journal")
START_US = 1_795_507_200_000_000


def check(record: Record) -> None:
    for name, limit in LIMITS.items():
        value = getattr(record, name)
        assert value is None or limit.low <= value <= limit.high, (name, value)
    for name, words in CATEGORIES.items():
        assert getattr(record, name) in (*words, None), name


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    protocol, size, body = CHOICES[data[0] % len(CHOICES)], data[1] + 1, data[2:]
    if protocol == "journal":
        list(journal.read(io.BytesIO(journal.MAGIC + body)))
        return
    recognise(body)
    session = Session(protocol or None, Settings(device_id="7", rssi_scale=0.5))
    items = []
    for at in range(0, len(body), size):
        items += session.feed(Chunk(body[at : at + size], START_US + at * 100_000, (1 + at) * 10**8, "p"))
    for item in items + session.finish():
        if isinstance(item, Record):
            check(item)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
