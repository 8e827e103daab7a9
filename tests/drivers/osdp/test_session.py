"""The talk of a panel with a reader, whatever the wire does to it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DeviceSilent, DriverError, FrameDamaged
from drivers.osdp.frames import Frame, build
from tests.support.long import amount
from tests.support.osdp import KEY, clean, door, lose

CARD = bytes.fromhex("12345640")


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OSDP_TEST_KEY", KEY.hex())
    return {"key_env": "OSDP_TEST_KEY"}


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


def test_a_housing_that_was_open_for_a_moment_is_told_once():
    here = door()
    here.read("online", "tamper")
    here.reader.set_tamper(True)
    here.reader.set_input(0, 1)
    here.reader.set_tamper(True)
    here.reader.set_tamper(False)
    assert [made.code for made in here.poll()] == ["opened"]
    assert here.read("tamper") == {"tamper": False}
    here.reader.tamper = True  # and where only the reading tells it, a report of it is no news
    assert here.read("tamper") == {"tamper": True}
    here.reader.set_tamper(True)
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


def test_however_often_a_reply_is_lost_its_card_is_told_while_the_reader_remembers(key):
    here = door(options=key, key=KEY)
    here.read("online")
    here.reader.card(26, CARD)
    here.back = lose(100)
    for _ in range(100):
        here.device.exchange(here.device.plan(["online"])[0])  # made, and then others go first
        with pytest.raises(DeviceSilent):
            here.poll()
    assert [made.code for made in here.poll()] == ["card"]


def test_after_eight_seconds_without_an_answer_the_talk_begins_anew_at_0(key):
    here = door(options=key, key=KEY)
    here.read("tamper")
    here.there = lose(3)
    for _ in range(3):
        with pytest.raises(DeviceSilent):
            here.read("tamper")
        here.now_ms += 3000
    before = len(here.sent)
    assert here.read("tamper") == {"tamper": False}
    assert here.codes()[before:] == ["61", "76", "77", "64"]
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
    assert silences == 1
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


# -- hostile wires ------------------------------------------------------------------------------------------


@settings(max_examples=amount(25, 2000))
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


@settings(max_examples=amount(25, 2000))
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
