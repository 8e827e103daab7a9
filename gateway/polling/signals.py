"""What devices say of themselves: which of it is news, and what stands. Pure.

As with edges, what was last *journaled* is the state, written in one transaction with what is told: a kill between
neither loses a signal nor doubles one.
"""

import base64
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from drivers.api import Happening
from drivers.profile import Signal
from messages.types import Edge

log = logging.getLogger(__name__)

MOST_STANDING = 2000  # states of parts of one device that are known one by one
MOST_NUMBERS = 1024  # a push has 200 records at most, and each may begin one thing and end several
MOST_OWED = 1000
MOST_ENDED = 10_000  # a fire host of a thousand detectors says of each what does not stand
PARTED, LEVEL = "|", "/"


class _State(msgspec.Struct, frozen=True):
    standing: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    last: dict[str, str] = {}


_states = msgspec.json.Decoder(_State)


def signals_key(device: str) -> str:
    """Return the journal's key for what a device has said."""
    return f"signals/{device}"


def name_of(happening: Happening) -> str:
    """Return under what a signal stands: its code, and the part of the device that it concerns."""
    return f"{happening.code}{PARTED}{happening.part}" if happening.part else happening.code


@dataclass(slots=True)
class Signals:
    """The signals of one device. `hear` returns what must be told, `commit` takes what the journal has.

    What begins again is told again, though it stands: a panel that never says the end of an alarm may have another.
    Only where a device says its state over and over is that no news. What comes again with its number is the same,
    be it a beginning or an end: a panel that tells its memory anew ends nothing that began again since.
    The end of something that nobody knows of is told once where no journal was taken up: one that was lost may have
    known of it. A journal that was kept knows what stands.
    """

    known: Mapping[str, Signal]
    standing: set[str] = field(default_factory=set)
    _numbers: dict[str, None] = field(default_factory=dict)
    """What was told with a number, by a short digest: they are written with every event."""
    _last: dict[str, str] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)
    _owed: list[Happening] = field(default_factory=list)
    _noted: tuple[str, ...] = ()
    """Numbers of ends that ended nothing: to be known when they come again, and proposed with what is told."""
    _sure: bool = False
    """Whether all that stands is known: by a journal that was kept."""

    def hear(self, happenings: Iterable[Happening]) -> tuple[Happening, ...]:
        """Return the news among these, what is still owed first; they are proposed again until committed."""
        standing, numbers, ended = set(self.standing), dict(self._numbers), set(self._ended)
        news, noted = list(self._owed), list[str]()
        for happening in news:
            _apply(happening, standing, numbers, ended)
        for happening in happenings:
            if happening.code not in self.known:
                log.warning("a signal %r that its profile does not know", happening.code)
            elif _is_news(happening, standing, numbers, None if self._sure else ended):
                told = _below(happening, standing)
                news += told
                for each in told:
                    _apply(each, standing, numbers, ended)
            elif happening.number and _numbered(happening) not in numbers:
                noted.append(_numbered(happening))
                _remember(noted[-1], numbers)
        self._noted = tuple(noted)
        return tuple(news)

    @property
    def noted(self) -> bool:
        """Whether what was heard last changes the state even if nothing of it is told."""
        return bool(self._noted)

    def last_number(self, code: str) -> str:
        """Return the number of the latest pulse of this code that the journal has, empty where it has none."""
        return self._last.get(code, "")

    @property
    def owed(self) -> tuple[Happening, ...]:
        """What waits because the journal did not take it; `hear` returns it first."""
        return tuple(self._owed)

    def orphans(self) -> tuple[Happening, ...]:
        """Return the ends of what stands and its profile no longer knows."""
        gone = (name.partition(PARTED) for name in sorted(self.standing))
        return tuple(
            Happening(code, Edge.CLEARED, detail="no longer in the profile", part=part)
            for code, _, part in gone
            if code not in self.known
        )

    def owe(self, told: Iterable[Happening]) -> None:
        """Keep what the journal did not take, for a device that will not say it again; bounded, the oldest first."""
        self._owed = list(told)[:MOST_OWED]

    def after(self, told: Iterable[Happening]) -> bytes:
        """Return the state to journal together with `told`."""
        standing, numbers = set(self.standing), dict(self._numbers)
        for happening in told:
            _apply(happening, standing, numbers, set())
        for number in self._noted:
            _remember(number, numbers)
        last = self._last | _latest(told)
        return msgspec.json.encode(_State(tuple(sorted(standing)), tuple(numbers), last))

    def concerns(self, told: Iterable[Happening]) -> Iterator[bool]:
        """Say of each whether it changes anything that is known: not the end of what nobody has heard of."""
        standing = set(self.standing)
        for happening in told:
            name = name_of(happening)
            yield happening.edge is not Edge.CLEARED or name in standing
            if happening.edge is Edge.RAISED:
                standing.add(name)
            elif happening.edge is Edge.CLEARED:
                standing.discard(name)

    def commit(self, told: Iterable[Happening]) -> None:
        """Take `told` as journaled."""
        told = tuple(told)
        self._last |= _latest(told)
        for happening in told:
            _apply(happening, self.standing, self._numbers, self._ended)
        for number in self._noted:
            _remember(number, self._numbers)
        self._owed, self._noted = [], ()


