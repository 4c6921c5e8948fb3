"""Chinese for the sentences that a calibration says of itself in English: notes, reasons, doubts.

Sentences stay where they are made, since the command line and the TOML have them too; here each has its pattern. One
that is not known stays as it is.
"""

from __future__ import annotations

import re

from radiocov.calibration.model import Calibration

WORDS = {
    "site": "基站", "sites": "基站", "handset": "终端", "class": "地物类别", "day": "日期", "days": "日期",
    "area": "区域", "areas": "区域", "more": "偏高", "less": "偏低", "talk-out": "下行", "talk-in": "上行",
    "offset_db": "固定偏移", "slope_db_per_decade": "距离斜率", "excess": "附加损耗权重",
    "height_db_per_decade": "天线高度增益",
}  # fmt: skip
KNOWN: list[tuple[str, str]] = [
    # what keeps its prior, and why
    (r"(\S+(?: \S+)?) keeps its prior: (.+)", "{0}保持先验值：{1}"),
    (r"distances lie within a factor of (.+)", "距离相差不超过 {0} 倍"),
    (r"excess loss varies by (.+) dB only", "附加损耗仅变化 {0} dB"),
    (r"(?:one site|\d+ sites), whose antenna heights differ too little or are too few",
     "基站太少，或天线高度差别太小"),
    (r"it is the same in all cells", "在所有栅格中相同"),
    (r"it runs with (.+) \(correlation (.+)\)", "与 {0} 同步变化（相关系数 {1}）"),
    (r"the data leave its standard deviation at (\d+) % of what was assumed beforehand",
     "数据只把其标准差降到先验的 {0} %"),
    (r"levels are relative: each receiver's own effect holds its zero", "相对电平：零点包含在各接收机自身的偏差中"),
    (r"loss by obstacles is switched off: over this ground a line over distance says as much",
     "不计障碍物损耗：在此地形数据上，距离直线同样有效"),
    (r"at its bound: (.+)", "达到边界：{0}"),
    (r"uncalibrated models, feeders and body losses: within 10 dB, two of three",
     "未校准模型、馈线与人体损耗：三分之二在 10 dB 以内"),
    (r"an exponent of distance wrong by 1", "距离指数误差约 1"),
    (r"an exponent of distance from 2 to 6: no other loss varies", "距离指数 2 至 6：没有其他损耗变化"),
    (r"loss by obstacles is known within a quarter", "障碍物损耗的误差在四分之一以内"),
    (r"bounds keep it a loss, less than twice as large", "边界保证其仍为损耗，且不超过两倍"),
    (r"gain by antenna height: Hata's own changes by 6\.6 dB with a decade of distance",
     "天线高度增益：Hata 模型中每十倍距离变化 6.6 dB"),
    (r"heights of land-cover classes are known within a third", "地物高度的误差在三分之一以内"),
    (r"no cell of this (\w+) was heard", "该{0}没有听到的栅格"),
    (r"an only (\w+): its own effect cannot be told from the offset", "只有一个{0}：其偏差与固定偏移无法区分"),
    (r"([\d,]+) cells say less of it than was assumed beforehand", "{0} 个栅格提供的信息少于先验"),
    (r"([\d,]+) cells: near that of the other classes", "{0} 个栅格：接近其他类别的值"),
    # doubts about the data
    (r"one site only: what is its own and the model's cannot be told apart",
     "只有一个基站：其自身偏差与模型误差无法区分"),
    (r"one handset only: its own error is part of the offset", "只有一部终端：其误差包含在固定偏移中"),
    (r"class (.+): ([\d,]+) cells heard", "类别 {0}：听到 {1} 个栅格"),
    (r"its offset is mostly that of the others", "其偏移主要取自其他类别"),
    (r"all levels come from one handset \((.+)\): its own error cannot be told from the model's offset",
     "所有电平来自同一部终端（{0}）：其误差与模型偏移无法区分"),
    (r"all levels come from one site \((.+)\): what is its own cannot be told from the model's offset",
     "所有电平来自同一基站（{0}）：其自身偏差与模型偏移无法区分"),
    (r"all levels come from one day: weather, leaves and traffic of other days are not in the spread",
     "所有电平来自同一天：其他日期的天气、树叶和交通不在离散度内"),
    (r"no cell says where nothing was heard: of weak places only those that happened to be strong are known",
     "没有脱网栅格：弱区中只有偶然较强之处为人所知"),
    (r"(.+) reads (\d+) dB (more|less) than the others", "{0} 的读数比其他终端{2} {1} dB"),
    (r"compare it with others on a bench", "请在测试台上与其他终端比对"),
    (r"compare it with others on a bench, or drive with three", "请在测试台上与其他终端比对，或用三部终端路测"),
    (r"measure three more", "请再测三个"),
    (r"new sites keep the spread between sites that was assumed", "新基站沿用先验的站间离散度"),
    (r"let the handsets log where there is no service", "请让终端记录无服务的位置"),
    (r"an attenuator, a broken antenna or another unit: check it before its levels count",
     "可能有衰减器、天线损坏或单位不同：采用其电平前请检查"),
    (r"the logs were taken at (.+) MHz and the prediction is for (.+) MHz", "日志频率为 {0} MHz，预测为 {1} MHz"),
    (r"the offset contains the difference", "偏移中包含其差别"),
    (r"(talk-in|talk-out) levels are (.+) dB off as labelled and (.+) dB as (talk-in|talk-out)",
     "按标注的{0}，电平偏差 {1} dB；按{3}为 {2} dB"),
    (r"make sure that they are (talk-in|talk-out)", "请确认确为{0}"),
    (r"([\d,]+) rows are SIMULATED: a rehearsal, which says nothing of the network",
     "{0} 行为模拟数据（SIMULATED）：仅为演练，不能说明网络情况"),
    # the proof
    (r"leaving out whole (\w+) is not possible: (.+)", "无法整体留出{0}：{1}"),
    (r"levels are relative, and a site that was left out has an unknown zero", "相对电平，被留出的基站零点未知"),
    (r"all cells are of one (\w+)", "所有栅格同属一个{0}"),
    (r"fewer than (\d+) heard cells are left to fit to", "可供拟合的栅格不足 {0} 个"),
    # the import
    (r"([\d,]+) rows rejected, listed in (.+)", "{0} 行被拒绝，列于 {1}"),
    (r"no position is in the project's area: is this the right project, and the right datum\?",
     "没有位置落在项目区域内：项目和坐标系是否正确？"),
    (r"positions lie (\d+) m off the project's roads \(median of (\d+) places\), and (\d+) m when read on (\w+): if "
     r"(\w+) was wrong, import with --datum \w+, a batch in the store being withdrawn first",
     "位置偏离项目道路 {0} m（{1} 处的中位数），按 {3} 读取时为 {2} m：若 {4} 有误，请先撤回该批次，"
     "再以 --datum {3} 导入"),
    (r"left out: (.+)", "未读取：{0}"),
    (r"and (\d+) more", "以及另外 {0} 个"),
]  # fmt: skip


