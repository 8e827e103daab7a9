"""Jobs in a running gateway, ended by their time, by a stop, or by the gateway's end.

One at a time on a line, but for those that only look on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from drivers.errors import DriverError, LineDown, Misconfigured
from drivers.lines import TcpSettings
from drivers.strict_yaml import YamlError
from gateway.site.config import LineConfig, ListeningLine, Site
from gateway.site.site_file import LineFile
from gateway.tools import ear, ear_certify
from gateway.tools.access import Access
from gateway.tools.ask import ask
from gateway.tools.certify import certify
from gateway.tools.fingerprint import library_of
from gateway.tools.read import read
from gateway.tools.scan import scan
from gateway.tools.snapshot import nowhere, snapshot
from gateway.tools.trace import trace
from gateway.tools.voice import Say, Voice
from gateway.tools.watch import watch
from gateway.tools.work import Ear, Running, Work
from messages.codec import MessageError
from messages.text import printable
from messages.tool_args import WITHOUT_LINE, ToolArgs, tool_args
from messages.tool_room import AtWork, in_the_way, too_many
from messages.tools import SaidKind

log = logging.getLogger(__name__)


class JobRefused(Exception):
    """This job cannot be had now; the text says why and what to do."""


Tool = Callable[[Work, Any], Awaitable[None]]


async def profiles(work: Work, _args: ToolArgs) -> None:
    """Say a row for each profile that this gateway has."""
    library = await asyncio.to_thread(library_of, work.site)
    for name in sorted(library):
        profile = library[name]
        work.row(
            {
                "profile": name,
                "vendor": profile.vendor,
                "model": profile.model,
                "class": profile.device_class,
                "protocol": profile.protocol,
                "points": len(profile.points),
            }
        )
    work.result.update(profiles=len(library))


TOOLS: Mapping[str, Tool] = {
    "scan": scan,
    "read": read,
    "watch": watch,
    "trace": trace,
    "ask": ask,
    "certify": certify,
    "profiles": profiles,
    "snapshot": nowhere,
}


EARS: Mapping[str, Callable[[Work, Ear, Any], Awaitable[None]]] = {
    "watch": ear.watch,
    "trace": ear.trace,
    "certify": ear_certify.certify,
    "snapshot": snapshot,
}
"""Those that work on a line that listens."""


async def _work(tool: str, args: ToolArgs, work: Work) -> None:
    if work.ear is None:
        await TOOLS[tool](work, args)
    elif tool in EARS:
        await EARS[tool](work, work.ear, args)
    else:
        raise Misconfigured(
            f"{tool}: line {work.line.id} listens, and nobody on it can be asked: use {', '.join(EARS)}"
        )


async def carry(tool: str, args: ToolArgs, work: Work, seconds: float) -> tuple[SaidKind, str]:
    """Run a tool for so long at most; return how it ended, and why if not well. Cancelling passes through."""
    try:
        async with asyncio.timeout(seconds):
            await _work(tool, args, work)
    except TimeoutError:
        return SaidKind.FAILED, "its time is over: give it more, or less to do"
    except LineDown as err:
        return SaidKind.FAILED, f"the line is down: {printable(str(err), 400)}"
    except (DriverError, MessageError, YamlError, OSError) as err:
        return SaidKind.FAILED, printable(str(err), 600)
    except Exception as err:  # a fault of a tool must not end the polling of the lines
        log.exception("tool %s on line %s", tool, work.line.id)
        return SaidKind.FAILED, f"a fault in this tool ({type(err).__name__}): the log has the rest"
    return SaidKind.DONE, ""


@dataclass(slots=True, eq=False)
class Job:
    """A job at work."""

    id: str
    tool: str
    line: str
    voice: Voice
    task: "asyncio.Task[None] | None" = None
    why_stopped: str = ""

    def stop(self, why: str) -> None:
        """End it at once; what was found stays."""
        if self.task is not None and not self.why_stopped:
            self.why_stopped = why or "stopped"
            self.task.cancel()


@dataclass(slots=True, eq=False)
class Jobs:
    """Starts jobs and owns their tasks: `run` must be running."""

    site: Callable[[], Site]
    reach: Callable[[str], Access | None]
    """The line of this id, None where there is none."""
    gateway: Running
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    listens: Callable[[str], Ear | None] = lambda _line: None
    """The line of this id, if its devices speak unasked."""
    _jobs: dict[str, Job] = field(default_factory=dict)
    _group: asyncio.TaskGroup | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Carry jobs until `stop`."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._stop.wait()
            finally:
                self._group = None
                for job in list(self._jobs.values()):
                    job.stop("the gateway stops")

    def stop(self) -> None:
        """End every job and let `run` return."""
        self._stop.set()

    def find(self, job_id: str) -> Job | None:
        """Return a job that is at work."""
        return self._jobs.get(job_id)

    @property
    def at_work(self) -> list[Job]:
        """Every job that has not ended."""
        return list(self._jobs.values())

    def begin(
        self, job_id: str, tool: str, line: str | None, args: Mapping[str, Any], seconds: float, say: Say
    ) -> Job:
        """Start a job, whose words go to `say`; raise `JobRefused`."""
        if self._group is None:
            raise JobRefused("the gateway is starting or stopping: try again in a moment")
        try:
            checked = tool_args(tool, args)
        except MessageError as err:
            raise JobRefused(str(err)) from None
        config, wire, listener = self._line(tool, line)
        if job_id in self._jobs:
            raise JobRefused("this job is at work already")
        others = [AtWork(other.tool, other.line or None) for other in self._jobs.values()]
        held = in_the_way(AtWork(tool, line), others, listens=listener is not None)
        if held is not None:
            raise JobRefused(
                f"a {others[held].tool} is at work on line {line}: stop it, or wait until it ends"
            )
        if many := too_many(tool, others):
            raise JobRefused(f"{many} here: stop one, or wait until it ends")
        job = Job(job_id, tool, line or "", Voice(say))
        work = Work(
            site=self.site(),
            line=config,
            wire=wire,
            row=job.voice.row,
            progress=job.voice.progress,
            clock=self.clock,
            monotonic=self.monotonic,
            gateway=self.gateway,
            ear=listener,
        )
        self._jobs[job_id] = job
        job.task = self._group.create_task(
            self._live(job, checked, work, seconds), name=f"tool {tool} {job_id}"
        )
        return job

    def _line(self, tool: str, line: str | None) -> tuple[LineConfig, Access, Ear | None]:
        site = self.site()
        if tool in WITHOUT_LINE:
            return NO_LINE, Nowhere(), None
        if line is not None and (listener := self.listens(line)) is not None:
            return line_that_listens(listener.config), Nowhere(), listener
        config = next((one for one in site.lines if one.id == line), None)
        wire = self.reach(line) if line is not None else None
        if config is None or wire is None:
            known = ", ".join(one.id for one in site.all_lines)
            raise JobRefused(f"there is no line {printable(line or '', 64)!r}; this gateway has {known}")
        return config, wire, None

    async def _live(self, job: Job, args: ToolArgs, work: Work, seconds: float) -> None:
        log.info("tool %s on line %s begins: job %s", job.tool, job.line, job.id)
        kind, why = SaidKind.STOPPED, "the gateway stops"
        speaking = asyncio.create_task(job.voice.run(), name=f"voice {job.id}")
        try:
            kind, why = await carry(job.tool, args, work, seconds)
        except asyncio.CancelledError:
            if not job.why_stopped:
                raise
            why = job.why_stopped
        finally:
            self._jobs.pop(job.id, None)
            speaking.cancel()
            job.voice.end(kind, {"result": work.result, **({"why": why} if why else {})})
            log.info("tool %s on line %s: %s %s", job.tool, job.line, kind.value, why)


NO_LINE = LineConfig("none", LineFile(id="none", tcp="none:1"), TcpSettings("none", 1), "", ())
"""The line of a tool that needs none."""


def line_that_listens(line: ListeningLine) -> LineConfig:
    """Return what tools are told of a line on which nobody is asked."""
    return replace(NO_LINE, id=line.id, file=line.file, endpoint=line.endpoint, devices=line.devices)


class Nowhere:
    """What such a tool would reach."""

    async def ask(self, *_: Any, **__: Any) -> Any:
        """Refuse."""
        raise LineDown("this tool has no line")

    def tap(self, _show: Any) -> Callable[[], None]:
        """Show nothing."""
        return lambda: None
