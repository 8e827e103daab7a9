"""Strangers' tools against the whole: mbpoll reads the site, libmodbus is polled, Mosquitto carries everything."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from messages.broker import BrokerAddress, BrokerLost, Publication, connect
from messages.codec import decode_envelope, decode_stored, encode
from messages.topics import Address, parse
from messages.types import Command, CommandResult, Lane
from simulators.api_client import Api
from simulators.processes import Child, Family, ProcessFailed, ServerInfo, program, run_once, server_up, until
from simulators.truth import Truth
from tests.support.broker import free_port, listening
from tests.support.installation import SITES, Installation, QuickEstate, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.strangers, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SLAVE = ROOT / "tests" / "strangers" / "slave.c"
DEPLOY = ROOT / "deploy" / "mosquitto"


def tool(name: str) -> str:
    """The path of a Debian program, or skip."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no {name}: run tests/debian-tools.sh")
    return found


# -- mbpoll, a stranger's master -----------------------------------------------------------------------------


async def mbpoll(*words: str) -> list[str]:
    """What mbpoll printed after the reference in brackets, once."""
    text = await run_once("mbpoll", [tool("mbpoll"), "-0", "-1", *words])
    return [line.split("\t")[1].strip() for line in text.splitlines() if line.startswith("[")]


async def test_mbpoll_reads_what_gatehouse_sim_serves(tmp_path: Path) -> None:
    """TCP and pty, registers, floats and bits: read as integers by a stranger, compared with the truth."""
    truth = tmp_path / "truth"
    async with Family() as family:
        argv = [*program("gatehouse-sim"), SITES / "block.yaml", "--truth", truth]
        child = await family.start(Child("sim", argv, tmp_path / "sim.log"))

        async def look() -> dict[str, Any] | None:
            path = truth / "run.json"
            return json.loads(path.read_text()) if path.exists() else None

        lines = (await until("run.json", look, timeout=90, alive=[child]))["lines"]
        port = lines["riser"]["endpoint"].rpartition(":")[2]
        fire = lines["safety"]["endpoint"].rpartition(":")[2]
        pty = lines["bus"]["endpoint"]
        tcp = ["-m", "tcp", "-p"]
        (energy,) = await mbpoll(
            *tcp, port, "-a", "1", "-r", "72", "-t", "3:float", "-B", "127.0.0.1"
        )  # SDM630: 0x0048 is the imported energy
        zones = await mbpoll(*tcp, fire, "-a", "1", "-r", "0", "-c", "16", "-t", "1", "127.0.0.1")
        (volts,) = await mbpoll(
            "-m", "rtu", "-b", "38400", "-P", "none", "-a", "12", "-r", "8192", "-t", "4:float", "-B", pty
        )  # DDSU666: 0x2000 is the voltage
        child.signal(15)
        assert await child.wait(20) == 0
    known = Truth.load(truth)
    held = known.value_at("m-1", "active_energy_import", 0, 2**60)
    # mbpoll prints six digits of a float.
    assert any(abs(Decimal(energy) / one - 1) < Decimal("1e-5") for one in held if one), (energy, held)
    assert zones == ["0"] * 16
    assert Decimal(200) < Decimal(volts) < Decimal(250)


# -- libmodbus, a stranger's slave ---------------------------------------------------------------------------

PROFILE = """\
profile: acme-heat-7
vendor: Acme
model: Heat 7
class: meter
protocol: modbus
resource: heat
register_basis: primary
source: ["made for this test, from tests/strangers/slave.c"]
points:
  energy:
    label: Heat energy
    label_zh: 热量
    unit: kWh
    exp: -2
    kind: register
    poll: billing
    billing: true
    modulus: 10000000
    at: {table: holding, address: 0, type: int32}
  voltage: {label: Supply voltage, unit: V, at: {table: holding, address: 10, type: float32}}
  outside: {label: Outside temperature, unit: °C, exp: -1, at: {table: holding, address: 20, type: int16}}
  leak: {label: Leak, kind: state, poll: alarm, at: {table: discrete, address: 3}}
events:
  leak: {when: {point: leak, is: true}, label: Leak, label_zh: 漏水, severity: high, class: water}
examples:
  - request: "01 03 00 00 00 02 C4 0B"
    reply: "01 03 04 00 0C 65 39 D1 72"
    expect: {energy: "8123.45"}
"""
READ = {"energy": "8123.45", "voltage": "233.5", "outside": "-12.5", "leak": True}


