"""The columns of sites.csv: names in English and Chinese, units, ranges, and how cells are written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

from radiocov.problems import nearest


@dataclass(frozen=True)
class Column:
    """A column. low, high: range of a number; empty: the value of an empty cell; aliases: other headers,
    compared without case, spaces, underscores and a unit in brackets."""

    name: str
    aliases: tuple[str, ...] = ()
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    empty: float | None = None
    required: bool = False

    @property
    def expected(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}{' ' + self.unit if self.unit else ''}"


_ALL = (
    Column("id", ("编号", "站号", "基站编号", "扇区编号", "site id", "sector id"), required=True),
    Column("name", ("名称", "站名", "基站名称", "扇区名称", "site name")),
    Column("longitude", ("经度", "lon", "lng", "long", "x"), "deg", -180, 180, required=True),
    Column("latitude", ("纬度", "lat", "y"), "deg", -90, 90, required=True),
    Column("antenna_height_m", ("天线高度", "天线挂高", "挂高", "天线高", "antenna height", "height"),
           "m", 1, 500, required=True),
    Column("power_dbm", ("发射功率", "功率", "power", "tx power"), "dBm", 0, 60, required=True),
    Column("losses_db", ("损耗", "系统损耗", "馈线损耗", "losses", "loss", "feeder loss"), "dB", 0, 40,
           required=True),
    Column("antenna", ("天线", "天线文件", "天线型号", "antenna file", "pattern")),
    Column("gain_dbi", ("增益", "天线增益", "gain", "antenna gain"), "dBi", -10, 25, required=True),
    Column("azimuth_deg", ("方位角", "方位", "azimuth"), "deg", 0, 360, 0.0),
    Column("tilt_deg", ("下倾角", "倾角", "机械下倾角", "tilt", "downtilt"), "deg", -30, 30, 0.0),
    Column("frequency_mhz", ("频率", "频点", "frequency", "freq"), "MHz", 30, 6000),
    Column("in_service", ("开通日期", "启用日期", "投入使用日期", "入网日期", "in service", "date")),
    Column("status", ("状态", "建设状态", "state")),
    Column("site", ("铁塔", "塔名", "站址", "mast", "tower")),
    # where the antenna is and how it is set
    Column("electrical_tilt_deg", ("电下倾角", "电子下倾角", "电调下倾角", "electrical tilt", "e-tilt", "etilt"),
           "deg", -30, 30),
    Column("offset_east_m", ("东向偏移", "东偏移", "dx", "offset east"), "m", -1000, 1000),
    Column("offset_north_m", ("北向偏移", "北偏移", "dy", "offset north"), "m", -1000, 1000),
    # what losses_db is made of, where that cell is empty
    Column("combiner_db", ("合路器损耗", "合路损耗", "combiner", "combiner loss"), "dB", 0, 20),
    Column("duplexer_db", ("双工器损耗", "duplexer", "duplexer loss"), "dB", 0, 10),
    Column("feeder_type", ("馈线类型", "馈线型号", "馈线规格", "feeder", "cable type")),
    Column("feeder_length_m", ("馈线长度", "feeder length", "cable length"), "m", 0, 1000),
    Column("jumpers_db", ("跳线损耗", "接头损耗", "jumpers", "jumper loss", "connector loss"), "dB", 0, 10),
    # the receiver, where it differs from the transmitter
    Column("rx_antenna", ("接收天线", "接收天线文件", "rx antenna file", "receive antenna")),
    Column("rx_gain_dbi", ("接收天线增益", "接收增益", "rx gain", "receive gain"), "dBi", -10, 25),
    Column("rx_antenna_height_m", ("接收天线高度", "接收天线挂高", "接收挂高", "rx antenna height", "rx height"),
           "m", 1, 500),
    Column("rx_azimuth_deg", ("接收方位角", "接收天线方位角", "rx azimuth"), "deg", 0, 360),
    Column("rx_tilt_deg", ("接收下倾角", "接收天线下倾角", "rx tilt"), "deg", -30, 30),
    Column("rx_electrical_tilt_deg", ("接收电下倾角", "rx electrical tilt"), "deg", -30, 30),
    Column("rx_losses_db", ("接收损耗", "接收系统损耗", "rx losses", "receive losses"), "dB", 0, 40),
    Column("rx_diversity_db", ("分集增益", "接收分集增益", "接收分集", "rx diversity", "diversity gain"),
           "dB", 0, 20),
    Column("rx_noise_figure_db", ("接收机噪声系数", "噪声系数", "rx noise figure", "noise figure"), "dB", 0, 30),
    Column("tma_gain_db", ("塔放增益", "塔顶放大器增益", "tma gain"), "dB", 0, 40),
    Column("tma_noise_figure_db", ("塔放噪声系数", "塔顶放大器噪声系数", "tma noise figure"), "dB", 0, 20),
    # the frequency plan; 频点 alone has always been the one of frequency_mhz
    Column("channels", ("信道", "信道频点", "频点列表", "载频", "carriers", "talk-out carriers"), "MHz", 30, 6000),
    Column("simulcast", ("同播组", "同播", "simulcast group")),
    Column("cost", ("费用", "造价", "建设费用", "price"), "", 0.001, 1e9),
    Column("launch_delay_us", ("发射时延", "发射延时", "launch delay"), "us", -10_000, 10_000),
)
COLUMNS: dict[str, Column] = {column.name: column for column in _ALL}
BASIC = tuple(COLUMNS)[: 1 + tuple(COLUMNS).index("site")]  # the others are written only where a site uses them
LOSS_PARTS = ("combiner_db", "duplexer_db", "feeder_type", "feeder_length_m", "jumpers_db")
# Without a gain column every row needs an antenna file, so that one may be missing.
REQUIRED = tuple(column.name for column in _ALL if column.required and column.name != "gain_dbi")

_UNITS = {"m": "m", "米": "m", "dbm": "dBm", "db": "dB", "dbi": "dBi", "°": "deg", "度": "deg", "deg": "deg",
          "degrees": "deg", "mhz": "MHz", "兆赫": "MHz", "us": "us", "μs": "us", "µs": "us", "微秒": "us"}
_REMEDIES = {("dBm", "w"): "dBm = 30 + 10 log10(W)", ("dBm", "dbw"): "dBm = dBW + 30",
             ("dBi", "dbd"): "dBi = dBd + 2.15", ("m", "ft"): "m = 0.3048 ft", ("us", "ms"): "us = 1000 ms"}


def _plain(header: str) -> str:
    return re.sub(r"[\s_\-]+", "", header.strip().lower())


_BY_HEADER = {_plain(name): column.name for column in _ALL for name in (column.name, *column.aliases)}


def match_headers(cells: list[str], row: int, report: Callable[..., None]) -> dict[str, int]:
    """Position of each known column in a header row; reports unknown, doubled and wrongly measured ones."""
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        text = cell.strip().replace("（", "(").replace("）", ")").replace("[", "(").replace("]", ")")
        if not text:
            continue
        match = re.fullmatch(r"(.*?)\s*\(\s*([^()]*?)\s*\)", text)
        title, unit = (match[1], match[2]) if match else (text, "")
        name = _BY_HEADER.get(_plain(text)) or _BY_HEADER.get(_plain(title))
        if name is None:
            match_name = nearest(_plain(title), _BY_HEADER)
            remedy = f'did you mean "{_BY_HEADER[match_name]}"?' if match_name else \
                f"known columns: {', '.join(COLUMNS)}"
            report(f"row {row}", f'unknown column "{cell.strip()}"', remedy)
        elif name in found:
            report(f"row {row}", f'"{cell.strip()}" is a second column {name}', "keep one")
        else:
            found[name] = at
            wanted = COLUMNS[name].unit
            if unit and wanted and _UNITS.get(unit.lower()) != wanted:
                rule = _REMEDIES.get((wanted, unit.lower()), "")
                report(f"row {row}", f'the column "{cell.strip()}" is in {unit}',
                       f"give {name} in {wanted}" + (f" ({rule})" if rule else ""))
    return found


_SIGNS = {"n": ("lat", 1), "s": ("lat", -1), "e": ("lon", 1), "w": ("lon", -1),
          "北纬": ("lat", 1), "南纬": ("lat", -1), "东经": ("lon", 1), "西经": ("lon", -1)}
_HEMISPHERE = r"(北纬|南纬|东经|西经|[nsewNSEW])"
_DMS = re.compile(
    rf"{_HEMISPHERE}?\s*(?P<sign>[-+]?)\s*(?P<d>\d+(?:\.\d+)?)\s*(?:[°º度dD:]|\s)\s*"
    r"(?:(?P<m>\d+(?:\.\d+)?)\s*(?:['′’分mM:]|\s|$)\s*)?"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*(?:[\"″”秒sS]|''|′′|’’)?\s*)?"
    rf"{_HEMISPHERE}?")


def parse_coordinate(text: str) -> tuple[float | None, str]:
    """(degrees or None, axis a hemisphere letter names: "lon", "lat" or "").

    Decimal degrees, also with a hemisphere (41.8 N), and degrees, minutes, seconds: 41°48'30"N or
    北纬41度48分30秒.
    """
    text = text.strip()
    try:
        value = float(text)
        return (value, "") if abs(value) < 1e6 else (None, "")
    except ValueError:
        pass
    plain = re.fullmatch(rf"{_HEMISPHERE}?\s*([-+]?\d+(?:\.\d+)?)\s*[°º度]?\s*{_HEMISPHERE}?", text)
    if plain:
        before, number, after = plain.groups()
        degrees, sign_text = float(number), ""
    else:
        match = _DMS.fullmatch(text)
        if match is None:
            return None, ""
        before, after = match[1], match.groups()[-1]
        minutes, seconds = float(match["m"] or 0), float(match["s"] or 0)
        fractional = "." in match["d"] and (match["m"] or match["s"])
        if minutes >= 60 or seconds >= 60 or fractional or (match["s"] and "." in (match["m"] or "")):
            return None, ""
        degrees, sign_text = float(match["d"]) + minutes / 60 + seconds / 3600, match["sign"]
    letter = (before or after or "").lower()
    axis, sign = _SIGNS.get(letter, ("", 1))
    if (before and after) or (letter and (sign_text or degrees < 0)):
        return None, ""
    return degrees * (-1 if sign_text == "-" else 1) * sign, axis


def parse_date(text: str) -> dt.date | None:
    """A date written year first: 2015-12-31, and 2015/12/31 or 2015年12月31日, as spreadsheets rewrite it."""
    match = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", text.strip())
    if match is None:
        return None
    try:
        return dt.date(*map(int, match.groups()))
    except ValueError:
        return None
