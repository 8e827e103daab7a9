"""When a configuration on trial has proved itself, and when it goes back."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.reconfig.probation import MOST_ATTEMPTS, Trial, Verdict, begun_again, verdict, worse

POINTS = ("a", "b", "c")
DEVICES = ("m-1", "m-2", "m-3", "m-4")
healths = st.dictionaries(
    st.sampled_from(DEVICES), st.sets(st.sampled_from(POINTS)).map(lambda found: tuple(sorted(found)))
)
sites = st.dictionaries(st.sampled_from(DEVICES), st.just(POINTS))


@given(healths, sites)
def test_what_is_as_before_is_not_worse(before, site):
    assert worse(before, before, site) == []


@given(healths, healths, sites)
def test_worse_means_that_something_configured_was_well_and_is_not(before, now, site):
    lost = any(
        device not in now or set(now[device]) - set(before[device]) for device in before if device in site
    )
    assert bool(worse(before, now, site)) == lost


def test_devices_that_are_new_or_gone_do_not_count_and_the_words_name_the_others():
    before = {"m-1": (), "m-2": ("b",)}
    assert worse(before, {}, {"m-3": POINTS}) == []
    assert worse(before, {"m-2": ("a", "b")}, dict.fromkeys(("m-1", "m-2", "m-3"), POINTS)) == [
        "m-1 no longer answers",
        "m-2: a not good",
    ]


@given(st.floats(0, 400), st.lists(st.just("m-1 no longer answers"), max_size=9), st.booleans())
def test_it_ends_at_its_time_and_not_before_and_only_well_with_a_server(spent, reasons, heard):
    trial = Trial(limit_s=300, spent_s=spent)
    outcome, why = verdict(trial, reasons, heard=heard)
    if heard and not reasons:
        assert outcome is Verdict.CONFIRMED
    else:
        assert outcome is (Verdict.GOES_ON if spent < 300 else Verdict.ROLL_BACK)
    assert bool(why) == (outcome is Verdict.ROLL_BACK)
    if why:
        assert why.startswith("not as well as before within 5 min: ")
        assert ("server" in why) == (not heard)


def test_a_process_that_keeps_ending_gets_few_chances():
    trial: Trial | None = Trial(limit_s=300)
    for _ in range(MOST_ATTEMPTS):
        assert trial is not None
        trial = begun_again(trial)
    assert trial is not None
    assert begun_again(trial) is None
    assert begun_again(Trial(limit_s=60, spent_s=60)) is None
