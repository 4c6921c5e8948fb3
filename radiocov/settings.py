"""The tables of project.toml as typed settings, with defaults for a 350 MHz PDT network."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"  # ids become parts of file names
# Frequency ranges of the models, MHz: P.1812 sec 1; extended Hata as in SEAMCAT.
MODEL_RANGE_MHZ = {
    "p1812": (30.0, 6000.0), "itm": (20.0, 20000.0), "extended-hata": (30.0, 3000.0), "free-space": (30.0, 6000.0),
}  # fmt: skip
TIMED_MODELS = ("p1812", "itm")  # that know a percentage of time
MODEL_REACH_KM = {"extended-hata": 100.0}  # others reach beyond any radius a project may have
# Above this a threshold is no faded sensitivity at the port but a planning level with margins already inside.
PLANNING_LEVEL_DBM = -105.0


class Section(BaseModel):
    """A table of the file. `expected` in a field's extra says what would be right where its type does not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False,
                              str_strip_whitespace=True, protected_namespaces=())
    # Keys that came later: left out of what is written while they have their default, so that the results of
    # projects which do not use them stay the same byte for byte.
    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: Any) -> dict[str, Any]:
        data = handler(self)
        for key in self.later & data.keys():
            if getattr(self, key) == type(self).model_fields[key].default:
                del data[key]
        return data


def _number(default: Any, low: float, high: float, unit: str) -> Any:
    return Field(default, ge=low, le=high, json_schema_extra={
        "expected": f"a number from {low:g} to {high:g}{' ' + unit if unit else ''}"})


def _text(default: Any, expected: str, **limits: Any) -> Any:
    return Field(default, json_schema_extra={"expected": expected}, **limits)


def _id() -> Any:
    return _text(..., "letters, digits, - and _ in quotes", pattern=ID_PATTERN)


def _file(default: Any, what: str) -> Any:
    return _text(default, f"the name of {what} in quotes", min_length=1)


class About(Section):
    name: str = _text(..., "the project's name in quotes", min_length=1)
    name_zh: str = ""
    note: str = ""
    note_zh: str = ""


class GridSettings(Section):
    resolution_m: float = _number(50.0, 5, 1000, "m")
    crs: str = _text("auto", '"auto" or a projected system such as "EPSG:32651"', min_length=1)
    extent: list[float] | None = Field(None, min_length=4, max_length=4, json_schema_extra={
        "expected": "[lon_min, lat_min, lon_max, lat_max] in degrees"})
    margin_km: float = _number(2.0, 0, 200, "km")


Unit = Literal["m", "dm", "cm", "ft", "us-ft"]
# A file, a folder or a pattern, or a list of them.
Files = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


def _files(default: Any = ...) -> Any:
    return Field(default, min_length=1, json_schema_extra={
        "expected": 'a file, a folder or a pattern such as "terrain/*.tif" in quotes, or a list of them'})


class TerrainSource(Section):
    """One source of heights; what it says of itself is said for it alone."""

    files: Files = _files()
    label: str = ""
    vertical_unit: Unit = "m"
    surface: bool = _text(..., "true (trees and buildings are in the heights) or false (bare ground)")
    nodata: list[float] = Field([], json_schema_extra={"expected": "a list of numbers that mean no height"})
    voids: Literal["next", "sea"] = "next"
    crs: str | None = _text(None, 'a coordinate system such as "EPSG:4549"', min_length=1)


class ClutterSettings(Section):
    """Measured heights of buildings and trees, in place of the legend's."""

    files: Files = _files()
    above: Literal["ground", "sea"] = "ground"
    label: str = ""
    vertical_unit: Unit = "m"
    nodata: list[float] = Field([], json_schema_extra={"expected": "a list of numbers that mean no height"})
    crs: str | None = _text(None, 'a coordinate system such as "EPSG:4549"', min_length=1)


class DensitySettings(Section):
    """Built-up land split by the share of built-up pixels within a radius."""

    radius_m: float = _number(500.0, 10, 10000, "m")
    urban: float = _number(0.5, 0.01, 0.99, "")
    dense_urban: float = _number(0.8, 0.02, 1, "")


