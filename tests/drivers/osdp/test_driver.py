import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Transaction
from drivers.errors import Misconfigured
from drivers.osdp.address import Options
from drivers.osdp.codes import Command, Reply
from drivers.osdp.credentials import Telling
from drivers.osdp.driver import OsdpDriver, Query
from drivers.osdp.talk import _record, said
from drivers.profile import Action, Event, Example, Point, Profile, Signal, When
from messages.types import Quality
from tests.support.long import amount
from tests.support.osdp import KEY, PROFILE, door

DRIVER = OsdpDriver()


def made(**fields):
    return msgspec.structs.replace(PROFILE, **fields)


def reply(code, *data, status=0):
    return bytes(8) + bytes((status,)) + b"".join(_record(0, code, part) for part in data)


def decode(name, at, payload):
    device = DRIVER.device(
        made(points={name: Point(label=name, at=at)}, events={}, actions={}, signals={}), 0, {}
    )
    return device.decode(device.plan([name])[0], payload)[name]


@pytest.mark.parametrize(
    ("at", "code", "data", "value", "quality"),
    [
        ({"status": "tamper"}, 0x48, "0100", True, "good"),
        ({"status": "power"}, 0x48, "0100", False, "good"),
        ({"status": "tamper"}, 0x48, "01", None, "bad.range"),
        ({"status": "input", "number": 2}, 0x49, "000001", True, "good"),
        ({"status": "input", "number": 2, "invert": True}, 0x49, "000001", False, "good"),
        ({"status": "input"}, 0x49, "02", None, "bad.device"),
        ({"status": "input", "code": True}, 0x49, "02", 2, "good"),
        ({"status": "input", "number": 3}, 0x49, "000001", None, "bad.refused"),
        ({"status": "output", "number": 1}, 0x4A, "0001", True, "good"),
        ({"status": "reader"}, 0x4B, "02", 2, "good"),
        ({"identity": "serial"}, 0x45, "5A4243010101000000000100", 1, "good"),
        ({"identity": "firmware"}, 0x45, "5A4243010101000000020103", 2001003, "good"),
        ({"identity": "model"}, 0x45, "5A42430101", None, "bad.range"),
        ({"capability": 9}, 0x46, "010104090103", 1, "good"),
        ({"capability": 9, "part": "number"}, 0x46, "010104090103", 3, "good"),
        ({"capability": 4}, 0x46, "010104", None, "bad.refused"),
        ({"capability": 4}, 0x46, "0101", None, "bad.range"),
        ({"status": "tamper"}, 0x49, "0100", None, "bad.device"),
    ],
)
def test_a_point_is_what_the_reply_says_or_unknown_with_a_reason(at, code, data, value, quality):
    found = decode("p", at, reply(code, bytes.fromhex(data)))
    assert (found.value, found.quality.value) == (value, quality)


def test_the_session_tells_whether_it_is_secure():
    assert decode("p", {"session": "secure"}, reply(0x40, b"", status=1)).value is True
    assert decode("p", {"session": "default_key"}, reply(0x40, b"", status=3)).value is True
    assert decode("p", {"session": "secure"}, reply(0x40, b"", status=4)).value is False
    refused = decode("p", {"status": "tamper"}, bytes(8) + b"\x04")
    assert (refused.value, refused.quality) == (None, Quality.REFUSED)


@settings(max_examples=amount(40, 2000))
@given(st.binary(max_size=40))
def test_any_payload_is_read_or_is_none(payload):
    found = said(payload)
    device = DRIVER.device(PROFILE, 0, {})
    for transaction in device.plan(PROFILE.points):
        readings = device.decode(transaction, payload)
        assert set(readings) == set(transaction.points)
        assert all((one.value is None) == one.quality.bad for one in readings.values())
        assert found is not None or not device.happenings(transaction, payload)


# -- what is told of a person -------------------------------------------------------------------------------

RAW = bytes.fromhex("00011A00") + ((18 << 17 | 13398 << 1) << 6).to_bytes(4, "big")


def test_by_default_nothing_of_a_card_is_told_but_its_size():
    text, evidence = Telling().card(Reply.RAW, RAW)
    assert (text, evidence) == ("26 bits", RAW[:4])


def test_a_keyed_hash_tells_the_same_card_at_any_reader_and_nothing_else():
    telling = Telling("hash", b"secret")
    text, evidence = telling.card(Reply.RAW, RAW)
    assert text.startswith("26 bits, credential ")
    assert evidence == RAW[:4]
    assert telling.card(Reply.RAW, b"\x05" + RAW[1:])[0] == text
    assert (
        telling.card(Reply.RAW, RAW[:-1] + bytes((RAW[-1] | 0x3F,)))[0] == text
    )  # what fills up the last byte
    assert telling.card(Reply.RAW, RAW[:-2] + b"\0\0")[0] != text
    assert Telling("hash", b"another").card(Reply.RAW, RAW)[0] != text
    assert telling.card(Reply.FMT, b"\0\0\x03ABC")[0].startswith("3 characters, credential ")


