"""The one place where the MQTT client is imported: a session with a broker, for both ends of the contract.

aiomqtt (paho) as MQTT 3.1.1, so that NATS, Mosquitto and any other broker serve. A received message is
acknowledged by us (`Message.ack`), after what it asked for is done: aiomqtt acknowledges as soon as a message
is queued, so the two private calls of paho that switch this off stand here, and nowhere else (docs/adr/0002).
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt

from messages.text import printable

log = logging.getLogger(__name__)

REFUSED = 0x80  # SUBACK return code, MQTT 3.1.1 clause 3.9.3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
# A broker that was restarted is back within a minute, and has to be found at once; one that is gone for longer is
# asked less often, so that a thousand gateways do not fall upon it together.
EAGER_WAIT_S, EAGER_S = 1.0, 60.0
WATCH_S = 1.0
ANSWER_S = 10.0
SETTLED_S = 10.0  # a session that lived this long was a good one: start again with the first wait


class BrokerLost(ConnectionError):
    """The broker refused, went away or did not answer in time; try again later."""


class BrokerUrlError(ValueError):
    """A broker address that cannot be one; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where and as whom to connect; the password never appears in `repr` or a log."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """A payload and where it goes."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A received payload; call `ack` exactly once when it has been dealt with."""

    topic: str
    payload: bytes
    retained: bool
    ack: Callable[[], None]


def parse_url(url: str, *, username: str | None = None, password: str | None = None) -> BrokerAddress:
    """Read `mqtt://host[:port]` or `mqtts://host[:port]`; raise `BrokerUrlError`.

    A password inside the URL is refused: URLs end up in logs and process lists.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise BrokerUrlError(f"{printable(url, 80)!r}: write mqtt://host:1883 or mqtts://host:8883")
    if parts.password is not None:
        raise BrokerUrlError(
            "a password does not belong in a URL: use the password file or environment variable"
        )
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise BrokerUrlError(f"{printable(url, 80)!r}: nothing may follow the port")
    try:
        port = parts.port
    except ValueError as err:
        raise BrokerUrlError(f"{printable(url, 80)!r}: {err}") from None
    tls = parts.scheme == "mqtts"
    name = username or (unquote(parts.username) if parts.username else None)
    return BrokerAddress(parts.hostname, port or (8883 if tls else 1883), name, password, tls)


class Session:
    """A living connection. Every method raises `BrokerLost` once it is gone."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.granted: Callable[[], None] = lambda: None
        """Called when a subscription was granted: only then is a connection of any use."""

    async def publish(self, publication: Publication, *, timeout: float = 10.0) -> None:
        """Publish with QoS 1 and return when the broker has acknowledged: which says that a broker has it, no more."""
        try:
            with _cancellation_heard():
                await self._client.publish(
                    publication.topic, publication.payload, qos=1, retain=publication.retain, timeout=timeout
                )
        except (aiomqtt.MqttError, ValueError, OSError) as err:
            raise BrokerLost(printable(str(err))) from None

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1; raise `BrokerLost` when the broker grants less."""
        try:
            with _cancellation_heard():
                granted = await self._client.subscribe([(topic, 1) for topic in topics])
        except (aiomqtt.MqttError, OSError) as err:
            raise BrokerLost(printable(str(err))) from None
        # MQTT 3.1.1 gives plain numbers; paho wraps them in its ReasonCode, whose `value` is that number.
        codes = [code if isinstance(code, int) else int(code.value) for code in granted]
        for topic, code in zip(topics, codes, strict=True):
            if code >= REFUSED:
                raise BrokerLost(f"the broker refuses a subscription to {topic}: check this account's rights")
        self.granted()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, in order, until the connection ends with `BrokerLost`."""
        paho = self._client._client  # noqa: SLF001 - see the head of this file
        try:
            async for got in self._client.messages:
                payload = got.payload if isinstance(got.payload, bytes) else bytes(str(got.payload), "utf-8")

                def ack(mid: int = got.mid, qos: int = got.qos) -> None:
                    if qos:
                        paho.ack(mid, qos)

                yield Message(str(got.topic), payload, got.retain, ack)
        except (aiomqtt.MqttError, OSError) as err:
            raise BrokerLost(printable(str(err))) from None


@asynccontextmanager
async def connect(
    address: BrokerAddress,
    *,
    client_id: str,
    will: Publication | None = None,
    clean: bool = True,
    keepalive: int = 15,
    in_flight: int = 1000,
) -> AsyncIterator[Session]:
    """Hold one connection; raise `BrokerLost` if it cannot be made or ends."""
    context = ssl.create_default_context(cafile=address.ca_file) if address.tls else None
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=client_id,
        clean_session=clean,
        keepalive=keepalive,
        timeout=ANSWER_S,
        max_inflight_messages=in_flight,
        tls_context=context,
        will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=will.retain) if will else None,
    )
    client.pending_calls_threshold = in_flight + 10
    client._client.manual_ack_set(True)  # noqa: SLF001 - see the head of this file
    _hear_early_ends(client)
    try:
        with _cancellation_heard():
            await client.__aenter__()
    except (aiomqtt.MqttError, OSError) as err:
        # One that answers late must not find half a session of ours, which would take the place of the next.
        client._client.disconnect()  # noqa: SLF001 - see the head of this file
        raise BrokerLost(f"{address.host}:{address.port}: {printable(str(err))}") from None
    except asyncio.CancelledError:
        await _close(client)
        raise
    watch = asyncio.create_task(_watch(client), name="broker watch")
    try:
        yield Session(client)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await _close(client)


