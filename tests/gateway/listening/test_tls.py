"""Listening lines with TLS on real sockets: who is served, who is turned away and told of once, new certificates."""

import asyncio
import logging
import os
import socket
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

import gateway.listening.listener
import gateway.listening.peers
import gateway.listening.tls
from gateway.site.listening import Socket, TlsFiles
from tests.support.certificates import made, trusting
from tests.support.gateway import START
from tests.support.toylisten import install, line, listening

LOCAL = "127.0.0.1"
AUTHORITY, OTHERS = made("site"), made("others")
LONG = {"begins": datetime(2020, 1, 1, tzinfo=UTC), "days": 40 * 365}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 0.05)
    for name, seconds in (("REOPEN_S", 0.01), ("STOP_S", 0.05), ("CLOSE_S", 0.05)):
        monkeypatch.setattr(gateway.listening.listener, name, seconds)


@pytest.fixture
def files(tmp_path):
    made("gw", AUTHORITY, **LONG).write(tmp_path, "gw")
    return TlsFiles(tmp_path / "gw.crt", tmp_path / "gw.key")


def secured(files, **limits):
    return line("host", place=Socket(LOCAL, 0, tls=files), **limits)


async def peer(heart, context=None, **more):
    return await asyncio.open_connection(LOCAL, heart.port, ssl=context, **more)


async def say(stream, *lines):
    """Say lines and return what is answered, whatever the time is told between."""
    reader, writer = stream
    writer.write("".join(f"{each}\n" for each in lines).encode())
    answers = []
    while len(answers) < len(lines):
        answer = (await reader.readline()).decode().strip()
        assert answer, "the connection has ended"
        answers += [answer] if answer != "time" else []
    return answers


class _Heard(logging.Handler):
    def __init__(self, words):
        super().__init__()
        self.words, self.event = words, asyncio.Event()

    def emit(self, record):
        if self.words in record.getMessage():
            self.event.set()


@contextmanager
def logged(words):
    """Give an event that comes when the gateway's log holds these words."""
    handler = _Heard(words)
    logging.getLogger("gateway").addHandler(handler)
    try:
        yield handler.event
    finally:
        logging.getLogger("gateway").removeHandler(handler)


async def gone(stream):
    """Return once we are cut off."""
    reader, writer = stream
    try:
        while await reader.read(100):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    writer.close()


async def test_a_peer_speaks_under_tls_as_it_would_without(files):
    async with listening(secured(files, burst_messages=1e6, burst_bytes=1e6)) as heart:
        stream = await peer(heart, trusting(AUTHORITY))
        assert await say(stream, "host 1 fire on", "host 2 temp 21.5") == ["ok 1", "ok 2"]
        assert stream[1].get_extra_info("ssl_object").version() == "TLSv1.3"
        long = [f"host {number} card now {'x' * 150}" for number in range(3, 1000)]
        assert await say(stream, *long) == [f"ok {number}" for number in range(3, 1000)]
        stream[1].close()
    assert [event.code for event in heart.recorder.edges][:2] == ["fire", "card"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it speaks HTTP without TLS here: let it send to https://"),
        (b"host 1 fire on\n", "what it sends is no TLS: let it use TLS"),
        (b"@@\x01\x00\x01\x02" + bytes(40), "what it sends is no TLS: let it use TLS"),
    ],
)
async def test_who_speaks_without_tls_is_turned_away_and_told_of_once(files, said, words, caplog):
    async with listening(secured(files)) as heart:
        for _ in range(2):
            stream = await peer(heart)
            stream[1].write(said)
            await gone(stream)
        assert heart.count("refused") == 2
        other = await peer(heart, trusting(AUTHORITY))
        assert await say(other, "host 1 fire on") == ["ok 1"]
        other[1].close()
    assert caplog.text.count(words) == 1
    assert len(heart.recorder.edges) == 1


async def test_who_begins_and_says_nothing_is_cut_off_and_holds_nobody_up(files, monkeypatch, caplog):
    async with listening(secured(files)) as heart:
        stream = await peer(heart, trusting(AUTHORITY))
        monkeypatch.setattr(gateway.listening.tls, "HANDSHAKE_S", 0.05)
        slow = [await peer(heart) for _ in range(3)]
        slow[1][1].write(b"\x16\x03\x01")
        assert await say(stream, "host 1 fire on") == ["ok 1"]
        for each in slow:
            await gone(each)
        assert await say(stream, "host 2 fire off") == ["ok 2"]
        stream[1].close()
    assert caplog.text.count("no TLS handshake within 0.05 s") == 1


async def test_handshakes_count_as_connections(files):
    async with listening(secured(files, per_host=2)) as heart:
        slow = [await peer(heart) for _ in range(2)]
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await peer(heart, trusting(AUTHORITY))
        assert heart.count("turned_away") == 1
        for each in slow:
            each[1].close()


async def test_who_may_not_speak_comes_to_no_handshake(files):
    async with listening(secured(files, allow=(ip_network("10.0.0.0/8"),))) as heart:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await peer(heart, trusting(AUTHORITY))
        assert (heart.count("turned_away"), heart.count("refused")) == (1, 0)


