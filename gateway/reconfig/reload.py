"""A new configuration while the gateway runs: read, checked, compared, applied line by line; or refused in words."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from drivers.strict_yaml import YamlError
from gateway.delivery.births import too_large
from gateway.listening.listeners import Listeners
from gateway.polling.fleet import Difference, Fleet, fixed_parts
from gateway.reconfig.changeover import change_over
from gateway.site.config import Site, load_site
from gateway.site.overlay import fingerprint

log = logging.getLogger(__name__)

PROBLEMS_LOGGED = 20


class ReloadRefused(Exception):
    """Nothing was changed; the text says why and what to do."""


class Source(Protocol):
    """Where a reload at the box reads from."""

    def read(self) -> Site:
        """Return what is to run; raise `YamlError` or `ReloadRefused`. Called in a thread."""

    async def taken(self) -> None:
        """What `read` returned last runs now."""


@dataclass(slots=True, eq=False)
class Reloader:
    """Holds what runs now. `reload` takes the site file again, `apply` any configuration; `run` does one at a time."""

    site: Site
    fleet: Fleet
    listeners: Listeners
    changed: Callable[[], None] = lambda: None
    """Called when another configuration runs, before its new lines speak: births are to be told anew."""
    source: Source | None = None
    """None: the site file and nothing else."""
    _jobs: "asyncio.Queue[_Job | None]" = field(default_factory=asyncio.Queue)
    _asked: bool = False
    _closed: bool = False

    def ask(self) -> None:
        """Have the site file read again, soon; what comes of it is in the log."""
        if not self._asked and not self._closed:
            self._asked = True
            self._jobs.put_nowait(_Job(None))

    async def reload(self) -> Difference:
        """Read the site file again and apply it; raise `YamlError` or `ReloadRefused` with nothing changed."""
        return await self._do(_Job(None))

    async def apply(self, site: Site, *, upon: str, over: str | None = None) -> Difference:
        """Change over to this configuration; raise `ReloadRefused` with nothing changed.

        So it is where, by its turn, another one runs than that with the hash `upon`, or the site file is no longer
        the one with the fingerprint `over`: somebody at the box was faster.
        """
        return await self._do(_Job(site, upon, over))

    def check(self, site: Site) -> None:
        """Raise `ReloadRefused` if this cannot be applied to what runs."""
        fixed = fixed_parts(self.site, site)
        if fixed:
            raise ReloadRefused(
                f"{', '.join(fixed)} cannot change while the gateway runs: nothing is changed; restart it instead"
            )
        if trouble := too_large(site):
            raise ReloadRefused(f"{trouble}; nothing is changed")

    async def run(self) -> None:
        """Work until `stop`. Whoever asked may be gone before it is done: a change is never left half-way."""
        while (job := await self._jobs.get()) is not None:
            if job.done is None:
                self._asked = False
            try:
                what = await self._change(job)
            except (YamlError, ReloadRefused) as err:
                job.failed(err)
            else:
                job.succeeded(what)

    async def stop(self) -> None:
        """Take nothing more and let `run` end with the change under way."""
        self._closed = True
        await self._jobs.put(None)

    async def _do(self, job: "_Job") -> Difference:
        if self._closed:
            raise ReloadRefused("the gateway is stopping: nothing is changed")
        job.done = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait(job)
        return await job.done

    async def _change(self, job: "_Job") -> Difference:
        if self._closed:
            raise ReloadRefused("the gateway is stopping: nothing is changed")
        if job.upon is not None and job.upon != self.site.hash:
            raise ReloadRefused("another configuration was taken up meanwhile: nothing is changed")
        if job.over is not None and await asyncio.to_thread(fingerprint, self.site.path) != job.over:
            raise ReloadRefused("the site file on the box was edited meanwhile: nothing is changed")
        found = job.site if job.site is not None else await asyncio.to_thread(self._read)
        self.check(found)

        def took() -> None:
            self.site = found
            self.changed()

        what = await change_over(self.fleet, self.listeners, found.lines, found.listening, found.hash, took)
        if job.site is None and self.source is not None:
            await self.source.taken()
        log.info("configuration %s applied: %s", found.hash, what)
        return what

    def _read(self) -> Site:
        # Profiles are checked by decoding their examples: work for a thread, while lines keep their periods.
        return load_site(self.site.path) if self.source is None else self.source.read()


@dataclass(slots=True, eq=False)
class _Job:
    """A configuration to change over to; None: that of the site file."""

    site: Site | None
    upon: str | None = None
    over: str | None = None
    done: "asyncio.Future[Difference] | None" = None

    def failed(self, err: YamlError | ReloadRefused) -> None:
        if self.done is not None:
            if not self.done.done():
                self.done.set_exception(err)
            return
        if isinstance(err, YamlError):
            for problem in err.problems[:PROBLEMS_LOGGED]:
                log.error("%s", problem)
            count = len(err.problems)
            log.error("the site file has %d problem%s: nothing is changed", count, "s" * (count != 1))
        else:
            log.error("%s", err)

    def succeeded(self, what: Difference) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(what)
