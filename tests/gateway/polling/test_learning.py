"""What a poller makes of devices that refuse, or say nothing, on a real line."""

import pytest

from gateway.polling.lessons import Lessons
from messages.types import Quality
from tests.support.polling import POINTS, at_work, device, now
from tests.support.waiting import until
from tests.support.wire import PtyPeer, Send, asked_address, line_to, rtu, rtu_reply


def without(*lacking: int, says: int | None):
    """A device without these registers: it answers with that exception, or not at all."""

    def script(request):
        places = range(asked_address(request), asked_address(request) + int.from_bytes(request[4:6], "big"))
        if not set(lacking) & set(places):
            return [Send(rtu_reply(request, *places))]
        return [] if says is None else [Send(rtu(bytes([request[0], 0x83, says])))]

    return script


def asked(peer: PtyPeer) -> set[tuple[int, int]]:
    return {(asked_address(request), int.from_bytes(request[4:6], "big")) for request in peer.requests}


@pytest.mark.parametrize("says", [2, 4, None], ids=["refuses", "fails", "says nothing"])
async def test_a_hole_that_cannot_be_read_across_costs_no_value_for_long(tmp_path, says):
    lessons = Lessons(now)
    peer = PtyPeer(without(11, 12, says=says), tmp_path)
    async with peer, line_to(peer.settings(baud=19200)) as line:
        async with at_work(line, device("m-1", 1, lessons), device("m-2", 2, lessons)) as (poller, told):

            def good(name: str) -> int:
                samples = [sample for _, sample in told.samples if sample.device == name and not sample.bad]
                return min(sum(point in sample.values for sample in samples) for point in POINTS)

            await until(lambda: good("m-1") > 3 and good("m-2") > 3)
            await until(lambda: not any(each.lessons.stale for each in poller.devices))
            peer.requests.clear()
            seen = good("m-1"), good("m-2")
            await until(lambda: good("m-1") > seen[0] + 3 and good("m-2") > seen[1] + 3)
            assert asked(peer) == {(10, 1), (13, 1)}
            assert poller.silent == ()
    values = {s.values[point] for _, s in told.samples for point in POINTS if s.values.get(point) is not None}
    assert values == {10, 13}


@pytest.mark.parametrize("says", [2, 4, None], ids=["refuses", "fails", "says nothing"])
async def test_a_point_that_a_device_lacks_leaves_its_neighbour_good(tmp_path, says):
    lessons = Lessons(now)
    peer = PtyPeer(without(13, says=says), tmp_path)
    async with peer, line_to(peer.settings(baud=19200)) as line:
        async with at_work(line, device("m-1", 1, lessons)) as (poller, told):

            def low() -> int:
                return sum(s.values.get("low") is not None for _, s in told.samples)

            await until(lambda: low() > 3 and poller.devices[0].lessons.lacks == {"high"})
            seen, silent = low(), poller.silent
            await until(lambda: low() > seen + 5)
            assert silent == ()
    bad = {sample.bad["high"] for _, sample in told.samples if "high" in sample.bad}
    assert bad <= {Quality.REFUSED, Quality.TIMEOUT, Quality.DEVICE}
    assert bad
