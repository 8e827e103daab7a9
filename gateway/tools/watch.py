"""Read again and again: each value with its quality, its age, its round trip, and how often it failed."""

import asyncio
from collections import Counter

from drivers import registry
from drivers.errors import Misconfigured
from gateway.tools.access import tuning_of
from gateway.tools.read import Target, read_transaction
from gateway.tools.work import Work, instant, rtt_ms, shown
from messages.tool_args import WatchArgs


async def watch(work: Work, args: WatchArgs) -> None:
    """Read the devices of a line in turn until the time is over; each time a row for each point."""
    targets = [
        Target(
            device.profile,
            registry.get(device.profile.protocol).device(device.profile, device.file.unit, device.options),
            device.timeout,
            tuning_of(device.mode),
            device.id,
        )
        for device in work.devices(args.devices)
    ]
    wanted = {target.device: [n for n in args.points if n in target.profile.points] for target in targets}
    if args.points and not any(wanted.values()):
        raise Misconfigured(f"no device of this line has a point {args.points[0]}")
    if not targets:
        raise Misconfigured(f"line {work.line.id} has no devices to watch")
    began, reads, errors = work.monotonic(), Counter[str](), Counter[str]()
    rounds = 0
    work.result.update(rounds=0, reads=0, errors=0)
    while (passed := work.monotonic() - began) < args.for_s:
        work.say(int(passed), args.for_s, args.for_s - passed, f"round {rounds + 1}")
        for target in targets:
            points = wanted[target.device] or ([] if args.points else list(target.profile.points))
            await _round(work, target, points, reads, errors)
        rounds += 1
        work.result.update(rounds=rounds)
        next_at = began + rounds * args.every_ms / 1000
        left = began + args.for_s - work.monotonic()
        await asyncio.sleep(max(0.0, min(next_at - work.monotonic(), left)))


async def _round(
    work: Work, target: Target, points: list[str], reads: Counter[str], errors: Counter[str]
) -> None:
    for transaction in target.driver.plan(points) if points else ():
        for one in await read_transaction(work, target, transaction):
            if one.name not in points:
                continue
            key = f"{target.device}/{one.name}"
            reads[key] += 1
            errors[key] += one.reply is None
            work.row(
                {
                    "device": target.device,
                    "point": one.name,
                    "value": shown(one.reading.value),
                    "unit": target.profile.points[one.name].unit,
                    "quality": one.reading.quality.value,
                    "at": instant(one.reply.at) if one.reply else None,
                    "rtt_ms": rtt_ms(one.reply) if one.reply else None,
                    "errors": errors[key],
                    "reads": reads[key],
                    "trouble": one.trouble,
                }
            )
        work.result.update(reads=reads.total(), errors=errors.total())  # now: it may be stopped at any moment
