"""A gateway that its broker lets in and then ignores does not look like one that delivers."""

import asyncio
import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.answers import Answers, names_differ
from gateway.delivery.journal import Journal
from gateway.delivery.uplink import Uplink, UplinkSettings
from messages.broker import BrokerAddress
from messages.types import Birth, GatewayState, Lane
from server.embedded import Account, EmbeddedServer, hash_password
from server.settings import EmbeddedBroker
from tests.support.broker import free_port, listening
from tests.support.journal import sample
from tests.support.toyserver import ToyServer
from tests.support.uplink import ADDRESS, BOOT, QUICK
from tests.support.waiting import alongside, until

RULES = Path(__file__).parents[3] / "deploy" / "mosquitto" / "gatehouse.acl"
WORD = "a word for all"


def test_it_is_said_once_and_once_when_it_is_over(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    answers = Answers("gw-1", "gw-1", 60)
    answers.look(1000)
    answers.taken(1000)
    answers.taken(1050)
    answers.look(1059)
    assert (caplog.messages, answers.unanswered(1059)) == ([], 59)
    for now in (1060, 1070, 5000):
        answers.look(now)
    assert len(caplog.messages) == 1
    assert "the account is" not in caplog.text, "its name is right: it is something else"
    answers.answered()
    answers.answered()
    assert caplog.messages[1:] == ["uplink: the server answers again"]
    assert answers.unanswered(6000) == 0


def test_a_session_begins_with_nothing_owed(caplog: pytest.LogCaptureFixture):
    answers = Answers("gw-1", "gw-1", 60)
    answers.taken(0)
    answers.begin()
    answers.look(1000)
    assert caplog.messages == []


@given(st.text(min_size=1, max_size=80))
def test_another_name_is_told_in_one_printable_line(account: str):
    told = names_differ(account, "gw-1")
    assert bool(told) == (account != "gw-1")
    assert told.isprintable()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    """Mosquitto with the rules that are shipped; accounts `server`, `gw-1` and `box`."""
    program = shutil.which("mosquitto")
    if program is None:
        pytest.skip("no mosquitto: apt install mosquitto")
    port, users, rules = free_port(), tmp_path / "users", tmp_path / "rules.acl"
    for number, name in enumerate(("server", "gw-1", "box")):
        flags = ["-b"] if number else ["-c", "-b"]
        subprocess.run(["mosquitto_passwd", *flags, str(users), name, WORD], check=True)
    rules.write_bytes(RULES.read_bytes())
    for file in (users, rules):
        file.chmod(0o600)
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nacl_file {rules}\nuser root\n"
    )
    with subprocess.Popen(
        [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as broker:
        while not listening(port):
            assert broker.poll() is None, "mosquitto did not start"
        yield port
        broker.terminate()


def uplink_of(journal: Journal, port: int, account: str) -> Uplink:
    birth = Birth(
        site=ADDRESS.site,
        gateway=ADDRESS.gateway,
        at=sample(1).at,
        boot=BOOT,
        epoch=journal.epoch,
        config="sha256:" + "0" * 64,
    )
    return Uplink(
        journal,
        ADDRESS,
        BrokerAddress("127.0.0.1", port, account, WORD),
        boot=BOOT,
        birth=lambda: birth,
        state=lambda: GatewayState(online=True, boot=BOOT, epoch=journal.epoch),
        on_command=lambda _command: asyncio.sleep(0),
        settings=UplinkSettings(heartbeat_s=0.05, birth_again_s=0.05, unanswered_s=0.3),
    )


@pytest.mark.strangers
async def test_mosquitto_acknowledges_what_it_drops_and_the_gateway_says_so(
    mosquitto: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """The rules go by the account's name. Under another one all is granted and taken, and nothing arrives."""
    caplog.set_level(logging.INFO)
    server = ToyServer(BrokerAddress("127.0.0.1", mosquitto, "server", WORD))
    journal = await Journal.open(tmp_path / "journal.sqlite", grouping=QUICK)
    await journal.append(Lane.ALARM, [sample(1)])
    wrong, right = (uplink_of(journal, mosquitto, name) for name in ("box", "gw-1"))
    async with journal, alongside(server.run()):
        async with alongside(wrong.run()):
            await until(lambda: "nobody has answered" in caplog.text, within=20)
            assert (wrong.counts.puback > 0, server.payloads) == (True, {})
            assert wrong.unanswered_s >= 0.3
            assert "the account is 'box' and the gateway's id 'gw-1'" in caplog.text
        async with alongside(right.run()):
            assert await right.flush(20)
            assert right.unanswered_s == 0


async def test_a_broker_that_refuses_the_subscription_was_never_connected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """The embedded one answers a subscription that it refuses."""
    caplog.set_level(logging.INFO)
    others = Account("gw-1", ADDRESS._replace(site="elsewhere"), hash_password(WORD))
    broker = EmbeddedServer(tmp_path / "broker", EmbeddedBroker(port=0), lambda: [others])
    journal = await Journal.open(tmp_path / "journal.sqlite", grouping=QUICK)
    async with journal, alongside(broker.run()):
        await asyncio.wait_for(broker.ready.wait(), 20)
        uplink = uplink_of(journal, broker.port, "gw-1")
        async with alongside(uplink.run()):
            await until(lambda: "refuses a subscription" in caplog.text, within=20)
            assert not uplink.connected
            assert not any(message.endswith(": connected") for message in caplog.messages)
