"""When a configuration on trial has proved itself, and when it goes back."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reconfig.probation import (
    BY_CHANCE,
    MOST_ATTEMPTS,
    Aftermath,
    Trial,
    Verdict,
    begun_again,
    concerned,
    ear_name,
    trial_of,
    unheard,
    unwell,
    verdict,
    worse,
)
from gateway.site.config import LineConfig, ListeningLine, Site, load_site

HEAD = 'site: s\ngateway: g\nbroker: {url: "mqtt://127.0.0.1:1883"}\nlines:\n'
METERS = "".join(f"      - {{id: m-{n}, profile: eastron-sdm630, unit: {n}}}\n" for n in (1, 2, 3))
OLD = f"""\
  - id: a
    tcp: 127.0.0.1:1502
    devices:
{METERS}\
  - id: b
    tcp: 127.0.0.1:1503
    devices:
      - {{id: m-4, profile: eastron-sdm630, unit: 4}}
"""
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


@pytest.fixture(scope="module")
def lines(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[LineConfig | ListeningLine, ...]]:
    path = tmp_path_factory.mktemp("site") / "gw.yaml"

    def made(text: str) -> tuple[LineConfig | ListeningLine, ...]:
        path.write_text(HEAD + text, encoding="utf-8")
        site: Site = load_site(path)
        return site.all_lines

    return made


ALL_WELL = {f"m-{n}": () for n in (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("old", "new", "touched", "beside"),
    [
        ("unit: 2}", "unit: 7}", {"m-2"}, {"m-1", "m-3"}),
        ("unit: 2}", "unit: 2, timeout: 2s}", {"m-2"}, {"m-1", "m-3"}),
        (
            "profile: eastron-sdm630, unit: 3}",
            "profile: acrel-adl400-secondary, unit: 3}",
            {"m-3"},
            {"m-1", "m-2"},
        ),
        ("unit: 2}", 'unit: 2, name: "Flat 2"}', set(), {"m-1", "m-2", "m-3"}),
        ("127.0.0.1:1502", "127.0.0.1:1504", {"m-1", "m-2", "m-3"}, set()),
        ("  - id: a\n", "  - id: c\n", {"m-1", "m-2", "m-3"}, set()),
        (
            "unit: 3}\n",
            "unit: 3}\n      - {id: m-9, profile: eastron-sdm630, unit: 9}\n",
            set(),
            {"m-1", "m-2", "m-3"},
        ),
        ("      - {id: m-2, profile: eastron-sdm630, unit: 2}\n", "", set(), {"m-1", "m-3"}),
    ],
)
def test_what_a_change_touches_and_what_is_beside_it(lines, old, new, touched, beside):
    assert old in OLD
    found = concerned(ALL_WELL, lines(OLD), lines(OLD.replace(old, new)))
    assert (set(found[0]), {device for line in found[1].values() for device in line}) == (touched, beside)
    nobody = concerned({}, lines(OLD), lines(OLD.replace(old, new)))
    assert nobody == ({}, {}), "who did not answer before proves nothing"


SITE = dict.fromkeys(ALL_WELL, POINTS)


def test_one_neighbour_that_dies_is_chance_two_are_the_change():
    trial = Trial(limit_s=300, before={"m-1": ()}, beside={"a": {"m-2": (), "m-3": (), "m-4": ()}})
    one = unwell(trial, (), {"m-1": (), "m-2": (), "m-3": ()}, SITE)
    assert (one.reasons, one.lost, one.well) == ([], {}, {"m-1", "m-2", "m-3"})
    two = unwell(trial, (), {"m-1": (), "m-2": ()}, SITE)
    assert two.reasons == ["m-3, m-4 no longer answer"]
    assert unwell(trial, {"m-3"}, {"m-1": (), "m-2": ()}, SITE).reasons == [], "it was well once since"


@given(healths, healths, st.sets(st.sampled_from(DEVICES)))
def test_touched_ones_all_count_and_neighbours_beyond_chance(before, now, touched):
    first = {device: bad for device, bad in before.items() if device in touched}
    second = {device: bad for device, bad in before.items() if device not in touched}
    found = unwell(Trial(limit_s=300, before=first, beside={"a": second}), (), now, SITE)
    ill = {device for device, bad in before.items() if worse({device: bad}, now, SITE)}
    beside = ill - touched
    assert set(found.lost) == (ill & touched) | (beside if len(beside) > BY_CHANCE else set())
    assert bool(found.reasons) == bool(found.lost)
    assert found.well == {device for device in before if device in now} - ill


def test_what_fails_with_the_configuration_before_as_well_is_said():
    after = Aftermath("f1", {"m-1": (), "m-2": ()}, until=30.0)
    assert after.judge({}, SITE, 10.0) is None
    assert after.judge({"m-1": (), "m-2": ()}, SITE, 10.0) == ""
    assert after.judge({"m-1": ()}, SITE, 30.0) == (
        "m-2 does no better with the configuration before: look there first, then offer this again"
    )


EARS = """\
  - id: fire
    listen: {at: "127.0.0.1:5200", heard_within: 3m}
    devices:
      - {id: fa-1, profile: sia-dc09-panel, address: "1"}
      - {id: fa-2, profile: sia-dc09-panel, address: "2", heard_within: 10m}
      - {id: fa-3, profile: sia-dc09-panel, address: "3", heard_within: never}
"""
EAR = ear_name("fire")
HEARD: dict[str, tuple[str, ...]] = {EAR: (), "fa-1": (), "fa-2": (), "fa-3": ()}


def test_a_listening_line_must_be_open_again_and_who_speaks_within_the_trial_be_heard_again(lines):
    moved = lines(EARS.replace("5200", "5201"))
    trial = trial_of(300.0, HEARD, lines(EARS), moved)
    assert (set(trial.before), trial.beside, set(trial.patient)) == ({EAR, "fa-1"}, {}, {"fa-2", "fa-3"})
    site = dict.fromkeys(HEARD, ())
    assert unwell(trial, (), {}, site).reasons == ["fa-1 no longer answers", "line fire no longer listens"]
    assert unwell(trial, (), {EAR: (), "fa-1": ()}, site).reasons == []
    assert (
        unheard(trial, {EAR: (), "fa-1": ()}) == "not heard since, and may be silent for longer: fa-2, fa-3"
    )
    assert unheard(trial, HEARD) == ""
    assert trial_of(600.0, HEARD, lines(EARS), moved).before.keys() == {EAR, "fa-1", "fa-2"}


def test_of_a_listening_line_only_what_changes_is_touched(lines):
    one = trial_of(900.0, HEARD, lines(EARS), lines(EARS.replace('address: "1"', 'address: "7"')))
    assert (set(one.before), one.beside, one.patient) == ({EAR, "fa-1"}, {"fire": {"fa-2": ()}}, ("fa-3",))
    same = trial_of(900.0, HEARD, lines(EARS), lines(EARS))
    assert (same.before, same.beside, same.patient) == ({}, {}, ())
