from datetime import UTC, datetime, timedelta

import pytest

from drivers.errors import Misconfigured
from drivers.listen_check import words
from drivers.profile import Profile, Signal
from drivers.sia_dc09 import crypto
from drivers.sia_dc09.driver import Dc09Driver
from drivers.sia_dc09.frames import encode, parse, parse_body, stamp
from messages.types import Severity
from tests.support.fire import NOW, shipped

PROFILE = shipped("sia-dc09-panel")
KEY = bytes(range(16))


def pad(count):
    return bytes(range(count))


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "panel.key"
    file.write_text(KEY.hex() + "\n")
    return str(file)


def session(account="1234", profile=PROFILE, **options):
    return Dc09Driver(pad).session({account: (profile, options)}, {})


def hear(body, peer=None, now=NOW):
    (heard,) = (peer or session()).feed(encode(body.encode()), now)
    return heard


def cipher(rest, token="SIA-DCS", key=KEY, number=1):
    return f'"*{token}"{number:04}R1L0#1234[{crypto.encrypt(rest, key, pad)}'


def reply(heard):
    return parse(heard.reply).body.decode()


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        ('"NULL"0007R0L0#1234', '"ACK"0007R0L0#1234[]'),
        ('"NULL"0007L77#1234', '"ACK"0007L77#1234[]'),
        ('"SIA-DCS"9999R579BDFL789ABC#1234', '"ACK"9999R579BDFL789ABC#1234[]'),
        ('"XNM"0007L0#1234', '"ACK"0007L0#1234[]'),
        ('"ACR-SF"0007L0#1234', '"DUH"0007L0#1234[]'),
    ],
)
def test_the_answer_repeats_what_was_sent_and_no_more(head, answer):
    assert reply(hear(f"{head}[]")) == answer


def test_leading_zeros_make_another_account():
    heard = hear('"NULL"0001L0#01234[]')
    assert heard.source == "01234"
    assert (heard.reply, heard.refuse) == (b"", b"")


def test_an_account_that_stands_only_in_the_data():
    heard = hear('"SIA-DCS"0001L0[#1234|NRP]')
    assert heard.source == "1234"
    assert reply(heard) == '"ACK"0001L0[]'


@pytest.mark.parametrize(
    ("body", "told", "part"),
    [
        ("[#1234|Nri1/BA501]", ["burglary raised"], "1/501"),
        ("[#1234|Nri1/BR501]", ["burglary cleared", "zone_trouble cleared"], "1/501"),
        ("[#1234|NFM7]", ["fire raised"], "7"),
        ("[#1234|NFS7]", ["fire_supervisory raised"], "7"),
        ("[#1234|NFV7]", ["fire_supervisory cleared"], "7"),
        ("[#1234|NFR7]", ["fire cleared", "fire_trouble cleared", "fire_supervisory cleared"], "7"),
        ("[#1234|NXH7]", ["comms cleared"], "7"),
        ("[#1234|NEA7]", ["burglary raised"], "7"),
        ("[#1234|NLE]", ["other"], ""),
        ("[1234|NFA7]", ["fire raised"], "7"),
        ("[#1234|NRP]", ["test"], ""),
        ("[#1234|NQQ1]", ["other"], "1"),
        ("[#1234|??]", ["other"], ""),
        ("[#1234|NBA1/TA2]", ["burglary raised", "tamper raised"], "1"),
    ],
)
def test_sia_events(body, told, part):
    heard = hear(f'"SIA-DCS"0001L0#1234{body}')
    assert words(heard.happenings) == told
    assert heard.happenings[0].part == part


@pytest.mark.parametrize(
    ("event", "told", "part"),
    [
        ("1110 01 015", ["fire raised"], "01/015"),
        ("3110 01 015", ["fire cleared"], "01/015"),
        ("6110 01 015", ["fire raised"], "01/015"),
        ("1205 01 015", ["fire_supervisory raised"], "01/015"),
        ("1401 01 015", ["armed"], "01/015"),
        ("3401 01 015", ["armed"], "01/015"),
        ("1602 00 000", ["test"], "00/000"),
        ("1999 01 015", ["other"], "01/015"),
        ("110 01 015", ["other"], ""),
    ],
)
def test_contact_id_events(event, told, part):
    heard = hear(f'"ADM-CID"0001L0#1234[#1234|{event}]')
    assert words(heard.happenings) == told
    assert heard.happenings[0].part == part


