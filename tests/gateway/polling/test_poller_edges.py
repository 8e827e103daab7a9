"""Edges are journaled once, whatever refuses, restarts or changes in between."""

from messages.types import Edge
from tests.support.gateway import DOOR, FIRE, METER, START, Bench, device_of


async def test_edges_are_journaled_with_their_state_and_evidence():
    bench = Bench(device_of("door", DOOR))
    bench.wire.script = lambda _request: b"\x01" if 10 < bench.time.now < 20 else b"\x00"
    await bench.run(30)
    assert [(event.code, event.edge) for event in bench.recorder.edges] == [
        ("open", Edge.RAISED),
        ("open", Edge.CLEARED),
    ]
    raised = bench.recorder.edges[0]
    assert raised.evidence == "01"
    assert raised.detail == "open = true"
    assert (raised.seen_at - START).total_seconds() < 13
    assert bench.recorder.state == {"edges/door": b"[]"}


async def test_an_edge_that_the_journal_does_not_take_comes_again():
    bench = Bench(device_of("panel", FIRE))
    bench.recorder.takes = False
    await bench.run(5)
    assert bench.recorder.edges == []
    bench.recorder.takes = True
    await bench.run(8)
    assert [event.edge for event in bench.recorder.edges] == [Edge.RAISED]


async def test_a_restart_neither_doubles_nor_forgets_an_edge():
    bench = Bench(device_of("panel", FIRE, state=b'["zone"]'))
    await bench.run(5)
    assert bench.recorder.edges == []
    bench.wire.script = lambda _request: b"\x00"
    await bench.run(8)
    assert [event.edge for event in bench.recorder.edges] == [Edge.CLEARED]


async def test_an_event_that_left_the_profile_ends():
    bench = Bench(device_of("m", METER, state=b'["was_here"]'))
    await bench.run(1)
    assert [(event.code, event.edge) for event in bench.recorder.edges] == [("was_here", Edge.CLEARED)]
