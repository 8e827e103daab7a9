import itertools

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.api import Timing
from drivers.modbus.address import WORDS, Options, PointAt
from drivers.modbus.learned import Cuts
from drivers.modbus.plan import Block, Rules, cover, holes, plan, split

RTU_9600 = Timing(byte_time=10 / 9600, silence=35 / 9600, turnaround=0.005)
TCP = Timing(turnaround=0.002)

kinds = st.sampled_from(sorted(set(WORDS) - {"bool", "bits"}))
register_points = st.builds(
    PointAt,
    table=st.sampled_from(["holding", "input"]),
    address=st.integers(0, 60) | st.integers(0, 300),
    type=kinds,
)
bit_points = st.builds(PointAt, table=st.sampled_from(["coil", "discrete"]), address=st.integers(0, 300))
maps = st.dictionaries(
    st.integers(0, 99).map(lambda number: f"p{number}"), register_points | bit_points, min_size=1, max_size=40
)
few = st.dictionaries(
    st.integers(0, 9).map(lambda number: f"p{number}"),
    st.builds(PointAt, table=st.just("holding"), address=st.integers(0, 80), type=kinds),
    min_size=1,
    max_size=7,
)
options = st.builds(
    Options,
    max_registers=st.integers(4, 12) | st.integers(4, 125),
    max_bits=st.integers(1, 300),
    bridge=st.integers(0, 10) | st.just("auto"),
    framing=st.sampled_from(["rtu", "mbap", "ascii"]),
)
timings = st.builds(
    Timing,
    byte_time=st.sampled_from([0.0, 10 / 115200, 10 / 9600, 11 / 2400]),
    silence=st.sampled_from([0.0, 0.00175, 35 / 9600]),
    turnaround=st.floats(0, 0.2),
)
spans = st.tuples(st.integers(0, 300), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
cuts = st.builds(
    Cuts,
    spans=st.dictionaries(st.sampled_from(["holding", "coil"]), st.lists(spans, max_size=5)),
    limits=st.dictionaries(st.sampled_from(["holding", "coil"]), st.integers(1, 40)),
)
rules_of = st.builds(
    Rules, options=options, timing=timings, cuts=cuts, longest=st.none() | st.floats(0.001, 0.3)
)


def points(*placed: tuple[str, int, str]) -> dict[str, PointAt]:
    return {name: PointAt(table="holding", address=address, type=kind) for name, address, kind in placed}


def groups_of(*ranges: tuple[int, int]) -> dict[str, PointAt]:
    """One register each, from first to last of each range."""
    return {
        f"r{at}": PointAt(table="holding", address=at, type="uint16")
        for first, last in ranges
        for at in range(first, last + 1)
    }


def labels(known, rules, wanted=None) -> list[str]:
    return [str(block) for block, _ in plan(known if wanted is None else wanted, known, rules)]


def cost(blocks, rules) -> int:
    return sum(rules.cost(block.table, block.count)[0] for block in blocks)


def alone(at: PointAt, rules: Rules) -> bool:
    return at.words > rules.most(at.table)


@given(maps, rules_of, st.data())
def test_every_wanted_point_lies_whole_in_exactly_one_block_within_the_limits(known, rules, data):
    wanted = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True))
    planned = plan(wanted, known, rules)
    yielded = [name for _, names in planned for name in names]
    assert len(yielded) == len(set(yielded))
    assert set(wanted) <= set(yielded)
    for block, names in planned:
        assert all(block.holds(known[name]) for name in names)
        places = {(known[name].address, known[name].words) for name in names if name in wanted}
        single = (block.address, block.count) in places
        assert single or 1 <= block.count <= rules.most(block.table)
        assert block.end <= 0x10000
        if single:
            continue
        for first, last in rules.cuts.spans.get(block.table, ()):
            assert not (block.address <= first and last < block.end)
        if rules.longest is not None:
            size = rules.options.frame_bytes(block.table, block.count)
            assert rules.timing.seconds(*size) <= rules.longest
        mine = [name for name in names if name in wanted]
        assert all(last - first < rules.bridge() for first, last in holes(block, mine, known))


@given(maps, options, st.lists(spans, max_size=6), st.lists(spans, max_size=4))
def test_no_block_touches_what_is_forbidden_or_leaves_a_readable_range(known, rules, forbidden, readable):
    used = {(at.address, at.address + at.words - 1) for at in known.values() if at.table == "holding"}
    free = tuple(
        (low, high)
        for low, high in forbidden
        if not any(low <= last and first <= high for first, last in used)
    )
    ranges = tuple({*readable, *used})
    ours = Rules(
        msgspec.structs.replace(rules, forbidden={"holding": free}, readable={"holding": ranges}), TCP
    )
    for block, _ in plan(known, known, ours):
        if block.table == "holding":
            assert not any(low < block.end and block.address <= high for low, high in free)
            assert any(low <= block.address and block.end - 1 <= high for low, high in ranges)


