"""The talk of a panel with a reader, whatever the wire does to it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DeviceSilent, DriverError, FrameDamaged
from drivers.osdp.frames import Frame, build, parse
from tests.support.osdp import KEY, clean, code_of, door

CARD = bytes.fromhex("12345640")


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OSDP_TEST_KEY", KEY.hex())
    return {"key_env": "OSDP_TEST_KEY"}


def lose(count):
    """A wire that swallows the next `count` messages."""
    left = [count]

    def wire(data):
        if left[0] and data:
            left[0] -= 1
            return b""
        return data

    return wire


def test_a_reader_without_keys_is_read_in_clear():
    here = door()
    assert here.read("online", "secure", "default_key", "tamper", "power_fail", "input_0", "output_0") == {
        "online": True,
        "secure": False,
        "default_key": False,
        "tamper": False,
        "power_fail": False,
        "input_0": False,
        "output_0": False,
    }
    assert here.read("vendor", "serial", "firmware") == {
        "vendor": 0x5A4243,
        "serial": 4711,
        "firmware": 1004002,
    }
    here.reader.set_tamper(True)
    here.reader.set_input(0, 1)
    assert here.read("tamper", "input_0") == {"tamper": True, "input_0": True}


def test_sequence_numbers_begin_at_0_and_go_round_from_1_to_3():
    here = door()
    for _ in range(8):
        here.read("tamper")
    assert [raw[5] & 3 for raw in here.sent] == [0, 1, 2, 3, 1, 2, 3, 1, 2]


def test_a_reader_with_its_own_key_is_only_spoken_to_in_a_secure_channel(key):
    here = door(options=key, key=KEY, default_key=False, enforce=True)
    here.reader.set_tamper(True)
    assert here.read("secure", "default_key", "tamper") == {
        "secure": True,
        "default_key": False,
        "tamper": True,
    }
    assert here.reader.secure
    assert here.codes()[:3] == ["61", "76", "77"]
    assert all(raw[5] & 8 for raw in here.sent[1:])


def test_the_key_that_everybody_knows_is_used_only_where_the_site_allows_it(key):
    here = door(options={**key, "default_key": True})
    assert here.read("secure", "default_key") == {"secure": True, "default_key": True}
    there = door(options=key)
    assert there.read("secure", "default_key", "tamper") == {
        "secure": False,
        "default_key": False,
        "tamper": None,
    }


def test_where_a_channel_is_required_nothing_is_read_and_nothing_ordered_in_clear(key):
    here = door(options=key, key=bytes(16), default_key=False)
    [transaction] = here.device.plan(["tamper"])
    assert here.ask(transaction)[0]["tamper"].quality.bad
    with pytest.raises(DeviceRefused, match="secure channel"):
        here.carry(here.device.exchange(here.device.command("release", {}).write))
    assert set(here.codes()) == {"61", "76"}
    here.reader.key = KEY
    assert here.read("tamper", "secure") == {"tamper": False, "secure": True}


def test_where_it_is_not_required_a_reader_without_the_key_is_read_in_clear(key):
    here = door(options={**key, "sc_required": False}, key=bytes(16), default_key=False)
    assert here.read("secure", "tamper") == {"secure": False, "tamper": False}


def test_a_card_is_told_once_and_only_to_who_asks_for_it():
    here = door()
    here.read("online")  # from the first answer on, what happened is asked for
    here.reader.card(26, CARD)
    here.reader.keys(b"12")
    here.reader.maker(b"ABC", b"x")
    assert [made.code for made in here.poll()] == ["card", "keys"]
    assert here.poll() == ()


def test_a_tool_that_reads_points_fetches_no_card_away():
    here = door()
    here.reader.card(26, CARD)
    transaction = here.device.plan(["online"])[0]
    for _ in range(2):
        payload = here.carry(here.device.exchange(transaction))
        assert here.device.decode(transaction, payload)["online"].value is True
    assert here.reader.waiting == 1


def test_a_lost_reply_is_repeated_by_the_reader_and_counts_once():
    here = door()
    here.read("online")
    here.reader.card(26, CARD)
    here.back = lose(1)
    with pytest.raises(DeviceSilent):
        here.poll()
    assert here.reader.waiting == 0  # the reader has told it
    assert [made.code for made in here.poll()] == ["card"]
    assert here.sent[-2] == here.sent[-3]  # the very same command once more
    assert here.poll() == ()


def test_a_late_reply_counts_once_too():
    here = door()
    here.read("online")
    here.reader.card(26, CARD)
    transaction = here.device.plan(["online"])[0]
    exchange = here.device.exchange(transaction)
    late = here.reader.receive(exchange.request, 1)
    assert exchange.reader.feed(late) is not None  # heard after the talk was given up
    assert exchange.reader.feed(late) is None  # and a copy of it is nothing
    assert [made.code for made in here.poll()] == ["card"]
    assert here.poll() == ()


def test_after_too_many_losses_the_talk_begins_anew_at_0(key):
    here = door(options=key, key=KEY)
    here.read("tamper")
    here.there = lose(6)
    lost = 0
    while True:
        try:
            assert here.read("tamper") == {"tamper": False}
            break
        except DeviceSilent:
            lost += 1
    assert lost == 6
    assert here.reader.secure


def test_a_reader_that_answers_nothing_before_a_poll_is_polled_first(key):
    here = door(options=key, key=KEY, wants_poll=True)
    silences = 0
    while True:
        try:
            assert here.read("tamper", "secure") == {"tamper": False, "secure": True}
            break
        except DeviceSilent:
            silences += 1
    assert silences == 4
    assert here.poll() == ()


def test_a_card_shown_before_a_required_channel_is_up_is_not_believed(key):
    here = door(options=key, key=KEY, wants_poll=True)
    here.reader.card(26, CARD)
    for _ in range(5):
        with contextlib.suppress(DeviceSilent):
            assert here.poll() == ()
    assert here.read("secure") == {"secure": True}
    assert here.poll() == ()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_reader_that_has_lost_power_is_found_again_in_the_same_talk(key, sealed):
    here = door(options=key if sealed else {}, key=KEY, enforce=sealed)
    here.read("tamper")
    here.reader.reboot()
    assert here.read("tamper", "secure") == {"tamper": False, "secure": sealed}


def test_a_reader_that_heard_nothing_for_long_is_found_again(key):
    here = door(options=key, key=KEY)
    here.read("tamper")
    here.now_ms += 60_000
    assert here.read("tamper", "secure") == {"tamper": False, "secure": True}


def test_busy_is_waited_for_and_then_said():
    here = door()
    here.read("online")
    here.reader.busy = 2
    assert here.read("tamper") == {"tamper": False}
    assert here.pauses[-2:] == [0.05, 0.05]
    here.reader.busy = 9
    with pytest.raises(DeviceRefused) as caught:
        here.read("tamper")
    assert caught.value.busy
    here.reader.busy = 0
    assert here.read("tamper") == {"tamper": False}


def test_a_command_that_the_reader_does_not_know_is_a_refusal_of_its_address():
    here = door(knows=frozenset(range(256)) - {0x65})
    with pytest.raises(DeviceRefused, match="ISTAT refused: unknown command") as caught:
        here.read("input_0")
    assert (caught.value.address, caught.value.code) == (True, 3)
    assert here.read("tamper") == {"tamper": False}


# -- orders -------------------------------------------------------------------------------------------------


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
    assert here.reader.shown == [
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
    shown = repr((plan, here.device._session.security, here.device._telling, vars(here.device._session)))
    assert repr(KEY)[2:-1] not in shown
    assert KEY.hex() not in shown


# -- hostile wires ------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.data(), st.booleans())
def test_bits_that_flip_and_frames_that_are_lost_make_no_card_and_lose_none(data, sealed):
    """Whatever the wire does, each card is told once, in order, and nothing else is."""
    options = {"default_key": True, "sc_required": True} if sealed else {}
    here = door(options={**options, "credential": "clear"})
    here.read("online")
    shown, told = [], []

    def spoil(raw):
        what = data.draw(st.sampled_from(["clean", "clean", "lose", "flip", "noise", "double"]))
        if what == "lose" or not raw:
            return b""
        if what == "flip":
            place = data.draw(st.integers(0, 8 * len(raw) - 1))
            return raw[: place // 8] + bytes((raw[place // 8] ^ 1 << place % 8,)) + raw[place // 8 + 1 :]
        if what == "noise":
            return data.draw(st.binary(max_size=20)).replace(b"\x53", b"") + raw
        return raw + raw if what == "double" else raw

    for number in range(6):
        card = bytes((number, 0, 0, 0))
        here.reader.card(26, card)
        shown.append(card)
        here.there, here.back = clean, spoil
        for _ in range(2):
            with contextlib.suppress(DeviceSilent, FrameDamaged):
                told += [made.evidence[-4:] for made in here.poll()]
        here.there, here.back = clean, clean
        told += [made.evidence[-4:] for made in here.poll()]
    assert told == shown


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=64), max_size=8), st.booleans())
def test_hostile_bytes_are_never_a_card(portions, sealed):
    here = door(options={"default_key": True, "sc_required": True} if sealed else {})
    here.read("online")
    transaction = here.device.plan(["online"])[0]
    exchange = here.device.exchange(transaction)
    for portion in portions:
        try:
            assert exchange.reader.feed(portion) is None
        except DriverError:
            break
    assert here.poll() == ()


def test_a_card_in_clear_is_no_card_inside_a_secure_channel(key):
    """Who hangs on the pair of wires cannot show a card to the panel."""
    here = door(options=key, key=KEY)
    here.read("online")
    transaction = here.device.plan(["online"])[0]
    exchange = here.device.exchange(transaction)
    for sequence in range(4):
        forged = build(Frame(0, True, sequence, 0x50, b"\x00\x01\x1a\x00" + CARD))
        assert exchange.reader.feed(forged) is None
    assert here.poll() == ()


def test_a_talk_that_never_ends_is_cut_short():
    here = door()
    here.read("online")
    for _ in range(60):
        here.reader.card(26, CARD)
    assert len(here.poll()) == 8
    assert len(here.poll()) == 8


def test_too_much_noise_is_damage():
    here = door()
    exchange = here.device.exchange(here.device.plan(["online"])[0])
    with pytest.raises(FrameDamaged, match="without an answer"):
        for _ in range(10):
            exchange.reader.feed(bytes(1000))
