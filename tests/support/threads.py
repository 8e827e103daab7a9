"""What lives on a thread of its own, with its own loop, beside a test that blocks: a command in front of a gateway."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 30.0

Live = Callable[[Callable[[], None], asyncio.Event], Coroutine[Any, Any, None]]
"""Called with what it calls once it is ready, and with what is set when it is to end."""


@contextmanager
def beside(live: Live) -> Iterator[None]:
    """Let something live while the block lasts; what it fails with is raised here, whatever became of the block."""
    ready, done = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    failed: list[BaseException] = []

    async def living() -> None:
        loops.append(asyncio.get_running_loop())
        await live(ready.set, done)

    def work() -> None:
        try:
            asyncio.run(living())
        except BaseException as err:  # noqa: BLE001 - nobody but the test can say it
            failed.append(err)
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(PATIENCE_S), "it does not get ready"
        if not failed:
            yield
    finally:
        for loop in loops:
            with contextlib.suppress(RuntimeError):  # it has ended, and its loop is closed
                loop.call_soon_threadsafe(done.set)
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "it does not end"
        if failed:
            raise failed[0]