def test_in_clear_a_card_is_told_as_printed_on_it():
    telling = Telling("clear")
    assert telling.card(Reply.RAW, RAW) == ("26 bits, facility 18, card 13398", RAW)
    odd = RAW[:4] + bytes((RAW[4] ^ 0x80,)) + RAW[5:]
    assert telling.card(Reply.RAW, odd)[0] == f"26 bits, data {odd[4:].hex().upper()}"
    assert telling.card(Reply.FMT, b"\0\0\x03ABC")[0] == "3 characters, ABC"
    assert telling.card(Reply.RAW, RAW[:-1]) is None


def test_what_a_smart_card_holds_comes_in_parts_and_is_told_once_and_without_its_content():
    card = Signal(on={"smartcard": True}, label="x", severity="low", alarm_class="x")
    here = door(profile=made(signals={"card": card}), options={"credential": "clear"})
    here.read("online")
    here.reader.smartcard(bytes(range(200)))
    told = [*here.poll(), *here.poll()]
    assert [(one.detail, one.evidence, one.part) for one in told] == [("200 bytes of PIVDATAR", b"\x80", "")]


def test_what_was_typed_is_never_told():
    for how in ("hash", "clear", "none"):
        text, evidence = Telling(how, b"k").keys(b"\x00\x041234")
        assert text == "4 keys"
        assert b"1234" not in evidence


def test_the_site_says_what_is_told(monkeypatch, tmp_path):
    (tmp_path / "hash").write_text("a secret of this site\n")
    here = door(options={"credential_key_file": str(tmp_path / "hash")})
    here.read("online")
    here.reader.card(26, RAW[4:])
    [told] = here.poll()
    assert "credential" in told.detail
    assert told.part == "reader 0"
    assert RAW[4:] not in told.evidence


# -- what a site and a profile may say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "options", "words"),
    [
        (None, {}, "options.address: give"),
        (127, {}, "0 to 126"),
        (1, {"address": "2"}, "give one of them"),
        (1, {"address": "x"}, "options.address"),
        (1, {"sc_required": True}, "options.sc_required"),
        (1, {"key_env": "OSDP_NOT_SET"}, "OSDP_NOT_SET"),
        (1, {"key_file": "/nowhere/key"}, "options.key_file"),
        (1, {"key_file": "a", "key_env": "b"}, "not both"),
        (1, {"credential": "hash"}, "credential_key_file"),
        (1, {"colour": "red"}, "colour"),
    ],
)
def test_options_that_cannot_work_are_named(unit, options, words):
    with pytest.raises(Misconfigured, match=words):
        DRIVER.device(PROFILE, unit, options)


def test_the_key_that_everybody_knows_is_used_only_where_it_rings():
    assert DRIVER.device(PROFILE, 0, {"default_key": True})
    with pytest.raises(Misconfigured, match="no alarm for it"):
        DRIVER.device(made(events={}), 0, {"default_key": True})


def test_a_key_that_is_none_is_never_shown(tmp_path):
    file = tmp_path / "key"
    file.write_text("00112233445566778899AABBCCDDEE")  # one byte short
    with pytest.raises(Misconfigured, match="32 hex digits") as caught:
        DRIVER.device(PROFILE, 0, {"key_file": str(file)})
    assert "0011" not in str(caught.value)
    file.write_text(KEY.hex() + "\n")
    assert DRIVER.device(PROFILE, 0, {"key_file": str(file)})


def test_an_address_may_be_given_either_way():
    assert DRIVER.device(PROFILE, 0, {}).exchange(Transaction((), Query(Command.LSTAT))).key == b"\x53\x00"
    device = DRIVER.device(PROFILE, None, {"address": "126", "framing": "rtu"})
    assert device.exchange(Transaction((), Query(Command.LSTAT))).key == b"\x53\x7e"


def test_the_check_of_a_frame_may_be_a_checksum_and_the_mark_left_out():
    here = door(options={"check": "checksum", "mark": False})
    assert here.read("tamper") == {"tamper": False}
    assert all(raw[0] == 0x53 and not raw[4] & 4 for raw in here.sent)


