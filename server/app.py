"""The composition root: everything the server is made of is built here, started here, and stopped here."""

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import uvicorn
from sqlalchemy import Engine

from messages import broker as mqtt
from messages.broker import BrokerAddress
from server import broker_accounts
from server.alarms import AlarmEngine
from server.api import background, create_app
from server.commands import CommandResults
from server.configs import ConfigDesk, OfferPost
from server.db.engine import read
from server.db.outbox import broker_session
from server.embedded import Account, EmbeddedServer
from server.house import hold, open_database, utc_now
from server.ingest.service import Ingest
from server.ingest.writer import Writer
from server.patience import Patience, enough_files
from server.services import Services, WebSettings
from server.settings import ExternalBroker, Settings, SettingsError, broker_address
from server.stream import Hub
from server.tools import ToolDesk

log = logging.getLogger(__name__)

HTTP_STOP_S = 2
TAKEN_WITHIN_S = 20.0
FIRST_SESSION_S = 5.0


@dataclass(slots=True)
class Parts:
    """What `build` made."""

    engine: Engine
    hub: Hub
    ingest: Ingest
    tools: ToolDesk
    configs: ConfigDesk
    services: Services
    embedded: EmbeddedServer | None
    random: random.Random


class _Http(uvicorn.Server):
    """uvicorn, with the signals left to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGTERM and SIGINT alone: the composition root decides the order of stopping."""
        yield


def build(
    settings: Settings, *, clock: Callable[[], datetime] = utc_now, rng: random.Random | None = None
) -> Parts:
    """Put the server together; nothing is started and nobody is called yet."""
    rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
    engine = open_database(settings)
    hub = Hub(engine, clock)
    writer = Writer(
        engine,
        alarms=AlarmEngine(),
        results=CommandResults(),
        commits=hub,
        monotonic=time.monotonic,
        samples_days=settings.samples_days,
        records_days=settings.records_days,
    )
    ingest = Ingest(writer, clock=clock, random=rng)
    tools = ToolDesk(engine, hub, clock, ingest.publish_tool)
    ingest.add(tools)
    post = OfferPost(engine, ingest.publish_config)
    desk = ConfigDesk(engine, hub, clock, post, ingest.publish_check)
    ingest.add(desk)
    embedded = None
    if not isinstance(settings.broker, ExternalBroker):

        def accounts() -> list[Account]:
            with read(engine) as conn:
                return broker_accounts.everyone(conn)

        with read(engine) as conn:
            session = broker_session(conn)
        embedded = EmbeddedServer(settings.data / "broker", settings.embedded, accounts, session)
    web = WebSettings(https=settings.http.https, timezone=settings.timezone)
    services = Services(
        engine=engine,
        clock=clock,
        hub=hub,
        publish_command=ingest.publish_command,
        publish_tool=ingest.publish_tool,
        convey_config=post.convey,
        check_config=desk.check,
        settings=web,
        broker_up=ingest.listening.is_set,
        broker_refuses=lambda: ingest.echo.refused,
    )
    return Parts(engine, hub, ingest, tools, desk, services, embedded, rng)


async def run(settings: Settings, *, stop: asyncio.Event | None = None) -> None:
    """Run the server until `stop` is set or SIGTERM or SIGINT arrives; then stop within seconds, losing nothing."""
    stop = stop or asyncio.Event()
    enough_files()
    with hold(settings.data), _signals(stop), contextlib.closing(_listen(settings)) as listener:
        settings.run_file.unlink(missing_ok=True)  # of a server that was killed
        parts = await asyncio.to_thread(build, settings)
        try:
            # Each layer ends after what rests on it: pages, ingest, writer, broker.
            async with asyncio.TaskGroup() as outer:
                broker = await _start_broker(outer, parts)
                try:
                    async with asyncio.TaskGroup() as inner:
                        await _serve(inner, parts, settings, listener, stop)
                finally:
                    await parts.ingest.close()
                if broker is not None:
                    broker.cancel()
        finally:
            parts.engine.dispose()
            settings.run_file.unlink(missing_ok=True)
    log.info("stopped")


