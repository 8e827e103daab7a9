"""What a profile of a pushing device says, as types: where records lie, which fields mean what, who may speak."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from drivers.binding import bind
from drivers.credential import How
from drivers.errors import Misconfigured
from drivers.profile import Profile, Strict

Pointer = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\^?(/[^/]{1,100}){1,8}$",
        description="a JSON pointer in the record such as /event/door, or with ^ in front from the top of the message",
    ),
]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Source = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\^?(/[^/]{1,100}){1,8}|header:[A-Za-z0-9-]{1,60}|query:[!-~]{1,60}|path)$",
        description="a JSON pointer, header:NAME, query:NAME or path",
    ),
]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Kinds = Annotated[tuple[Short, ...], msgspec.Meta(max_length=200)]

MOST_RECORDS: Final = 200
STORED: Final = '{"result": "stored"}'
ANY: Final = "*"
THERE: Final = "+"
"""In the place of a field of a kind: anything, but something."""


class Field(Strict, frozen=True, kw_only=True):
    """A value for the people who read a record: what it is called, where it lies, and what its codes mean."""

    label: Short
    at: Pointer
    values: dict[str, Short] = {}


class Options(Strict, frozen=True, kw_only=True):
    """`options` of a profile, its line and its device, merged."""

    address: str = ""
    """How the device names itself: the serial, MAC or id at `source`."""
    path: Annotated[str, msgspec.Meta(pattern=r"^(/[!-~]{0,200})?$", description="begins with /")] = ""
    """The only path that is taken; empty: any."""
    source: Source = "/device"
    """Where the device names itself."""
    source_else: Annotated[tuple[Source, ...], msgspec.Meta(max_length=3)] = ()
    """Where it does so in messages that have nothing there; the first that is."""
    records: Annotated[str, msgspec.Meta(pattern=r"^(/[^/]{1,100}){0,8}$")] = ""
    """A JSON pointer to the record or the list of records; empty where the message is one, or is the list."""
    part: str = ""
    """The part of a form that holds the JSON or XML, by its name or its file's; by default the first that does."""
    charset: Literal["utf-8", "gb18030"] = "utf-8"
    """Of JSON, and of XML that does not say."""
    kind: Annotated[tuple[Pointer, ...], msgspec.Meta(min_length=1, max_length=5)] = ("/event",)
    """What tells records apart; several are joined by `/`."""
    alias: Annotated[dict[Short, Short], msgspec.Meta(max_length=50)] = {}
    """What is read of a kind in the place of what stands there: `forward: reverse` of a camera at the way out."""
    ignore: Kinds = ()
    """Kinds that tell nothing: a heartbeat."""
    number: Annotated[tuple[Pointer, ...], msgspec.Meta(max_length=3)] = ()
    """The running number of a record, by which what is told twice is known."""
    time: Pointer | None = None
    time_format: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = "iso"
    """`iso`, `epoch_s`, `epoch_ms`, or as of strptime."""
    timezone: str = "Asia/Shanghai"
    """For times that name no zone."""
    parts: Annotated[tuple[Pointer, ...], msgspec.Meta(max_length=3)] = ()
    """The door, lane or gate that a record concerns, the greater first: each has alarms of its own."""
    card: Pointer | None = None
    person: Pointer | None = None
    """A number of a person, told like a card."""
    plate: Pointer | None = None
    plates: How = "clear"
    """What is told of a number plate."""
    hide: Annotated[tuple[Pointer, ...], msgspec.Meta(max_length=20)] = ()
    """What never leaves the gateway: names, pictures."""
    tell: Annotated[tuple[Field, ...], msgspec.Meta(max_length=10)] = ()
    answer: Annotated[str, msgspec.Meta(max_length=800)] = STORED
    """The body of the answer to a message that is kept; `{/pointer}` is what stands there, written as JSON.

    To a message that has nothing there the usual answer is given.
    """
    body_kb: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 256
    request_s: Annotated[float, msgspec.Meta(ge=1, le=300)] = 30
    """A message that is not whole after so long is cut off."""
    auth: Literal["bearer", "basic", "digest", "header", "hmac", "none"] = "bearer"
    user: str = ""
    """Whose password the key is, with `auth: basic` or `digest`."""
    header: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,60}$")] = "X-Api-Key"
    """Where the key is (`auth: header`), or the HMAC-SHA-256 of the body in hex (`auth: hmac`)."""
    key_file: FileName | None = None
    key_env: FileName | None = None
    credential: How | None = None
    """What is told of a card: a keyed hash, its number, or nothing; by default a hash where there is a key for it."""
    credential_key_file: FileName | None = None
    credential_key_env: FileName | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the device names itself, in the order of looking."""
        return self.source, *self.source_else


class PointAt(Strict, frozen=True, kw_only=True):
    """Where a record holds a value; `values` gives the meaning of words, `kinds` the only records that have it."""

    field: Pointer
    truth: bool = False
    """Whether it is true or false; else it is a number."""
    values: dict[str, bool | str] = {}
    kinds: Kinds = ()


class Nothing(Strict, frozen=True, kw_only=True):
    """What an action would say: nothing is ever asked of a device that pushes."""


class On(Strict, frozen=True, kw_only=True):
    """What makes a signal: kinds of records that are it, or that begin and end it.

    `*` is any value of a field or none, `+` any value.
    """

    kind: Kinds = ()
    end: Kinds = ()
    message: Literal["other"] | None = None
    """Whatever no other signal names."""


def bind_options(profile: Profile, options: Mapping[str, Any]) -> Options:
    """Check the options of a device of this profile; raise `Misconfigured`."""
    return bind({**profile.options, **options}, Options, "options")


def bind_signals(profile: Profile) -> dict[str, On]:
    """Check what makes each signal; raise `Misconfigured` naming the places."""
    made = {name: bind(signal.on, On, f"signals.{name}.on") for name, signal in profile.signals.items()}
    faults = list(_faults(profile, made))
    if faults:
        raise Misconfigured("\n".join(faults))
    return made


def bind_points(profile: Profile) -> dict[str, PointAt]:
    """Check where each point lies; raise `Misconfigured`."""
    made = {name: bind(point.at, PointAt, f"points.{name}.at") for name, point in profile.points.items()}
    faults = [
        f"points.{name}.at.values: {word!r} means {meaning!r}: write {'true or false' if at.truth else 'a number'}"
        for name, at in made.items()
        for word, meaning in at.values.items()
        if isinstance(meaning, bool) != at.truth
    ]
    faults += [
        f"points.{name}.billing: a pushed value is no register to bill by"
        for name, point in profile.points.items()
        if point.billing
    ]
    if faults:
        raise Misconfigured("\n".join(faults))
    return made


def _faults(profile: Profile, signals: Mapping[str, On]) -> Iterator[str]:
    other = [name for name, on in signals.items() if on.message == "other"]
    if len(other) != 1:
        yield f"signals: needs one signal with `message: other`, has {len(other)}: no record may be lost"
    begun: dict[str, str] = {}
    for name, on in signals.items():
        place = f"signals.{name}.on"
        if (on.message is None) != bool(on.kind):
            yield f"{place}: needs `kind`, or else `message`"
        if on.end and (profile.signals[name].record or not on.kind):
            yield f"{place}.end: what is written down has no end"
        for kind in on.kind:
            if begun.setdefault(kind, name) != name:
                yield f"{place}.kind: {kind} belongs to {begun[kind]} already"