class TerrainSettings(Section):
    elevation: list[str] = Field(["terrain/elevation.tif"], min_length=1, json_schema_extra={
        "expected": 'a list of file names such as ["terrain/elevation.tif"]'})
    vertical_unit: Unit = "m"
    surface: bool = False
    sources: list[TerrainSource] | None = Field(None, min_length=1)
    voids: Literal["error", "sea", "interpolate"] = "error"
    landcover: Files | None = _files(None)
    legend: str = _text("esa-worldcover", '"esa-worldcover" or the name of a CSV file', min_length=1)
    clutter: ClutterSettings | None = None
    density: DensitySettings | None = None
    land_mask: str | None = _file(None, "a raster")
    synthetic: bool = False
    source: str = ""

    @property
    def all_sources(self) -> list[TerrainSource]:
        """`sources`, or each file of `elevation` with the unit and kind that stand beside it."""
        return self.sources or [
            TerrainSource(files=[name], vertical_unit=self.vertical_unit, surface=self.surface)
            for name in self.elevation
        ]


class ModelSettings(Section):
    name: Literal["p1812", "itm", "extended-hata", "free-space"] = "p1812"
    radius_km: float = _number(30.0, 0.5, 300, "km")
    frequency_mhz: float = _number(358.0, 30, 6000, "MHz")
    time_percent: float = _number(50.0, 1, 50, "%")
    polarization: Literal["vertical", "horizontal"] = "vertical"
    delta_n: float = _number(45.0, 10, 150, "N-units/km")
    n0: float = _number(325.0, 200, 500, "N-units")
    delta_n_map: str | None = _file(None, "the ITU's map DN50.TXT")  # in place of delta_n
    n0_map: str | None = _file(None, "the ITU's map N050.TXT")  # in place of n0
    model_error_db: float = _number(7.3, 0, 30, "dB")
    shadowing_correlation: float = _number(0.5, 0, 0.6, "")  # between servers, at one place


class SitesSettings(Section):
    """pattern_method: how the cuts of an antenna are combined (`radiocov.antennas.METHODS`); feeders: the user's
    table of cables."""

    file: str = _file("sites.csv", "a CSV file")
    antennas: str = _file("antennas", "a folder")
    pattern_method: Literal["sum", "hpi"] = "sum"
    feeders: str | None = _file(None, "a CSV file")


class NoiseSettings(Section):
    """Man-made noise (P.372) of the thresholds that ask for it: by land cover, or one environment everywhere; city:
    the curve that stands for cities, which P.372 states up to 250 MHz."""

    environment: Literal["landcover", "city", "residential", "rural", "quiet-rural", "uhf-business"] = "landcover"
    city: Literal["city", "uhf-business"] = "city"


class InterferenceSettings(Section):
    """C/(I+N) over the frequency plan of the sites. noise_figure_db: None = that of a service's terminal; radius_km:
    how far a site interferes, None = as far as it serves."""

    enabled: bool = False
    unwanted_time_percent: float = _number(10.0, 1, 50, "%")
    protection_db: float = _number(17.0, 0, 60, "dB")
    noise_figure_db: float | None = _number(None, 0, 30, "dB")
    bandwidth_hz: float = _number(7600.0, 1000, 100_000, "Hz")
    channel_width_khz: float = _number(12.5, 1, 100, "kHz")
    radius_km: float | None = _number(None, 0.5, 300, "km")


class SimulcastSettings(Section):
    """A member of a group counts where it is no more than capture_db below the best; limit_us: the spread of arrival
    that a receiver bears, 1/8 of a symbol."""

    capture_db: float = _number(10.0, 0, 40, "dB")
    limit_us: float = _number(26.0, 0.1, 10_000, "us")


# How a threshold comes about: as given; as given and raised by man-made noise; k T0 b + noise figure + required
# C/(I+N), raised by man-made noise.
ThresholdBy = Literal["given", "given+noise", "computed"]
CARRY_PARTS = ("cable_loss_db", "body_loss_db", "vehicle_loss_db")
RECEIVER_KEYS = frozenset(["threshold", "noise_figure_db", "required_cn_db", "noise_bandwidth_hz"])


