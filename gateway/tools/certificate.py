"""A certificate: canonical JSON, its digest, and a signature with the gateway's own key; and as a page to print.

The digest shows that nothing was changed. The signature, an HMAC with a key that never leaves the site box, shows
that this very gateway wrote it: `certify --verify` on the box tells.
"""

import hashlib
import hmac
import html
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from messages.codec import MessageError
from messages.text import printable
from messages.tools import check_plain

KEY: Final = "certify.key"
FOLDER: Final = "certificates"
MOST_BYTES: Final = 8 << 20
_SEALS: Final = ("digest", "signature", "key")


class CertificateError(ValueError):
    """A file that is no certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: None where there is no key to ask."""

    unchanged: bool
    ours: bool | None
    passed: bool


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: everything but the seals, keys in order, nothing between."""
    content = {name: value for name, value in document.items() if name not in _SEALS}
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def signed(state_dir: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with its digest and signature; the key is made where there is none yet."""
    key = _key(state_dir, make=True)
    assert key is not None
    content = canonical(document)
    return {
        **document,
        "digest": "sha256:" + hashlib.sha256(content).hexdigest(),
        "signature": "hmac-sha256:" + hmac.new(key, content, hashlib.sha256).hexdigest(),
        "key": _name(key),
    }


def verify(document: Mapping[str, Any], state_dir: Path | None) -> Verdict:
    """Check a certificate; without the key of the gateway that wrote it, only whether it was changed."""
    content = canonical(document)
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    unchanged = hmac.compare_digest(digest, str(document.get("digest", "")))
    key = _key(state_dir, make=False) if state_dir is not None else None
    ours: bool | None = None
    if key is not None:
        wanted = "hmac-sha256:" + hmac.new(key, content, hashlib.sha256).hexdigest()
        ours = hmac.compare_digest(wanted.encode(), str(document.get("signature", "")).encode())
    return Verdict(unchanged, ours, document.get("pass") is True)


def load(path: Path) -> dict[str, Any]:
    """Read a certificate; raise `CertificateError`, or `OSError` if unreadable."""
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CertificateError(f"{path}: more than {MOST_BYTES} bytes are no certificate")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise CertificateError(f"{path}: no JSON: {printable(str(err))}") from None
    if not isinstance(document, dict) or document.get("certificate") != 1:
        raise CertificateError(f"{path}: no certificate of this form")
    try:
        for device in document.get("devices", ()):
            check_plain(device, "devices")
        check_plain({name: value for name, value in document.items() if name != "devices"}, "certificate")
    except (MessageError, TypeError) as err:
        raise CertificateError(f"{path}: {printable(str(err))}") from None
    return document


def store(state_dir: Path, document: Mapping[str, Any]) -> str:
    """Keep a certificate as JSON and as a page; return the name of both, without its ending."""
    folder = state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    stamp = re.sub(r"[^0-9TZ]", "", str(document["at"]))
    name = f"{document['line']}-{stamp}"
    _write(folder / f"{name}.json", as_json(document))
    _write(folder / f"{name}.html", page(document))
    return str(folder / name)


def as_json(document: Mapping[str, Any]) -> str:
    """Return a certificate as its file has it."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _key(state_dir: Path, *, make: bool) -> bytes | None:
    path = state_dir / KEY
    try:
        return bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        if not make:
            return None
    state_dir.mkdir(parents=True, exist_ok=True)
    key = os.urandom(32)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "w", encoding="ascii") as out:
        out.write(key.hex() + "\n")
        out.flush()
        os.fsync(out.fileno())
    return key


def _name(key: bytes) -> str:
    """Name a key so that two can be told apart, and nothing of it be learned."""
    return hashlib.sha256(b"gatehouse certify key" + key).hexdigest()[:16]


# -- the page -------------------------------------------------------------------------------------------------

_STYLE: Final = """body{font:14px/1.4 "Segoe UI",system-ui,"Noto Sans","PingFang SC","Microsoft YaHei",sans-serif;
color:#1b2024;background:#fff;margin:24px auto;max-width:960px;padding:0 16px}h1{font-size:18px}h2{font-size:16px;
margin:24px 0 4px}table{border-collapse:collapse;width:100%;margin:8px 0}th,td{border:1px solid #c3c9ce;
padding:4px 8px;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600}.no{font-weight:600}
.sign{margin-top:48px}code{font-size:12px}@media print{body{margin:0}section{break-inside:avoid}}"""
_WORDS: Final = {
    "found": "Found 设备在线",
    "points": "Points 数据点",
    "reads": "Round trips 通信质量",
    "serial": "Serial number 序列号",
    "latency": "Worst case 最坏延迟",
    "clock": "Clock 时钟",
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
        f"<p><code>{'<br>'.join(_safe(document[seal]) for seal in _SEALS)}</code></p>"
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
    rows = "".join(
        f"<tr><td>{_safe(_WORDS.get(one['check'], one['check']))}</td><td>{_verdict(one['pass'])}</td>"
        f"<td>{_safe(one['planned'])}</td><td>{_safe(one['found'])}</td><td>{_safe(one['why'])}</td></tr>"
        for one in checks
    )
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table>"


def _verdict(passed: object) -> str:
    if passed is None:
        return "to be looked at 待人工确认"
    return "passed 合格" if passed else '<span class="no">FAILED 不合格</span>'


def _safe(text: object) -> str:
    return html.escape(printable(str(text), 1000))
