"""Frames of real devices, bent and broken, into every decoder: what comes out is a value, nothing, or a driver's error.

`python -m tests.support.fuzz --minutes 60` runs for longer than CI does, over all protocols in turn; a finding is
printed with the `--protocol` and the `--seed` that bring it back as the first input of a run.
"""

import argparse
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from drivers import registry
from drivers.api import Driver, Exchange, ListenDriver, PeerSession
from drivers.errors import DriverError, FrameDamaged
from drivers.listen_check import hear, sent
from drivers.profile import Profile
from drivers.profiles_store import load_marked_library
from tests.support.sealed import sealed
from tests.support.vectors import VECTORS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = 6000
MOST_STEPS = 40
SLOWEST_S = 1.0  # processor time of one input: a decoder that takes longer has lost its way
MOST_HELD = 512 * 1024
MOST_FINDINGS = 20
AS_IT_IS = 0.3  # how many bent frames are answers as they are; the others get a sound outside first
AT_A_STRETCH = 200  # inputs of one protocol before the next

_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_OF = {"onvif": "onvif-event", "dsmr-p1": "iec62056-21"}

# What a site file says besides the address.
SITE: dict[str, dict[str, Any]] = {"http-push": {"auth": "none"}}

Target = Callable[[bytes, Random], bool]
"""Decodes bytes; says whether they came through to where values are made, or what happened is told."""


class Finding(AssertionError):
    """A decoder did what it must not do."""


@cache
def library() -> dict[str, Profile]:
    """Every shipped profile."""
    return {name: profile for name, (profile, _, _) in load_marked_library().items()}


