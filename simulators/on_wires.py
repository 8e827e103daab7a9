"""What the commands that play devices have in common: their options, the wires they are on, how they end."""

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypedDict, TypeVar

import typer
from rich.console import Console

from simulators.endpoints import endpoint, not_here, shown
from simulators.field_wire import FieldPty, FieldTcp, Talker
from simulators.site import is_zone

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
TICK_S = 1.0
TURNAROUND_S = 0.03

HEADER: Final = r"[!-~]+"
"""The form of a secret that goes into the head of a request."""

T = TypeVar("T")


def _zone(name: str) -> str:
    if not is_zone(name):
        refuse(f"--zone {name}: is no time zone, as Asia/Shanghai")
    return name


ToOption = Annotated[str, typer.Option("--to", help="HOST:PORT of this machine on which a gateway listens.")]
TcpOption = Annotated[str | None, typer.Option("--tcp", help="HOST:PORT of this machine; port 0 takes any.")]
PtyOption = Annotated[Path | None, typer.Option("--pty", help="Where the link to the pseudo-terminal goes.")]
BaudOption = Annotated[int, typer.Option("--baud", min=300, help="The pace of the wires.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same course.")]
ZoneOption = Annotated[str, typer.Option("--zone", help="The zone of their clocks.", callback=_zone)]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", min=0.1, help="End after so long; else at Ctrl-C.")
]


class _Pace(TypedDict):
    baud: int | None
    turnaround: float
    burst: int
    bits: int


def target(to: str) -> tuple[str, int]:
    """Return the host and port of `--to`; refuse what is not this machine."""
    if wrong := not_here(to):
        refuse(f"--to {to}: {wrong}")
    return endpoint(to)


def secret(option: str, name: str, form: str, words: str) -> str:
    """Return what the environment holds under an option's name, empty without a name; refuse what is not as it must be.

    A name that was mistyped must not let a device speak in clear, or be open to anybody.
    """
    if not name:
        return ""
    text = os.environ.get(name)
    if text is None or not re.fullmatch(form, text):
        refuse(
            f"{option} {name}: the environment must hold {words} there"
            + ("; it holds nothing" if not text else "")
        )
    return text


@dataclass(frozen=True, slots=True)
class Wires:
    """Where devices are reached, and how quick the wires are; without `baud` bytes take no time."""

    tcp: str | None = None
    pty: Path | None = None
    baud: int | None = None
    turnaround: float = TURNAROUND_S
    burst: int = 0
    bits: int = 11

    @property
    def wrong(self) -> str:
        """What cannot be so, empty where all is well."""
        if self.tcp is None and self.pty is None:
            return "say where: --tcp HOST:PORT or --pty PATH"
        if self.tcp is not None and (why := not_here(self.tcp)):
            return f"--tcp {self.tcp}: {why}"
        return ""

    async def serve(
        self,
        talker: Talker,
        life: Coroutine[Any, Any, None],
        tell: Callable[[str], None],
        seconds: float | None = None,
    ) -> None:
        """Let devices answer and live until cancelled, or for so long; `tell` hears where they are reached."""
        pace = _Pace(baud=self.baud, turnaround=self.turnaround, burst=self.burst, bits=self.bits)
        async with AsyncExitStack() as stack:
            stack.callback(life.close)
            if self.tcp is not None:
                server = await stack.enter_async_context(FieldTcp(talker, *endpoint(self.tcp), **pace))
                tell(shown(server.host, server.port))
            if self.pty is not None:
                await stack.enter_async_context(FieldPty(talker, self.pty, **pace))
                tell(str(self.pty))
            await for_so_long(life, seconds)


async def ticking(ticks: Sequence[Callable[[], None]]) -> None:
    """Let all of them count, each second."""
    while True:
        for tick in ticks:
            tick()
        await asyncio.sleep(TICK_S)


async def for_so_long(work: Awaitable[None], seconds: float | None) -> None:
    """Await something for so long; for ever, if nothing is said."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


def teller(what: str = "") -> Callable[[str], None]:
    """Return what prints where `what` is reached."""
    out = Console()
    return lambda where: out.print(f"{what} at {where}" if what else where, highlight=False)


def play(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end, or to Ctrl-C; say which address or port could not be had."""
    try:
        return asyncio.run(work)
    except OSError as err:
        refuse(str(err), FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def refuse(why: str, code: int = WRONG_INPUT) -> NoReturn:
    """Say what is wrong, by default with the command line, and end."""
    Console(stderr=True).print(why, style="red", markup=False)
    raise typer.Exit(code)
