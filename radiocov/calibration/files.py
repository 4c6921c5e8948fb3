"""calibration.toml: a fit as people read it, and read back exactly as it was; the residuals in a file beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radiocov.calibration.model import Calibration, Effect, Field, Residuals
from radiocov.coverage.store import MODELS, ground_key
from radiocov.files import write_bytes, write_text
from radiocov.problems import Problem, ProjectError
from radiocov.project import Project
from radiocov.toml_lines import KeyPath, key_lines, line_of

FORMAT = 2
STATUSES = ("fitted", "shrunk", "kept")
GROUPS = ("fixed", "classes", "sites", "devices", "sigma_db", "clutter_heights_m")
NUMBERS = ("site_db", "device_db", "day_db", "degrees_of_freedom")
COLUMNS = ("x_m", "y_m", "site", "residual_db", "error_db")
BAND_PERCENT = 10.0  # farther from the frequency of the fit it is another band
REMARKS = {
    "fixed": "added to the level: value, its standard deviation, cells it rests on; status kept: not supported by "
    "the data, for the reason given",
    "classes": "dB, by clutter class",
    "sites": "dB, of each measured site; not carried to others, which spread by site_db",
    "devices": "dB that a handset reads above the fleet",
    "sigma_db": "spread of a cell's median about the calibrated one, away from measurements",
    "clutter_heights_m": "effective heights in place of the stated ones",
    "field": "what is left in space: dB, metres, degrees clockwise from grid north",
    "validity": "the ranges that were measured; beyond them the calibration is extrapolated",
    "provenance": "what it was made from",
}


# ------------------------------------------------------------------------------------------------------ writing
def rounded(calibration: Calibration) -> Calibration:
    """The same with figures as people write them: 0.001 dB, 8 digits of the covariance."""

    def effects(group: dict[str, Effect]) -> dict[str, Effect]:
        return {k: dataclasses.replace(e, value=round(e.value, 4), sd=round(e.sd, 4)) for k, e in group.items()}

    field = Field(**{name: round(float(value), 4) for name, value in vars(calibration.field).items()})
    matrix = np.array([[float(f"{v:.8g}") for v in row] for row in calibration.covariance])
    return dataclasses.replace(
        calibration, **{name: effects(getattr(calibration, name)) for name in GROUPS}, field=field,
        covariance=matrix.reshape(calibration.covariance.shape), site_db=round(calibration.site_db, 4),
        device_db=round(calibration.device_db, 4), day_db=round(calibration.day_db, 4),
        validity=_rounded(calibration.validity),
        validation=_rounded(calibration.validation), provenance=_rounded(calibration.provenance),
    )  # fmt: skip


def _rounded(value: Any) -> Any:
    """Plain values for TOML: numpy's numbers as Python's, what is not known left out."""
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple | np.ndarray):
        return [_rounded(v) for v in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.6g}")
    return int(value) if isinstance(value, np.integer) else value


def write_calibration(path: Path, calibration: Calibration) -> list[Path]:
    """Write a calibration, and its residuals beside it under a name of their content; the files written.

    Each appears whole or not at all, the residuals first; those of an earlier calibration are removed last.
    """
    written = []
    data = _residual_bytes(calibration.residuals) if calibration.residuals is not None else b""
    beside = ""
    if data:
        beside = f"{path.stem}.residuals-{hashlib.sha256(data).hexdigest()[:12]}.parquet"
        write_bytes(path.with_name(beside), data)
        written.append(path.with_name(beside))
    write_text(path, _as_toml(calibration, beside))
    for old in path.parent.glob(f"{path.stem}.residuals-*.parquet"):
        if old.name != beside:
            old.unlink(missing_ok=True)
    return [path, *written]


def _residual_bytes(residuals: Residuals) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: getattr(residuals, name) for name in COLUMNS})
    about = {"sites": json.dumps(list(residuals.sites)), "crs": residuals.crs}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(about), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _as_toml(c: Calibration, beside: str) -> str:
    parts = [
        "# Calibration of the propagation model, written by `radiocov calibrate`; docs/calibration.md explains it.",
        *(["# SYNTHETIC measurements: simulated handsets."] if c.provenance.get("simulated_rows") else []),
        f"format = {FORMAT}",
        *(f"{name} = {_value(getattr(c, name))}" for name in NUMBERS),
        f"residuals = {_value(beside)}",
        f"advice = {_value(list(c.advice))}",
    ]
    for name in GROUPS:
        parts += ["", f"# {REMARKS[name]}", f"[{name}]"]
        parts += [f"{_key(key)} = {_value(_effect(e))}" for key, e in getattr(c, name).items()]
    for name, table in (("field", vars(c.field)), ("validity", c.validity), ("provenance", c.provenance)):
        parts += ["", f"# {REMARKS[name]}", f"[{name}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items())]
    parts += ["", "# errors in data that was left out, by what was left out and by model"]
    for row in c.validation:
        parts += ["[[validation]]", *(f"{_key(k)} = {_value(v)}" for k, v in row.items())]
    parts += ["", "# of fixed, classes and sites, in their order above", "[covariance]", "rows = ["]
    parts += [f"  {_value(row)}," for row in c.covariance.tolist()]
    return "\n".join([*parts, "]", ""])


def _effect(e: Effect) -> dict[str, Any]:
    found = {"value": float(e.value), "sd": float(e.sd), "cells": int(e.cells), "status": e.status}
    return found | ({"reason": e.reason} if e.reason else {})


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    return "[" + ", ".join(map(_value, value)) + "]"


# ------------------------------------------------------------------------------------------------------ reading
def read_calibration(path: Path) -> Calibration:
    """A calibration as it was written. ProjectError with the line of what is wrong; OSError where it is not there."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        raw = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProjectError(Problem(path.name, "", f"is not valid TOML: {error}", _REMEDY)) from error
    return _Reader(path, key_lines(text.replace("\r\n", "\n"))).read(raw)


