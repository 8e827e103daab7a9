"""A device as its line polls it: what is asked for, what came of it, and what of that goes where."""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

from drivers.api import DeviceDriver, Exchange, Transaction
from drivers.errors import DeviceRefused, DriverError, Misconfigured
from drivers.lines import Reply, SerialMode
from gateway.polling.around import Rules
from gateway.polling.backoff import LONGEST_FIRE_S, LONGEST_S, Health
from gateway.polling.edges import Edges
from gateway.polling.lessons import DeviceLessons, Lessons
from gateway.polling.report import Reporter
from gateway.polling.schedule import ALARM, RANKS
from gateway.polling.signals import Signals
from gateway.polling.timeouts import RoundTrip
from gateway.polling.told import Told
from gateway.site.config import Device
from messages.types import Quality

# What a device refuses is asked for again after so long, and then at growing intervals up to the second; what guards
# people sooner. What it was never heard to answer costs a time-out each time.
AGAIN_S = 30.0, 3600.0
GUARD_AGAIN_S = 5.0, 60.0
HEARTBEAT_S = 30.0  # what stays bad is said again this often, or once a period if that is longer


@dataclass(slots=True, eq=False)
class Work:
    """One transaction of a device and how it has fared."""

    device: "Polled"
    transaction: Transaction
    poll: str
    period: float
    bad: Quality | None = None
    said: float = 0.0
    """When it was last said that it is bad, monotonic seconds."""
    excluded: Quality | None = None
    """Set where the device or our configuration rules this out: not asked before `again_at`."""
    again_at: float = math.inf
    refusals: int = 0
    """How often in a row it was ruled out."""
    busy: int = 0
    heard: bool = False
    """True once it was answered: from then on a silence is the device's, and not due to what was asked."""
    damaged: bool = False
    """True after a damaged reply: it is asked for once more."""
    snapshot_until: float | None = None
    """The end of the window in which it must be read for the books, monotonic seconds."""

    @property
    def wire_bytes(self) -> int:
        """How many bytes it takes on the wire if all is well."""
        return self.transaction.request_bytes + self.transaction.reply_bytes

    def leave_out(self, err: DriverError, now: float) -> None:
        """Ask no more for what is ruled out, but for now and then: a panel may refuse because it has just started."""
        guards = RANKS[self.poll] <= ALARM and isinstance(err, DeviceRefused)
        first, longest = GUARD_AGAIN_S if guards else AGAIN_S
        wait = math.inf if isinstance(err, Misconfigured) else first * 2 ** min(self.refusals, 20)
        self.excluded, self.refusals = err.quality, self.refusals + 1
        self.again_at = now + (wait if wait == math.inf else min(wait, longest))

    def must_say(self, quality: Quality, now: float) -> bool:
        """Take a failure; return True if it must be told: it is new, or was last told long ago."""
        if self.bad is not None and now - self.said < max(self.period, HEARTBEAT_S):
            return False
        self.bad, self.said = quality, now
        return True

    def say_at(self, now: float) -> float:
        """Return when a failure that lasts must be told again, or what is left out be asked."""
        says = self.said + max(self.period, HEARTBEAT_S)
        asks = self.again_at if self.excluded is not None and self.again_at > now else math.inf
        return max(now + 0.001, min(says, asks))


@dataclass(slots=True, eq=False)
class Asked:
    """A question of an engineer's tool that waits for its turn on the line."""

    exchange: Exchange
    timeout: float
    quiet: float | None
    mode: SerialMode | None
    reply: "asyncio.Future[Reply]"

    def settle(self, reply: Reply) -> None:
        """Tell who waits; one that no longer waits is no error."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, why: DriverError) -> None:
        """Tell who waits that there is no reply."""
        if not self.reply.done():
            self.reply.set_exception(why)


@dataclass(slots=True, eq=False, kw_only=True)
class Polled(Told):
    """One device that is asked, on its line."""

    driver: DeviceDriver
    health: Health
    lessons: DeviceLessons
    answered: bool = False
    """True once it has answered in this life: to say `answers` and `answers again` apart."""
    reporter: Reporter | None = None
    """None where every reading is told."""
    trip: RoundTrip = field(default_factory=lambda: RoundTrip(1.0))
    hasty: bool = False
    """True where it has fire or alarm points: after a silence it is asked again at once, in their class."""

    def works(self, rules: Rules) -> list[Work]:
        """Plan afresh: transactions per poll class, so that a slow point never rides at a fast pace."""
        works, known = [], self.lessons.known()
        thinks = self.trip.smooth if self.trip.smooth is not None else self.lessons.thinks()
        timing = rules.timing if thinks is None else replace(rules.timing, turnaround=thinks)
        if (mode := self.config.mode) is not None:
            timing = replace(timing, byte_time=mode.byte_time, silence=mode.silence)
        for poll in RANKS:
            points = [name for name, point in self.config.profile.points.items() if point.poll == poll]
            if points:
                planned = self.driver.plan(points, timing=timing, known=known, longest=rules.longest)
                period = self.config.periods[poll]
                works += [Work(self, each, poll, period) for each in planned]
        return works


def polled(
    config: Device,
    driver: DeviceDriver,
    edges: Edges,
    random: Random,
    lessons: Lessons,
    signals: Signals | None = None,
) -> Polled:
    """Bind a configured device to its driver, its journaled alarm state and what its model has taught."""
    points = config.profile.points
    fire = any(point.poll == "fire" for point in points.values())
    return Polled(
        config=config,
        driver=driver,
        edges=edges,
        signals=Signals(config.profile.signals) if signals is None else signals,
        health=Health(random, LONGEST_FIRE_S if fire else LONGEST_S),
        lessons=lessons.book(config.id, driver, config.profile, config.options),
        reporter=_reporter(config),
        trip=RoundTrip(config.timeout),
        hasty=any(RANKS[point.poll] <= ALARM for point in points.values()),
    )


def _reporter(config: Device) -> Reporter | None:
    points = config.profile.points
    paces = {name: config.periods[points[name].poll] for name in config.reports}
    return Reporter(config.reports, paces) if paces else None


def cheapest(works: Iterable[Work]) -> Work | None:
    """Return the transaction that costs the least: what a silent device is probed with."""
    return min(
        works,
        key=lambda work: (work.wire_bytes, len(work.transaction.points), work.transaction.label),
        default=None,
    )
