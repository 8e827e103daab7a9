"""What the server holds against what was on the wire, value by value. Pure, but for reading the database file."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from messages.types import Quality, Value
from simulators.truth import ReplyRow, Truth

HOUR_MS = 3_600_000
# The server keeps a quality as its place in this list; a test holds the two together.
QUALITIES = tuple(Quality)
# Samples that say that nothing could be read: no reply stands behind them.
NOT_READ = frozenset({Quality.COMM, Quality.TIMEOUT, Quality.CRC, Quality.REFUSED, Quality.CONFIG})
# A gateway stamps the middle of the exchange as it saw it: on a busy machine that is some way off our own clock
# readings. It may be as far off as leaves no doubt which request is meant, and this in any case.
SLACK_MS = 450
MOST_SLACK_MS = 2000
# Asked again while an answer was still owed, a gateway cannot know which of the two requests was answered: its stamp
# is then the middle from the first of them on, and so much beside it.
STAMP_MS = 150
# Two reads of a point in one exchange after the other may bear the same stamp.
AT_ONCE_MS = 1
UNANSWERED = frozenset({"damaged", "silent", "late", "truncated"})

_ROWS = """
select series.device, series.point, samples.bucket * :hour + samples.offset_ms as at, samples.dup,
       samples.value, samples.quality, samples.raw
from samples join series on series.id = samples.series_id
where series.site = :site
order by series.device, series.point, at, samples.dup
"""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One sample as the server's table holds it."""

    device: str
    point: str
    at: int
    dup: int
    value: Value
    quality: Quality
    raw: str | None


@dataclass(frozen=True, slots=True)
class Served:
    """One value as a good reply carried it."""

    t0: int
    t1: int
    value: Value
    registers: str
    earliest: int
    latest: int
    """Between which times its row's may lie."""


