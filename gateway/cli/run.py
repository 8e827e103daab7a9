"""How a tool is run by a command: its progress, its end, its exit code.

0 all is well; 1 something did not answer, disagrees, or stands in the way; 2 what was asked for cannot be;
130 stopped by Ctrl-C, what was found until then is shown.
"""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer

from drivers.errors import Misconfigured
from gateway.cli.screen import FAILED, err, fail, load, say
from gateway.cli.screens import progress
from gateway.control import Answer, ControlDown, Request, asking
from gateway.site.config import Site
from gateway.tools.local import GatewayInTheWay, effective, run_tool
from messages.codec import MessageError
from messages.text import printable

STOPPED = 130
LONGEST_S = 4 * 3600


def load_active(path: Path) -> Site:
    """Load what the gateway on this box runs, or tell every problem and end the command."""
    local = load(path)
    active = effective(local)
    if active is not local:
        say("a configuration from the server is active on this box: its lines and devices are used")
    return active


def run_shown(
    site: Site,
    tool: str,
    line: str | None,
    args: Mapping[str, Any],
    row: Any,
    *,
    quiet: bool = False,
    seconds: float = LONGEST_S,
    wire: Any = None,
    announce: bool = False,
) -> Answer:
    """Run a tool with its progress on the screen; return its last word, or end the command saying why not.

    `announce` is for a tool that tells somebody what to do: its words are told also where there is no terminal.
    """
    told = ""
    try:
        with nullcontext() if quiet or not err.is_terminal else err.status("…") as spinner:

            def show(kind: str, body: Mapping[str, Any]) -> None:
                nonlocal told
                if kind == "row":
                    row(body)
                elif spinner is not None:
                    spinner.update(progress(body))
                elif announce and body.get("text", "") not in {"", told}:
                    told = str(body["text"])
                    say(printable(told, 400))

            return run_tool(site, tool, line, args, seconds=seconds, show=show, wire=wire)
    except (MessageError, Misconfigured) as problem:
        fail(str(problem))
    except (GatewayInTheWay, ControlDown) as problem:
        fail(str(problem), FAILED)


def call(site: Site, op: str) -> Answer:
    """Ask the running gateway; return what it says, or end the command."""

    async def call() -> Answer:
        async with asking(site.state_dir, Request(op=op)) as asked:
            return await anext(asked.answers())

    try:
        answer = asyncio.run(call())
    except ControlDown as problem:
        fail(str(problem), FAILED)
    if answer.kind != "done":
        fail(str(answer.body.get("why", "")), FAILED)
    return answer


def end(answer: Answer, *, well: bool) -> None:
    """End the command with the exit code of what came of it."""
    if why := answer.body.get("why"):
        say(printable(str(why), 1000))
    if answer.kind == "stopped":
        raise typer.Exit(STOPPED)
    if answer.kind != "done" or not well:
        raise typer.Exit(FAILED)
