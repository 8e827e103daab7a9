"""Bent bytes as the answer to a question, or as a message: sound outside (address, number, check value), not inside.

Without this hardly any bent frame gets past the reader, and no decoder sees one. Written apart from the product's
codecs on purpose.
"""

import re
from collections.abc import Callable

Seal = Callable[[bytes, bytes], bytes]
"""Makes the answer to a request, or the message of a device, of some bent bytes."""


def sealed(protocol: str, request: bytes, bent: bytes) -> bytes:
    """Return the bent bytes as the answer of whoever was asked; as they are where the protocol has no seal.

    Who speaks unasked has no request: its own address stands in its place, or to what path it posts.
    """
    seal = _SEALS.get(protocol)
    return seal(request, bent) if seal is not None else bent


def crc(data: bytes, polynomial: int, value: int, *, reflected: bool) -> int:
    """A CRC of 16 bits, bit by bit."""
    for byte in data:
        value ^= byte if reflected else byte << 8
        for _ in range(8):
            if reflected:
                value = value >> 1 ^ (polynomial if value & 1 else 0)
            else:
                value = (value << 1 ^ (polynomial if value & 0x8000 else 0)) & 0xFFFF
    return value


def _fitted(bent: bytes, size: int) -> bytes:
    return (bent + bytes(size))[:size]


def _modbus(request: bytes, bent: bytes) -> bytes:
    unit, function, count = request[0], request[1], int.from_bytes(request[4:6], "big")
    if function > 4:
        return bent
    size = (count + 7) // 8 if function < 3 else 2 * count
    frame = bytes((unit, function, size)) + _fitted(bent[3:], size)
    return frame + crc(frame, 0xA001, 0xFFFF, reflected=True).to_bytes(2, "little")


def _summed(frame: bytes) -> bytes:
    return frame + bytes((sum(frame) & 0xFF, 0x16))


def _cjt188(request: bytes, bent: bytes) -> bytes:
    asked = request.lstrip(b"\xfe")
    data = asked[11:14] + bent.lstrip(b"\xfe")[14:-2][:200]  # data identification and SER, as they were asked
    return _summed(asked[:9] + bytes((asked[9] | 0x80, len(data))) + data)


def _dlt645(request: bytes, bent: bytes) -> bytes:
    asked = request.lstrip(b"\xfe")
    data = asked[10 : 10 + asked[9]]
    data = data[: 4 if asked[8] & 0x10 else 2] + bent.lstrip(b"\xfe")[14:-2][:200]
    return _summed(asked[:8] + bytes((asked[8] | 0x80, len(data))) + data)


def _mbus(request: bytes, bent: bytes) -> bytes:
    if request[0] != 0x10 or request[1] & 0x0F != 0x0B:
        return b"\xe5"
    body = bytes((0x08, request[2])) + (bent[6:-2] if bent[:1] == b"\x68" else bent)[:250]
    return bytes((0x68, len(body), len(body), 0x68)) + _summed(body)


_OSDP_ANSWERS = {0x61: 0x45, 0x62: 0x46, 0x64: 0x48, 0x65: 0x49, 0x66: 0x4A, 0x67: 0x4B}


def _osdp(request: bytes, bent: bytes) -> bytes:
    asked = request.lstrip(b"\xff")
    own = bent.lstrip(b"\xff")
    code = _OSDP_ANSWERS.get(asked[5], own[5] if len(own) > 5 else 0x40)
    body = bytes((asked[4] & 0x07, code)) + own[6:-2][:200]
    size = 4 + len(body) + 2
    frame = bytes((0x53, asked[1] | 0x80)) + size.to_bytes(2, "little") + body
    return frame + crc(frame, 0x1021, 0x1D0F, reflected=False).to_bytes(2, "little")


def _gb26875(who: bytes, bent: bytes) -> bytes:
    unit = bent[27:-3][:1000]
    source = bytes.fromhex(who.decode())[::-1]
    body = _fitted(bent[2:12], 10) + source + bent[18:24] + len(unit).to_bytes(2, "little") + b"\2" + unit
    return b"@@" + body + bytes((sum(body) & 0xFF,)) + b"##"


def _dc09(who: bytes, bent: bytes) -> bytes:
    body = _ACCOUNT.sub(b"#" + who, bent[bent.find(b'"') :].rstrip(b"\r")[:4000])
    value = crc(body, 0xA001, 0, reflected=True)
    return b"\n%04X0%03X%s\r" % (value, len(body), body)


_ACCOUNT = re.compile(rb"#[0-9A-Fa-f]{1,16}")
_TYPE = re.compile(rb"Content-Type: [^\r\n]{0,200}\r\n")


def _posted(path: bytes, bent: bytes) -> bytes:
    head, blank, body = bent.partition(b"\r\n\r\n")
    body = body if blank and head.startswith(b"POST") else bent
    kind = found[0] if (found := _TYPE.search(head + b"\r\n")) else b""
    return b"POST %s HTTP/1.1\r\nHost: gw\r\n%sContent-Length: %d\r\n\r\n%s" % (path, kind, len(body), body)


_SEALS: dict[str, Seal] = {
    "modbus": _modbus,
    "cjt188": _cjt188,
    "dlt645": _dlt645,
    "mbus": _mbus,
    "osdp": _osdp,
    "gb26875": _gb26875,
    "sia-dc09": _dc09,
    "http-push": _posted,
}
