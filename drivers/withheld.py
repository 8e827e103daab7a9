"""Passwords and keys inside of messages, by what their fields are called: stars for people who look on."""

import re
from typing import Final

WORDS: Final = r"pass_?w(?:or)?d|pass_?phrase|pwd|secret|token|api_?key"
NAMED: Final = re.compile(WORDS, re.IGNORECASE)
"""What the name of a field holds whose value is shown to nobody."""

_W: Final = WORDS.encode()
_OPENS: Final = re.compile(
    rb"(?i)"
    rb'(?P<text>"[^"\\]{0,40}(?:%(w)b)[^"\\]{0,40}"\s{0,20}:\s{0,20}")'
    rb'|(?P<number>"[^"\\]{0,40}(?:%(w)b)[^"\\]{0,40}"\s{0,20}:\s{0,20}(?=[^\s"{\[]))'
    rb"|(?P<field>(?:^|[?&])(?:key|sign|[^=&\s?\"<]{0,40}(?:%(w)b)[^=&\s\"<]{0,40})=)"
    rb'|(?P<part>name="[^"\r\n]{0,40}(?:%(w)b)[^"\r\n]{0,40}"[^\r\n]{0,100}(?:\r\n[^\r\n]{1,100}){0,3}\r\n\r\n)'
    rb"|(?P<element><[^<>/\s]{0,40}(?:%(w)b)[^<>]{0,100}>)" % {b"w": _W}
)
"""How a value that is shown to nobody begins: in JSON, in the query or a form, beside pictures, in XML."""
_ENDS: Final = {
    "text": re.compile(rb'(?<!\\)(?:\\\\)*"'),
    "number": re.compile(rb"[\s,}\]]"),
    "field": re.compile(rb"[&\s]"),
    "part": re.compile(rb"[\r\n]"),
    "element": re.compile(rb"<"),
}
_LONGEST: Final = 800
"""Of what was shown so much is kept: the name of a field may have come with the read before its value."""


class Withheld:
    """Follows one message and hides what such fields hold; `feed` returns as many bytes as it is given."""

    def __init__(self) -> None:
        self._before = b""
        self._until: re.Pattern[bytes] | None = None

    def feed(self, data: bytes) -> bytes:
        """Take bytes in any portions; return them as they may be shown."""
        raw, at = self._before + data, 0
        shown = bytearray(raw)
        while True:
            if self._until is None:
                begins = _OPENS.search(raw, at)
                if begins is None:
                    self._before = raw[max(at, len(raw) - _LONGEST) :]
                    return bytes(shown[len(raw) - len(data) :])
                at, self._until = begins.end(), _ENDS[begins.lastgroup or ""]
            ends = self._until.search(raw, at)
            stop = len(raw) if ends is None else ends.end() - 1
            shown[at:stop] = b"*" * (stop - at)
            if ends is None:
                # A quotation mark that comes next is part of the text where a backslash stands before it.
                self._before = b"\\" * ((len(raw) - len(raw.rstrip(b"\\"))) % 2)
                return bytes(shown[len(raw) - len(data) :])
            at, self._until = stop, None
