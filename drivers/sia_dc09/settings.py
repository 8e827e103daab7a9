"""Options and signals of a profile for DC-09, as types; the key of an account."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.profile import Profile, Strict
from drivers.secret import secret_of
from drivers.sia_dc09.crypto import KEY_BYTES
from messages.types import Edge

SiaCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$", description="two capital letters")]
CidCode = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9A-F][0-9A-Fx]{2}$", description="three digits, x for any")
]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class Options(Strict, frozen=True, kw_only=True):
    """`options` of a profile, its line and its device, merged."""

    address: Annotated[
        str, msgspec.Meta(pattern=r"^([0-9A-Fa-f]{1,16})?$", description="1 to 16 hex digits")
    ] = ""
    """The account number as the panel sends it, leading zeros and all."""
    key_file: FileName | None = None
    key_env: FileName | None = None
    """The account's AES key, 32, 48 or 64 hex digits."""
    plain: bool = False
    """Whether an account with a key may also speak unencrypted."""
    early_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 20
    late_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 40
    """How far the panel's time stamp may lie from our clock before the message is marked."""


class Nothing(Strict, frozen=True, kw_only=True):
    """What a point or an action would say: a panel has none."""


class On(Strict, frozen=True, kw_only=True):
    """What makes a signal: SIA codes and Contact ID events that begin it, and SIA codes that end it.

    A Contact ID event begins with qualifier 1 or 6 and ends with 3. A SIA code may end several signals: a restoral ends
    the zone's alarm and its trouble.
    """

    sia: tuple[SiaCode, ...] = ()
    sia_end: tuple[SiaCode, ...] = ()
    cid: tuple[CidCode, ...] = ()
    once: bool = False
    """It happens and does not last."""
    message: Literal["refused", "other"] | None = None
    """Unencrypted or unreadable messages of an account with a key; whatever no other signal names."""


class Signals:
    """The signals of a profile by the codes that make them."""

    def __init__(self, profile: Profile) -> None:
        self._on = {
            name: bind(signal.on, On, f"signals.{name}.on") for name, signal in profile.signals.items()
        }
        faults = list(_faults(self._on))
        if faults:
            raise Misconfigured("\n".join(faults))
        self.other = self.of_message("other") or ""
        self._sia: dict[str, list[tuple[str, Edge]]] = {}
        self._cid: list[tuple[re.Pattern[str], str, On]] = []
        for name, on in self._on.items():
            for code in on.sia:
                self._sia.setdefault(code, []).append((name, Edge.PULSE if on.once else Edge.RAISED))
            for code in on.sia_end:
                self._sia.setdefault(code, []).append((name, Edge.CLEARED))
            self._cid += [(re.compile(code.replace("x", "[0-9A-F]")), name, on) for code in on.cid]
        self._cid.sort(key=lambda known: "[" in known[0].pattern)  # a whole number comes before a pattern

    def of_sia(self, code: str) -> Sequence[tuple[str, Edge]]:
        """Return what a SIA code means, which may be the end of several signals."""
        return self._sia.get(code, [(self.other, Edge.PULSE)])

    def of_cid(self, event: str, qualifier: int) -> tuple[str, Edge]:
        """Return what a Contact ID event means."""
        for pattern, name, on in self._cid:
            if pattern.fullmatch(event):
                if on.once or qualifier not in {1, 3, 6}:
                    return name, Edge.PULSE
                return name, Edge.CLEARED if qualifier == 3 else Edge.RAISED
        return self.other, Edge.PULSE

    def of_message(self, what: str) -> str | None:
        """Return the signal for something about the messages, if the profile has one."""
        return next((name for name, on in self._on.items() if on.message == what), None)


def bind_options(profile: Profile, options: Mapping[str, Any]) -> Options:
    """Check the options of a device of this profile; raise `Misconfigured`."""
    return bind({**profile.options, **options}, Options, "options")


def key_of(options: Mapping[str, Any]) -> bytes | None:
    """Read the account's key from where the options say that it is; raise `Misconfigured`."""
    text = secret_of(options, "key")
    if text is None:
        return None
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) not in KEY_BYTES:
        raise Misconfigured("options.key_file: must hold 32, 48 or 64 hex digits and nothing else")
    return key


def _faults(signals: Mapping[str, On]) -> Iterator[str]:
    other = [name for name, on in signals.items() if on.message == "other"]
    if len(other) != 1:
        yield f"signals: needs one signal with `message: other`, has {len(other)}: no event may be lost"
    begun: dict[str, str] = {}
    for name, on in signals.items():
        place = f"signals.{name}.on"
        if (on.message is not None) == bool(on.sia or on.cid):
            yield f"{place}: needs sia or cid codes, or else `message`"
        if on.once and on.sia_end:
            yield f"{place}.sia_end: what happens once has no end"
        for code in (*on.sia, *on.cid):
            if begun.setdefault(code, name) != name:
                yield f"{place}: {code} belongs to {begun[code]} already"
    for name, on in signals.items():
        for code in on.sia_end:
            if code in begun:
                yield f"signals.{name}.on: {code} belongs to {begun[code]} already"
