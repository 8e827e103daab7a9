"""Alerts as Hikvision's cameras and terminals push them: XML, a camera's in a form beside its pictures."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID
from xml.etree.ElementTree import Element, SubElement, tostring

SPACE: Final = "http://www.isapi.org/ver20/XMLSchema"
BOUNDARY: Final = "boundary"
FORM: Final = f"multipart/form-data; boundary={BOUNDARY}"
XML: Final = "application/xml; charset=UTF-8"
# What looks like the end of a part, and is in the middle of a picture.
_PICTURE: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\r\n\r\n--bound<a>{\xff\xd9"
_CODES: Final = {
    "granted": (5, 1),
    "denied": (5, 9),
    "rex": (5, 23),
    "opened": (5, 25),
    "closed": (5, 26),
    "forced": (5, 27),
    "held": (5, 28),
    "duress": (1, 1034),
    "tamper": (1, 1028),
    "tamper_end": (1, 1029),
}
_PLATES: Final = {
    "in": ("forward", "allowList"),
    "out": ("reverse", "allowList"),
    "unknown": ("forward", "otherList"),
    "listed": ("forward", "blockList"),
}
_STATES: Final = {"covered": "active", "uncovered": "inactive"}


def terminal_alert(mac: str, record: Mapping[str, Any]) -> bytes:
    """Write what happened at a door of an access terminal."""
    major, minor = _CODES[record["event"]]
    event: dict[str, Any] = {"majorEventType": major, "subEventType": minor, "doorNo": record.get("door", 1)}
    event |= {"cardNo": record["card"], "cardReaderNo": 1} if "card" in record else {}
    event |= {"serialNo": record["seq"], "currentEvent": "true"}
    return _alert(mac, record, "AccessControllerEvent", "active", {"AccessControllerEvent": event})


def camera_alert(mac: str, record: Mapping[str, Any]) -> bytes:
    """Write what a camera saw of a vehicle, or that it is covered."""
    if record["event"] in _STATES:
        return _alert(mac, record, "shelteralarm", _STATES[record["event"]], {})
    direction, name = _PLATES[record["event"]]
    plate = {
        "country": 0,
        "licensePlate": record.get("plate") or "unknown",
        "line": record.get("lane", 1),
        "direction": direction,
        "confidenceLevel": 97,
        "vehicleType": "vehicle",
        "vehicleListName": name,
    }
    return _alert(mac, record, "ANPR", "active", {"ANPR": plate, "UUID": str(UUID(int=record["seq"]))})


def in_form(alert: bytes) -> bytes:
    """Put a camera's alert into a form beside its pictures."""
    parts = (
        ("anpr.xml", "application/xml", alert),
        ("licensePlatePicture.jpg", "image/jpeg", _PICTURE),
        ("detectionPicture.jpg", "image/jpeg", _PICTURE * 20),
    )
    made = b""
    for name, kind, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\nContent-Type: {kind}\r\n'
        made += f"--{BOUNDARY}\r\n{head}Content-Length: {len(content)}\r\n\r\n".encode() + content + b"\r\n"
    return made + f"--{BOUNDARY}--\r\n".encode()


def known(shape: str, event: str) -> bool:
    """Say whether a camera or a terminal has such an event."""
    return event in (_CODES if shape == "terminal" else {**_PLATES, **_STATES})


def _alert(mac: str, record: Mapping[str, Any], kind: str, state: str, more: Mapping[str, Any]) -> bytes:
    root = Element("EventNotificationAlert", {"version": "2.0", "xmlns": SPACE})
    head = {
        "ipAddress": "192.0.2.41",
        "portNo": 443,
        "protocol": "HTTPS",
        "macAddress": mac,
        "channelID": 1,
        "dateTime": record["time"],
        "activePostCount": 1,
        "eventType": kind,
        "eventState": state,
    }
    _fill(root, {**head, **more})
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _fill(parent: Element, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        element = SubElement(parent, name)
        if isinstance(value, Mapping):
            _fill(element, value)
        else:
            element.text = str(value)
