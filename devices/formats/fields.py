"""Columns of text to the fields of records, as a description says."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from devices import rejects
from devices.draft import NUMBERS, Draft, reject_rows
from devices.errors import DevicesError
from devices.formats import numbers, times, units
from devices.formats.description import TEXTS, Description, Field, heading_unit
from devices.formats.rows import Rows
from devices.identity import FIELDS as IDENTITY_FIELDS
from devices.records import CATEGORIES

CSQ_STEP_DB = 2.0
RXQUAL_PERCENT = (0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 50.0)
STRICT_WORDS = ("direction", "role", "technology", "service_state", "datum_in", "rssi_censor")


@dataclass
class Declared:
    """What the import says about a file. device: id of all rows, or of those without one; zone: of times without
    one; date: day on which times without a date begin; datum: of the positions; track: file that gives positions to
    rows without. "" where nothing was said."""

    device: str = ""
    zone: str = ""
    date: str = ""
    datum: str = ""
    track: str = ""


@dataclass
class Binding:
    """A description tied to the headings of one file. columns: field -> (heading, its Field, factor of its unit)."""

    description: Description
    columns: dict[str, tuple[str, Field, float]]
    time_column: str
    date_column: str = ""
    host_column: str = ""
    decimal: str = "."
    settings: Declared = field(default_factory=Declared)
    last_us: int | None = None
    serving_us: int | None = None

    @property
    def wanted(self) -> set[str]:
        others = {self.time_column, self.date_column, self.host_column} - {""}
        return {heading for heading, _, _ in self.columns.values()} | others

    @property
    def typed(self) -> dict[str, str]:
        """Columns that may be read as "number" or "time" at once where every cell is plain."""
        kinds: dict[str, set[str]] = {}
        for name, (heading, spec, _) in self.columns.items():
            plain = name in NUMBERS and not spec.pattern and not spec.decode and spec.base == 10
            kinds.setdefault(heading, set()).add("number" if plain and self.decimal == "." else "")
        if self.description.time.format == "auto" and not self.description.time.time_only:
            kinds.setdefault(self.time_column, set()).add("" if self.date_column else "time")
        return {heading: kind for heading, found in kinds.items() if len(found) == 1 and (kind := max(found))}


def bind(description: Description, headings: list[str], settings: Declared, decimal: str = ".") -> Binding:
    """Find the columns of a description among a file's headings. Raises DevicesError where the needed are absent."""
    plain = {plain_heading(heading): heading for heading in reversed(headings)}
    titles = {plain_heading(heading_unit(heading)[0]): heading for heading in reversed(headings)}
    columns = {}
    for name, spec in description.fields.items():
        for alias in spec.headings:
            title, unit = heading_unit(alias)
            heading = plain.get(plain_heading(alias)) or titles.get(plain_heading(title))
            if heading is not None:
                unit = unit or spec.unit or heading_unit(heading)[1]
                factor = units.factor(name, unit)
                if factor is None:
                    raise DevicesError(
                        f'column "{heading}" is in {unit!r}, which is not known for {name}; '
                        f"known: {', '.join(units.UNITS[name])}"
                    )
                columns[name] = (heading, spec, factor)
                break
    find = [plain.get(plain_heading(heading)) for heading in description.time.headings]
    time_column = next((heading for heading in find if heading), "")
    if not time_column:
        raise DevicesError(f"no column of times ({' or '.join(description.time.headings[:4])}); "
                           f"columns here: {', '.join(headings[:30])}")  # fmt: skip
    if description.time.time_only and not settings.date:
        raise DevicesError("the times have no date; name the day on which they begin: --date 2025-11-29")
    if "device_id" not in columns and not (settings.device or description.constants.get("device_id")):
        raise DevicesError("no column of device ids; name the device with --device")
    date_column, host_column = (
        plain.get(plain_heading(heading), "") if heading else ""
        for heading in (description.time.date_column, description.time.host_column)
    )
    return Binding(description, columns, time_column, date_column, host_column, decimal, settings)


@functools.lru_cache(4096)
def plain_heading(heading: str) -> str:
    """A heading without case, blanks, underscores and hyphens."""
    return "".join(char for char in heading.strip().lower() if char not in " _-\u3000")


def apply(binding: Binding, rows: Rows) -> Draft:
    """A block of texts as a draft: numbers read, times in UTC, rows that cannot be read rejected."""
    description, settings = binding.description, binding.settings
    n = len(rows.numbers)
    draft = Draft(rows.numbers, np.zeros(n, np.int64), settings.device, skipped=dict(rows.skipped))
    draft.headings = {name: heading for name, (heading, _, _) in binding.columns.items()}
    if rows.bad:
        draft.rejected.append(reject_rows(rows.bad))
    _constants(draft, description)
    _time(draft, binding, rows)
    for name, (heading, spec, factor) in binding.columns.items():
        cells = rows.columns[heading]
        if cells.null_count == n:
            continue
        if spec.pattern:
            try:
                found = pc.extract_regex(cells, _named(spec.pattern))
            except pa.ArrowInvalid as error:
                raise DevicesError(f"fields.{name}.pattern: {error}") from error
            cells = pc.struct_field(found, "value")
        if name in NUMBERS:
            _number(draft, name, cells, spec, factor, description, binding.decimal)
        elif name in CATEGORIES:
            _category(draft, name, cells, spec, description)
        elif name in TEXTS:
            _text(draft, name, cells, spec, description)
        elif name == "flags":
            _flags(draft, cells, spec, description)
    draft.texts["profile"] = description.profile
    if description.neighbours:
        _roles(draft, binding)
    if "device_id" not in binding.columns or rows.columns[binding.columns["device_id"][0]].null_count == n:
        draft.device = settings.device or str(description.constants.get("device_id", ""))
        if not draft.device:
            draft.reject(np.ones(n, bool), "device_id", "device_missing")
    return draft


