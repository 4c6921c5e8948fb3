"""The project file (project.toml): read, checked as a whole, every fault named with its line."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from radiocov.calibration.settings import CalibrationSettings, check_calibration
from radiocov.link_check import check_indoor, check_interference, check_noise, check_receivers, is_number
from radiocov.problems import Problem, ProjectError, Severity, did_you_mean, errors_of
from radiocov.settings import (
    MODEL_RANGE_MHZ,
    PLANNING_LEVEL_DBM,
    About,
    AreasSettings,
    Base,
    BoundariesSettings,
    DensitySettings,
    GridSettings,
    InterferenceSettings,
    ModelSettings,
    NoiseSettings,
    OutputSettings,
    PolicySettings,
    RoadsSettings,
    Section,
    Service,
    SimulcastSettings,
    SitesSettings,
    Terminal,
    TerrainSettings,
    UncertaintySettings,
    default_terminals,
)
from radiocov.toml_lines import KeyPath, key_lines, line_of
from terrain.files import is_there

FILE_NAME = "project.toml"


@dataclass(frozen=True)
class State:
    """A network state to compute: a period of the policy and the date on which sites count."""

    id: str
    date: dt.date


class Project(Section):
    """A project file, whole and valid. Relative paths in it are relative to the file's folder."""

    project: About
    grid: GridSettings = GridSettings()
    terrain: TerrainSettings = TerrainSettings()
    model: ModelSettings = ModelSettings()
    sites: SitesSettings = SitesSettings()
    terminals: list[Terminal] = Field(default_factory=default_terminals, min_length=1)
    base: Base = Base()
    noise: NoiseSettings = NoiseSettings()
    interference: InterferenceSettings = InterferenceSettings()
    simulcast: SimulcastSettings = SimulcastSettings()
    services: list[Service] = Field(min_length=1)
    policy: PolicySettings = PolicySettings()
    areas: AreasSettings | None = None
    roads: RoadsSettings | None = None
    boundaries: BoundariesSettings | None = None
    uncertainty: UncertaintySettings = UncertaintySettings()
    calibration: CalibrationSettings = CalibrationSettings()
    output: OutputSettings = OutputSettings()

    _path: Path = PrivateAttr(default=Path(FILE_NAME))
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _one_service_per_terminal(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "services" in data:
            return data
        given = data.get("terminals")
        terminals = ([t for t in given if isinstance(t, dict)] if isinstance(given, list)
                     else [t.model_dump() for t in default_terminals()])
        return {**data, "services": [
            {"id": t.get("id"), "terminal": t.get("id"), "label": t.get("label", ""),
             "label_zh": t.get("label_zh", "")} for t in terminals]}

    @property
    def path(self) -> Path:
        return self._path

    @property
    def folder(self) -> Path:
        return self._path.parent

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What was odd but did not stop loading, missing terrain among it."""
        return self._warnings

    def resolve(self, name: str) -> Path:
        return self.folder / name

    @property
    def sites_file(self) -> Path:
        return self.resolve(self.sites.file)

    @property
    def antennas_folder(self) -> Path:
        return self.resolve(self.sites.antennas)

    @property
    def feeders_file(self) -> Path | None:
        return self.resolve(self.sites.feeders) if self.sites.feeders else None

    @property
    def elevation_files(self) -> list[Path]:
        """Files, folders and patterns of all sources, the first with priority."""
        return [self.resolve(name) for source in self.terrain.all_sources for name in source.files]

    @property
    def landcover_files(self) -> list[Path]:
        """Files, folders and patterns of the land cover; empty without one."""
        return [self.resolve(name) for name in self.terrain.landcover or ()]

    @property
    def legend(self) -> str | Path:
        """A built-in legend's name, or the path of a CSV file."""
        name = self.terrain.legend
        return self.resolve(name) if _is_file_name(name) else name

    @property
    def policy_source(self) -> str | Path:
        """A built-in policy's name, or the path of a TOML file."""
        name = self.policy.file
        return self.resolve(name) if _is_file_name(name) else name

    @property
    def areas_file(self) -> Path | None:
        return self.resolve(self.areas.file) if self.areas else None

    @property
    def roads_file(self) -> Path | None:
        return self.resolve(self.roads.file) if self.roads else None

    @property
    def boundaries_file(self) -> Path | None:
        return self.resolve(self.boundaries.file) if self.boundaries else None

    @property
    def population_file(self) -> Path | None:
        return self.resolve(self.areas.population) if self.areas and self.areas.population else None

    @property
    def calibration_file(self) -> Path:
        return self.resolve(self.calibration.file)

    @property
    def output_folder(self) -> Path:
        return self.resolve(self.output.folder)

    def terminal(self, terminal_id: str) -> Terminal:
        return next(terminal for terminal in self.terminals if terminal.id == terminal_id)

    def service(self, service_id: str) -> Service:
        return next(service for service in self.services if service.id == service_id)

    def states(self, policy: Any) -> list[State]:
        """The network states a policy asks for, by date (policy: `periods`, each with `id` and `end`)."""
        states = (State(str(period.id), period.end) for period in policy.periods)
        return sorted(states, key=lambda state: (state.date, state.id))


def _is_file_name(name: str) -> bool:
    return "/" in name or "\\" in name or Path(name).suffix.lower() in (".csv", ".toml")


# ------------------------------------------------------------------------------------------------ loading
def load_project(path: str | Path) -> Project:
    """Read a project (its folder or its TOML file).

    Raises ProjectError with every error found at once. Missing terrain is a warning (`Project.warnings`),
    because fetching it needs the project.
    """
    path = Path(path)
    file = path / FILE_NAME if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror or error)
        remedy = "give a project folder or its project.toml; `radiocov init DIR` starts one"
        raise ProjectError(Problem(str(file), "", f"cannot be read ({reason})", remedy)) from error
    project, problems = parse_project(data, file)
    if project is None or errors_of(problems):
        raise ProjectError(errors_of(problems))
    project._path, project._warnings = file, tuple(problems)
    return project


