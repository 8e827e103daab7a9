"""Real processes of Gatehouse under one roof: started, waited for by what they say, and always taken down again.

The demo and the end-to-end tests use it. Only processes that were started here are ever signalled.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from messages.text import printable

T = TypeVar("T")
LOOK_S = 0.1
STOP_S = 20.0
PATIENCE_S = 5.0
TAIL = 2000


class ProcessFailed(RuntimeError):
    """A process ended or did not come up; the text holds the end of its log."""


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a running server tells in its `run.json`."""

    pid: int
    http: str
    mqtt: str
    broker_pid: int | None = None
    started_at: str = ""


class Child:
    """One process in a session of its own, so that a Ctrl-C in the terminal reaches only us; its log is a file."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._argv = [str(part) for part in argv]
        self._env = {**os.environ, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; raise `ProcessFailed` if it was never started."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        """How it ended, None before that."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start the process; what it writes is added to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )

    async def wait(self, timeout: float) -> int:
        """Wait for the end; raise `ProcessFailed` when it does not come."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was not started")
        try:
            async with asyncio.timeout(timeout):
                return await self._process.wait()
        except TimeoutError:
            raise ProcessFailed(f"{self.name} still runs after {timeout:g} s\n{self.tail()}") from None

    async def ended(self) -> int:
        """Wait for the end, however long it takes."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was not started")
        return await self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the process itself; one that is gone needs none."""
        if self.running and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                # Not its own `send_signal`: that one looks first whether the process has ended, and takes away from
                # asyncio how it did.
                os.kill(self._process.pid, number)

    async def stop(self, timeout: float = STOP_S) -> int:
        """Ask it to end and wait; a process that does not is killed, and `ProcessFailed` says so."""
        self.signal(signal.SIGTERM)
        try:
            return await self.wait(timeout)
        except ProcessFailed:
            await self.kill()
            raise

    async def kill(self) -> None:
        """End the process without asking, with everything in its session; wait until it is gone."""
        self.kill_at_once()
        if self._process is not None:
            await self._process.wait()

    def kill_at_once(self) -> None:
        """As `kill`, without waiting."""
        if self._process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def kill_hard(self) -> None:
        """`kill -9` of this one process, as a crash would: its children are left to find out by themselves."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    def tail(self) -> str:
        """Return the end of its log, printable."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - TAIL))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(printable(line, 300) for line in text.splitlines()[-15:])


class Family:
    """All children of one run; leaving it takes down whatever still runs, last started first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, child: Child) -> Child:
        """Start a child and take it in."""
        self._children.append(child)
        await child.start()
        return child

    async def close(self) -> None:
        """Ask every child that still runs to end, shortly, and kill those that do not."""
        living = [child for child in reversed(self._children) if child.running]
        for child in living:
            child.signal(signal.SIGTERM)
        try:
            for child in living:
                with contextlib.suppress(ProcessFailed):
                    await child.wait(PATIENCE_S)
        finally:
            # Also where somebody could not wait: an impatient Ctrl-C must not leave anything behind.
            for child in living:
                child.kill_at_once()
        for child in living:
            await child.kill()


def program(name: str) -> list[str | Path]:
    """Return how to call one of our commands: the one that was installed beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise ProcessFailed(f"{name} is not installed: install gatehouse-iot[all]")
    return [found]


async def run_once(name: str, argv: Sequence[str | Path], *, timeout: float = 60.0) -> str:
    """Run a command to its end and return what it printed; raise `ProcessFailed` where it fails."""
    process = await asyncio.create_subprocess_exec(
        *(str(part) for part in argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            out, _ = await process.communicate()
    except TimeoutError:
        raise ProcessFailed(f"{name} did not end in {timeout:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode("utf-8", "replace")
    if process.returncode != 0:
        raise ProcessFailed(f"{name} failed ({process.returncode}):\n{text[-TAIL:]}")
    return text


async def until(
    what: str,
    look: Callable[[], Awaitable[T | None]],
    *,
    timeout: float,
    alive: Sequence[Child] = (),
    every: float = LOOK_S,
) -> T:
    """Look until there is something; raise `ProcessFailed` when a process that is needed dies or time is up.

    `every` is the pause between two looks, longer where a look costs somebody a lot.
    """
    try:
        async with asyncio.timeout(timeout):
            while True:
                found = await look()
                if found is not None:
                    return found
                for child in alive:
                    if not child.running:
                        raise ProcessFailed(
                            f"{child.name} ended ({child.returncode}) before {what}\n{child.tail()}"
                        )
                await asyncio.sleep(every)
    except TimeoutError:
        tails = "\n".join(f"--- {child.name}\n{child.tail()}" for child in alive)
        raise ProcessFailed(f"no {what} within {timeout:g} s\n{tails}") from None


async def server_up(child: Child, data: Path, *, timeout: float = 90.0) -> ServerInfo:
    """Wait until a server that was just started tells its addresses."""

    async def look() -> ServerInfo | None:
        try:
            info = msgspec.json.decode((data / "run.json").read_bytes(), type=ServerInfo)
        except (OSError, msgspec.MsgspecError):
            return None
        return info if info.pid == child.pid else None  # one of an earlier life says nothing

    return await until("the server's run.json", look, timeout=timeout, alive=[child])
