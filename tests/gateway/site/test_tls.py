"""The certificate of a listening line in the site file: what is wrong with it, and what is only unwise."""

import base64
import json
import os
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.site.config import load_site
from gateway.site.listening import TlsFiles
from gateway.site.tls import certificate_of, mark_of, notes_of
from tests.support.certificates import made
from tests.support.sitefile import problems, site_at

TLS = "tls: {cert_file: tls/gw.crt, key_file: tls/gw.key}"
TEXT = f"""\
site: s
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1883", username: gw, password_file: secrets/gw-a}}
lines:
  - id: doors
    listen: {{at: "127.0.0.1:8443", {TLS}}}
    devices: [{{id: door, profile: gatehouse-demo-door-push, address: DP-1, options: {{auth: none}}}}]
"""
AUTHORITY = made("site")


@pytest.fixture(scope="module")
def server():
    return made("gw", AUTHORITY)


@pytest.fixture
def folder(tmp_path, server):
    (tmp_path / "tls").mkdir()
    server.write(tmp_path / "tls", "gw")
    (tmp_path / "tls" / "ca.crt").write_bytes(AUTHORITY.pem())
    return tmp_path


def test_a_line_has_its_certificate_beside_the_site_file(folder):
    text = TEXT.replace("gw.key}", "gw.key, client_ca_file: tls/ca.crt}")
    (line,) = load_site(site_at(folder, text)).listening
    place = folder / "tls"
    assert line.ear.place.tls == TlsFiles(place / "gw.crt", place / "gw.key", place / "ca.crt")


def a_stranger(folder):
    (folder / "tls" / "gw.key").write_bytes(made("else").key_pem())


def locked(folder):
    how = serialization.BestAvailableEncryption(b"secret")
    (folder / "tls" / "gw.key").write_bytes(made("else").key_pem(how))


P256, SM2, UNKNOWN = (
    bytes.fromhex(f"0608{oid}") for oid in ("2a8648ce3d030107", "2a811ccf5501822d", "2a" * 8)
)


def on_curve(pem: bytes, curve: bytes) -> bytes:
    """Return a certificate or key whose public key says that it is on another curve."""
    name = re.search(rb"-----BEGIN ([A-Z ]+)-----", pem)[1]
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1])).replace(P256, curve)
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (name, base64.encodebytes(der), name)


def of_sm2(folder):
    (folder / "tls" / "gw.crt").write_bytes(on_curve(made("gw").pem(), SM2))


def of_no_curve(folder):
    (folder / "tls" / "gw.crt").write_bytes(on_curve(made("gw").pem(), UNKNOWN))


def a_key_of_sm2(folder):
    (folder / "tls" / "gw.key").write_bytes(on_curve(made("gw").key_pem(), SM2))


def of_version_nine(folder):
    pem = made("gw").pem()
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1])).replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\x09", 1)
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    (folder / "tls" / "gw.crt").write_bytes(text)


@pytest.mark.parametrize(
    ("spoil", "where", "words"),
    [
        (of_sm2, "cert_file", "of a kind that is not known here"),
        (of_no_curve, "cert_file", "of a kind that is not known here"),
        (of_version_nine, "cert_file", "no certificate in PEM"),
        (a_key_of_sm2, "key_file", "of a kind that is not known here"),
        (lambda folder: (folder / "tls" / "gw.crt").unlink(), "cert_file", "cannot be read: No such file"),
        (lambda folder: (folder / "tls" / "gw.key").unlink(), "key_file", "cannot be read: No such file"),
        (lambda folder: (folder / "tls" / "gw.crt").write_text("no"), "cert_file", "no certificate in PEM"),
        (lambda folder: (folder / "tls" / "gw.key").write_text("no"), "key_file", "no private key in PEM"),
        (
            lambda folder: (folder / "tls" / "ca.crt").write_text("no"),
            "client_ca_file",
            "no certificate in PEM",
        ),
        (lambda folder: os.replace(folder / "tls", folder / "x"), "cert_file", "cannot be read"),
        (a_stranger, "key_file", "does not fit the first certificate"),
        (locked, "key_file", "is protected by a password"),
    ],
)
def test_what_is_wrong_with_it_is_named(folder, spoil, where, words):
    spoil(folder)
    text = TEXT.replace("gw.key}", "gw.key, client_ca_file: tls/ca.crt}")
    (found,) = problems(folder, text)
    assert f"lines[0].listen.tls.{where}" in found
    assert words in found


@pytest.mark.parametrize("name", ["/dev/zero", "tls"])
def test_only_a_file_is_opened(folder, name):
    (found,) = problems(folder, TEXT.replace("tls/gw.crt", name))
    assert "is no file" in found


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "tls" / "pipe")
    (found,) = problems(folder, TEXT.replace("tls/gw.key", "tls/pipe"))
    assert "is no file" in found


@pytest.mark.parametrize(
    ("old", "new"),
    [('at: "127.0.0.1:8443"', 'at: "127.0.0.1:8443", transport: tcp+udp'), ('at: "127.0.0.1:8443", ', "")],
)
def test_tls_is_for_connections(folder, old, new):
    text = TEXT.replace(old, new)
    text = text if "at:" in new else text.replace("    listen", "    serial: /dev/ttyS9\n    listen")
    assert any("is for `at` with `transport: tcp` only" in found for found in problems(folder, text))


@pytest.mark.parametrize(
    ("begins", "days", "words"),
    [
        (timedelta(days=-1), 365, ""),
        (timedelta(days=-400), 365, "has expired on"),
        (timedelta(days=-340), 365, "expires in 24 days"),
        (timedelta(days=2), 365, "not valid before"),
    ],
)
def test_a_certificate_that_ends_is_told_of_and_used(folder, begins, days, words):
    now = datetime.now(UTC)
    made("gw", AUTHORITY, begins=now + begins, days=days).write(folder / "tls", "gw")
    (line,) = load_site(site_at(folder, TEXT)).listening
    assert [words in note for note in notes_of(line.ear.place.tls, now)] == ([True] if words else [])


def test_check_tells_of_a_key_that_everybody_may_read(folder):
    path = site_at(folder, TEXT)
    got = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).stdout)
    assert (got["notes"], got["listening"][0]["listens on"]) == ([], "127.0.0.1:8443 (TLS)")
    (folder / "tls" / "gw.key").chmod(0o644)
    (note,) = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).stdout)["notes"]
    assert note.startswith("line doors: everybody on this machine may read ")
    assert "note: line doors: everybody" in CliRunner().invoke(app, ["check", str(path)]).stdout


def test_a_file_written_anew_is_another(folder, server):
    files = TlsFiles(folder / "tls" / "gw.crt", folder / "tls" / "gw.key")
    before = mark_of(files)
    assert before == mark_of(files)
    renewed = folder / "new"
    renewed.write_bytes(server.pem())
    renewed.replace(files.cert)
    assert mark_of(files) != before
    files.cert.unlink()
    assert mark_of(files)[0] is None


def test_a_context_takes_no_old_tls(folder):
    context = certificate_of(TlsFiles(folder / "tls" / "gw.crt", folder / "tls" / "gw.key")).context
    assert context.minimum_version.name == "TLSv1_2"
