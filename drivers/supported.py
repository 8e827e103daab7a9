"""The handbook's page of supported devices, in English and Chinese, written from the profiles."""

from collections.abc import Mapping, Sequence
from typing import Literal

from drivers.profile import Profile

Language = Literal["en", "zh"]
PAGES: Mapping[Language, str] = {"en": "docs/supported-devices.md", "zh": "docs/supported-devices.zh.md"}
OURS = "Gatehouse"
"""The vendor of profiles that were constructed for the demo: no device on the market has them."""
_CLASSES: Mapping[str, tuple[str, str]] = {
    "meter:electricity": ("Electricity meters", "电表"),
    "meter:water": ("Water meters", "水表"),
    "meter:heat": ("Heat meters", "热表"),
    "meter:gas": ("Gas meters", "燃气表"),
    "access": ("Doors and card readers", "门禁"),
    "vehicle": ("Vehicles: barriers and plates", "车辆: 道闸与车牌"),
    "camera": ("Cameras", "摄像机"),
    "fire": ("Fire panels", "消防主机"),
    "intrusion": ("Alarm panels", "报警主机"),
    "lift": ("Lifts", "电梯"),
    "pump": ("Pumps and tanks", "水泵与水箱"),
    "env": ("Air, temperature, gas", "环境与气体"),
    "power": ("Breakers and power", "断路器与供电"),
    "io": ("Inputs and outputs", "输入输出模块"),
}
_MERGED = {"meter:hot_water": "meter:water", "meter:cooling": "meter:heat", "meter:": "meter:electricity"}
_PAGES = {"modbus": "profiles.md", "dsmr-p1": "protocols/iec62056-21.md"}
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "# Supported devices",
        "made": "Written by `python -m drivers` from the profiles in `drivers/profiles/`; do not edit by hand. "
        "[简体中文](supported-devices.zh.md)",
        "never": "**No profile here was ever tried by this project on a real device.** They were made from "
        "standards, manuals, public "
        "register maps and frames that other people have published. Before anything rests on one, "
        "hold its values beside the device's own "
        "display (`gatehouse-gateway read`).",
        "count": "{models} device models of {makers} makers in {protocols} protocols, and {own} constructed "
        "ones for the demo.",
        "status": "| status | what it takes |\n|---|---|\n"
        "| bronze | it loads, its addresses are checked, an example proves a decode, its protocol has a simulator |\n"
        "| silver | and every kind of error was exercised for this model, it recovers from a cable "
        "pull, its caveats are known |\n"
        "| gold | and captures from two firmware versions, an hour of fuzzing, a week on a real line |",
        "frames": "*Captured* counts examples that somebody recorded from a real device; the others were made "
        "by the rule of the map or the "
        "standard, and prove our reading of it, not the device's. Where it is 0, **no frame of a "
        "real device has ever been seen**.",
        "heads": "| model | profile | protocol | status | examples, captured | tells |",
        "caveats": "What to know:",
        "demo": "## Constructed for the demo",
        "demo_note": "No device on the market is known to have these maps.",
        "none": "No real model yet: no public description was found that could be checked. The map of the "
        "demo shows what a profile needs.",
        "points": "values",
        "alarms": "alarms",
        "actions": "commands",
    },
    "zh": {
        "title": "# 支持的设备",
        "made": "由 `python -m drivers` 根据 `drivers/profiles/` 中的设备型号文件生成, "
        "请勿手工修改。[English](supported-devices.md)",
        "never": "**本项目从未在真实设备上试用过这里的任何型号。** "
        "它们依据标准、说明书、公开的寄存器表以及他人公布的报文编写。投入使用之前, "
        "请将读数与设备自身的显示逐项核对 (`gatehouse-gateway read`)。",
        "count": "共 {models} 个设备型号, {makers} 家厂商, {protocols} 种协议; 另有 {own} 个为演示虚构的型号。",
        "status": "| 等级 | 要求 |\n|---|---|\n"
        "| bronze (铜) | 可加载, 地址已校验, 有示例证明解码正确, 其协议有模拟器 |\n"
        "| silver (银) | 另外: 各类错误均已对该型号演练, 拔线后可恢复, 注意事项齐全 |\n"
        "| gold (金) | 另外: 两个固件版本的实测报文, 一小时模糊测试, 在真实线路上轮询一周 |",
        "frames": "“实测”为他人从真实设备录得的示例数; 其余示例按寄存器表或标准构造, 只能证明我们的理解, "
        "不能证明设备的行为。"
        "为 0 者, **从未见过真实设备的报文**。",
        "heads": "| 型号 | 型号文件 | 协议 | 等级 | 示例, 实测 | 内容 |",
        "caveats": "注意事项 (英文原文):",
        "demo": "## 为演示虚构的型号",
        "demo_note": "市场上没有已知设备采用这些寄存器表。",
        "none": "暂无真实型号: 没有找到可以核实的公开资料。演示用的型号说明了一个型号文件需要什么。",
        "points": "测点",
        "alarms": "报警",
        "actions": "命令",
    },
}


def page(library: Mapping[str, Profile], language: Language) -> str:
    """Return the page of all profiles in one language."""
    words = _WORDS[language]
    real = [library[name] for name in sorted(library) if library[name].vendor != OURS]
    own = [library[name] for name in sorted(library) if library[name].vendor == OURS]
    counts = {
        "models": len(real),
        "makers": len({profile.vendor for profile in real}),
        "protocols": len({profile.protocol for profile in real}),
        "own": len(own),
    }
    parts = [words["title"], words["made"], words["never"], words["count"].format(**counts), words["status"]]
    parts.append(words["frames"])
    for place, titles in _CLASSES.items():
        here = [profile for profile in real if _place(profile) == place]
        parts.append(f"## {titles[0] if language == 'en' else titles[1]}")
        parts += _section(here, words) if here else [words["none"]]
    parts += [words["demo"], words["demo_note"], *_section(own, words, caveats=False)]
    return "\n\n".join(parts) + "\n"


def _place(profile: Profile) -> str:
    if profile.device_class != "meter":
        return profile.device_class
    place = f"meter:{profile.resource}"
    return _MERGED.get(place, place)


def _section(profiles: Sequence[Profile], words: Mapping[str, str], *, caveats: bool = True) -> list[str]:
    rows = [words["heads"], "|---|---|---|---|---|---|"]
    rows += [_row(profile, words) for profile in profiles]
    found = ["\n".join(rows)]
    known = [profile for profile in profiles if profile.caveats] if caveats else []
    if known:
        lines = [f"* `{profile.profile}`: {' '.join(profile.caveats)}" for profile in known]
        found += [words["caveats"], "\n".join(lines)]
    return found


def _row(profile: Profile, words: Mapping[str, str]) -> str:
    captured = sum(example.captured for example in profile.examples)
    told = {
        "points": len(profile.points),
        "alarms": len(profile.events) + len(profile.signals),
        "actions": len(profile.actions),
    }
    tells = ", ".join(f"{count} {words[name]}" for name, count in told.items() if count)
    model = f"{profile.vendor}: {profile.model}".replace("|", "\\|")
    address = _PAGES.get(profile.protocol, f"protocols/{profile.protocol}.md")
    cells = (
        model,
        f"`{profile.profile}`",
        f"[{profile.protocol}]({address})",
        profile.status,
        f"{len(profile.examples)}, {captured}",
        tells,
    )
    return f"| {' | '.join(cells)} |"
