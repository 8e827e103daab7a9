"""A tool from the command line: inside the gateway that runs on this box, else with the line to itself."""

import asyncio
import fcntl
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from drivers.errors import Misconfigured
from drivers.lines import Frame
from drivers.strict_yaml import YamlError
from gateway.control import Answer, ControlDown, Request, asking, gateway_there
from gateway.reconfig.config_store import ConfigStore
from gateway.site.config import LineConfig, ListeningLine, Site
from gateway.site.overlay import fingerprint, load_overlaid
from gateway.tools.access import OwnLine
from gateway.tools.jobs import NO_LINE, Nowhere, carry, line_that_listens
from gateway.tools.own_ear import own_ear
from gateway.tools.watch import watch
from gateway.tools.work import Work
from messages.tool_args import WITHOUT_LINE, TraceArgs, WatchArgs, tool_args

LOCK, CONFIG_FILE = "journal.sqlite.lock", "config.json"
STOPPED = Answer(kind="stopped", body={"why": "stopped by you; what was found until now is shown"})

Show = Callable[[str, Mapping[str, Any]], None]
"""Takes `row` with one row, or `progress`."""


class GatewayInTheWay(Exception):
    """A gateway owns the lines and cannot be asked for one; the text says what to do."""


def line_of(site: Site, name: str | None) -> LineConfig | ListeningLine:
    """Return a line by its id, the only one if none is named; raise `Misconfigured`."""
    if name is None and len(site.all_lines) == 1:
        return site.all_lines[0]
    for line in site.all_lines:
        if line.id == name:
            return line
    known = ", ".join(line.id for line in site.all_lines)
    raise Misconfigured(
        f"say which line: {known}" if name is None else f"there is no line {name!r}; there are {known}"
    )


def effective(site: Site) -> Site:
    """Return what a gateway on this box runs: the site file, or the configuration from the server that lies over it."""
    record = ConfigStore(site.state_dir / CONFIG_FILE).load()
    active = record.tried if record.tried is not None and record.trial is not None else record.good
    if active is None or active.over != fingerprint(site.path):
        return site
    try:
        return load_overlaid(site.path, active.yaml, certificates=False)
    except YamlError:
        return site


def gateway_runs(site: Site) -> bool:
    """Say whether a gateway runs that can be asked; raise `GatewayInTheWay` for one that cannot."""
    if gateway_there(site.state_dir):
        return True
    try:
        descriptor = os.open(site.state_dir / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise GatewayInTheWay(
            f"a gateway runs with {site.state_dir} and does not answer on its control socket: "
            "wait until it has started, or stop it for as long as you work"
        ) from None
    finally:
        os.close(descriptor)
    return False


def run_tool(
    site: Site,
    tool: str,
    line: str | None,
    args: Mapping[str, Any],
    *,
    seconds: float,
    show: Show,
    wire: Callable[[Frame], None] | None = None,
) -> Answer:
    """Run a tool to its end, or to Ctrl-C; return its last word. `wire` sees every byte of a line of our own.

    Raise `MessageError` for arguments, `Misconfigured` for a line, `GatewayInTheWay`.
    """
    checked = tool_args(tool, args)
    config: LineConfig | ListeningLine = NO_LINE if tool in WITHOUT_LINE else line_of(site, line)
    inside = gateway_runs(site)

    async def work() -> Answer:
        if inside:
            return await _inside(site, tool, None if tool in WITHOUT_LINE else config.id, args, seconds, show)
        if isinstance(config, ListeningLine):
            return await _listening(site, tool, config, checked, seconds, show)
        return await _alone(site, tool, config, checked, seconds, show, wire)

    return asyncio.run(_until_ctrl_c(work))


async def _until_ctrl_c(work: Callable[[], Any]) -> Answer:
    task: asyncio.Task[Answer] = asyncio.create_task(work(), name="tool")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await asyncio.wait([task])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return STOPPED if task.cancelled() else task.result()


async def _inside(
    site: Site, tool: str, line: str | None, args: Mapping[str, Any], seconds: float, show: Show
) -> Answer:
    request = Request(op="tool", tool=tool, line=line, args=dict(args), seconds=seconds)
    async with asking(site.state_dir, request) as asked:
        async for answer in asked.answers():
            if answer.kind == "row":
                for row in answer.body.get("rows", ()):
                    show("row", row)
            elif answer.kind == "progress":
                show("progress", answer.body)
            else:
                return answer
    raise ControlDown("the gateway ended without a word")


async def _alone(
    site: Site,
    tool: str,
    line: LineConfig,
    args: Any,
    seconds: float,
    show: Show,
    wire: Callable[[Frame], None] | None,
) -> Answer:
    own = OwnLine(
        line.settings,
        clock=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        rng=random.Random(),  # noqa: S311 - spreads retries, guards nothing
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(own)
        if wire is not None:
            own.tap(wire)
        work = Work(site, line, own, lambda row: show("row", row), lambda body: show("progress", body))
        if isinstance(args, TraceArgs):
            # Without a gateway nobody speaks on the line: its devices are read for as long as it is traced.
            talk = asyncio.create_task(_talk(work, args.for_s), name="talk")
            stack.push_async_callback(_end, talk)
        kind, why = await carry(tool, args, work, seconds)
        return Answer(kind=kind.value, body={"result": work.result, **({"why": why} if why else {})})


async def _listening(
    site: Site, tool: str, line: ListeningLine, args: Any, seconds: float, show: Show
) -> Answer:
    def clock() -> datetime:
        return datetime.now(UTC)

    spread = random.Random()  # noqa: S311 - guards nothing
    told = line_that_listens(line)
    async with own_ear(line, clock, time.monotonic, spread) as ear:
        work = Work(
            site, told, Nowhere(), lambda row: show("row", row), lambda body: show("progress", body), ear=ear
        )
        kind, why = await carry(tool, args, work, seconds)
    return Answer(kind=kind.value, body={"result": work.result, **({"why": why} if why else {})})


async def _talk(work: Work, for_s: int) -> None:
    if work.line.devices:
        silent = Work(work.site, work.line, work.wire, lambda _row: None)
        await watch(silent, WatchArgs(for_s=for_s, every_ms=1000))


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
