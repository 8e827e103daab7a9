"""Several requests that belong together: follow-up frames, select and read, a change of speed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from drivers.api import Exchange
from drivers.errors import FrameDamaged
from drivers.lines.records import Reply

# A driver bounds its own conversations; this holds where it does not.
MOST_STEPS = 256


async def converse(exchange: Exchange, step: Callable[[Exchange], Awaitable[Reply]]) -> Reply:
    """Carry an exchange and what follows from its replies; return the payload of the whole, from first to last.

    Its instant is the middle of the whole. Raises what `step` raises, and what `Exchange.then` raises.
    """
    reply = first = await step(exchange)
    for _ in range(MOST_STEPS):
        if exchange.then is None:
            return reply
        following = exchange.then(reply.payload)
        if isinstance(following, bytes):
            middle = first.at + (reply.at - first.at) / 2
            return replace(reply, payload=following, began=first.began, at=middle)
        exchange = following
        reply = await step(exchange)
    raise FrameDamaged(f"the device has gone on for {MOST_STEPS} frames and says that more follow")
