"""Waiting for what a test wants to see, with an end that names it."""

import asyncio
import inspect
from collections.abc import Callable


async def until(
    what: Callable[[], object], named: str = "", *, within: float = 15.0, every: float = 0.02
) -> None:
    """Look until something is true; fail naming it when it is not after `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while not what():
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {named or _source(what)}") from None


def _source(what: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(what).split())
    except (OSError, TypeError):  # a method of a C type
        return repr(what)
