"""What a device froze at an instant of its own is told under that instant, and nothing else is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from drivers.api import Reading
from gateway.polling.lessons import Lessons
from messages.types import ClockState, Lane, Quality
from tests.support.polling import device

NOW = datetime(2026, 12, 1, 0, 7, tzinfo=UTC)
MIDNIGHT = NOW - timedelta(minutes=7)


def test_frozen_readings_are_samples_of_their_own_instant():
    made = device("m-1", 1, Lessons(lambda: NOW))
    made.billing = frozenset({"frozen", "total"})
    readings = {
        "total": Reading(Decimal(3), raw=b"\3"),
        "frozen": Reading(Decimal(2), raw=b"\2", at=MIDNIGHT),
        "doubtful": Reading(Decimal(1), Quality.CLOCK, at=MIDNIGHT),
        "voltage": Reading(Decimal(230)),
    }
    told = [
        (lane, sample.at, dict(sample.values))
        for lane, sample in made.samples(NOW, readings, ClockState.SYNCED)
    ]
    assert told == [
        (Lane.BILLING, MIDNIGHT, {"frozen": Decimal(2)}),
        (Lane.TELEMETRY, MIDNIGHT, {"doubtful": Decimal(1)}),
        (Lane.BILLING, NOW, {"total": Decimal(3)}),
        (Lane.TELEMETRY, NOW, {"voltage": Decimal(230)}),
    ]


def test_what_is_only_frozen_leaves_no_empty_sample():
    made = device("m-1", 1, Lessons(lambda: NOW))
    (only,) = made.samples(NOW, {"frozen": Reading(Decimal(2), at=MIDNIGHT)}, ClockState.SYNCED)
    assert only[1].at == MIDNIGHT
    assert list(made.samples(NOW, {}, ClockState.SYNCED)) == []
