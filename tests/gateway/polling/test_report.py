"""Report by exception: no change above the deadband is missed, silence is bounded, a crash loses no change."""

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Reading
from gateway.polling.report import UNDER_WAY_S, Reporter, Rule
from messages.types import Quality

rules = st.builds(
    Rule,
    st.decimals(0, 50, places=2, allow_nan=False),
    st.booleans(),
    st.sampled_from([10.0, 60.0, 300.0]),
)
values = st.one_of(
    st.decimals(-1000, 1000, places=3, allow_nan=False).map(Reading),
    st.decimals(99, 101, places=3, allow_nan=False).map(Reading),
    st.just(Reading(None, Quality.TIMEOUT)),
    st.just(Reading(None, Quality.RANGE)),
    st.booleans().map(Reading),
)
# What happens after each read: nothing, or the journal's word on the oldest report under way, or a crash.
steps = st.lists(st.tuples(values, st.sampled_from(["", "", "kept", "kept", "lost", "crash"])), max_size=60)


def near(rule: Rule, told: Reading, read: Reading) -> bool:
    """Judge, in plain words, whether who was told `told` knows what was read."""
    if told.quality is not read.quality or type(told.value) is not type(read.value):
        return False
    if isinstance(read.value, Decimal) and isinstance(told.value, Decimal):
        band = abs(told.value) * rule.deadband / 100 if rule.percent else rule.deadband
        return abs(read.value - told.value) <= band
    return read.value is told.value


@given(rules, steps, st.sampled_from([1.0, 7.0]))
def test_a_reading_is_left_out_only_if_nobody_would_know_less(rule, steps, period):
    reporter = Reporter({"p": rule}, {"p": period})
    way: list = []
    kept: list[Reading] = []
    told_at: float | None = None
    for number, (reading, after) in enumerate(steps):
        now = number * period
        if "p" in reporter.wanted({"p": reading}, now):
            settle = reporter.sent({"p": reading}, now)
            assert settle is not None
            way.append((settle, reading, now))
            told_at = now
        else:
            # Whichever of the reports under way are lost, the last one that is not says what was read.
            assert kept
            assert all(near(rule, told, reading) for told in [kept[-1], *(each for _, each, _ in way)])
            assert told_at is not None
            assert now + period - told_at <= rule.max_silence, "the next fresh read would come too late"
        if after == "crash":
            reporter, way, kept, told_at = Reporter({"p": rule}, {"p": period}), [], [], None
        elif after and way:
            settle, told, _ = way.pop(0)
            settle(after == "kept")
            if after == "kept":
                kept.append(told)


@given(rules, st.lists(values, min_size=1, max_size=40), st.integers(0, 39))
def test_after_a_crash_at_any_moment_the_last_reading_is_known(rule, reads, at):
    """What the journal had at the crash, and what is told after it, leads to what was read."""
    journal: list[Reading] = []
    reporter = Reporter({"p": rule}, {"p": 1.0})
    for number, reading in enumerate(reads):
        if number == at % len(reads):
            reporter = Reporter({"p": rule}, {"p": 1.0})  # what was under way is gone, and so is all memory
        if reporter.wanted({"p": reading}, float(number)):
            settle = reporter.sent({"p": reading}, float(number))
            assert settle is not None
            settle(True)
            journal.append(reading)
        assert near(rule, journal[-1], reading)


def test_a_fresh_read_is_out_within_the_longest_silence_and_never_a_copy():
    reporter = Reporter({"p": Rule(Decimal(5), False, 60.0)}, {"p": 10.0})
    told = []
    for second in range(0, 300, 10):
        reading = Reading(Decimal(second) / 1000)
        if reporter.wanted({"p": reading}, float(second)):
            settle = reporter.sent({"p": reading}, float(second))
            assert settle is not None
            settle(True)
            told.append((second, reading.value))
    assert [second for second, _ in told] == [0, 60, 120, 180, 240]
    assert all(value == Decimal(second) / 1000 for second, value in told), "what was read then"
    assert reporter.left_out == 25


def test_points_without_a_rule_are_always_told():
    reporter = Reporter({"p": Rule(Decimal(5), False, 60.0)}, {"p": 1.0})
    reading = Reading(Decimal(1))
    for _ in range(3):
        assert "other" in reporter.wanted({"p": reading, "other": reading}, 0.0)
    assert reporter.sent({"other": reading}, 0.0) is None


def test_while_the_disk_is_in_trouble_everything_is_told():
    reporter = Reporter({"p": Rule(Decimal(5), False, 3600.0)}, {"p": 1.0})
    reading = Reading(Decimal(1))
    settle = reporter.sent({"p": reading}, 0.0)
    assert settle is not None
    settle(True)
    assert not reporter.wanted({"p": reading}, 1.0)
    waiting = [reporter.sent({"p": reading}, 1.0 + n / 10) for n in range(20)]
    assert not reporter.wanted({"p": reading}, 3.0), "however fast it is polled, a commit takes its time"
    assert reporter.wanted({"p": reading}, 1.1 + UNDER_WAY_S)
    for each in waiting:
        assert each is not None
        each(False)
    assert not reporter.wanted({"p": reading}, 1.2 + UNDER_WAY_S), "lost: what the journal has counts"


@given(st.integers(-(2**63), 2**64), st.integers(0, 12), st.sampled_from(["0.1", "2", "33.3333"]))
def test_per_cent_is_exact_at_the_edge(raw, exp, per_cent):
    told = Decimal(raw).scaleb(-exp)
    rule = Rule(Decimal(per_cent), True, 60.0)
    with localcontext() as context:
        context.prec = 100
        edge = abs(told) * Decimal(per_cent) / 100
        assert not rule.changes(told, told + edge)
        assert rule.changes(told, told + edge + Decimal("1e-30"))
