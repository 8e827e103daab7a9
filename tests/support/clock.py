"""A clock in a test's hands."""

from datetime import UTC, datetime


class Clock:
    """Says the time that was set; `now` is moved by the test."""

    def __init__(self, now: datetime = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now
