"""An RS-485 bus in simulated time: byte times, silences, slaves that think, die, mumble, are busy or come late.

The poller on it is the real one, and so is the line's memory of late answers. A day runs in seconds.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from drivers.api import Exchange, Known, Timing, Transaction
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from drivers.lines import Reply, SerialMode, Stats
from drivers.lines.late import LateAnswers
from drivers.profile import DEFAULT_PERIODS, Profile
from gateway.planning.worst_case import LineLoad, Task
from gateway.polling.around import Rules, Surroundings
from gateway.polling.edges import load
from gateway.polling.lessons import Lessons
from gateway.polling.polled import Polled, Work, polled
from gateway.polling.poller import Poller
from gateway.site.config import Device
from gateway.site.site_file import DeviceFile
from messages.types import ClockState
from tests.support.gateway import START, Counted, Remembered, SimTime, ToyDriver

BYTE = 10 / 9600
SILENCE = 3.5 * BYTE
REQUEST = 8
ANSWER = b"\x01"


@dataclass
class Slave:
    """How a slave behaves now; change it while the bus runs."""

    thinks: float = 0.005
    dead: bool = False
    noisy: float = 0.0
    """Which share of its answers is damaged."""
    busy: float = 0.0
    """Which share of its answers is `busy`."""
    deaf: float = 0.0
    """Which share of the requests it does not hear."""
    loses: int = 0
    """So many of its next answers are lost on the wire."""


class _Reader:
    """A late answer is known by its first two bytes, as Modbus RTU knows it by unit and function."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def feed(self, data: bytes) -> bytes | None:
        return data if data[:2] == self._key else None


class BusDriver(ToyDriver):
    """As the toy, with frames as long as Modbus RTU would have them: a point is `words` registers."""

    words = 2

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing | None = None,
        known: Known | None = None,
        longest: float | None = None,
    ) -> Sequence[Transaction]:
        block = self.block
        if longest is not None and timing is not None:
            while block > 1 and timing.seconds(REQUEST, 5 + 2 * self.words * block) > longest:
                block -= 1
        names = list(points)
        return [self._of(names[at : at + block]) for at in range(0, len(names), block)]

    def _of(self, names: Sequence[str]) -> Transaction:
        made = super()._of(names)
        return Transaction(made.points, made.block, made.label, REQUEST, 5 + 2 * self.words * len(names))

    def exchange(self, transaction: Transaction) -> Exchange:
        request = f"{self.device}:{transaction.label}".encode()
        return Exchange(request, _Reader(request[:2]), transaction.reply_bytes)


class LonelyTime(SimTime):
    """Simulated time for a poller that nobody else talks to: no turn of the event loop is spent on others."""

    async def nap(self, event: asyncio.Event, seconds: float) -> None:
        if not event.is_set():
            self.pass_(min(seconds, max(self.end - self.now, 0.0)))


