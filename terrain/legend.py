"""Legends: the one table that turns the codes of a land-cover map into clutter classes. CSV files, yours or ours."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from terrain.errors import TerrainError
from terrain.ground import KINDS, NOISE_ENVIRONMENTS, ClutterClass

LEGENDS_FOLDER = Path(__file__).parent / "legends"
COLUMNS = ("code", "name", "label_en", "label_zh", "height_m", "noise_environment", "model_error_db", "kind")
# What a uint8 index holds, less the one that means "not read yet" and the class "no data".
MOST_CLASSES = 254


def packaged_legends() -> list[str]:
    return sorted(path.stem for path in LEGENDS_FOLDER.glob("*.csv"))


def legend_path(legend: str | Path) -> Path:
    """The file of a packaged legend by name, or the user's own file. Raises TerrainError."""
    packaged = LEGENDS_FOLDER / f"{legend}.csv"
    if str(legend) in packaged_legends():
        return packaged
    if Path(legend).is_file():
        return Path(legend)
    names = ", ".join(packaged_legends())
    raise TerrainError(f"legend {str(legend)!r} is neither a packaged one ({names}) nor an existing CSV file")


def read_legend(legend: str | Path) -> list[ClutterClass]:
    """The classes of a legend, in its order. Raises TerrainError with file and line for a bad row."""
    path = legend_path(legend)
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets in Chinese Windows save CSV so.
        text = content.decode("gb18030", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise TerrainError(
            f"{path}: column {', '.join(missing)} is missing; the header must be {','.join(COLUMNS)}"
        )
    classes: list[ClutterClass] = []
    for row in reader:
        if not any((row[name] or "").strip() for name in COLUMNS):
            continue
        one = _legend_row(row, f"{path} line {reader.line_num}")
        if any(one.id == other.id for other in classes):
            raise TerrainError(f"{path} line {reader.line_num}: code {one.id} stands twice")
        classes.append(one)
    if not classes:
        raise TerrainError(f"{path}: the legend has no rows")
    if len(classes) > MOST_CLASSES:
        raise TerrainError(f"{path}: {len(classes)} classes; at most {MOST_CLASSES} fit")
    return classes


def _legend_row(row: dict[str, str], where: str) -> ClutterClass:
    cells = {name: (row[name] or "").strip() for name in COLUMNS}

    def number(name: str, low: float, high: float) -> float:
        try:
            value = float(cells[name])
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise TerrainError(
                f"{where}: {name} is {cells[name]!r}; it must be a number from {low:g} to {high:g}"
            )
        return value

    def choice(name: str, allowed: Sequence[str]) -> str:
        if cells[name] not in allowed:
            raise TerrainError(f"{where}: {name} is {cells[name]!r}; it must be one of {', '.join(allowed)}")
        return cells[name]

    code = number("code", -(2**31), 2**31 - 1)
    if code != int(code):
        raise TerrainError(f"{where}: code is {cells['code']!r}; it must be a whole number")
    if not cells["name"]:
        raise TerrainError(f"{where}: name is empty")
    return ClutterClass(
        id=int(code),
        name=cells["name"],
        label_en=cells["label_en"] or cells["name"],
        label_zh=cells["label_zh"] or cells["label_en"] or cells["name"],
        height_m=number("height_m", 0.0, 100.0),
        noise_environment=choice("noise_environment", NOISE_ENVIRONMENTS),
        model_error_db=number("model_error_db", 0.1, 30.0),
        kind=choice("kind", KINDS),
    )
