"""The ground truth of a run: what every register held when, every request that was answered, every edge.

Three files of JSON lines, each line written out at once, so that nothing that happened on the wire is lost with
a process that is killed. `Truth` reads them back for comparison.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeVar

import msgspec

from messages.types import Value

CHANGES, REPLIES, FACTS, RUN = "changes.jsonl", "replies.jsonl", "facts.jsonl", "run.json"
_T = TypeVar("_T")


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A point's value from `t` (ms UTC) on; `n` counts all changes of a run."""

    n: int
    t: int
    device: str
    point: str
    value: str | bool | None
    registers: str


class ReplyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request: complete at `t0`, its reply out at `t1`; the registers were those after change `n`.

    Only what answers a `poll` becomes samples: not what proves a command, nor what a stranger's master read.
    """

    t0: int
    t1: int
    n: int
    line: str
    unit: int
    device: str
    function: int
    fate: Literal["good", "damaged", "silent", "late", "exception", "truncated"]
    address: int | None = None
    count: int | None = None
    points: tuple[str, ...] = ()
    purpose: Literal["poll", "read-back", "stranger"] = "poll"

    @property
    def served(self) -> bool:
        """True where the values of `points` must become samples."""
        return self.fate == "good" and self.purpose == "poll"


class FactRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened on the site."""

    t: int
    kind: Literal[
        "event", "fault", "mend", "set", "release", "link", "exchange", "story", "frozen", "muted", "glimpsed",
        "picture",
    ]  # fmt: skip
    """`glimpsed` names points of a device whose values are known and whose readings are not counted; `picture` an
    alarm of a camera to which a picture must be attached."""
    device: str = ""
    event: str = ""
    edge: str = ""
    detail: Mapping[str, Any] = {}


