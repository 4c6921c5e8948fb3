"""What a service is started with, and the limits it keeps."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from radiocov.project import Project, load_project

FOLDER = "service"
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    chunk_bytes: int = 4 * MIB
    file_bytes: int = 512 * MIB
    open_bytes: int = 4096 * MIB  # of a team's files that are not whole yet
    open_files: int = 1000
    body_bytes: int = MIB  # of any other request
    free_bytes: int = 1024 * MIB  # left on the disk
    body_s: float = 120.0  # a chunk takes no longer than this to come
    uploads_at_once: int = 4  # handled side by side; the others wait, so that the map stays quick
    requests_a_second: float = 50.0  # of one person
    request_burst: float = 500.0
    sign_ins_a_minute: float = 20.0  # of one address
    staff_session_s: int = 12 * 3600
    field_session_s: int = 7 * 86_400
    link_s: int = 3600  # a one-time link is good for


@dataclass(frozen=True)
class Settings:
    """database: postgresql://... for everything, or "" for SQLite files. public_url: as people type it, without a
    slash at the end; cookies are for HTTPS alone where it is https. basemap: whether the map page may fetch
    tiles of one from other servers."""

    project_folder: Path
    database: str = ""
    public_url: str = ""
    lang: str = "en"
    limits: Limits = field(default_factory=Limits)
    basemap: bool = False
    proxies: str = "127.0.0.1"  # addresses of reverse proxies, of which the service believes who asks; with commas
    audit_days: float = 0.0  # entries of the audit trail that are older go, day by day; 0: none does

    @property
    def folder(self) -> Path:
        """What the service keeps besides the fleet store: its own database, logs as they came, jobs' output."""
        return self.project_folder / FOLDER

    @property
    def uploads_folder(self) -> Path:
        return self.folder / "uploads"

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def fleet_url(self) -> str:
        """Of the fleet store; "" for the project's own file."""
        return self.database or os.environ.get("RADIOCOV_STORE", "")

    def project(self) -> Project:
        return load_project(self.project_folder)

    def without_paths(self, text: str) -> str:
        """A message with no folder of this machine in it."""
        for folder in (self.folder, self.project_folder):
            for name in {str(folder), str(folder.absolute()), str(folder.resolve())}:
                text = text.replace(name + os.sep, "").replace(name, folder.name)
        return text