@dataclass
class SimBus:
    """The wire: one request at a time, every byte takes its time, late answers come when nobody asks any more."""

    time: SimTime
    slaves: Mapping[str, Slave]
    random: Random
    stats: Stats = field(default_factory=Stats)
    log: list[tuple[float, str, float, str]] = field(default_factory=list)
    """Of each exchange: when its request began, to whom, when it ended, and how."""
    keep: Callable[[str], bool] = lambda _device: True
    _late: LateAnswers = field(default_factory=LateAnswers)
    _coming: list[tuple[float, bytes]] = field(default_factory=list)
    _busy_until: float = 0.0

    @property
    def owing(self) -> bool:
        return bool(self._late)

    def clear_at(self, exchange: Exchange, *, repeat: bool = False) -> float:
        return self._late.clear_at(exchange, repeat_at=self.time.now if repeat else None)

    async def exchange(
        self,
        exchange: Exchange,
        *,
        timeout: float,
        quiet: float | None = None,
        limit: float | None = None,
        mode: SerialMode | None = None,
        repeat: bool = False,
        living: bool = False,
    ) -> Reply:
        limit = max(timeout, limit or 0.0)
        time, device = self.time, exchange.request.partition(b":")[0].decode()
        began = time.now
        self._pass_to(max(began, self._busy_until + SILENCE, self.clear_at(exchange, repeat=repeat)))
        since = self._late.asked(exchange, time.now, repeat=repeat)
        sent = time.now + REQUEST * BYTE
        window = self._late.window(exchange, timeout, limit)
        frame = exchange.reply_bytes * BYTE
        slave = self.slaves[device]
        how = self._fate(slave, window)
        came = sent + slave.thinks + frame
        earlier = self._comes(exchange, sent + window + frame) if since is not None else None
        if earlier is not None and how in ("ok", "silent"):
            how = "ok"
            if not slave.dead:
                self._coming.append((came, exchange.request))
            came = earlier
        if how == "ok":
            self._pass_to(came)
            self._late.answered(exchange, time.now - sent, timeout)
            self._late.answered_one(exchange, exchange.request, sent=sent, timeout=limit)
        elif how in ("busy", "damaged"):
            self._pass_to(sent + slave.thinks + 5 * BYTE)
        else:
            self._pass_to(sent + window + frame)
            if not slave.dead and slave.thinks > window:
                self._coming.append((came, exchange.request))
        if how in ("silent", "damaged"):
            heard = how == "damaged"
            reader = None if heard else exchange.reader
            self._late.unanswered(exchange, reader, sent=sent, timeout=limit, heard=heard)
        self._busy_until = time.now
        if self.keep(device):
            self.log.append((began, device, time.now, how))
        return self._end(exchange, how, sent - REQUEST * BYTE, since)

    def _fate(self, slave: Slave, window: float) -> str:
        if slave.dead or slave.thinks > window:
            return "silent"
        if slave.loses:
            slave.loses -= 1
            return "silent"
        if slave.deaf and self.random.random() < slave.deaf:
            return "silent"
        dice = self.random.random()
        if dice < slave.noisy:
            return "damaged"
        return "busy" if dice < slave.noisy + slave.busy else "ok"

    def _comes(self, exchange: Exchange, until: float) -> float | None:
        """Take the first answer to an earlier request like this one that arrives before `until`."""
        for at, request in sorted(self._coming):
            if request == exchange.request and at <= until:
                self._coming.remove((at, request))
                return at
        return None

    def _end(self, exchange: Exchange, how: str, began: float, since: float | None) -> Reply:
        if how == "silent":
            raise DeviceSilent("no answer in time")
        if how == "damaged":
            raise FrameDamaged("crc")
        if how == "busy":
            raise DeviceRefused("busy", code=6, busy=True)
        now = self.time.now
        first = began if since is None else since
        return Reply(ANSWER, began, now, START + timedelta(seconds=(first + now) / 2), since is not None)

    def _pass_to(self, until: float) -> None:
        if not self._coming:
            if until > self.time.now:
                self.time.pass_(until - self.time.now)
            return
        for at, data in [each for each in self._coming if each[0] <= until]:
            self._coming.remove((at, data))
            self._late.hear(data, at)
            until = max(until, at + SILENCE)
        self.time.pass_(max(0.0, until - self.time.now))

    def ends(self, device: str) -> list[float]:
        """When this device's good answers had come."""
        return [ended for _, name, ended, how in self.log if name == device and how == "ok"]


def bus_device(
    name: str,
    profile: Profile,
    *,
    block: int = 8,
    timeout: float = 0.5,
    periods: Mapping[str, float] | None = None,
    seed: int = 1,
) -> Polled:
    """A device of that profile on such a bus."""
    file = DeviceFile(id=name, profile=profile.profile)
    config = Device(name, file, profile, timeout, {**DEFAULT_PERIODS, **(periods or {})}, {}, None)
    driver, lessons = BusDriver(name, profile, block), Lessons(lambda: START)
    return polled(config, driver, load(profile.events, None), Random(seed), lessons)


class BusBench:
    """A poller on a simulated bus."""

    def __init__(
        self, *devices: Polled, rules: Rules | None = None, seed: int = 1, time: SimTime | None = None
    ):
        self.time = time or SimTime()
        self.slaves = {device.id: Slave() for device in devices}
        self.bus = SimBus(self.time, self.slaves, Random(seed))
        self.recorder, self.counted = Remembered(), Counted()
        self.timing = Timing(BYTE, SILENCE, 0.005)
        around = Surroundings(
            self.time.clock, lambda: ClockState.SYNCED, self.time.monotonic, Random(seed), self.time.nap
        )
        self.poller = Poller(
            "bus",
            self.bus,
            devices,
            self.recorder,
            self.counted,
            around,
            rules=rules or Rules(timing=self.timing),
        )

    async def run(self, until: float) -> None:
        """Let simulated time reach `until`."""
        self.time.end, self.time.on_end = until, self.poller.stop
        await self.poller.run()
        self.poller._stopping = False  # it goes on with the next call

    def load(self, thinks: float = 0.005) -> LineLoad:
        """What `gateway.planning.worst_case` is told of this line, its devices thinking that long."""
        tasks = []
        for job in self.poller.schedule:
            work = job.what
            if isinstance(work, Work) and not job.probe:
                on_wire = work.wire_bytes * BYTE + 2 * SILENCE
                tasks.append(
                    Task(
                        work.device.id,
                        f"{work.device.id} {work.transaction.label}",
                        job.rank,
                        job.period,
                        on_wire + thinks,
                        on_wire + work.device.config.timeout,
                        work.transaction.points,
                    )
                )
        return LineLoad(tuple(tasks))


def longest_gap(times: Iterable[float]) -> float:
    """The longest time between two of them."""
    return max(later - sooner for sooner, later in itertools.pairwise(times))
