from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import WORDS, Options, PointAt
from drivers.modbus.plan import cover, halves, plan

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
options = st.builds(
    Options,
    max_registers=st.integers(4, 12) | st.integers(4, 125),
    max_bits=st.integers(1, 300),
    bridge=st.integers(0, 10),
)


def points(*spans: tuple[str, int, str]) -> dict[str, PointAt]:
    return {name: PointAt(table="holding", address=address, type=kind) for name, address, kind in spans}


@given(maps, options, st.data())
def test_every_wanted_point_lies_whole_in_exactly_one_block_within_the_limits(known, rules, data):
    wanted = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True))
    planned = plan(wanted, known, rules)
    yielded = [name for _, names in planned for name in names]
    assert len(yielded) == len(set(yielded))
    assert set(wanted) <= set(yielded)
    for block, names in planned:
        assert all(block.holds(known[name]) for name in names)
        limit = rules.max_bits if block.table in {"coil", "discrete"} else rules.max_registers
        assert 1 <= block.count <= limit
        assert block.end <= 0x10000
        covered = {
            place
            for name in names
            for place in range(known[name].address, known[name].address + known[name].words)
        }
        gaps = sorted(set(range(block.address, block.end)) - covered)
        assert len(gaps) <= rules.bridge * len(names)
        if not rules.bridge:
            assert gaps == []


@given(maps, options)
def test_what_lies_inside_a_block_is_yielded(known, rules):
    first = next(iter(known))
    for block, names in plan([first], known, rules):
        assert set(names) == {name for name, at in known.items() if block.holds(at)}


@given(maps, options)
def test_halves_fetch_the_same_points_in_smaller_blocks_until_one_place_is_left(known, rules):
    todo = list(plan(known, known, rules))
    for _ in range(1000):
        if not todo:
            return
        _, names = todo.pop()
        parts = halves(names, known, rules)
        if parts:
            assert sorted(name for _, inside in parts for name in inside) == sorted(names)
            todo += parts
        else:
            assert len({(known[name].address, known[name].words) for name in names}) == 1
    raise AssertionError("the splitting does not end")


def test_neighbours_share_a_read_and_holes_part_them():
    known = points(("a", 0, "float32"), ("b", 2, "float32"), ("c", 6, "float32"), ("d", 8, "uint16"))
    assert [str(block) for block, _ in plan(known, known, Options())] == ["03 @0+4", "03 @6+3"]
    assert [str(block) for block, _ in plan(known, known, Options(bridge=2))] == ["03 @0+9"]
    assert [str(block) for block, _ in plan(known, known, Options(bridge=2, max_registers=6))] == [
        "03 @0+4",
        "03 @6+3",
    ]


def test_no_block_is_longer_than_the_device_answers():
    known = points(("a", 0, "float32"), ("b", 2, "float32"), ("c", 4, "float32"), ("d", 6, "uint16"))
    for limit, labels in (
        (7, ["03 @0+7"]),
        (6, ["03 @0+6", "03 @6+1"]),
        (5, ["03 @0+4", "03 @4+3"]),
        (3, ["03 @0+2", "03 @2+2", "03 @4+3"]),
    ):
        assert [str(block) for block, _ in plan(known, known, Options(max_registers=limit))] == labels


def test_bits_of_one_register_are_one_place():
    known = {f"b{bit}": PointAt(table="holding", address=5, bit=bit) for bit in range(16)}
    (planned,) = cover(list(known), known, Options())
    assert str(planned[0]) == "03 @5+1"
    assert halves(planned[1], known, Options()) == []


def test_one_function_for_both_tables_never_joins_them():
    known = {
        "h": PointAt(table="holding", address=0, type="uint16"),
        "i": PointAt(table="input", address=1, type="uint16"),
    }
    assert [str(block) for block, _ in plan(known, known, Options(function=4))] == ["04 @0+1", "04 @1+1"]