@cache
def corpus(protocol: str) -> tuple[bytes, ...]:
    """Return frames of a protocol from the vectors and the profiles' examples."""
    found: dict[bytes, None] = {}
    for path in sorted(VECTORS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if str(row.get("protocol", "")).startswith(_OF.get(protocol, protocol)[:6]):
                found.update(dict.fromkeys(_frames(row)))
    for profile in library().values():
        if profile.protocol == protocol:
            for example in profile.examples:
                found.update(dict.fromkeys(_frames([example.reply, example.request])))
    if protocol == "http-push":
        bodies = [frame for frame in found if frame.lstrip()[:1] in (b"{", b"[", b"<")]
        found = dict.fromkeys([*bodies, *(_posted(body, kind) for body in bodies for kind in _KINDS)])
    return tuple(found) or (b"",)


# Content types as devices send them, and as only an enemy does.
_KINDS = (
    b"",
    b"Content-Type: application/json; charset=utf-8\r\n",
    b"Content-Type: application/json; a*=x; a*0=y\r\n",
    b'Content-Type: multipart/form-data; boundary*0*=b; boundary="b"; x*1*=%zz\r\n',
)


def _posted(body: bytes, kind: bytes) -> bytes:
    head = b"POST /push HTTP/1.1\r\nHost: gw\r\n%sContent-Length: %d" % (kind, len(body))
    return b"%s\r\n\r\n%s" % (head, body)


def _frames(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        text = value.replace(" ", "")
        if _HEX.fullmatch(text) and len(text) % 2 == 0:
            yield bytes.fromhex(text)
        elif len(value) > 20:
            yield value.encode()
    elif isinstance(value, dict):
        for each in value.values():
            yield from _frames(each)
    elif isinstance(value, list):
        for each in value:
            yield from _frames(each)


def bent(rng: Random, frames: tuple[bytes, ...]) -> bytes:
    """Return a frame with a few things done to it that noise, bugs and enemies do."""
    data = bytearray(rng.choice(frames))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(8)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif what == 1 and data:
            data[at % len(data)] = rng.choice((0, 1, 0x16, 0x68, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
        elif what == 2:
            del data[at : at + rng.choice((1, 2, 7, 60))]
        elif what == 3:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 9, 200)))
        elif what == 4:
            data[at:at] = bytes((rng.randrange(256),)) * rng.choice((4, 64, 1000))
        elif what == 5:
            data += rng.choice(frames)
        elif what == 6:
            data[at:at] = data[: rng.randrange(1, 64)]
        else:
            del data[at:]
    return bytes(data[:LONGEST])


def portions(data: bytes, rng: Random) -> Iterator[bytes]:
    """Cut bytes anywhere, as wires do."""
    while data:
        size = rng.choice((1, 2, 3, 17, 256, len(data)))
        yield data[:size]
        data = data[size:]


def targets(protocol: str) -> list[tuple[str, Target]]:
    """Return all that a protocol decodes with, each as a function of bytes."""
    driver = registry.get(protocol)
    made: list[tuple[str, Target]] = [("explain", lambda data, _rng: _explain(driver, data))]
    profiles = [profile for profile in library().values() if profile.protocol == protocol]
    for profile in profiles:
        if isinstance(driver, ListenDriver):
            site = SITE.get(protocol, {})
            known = {source: (profile, {"address": source, **site}) for source in _sources(driver, profile)}
            made.append((f"session of {profile.profile}", _session_target(driver, known)))
        else:
            made.append((f"replies of {profile.profile}", _reply_target(driver, profile)))
    return made


def _sources(driver: ListenDriver, profile: Profile) -> set[str]:
    """Return how devices of this profile name themselves in its examples, or are called in a site file."""
    found: set[str] = set()
    site = SITE.get(profile.protocol, {})
    for example in profile.examples:
        with suppress(DriverError):
            raw = sent(example.reply)
            if (
                driver.protocol == "http-push"
            ):  # its examples are bodies; who posts them is named as not known
                nobody = driver.session({"A1": (profile, {"address": "A1", **site})}, {})
                heard = nobody.feed(sealed(driver.protocol, _path(profile), raw), NOW)
            else:
                heard = hear(raw, profile, lambda devices: driver.session(devices, site))
            found |= {message.source for message in heard}
    if not found - {""}:
        with suppress(DriverError):
            found.add(driver.source(profile, {"address": "A1", **site}))
    return found - {""}


def _path(profile: Profile) -> bytes:
    return str(profile.options.get("path") or "/push").encode()


def _explain(driver: Any, data: bytes) -> bool:
    try:
        text = driver.explain(data)
    except FrameDamaged:
        return False
    if not isinstance(text, str) or len(text) > 200_000:
        raise Finding(f"explain says {type(text).__name__} of {len(text)}")
    return False


def _session_target(driver: ListenDriver, known: dict[str, tuple[Profile, dict[str, Any]]]) -> Target:
    source, (profile, _) = min(known.items(), key=lambda each: each[0])
    who = _path(profile) if driver.protocol == "http-push" else source.encode()

    def run(data: bytes, rng: Random) -> bool:
        session: PeerSession = driver.session(known, {})
        now, through = NOW, False
        pauses = rng.choice(((0,), (0, 0, 1, 70)))
        data = data if rng.random() < AS_IT_IS else sealed(driver.protocol, who, data)
        try:
            for part in portions(data, rng):
                now += timedelta(seconds=rng.choice(pauses))
                for heard in session.feed(part, now):
                    through = through or bool(heard.readings or heard.happenings)
                    if len(heard.reply) > 4096 or len(heard.happenings) > 10_000:
                        raise Finding(
                            f"{len(heard.reply)} bytes of answer, {len(heard.happenings)} happenings"
                        )
                    for happening in heard.happenings:
                        if not any(happening.code in profile.signals for profile, _ in known.values()):
                            raise Finding(f"a signal {happening.code!r} that no profile has")
                session.tick(now)
        except FrameDamaged:
            pass
        if (held := _held(session)) > MOST_HELD:
            raise Finding(f"a session holds {held} bytes")
        return through

    return run


def _reply_target(driver: Driver, profile: Profile) -> Target:
    def run(data: bytes, rng: Random) -> bool:
        device = driver.device(
            profile, 1, {}
        )  # a new one: what it learned before would not come again by the seed
        transaction = rng.choice(list(device.plan(list(profile.points))))
        step: Exchange | bytes = device.exchange(transaction)
        payload: bytes | None = None
        try:
            for _ in range(MOST_STEPS):
                if not isinstance(step, Exchange) or step.reader is None:
                    break
                payload = None
                answer = data if rng.random() < AS_IT_IS else sealed(driver.protocol, step.request, data)
                for part in portions(answer, rng):
                    payload = step.reader.feed(part)
                    if payload is not None:
                        break
                if payload is None:
                    if (held := _held(step.reader)) > MOST_HELD:
                        raise Finding(f"a reader holds {held} bytes")
                    return False
                step = step.then(payload) if step.then is not None else payload
        except DriverError:
            return False
        whole = step if isinstance(step, bytes) else data
        readings = device.decode(transaction, whole)
        for name, reading in readings.items():
            if (reading.value is None) != reading.quality.bad:
                raise Finding(f"{name}: {reading.value} is {reading.quality}")
        device.happenings(transaction, whole)
        return True

    return run


def _held(thing: Any, depth: int = 4) -> int:
    """Return how many bytes an object keeps of what it was fed."""
    if isinstance(thing, bytes | bytearray | str):
        return len(thing)
    if depth == 0:
        return 0
    if isinstance(thing, dict):
        return sum(_held(each, depth - 1) for each in (*thing, *thing.values()))
    if isinstance(thing, list | tuple | set | frozenset):
        return sum(_held(each, depth - 1) for each in thing)
    names = [
        *getattr(thing, "__dict__", {}),
        *(s for kind in type(thing).__mro__ for s in getattr(kind, "__slots__", ())),
    ]
    return sum(_held(getattr(thing, name, None), depth - 1) for name in names if not name.endswith("devices"))


def once(protocol: str, seed: int) -> bool:
    """Try one bent frame in one target and say whether it came through; raise `Finding` naming both."""
    rng = Random(f"{protocol} {seed}")
    name, target = rng.choice(_targets(protocol))
    data = bent(rng, corpus(protocol))
    again = f"--protocol {protocol} --seed {seed}"
    began = time.process_time()
    try:
        through = target(data, rng)
    except Exception as err:
        shown = "".join(traceback.format_exception(err)[-4:])
        raise Finding(f"{again}: {name}: {data.hex()}\n{shown}") from err
    took = time.process_time() - began
    if took > SLOWEST_S:
        raise Finding(f"{again}: {name} took {took:.1f} s of processor time: {data.hex()}")
    return through


@cache
def _targets(protocol: str) -> list[tuple[str, Target]]:
    return targets(protocol)


def hunt(protocols: Sequence[str], seed: int, more: Callable[[], bool]) -> Iterator[Finding | None]:
    """Try one input after another, the first with this seed, while there is to be more; yield what each has found."""
    while more():
        for protocol in protocols:
            for _ in range(AT_A_STRETCH):
                try:
                    once(protocol, seed)
                except Finding as err:
                    yield err
                else:
                    yield None
                seed += 1


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz for as long as is said."""
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--minutes", type=float, default=60.0)
    said.add_argument("--seed", type=int, default=0, help="where to begin; findings name theirs")
    said.add_argument("--protocol", action="append", help="only this one; may be given more than once")
    given = said.parse_args(argv)
    os.environ.setdefault("GATEHOUSE_DLT645_PASSWORD", "00000000")
    until, tried, found = time.monotonic() + 60 * given.minutes, 0, 0
    for finding in hunt(given.protocol or registry.names(), given.seed, lambda: time.monotonic() < until):
        tried += 1
        if finding is not None:
            found += 1
            sys.stdout.write(f"{finding}\n")
            if found == MOST_FINDINGS:
                break
    sys.stdout.write(f"{tried} inputs, {found} findings\n")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
