"""E5s that come too late: they are nobody else's, make neither a value nor a ghost, and hold up no neighbour."""

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DeviceSilent, DriverError
from drivers.mbus import frames
from drivers.mbus.address import target
from drivers.mbus.conversation import Memory, read_out, reset_link
from drivers.mbus.search import Search
from drivers.mbus.workshop import MbusWorkshop
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value
from tests.support.long import amount
from tests.support.virtual import ScriptedWire, in_no_time, line_over

TIMEOUT = 0.1
LATE = TIMEOUT + 0.05
E5 = b"\xe5"
SOON = 0.01


def slave(number: str, primary: int, *, silent: bool = False) -> Slave:
    return Slave(Identity(number), lambda: [Value(b"\x06", int(number))], primary, silent=silent)


def reading(address: str, memory: Memory | None = None):
    unit, name = (int(address), "") if len(address) < 8 else (None, address)
    return read_out(target(unit, name), memory or Memory(), reset="always", telegrams=4)


def ident(payload: bytes) -> str:
    return frames.parse(payload).data[3::-1].hex()


def probe(unit: int):
    return reset_link(target(unit, ""))


def raw(unit: int):
    return MbusWorkshop().raw(unit, b"\x40", {})


@pytest.mark.parametrize("late", [probe(1), reading("1"), reading("11111111")])
@pytest.mark.parametrize("other", [probe(2), raw(2), reading("254")], ids=["probe", "raw", "254"])
def test_what_nothing_proves_waits_for_every_late_e5(late, other):
    """Whoever is asked next was not there, and must not be found."""

    async def run():
        wire = ScriptedWire(lambda asked, _: [(LATE, E5)] if asked == late.request else [])
        async with line_over(wire) as line:
            with pytest.raises(DeviceSilent):
                await line.exchange(late, timeout=TIMEOUT)
            with pytest.raises(DeviceSilent):
                await line.exchange(other, timeout=TIMEOUT)
            assert line.stats.late_replies == 1

    in_no_time(run())


def test_one_late_e5_pays_only_one_of_two():
    async def run():
        late = {reading("1").request: 2.5 * TIMEOUT, reading("2").request: 2.2 * TIMEOUT}
        wire = ScriptedWire(lambda asked, _: [(late[asked], E5)] if asked in late else [])
        async with line_over(wire) as line:
            for exchange in (reading("1"), reading("2"), probe(3)):
                with pytest.raises(DeviceSilent):
                    await line.exchange(exchange, timeout=TIMEOUT)

    in_no_time(run())


@pytest.mark.parametrize("dead", ["3", "33333333"])
def test_a_dead_slave_costs_its_neighbours_no_guard(dead: str):
    async def run():
        bus = MbusBus(
            [slave("11111111", 1), slave("22222222", 2), slave("33333333", 3, silent=True)], Random(1)
        )
        wire = ScriptedWire(lambda asked, _: [(SOON, each) for each in bus.feed(asked)])
        async with line_over(wire) as line:
            for neighbour in ("1", "22222222", "11111111"):
                with pytest.raises(DeviceSilent):
                    await line.exchange(reading(dead), timeout=3.0)
                asked = asyncio.get_running_loop().time()
                reply = await line.exchange(reading(neighbour), timeout=3.0)
                assert reply.began - asked < SOON
                assert ident(reply.payload) == neighbour[:1] * 8
                await asyncio.sleep(9.0)  # a probe of who is dead comes after its own guard

    in_no_time(run())


@pytest.mark.parametrize("late", [False, True])
def test_a_late_e5_of_another_is_followed_by_the_right_data_or_none(late: bool):
    async def run():
        first, bus = [True], MbusBus([slave("11111111", 1), slave("22222222", 2)], Random(1))

        def answers(asked: bytes, _at: float):
            after = LATE if first.pop() else SOON
            first.append(False)
            return [(after, each) for each in bus.feed(asked)]

        async with line_over(ScriptedWire(answers)) as line:
            with pytest.raises(DeviceSilent):
                await line.exchange(reading("11111111"), timeout=TIMEOUT)
            if late:
                bus.slaves[1].silent = True
                with pytest.raises(DeviceSilent):
                    await line.exchange(reading("22222222"), timeout=TIMEOUT)
            else:
                reply = await line.exchange(reading("22222222"), timeout=TIMEOUT)
                assert ident(reply.payload) == "22222222"

    in_no_time(run())


