"""The OSDP driver: profiles and addresses to talks with a reader, what it says to values and signals."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.api import CommandPlan, DeviceDriver, Exchange, Happening, Known, Reading, Timing, Transaction
from drivers.binding import bind
from drivers.credential import agreed
from drivers.errors import Misconfigured
from drivers.osdp.address import (
    MAX_ADDRESS,
    ActionAt,
    Options,
    PointAt,
    bind_action,
    bind_point,
    bind_signal,
)
from drivers.osdp.check import check_profile
from drivers.osdp.codes import Command
from drivers.osdp.credentials import Telling
from drivers.osdp.orders import order
from drivers.osdp.secure import KEY_BYTES
from drivers.osdp.session import Security, Session
from drivers.osdp.talk import Ask, Talk, said
from drivers.osdp.values import UNREADABLE, Teller, reading
from drivers.osdp.vectors import check_vector, explain
from drivers.osdp.workshop import OsdpWorkshop
from drivers.profile import Profile
from drivers.secret import secret_of
from messages.text import printable
from messages.types import Value

_TIMING, _NOTHING = Timing(), Known()
_PLAIN_FRAME: Final = 8
_SEALED_FRAME: Final = 14
_SEALED_DATA: Final = 30


@dataclass(frozen=True, slots=True)
class Query:
    """The block of a transaction: the command whose reply holds its points; `POLL` fetches what has happened."""

    command: Command


@dataclass(frozen=True, slots=True)
class Write:
    """The block of a command: what is ordered."""

    ask: Ask


class OsdpDriver:
    """OSDP v2 from the control panel's side.

    `random` makes the challenges of secure channels; `monotonic` tells when a reader has forgotten its panel.
    """

    protocol = "osdp"

    def __init__(
        self,
        random: Callable[[int], bytes] = secrets.token_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._random, self._monotonic = random, monotonic
        self.workshop = OsdpWorkshop()
        """For the engineer's tools."""

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the places."""
        check_profile(profile)

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> "OsdpDevice":
        """Bind a profile to a device; raise `Misconfigured`. `options` are the line's and device's, merged."""
        merged = {**profile.options, **options}
        settings = bind(merged, Options, "options")
        security = _security(merged, settings)
        if security.default_key and not _alarmed(profile):
            needs = "an event on a point at: {session: default_key}"
            raise Misconfigured(f"options.default_key: {profile.profile} has no alarm for it: {needs}")
        session = Session(
            _address(unit, settings),
            security,
            random=self._random,
            monotonic=self._monotonic,
            crc=settings.check == "crc",
            mark=settings.mark,
        )
        return OsdpDevice(profile, session, _telling(merged, settings))

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:
        """Return None where our codec agrees with one line of a vector file, else the disagreement."""
        del maps
        return check_vector(row)


def _address(unit: int | None, settings: Options) -> int:
    given = unit if settings.address is None else int(settings.address)
    if given is None:
        raise Misconfigured(f"options.address: give the reader's address, 0 to {MAX_ADDRESS}")
    if unit is not None and given != unit:
        raise Misconfigured(f"options.address: is {given}, and the unit is {unit}: give one of them")
    if not 0 <= given <= MAX_ADDRESS:
        raise Misconfigured(f"options.address: is {given}, and OSDP has 0 to {MAX_ADDRESS}")
    return given


def _alarmed(profile: Profile) -> bool:
    """Say whether the use of the default key is an alarm of this profile."""
    points = {name for name, point in profile.points.items() if point.at.get("session") == "default_key"}
    return any(event.when.point in points and event.when.is_ for event in profile.events.values())


def _security(options: Mapping[str, Any], settings: Options) -> Security:
    text = secret_of(options, "key")
    key = None if text is None else _key(text, "key")
    required = key is not None if settings.sc_required is None else settings.sc_required
    if required and key is None and not settings.default_key:
        raise Misconfigured(
            "options.sc_required: a secure channel needs the reader's key: give key_file or key_env"
        )
    return Security(key, settings.default_key, required)


def _key(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Misconfigured(f"options.{name}_file: must hold {2 * KEY_BYTES} hex digits and nothing else")
    return key


def _telling(options: Mapping[str, Any], settings: Options) -> Telling:
    return Telling(*agreed(options, settings.credential))


class OsdpDevice(DeviceDriver):
    """One reader and the session with it.

    Only who asks for `happenings` makes it poll: a tool that reads points beside the gateway fetches no card away.
    """

    def __init__(self, profile: Profile, session: Session, telling: Telling) -> None:
        self._profile, self._session = profile, session
        self._points = {
            name: bind_point(point.at, f"points.{name}.at") for name, point in profile.points.items()
        }
        signals = {name: bind_signal(made.on, f"signals.{name}.on") for name, made in profile.signals.items()}
        self._teller = Teller(signals, telling)
        self._actions = {
            name: bind_action(made.at, f"actions.{name}.at") for name, made in profile.actions.items()
        }
        self._listened = False

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _TIMING,
        known: Known = _NOTHING,
        longest: float | None = None,
    ) -> Sequence[Transaction]:
        """Put points into one transaction for each command that is needed; every point in exactly one."""
        del timing, known, longest
        wanted: dict[Command, list[str]] = {}
        for name in points:
            at = self._points.get(name)
            if at is None:
                raise Misconfigured(f"{self._profile.profile} has no point {printable(name, 60)!r}")
            wanted.setdefault(at.command, []).append(name)
        return [self._transaction(command, tuple(names)) for command, names in wanted.items()]

    def _transaction(self, command: Command, names: tuple[str, ...]) -> Transaction:
        security = self._session.security
        sealed = security.key is not None or security.default_key
        asked = (_SEALED_FRAME if sealed else _PLAIN_FRAME) + 1
        brings_data = command is not Command.POLL
        answered = (_SEALED_DATA if sealed else 2 * _PLAIN_FRAME) if brings_data else asked
        return Transaction(names, Query(command), f"{command:02X} {command.name}", asked, answered)

    def exchange(self, transaction: Transaction) -> Exchange:
        """Begin a talk with the reader: what is owed first, then what is asked for."""
        block = transaction.block
        if isinstance(block, Write):
            return Talk(self._session, [block.ask]).begin()
        if block.command is Command.POLL and self._listened:
            return Talk(self._session, polls=True).begin()
        return Talk(self._session, [_ask(block.command)]).begin()

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode what a talk has brought; a point that cannot be a value gets None and a quality."""
        if isinstance(transaction.block, Write):
            return {}
        found = said(reply)
        if found is None:
            return dict.fromkeys(transaction.points, UNREADABLE)
        return {name: reading(self._points[name], found) for name in transaction.points}

    def happenings(self, transaction: Transaction, reply: bytes) -> Sequence[Happening]:
        """Return the cards and keys that a talk has brought, each once; from the first call on, polls fetch them."""
        self._listened = True
        found = None if isinstance(transaction.block, Write) else said(reply)
        return () if found is None else tuple(self._teller.happenings(found))

    def split(self, transaction: Transaction) -> Sequence[Transaction]:
        """Return nothing: one command is the least that can be asked."""
        del transaction
        return ()

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:
        """Plan a command of the profile; raise `Misconfigured` for one that the profile does not offer."""
        at = self._actions.get(action)
        if at is None:
            offered = ", ".join(self._actions) or "none"
            raise Misconfigured(
                f"{self._profile.profile} offers no command {printable(action, 60)!r}; it offers {offered}"
            )
        ask = order(at, args, self._session.security.key)
        write = Transaction((), Write(ask), f"{ask.code:02X} {Command(ask.code).name}")
        back = self._profile.actions[action].read_back
        if back is None:
            return CommandPlan(write, None)
        value: Value = back.is_ if back.is_ is not None else back.equals
        asked = self._points[back.point].command
        # Read back by what fetches nothing: the poller does not look for cards in the answer to an order.
        read = self._transaction(Command.ID if asked is Command.POLL else asked, (back.point,))
        return CommandPlan(write, read, {back.point: value})


def _ask(command: Command) -> Ask:
    """Return a query; who may not poll, because it would fetch what is another's, asks who the reader is."""
    if command is Command.POLL:
        return Ask(Command.ID, b"\0")
    return Ask(command, b"\0" if command in {Command.ID, Command.CAP} else b"")
