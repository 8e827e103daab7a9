"""What devices of other protocols carried over their wires, told to the ground truth in the words of their profiles."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from messages.types import Value
from simulators.field_wire import Talker
from simulators.truth import ReplyRow, TruthWriter
from simulators.vocabulary import Say

Carried = Mapping[str, tuple[Value, str]]
"""By point: the value, and in hex the bytes that carried it; empty where they are not compared."""


class FieldTruth:
    """Tells the truth of one line."""

    def __init__(self, line: str, truth: TruthWriter, clock_ms: Callable[[], int]) -> None:
        self.line = line
        self._truth, self._clock_ms = truth, clock_ms
        self._lately: dict[str, deque[int]] = {}
        self._last: dict[tuple[str, str], tuple[Value, str]] = {}

    def asked(self) -> None:
        """Somebody spoke to the line."""
        self._truth.asked[self.line] = self._clock_ms()

    def holds(self, device: str, carried: Carried) -> None:
        """From now on points have these values."""
        for point, (value, raw) in carried.items():
            if self._last.get((device, point)) != (value, raw):
                self._last[device, point] = (value, raw)
                self._truth.change(device, point, value, raw)

    def answered(
        self, device: str, carried: Carried, block: int = 0, *, points: Iterable[str] | None = None
    ) -> None:
        """An answer carried these points, which must become samples; `block` tells like answers from others.

        `points` says which are counted, where not all of them are.
        """
        self.holds(device, carried)
        now = self._clock_ms()
        self._truth.reply(
            ReplyRow(
                t0=now,
                t1=now,
                n=self._truth.n,
                line=self.line,
                unit=0,
                device=device,
                function=0,
                address=block,
                fate="good",
                points=tuple(carried if points is None else points),
            )
        )

    def glimpsed(
        self,
        device: str,
        points: Iterable[str],
        *,
        answers: bool = False,
        frozen: Mapping[str, int] | None = None,
    ) -> None:
        """The rows of these points are held against their values and not counted: one talk asks several times.

        With `answers` each answer of the device must have become one reading, of whichever points were wanted;
        `frozen` are told under an instant of the meter's own by each answer without points to their block.
        """
        self._truth.fact(
            "glimpsed", device=device, points=sorted(points), answers=answers, frozen=dict(frozen or {})
        )

    def seen(self, device: str, points: Iterable[str], ago_ms: int = 0) -> None:
        """These points have been read since so long ago."""
        at = self._clock_ms() - ago_ms
        self._mark(device, points, at)

    def seen_after(self, device: str, points: Iterable[str], answers: int) -> None:
        """These points have been read since so many answers ago."""
        lately = self._lately.setdefault(device, deque(maxlen=answers))
        lately.append(self._clock_ms())
        if len(lately) == answers:
            self._mark(device, points, lately[0])

    def _mark(self, device: str, points: Iterable[str], at: int) -> None:
        self._truth.read.update(dict.fromkeys(((device, point) for point in points), at))

    def begun(self, device: str, step: Say) -> None:
        """Something begins to happen at a device."""
        if step.note:
            self._truth.fact("story", device=device, note=step.note)

    def told(self, device: str, step: Say) -> None:
        """The device has said something: these events must come of it."""
        for words in step.tells:
            code, _, edge = words.partition(" ")
            self._truth.fact("event", device=device, event=code, edge=edge)

    def shown(self, device: str, code: str, ways: Iterable[str]) -> None:
        """A camera shows what an alarm is about: so many pictures of it must be had."""
        for of in ways:
            self._truth.fact("picture", device=device, event=code, of=of)


class Tap:
    """Stands between a wire and its devices: notes that somebody asked, and makes all of them silent at the end."""

    def __init__(self, inner: Talker, truth: FieldTruth) -> None:
        self._inner, self._truth = inner, truth
        self.answered: Callable[[], None] = lambda: None
        """Called when somebody has answered."""
        self.muted = False

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Hand on what came, as long as anybody answers."""
        self._truth.asked()
        said = () if self.muted else self._inner.feed(data)
        if said:
            self.answered()
        return said


def exact(value: Decimal, decimals: int) -> Decimal:
    """Return what so many decimals can show of a value, as meters do: the rest is cut off."""
    return Decimal(int(value * 10**decimals)).scaleb(-decimals)
