"""Prove an installation: planned against found, each point, a hundred reads, the worst case, the clock, the cable."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers import registry
from drivers.api import Transaction
from drivers.errors import DriverError, Misconfigured
from drivers.lines import SerialSettings
from gateway.clock import ClockWatch
from gateway.planning.forecast import Forecast, forecast
from gateway.polling.line_rules import longest_of
from gateway.polling.schedule import FIRE
from gateway.site.config import Device, LineConfig
from gateway.tools import cable
from gateway.tools.access import AS_IT_IS, tuning_of
from gateway.tools.certificate import signed, store
from gateway.tools.read import One, Target, read_transaction
from gateway.tools.scan import described
from gateway.tools.work import Work, absent, instant, rtt_ms, shown
from messages.text import printable
from messages.tool_args import CertifyArgs
from messages.types import ClockState, Quality

MOST_ERRORS = 0.01
IDENTIFY_S = 0.3
MOST_NAMED = 5
READS_WITHIN_S = 120.0
"""For so long a device is read again: a hundred readouts at 300 baud would take hours."""
FEWEST_READS = 5
_ERRORS: Mapping[str, str] = {
    "LineDown": "line down (look at its cable, adapter or host)",
    "DeviceSilent": "no answer",
    "FrameDamaged": "damaged answer (look at termination, shield, a second device of that address)",
    "DeviceRefused": "refused",
}


def check(
    name: str, *, passed: bool | None, planned: object = "", found: object = "", why: str = ""
) -> dict[str, Any]:
    """Return one check; `pass` is None where nobody can tell, and a person has to look."""
    texts = {"planned": str(planned), "found": str(found), "why": why}
    return {"check": name, "pass": passed, **{key: printable(text, 300) for key, text in texts.items()}}


async def certify(work: Work, args: CertifyArgs) -> None:
    """Say a row for each device, and sign what they say together with the line, the clock and the cable."""
    devices = work.devices(args.devices)
    if not devices:
        raise Misconfigured(
            f"line {work.line.id} has no device to certify: put its devices into the site file first"
        )
    rows: list[dict[str, Any]] = []
    steps = len(devices) + (args.cable != "none")
    measured: dict[str, float] = {}
    seen: dict[str, _Seen] = {}
    for done, device in enumerate(devices):
        work.say(done, steps, None, f"{device.id}: reading every point, then {args.reads} times the cheapest")
        seen[device.id] = await _Seen.of(work, device, args.reads)
        measured[device.id] = seen[device.id].turnaround
    found = await asyncio.to_thread(_foreseen, work, measured)
    for device in devices:
        checks = [*seen[device.id].checks(), _latency(found, device)]
        row = row_of(device, checks)
        rows.append(row)
        work.row(row)
    tested = await cable_tested(work, args, len(devices), steps)
    await finish(work, rows, document(work, args, rows, tested, found), steps)


def row_of(device: Device, checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a certificate says of a device."""
    return {
        "device": device.id,
        "name": printable(device.file.name, 100),
        "profile": device.profile.profile,
        "unit": device.file.unit,
        "metering_point": printable(device.meter.metering_point if device.meter else "", 100),
        "pass": not any(one["pass"] is False for one in checks),
        "checks": list(checks),
    }


async def finish(work: Work, rows: Sequence[Mapping[str, Any]], whole: Mapping[str, Any], steps: int) -> None:
    """Sign and keep a certificate, and make it the result."""
    document = await asyncio.to_thread(signed, work.site.state_dir, whole)
    file = await asyncio.to_thread(store, work.site.state_dir, document)
    failed = sum(not row["pass"] for row in rows)
    head = {name: value for name, value in document.items() if name != "devices"}
    work.result.update(
        {
            "pass": document["pass"],
            "devices": len(rows),
            "failed": failed,
            "cable": document["cable"],
            "clock": document["clock"],
        },
        at=document["at"],
        signature=document["signature"],
        digest=document["digest"],
        file=file,
        head=head,
    )
    work.say(steps, steps, 0, "")


def document(
    work: Work,
    args: CertifyArgs,
    rows: Sequence[Mapping[str, Any]],
    tested: Mapping[str, Any],
    found: Forecast | None = None,
) -> dict[str, Any]:
    """Return a certificate without its seals; `found` is what the line will have to do, where it is polled."""
    state = work.gateway.clock_state() if work.gateway is not None else ClockWatch().state()
    why = {
        ClockState.UNSET: "nobody has ever set it: start chrony or ntpd, and wait",
        ClockState.HOLDOVER: "plausible, but nothing keeps it right now: look at chrony or ntpd",
    }.get(state, "")
    clock = check("clock", passed=state is not ClockState.UNSET, planned="synced", found=state.value, why=why)
    line = work.line
    # What the whole line owes: also of the devices that are not in this certificate.
    missed = found.missed if found is not None else ()
    late = [f"{each.task.device} {each.task.label}" for each in missed]
    parts = (*(row["pass"] for row in rows), clock["pass"], tested["pass"] is not False, not late)
    return {
        "certificate": 1,
        "site": work.site.file.site,
        "gateway": work.site.file.gateway,
        "line": line.id,
        "endpoint": line.endpoint,
        "settings": described(work, AS_IT_IS)
        if isinstance(line.settings, SerialSettings)
        else _listens(line),
        "config": work.site.hash,
        "engineer": printable(args.engineer, 80),
        "note": printable(args.note, 500),
        "at": instant(work.clock()),
        "reads": args.reads,
        "utilisation": f"{found.utilisation:.1%}" if found is not None else "",
        "late": late[:20],
        "clock": clock,
        "cable": dict(tested),
        "pass": all(parts),
        "devices": list(rows),
    }


