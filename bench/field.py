"""The common task of the field side, in one run: ours, the bare loop, and whichever others are in place.

Every number that is compared comes from the simulated devices or from the broker, never from a gateway's own word.
"""

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import outage
from bench.fieldsite import (
    SLAVES,
    TCP_DEVICES,
    Farm,
    bus_limit,
    bus_lines,
    farm,
    gateway_site,
    tcp_lines,
    wait_for,
)
from bench.mosquitto import broker
from bench.processes import child, python, script
from bench.rivals import RIVALS, UNTOLD, Rival

MOST_BACK_S = 30.0
DEAD = [f"s{n}" for n in (3, 9, 15, 21, 27)]
LIVING = [f"s{n}" for n in range(1, SLAVES + 1) if f"s{n}" not in DEAD]
ALL = [f"s{n}" for n in range(1, SLAVES + 1)]


@dataclass(frozen=True)
class Times:
    """How long each look takes, in seconds, and whether others are looked at as long as ours."""

    settle: float = 6.0
    measure: float = 10.0
    short: float = 5.0
    dead: float = 30.0
    dead_rival: float = 12.0
    back: float = 40.0
    away: float = outage.AWAY_S
    whole: bool = True


QUICK = Times(settle=3.0, measure=3.0, short=1.5, dead=2.0, back=4.0, away=4.0, whole=False)
Found = dict[str, float]


@dataclass
class Process:
    """A gateway under test, and what arrives from it."""

    process: "subprocess.Popen[str]"
    sink: "subprocess.Popen[str]"
    _tree: list[psutil.Process] = field(default_factory=list)

    def cpu(self) -> float:
        """Processor seconds of the gateway and its children."""
        return sum(sum(one.cpu_times()[:2]) for one in self._living())

    def memory(self) -> float:
        """Resident megabytes."""
        return sum(one.memory_info().rss for one in self._living()) / 1e6

    def arrived(self) -> dict[str, float]:
        """What the broker has handed on."""
        assert self.sink.stdin is not None
        assert self.sink.stdout is not None
        self.sink.stdin.write("?\n")
        self.sink.stdin.flush()
        told: dict[str, float] = json.loads(self.sink.stdout.readline())
        return told

    def _living(self) -> Iterator[psutil.Process]:
        top = psutil.Process(self.process.pid)
        yield top
        yield from top.children(recursive=True)


Start = Callable[[Path, int, Farm | None, Farm | None, float], tuple[Sequence[str], Mapping[str, str]]]


def ours(
    folder: Path, port: int, tcp: Farm | None, bus: Farm | None, period: float
) -> tuple[Sequence[str], Mapping[str, str]]:
    """Our gateway's command line."""
    site = gateway_site(folder, f"mqtt://127.0.0.1:{port}", tcp=tcp, bus=bus, period=f"{period * 1000:.0f}ms")
    return [script("gatehouse-gateway"), "run", str(site)], {}


