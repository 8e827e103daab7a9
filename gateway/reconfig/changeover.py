"""From the lines of one configuration to those of the next, while all that stay as they are go on.

What stands at a device (raised alarms, times that conditions have held) goes with it, from a line that polls to one
that listens as well. At each moment a device is on one line, and what runs has one hash: whoever looks in between,
a heartbeat or the watch over silences, sees the old or the new.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.listening.listeners import Listeners
from gateway.polling.fleet import Difference, Fleet
from gateway.site.config import LineConfig, ListeningLine


async def change_over(
    fleet: Fleet,
    listeners: Listeners,
    lines: Sequence[LineConfig],
    listening: Sequence[ListeningLine],
    config: str,
    took: Callable[[], None],
) -> Difference:
    """Change over to these lines; `took` is called when they are there and before one of them has said anything."""
    polled, heard = fleet.compare(lines), listeners.compare(listening)
    # Both ends of a swap of endpoints are closed before either is opened.
    async with asyncio.TaskGroup() as group:
        poll_no_more = group.create_task(fleet.end(polled), name="polled lines end")
        hear_no_more = group.create_task(listeners.end(heard), name="listening lines end")
    before = poll_no_more.result() | hear_no_more.result()
    stays = {device.id for line in lines for device in line.devices}
    stays |= {device.id for line in listening for device in line.devices}
    await fleet.orphans.wanted_again(stays)
    fresh, new = await fleet.make(lines, polled, before), listeners.make(listening, heard, before)
    # From here on nothing waits.
    fleet.take(lines, fresh, config)
    listeners.take(listening, new)
    for device in before.keys() - stays:
        fleet.let_go(device, before[device])
    took()
    fleet.begin(fresh)
    listeners.begin(new)
    return polled + heard
