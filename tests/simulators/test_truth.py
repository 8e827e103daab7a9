"""The ground truth: written at once, read back exactly."""

from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from simulators.truth import CHANGES, ChangeRow, ReplyRow, Truth, TruthWriter


def change(n: int, t: int, value: str | bool | None, point: str = "p") -> ChangeRow:
    return ChangeRow(n=n, t=t, device="d", point=point, value=value, registers="")


def reply(n: int, fate: str = "good", points: tuple[str, ...] = ("p",)) -> ReplyRow:
    return ReplyRow(t0=1, t1=2, n=n, line="l", unit=1, device="d", function=3, fate=fate, points=points)  # type: ignore[arg-type]


def test_values_held_in_an_interval() -> None:
    truth = Truth(
        [change(1, 10, "1.0"), change(2, 20, "2.0"), change(3, 20, "2.5"), change(4, 30, None)], [], []
    )
    assert truth.value_at("d", "p", 12, 15) == {Decimal("1.0")}
    assert truth.value_at("d", "p", 15, 20) == {Decimal(1), Decimal(2), Decimal("2.5")}
    assert truth.value_at("d", "p", 21, 29) == {Decimal("2.5")}
    assert truth.value_at("d", "p", 29, 31) == {Decimal("2.5"), None}
    assert truth.value_at("d", "p", 100, 200) == {None}
    assert truth.value_after("d", "p", 3) == Decimal("2.5")


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), min_size=1, max_size=30),
    st.integers(0, 60),
    st.integers(0, 20),
)
def test_an_interval_holds_every_value_that_was_true_in_it(
    steps: list[tuple[int, int]], t0: int, length: int
) -> None:
    steps.sort(key=lambda step: step[0])
    rows = [change(n, t, str(value)) for n, (t, value) in enumerate(steps, 1)]
    found = Truth(rows, [], []).value_at("d", "p", t0, t0 + length)
    inside = {Decimal(value) for t, value in steps if t0 <= t <= t0 + length}
    before = [Decimal(value) for t, value in steps if t < t0]
    assert found >= inside
    assert found <= inside | set(before[-1:]) | ({Decimal(steps[0][1])} if not before else set())
    if before:
        assert before[-1] in found


def test_only_good_replies_are_served_and_each_carries_its_own_value() -> None:
    truth = Truth(
        [change(1, 10, "1"), change(2, 20, True, "q"), change(3, 30, "3")],
        [reply(1), reply(2, points=("p", "q")), reply(3, "damaged"), reply(3, "late"), reply(3)],
        [],
    )
    assert truth.served_points() == 4
    assert [(point, value) for _, point, value in truth.served()] == [
        ("p", 1),
        ("p", 1),
        ("q", True),
        ("p", 3),
    ]


def test_what_was_written_is_read_back_before_the_writer_is_closed(tmp_path: Path) -> None:
    with TruthWriter(tmp_path, lambda: 1000) as writer:
        writer.change("d", "p", Decimal("8123.420"), "0001")
        writer.change("d", "q", None, "ffff")
        writer.reply(reply(2, points=("p", "q")))
        writer.fact("event", device="d", event="fire", edge="raised", severity="critical")
        truth = Truth.load(tmp_path)
    assert [value for _, _, value in truth.served()] == [Decimal("8123.42"), None]
    assert [fact.event for fact in truth.edges("raised")] == ["fire"]
    assert truth.edges("cleared") == []
    assert set(truth.points()) == {("d", "p"), ("d", "q")}


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    with TruthWriter(tmp_path, lambda: 1000) as writer:
        writer.change("d", "p", True, "01")
    with (tmp_path / CHANGES).open("ab") as file:
        file.write(b'{"n":2,"t":10')
    assert Truth.load(tmp_path).value_at("d", "p", 0, 2000) == {True}


def test_an_answer_that_leaves_after_the_end_is_not_kept_and_harms_nothing(tmp_path: Path) -> None:
    with TruthWriter(tmp_path, lambda: 1) as truth:
        truth.change("d", "p", True, "0001")
    truth.change("d", "p", False, "0000")
    assert [value for _, point, value in Truth.load(tmp_path).served() if point == "p"] == []
    assert Truth.load(tmp_path).value_after("d", "p", 2**60) is True
