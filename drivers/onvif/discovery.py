"""WS-Discovery: one probe by multicast, and who says to be a camera."""

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged
from drivers.onvif.markup import SOAP, every, parse, text
from messages.text import printable

GROUP: Final = ("239.255.255.250", 3702)
MAX_DATAGRAM: Final = 16 * 1024
MOST_ADDRESSES: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered a probe."""

    id: str
    addresses: tuple[str, ...]
    name: str
    hardware: str


def probe(message_id: str) -> bytes:
    """Return a probe for network video transmitters; `message_id` is a UUID."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="{SOAP}" '
        'xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
        'xmlns:n="http://www.onvif.org/ver10/network/wsdl">'
        f"<e:Header><w:MessageID>uuid:{message_id}</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>"
        "<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>"
        "<e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
    ).encode()


def matches(data: bytes) -> list[Found]:
    """Return who is named in an answer; raise `FrameDamaged` for what is none."""
    if len(data) > MAX_DATAGRAM:
        raise FrameDamaged(f"a datagram of {len(data)} bytes")
    found = []
    for match in every(parse(data), "ProbeMatch"):
        scopes = text(match, "Scopes").split()
        addresses = [address for address in text(match, "XAddrs").split() if re.match(r"https?://", address)]
        found.append(
            Found(
                printable(text(match, "EndpointReference", "Address"), 100),
                tuple(printable(address, 200) for address in addresses[:MOST_ADDRESSES]),
                _scope(scopes, "name"),
                _scope(scopes, "hardware"),
            )
        )
    return found


def _scope(scopes: list[str], what: str) -> str:
    head = f"onvif://www.onvif.org/{what}/"
    found = next((scope[len(head) :] for scope in scopes if scope.startswith(head)), "")
    return printable(found.replace("%20", " "), 80)
