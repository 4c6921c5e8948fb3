"""Problems in files that people wrote, collected so that one run tells all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in words for the person who can put it right.

    file: name of the file as the user wrote it; where: line, feature or key; remedy: what would be right.
    """

    file: str
    where: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.file, self.where, self.message) if part)
        return f"{text}; {self.remedy}" if self.remedy else text


class TargetsError(ValueError):
    """Input that cannot be used; `problems` has every problem found, the message one line for each."""

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems: list[Problem] = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None where none is close."""
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(str(word).casefold(), list(by_folded), n=1, cutoff=0.5)
    return by_folded[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """'did you mean ...?' or, where nothing is close, the list of what is known."""
    known = list(known)
    found = nearest(word, known)
    if found is not None:
        return f"did you mean {found!r}?"
    return "known: " + ", ".join(known) if known else ""
