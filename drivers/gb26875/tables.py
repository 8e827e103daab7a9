"""The code tables of GB/T 26875.3-2011: state bits, operations, system types, component types."""

from collections.abc import Mapping
from typing import Final

# State words by what they are of: the bit, our word for it, the panel's.
SYSTEM_BITS: Final[Mapping[int, tuple[str, str]]] = {
    0: ("normal", "正常运行"),
    1: ("fire", "火警"),
    2: ("fault", "故障"),
    3: ("disabled", "屏蔽"),
    4: ("supervisory", "监管"),
    5: ("started", "启动"),
    6: ("feedback", "反馈"),
    7: ("delay", "延时"),
    8: ("main_power_fault", "主电故障"),
    9: ("backup_power_fault", "备电故障"),
    10: ("bus_fault", "总线故障"),
    11: ("manual", "手动"),
    12: ("config_changed", "配置改变"),
    13: ("reset", "复位"),
}
COMPONENT_BITS: Final[Mapping[int, tuple[str, str]]] = {
    **{bit: SYSTEM_BITS[bit] for bit in range(8)},
    8: ("power_fault", "电源故障"),
}
DEVICE_BITS: Final[Mapping[int, tuple[str, str]]] = {
    0: ("normal", "正常监视"),
    1: ("fire", "火警"),
    2: ("fault", "故障"),
    3: ("main_power_fault", "主电故障"),
    4: ("backup_power_fault", "备电故障"),
    5: ("center_link_fault", "与监控中心通信信道故障"),
    6: ("monitor_line_fault", "监测连接线路故障"),
}
OPERATIONS: Final[Mapping[int, tuple[str, str]]] = {
    0: ("reset", "复位"),
    1: ("silence", "消音"),
    2: ("manual_alarm", "手动报警"),
    3: ("alarm_cancelled", "警情消除"),
    4: ("self_test", "自检"),
    5: ("roll_call_answered", "查岗应答"),
    6: ("test", "测试"),
}
# Which table belongs to a type of data unit.
BITS_OF_TYPE: Final[Mapping[int, Mapping[int, tuple[str, str]]]] = {
    1: SYSTEM_BITS,
    2: COMPONENT_BITS,
    21: DEVICE_BITS,
}