def in_chinese(text: str) -> str:
    """The sentence in Chinese; one of several parts, or behind a file's name, part by part."""
    for pattern, said in KNOWN:
        if found := re.fullmatch(pattern, text):
            return said.format(*(_part(part or "") for part in found.groups()))
    for mark, chinese in (("; ", "；"), (": ", "：")):
        if mark in text:
            head, tail = text.split(mark, 1)
            return f"{in_chinese(head)}{chinese}{in_chinese(tail)}"
    return text


def _part(text: str) -> str:
    return WORDS.get(text) or in_chinese(text)


def field_in_chinese(c: Calibration) -> str:
    """`show.field_line` in Chinese."""
    f = c.field
    spread = f"未测基站的离散度 {c.site_db:.1f} dB，终端 {c.device_db:.1f} dB"
    if not c.validity.get("absolute", True):
        spread = "相对电平：对未测的接收机一无所知"
    if not f.range_m:
        return f"残差场：无，相邻处并不比他处更相似；{spread}"
    shape = "" if f.ratio == 1.0 else f"，沿 {f.azimuth_deg:.0f} 度方向为其 {f.ratio:.1f} 倍"
    days = f"，日间差 {c.day_db:.1f} dB" if c.day_db else ""
    return (f"残差场：各站共有 {f.common_db:.1f} dB，单站独有 {f.own_db:.1f} dB，相关距离 {f.range_m:.0f} m{shape}，"
            f"块金 {f.nugget_db:.1f} dB{days}；{spread}")  # fmt: skip
