import base64
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DriverError, FrameDamaged
from drivers.onvif import service
from drivers.onvif.discovery import MAX_DATAGRAM, matches, probe
from drivers.onvif.markup import parse, text
from drivers.onvif.soap import LOGIN_REFUSED, Login, body_of, envelope, password_digest
from simulators import camera as sim

AT = datetime(2026, 9, 21, 10, 27, 41, 500_000, tzinfo=UTC)
REACHED = "http://10.0.0.9:8080/onvif/device_service"


def test_a_login_crosses_as_a_digest_that_anybody_can_reckon():
    sent = envelope("<x/>", login=Login("a<b", "geheim"), created=AT, nonce=b"0123456789abcdef")
    root = parse(sent)
    wanted = hashlib.sha1(b"0123456789abcdef" + b"2026-09-21T10:27:41.500Z" + b"geheim").digest()
    token = ("Header", "Security", "UsernameToken")
    assert text(root, *token, "Password") == base64.b64encode(wanted).decode()
    assert text(root, *token, "Username") == "a<b"
    assert b"geheim" not in sent
    assert "geheim" not in repr(Login("a", "geheim"))


def test_the_digest_of_the_onvif_guide():
    """ONVIF Application Programmer's Guide, 6.1.1.3."""
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert password_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_a_fault_says_whether_it_is_the_login():
    with pytest.raises(DeviceRefused, match="Sender not authorized") as caught:
        body_of(sim.fault("ter:NotAuthorized", "Sender not authorized").encode())
    assert caught.value.code == LOGIN_REFUSED
    with pytest.raises(DeviceRefused) as caught:
        body_of(sim.fault("ter:ActionNotSupported", "no").encode())
    assert caught.value.code != LOGIN_REFUSED
    with pytest.raises(FrameDamaged):
        body_of(b"<html/>")


@pytest.mark.parametrize(
    ("given_", "rewritten"),
    [
        ("http://192.168.7.7/onvif/media?x=1", "http://10.0.0.9:8080/onvif/media?x=1"),
        ("http://192.168.7.7:99/a", "http://10.0.0.9:8080/a"),
        ("http://10.0.0.9:81/a", "http://10.0.0.9:81/a"),
        ("https://admin:pw@evil.example/a#b", "http://10.0.0.9:8080/a"),
        ("rtsp://user:pw@192.168.7.7:8554/s", "rtsp://10.0.0.9:8554/s"),
        ("rtsp://192.168.7.7/s", "rtsp://10.0.0.9/s"),
    ],
)
def test_addresses_are_put_on_the_host_that_was_reached(given_, rewritten):
    assert service.rewritten(given_, REACHED) == rewritten


@pytest.mark.parametrize("wrong", ["", "file:///etc/passwd", "http://x:99999/", "gopher://x/"])
def test_an_address_that_is_none_is_damage(wrong):
    with pytest.raises(FrameDamaged):
        service.rewritten(wrong, REACHED)


def test_a_pull_point_keeps_its_reference_parameters():
    inside = (
        "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
        "<wsa:Address>http://192.168.7.7/pull</wsa:Address><wsa:ReferenceParameters>"
        '<d:SubscriptionId xmlns:d="http://maker.example/d&quot;x">7&lt;</d:SubscriptionId></wsa:ReferenceParameters>'
        "</tev:SubscriptionReference><wsnt:TerminationTime>2026-09-21T10:29:41Z</wsnt:TerminationTime>"
        "</tev:CreatePullPointSubscriptionResponse>"
    )
    point = service.read_pull_point(body_of(sim.envelope(inside).encode()), REACHED)
    assert point.url == "http://10.0.0.9:8080/pull"
    assert point.until == datetime(2026, 9, 21, 10, 29, 41, tzinfo=UTC)
    root = parse(
        envelope("<x/>", created=AT, nonce=b"", header=service.addressed("a", point.url, point.header))
    )
    assert text(root, "Header", "SubscriptionId") == "7<"


@pytest.mark.parametrize("year", ["0", "", "99999", "9999", "1969", "-1", "x"])
def test_a_time_that_is_none_is_damage(year):
    xml = sim.envelope(sim.Camera(clock=lambda: AT)._time().replace("2026", year))
    with pytest.raises(FrameDamaged, match="time"):
        service.read_time(body_of(xml.encode()))


READ = [
    service.read_time,
    service.read_identity,
    service.read_profiles,
    service.read_uri,
    service.read_messages,
    lambda body: service.read_services(body, REACHED),
    lambda body: service.read_pull_point(body, REACHED),
]
CAMERA = sim.Camera(clock=lambda: AT)
ANSWERS = [
    sim.envelope(made).encode()
    for made in (CAMERA._time(), CAMERA._information(), CAMERA._capabilities(), CAMERA._subscribe())
]


@given(st.sampled_from(ANSWERS), st.sampled_from(READ), st.integers(0, 2000), st.binary(max_size=6))
def test_a_damaged_answer_is_read_or_an_error_of_the_drivers(answer, read, place, noise):
    raw = answer[: place % len(answer)] + noise + answer[place % len(answer) + len(noise) :]
    try:
        read(body_of(raw))
    except DriverError as err:
        assert str(err)  # noqa: PT017


def test_who_answers_a_probe():
    answer = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        b' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"><e:Body><d:ProbeMatches><d:ProbeMatch>'
        b"<w:EndpointReference><w:Address>urn:uuid:1</w:Address></w:EndpointReference>"
        b"<d:Scopes>onvif://www.onvif.org/name/Lobby%20west onvif://www.onvif.org/hardware/DS-2</d:Scopes>"
        b"<d:XAddrs>http://10.0.0.9/onvif/device_service file:///etc javascript:x</d:XAddrs>"
        b"</d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
    )
    (found,) = matches(answer)
    assert found.addresses == ("http://10.0.0.9/onvif/device_service",)
    assert (found.name, found.hardware, found.id) == ("Lobby west", "DS-2", "urn:uuid:1")
    assert text(parse(probe("u-1")), "Header", "MessageID") == "uuid:u-1"
    with pytest.raises(FrameDamaged):
        matches(b" " * (MAX_DATAGRAM + 1))
