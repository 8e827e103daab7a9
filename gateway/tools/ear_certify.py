"""Prove a line that listens: each device is heard, says what it has to when it is triggered, and all of it is kept."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from drivers.errors import Misconfigured
from gateway.listening.taps import Crossed, Taken
from gateway.site.config import Device
from gateway.tools.certify import cable_tested, check, document, finish, row_of
from gateway.tools.ear import listens
from gateway.tools.work import Ear, Work, instant
from messages.text import printable
from messages.tool_args import CertifyArgs
from messages.types import Edge, Lane

LOOK_S: Final = 0.5
STORED_WITHIN_S: Final = 30.0
CLOCK_WITHIN: Final = timedelta(seconds=60)
MOST_NAMED: Final = 8


@dataclass(slots=True)
class _Seen:
    """What one device said while it was certified."""

    device: Device
    wanted: list[str]
    """Signals that it has to say; without any, one event of whatever kind."""
    said: dict[str, str] = field(default_factory=dict)
    """By signal: when and of which part it said it first."""
    results: dict[str, int] = field(default_factory=dict)
    off_by: timedelta | None = None
    """How far its own time was from ours, when it last gave one."""

    @property
    def left(self) -> list[str]:
        """What it still has to say; empty when it is done."""
        if not self.wanted:
            return [] if self.said or not self.device.profile.signals else ["any event"]
        return [code for code in self.wanted if code not in self.said]

    def take(self, taken: Taken, *, alone: bool) -> None:
        self.results[taken.result] = self.results.get(taken.result, 0) + 1
        if taken.result != "ok" and not (alone and taken.result == "not_kept"):
            return  # what is said again proves nothing
        for happening in taken.heard.happenings:
            if happening.at is not None:
                self.off_by = happening.at - taken.clock
            if happening.edge is not Edge.CLEARED:
                part = f", part {printable(happening.part, 80)}" if happening.part else ""
                self.said.setdefault(happening.code, f"at {instant(taken.clock)}{part}")


async def certify(work: Work, ear: Ear, args: CertifyArgs) -> None:
    """Say a row for each device, and sign what they say together with the line, the clock and the cable."""
    seen = _plan(work, args)
    await listens(work, ear)
    steps = 1 + sum(max(1, len(one.wanted)) for one in seen.values()) + (args.cable != "none")
    news = asyncio.Event()

    def look(what: Crossed | Taken) -> None:
        if isinstance(what, Taken) and what.device in seen:
            seen[what.device].take(what, alone=work.gateway is None)
            news.set()

    untap = ear.hearing.taps.tap(look)
    try:
        await _triggered(work, args, seen, steps, news)
        await _heard(work, ear, args, seen, steps, news)
        stored = await _stored(work)
    finally:
        untap()
    rows = []
    for one in seen.values():
        checks = [_link(ear, one), *_signals(one, args), _clock(one), _kept(work, one, stored)]
        row = row_of(one.device, checks)
        rows.append(row)
        work.row(row)
    meanwhile = "; press a test button meanwhile / 期间请按一次测试按钮"
    tested = await cable_tested(work, args, steps - 1, steps, meanwhile=meanwhile)
    await finish(work, rows, document(work, args, rows, tested), steps)


def _plan(work: Work, args: CertifyArgs) -> dict[str, _Seen]:
    """Return what each device has to say; raise `Misconfigured` for a signal that nobody here can."""
    devices = work.devices(args.devices)
    known = {code for device in devices for code in device.profile.signals}
    for code in (*args.signals, *args.skip):
        if code not in known:
            has = ", ".join(sorted(known)[:40]) or "none"
            raise Misconfigured(f"signals: nobody certified here says {printable(code, 60)}; there are {has}")
    return {
        device.id: _Seen(
            device,
            [
                code
                for code in dict.fromkeys(args.signals)
                if code in device.profile.signals and code not in args.skip
            ],
        )
        for device in devices
    }


async def _triggered(
    work: Work, args: CertifyArgs, seen: Mapping[str, _Seen], steps: int, news: asyncio.Event
) -> None:
    """Wait until everything was triggered that has to be, or nothing has come for too long."""
    deadline = work.monotonic() + args.wait_s
    done = -1
    while left := {name: one.left for name, one in seen.items() if one.left}:
        now = sum(len(one.said) for one in seen.values())
        if now > done:
            done, deadline = now, work.monotonic() + args.wait_s
        remains = deadline - work.monotonic()
        if remains <= 0:
            return
        waits = "; ".join(f"`{', '.join(codes[:MOST_NAMED])}` of {name}" for name, codes in left.items())
        text = f"Press the test button now / 请按下测试按钮: waiting for {waits}. Tell the desk: these are real alarms"
        work.say(min(done, steps - 1), steps, remains, printable(text, 400))
        await _news(news, min(LOOK_S, remains))


async def _heard(
    work: Work, ear: Ear, args: CertifyArgs, seen: Mapping[str, _Seen], steps: int, news: asyncio.Event
) -> None:
    """Wait for whoever has nothing to say but has to be there."""
    deadline = work.monotonic() + args.wait_s
    while missing := [
        one.id for one in ear.devices if one.id in seen and not one.heard and not seen[one.id].said
    ]:
        remains = deadline - work.monotonic()
        if remains <= 0 or any(seen[name].left for name in missing):
            return  # it had its time to speak
        work.say(steps - 1, steps, remains, f"waiting to hear {', '.join(missing[:MOST_NAMED])}")
        await _news(news, min(LOOK_S, remains))


async def _news(event: asyncio.Event, seconds: float) -> None:
    event.clear()
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def _stored(work: Work) -> tuple[bool | None, str]:
    """Wait until the server has stored all alarms that are numbered by now; None where nobody can tell."""
    if work.gateway is None:
        return False, "no gateway runs here, so nothing is kept: start it, and certify beside it"
    lane = Lane.ALARM.value
    until = int(work.gateway.delivery()["lanes"].get(lane, {"next": 0})["next"])
    deadline = work.monotonic() + STORED_WITHIN_S
    while (now := work.gateway.delivery())["lanes"].get(lane, {"first": until})["first"] < until:
        if not now["connected"]:
            return None, "in the journal; the server cannot be reached now: mend the uplink, and test again"
        if work.monotonic() > deadline:
            return False, f"the server has not stored everything within {STORED_WITHIN_S:.0f} s: look at it"
        await asyncio.sleep(LOOK_S / 5)
    return True, f"the server has stored every alarm through {until - 1}" if until else ""


def _link(ear: Ear, one: _Seen) -> dict[str, Any]:
    attended = next(each for each in ear.devices if each.id == one.device.id)
    planned = f"{one.device.profile.vendor} {one.device.profile.model}, names itself {printable(attended.source, 60)}"
    if not attended.heard:
        why = "look at its address, its receiver's address and port, the firewall; `trace` shows who speaks"
        return check("found", passed=False, planned=planned, found="not heard", why=why)
    at = instant(attended.said_at) if attended.said_at is not None else "unknown"
    found = f"heard {at} from {printable(attended.peer, 60)}, {attended.messages} messages"
    return check("found", passed=not attended.silent, planned=planned, found=found)


def _signals(one: _Seen, args: CertifyArgs) -> Sequence[dict[str, Any]]:
    """Judge each signal that was said, had to be said or was skipped by name; the others are one line."""
    checks, rest = [], []
    for code in one.device.profile.signals:
        said, skipped = one.said.get(code, ""), args.skip.get(code)
        if skipped is not None and not said:
            checks.append(check(f"signal {code}", passed=None, planned="is said", why=f"skipped: {skipped}"))
        elif code in one.wanted or said:
            late = f"not said within {args.wait_s} s: wiring, zone, programming of the panel"
            why = "" if said else late
            checks.append(check(f"signal {code}", passed=bool(said), planned="is said", found=said, why=why))
        else:
            rest.append(code)
    if not one.wanted and one.device.profile.signals:
        why = "" if one.said else f"nothing was said within {args.wait_s} s: press the test button"
        found = f"{len(one.said)} of {len(one.device.profile.signals)} signals were said"
        checks.insert(
            0, check("signals", passed=bool(one.said), planned="one event at least", found=found, why=why)
        )
    if rest:
        why = f"were not to be triggered: {', '.join(rest)}"
        checks.append(check("other signals", passed=None, found=f"{len(rest)} not tested", why=why))
    return checks


def _clock(one: _Seen) -> dict[str, Any]:
    planned = f"within {CLOCK_WITHIN.seconds} s of ours"
    if one.off_by is None:
        return check("device clock", passed=None, planned=planned, why="it gave no time of its own")
    seconds = round(one.off_by.total_seconds())
    found = f"{abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}" if seconds else "right"
    # Nothing rests on a panel's clock: what it says is shown beside the time at which we heard it.
    well = abs(one.off_by) <= CLOCK_WITHIN
    why = "" if well else "set it: its times are shown beside ours"
    return check("device clock", passed=True if well else None, planned=planned, found=found, why=why)


def _kept(work: Work, one: _Seen, stored: tuple[bool | None, str]) -> dict[str, Any]:
    kept, lost = one.results.get("ok", 0), one.results.get("not_kept", 0)
    again = one.results.get("repeated", 0)
    found = f"{kept} messages kept, {again} said again, {lost} not taken"
    passed, why = stored
    if lost and work.gateway is not None:
        passed, why = False, "the journal did not take everything: look at its disk; the device says it again"
    return check("kept", passed=passed, planned="0 lost", found=found, why=why)