_REMEDY = "correct it, or make it anew with `radiocov calibrate`"


class _Reader:
    def __init__(self, path: Path, lines: dict[KeyPath, int]) -> None:
        self.path, self.lines = path, lines

    def fault(self, where: KeyPath, message: str, remedy: str = _REMEDY) -> ProjectError:
        line = f"line {line_of(self.lines, where)}" if where[:1] in self.lines else ""
        place = ", ".join(filter(None, (line, ".".join(map(str, where)))))
        return ProjectError(Problem(self.path.name, place, message, remedy))

    def read(self, raw: dict[str, Any]) -> Calibration:
        if raw.get("format") != FORMAT:
            raise self.fault(("format",), f"is of format {raw.get('format')!r}, and this radiocov reads {FORMAT}",
                             "make it anew with `radiocov calibrate`")  # fmt: skip
        groups = {name: self.effects(name, raw.get(name, {})) for name in GROUPS}
        numbers = {name: self.number((name,), raw.get(name)) for name in NUMBERS}
        field = self.table("field", raw)
        known = {f.name for f in dataclasses.fields(Field)}
        for key in field:
            if key not in known:
                raise self.fault(("field", key), "is no key of the field", f"known here: {', '.join(sorted(known))}")
        field = Field(**{key: self.number(("field", key), value) for key, value in field.items()})
        validation = raw.get("validation", [])
        if not isinstance(validation, list):
            raise self.fault(("validation",), "is no list of [[validation]] tables")
        return Calibration(
            **groups, **numbers, covariance=self.covariance(raw, groups), field=field,
            residuals=self.residuals(raw), validity=self.table("validity", raw), validation=validation,
            provenance=self.table("provenance", raw), advice=tuple(self.texts(raw)),
        )  # fmt: skip

    def table(self, name: str, raw: dict[str, Any]) -> dict[str, Any]:
        found = raw.get(name, {})
        if not isinstance(found, dict):
            raise self.fault((name,), "is no table", f"write it as [{name}]")
        return found

    def texts(self, raw: dict[str, Any]) -> list[str]:
        advice = raw.get("advice", [])
        if not isinstance(advice, list) or not all(isinstance(text, str) for text in advice):
            raise self.fault(("advice",), "is no list of texts")
        return advice

    def number(self, where: KeyPath, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise self.fault(where, "is missing" if value is None else f"{value!r} is not a number", "give a number")
        return float(value)

    def effects(self, group: str, table: Any) -> dict[str, Effect]:
        if not isinstance(table, dict):
            raise self.fault((group,), "is no table", f"write it as [{group}]")
        found = {}
        for name, row in table.items():
            where = (group, name)
            if not isinstance(row, dict):
                raise self.fault(where, f"{row!r} is not an effect", "write { value = 0.0, sd = 1.0, cells = 0 }")
            value, sd = (self.number((*where, key), row.get(key)) for key in ("value", "sd"))
            cells, status = row.get("cells", 0), row.get("status", "fitted")
            if sd < 0:
                raise self.fault((*where, "sd"), f"{sd:g} is below 0", "give a standard deviation")
            if status not in STATUSES:
                raise self.fault((*where, "status"), f"{status!r} is no status", f"give {', '.join(STATUSES)}")
            if isinstance(cells, bool) or not isinstance(cells, int) or cells < 0:
                raise self.fault((*where, "cells"), f"{cells!r} is not a number of cells", "give 0 or more")
            found[name] = Effect(value, sd, cells, status, str(row.get("reason", "")))
        return found

    def covariance(self, raw: dict[str, Any], groups: dict[str, dict[str, Effect]]) -> np.ndarray:
        rows = self.table("covariance", raw).get("rows", [])
        where = ("covariance", "rows")
        size = sum(len(groups[name]) for name in ("fixed", "classes", "sites"))
        try:
            matrix = np.array(rows, float).reshape(len(rows), -1) if rows else np.zeros((0, 0))
        except (TypeError, ValueError):
            raise self.fault(where, "are not rows of numbers") from None
        if matrix.shape != (size, size):
            shape = f"{matrix.shape[0]} by {matrix.shape[1]}"
            raise self.fault(where, f"are {shape} where fixed, classes and sites are {size}")
        return matrix

    def residuals(self, raw: dict[str, Any]) -> Residuals | None:
        name = raw.get("residuals", "")
        if not name:
            return None
        path = self.path.with_name(str(name))
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise self.fault(("residuals",), f'there is no file "{name}" beside it', _REMEDY) from None
        if hashlib.sha256(data).hexdigest()[:12] not in path.name:
            raise self.fault(("residuals",), f'"{name}" was altered after it was written', _REMEDY)
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(data))
        about = table.schema.metadata
        columns = {column: table.column(column).to_numpy() for column in COLUMNS}
        return Residuals(**columns, sites=tuple(json.loads(about[b"sites"])), crs=about[b"crs"].decode())


