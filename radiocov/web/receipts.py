"""The receipt of an import as the team that sent the file sees it."""

from __future__ import annotations

from typing import Any

from devices import rejects
from radiocov.web.settings import Settings

KEPT = ("batch", "repeated", "sha256", "received", "profile", "datum", "rows_read", "accepted", "duplicate",
        "rejected", "first_time", "last_time", "device_count", "devices")  # fmt: skip


def public_receipt(receipt: dict[str, Any], name: str, settings: Settings) -> dict[str, Any]:
    """Without who brought the same content first, and without folders of the server. name: the file's, as its team
    knows it."""
    found = {key: receipt[key] for key in KEPT}
    for key in ("rejected_by_reason", "skipped", "flagged"):
        found[key] = [
            {"code": code, "rows": rows, "reason": rejects.text(code), "reason_zh": rejects.text(code, "zh")}
            for code, rows in receipt[key].items()
        ]
    notes = [settings.without_paths(note) for note in receipt["notes"]]
    return {"file": name, **found, "notes": notes, "reject_list": bool(receipt["reject_file"])}
