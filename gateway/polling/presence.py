"""Who of a line's devices is there, and what is asked of each: polls of the living, one cheap probe of the others.

A first silence parks a device: it is asked once more, as a probe, so that all those who fall silent together take no
more than the probes' share from their neighbours; a second one in a row makes it silent. Its first answer brings
everything back at once. Devices with fire or alarm points are not parked but asked again in their own class.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.api import Transaction
from drivers.errors import DeviceRefused, DriverError, FrameDamaged, LineDown
from gateway.polling.around import Meters, Rules, Surroundings
from gateway.polling.backoff import Health
from gateway.polling.orders import Order
from gateway.polling.polled import Asked, Polled, Work, cheapest
from gateway.polling.schedule import LATELY, PROBE_RANK, RANKS, RETRY_RANK, Job, Schedule
from gateway.polling.teller import Teller
from messages.text import printable
from messages.types import Quality

log = logging.getLogger(__name__)

LONGEST_REOPEN_S = 5.0
# A device that was never heard is not called silent before so many seconds, and so many times its time-out.
FAIR_S, FAIR_TIMES = 10.0, 2
APART_S = 0.005  # so that two readings of one point never bear the same millisecond
_NEVER = float("inf")

Task = Work | Order | Asked


@dataclass(slots=True, eq=False)
class _Seat:
    """What is in the schedule for one device."""

    jobs: "list[Job[Task]]" = field(default_factory=list)
    probe: "Job[Task] | None" = None
    parked: "list[Job[Task]]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Presence:
    """The devices of one line and the line itself, as far as they answer; keeps the schedule to it."""

    line: str
    devices: Sequence[Polled]
    schedule: Schedule[Task]
    teller: Teller
    meters: Meters
    around: Surroundings
    rules: Rules
    changed: Callable[[], None]
    up: bool = True
    reopen_at: float = 0.0
    _seats: dict[str, _Seat] = field(init=False)
    _reopen: Health = field(init=False)
    _turn: int = 0
    _began: float = field(init=False)
    _heard: set[str] = field(default_factory=set)
    """Who has answered since the start, or since the line came back, and has not fallen silent."""

    def __post_init__(self) -> None:
        self._began = self.around.monotonic()
        self._reopen = Health(self.around.random, LONGEST_REOPEN_S)
        self._seats = {device.id: _Seat() for device in self.devices}
        now = self.around.monotonic()
        for device in self.devices:
            self.plan(device, now)

    @property
    def silent(self) -> tuple[str, ...]:
        """Devices that do not answer; all of them while the line is down."""
        return tuple(device.id for device in self.devices if device.health.silent or not self.up)

    def hears(self, device: Polled) -> bool | None:
        """Tell whether a device answers; None while nobody knows: it is still to be asked, or its line is just back."""
        if self.up and not device.health.silent:
            return True if device.id in self._heard else None
        fair = max(FAIR_S, FAIR_TIMES * device.config.timeout)
        if not device.answered and self.around.monotonic() - self._began < fair:
            return None
        return False

    def works(self, device: Polled) -> Iterator[tuple["Job[Task]", Work]]:
        """Return the polls of a device that are in the schedule, its probe not among them."""
        for job in self._seats[device.id].jobs:
            if isinstance(job.what, Work):
                yield job, job.what

    # -- what is asked ------------------------------------------------------------------------------------

    def plan(
        self, device: Polled, now: float, bad: Mapping[str, tuple[Quality, float]] | None = None
    ) -> None:
        """Plan all polls of a device afresh, due now; `bad` is what was said of its points, and when."""
        seat = self._seats[device.id]
        for job in (*seat.jobs, *([seat.probe] if seat.probe else ())):
            self.schedule.remove(job)
        seat.jobs, seat.probe, seat.parked = [], None, []
        for work in device.works(self.rules):
            for point in work.transaction.points:
                if bad and point in bad:
                    work.bad, work.said = bad[point]
            seat.jobs.append(self.schedule.add(work, rank=RANKS[work.poll], period=work.period, due=now))

    def replan(self, device: Polled, now: float) -> None:
        """Plan by what was learned since; each poll stays due as its points were, and what is left out stays out."""
        before = list(self.works(device))
        bad = {
            point: (work.bad, work.said)
            for _, work in before
            if work.bad is not None
            for point in work.transaction.points
        }
        self.plan(device, now, bad)
        for job, work in self.works(device):
            points = set(work.transaction.points)
            same = [
                (was, old)
                for was, old in before
                if old.poll == work.poll and not points.isdisjoint(old.transaction.points)
            ]
            if same:
                self._take_over(job, work, same)
            out = [old for _, old in same if old.excluded is not None]
            if out and points.issubset(*(old.transaction.points for old in out[:1])):
                work.excluded, work.again_at = out[0].excluded, out[0].again_at
                work.refusals = out[0].refusals

    def _take_over(self, job: "Job[Task]", work: Work, same: Sequence[tuple["Job[Task]", Work]]) -> None:
        """Let a poll go on where those of its points were: their place, their back-off, their window for the books."""
        windows = [(was, old.snapshot_until) for was, old in same if old.snapshot_until is not None]
        if windows:
            work.snapshot_until = min(until for _, until in windows)
            due, rises = min(was.due for was, _ in windows), min(was.rises for was, _ in windows)
            self.schedule.aim(job, due=due, deadline=work.snapshot_until, rises=rises)
        else:
            self.schedule.at(job, min(was.due for was, _ in same))
        busy = [(was, old) for was, old in same if old.busy]
        if busy:
            work.busy = max(old.busy for _, old in busy)
            self.schedule.later(job, max(was.ready for was, _ in busy))

    def split(self, job: "Job[Task]", work: Work, parts: Sequence[Transaction], now: float) -> None:
        """Ask for a poll in parts from now on."""
        seat = self._seats[work.device.id]
        self.schedule.remove(job)
        seat.jobs.remove(job)
        for part in parts:
            share = Work(work.device, part, work.poll, work.period, bad=work.bad, said=work.said)
            seat.jobs.append(self.schedule.add(share, rank=job.rank, period=job.period, due=now))
            if work.snapshot_until is not None:
                share.snapshot_until = work.snapshot_until
                self.schedule.aim(
                    seat.jobs[-1], due=now, deadline=work.snapshot_until, rises=max(now, job.rises)
                )

    def mute(self, job: "Job[Task]", work: Work, err: DriverError) -> bool:
        """Ask otherwise for what a device never gives, be it by silence or some other no; True if so."""
        if work.heard or job.probe:
            return False
        lessons = work.device.lessons
        parts = lessons.never(work.transaction, spoke=isinstance(err, DeviceRefused))
        if parts:
            self.split(job, work, parts, self.around.monotonic())
        elif lessons.lacks.issuperset(work.transaction.points) and self._askable(work.device):
            self.exclude(work, err)  # where nothing else is asked it would never be found silent
        else:
            return False
        return True

    def exclude(self, work: Work, err: DriverError) -> None:
        """Ask for what the device or the configuration rules out only now and then, until the device returns."""
        work.leave_out(err, self.around.monotonic())
        level = logging.WARNING if work.refusals == 1 else logging.DEBUG
        points = ", ".join(work.transaction.points[:5])
        log.log(level, "%s: %s is left out for now: %s", work.device.id, points, printable(str(err)))
        self.teller.say(work, err.quality)

    def lift(self, work: Work) -> None:
        """Ask as before for what was left out and has answered, and at once for what else of its device is left out."""
        work.excluded, work.refusals = None, 0
        log.info("%s: %s answers now", work.device.id, ", ".join(work.transaction.points[:5]))
        now = self.around.monotonic()
        for job, other in self.works(work.device):
            if other.excluded is not None and other.again_at < _NEVER:
                other.excluded = None
                self.schedule.at(job, now)

    def known_bad(self, job: "Job[Task]", work: Work) -> Quality | None:
        """Say why this need not be asked now, or None."""
        if not self.up:
            return Quality.COMM
        if job.probe:
            return None
        silent = (work.bad or Quality.TIMEOUT) if work.device.health.silent else None
        left_out = work.excluded if self.around.monotonic() < work.again_at else None
        return left_out or silent

    def parks(self, job: "Job[Task]", work: Work) -> bool:
        """Put a poll aside while its device is asked once more whether it is there; True if that is so."""
        seat = self._seats[work.device.id]
        if seat.probe is None or job.probe or work.device.health.silent:
            return False
        self.schedule.hold(job, _NEVER)
        seat.parked.append(job)
        return True

    def spare(self, work: Work) -> None:
        """Do not ask at once for what has just been read: it would be told twice with the same millisecond."""
        now = self.around.monotonic()
        for job, other in self.works(work.device):
            if other is work:
                continue
            if other.transaction.points == work.transaction.points:
                other.bad = None
                self.schedule.at(job, now + job.period)
            elif not set(work.transaction.points).isdisjoint(other.transaction.points):
                self.schedule.at(job, now + APART_S)

    # -- what came of it ----------------------------------------------------------------------------------

    def missed(self, job: "Job[Task]", work: Work, err: DriverError) -> float | None:
        """Take a silence, or noise twice in a row; return when to ask for the same again, if not on its grid."""
        device, now = work.device, self.around.monotonic()
        noise = isinstance(err, FrameDamaged)
        self.line_up()
        if device.health.missed(noise=noise):
            log.warning(
                "%s on %s is silent (%s): asked again at growing intervals", device.id, self.line, err
            )
            self._fall_silent(device, err.quality, now)
        elif job.probe:
            job.period = self._interval(device, now)
        else:
            self.teller.say(work, err.quality)
            if not noise and device.hasty:
                return now
            if not noise:
                self._suspect(device, now)
        return None

    def answered(self, device: Polled) -> bool:
        """Note that a device has answered; return True if it was planned anew."""
        planned = not self.up and not device.health.silent
        if not self.up:
            self.line_up()
        health, seat = device.health, self._seats[device.id]
        self._heard.add(device.id)
        if not health.failures and device.answered and seat.probe is None:
            return planned
        returned = health.answered()
        if not device.answered:
            device.answered = True
            self.meters.device_up(device.id, True)
            log.info("%s on %s answers", device.id, self.line)
        elif returned:
            log.info("%s on %s answers again", device.id, self.line)
            self.meters.device_up(device.id, True)
        if returned:
            self._return(device)
            self.changed()
        elif seat.probe is not None:
            self._trust(seat)
            return True
        return planned or returned

    def _suspect(self, device: Polled, now: float) -> None:
        seat = self._seats[device.id]
        work = _question(work for _, work in self.works(device) if work.excluded is None)
        if seat.probe is None and work is not None:
            seat.probe = self.schedule.add(work, rank=RETRY_RANK, period=1.0, due=now)

    def _trust(self, seat: _Seat) -> None:
        """It was only a lost frame: go on where its polls were put aside."""
        if seat.probe is not None:
            self.schedule.remove(seat.probe)
        parked, seat.probe, seat.parked = seat.parked, None, []
        for job in parked:
            self.schedule.hold(job, job.due)

    def _fall_silent(self, device: Polled, quality: Quality, now: float) -> None:
        self.meters.device_up(device.id, False)
        self._heard.discard(device.id)
        seat = self._seats[device.id]
        works = [work for _, work in self.works(device)]
        for work in works:
            self.teller.say(work, work.excluded or quality)
        self._trust(seat)
        interval = self._interval(device, now)
        probe = _question(work for work in works if work.excluded is None) or works[0]
        seat.probe = self.schedule.add(probe, rank=PROBE_RANK, period=interval, due=now + interval)
        if not device.answered:
            seat.probe.tries = LATELY  # who was never there keeps nobody waiting who was
        self._count()
        self.changed()

    def _interval(self, device: Polled, now: float) -> float:
        """Return the seconds until its next probe: at least a cycle of the bus."""
        cycle = sum(
            job.cost
            for other in self.devices
            if not other.health.silent
            for job in self._seats[other.id].jobs
        )
        return max(device.health.next_probe(now) - now, min(cycle, device.health.longest), 0.01)

    def _return(self, device: Polled) -> None:
        """Ask for everything at once, and anew for what was refused: it may be another device by now."""
        bad = {
            point: (work.bad, work.said)
            for _, work in self.works(device)
            if work.bad is not None
            for point in work.transaction.points
        }
        self.plan(device, self.around.monotonic(), bad)
        self._count()

    def _count(self) -> None:
        self.schedule.unhurried = all(device.health.silent for device in self.devices)

    # -- the line -----------------------------------------------------------------------------------------

    def line_down(self, err: LineDown) -> None:
        """Note that the wire itself is gone."""
        now = self.around.monotonic()
        self.reopen_at = self._reopen.next_probe(now)
        if not self.up:
            return
        self.up = False
        self._heard.clear()
        log.debug("line %s is down: %s", self.line, err)  # the line itself says it, once
        for device in self.devices:
            for _, work in self.works(device):
                self.teller.say(work, Quality.COMM)
            if not device.health.silent:
                self._trust(self._seats[device.id])
        self.changed()

    def line_up(self) -> None:
        """Note that the wire carries something again."""
        if self.up:
            return
        self.up = True
        self._reopen.answered()
        log.debug("line %s is up again", self.line)
        for device in self.devices:
            if not device.health.silent:
                self._return(device)
        self.changed()

    def candidate(self) -> "Job[Task] | None":
        """Return what to ask to see whether the line is back: the devices take turns, each with its cheapest poll."""
        askable = [device for device in self.devices if self._askable(device)]
        candidates = [one for one in askable if not one.health.silent] or askable or list(self.devices)
        device = candidates[self._turn % len(candidates)]
        self._turn += 1
        work = cheapest(self._askable(device) or (work for _, work in self.works(device)))
        if work is None:
            self.put_off()
            return None
        return Job(work, PROBE_RANK, work.period, self.around.monotonic())

    def put_off(self) -> None:
        """Look whether the line is back a little later."""
        self.reopen_at = self._reopen.next_probe(self.around.monotonic())

    def _askable(self, device: Polled) -> list[Work]:
        return [work for _, work in self.works(device) if work.excluded is None]


def _question(works: Iterable[Work]) -> Work | None:
    """Return what to probe a device with: its cheapest read, or a part of it where that was never answered.

    Some devices say nothing at all to a read across a hole: a part of it has none.
    """
    work = cheapest(works)
    if work is None or work.heard:
        return work
    parts = work.device.driver.split(work.transaction)
    if not parts:
        return work
    part = min(parts, key=lambda each: (each.request_bytes + each.reply_bytes, each.label))
    return Work(work.device, part, work.poll, work.period, bad=work.bad, said=work.said)
