"""Against siadc09, another implementation of the standard: its messages heard by ours, ours read by it."""

import pytest
from siadc09 import account, message, siadcs

from drivers.listen_check import words
from drivers.sia_dc09.driver import Dc09Driver
from tests.support.fire import NOW, shipped

PROFILE = shipped("sia-dc09-panel")
KEYS = [None, bytes(16), bytes(range(24)), bytes(range(32))]
AT = NOW.replace(microsecond=0)


def event(key, text, **context):
    theirs = account.Account(acct=0x1234, key=key, **context)
    data = siadcs.DataDcsGroup(text.encode())
    config = {"idtoken": "SIA-DCS", "seqno": 17, "data": data, "timestamp": AT}
    return theirs, message.EventMessage(theirs, config)


def receiver(key, tmp_path):
    options = {}
    if key is not None:
        file = tmp_path / "key"
        file.write_text(key.hex())
        options = {"key_file": str(file)}
    return Dc09Driver().session({"1234": (PROFILE, options)}, {})


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(len(key or b"")))
@pytest.mark.parametrize("context", [{}, {"rcvr": 0x579BDF, "pref": 0x789ABC}])
def test_its_events_are_heard_and_our_answer_is_read(key, context, tmp_path):
    theirs, sent = event(key, "#1234|Nri1/FA12", **context)
    (heard,) = receiver(key, tmp_path).feed(sent.encode(), NOW)
    assert words(heard.happenings) == ["fire raised"]
    assert heard.happenings[0].at == AT
    answer = message.parse_frame(heard.reply, key)
    assert isinstance(answer, message.AckMessage)
    assert (answer.seq, answer.encrypted) == (17, key is not None)
    assert (answer.account.acct, answer.account.pref, answer.account.rcvr) == (
        theirs.acct,
        theirs.pref,
        theirs.rcvr,
    )


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(len(key or b"")))
def test_its_link_tests_are_answered(key, tmp_path):
    sent = message.NullMessage(account.Account(acct=0x1234, key=key), AT)
    (heard,) = receiver(key, tmp_path).feed(sent.encode(), NOW)
    assert (heard.source, heard.happenings) == ("1234", ())
    assert isinstance(message.parse_frame(heard.reply, key), message.AckMessage)


def test_it_reads_our_refusal_with_our_time(tmp_path):
    _, sent = event(bytes(16), "#1234|NFA12")
    (heard,) = receiver(bytes(32), tmp_path).feed(sent.encode(), NOW)
    answer = message.parse_frame(heard.reply)
    assert isinstance(answer, message.NakMessage)
    assert answer.timestamp == AT


def test_it_reads_that_we_do_not_speak_its_message(tmp_path):
    theirs = account.Account(acct=0x1234)
    sent = message.EventMessage(
        theirs, {"idtoken": "SCN-S8", "seqno": 3, "data": siadcs.DataDcsGroup(b"12345")}
    )
    (heard,) = receiver(None, tmp_path).feed(sent.encode(), NOW)
    assert isinstance(message.parse_frame(heard.reply), message.DuhMessage)
    assert words(heard.happenings) == ["other"]
