"""The common task: what it reckons with, and that its parts fit the real programs."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import field, fieldsite, targets
from bench.rivals import RIVALS
from drivers.profiles_store import load_library
from gateway.site.config import load_site as load_gateway
from simulators.site import load_site


def test_the_limit_of_the_bus_is_that_of_its_bytes() -> None:
    # 60 requests of 8 bytes, 660 registers in replies of 5 bytes more, 7 characters of silence and 5 ms each.
    assert fieldsite.bus_limit() == pytest.approx(30 * 2 * ((13 + 7) / 960 + 0.005) + 660 * 2 / 960)
    assert fieldsite.bus_limit() == pytest.approx(2.925)
    assert fieldsite.bus_limit(fieldsite.BUS_GROUPS) == pytest.approx(3.575)
    assert len(fieldsite.addresses(fieldsite.TCP_GROUPS)) == 40
    assert len(fieldsite.addresses(fieldsite.BUS_GROUPS)) == 20


def test_the_sites_are_sites_of_the_simulator_and_of_the_gateway(tmp_path: Path) -> None:
    library = load_library([fieldsite.write_profiles(tmp_path)])
    for name, lines in (("tcp", fieldsite.tcp_lines(3)), ("bus", fieldsite.bus_lines())):
        (tmp_path / f"{name}.yaml").write_text(f"site: farm\nlines:\n{lines}")
        site = load_site(tmp_path / f"{name}.yaml", library)
        assert len(list(site.devices())) == {"tcp": 3, "bus": 30}[name]

    class Told(fieldsite.Farm):
        def __init__(self, lines: dict[str, str]) -> None:
            self.lines = lines

    path = fieldsite.gateway_site(
        tmp_path, "mqtt://127.0.0.1:1", tcp=Told({"t0": "127.0.0.1:2"}), bus=Told({"bus": "/dev/pts/0"})
    )
    gateway = load_gateway(path)
    assert [line.id for line in gateway.lines] == ["t0", "bus"]


def found(**more: float) -> dict[str, float]:
    return {"values_per_s": 4000.0, "cpu_percent": 10.0, "bus_of_limit": 0.98, "broken_silences": 0} | more


def test_targets_are_met_missed_or_not_measured() -> None:
    finds = {
        "ours": found(),
        "ours alone": found(bus_of_limit=0.9),
        targets.PEER: found(cpu_percent=35.0),
        "ours fast": found(values_per_s=40_000.0),
        "ours flood": found(values_per_s=130_000.0),
        f"{targets.PEER} fast": found(values_per_s=20_000.0),
        f"{targets.PEER} flood": found(values_per_s=10_000.0),
        "outage": {"lost": 0, "doubled": 1, "first_data_s": 1.5},
    }
    judged = {one.name: one for one in targets.targets(finds)}
    assert judged["processor a value, ours / thingsboard"].reached == pytest.approx(2 / 7)
    verdicts = {name: one.met for name, one in judged.items()}
    assert verdicts["processor a value, ours / thingsboard"] is True
    assert verdicts["processor a value, ours / collectd"] is None
    assert verdicts["bus alone, of its limit"] is False
    assert verdicts["bus beside 100 TCP devices, of its limit"] is True
    assert verdicts["broker away, restart: values lost"] is True
    assert verdicts["most values/s, ours / its undecoded blocks"] is True
    assert verdicts["broker away, restart: values doubled"] is False
    assert judged["journal: share of the gateway's time"].as_json()["reached"] is None
    assert all(one.met is None for one in targets.targets({}))
    assert targets.table(list(judged.values())).row_count == len(judged)
    assert targets.side_by_side(finds).row_count == len(targets.SIDE) + len(targets.FAST) + len(targets.FLOOD)


def test_a_rival_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("bench.rivals.MORE_PATH", "")
    assert {rival.found() for rival in RIVALS} == {None}
    assert set(field.missing({})) >= {"thingsboard-gateway", "collectd", "node-red"}
    assert field.missing({"collectd": found(), "thingsboard-gateway": {}})[0] == "thingsboard-gateway"


def test_what_was_counted_becomes_rates() -> None:
    devices = {f"s{n}": {"scans": 4, "requests": 8} for n in range(30)}
    told = {"devices": devices, "lines": {"bus": {"broken_silences": 1, "collisions": 0}}}
    bus = field.bus_found(told, took=11.7)
    assert bus["bus_requests_per_scan"] == 2
    assert bus["bus_scan_s"] == pytest.approx(2.925)
    assert bus["bus_of_limit"] == pytest.approx(1)
    nothing = field.bus_found({"devices": {"s1": {"scans": 0, "requests": 0}}, "lines": told["lines"]}, 5.0)
    assert nothing["bus_of_limit"] == 0
    assert math.isnan(nothing["bus_requests_per_scan"])


@pytest.mark.parametrize(("waited", "told"), [(4.0, math.isnan), (40.0, math.isinf)])
def test_slaves_that_were_not_seen_again_are_no_success(
    monkeypatch: pytest.MonkeyPatch, waited: float, told: Callable[[float], bool]
) -> None:
    monkeypatch.setattr(field, "scan_rate", lambda *_: 1.0)
    monkeypatch.setattr(field, "round_time", lambda _bus, _slaves, most: most)
    monkeypatch.setattr(fieldsite.Farm, "__init__", lambda _self: None)
    monkeypatch.setattr(fieldsite.Farm, "faults", lambda *_, **__: None)
    monkeypatch.setattr(fieldsite.Farm, "mend", lambda *_: None)
    found = field.deaths(field.Times(dead=0.0, back=waited), fieldsite.Farm())  # type: ignore[call-arg]
    assert told(found["back_s"])
    judged = {one.name: one.met for one in targets.targets({"ours": found})}
    assert judged["slaves come back: polled after, s"] is (None if waited < 30 else False)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_our_gateway_reads_a_farm_and_what_arrives_is_counted(tmp_path: Path) -> None:
    with fieldsite.farm(tmp_path / "bus", fieldsite.bus_lines()) as bus:
        with field.running(field.ours, "gatehouse", None, bus) as gateway:
            fieldsite.wait_for(lambda: gateway.arrived()["values"] > 0, "values", gateway.process)
            bus.faults(["s1"], kind="silent")
            seen = field.look(4.0, gateway, None, bus)
            # On a busy machine the round has not come to the slave beside the silent one by then.
            fieldsite.wait_for(
                lambda: bus.told()["devices"]["s2"]["answered"] > 0, "answer of s2", gateway.process
            )
            told = bus.told()["devices"]
    assert seen["values_per_s"] > 0
    assert seen["wrong"] == 0
    assert seen["broken_silences"] == 0
    assert 0 < seen["bus_of_limit"] <= 1
    assert told["s1"]["answered"] == 0
