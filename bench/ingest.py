"""From the broker to committed rows: the server against the same messages, decoded and inserted by a bare loop."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bench.processes import child, cpu_seconds, python, script
from messages import codec
from messages.broker import BrokerAddress, Message, Publication, Session, connect
from messages.topics import Address
from messages.types import Batch, Birth, DeviceInfo, Lane, LineInfo, PointInfo, ProfileInfo, Sample
from tests.support.broker import Broker

SITE, GATEWAYS, DEVICES, POINTS = "bench", 4, 20, 25
BATCHES, WARM, VALUES_PER_BATCH = 2040, 40, 100
VALUES = (BATCHES - WARM) * VALUES_PER_BATCH
"""What is clocked: the first WARM batches make every series known, so that no run measures a first meeting."""
WINDOW = 200


def birth(gateway: str) -> Birth:
    """A gateway of DEVICES meters with POINTS points each."""
    points = {f"p{n}": PointInfo(label=f"point {n}", unit="V", period_s=10) for n in range(POINTS)}
    profile = ProfileInfo(vendor="Bench", model="M", device_class="meter", protocol="modbus", points=points)
    return Birth(
        site=SITE,
        gateway=gateway,
        at=datetime.now(UTC),
        boot="bench",
        epoch="E1",
        config="sha256:" + "0" * 64,
        profiles={"bench": profile},
        devices=tuple(DeviceInfo(id=f"{gateway}-d{n}", profile="bench", line="l") for n in range(DEVICES)),
        lines=(LineInfo(id="l", endpoint="none"),),
    )


def payloads() -> Iterator[tuple[str, bytes]]:
    """BATCHES batches of VALUES_PER_BATCH values, in the order in which gateways would send them."""
    at = codec.utc_ms(datetime.now(UTC)) - timedelta(hours=1)
    for number in range(BATCHES):
        gateway = f"gw-{number % GATEWAYS}"
        seq = number // GATEWAYS + 1
        samples = []
        for part in range(VALUES_PER_BATCH // POINTS):
            device = f"{gateway}-d{(seq * 4 + part) % DEVICES}"
            values = {f"p{n}": Decimal(23000 + (number * 7 + n) % 900).scaleb(-2) for n in range(POINTS)}
            samples.append(
                Sample(device=device, at=at + timedelta(milliseconds=seq * 500 + part), values=values)
            )
        batch = Batch(gateway=gateway, epoch="E1", lane=Lane.TELEMETRY, seq=seq, items=tuple(samples))
        yield Address(SITE, gateway).up(Lane.TELEMETRY), codec.encode(batch)


async def publish_all(session: Session, messages: list[tuple[str, bytes]]) -> None:
    """Publish everything with WINDOW messages in flight."""
    queue = iter(messages)

    async def worker() -> None:
        for topic, payload in queue:
            await session.publish(Publication(topic, payload), timeout=60)

    async with asyncio.TaskGroup() as group:
        for _ in range(WINDOW):
            group.create_task(worker())


async def ours(folder: Path, broker: Broker, messages: list[tuple[str, bytes]]) -> dict[str, float]:
    """The server process: seconds from the first publish to the last `Stored`."""
    data = folder / "server"
    command = (
        script("gatehouse-server"),
        "run",
        "--data-dir",
        str(data),
        "--http",
        "127.0.0.1:0",
        "--broker",
        broker.url,
    )
    with child(*command) as server:
        async with connect(BrokerAddress("127.0.0.1", broker.port), client_id="bench") as session:
            await session.subscribe(["gatehouse/1/+/+/stored/+"])
            async with asyncio.timeout(60):
                while not (data / "run.json").exists():
                    assert server.poll() is None, "the server did not start"
                    await asyncio.sleep(0.05)
            for number in range(GATEWAYS):
                message = birth(f"gw-{number}")
                address = Address(SITE, message.gateway)
                await session.publish(Publication(address.birth, codec.encode(message), retain=True))
            await asyncio.sleep(1)  # births have no answer; they are not what is measured
            answers = session.messages()
            await publish_all(session, messages[:WARM])
            await until_stored(answers, WARM)
            cpu, began = cpu_seconds(server.pid), time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(publish_all(session, messages[WARM:]))
                await until_stored(answers, BATCHES)
            return {"seconds": time.monotonic() - began, "cpu": cpu_seconds(server.pid) - cpu}


async def until_stored(answers: AsyncIterator[Message], batches: int) -> None:
    """Return when the lanes together are stored through so many batches."""
    through: dict[str, int] = {}
    async with asyncio.timeout(300):
        async for message in answers:
            stored = codec.decode_stored(message.payload)
            message.ack()
            assert not stored.rejected, stored.rejected[:3]
            through[message.topic] = max(through.get(message.topic, 0), stored.through)
            if sum(through.values()) == batches:
                return


async def raw(folder: Path, broker: Broker, messages: list[tuple[str, bytes]]) -> dict[str, float]:
    """The bare loop of raw_ingest.py over the same messages."""
    command = python("bench.raw_ingest", str(broker.port), str(folder / "raw.sqlite"), str(VALUES))
    with child(*command) as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)  # ready
        async with connect(BrokerAddress("127.0.0.1", broker.port), client_id="bench") as session:
            await publish_all(session, messages[WARM:])
        seconds, cpu = (await asyncio.to_thread(process.stdout.readline)).split()
    return {"seconds": float(seconds), "cpu": float(cpu)}


def measure(runs: int) -> Iterator[dict[str, float]]:
    """Ours and raw in turn, each on a fresh broker and database; one row a run."""
    messages = list(payloads())
    for _ in range(runs):
        row: dict[str, float] = {}
        for name, how in (("ours", ours), ("raw", raw)):
            with tempfile.TemporaryDirectory() as place, Broker(Path(place) / "broker") as broker:
                got = asyncio.run(how(Path(place), broker, messages))
            row[f"{name}_per_s"] = VALUES / got["seconds"]
            row[f"{name}_cpu_us"] = got["cpu"] / VALUES * 1e6
        yield row | {"ratio": row["ours_per_s"] / row["raw_per_s"]}
