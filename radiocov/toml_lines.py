"""Where in a TOML text a key stands: tomllib gives values without positions, and users need the line."""

from __future__ import annotations

import re

KeyPath = tuple[str | int, ...]

_PART = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+))\s*')


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line number (from 1) of every table header and `key =` of a valid TOML text.

    Keys are paths such as ("model", "radius_km") or ("terminals", 1, "height_m"), array tables from 0.
    What stands inside an inline table or an array has no entry: `line_of` takes the key that holds it.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    state = _Scanner()
    for number, line in enumerate(text.splitlines(), start=1):
        inside = state.inside
        state.feed(line)
        stripped = line.strip()
        if inside or not stripped or stripped[0] == "#":
            continue
        if stripped.startswith("[["):
            name = _indexed(_split_key(stripped[2:]), counts)
            index = counts.get(name, 0)
            counts[name] = index + 1
            table = (*name, index)
            lines.setdefault(name, number)
        elif stripped[0] == "[":
            table = _indexed(_split_key(stripped[1:]), counts)
        else:
            path = table
            for part in _split_key(stripped):
                path = (*path, part)
                lines.setdefault(path, number)
            continue
        lines.setdefault(table, number)
        for depth in range(1, len(table)):  # it stands for parents without a line of their own
            lines.setdefault(table[:depth], number)
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Line of a key path, else of the nearest thing around it; 1 for the file as a whole."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _split_key(text: str) -> list[str]:
    """The parts of a dotted key at the start of text."""
    parts, at = [], 0
    while match := _PART.match(text, at):
        parts.append(next(group for group in match.groups() if group is not None))
        at = match.end()
        if at >= len(text) or text[at] != ".":
            break
        at += 1
    return parts


def _indexed(parts: list[str], counts: dict[KeyPath, int]) -> KeyPath:
    """A header's path with the index of the array table it is in: [[a]] [a.b] -> ("a", 0, "b")."""
    path: KeyPath = ()
    for depth, part in enumerate(parts):
        path = (*path, part)
        if depth < len(parts) - 1 and path in counts:
            path = (*path, counts[path] - 1)
    return path


class _Scanner:
    """Follows strings and brackets, to know whether the next line continues a value begun before it."""

    def __init__(self) -> None:
        self.quote = ""  # the delimiter of an open multi-line string
        self.depth = 0

    @property
    def inside(self) -> bool:
        return bool(self.quote) or self.depth > 0

    def feed(self, line: str) -> None:
        at = 0
        if not self.inside and line.lstrip().startswith("["):
            return  # a table header: its brackets are closed on the line
        while at < len(line):
            if self.quote:
                if line.startswith(self.quote, at):
                    at += len(self.quote)
                    self.quote = ""
                elif self.quote[0] == '"' and line[at] == "\\":
                    at += 2
                else:
                    at += 1
                continue
            char = line[at]
            if char == "#":
                return
            if char in "\"'":
                self.quote = char * 3 if line.startswith(char * 3, at) else char
                at += len(self.quote)
                continue
            self.depth += (char in "[{") - (char in "]}")
            at += 1
        if len(self.quote) == 1:  # cannot happen in valid TOML
            self.quote = ""
