"""A house whose gateway has done everything an engineer asks of it: for the Commissioning page and its pictures."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from messages.configs import ConfigProblem, ConfigSaid, ConfigState
from messages.tools import SaidKind, ToolRequest, ToolSaid
from server.configs import store as configs
from server.db.engine import write
from server.tools import store as tools
from tests.support.web import ADDRESS, House

LINE = "riser"
ONE, TWO = ("sha256:" + digit * 64 for digit in "12")
YAML = """\
lines:
  - id: riser
    label: Riser
    tcp: 192.168.1.10:502
    devices:
      - {id: m-1, profile: eastron-sdm630, unit: 1, name: "101 室"}
      - {id: m-101, profile: eastron-sdm630, unit: 11}
"""
DRAFT = YAML.replace("unit: 11}", "unit: 12}")


def job(
    house: House,
    tool: str,
    rows: Sequence[Mapping[str, Any]] = (),
    *,
    name: str = "",
    line: str | None = LINE,
    progress: Mapping[str, Any] | None = None,
    end: SaidKind | None = SaidKind.DONE,
    result: Mapping[str, Any] | None = None,
    why: str = "",
) -> str:
    """Bring a job and what its gateway said of it into the database; `end` None leaves it at work."""
    request = ToolRequest(
        id=name or f"t-{tool}",
        tool=tool,
        line=line,
        at=house.now,
        until=house.now + timedelta(hours=1),
        by="王丽",
        args={},
    )
    bodies: list[tuple[SaidKind, Mapping[str, Any]]] = [
        (SaidKind.ROW, {"rows": list(rows[at : at + 50]), "dropped": 0}) for at in range(0, len(rows), 50)
    ]
    if progress is not None:
        bodies.append((SaidKind.PROGRESS, progress))
    if end is not None:
        bodies.append((end, {"result": dict(result or {}), **({"why": why} if why else {})}))
    with write(house.engine) as conn:
        tools.create(conn, ADDRESS, request)
        tools.move(conn, request.id, "sent", house.now, since=("pending",))
        for seq, (kind, body) in enumerate(bodies, 1):
            said = ToolSaid(id=request.id, seq=seq, at=house.now, kind=kind, body=body)
            assert tools.hear(conn, ADDRESS, said, house.now) is None
    house.hub.notify()
    return request.id


def more(house: House, name: str, seq: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Let a job that is at work say more: its `seq`-th word."""
    said = ToolSaid(
        id=name, seq=seq, at=house.now, kind=SaidKind.ROW, body={"rows": list(rows), "dropped": 0}
    )
    with write(house.engine) as conn:
        assert tools.hear(conn, ADDRESS, said, house.now) is None
    house.hub.notify()


def tell(house: House, state: str, *, active: str = ONE, yaml: str = YAML, **facts: Any) -> None:
    """Let the gateway say what it runs, and what became of an offer."""
    said = ConfigSaid(state=ConfigState(state), active=active, at=house.now, site_yaml=yaml, **facts)
    with write(house.engine) as conn:
        configs.hear(conn, ADDRESS, said, house.now)
    house.hub.notify()


def problem(line: int, path: str, text: str) -> ConfigProblem:
    """One thing to mend."""
    return ConfigProblem(line=line, path=path, text=text)


def found(unit: int, *, configured: str | None = None) -> dict[str, Any]:
    """A row of a scan."""
    return {
        "unit": unit,
        "baud": None,
        "parity": None,
        "rtt_ms": 20 + unit % 30,
        "answer": "answers",
        "configured": configured,
        "identity": {"vendor": "Eastron", "product": "SDM630"},
        "profiles": [
            {
                "profile": "eastron-sdm630",
                "vendor": "Eastron",
                "model": "SDM630",
                "score": 96,
                "why": "it names itself so; plausible: voltage_l1 230.4 V, frequency 50.02 Hz",
            },
            {
                "profile": "chint-dtsu666",
                "vendor": "Chint",
                "model": "DTSU666",
                "score": 12,
                "why": "odd: voltage_l1 0.003 V; refuses holding 8192+2",
            },
        ],
    }