def _listens(line: LineConfig) -> str:
    file = line.file
    if file.listen is None:
        return ""
    port = f", {file.baud} {file.data_bits}{file.parity}{file.stop_bits}" if file.serial is not None else ""
    return f"listens{port}"


@dataclass(slots=True)
class _Seen:
    """What one device showed."""

    device: Device
    points: list[One] = field(default_factory=list)
    rtts: list[int] = field(default_factory=list)
    asked: int = 0
    wanted: int = 0
    took: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    cheapest: Transaction | None = None
    byte_time: float = 0.0

    @classmethod
    async def of(cls, work: Work, device: Device, reads: int) -> "_Seen":
        """Read every point once, then the cheapest transaction again and again."""
        seen = cls(device)
        if isinstance(work.line.settings, SerialSettings):
            seen.byte_time = (device.mode or work.line.settings.mode).byte_time
        driver = registry.get(device.profile.protocol).device(
            device.profile, device.file.unit, device.options
        )
        target = Target(device.profile, driver, device.timeout, tuning_of(device.mode), device.id)
        plan = driver.plan(device.profile.points)
        for transaction in plan:
            seen.points += await read_transaction(work, target, transaction)
        if all(one.reply is None for one in seen.points):
            return seen  # nobody there: a hundred silences would prove nothing more
        answered = [one.transaction for one in seen.points if one.reply is not None]
        seen.cheapest = min(answered, key=lambda one: (one.reply_bytes, one.label))
        seen.wanted, began = reads, work.monotonic()
        while seen.asked < reads and (seen.asked < FEWEST_READS or seen.took < READS_WITHIN_S):
            await seen._once(work, target, seen.cheapest)
            seen.took = work.monotonic() - began
        seen.identity = await _identity(work, device)
        return seen

    async def _once(self, work: Work, target: Target, transaction: Transaction) -> None:
        self.asked += 1
        try:
            # One question, one answer: here a second try would hide what is counted.
            exchange = target.driver.exchange(transaction)
            reply = await work.wire.ask(exchange, timeout=target.timeout, tuning=target.tuning)
        except DriverError as err:
            name = type(err).__name__
            self.errors[name] = self.errors.get(name, 0) + 1
        else:
            self.rtts.append(rtt_ms(reply))

    @property
    def turnaround(self) -> float:
        """How long it thinks before it answers, in seconds, nine times out of ten."""
        if not self.rtts or self.cheapest is None:
            return 0.05
        on_wire = (self.cheapest.request_bytes + self.cheapest.reply_bytes) * self.byte_time
        return max(0.001, share_of(self.rtts, 0.9) / 1000 - on_wire)

    def checks(self) -> list[dict[str, Any]]:
        """Judge what was seen."""
        return [self._found(), self._points(), self._reads(), self._serial()]

    def _found(self) -> dict[str, Any]:
        planned = f"{self.device.profile.vendor} {self.device.profile.model}"
        if self.cheapest is None:
            trouble = next((one.trouble for one in self.points if one.trouble), "no answer")
            return check("found", passed=False, planned=planned, found="no answer", why=trouble)
        told = ", ".join(f"{name} {text}" for name, text in self.identity.items())
        return check(
            "found",
            passed=True,
            planned=planned,
            found=told or "answers",
            why="" if told else "it has no name to tell",
        )

    def _points(self) -> dict[str, Any]:
        total = len(self.device.profile.points)
        bad = [one for one in self.points if one.reading.quality.bad]
        # "I have no value" is an answer: of an optional register, or of a phase that is not connected.
        none = [one for one in bad if one.reading.quality is Quality.DEVICE]
        wrong = [one for one in bad if one.reading.quality is not Quality.DEVICE]
        why = [f"{one.name} {one.reading.quality.value}" for one in wrong[:MOST_NAMED]]
        why += [f"{one.name} is not connected or not fitted" for one in none[:MOST_NAMED]]
        good = total - len(bad)
        return check("points", passed=not wrong, planned=total, found=good, why=", ".join(why))

    def _reads(self) -> dict[str, Any]:
        if not self.asked:
            return check("reads", passed=False, planned="no errors", found="no answer", why="")
        errors = sum(self.errors.values())
        passed = errors <= math.floor(MOST_ERRORS * self.asked)
        found = f"{errors} errors in {self.asked} reads"
        if self.rtts:
            found += f", {share_of(self.rtts, 0.5)} ms, worst {max(self.rtts)} ms"
        why = ", ".join(f"{count} × {_ERRORS.get(name, name)}" for name, count in self.errors.items())
        if self.asked < self.wanted:
            slow = f"{self.asked} of {self.wanted} reads in {self.took:.0f} s: a slow device is not asked for longer"
            why = f"{why}; {slow}" if why else slow
        return check(
            "reads", passed=passed, planned=f"at most {MOST_ERRORS:.0%} errors", found=found, why=why
        )

    def _serial(self) -> dict[str, Any]:
        planned = self.device.meter.serial if self.device.meter else ""
        told = next((text for name, text in self.identity.items() if "serial" in name.lower()), "")
        for one in self.points:
            if "serial" in one.name and one.reading.value is not None:
                told = str(shown(one.reading.value))
        if not told and (address := self._address()):
            # Meters are mostly delivered with their number as address, and may be given another one.
            same = planned and _number(planned) == _number(address)
            why = "" if same else "is its address: compare its plate with what is planned"
            return check("serial", passed=True if same else None, planned=planned, found=address, why=why)
        if not planned and not told:
            return check("serial", passed=None, why="no serial number is planned, and the device tells none")
        if not told:
            return check(
                "serial", passed=None, planned=planned, why="the device tells none: compare with its plate"
            )
        if not planned:
            return check(
                "serial", passed=None, found=told, why="none is planned: write it into the site file"
            )
        passed = _number(planned) == _number(told)
        return check(
            "serial",
            passed=passed,
            planned=planned,
            found=told,
            why="" if passed else "another device hangs here",
        )

    def _address(self) -> str:
        """Return the address that it names as its own, or answers to: of M-Bus only the number in it."""
        named = [self.identity.get(name, "") for name in ("address", "secondary_address", "id")]
        if self.cheapest is not None:
            named.append(str(self.device.options.get("address", "")))
        return next((text.partition("-")[0] for text in named if text), "")


