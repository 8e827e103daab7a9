"""The DC-09 driver: profiles checked, peers begun with, frames explained."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from drivers.api import PeerSession
from drivers.errors import Misconfigured
from drivers.listen_check import example_faults
from drivers.profile import Profile
from drivers.sia_dc09 import crypto, frames
from drivers.sia_dc09.codes import cid_name, sia_name
from drivers.sia_dc09.events import cid_event, sia_events
from drivers.sia_dc09.session import CID, SIA, Account, Dc09Session, account_of
from drivers.sia_dc09.settings import Nothing, Options, Signals, bind_options
from drivers.sia_dc09.vectors import check_vector
from messages.text import printable

MOST_PROFILES: Final = 64


class Dc09Driver:
    """Alarm panels that report by ANSI/SIA DC-09 to a receiver."""

    protocol = "sia-dc09"

    def __init__(self, padding: crypto.Padding = secrets.token_bytes) -> None:
        self._padding = padding
        self._made: dict[int, tuple[Profile, Signals]] = {}
        """The signals of profiles, by identity: a panel may come with a connection for each message."""

    def check(self, profile: Profile) -> None:
        """Check options, signals and captured examples of a profile; raise `Misconfigured`."""
        bind_options(profile, {})
        Signals(profile)
        if profile.points or profile.actions:
            raise Misconfigured("points, actions: a panel of DC-09 has neither: it only tells what happens")
        faults = list(example_faults(profile, lambda devices: self.session(devices, {})))
        if faults:
            raise Misconfigured("\n".join(faults))

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return the account of the panel; raise `Misconfigured`."""
        address = account_of(profile, options, self._signals(profile)).options.address
        if not address:
            raise Misconfigured("options.address: is missing: the panel's account number, as it sends it")
        return address.upper()

    def session(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> PeerSession:
        """Begin with a new peer; raise `Misconfigured`."""
        accounts: dict[str, Account] = {}
        for source, (profile, own) in devices.items():
            accounts[source] = account_of(
                profile, {**options, **own, "address": source}, self._signals(profile)
            )
        return Dc09Session(accounts, self._padding)

    def _signals(self, profile: Profile) -> Signals:
        """Return the signals of a profile, made once."""
        made = self._made.get(id(profile))
        if made is None:
            if len(self._made) >= MOST_PROFILES:
                self._made.clear()
            made = self._made[id(profile)] = profile, Signals(profile)
        return made[1]

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return Nothing, Nothing, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame; raise `FrameDamaged` for what is none."""
        framed = frames.parse(frame)
        crc = "right" if framed.crc_ok else f"wrong, right would be {frames.crc16(framed.body):04X}"
        length = "right" if framed.length_ok else f"wrong, the body has {len(framed.body)} bytes"
        message = frames.parse_body(framed.body)
        receiver = f"receiver {message.receiver}, " if message.receiver is not None else ""
        lines = [
            f"CRC {framed.crc_field.hex().upper()} {crc}, length {framed.length_field} {length}",
            f"{message.token}{' encrypted' if message.encrypted else ''}, sequence {message.sequence}",
            f"{receiver}line {message.line}, account {message.account}",
        ]
        if message.stamp:
            lines.append(f"time stamp {message.time.isoformat() if message.time else 'that is none'}")
        if not message.encrypted:
            lines += [f"data {printable(message.data)!r}"] if message.data else []
            lines += _events(message)
            lines += [f"extended data {printable(block)!r}" for block in message.extended]
        return "\n".join(lines)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


def _events(message: frames.Message) -> list[str]:
    if message.token == CID and (event := cid_event(message.data)) is not None:
        named = (
            f"{event.event} {cid_name(event.event)}, partition {event.partition}, zone or user {event.zone}"
        )
        return [f"qualifier {event.qualifier}, event {named}"]
    if message.token == SIA:
        found, strange = sia_events(message.data)
        told = [
            f"event {event.code} {sia_name(event.code)}, area {event.area or '-'}, number {event.number or '-'}"
            + (f", text {printable(event.text)!r}" if event.text else "")
            for event in found
        ]
        return told + ([f"not read: {printable(strange)!r}"] if strange else [])
    return []
