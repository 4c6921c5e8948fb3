"""Texts to numbers, whole columns at a time: the plain case at once, what is odd by rule, what is no number told."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PLAIN = r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$"
UNIT = r"^([-+]?[\d.,]+)\s*(?:dBm|dbm|DBM|dB|m/s|km/h|m|°|%|Hz|kHz|MHz|s)$"


def to_numbers(texts: pa.Array, decimal: str, null_words: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """((n,) float64 with NaN for null, (n,) bool: filled, but no number)."""
    if pa.types.is_floating(texts.type):
        return texts.to_numpy(zero_copy_only=False), np.zeros(len(texts), bool)
    with_points = texts
    if decimal == "," and not pc.any(pc.match_substring(texts, ".")).as_py():
        with_points = pc.replace_substring(texts, ",", ".")
    try:
        pc.cast(with_points[:50], pa.float64())  # a cast that fails is slow: let it fail on few
        values = pc.cast(with_points, pa.float64()).to_numpy(zero_copy_only=False)
        if not np.isinf(values).any():
            return values, np.zeros(len(values), bool)
    except pa.ArrowInvalid:
        pass
    plain = clean(texts, null_words)
    for minus in ("\u2212", "\u2013", "\uff0d"):
        plain = pc.replace_substring(plain, minus, "-")
    plain = pc.replace_substring_regex(plain, UNIT, r"\1")
    comma = r"^([-+]?\d+),(\d+)$" if decimal == "," else r"^([-+]?\d+),(\d{1,2}|\d{4,})$"
    plain = pc.replace_substring_regex(plain, comma, r"\1.\2")
    good = pc.match_substring_regex(plain, PLAIN)
    values = pc.cast(pc.if_else(good, plain, None), pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    bad = ~pc.fill_null(good, True).to_numpy(zero_copy_only=False) | np.isinf(values)
    return np.where(bad, np.nan, values), bad


def clean(texts: pa.Array, null_words: frozenset[str]) -> pa.Array:
    """Without white space around, null words as null."""
    return clean_words(texts, null_words).dictionary_decode()


def clean_words(texts: pa.Array, null_words: frozenset[str]) -> pa.DictionaryArray:
    """As `clean`, each word once: most columns hold few."""
    coded = texts.dictionary_encode()
    plain = pc.utf8_trim_whitespace(coded.dictionary)
    null = pc.is_in(pc.utf8_lower(plain), value_set=pa.array(sorted(null_words)))
    plain = pc.if_else(null, None, plain)
    return coded if plain.equals(coded.dictionary) else plain.take(coded.indices).dictionary_encode()


def to_numbers_of_base(texts: pa.Array, base: int, null_words: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """As `to_numbers`, for whole numbers of base 16 and the like; each spelling is read once."""
    coded = clean_words(texts, null_words)
    values, bad = [], []
    for word in coded.dictionary.to_pylist():
        try:
            values.append(float(int(word, base)))
            bad.append(False)
        except ValueError:
            values.append(np.nan)
            bad.append(True)
    return take(coded, np.array(values), np.nan), take(coded, np.array(bad, bool), False)


def take(coded: pa.DictionaryArray, values: np.ndarray, null) -> np.ndarray:
    """values[i] for each row whose word is the dictionary's i-th; `null` for null."""
    codes = pc.fill_null(coded.indices, len(values)).to_numpy(zero_copy_only=False)
    return np.append(values, null)[codes]
