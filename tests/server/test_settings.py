"""Settings: strict, and an error names the place and the mend."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.settings import (
    ExternalBroker,
    Settings,
    SettingsError,
    broker_address,
    check,
    host_port,
    load,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "server.yaml"
    path.write_text(text, "utf-8")
    return path


def test_nothing_given_is_a_server_on_this_machine_only():
    settings = check(Settings())
    assert (settings.http.host, settings.http.port, settings.embedded.host) == (
        "127.0.0.1",
        8080,
        "127.0.0.1",
    )


def test_a_whole_file(tmp_path):
    path = write(
        tmp_path,
        """
data_dir: state
http: {host: 0.0.0.0, port: 80, https: true}
broker: {url: "mqtts://broker.example:8883", username: srv, password_file: secrets/srv, ca_file: ca.pem}
timezone: Europe/London
log: json
samples_days: 400
records_days: 180
""",
    )
    settings = load(path)
    assert settings.data == tmp_path / "state"
    assert isinstance(settings.broker, ExternalBroker)
    assert (settings.samples_days, settings.records_days) == (400, 180)
    assert settings.broker.password_file == str(tmp_path / "secrets/srv")
    assert settings.broker.ca_file == str(tmp_path / "ca.pem")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/srv").write_text("top secret\n")
    address = broker_address(settings.broker)
    assert (address.username, address.password, address.tls) == ("srv", "top secret", True)
    assert "top secret" not in repr(address)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("data_dri: x", "data_dri"),
        ("http: {port: 70000}", r"\$\.http\.port"),
        ("http: {port: '80'}", r"\$\.http\.port"),
        ("broker: mosquitto", r"\$\.broker"),
        ("broker: {url: 'http://x'}", "broker.url: .*mqtt://"),
        ("broker: {url: 'mqtt://u:secret@x'}", "broker.url: a password does not belong in a URL"),
        ("broker: {url: 'mqtt://x', password_file: a, password_env: B}", "not both"),
        ("timezone: Mars/Olympus", "timezone: .* no IANA zone"),
        ("log: xml", r"\$\.log"),
        ("log: text\nlog: json", "line 2: log is given twice"),
        ("http: &a {port: 1}\nembedded: *a", "line 2: .*alias"),
        ("http: [1", "line 1"),
        ("- 1", "Expected `object`"),
        ("http: !!python/object:os.system {}", "line 1"),
        ("x" * 300_000, "larger than 256 KiB"),
        ("\u0007: 1", "special characters"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, why):
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match=why) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "secret@" not in str(caught.value)


def test_a_missing_file_and_a_missing_secret(tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="nowhere"):
        load(tmp_path / "nowhere.yaml")
    with pytest.raises(SettingsError, match=r"broker\.password_file"):
        broker_address(ExternalBroker(url="mqtt://x", password_file=str(tmp_path / "none")))
    monkeypatch.delenv("GH_NONE", raising=False)
    with pytest.raises(SettingsError, match="GH_NONE is not set"):
        broker_address(ExternalBroker(url="mqtt://x", password_env="GH_NONE"))
    monkeypatch.setenv("GH_ONE", "word")
    assert broker_address(ExternalBroker(url="mqtt://x", password_env="GH_ONE")).password == "word"


@given(st.text(max_size=30))
def test_host_and_port_or_a_clear_no(text):
    good = re.fullmatch(r"(.+):([0-9]+)", text, re.DOTALL)
    if good and int(good[2]) <= 65535:
        assert host_port(text, "--http") == (good[1].strip("[]"), int(good[2]))
    else:
        with pytest.raises(SettingsError, match=r"^--http: "):
            host_port(text, "--http")


def test_addresses():
    assert host_port("127.0.0.1:0", "x") == ("127.0.0.1", 0)
    assert host_port("[::1]:8080", "x") == ("::1", 8080)
