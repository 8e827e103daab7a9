"""The whole server as a process: embedded broker, ingest, API; stopped, killed, reloaded."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from messages import broker as mqtt
from messages.broker import BrokerLost, Publication
from messages.codec import decode_stored, encode
from messages.topics import Address
from messages.types import GatewayState, Lane, Stored
from server.db.engine import sqlite_engine
from tests.support.broker import free_port
from tests.support.ingest import GW, birth, nth, rows, stored_numbers, up
from tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


class Gateway:
    """The least of a gateway: publishes, and hears what is stored."""

    def __init__(self, session: mqtt.Session) -> None:
        self.session = session
        self.answers: asyncio.Queue[Stored] = asyncio.Queue()

    async def send(self, message) -> None:
        await self.session.publish(Publication(message.topic, message.payload))

    async def stored(self, through: int, lane: Lane = Lane.TELEMETRY) -> Stored:
        async with asyncio.timeout(20):
            while True:
                answer = await self.answers.get()
                if answer.lane is lane and answer.through >= through:
                    return answer


@contextlib.asynccontextmanager
async def gateway(url: str, password: str, address: Address = GW) -> AsyncIterator[Gateway]:
    where = mqtt.parse_url(url, username=address.gateway, password=password)
    async with mqtt.connect(where, client_id=f"gw-{address.gateway}") as session:
        made = Gateway(session)
        await session.subscribe([address.stored_filter, address.command_filter])

        async def listen() -> None:
            async for message in session.messages():
                message.ack()
                made.answers.put_nowait(decode_stored(message.payload))

        task = asyncio.create_task(listen(), name="gateway listens")
        try:
            yield made
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, BrokerLost):
                await task


@pytest.fixture
def server(tmp_path: Path):
    process = ServerProcess(tmp_path / "data")
    yield process
    process.stop()


async def test_one_batch_goes_all_the_way(server: ServerProcess):
    password = server.gateway(*GW)
    server.user("ann", "admin", "correct horse battery")
    server.start()
    assert httpx.get(f"{server.http}/health").json()["database"] == "ok"
    async with gateway(server.mqtt, password) as gw:
        await gw.session.publish(Publication(GW.birth, encode(birth("m-1")), retain=True))
        await gw.session.publish(
            Publication(GW.state, encode(GatewayState(online=True, boot="b1")), retain=True)
        )
        await gw.send(up(1, nth(1)))
        assert (await gw.stored(1)).epoch == "e1"
    api = httpx.Client(base_url=f"{server.http}/api/v1", headers={"x-csrf": "1"})
    with api:
        assert api.get("/devices").status_code == 401
        signed = api.post("/session", json={"username": "ann", "password": "correct horse battery"})
        assert signed.status_code == 200
        found = api.get("/devices").json()
        assert [d["id"] for d in found["devices"]] == ["m-1"]
        assert [g["id"] for g in found["gateways"]] == ["gw-a"]
        receipt = api.get("/gateways/gw-a/delivery")
        assert receipt.status_code == 200
    assert (server.data / "broker" / "users.conf").stat().st_mode & 0o777 == 0o600
    assert password not in (server.data / "broker" / "users.conf").read_text()
    server.stop()
    assert not (server.data / "run.json").exists()


async def test_a_gateway_may_only_touch_its_own_topics(server: ServerProcess):
    other = Address("garden", "gw-b")
    password = server.gateway(*GW)
    server.start()
    second = server.gateway(*other)  # while it runs: the broker reloads
    async with gateway(server.mqtt, password) as gw:
        with pytest.raises(BrokerLost, match="refuses a subscription"):
            await gw.session.subscribe([other.command_filter])
        # Acknowledged by the broker and dropped: a stranger learns nothing from it.
        await gw.send(up(1, nth(1), address=other))
        await gw.send(up(1, nth(1)))
        await gw.stored(1)
    async with asyncio.timeout(10):
        while True:
            try:
                async with gateway(server.mqtt, second, other) as gw:
                    await gw.send(up(2, nth(2), address=other))
                    answer = await gw.stored(0)
                    break
            except BrokerLost:
                await asyncio.sleep(0.05)  # the reload has no event that a client could see
    assert answer.through == 0, "batch 1 of gw-b was published by gw-a and must not have arrived"
    with pytest.raises(BrokerLost):
        async with gateway(server.mqtt, "wrong"):
            pass


async def test_the_broker_is_started_again_when_it_dies(server: ServerProcess):
    password = server.gateway(*GW)
    server.start()
    async with gateway(server.mqtt, password) as gw:
        await gw.send(up(1, nth(1)))
        await gw.stored(1)
    os.kill(server.told["broker_pid"], signal.SIGKILL)
    async with asyncio.timeout(20):
        while True:
            try:
                async with gateway(server.mqtt, password) as gw:
                    await gw.send(up(2, nth(2)))
                    await gw.stored(2)
                    break
            except BrokerLost:
                await asyncio.sleep(0.05)
    assert server.told["mqtt"] == server.mqtt


@pytest.mark.long(20)
async def test_killed_under_load_again_and_again_nothing_is_lost_or_doubled(server: ServerProcess):
    password = server.gateway(*GW)
    total, done = 400, 0
    for life in range(5):
        server.start()
        port = server.mqtt
        async with gateway(server.mqtt, password) as gw:
            last = total if life == 4 else done + 60 + 17 * life
            for seq in range(done + 1, last + 1):
                await gw.send(up(seq, nth(seq)))
            if life < 4:
                # Answers for some have come, commits of others are under way: now.
                done = max(done, (await gw.stored(done + 1)).through)
                server.kill()
            else:
                done = (await gw.stored(total)).through
        broker = server.told["broker_pid"]
        if life < 4:
            assert not _alive(broker), "the broker outlived its server"
    assert port == server.mqtt
    assert done == total
    server.stop()
    engine = sqlite_engine(server.data / "gatehouse.db")
    assert stored_numbers(engine) == list(range(1, total + 1))
    found = rows(engine)
    assert len(found) == 2 * total
    assert {dup for *_, dup, _value in found} == {0}
    engine.dispose()


async def test_a_stop_says_goodbye_to_streams_and_does_not_wait_for_them(server: ServerProcess):
    server.user("ann", "viewer", "correct horse battery")
    server.start()
    async with httpx.AsyncClient(base_url=f"{server.http}/api/v1", headers={"x-csrf": "1"}) as api:
        await api.post("/session", json={"username": "ann", "password": "correct horse battery"})
        heard, stopping = "", None
        async with api.stream("GET", "/stream", params={"topics": "alarms"}) as stream:
            async for text in stream.aiter_text():
                heard += text
                if stopping is None and "event: live" in heard:
                    stopping = asyncio.create_task(asyncio.to_thread(server.stop), name="stop")
        assert stopping is not None
        await stopping
        assert 'event: bye\ndata: {"why":"shutdown"}' in heard


async def test_two_servers_on_one_folder_are_refused(server: ServerProcess):
    server.start()
    other = ServerProcess(server.data)
    told = (server.data / "run.json").read_text()
    with pytest.raises(AssertionError, match="another server runs on"):
        other.start()
    assert told


def _alive(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return psutil.pid_exists(pid)
    return False


@pytest.mark.strangers
async def test_with_a_strangers_broker_and_its_password(tmp_path: Path):
    program = shutil.which("mosquitto")
    if program is None:
        pytest.skip("no mosquitto: apt install mosquitto")
    port = free_port()
    secrets = {"srv": "server word", "gw-a": "gateway word"}
    users = tmp_path / "users"
    for name, word in secrets.items():
        flags = ["-b"] if users.exists() else ["-c", "-b"]
        subprocess.run(["mosquitto_passwd", *flags, str(users), name, word], check=True)
    users.chmod(0o644)  # read by the broker's own account
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nuser root\n")
    word = tmp_path / "word"
    word.write_text(secrets["srv"])
    options = [
        "--broker",
        f"mqtt://127.0.0.1:{port}",
        "--broker-user",
        "srv",
        "--broker-password-file",
        str(word),
    ]
    server = ServerProcess(tmp_path / "data", *options)

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    async def until(wanted: str) -> None:
        async with asyncio.timeout(20), httpx.AsyncClient() as api:
            while (await api.get(f"{server.http}/health")).json()["broker"] != wanted:
                await asyncio.sleep(0.05)

    broker = start()
    try:
        with server:
            for life in range(3):
                await until("ok")
                async with gateway(server.mqtt, secrets["gw-a"]) as gw:
                    await gw.send(up(life + 1, nth(life + 1)))
                    await gw.stored(life + 1)
                broker.kill()
                broker.wait()
                await until("down")
                broker = start()
            assert "server word" not in server.log.read_text()
    finally:
        broker.terminate()
        broker.wait()


async def test_a_broker_port_that_is_taken_is_said(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ServerProcess(tmp_path / "data", "--mqtt", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(AssertionError, match="embedded broker"):
            await asyncio.to_thread(server.start)