def point(n: int, *, good: bool = True) -> dict[str, Any]:
    """A row of a test read: the first holds 230.4, the second says why it was not read."""
    value, raw = (f"{2304 + n}", f"0000 {2304 + n:04X}") if good else ("", "")
    return {
        "point": f"point_{n}",
        "label": f"Point {n}",
        "label_zh": f"测点 {n}",
        "value": f"{value[:-1]}.{value[-1]}" if good else None,
        "unit": "V",
        "quality": "good" if good else "bad.timeout",
        "raw": raw,
        "request": f"input {2 * n}+2",
        "at": "2026-03-01T12:00:00.000Z" if good else None,
        "rtt_ms": 23 if good else None,
        "trouble": "" if good else f"input {2 * n}+2: no answer",
        "table": "input",
        "address": 2 * n,
        "type": "uint32",
        "order": "big",
        "exp": -1,
        "orders": [
            {"order": "big", "type": "uint32", "exp": -1, "value": f"{value[:-1]}.{value[-1]}"},
            {"order": "little", "type": "uint32", "exp": -1, "value": "15099494.4"},
            {
                "order": "big",
                "type": "float32",
                "exp": 0,
                "value": "0.000000000000000000000000000000000000003",
            },
        ]
        if good
        else [],
        "display": [],
    }


def frame(n: int, at: str) -> dict[str, Any]:
    """A row of a trace: question and answer in turn, each tenth damaged."""
    bad = n % 10 == 9
    return {
        "at": at,
        "ms": 40 * n,
        "dir": "tx" if n % 2 == 0 else "rx",
        "unit": None if bad else 1 + n // 2 % 3,
        "bytes": "01 04 00 00 00 02 71 CB" if n % 2 == 0 else "01 04 04 43 66 33 34 1B 38",
        "crc": "bad" if bad else "ok",
        "text": "Read Input Registers · 0 to 1" if n % 2 == 0 else "Read Input Registers: 4366 3334",
    }


def certified(n: int, *, passed: bool = True) -> dict[str, Any]:
    """A row of a certification."""

    def check(name: str, ok: bool | None, planned: str = "", got: str = "", why: str = "") -> dict[str, Any]:
        return {"check": name, "pass": ok, "planned": planned, "found": got, "why": why}

    reads = "0 errors in 100 reads, 23 ms, worst 41 ms"
    return {
        "device": f"m-{n}",
        "name": f"{n} 室",
        "profile": "eastron-sdm630",
        "unit": n % 250,
        "metering_point": f"MP-A-{n}",
        "pass": passed,
        "checks": [
            check("found", True, "Eastron SDM630", "answers", "it has no name to tell"),
            check("points", passed, "40", "40" if passed else "39", "" if passed else "volts bad.timeout"),
            check("reads", True, "at most 1% errors", reads),
            check("serial", None, "SN1", "", "the device tells none: compare with its plate"),
            check("latency", True, "", "1.20 s at worst, one device dead"),
        ],
    }


def at_work(house: House) -> None:
    """Everything that a gateway has done on its line, so that each part of the page has something to show."""
    stamp = house.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    job(house, "scan", [found(1, configured="m-1"), found(7), found(12)], result={"found": 3, "asked": 32})
    job(house, "read", [point(n, good=n != 1) for n in range(8)], result={"points": 8, "good": 7, "bad": 1})
    frames = [frame(n, stamp) for n in range(120)]
    capture = ["# Gatehouse capture 1", "# profile: eastron-sdm630"]
    job(house, "trace", frames, result={"frames": 120, "bad": 12, "dropped": 0, "capture": capture})
    clock = {"check": "clock", "pass": True, "planned": "synced", "found": "synced", "why": ""}
    cable = {"check": "cable", "pass": None, "planned": "", "found": "", "why": "not tested"}
    result = {"pass": False, "devices": 2, "failed": 1, "clock": clock, "cable": cable, "head": {}}
    job(house, "certify", [certified(101), certified(102, passed=False)], result=result)
    tell(house, "local")
