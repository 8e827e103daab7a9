"""What devices have refused, remembered for all of their model: pure but for the clock that is handed in.

A refused read is asked again in parts (without its holes, then in halves), so that its good points have values in
the same cycle. When all parts have spoken, either a point is found that the device lacks, or no part was bad and
the whole was: then the driver's word for it goes into `Known.cuts`, and the next plan keeps to it.

It is kept for the profile, its map and options, and the firmware where the profile names a point for it. It is
forgotten after a day and tried anew; points that are lacking are asked for, each alone, whenever a device is planned.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from drivers.api import DeviceDriver, Known, Transaction
from drivers.errors import DeviceRefused
from drivers.profile import Profile
from messages.text import printable
from messages.types import MAX_DEVICES

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
MOST_MODELS = 1000
MOST_CUTS = 200
MOST_POINTS = 1000
LONGEST_FIRMWARE = 40
SILENCES_REFUSE = 3

Key = tuple[str, tuple[str, ...]]
T = TypeVar("T")


class Learned(msgspec.Struct, kw_only=True):
    """What one model has taught."""

    since: datetime | None = None
    cuts: set[str] = msgspec.field(default_factory=set)
    bad: set[str] = msgspec.field(default_factory=set)
    differs: set[str] = msgspec.field(default_factory=set)
    """Points that one device of the model lacks and another has: each finds out for itself."""
    longest: int = 0
    """The longest reply that came, in bytes."""
    version: int = 0
    """Grows with each change."""


class Kept(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All that outlives the process."""

    v: int = 1
    models: dict[str, Learned] = {}
    thinks_us: dict[str, int] = {}
    """Per device, how long it takes to begin its answer, in microseconds."""
    firmware: dict[str, str] = {}
    """Per device, what it last named, so that its first plan is by the right lessons."""


@dataclass(slots=True)
class _Doubt:
    """A refused transaction whose parts have not all spoken."""

    transaction: Transaction
    error: DeviceRefused
    waiting: set[Key]
    parent: "_Doubt | None"
    guilty: bool = False


