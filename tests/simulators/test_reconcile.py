"""The reckoning itself: it finds what was lost, doubled or changed, and nothing else."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from messages.types import ClockState, Quality
from server.db.engine import sqlite_engine, write
from server.db.migrate import upgrade
from server.db.tables_delivery import samples, series
from server.db.types import QUALITY_CODE
from simulators.reconcile import HOUR_MS, QUALITIES, StoredRow, match, stored_rows, used
from simulators.truth import ChangeRow, ReplyRow, Truth

PERIOD = 1000
FATES = ("good", "good", "good", "damaged", "late", "silent")


def truth_of(values: list[int], fates: list[str]) -> Truth:
    """A point that has another value at each poll."""
    changes = [
        ChangeRow(n=n, t=n * PERIOD, device="d", point="p", value=str(value), registers=f"{value:04x}")
        for n, value in enumerate(values, 1)
    ]
    replies = [
        ReplyRow(
            t0=n * PERIOD + 10,
            t1=n * PERIOD + 30,
            n=n,
            line="l",
            unit=1,
            device="d",
            function=3,
            fate=fate,  # type: ignore[arg-type]
            points=("p",),
        )
        for n, fate in enumerate(fates, 1)
    ]
    return Truth(changes, replies, [])


def row(n: int, value: int, dup: int = 0, quality: Quality = Quality.GOOD) -> StoredRow:
    return StoredRow("d", "p", n * PERIOD + 20, dup, Decimal(value), quality, f"{value:04x}")


POLLS = st.lists(st.tuples(st.integers(0, 65535), st.sampled_from(FATES)), min_size=1, max_size=30)


@given(POLLS)
def test_what_was_served_and_stored_agrees(polls: list[tuple[int, str]]) -> None:
    truth = truth_of([value for value, _ in polls], [fate for _, fate in polls])
    rows = [row(n, value) for n, (value, fate) in enumerate(polls, 1) if fate == "good"]
    result = match(truth, rows)
    assert (result.missing, result.doubled, result.wrong) == (0, 0, 0)
    assert result.rows == truth.served_points()


@given(POLLS, st.data())
def test_each_lost_doubled_or_changed_row_is_found(polls: list[tuple[int, str]], data: st.DataObject) -> None:
    truth = truth_of([value for value, _ in polls], [fate for _, fate in polls])
    rows: list[StoredRow] = []
    expected = {"missing": 0, "doubled": 0, "wrong": 0}
    for n, (value, fate) in enumerate(polls, 1):
        if fate != "good":
            if data.draw(st.booleans()):  # a value that no good reply carried
                rows.append(row(n, value))
                expected["doubled"] += 1
            continue
        what = data.draw(st.sampled_from(("kept", "kept", "missing", "doubled", "wrong")))
        if what in expected:
            expected[what] += 1
        if what != "missing":
            rows.append(row(n, (value + 1) % 65536 if what == "wrong" else value))
        if what == "doubled":
            rows.append(row(n, value, dup=1))
    result = match(truth, rows)
    assert {"missing": result.missing, "doubled": result.doubled, "wrong": result.wrong} == expected


@pytest.mark.parametrize(
    ("fate", "at", "good"), [("truncated", 1150, True), ("good", 1150, False), ("truncated", 1000, False)]
)
def test_a_read_that_was_put_again_is_stamped_from_its_first_request_on(
    fate: str, at: int, good: bool
) -> None:
    answer = {"n": 1, "line": "l", "unit": 1, "device": "d", "function": 3, "points": ("p",)}
    truth = Truth(
        [ChangeRow(n=1, t=0, device="d", point="p", value="1", registers="0001")],
        [
            msgspec.convert(answer | {"t0": 10, "t1": 12, "fate": fate}, ReplyRow),
            msgspec.convert(answer | {"t0": 2500, "t1": 2520, "fate": "good"}, ReplyRow),
        ],
        [],
    )
    rows = [StoredRow("d", "p", 11, 0, Decimal(1), Quality.GOOD, None)] if fate == "good" else []
    result = match(truth, [*rows, StoredRow("d", "p", at, 0, Decimal(1), Quality.GOOD, None)])
    assert (result.missing, result.doubled) == ((0, 0) if good else (1, 1))


@pytest.mark.parametrize(("second", "apart", "missing"), [(7, 1, 0), (8, 1, 1), (7, 5, 1)])
def test_one_row_stands_for_two_equal_reads_of_one_millisecond_and_for_no_others(
    second: int, apart: int, missing: int
) -> None:
    """A point that lies in two blocks is read twice, one exchange after the other."""
    changes = [
        ChangeRow(n=n, t=1000, device="d", point="p", value=str(value), registers=f"{value:04x}")
        for n, value in ((1, 7), (2, second))
    ]
    replies = [
        msgspec.structs.replace(reply, t0=at, t1=at)
        for reply, at in zip(
            truth_of([7, second], ["good", "good"]).replies, (1020, 1020 + apart), strict=True
        )
    ]
    result = match(Truth(changes, replies, []), [row(1, 7)])
    assert (result.missing, result.doubled, result.wrong) == (missing, 0, 0)
    assert result.shared == 1 - missing


def test_samples_that_say_that_nothing_was_read_are_no_readings() -> None:
    truth = truth_of([1, 2], ["good", "silent"])
    nothing = StoredRow("d", "p", 2 * PERIOD, 0, None, Quality.TIMEOUT, None)
    result = match(truth, [row(1, 1), nothing])
    assert (result.rows, result.missing, result.doubled) == (1, 0, 0)


def test_raw_registers_are_compared_too() -> None:
    truth = truth_of([258], ["good"])
    swapped = StoredRow("d", "p", PERIOD + 20, 0, Decimal(258), Quality.GOOD, "0201")
    assert match(truth, [swapped]).wrong == 1


def test_true_is_not_one() -> None:
    truth = Truth(
        [ChangeRow(n=1, t=1, device="d", point="p", value=True, registers="0001")],
        [ReplyRow(t0=5, t1=6, n=1, line="l", unit=1, device="d", function=2, fate="good", points=("p",))],
        [],
    )
    assert match(truth, [StoredRow("d", "p", 5, 0, True, Quality.GOOD, None)]).wrong == 0
    assert match(truth, [StoredRow("d", "p", 5, 0, Decimal(1), Quality.GOOD, None)]).wrong == 1


def test_a_busy_machines_stamps_do_not_matter_where_requests_are_far_apart() -> None:
    changes = [ChangeRow(n=1, t=0, device="d", point="p", value="1", registers="0001")]
    far = {"n": 1, "line": "l", "unit": 1, "device": "d", "function": 3, "fate": "good", "points": ("p",)}
    replies = [ReplyRow(t0=at, t1=at + 10, **far) for at in (10_000, 15_000, 16_000)]  # type: ignore[arg-type]
    for stamps, fits in (((11_900, 15_400, 16_400), True), ((11_900, 15_600, 16_400), False)):
        rows = [StoredRow("d", "p", at, 0, Decimal(1), Quality.GOOD, None) for at in stamps]
        result = match(Truth(changes, replies, []), rows)
        assert ((result.missing, result.doubled, result.wrong) == (0, 0, 0)) is fits


@given(st.integers(0, 19), st.lists(st.integers(-90, 90), min_size=20, max_size=20))
def test_one_lost_row_among_quick_polls_is_one_missing_and_nothing_wrong(
    lost: int, jitter: list[int]
) -> None:
    values = range(1, 21)
    changes = [
        ChangeRow(n=n, t=n * 300, device="d", point="p", value=str(n), registers=f"{n:04x}") for n in values
    ]
    common = {"line": "l", "unit": 1, "device": "d", "function": 3, "fate": "good", "points": ("p",)}
    replies = [ReplyRow(t0=n * 300 + 10, t1=n * 300 + 30, n=n, **common) for n in values]  # type: ignore[arg-type]
    rows = [
        StoredRow("d", "p", n * 300 + 20 + off, 0, Decimal(n), Quality.GOOD, f"{n:04x}")
        for n, off in zip(values, jitter, strict=True)
        if n - 1 != lost
    ]
    result = match(Truth(changes, replies, []), rows)
    assert (result.missing, result.doubled, result.wrong) == (1, 0, 0)


STALL = st.one_of(st.integers(0, 30), st.integers(0, 1900))


@given(st.lists(st.tuples(STALL, STALL, st.integers(2, 3000), st.booleans()), min_size=1, max_size=30))
def test_however_long_anybody_stood_still_each_row_finds_its_reply(
    exchanges: list[tuple[int, int, int, bool]],
) -> None:
    """Before the device took the request, before the gateway took the reply, until the next; and what was lost."""
    now, values, rows, replies = 10_000, [], [], []
    for n, (request, reply, pause, lost) in enumerate(exchanges, 1):
        began, served = now, now + request
        ended = served + reply
        now = ended + pause
        values.append(ChangeRow(n=n, t=served, device="d", point="p", value=str(n), registers=f"{n:04x}"))
        replies.append(
            ReplyRow(
                t0=served,
                t1=served,
                n=n,
                line="l",
                unit=1,
                device="d",
                function=3,
                fate="good",
                points=("p",),
            )
        )
        if not lost:
            at = (began + ended) // 2
            rows.append(StoredRow("d", "p", at, 0, Decimal(n), Quality.GOOD, f"{n:04x}"))
    result = match(Truth(values, replies, []), rows)
    assert (result.missing, result.doubled, result.wrong) == (len(exchanges) - len(rows), 0, 0)


@pytest.mark.parametrize(
    ("start", "end", "modulus", "expected"),
    [
        ("1", "3.5", None, "2.5"),
        ("999999.9", "0.2", "1000000", "0.3"),
        ("5", "5", "100", "0"),
        ("5", "4", None, "-1"),
    ],
)
def test_use_goes_through_a_turn_over(start: str, end: str, modulus: str | None, expected: str) -> None:
    turn = Decimal(modulus) if modulus is not None else None
    assert used(Decimal(start), Decimal(end), turn) == Decimal(expected)
    assert used(None, Decimal(end), turn) is None


def test_qualities_are_numbered_as_the_server_numbers_them() -> None:
    assert {quality: code for code, quality in enumerate(QUALITIES)} == QUALITY_CODE


def test_rows_are_read_from_the_servers_own_database_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "gatehouse.db"
    engine = sqlite_engine(path)
    upgrade(engine)
    at = 490_000 * HOUR_MS + 1234
    held = [("p", Decimal("8123.42"), bytes.fromhex("000f423f")), ("q", True, None), ("r", None, None)]
    with write(engine) as conn:
        for place, (point, value, raw) in enumerate(held, 1):
            conn.execute(insert(series).values(id=place, site="s", device="d", point=point, known=True))
            conn.execute(
                insert(samples).values(
                    bucket=at // HOUR_MS,
                    series_id=place,
                    offset_ms=at % HOUR_MS,
                    dup=0,
                    value=value,
                    quality=Quality.GOOD if value is not None else Quality.DEVICE,
                    clock=ClockState.SYNCED,
                    batch_id=1,
                    idx=0,
                    raw=raw,
                )
            )
    engine.dispose()
    assert stored_rows(path, "s") == [
        StoredRow("d", "p", at, 0, Decimal("8123.42"), Quality.GOOD, "000f423f"),
        StoredRow("d", "q", at, 0, True, Quality.GOOD, None),
        StoredRow("d", "r", at, 0, None, Quality.DEVICE, None),
    ]
    assert stored_rows(path, "other") == []
    with pytest.raises(sqlite3.OperationalError):
        stored_rows(tmp_path / "absent.db", "s")
