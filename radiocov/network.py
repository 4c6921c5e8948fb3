"""The radio network: sites.csv, every bad cell named by its row as a spreadsheet counts them."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import os
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from radiocov.columns import COLUMNS, REQUIRED, Column, match_headers, parse_coordinate, parse_date
from radiocov.problems import Problem, ProjectError, Severity, did_you_mean

STATUSES = {"existing": "existing", "planned": "planned", "candidate": "candidate",
            "已建": "existing", "现有": "existing", "在用": "existing", "现网": "existing",
            "规划": "planned", "计划": "planned", "在建": "planned", "待建": "planned",
            "候选": "candidate", "备选": "candidate"}
SWAP_DEGREES = 5.0  # a row this far from the others, but not when its coordinates are exchanged, is suspect
MAST_DEGREES = 0.005  # sectors of one mast lie closer than this (about 500 m)


@dataclass(frozen=True)
class Site:
    """A transmitter: one row of sites.csv, a sector where a mast has several.

    lon, lat: WGS 84 degrees. losses_db: combiner, feeder and the like between transmitter and antenna.
    antenna: a file's name in the antennas folder, "" for an omni of gain_dbi. azimuth_deg: of the boresight,
    clockwise from true north; tilt_deg: mechanical, positive downwards. frequency_mhz: None = the project's.
    in_service: None = always. status: existing, planned or candidate. site: name of the mast, "" = its own.
    """

    id: str
    name: str
    lon: float
    lat: float
    antenna_height_m: float
    power_dbm: float
    losses_db: float
    antenna: str
    gain_dbi: float
    azimuth_deg: float
    tilt_deg: float
    frequency_mhz: float | None
    in_service: dt.date | None
    status: str
    site: str = ""

    @property
    def eirp_max_dbm(self) -> float:
        """EIRP [dBm] in the direction of the antenna's maximum."""
        return self.power_dbm - self.losses_db + self.gain_dbi


def in_state(sites: Iterable[Site], date: dt.date) -> list[Site]:
    """The sites that count on a date: in service by then, and no mere candidates."""
    return [site for site in sites
            if site.status != "candidate" and (site.in_service is None or site.in_service <= date)]


def read_sites(
    path: str | Path, antennas_folder: str | Path | None = None
) -> tuple[list[Site], list[Problem]]:
    """Read sites.csv: (the rows without errors, in the file's order; every problem of the file).

    UTF-8 with or without BOM; commas, semicolons or tabs; English or Chinese headers. Antenna files are
    looked for in antennas_folder and read, so that a faulty one is reported and an empty gain taken from it.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        return [], [Problem(path.name, "", f"cannot be read ({error.strerror or error})",
                            "put the file there or correct its name in project.toml")]
    return parse_sites(data, path.name, antennas_folder)


def parse_sites(
    data: bytes, file: str, antennas_folder: str | Path | None = None
) -> tuple[list[Site], list[Problem]]:
    """`read_sites` for a file's content."""
    reader = _Reader(file, Path(antennas_folder) if antennas_folder is not None else None)
    reader.read(data)
    return reader.sites, reader.problems


