"""Alerts in XML as cameras and terminals send them, in a form beside their pictures or alone: what is told of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from drivers.http_push.driver import HttpPushDriver
from simulators.http_push import request
from tests.support.fire import shipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOOR, ANPR, ACCESS = "gatehouse-demo-door-push", "hikvision-anpr-push", "hikvision-access-push"


def session(*, profile, names, **options):
    made = shipped(profile)
    return HttpPushDriver().session({name: (made, {}) for name in names}, {"auth": "none", **options})


def one(raw, peer):
    """Feed a request; return the answer's status and the messages."""
    heard = list(peer.feed(raw, NOW))
    return int(heard[-1].reply.split(b" ", 2)[1]), heard


def in_form(xml: str) -> bytes:
    return (
        b'--7e1\r\nContent-Disposition: form-data; name="anpr.xml"\r\nContent-Type: text/xml\r\n\r\n'
        + xml.encode()
        + b'\r\n--7e1\r\nContent-Disposition: form-data; name="picture"; filename="detectionPicture.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\xff{<\r\n--7e1--\r\n"
    )


def alert(**more):
    """An alert of a plate with other values in it."""
    xml = shipped(ANPR).examples[0].reply
    for name, value in more.items():
        before, _, rest = xml.partition(f"<{name}>")
        xml = f"{before}<{name}>{value}{rest[rest.index('</') :]}"
    return xml


def posted(xml):
    """An alert in a form with its picture, as the camera sends it."""
    kind = {"Content-Type": "multipart/form-data; boundary=7e1"}
    return request("/ISAPI/alarm", in_form(xml), headers=kind)


def test_a_plate_in_a_form_of_xml_is_told_with_its_lane_and_time():
    _, (heard,) = one(posted(alert()), session(profile=ANPR, names=("02:00:00:00:00:41",)))
    (told,) = heard.happenings
    assert (told.code, told.part, told.at) == ("vehicle_in", "1/1", NOW + timedelta(seconds=0.25))
    assert told.detail.endswith(
        "plate 沪A12345, confidence 97, vehicle vehicle, list allowList, sent again no"
    )
    assert json.loads(told.evidence)["ANPR"]["confidenceLevel"] == "97"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"vehicleListName": "blackList"}, "listed"),
        ({"vehicleListName": "blockList", "direction": "reverse"}, "listed"),
        ({"vehicleListName": "whiteList"}, "vehicle_in"),
        ({"vehicleListName": "otherList"}, "unknown_vehicle"),
        ({"vehicleListName": "otherList", "direction": "reverse"}, "vehicle_out"),
        ({"direction": "unknown"}, "vehicle"),
        ({"eventType": "VMD"}, "motion"),
        ({"eventType": "somethingNew"}, "other"),
    ],
)
def test_what_the_camera_says_of_a_vehicle_is_told(more, code):
    _, (heard,) = one(posted(alert(**more)), session(profile=ANPR, names=("02:00:00:00:00:41",)))
    assert [it.code for it in heard.happenings] == [code]


def test_a_camera_at_the_way_out_is_turned_round_in_the_site_file():
    out = {"alias": {"forward": "reverse", "reverse": "forward"}}
    for direction, code in (("forward", "vehicle_out"), ("reverse", "vehicle_in")):
        peer = session(profile=ANPR, names=("02:00:00:00:00:41",), **out)
        _, (heard,) = one(posted(alert(direction=direction)), peer)
        assert [it.code for it in heard.happenings] == [code]


def test_a_plate_that_is_hidden_is_nowhere(tmp_path):
    (tmp_path / "card").write_text("hash key")
    hidden = {"plates": "hash", "credential_key_file": str(tmp_path / "card")}
    xml = alert(licensePlate="A12345").replace(
        "<line>", "<originalLicensePlate>A12345</originalLicensePlate><line>"
    )
    _, (heard,) = one(posted(xml), session(profile=ANPR, names=("02:00:00:00:00:41",), **hidden))
    assert "A12345" not in heard.happenings[0].detail + heard.happenings[0].evidence.decode()
    assert "plate credential " in heard.happenings[0].detail


def test_a_message_without_a_mac_is_of_the_device_with_its_address():
    xml = alert().replace("macAddress", "otherAddress")
    _, (heard,) = one(posted(xml), session(profile=ANPR, names=("192.0.2.41",)))
    assert [it.code for it in heard.happenings] == ["vehicle_in"]


def test_one_event_is_the_same_in_json_and_in_xml():
    xml = next(it.reply for it in shipped(ACCESS).examples if it.reply.startswith("<"))
    names = ("02:00:00:00:00:05",)
    kind = {"Content-Type": "application/xml; charset=UTF-8"}
    _, (heard,) = one(request("/", xml.encode(), headers=kind), session(profile=ACCESS, names=names))
    said = {"majorEventType": 5, "subEventType": 75, "employeeNoString": "1007", "doorNo": 1, "serialNo": 260}
    head = {
        "macAddress": names[0],
        "dateTime": "2026-01-01T08:00:00+08:00",
        "eventType": "AccessControllerEvent",
    }
    same = json.dumps({**head, "AccessControllerEvent": {**said, "cardReaderNo": 1}}).encode()
    _, (other,) = one(request("/", same), session(profile=ACCESS, names=names))
    assert (heard.number, heard.happenings[0].code) == (other.number, other.happenings[0].code)
    assert heard.happenings[0].detail == other.happenings[0].detail
    assert b"somebody" not in heard.happenings[0].evidence


def test_devices_of_both_kinds_share_a_port():
    made = {"02:00:00:00:00:41": (shipped(ANPR), {}), "DP-1": (shipped(DOOR), {"path": ""})}
    peer = HttpPushDriver().session(made, {"auth": "none"})
    for raw, source in (
        (posted(alert()), "02:00:00:00:00:41"),
        (request("/events", b'{"panel":"DP-1","events":[]}'), "DP-1"),
    ):
        code, (heard,) = one(raw, peer)
        assert (code, heard.source) == (200, source)