class Terminal(Section):
    """A terminal as it is carried. label falls back to id, label_zh to label; carry_loss_db to the sum of its parts,
    threshold_dbm to the computed one. noise_loss_db: the part of carry_loss_db that weakens external noise as much
    as the signal."""

    later = RECEIVER_KEYS | {*CARRY_PARTS, "noise_loss_db"}

    id: str = _id()
    label: str = ""
    label_zh: str = ""
    height_m: float = _number(1.5, 0.5, 100, "m")
    power_dbm: float = _number(..., -10, 60, "dBm")
    antenna_gain_dbi: float = _number(0.0, -30, 25, "dBi")
    carry_loss_db: float = _number(..., -10, 60, "dB")
    threshold_dbm: float = _number(-111.0, -140, -20, "dBm")
    cable_loss_db: float = _number(0.0, 0, 30, "dB")
    body_loss_db: float = _number(0.0, -10, 40, "dB")
    vehicle_loss_db: float = _number(0.0, 0, 40, "dB")
    threshold: ThresholdBy = "given"
    noise_figure_db: float = _number(7.0, 0, 30, "dB")
    required_cn_db: float = _number(17.2, 0, 40, "dB")
    noise_bandwidth_hz: float = _number(7600.0, 1000, 100_000, "Hz")
    noise_loss_db: float = _number(0.0, 0, 40, "dB")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, data: Any) -> Any:
        if isinstance(data, dict) and "carry_loss_db" not in data:
            parts = [data[key] for key in CARRY_PARTS if key in data]
            if parts and all(isinstance(part, int | float) for part in parts):
                data = {**data, "carry_loss_db": float(sum(parts))}
        return _with_threshold(cls, _with_labels(data))


class Base(Section):
    """The site as a receiver (talk-in): faded sensitivity at the port, 2 dB better than a terminal's."""

    later = RECEIVER_KEYS

    threshold_dbm: float = _number(-113.0, -140, -20, "dBm")
    diversity_gain_db: float = _number(3.0, 0, 20, "dB")
    threshold: ThresholdBy = "given"
    noise_figure_db: float = _number(5.0, 0, 30, "dB")
    required_cn_db: float = _number(17.2, 0, 40, "dB")
    noise_bandwidth_hz: float = _number(7600.0, 1000, 100_000, "Hz")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, data: Any) -> Any:
        return _with_threshold(cls, data)


class Service(Section):
    """indoor: behind the walls of such a building (P.2109), at any place in it."""

    later = frozenset(["indoor"])

    id: str = _id()
    label: str = ""
    label_zh: str = ""
    terminal: str = _text(..., "the id of a terminal in quotes", min_length=1)
    direction: Literal["talk-out", "talk-in", "both"] = "both"
    probability: float = _number(0.90, 0.5, 0.999, "")
    indoor: Literal["none", "traditional", "thermally-efficient"] = "none"

    @model_validator(mode="before")
    @classmethod
    def _labels(cls, data: Any) -> Any:
        return _with_labels(data)


def _with_threshold(section: type[Section], data: Any) -> Any:
    """threshold_dbm of a receiver whose threshold is computed, in thermal noise alone."""
    if not isinstance(data, dict) or data.get("threshold") != "computed" or "threshold_dbm" in data:
        return data
    figure, cn, bandwidth = (data.get(key, section.model_fields[key].default)
                             for key in ("noise_figure_db", "required_cn_db", "noise_bandwidth_hz"))
    if not all(isinstance(value, int | float) for value in (figure, cn, bandwidth)) or bandwidth <= 0:
        return data
    from radiocov.propagation.noise import thermal_noise_dbm  # numba: not for settings that do not need it

    return {**data, "threshold_dbm": round(thermal_noise_dbm(bandwidth) + figure + cn, 6)}


