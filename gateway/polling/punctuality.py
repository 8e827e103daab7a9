"""Whether the lines keep their times: deadlines that passed, how long fire had to wait, what the time went to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.polling.schedule import CLASSES, FIRE, PROBE_RANK, Account

_TOLD = range(PROBE_RANK)


class Kept(Protocol):
    """What is needed of a schedule."""

    @property
    def account(self) -> Account:
        """What the line's time went to."""


class Polling(Protocol):
    """What is needed of a poller."""

    @property
    def line(self) -> str:
        """The line's id."""

    @property
    def schedule(self) -> Kept:
        """Its schedule."""


def missed(pollers: Iterable[Polling]) -> Mapping[str, int]:
    """Return how many deadlines have passed on all lines, by class; a class that missed none is left out."""
    accounts = [poller.schedule.account for poller in pollers]
    found = {CLASSES[rank]: sum(account.missed[rank] for account in accounts) for rank in _TOLD}
    return {name: count for name, count in found.items() if count}


def fire_wait_ms(pollers: Iterable[Polling]) -> int | None:
    """Return the longest that a fire poll or a command has waited for its turn; None where there was none."""
    accounts = [poller.schedule.account for poller in pollers]
    waits = [account.longest_fire_wait for account in accounts if account.seconds[FIRE]]
    return round(1000 * max(waits)) if waits else None


def line_times(pollers: Sequence[Polling]) -> Iterable[Metric]:
    """Yield what an operator may count of it, by line and class."""
    late = CounterMetricFamily(
        "gatehouse_deadlines_missed", "Polls that ended after their deadline", labels=["line", "class"]
    )
    spent = CounterMetricFamily(
        "gatehouse_line_seconds", "What the time of a line went to", labels=["line", "class"]
    )
    wait = GaugeMetricFamily(
        "gatehouse_fire_wait_seconds", "The longest that fire or a command has waited", labels=["line"]
    )
    for poller in pollers:
        account = poller.schedule.account
        for rank, name in enumerate(CLASSES):
            if account.seconds[rank]:
                if rank in _TOLD:
                    late.add_metric([poller.line, name], account.missed[rank])
                spent.add_metric([poller.line, name], account.seconds[rank])
        if account.seconds[FIRE]:
            wait.add_metric([poller.line], account.longest_fire_wait)
    yield from (late, spent, wait)