def started(rival: Rival) -> Start:
    """As `ours`, for another."""

    def start(
        folder: Path, port: int, tcp: Farm | None, bus: Farm | None, period: float
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        folder.mkdir(parents=True, exist_ok=True)
        return rival.write(folder, port, tcp, bus, period), rival.environment(folder)

    return start


@contextmanager
def running(
    start: Start, sink: str, tcp: Farm | None, bus: Farm | None, period: float = 1.0
) -> Iterator[Process]:
    """A gateway at work between a farm and a broker of its own."""
    with tempfile.TemporaryDirectory() as place, broker(Path(place) / "broker") as mqtt:
        folder = Path(place) / "gateway"
        with child(*python("bench.sink", str(mqtt.port), sink)) as counter:
            assert counter.stdout is not None
            counter.stdout.readline()  # ready
            words, environment = start(folder, mqtt.port, tcp, bus, period)
            with child(*words, cwd=folder, env=environment) as process:
                yield Process(process, counter)


# -- looks -------------------------------------------------------------------------------------------------


def look(seconds: float, gateway: Process, tcp: Farm | None, bus: Farm | None) -> Found:
    """What a gateway does in so many seconds."""
    farms = [one for one in (tcp, bus) if one is not None]
    for one in farms:
        one.reset()
    cpu, arrived, began = gateway.cpu(), gateway.arrived(), time.monotonic()
    time.sleep(seconds)
    told = [one.told() for one in farms]
    took = time.monotonic() - began
    more = gateway.arrived()
    found = {
        "cpu_percent": (gateway.cpu() - cpu) / took * 100,
        "rss_mb": gateway.memory(),
        "values_per_s": (more["values"] - arrived["values"]) / (more["at"] - arrived["at"]),
        "wrong": more["wrong"] - arrived["wrong"],
    }
    for one, counts in zip(farms, told, strict=True):
        found |= bus_found(counts, took) if one is bus else tcp_found(counts, took)
    return found


def tcp_found(told: Mapping[str, Any], took: float) -> Found:
    """Requests a scan, and scans, of the TCP devices."""
    devices = told["devices"].values()
    scans = sum(one["scans"] for one in devices)
    requests = sum(one["requests"] for one in devices)
    return {
        "tcp_requests_per_scan": requests / scans if scans else float("nan"),
        "tcp_scans_per_s": scans / took / TCP_DEVICES,
    }


def bus_found(told: Mapping[str, Any], took: float) -> Found:
    """How near the bus is to its limit, and the manners on it."""
    devices, line = told["devices"].values(), told["lines"]["bus"]
    scans = sum(one["scans"] for one in devices)
    requests = sum(one["requests"] for one in devices)
    seconds = took * SLAVES / scans if scans else float("inf")
    return {
        "bus_requests_per_scan": requests / scans if scans else float("nan"),
        "bus_scan_s": seconds,
        "bus_of_limit": bus_limit() / seconds,
        "broken_silences": line["broken_silences"],
        "collisions": line["collisions"],
    }


def round_time(bus: Farm, slaves: Sequence[str], most: float) -> float:
    """Seconds until each of these slaves has been scanned once from now on; `most` if that does not come."""
    before = {name: one["scans"] for name, one in bus.told()["devices"].items()}
    began = time.monotonic()
    while (took := time.monotonic() - began) < most:
        now = bus.told()["devices"]
        if all(now[name]["scans"] > before[name] for name in slaves):
            return took
        time.sleep(0.05)
    return most


def scan_rate(bus: Farm, slaves: Sequence[str], seconds: float) -> float:
    """Scans of these slaves in a second, all together."""
    before, began = bus.told()["devices"], time.monotonic()
    time.sleep(seconds)
    now = bus.told()["devices"]
    return sum(now[n]["scans"] - before[n]["scans"] for n in slaves) / (time.monotonic() - began)


def deaths(times: Times, bus: Farm) -> Found:
    """Five of thirty die, and come back."""
    usual = scan_rate(bus, LIVING, times.short)
    rounds = [round_time(bus, LIVING, 30) for _ in range(2)]
    began = time.monotonic()
    bus.faults(DEAD, kind="silent")
    first = round_time(bus, LIVING, 60)
    early = first / (sum(rounds) / len(rounds))
    time.sleep(max(0.0, times.dead - (time.monotonic() - began)))
    late = scan_rate(bus, LIVING, times.short)
    bus.mend(DEAD)
    back = round_time(bus, DEAD, times.back)
    if back >= times.back:  # not seen: a quick look does not wait as long as is allowed, and cannot tell
        back = math.inf if times.back > MOST_BACK_S else math.nan
    return {"first_scan_ratio": early, "rate_after_30s": late / usual, "back_s": back}


def shortly_dead(times: Times, bus: Farm) -> Found:
    """What five dead do to the living, for a gateway that is not given half a minute to get over it."""
    usual = scan_rate(bus, LIVING, times.short)
    bus.faults(DEAD, kind="silent")
    time.sleep(times.dead_rival)
    late = scan_rate(bus, LIVING, times.short * 2)
    bus.mend(DEAD)
    return {"rate_after_30s": late / usual if usual else 0.0}


def damage(times: Times, gateway: Process, bus: Farm) -> Found:
    """A third of the slaves send damaged frames, others are slow, late, doubled: how many values are wrong?"""
    third = SLAVES // 3
    bus.faults(ALL[:third], kind="crc_noise", rate="0.3")
    bus.faults(ALL[third : third + 4], kind="slow", delay="300ms")
    bus.faults(ALL[third + 4 : third + 8], kind="late", delay="700ms")
    bus.faults(ALL[third + 8 : third + 12], kind="double", rate="0.3")
    bus.faults(ALL[third + 12 : third + 14], kind="truncate", rate="0.3")
    bus.faults(ALL[third + 14 : third + 15], kind="babble", every="700ms")
    before = gateway.arrived()
    time.sleep(times.measure * 2)
    after = gateway.arrived()
    bus.mend(ALL)
    return {
        "wrong_values": after["wrong"] - before["wrong"],
        "right_values": after["values"] - before["values"],
    }


def bare(seconds: float, period: float, tcp: Farm) -> Found:
    """The bare client loop on the same TCP devices."""
    with child(*python("bench.raw_field", "tcp", f"{seconds}", f"{period}", *tcp.lines.values())) as loop:
        assert loop.stdout is not None
        _, values, cpu = loop.stdout.read().split()
    return {"values_per_s": int(values) / seconds, "cpu_percent": float(cpu) / seconds * 100}


def bare_bus(seconds: float, bus: Farm) -> float:
    """How near to its limit the bare loop takes the bus."""
    with child(*python("bench.raw_field", "bus", f"{seconds}", bus.lines["bus"])) as loop:
        assert loop.stdout is not None
        scans, took = map(float, loop.stdout.read().split())
    return bus_limit() / (took / scans)


# -- the run -----------------------------------------------------------------------------------------------


def measure(times: Times, say: Callable[[str], None]) -> Iterator[tuple[str, Found]]:
    """Everything; each find with the name of whom it is about, and an empty one for who is not there."""
    with (
        tempfile.TemporaryDirectory() as place,
        farm(Path(place) / "tcp", tcp_lines()) as tcp,
        farm(Path(place) / "bus", bus_lines()) as bus,
    ):
        yield from bare_loops(times, say, tcp, bus)
        yield from all_of_ours(times, say, tcp, bus)
        for rival in RIVALS:
            yield rival.name, {}
            if (times.whole or rival.quick) and rival.found() is not None:
                yield from one_rival(times, say, rival, tcp, bus)
                # Its connections end with it: what is still open would be counted as somebody else's.
                wait_for(lambda: not tcp.told()["lines"]["t0"]["connections"], "end of its connections")
    say("ours: broker away, gateway restarted")
    yield "outage", outage.measure(before=times.settle, away=times.away, after=times.short)


def bare_loops(times: Times, say: Callable[[str], None], tcp: Farm, bus: Farm) -> Iterator[tuple[str, Found]]:
    """The raw limit."""
    say("bare loop")
    yield "bare", bare(times.short, 1.0, tcp)
    yield "bare fast", bare(times.short, 0.1, tcp)
    yield "bare bus", {"bus_of_limit": bare_bus(times.short, bus)}


def all_of_ours(
    times: Times, say: Callable[[str], None], tcp: Farm, bus: Farm
) -> Iterator[tuple[str, Found]]:
    """Our gateway in every part of the task."""
    say("ours: 100 devices and a bus")
    with running(ours, "gatehouse", tcp, bus) as gateway:
        time.sleep(times.settle)
        yield "ours", look(times.measure, gateway, tcp, bus)
        say("ours: five of thirty die")
        yield "ours", deaths(times, bus)
    say("ours: the bus alone, then damage")
    with running(ours, "gatehouse", None, bus) as gateway:
        time.sleep(times.settle)
        yield "ours alone", look(times.measure, gateway, None, bus)
        yield "ours", damage(times, gateway, bus)
    yield from quickly(times, say, "ours", ours, "gatehouse", tcp)


def quickly(
    times: Times,
    say: Callable[[str], None],
    name: str,
    start: Start,
    sink: str,
    tcp: Farm,
    speeds: Sequence[str] = ("fast", "flood"),
) -> Iterator[tuple[str, Found]]:
    """The TCP devices at 40,000 values a second, and at more than anybody can take."""
    for period, what in ((0.1, "fast"), (0.02, "flood")):
        if what not in speeds or (not times.whole and (what == "flood" or name != "ours")):
            continue
        say(f"{name}: every {period} s")
        with running(start, sink, tcp, None, period) as gateway:
            time.sleep(times.settle)
            yield f"{name} {what}", look(times.short, gateway, tcp, None)


def one_rival(
    times: Times, say: Callable[[str], None], rival: Rival, tcp: Farm, bus: Farm
) -> Iterator[tuple[str, Found]]:
    """Another gateway in the same parts."""
    start = started(rival)
    say(rival.name)
    with running(start, rival.sink, tcp, bus) as gateway:
        time.sleep(times.settle)
        yield rival.name, look(times.measure, gateway, tcp, bus)
        if times.whole and rival.deaths:
            say(f"{rival.name}: five of thirty die")
            yield rival.name, shortly_dead(times, bus)
    yield from quickly(times, say, rival.name, start, rival.sink, tcp, rival.speeds)


def gathered(finds: Iterator[tuple[str, Found]]) -> dict[str, Found]:
    """Put the finds about one together."""
    held: dict[str, Found] = {}
    for name, found in finds:
        held.setdefault(name, {}).update(found)
    return held


def missing(finds: Mapping[str, Found]) -> list[str]:
    """Who was not there."""
    return [*(rival.name for rival in RIVALS if rival.found() is None and not finds.get(rival.name)), *UNTOLD]
