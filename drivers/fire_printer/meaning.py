"""What a record of a printer port means, by the profile of the panel."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drivers.api import Happening
from drivers.errors import Misconfigured
from drivers.fire_printer.patterns import MAX_TEXT, compiled
from drivers.fire_printer.records import Record, RecordReader
from drivers.fire_printer.settings import On, Options, bind_options, bind_signals
from drivers.profile import Profile
from messages.types import Edge


@dataclass(frozen=True, slots=True)
class Read:
    """One record as read: the groups of the rule that fits, None for one that no rule fits."""

    record: Record
    groups: Mapping[str, str] | None
    ignored: bool = False
    happenings: tuple[Happening, ...] = field(default=())

    @property
    def event(self) -> str:
        """The panel's word for what happened; empty where no rule fits."""
        return (self.groups or {}).get("event", "")


class Panel:
    """A profile made ready: patterns compiled, words of events in one table."""

    def __init__(self, profile: Profile, options: Mapping[str, object]) -> None:
        self.options: Options = bind_options(profile, options)
        self._signals: dict[str, On] = bind_signals(profile)
        self._rules = compiled(self.options.rules, "options.rules")
        self._ignore = compiled(self.options.ignore, "options.ignore")
        self._unparsed = next(name for name, on in self._signals.items() if on.unparsed)
        try:
            self._zone = ZoneInfo(self.options.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Misconfigured(
                f"options.timezone: there is no time zone {self.options.timezone!r}"
            ) from None
        self._exact: dict[str, tuple[str, Edge]] = {}
        for name, on in self._signals.items():
            self._exact |= {_word(word): (name, _begin(on)) for word in on.is_}
            self._exact |= {_word(word): (name, Edge.CLEARED) for word in on.ends}

    def reader(self) -> RecordReader:
        """Begin to cut what this panel prints into records."""
        return RecordReader(self.options, self._live)

    def read(self, record: Record, now: datetime) -> Read:
        """Read a record; one that nothing fits is the `unparsed` signal, never nothing."""
        if record.torn:
            return Read(record, None, happenings=(self._strange(record),))
        if record.report or self._ignored(record.text):
            return Read(record, None, ignored=True)
        groups = self._groups(record.text)
        if groups is None:
            return Read(record, None, happenings=(self._strange(record),))
        meant = self._meant(groups.get("event", ""))
        if meant is None:
            return Read(record, groups, happenings=(self._strange(record),))
        code, edge = meant
        at = self._at(groups, now)
        part = "/".join(_plain(groups[name]) for name in self.options.part if groups.get(name))
        told = Happening(code, edge, at, _detail(groups, record), record.raw, part=part)
        ended = tuple(
            Happening(other, Edge.CLEARED, at, told.detail, record.raw)
            for other in self._signals[code].ends_all
        )
        return Read(record, groups, happenings=(told, *ended))

    def _live(self, text: str) -> bool:
        """Say whether a text is an event that a signal names."""
        groups = self._groups(text)
        return (
            groups is not None
            and self._meant(groups.get("event", "")) is not None
            and not self._ignored(text)
        )

    def _ignored(self, text: str) -> bool:
        return any(rule.fullmatch(text[:MAX_TEXT]) for rule in self._ignore)

    def _groups(self, text: str) -> dict[str, str] | None:
        """Return what the first rule that fits finds in a whole record."""
        rules = self._rules if len(text) <= MAX_TEXT else ()
        match = next((found for rule in rules if (found := rule.fullmatch(text))), None)
        return _groups(match) if match else None

    def _meant(self, event: str) -> tuple[str, Edge] | None:
        word = _word(event)
        if word in self._exact:
            return self._exact[word]
        for name, on in self._signals.items():
            if any(_word(part) in word for part in on.ends_has):
                return name, Edge.CLEARED
            if any(_word(part) in word for part in on.has):
                return name, _begin(on)
        return None

    def _strange(self, record: Record) -> Happening:
        return Happening(self._unparsed, Edge.PULSE, None, " / ".join(record.lines), record.raw)

    def _at(self, groups: Mapping[str, str], now: datetime) -> datetime | None:
        """Return when the panel says it was; without a year the year that is nearest. None for no full date."""
        if not {"month", "day", "time"} <= groups.keys():
            return None
        clock = [f"{part:0>2}" for part in re.findall(r"\d+", groups["time"])][:3]
        date = f"{groups['month']:0>2}-{groups['day']:0>2}"
        local = now.astimezone(self._zone)
        year = groups.get("year", "")
        if year and not (year.isascii() and year.isdecimal()):
            return None
        years = [int(year[-2:]) + 2000] if year else [local.year - 1, local.year, local.year + 1]
        found = []
        for candidate in years:
            try:
                at = datetime.fromisoformat(f"{candidate:04}-{date}T{':'.join(clock)}")
            except ValueError:
                continue
            found.append(at.replace(tzinfo=self._zone).astimezone(UTC))
        return min(found, key=lambda at: abs(at - now)) if found else None


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: value.strip() for name, value in match.groupdict().items() if value and value.strip()}


def _begin(on: On) -> Edge:
    return Edge.PULSE if on.once else Edge.RAISED


def _word(text: str) -> str:
    return " ".join(text.upper().split())


def _plain(text: str) -> str:
    return "-".join(text.replace("/", "-").split())


def _detail(groups: Mapping[str, str], record: Record) -> str:
    head = groups.get("label", "").replace("\n", ", ")
    return f"{head}: {' / '.join(record.lines)}" if head else " / ".join(record.lines)
