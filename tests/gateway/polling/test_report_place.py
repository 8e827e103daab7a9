"""Report by exception on real wires: held against the simulators' truth with a check of its own.

What was served and what is stored are no longer equal, so the reconciliation of the other tests cannot judge this.
"""

import asyncio
import itertools
import os
import signal
import sysconfig
from collections import Counter
from decimal import Decimal

import pytest

from messages.types import Value
from simulators.truth import Truth
from tests.support import place as place_support
from tests.support.place import Place, at_work

place, broker = place_support.place, place_support.broker  # the fixtures

SILENCE_S, PER_CENT = 3.0, Decimal(2)


@pytest.fixture
def thinned(place: Place) -> Place:
    text = place.path.read_text(encoding="utf-8")
    rule = f'    report: {{"*": {{deadband: "{PER_CENT}%", max_silence: {SILENCE_S:g}s}}}}\n'
    assert text.count("    label: The net\n") == 1
    place.path.write_text(text.replace("    label: The net\n", f"    label: The net\n{rule}"), "utf-8")
    return place


def near(told: Value, read: Value) -> bool:
    if isinstance(told, Decimal) and isinstance(read, Decimal):
        return abs(read - told) <= abs(told) * PER_CENT / 100
    return told is read


def judge(place: Place, points: set[str], *, kills: int = 0) -> int:
    """Walk what was served beside what is stored; return how many readings were left out."""
    served: dict[str, list[Value]] = {}
    for row, point, value in Truth.load(place.folder / "truth").served():
        if row.device == "m-1":
            served.setdefault(point, []).append(value)
    stored: dict[str, list[Value]] = {}
    for sample in sorted((s for s in place.samples if s.device == "m-1" and not s.bad), key=lambda s: s.at):
        for point, value in sample.values.items():
            stored.setdefault(point, []).append(value)
    left_out = 0
    for point, reads in served.items():
        told = stored[point]
        assert not Counter(told) - Counter(reads), f"{point}: what is stored was on the wire, each once"
        if point not in points:
            assert len(reads) - len(told) <= kills * 20, f"{point}: never thinned"
            continue
        left_out += len(reads) - len(told)
        place_in = 0
        for read in reads if not kills else ():
            if place_in < len(told) and told[place_in] == read:
                place_in += 1
                continue
            # Left out: within the deadband of what was told last. A repetition for silence's sake may have been
            # taken for an equal reading before it, so the one before that counts too.
            lately = told[max(place_in - 2, 0) : place_in]
            assert any(near(one, read) for one in lately), f"{point}: {read} was left out after {lately}"
        assert place_in == len(told) or kills
        assert near(told[-1], reads[-1]) or kills, f"{point}: the last reading is known"
    return left_out


@pytest.mark.slow
async def test_no_change_is_missed_and_no_billing_register_is_thinned(thinned: Place):
    async with at_work(thinned) as gateway:
        device = next(each for each in gateway.fleet.devices if each.id == "m-1")
        points = set(device.config.reports)
        assert points
        assert not points & device.billing
        await thinned.toy.until(
            lambda: ("m-1", "active_power") in thinned.read_points() or bool(thinned.samples)
        )

        def spans() -> list[float]:
            told = {p: [s.at for s in thinned.samples if s.device == "m-1" and p in s.values] for p in points}
            return [(max(at) - min(at)).total_seconds() if at else 0.0 for at in told.values()]

        await thinned.toy.until(lambda: min(spans()) >= 2 * SILENCE_S)  # both reasons to tell are seen
        config = gateway.site.hash
    assert judge(thinned, points) > 20
    for point in points:
        mine = sorted(s.at for s in thinned.samples if s.device == "m-1" and point in s.values)
        longest = max((b - a).total_seconds() for a, b in itertools.pairwise(mine))
        assert longest < SILENCE_S + 1.5, f"{point} was silent for {longest} s"
    billed = [s for s in thinned.samples if s.raw]
    assert billed
    assert {s.config for s in billed} == {config}, "each says by which configuration it was read"
    assert {s.config for s in thinned.samples if not s.raw} == {""}


@pytest.mark.slow
@pytest.mark.e2e
async def test_a_kill_at_any_moment_loses_no_change(thinned: Place):
    program = os.path.join(sysconfig.get_path("scripts"), "gatehouse-gateway")
    points: set[str] = set()
    for device in thinned.site.devices:
        if device.id == "m-1":
            points = set(device.reports)
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            program,
            "run",
            str(thinned.path),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        before = len(thinned.toy.payloads)
        await thinned.toy.until(lambda before=before: len(thinned.toy.payloads) > before + 6)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with at_work(thinned):
        before = len(thinned.toy.payloads)
        await thinned.toy.until(lambda: len(thinned.toy.payloads) > before + 6)
    judge(thinned, points, kills=3)
    truth = Truth.load(thinned.folder / "truth")
    last: dict[str, Value] = {}
    for row, point, value in truth.served():
        if row.device == "m-1":
            last[point] = value
    told: dict[str, Value] = {}
    for sample in sorted((s for s in thinned.samples if s.device == "m-1" and not s.bad), key=lambda s: s.at):
        told.update(sample.values)
    assert last.keys() == told.keys()
    assert all(near(told[point], value) for point, value in last.items() if point in points)
