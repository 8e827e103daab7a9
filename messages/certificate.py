"""A certificate as both sides know it: the bytes that are signed, their digest, and a page to print.

Made and signed at the gateway; shown again wherever its rows are kept. The page is text in English and Chinese:
it needs nothing else, and runs nothing.
"""

import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any, Final

from messages.text import printable

SEALS: Final = ("digest", "signature", "key")


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: everything but the seals, keys in order, nothing between."""
    content = {name: value for name, value in document.items() if name not in SEALS}
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(content: bytes) -> str:
    """Return the digest of what `canonical` returned, as it stands in a certificate."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def as_json(document: Mapping[str, Any]) -> str:
    """Return a certificate as its file has it."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


_STYLE: Final = """body{font:14px/1.4 "Segoe UI",system-ui,"Noto Sans","PingFang SC","Microsoft YaHei",sans-serif;
color:#1b2024;background:#fff;margin:24px auto;max-width:960px;padding:0 16px}h1{font-size:18px}h2{font-size:16px;
margin:24px 0 4px}table{border-collapse:collapse;width:100%;margin:8px 0}th,td{border:1px solid #c3c9ce;
padding:4px 8px;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600}.no{font-weight:600}

.checks{table-layout:fixed}.checks th:first-child,.checks th:nth-child(2){width:16%}
.sign{margin-top:48px}code{font-size:12px}@media print{body{margin:0}section{break-inside:avoid}}"""
_WORDS: Final = {
    "found": "Found 设备在线",
    "points": "Points 数据点",
    "reads": "Round trips 通信质量",
    "serial": "Serial number 序列号",
    "latency": "Worst case 最坏延迟",
    "clock": "Clock 时钟",
    "device clock": "Device clock 设备时钟",
    "kept": "Nothing lost 数据无丢失",
    "signals": "Signals 信号",
    "other signals": "Other signals 其他信号",
    "cable": "Pulled cable 断线测试",
}


def page(document: Mapping[str, Any]) -> str:
    """Return a certificate as one page in English and Chinese that needs nothing else, and runs nothing."""
    facts = [
        ("Site 项目", document["site"]),
        ("Gateway 网关", document["gateway"]),
        ("Line 总线", f"{document['line']} {document['endpoint']} {document['settings']}"),
        ("Configuration 配置", document["config"]),
        ("Engineer 工程师", document["engineer"]),
        ("Time 时间 (UTC)", document["at"]),
        ("Utilisation 总线占用率", document["utilisation"]),
        ("Note 备注", document["note"]),
    ]
    title = f"Commissioning certificate 调试验收证书: {document['site']} / {document['line']}"
    devices = "".join(_device(device) for device in document["devices"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_safe(title)}</h1><p><strong>{_verdict(document['pass'])}</strong></p>"
        f"<table>{''.join(f'<tr><th>{_safe(name)}</th><td>{_safe(value)}</td></tr>' for name, value in facts)}</table>"
        f"<section><h2>Line and gateway 总线与网关</h2>{_checks([document['clock'], document['cable']])}</section>"
        f"{devices}"
        f"<p><code>{'<br>'.join(_safe(document[seal]) for seal in SEALS)}</code></p>"
        '<p class="sign">Engineer 工程师 ____________________ &nbsp; Customer 业主 ____________________</p>'
        "</body></html>\n"
    )


def _device(device: Mapping[str, Any]) -> str:
    name = " · ".join(
        str(device[key]) for key in ("device", "name", "profile", "metering_point") if device[key]
    )
    return f"<section><h2>{_safe(name)}: {_verdict(device['pass'])}</h2>{_checks(device['checks'])}</section>"


def _checks(checks: Any) -> str:
    heads = ("Check 检查项", "Result 结果", "Planned 计划", "Found 实测", "Remark 说明")
    rows = "".join(map(_row, checks))
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f'<table class="checks"><tr>{head}</tr>{rows}</table>'


def _row(one: Mapping[str, Any]) -> str:
    name, found = _safe(_WORDS.get(one["check"], one["check"])), _safe(one["found"]) or _by_hand(one)
    cells = (name, _verdict(one["pass"]), _safe(one["planned"]), found, _safe(one["why"]))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _by_hand(one: Mapping[str, Any]) -> str:
    """Leave room for what a person reads off the plate."""
    return "________________" if one["check"] == "serial" and one["pass"] is None else ""


def _verdict(passed: object) -> str:
    if passed is None:
        return "to be looked at 待人工确认"
    return "passed 合格" if passed else '<span class="no">FAILED 不合格</span>'


def _safe(text: object) -> str:
    return html.escape(printable(str(text), 1000))
