"""Modbus reads per second: a whole gateway (decode, journal, publish) against a bare client loop on the same farm."""

import json
import tempfile
import time
from pathlib import Path

from bench.processes import child, cpu_seconds, metric, python, script
from tests.support.broker import Broker

SECONDS, DEVICES = 8.0, 10

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


def write_site(folder: Path, broker: str, ports: list[int]) -> Path:
    """A site of one device per port: 38 registers in two blocks, as often as it goes."""
    addresses = [*range(32), *range(100, 106)]
    points = "\n".join(
        f"  r{n}: {{label: Register {n}, at: {{table: holding, address: {n}, type: uint16}}}}"
        for n in addresses
    )
    (folder / "profiles").mkdir()
    (folder / "profiles" / "bench-meter.yaml").write_text(PROFILE.format(points=points))
    lines = "\n".join(
        f"  - {{id: l{n}, tcp: '127.0.0.1:{port}', devices: [{{id: d{n}, profile: bench-meter, unit: 1}}]}}"
        for n, port in enumerate(ports)
    )
    site = folder / "site.yaml"
    site.write_text(
        f"site: bench\ngateway: gw\nbroker: {{url: '{broker}'}}\nstate_dir: state\nprofiles: [profiles]\n"
        f"metrics: {{listen: '127.0.0.1:0'}}\npoll: {{routine: 1ms}}\nlines:\n{lines}\n"
    )
    return site


def ours(folder: Path, ports: list[int]) -> dict[str, float]:
    """Transactions per second of `gatehouse-gateway run` over SECONDS, after it has settled."""
    with Broker(folder / "broker") as broker:
        site = write_site(folder, broker.url, ports)
        with child(script("gatehouse-gateway"), "run", str(site)) as gateway:
            port = folder / "state" / "metrics.port"
            ends = time.monotonic() + 30
            while not port.exists() and time.monotonic() < ends:
                time.sleep(0.05)
            url = f"http://127.0.0.1:{port.read_text().strip()}/metrics"
            time.sleep(2)
            done, cpu, began = (
                metric(url, "gatehouse_transactions_total"),
                cpu_seconds(gateway.pid),
                time.monotonic(),
            )
            time.sleep(SECONDS)
            done = metric(url, "gatehouse_transactions_total") - done
            took = time.monotonic() - began
            return {"per_s": done / took, "cpu_us": (cpu_seconds(gateway.pid) - cpu) / max(done, 1) * 1e6}


def raw(ports: list[int]) -> dict[str, float]:
    """Requests per second of the bare loop."""
    with child(*python("bench.raw_modbus", str(SECONDS), *map(str, ports))) as loop:
        assert loop.stdout is not None
        done, cpu = loop.stdout.read().split()
    return {"per_s": int(done) / SECONDS, "cpu_us": float(cpu) / int(done) * 1e6}


def measure(runs: int = 3) -> list[dict[str, float]]:
    """Ours and raw in turn on one farm; one row a run."""
    rows = []
    with child(*python("bench.farm", str(DEVICES))) as farm:
        assert farm.stdout is not None
        ports = [int(p) for p in farm.stdout.readline().split()]
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as place:
                mine = ours(Path(place), ports)
            bare = raw(ports)
            row = {f"ours_{k}": v for k, v in mine.items()} | {f"raw_{k}": v for k, v in bare.items()}
            rows.append(row | {"ratio": mine["per_s"] / bare["per_s"]})
    return rows


if __name__ == "__main__":
    print(json.dumps(measure(1), indent=1))
