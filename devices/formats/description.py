"""What a log format is made of, read from TOML: where its columns stand and what they mean.

The text of a description that cannot be used is answered with its file, line and key and what would be right.
"""

from __future__ import annotations

import codecs
import difflib
import functools
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic import Field as Key

from devices.errors import DevicesError
from devices.formats.units import UNITS
from devices.records import CATEGORIES, LIMITS, NAMES

COMPUTED = {"time_utc_us", "time_source", "occurrence", "row_no", "raw_ref", "raw_key", "profile", "flags"}
FIELDS = tuple(name for name in NAMES if name not in COMPUTED)
TEXTS = ("device_id", "channel", "system_code", "site_id")
NULL_WORDS = ("", "-", "--", "n/a", "na", "nan", "null", "none", "#n/a", "未知", "无")
Names = list[str] | str


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Field(_Model):
    """How a field is read: value = number in the column * scale + offset, after decode and unit.

    column: heading(s), the first one present counts; a heading may end in a unit, "speed [km/h]". pattern: the part
    of the cell in its first group. map: words of the file to words of the record.
    """

    column: Names
    unit: str = ""
    scale: float = 1.0
    offset: float | Literal["required"] = 0.0
    base: Literal[10, 16] = 10
    decode: Literal["", "csq", "rxqual"] = ""
    degrees: Literal["decimal", "nmea"] = "decimal"
    pattern: str = ""
    null: list[str] = []
    map: dict[str, str] = {}

    @property
    def headings(self) -> list[str]:
        return [self.column] if isinstance(self.column, str) else list(self.column)

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        return _pattern(value, groups=1) if value else value


class Time(_Model):
    """column: one heading of a whole time, or alternatives; date_column: where date and time stand apart.

    format: "auto", "unix_s", "unix_ms", "unix_us" or a pattern such as "%Y.%m.%d_%H.%M.%S". zone: of times without
    one, such as "UTC" or "Asia/Shanghai"; empty, it has to be named at the import. host_column: the computer's
    own time.
    """

    column: Names
    date_column: str = ""
    format: str = "auto"
    zone: str = ""
    source: Literal["gps", "handset", "host"] = "handset"
    host_column: str = ""
    time_only: bool = False

    @property
    def headings(self) -> list[str]:
        return [self.column] if isinstance(self.column, str) else list(self.column)


class File(_Model):
    """How the bytes become cells. recognise: headings that all have to be there; recognise_line: pattern of the
    first line of a file without header (or of the line before it)."""

    kind: Literal["csv", "lines", "json", "gpx", "kml", "spectrum"] = "csv"
    encoding: str = "auto"
    delimiter: Literal["auto", ",", ";", "\t", "|"] = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    columns: list[str] = []
    recognise: list[str] = []
    recognise_line: str = ""
    line: str = ""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            return value if value == "auto" else codecs.lookup(value).name
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding; such as utf-8, gb18030, utf-16") from error

    @field_validator("line", "recognise_line")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        return _pattern(value) if value else value


class Spectrum(_Model):
    """The channel whose bins a sweep is summed over."""

    channel_hz: float | Literal["required"]
    width_hz: float = 12_500.0