SYSTEMS: Final[Mapping[int, tuple[str, str]]] = {
    0: ("general", "通用"),
    1: ("fire alarm system", "火灾报警系统"),
    10: ("fire linkage controller", "消防联动控制器"),
    11: ("hydrant system", "消火栓系统"),
    12: ("sprinkler system", "自动喷水灭火系统"),
    13: ("gas extinguishing system", "气体灭火系统"),
    14: ("water spray system (pump)", "水喷雾灭火系统（泵启动方式）"),
    15: ("water spray system (pressure vessel)", "水喷雾灭火系统（压力容器启动方式）"),
    16: ("foam extinguishing system", "泡沫灭火系统"),
    17: ("powder extinguishing system", "干粉灭火系统"),
    18: ("smoke control system", "防烟排烟系统"),
    19: ("fire doors and shutters", "防火门及卷帘系统"),
    20: ("firefighters' lift", "消防电梯"),
    21: ("emergency broadcast", "消防应急广播"),
    22: ("emergency lighting", "消防应急照明和疏散指示系统"),
    23: ("fire power supply", "消防电源"),
    24: ("fire telephone", "消防电话"),
}
COMPONENTS: Final[Mapping[int, tuple[str, str]]] = {
    0: ("general", "通用"),
    1: ("fire alarm panel", "火灾报警控制器"),
    10: ("gas detector", "可燃气体探测器"),
    11: ("point gas detector", "点型可燃气体探测器"),
    12: ("stand-alone gas detector", "独立式可燃气体探测器"),
    13: ("line gas detector", "线型可燃气体探测器"),
    16: ("electrical fire monitor", "电气火灾监控报警器"),
    17: ("residual current detector", "剩余电流式电气火灾监控探测器"),
    18: ("cable temperature detector", "测温式电气火灾监控探测器"),
    21: ("detection loop", "探测回路"),
    22: ("repeater panel", "火灾显示盘"),
    23: ("manual call point", "手动火灾报警按钮"),
    24: ("hydrant button", "消火栓按钮"),
    25: ("fire detector", "火灾探测器"),
    30: ("heat detector", "感温火灾探测器"),
    31: ("point heat detector", "点型感温火灾探测器"),
    32: ("point heat detector, type S", "点型感温火灾探测器（S型）"),
    33: ("point heat detector, type R", "点型感温火灾探测器（R型）"),
    34: ("line heat detector", "线型感温火灾探测器"),
    35: ("line heat detector, type S", "线型感温火灾探测器（S型）"),
    36: ("line heat detector, type R", "线型感温火灾探测器（R型）"),
    37: ("fibre heat detector", "光纤感温火灾探测器"),
    40: ("smoke detector", "感烟火灾探测器"),
    41: ("ionisation smoke detector", "点型离子感烟火灾探测器"),
    42: ("optical smoke detector", "点型光电感烟火灾探测器"),
    43: ("beam smoke detector", "线型光束感烟火灾探测器"),
    44: ("aspirating smoke detector", "吸气式感烟火灾探测器"),
    50: ("combined detector", "复合式火灾探测器"),
    51: ("smoke and heat detector", "复合式感烟感温火灾探测器"),
    52: ("flame and heat detector", "复合式感光感温火灾探测器"),
    53: ("flame and smoke detector", "复合式感光感烟火灾探测器"),
    61: ("ultraviolet flame detector", "紫外火焰探测器"),
    62: ("infrared flame detector", "红外火焰探测器"),
    69: ("flame detector", "感光火灾探测器"),
    74: ("gas detector", "气体探测器"),
    78: ("image fire detector", "图像摄像方式火灾探测器"),
    79: ("acoustic fire detector", "感声火灾探测器"),
    81: ("gas extinguishing controller", "气体灭火控制器"),
    82: ("fire electrical control", "消防电气控制装置"),
    83: ("control room display", "消防控制室图形显示装置"),
    84: ("module", "模块"),
    85: ("input module", "输入模块"),
    86: ("output module", "输出模块"),
    87: ("input and output module", "输入/输出模块"),
    88: ("repeater module", "中继模块"),
    91: ("fire pump", "消防水泵"),
    92: ("fire water tank", "消防水箱"),
    95: ("sprinkler pump", "喷淋泵"),
    96: ("water flow indicator", "水流指示器"),
    97: ("signal valve", "信号阀"),
    98: ("alarm valve", "报警阀"),
    99: ("pressure switch", "压力开关"),
    101: ("valve drive", "阀驱动装置"),
    102: ("fire door", "防火门"),
    103: ("fire damper", "防火阀"),
    104: ("ventilation", "通风空调"),
    105: ("foam pump", "泡沫液泵"),
    106: ("pipe solenoid valve", "管网电磁阀"),
    111: ("smoke exhaust fan", "防烟排烟风机"),
    113: ("smoke exhaust damper", "排烟防火阀"),
    114: ("air inlet", "常闭送风口"),
    115: ("smoke outlet", "排烟口"),
    116: ("smoke curtain", "电控挡烟垂壁"),
    117: ("shutter controller", "防火卷帘控制器"),
    118: ("fire door monitor", "防火门监控器"),
    121: ("alarm sounder", "警报装置"),
}


def bits(word: int, table: Mapping[int, tuple[str, str]]) -> list[str]:
    """Return our words for the bits that are set, lowest first; reserved bits mean nothing."""
    return [table[bit][0] for bit in sorted(table) if word >> bit & 1]


def named(table: Mapping[int, tuple[str, str]], number: int) -> str:
    """Return what the panel's people call it, in Chinese and English; a number outside of the table as itself."""
    if number in table:
        english, chinese = table[number]
        return f"{chinese} {english}"
    return f"用户自定义 type {number}" if number >= 128 else f"预留 type {number}"
