"""Tools inside a running gateway: their questions take turns with the polls, and ask the gateway about itself."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drivers.api import Exchange
from drivers.lines import Line, Reply, SerialSettings, TcpSettings
from drivers.strict_yaml import YamlError
from gateway.control import Control, ControlDown
from gateway.delivery.journal import Journal
from gateway.delivery.uplink import Uplink
from gateway.listening.listeners import Listeners
from gateway.polling.fleet import Fleet
from gateway.polling.poller import Poller
from gateway.reconfig.reload import Reloader, ReloadRefused
from gateway.tools.access import AS_IT_IS, Access, Tap, Tuning, mode_of
from gateway.tools.jobs import Jobs
from gateway.tools.remote import RemoteTools
from gateway.tools.work import Ear
from messages.codec import MessageError
from messages.text import printable
from messages.tools import decode_tool_request
from messages.topics import Address
from messages.types import ClockState

MOST_NAMED = 100
MOST_TIMEOUT_S = 2.0


class PolledLine:
    """A line that polls, asked in between."""

    def __init__(self, poller: Poller, settings: TcpSettings | SerialSettings) -> None:
        self._poller, self._settings = poller, settings

    async def ask(
        self, exchange: Exchange, *, timeout: float, quiet: float | None = None, tuning: Tuning = AS_IT_IS
    ) -> Reply:
        """Carry one exchange when the polls leave room."""
        mode = mode_of(self._settings, tuning)
        # An exchange is never interrupted: a tool must not hold up the line longer than its own devices may.
        most = max(MOST_TIMEOUT_S, *(device.config.timeout for device in self._poller.devices), 0.0)
        return await self._poller.ask(exchange, timeout=min(timeout, most), quiet=quiet, mode=mode)

    def tap(self, show: Tap) -> Callable[[], None]:
        """Show every chunk of bytes, polls among them."""
        wire = self._poller.wire
        return wire.tap(show) if isinstance(wire, Line) else _nothing


def _nothing() -> None:
    return None


@dataclass(slots=True, eq=False)
class Inside:
    """What a tool may ask the gateway about itself."""

    fleet: Fleet
    journal: Journal
    uplink: Uplink
    state: Callable[[], ClockState]
    listeners: Listeners | None = None

    def clock_state(self) -> ClockState:
        """What the gateway knows of its clock."""
        return self.state()

    def delivery(self) -> Mapping[str, Any]:
        """Per lane what is numbered, kept and stored; whether there is a broker, and what it refused."""
        lanes = {
            lane.value: {"first": count.first, "next": count.next, "waiting": count.waiting}
            for lane, count in self.journal.lane_counts().items()
        }
        counts = self.uplink.counts
        return {
            "connected": self.uplink.connected,
            "epoch": self.journal.epoch,
            "rejected": counts.rejected,
            "lanes": lanes,
        }

    def cut(self, seconds: float) -> None:
        """Stay away from the broker for so long."""
        self.uplink.cut(seconds)

    def reach(self, line: str) -> Access | None:
        """Return the line of this id, to be asked between its polls."""
        for poller, config in zip(self.fleet.pollers, self.fleet.configs, strict=True):
            if poller.line == line:
                return PolledLine(poller, config.settings)
        return None

    def listens(self, line: str) -> Ear | None:
        """Return the line of this id, if its devices speak unasked."""
        lines = self.listeners.lines if self.listeners is not None else ()
        return next((one for one in lines if one.line == line), None)


@dataclass(slots=True, eq=False)
class ToolShop:
    """Everything about tools in a gateway: `run` once, `stop` before the lines end."""

    jobs: Jobs
    remote: RemoteTools
    control: Control

    def take(self, leaf: str, payload: bytes, retained: bool) -> None:
        """Take a request from the broker; raise `MessageError` for one that is refused."""
        request = decode_tool_request(payload)
        if retained:
            raise MessageError("a retained request would run again after each reconnect; it is refused")
        if request.id != leaf:
            raise MessageError(f"id: {printable(request.id, 64)} was sent on the topic of {leaf}")
        self.remote.take(request)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.jobs.run(), name="jobs")
            group.create_task(self.remote.run(), name="tools from afar")
            group.create_task(self.control.run(), name="control socket")

    def stop(self) -> None:
        """End every job; what they said last is still told."""
        self.jobs.stop()


def tool_shop(
    inside: Inside,
    reloader: Reloader,
    address: Address,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float],
) -> ToolShop:
    """Put the tools of a gateway together."""
    jobs = Jobs(lambda: reloader.site, inside.reach, inside, clock, monotonic, inside.listens)
    remote = RemoteTools(jobs, address, inside.uplink.publish, clock)

    async def status() -> Mapping[str, Any]:
        room = MOST_NAMED

        def named(silent: Iterable[str]) -> list[str]:
            nonlocal room
            found = list(itertools.islice(silent, room))
            room -= len(found)
            return found

        return {
            "pid": os.getpid(),
            "config": reloader.site.hash,
            "file": str(reloader.site.path.resolve()),
            "clock": inside.clock_state().value,
            "delivery": dict(inside.delivery()),
            "lines": [
                {"line": poller.line, "up": poller.up, "silent": named(poller.silent)}
                for poller in inside.fleet.pollers
            ]
            + [
                {
                    "line": one.line,
                    "up": one.up,
                    "silent": named(each.id for each in one.devices if one.hears(each) is False),
                }
                for one in (inside.listeners.lines if inside.listeners is not None else ())
            ],
            "tools": [
                {"id": job.id, "tool": job.tool, "line": job.line, "doing": job.voice.doing}
                for job in jobs.at_work
            ],
        }

    calls = {"status": status, "reload": reload_call(reloader)}
    return ToolShop(jobs, remote, Control(reloader.site.state_dir, jobs, calls))


def reload_call(reloader: Reloader) -> Callable[[], Any]:
    """Return the answer to `reload`: what changed, or why nothing did."""

    async def call() -> Mapping[str, Any]:
        try:
            what = await reloader.reload()
        except YamlError as err:
            problems = [printable(str(problem), 400) for problem in err.problems[:50]]
            raise ControlDown("\n".join([*problems, "nothing is changed"])) from None
        except ReloadRefused as err:
            raise ControlDown(str(err)) from None
        return {"what": str(what), "config": reloader.site.hash}

    return call
