"""Waiting for what a test wants to see, with an end that names it; and what lives meanwhile, without hiding its end."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


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


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let something run until the block ends; when it fails before, so does the block, at once and with its error."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            yield
            task.cancel()
    except BaseExceptionGroup as failed:
        if len(failed.exceptions) > 1:
            raise
        raise failed.exceptions[0] from None