class TruthWriter:
    """Writes a run's truth into a folder; a missing folder is made."""

    def __init__(
        self,
        folder: Path,
        clock_ms: Callable[[], int],
        *,
        tell: Callable[[FactRow], None] | None = None,
        records: bool = True,
    ) -> None:
        """`records` False leaves changes and replies out, so that a bench measures a gateway and not this."""
        folder.mkdir(parents=True, exist_ok=True)
        self.records = records
        self._clock_ms = clock_ms
        self._tell = tell
        self._encoder = msgspec.json.Encoder(decimal_format="string")
        # Unbuffered: each line is in the kernel when `write` returns, whoever is killed next.
        self._files: dict[str, BinaryIO] = {
            name: (folder / name).open("wb", buffering=0) for name in (CHANGES, REPLIES, FACTS)
        }
        self.n = 0
        self.served = 0
        self.replies = 0
        self.asked: dict[str, int] = {}
        """When each line was last asked something, ms."""
        self.read: dict[tuple[str, str], int] = {}
        """When the request came that each (device, point) was last well read by, ms."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def change(self, device: str, point: str, value: Value, registers: str) -> None:
        """A point holds another value from now on."""
        self.n += 1
        shown = format(value, "f") if isinstance(value, Decimal) else value
        self._write(
            CHANGES,
            ChangeRow(
                n=self.n, t=self._clock_ms(), device=device, point=point, value=shown, registers=registers
            ),
        )

    def reply(self, row: ReplyRow) -> None:
        """A request was dealt with."""
        self.replies += 1
        if row.purpose == "poll":
            self.asked[row.line] = row.t0
        if row.served:
            self.served += len(row.points)
            self.read.update(dict.fromkeys(((row.device, point) for point in row.points), row.t0))
        self._write(REPLIES, row)

    def fact(self, kind: str, *, device: str = "", event: str = "", edge: str = "", **detail: Any) -> None:
        """Something happened on the site."""
        row = {
            "kind": kind,
            "t": self._clock_ms(),
            "device": device,
            "event": event,
            "edge": edge,
            "detail": detail,
        }
        fact = msgspec.convert(row, FactRow)
        self._write(FACTS, fact)
        if self._tell is not None:
            self._tell(fact)

    def _write(self, name: str, row: msgspec.Struct) -> None:
        file = self._files[name]
        # Interrupted again and again, a run closes its truth while an answer is still on its way out.
        if not file.closed:
            file.write(self._encoder.encode(row) + b"\n")


@dataclass(slots=True)
class _History:
    n: list[int] = field(default_factory=list)
    t: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    registers: list[str] = field(default_factory=list)


class Truth:
    """A run's truth, read back."""

    def __init__(
        self, changes: Iterable[ChangeRow], replies: Iterable[ReplyRow], facts: Iterable[FactRow]
    ) -> None:
        self._histories: dict[tuple[str, str], _History] = {}
        for row in changes:
            history = self._histories.setdefault((row.device, row.point), _History())
            history.n.append(row.n)
            history.t.append(row.t)
            history.values.append(Decimal(row.value) if isinstance(row.value, str) else row.value)
            history.registers.append(row.registers)
        self.replies = tuple(replies)
        self.facts = tuple(facts)

    @classmethod
    def load(cls, folder: Path) -> "Truth":
        """Read a folder that `TruthWriter` wrote; a last line that is torn is left out."""
        return cls(
            _rows(folder / CHANGES, ChangeRow),
            _rows(folder / REPLIES, ReplyRow),
            _rows(folder / FACTS, FactRow),
        )

    def points(self) -> Iterator[tuple[str, str]]:
        """All (device, point) that the run had."""
        yield from self._histories

    def value_at(self, device: str, point: str, t0: int, t1: int) -> set[Value]:
        """Return every value that the point held at some time from `t0` to `t1` (ms UTC, both included)."""
        history = self._histories[device, point]
        # Several changes may carry one millisecond: all of them were true within it, and so was the one before.
        first = max(bisect_right(history.t, t0 - 1) - 1, 0)
        last = bisect_right(history.t, t1)
        return set(history.values[first:last])

    def value_after(self, device: str, point: str, n: int) -> Value:
        """Return the value after change `n` of the run: exactly what the reply with this `n` carried."""
        history, place = self._after(device, point, n)
        return history.values[place]

    def registers_after(self, device: str, point: str, n: int) -> str:
        """Return the registers after change `n` of the run, hex as on the wire."""
        history, place = self._after(device, point, n)
        return history.registers[place]

    def served(self) -> Iterator[tuple[ReplyRow, str, Value]]:
        """Every point value that must have become a sample."""
        for row in self.replies:
            if row.served:
                for point in row.points:
                    yield row, point, self.value_after(row.device, point, row.n)

    def served_points(self) -> int:
        """How many point values must have become samples."""
        return sum(len(row.points) for row in self.replies if row.served)

    def _after(self, device: str, point: str, n: int) -> tuple[_History, int]:
        history = self._histories[device, point]
        place = bisect_right(history.n, n)
        if place == 0:
            raise KeyError(f"{device}.{point} had no value before change {n}")
        return history, place - 1

    def glimpsed(self) -> set[tuple[str, str]]:
        """The (device, point) whose rows are held against what the wire carried, without being counted."""
        return {
            (fact.device, point)
            for fact in self.facts
            if fact.kind == "glimpsed"
            for point in fact.detail["points"]
        }

    def answerers(self) -> list[str]:
        """The devices of which each answer must have become one reading."""
        found = (fact for fact in self.facts if fact.kind == "glimpsed" and fact.detail.get("answers"))
        return sorted(fact.device for fact in found)

    def frozen(self) -> Counter[tuple[str, str]]:
        """How often each point that a meter froze at an instant of its own was told."""
        points = {
            (fact.device, block): (fact.device, point)
            for fact in self.facts
            if fact.kind == "glimpsed"
            for point, block in fact.detail.get("frozen", {}).items()
        }
        told = ((row.device, row.address) for row in self.replies if row.served and not row.points)
        return Counter(points[block] for block in told if block in points)

    def knows(self, device: str, point: str) -> bool:
        """Whether anything is known of a point's value: not of how sharp a picture is."""
        return (device, point) in self._histories

    def values_ever(self, device: str, point: str) -> set[Value]:
        """Return every value that the point had."""
        return set(self._histories[device, point].values)

    def pictures(self) -> int:
        """How many pictures must be attached to alarms."""
        return sum(fact.kind == "picture" for fact in self.facts)

    def edges(self, edge: str) -> list[FactRow]:
        """The edges of profile events: `raised` or `cleared`, `pulse` or `record` where it does not last."""
        return [fact for fact in self.facts if fact.kind == "event" and fact.edge == edge]


def _rows(path: Path, kind: type[_T]) -> Iterator[_T]:
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decoder.decode(line)
