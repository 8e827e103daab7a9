"""The gateway as a process: killed, stopped, started twice, and on a full disk."""

import asyncio
import json
import os
import resource
import signal
import sysconfig
from collections import Counter

import pytest

from messages.types import Edge, Lane
from simulators.truth import Truth
from tests.support import place as place_support
from tests.support.place import Place, at_work

place, broker = place_support.place, place_support.broker  # the fixtures


def command_line(*words: str) -> list[str]:
    return [os.path.join(sysconfig.get_path("scripts"), "gatehouse-gateway"), *words]


async def start(place: Place) -> asyncio.subprocess.Process:
    log = (place.folder / "gateway.log").open("ab")
    try:
        return await asyncio.create_subprocess_exec(
            *command_line("run", str(place.path)), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    finally:
        log.close()


@pytest.mark.slow
@pytest.mark.e2e
async def test_kill_and_start_again_loses_and_doubles_nothing_that_was_journaled(place: Place):
    for round_ in range(3):
        process = await start(place)
        before = len(place.toy.payloads)
        await place.toy.until(lambda before=before: len(place.toy.payloads) > before + 4)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        boots = {state.boot for state in place.toy.states}
        await place.toy.until(lambda: not place.toy.states[-1].online)
        assert len(boots) == round_ + 1
        assert place.toy.states[-1].why == "connection lost"
    process = await start(place)
    before = len(place.toy.payloads)
    await place.toy.until(lambda: len(place.toy.payloads) > before + 4)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    epochs = {epoch for epoch, _, _ in place.toy.payloads}
    assert len(epochs) == 1, "the journal lived on"
    for lane in (Lane.BILLING, Lane.TELEMETRY):
        numbers = place.toy.seqs(lane)
        assert numbers == list(range(1, len(numbers) + 1))
    assert place.toy.changed_bytes == []
    served = Counter(
        (row.device, point, value) for row, point, value in Truth.load(place.folder / "truth").served()
    )
    stored = Counter(
        (s.device, point, v)
        for s in place.samples
        for point, v in s.values.items()
        if s.device != "air" and not s.bad
    )
    assert not stored - served, "nothing is stored that was not on the wire, and nothing twice"
    fires = [event.edge for event in place.events if event.code == "zone_3_fire"]
    assert fires in ([], [Edge.RAISED, Edge.CLEARED]), "it may have come and gone while nobody looked"
    assert [event.edge for event in place.events if event.code == "tamper"] == [Edge.RAISED]


@pytest.mark.slow
@pytest.mark.e2e
async def test_logs_are_json_lines_and_the_stop_is_orderly(place: Place):
    process = await start(place)
    log = place.folder / "gateway.log"
    await place.toy.until(lambda: log.exists() and "air on bus is silent" in log.read_text())
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"at", "level", "logger", "message"} <= set(lines[0])
    assert lines[-1]["message"] == "stopped"
    assert sum("air on bus is silent" in line["message"] for line in lines) == 1
    assert not any("password" in line["message"] for line in lines)


@pytest.mark.slow
@pytest.mark.e2e
async def test_two_gateways_do_not_share_a_journal(place: Place):
    async with at_work(place):
        process = await start(place)
        assert await process.wait() == 1
    said = (place.folder / "gateway.log").read_text()
    assert "another gateway runs with this state folder" in said
    assert "Traceback" not in said


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    """Read the process's log until a line has these words."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while words not in (line := (await process.stderr.readline()).decode()):
            assert line, f"it ended and never said {words!r}"


@pytest.mark.slow
@pytest.mark.e2e
async def test_a_full_disk_loses_nothing_that_memory_can_hold(place: Place):
    # stderr is a pipe: the limit below is one on files.
    process = await asyncio.create_subprocess_exec(
        *command_line("run", str(place.path)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await place.toy.until(lambda: len(place.toy.payloads) > 3)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, hard))
        await said(process, "the disk takes nothing")
        await said(process, "samples wait in memory")
        before = len(place.toy.payloads)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await said(process, "samples reach the journal again")
        await place.toy.until(lambda: len(place.toy.payloads) > before + 4)
        await place.toy.until(
            lambda: [e.edge for e in place.events if e.code == "journal_trouble"][-1:] == [Edge.CLEARED]
        )
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    served = Counter(
        (row.device, point, value) for row, point, value in Truth.load(place.folder / "truth").served()
    )
    stored = Counter(
        (s.device, point, value)
        for s in place.samples
        for point, value in s.values.items()
        if s.device != "air" and not s.bad
    )
    assert stored == served
    own = [event.edge for event in place.events if event.code == "journal_trouble"]
    assert own == [Edge.RAISED, Edge.CLEARED]
    assert [event.edge for event in place.events if event.code == "tamper"] == [Edge.RAISED]
