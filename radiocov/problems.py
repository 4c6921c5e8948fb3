"""What is wrong with an input, in one line the user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One fault of one input.

    file: the file as the user knows it; where: row, line or key ("" for the file as a whole);
    message: what is wrong; remedy: what would be right ("" where the message says it all).
    """

    file: str
    where: str
    message: str
    remedy: str = ""
    severity: Severity = "error"

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.where) if part)
        text = f"{self.message}; {self.remedy}" if self.remedy else self.message
        line = f"{place}: {text}" if place else text
        return " ".join(line.split())

    def to_dict(self) -> dict[str, str]:
        """For `--json`."""
        return {"file": self.file, "where": self.where, "message": self.message, "remedy": self.remedy,
                "severity": self.severity}


class ProjectError(ValueError):
    """Bad input. `problems` holds every fault found (at least one); the text is one line a problem."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: list[Problem] = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that stop the work, without the warnings."""
    return [problem for problem in problems if problem.is_error]


def from_foreign(problem_like: Any) -> Problem:
    """A Problem from anything with some of `file, where, message, remedy, severity`; else from its text.

    The packages below radiocov have problem types of their own, because they may not import this one.
    """
    if isinstance(problem_like, Problem):
        return problem_like
    message = getattr(problem_like, "message", None)
    severity = str(getattr(problem_like, "severity", "error"))
    return Problem(
        file=str(getattr(problem_like, "file", "") or ""),
        where=str(getattr(problem_like, "where", "") or ""),
        message=str(problem_like) if message is None else str(message),
        remedy=str(getattr(problem_like, "remedy", "") or ""),
        severity="warning" if severity == "warning" else "error",
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name closest to a mistyped one, or "" when none is close."""
    lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.6)
    return lower[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or the list of them."""
    names = list(known)
    match = nearest(word, names)
    return f'did you mean "{match}"?' if match else f"known here: {', '.join(names) or 'none'}"
