"""HOST:PORT of this machine: read, refused and written in one way."""

# Loopback only: what listens here speaks for doors and fire panels and asks nobody who they are.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def endpoint(text: str) -> tuple[str, int]:
    """Return host and port, an IPv6 address without its brackets; raise `ValueError` where that is none."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host:
        raise ValueError(f"{text} is no HOST:PORT")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f"{port} is no port: 0 (any free one) to 65535")
    return host, int(port)


def not_here(text: str) -> str:
    """Say why nothing of ours may listen on this HOST:PORT; empty where it may."""
    try:
        host, _ = endpoint(text)
    except ValueError as err:
        return str(err)
    return "" if host in LOOPBACK else f"{host} is not this machine: simulators listen on 127.0.0.1 only"


def shown(host: str, port: int) -> str:
    """Write HOST:PORT so that it can be read again."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
