"""The document for the archive: what the network covers, what that rests on, and what was measured."""

from radiocov.report.document import write_report

__all__ = ["write_report"]
