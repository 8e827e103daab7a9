"""The common task: 100 TCP devices of 40 scattered registers, and a 9600-baud bus of 30 slaves of 20 registers.

`Farm` runs a simulated site in a process of its own; `gateway_site` writes what our gateway needs to poll it.
"""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.processes import child, script

TCP_GROUPS = ((0, 12), (14, 8), (50, 6), (100, 6), (200, 4), (300, 4))
BUS_GROUPS = ((0, 12), (14, 4), (50, 4))
TCP_DEVICES, SLAVES = 100, 30
BAUD, CHAR_S, TURNAROUND_S = 9600, 10 / 9600, 0.005
TIMEOUT = "500ms"
# What the best plan reads on the bus: the hole of two is cheaper than another request, that of thirty-two is not.
BEST_BLOCKS = ((0, 18), (50, 4))
Groups = Sequence[tuple[int, int]]


def addresses(groups: Groups) -> list[int]:
    """Every register of the groups."""
    return [at for first, count in groups for at in range(first, first + count)]


def bus_limit(blocks: Groups = BEST_BLOCKS) -> float:
    """Seconds that one scan of the bus takes at least: bytes, a silence before and after, and the turnaround."""
    request, reply, silences = 8, 5, 7
    return SLAVES * sum(
        (request + reply + 2 * count + silences) * CHAR_S + TURNAROUND_S for _, count in blocks
    )


def expected(unit: int, address: int) -> int:
    """What a register of a slave holds for ever: no two of a bus are alike."""
    return unit * 1000 + address


def profile(name: str, groups: Groups) -> str:
    """A meter of unsigned registers."""
    points = "\n".join(
        f"  r{at}: {{label: Register {at}, at: {{table: holding, address: {at}, type: uint16}}}}"
        for at in addresses(groups)
    )
    return (
        f"profile: {name}\nvendor: Bench\nmodel: Field meter\nclass: meter\nprotocol: modbus\n"
        f"source: [constructed for measurements]\npoints:\n{points}\nexamples:\n"
        '  - {request: "010300000001840A", reply: "0103020007F986", expect: {r0: "7"}}\n'
    )


def write_profiles(folder: Path) -> Path:
    """Both profiles in a folder of their own."""
    place = folder / "profiles"
    place.mkdir(exist_ok=True)
    (place / "bench-tcp.yaml").write_text(profile("bench-tcp", TCP_GROUPS))
    (place / "bench-bus.yaml").write_text(profile("bench-bus", BUS_GROUPS))
    return place


class Farm:
    """A running simulated site: where its lines are, what it counts, and what is done to it."""

    def __init__(self, run: Mapping[str, Any], process: "subprocess.Popen[str]") -> None:
        self.lines: dict[str, str] = {name: line["endpoint"] for name, line in run["lines"].items()}
        self.pid = process.pid
        self._url = f"http://{run['control']}"

    def told(self) -> dict[str, Any]:
        """Return all counts."""
        return self._ask("GET", "/counters")

    def reset(self) -> None:
        """Count anew."""
        self._ask("POST", "/counters/reset")

    def faults(self, devices: Sequence[str], **fault: Any) -> None:
        """Let devices have this fault from now on, and no other."""
        steps = [{"device": one, "mend": True, "fault": fault} for one in devices]
        self._ask("POST", "/steps", steps)

    def mend(self, devices: Sequence[str]) -> None:
        """Let devices have no fault any more."""
        self._ask("POST", "/steps", [{"device": one, "mend": True} for one in devices])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def farm(folder: Path, lines: str) -> Iterator[Farm]:
    """Run `lines` (the YAML of a site's lines) as a light simulated site."""
    folder.mkdir(parents=True, exist_ok=True)
    profiles = write_profiles(folder)
    site = folder / "site.yaml"
    site.write_text(f"site: farm\nlines:\n{lines}")
    words = ("run", str(site), "--light", "--truth", str(folder / "run"), "--control", "127.0.0.1:0")
    with child(script("gatehouse-sim"), *words, "--profiles", str(profiles), cwd=folder) as process:
        told = folder / "run" / "run.json"
        wait_for(told.exists, "a simulated site", process)
        yield Farm(json.loads(told.read_text()), process)


def tcp_lines(devices: int = TCP_DEVICES) -> str:
    """One line and one device a port; registers count how often they were read."""
    return "".join(
        f"  - {{id: t{n}, tcp: '127.0.0.1:0', devices: [{{id: t{n}, profile: bench-tcp, unit: 1, holes: zero, "
        "physics: {kind: reads}}]}\n"
        for n in range(devices)
    )


def bus_lines(slaves: int = SLAVES) -> str:
    """One bus; every register holds a value of its own, so that a wrong one is known for what it is."""
    lines = f"  - id: bus\n    pty: bus\n    baud: {BAUD}\n    burst: 0ms\n    devices:\n"
    for unit in range(1, slaves + 1):
        values = ", ".join(f"r{at}: {expected(unit, at)}" for at in addresses(BUS_GROUPS))
        lines += (
            f"      - id: s{unit}\n        profile: bench-bus\n        unit: {unit}\n        holes: zero\n"
        )
        lines += f"        physics: {{kind: static, values: {{{values}}}}}\n"
    return lines


def gateway_site(
    folder: Path, broker: str, *, tcp: Farm | None = None, bus: Farm | None = None, period: str = "1s"
) -> Path:
    """Write a site for `gatehouse-gateway run`: no option is set that a user would have to know of."""
    folder.mkdir(parents=True, exist_ok=True)
    write_profiles(folder)
    lines = ""
    for name, endpoint in (tcp.lines if tcp else {}).items():
        device = f"{{id: {name}, profile: bench-tcp, unit: 1}}"
        lines += f"  - {{id: {name}, tcp: '{endpoint}', timeout: {TIMEOUT}, devices: [{device}]}}\n"
    if bus is not None:
        place = Path(bus.lines["bus"])
        lines += f"  - id: bus\n    serial: {place}\n    baud: {BAUD}\n    timeout: {TIMEOUT}\n"
        lines += "    poll: {routine: 1ms}\n    devices:\n"
        lines += "".join(
            f"      - {{id: s{n}, profile: bench-bus, unit: {n}}}\n" for n in range(1, SLAVES + 1)
        )
    site = folder / "site.yaml"
    site.write_text(
        f"site: bench\ngateway: gw\nbroker: {{url: '{broker}'}}\nstate_dir: state\nprofiles: [profiles]\n"
        f"metrics: {{listen: '127.0.0.1:0'}}\npoll: {{routine: {period}}}\nlines:\n{lines}"
    )
    return site


def wait_for(
    look: Callable[[], bool], what: str, process: "subprocess.Popen[str] | None" = None, seconds: float = 60.0
) -> None:
    """Wait until `look` is true; fail when a process that is needed ends, or time is up."""
    ends = time.monotonic() + seconds
    while not look():
        assert process is None or process.poll() is None, f"{what}: the process ended"
        assert time.monotonic() < ends, f"no {what} within {seconds:g} s"
        time.sleep(0.05)