def test_extended_data_and_the_time_of_occurrence():
    heard = hear(
        f'"SIA-DCS"0001L0#1234[#1234|NBA1][H10:00:00,09-21-2026][Vhttp://x/1][X093W23.456]{stamp(NOW)}'
    )
    (alarm,) = heard.happenings
    assert alarm.at == datetime(2026, 9, 21, 10, tzinfo=UTC)
    assert "verification http://x/1" in alarm.detail
    assert "longitude 093W23.456" in alarm.detail
    assert "clock" not in alarm.detail


@pytest.mark.parametrize(
    ("seconds", "mark"),
    [(20, ""), (-40, ""), (21, "21 s ahead"), (-41, "41 s behind"), (86400 * 3650, "s ahead")],
)
def test_a_clock_outside_of_the_window_is_marked_and_the_event_passed_on(seconds, mark):
    at = NOW + timedelta(seconds=seconds)
    heard = hear(f'"SIA-DCS"0001L0#1234[#1234|NFA1]{stamp(at)}')
    assert words(heard.happenings) == ["fire raised"]
    assert heard.happenings[0].at == at
    assert (mark in heard.happenings[0].detail) is True
    assert ("clock" in heard.happenings[0].detail) == bool(mark)
    assert reply(heard).startswith('"ACK"')


def test_a_stamp_that_cannot_be_read_is_marked():
    (alarm,) = hear('"SIA-DCS"0001L0#1234[#1234|NFA1]_99:00:00,01-01-2026').happenings
    assert alarm.at is None
    assert "cannot be read" in alarm.detail


def test_a_wrong_crc_or_length_gets_no_answer():
    raw = encode(b'"NULL"0001L0#1234[]')
    for changed, word in ((raw.replace(b"[]", b"[x]"), "CRC"), (raw[:5] + b"0FFF" + raw[9:], "length")):
        (heard,) = session().feed(changed, NOW)
        assert (heard.source, heard.reply, heard.happenings) == ("", b"", ())
        assert word in heard.label
        assert heard.wrong


def test_a_body_that_is_none_gets_no_answer():
    heard = hear('"what')
    assert (heard.source, heard.reply, heard.wrong) == ("", b"", True)


def test_a_message_of_nobody_is_not_understood():
    heard = hear('"NULL"0001L0[]')
    assert (reply(heard), heard.wrong) == ('"DUH"0001L0[]', True)
    assert not hear('"NULL"0001L0#1234[]').wrong


def test_an_encrypted_event_gets_an_encrypted_answer(key_file):
    peer = session(key_file=key_file)
    heard = hear(cipher(f"#1234|Nri1/FA12]{stamp(NOW)}"), peer)
    assert words(heard.happenings) == ["fire raised"]
    answer = parse_body(parse(heard.reply).body)
    assert (answer.token, answer.encrypted, answer.sequence) == ("ACK", True, "0001")
    assert (answer.receiver, answer.line, answer.account) == ("1", "0", "1234")
    assert crypto.decrypt(answer.data, KEY) == f"]{stamp(NOW)}"


def test_a_repeat_is_the_same_whatever_its_padding(key_file):
    peer = session(key_file=key_file)
    rest = f"#1234|NFA12]{stamp(NOW)}"
    one = hear(cipher(rest), peer)
    other = f'"*SIA-DCS"0001R1L0#1234[{crypto.encrypt(rest, KEY, lambda count: b"z" * count)}'
    two = hear(other, peer)
    assert one.happenings[0].evidence != two.happenings[0].evidence
    assert (one.number, one.raw) == (two.number, two.raw)


def test_without_a_time_the_same_again_may_be_another():
    """A panel that starts anew counts from one: its next fire must not be taken for its last."""
    assert hear('"SIA-DCS"0001L0#1234[#1234|NFA1]').number == ""
    assert hear(f'"SIA-DCS"0001L0#1234[#1234|NFA1]{stamp(NOW)}').number == "0001"


def test_an_encrypted_link_test(key_file):
    heard = hear(cipher(f"]{stamp(NOW)}", "NULL", number=0), session(key_file=key_file))
    assert (heard.source, heard.happenings, heard.label) == ("1234", (), "*NULL 0000")
    assert parse_body(parse(heard.reply).body).encrypted


@pytest.mark.parametrize("key", [b"x" * 16, b"y" * 32])
def test_another_key_is_refused_and_told(key_file, key):
    heard = hear(cipher(f"#1234|NFA1]{stamp(NOW)}", key=key), session(key_file=key_file))
    assert words(heard.happenings) == ["refused"]
    assert reply(heard) == f'"NAK"0000R1L0#1234[]{stamp(NOW)}'


def test_an_encrypted_message_without_a_time_is_refused(key_file):
    heard = hear(cipher("#1234|NFA1]_never"), session(key_file=key_file))
    assert words(heard.happenings) == ["refused"]


