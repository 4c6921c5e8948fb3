"""Reading a layer of a GIS file: columns as text, geometries in WGS 84, and what is wrong with it."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

from targets.errors import Problem, TargetsError, nearest, suggestion

# Longer edges in projected metres would leave their straight line on the way to longitude and latitude.
MAX_EDGE_M = 1000.0
# No projection of the Earth has larger ones (zone numbers before eastings included).
MAX_COORDINATE_M = 1.5e8
# Outside a reference system's area of use by this: said; by the second: taken for the wrong one.
ODD_DEG, WRONG_DEG = 1.5, 10.0
IGNORE = "ignore"
ToWgs84 = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From latitude and longitude on some datum to those on WGS 84, degrees (n,)."""


@dataclass
class Layer:
    """Features in the order of the file. columns: role -> text (n,), "" where empty; rows count from 1."""

    file: str
    columns: dict[str, list[str]]
    geometries: np.ndarray
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, row: int, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(self.file, f"feature {row + 1}", message, remedy))

    def warn(self, row: int, message: str, remedy: str = "") -> None:
        self.warnings.append(Problem(self.file, f"feature {row + 1}", message, remedy))


def read_layer(
    path: str | Path,
    attributes: Mapping[str, str],
    needed: Iterable[str],
    optional: Mapping[str, Iterable[str]],
    layer: str | None,
    encoding: str | None,
    to_wgs84: ToWgs84 | None = None,
) -> Layer:
    """Read one layer with pyogrio.

    attributes: role -> column as the user named it (must exist); needed: roles that must have a column, of
    the same name unless `attributes` says otherwise; optional: role -> column names looked for where
    `attributes` is silent; to_wgs84: for a layer whose datum is moved, as GCJ-02 is. Raises TargetsError where
    nothing can be read; lesser problems are in the result.
    """
    file = str(path)
    needed = list(needed)
    caught: list[str] = []
    try:
        codecs.lookup(encoding or "UTF-8")
    except LookupError as error:
        raise TargetsError(Problem(file, "", str(error), 'for example "UTF-8" or "GB18030"')) from None
    try:
        if not Path(file).exists() and "://" not in file and not file.startswith("/vsi"):
            raise TargetsError(Problem(file, "", "no such file", ""))
        encoding = encoding or _shapefile_encoding(file, caught)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the same ones come again from reading itself
            layer = _layer_name(file, layer)
            info = pyogrio.read_info(file, layer=layer, encoding=encoding)
        roles = _columns(file, attributes, needed, optional, [str(f) for f in info["fields"]])
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            meta, _, wkb, data = pyogrio.raw.read(
                file, layer=layer, encoding=encoding, columns=sorted(set(roles.values())), force_2d=True
            )
        caught += [str(w.message) for w in noted]
    except (DataSourceError, DataLayerError, FieldError) as error:
        remedy = "GeoPackage, GeoJSON, Shapefile and KML can be read"
        raise TargetsError(Problem(file, "", f"cannot be read as a GIS file: {error}", remedy)) from None
    except UnicodeDecodeError:
        message = f"the text is not in the encoding {encoding or 'that the file claims'}"
        raise TargetsError(Problem(file, "", message, 'give the right one, for example "GB18030"')) from None
    by_name = {
        str(name): [_text(v) for v in values] for name, values in zip(meta["fields"], data, strict=True)
    }
    if wkb is None or len(wkb) == 0:
        what = f"layer {layer!r} is empty" if layer else "has no features"
        raise TargetsError(Problem(file, "", what, "export it again, or name another layer"))
    shapes = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object)
    result = Layer(file, {role: by_name[column] for role, column in roles.items()}, shapes)
    result.warnings += [Problem(file, "", text) for text in caught]
    for i in np.flatnonzero(shapely.is_missing(shapes) | shapely.is_empty(shapes)):
        result.problem(i, "has no geometry", "draw it or delete the row")
        shapes[i] = None
    shapes = _to_wgs84(result, shapes, meta["crs"])
    if to_wgs84 is not None and not result.problems:
        shapes = shapely.transform(shapes, lambda xy: np.column_stack(to_wgs84(xy[:, 1], xy[:, 0])[::-1]))
    result.geometries = shapes
    return result