class Description(_Model):
    """A log format. constants: values that all rows share. datum: of its positions; empty, it has to be declared
    at the import for positions in China. neighbours = "same_time": of rows with one time the first is the serving
    cell's, the others are neighbours'."""

    name: str = Key(min_length=1, pattern=r"^[\w.-]+$")
    version: str = "1"
    title: str = ""
    title_zh: str = ""
    datum: Literal["", "wgs84", "cgcs2000", "gcj02", "bd09"] = ""
    file: File = File()
    time: Time
    fields: dict[str, Field] = Key(min_length=1)
    constants: dict[str, str | float | int] = {}
    null: list[str] = []
    neighbours: Literal["", "same_time"] = ""
    spectrum: Spectrum | None = None

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, value: dict[str, Field]) -> dict[str, Field]:
        for name, field in value.items():
            if name not in (*FIELDS, "flags"):
                raise ValueError(f"{name}|{_suggest(name, FIELDS)}")
            for heading in [*field.headings, f"[{field.unit}]" if field.unit else ""]:
                unit = heading_unit(heading)[1]
                if unit and name in UNITS and unit.lower() not in UNITS[name]:
                    raise ValueError(f"{name}|unit {unit!r} is not known for {name}; known: {', '.join(UNITS[name])}")
            for word in field.map.values():
                if name in CATEGORIES and word and word not in CATEGORIES[name]:
                    raise ValueError(f"{name}|map leads to {word!r}; known: {', '.join(CATEGORIES[name])}")
        return value

    @field_validator("constants")
    @classmethod
    def _known_constants(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, constant in value.items():
            if name not in FIELDS:
                raise ValueError(f"{name}|{_suggest(name, FIELDS)}")
            if name in CATEGORIES and constant not in CATEGORIES[name]:
                raise ValueError(f"{name}|{constant!r} is not known; known: {', '.join(CATEGORIES[name])}")
            limit = LIMITS.get(name)
            if limit and not (isinstance(constant, int | float) and limit.low <= constant <= limit.high):
                raise ValueError(f"{name}|give a number from {limit.low:g} to {limit.high:g}")
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Description:
        if self.file.kind == "lines" and not self.file.line:
            raise ValueError('file|kind "lines" needs file.line, a pattern with named groups: (?P<time>\\S+) ...')
        if self.file.kind == "spectrum" and self.spectrum is None:
            raise ValueError('file|kind "spectrum" needs a [spectrum] table with channel_hz')
        return self

    @property
    def profile(self) -> str:
        """What stands in the records: name and version."""
        return f"{self.name}/{self.version}"

    @property
    def null_words(self) -> frozenset[str]:
        return frozenset(NULL_WORDS) | {word.lower() for word in self.null}

    @property
    def empty_cells(self) -> frozenset[str]:
        """Null words of any column; "none" is a word of some categories."""
        return self.null_words - {"none"}

    def missing_facts(self) -> list[str]:
        """Keys that only the user can fill in."""
        missing = [f"fields.{name}.offset" for name, field in self.fields.items() if field.offset == "required"]
        if self.spectrum is not None and self.spectrum.channel_hz == "required":
            missing.append("spectrum.channel_hz")
        return missing


@functools.lru_cache(4096)
def heading_unit(heading: str) -> tuple[str, str]:
    """("speed", "km/h") of "speed [km/h]", "speed (km/h)" or 速度（km/h）; the unit is "" without brackets."""
    text = heading.strip().replace("（", "(").replace("）", ")").replace("[", "(").replace("]", ")")
    match = re.fullmatch(r"(.*?)\s*\(\s*([^()]*?)\s*\)", text)
    return (match[1], match[2]) if match else (text, "")


def parse_description(text: str, file: str) -> Description:
    """Raises DevicesError with one line for every fault: file, line, key, what is wrong, what would be right."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DevicesError(f"{file}: is not valid TOML: {error}; correct it there") from error
    try:
        return Description.model_validate(raw)
    except ValidationError as error:
        raise DevicesError("\n".join(_fault(file, text, detail) for detail in error.errors())) from error


def read_description(path: Path) -> Description:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DevicesError(f"{path}: is not encoded in UTF-8; save it as UTF-8") from error
    return parse_description(text, path.name)


def _fault(file: str, text: str, detail: Any) -> str:
    path = [str(part) for part in detail["loc"]]
    message = detail["msg"]
    if detail["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        key, bar, rest = message.partition("|")
        if bar:
            path, message = [*path, key], rest
    elif detail["type"] == "extra_forbidden":
        message = f'unknown key "{path[-1]}"; {_suggest(path[-1], _keys_beside(path))}'
    elif detail["type"] == "missing":
        message = "is missing"
    else:
        message = f"{detail['input']!r} is not accepted: {message}"
    line = _line_of(text, path)
    return f"{file}: {f'line {line}, ' if line else ''}{'.'.join(path)}: {message}"


def _keys_beside(path: list[str]) -> list[str]:
    models = {"file": File, "time": Time, "spectrum": Spectrum, "fields": Field}
    return list((Description if len(path) == 1 else models.get(path[0], Field)).model_fields)


def _suggest(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def _line_of(text: str, path: list[str]) -> int:
    """Line of the deepest part of a key path that stands in the text; 0 where none does."""
    table: list[str] = []
    best, found = 0, 0
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        key = re.match(r"\s*([\w.\"-]+)\s*=", line)
        if header:
            table = here = [part.strip(' "') for part in header[1].split(".")]
        elif key:
            here = table + [part.strip(' "') for part in key[1].split(".")]
        else:
            continue
        same = 0
        while same < min(len(here), len(path)) and here[same] == path[same]:
            same += 1
        if same == len(here) and same > best:
            best, found = same, number
    return found


def _pattern(value: str, groups: int = 0) -> str:
    try:
        compiled = re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if compiled.groups < groups:
        raise ValueError("needs a group, in (round brackets), around the value")
    return value
