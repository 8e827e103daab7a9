"""The snapshots for the books of one line: what of its billing polls is asked when the local clock says so."""

from gateway.polling.around import Surroundings
from gateway.polling.polled import Work
from gateway.polling.presence import Presence, Task
from gateway.polling.schedule import BILLING, Job, Schedule
from gateway.polling.snapshots import Books, Snapshots
from messages.types import ClockState

RETRY_S = 2.0


class Booking:
    """Aims billing polls at the moments of `Books`."""

    def __init__(
        self,
        schedule: Schedule[Task],
        presence: Presence,
        around: Surroundings,
        snapshots: Snapshots | None,
    ) -> None:
        self._schedule, self._presence, self._around = schedule, presence, around
        billed = any(job.rank == BILLING for job in schedule)
        self._books = Books(snapshots if billed else None)

    def wait(self, now: float) -> float | None:
        """Return the seconds until it is time to `look`; None where there are no snapshots."""
        return self._books.wait(now)

    def look(self, now: float) -> None:
        """See now and then whether the wall clock was set: what was aimed at its moments is then asked at once."""
        if not self._books.due(now):
            return
        trusted = self._around.clock_state() is not ClockState.UNSET
        if not self._books.look(now, self._around.clock(), trusted=trusted):
            return
        for device in self._presence.devices:
            for job, work in self._presence.works(device):
                if job.rank == BILLING and job.due > now:
                    work.snapshot_until = None
                    self._schedule.at(job, now)

    def aim(self, job: Job[Task], work: Work, now: float, *, read: bool) -> None:
        """Give a billing poll its next moment in the books if that comes first, or another try while a window lasts."""
        schedule = self._schedule
        if job not in schedule:
            return
        until = work.snapshot_until
        if until is not None and not read and not work.device.health.silent and work.excluded is None:
            again = now + RETRY_S
            if again < until:
                schedule.aim(job, due=again, deadline=until, rises=again)
                return
            schedule.account.missed[BILLING] += 1
        work.snapshot_until = None
        window = self._books.window(job.due, job.period, now)
        if window is not None:
            due, work.snapshot_until, rises = window
            schedule.aim(job, due=due, deadline=work.snapshot_until, rises=rises)