def _text(value) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def _layer_name(file: str, layer: str | None) -> str | None:
    """The layer to read; a file with several needs one named."""
    names = [str(name) for name, kind in pyogrio.list_layers(file) if kind is not None or layer]
    if layer is not None:
        if layer not in names:
            raise TargetsError(Problem(file, "", f"no layer {layer!r}", suggestion(layer, names)))
        return layer
    if len(names) > 1:
        raise TargetsError(Problem(file, "", "has several layers", "name one of them: " + ", ".join(names)))
    return names[0] if names else None


def _shapefile_encoding(file: str, notes: list[str]) -> str | None:
    """Encoding of a Shapefile that does not state one: UTF-8 where all its text is, else GB18030.

    A .cpg file or the language byte of the .dbf states it; without either GDAL would take the text for
    Latin-1 and Chinese names would come out as nonsense without an error.
    """
    path = Path(file)
    if path.suffix.lower() != ".shp":
        return None
    beside = {p.suffix.lower(): p for p in path.parent.glob(f"{path.stem}.*")}
    if ".cpg" in beside or ".dbf" not in beside:
        return None
    with open(beside[".dbf"], "rb") as dbf:
        head = dbf.read(32)
        if len(head) < 32 or head[29] not in (0, 0x57):
            return None
        size = int.from_bytes(head[10:12], "little")
        dbf.seek(int.from_bytes(head[8:10], "little"))
        body = dbf.read(size * max(1, (1 << 24) // max(1, size)))
    try:
        body.decode("ascii")
        return None
    except UnicodeDecodeError:
        pass
    try:
        body.decode("utf-8")
        found = "UTF-8"
    except UnicodeDecodeError:
        found = "GB18030"
    notes.append(f"states no encoding (no .cpg file); read as {found}")
    return found


def _columns(file, attributes, needed, optional, present) -> dict[str, str]:
    """role -> column in the file; TargetsError lists every column that is missing."""
    problems, roles = [], {}
    wanted = {role: attributes[role] for role in attributes} | {
        role: role for role in needed if role not in attributes
    }
    known = [*needed, *optional]
    for role, column in wanted.items():
        if role not in known:
            problems.append(
                Problem(file, "", f"no attribute {role!r} can be mapped", suggestion(role, known))
            )
        elif column in present:
            roles[role] = column
        else:
            close = nearest(column, present)
            remedy = (
                f"did you mean {close!r}?" if close else "it has: " + (", ".join(present) or "no columns")
            )
            problems.append(Problem(file, "", f"no column {column!r} (for {role})", remedy))
    for role, names in optional.items():
        folded = {p.casefold(): p for p in reversed(present)}
        found = next((folded[n.casefold()] for n in names if n.casefold() in folded), None)
        if role not in attributes and found is not None:
            roles[role] = found
    if problems:
        raise TargetsError(problems)
    return roles


def _to_wgs84(layer: Layer, shapes: np.ndarray, crs_text: str | None) -> np.ndarray:
    """Geometries in longitude and latitude; problems where the reference system is missing or does not
    fit."""
    try:
        crs = pyproj.CRS.from_user_input(crs_text) if crs_text else None
    except pyproj.exceptions.CRSError:
        crs = None
    if crs is None or not (crs.is_geographic or crs.is_projected):
        layer.problems.append(
            Problem(
                layer.file,
                "",
                "states no coordinate reference system",
                "set it where the file was made (a Shapefile needs its .prj file)",
            )
        )
        return shapes
    if not crs.is_projected and _off_globe(layer, shapes, crs.name):
        return shapes
    if crs.to_epsg() == 4326 or crs.name in ("WGS 84", "WGS 84 (CRS84)"):
        return shapes
    to_wgs84 = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def move(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(to_wgs84.transform(xy[:, 0], xy[:, 1]))

    present = ~shapely.is_missing(shapes)
    metres = crs.axis_info[0].unit_conversion_factor or 1.0
    size = np.abs(shapely.bounds(shapes)).max(axis=1) * metres
    whole = np.isfinite(shapely.bounds(shapely.transform(shapes, move))).all(axis=1)
    # checked before edges are cut: edges of nonsense would make millions of points
    bad = np.flatnonzero(present & ~(whole & (size < MAX_COORDINATE_M)))
    if len(bad):
        shapes[bad] = None
        more = f" ({len(bad)} features)" if len(bad) > 1 else ""
        remedy = "check the coordinate reference system of the file"
        layer.problem(bad[0], f"coordinates do not fit {crs.name}{more}", remedy)
    if crs.is_projected:
        shapes = shapely.segmentize(shapes, MAX_EDGE_M / metres)
    moved = shapely.transform(shapes, move)
    _check_area_of_use(layer, moved, crs)
    return moved


def _check_area_of_use(layer: Layer, shapes: np.ndarray, crs: pyproj.CRS) -> None:
    """Coordinates outside the area that their reference system is made for: another one was meant."""
    use = crs.area_of_use
    bounds = shapely.total_bounds(shapes)
    if use is None or use.west > use.east or not np.isfinite(bounds).all():
        return
    west, south, east, north = bounds
    beyond = max(use.west - west, east - use.east, use.south - south, north - use.north)
    if beyond <= ODD_DEG:
        return
    where = f"longitude {west:.2f} to {east:.2f}, latitude {south:.2f} to {north:.2f}"
    made_for = f"longitude {use.west:g} to {use.east:g}, latitude {use.south:g} to {use.north:g}"
    what = f"by {crs.name} the data lie at {where}; that system is made for {made_for}"
    found = layer.problems if beyond > WRONG_DEG else layer.warnings
    found.append(Problem(layer.file, "", what, "state the coordinate reference system it is in"))


def _off_globe(layer: Layer, shapes: np.ndarray, name: str) -> bool:
    """Whether coordinates said to be degrees cannot be; noted once for the file."""
    bounds = shapely.bounds(shapes)
    x, y = np.abs(bounds[:, [0, 2]]).max(axis=1), np.abs(bounds[:, [1, 3]]).max(axis=1)
    missing = shapely.is_missing(shapes)
    off = ~missing & ~((x <= 180) & (y <= 90))
    if not off.any():
        return False
    first = int(np.flatnonzero(off)[0])
    at = f"({bounds[first, 0]:.7g}, {bounds[first, 1]:.7g})"
    if np.all((x <= 90) & (y <= 180) | missing):
        what, remedy = f"latitude and longitude look swapped at {at}", "write longitude first, then latitude"
    else:
        what = f"the file says {name}, but {at} looks projected"
        remedy = "state the coordinate reference system it is in, or export it in WGS 84"
    more = f" ({int(off.sum())} features)" if off.sum() > 1 else ""
    layer.problem(first, what + more, remedy)
    return True


def classify(layer: Layer, classes: Iterable[str], class_map: Mapping[str, str] | None) -> list[str]:
    """Class of every feature, IGNORE where it is to be left out; unknown values become problems.

    class_map: value in the file -> class, or "ignore"; the key "*" stands for every value not named.
    Without an entry a value has to be a class by itself; capitals do not matter.
    """
    classes = list(classes)
    mapped = {str(k).strip().casefold(): v for k, v in (class_map or {}).items()}
    for value in mapped.values():
        if value not in classes and value != IGNORE:
            layer.problems.append(
                Problem(
                    layer.file, "class map", f"unknown class {value!r}", suggestion(value, [*classes, IGNORE])
                )
            )
    known = {c.casefold(): c for c in classes} | mapped
    result, bad = [], {}
    for i, value in enumerate(layer.columns["class"]):
        found = known.get(value.casefold(), mapped.get("*"))
        if found is None:
            bad.setdefault(value, []).append(i)
        result.append(found or IGNORE)
    for value, rows in bad.items():
        more = f" (and {len(rows) - 1} more features)" if len(rows) > 1 else ""
        what = f"unknown class {value!r}{more}" if value else f"has no class{more}"
        layer.problem(rows[0], what, suggestion(value, classes) if value else "known: " + ", ".join(classes))
    return result
