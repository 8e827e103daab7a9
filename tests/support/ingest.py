"""What tests of ingest share: a real database, sinks that record, and batches as a gateway would encode them."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from messages.codec import encode
from messages.topics import Address
from messages.types import (
    Batch,
    Birth,
    CommandResult,
    DeviceInfo,
    EventInfo,
    Item,
    Lane,
    MeterInfo,
    PointInfo,
    ProfileInfo,
    Sample,
    Severity,
    Stored,
)
from server.db.engine import read, sqlite_engine
from server.db.migrate import upgrade
from server.db.tables_delivery import batches, lanes, quarantine, samples, series
from server.ingest.judge import Incoming
from server.ingest.sinks import EventItem, LatestValue
from server.ingest.writer import Answer, Writer

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
NOW = T0 + timedelta(minutes=30)
GW = Address("garden", "gw-a")


@dataclass
class Sinks:
    """Remember instead of act; `fail_on` is a code that the alarm engine chokes on."""

    events: list[EventItem] = field(default_factory=list)
    system: list[tuple[str, str, str | None]] = field(default_factory=list)
    results: list[CommandResult] = field(default_factory=list)
    values: list[LatestValue] = field(default_factory=list)
    commits: int = 0
    fail_on: str = ""
    watching: frozenset[tuple[str, str]] = frozenset()

    def apply_events(
        self, conn: Connection, site: str, gateway: str, events: Sequence[EventItem], now: datetime
    ) -> None:
        if any(item.event.code == self.fail_on for item in events):
            raise LookupError(self.fail_on)
        self.events.extend(events)

    def raise_system(self, conn: Connection, kind: str, *, device: str | None, **_rest: Any) -> None:
        self.system.append(("raise", kind, device))

    def clear_system(self, conn: Connection, kind: str, *, device: str | None, **_rest: Any) -> None:
        self.system.append(("clear", kind, device))

    def apply_result(
        self, conn: Connection, site: str, gateway: str, result: CommandResult, now: datetime
    ) -> None:
        self.results.append(result)

    def committed(self, values: Sequence[LatestValue]) -> None:
        self.commits += 1
        self.values.extend(values)

    def watched(self) -> frozenset[tuple[str, str]]:
        return self.watching


class Monotonic:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@cache
def _empty() -> bytes:
    # Migrating takes a quarter of a second; a copy takes nothing. Only the epoch is the same in all of them.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gatehouse.db"
        engine = sqlite_engine(path)
        upgrade(engine)
        with engine.connect() as conn:
            conn.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        engine.dispose()
        return path.read_bytes()


def database(folder: Path) -> Engine:
    """A migrated SQLite database in `folder`."""
    path = folder / "gatehouse.db"
    path.write_bytes(_empty())
    return sqlite_engine(path)


def writer(
    engine: Engine,
    sinks: Sinks | None = None,
    monotonic: Monotonic | None = None,
    samples_days: int | None = None,
    records_days: int | None = None,
) -> Writer:
    """A writer on `engine`."""
    sinks = sinks or Sinks()
    return Writer(
        engine,
        alarms=sinks,
        results=sinks,
        commits=sinks,
        monotonic=monotonic or Monotonic(),
        samples_days=samples_days,
        records_days=records_days,
    )


def up(
    seq: int, *items: Item, lane: Lane = Lane.TELEMETRY, epoch: str = "e1", address: Address = GW
) -> Incoming:
    """One batch as it arrives."""
    batch = Batch(gateway=address.gateway, epoch=epoch, lane=lane, seq=seq, items=items)
    return Incoming(address.up(lane), encode(batch))


def reading(device: str = "m-1", at: datetime = T0, **values: Decimal | bool | str | None) -> Sample:
    """A sample; numbers as strings."""
    exact = {point: Decimal(value) if isinstance(value, str) else value for point, value in values.items()}
    return Sample(device=device, at=at, values=exact)


def nth(seq: int) -> Sample:
    """The sample of batch `seq`: every batch has its own instant and value."""
    return reading(at=T0 + timedelta(seconds=seq), energy=f"{seq}.50", volts=str(200 + seq % 50))


def birth(
    *devices: str, address: Address = GW, boot: str = "b1", at: datetime = T0, period_s: float = 10
) -> Birth:
    """A birth of meters with one profile."""
    meter = ProfileInfo(
        vendor="Acme",
        model="M1",
        device_class="meter",
        protocol="modbus",
        points={
            "energy": PointInfo(
                label="Energy", unit="kWh", kind="register", billing=True, period_s=60, modulus=Decimal(10**6)
            ),
            "volts": PointInfo(label="Voltage", unit="V", period_s=period_s),
        },
        events={"alarm": EventInfo(label="Alarm", severity=Severity.HIGH, alarm_class="power")},
    )
    return Birth(
        site=address.site,
        gateway=address.gateway,
        at=at,
        boot=boot,
        epoch="e1",
        config="sha256:" + "0" * 64,
        profiles={"acme-m1": meter},
        devices=tuple(
            DeviceInfo(
                id=name,
                profile="acme-m1",
                line="riser",
                name=f"Meter {name}",
                meter=MeterInfo(metering_point=f"MP-{name}", multiplier=Decimal(30)),
            )
            for name in devices
        ),
    )


def born(message: Birth) -> Incoming:
    """A birth as it arrives."""
    return Incoming(Address(message.site, message.gateway).birth, encode(message), retained=True)


def rows(engine: Engine) -> list[tuple[str, str, int, int, Any]]:
    """All stored samples: device, point, ms, dup, value."""
    query = select(
        series.c.device,
        series.c.point,
        (samples.c.bucket * 3_600_000 + samples.c.offset_ms).label("ms"),
        samples.c.dup,
        samples.c.value,
    ).join(series, series.c.id == samples.c.series_id)
    with read(engine) as conn:
        return sorted((r.device, r.point, r.ms, r.dup, r.value) for r in conn.execute(query))


def through(engine: Engine, lane: Lane = Lane.TELEMETRY, epoch: str = "e1") -> int:
    """How far a lane is stored without a hole, as the database says."""
    with read(engine) as conn:
        query = select(lanes.c.through).where(lanes.c.lane == lane.value, lanes.c.epoch == epoch)
        return int(conn.execute(query).scalar_one())


def stored_numbers(engine: Engine) -> list[int]:
    """The batch numbers in the database, in order."""
    with read(engine) as conn:
        return [seq for (seq,) in conn.execute(select(batches.c.seq).order_by(batches.c.seq))]


def expected(numbers: Iterable[int]) -> list[tuple[str, str, int, int, Decimal]]:
    """What `rows` must return when the batches `nth(number)` are stored."""
    found = []
    for seq in numbers:
        ms = int((T0 + timedelta(seconds=seq)).timestamp() * 1000)
        found.append(("m-1", "energy", ms, 0, Decimal(f"{seq}.50")))
        found.append(("m-1", "volts", ms, 0, Decimal(200 + seq % 50)))
    return sorted(found)


def one(answers: Sequence[Answer]) -> Stored:
    """The only answer there is."""
    assert len(answers) == 1
    return answers[0].stored


def quarantined(engine: Engine) -> Sequence[Row[Any]]:
    """All of quarantine, oldest first."""
    with read(engine) as conn:
        return conn.execute(select(quarantine).order_by(quarantine.c.id)).all()
