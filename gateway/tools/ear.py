"""Tools on a line that listens: what peers say with what it means, and what is known of each device."""

import asyncio
import re
from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from drivers import registry
from drivers.api import Happening, HidesKeys, Mask
from drivers.errors import DriverError, LineDown, Misconfigured
from drivers.withheld import Withheld
from gateway.listening.attended import Attended
from gateway.listening.taps import Crossed, Taken
from gateway.tools.work import Ear, Work, instant, shown
from messages.text import printable
from messages.tool_args import TraceArgs, WatchArgs
from messages.types import Edge, Quality

GAP_S: Final = 0.3  # bytes that are no message by then are shown as they are
LOOK_S: Final = 0.2
UP_WITHIN_S: Final = 5.0
MOST_HEX: Final = 300
MOST_JOINED: Final = 1 << 20
MOST_STANDING: Final = 50
MOST_PEERS: Final = 1000
BECAME: Final = {
    "ok": "kept",
    "repeated": "said before: answered again, and told once",
    "link": "concerns no device",
    "refused": "refused, as its sender is told",
    "not_kept": "NOT KEPT, so not acknowledged: its sender says it again",
}
# What HTTP carries beside a message may be a key: it is shown as long as it is, and nothing else.
_SECRET: Final = re.compile(
    rb"(?i)(?:authorization|cookie|x-[a-z-]{0,30}(?:key|token|sign|secret)|api-key|token|password)[ \t]*:[ \t]*"
    rb"([^\r\n&\s][^\r\n]{0,1000})"
)


def masked(data: bytes) -> bytes:
    """Return bytes with stars in the place of keys that protocols over HTTP carry."""
    heads = _SECRET.sub(lambda m: m[0][: m.start(1) - m.start()] + b"*" * len(m[1]), data)
    return Withheld().feed(heads)


async def listens(work: Work, ear: Ear) -> None:
    """Return once the line listens; raise `LineDown` saying why it does not."""
    deadline = work.monotonic() + UP_WITHIN_S
    while not ear.up:
        if ear.trouble or work.monotonic() > deadline:
            raise LineDown(f"line {work.line.id} does not listen: {ear.trouble or 'it has not begun yet'}")
        await asyncio.sleep(LOOK_S / 10)


async def trace(work: Work, ear: Ear, args: TraceArgs) -> None:
    """Say a row for each message, and for bytes that are none, until the time is over."""
    if args.units:
        raise Misconfigured("units: a line that listens has peers and no units: leave it out")
    if args.record:
        raise Misconfigured(
            "record: only questions and answers are captured; of a line that listens copy the rows"
        )
    await listens(work, ear)
    rows = _Rows(work, ear, args)
    untap = ear.hearing.taps.tap(rows.take)
    try:
        while (passed := work.monotonic() - rows.began) < args.for_s:
            text = f"{rows.frames} frames, {ear.peers} connected"
            work.say(int(passed), args.for_s, args.for_s - passed, text)
            await asyncio.sleep(min(LOOK_S, args.for_s - passed))
            rows.tell(work.monotonic() - GAP_S)
    finally:
        untap()
        rows.tell(None)


