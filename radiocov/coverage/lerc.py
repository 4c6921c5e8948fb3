"""Blocks of rasters in LERC, Esri's published code of limited error, several times faster than through a library.

A blob of version 4 (github.com/Esri/lerc): header, mask of valid pixels, then squares of 8 by 8 pixels, each as its
least value and whole steps above it in as few bits as the largest needs. Any reader of LERC reads it.
"""

from __future__ import annotations

import math
import struct

import numba
import numpy as np

from radiocov.propagation.fastmath import least, most

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
SIDE = 8  # pixels of a square
_HEAD = struct.Struct("<6siI7i3di")  # key, version, checksum; sizes; error, least, largest value; bytes of the mask
_VERSION, _FLOAT, _AFTER_CHECKSUM = 4, 6, 14
_STUFFED, _ZERO, _CONSTANT = 1, 2, 3  # how a square is kept
_BYTE_COUNT = 2 << 6  # marks that the number of values stands in one byte
WORTH_A_RUN, _LONGEST, _END = 4, 32767, -32768  # of equal bytes in the mask; its last count
_WORDS = 359  # that the checksum takes in before it folds its sums


def encode(values: np.ndarray, max_error: float) -> bytes:
    """A blob of (height, width) float32, where NaN is no value, within max_error (> 0) of each; empty where all are.

    Sides are multiples of 8; the range of values is below 2**31 errors.
    """
    height, width = values.shape
    out = np.empty(values.size // 64 * 262, np.uint8)
    size, lowest, highest, valid = _squares(values, 2.0 * max_error, out)
    mask = body = b""
    if 0 < valid < values.size:
        bits = np.packbits(~np.isnan(values))
        runs = np.empty(2 * bits.size + 8, np.uint8)
        mask = runs[: _run_lengths(bits, runs)].tobytes()
    if not valid:
        return b""
    if lowest < highest:
        body = struct.pack("<2f?", lowest, highest, False) + out[:size].tobytes()
    total = _HEAD.size + len(mask) + len(body)
    head = _HEAD.pack(
        b"Lerc2 ", _VERSION, 0, height, width, 1, valid, SIDE, total, _FLOAT, max_error, lowest, highest, len(mask)
    )
    blob = bytearray(head + mask + body)
    checksum = _fletcher(np.frombuffer(blob, np.uint8)[_AFTER_CHECKSUM:])
    struct.pack_into("<I", blob, _AFTER_CHECKSUM - 4, checksum)
    return bytes(blob)


@kernel
def _run_lengths(mask, out):
    """Bytes as runs of equal ones (a negative count, the byte) and others as they are (their count before them).

    Returns the bytes used of out, at most twice those of the mask and 8.
    """
    at = start = 0
    while start < mask.size:
        run = _run(mask, start)
        if run >= WORTH_A_RUN:
            at = _count(-run, out, at)
            out[at] = mask[start]
            at, start = at + 1, start + run
            continue
        stop = start
        while stop < mask.size and stop - start < _LONGEST - WORTH_A_RUN and run < WORTH_A_RUN:
            stop += run
            run = _run(mask, stop)
        at = _count(stop - start, out, at)
        out[at : at + stop - start] = mask[start:stop]
        at, start = at + stop - start, stop
    return _count(_END, out, at)


@kernel
def _run(mask, start):
    """How many bytes from one on are equal."""
    stop = start
    while stop < mask.size and stop - start < _LONGEST and mask[stop] == mask[start]:
        stop += 1
    return stop - start


@kernel
def _count(value, out, at):
    """A 16-bit number; returns the place behind it."""
    out[at], out[at + 1] = value & 255, (value >> 8) & 255
    return at + 2


@kernel
def _squares(values, step, out):
    """All squares, row by row: the bytes used of out, the least and largest value and how many are not NaN."""
    at = valid = 0
    lowest, highest = math.inf, -math.inf
    found = np.empty(SIDE * SIDE)
    steps = np.empty(SIDE * SIDE, np.int32)
    words = np.empty(2 * 32 + 2, np.uint32)
    as_bytes = words.view(np.uint8)
    for top in range(0, values.shape[0], SIDE):
        for left in range(0, values.shape[1], SIDE):
            for r in range(SIDE):
                for c in range(SIDE):
                    found[r * SIDE + c] = values[top + r, left + c]
            low, high, number = _range(found)
            lowest, highest, valid = least(lowest, low), most(highest, high), valid + number
            if 0 < number < SIDE * SIDE:
                _close_up(found)
            # four bits of the column let a reader notice that it lost its place
            flag = ((left >> 3) & 15) << 2
            if number == 0 or (low == 0.0 and high == 0.0):
                out[at] = flag | _ZERO
                at += 1
                continue
            largest = np.int64((high - low) / step + 0.5)
            out[at] = flag | (_STUFFED if largest else _CONSTANT)
            words[0] = _bits_of(np.float32(low))
            for i in range(4):
                out[at + 1 + i] = as_bytes[i]
            at += 5
            if largest:
                bits = 0
                while largest >> bits:
                    bits += 1
                out[at], out[at + 1] = _BYTE_COUNT | bits, number
                at += 2
                size = (number * bits + 7) >> 3
                _in_steps(found, low, 1.0 / step, steps)
                _stuff(steps[:number], bits, words)
                out[at : at + size] = as_bytes[:size]
                at += size
    return at, lowest, highest, valid


@kernel
def _range(values):
    """Least and largest value that is not NaN, and how many there are."""
    low, high = math.inf, -math.inf
    number = 0
    for i in range(values.size):  # one loop for each, or none is vectorised
        low = least(low, values[i])
    for i in range(values.size):
        high = most(high, values[i])
    for i in range(values.size):
        number += 1 if values[i] == values[i] else 0
    return low, high, number


@kernel
def _close_up(values):
    """What is not NaN to the front."""
    number = 0
    for i in range(values.size):
        if values[i] == values[i]:
            values[number] = values[i]
            number += 1


@kernel
def _in_steps(values, low, steps_in_one, steps):
    for i in range(values.size):
        steps[i] = np.int32((values[i] - low) * steps_in_one + 0.5)


@kernel
def _stuff(steps, bits, words):
    """Numbers side by side, each in so many bits, from the lowest bit of the first word upwards."""
    held, filled, word = np.uint64(0), np.uint64(0), 0
    width, full, low_half = np.uint64(bits), np.uint64(32), np.uint64(0xFFFFFFFF)
    first = 0
    if bits <= 16:  # two at a time fit beside what is held
        first = steps.size - steps.size % 2
        for i in range(0, first, 2):
            held |= (np.uint64(steps[i]) | np.uint64(steps[i + 1]) << width) << filled
            filled += width + width
            words[word] = np.uint32(held & low_half)
            over = filled >= full
            word += over
            held = held >> full if over else held
            filled = filled - full if over else filled
    for i in range(first, steps.size):
        held |= np.uint64(steps[i]) << filled
        filled += width
        if filled >= full:
            words[word] = np.uint32(held & low_half)
            word += 1
            held >>= full
            filled -= full
    words[word] = np.uint32(held)


@kernel
def _bits_of(value):
    box = np.empty(1, np.float32)
    box[0] = value
    return box.view(np.uint32)[0]


@kernel
def _fletcher(data):
    """Fletcher's checksum over big-endian 16-bit words."""
    first, second = np.uint32(0xFFFF), np.uint32(0xFFFF)
    words = data.size // 2
    for start in range(0, words, _WORDS):
        count = min(_WORDS, words - start)
        total, weighted = np.uint32(0), np.uint32(0)
        for i in range(count):
            word = np.uint32(data[2 * (start + i)]) * np.uint32(256) + np.uint32(data[2 * (start + i) + 1])
            total += word
            weighted += word * np.uint32(count - i)
        second += first * np.uint32(count) + weighted
        first += total
        first = (first & np.uint32(0xFFFF)) + (first >> np.uint32(16))
        second = (second & np.uint32(0xFFFF)) + (second >> np.uint32(16))
    if data.size % 2:
        first += np.uint32(data[-1]) * np.uint32(256)
        second += first
    first = (first & np.uint32(0xFFFF)) + (first >> np.uint32(16))
    second = (second & np.uint32(0xFFFF)) + (second >> np.uint32(16))
    return second << np.uint32(16) | first