STATE = {"label": "x", "kind": "state"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"points": {"p": Point(**STATE, at={})}}, "points.p.at: needs exactly one"),
        ({"points": {"p": Point(**STATE, at={"status": "tamper", "session": "online"})}}, "exactly one"),
        ({"points": {"p": Point(**STATE, at={"status": "tamper", "number": 1})}}, "points.p.at.number"),
        ({"points": {"p": Point(**STATE, at={"session": "online", "invert": True})}}, "points.p.at.invert"),
        ({"points": {"p": Point(label="x", at={"status": "tamper"})}}, "points.p.kind"),
        ({"points": {"p": Point(label="x", exp=2, at={"status": "reader"})}}, "points.p.exp"),
        (
            {
                "points": {"p": Point(label="x", at={"status": "reader"})},
                "events": {
                    "e": Event(label="x", severity="low", alarm_class="x", when=When(point="p", is_=True))
                },
            },
            "events.e.when",
        ),
        (
            {
                "points": {"p": Point(**STATE, at={"status": "tamper"})},
                "signals": {"s": Signal(on={"card": "any"}, label="x", severity="low", alarm_class="x")},
            },
            "signals: need a point of the session",
        ),
        (
            {
                "signals": {
                    "s": Signal(
                        on={"report": "tamper", "number": 1}, label="x", severity="low", alarm_class="x"
                    )
                }
            },
            "signals.s.on.number",
        ),
        (
            {
                "signals": {
                    "s": Signal(
                        on={"report": "tamper", "reader": 1}, label="x", severity="low", alarm_class="x"
                    )
                }
            },
            "signals.s.on.reader",
        ),
        ({"signals": {"s": Signal(on={}, label="x", severity="low", alarm_class="x")}}, "signals.s.on"),
        (
            {"actions": {"a": Action(label="x", at={"output": {"on": True, "seconds": 0}})}},
            "actions.a.at.output.seconds",
        ),
        ({"options": {"key": "00"}}, "options"),
        ({"examples": (Example(reply="53000800046000"),)}, r"examples\[0\]: length field"),
        ({"examples": (Example(reply="530008000560DA99"),)}, "is a command"),
        (
            {"examples": (Example(reply="53800A0005480100ABF4", expect={"tamper": False}),)},
            "expect.tamper: is False",
        ),
        (
            {"examples": (Example(reply="53800A0005480100ABF4", expect={"serial": "1"}),)},
            "not told by LSTATR",
        ),
        ({"examples": (Example(reply="53801000055000011A0012345640D661"),)}, "happens: the reply says card"),
    ],
)
def test_a_profile_that_cannot_work_is_told_by_place(fields, words):
    base = {
        "points": PROFILE.points,
        "events": {},
        "signals": {},
        "actions": {},
        "examples": (),
        "firmware": None,
    }
    if any("happens" in word for word in [words]):
        base["signals"] = PROFILE.signals
    with pytest.raises(Misconfigured, match=words):
        DRIVER.check(made(**{**base, **fields}))


@pytest.mark.parametrize(
    ("at", "args", "code", "data"),
    [
        ({"output": {"on": True, "seconds": 5}}, {}, 0x68, "00053200"),
        ({"output": {"on": False, "number": 1, "seconds": 0.1}}, {}, 0x68, "01060100"),
        ({"output": {"on": True}}, {}, 0x68, "00020000"),
        ({"output": {"on": False}}, {}, 0x68, "00010000"),
        ({"led": {"color": "red"}}, {}, 0x69, "0000010000000000000101000100"),
        (
            {"led": {"color": "amber", "seconds": 1.5, "off_100ms": 3}},
            {},
            0x69,
            "00000201030300" + "0F00" + "0000000000",
        ),
        ({"buzzer": {"silent": True}}, {}, 0x6A, "0001020201"),
        ({"display": {"text": "Hello", "seconds": 9}}, {}, 0x6B, "00030901010548656C6C6F"),
        ({"comset": True}, {"address": "1", "baud": "9600"}, 0x6E, "0180250000"),
    ],
)
def test_an_action_is_the_command_of_the_standard(at, args, code, data):
    device = DRIVER.device(made(actions={"a": Action(label="x", at=at)}), 0, {})
    ask = device.command("a", args).write.block.ask
    assert (ask.code, ask.data.hex().upper(), ask.effect) == (code, data, True)


@pytest.mark.parametrize(
    ("at", "args"),
    [
        ({"output": {"on": True}}, {"x": "1"}),
        ({"comset": True}, {"address": "1"}),
        ({"comset": True}, {"address": "127", "baud": "9600"}),
        ({"comset": True}, {"address": "1", "baud": "9601"}),
        ({"comset": True}, {"address": "-1", "baud": "9600"}),
    ],
)
def test_an_order_that_cannot_be_given_is_refused(at, args):
    device = DRIVER.device(made(actions={"a": Action(label="x", at=at)}), 0, {})
    with pytest.raises(Misconfigured):
        device.command("a", args)


def test_a_reader_is_set_to_another_address_and_says_so():
    profile: Profile = made(actions={"a": Action(label="x", at={"comset": True})})
    here = door(profile=profile)
    plan = here.device.command("a", {"address": "5", "baud": "38400"})
    assert said(here.carry(here.device.exchange(plan.write))).answers == (
        (0x54, bytes.fromhex("0500960000")),
    )


def test_the_options_of_the_schema_are_those_of_the_driver():
    assert DRIVER.address_types()[2] is Options
