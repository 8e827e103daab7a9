"""Lines of cameras, as people write them in the site file."""

import pytest

from gateway.cameras.place import Cameras
from gateway.site.config import load_site
from gateway.site.listening import Source
from tests.support.sitefile import problems, site_at

TEXT = """\
site: s
gateway: gw
broker: {url: "mqtt://127.0.0.1:1883", username: gw, password_file: secrets/gw-a}
lines:
  - id: lobby
    camera: {evidence: 5, at_once: 1, heard_within: 90s}
    options: {username: admin, password_file: secrets/gw-a}
    devices:
      - {id: cam-1, profile: onvif-camera, address: 192.168.1.64}
      - {id: cam-2, profile: onvif-camera, address: "https://192.168.1.65/onvif/device_service", heard_within: never}
"""


def test_cameras_lie_beside_what_listens(tmp_path):
    site = load_site(site_at(tmp_path, TEXT))
    (lobby,) = site.listening
    assert lobby.ear.place == Cameras(tmp_path / "state" / "cameras", 1, 5)
    assert lobby.ear.sources == {
        "cam-1": Source("http://192.168.1.64:80/onvif/device_service", 90.0),
        "cam-2": Source("https://192.168.1.65:443/onvif/device_service", None),
    }
    assert lobby.devices[0].options["password_file"] == str(tmp_path / "secrets" / "gw-a")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "    camera:",
            "    tcp: 10.0.0.1:80\n    camera:",
            "a line with `camera` has no `tcp`, `serial` or `listen`",
        ),
        ("https://192.168.1.65/onvif/device_service", "192.168.1.64:80", "as cam-1 is"),
        ("address: 192.168.1.64", 'address: "http://a:geheim@192.168.1.64/"', "and no login"),
        ("secrets/gw-a}\n    devices", "secrets/none}\n    devices", "cannot be read"),
        (
            "cam-1, profile: onvif-camera",
            "cam-1, profile: sia-dc09-panel",
            "is no camera: put it on a line without",
        ),
        ("camera: {evidence: 5", "camera: {evidence: 0", "evidence"),
        (
            "camera: {evidence: 5, at_once: 1, heard_within: 90s}",
            "listen: {at: '127.0.0.1:1'}",
            "give its line `camera`",
        ),
        (
            "camera: {evidence: 5, at_once: 1, heard_within: 90s}",
            "tcp: 127.0.0.1:1",
            "give its line `camera`",
        ),
        ("heard_within: 90s", "heard_within: 1s", "write 5s to 168h"),
    ],
)
def test_a_mistake_is_named(tmp_path, old, new, words):
    assert TEXT.count(old) >= 1
    found = problems(tmp_path, TEXT.replace(old, new))
    assert any(words in problem for problem in found), found
    assert not any("geheim" in problem for problem in found)
