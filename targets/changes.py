"""What changed between two states of a network under one policy."""

from __future__ import annotations

from dataclasses import dataclass

from targets.compliance import Compliance, Row
from targets.errors import Problem, TargetsError


@dataclass(frozen=True)
class Change:
    """A row before and after; None for a row that one of the two states does not have.

    gain: km2 or km more by the figure that judges (0 where a side is missing); newly_met and newly_missed
    tell a target won or lost.
    """

    before: Row | None
    after: Row | None
    gain: float

    @property
    def row(self) -> Row:
        """The row that says what this is about."""
        return self.after or self.before

    @property
    def newly_met(self) -> bool:
        return bool(self.before and self.after and self.before.met is False and self.after.met)

    @property
    def newly_missed(self) -> bool:
        return bool(self.before and self.after and self.before.met and self.after.met is False)

    def points(self, share: str = "share_probable") -> float | None:
        """Change of a share ("share_median", ...), None where either side has none."""
        sides = [getattr(side, share) if side else None for side in (self.before, self.after)]
        return None if None in sides else sides[1] - sides[0]


def compare(before: Compliance, after: Compliance) -> list[Change]:
    """What changed between two states of a network, row by row, in the order of `after`; rows that only
    `before` has come last. TargetsError where the two were judged differently and cannot be compared."""
    for what in ("policy", "judge", "tunnels"):
        a, b = getattr(before, what), getattr(after, what)
        if a != b:
            raise TargetsError(
                Problem(
                    "",
                    "",
                    f"before and after differ in {what}: {a!r} and {b!r}",
                    "compare two states under one policy",
                )
            )
    share = "share_" + after.judge
    old = {row.key: row for row in before.rows}
    changes = []
    for row in after.rows:
        was = old.pop(row.key, None)
        gain = 0.0
        if was is not None:
            gain = (getattr(row, share) or 0.0) * row.total - (getattr(was, share) or 0.0) * was.total
        changes.append(Change(was, row, gain))
    return changes + [Change(row, None, 0.0) for row in old.values()]