def parse_project(data: bytes, file: Path) -> tuple[Project | None, list[Problem]]:
    """The project in a file's content (None where invalid) and all problems, in the order of its lines."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return None, [Problem(file.name, f"line {line}", "is not encoded in UTF-8", "save the file as UTF-8")]
    text = text.replace("\r\n", "\n")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_problem(file.name, str(error))]
    found = _Findings(file.name, key_lines(text))
    project = None
    try:
        project = Project.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            found.add_detail(detail, raw)
    _check_references(raw, found)
    _check_files(raw, file.parent, found)
    return project, found.in_order()


def _syntax_problem(name: str, message: str) -> Problem:
    match = re.search(r"^(.*?) \(at line (\d+), column (\d+)\)$", message)
    what, where = (match[1], f"line {match[2]}, column {match[3]}") if match else (message, "")
    remedy = "correct the TOML there"
    if "\\" in what or "escape" in what.lower():
        remedy = "write folders with / instead of \\"
    elif "overwrite" in what or "twice" in what:
        remedy = "give each key and each [table] once"
    elif "value" in what.lower():
        remedy = 'put texts in "quotes" and write numbers with a point'
    return Problem(name, where, f"is not valid TOML: {what}", remedy)


class _Findings:
    """Problems of one project file, with the line of the key each is about."""

    def __init__(self, file: str, lines: dict[KeyPath, int]) -> None:
        self.file, self.lines = file, lines
        self._found: list[tuple[int, Problem]] = []

    def add(self, path: KeyPath, message: str, remedy: str, severity: Severity = "error") -> None:
        line = line_of(self.lines, path) if path[:1] in self.lines else 0
        key = ".".join(str(part) for part in path if isinstance(part, str))
        where = ", ".join(part for part in (f"line {line}" if line else "", key) if part)
        self._found.append((line, Problem(self.file, where, message, remedy, severity)))

    def in_order(self) -> list[Problem]:
        unique = dict.fromkeys(sorted(self._found, key=lambda item: item[0]))
        return [problem for _, problem in unique]

    def add_detail(self, detail: dict[str, Any], raw: dict[str, Any]) -> None:
        """One of pydantic's errors, in the user's words."""
        path: KeyPath = tuple(detail["loc"])
        if path[:1] == ("services",) and "services" not in raw:
            return  # made from the terminals, whose own errors say it all
        fields, expected = _expected(path)
        if detail["type"] == "extra_forbidden":
            self.add(path, f'unknown key "{path[-1]}"', did_you_mean(str(path[-1]), fields))
        elif detail["type"] == "missing":
            self.add(path, "is missing", f"give {expected}")
        else:
            self.add(path, f"{_as_written(detail['input'])} is not accepted", f"give {expected}")


def _as_written(value: Any) -> str:
    """A value as TOML shows it, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _expected(path: KeyPath) -> tuple[list[str], str]:
    """(names of the keys beside the last one of a path, what its value should be)."""
    section: type[Section] = Project
    expected = "a table"
    for depth, part in enumerate(path):
        if isinstance(part, int):
            continue
        names = list(section.model_fields)
        field = section.model_fields.get(part)
        if field is None:
            return names, expected
        kinds = _kinds(field.annotation)
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, Section)]
        if inner:
            is_list = any(getattr(k, "__origin__", None) is list for k in kinds)
            table = ".".join(p for p in path[: depth + 1] if isinstance(p, str))
            expected = f"one or more [[{table}]] tables" if is_list else f"a [{table}] table"
            section = inner[0]
            if depth < len(path) - 1:
                continue
        else:
            expected = _expected_value(field)
        return names, expected
    return list(section.model_fields), expected