def _with_labels(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    label = data.get("label") or data.get("id", "")
    return {**data, "label": label, "label_zh": data.get("label_zh") or label}


class PolicySettings(Section):
    file: str = _text("liaoning", "the name of a built-in policy or of a TOML file in quotes", min_length=1)


DATUMS = ("wgs84", "cgcs2000", "gcj02", "bd09")
Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]


class LayerSettings(Section):
    """A vector file. datum: of its coordinates; Chinese web maps deliver GCJ-02 or BD-09 and don't say so.
    encoding: of a Shapefile's text, where its own statement is wrong."""

    layer: str | None = _text(None, "the name of a layer in quotes", min_length=1)
    encoding: str | None = _text(None, 'an encoding such as "GB18030"', min_length=1)
    datum: Datum = "wgs84"


def _classes() -> Any:
    return Field(default_factory=dict, json_schema_extra={
        "expected": 'a table from values in the file to classes, such as { "高速" = "motorway", "*" = "ignore" }'})


class AreasSettings(LayerSettings):
    file: str = _file("areas.geojson", "a vector file")
    class_attribute: str = _text("class", "an attribute's name in quotes", min_length=1)
    name_attribute: str = "name"
    name_zh_attribute: str = "name_zh"
    city_attribute: str = "city"
    county_attribute: str = "county"
    id_attribute: str = "id"
    classes: dict[str, str] = _classes()
    population: str | None = _file(None, "a raster of people")
    population_unit: Literal["people", "people-per-km2"] = "people"


class RoadsSettings(LayerSettings):
    file: str = _file("roads.geojson", "a vector file")
    class_attribute: str = _text("class", "an attribute's name in quotes", min_length=1)
    name_attribute: str = "name"
    ref_attribute: str = "ref"
    city_attribute: str = "city"
    county_attribute: str = "county"
    oneway_attribute: str = "oneway"
    tunnel_attribute: str = "tunnel"
    classes: dict[str, str] = _classes()
    carriageway_m: float = _number(60.0, 0, 500, "m")


class BoundariesSettings(LayerSettings):
    """Administrative boundaries, for the map, for areas derived from land cover and for checks; shares go by the
    areas' own city and county."""

    file: str = _file("boundaries.geojson", "a vector file of polygons")
    name_attribute: str = "name"
    name_zh_attribute: str = "name_zh"
    city_attribute: str = "city"
    county_attribute: str = "county"


class UncertaintySettings(Section):
    """What intervals rest on. common_error_db: the part of the model's error that all places share (its bias), some
    3 dB before calibration; the rest of it is correlated over correlation_km."""

    common_error_db: float = _number(3.0, 0, 15, "dB")
    correlation_km: float = _number(1.5, 0.05, 50, "km")
    confidence: float = _number(0.90, 0.5, 0.99, "")


class OutputSettings(Section):
    folder: str = _file("out", "a folder")


def default_terminals() -> list[Terminal]:
    """PDT terminals carried in three ways. All hear down to -111 dBm faded (DAQ 3.4) at the antenna port."""
    return [
        # 3 W and more is 35 dBm. At the head, antenna and body cost 6-8 dB: the middle.
        Terminal(id="handheld-head", label="Hand-held at the head", label_zh="手持台（头部）", height_m=1.5,
                 power_dbm=35.0, antenna_gain_dbi=0.0, carry_loss_db=7.0, threshold_dbm=-111.0),
        # On the hip they cost 10-15 dB, more often near the lower end outdoors: 12.
        Terminal(id="handheld-hip", label="Hand-held on the hip", label_zh="手持台（腰间）", height_m=1.5,
                 power_dbm=35.0, antenna_gain_dbi=0.0, carry_loss_db=12.0, threshold_dbm=-111.0),
        # 10 W is the lower end of 10-25 W; a whip on the roof gains 2 dBi and its cable loses 1 dB.
        Terminal(id="vehicle", label="Vehicle, antenna on the roof", label_zh="车载台（车顶天线）",
                 height_m=1.5, power_dbm=40.0, antenna_gain_dbi=2.0, carry_loss_db=1.0, threshold_dbm=-111.0),
    ]
