"""Text that came from outside, made safe for a log, a screen and a database."""

ELLIPSIS = "…"


def printable(text: str, limit: int = 200) -> str:
    """Return `text` without control, format and surrogate characters, cut to `limit` characters.

    Everything a device, a file or a peer sent passes through here before it is logged, shown or stored
    as text. Runs of white space, new lines among them, become one blank.
    """
    # Cut first, generously: a peer must not make us scan a megabyte to show a line of it.
    head = " ".join(text[: limit * 4].split())
    clean = "".join(char for char in head if char.isprintable())
    return clean if len(clean) <= limit else clean[: limit - 1] + ELLIPSIS