def _named(pattern: str) -> str:
    """The pattern with its first group named, as arrow wants it."""
    at = 0
    while True:
        at = pattern.index("(", at)
        if pattern[at - 1 : at] != "\\" and pattern[at : at + 2] != "(?":
            return pattern[:at] + "(?P<value>" + pattern[at + 1 :]
        if pattern[at : at + 3] == "(?P":
            return pattern[:at] + "(?P<value>" + pattern[pattern.index(">", at) + 1 :]
        at += 1


def _constants(draft: Draft, description: Description) -> None:
    for name, value in description.constants.items():
        if name in NUMBERS:
            draft.numbers[name] = np.full(len(draft), float(value))
        elif name != "device_id":
            draft.texts[name] = str(value)


def _time(draft: Draft, binding: Binding, rows: Rows) -> None:
    spec = binding.description.time
    texts = rows.columns[binding.time_column]
    if binding.date_column:
        texts = pc.binary_join_element_wise(pc.utf8_trim_whitespace(rows.columns[binding.date_column]),
                                            pc.utf8_trim_whitespace(texts), " ")  # fmt: skip
    filled = pc.is_valid(texts).to_numpy(zero_copy_only=False)
    draft.texts["time_source"] = spec.source
    draft.headings["time_utc_us"] = binding.time_column
    us, ok, ambiguous, leap, assumed = _utc(binding, texts, spec.format, spec.time_only)
    if binding.host_column:
        host_us, host_ok, *_ = _utc(binding, rows.columns[binding.host_column], "auto", False)
        draft.raw["host_us"] = np.where(host_ok, host_us, 0)
    else:
        draft.reject(~filled, "time_utc_us", "time_missing")
        draft.reject(~ok, "time_utc_us", "time_unreadable", texts)
    draft.time_us = np.where(ok, us, 0)
    draft.flag(leap & ok, "leap_second")
    draft.flag(ambiguous & ok, "ambiguous_hour")
    if assumed.all() and len(assumed):
        draft.texts["time_source"] = "assumed-zone"
    elif assumed.any():
        draft.texts["time_source"] = pa.array(np.where(assumed, "assumed-zone", spec.source))


def _roles(draft: Draft, binding: Binding) -> None:
    """The first row of each moment is the serving cell's."""
    before = np.concatenate(([binding.serving_us or 0], draft.time_us[:-1]))[: len(draft)]
    draft.texts["role"] = pa.array(np.where(draft.time_us == before, "neighbour", "serving"))
    if len(draft):
        binding.serving_us = int(draft.time_us[-1])


def _utc(binding: Binding, texts: pa.Array, form: str, time_only: bool) -> tuple[np.ndarray, ...]:
    spec = binding.description.time
    read = times.read_times(texts, form)
    us, local = read.us, ~read.zoned & read.ok
    if time_only:
        day = times.read_times(pa.array([binding.settings.date + "T00:00:00"]))
        if not day.ok[0]:
            raise DevicesError(f"--date {binding.settings.date!r} is no day; write it like 2025-11-29")
        carried = times.carry_date(us[read.ok] % times.DAY_US, int(day.us[0]), binding.last_us)
        us = us.copy()
        us[read.ok] = carried
        if len(carried):
            binding.last_us = int(carried[-1])
    ambiguous = np.zeros(len(us), bool)
    zone = spec.zone or binding.settings.zone
    if local.any():
        if not zone:
            raise DevicesError(
                f'the times in "{binding.time_column}" have no zone; name it: --zone Asia/Shanghai (or UTC, +08:00)'
            )
        shifted, twice = times.local_to_utc(us[local], zone)
        us = us.copy()
        us[local], ambiguous[local] = shifted, twice
    return us, read.ok, ambiguous, read.leap, local & (not spec.zone)


