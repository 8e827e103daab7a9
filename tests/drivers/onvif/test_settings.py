import msgspec
import pytest

from drivers.errors import FrameDamaged, Misconfigured
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.session import CameraSession
from drivers.onvif.settings import Signals, camera_of, place_of
from drivers.profile import Signal
from messages.types import Edge, Severity
from tests.support.fire import NOW, shipped

NOTE = (
    '<n:NotificationMessage xmlns:n="http://docs.oasis-open.org/wsn/b-2" xmlns:t="http://www.onvif.org/ver10/schema">'
    '<n:Topic>{topic}</n:Topic><n:Message><t:Message UtcTime="2026-09-21T10:27:41Z"{operation}>'
    '<t:Source><t:SimpleItem Name="{name}" Value="{part}"/></t:Source>'
    '<t:Data><t:SimpleItem Name="{item}" Value="{value}"/></t:Data></t:Message></n:Message></n:NotificationMessage>'
)


def heard(topic, item, value, *, operation="Changed", name="Source", part="1"):
    operation = f' PropertyOperation="{operation}"' if operation else ""
    xml = NOTE.format(topic=topic, item=item, value=value, operation=operation, name=name, part=part)
    (message,) = CameraSession("c", shipped("onvif-camera")).feed(xml.encode(), NOW)
    return [(each.code, each.edge, each.part, each.state) for each in message.happenings]


@pytest.mark.parametrize(
    ("topic", "item", "value", "operation", "found"),
    [
        ("tns1:RuleEngine/TamperDetector/Tamper", "IsTamper", "true", "Changed", ("tampered", Edge.RAISED)),
        (
            "a:RuleEngine/b:TamperDetector/c:Tamper",
            "istamper",
            "FALSE",
            "Initialized",
            ("tampered", Edge.CLEARED),
        ),
        (
            "tns1:VideoSource/ImageTooDark/ImagingService",
            "State",
            "1",
            "Initialized",
            ("too_dark", Edge.RAISED),
        ),
        ("tns1:VideoSource/ImageTooDark/ImagingService", "State", "1", "Deleted", ("too_dark", Edge.CLEARED)),
        ("tns1:RecordingConfig/JobState", "State", "Error", "Changed", ("recording_gap", Edge.RAISED)),
        ("tns1:RecordingConfig/JobState", "State", "Active", "Changed", ("recording_gap", Edge.CLEARED)),
        ("tns1:RuleEngine/LineDetector/Crossed", "ObjectId", "7", "", ("line_crossed", Edge.PULSE)),
        ("tns1:RuleEngine/LineDetector/Crossed", "ObjectId", "7", "Initialized", None),
        ("tns1:Monitoring/ProcessorUsage", "Value", "50", "Changed", None),
        ("tns1:VideoSource/ImageTooDark/ImagingService", "State", "perhaps", "Changed", None),
    ],
)
def test_what_notifications_mean(topic, item, value, operation, found):
    assert [(code, edge) for code, edge, _, _ in heard(topic, item, value, operation=operation)] == (
        [] if found is None else [found]
    )


def test_the_parts_of_a_camera_are_alarms_of_their_own():
    told = heard("tns1:Device/Trigger/DigitalInput", "LogicalState", "true", name="InputToken", part="2")
    assert told == [("input", Edge.RAISED, "2", True)]


@pytest.mark.parametrize("year", ["0001", "1900", "9999"])
def test_a_time_that_no_clock_says_is_none(year):
    xml = NOTE.format(
        topic="a:VideoSource/ImageTooDark/x", item="State", value="1", operation="", name="S", part="1"
    )
    (message,) = CameraSession("c", shipped("onvif-camera")).feed(
        xml.replace("2026-09", f"{year}-09").encode(), NOW
    )
    assert [happening.at for happening in message.happenings] == [None]


def test_a_document_without_notification_is_damage():
    with pytest.raises(FrameDamaged):
        CameraSession("c", shipped("onvif-camera")).feed(b"<a/>", NOW)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.168.1.64", ("192.168.1.64", 80, False, "/onvif/device_service")),
        ("cam.local:8080", ("cam.local", 8080, False, "/onvif/device_service")),
        ("https://[fe80::1]/x/y", ("fe80::1", 443, True, "/x/y")),
    ],
)
def test_where_a_camera_is(address, place):
    assert place_of(address) == place


@pytest.mark.parametrize(
    "address", ["", "admin:secret@10.0.0.1", "ftp://x", "http://x:99999", "a b", "http://"]
)
def test_an_address_that_is_none_or_holds_a_login_is_refused_without_showing_it(address):
    with pytest.raises(Misconfigured) as caught:
        place_of(address)
    assert "secret" not in str(caught.value)


def test_passwords_come_from_a_file_and_are_never_shown(tmp_path):
    (tmp_path / "p").write_text("geheim\n")
    options = {"address": "10.0.0.1", "username": "admin", "password_file": str(tmp_path / "p")}
    camera = camera_of(shipped("onvif-camera"), options)
    assert camera.password == "geheim"
    assert "geheim" not in repr(camera)
    for wrong in (
        {"username": "admin"},
        {"password_file": str(tmp_path / "p")},
        {"rtsp_url": "rtsp://a:b@c/"},
    ):
        with pytest.raises(Misconfigured):
            camera_of(shipped("onvif-camera"), {"address": "10.0.0.1", **wrong})


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ({}, "needs `topics`, or else"),
        ({"topics": ["a"], "own": "identity"}, "needs `topics`, or else"),
        ({"topics": ["a"], "begins": ["x"], "ends": ["X"]}, "cannot both begin and end"),
        ({"topics": ["tns1:RuleEngine/TamperDetector/Tamper"]}, "belongs to tampered already"),
        ({"topic": "a"}, "topic"),
    ],
)
def test_signals_that_cannot_be_are_refused(on, words):
    profile = shipped("onvif-camera")
    signal = Signal(on=on, label="x", severity=Severity.LOW, alarm_class="camera")
    with pytest.raises(Misconfigured, match=words):
        Signals(msgspec.structs.replace(profile, signals={**profile.signals, "x": signal}))


def test_a_profile_with_an_unknown_fact_or_an_action_is_refused():
    profile = shipped("onvif-camera")
    point = msgspec.structs.replace(profile.points["online"], at={"of": "colour"})
    with pytest.raises(Misconfigured, match=r"points\.online\.at"):
        OnvifDriver().check(msgspec.structs.replace(profile, points={"online": point}))
