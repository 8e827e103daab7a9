"""A gateway with two meters, the server that watches them, and time that a test moves."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import select

from messages.codec import encode
from messages.types import ClockState, GatewayState, Quality, Sample
from server.db.engine import read
from server.db.tables_devices import devices, gateways
from server.ingest.judge import Incoming
from tests.support.ingest import GW, T0, Monotonic, Sinks, birth, born, up, writer


class Site:
    """A gateway with two meters, a server that watches them, and time in our hands."""

    def __init__(self, engine):
        self.engine = engine
        self.sinks = Sinks()
        self.mono = Monotonic()
        self.store = writer(engine, self.sinks, self.mono)
        self.seq = 0
        self.store.store([born(birth("m-1", "m-2"))], T0)
        self.beat()

    @property
    def now(self):
        return T0 + timedelta(seconds=self.mono.now - 1000)

    def beat(
        self,
        *,
        online=True,
        boot="b1",
        retained=False,
        silent=(),
        why="",
        ago=None,
        clock=ClockState.SYNCED,
        **facts,
    ):
        at = None if ago is None else self.now - timedelta(seconds=ago)
        state = GatewayState(online=online, boot=boot, silent=silent, why=why, at=at, clock=clock, **facts)
        self.store.store([Incoming(GW.state, encode(state), retained)], self.now)

    def sample(self, device, *, ago=0.0, bad=False, clock=ClockState.SYNCED):
        self.seq += 1
        at = self.now - timedelta(seconds=ago)
        values = {"volts": None if bad else Decimal(230)}
        one = Sample(
            device=device, at=at, values=values, bad={"volts": Quality.TIMEOUT} if bad else {}, clock=clock
        )
        self.store.store([up(self.seq, one)], self.now)

    def pass_time(self, seconds, *, beats=True, samples=()):
        for _ in range(int(seconds)):
            self.mono.now += 1
            if beats and int(self.mono.now) % 10 == 0:
                self.beat()
            for device in samples:
                self.sample(device)
            self.store.tick(self.now)

    def conn(self):
        with read(self.engine) as conn:
            return dict(conn.execute(select(devices.c.device, devices.c.conn)).all())

    def online(self):
        with read(self.engine) as conn:
            return conn.execute(select(gateways.c.online, gateways.c.why)).one()

    def said(self):
        said, self.sinks.system[:] = list(self.sinks.system), []
        return said
