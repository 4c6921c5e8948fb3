"""The results of one run, held for the map while later runs put other rasters in their place.

A run replaces file after file, and the manifest of all last. What is held are links to the files that a manifest
names, after their checksums were found to be the manifest's: rasters of two runs are never shown as one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from radiocov.coverage.results import MANIFEST
from radiocov.files import file_digest, link_or_copy, read_json

KEY_DIGITS = 16


def key_of(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()[:KEY_DIGITS]


def hold(results: Path, target: Path) -> str:
    """The key of the run that is now held below `target`; "" where the files are not those of the manifest, because a
    run is writing."""
    try:
        manifest = (results / MANIFEST).read_bytes()
        for state in json.loads(manifest)["states"]:
            (target / state["state"]).mkdir(parents=True)
            own = f"{state['state']}/{MANIFEST}"
            link_or_copy(results / own, target / own)
            if (read_json(target / own) or {}).get("key") != state["key"]:
                return ""
            for name, about in state["files"].items():
                link_or_copy(results / name, target / name)
                if file_digest(target / name) != about["sha256"]:
                    return ""
    except FileNotFoundError:
        return ""
    (target / MANIFEST).write_bytes(manifest)
    return key_of(manifest)
