"""What a profile says of a panel's printer port, as types: how records end, how they are read, what they mean."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.profile import Profile, Strict

Words = tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=80)], ...]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]

MAX_RULES: Final = 40


class Report(Strict, frozen=True, kw_only=True):
    """What a panel prints that is no event and may hold empty lines: from its first fence to behind its last."""

    fence: Annotated[str, msgspec.Meta(min_length=3, max_length=80)]
    """How a fence begins."""
    fences: Annotated[int, msgspec.Meta(ge=1, le=20)]
    end: Annotated[str, msgspec.Meta(max_length=80)] = ""
    """What the last line holds, where a fence is not the end."""


class Options(Strict, frozen=True, kw_only=True):
    """`options` of a profile and of the device in the site file, merged."""

    charset: Literal["ascii", "gb18030", "utf-8", "latin-1"] = "ascii"
    record: Literal["line", "blank_line"] = "line"
    rules: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1, max_length=MAX_RULES)]
    """Regular expressions of a whole record, tried in turn; a line feed parts its lines. Groups: `patterns.GROUPS`."""
    ignore: Annotated[tuple[Pattern, ...], msgspec.Meta(max_length=MAX_RULES)] = ()
    """Records that are no events: reports, headings."""
    report: Report | None = None
    part: tuple[Literal["zone", "loop", "point", "device", "where"], ...] = (
        "zone",
        "loop",
        "point",
        "device",
        "where",
    )
    """The groups that name the part of the panel, the greater first."""
    escapes: dict[
        Annotated[str, msgspec.Meta(min_length=1, max_length=1)], Annotated[int, msgspec.Meta(ge=0, le=9)]
    ] = {}
    """How many bytes follow ESC and this character; 0 where it is not named."""
    timezone: str = "Asia/Shanghai"
    idle_s: Annotated[float, msgspec.Meta(ge=0.2, le=60)] = 2
    """A record that waits so long for its end is taken as it is."""
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = "printer"


class Nothing(Strict, frozen=True, kw_only=True):
    """What a point or an action would say: a printer port has none."""


class On(Strict, frozen=True, kw_only=True):
    """What makes a signal: an event's words as printed, all (`is`, `ends`) or a part of them (`has`, `ends_has`)."""

    is_: Words = msgspec.field(default=(), name="is")
    has: Words = ()
    ends: Words = ()
    ends_has: Words = ()
    once: bool = False
    """It happens and does not last."""
    ends_all: Words = ()
    """Signals that it ends at all parts of the panel: a reset."""
    unparsed: bool = False
    """Everything that no rule reads and no signal names."""


def bind_options(profile: Profile, options: Mapping[str, Any]) -> Options:
    """Check the options of a device of this profile; raise `Misconfigured`."""
    return bind({**profile.options, **options}, Options, "options")


def bind_signals(profile: Profile) -> dict[str, On]:
    """Check what makes each signal; raise `Misconfigured` naming the places."""
    made = {name: bind(signal.on, On, f"signals.{name}.on") for name, signal in profile.signals.items()}
    faults = list(_signal_faults(made))
    if faults:
        raise Misconfigured("\n".join(faults))
    return made


def _signal_faults(signals: Mapping[str, On]) -> Iterator[str]:
    unparsed = [name for name, on in signals.items() if on.unparsed]
    if len(unparsed) != 1:
        yield f"signals: needs one signal with `unparsed: true`, has {len(unparsed)}: no line may be lost"
    for name, on in signals.items():
        if on.unparsed == bool(on.is_ or on.has):
            yield f"signals.{name}.on: needs `is` or `has`, or else `unparsed`"
        if on.once and (on.ends or on.ends_has):
            yield f"signals.{name}.on: what happens once has no end"
        for other in on.ends_all:
            if other not in signals:
                yield f"signals.{name}.on.ends_all: there is no signal {other!r}"