def _number(draft: Draft, name: str, cells: pa.Array, spec: Field, factor: float, description: Description,
            decimal: str) -> None:  # fmt: skip
    words = description.null_words | {word.lower() for word in spec.null}
    if spec.base != 10:
        values, bad = numbers.to_numbers_of_base(cells, spec.base, words)
    elif spec.degrees == "nmea" or name in ("lat", "lon"):
        values, bad = _degrees(cells, spec.degrees, decimal, words)
    else:
        values, bad = numbers.to_numbers(cells, decimal, words)
    for word in spec.null:
        try:
            values = np.where(values == float(word), np.nan, values)
        except ValueError:
            continue
    if name in IDENTITY_FIELDS:
        draft.raw[name] = values
    if name == "rssi_dbm":
        draft.reject(bad, name, "not_a_number", cells)
        if spec.decode == "csq":
            values = _csq(draft, values, cells)
    else:
        draft.flag(bad, "position_range" if name in ("lat", "lon") else f"{name}_word")
    if spec.decode == "rxqual":
        _rxqual(draft, values)
        return
    scale = spec.scale * factor
    offset = 0.0 if spec.offset == "required" else spec.offset
    draft.numbers[name] = values if scale == 1.0 and offset == 0.0 else values * scale + offset


def _degrees(cells: pa.Array, form: str, decimal: str, words: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """Degrees with or without N, S, E, W or a degree sign; "nmea": ddmm.mmmm."""
    values, bad = numbers.to_numbers(cells, decimal, words)
    if bad.any():
        plain = pc.utf8_upper(numbers.clean(cells, words))
        negative = pc.match_substring_regex(plain, "[SW]").fill_null(False).to_numpy(zero_copy_only=False)
        bare = pc.replace_substring_regex(plain, r"^[NSEW]?\s*([\d.,]+)\s*[°º度]?\s*[NSEW]?$", r"\1")
        values, bad = numbers.to_numbers(bare, decimal, words)
        values = np.where(negative, -values, values)
    if form == "nmea":
        whole = np.floor(np.abs(values) / 100)
        minutes = np.abs(values) - whole * 100
        bad |= minutes >= 60
        values = np.where(bad, np.nan, np.sign(values) * (whole + minutes / 60))
    return values, bad


def _csq(draft: Draft, values: np.ndarray, cells: pa.Array) -> np.ndarray:
    """Signal index of +CSQ: 0 is at most -113 dBm, 31 at least -51 dBm, 99 unknown."""
    known = ~np.isnan(values)
    draft.reject(known & ~((values >= 0) & (values <= 31) | (values == 99)), "rssi_dbm", "level_code", cells)
    censor = np.where(values == 0, "below", np.where(values == 31, "above", "none"))
    draft.texts["rssi_censor"] = pa.array(censor)
    draft.numbers["rssi_step_db"] = np.full(len(values), CSQ_STEP_DB)
    return np.where(values == 99, np.nan, -113.0 + 2.0 * values)


def _rxqual(draft: Draft, values: np.ndarray) -> None:
    """Class 0..7 of bit errors to its interval; anything else is unknown."""
    known = (values >= 0) & (values <= 7)
    at = np.where(known, values, 0).astype(np.int64)
    bounds = np.array(RXQUAL_PERCENT)
    draft.numbers["ber_low_percent"] = np.where(known, bounds[at], np.nan)
    draft.numbers["ber_high_percent"] = np.where(known, bounds[at + 1], np.nan)


def _category(draft: Draft, name: str, cells: pa.Array, spec: Field, description: Description) -> None:
    """Words of the file to words of the record, by the map, else as they are; empty ones keep the constant."""
    coded = numbers.clean_words(cells, description.null_words - {"none"})
    by_word = {word.lower(): to for word, to in spec.map.items()}
    to = []
    for word in coded.dictionary.to_pylist():
        plain = word.lower()
        to.append(by_word.get(plain, plain.replace(" ", "_") if plain.replace(" ", "_") in CATEGORIES[name] else "?"))
    default = draft.texts.get(name)
    found = numbers.take(coded, np.array(to, object), default if isinstance(default, str) else None)
    unknown = found == "?"
    if name in STRICT_WORDS:
        draft.reject(unknown, name, "unknown_word", cells)
    else:
        draft.flag(unknown, f"{name}_word")
    found[unknown | (found == "")] = None
    draft.texts[name] = pa.array(found, pa.string())
    if name in IDENTITY_FIELDS:
        draft.raw[name] = numbers.clean(cells, description.null_words)


def _text(draft: Draft, name: str, cells: pa.Array, spec: Field, description: Description) -> None:
    coded = numbers.clean_words(cells, description.null_words | {word.lower() for word in spec.null})
    if name == "device_id":
        if draft.device and coded.null_count:
            coded = pc.fill_null(coded.dictionary_decode(), draft.device).dictionary_encode()
        draft.device = coded
    else:
        draft.texts[name] = draft.raw[name] = coded


def _flags(draft: Draft, cells: pa.Array, spec: Field, description: Description) -> None:
    """What earlier imports noted of the rows, words parted by blanks: they keep it."""
    coded = numbers.clean_words(cells, description.null_words)
    by_word = {word.lower(): to for word, to in spec.map.items()}
    noted = [[by_word.get(word, word) for word in text.lower().split()] for text in coded.dictionary.to_pylist()]
    for word in sorted({word for words in noted for word in words}):
        rows = numbers.take(coded, np.array([word in words for words in noted]), False)
        draft.flag(rows, word if rejects.is_flag(word) else "flags_word")
