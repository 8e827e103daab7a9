"""What every driver and every shipped profile must hold to, whatever the protocol."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.api import DeviceDriver, Exchange, ListenDriver
from drivers.errors import DriverError, FrameDamaged, Misconfigured
from drivers.listen_check import NOW, hear, sent
from drivers.profiles_store import check_with_driver, load_marked_library

LIBRARY = load_marked_library()
ASKED = [
    name for name in sorted(LIBRARY) if not isinstance(registry.get(LIBRARY[name][0].protocol), ListenDriver)
]
profiles = pytest.mark.parametrize("name", ASKED)
unasked = pytest.mark.parametrize("name", sorted(set(LIBRARY) - set(ASKED)))
drivers = pytest.mark.parametrize("protocol", registry.names())


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    """What profiles want from the environment for their commands."""
    monkeypatch.setenv("GATEHOUSE_DLT645_PASSWORD", "00000000")


def device(name: str) -> DeviceDriver:
    profile = LIBRARY[name][0]
    return registry.get(profile.protocol).device(profile, 1, {})


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_its_examples_decode(name):
    profile, marks, file = LIBRARY[name]
    check_with_driver(profile, registry.get(profile.protocol), marks, file)


@profiles
def test_a_plan_fetches_each_point_exactly_once(name):
    profile = LIBRARY[name][0]
    made = device(name)
    assert isinstance(made, DeviceDriver)
    for wanted in (list(profile.points), list(profile.points)[::3], list(profile.points)[:1], []):
        yielded = [point for transaction in made.plan(wanted) for point in transaction.points]
        assert len(yielded) == len(set(yielded))
        assert set(wanted) <= set(yielded) <= set(profile.points)
    for poll in {point.poll for point in profile.points.values()}:
        wanted = [point for point, at in profile.points.items() if at.poll == poll]
        assert all(transaction.label for transaction in made.plan(wanted))


@profiles
def test_every_attempt_has_a_reader_of_its_own_and_a_known_length(name):
    made = device(name)
    for transaction in made.plan(LIBRARY[name][0].points):
        one, two = made.exchange(transaction), made.exchange(transaction)
        assert one.reader is not None
        assert one.reader is not two.reader
        assert one.request
        assert one.reply_bytes > 0


@profiles
@given(data=st.data())
def test_hostile_bytes_come_out_as_nothing_or_as_an_error_of_the_drivers(name, data):
    made = device(name)
    transactions = made.plan(LIBRARY[name][0].points)
    transaction = data.draw(st.sampled_from(list(transactions)))
    portions = data.draw(st.lists(st.binary(max_size=40), max_size=5))
    step = made.exchange(transaction)
    with contextlib.suppress(DriverError):
        for portion in portions:
            assert step.reader is not None
            payload = step.reader.feed(portion)
            if payload is not None:
                # A byte that acknowledges may be noise: it leads on to the next request, never to the reply itself.
                following = step.then(payload) if step.then is not None else payload
                assert isinstance(following, Exchange)
                step = following
    readings = made.decode(transaction, b"".join(portions))
    assert set(readings) == set(transaction.points)
    assert all((reading.value is None) == reading.quality.bad for reading in readings.values())


@profiles
def test_splitting_keeps_the_points_and_ends(name):
    made = device(name)
    todo = list(made.plan(LIBRARY[name][0].points))
    for _ in range(2000):
        if not todo:
            return
        transaction = todo.pop()
        parts = made.split(transaction)
        if parts:
            assert len(parts) > 1
            assert sorted(point for part in parts for point in part.points) == sorted(transaction.points)
        todo += parts
    raise AssertionError("the splitting does not end")


@profiles
def test_commands_are_those_of_the_profile_and_no_others(name):
    profile = LIBRARY[name][0]
    made = device(name)
    for action, what in profile.actions.items():
        plan = made.command(action, {})
        assert made.exchange(plan.write).request
        assert (plan.read_back is None) == (what.read_back is None)
        if plan.read_back is not None:
            assert set(plan.expect) <= set(plan.read_back.points)
            assert made.exchange(plan.read_back).request
    with pytest.raises(Misconfigured):
        made.command("no_such_action", {})


@unasked
@given(data=st.data())
def test_a_peer_that_sends_anything_is_followed_or_cut_off_and_what_it_says_is_of_its_profile(name, data):
    profile = LIBRARY[name][0]
    driver = registry.get(profile.protocol)
    assert isinstance(driver, ListenDriver)
    example = sent(profile.examples[0].reply)
    heard = hear(example, profile, lambda devices: session(driver, profile, devices))
    source = next((message.source for message in heard if message.source), "nobody")
    peer = session(driver, profile, {source: (profile, {})})
    pieces = st.one_of(st.binary(max_size=60), st.just(example), st.just(example[: len(example) // 2]))
    with contextlib.suppress(FrameDamaged):
        for portion in data.draw(st.lists(pieces, max_size=6)):
            for message in peer.feed(portion, NOW):
                assert {happening.code for happening in message.happenings} <= set(profile.signals)
                assert set(message.readings) <= set(profile.points)
            assert all(isinstance(asked, bytes) for asked in peer.tick(NOW))


def session(driver, profile, devices):
    """A session with the devices, no key being asked; one of whoever speaks where a line has exactly one."""
    try:
        return driver.session(devices, {"auth": "none"} if driver.protocol == "http-push" else {})
    except Misconfigured:
        return driver.session({driver.source(profile, {}): (profile, {})}, {})


@drivers
@given(st.binary(max_size=300))
def test_explain_says_something_or_that_the_frame_is_damaged(protocol, frame):
    try:
        assert registry.get(protocol).explain(frame)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017


@drivers
@given(
    st.dictionaries(
        st.sampled_from(["protocol", "hex", "expected", "address"]), st.text(max_size=9) | st.integers()
    )
)
def test_a_vector_row_of_anything_is_a_verdict(protocol, row):
    fault = registry.get(protocol).check_vector(row, ())
    assert fault is None or fault


GUARDED = [name for name in registry.names() if hasattr(registry.get(name).address_types()[2], "life_safety")]


def test_the_protocols_that_switch_a_supply_are_known():
    assert GUARDED == ["cjt188", "dlt645"]


@pytest.mark.parametrize("protocol", GUARDED)
def test_what_a_profile_marks_as_life_safety_no_site_takes_back(protocol):
    driver = registry.get(protocol)
    plain = next(profile for profile, _, _ in LIBRARY.values() if profile.protocol == protocol)
    marked = msgspec.structs.replace(plain, options={**plain.options, "life_safety": True})
    with pytest.raises(Misconfigured, match="cannot take that back"):
        driver.device(marked, 1, {"life_safety": False})
    assert driver.device(marked, 1, {})
    assert driver.device(marked, 1, {"life_safety": True})
    assert driver.device(plain, 1, {"life_safety": True})