@given(few, rules_of)
def test_no_plan_is_cheaper_than_ours(known, rules):
    """Against all ways to part the points into blocks in the order of their addresses."""
    planned = plan(known, known, rules)
    ordered = sorted(known.values(), key=lambda at: (at.address, at.address + at.words))
    # A point inside another is read with it: parting them gains nothing, and the brute force need not try.
    assume(all(a.address + a.words < b.address + b.words for a, b in itertools.pairwise(ordered)))
    for marks in itertools.product((False, True), repeat=len(ordered) - 1):
        runs = [[ordered[0]]]
        for at, parted in zip(ordered[1:], marks, strict=True):
            if parted:
                runs.append([at])
            else:
                runs[-1].append(at)
        blocks = [_hull(run) for run in runs]
        if all(_allowed(block, run, rules) for block, run in zip(blocks, runs, strict=True)):
            assert cost([block for block, _ in planned], rules) <= cost(blocks, rules)


def _hull(run: list[PointAt]) -> Block:
    first, end = run[0].address, max(at.address + at.words for at in run)
    return Block(3, first, end - first, "holding")


def _allowed(block: Block, run: list[PointAt], rules: Rules) -> bool:
    if len(run) == 1:
        return True
    gaps = [b.address - (a.address + a.words) for a, b in itertools.pairwise(run)]
    spans = rules.cuts.spans.get("holding", ())
    return (
        block.count <= rules.most("holding")
        and max(gaps) <= rules.bridge()
        and not any(block.address <= first and last < block.end for first, last in spans)
    )


@given(maps, rules_of)
def test_no_plan_costs_more_than_reading_each_place_alone_or_than_joining_greedily(known, rules):
    ours = cost([block for block, _ in plan(known, known, rules)], rules)
    places = {(at.table, at.address, at.words) for at in known.values()}
    assert ours <= sum(rules.cost(table, words)[0] for table, _, words in places)
    ordered = sorted(known.values(), key=lambda at: (at.table, at.address, at.words))
    greedy: list[Block] = []
    for at in ordered:
        last = greedy[-1] if greedy else None
        end = at.address + at.words
        if last is not None and last.table == at.table and end <= last.end:
            continue
        joined = None
        if last is not None and last.table == at.table and at.address - last.end <= rules.bridge():
            joined = Block(0, last.address, end - last.address, at.table)
        if (
            last is not None
            and joined is not None
            and joined.end <= rules.reach(at.table, last.address, rules.most(at.table))
        ):
            greedy[-1] = joined
        else:
            greedy.append(Block(0, at.address, at.words, at.table))
    assert ours <= cost(greedy, rules)


@given(maps, options)
def test_what_lies_inside_a_block_is_yielded(known, rules):
    first = next(iter(known))
    for block, names in plan([first], known, Rules(rules)):
        assert set(names) == {name for name, at in known.items() if block.holds(at)}


@given(maps, options, timings)
def test_the_plan_of_one_class_does_not_change_with_the_others(known, rules, timing):
    wanted = sorted(known)[::2]
    ours = Rules(rules, timing)
    alone_ = {name: known[name] for name in wanted}
    assert labels(known, ours, wanted) == labels(alone_, ours)


@given(maps, options)
def test_splitting_fetches_the_same_points_in_smaller_blocks_until_one_place_is_left(known, rules):
    todo = list(plan(known, known, Rules(rules)))
    for _ in range(1000):
        if not todo:
            return
        block, names = todo.pop()
        parts = split(names, known, rules)
        if parts:
            assert sorted(name for _, inside in parts for name in inside) == sorted(names)
            assert all(part.count <= block.count for part, _ in parts)
            todo += parts
        else:
            assert len({(known[name].address, known[name].words) for name in names}) == 1
    raise AssertionError("the splitting does not end")


@given(few, st.data())
def test_a_group_is_never_parted_by_a_plan(known, data):
    group = tuple(data.draw(st.lists(st.sampled_from(sorted(known)), unique=True, max_size=4)))
    wanted = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True, min_size=1))
    rules = Rules(Options(max_registers=100), RTU_9600, longest=0.03, groups=(group,))
    planned = plan(wanted, known, rules)
    yielded = [name for _, names in planned for name in names]
    assert len(yielded) == len(set(yielded))
    assert set(wanted) <= set(yielded)
    if len(group) > 1 and set(group) & set(wanted):
        assert len([names for _, names in planned if set(names) & set(group)]) == 1
        assert set(group) <= set(yielded)


@pytest.mark.parametrize(
    ("framing", "timing", "wanted"),
    [
        ("mbap", TCP, ["03 @0+106", "03 @200+104"]),
        ("rtu", RTU_9600, ["03 @0+22", "03 @50+6", "03 @100+6", "03 @200+4", "03 @300+4"]),
    ],
)
def test_forty_scattered_registers(framing, timing, wanted):
    known = groups_of((0, 11), (14, 21), (50, 55), (100, 105), (200, 203), (300, 303))
    assert labels(known, Rules(Options(framing=framing), timing)) == wanted