class Lessons:
    """The lessons of all devices of a gateway."""

    def __init__(self, clock: Callable[[], datetime], kept: Kept | None = None) -> None:
        self._clock = clock
        self._kept = kept or Kept()
        self.dirty = False
        """True while there is something that the store has not seen."""

    def book(
        self, device: str, driver: DeviceDriver, profile: Profile, options: Mapping[str, Any]
    ) -> "DeviceLessons":
        """Return the lessons of one device, to be asked by its line's poller alone."""
        model = f"{profile.profile} {map_digest(profile, options)}"
        firmware = self._kept.firmware.get(device, "") if profile.firmware is not None else ""
        return DeviceLessons(self, device, driver, model, firmware)

    def kept(self) -> Kept:
        """Return what is to be stored now; from here on it counts as stored."""
        self.dirty = False
        return msgspec.convert(msgspec.to_builtins(self._kept), Kept)

    def of(self, model: str) -> Learned:
        """Return what a model has taught; the oldest is forgotten where there are too many."""
        found = self._kept.models.get(model)
        if found is None:
            while len(self._kept.models) >= MOST_MODELS:
                del self._kept.models[next(iter(self._kept.models))]
            found = self._kept.models[model] = Learned()
        return found

    def expired(self, learned: Learned) -> bool:
        """Say whether it is time to try anew; a clock that was set back makes it so, too."""
        if learned.since is None:
            return False
        age = self._clock() - learned.since
        return age >= KEPT or age < -timedelta(hours=1)

    def forget(self, learned: Learned) -> None:
        """Try everything anew."""
        learned.since, learned.longest = None, 0
        for taught in (learned.cuts, learned.bad, learned.differs):
            taught.clear()
        self.changed(learned)

    def changed(self, learned: Learned) -> None:
        """Note that plans made with what was known before are out of date."""
        if learned.since is None and (learned.cuts or learned.bad or learned.differs):
            learned.since = self._clock()
        learned.version += 1
        self.dirty = True

    def named(self, device: str, firmware: str) -> None:
        """Keep which firmware a device names, for its first plan after the next start."""
        if self._kept.firmware.get(device) != firmware:
            _put(self._kept.firmware, device, firmware)
            self.dirty = True

    def thinks(self, device: str) -> float | None:
        """Return how long a device takes to begin its answer, in seconds, None where it was never measured."""
        found = self._kept.thinks_us.get(device)
        return None if found is None else found / 1_000_000

    def measured(self, device: str, seconds: float) -> None:
        """Keep how long a device takes to begin its answer, for the planning after the next start."""
        new, old = round(seconds * 1_000_000), self._kept.thinks_us.get(device)
        if 0 <= new < 60_000_000 and (old is None or abs(new - old) > max(1000, old // 4)):
            _put(self._kept.thinks_us, device, new)
            self.dirty = True


@dataclass(slots=True, eq=False)
class DeviceLessons:
    """What is known of one device: ask `known` for a plan, tell what was answered and refused, plan anew if `stale`."""

    lessons: Lessons
    device: str
    driver: DeviceDriver
    model: str
    firmware: str = ""
    lacks: set[str] = field(default_factory=set)
    """Points that this device has refused."""
    _learned: Learned = field(init=False)
    _seen: tuple[int, int, int] = (0, -1, 0)
    _found: int = 0
    _answers: bool = False
    _answers_so_far: int = 0
    _mute: dict[Key, tuple[int, int]] = field(default_factory=dict)
    _open: dict[Key, _Doubt] = field(default_factory=dict)
    _hopeless: set[Key] = field(default_factory=set)
    _since: datetime | None = None
    _heeded: frozenset[str] = frozenset()
    """The cuts that the last plan was told of."""

    def __post_init__(self) -> None:
        self._learned = self._of_model()

    def _of_model(self) -> Learned:
        return self.lessons.of(f"{self.model} {self.firmware}".rstrip())

    def known(self) -> Known:
        """Return what a plan keeps to; what was being found out begins anew with it."""
        if self.lessons.expired(self._learned):
            self.lessons.forget(self._learned)
        self._open.clear()
        learned = self._learned
        if learned.since != self._since:
            # What the model taught was forgotten: what could not be read together is tried anew, too.
            self._since = learned.since
            self._hopeless.clear()
        if len(self._mute) > MOST_POINTS:
            self._mute.clear()
        self._seen = self._now
        self._heeded = frozenset(learned.cuts)
        return Known(self._heeded, frozenset(learned.bad - learned.differs | self.lacks))

    def thinks(self) -> float | None:
        """Return how long the device takes to begin its answer, in seconds, None where it was never measured."""
        return self.lessons.thinks(self.device)

    def measured(self, seconds: float) -> None:
        """Keep how long the device takes to begin its answer, for the planning after the next start."""
        self.lessons.measured(self.device, seconds)

    @property
    def stale(self) -> bool:
        """Whether a plan would come out otherwise than with what was known when it was made."""
        if self._open:
            return False
        return self._seen != self._now or self.lessons.expired(self._learned)

    @property
    def _now(self) -> tuple[int, int, int]:
        return id(self._learned), self._learned.version, self._found

    def says_firmware(self, text: str) -> None:
        """Take the firmware that the device names: another one may refuse otherwise."""
        text = printable(text, LONGEST_FIRMWARE)
        if text != self.firmware:
            self.firmware = text
            self.lessons.named(self.device, text)
            self._learned = self._of_model()
            self._open.clear()
            self._hopeless.clear()

    def answered(self, transaction: Transaction) -> None:
        """Take note that the device has answered this."""
        learned = self._learned
        self._answers_so_far += 1
        if not self._answers:
            self._answers = True
            self._teach(self.lacks)
        learned.longest = max(learned.longest, transaction.reply_bytes)
        if learned.bad or self.lacks:
            self._has(transaction.points)
        if self._open:
            self._settle(_key(transaction))

    def refused(self, transaction: Transaction, error: DeviceRefused) -> Sequence[Transaction]:
        """Take note of a refusal; return what to ask instead, at once, empty where the points themselves are bad."""
        if not error.address:
            return ()
        key = _key(transaction)
        parts = () if key in self._hopeless else self.driver.split(transaction)
        if parts:
            log.info("%s refuses %s: asking in %d parts", self.device, transaction.label, len(parts))
            doubt = _Doubt(transaction, error, {_key(part) for part in parts}, self._open.pop(key, None))
            if doubt.parent is not None:
                doubt.parent.waiting.discard(key)
                doubt.parent.waiting.add(_within(key))
            self._open.update((_key(part), doubt) for part in parts)
            return parts
        if key not in self._hopeless:
            self._lacking(transaction.points)
        self._settle(key, guilty=True)
        return ()

    def never(self, transaction: Transaction, *, spoke: bool) -> Sequence[Transaction]:
        """Take note of a silence, or a no for another reason than the address, to what was never answered.

        Return what to ask instead, empty to ask it again. A device that answers others in between, each time, refuses
        what was asked, a hole mostly. One that spoke, to say no, is asked in parts even if it answers nothing else.
        """
        key = _key(transaction)
        times, answers = self._mute.get(key, (0, -1))
        if answers != self._answers_so_far or (spoke and key not in self._open):
            times += 1
        self._mute[key] = times, self._answers_so_far
        if times < SILENCES_REFUSE:
            return ()
        del self._mute[key]
        log.info("%s never gives %s, and others it does", self.device, transaction.label)
        return self.refused(transaction, DeviceRefused("no answer to this read", address=True))

    def _lacking(self, points: Sequence[str]) -> None:
        if not self.lacks.issuperset(points):
            self.lacks.update(points)
            self._found += 1
        # A device that has answered nothing yet may be the wrong one altogether: that teaches nothing of its model.
        if self._answers:
            self._teach(set(points))

    def _teach(self, points: set[str]) -> None:
        learned = self._learned
        new = points - learned.bad - learned.differs
        if new and len(learned.bad) + len(new) <= MOST_POINTS:
            learned.bad |= new
            self.lessons.changed(learned)

    def _has(self, points: Sequence[str]) -> None:
        learned = self._learned
        found = [point for point in points if point in learned.bad or point in self.lacks]
        if not found:
            return
        for point in found:
            if point in learned.bad and point not in self.lacks:
                learned.differs.add(point)
            learned.bad.discard(point)
            self.lacks.discard(point)
        self._found += 1
        self.lessons.changed(learned)

    def _settle(self, key: Key, *, guilty: bool = False) -> None:
        doubt = self._open.pop(key, None)
        while doubt is not None:
            doubt.waiting.discard(key)
            doubt.guilty |= guilty
            if doubt.waiting:
                return
            guilty = doubt.guilty
            if not guilty:
                self._conclude(doubt)
                guilty = True  # found out: what it was part of need not be cut as well
            key, doubt = _within(_key(doubt.transaction)), doubt.parent

    def _conclude(self, doubt: _Doubt) -> None:
        """All parts are good and the whole is not: remember why."""
        learned = self._learned
        word = self.driver.cut(doubt.transaction, doubt.error, learned.longest)
        if word in learned.cuts and word not in self._heeded:
            return  # another device of the model has taught it meanwhile: the next plan keeps to it
        if word and word not in learned.cuts and len(learned.cuts) < MOST_CUTS:
            learned.cuts.add(word)
            log.info(
                "%s: %s is refused as a whole: no more asked (%s)", self.device, doubt.transaction.label, word
            )
        else:
            self._hopeless.add(_key(doubt.transaction))
            log.warning(
                "%s answers each part of %s, but never all at once: %s cannot be read together",
                self.device,
                doubt.transaction.label,
                ", ".join(doubt.transaction.points[:5]),
            )
        self.lessons.changed(learned)


def map_digest(profile: Profile, options: Mapping[str, Any]) -> str:
    """Return the digest of what decides which reads a device is asked for: addresses, groups, options."""
    ats = {name: point.at for name, point in profile.points.items()}
    what = {"points": ats, "atomic": profile.atomic, "options": {**profile.options, **options}}
    text = msgspec.json.encode(what, order="deterministic", enc_hook=str)
    return hashlib.sha256(text).hexdigest()[:16]


def _put(kept: dict[str, T], device: str, value: T) -> None:
    """Keep it as the newest; the oldest, of a device long gone mostly, makes room."""
    kept.pop(device, None)
    while len(kept) >= MAX_DEVICES:
        del kept[next(iter(kept))]
    kept[device] = value


def _key(transaction: Transaction) -> Key:
    return transaction.label, transaction.points


def _within(key: Key) -> Key:
    """Return the key under which a part waits that was itself parted."""
    return f"parts of {key[0]}", key[1]
