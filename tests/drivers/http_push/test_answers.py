"""What a device reads when its message is kept, by its profile; and kinds of which only something must be there."""

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.http_push.driver import HttpPushDriver
from drivers.http_push.explain import explain
from drivers.http_push.settings import STORED
from simulators.http_push import request
from tests.support.fire import shipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GATE, NAME = "vzenith-plate-push", "0f820000-d2dc0001"
PLATE = json.loads(shipped(GATE).examples[0].reply)


def asked(body, profile=GATE, name=NAME, kind="application/json", **options):
    """Push a body; return its answer and what is told of it."""
    devices = {name.upper(): (shipped(profile), {"auth": "none", **options})}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (heard,) = (
        HttpPushDriver().session(devices, {}).feed(request("/", raw, headers={"Content-Type": kind}), NOW)
    )
    return heard.reply.partition(b"\r\n\r\n")[2].decode(), heard


def test_a_camera_is_told_which_record_is_kept_and_opens_nothing():
    answer, heard = asked(PLATE)
    told = json.loads(answer)["Response_AlarmInfoPlate"]
    assert told == {
        "info": "no",
        "content": "retransfer_stop",
        "ContinuePushOffline": {"plateid": 21085, "continue": 1},
    }
    assert [(it.code, it.number) for it in heard.happenings] == [("vehicle_in", "21085@1767225600000")]


def test_what_has_no_number_gets_the_usual_answer():
    other = {"AlarmGioIn": {"result": {"TriggerResult": {"source": 1, "value": 1}}, "serialno": NAME}}
    answer, heard = asked(other)
    assert answer == STORED
    assert [(it.code, it.part) for it in heard.happenings] == [("input", "1")]


def test_a_heartbeat_in_a_form_is_heard_and_told_to_nobody():
    fields = {"device_name": "IVS", "user_name": "admin", "pass_wd": "letmein-7", "serialno": NAME}
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()
    )
    raw = f"{parts}--b--\r\n".encode()
    kind = "multipart/form-data; boundary=b"
    answer, heard = asked(raw, kind=kind)
    assert (answer, heard.source, heard.happenings) == (STORED, NAME.upper(), ())
    shown = explain(request("/", raw, headers={"Content-Type": kind}))
    assert "/pass_wd = (not shown)" in shown
    assert "letmein-7" not in shown


@pytest.mark.parametrize("way", ["in", "out"])
def test_a_camera_at_one_lane_is_told_by_the_site_file_which(way):
    for direction in range(5):
        plate = copy.deepcopy(PLATE)
        plate["AlarmInfoPlate"]["result"]["PlateResult"]["direction"] = direction
        _, heard = asked(plate, alias={str(number): way for number in range(5)})
        assert [it.code for it in heard.happenings] == [f"vehicle_{way}"]


def test_a_message_of_another_kind_is_told_and_not_taken_for_a_heartbeat():
    _, heard = asked({"SerialData": {"serialno": NAME, "data": "AA=="}})
    assert [it.code for it in heard.happenings] == ["other"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=50), st.lists, max_leaves=3))
def test_whatever_is_answered_is_json_and_short(value):
    body = {
        "AlarmInfoPlate": {"result": {"PlateResult": {"plateid": value, "direction": 4}}, "serialno": NAME}
    }
    answer, _ = asked(body)
    told = json.loads(answer)
    assert len(answer) < 1000
    assert told == {"result": "stored"} or told["Response_AlarmInfoPlate"]["info"] == "no"
