"""An adapter that is pulled out and plugged in again, under a poller at work on a real pseudo-terminal."""

import logging

from gateway.polling.lessons import Lessons
from messages.types import Quality
from tests.support.polling import POINTS, at_work, device, now
from tests.support.waiting import until
from tests.support.wire import PtyPeer, Send, asked_address, line_to, rtu, rtu_reply


def strict(request):
    """A device without registers 11 and 12, so that reads are learned on the way."""
    address, count = asked_address(request), int.from_bytes(request[4:6], "big")
    places = range(address, address + count)
    if {11, 12} & set(places):
        return [Send(rtu(bytes([request[0], 0x83, 2])))]
    return [Send(rtu_reply(request, *places))]


async def test_the_line_is_down_once_and_polling_goes_on_by_itself(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    lessons = Lessons(now)
    peer = PtyPeer(strict, tmp_path)
    async with peer, line_to(peer.settings(baud=19200)) as line:
        async with at_work(line, device("m-1", 1, lessons), device("m-2", 2, lessons)) as (poller, told):

            def good(name: str) -> int:
                samples = [sample for _, sample in told.samples if sample.device == name]
                return sum({"low", "high"} >= set(s.values) and not s.bad for s in samples)

            async def go_on(one: int, other: int) -> None:
                await until(lambda: good("m-1") > one + 4 and good("m-2") > other + 4)

            await go_on(0, 0)
            for _ in range(2):
                peer.hang_up()
                await until(lambda: not poller.up)
                before = good("m-1"), good("m-2")
                tried = poller.presence.reopen_at
                # It has looked for the adapter again.
                await until(lambda tried=tried: poller.presence.reopen_at != tried)
                assert (good("m-1"), good("m-2")) == before
                peer.appear()
                await go_on(*before)
                assert poller.up
        assert line.stats.downs == 2
    values = {
        point: {s.values[point] for _, s in told.samples if s.values.get(point) is not None}
        for point in POINTS
    }
    assert values == {"low": {10}, "high": {13}}
    assert {q for _, sample in told.samples for q in sample.bad.values()} == {Quality.COMM}
    assert [record.getMessage().split(":")[0] for record in caplog.records].count("line lost") == 2
    assert sum("is back" in record.getMessage() for record in caplog.records) == 2