def load_signals(known: Mapping[str, Signal], state: bytes | None) -> Signals:
    """Take up where the journal's state left off; a state that cannot be read counts as nothing said."""
    try:
        was = _states.decode(state) if state else None
    except msgspec.MsgspecError:
        was = None
    sure = was is not None and len(was.standing) < MOST_STANDING
    was = was or _State()
    numbers = dict.fromkeys(_short(number) if PARTED in number else number for number in was.numbers)
    return Signals(known, set(was.standing), numbers, was.last, _sure=sure)


def standing_in(state: bytes | None) -> set[str]:
    """Return what stands by a journaled state."""
    return load_signals({}, state).standing


def _numbered(happening: Happening) -> str:
    return _short(f"{name_of(happening)}{PARTED}{happening.edge}{PARTED}{happening.number}")


def _short(number: str) -> str:
    digest = hashlib.blake2b(number.encode(), digest_size=8).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _latest(told: Iterable[Happening]) -> dict[str, str]:
    return {each.code: each.number for each in told if each.edge is Edge.PULSE and each.number}


def _is_news(
    happening: Happening, standing: set[str], numbers: Mapping[str, None], ended: set[str] | None
) -> bool:
    if happening.number and _numbered(happening) in numbers:
        return False
    name = name_of(happening)
    if happening.edge is Edge.RAISED:
        return bool(happening.number) or not happening.state or name not in standing
    if happening.edge is Edge.CLEARED:
        above = name + (LEVEL if happening.part else PARTED)
        unknown = ended is not None and name not in ended and len(ended) < MOST_ENDED
        return unknown or name in standing or any(each.startswith(above) for each in standing)
    return True


def _below(happening: Happening, standing: set[str]) -> list[Happening]:
    """Return what it says with all that it says: the end of a part ends what stands of its code below it."""
    if happening.edge is not Edge.CLEARED:
        return [happening]
    above = name_of(happening) + (LEVEL if happening.part else PARTED)
    ends = (name.partition(PARTED)[2] for name in sorted(standing) if name.startswith(above))
    return [*(replace(happening, part=part) for part in ends), happening]


def _apply(happening: Happening, standing: set[str], numbers: dict[str, None], ended: set[str]) -> None:
    name = name_of(happening)
    if happening.number:
        _remember(_numbered(happening), numbers)
    if happening.edge is Edge.RAISED:
        ended.discard(name)
        if len(standing) < MOST_STANDING:
            standing.add(name)
    elif happening.edge is Edge.CLEARED:
        standing.discard(name)
        if len(ended) < MOST_ENDED:
            ended.add(name)


def _remember(number: str, numbers: dict[str, None]) -> None:
    numbers[number] = None
    while len(numbers) > MOST_NUMBERS:
        del numbers[next(iter(numbers))]