def nameless(access: int) -> bytes:
    body = bytes((0x08, 5, 0x7A, access, 0, 0, 0)) + b"\x0c\x06\x11\x11\x11\x11"
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


@pytest.mark.parametrize("there", [False, True])
def test_data_without_a_name_count_only_where_no_e5_is_in_doubt(there: bool):
    """The one that is late has not heard that another was selected, and answers in its place."""

    async def run():
        other, asked_for = reading("22222222").request, []

        def answers(asked: bytes, _at: float):
            asked_for.append(asked)
            if asked[0] == frames.SHORT:
                return [(SOON, nameless(len(asked_for)))]
            if asked != other:
                return [(LATE, E5)]
            return [(SOON, E5)] if there else []

        async with line_over(ScriptedWire(answers)) as line:
            memory = Memory()
            with pytest.raises(DeviceSilent):
                await line.exchange(reading("11111111"), timeout=TIMEOUT)
            if not there:
                with pytest.raises(DeviceSilent):
                    await line.exchange(reading("22222222", memory), timeout=TIMEOUT)
                return
            for _ in range(2):
                payload = (await line.exchange(reading("22222222", memory), timeout=TIMEOUT)).payload
                assert frames.parse(payload).ci == 0x7A
            assert asked_for.count(other) == 3, "selected twice at first, and once from then on"

    in_no_time(run())


def test_a_search_waits_for_no_guard_and_finds_no_ghost():
    async def run():
        bus = MbusBus([slave("12345670", 1), slave("12345673", 2)], Random(1))
        late = {reading("12345670").request}

        def answers(asked: bytes, _at: float):
            after = LATE if asked in late else SOON
            return [(after, each) for each in bus.feed(asked)]

        async with line_over(ScriptedWire(answers)) as line:
            loop, search = asyncio.get_running_loop(), Search("1234567F")
            began = loop.time()
            while (question := search.exchange()) is not None:
                try:
                    search.answered((await line.exchange(question, timeout=TIMEOUT)).payload)
                except DriverError as err:
                    search.failed(err)
            assert list(search.found) == ["12345673-GHS-01-04"]
            assert search.unparted == []
            # Eleven masks, of which one brought noise; the one that came late cost another time-out and its guard.
            assert loop.time() - began < 13 * TIMEOUT + 0.7

    in_no_time(run())


KINDS = ["1", "2", "3", "11111111", "22222222", "33333333", "probe 9", "probe 1"]


@settings(max_examples=amount(20, 2000))
@given(
    st.lists(st.sampled_from(KINDS), min_size=2, max_size=12),
    st.lists(st.sampled_from([SOON, SOON, LATE, 0.12, 0.19]), min_size=1, max_size=24),
)
def test_whatever_comes_late_is_told_of_whom_it_is(asked, delays):
    async def run():
        bus = MbusBus(
            [slave("11111111", 1), slave("22222222", 2), slave("33333333", 3, silent=True)], Random(1)
        )
        course, latest, chosen = iter(delays * 30), dict[int, float](), [0]

        def answers(request: bytes, at: float):
            if request[0] == frames.LONG:
                chosen[:] = [request[7] & 0x0F]
            who = chosen[0] if frames.NETWORK in request[1:6] else request[2]
            said = []
            for each in bus.feed(request):
                # Each slave says one thing after the other.
                latest[who] = max(at + next(course), latest.get(who, 0.0) + 0.001)
                said.append((latest[who] - at, each))
            return said

        wire = ScriptedWire(answers)
        memories = {kind: Memory() for kind in KINDS}
        async with line_over(wire) as line:
            for kind in asked:
                unit = kind.removeprefix("probe ")
                try:
                    if kind == unit:
                        reply = await line.exchange(reading(kind, memories[kind]), timeout=TIMEOUT)
                        assert ident(frames.split(reply.payload)[0]) == kind[:1] * 8
                    else:
                        await line.exchange(probe(int(unit)), timeout=TIMEOUT)
                    assert unit[:1] in "12", "nobody else is there"
                except DriverError:
                    continue

    in_no_time(run())
