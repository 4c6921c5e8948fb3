"""Log rows with all that calibration asks of them, as plain arrays: from files, or from the fleet store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from devices.formats.fields import Declared
from devices.query import Names, Wanted, names, numbers
from devices.simulated import SYNTHETIC
from devices.store import Store
from radiocov.files import file_digest
from radiocov.measurements import SILENT, bench_offsets, imported, left_out
from radiocov.project import Project

COLUMNS = ("device", "time_us", "context", "lat", "lon", "rssi_dbm", "hdop", "pos_age_s", "speed_mps")
TEXTS = ("site_id", "direction", "role", "carry", "fix", "rssi_censor", "service_state", "flags", "datum_in")
US_PER_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Rows:
    """(n,) each. level_dbm: what a bench found a handset to read too high is taken off; NaN where there is none.
    texts: codes of each text by column, into `words`; number 0 is "". freq_hz, tx_power_dbm: NaN where unknown."""

    device: np.ndarray
    time_us: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    level_dbm: np.ndarray
    hdop: np.ndarray
    pos_age_s: np.ndarray
    speed_mps: np.ndarray
    freq_hz: np.ndarray
    tx_power_dbm: np.ndarray
    texts: dict[str, np.ndarray]
    words: dict[str, list[str]]
    devices: dict[int, str]

    def __len__(self) -> int:
        return len(self.device)

    def of(self, chosen: np.ndarray) -> Rows:
        """The rows of a mask or of positions."""
        values = {name: v[chosen] if isinstance(v, np.ndarray) else v for name, v in vars(self).items()}
        return Rows(**{**values, "texts": {name: v[chosen] for name, v in self.texts.items()}})

    def where(self, column: str, *words: str) -> np.ndarray:
        """(n,) bool: whether a text is one of some."""
        wanted = [i for i, word in enumerate(self.words[column]) if word in words]
        return np.isin(self.texts[column], wanted)

    @property
    def silent(self) -> np.ndarray:
        """Without level in a state without service: explicitly not heard."""
        return self.where("service_state", *SILENT) & np.isnan(self.level_dbm)

    @property
    def day(self) -> np.ndarray:
        return self.time_us // US_PER_DAY


@dataclass
class Logs:
    """What was read. counts: rows rejected and duplicate before they became rows. sources: name, sha256 ("" of a
    store), rows of each."""

    rows: Rows
    counts: dict[str, int]
    sources: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    @property
    def simulated(self) -> int:
        """Rows that no handset measured."""
        words = [word for word in self.rows.words.get("flags", []) if SYNTHETIC in word.split()]
        return int(self.rows.where("flags", *words).sum()) if words else 0

    def days(self) -> tuple[str, str]:
        """First and last day of the rows, UTC."""
        if not len(self.rows):
            return "", ""
        ends = (int(self.rows.time_us.min()), int(self.rows.time_us.max()))
        first, last = (dt.datetime.fromtimestamp(t / 1e6, dt.UTC).date().isoformat() for t in ends)
        return first, last


def read_rows(
    project: Project,
    files: Sequence[str] = (),
    declared: Declared | None = None,
    format_: str = "",
    store_url: str = "",
    progress: Callable[[str, int, int], None] | None = None,
    roads: Sequence[Any] | None = None,
) -> Logs:
    """Rows of log files, or of the fleet store where no file is named. roads: their lines, where they are read
    already. DevicesError as `read_logs`."""
    with imported(project, files, declared, format_, store_url, progress, roads) as (store, receipts):
        rows = _collect(store)
        if not files:
            return Logs(rows, {}, [{"name": store.name, "sha256": "", "rows": len(rows)}])
        counts, notes = left_out(receipts)
        sources = [{"name": Path(name).name, "sha256": file_digest(Path(name)), "rows": r["rows_read"]}
                   for name, r in zip(files, receipts, strict=True)]  # fmt: skip
        return Logs(rows, counts, sources, notes)


def _collect(store: Store) -> Rows:
    known, offsets, blocks = names(store), bench_offsets(store), []
    tables, words = _tables(known)
    for block in numbers(store, Wanted(), COLUMNS):
        at = block["context"]
        blocks.append({
            "device": block["device"], "time_us": block["time_us"], "lon": block["lon"], "lat": block["lat"],
            "level_dbm": block["rssi_dbm"] - offsets[block["device"]],
            **{name: block[name] for name in ("hdop", "pos_age_s", "speed_mps")},
            **{name: table[at] for name, table in tables.items()},
        })  # fmt: skip
    joined = {name: np.concatenate([b[name] for b in blocks]) if blocks else np.zeros(0)
              for name in (*_OWN, *tables)}  # fmt: skip
    whole = {name: joined[name].astype(np.int64) for name in ("device", "time_us")}
    texts = {name: joined[name].astype(np.int32) for name in TEXTS}
    plain = {name: joined[name] for name in (*_OWN, "freq_hz", "tx_power_dbm") if name not in whole}
    return Rows(**whole, **plain, texts=texts, words=words, devices=known.devices)


_OWN = ("device", "time_us", "lon", "lat", "level_dbm", "hdop", "pos_age_s", "speed_mps")


def _tables(known: Names) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Look-up tables by the number of a context, and the words that the codes of texts stand for."""
    size = max(known.contexts, default=0) + 1
    tables: dict[str, np.ndarray] = {name: np.full(size, np.nan) for name in ("freq_hz", "tx_power_dbm")}
    words: dict[str, list[str]] = {}
    for name in TEXTS:
        found = {"": 0}
        table = np.zeros(size, np.int32)
        for number, context in known.contexts.items():
            table[number] = found.setdefault(str(context[name] or "").strip(), len(found))
        tables[name], words[name] = table, list(found)
    for number, context in known.contexts.items():
        for name in ("freq_hz", "tx_power_dbm"):
            if context[name] is not None:
                tables[name][number] = float(context[name])
    return tables, words