@dataclass(slots=True)
class Matched:
    """How rows and replies fit together; the lists hold the first few of each kind, in words."""

    rows: int = 0
    missing: int = 0
    doubled: int = 0
    wrong: int = 0
    glimpsed: int = 0
    """Of the rows, those that are held against values only."""
    repeated: int = 0
    """Readings of an instant that was told before: what a meter froze is told each time, and is one row."""
    shared: int = 0
    """Values whose row is that of an equal read of the same millisecond."""
    examples: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep the first few."""
        if len(self.examples) < 20:
            self.examples.append(text)


def stored_rows(database: Path, site: str) -> list[StoredRow]:
    """Read all samples of a site, without writing a byte."""
    with sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True) as connection:
        found = connection.execute(_ROWS, {"site": site, "hour": HOUR_MS}).fetchall()
    connection.close()
    return [
        StoredRow(
            device, point, at, dup, _value(value), QUALITIES[quality], raw.hex() if raw is not None else None
        )
        for device, point, at, dup, value, quality, raw in found
    ]


def stored_records(database: Path, site: str) -> Counter[tuple[str, str]]:
    """Count what was written down and is no alarm, by device and code."""
    with sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True) as connection:
        found = connection.execute("select device, code from records where site = ?", (site,)).fetchall()
    connection.close()
    return Counter((device, code) for device, code in found)


def served_by_point(truth: Truth) -> dict[tuple[str, str], list[Served]]:
    """Return every value that a good reply carried, by device and point, in the order of the replies."""
    served: dict[tuple[str, str], list[Served]] = defaultdict(list)
    slack = _slack(truth.replies)
    for row, point, value in truth.served():
        registers = truth.registers_after(row.device, point, row.n)
        before, after = slack[id(row)]
        one = Served(row.t0, row.t1, value, registers, row.t0 - before, row.t1 + after)
        served[row.device, point].append(one)
    for values in served.values():
        values.sort(key=lambda one: one.t0)
    return served


def _slack(replies: Sequence[ReplyRow]) -> dict[int, tuple[int, int]]:
    """Half of the distance to the request for the same block before, and to the one after, whatever became of them.

    A row's time is the middle of an exchange, which began after the end of the one before and ended before the
    beginning of the next: so it cannot be further off, however long anybody stood still. Where the one before was not
    answered, it may have been meant.
    """
    times: dict[tuple[str, int, int | None, int | None], list[ReplyRow]] = defaultdict(list)
    for row in replies:
        times[row.device, row.function, row.address, row.count].append(row)
    slack = {}
    for rows in times.values():
        rows.sort(key=lambda row: row.t0)
        gaps = [MOST_SLACK_MS * 3, *(late.t0 - early.t1 for early, late in pairwise(rows)), MOST_SLACK_MS * 3]
        for row, (before, after) in zip(rows, pairwise(gaps), strict=True):
            slack[id(row)] = (_half(before), _half(after))
        for early, late in pairwise(rows):
            if early.fate in UNANSWERED and late.t0 - early.t1 <= MOST_SLACK_MS * 3:
                before, after = slack[id(late)]
                slack[id(late)] = (max(before, late.t0 - (early.t0 + late.t1) // 2 + STAMP_MS), after)
    return slack


def _half(gap: int) -> int:
    return min(max(SLACK_MS, gap // 2 + 1), MOST_SLACK_MS)


def match(truth: Truth, rows: Iterable[StoredRow]) -> Matched:
    """Pair every served value with its row: what has none is missing, what is left over is doubled."""
    served = served_by_point(truth)
    stored: dict[tuple[str, str], list[StoredRow]] = defaultdict(list)
    glimpsed = truth.glimpsed()
    for row in rows:
        key = row.device, row.point
        # Of what was answered and is not counted, a point that the device does not have is a reading too.
        if row.quality not in NOT_READ or (key in glimpsed and row.quality is Quality.CONFIG):
            stored[key].append(row)
    result, frozen = Matched(), truth.frozen()
    for device in truth.answerers():
        _match_answers(
            truth, device, [row for key, found in stored.items() if key[0] == device for row in found], result
        )
    for key in sorted(served.keys() | stored.keys()):
        result.rows += len(stored[key])
        if key in glimpsed:
            result.glimpsed += len(stored[key])
            if truth.knows(*key):
                _match_values(truth, key, stored[key], result, ever=key in frozen)
            if key in frozen:
                result.repeated += frozen[key] - len(stored[key])
            continue
        _match_point(".".join(key), served.get(key, []), stored[key], result)
    return result


def _match_point(name: str, served: Sequence[Served], rows: Sequence[StoredRow], result: Matched) -> None:
    found = list(_pairs(served, rows))
    result.shared += sum(row is not None for _, row in found) - len(rows)
    for one, row in found:
        if row is None and one is not None:
            result.missing += 1
            result.note(f"missing: {name} served at {one.t0} as {one.value}")
        elif one is None and row is not None:
            result.doubled += 1
            result.note(f"doubled: {name} stored at {row.at} as {row.value}, which no reply carried")
        elif one is not None and row is not None and not _same(one, row):
            result.wrong += 1
            result.note(
                f"wrong: {name} at {row.at}: stored {row.value} ({row.raw}), on the wire {one.value} ({one.registers})"
            )


def _match_answers(truth: Truth, device: str, rows: Iterable[StoredRow], result: Matched) -> None:
    """Count an answer for each moment of which there are rows, whichever points the answer was asked for."""
    answers = sum(row.served for row in truth.replies if row.device == device)
    moments = len({row.at for row in rows})
    result.missing += max(0, answers - moments)
    result.doubled += max(0, moments - answers)
    if answers != moments:
        result.note(f"{device}: {answers} answers on the wire, readings of {moments} moments stored")


def _match_values(
    truth: Truth, key: tuple[str, str], rows: Sequence[StoredRow], result: Matched, *, ever: bool
) -> None:
    """Hold rows against what the point was about then; with `ever`, or before anything is known, against all it was.

    What a meter froze is stored under an instant of the meter's own, and known only from when it was asked for.
    """
    for row in rows:
        about = set() if ever else truth.value_at(*key, row.at - MOST_SLACK_MS, row.at + MOST_SLACK_MS)
        known = about or truth.values_ever(*key)
        if not any(row.value is one if isinstance(one, bool) else row.value == one for one in known):
            result.wrong += 1
            shown = ", ".join(sorted(map(str, known))[:5])
            result.note(f"wrong: {'.'.join(key)} at {row.at}: stored {row.value}, on the wire {shown}")


def _pairs(
    served: Sequence[Served], rows: Sequence[StoredRow]
) -> Iterator[tuple[Served | None, StoredRow | None]]:
    """Pair replies with rows; one row may stand for two equal replies of one millisecond: one key, one value."""
    pairs = list(_one_by_one(served, rows))
    for place, (one, row) in enumerate(pairs):
        if one is not None and row is None:
            beside = (*pairs[max(0, place - 1) : place], *pairs[place + 1 : place + 2])
            yield (
                one,
                next((other for known, other in beside if known and other and _at_once(one, known)), None),
            )
        else:
            yield one, row


def _at_once(one: Served, other: Served) -> bool:
    same = one.value == other.value and one.registers == other.registers
    return same and max(one.t0, other.t0) - min(one.t1, other.t1) <= AT_ONCE_MS


def _one_by_one(
    served: Sequence[Served], rows: Sequence[StoredRow]
) -> Iterator[tuple[Served | None, StoredRow | None]]:
    left = list(served)
    for row in rows:
        # Where polls follow each other faster than stamps may be off, the nearest reply is the one: a lost row
        # must not make the next one take its place, and so on to the end.
        while left and (row.at > left[0].latest or _nearer_to_the_next(left, row.at)):
            yield left.pop(0), None
        if left and row.at >= left[0].earliest:
            yield left.pop(0), row
        else:
            yield None, row
    for one in left:
        yield one, None


def _nearer_to_the_next(left: Sequence[Served], at: int) -> bool:
    return len(left) > 1 and _away(left[1], at) < _away(left[0], at)


def _away(one: Served, at: int) -> int:
    return max(one.t0 - at, at - one.t1, 0)


def _same(one: Served, row: StoredRow) -> bool:
    if row.raw is not None and row.raw != one.registers:
        return False
    return row.value is one.value if isinstance(one.value, bool) else row.value == one.value


def answering(truth: Truth) -> set[str]:
    """Return the devices that gave at least one good reply."""
    return {row.device for row in truth.replies if row.served} | {device for device, _ in truth.glimpsed()}


def used(start: Value, end: Value, modulus: Decimal | None) -> Decimal | None:
    """Return what a register counted from `start` to `end`, through at most one turn-over."""
    if not isinstance(start, Decimal) or not isinstance(end, Decimal):
        return None
    return end - start if end >= start or modulus is None else end - start + modulus


def _value(text: str | None) -> Value:
    if text is None:
        return None
    return text == "true" if text in {"true", "false"} else Decimal(text)
