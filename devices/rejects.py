"""Why a row did not become a record, or lost a value: codes that never change, with a text in English and Chinese.

A program goes by the code; the text may be improved. `REASONS` are the codes of rejected rows, `FLAGS` those of rows
that were kept without one of their values, `SKIPPED` those of lines that hold no row.
"""

from __future__ import annotations

from devices.protocols import reasons
from devices.records import NAMES

REASONS: dict[str, tuple[str, str]] = {
    "time_missing": ("no time; give every row one", "缺少时间，每一行都要有时间"),
    "time_unreadable": (
        "is no time in the declared form; write 2025-11-29 12:34:56, or declare time.format",
        "时间格式无法识别，请写成 2025-11-29 12:34:56 或在格式描述中声明 time.format",
    ),
    "time_out_of_range": (
        "time before 2010 or more than ten minutes ahead of this computer: the clock was wrong, and the row has no "
        "host time to go by",
        "时间早于2010年或超前本机十分钟以上：终端时钟有误，且该行没有可用的主机时间",
    ),
    "device_missing": ("no device id; fill it in, or name the device with --device",
                       "缺少设备编号，请补全或用 --device 指定"),
    "device_mangled": (
        "device id spoilt by a spreadsheet; export again with the column as text",
        "设备编号被电子表格改写，请将该列设为文本后重新导出",
    ),
    "device_too_long": ("device id of more than 32 characters", "设备编号超过32个字符"),
    "not_a_number": (
        "is not a number; write it like -95.5, without thousands separators",
        "不是数字，请写成 -95.5 的形式，不要用千位分隔符",
    ),
    "level_positive": (
        "level is not negative, but dBm are declared; where the sign was dropped, declare scale = -1",
        "电平不是负数，但声明的单位是 dBm；如果省略了负号，请声明 scale = -1",
    ),
    "level_half_db": (
        "level outside -140..-10 dBm; it looks like half decibels: if it is, declare scale = 0.5",
        "电平超出 -140..-10 dBm，疑为半分贝单位；如确实如此请声明 scale = 0.5",
    ),
    "level_out_of_range": ("level outside -140..-10 dBm; check the unit", "电平超出 -140..-10 dBm，请检查单位"),
    "level_code": ("is no CSQ value; these are 0..31 and 99", "不是 CSQ 值（0..31 或 99）"),
    "frequency_out_of_range": (
        "frequency outside 136..941 MHz; check the unit of the column",
        "频率超出 136..941 MHz，请检查该列单位",
    ),
    "unknown_word": ("is not in the description's map; add it there", "格式描述的 map 中没有这个词，请补充"),
    "ragged": (
        "more or fewer cells than the header; put texts that contain the delimiter in quotes",
        "单元格数与表头不符；含分隔符的文本请加引号",
    ),
    "quote_open": ("a quote is opened and not closed", "引号没有闭合"),
    "undecodable": ("bytes that are no text in the file's encoding; save the file as UTF-8",
                    "含有无法解码的字节，请另存为 UTF-8"),
    "overlong": ("line of more than a million bytes", "一行超过一百万字节"),
    "not_json": ("is no JSON object", "不是 JSON 对象"),
    "no_match": ("does not have the declared form of a line", "该行不符合声明的格式"),
    "checksum": ("checksum is wrong", "校验和错误"),
    "no_checksum": ("no checksum, which the profile asks for", "缺少校验和，而配置要求有校验和"),
    "malformed": ("does not have the form that the protocol prescribes", "不符合协议规定的格式"),
    "no_date": ("time of day without a date; name the day with --date", "只有时刻没有日期，请用 --date 指定日期"),
    "no_time": ("neither the computer nor a position gives a time", "计算机和定位都没有给出时间"),
    "sds_without_pdu": ("short data message without its content", "短数据消息缺少内容"),
    "lip_unsupported": ("location message of a form that is not read", "不支持的位置消息格式"),
}  # fmt: skip

FLAGS: dict[str, tuple[str, str]] = {
    "position_zero": ("position 0/0 set to unknown", "位置为 0/0，已置为未知"),
    "position_range": ("position out of range set to unknown", "位置超出范围，已置为未知"),
    "position_swapped": ("latitude and longitude swapped; position set to unknown", "经纬度颠倒，位置已置为未知"),
    "jump": ("position that the rows around it rule out set to unknown", "位置与前后行矛盾，已置为未知"),
    "position_old": ("position older than 20 s set to unknown", "位置已超过20秒，置为未知"),
    "position_age": ("position older than 5 s", "位置已超过5秒"),
    "clock": ("clock of the handset not trusted; time of the host used", "终端时钟不可信，采用主机时间"),
    "leap_second": ("leap second 23:59:60 taken as 23:59:59.999999", "闰秒 23:59:60 记为 23:59:59.999999"),
    "ambiguous_hour": ("hour that the change from summer time repeats; the first one taken",
                       "夏令时重复的一小时，按第一次计"),
    "range": ("value out of range set to unknown", "数值超出范围，已置为未知"),
    "word": ("unknown word set to unknown", "无法识别的词，已置为未知"),
}  # fmt: skip

SKIPPED: dict[str, tuple[str, str]] = {
    "blank": ("blank lines", "空行"),
    "repeated_header": ("headers repeated inside the file", "文件中重复的表头"),
    "before_header": ("title lines before the header", "表头之前的标题行"),
    "cut_at_end": ("last line, not whole: cut, or still being written", "最后一行不完整：被截断或仍在写入"),
}  # fmt: skip


def is_flag(name: str) -> bool:
    """Whether a record may be noted with it: a word of FLAGS, or a field's (`hdop_range`)."""
    field, _, kind = name.rpartition("_")
    return name in FLAGS or name in reasons.FLAGS or (field in NAMES and kind in ("range", "word"))


def text(code: str, language: str = "en") -> str:
    """The text of a code in "en" or "zh"; of a flag with a field in front (`hdop_range`) that of its last word.

    Codes of live readers and counts of events (`event_clock_jump`) are known too.
    """
    for table in (REASONS, FLAGS, SKIPPED, reasons.REASONS, reasons.FLAGS, reasons.COUNTS):
        if code in table:
            return table[code][language == "zh"]
    field, _, kind = code.rpartition("_")
    if field and kind in FLAGS and not code.startswith("event_"):
        return f"{field}: {FLAGS[kind][language == 'zh']}"
    return code