async def _start_broker(group: asyncio.TaskGroup, parts: Parts) -> asyncio.Task[None] | None:
    embedded = parts.embedded
    if embedded is None:
        return None
    task = group.create_task(embedded.run(), name="embedded broker")
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, embedded.reload)
    await _first(None, embedded.ready.wait(), asyncio.shield(task))
    return task


async def _first(seconds: float | None, *waits: Awaitable[object]) -> None:
    """Return when one of `waits` is over, or the time is; the others are given up."""
    tasks = {asyncio.ensure_future(wait) for wait in waits}
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(
    group: asyncio.TaskGroup, parts: Parts, settings: Settings, listener: socket.socket, stop: asyncio.Event
) -> None:
    http = _Http(
        uvicorn.Config(
            create_app(parts.services),
            http=Patience,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=HTTP_STOP_S,
            timeout_keep_alive=15,
            lifespan="off",
        )
    )
    tasks = [
        group.create_task(_ingest(parts, settings), name="ingest"),
        group.create_task(parts.ingest.keep_time(), name="timers"),
        group.create_task(parts.tools.run(), name="tools"),
        group.create_task(parts.configs.run(), name="configs"),
        group.create_task(background(parts.services), name="background"),
    ]
    serving = group.create_task(http.serve(sockets=[listener]), name="http")
    serving.add_done_callback(lambda _task: stop.set())
    if parts.embedded is not None:
        # Who reads `run.json` may publish at once; an outside broker may stay away for hours.
        await _first(FIRST_SESSION_S, parts.ingest.listening.wait(), stop.wait())
    _tell(settings, parts, listener)
    await stop.wait()
    log.info("stopping")
    # Streams never end by themselves: say good-bye to them first, or the web server would wait for them.
    parts.hub.close("shutdown")
    http.should_exit = True
    await asyncio.wait([serving], timeout=HTTP_STOP_S + 1)
    for task in (*tasks, serving):
        task.cancel()


async def _ingest(parts: Parts, settings: Settings) -> None:
    address = _address(parts, settings)
    with read(parts.engine) as conn:
        # A session that outlives us, of our own name: the broker keeps what arrives while we restart.
        client = f"gatehouse-server-{broker_session(conn)}"
    await mqtt.stay_connected(
        parts.ingest.serve,
        lambda: mqtt.connect(address, client_id=client, clean=False),
        where=f"{address.host}:{address.port}",
        random=parts.random,
    )


def _address(parts: Parts, settings: Settings) -> BrokerAddress:
    if parts.embedded is not None:
        return parts.embedded.address
    if not isinstance(settings.broker, ExternalBroker):
        raise SettingsError("broker: embedded, or a url")
    return broker_address(settings.broker)


def _listen(settings: Settings) -> socket.socket:
    http = settings.http
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    try:
        listener = socket.create_server((http.host, http.port), family=family, backlog=256)
    except OSError as err:
        raise SettingsError(
            f"http: cannot listen on {http.host}:{http.port}: {err.strerror or err}"
        ) from None
    # Accepted connections inherit it. A peer that takes nothing of an answer for so long is given up, even while
    # its kernel still says that it lives: a stream that nobody reads would be held for ever.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TAKEN_WITHIN_S * 1000))
    listener.setblocking(False)
    return listener


def _tell(settings: Settings, parts: Parts, listener: socket.socket) -> None:
    """Write `run.json`: where a running server is found, for the command line, the demo and tests."""
    address = _address(parts, settings)
    told = {
        "pid": os.getpid(),
        "http": _url("http", *listener.getsockname()[:2]),
        "mqtt": _url("mqtts" if address.tls else "mqtt", address.host, address.port),
        "broker_pid": parts.embedded.pid if parts.embedded else None,
        "started_at": utc_now().isoformat(timespec="milliseconds"),
    }
    fresh = settings.run_file.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=2) + "\n")
    fresh.replace(settings.run_file)
    log.info("pages and API: %s", told["http"])


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Without an embedded broker there is nothing to reload, and a hang-up is no reason to die.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