def _hear_early_ends(client: aiomqtt.Client) -> None:
    """Let an attempt end with its connection.

    aiomqtt takes no notice of an end that comes before CONNACK and waits for its whole time-out: behind a proxy or a
    tunnel that takes every connection and drops it while the broker is away, each attempt would last ten seconds.
    """
    paho, loop = client._client, asyncio.get_running_loop()  # noqa: SLF001 - see the head of this file
    tell = paho.on_disconnect

    def note() -> None:
        waiting, lost = client._connected, client._disconnected  # noqa: SLF001
        if not waiting.done():
            waiting.set_exception(aiomqtt.MqttError("the connection ended before the broker answered"))
            waiting.exception()  # whoever waits is told all the same, and nobody needs to
        if not lost.done():
            lost.set_result(None)

    def ended(*what: Any) -> None:
        if tell is not None and not client._connected.cancelled():  # noqa: SLF001
            tell(*what)
        loop.call_soon_threadsafe(note)  # it may be the thread that connects

    paho.on_disconnect = ended


async def _watch(client: aiomqtt.Client) -> None:
    """End a session whose connection ended unheard.

    aiomqtt forgets a loss that falls between CONNACK and the end of its connecting, and one that its callbacks for
    the socket fall over (a descriptor that is closed by then): everybody would wait for ever.
    """
    paho = client._client  # noqa: SLF001 - see the head of this file
    # There is nothing to wait for: it is the event that fails to come.
    while paho.is_connected() and paho.socket() is not None:  # noqa: ASYNC110
        await asyncio.sleep(WATCH_S)
    lost = client._disconnected  # noqa: SLF001
    if not lost.done():
        lost.set_exception(aiomqtt.MqttError("the connection ended, and nothing said so"))


async def _close(client: aiomqtt.Client) -> None:
    try:
        with _cancellation_heard():
            await client.__aexit__(None, None, None)
    except (aiomqtt.MqttError, OSError) as err:
        log.debug("closing the broker connection: %s", err)
    # Why it was lost is told by whoever noticed; a future that nobody asked would be logged as a bug.
    lost = client._disconnected  # noqa: SLF001 - see the head of this file
    if lost.done() and not lost.cancelled():
        lost.exception()


@contextmanager
def _cancellation_heard() -> Iterator[None]:
    """Raise a cancellation that came while the body ran and was swallowed there.

    aiomqtt waits with `asyncio.wait_for`, which before Python 3.12 returns a result that arrives together with
    a cancellation and forgets the cancellation: a task group would then wait for this task for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


async def stay_connected(
    serve: Callable[[Session], Awaitable[None]],
    open_session: Callable[[], AbstractAsyncContextManager[Session]],
    *,
    where: str,
    random: Random,
    on_change: Callable[[bool, str], None] = lambda _here, _why: None,
) -> None:
    """Serve one session after another for ever; said once when the broker is lost and once when it is back.

    It is back when it grants a subscription: one that lets us in and refuses us everything is of no use.

    `open_session` returns a fresh `connect(...)` context each time. `serve` ends only by `BrokerLost` or
    cancellation; any other exception is a bug and passes through.
    """
    loop = asyncio.get_running_loop()
    wait, lost_at = FIRST_WAIT_S, loop.time()
    here: bool | None = None

    def granted() -> None:
        nonlocal here
        if here is not True:
            here = True
            log.info("broker %s: connected", where)
            on_change(True, "")

    while True:
        began = loop.time()
        try:
            # A task group in `serve` whose child loses the broker forgets that it was cancelled in that instant.
            with _cancellation_heard():
                async with open_session() as session:
                    session.granted = granted
                    # In a task of its own: before Python 3.13 a task group whose child fails cancels the task that
                    # it stands in and does not take that back, which is not our being cancelled.
                    await asyncio.create_task(_served(serve, session), name=f"broker session {where}")
                    return
        except BrokerLost as err:
            if here is not False:
                here = False
                log.warning("broker %s: lost (%s); trying again until it is back", where, err)
                on_change(False, str(err))
        if loop.time() - began > SETTLED_S:
            wait, lost_at = FIRST_WAIT_S, loop.time()
        else:
            wait = longer(wait, loop.time() - lost_at)
        await asyncio.sleep(wait * random.uniform(0.7, 1.3))


def longer(wait: float, gone: float) -> float:
    """Return how long to wait after a wait that was in vain; `gone` seconds after the last good session."""
    return min(wait * 2, LONGEST_WAIT_S if gone > EAGER_S else min(EAGER_WAIT_S, LONGEST_WAIT_S))


async def _served(serve: Callable[[Session], Awaitable[None]], session: Session) -> None:
    await serve(session)