def test_without_a_key_nothing_can_be_decrypted():
    assert words(hear(cipher(f"#1234|NFA1]{stamp(NOW)}")).happenings) == ["refused"]


def test_who_has_a_key_must_use_it_unless_the_site_says_otherwise(key_file):
    plain = '"SIA-DCS"0001L0#1234[#1234|NFA1]'
    assert words(hear(plain, session(key_file=key_file)).happenings) == ["refused"]
    assert words(hear(plain, session(key_file=key_file, plain=True)).happenings) == ["fire raised"]


def test_several_accounts_of_one_peer():
    peer = Dc09Driver(pad).session({"1": (PROFILE, {}), "2": (PROFILE, {})}, {})
    raw = b"".join(encode(f'"NULL"000{number}L0#{number}[]'.encode()) for number in (1, 2))
    assert [heard.source for heard in peer.feed(raw, NOW)] == ["1", "2"]
    assert list(peer.tick(NOW)) == []


def made(**signals):
    return Profile(
        profile="test-panel",
        vendor="Test",
        model="Panel",
        device_class="intrusion",
        protocol="sia-dc09",
        signals={
            name: Signal(on=on, label="x", severity=Severity.LOW, alarm_class="intrusion")
            for name, on in signals.items()
        },
        examples=(),
        source=("test",),
    )


OTHER = {"message": "other"}


@pytest.mark.parametrize(
    ("signals", "fault"),
    [
        ({}, "no event may be lost"),
        ({"a": OTHER, "b": OTHER}, "has 2"),
        ({"other": OTHER, "a": {}}, "needs sia or cid codes"),
        ({"other": OTHER, "a": {"sia": ["BA"], "message": "refused"}}, "needs sia or cid codes"),
        (
            {"other": OTHER, "a": {"sia": ["BA"]}, "b": {"sia_end": ["BA"], "cid": ["1xx"]}},
            "BA belongs to a already",
        ),
        ({"other": OTHER, "a": {"sia": ["BA"], "sia_end": ["BR"], "once": True}}, "has no end"),
        ({"other": OTHER, "a": {"sia": ["ba"]}}, "two capital letters"),
        ({"other": OTHER, "a": {"cid": ["11"]}}, "x for any"),
    ],
)
def test_signals_that_cannot_be(signals, fault):
    with pytest.raises(Misconfigured, match=fault):
        Dc09Driver().check(made(**signals))


def test_a_whole_number_comes_before_a_pattern():
    profile = made(other=OTHER, burglary={"cid": ["1xx"]}, fire={"cid": ["110"]})
    assert words(hear('"ADM-CID"0001L0#1234[#1234|1110 00 001]', session(profile=profile)).happenings) == [
        "fire raised"
    ]


def test_keys_and_accounts_that_cannot_be(tmp_path, monkeypatch):
    file = tmp_path / "short.key"
    file.write_text("0011")
    with pytest.raises(Misconfigured, match="32, 48 or 64 hex digits") as caught:
        session(key_file=str(file))
    assert "0011" not in str(caught.value)
    monkeypatch.setenv("PANEL_KEY", KEY.hex())
    assert Dc09Driver().source(PROFILE, {"address": "12ab", "key_env": "PANEL_KEY"}) == "12AB"
    with pytest.raises(Misconfigured, match="is missing"):
        Dc09Driver().source(PROFILE, {})
    with pytest.raises(Misconfigured, match="hex digits"):
        Dc09Driver().source(PROFILE, {"address": "#12"})


def test_explain_names_everything():
    text = Dc09Driver().explain(
        encode(b'"SIA-DCS"0001R1L0#1234[#1234|Nri1/BA01^Hall^][Vx]_10:00:00,01-01-2026')
    )
    for part in (
        "sequence 0001",
        "receiver 1",
        "BA burglary alarm",
        "area 1",
        "'Hall'",
        "2026-01-01T10:00:00",
        "Vx",
    ):
        assert part in text
    assert "wrong, right would be" in Dc09Driver().explain(b'\n0000000F"NULL"0001L0#1[]\r')
    assert "event 110 fire" in Dc09Driver().explain(encode(b'"ADM-CID"0001L0#1[#1|1110 00 001]'))


def test_a_peer_costs_no_second_reading_of_the_same_profile():
    """A panel comes with a connection for each message, and a receiver may serve a hundred."""
    driver = Dc09Driver()
    panels = {f"{number:04X}": (PROFILE, {}) for number in range(3)}
    one, other = driver.session(panels, {}), driver.session(panels, {})
    assert len({id(account.signals) for each in (one, other) for account in each._accounts.values()}) == 1
