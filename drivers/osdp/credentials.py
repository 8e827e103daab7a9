"""What is told of a card or of keys that were pressed: as little of a person as the site has asked for."""

from dataclasses import dataclass, field
from typing import Final

from drivers.credential import How, fingerprint
from drivers.osdp.codes import Reply
from drivers.osdp.fields import fields
from drivers.osdp.frames import Frame

_SAMPLE: Final = 26  # bits of the one format that everybody has


@dataclass(frozen=True, slots=True)
class Telling:
    """How much is told, and the key of the hash."""

    how: How = "none"
    key: bytes = field(default=b"", repr=False)

    def card(self, code: int, data: bytes) -> tuple[str, bytes] | None:
        """Return the text and the evidence of a card reply; None for data that is none."""
        made = fields(Frame(0, True, 0, code, data)).get("card")
        if made is None:
            return None
        head, secret = (data[:4], data[4:]) if code == Reply.RAW else (data[:3], data[3:])
        size = f"{made['bits']} bits" if code == Reply.RAW else f"{made['length']} characters"
        if self.how == "clear":
            return f"{size}, {_number(made, code)}", data
        if self.how == "none":
            return size, head
        # Reader and direction are left out: the same card is the same credential wherever it is shown.
        what = bytes((code,)) + (data[2:4] + _masked(secret, made["bits"]) if code == Reply.RAW else secret)
        return f"{size}, credential {fingerprint(self.key, what)}", head

    def keys(self, data: bytes) -> tuple[str, bytes] | None:
        """Return the text and the evidence of pressed keys; what was typed may be a PIN and is never told."""
        made = fields(Frame(0, True, 0, Reply.KEYPAD, data)).get("keypad")
        if made is None:
            return None
        return f"{made['count']} {'key' if made['count'] == 1 else 'keys'}", data[:2]


def _masked(secret: bytes, bits: int) -> bytes:
    """Return the bits of a card, what fills up the last byte being zero."""
    spare = 8 * len(secret) - bits
    return (int.from_bytes(secret, "big") >> spare << spare).to_bytes(len(secret), "big")


def _number(made: dict[str, object], code: int) -> str:
    """Return facility and card of a 26-bit card with right parities, else the bits or the text as they are."""
    data = str(made["data"])
    if code == Reply.FMT:
        return data
    if made["bits"] == _SAMPLE:
        bits = int(data, 16) >> 6
        upper, lower = bits >> 13, bits & 0x1FFF
        if upper.bit_count() % 2 == 0 and lower.bit_count() % 2 == 1:
            return f"facility {bits >> 17 & 0xFF}, card {bits >> 1 & 0xFFFF}"
    return f"data {data}"
