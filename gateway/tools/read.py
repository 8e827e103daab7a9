"""Read now: the raw words, every way to read them side by side, and which of these is on the display."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from drivers import registry
from drivers.api import DeviceDriver, Reading, Transaction
from drivers.errors import DeviceRefused, DriverError, Misconfigured
from drivers.lines import Reply
from drivers.profile import Point, Profile
from drivers.workshop import Guess, Workshop
from gateway.tools.access import AS_IT_IS, Tuning, tuning_of
from gateway.tools.fingerprint import library_of
from gateway.tools.work import Work, instant, rtt_ms, shown
from messages.text import printable
from messages.tool_args import ReadArgs

MOST_MATCHES = 6


@dataclass(frozen=True, slots=True)
class Target:
    """What is read, and how."""

    profile: Profile
    driver: DeviceDriver
    timeout: float
    tuning: Tuning = AS_IT_IS
    device: str = ""


@dataclass(frozen=True, slots=True)
class One:
    """One point as it was read, or why it was not."""

    name: str
    reading: Reading
    transaction: Transaction
    reply: Reply | None
    trouble: str = ""


async def read(work: Work, args: ReadArgs) -> None:
    """Read the points of a device and say a row for each."""
    target = await target_of(work, args)
    wanted = _wanted(target, args)
    display = Decimal(args.display) if args.display is not None else None
    plan = target.driver.plan(wanted)
    good = bad = 0
    bare = args.table is not None
    bench = work.bench(target.profile.protocol)
    for done, transaction in enumerate(plan):
        work.say(done, len(plan), None, transaction.label)
        found = [one for one in await read_transaction(work, target, transaction) if one.name in wanted]
        whole = b"".join(one.reading.raw for one in found)
        for place, one in enumerate(found):
            good, bad = good + (not one.reading.quality.bad), bad + one.reading.quality.bad
            # Bare registers are seen with those that follow: where a number of two or four begins is the question.
            around = (
                whole[2 * place : 2 * place + 8] if bare and len(whole) == 2 * len(found) else one.reading.raw
            )
            work.row(row_of(bench, target.profile.points[one.name], one, around, display))
        work.result.update(points=good + bad, good=good, bad=bad)
    work.say(len(plan), len(plan), 0)


async def target_of(work: Work, args: ReadArgs) -> Target:
    """Return what the arguments mean; raise `Misconfigured`."""
    tuning = Tuning(args.baud, args.parity, args.stop_bits)
    if args.device is not None:
        device = work.device(args.device)
        driver = registry.get(device.profile.protocol).device(
            device.profile, device.file.unit, device.options
        )
        timeout = args.timeout_ms / 1000 if args.timeout_ms else device.timeout
        return Target(device.profile, driver, timeout, tuning_of(device.mode, tuning), device.id)
    if args.table is not None and args.address is not None:
        profile = work.workshop.registers(args.table, args.address, args.count)
    else:
        library = await asyncio.to_thread(library_of, work.site)
        known = library.get(args.profile)
        if known is None:
            raise Misconfigured(
                f"no profile is called {printable(args.profile, 60)!r}: the tool `profiles` lists them"
            )
        profile = known
    options = work.options_for(profile.protocol)
    if args.own_address:
        options |= {"address": args.own_address}
    driver = registry.get(profile.protocol).device(profile, args.unit, options)
    return Target(profile, driver, (args.timeout_ms or 1000) / 1000, tuning)


def _wanted(target: Target, args: ReadArgs) -> Sequence[str]:
    unknown = [name for name in args.points if name not in target.profile.points]
    if unknown:
        has = ", ".join(list(target.profile.points)[:40])
        raise Misconfigured(
            f"{target.profile.profile} has no point {printable(unknown[0], 60)!r}; it has {has}"
        )
    return args.points or tuple(target.profile.points)


async def read_transaction(work: Work, target: Target, transaction: Transaction) -> list[One]:
    """Read one block; where it is refused, its parts, until only the guilty point is bad. `LineDown` is told too."""
    try:
        reply = await work.ask(
            lambda: target.driver.exchange(transaction), timeout=target.timeout, tuning=target.tuning
        )
        readings = target.driver.decode(transaction, reply.payload)
    except DeviceRefused as err:
        parts = target.driver.split(transaction) if err.address else ()
        if len(parts) < 1 or (len(parts) == 1 and parts[0] == transaction):
            return _failed(transaction, err)
        return [one for part in parts for one in await read_transaction(work, target, part)]
    except DriverError as err:
        return _failed(transaction, err)
    return [One(name, reading, transaction, reply) for name, reading in readings.items()]


def _failed(transaction: Transaction, err: DriverError) -> list[One]:
    trouble = f"{transaction.label}: {printable(str(err), 400)}"
    return [One(name, Reading(None, err.quality), transaction, None, trouble) for name in transaction.points]


def row_of(bench: Workshop, point: Point, one: One, raw: bytes, display: Decimal | None) -> dict[str, Any]:
    """Return what is shown of a point."""
    row: dict[str, Any] = {
        "point": one.name,
        "label": point.label,
        "label_zh": point.label_zh,
        "value": shown(one.reading.value),
        "unit": point.unit,
        "quality": one.reading.quality.value,
        "raw": one.reading.raw.hex(" ", -2),
        "request": one.transaction.label,
        "at": instant(one.reply.at) if one.reply else None,
        "rtt_ms": rtt_ms(one.reply) if one.reply else None,
        "trouble": one.trouble,
        "table": str(point.at.get("table", "")),
        "address": point.at.get("address"),
        "type": str(point.at.get("type", "")),
        "order": str(point.at.get("order", "big")),
        "exp": point.exp,
        "orders": [],
        "display": [],
    }
    if len(raw) >= 2:
        row["orders"] = [_guess(guess) for guess in bench.guesses(raw, point.exp) if guess.value is not None]
        if display is not None:
            row["display"] = [_guess(guess) for guess in bench.matches(raw, display)[:MOST_MATCHES]]
    return row


def _guess(guess: Guess) -> dict[str, Any]:
    return {"order": guess.order, "type": guess.type, "exp": guess.exp, "value": shown(guess.value)}