async def test_a_peer_that_leaves_in_the_handshake_is_no_fault(files, caplog):
    caplog.set_level(logging.INFO, "gateway.listening.tls")
    async with listening(secured(files)) as heart:
        with logged("left in the middle") as left:
            stream = await peer(heart)
            stream[1].write(b"\x16\x03\x01")
            stream[1].close()
            await left.wait()
        assert heart.count("refused") == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_gateway_that_stops_waits_for_no_handshake(files):
    async with listening(secured(files)) as heart:
        stream = await peer(heart)
        heart.listeners.lines[0].stop()
        await gone(stream)


@pytest.fixture
def strict(files, tmp_path):
    """A line whose peers need a certificate."""
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem())
    return TlsFiles(files.cert, files.key, tmp_path / "ca.crt")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_where_a_certificate_is_asked_for_only_its_holders_speak(strict, tmp_path, version, caplog):
    right = made("panel", AUTHORITY).write(tmp_path, "right")
    wrong = made("panel", OTHERS).write(tmp_path, "wrong")
    async with listening(secured(strict)) as heart:
        for shown in (None, wrong):
            context = trusting(AUTHORITY, shown=shown)
            context.maximum_version = version
            try:
                stream = await peer(heart, context)
            except (ConnectionError, ssl.SSLError):
                continue
            stream[1].write(b"host 1 fire on\n")
            await gone(stream)
        context = trusting(AUTHORITY, shown=right)
        context.maximum_version = version
        stream = await peer(heart, context)
        assert await say(stream, "host 1 fire on") == ["ok 1"]
        stream[1].close()
    assert "it shows no certificate, and client_ca_file asks for one" in caplog.text
    assert "its certificate is none of client_ca_file" in caplog.text
    assert len(heart.recorder.edges) == 1


def refusing(port, context):
    """Connect as a device that speaks TLS of its own and tells why it goes; return its error."""
    with socket.create_connection((LOCAL, port)) as plain, pytest.raises(ssl.SSLError) as caught:
        context.wrap_socket(plain, server_hostname=LOCAL)
    return caught.value


async def test_a_peer_that_does_not_trust_us_is_told_of(files):
    async with listening(secured(files)) as heart:
        with logged("it does not trust our certificate") as told:
            error = await asyncio.to_thread(refusing, heart.port, trusting(OTHERS))
            await told.wait()
    assert isinstance(error, ssl.SSLCertVerificationError)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_tls_before_1_2_is_refused(files):
    context = trusting(AUTHORITY)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(secured(files)) as heart:
        with logged("its TLS is older than 1.2") as told:
            await asyncio.to_thread(refusing, heart.port, context)
            await told.wait()


def shown_by(stream):
    return stream[1].get_extra_info("ssl_object").getpeercert(binary_form=True)


async def test_a_new_certificate_is_shown_to_new_peers_and_the_old_ones_stay(files, caplog):
    async with listening(secured(files)) as heart:
        first = await peer(heart, trusting(AUTHORITY))
        new = made("gw", AUTHORITY, **LONG)
        new.write(files.cert.parent, "new")
        os.replace(files.cert.parent / "new.crt", files.cert)  # and for a moment the key is the old one
        half = await peer(heart, trusting(AUTHORITY))
        again = await peer(heart, trusting(AUTHORITY))
        os.replace(files.cert.parent / "new.key", files.key)
        then = await peer(heart, trusting(AUTHORITY))
        assert shown_by(half) == shown_by(again) == shown_by(first) != shown_by(then)
        for number, stream in enumerate((first, half, again, then)):
            assert await say(stream, f"host {number} card now") == [f"ok {number}"]
            stream[1].close()
    assert caplog.text.count("the certificate before it is shown on") == 1


async def test_a_line_without_its_certificate_listens_once_it_is_there(files, caplog):
    kept = files.key.rename(files.key.with_suffix(".away"))
    with logged("does not listen: tls.key_file: ") as down:

        async def mend():
            await down.wait()
            kept.rename(files.key)

        mending = asyncio.get_running_loop().create_task(mend())
        async with listening(secured(files)) as heart:
            await mending
            stream = await peer(heart, trusting(AUTHORITY))
            assert await say(stream, "host 1 fire on") == ["ok 1"]
            stream[1].close()
    assert caplog.text.count("does not listen") == 1


async def test_a_key_that_everybody_may_read_is_told_of_at_the_start(files, caplog):
    files.key.chmod(0o644)
    async with listening(secured(files)) as heart:
        stream = await peer(heart, trusting(AUTHORITY))
        assert await say(stream, "host 1 fire on") == ["ok 1"]
        stream[1].close()
    assert caplog.text.count("everybody on this machine may read") == 1


async def test_that_a_certificate_ends_is_said_once_at_the_time(files, caplog):
    made("gw", AUTHORITY, begins=START - timedelta(days=1), days=32).write(files.cert.parent, "gw")
    times = [START]
    async with listening(secured(files), clock=lambda: times[-1]) as heart:
        for later in (0, 2, 2, 40, 41):
            times.append(START + timedelta(days=later))
            stream = await peer(heart, _careless())
            stream[1].close()
    assert caplog.text.count("the certificate expires in 29 days") == 1
    assert "has no effect" not in caplog.text  # what asyncio says of a peer that ends at once
    assert caplog.text.count("the certificate has expired on") == 1


def _careless():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
