"""The clock's state follows the year and the kernel's word."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.clock import ClockWatch, kernel_synced, wall_clock
from messages.types import ClockState


@pytest.mark.parametrize(
    ("year", "synced", "state"),
    [
        (1970, True, ClockState.UNSET),
        (2023, None, ClockState.UNSET),
        (2026, True, ClockState.SYNCED),
        (2026, False, ClockState.HOLDOVER),
        (2026, None, ClockState.HOLDOVER),
    ],
)
def test_state(year: int, synced: bool | None, state: ClockState) -> None:
    assert ClockWatch(lambda: datetime(year, 5, 1, tzinfo=UTC), lambda: synced).state() is state


def test_the_state_is_asked_anew_each_time() -> None:
    answers = iter([False, True, False])
    watch = ClockWatch(wall_clock, lambda: next(answers))
    assert [watch.state() for _ in range(3)] == [ClockState.HOLDOVER, ClockState.SYNCED, ClockState.HOLDOVER]


def test_the_wall_clock_is_utc_on_the_millisecond_grid() -> None:
    now = wall_clock()
    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0


def test_asking_the_kernel_never_raises() -> None:
    assert kernel_synced() in {True, False, None}
