"""The radio network: sites.csv, every bad cell named by its row as a spreadsheet counts them."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from radiocov.columns import BASIC, COLUMNS, LOSS_PARTS, REQUIRED, match_headers, parse_coordinate, parse_date
from radiocov.feeders import Cables, read_cables
from radiocov.frequency_plan import check_plan
from radiocov.problems import Problem, ProjectError, Severity, did_you_mean
from radiocov.site import OMNI_WORDS, Site, in_state
from radiocov.site_cells import antenna_name, channels_in, gain_of, losses_of, number_in, receiver_of

__all__ = ["STATUSES", "Site", "in_state", "parse_sites", "read_sites", "write_sites"]

STATUSES = {"existing": "existing", "planned": "planned", "candidate": "candidate",
            "已建": "existing", "现有": "existing", "在用": "existing", "现网": "existing",
            "规划": "planned", "计划": "planned", "在建": "planned", "待建": "planned",
            "候选": "candidate", "备选": "candidate"}
SWAP_DEGREES = 5.0  # a row this far from the others, but not when its coordinates are exchanged, is suspect
MAST_DEGREES = 0.005  # sectors of one mast lie closer than this (about 500 m)


def read_sites(
    path: str | Path, antennas_folder: str | Path | None = None, cables: Cables | None = None,
    frequency_mhz: float = 358.0,
) -> tuple[list[Site], list[Problem]]:  # fmt: skip
    """Read sites.csv: (the rows without errors, in the file's order; every problem of the file).

    UTF-8 with or without BOM; commas, semicolons or tabs; English or Chinese headers. Antenna files are
    looked for in antennas_folder and read, so that a faulty one is reported and an empty gain taken from it.
    cables: for feeder_type, default the packaged table; frequency_mhz: of the project, for the feeders' loss.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        return [], [Problem(path.name, "", f"cannot be read ({error.strerror or error})",
                            "put the file there or correct its name in project.toml")]
    return parse_sites(data, path.name, antennas_folder, cables, frequency_mhz)


def parse_sites(
    data: bytes, file: str, antennas_folder: str | Path | None = None, cables: Cables | None = None,
    frequency_mhz: float = 358.0,
) -> tuple[list[Site], list[Problem]]:  # fmt: skip
    """`read_sites` for a file's content."""
    folder = Path(antennas_folder) if antennas_folder is not None else None
    reader = _Reader(file, folder, cables, frequency_mhz)
    reader.read(data)
    return reader.sites, reader.problems


def write_sites(path: str | Path, sites: Sequence[Site]) -> None:
    """Write sites.csv so that `read_sites` gives the same sites; with a BOM, for spreadsheets to read UTF-8.
    Columns beyond the basic ones only where some site uses them. The file appears whole or not at all."""
    path = Path(path)
    rows = [{**dataclasses.asdict(site), "longitude": site.lon, "latitude": site.lat} for site in sites]
    for row in rows:
        if row["losses_summed"]:
            row["losses_db"] = None
        row["channels"] = "; ".join(map(str, row["channels"]))
    columns = [key for key in COLUMNS if key in BASIC or any(row[key] not in (None, "") for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if row[key] is None else row[key] for key in columns])
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    os.replace(partial, path)


# read from their cells as they are; the others need a second look
NUMBERS = tuple(name for name, column in COLUMNS.items()
                if column.high > column.low
                and name not in ("longitude", "latitude", "losses_db", "gain_dbi", "channels"))


class _Reader:
    def __init__(self, file: str, antennas: Path | None, cables: Cables | None, frequency_mhz: float) -> None:
        self.file, self.antennas = file, antennas
        self.cables, self.frequency_mhz = cables or read_cables(), frequency_mhz
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
            self.report("", "is empty", f"give a header row: {','.join(BASIC)}")
            return
        columns = match_headers(rows[header_at], header_at + 1, self.report)
        summed = any(name in columns for name in LOSS_PARTS)
        missing = [name for name in REQUIRED if name not in columns and not (name == "losses_db" and summed)]
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
        values = {name: number_in(COLUMNS[name], cell(name), fault) for name in NUMBERS}
        antenna = antenna_name(cell("antenna"))
        antenna = "" if antenna in OMNI_WORDS else antenna
        pattern = self._pattern("antenna", antenna, fault) if antenna else None
        gain: float | None
        if not cell("gain_dbi") and pattern is not None and pattern.gain_dbi is not None:
            gain = gain_of(pattern, antenna, COLUMNS["gain_dbi"], fault)
        else:
            gain = number_in(COLUMNS["gain_dbi"], cell("gain_dbi"), fault)
        if pattern is not None and not pattern.is_omni and not cell("azimuth_deg"):
            fault("azimuth_deg", "is empty", f'"{antenna}" is directional: give degrees clockwise from north')
        if not antenna and values["tilt_deg"]:
            fault("tilt_deg", f"{values['tilt_deg']:g} has no effect on an omni without antenna file",
                  "name an antenna file or leave the tilt empty", "warning")
        values |= losses_of(cell, values, self.cables, self.frequency_mhz, fault)
        values |= receiver_of(cell, values, self._pattern, fault)
        channels = channels_in(COLUMNS["channels"], cell("channels"), fault)
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
            in_service=date, status=status, site=cell("site"), channels=channels, simulcast=cell("simulcast"),
            **values))

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

    def _pattern(self, column: str, name: str, fault: Callable[..., None]):
        """The pattern of an antenna; None where it cannot be had (a faulty file is reported once)."""
        if name.startswith("beam:"):
            from radiocov.antennas import parse_beam

            try:
                return parse_beam(name)
            except ProjectError as error:
                fault(column, error.problems[0].message, error.problems[0].remedy)
                return None
        if self.antennas is None:
            return None
        if name in self._patterns:
            if self._patterns[name] is None:
                fault(column, f'"{name}" cannot be used', "correct the antenna file")
            return self._patterns[name]
        from radiocov.antennas import SUFFIXES, read_pattern  # numba: not for those who only list sites

        folder = self.antennas
        if "/" in name or "\\" in name or name.startswith("."):
            fault(column, f'"{name}" is not a file name',
                  f'put the file into "{folder.name}" and give its name alone')
            return None
        if not (folder / name).is_file():
            listed = folder.iterdir() if folder.is_dir() else ()
            files = sorted(p.name for p in listed if p.suffix.lower() in SUFFIXES)
            remedy = did_you_mean(name, files) if files else "put it there or empty the cell for an omni"
            fault(column, f'there is no file "{name}" in "{folder.name}"', remedy)
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
        check_plan(self.sites, lambda at, *said: self.report(f"row {self.rows[at]}, {said[0]}", *said[1:]))
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