def _kinds(annotation: Any) -> list[Any]:
    """A type and those it is made of: list[X] | None gives list[X], X and None too."""
    inner = [kind for part in getattr(annotation, "__args__", ()) for kind in _kinds(part)]
    return [annotation, *inner]


def _expected_value(field: Any) -> str:
    extra = field.json_schema_extra or {}
    if "expected" in extra:
        return extra["expected"]
    if getattr(field.annotation, "__origin__", None) is Literal:
        *most, last = [f'"{value}"' for value in field.annotation.__args__]
        return f"{', '.join(most)} or {last}"
    return {bool: "true or false", str: "a text in quotes"}.get(field.annotation, "another value")


# ------------------------------------------------------------------------------- what only the whole shows
def _tables(raw: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    value = raw.get(key)
    return [(i, t) for i, t in enumerate(value) if isinstance(t, dict)] if isinstance(value, list) else []


def _get(raw: dict[str, Any], *keys: str) -> Any:
    """The given value of a section's key, or the default; None where the section is optional and absent."""
    section, key = keys
    table = raw.get(section)
    if isinstance(table, dict) and key in table:
        return table[key]
    field = Project.model_fields[section]
    if field.default is None:  # an optional section
        if not isinstance(table, dict):
            return None
        kinds = [k for k in field.annotation.__args__ if isinstance(k, type) and issubclass(k, Section)]
        return kinds[0].model_fields[key].default
    return getattr(field.default, key)


def _check_references(raw: dict[str, Any], found: _Findings) -> None:
    """Ids, dangling references and values that do not go together, also where other parts are invalid."""
    for kind in ("terminals", "services"):
        seen: dict[Any, int] = {}
        for index, table in _tables(raw, kind):
            ident = table.get("id")
            if isinstance(ident, str) and ident in seen:
                line = line_of(found.lines, (kind, seen[ident], "id"))
                found.add((kind, index, "id"), f'the id "{ident}" is already used in line {line}',
                          "give each an id of its own")
            elif isinstance(ident, str):
                seen[ident] = index
    terminals = ([t.get("id") for _, t in _tables(raw, "terminals")] if "terminals" in raw
                 else [t.id for t in default_terminals()])
    names = [name for name in terminals if isinstance(name, str)]
    for index, table in _tables(raw, "services"):
        wanted = table.get("terminal")
        if isinstance(wanted, str) and wanted not in names:
            found.add(("services", index, "terminal"), f'there is no terminal "{wanted}"',
                      did_you_mean(wanted, names))
    check_calibration(raw.get("calibration"), names, found.add)
    for index, table in _tables(raw, "terminals"):
        level = table.get("threshold_dbm")
        if is_number(level) and PLANNING_LEVEL_DBM <= level <= -20:
            found.add(
                ("terminals", index, "threshold_dbm"),
                f"{level:g} dBm looks like a planning level that contains losses and a reliability margin",
                "give the faded sensitivity at the antenna port (about -111), because carry_loss_db and "
                "probability add the rest", "warning")
    receivers = [(("terminals", index), table) for index, table in _tables(raw, "terminals")]
    receivers += [(("base",), raw["base"])] if isinstance(raw.get("base"), dict) else []
    interference = raw["interference"] if isinstance(raw.get("interference"), dict) else {}
    check_receivers(receivers, found.add, interference)
    if is_number(frequency := _get(raw, "model", "frequency_mhz")):
        check_indoor(_tables(raw, "services"), frequency, found.add)
        named = (_get(raw, "noise", key) for key in ("environment", "city"))
        about = (*named, bool(_get(raw, "terrain", "landcover")), frequency)
        if any(table.get("threshold", "given") != "given" for _, table in receivers):
            check_noise(*about, found.add)
        elif interference.get("enabled") is True:
            check_noise(*about, found.add, "give [interference] enabled = false")
    of_model = (_get(raw, "model", key) for key in ("name", "radius_km", "time_percent"))
    check_interference(interference, *of_model, found.add)
    name, frequency = _get(raw, "model", "name"), _get(raw, "model", "frequency_mhz")
    if name in MODEL_RANGE_MHZ and is_number(frequency):
        low, high = MODEL_RANGE_MHZ[name]
        if not low <= frequency <= high and 30 <= frequency <= 6000:
            found.add(("model", "frequency_mhz"), f"{frequency:g} MHz is outside the range of {name}",
                      f"give {low:g} to {high:g} MHz or another model")
    _check_extent(_get(raw, "grid", "extent"), found)
    terrain = raw.get("terrain")
    density = terrain.get("density") if isinstance(terrain, dict) else None
    if isinstance(density, dict):
        given = DensitySettings().model_dump() | density
        urban, dense = given["urban"], given["dense_urban"]
        if is_number(urban) and is_number(dense) and urban >= dense:
            found.add(("terrain", "density", "dense_urban"), f"{dense:g} is not above urban ({urban:g})",
                      "dense urban begins at a larger share than urban")
    if isinstance(terrain, dict) and "sources" in terrain:
        for key in ("elevation", "surface", "vertical_unit"):
            if key in terrain:
                found.add(("terrain", key), "stands beside [[terrain.sources]], each of which says it for itself",
                          "leave it out here")


def _check_extent(extent: Any, found: _Findings) -> None:
    if not (isinstance(extent, list) and len(extent) == 4 and all(map(is_number, extent))):
        return  # absent, or reported by its type
    west, south, east, north = extent
    # across the antimeridian the east goes on beyond 180
    if not (-180 <= west <= 180 and west < east < west + 360 and -85 <= south < north <= 85):
        found.add(("grid", "extent"), f"{_as_written(extent)} is not an extent",
                  "give [lon_min, lat_min, lon_max, lat_max] in degrees, smaller before larger")


def _check_files(raw: dict[str, Any], folder: Path, found: _Findings) -> None:
    """Files the project names and does not have."""
    for section, key in (("sites", "file"), ("sites", "feeders"), ("areas", "file"), ("roads", "file")):
        name = _get(raw, section, key)
        if isinstance(name, str) and name and not (folder / name).is_file():
            found.add((section, key), f'there is no file "{name}" beside the project',
                      "put it there or correct the name" + _similar_file(folder / name))
    population = _get(raw, "areas", "population")
    for path, names in [*_terrain_files(raw), (("areas", "population"), [population])]:
        for name in names:
            if isinstance(name, str) and name and not is_there(folder / name):
                found.add(path, f'there is no file "{name}" beside the project', "put it there or correct the name",
                          "warning")
    built_in = (("terrain", "legend", "legends", ".csv"), ("policy", "file", "policies", ".toml"))
    for section, key, place, suffix in built_in:
        package = "terrain" if section == "terrain" else "targets"
        name = _get(raw, section, key)
        if not isinstance(name, str) or not name:
            continue
        if _is_file_name(name):
            if not (folder / name).is_file():
                found.add((section, key), f'there is no file "{name}" beside the project',
                          "put it there or correct the name" + _similar_file(folder / name))
        elif (known := _built_in(package, place, suffix)) and name not in known:
            found.add((section, key), f'"{name}" is not built in',
                      did_you_mean(name, known) + f" A file of your own ends in {suffix}")


def _terrain_files(raw: dict[str, Any]) -> Iterator[tuple[KeyPath, list[Any]]]:
    """Keys of the terrain table that name files, each with the names; only a default where nothing is given."""
    table = raw.get("terrain")
    table = table if isinstance(table, dict) else {}
    sources = table.get("sources")
    if isinstance(sources, list):
        for index, source in enumerate(sources):
            if isinstance(source, dict):
                yield ("terrain", "sources", index, "files"), _names(source.get("files"))
    else:
        yield ("terrain", "elevation"), _names(_get(raw, "terrain", "elevation"))
    yield ("terrain", "landcover"), _names(table.get("landcover"))
    yield ("terrain", "land_mask"), _names(table.get("land_mask"))
    clutter = table.get("clutter")
    if isinstance(clutter, dict):
        yield ("terrain", "clutter", "files"), _names(clutter.get("files"))


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _similar_file(path: Path) -> str:
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    remedy = did_you_mean(path.name, names)
    return f"; {remedy}" if remedy.startswith("did") else ""


def _built_in(package: str, place: str, suffix: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    return sorted(p.stem for root in roots for p in (Path(root) / place).glob(f"*{suffix}"))
