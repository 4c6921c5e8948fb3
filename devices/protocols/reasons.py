"""Codes of what live readers reject, flag and count, in English and Chinese, beside those that files have too."""

from __future__ import annotations

REASONS: dict[str, tuple[str, str]] = {
    "checksum_missing": ("has no checksum; checksum_optional = true in the profile accepts such",
                         "缺少校验和；在配置中设 checksum_optional = true 可接受"),
    "sds_without_pdu": ("short data was announced and did not come", "已预告短数据但未收到内容"),
    "lip_unsupported": ("location report of a form that is not read", "不支持的位置报告格式"),
    "level_unit": ("level without a stated unit; give rssi_scale in the profile",
                   "电平单位未声明，请在配置中给出 rssi_scale"),
    "no_position": ("the radio answered without a position", "终端应答中没有位置"),
}  # fmt: skip

FLAGS: dict[str, tuple[str, str]] = {
    "synthetic": ("SYNTHETIC: from a simulated handset, no measurement", "模拟数据：来自模拟终端，并非实测"),
    "satellite_time": ("the computer's clock was off; time of the satellites used", "计算机时钟有误，采用卫星时间"),
    "sensitivity_assumed": ("no service: the usual sensitivity taken as the limit of the level",
                            "无服务：以典型灵敏度作为电平上限"),
    "no_service_without_position": ("no service was stated where no fresh position is known",
                                    "终端报告无服务，但没有新鲜的位置"),
    "level_without_service": ("a level was given with no service; not used", "无服务却给出电平，未采用"),
    "simulated_position": ("the receiver says that it simulates", "接收机声明为模拟位置"),
}  # fmt: skip

COUNTS: dict[str, tuple[str, str]] = {
    "cells_missing": ("cells that were announced and did not come", "已预告但未收到的小区"),
    "error_answer": ("queries answered by an error", "以错误应答的查询"),
    "gps_off": ("answers that GPS gives nothing", "GPS 无数据的应答"),
    "joined_midway": ("first lines that began before the link was open", "连接打开前已开始的首行"),
    "no_service_set_aside": ("no-service statements in direct mode or transmit inhibit",
                             "直通模式或禁发状态下的无服务报告"),
    "noise": ("times that bytes made no lines", "字节无法成行的次数"),
    "noise_line": ("lines of noise", "噪声行"),
    "nul_or_ff": ("NUL and 0xFF bytes dropped", "丢弃的 NUL 与 0xFF 字节"),
    "other_identity": ("answers with another identity than declared", "与声明不同的终端号"),
    "overlong_line": ("lines over 4 kB, cut", "超过 4 kB 被截断的行"),
    "parser_fault": ("faults of a parser; the bytes are kept", "解析程序故障，原始字节已保留"),
    "sds_length_differs": ("messages of another length than announced", "长度与预告不符的短数据"),
    "sds_repeated": ("messages passed on more than once", "重复转发的短数据"),
    "sds_unsupported": ("messages of other services", "其他业务的短数据"),
    "speed_unreadable": ("speeds that are no number", "无法识别的速度"),
    "syntax_error_answer": ("syntax errors, as rubbish in the line gives", "语法错误应答（线路杂散字节所致）"),
    "unknown_line": ("lines that are none of the protocol", "不属于该协议的行"),
    "unrecognised_bytes": ("bytes of no protocol that is known", "无法识别协议的字节"),
}  # fmt: skip