@asynccontextmanager
async def libmodbus(folder: Path) -> AsyncIterator[int]:
    """Compile the slave, run it and yield its port; it ends with its stdin."""
    gcc = tool("gcc")
    if not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("no libmodbus-dev: run tests/debian-tools.sh")
    await run_once("gcc", [gcc, "-Wall", "-o", folder / "slave", SLAVE, "-lmodbus"])
    process = await asyncio.create_subprocess_exec(
        folder / "slave", "0", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(10):
            port = int(await process.stdout.readline())
        yield port
    finally:
        process.stdin.close()
        await process.wait()


def heat_site(folder: Path, port: int, broker: str) -> Path:
    """A site file as docs/first-meter.md has it, with a profile of its own beside it."""
    (folder / "profiles").mkdir()
    (folder / "profiles" / "acme-heat-7.yaml").write_text(PROFILE, encoding="utf-8")
    device = {"id": "heat-1", "profile": "acme-heat-7", "unit": 1, "name": "Heat meter"}
    device |= {"poll": {"billing": "1s", "routine": "1s"}, "meter": {"metering_point": "MP-H"}}
    content = {
        "site": "annex",
        "gateway": "gw-h",
        "broker": {"url": broker, "username": "gw-h", "password_file": "gw-h.password"},
        "state_dir": "state",
        "profiles": ["profiles"],
        "lines": [{"id": "cellar", "tcp": f"127.0.0.1:{port}", "devices": [device]}],
    }
    path = folder / "annex.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


async def test_a_libmodbus_slave_is_read_and_polled_by_a_profile_of_ten_minutes(tmp_path: Path) -> None:
    data, word = tmp_path / "server", tmp_path / "admin.word"
    word.write_text("a long pass phrase")
    server, gateway = program("gatehouse-server"), program("gatehouse-gateway")
    add = [*server, "user", "add", "me", "--role", "admin", "--password-file", word, "--data-dir", data]
    account = [*server, "gateway", "add", "annex", "gw-h", "--password-file", tmp_path / "gw-h.password"]
    async with libmodbus(tmp_path) as port, Family() as family:
        await run_once("user add", add)
        await run_once("gateway add", [*account, "--data-dir", data])
        run = [*server, "run", "--data-dir", data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
        child = await family.start(Child("server", run, tmp_path / "server.log"))
        info: ServerInfo = await server_up(child, data)
        site = heat_site(tmp_path, port, info.mqtt)
        profile = tmp_path / "profiles" / "acme-heat-7.yaml"
        assert "1 example decode" in await run_once("check", [*gateway, "profiles", "check", profile])
        assert "cellar" in await run_once("check", [*gateway, "check", site])
        rows = json.loads(await run_once("read", [*gateway, "read", site, "heat-1", "--json"]))
        assert {row["point"]: row["value"] for row in rows} == READ
        assert {row["quality"] for row in rows} == {"good"}
        polling = await family.start(Child("gw-h", [*gateway, "run", site], tmp_path / "gw-h.log"))
        async with Api(info.http) as api:
            await api.sign_in("me", word.read_text())
            shown = await until(
                "values in the API", lambda: heat_values(api), timeout=90, alive=[child, polling]
            )
            assert shown == READ
            alarms = (await api.get("alarms", open=1))["alarms"]
            assert [(one["device"], one["code"]) for one in alarms] == [("heat-1", "leak")]
        assert await polling.stop() == 0
        assert await child.stop() == 0


async def heat_values(api: Api) -> dict[str, Any] | None:
    devices = (await api.get("devices"))["devices"]
    if not any(one["id"] == "heat-1" for one in devices):
        return None
    answer = await api.get("devices/annex/heat-1")
    shown = {point["id"]: point["value"] for point in answer["points"]}
    return None if None in shown.values() else shown


# -- Mosquitto, a stranger's broker --------------------------------------------------------------------------


@dataclass
class MosquittoEstate(QuickEstate):
    """An estate on a Mosquitto that is configured as deploy/mosquitto says: accounts, topic rules, persistence."""

    port: int = field(default_factory=free_port)
    mosquitto: subprocess.Popen[bytes] | None = None

    @property
    def broker(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def make_accounts(self) -> None:
        await super().make_accounts()
        (self.folder / "secrets" / "server").write_text("the server's own word")
        (self.folder / "secrets" / "server").chmod(0o600)
        self.write_config()
        self.start_broker()

    def write_config(self) -> None:
        users = self.folder / "gatehouse.passwd"
        for name in ("server", "gw-a", "gw-b"):
            flags = ["-b"] if users.exists() else ["-c", "-b"]
            word = self.word(name)
            subprocess.run([tool("mosquitto_passwd"), *flags, str(users), name, word], check=True)
        users.chmod(0o600)
        rules = self.folder / "gatehouse.acl"
        shutil.copy(DEPLOY / "gatehouse.acl", rules)
        rules.chmod(0o600)
        store = self.folder / "mosquitto"
        store.mkdir()
        config = (DEPLOY / "gatehouse.conf").read_text()
        for said, here in (
            ("/etc/mosquitto/gatehouse.passwd", str(users)),
            ("/etc/mosquitto/gatehouse.acl", str(rules)),
            ("/var/lib/mosquitto/", f"{store}/"),
            ("listener 1883", f"listener {self.port}"),
        ):
            assert config.count(said) == 1
            config = config.replace(said, here)
        import getpass

        (self.folder / "mosquitto.conf").write_text(f"{config}\nuser {getpass.getuser()}\n")

    def start_broker(self) -> None:
        with (self.logs_ready / "mosquitto.log").open("ab") as log:
            argv = [tool("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]
            self.mosquitto = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def logs_ready(self) -> Path:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs

    def kill_broker(self) -> None:
        if self.mosquitto is not None:
            self.mosquitto.kill()
            self.mosquitto.wait()

    async def __aexit__(self, *about: object) -> None:
        try:
            await super().__aexit__(*about)
        finally:
            self.kill_broker()

    def word(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def address(self, name: str) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.port, name, self.word(name))

    def _server_argv(self) -> list[str | Path]:
        secret = self.folder / "secrets" / "server"
        who: list[str | Path] = ["--broker-user", "server", "--broker-password-file", secret]
        return [*super()._server_argv(), "--broker", f"mqtt://{self.broker}", *who]


@pytest.mark.long(24)
async def test_mosquitto_carries_everything_and_keeps_everybody_in_his_branch(tmp_path: Path) -> None:
    tool("mosquitto")
    async with installation(tmp_path, kind=MosquittoEstate) as site:
        estate = site.estate
        assert isinstance(estate, MosquittoEstate)
        await site.served(500)
        await eyes_on_the_topics(site, estate)
        await in_his_branch(site, estate)
        for _ in range(3):
            estate.kill_broker()
            await site.served(300)
            estate.start_broker()
            await until("mosquitto", lambda: up(estate.port), timeout=90)
            await site.served(300)
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])
        assert all(given == held for lanes in outcome.batches.values() for given, held in lanes.values())
        assert (outcome.quarantined, outcome.gaps) == (0, 0)
        for log in estate.logs.glob("*.log"):
            assert "the server's own word" not in log.read_text(errors="replace")


async def up(port: int) -> bool | None:
    return listening(port) or None


async def eyes_on_the_topics(site: Installation, estate: MosquittoEstate) -> None:
    """Whoever watches with a tool of his own understands every topic: `Stored` follows what went up."""
    up_to: dict[tuple[str, Lane], int] = {}
    answered: dict[tuple[str, Lane], int] = {}
    results: list[CommandResult] = []
    order = Command(
        id="from-nobody",
        device="fire-1",
        action="reset",
        by="an intruder on the server's account",
        until=datetime.now(UTC) + timedelta(seconds=30),
    )
    async with asyncio.timeout(60), connect(estate.address("server"), client_id="eyes") as session:
        await session.subscribe(["gatehouse/1/#"])
        await session.publish(Publication(Address("block", "gw-a").command(order.id), encode(order)))
        async for message in session.messages():
            message.ack()
            topic = parse(message.topic)
            if topic.kind == "up":
                envelope = decode_envelope(message.payload)
                key = (topic.address.gateway, envelope.lane)
                up_to[key] = max(up_to.get(key, 0), envelope.seq)
                assert envelope.rejected == ()
                results += [item for _, item in envelope.items if isinstance(item, CommandResult)]
            elif topic.kind == "stored":
                stored = decode_stored(message.payload)
                answered[topic.address.gateway, stored.lane] = stored.through
            both = {("gw-a", Lane.BILLING), ("gw-b", Lane.TELEMETRY)}
            if results and both <= answered.keys() and all(answered[k] >= up_to.get(k, 0) for k in both):
                break
    # The last gate is the gateway itself: no order for fire equipment, whoever sends it.
    assert [(one.outcome, "observed only" in one.detail) for one in results] == [("refused", True)]


async def in_his_branch(site: Installation, estate: MosquittoEstate) -> None:
    """The rules of deploy/mosquitto: what another gateway's account says or asks for does not arrive."""
    theirs = Address("block", "gw-b")
    for topic in (theirs.birth, theirs.state, theirs.up(Lane.ALARM), Address("block", "gw-a").config):
        # Mosquitto closes the connection on some of these, and takes others and drops them: either will do.
        with suppress(BrokerLost):
            async with connect(estate.address("gw-a"), client_id="intruder") as session:
                await session.publish(Publication(topic, b"garbage"))
    heard = set()
    async with connect(estate.address("gw-a"), client_id="intruder") as session, asyncio.timeout(30):
        # Granted, and nothing is ever delivered: the neighbour's answers pass by while one's own arrive.
        await session.subscribe([theirs.stored_filter, theirs.command_filter, "gatehouse/1/+/+/stored/+"])
        async with connect(estate.address("server"), client_id="eyes") as eyes:
            await eyes.subscribe([theirs.stored_filter])
            async for _ in eyes.messages():
                break
        async for message in session.messages():
            message.ack()
            heard.add(parse(message.topic).address.gateway)
            if message.topic.endswith(Lane.TELEMETRY.value):
                break
    assert heard == {"gw-a"}
    for wrong in (
        BrokerAddress("127.0.0.1", estate.port),
        BrokerAddress("127.0.0.1", estate.port, "gw-a", "x"),
    ):
        with pytest.raises(BrokerLost):
            async with connect(wrong, client_id="nobody"):
                pass
    assert (await site.api.get("quarantine"))["rows"] == []


# -- frames from anywhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("01 03 00 00 00 02 C4 0B", ["CRC right", "Read Holding Registers", "request", "2"]),
        ("00:07:00:00:00:05:11:03:02:00:2A", ["transaction 7", "unit 17", "002A (42)"]),
        ("0x110x830x020xC10x34", ["exception", "illegal data address"]),
        ("0110000000020400 0C6539A1B2", ["CRC"]),
    ],
)
async def test_frames_are_explained(frame: str, words: list[str]) -> None:
    argv = [*program("gatehouse-gateway"), "decode", "modbus", *frame.split()]
    try:
        said = await run_once("decode", argv)
    except ProcessFailed as refused:
        said = str(refused)
    for word in words:
        assert word in said, said
    assert "Traceback" not in said