# ------------------------------------------------------------------------------------------------------ fitness
def model_facts(project: Project, ground: Any) -> dict[str, Any]:
    """What a calibration belongs to: model, frequency, ground."""
    name, version = MODELS[project.model.name]
    return {"model": name, "model_version": version, "frequency_mhz": project.model.frequency_mhz,
            "time_percent": project.model.time_percent, "ground": ground_key(ground),
            "resolution_m": ground.grid.resolution_m}  # fmt: skip


def check_fitness(calibration: Calibration, project: Project, ground: Any) -> list[Problem]:
    """Why a calibration should not be used with a project: errors for another model or band, warnings for another
    ground, on which the model errs otherwise."""
    made, here = calibration.provenance, model_facts(project, ground)
    file, found = project.calibration.file, []
    anew = "run `radiocov calibrate` again, or coverage with `--calibration none`"
    for key in ("model", "model_version", "time_percent"):
        if made.get(key) != here[key]:
            fault = f"is for {made.get(key)}, the project has {here[key]}"
            found.append(Problem(file, f"provenance.{key}", fault, anew))
    mhz = made.get("frequency_mhz")
    if not isinstance(mhz, int | float) or abs(mhz / here["frequency_mhz"] - 1.0) > BAND_PERCENT / 100.0:
        fault = f"is for {mhz} MHz, the project has {here['frequency_mhz']:g} MHz"
        found.append(Problem(file, "provenance.frequency_mhz", fault, anew))
    if made.get("ground") != here["ground"]:
        fault = "was made over another ground (terrain, land cover or grid have changed since)"
        found.append(Problem(file, "provenance.ground", fault, "run `radiocov calibrate` again", "warning"))
    return found