def _number(text: str) -> str:
    return text.strip().lstrip("0").lower()


async def _identity(work: Work, device: Device) -> Mapping[str, str]:
    found: dict[str, str] = {}
    unit = device.file.unit
    bench, tuning = work.bench(device.profile.protocol), tuning_of(device.mode)
    unit = 255 if unit is None else unit
    for place in range(len(bench.identify(unit, device.options))):
        try:
            exchange = bench.identify(unit, device.options)[place]
            reply = await work.wire.ask(exchange, timeout=max(IDENTIFY_S, device.timeout), tuning=tuning)
        except DriverError as err:
            if absent(err.quality) or err.quality is Quality.TIMEOUT:
                break  # it knows no such question and says nothing: do not ask it again in other words
            continue
        told = bench.identity(reply.payload)
        found |= {printable(name, 40): printable(text, 100) for name, text in told.items() if text}
    return found


def _foreseen(work: Work, measured: Mapping[str, float]) -> Forecast:
    return forecast(
        work.line,
        budget=work.line.fire_budget,
        turnaround=lambda device: measured.get(device.id, 0.05),
        longest=longest_of(work.line),
    )


def _latency(found: Forecast, device: Device) -> dict[str, Any]:
    """Judge how late a change can be seen at worst: by the times that were measured, with one other device dead."""
    mine = [one for one in found.foreseen if one.task.device == device.id]
    fire = [one for one in mine if one.task.rank == FIRE]
    # Of the most urgent that it has: that a slow point comes every five minutes hides how late an alarm can be.
    urgent = min((one.task.rank for one in mine), default=FIRE)
    first = [one for one in mine if one.task.rank == urgent]
    worst = [one.bounds[1].latency for one in first]
    if not worst:
        return check("latency", passed=True, found="nothing is polled")
    latest = None if None in worst else max(seconds for seconds in worst if seconds is not None)
    text = "no bound" if latest is None else f"{first[0].task.poll} {latest:.2f} s at worst, one device dead"
    if fire:
        passed = latest is not None and latest <= found.budget
        why = "" if passed else "`gatehouse-gateway plan` says what to change"
        return check("latency", passed=passed, planned=f"fire within {found.budget:g} s", found=text, why=why)
    bounded = all(one.bounds[1].latency is not None for one in mine)
    return check(
        "latency",
        passed=bounded,
        found=text,
        why="" if bounded else "the line has too much to do",
    )


async def cable_tested(
    work: Work, args: CertifyArgs, done: int, steps: int, *, meanwhile: str = ""
) -> dict[str, Any]:
    """Test the cable as far as it is wanted; `meanwhile` is what the engineer has to do while it is out."""
    if args.cable == "none":
        return check("cable", passed=None, why="not tested")
    if work.gateway is None:
        why = "no gateway runs here: start it, and certify beside it"
        return check("cable", passed=False, why=why)
    tell = lambda text: work.say(done, steps, None, text)  # noqa: E731
    return await cable.pulled(work, work.gateway, args, tell, meanwhile)


def share_of(numbers: Sequence[int], share: float) -> int:
    """Return the number below which that share of them lies."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0