def test_on_a_slow_bus_a_hole_is_bridged_only_where_it_is_cheaper():
    known = groups_of((0, 11), (14, 17), (50, 53))
    assert labels(known, Rules(Options(), RTU_9600)) == ["03 @0+18", "03 @50+4"]
    sluggish = Timing(RTU_9600.byte_time, RTU_9600.silence, turnaround=0.05)
    assert labels(known, Rules(Options(), sluggish)) == ["03 @0+54"]


def test_optimal_is_not_greedy():
    # Greedy joins a with b and leaves c alone; parting before b saves nothing but makes room for both.
    known = groups_of((0, 0), (8, 11), (13, 18))
    assert labels(known, Rules(Options(max_registers=12), RTU_9600)) == ["03 @0+1", "03 @8+11"]


def test_of_equals_in_cost_the_shorter_reads_and_then_the_evener_ones_win():
    known = groups_of((0, 59))
    limited = Rules(Options(), TCP, cuts=Cuts({"holding": [(0, 59)]}, {}))
    assert labels(known, limited) == ["03 @0+30", "03 @30+30"]


def test_neighbours_share_a_read_and_holes_part_them_where_no_bridge_is_allowed():
    known = points(("a", 0, "float32"), ("b", 2, "float32"), ("c", 6, "float32"), ("d", 8, "uint16"))
    assert labels(known, Rules(Options(bridge=0))) == ["03 @0+4", "03 @6+3"]
    assert labels(known, Rules(Options(bridge=1))) == ["03 @0+4", "03 @6+3"]
    assert labels(known, Rules(Options(bridge=2))) == ["03 @0+9"]
    assert labels(known, Rules(Options())) == ["03 @0+9"]
    assert labels(known, Rules(Options(max_registers=6))) == ["03 @0+4", "03 @6+3"]


def test_no_block_is_longer_than_the_device_answers():
    known = points(("a", 0, "float32"), ("b", 2, "float32"), ("c", 4, "float32"), ("d", 6, "uint16"))
    for limit, wanted in (
        (7, ["03 @0+7"]),
        (6, ["03 @0+4", "03 @4+3"]),
        (5, ["03 @0+4", "03 @4+3"]),
        (3, ["03 @0+2", "03 @2+2", "03 @4+3"]),
    ):
        assert labels(known, Rules(Options(max_registers=limit))) == wanted
        assert labels(known, Rules(Options(), cuts=Cuts({}, {"holding": limit}))) == wanted


def test_no_block_leaves_a_readable_range_or_touches_a_forbidden_one():
    known = groups_of((0, 3), (6, 9), (12, 15))
    assert labels(known, Rules(Options(forbidden={"holding": ((10, 10),)}))) == ["03 @0+10", "03 @12+4"]
    assert labels(known, Rules(Options(readable={"holding": ((0, 4), (6, 99))}))) == ["03 @0+4", "03 @6+10"]
    assert labels(known, Rules(Options(forbidden={"input": ((10, 10),)}))) == ["03 @0+16"]


def test_a_point_that_the_device_lacks_is_asked_for_alone_and_never_read_along():
    known = groups_of((0, 3), (5, 9))
    rules = Rules(Options(), TCP, cuts=Cuts({"holding": [(2, 2)]}, {}), bad=frozenset({"r2"}))
    assert labels(known, rules) == ["03 @0+2", "03 @3+7", "03 @2+1"]


def test_bits_of_one_register_are_one_place():
    known = {f"b{bit}": PointAt(table="holding", address=5, bit=bit) for bit in range(16)}
    (planned,) = cover(list(known), known, Options())
    assert str(planned[0]) == "03 @5+1"
    assert split(planned[1], known, Options()) == []


def test_a_refused_block_is_asked_again_without_its_holes_then_in_halves():
    known = points(("a", 0, "uint16"), ("b", 1, "uint16"), ("c", 5, "uint16"), ("d", 9, "uint16"))
    (whole,) = plan(known, known, Rules(Options()))
    parts = split(whole[1], known, Options())
    assert [str(block) for block, _ in parts] == ["03 @0+2", "03 @5+1", "03 @9+1"]
    assert [str(block) for block, _ in split(parts[0][1], known, Options())] == ["03 @0+1", "03 @1+1"]


def test_a_group_is_parted_only_when_nothing_else_is_left():
    known = groups_of((0, 5))
    group = ("r1", "r2", "r3")
    (first, second) = split(list(known), known, Options(), [group])
    assert [first[1], second[1]] == [("r0", "r1", "r2", "r3"), ("r4", "r5")]
    assert [names for _, names in split(first[1], known, Options(), [group])] == [("r0",), group]
    assert [names for _, names in split(group, known, Options(), [group])] == [("r1",), ("r2",), ("r3",)]


def test_one_function_for_both_tables_never_joins_them():
    known = {
        "h": PointAt(table="holding", address=0, type="uint16"),
        "i": PointAt(table="input", address=1, type="uint16"),
    }
    assert labels(known, Rules(Options(function=4))) == ["04 @0+1", "04 @1+1"]
