"""Modbus reads per second: a whole gateway (decode, journal, publish) against a bare client loop on the same farm."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.processes import child, cpu_seconds, metric, python, script
from tests.support.broker import Broker

SETTLE_S = 2.0
ADDRESSES = (*range(32), *range(100, 106))
VALUES_PER_READ = len(ADDRESSES) / 2

PROFILE = """\
profile: bench-meter
vendor: Bench
model: Meter
class: meter
protocol: modbus
source: [constructed for measurements]
options: {{max_registers: 32}}
points:
{points}
examples:
  - request: "010300000001840A"
    reply: "0103020007F986"
    expect: {{r0: "7"}}
"""


def write_site(folder: Path, broker: str, ports: list[int], units: int) -> Path:
    """A site of one connection a port and `units` devices on each: 38 registers in two blocks, as often as it goes."""
    points = "\n".join(
        f"  r{n}: {{label: Register {n}, at: {{table: holding, address: {n}, type: uint16}}}}"
        for n in ADDRESSES
    )
    (folder / "profiles").mkdir()
    (folder / "profiles" / "bench-meter.yaml").write_text(PROFILE.format(points=points))
    lines = ""
    for n, port in enumerate(ports):
        lines += f"  - id: l{n}\n    tcp: '127.0.0.1:{port}'\n    devices:\n"
        for unit in range(1, units + 1):
            lines += f"      - {{id: d{n}-{unit}, profile: bench-meter, unit: {unit}}}\n"
    site = folder / "site.yaml"
    site.write_text(
        f"site: bench\ngateway: gw\nbroker: {{url: '{broker}'}}\nstate_dir: state\nprofiles: [profiles]\n"
        f"metrics: {{listen: '127.0.0.1:0'}}\npoll: {{routine: 1ms}}\nlines:\n{lines}"
    )
    return site


def ours(folder: Path, ports: list[int], units: int, seconds: float) -> dict[str, float]:
    """Transactions per second of `gatehouse-gateway run`, after it has settled."""
    with Broker(folder / "broker") as broker:
        site = write_site(folder, broker.url, ports, units)
        with child(script("gatehouse-gateway"), "run", str(site)) as gateway:
            port = folder / "state" / "metrics.port"
            ends = time.monotonic() + 30
            while not (port.exists() and port.read_text()) and time.monotonic() < ends:
                assert gateway.poll() is None, "the gateway did not start"
                time.sleep(0.05)
            url = f"http://127.0.0.1:{port.read_text().strip()}/metrics"
            time.sleep(SETTLE_S)
            done, cpu = metric(url, "gatehouse_transactions_total"), cpu_seconds(gateway.pid)
            began = time.monotonic()
            time.sleep(seconds)
            done = metric(url, "gatehouse_transactions_total") - done
            took = time.monotonic() - began
            assert done, "the gateway read nothing"
            return {"per_s": done / took, "cpu_us": (cpu_seconds(gateway.pid) - cpu) / done * 1e6}


def raw(ports: list[int], seconds: float) -> dict[str, float]:
    """Requests per second of the bare loop."""
    with child(*python("bench.raw_modbus", str(seconds), *map(str, ports))) as loop:
        assert loop.stdout is not None
        done, cpu = loop.stdout.read().split()
    return {"per_s": int(done) / seconds, "cpu_us": float(cpu) / int(done) * 1e6}


def measure(runs: int, connections: int, seconds: float) -> Iterator[dict[str, float]]:
    """Ours and raw in turn on one farm; one row a run."""
    # A poll period is 1 ms at the shortest: several devices share a single connection to keep it busy.
    units = 1 if connections > 1 else 4
    with child(*python("bench.farm", str(connections))) as farm:
        assert farm.stdout is not None
        ports = [int(p) for p in farm.stdout.readline().split()]
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as place:
                mine = ours(Path(place), ports, units, seconds)
            bare = raw(ports, seconds)
            row = {f"ours_{k}": v for k, v in mine.items()} | {f"raw_{k}": v for k, v in bare.items()}
            yield row | {"ratio": mine["per_s"] / bare["per_s"]}
