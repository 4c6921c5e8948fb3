"""What a file seems to be by its first bytes and its name, before it is kept: logs and archives of logs alone."""

from __future__ import annotations

import re

from radiocov.web.refusal import Refusal

SUFFIXES = (".csv", ".tsv", ".txt", ".log", ".nmea", ".gpx", ".kml", ".kmz", ".xml", ".json", ".jsonl", ".ndjson",
            ".journal", ".cap", ".bin", ".dat", ".zip", ".gz")  # fmt: skip
LONGEST_NAME = 200
#: first bytes of what is no log -> what it is
OTHERS = (
    (b"\x7fELF", "a program"), (b"MZ", "a program"), (b"#!", "a script"), (b"\xca\xfe\xba\xbe", "a program"),
    (b"%PDF", "a PDF"), (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"),
    (b"RIFF", "a sound or film"), (b"Rar!", "a RAR archive; pack it as zip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; pack it as zip"), (b"BZh", "a bzip2 archive; pack it as zip or gz"),
    (b"\xfd7zXZ", "an xz archive; pack it as zip or gz"), (b"\x28\xb5\x2f\xfd", "a zstd archive; pack it as gz"),
    (b"\xd0\xcf\x11\xe0", "an old Office document; save it as CSV"), (b"SQLite format 3", "a database"),
)  # fmt: skip
_UNFIT = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff/\\]")


def checked_name(name: str) -> str:
    """The name as it is shown. Raises Refusal for a path, for what can't be shown, and for kinds that are no logs."""
    shown = name.strip()
    if not shown or len(shown) > LONGEST_NAME or _UNFIT.search(shown) or shown.strip(".") == "":
        raise Refusal(400, "bad_name", f"the name must be that of a file alone: no folder, no control characters, at "
                                       f"most {LONGEST_NAME} characters")  # fmt: skip
    if not shown.lower().endswith(SUFFIXES):
        raise Refusal(415, "bad_kind", f"the name must end in one of {' '.join(SUFFIXES)}")
    return shown


def stored_name(shown: str) -> str:
    """A name for the disk, and for receipts: letters of any script, digits, and few marks."""
    stem, _, suffix = shown.rpartition(".")
    plain = re.sub(r"[^\w\- ()]", "_", stem).strip(" ")
    while len(plain.encode()) > 120:
        plain = plain[:-1]
    return f"{plain or 'log'}.{suffix.lower()}"


def check_start(data: bytes) -> None:
    """Raises Refusal where the first bytes are those of something else than a log."""
    for magic, what in OTHERS:
        if data.startswith(magic):
            raise Refusal(415, "no_log", f"this is {what}, not a log")
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<script")):
        raise Refusal(415, "no_log", "this is a web page, not a log; the sign-in page of a network, perhaps?")
    office = b"[Content_Types].xml" in data[:4096] or b"mimetypeapplication/vnd.oasis" in data[:200]
    if data.startswith(b"PK\x03\x04") and office:
        raise Refusal(415, "no_log", "this is an Office document; save the sheet as CSV")
