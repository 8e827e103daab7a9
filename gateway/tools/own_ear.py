"""A listening line of the tools' own, where no gateway runs: it hears everything and keeps nothing.

What nobody keeps is not acknowledged, so that its sender says it again to the gateway. Tests of the link are answered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random

from gateway.clock import ClockWatch
from gateway.listening.attended import Attended
from gateway.listening.hearing import Hearing
from gateway.listening.listeners import living
from gateway.polling.around import Surroundings, nap
from gateway.polling.edges import load
from gateway.polling.signals import load_signals
from gateway.site.config import ListeningLine
from gateway.tools.work import Ear
from messages.types import DeviceEvent, Lane, Sample


class _KeepsNothing:
    """Takes the place of the journal."""

    def sample(
        self,
        lane: Lane,  # noqa: ARG002
        sample: Sample,  # noqa: ARG002
        *,
        read: bool,  # noqa: ARG002
        settled: Callable[[bool], None] | None = None,
    ) -> None:
        """Drop a sample."""
        if settled is not None:
            settled(False)

    async def events(
        self,
        events: Sequence[DeviceEvent],  # noqa: ARG002
        state: Mapping[str, bytes],  # noqa: ARG002
        quiet: Collection[DeviceEvent] = (),  # noqa: ARG002
    ) -> bool:
        """Keep no event."""
        return False


class _CountsNothing:
    """Takes the place of the metrics."""

    def device_up(self, device: str, up: bool) -> None:
        """Pass over."""

    def message(self, line: str, result: str) -> None:
        """Pass over."""


@asynccontextmanager
async def own_ear(
    line: ListeningLine, clock: Callable[[], datetime], monotonic: Callable[[], float], rng: Random
) -> AsyncIterator[Ear]:
    """Listen for as long as the context lasts."""
    around = Surroundings(clock, ClockWatch().state, monotonic, rng, nap)
    now = monotonic()
    devices = [
        Attended(
            config=device,
            edges=load(device.profile.events, None),
            signals=load_signals(device.profile.signals, None),
            source=line.ear.sources[device.id].name,
            within=line.ear.sources[device.id].within,
            heard_at=now,
        )
        for device in line.devices
    ]
    named = {device.source: device for device in devices}
    hearing = Hearing(line.id, named, _KeepsNothing(), around, _CountsNothing())
    listener = living(line, hearing, devices)
    async with asyncio.TaskGroup() as group:
        group.create_task(listener.run(), name=f"listening line {line.id}")
        try:
            yield listener
        finally:
            listener.stop()
