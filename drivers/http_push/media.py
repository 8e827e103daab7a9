"""The Content-Type of a push: what the body is, and where the parts of a form begin."""

import re
from typing import Final

MAX_HEADER: Final = 300

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
_TYPE: Final = re.compile(rf"[ \t]*({_WORD}/{_WORD})[ \t]*(?:;|$)")
_PARAMETER: Final = re.compile(rf';[ \t]*({_WORD})[ \t]*=[ \t]*(?:"([^"]*)"|([^;"]*))')


def media_type(header: str) -> tuple[str, str]:
    """Return a content type in small letters and its boundary; empty what is missing, or is none.

    Parameters continued or encoded by RFC 2231 (`boundary*0*`) are not read: forms have none.
    """
    header = header[:MAX_HEADER]
    match = _TYPE.match(header)
    if match is None:
        return "", ""
    for name, quoted, plain in _PARAMETER.findall(header, match.end(1)):
        if name.lower() == "boundary":
            return match[1].lower(), quoted or plain.strip()
    return match[1].lower(), ""