def write_sites(path: str | Path, sites: Sequence[Site]) -> None:
    """Write sites.csv so that `read_sites` gives the same sites; with a BOM, for spreadsheets to read UTF-8.
    The file appears whole or not at all."""
    path = Path(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for site in sites:
        row = {**dataclasses.asdict(site), "longitude": site.lon, "latitude": site.lat}
        writer.writerow(["" if row[key] is None else row[key] for key in COLUMNS])
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    os.replace(partial, path)


class _Reader:
    def __init__(self, file: str, antennas: Path | None) -> None:
        self.file, self.antennas = file, antennas
        self.sites: list[Site] = []
        self.rows: list[int] = []  # spreadsheet row of each site
        self.problems: list[Problem] = []
        self._ids: dict[str, int] = {}
        self._patterns: dict[str, object | None] = {}

    def report(self, where: str, message: str, remedy: str = "", severity: Severity = "error") -> None:
        self.problems.append(Problem(self.file, where, message, remedy, severity))

    def read(self, data: bytes) -> None:
        text = self._decode(data)
        if text is None:
            return
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        except csv.Error as error:
            self.report("", f"is not a CSV table ({error})", "save it again as CSV, with quotes in pairs")
            return
        header_at = next((i for i, row in enumerate(rows) if any(cell.strip() for cell in row)), None)
        if header_at is None:
            self.report("", "is empty", f"give a header row: {','.join(COLUMNS)}")
            return
        columns = match_headers(rows[header_at], header_at + 1, self.report)
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            self.report(f"row {header_at + 1}", f"no column {', '.join(missing)}",
                        f"the header has to contain {', '.join(REQUIRED)}")
            return
        for number, row in enumerate(rows[header_at + 1:], start=header_at + 2):
            if any(cell.strip() for cell in row):
                self._row(number, row, columns, len(rows[header_at]))
        self._check_together()
        if not self.sites and not self.problems:
            self.report("", "contains no site", "give one row for each transmitter")

    def _decode(self, data: bytes) -> str | None:
        if data.startswith(b"PK\x03\x04") or data.startswith(b"\xd0\xcf\x11\xe0"):
            self.report("", "is a spreadsheet workbook, not a CSV file", 'save it as "CSV UTF-8"')
        elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
            self.report("", "is encoded in UTF-16", 'save it as "CSV UTF-8"')
        elif b"\x00" in data:
            self.report("", "contains binary data", 'save it as "CSV UTF-8"')
        else:
            try:
                return data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                line = data[: error.start].count(b"\n") + 1
            try:
                gbk = any("\u4e00" <= char <= "\u9fff" for char in data.decode("gb18030"))
            except UnicodeDecodeError:
                gbk = False
            what = "GBK, not in UTF-8" if gbk else "another encoding than UTF-8"
            self.report(f"line {line}", f"is encoded in {what}", 'save the file as "CSV UTF-8"')
        return None

    # ------------------------------------------------------------------------------------------ one row
    def _row(self, number: int, row: list[str], columns: dict[str, int], width: int) -> None:
        before = sum(problem.is_error for problem in self.problems)
        if len([cell for cell in row[width:] if cell.strip()]):
            self.report(f"row {number}", f"{len(row)} cells where the header has {width}",
                        'write numbers with a point and put texts that contain a comma in "quotes"')
            return

        def cell(name: str) -> str:
            at = columns.get(name, len(row))
            return row[at].strip() if at < len(row) else ""

        def fault(name: str, message: str, remedy: str, severity: Severity = "error") -> None:
            self.report(f"row {number}, {name}", message, remedy, severity)

        ident = cell("id")
        if not ident:
            fault("id", "is empty", "give each row an id of its own")
        elif self._ids.setdefault(ident, number) != number:
            fault("id", f'"{ident}" is already the id of row {self._ids[ident]}',
                  "give each row an id of its own")
        lon, lat = self._position(cell("longitude"), cell("latitude"), fault)
        antenna = cell("antenna")
        pattern = self._pattern(antenna, fault) if antenna else None
        gain: float | None
        if not cell("gain_dbi") and pattern is not None and pattern.gain_dbi is not None:
            gain = pattern.gain_dbi
        else:
            gain = _number(COLUMNS["gain_dbi"], cell("gain_dbi"), fault)
        directional = pattern is not None and not pattern.is_omni
        if directional and not cell("azimuth_deg"):
            fault("azimuth_deg", "is empty", f'"{antenna}" is directional: give degrees clockwise from north')
        values = {name: _number(COLUMNS[name], cell(name), fault) for name in (
            "antenna_height_m", "power_dbm", "losses_db", "azimuth_deg", "tilt_deg", "frequency_mhz")}
        if not antenna and values["tilt_deg"]:
            fault("tilt_deg", f"{values['tilt_deg']:g} has no effect on an omni without antenna file",
                  "name an antenna file or leave the tilt empty", "warning")
        status = STATUSES.get(cell("status").lower() or "existing", "")
        if not status:
            fault("status", f'"{cell("status")}" is not a status',
                  did_you_mean(cell("status"), ["existing", "planned", "candidate"]))
        date = None
        if cell("in_service"):
            date = parse_date(cell("in_service"))
            if date is None:
                fault("in_service", f'"{cell("in_service")}" is not a date', "write it as 2015-12-31")
        elif status == "planned":
            fault("in_service", "is empty", "a planned site needs the date from which it counts (2015-12-31)")
        if sum(problem.is_error for problem in self.problems) > before:
            return
        self.rows.append(number)
        self.sites.append(Site(
            id=ident, name=cell("name") or ident, lon=lon, lat=lat, antenna=antenna, gain_dbi=gain,
            in_service=date, status=status, site=cell("site"), **values))

    def _position(self, lon_text: str, lat_text: str, fault: Callable[..., None]) -> tuple[float, float]:
        lon, lon_axis = parse_coordinate(lon_text)
        lat, lat_axis = parse_coordinate(lat_text)
        wide = lon is not None and lat is not None and abs(lon) <= 90 < abs(lat) <= 180
        if lon_axis == "lat" or lat_axis == "lon" or wide:
            fault("longitude, latitude", f'"{lon_text}", "{lat_text}" look exchanged',
                  "give the longitude first or exchange the headers")
            return 0.0, 0.0
        for name, text, value, limit in (("longitude", lon_text, lon, 180), ("latitude", lat_text, lat, 90)):
            if not text:
                fault(name, "is empty", "give degrees")
            elif value is None or not abs(value) <= limit:
                shown = text if value is not None else f'"{text}"'
                fault(name, f"{shown} is not a {name}", f"give degrees between -{limit} and {limit}")
        return (0.0 if lon is None else lon), (0.0 if lat is None else lat)

    def _pattern(self, name: str, fault: Callable[..., None]):
        """The pattern of an antenna file; None where it cannot be had (a faulty file is reported once)."""
        if self.antennas is None:
            return None
        if name in self._patterns:
            if self._patterns[name] is None:
                fault("antenna", f'"{name}" cannot be used', "correct the antenna file")
            return self._patterns[name]
        from radiocov.antennas import SUFFIXES, read_pattern  # numba: not for those who only list sites

        folder = self.antennas
        if "/" in name or "\\" in name or name.startswith("."):
            fault("antenna", f'"{name}" is not a file name',
                  f'put the file into "{folder.name}" and give its name alone')
            return None
        if not (folder / name).is_file():
            listed = folder.iterdir() if folder.is_dir() else ()
            files = sorted(p.name for p in listed if p.suffix.lower() in SUFFIXES)
            remedy = did_you_mean(name, files) if files else "put it there or empty the cell for an omni"
            fault("antenna", f'there is no file "{name}" in "{folder.name}"', remedy)
            return None
        self._patterns[name] = None
        try:
            self._patterns[name] = read_pattern(folder / name)
        except ProjectError as error:
            self.problems += error.problems
        return self._patterns[name]

    # ---------------------------------------------------------------------------------- rows among others
    def _check_together(self) -> None:
        names: dict[str, list[int]] = defaultdict(list)
        masts: dict[str, list[int]] = defaultdict(list)
        for at, site in enumerate(self.sites):
            names[site.name].append(at)
            if site.site:
                masts[site.site].append(at)
        for name, members in names.items():
            for at in members[1:]:
                if not self._same_mast(members[0], at):
                    self.report(f"row {self.rows[at]}, name",
                                f'"{name}" is the name of row {self.rows[members[0]]}, at another place',
                                "give different masts different names", "warning")
        for name, members in masts.items():
            for at in members[1:]:
                if not self._close(members[0], at):
                    self.report(f"row {self.rows[at]}, site",
                                f'"{name}" is the mast of row {self.rows[members[0]]} too, at another place',
                                "give the sectors of one mast the same coordinates", "warning")
        self._check_exchanged()

    def _close(self, a: int, b: int) -> bool:
        one, other = self.sites[a], self.sites[b]
        return abs(one.lon - other.lon) < MAST_DEGREES and abs(one.lat - other.lat) < MAST_DEGREES

    def _same_mast(self, a: int, b: int) -> bool:
        one, other = self.sites[a], self.sites[b]
        return self._close(a, b) or bool(one.site and one.site == other.site)

    def _check_exchanged(self) -> None:
        if len(self.sites) < 3:
            return
        lon = statistics.median(site.lon for site in self.sites)
        lat = statistics.median(site.lat for site in self.sites)
        for row, site in zip(self.rows, self.sites, strict=True):
            here = max(abs(site.lon - lon), abs(site.lat - lat))
            exchanged = max(abs(site.lat - lon), abs(site.lon - lat))
            if here > SWAP_DEGREES > exchanged:
                self.report(f"row {row}, longitude, latitude",
                            f"{site.lon:g}, {site.lat:g} is far from the other sites, exchanged it is near",
                            "exchange the two cells", "warning")


def _number(column: Column, text: str, fault: Callable[..., None]) -> float | None:
    """The number in a cell, or the column's value for an empty one; NaN after a reported fault."""
    if not text:
        if column.required:
            fault(column.name, "is empty", f"give {column.expected}")
        return column.empty
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not column.low <= value <= column.high:
        comma = re.fullmatch(r"[-+]?\d+,\d+", text)
        fault(column.name, f'"{text}" is not accepted' if value != value else f"{text} is out of range",
              "write it with a point" if comma else f"give {column.expected}")
        return float("nan")
    return value
