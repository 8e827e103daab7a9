"""`address:port` as people write it."""


def endpoint_of(text: str, *, lowest: int) -> tuple[str, int] | None:
    """Return host and port, None where this is none; brackets round an IPv6 address are taken off."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or len(port) > 5:
        return None
    if any(char.isspace() or char in "/@?#" for char in host) or not lowest <= int(port) <= 65535:
        return None
    return host, int(port)
