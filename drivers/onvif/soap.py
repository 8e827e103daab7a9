"""SOAP envelopes with a WS-UsernameToken, and what comes back in one."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from drivers.errors import DeviceRefused, FrameDamaged
from drivers.onvif.markup import SOAP, child, every, local, parse, text
from messages.text import printable

WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
LOGIN_REFUSED: Final = 401
FAULT: Final = 500
NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks; the password crosses the wire only as a digest."""

    username: str
    password: str = field(repr=False)


def envelope(
    body: str, *, login: Login | None = None, created: datetime, nonce: bytes, header: str = ""
) -> bytes:
    """Return a request; `created` must be the camera's own time, or it takes the token for an old one."""
    token = "" if login is None else _token(login, created, nonce)
    text_ = (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}"><s:Header>{token}{header}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )
    return text_.encode()


def body_of(data: bytes) -> Element:
    """Return the body of an answer; raise `DeviceRefused` for a fault and `FrameDamaged` for no envelope."""
    root = parse(data)
    body = child(root, "Body")
    if local(root) != "Envelope" or body is None:
        raise FrameDamaged("an answer that is no SOAP envelope")
    fault = child(body, "Fault")
    if fault is not None:
        raise _refused(fault)
    return body


def password_digest(nonce: bytes, created: str, password: str) -> str:
    """Return Base64(SHA-1(nonce + created + password)), as the UsernameToken profile says."""
    return base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()  # noqa: S324 - the standard's own


def _token(login: Login, created: datetime, nonce: bytes) -> str:
    stamp = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{created.microsecond // 1000:03d}Z"
    return (
        f'<w:Security s:mustUnderstand="1" xmlns:w="{WSSE}-wssecurity-secext-1.0.xsd" '
        f'xmlns:u="{WSSE}-wssecurity-utility-1.0.xsd"><w:UsernameToken><w:Username>{escape(login.username)}</w:Username>'
        f'<w:Password Type="{WSSE}-username-token-profile-1.0#PasswordDigest">'
        f"{password_digest(nonce, stamp, login.password)}</w:Password>"
        f'<w:Nonce EncodingType="{WSSE}-soap-message-security-1.0#Base64Binary">{base64.b64encode(nonce).decode()}'
        f"</w:Nonce><u:Created>{stamp}</u:Created></w:UsernameToken></w:Security>"
    )


def _refused(fault: Element) -> DeviceRefused:
    codes = [(each.text or "").rpartition(":")[2].strip() for each in every(fault, "Value")]
    reason = text(fault, "Reason", "Text") or text(fault, "faultstring")
    login = any(code in {"NotAuthorized", "FailedAuthentication", "SenderNotAuthorized"} for code in codes)
    said = printable(f"{'/'.join(codes)} {reason}".strip() or "a fault without words")
    return DeviceRefused(f"the camera says {said}", code=LOGIN_REFUSED if login else FAULT)