class _Rows:
    """Puts what crosses into rows: a message when it is whole, bytes that became none a little later."""

    def __init__(self, work: Work, ear: Ear, args: TraceArgs) -> None:
        self.work, self.explain = work, args.explain
        self.driver = registry.get(ear.config.ear.protocol)
        self.began, self.offset = work.monotonic(), work.clock()
        self.frames = self.dropped = self.bad = 0
        self._waiting: deque[Crossed | Taken] = deque(maxlen=args.newest)
        self._loose: dict[str, Crossed] = {}
        """By peer: bytes of which no message has come yet."""
        self._masks: dict[str, Mask] = {}

    def take(self, what: Crossed | Taken) -> None:
        if isinstance(self.driver, HidesKeys):
            what = self._masked(what, self.driver)
        self.dropped += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(what)

    def _masked(self, what: Crossed | Taken, driver: HidesKeys) -> Crossed | Taken:
        """Return what crossed without keys: a key may come in two parts, so that each peer is followed."""
        mask = self._masks.pop(what.peer, None) or driver.mask()
        while len(self._masks) >= MOST_PEERS:
            del self._masks[next(iter(self._masks))]
        self._masks[what.peer] = mask
        if isinstance(what, Taken):
            mask.message()
        elif what.direction == "rx":
            return replace(what, data=mask.feed(what.data))
        return what

    def tell(self, until: float | None) -> None:
        """Say what came; of bytes that became no message those that lie there since `until`, None for all."""
        while self._waiting:
            what = self._waiting.popleft()
            if isinstance(what, Taken):
                self._message(what, self._loose.pop(what.peer, None))
                continue
            before = self._loose.pop(what.peer, None)
            if what.direction == "rx":
                self._loose[what.peer] = self._joined(before, what)
            else:
                self._bytes(before)
                self._row(what.peer, "tx", what.data, what.at, "none", self._explained(what.data))
        for peer in [peer for peer, bytes_ in self._loose.items() if until is None or bytes_.at <= until]:
            self._bytes(self._loose.pop(peer))
        self.work.result.update(frames=self.frames, bad=self.bad, dropped=self.dropped)

    def _joined(self, before: Crossed | None, what: Crossed) -> Crossed:
        """Return what came with what came right before: a message beside a picture comes in many parts."""
        if before is None:
            return what
        if what.at - before.at > GAP_S or len(before.data) + len(what.data) > MOST_JOINED:
            self._bytes(before)
            return what
        return replace(what, data=before.data + what.data)

    def _message(self, taken: Taken, chunk: Crossed | None) -> None:
        raw, explained = self._best(taken, chunk)
        if chunk is not None and self.explain and raw is not chunk.data and raw and chunk.data.endswith(raw):
            noise = chunk.data.removesuffix(raw)
            self._bytes(replace(chunk, data=noise) if noise else None)
        known = BECAME.get(taken.result)
        became = known or f"no device here is {printable(taken.heard.source, 60)}: add it to the site file"
        means = ", ".join(happened(each) for each in taken.heard.happenings[:MOST_STANDING])
        said = [taken.heard.label, explained, means, f"→ {became}"]
        text = "\n".join(part for part in said if part)
        self._row(taken.peer, "rx", raw, taken.at, "ok", text, taken.device)

    def _best(self, taken: Taken, chunk: Crossed | None) -> tuple[bytes, str]:
        """Return the bytes of a message with what they say: as they came, if that is one frame, else as its session
        has them."""
        both = [chunk.data] if chunk is not None else []
        both += [taken.heard.raw] if taken.heard.raw else []
        for data in both if self.explain else ():
            try:
                return data, self.driver.explain(data)
            except DriverError:
                continue
        return next(reversed(both), b""), ""

    def _bytes(self, chunk: Crossed | None) -> None:
        if chunk is not None:
            self.bad += 1
            text = f"no whole message: {self._explained(chunk.data)}"
            self._row(chunk.peer, "rx", chunk.data, chunk.at, "none", text)

    def _explained(self, data: bytes) -> str:
        if not self.explain:
            return ""
        try:
            return self.driver.explain(data)
        except DriverError as err:
            return str(err)

    def _row(
        self, peer: str, direction: str, data: bytes, at: float, check: str, text: str, device: str = ""
    ) -> None:
        self.frames += 1
        since = max(0.0, at - self.began)
        self.work.row(
            {
                "at": instant(self.offset + timedelta(seconds=since)),
                "ms": round(since * 1000),
                "dir": direction,
                "unit": None,
                "peer": printable(peer, 60),
                "device": device,
                "bytes": masked(data)[:MOST_HEX].hex(" "),
                "crc": check,
                "text": " · ".join(printable(line, 400) for line in text.splitlines()),
            }
        )


def happened(happening: Happening) -> str:
    """Write what happened as people read it."""
    edge = "" if happening.edge is Edge.PULSE else f" {happening.edge.value}"
    part = f" at {printable(happening.part, 80)}" if happening.part else ""
    return f"{happening.code}{edge}{part}"


async def watch(work: Work, ear: Ear, args: WatchArgs) -> None:
    """Say a row for each device when something is new of it, until the time is over."""
    devices = _attended(work, ear, args.devices)
    await listens(work, ear)
    began, told, rounds = work.monotonic(), dict[str, dict[str, Any]](), 0
    news = asyncio.Event()
    untap = ear.hearing.taps.tap(lambda _what: news.set())
    try:
        while (passed := work.monotonic() - began) < args.for_s:
            work.say(int(passed), args.for_s, args.for_s - passed, f"{ear.peers} connected")
            news.clear()
            for device in devices:
                row = row_of(ear, device, args.points)
                if told.get(device.id) != row:
                    told[device.id] = row
                    work.row(row)
            rounds += 1
            heard = sum(row["messages"] for row in told.values())
            work.result.update(
                rounds=rounds, messages=heard, heard=sum(row["heard"] is True for row in told.values())
            )
            await _either(news, min(args.every_ms / 1000, args.for_s - passed))
    finally:
        untap()


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than that."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        pass


def _attended(work: Work, ear: Ear, names: tuple[str, ...]) -> list[Attended]:
    wanted = {device.id for device in work.devices(names)}
    return [device for device in ear.devices if device.id in wanted]


def row_of(ear: Ear, device: Attended, points: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what is known of a device: whether it is heard, what it said last, what stands, what it told."""
    standing = sorted(device.signals.standing | device.edges.raised)
    return {
        "device": device.id,
        "heard": ear.hears(device),
        "at": instant(device.said_at) if device.said_at is not None else None,
        "peer": printable(device.peer, 60),
        "messages": device.messages,
        "said": printable(device.words, 300),
        "standing": [printable(name.replace("|", " at ", 1), 100) for name in standing[:MOST_STANDING]],
        "more_standing": max(0, len(standing) - MOST_STANDING),
        "readings": [
            {
                "point": name,
                "value": shown(reading.value),
                "unit": device.config.profile.points[name].unit,
                "quality": (Quality.TIMEOUT if device.silent else reading.quality).value,
                "at": instant(at),
            }
            for name, (reading, at) in device.readings.items()
            if not points or name in points
        ],
    }
