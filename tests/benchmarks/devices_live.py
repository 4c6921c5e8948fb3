"""Ten handsets at full 115,200 baud at once: bytes lost, share of the processor, and how fast the parsers are.

    python tests/benchmarks/devices_live.py [--devices 10] [--seconds 10]

Senders write to pseudo-terminals from a process of their own, paced as the line would be; the recorder does all it
does in the field: journal, sync, parse. Everything is measured in one run, on any machine with pseudo-terminals.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import resource
import tempfile
import time
import tty
from pathlib import Path

from devices import journal
from devices.protocols import make_parser, read_file
from devices.reading import Port
from devices.recorder import Recorder
from devices.records import Record
from devices.route import Route
from devices.settings import Settings
from devices.simulator import Drive, Simulated, recorded
from devices.streams import Chunk

BYTES_PER_S = 11_520
START_US = 1_795_507_200_000_000
KINDS = ("tetra-pei", "pdt", "nmea")


def speech(kind: str, size: int) -> bytes:
    """What a handset of a kind says on a drive, over and over, cut to a size."""
    drive = Drive(Route([(123.4, 41.8), (123.5, 41.85)]), lambda lon, lat: (-85.0, 7), seed=1)
    entries = recorded([Simulated(kind, "1001", drive)], 120, START_US, Settings())
    said = b"".join(entry.data for entry in entries if isinstance(entry, Chunk))
    return (said * (size // len(said) + 1))[:size]


def send(masters: list[int], texts: list[bytes], seconds: float, ready, results) -> None:
    """Writes to all terminals at the pace of the line; a full terminal loses bytes here, and they are counted."""
    ready.wait()
    start, sent = time.monotonic(), [0] * len(masters)
    refused = 0
    while (now := time.monotonic() - start) < seconds:
        due = min(int(now * BYTES_PER_S), len(texts[0]))
        for i, master in enumerate(masters):
            while sent[i] < due:
                piece = texts[i][sent[i] : min(due, sent[i] + 512)]
                try:
                    sent[i] += os.write(master, piece)
                except BlockingIOError:
                    refused += 1
                    break
            with contextlib.suppress(BlockingIOError):
                # the queries, which nobody answers here
                os.read(master, 4096)
        time.sleep(0.005)
    results.put((sent, refused, [hashlib.sha256(t[:n]).hexdigest() for t, n in zip(texts, sent, strict=True)]))


def run(devices: int, seconds: float, folder: Path) -> None:
    kinds = [KINDS[i % len(KINDS)] for i in range(devices)]
    texts = {kind: speech(kind, round(seconds * BYTES_PER_S)) for kind in set(kinds)}
    pairs = [os.openpty() for _ in kinds]
    for master, slave in pairs:
        tty.setraw(slave)
        os.set_blocking(master, False)
    ports = [Port(os.ttyname(slave), Settings(protocol=kind, device_id=str(i)))
             for i, (kind, (_, slave)) in enumerate(zip(kinds, pairs, strict=True))]  # fmt: skip
    recorder = Recorder(ports, folder / "bench.journal")
    ready, results = multiprocessing.Event(), multiprocessing.Queue()
    sender = multiprocessing.Process(
        target=send, args=([m for m, _ in pairs], [texts[kind] for kind in kinds], seconds, ready, results)
    )
    sender.start()
    recorder.start()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    ready.set()
    sent, refused, digests = results.get()
    behind = 0
    while any(view.received_bytes < n for view, n in zip(recorder.view(), sent, strict=True)) and behind < 50:
        behind += 1
        time.sleep(0.1)
    wall = time.monotonic() - start
    recorder.stop()
    after = resource.getrusage(resource.RUSAGE_SELF)
    sender.join()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    received: dict[str, bytearray] = {port.name: bytearray() for port in ports}
    with open(folder / "bench.journal", "rb") as file:
        for _, entry in journal.read(file):
            if isinstance(entry, Chunk):
                received[entry.source] += entry.data
    lost = sum(sent) - sum(map(len, received.values()))
    same = all(hashlib.sha256(received[p.name]).hexdigest() == d for p, d in zip(ports, digests, strict=True))
    rate = sum(sent) / seconds
    print(f"{devices} devices, {seconds:.0f} s, {rate / 1000:.1f} kB/s sent in all ({rate / devices:.0f} B/s each)")
    print(f"bytes lost: {lost} (content {'the same' if same else 'DIFFERENT'}); terminals full: {refused} times")
    print(f"processor: {100 * cpu / wall:.1f} % of one core, {100 * cpu / wall / 2:.1f} % of two")
    print(f"records made meanwhile: {recorder.records}; rejected: {sum(recorder.rejects.values())}")


def throughput(folder: Path) -> None:
    """Parsers by themselves, and a journal read again, against the ten devices of a field day."""
    field = 10 * BYTES_PER_S
    for kind in KINDS:
        text = speech(kind, 2_000_000)
        parser, start = make_parser(kind, Settings(device_id="1")), time.perf_counter()
        made = 0
        for at in range(0, len(text), 4096):
            items = parser.feed(Chunk(text[at : at + 4096], START_US + at, at + 1))
            made += sum(isinstance(item, Record) for item in items)
        seconds = time.perf_counter() - start
        rate = len(text) / seconds
        lines = sum(bool(line) for line in text.splitlines()) / seconds
        print(f"{kind}: {rate / 1e6:.2f} MB/s, {lines:,.0f} lines/s, {made / seconds:,.0f} records/s: "
              f"{rate / field:.0f} times ten lines at 115,200 baud")  # fmt: skip
    start, size = time.perf_counter(), (folder / "bench.journal").stat().st_size
    number = sum(isinstance(item, Record) for item in read_file(folder / "bench.journal"))
    seconds = time.perf_counter() - start
    print(f"journal read again: {size / seconds / 1e6:.2f} MB/s, {number / seconds:,.0f} records/s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--devices", type=int, default=10)
    options.add_argument("--seconds", type=float, default=10.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(given.devices, given.seconds, Path(folder))
        throughput(Path(folder))


if __name__ == "__main__":
    main()
