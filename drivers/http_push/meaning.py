"""What the records of a message mean by a profile: signals with door, time and number, and readings."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from drivers.api import Happening, Reading
from drivers.credential import Credential, agreed
from drivers.errors import FrameDamaged, Misconfigured
from drivers.http_push.body import Json, look, words
from drivers.http_push.settings import (
    ANY,
    MOST_RECORDS,
    STORED,
    THERE,
    Options,
    bind_options,
    bind_points,
    bind_signals,
)
from drivers.profile import Profile
from messages.text import printable
from messages.types import Edge, Quality, Value

EARLY_S: Final = 120  # a clock that is further ahead is said to be wrong
LATE_S: Final = 300
LONGEST_NUMBER: Final = 40
LONGEST_PART: Final = 40
NONE: Final = "-"  # the kind of a record that has none
_SHOWN: Final = 120  # characters of one text in the evidence, which may hold a picture
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_ASKED: Final = re.compile(r"\{(\^?(?:/[^/{}]{1,100}){1,8})\}")
_UNREADABLE: Final = Reading(None, Quality.DEVICE)


@dataclass(frozen=True, slots=True)
class Told:
    """What the records of one device in one message say."""

    happenings: tuple[Happening, ...]
    readings: Mapping[str, Reading]

    @property
    def number(self) -> str:
        """What makes the message known when it comes again; empty where nothing does."""
        return next((happening.number for happening in self.happenings if happening.number), "")


class Meaning:
    """A profile made ready for the records of one device."""

    def __init__(self, profile: Profile, options: Mapping[str, Any]) -> None:
        merged = {**profile.options, **options}
        self.options: Options = bind_options(profile, options)
        self._card = Credential(*agreed(merged, self.options.credential))
        self._plate = Credential(self.options.plates, self._card.key)
        if self.options.plates == "hash" and not self._card.key:
            raise Misconfigured("options.plates: a hash needs credential_key_file or credential_key_env")
        try:
            self._zone = ZoneInfo(self.options.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Misconfigured(
                f"options.timezone: there is no time zone {self.options.timezone!r}"
            ) from None
        self._signals = bind_signals(profile)
        self._points = bind_points(profile)
        self._exp = {name: point.exp for name, point in profile.points.items()}
        self._other = next(name for name, on in self._signals.items() if on.message == "other")

    def tell(self, message: Json, records: Sequence[Any], now: datetime) -> Told:
        """Return what records say, in their order; of a value told twice, the last."""
        happenings: list[Happening] = []
        readings = dict(self._readings(message, {}, "", None, now)) if not records else {}
        for record in records:
            at = self._time(message, record)
            kind = self._kind(message, record)
            readings |= self._readings(message, record, kind, at, now)
            if not _among(kind, self.options.ignore):
                happenings += self._happenings(message, record, kind, at, now)
        return Told(tuple(happenings), readings)

    def answer(self, message: Json, records: Sequence[Any]) -> str:
        """Return what the device wants to read when its message is kept; its pointers are of the last record."""
        missing = False

        def said(match: re.Match[str]) -> str:
            nonlocal missing
            value = at_pointer(message, records[-1] if records else {}, match[1])
            text = words(value)
            missing |= not 0 < len(text) <= LONGEST_NUMBER
            return msgspec.json.encode(text).decode() if isinstance(value, str) else text

        made = _ASKED.sub(said, self.options.answer)
        return STORED if missing else made

    def _happenings(
        self, message: Json, record: Any, kind: str, at: datetime | None, now: datetime
    ) -> Iterator[Happening]:
        begins = next((name for name, on in self._signals.items() if kind in on.kind), None)
        if begins is None:
            begins = next((name for name, on in self._signals.items() if _among(kind, on.kind)), None)
        ends = [name for name, on in self._signals.items() if _among(kind, on.end) and name != begins]
        if begins is None and not ends:
            begins = self._other
        part, detail = self._part(message, record), self._detail(message, record, kind, at, now)
        evidence = self._evidence(record)
        number = self._number(message, record, at)
        if begins is not None:
            edge = Edge.RAISED if self._signals[begins].end else Edge.PULSE
            yield Happening(begins, edge, at, detail, evidence, number, part)
        for name in ends:
            yield Happening(name, Edge.CLEARED, at, detail, evidence, number, part)

    def _kind(self, message: Json, record: Any) -> str:
        alias = self.options.alias
        said = (words(at_pointer(message, record, pointer)) or NONE for pointer in self.options.kind)
        found = [alias.get(text, text) for text in said]
        return found[0] if len(found) == 1 else "/".join(text.replace("/", "_") for text in found)

    def _part(self, message: Json, record: Any) -> str:
        found = (printable(words(at_pointer(message, record, at)), LONGEST_PART) for at in self.options.parts)
        return "/".join(text.replace("/", "_") for text in found if text)

    def _number(self, message: Json, record: Any, at: datetime | None) -> str:
        """Return what the record is known by: its number, and its time or what it holds, for numbers begin anew."""
        found = [words(at_pointer(message, record, pointer)) for pointer in self.options.number]
        stamp = "" if at is None else f"@{int(at.timestamp() * 1000)}"
        if any(found):
            number = printable("/".join(found), 400) + (stamp or f"#{_digest(record)[:12]}")
            return number if len(number) <= LONGEST_NUMBER else _digest(number)
        return _digest(record) + stamp if stamp else ""

    def _time(self, message: Json, record: Any) -> datetime | None:
        pointer = self.options.time
        text = words(at_pointer(message, record, pointer)) if pointer else ""
        if not text or len(text) > 60:
            return None
        try:
            at = self._instant(text)
        except (ValueError, ArithmeticError, OSError):
            return None
        return at if _FIRST_YEAR <= at.year < _LAST_YEAR else None

    def _instant(self, text: str) -> datetime:
        form = self.options.time_format
        if form in ("epoch_s", "epoch_ms"):
            seconds = Decimal(text) / (1000 if form == "epoch_ms" else 1)
            return datetime.fromtimestamp(float(seconds), UTC)
        at = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
        return (at if at.tzinfo else at.replace(tzinfo=self._zone)).astimezone(UTC)

    def _detail(self, message: Json, record: Any, kind: str, at: datetime | None, now: datetime) -> str:
        said = [printable(kind, 80)]
        options = self.options

        def told(pointer: str | None) -> str:
            return printable(words(at_pointer(message, record, pointer)), 80) if pointer else ""

        if plate := told(options.plate):
            said.append(f"plate {self._plate.told(plate)}")
        if card := told(options.card):
            said.append(f"card {self._card.told(card)}")
        if person := told(options.person):
            said.append(f"person {self._card.told(person)}")
        for field in options.tell:
            text = told(field.at)
            if text:
                said.append(f"{field.label} {field.values.get(text, text)}")
        if at is not None:
            ahead = (at - now).total_seconds()
            said += [f"the device's clock is {ahead:.0f} s ahead"] if ahead > EARLY_S else []
            said += [f"told {-ahead:.0f} s later"] if ahead < -LATE_S else []
        return ", ".join(said)

    def _evidence(self, record: Any) -> bytes:
        options = self.options
        hidden = [at for at in (options.card, options.person) if at and self._card.how != "clear"]
        hidden += [options.plate] if options.plate and options.plates != "clear" else []
        paths = {tuple(_steps(at)) for at in (*hidden, *options.hide)}
        return msgspec.json.encode(_shown(record, paths, ()))

    def _readings(
        self, message: Json, record: Any, kind: str, at: datetime | None, now: datetime
    ) -> Iterator[tuple[str, Reading]]:
        then = at if at is not None and (now - at).total_seconds() > LATE_S else None
        for name, point in self._points.items():
            if point.kinds and not _among(kind, point.kinds):
                continue
            found = at_pointer(message, record, point.field)
            if found is None:
                continue
            value = _value(found, point.truth, point.values, self._exp[name])
            yield name, _UNREADABLE if value is None else Reading(value, at=then)


def records_in(message: Json, options: Options) -> list[Any]:
    """Return the records of a message; raise `FrameDamaged` where they are none or too many.

    A message without its list is a record itself, of which nothing may be lost either.
    """
    found = look(message, options.records) if options.records else message
    found = message if found is None else found
    records = found if isinstance(found, list) else [found]
    if not all(isinstance(record, dict) for record in records):
        place = options.records or "the message"
        raise FrameDamaged(f"{place} is no object and no list of objects")
    if len(records) > MOST_RECORDS:
        raise FrameDamaged(f"{len(records)} records in one message: send {MOST_RECORDS} at most")
    return records


def at_pointer(message: Json, record: Any, pointer: str) -> Any:
    """Return what a pointer leads to, from the record or with ^ from the top of its message."""
    return look(message, pointer[1:]) if pointer.startswith("^") else look(record, pointer)


def _among(kind: str, kinds: Sequence[str]) -> bool:
    if kind in kinds:
        return True
    fields = kind.split("/")
    for each in kinds:
        if ANY in each or THERE in each:
            wanted = each.split("/")
            if len(wanted) == len(fields) and all(
                want in (ANY, has) or (want == THERE and has != NONE)
                for want, has in zip(wanted, fields, strict=True)
            ):
                return True
    return False


def _value(found: Any, truth: bool, values: Mapping[str, bool | str], exp: int) -> Value:
    text = words(found)
    meant = values.get(text)
    if truth:
        return meant if isinstance(meant, bool) else found if isinstance(found, bool) else None
    if isinstance(found, bool) or len(text) > 40:
        return None
    try:
        number = Decimal(meant if isinstance(meant, str) else text).scaleb(exp)
    except ArithmeticError:
        return None
    return number if number.is_finite() and -20 <= number.adjusted() <= 20 else None


def _digest(what: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:24]


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _shown(value: Any, hidden: set[tuple[str, ...]], path: tuple[str, ...]) -> Any:
    """Return a record without what is hidden and with long texts cut."""
    if path in hidden:
        return "-"
    if isinstance(value, dict):
        return {key: _shown(each, hidden, (*path, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_shown(each, hidden, (*path, str(place))) for place, each in enumerate(value[:20])]
    return value[:_SHOWN] + "…" if isinstance(value, str) and len(value) > _SHOWN else value
