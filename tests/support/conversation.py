"""Exchanges with all that follows from them, carried as a line does, without one."""

from collections.abc import Callable, Iterable

from drivers.api import Exchange
from drivers.errors import DeviceSilent

FarEnd = Callable[[Exchange], Iterable[bytes]]
"""What the far end says when it is asked, in any portions."""


def carry(exchange: Exchange, far_end: FarEnd, most: int = 100) -> bytes:
    """Return the payload of the whole; raise `DeviceSilent` where no whole answer comes, fail where there is no end."""
    for _ in range(most):
        payload = _answer(exchange, far_end(exchange))
        following = payload if exchange.then is None else exchange.then(payload)
        if not isinstance(following, Exchange):
            return following
        exchange = following
    raise AssertionError(f"the conversation has not ended after {most} exchanges")


def _answer(exchange: Exchange, portions: Iterable[bytes]) -> bytes:
    said = list(portions)
    if exchange.reader is None:
        return b""
    for portion in said:
        payload = exchange.reader.feed(portion)
        if payload is not None:
            return payload
    raise DeviceSilent(f"no answer to {exchange.request.hex()} in {b''.join(said).hex()}")
