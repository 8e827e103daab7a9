"""Orders to a reader: done once or not at all, whatever becomes of their answers."""

import pytest

from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from drivers.osdp.frames import Frame, build, parse
from tests.support.osdp import KEY, clean, code_of, door, lose

CARD = bytes.fromhex("12345640")


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OSDP_TEST_KEY", KEY.hex())
    return {"key_env": "OSDP_TEST_KEY"}


def order(here, action, args=None):
    plan = here.device.command(action, args or {})
    here.carry(here.device.exchange(plan.write))
    if plan.read_back is None:
        return None
    payload = here.carry(here.device.exchange(plan.read_back))
    return {name: made.value for name, made in here.device.decode(plan.read_back, payload).items()}


def test_a_door_is_released_for_its_time_and_read_back(key):
    here = door(options=key, key=KEY)
    assert order(here, "release") == {"output_0": True}
    here.now_ms += 5000
    assert here.read("output_0") == {"output_0": False}
    order(here, "green")
    order(here, "beep")
    assert [*here.reader.shown] == [
        (0x69, bytes((0, 0, 2, 1, 0, 2, 0, 30, 0, 0, 0, 0, 0, 0))),
        (0x6A, bytes((0, 2, 2, 2, 2))),
    ]


@pytest.mark.parametrize("side", ["there", "back"])
def test_an_order_without_an_answer_is_never_sent_again(key, side):
    """A door that was not opened in time must not open when the line comes back."""
    here = door(options=key, key=KEY)
    here.read("tamper")
    setattr(here, side, lose(1))
    write = here.device.command("release", {}).write
    with pytest.raises(DeviceSilent):
        here.carry(here.device.exchange(write))
    acted = here.reader.outputs[0].until_ms
    assert (acted is None) == (side == "there")
    for _ in range(5):
        here.read("tamper")
    assert here.reader.outputs[0].until_ms == acted


def test_an_order_that_a_restarted_reader_refuses_is_given_once_more_and_done_once(key):
    here = door(options=key, key=KEY)
    here.read("tamper")
    here.reader.reboot()
    assert order(here, "release") == {"output_0": True}


def test_a_reader_gets_its_own_key_only_inside_a_channel(key):
    here = door(options={**key, "default_key": True})
    assert here.read("default_key") == {"default_key": True}
    assert order(here, "set_key") == {"default_key": False}
    assert here.reader.key == KEY
    assert here.read("secure", "default_key") == {"secure": True, "default_key": False}
    plain = door(options={**key, "sc_required": False}, default_key=False)
    with pytest.raises(DeviceRefused, match="only in a secure channel"):
        order(plain, "set_key")
    assert plain.reader.key is None
    with pytest.raises(DeviceRefused, match="no key is configured"):
        order(door(), "set_key")
    assert KEY not in b"".join(here.sent + plain.sent)


def test_cards_that_come_with_the_answer_to_an_order_wait_for_the_next_poll():
    here = door()
    here.read("online")
    here.reader.card(26, CARD)
    here.back = lose(1)
    with pytest.raises(DeviceSilent):
        here.poll()
    assert order(here, "release") == {"output_0": True}  # its talk has fetched the lost reply
    assert [made.code for made in here.poll()] == ["card"]


def another_panels(here, code, data=b""):
    """The reader answers the next command by what it told another panel before."""

    def wire(raw):
        asked = parse(here.sent[-1])
        here.back = clean
        return build(Frame(asked.address, True, asked.sequence, code, data))

    here.back = wire


def test_an_answer_to_something_else_is_no_answer():
    here = door()
    here.read("tamper")
    another_panels(here, 0x45, bytes(12))
    assert here.read("tamper") == {"tamper": False}
    assert here.codes()[-3:] == ["64", "61", "64"]


def test_an_order_is_not_done_because_the_reader_said_something_else():
    here = door()
    here.read("tamper")
    another_panels(here, 0x48, bytes(2))
    with pytest.raises(FrameDamaged, match="OUT was answered by LSTATR"):
        order(here, "release")
    assert here.codes().count("68") == 1
    here.read("tamper")
    assert here.codes().count("68") == 1


def test_what_nobody_has_fetched_is_bounded():
    here = door()
    here.read("online")
    transaction = here.device.plan(["online"])[0]
    for _ in range(32):
        here.reader.card(26, CARD)
        talk = here.device.exchange(transaction)
        talk.reader.feed(here.reader.receive(talk.request, 0))  # heard, and its talk given up
    here.reader.card(26, CARD)
    assert code_of(here.device.exchange(transaction).request) == "61"  # not one more before these are told
    assert len(here.poll()) == 32
    assert [made.code for made in here.poll()] == ["card"]


def test_no_key_is_ever_shown(key):
    here = door(options=key, key=KEY)
    here.read("online")
    plan = here.device.command("set_key", {})
    shown = repr(
        (plan, here.device._session.security, here.device._teller._telling, vars(here.device._session))
    )
    assert repr(KEY)[2:-1] not in shown
    assert KEY.hex() not in shown
