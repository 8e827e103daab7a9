"""Configuration across the broker: what the server offers a gateway, and what the gateway says of it.

An offer is retained on `config`, so that a gateway which is away finds it later; the answer is retained on
`config/said`. An offer stands on `base`, the hash of the configuration that its author saw: on any other it is stale.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from messages.codec import MessageError, unusable
from messages.text import printable
from messages.types import VERSION, Id, Label, Text

MAX_YAML: Final = 256 * 1024  # characters
MAX_OFFER_BYTES: Final = 900 * 1024  # such a text in Chinese, and its escapes
MAX_SAID_BYTES: Final = 1000 * 1024
MAX_PROBLEMS: Final = 100
CHECK_VERSION: Final = (
    2  # of an offer that is only to be checked: who does not know that word must not run the text
)
SHORTEST_HEALTH_M, LONGEST_HEALTH_M = 1, 120

Hash = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]
Yaml = Annotated[str, msgspec.Meta(max_length=MAX_YAML)]


class ConfigState(StrEnum):
    """What became of the latest offer; `local` where the gateway's own site file holds and nothing was offered."""

    LOCAL = "local"
    REFUSED = "refused"
    STAGED = "staged"
    APPLIED = "applied"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"

    @property
    def settled(self) -> bool:
        """True where nothing more will happen to the offer."""
        return self not in {ConfigState.STAGED, ConfigState.APPLIED}


class ConfigOffer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Ask a gateway to run this; it goes back by itself unless it is as well as before within `health_minutes`.

    `site_yaml` holds what may change from afar (`lines`, `poll` and the like); the rest stays as it is on the box.
    """

    id: Id
    at: datetime
    by: Label
    base: Hash
    site_yaml: Yaml
    health_minutes: Annotated[int, msgspec.Meta(ge=SHORTEST_HEALTH_M, le=LONGEST_HEALTH_M)] = 5
    check_only: bool = False
    """Say what is wrong with it (`ConfigSaid.checked`) and do nothing else; never retained, and of `CHECK_VERSION`."""
    v: int = VERSION


class ConfigProblem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing to mend in an offered text."""

    text: Text
    line: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    path: Text = ""


class Checked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a gateway says of the text that it was to check under `id`: it could run it where nothing is said."""

    id: Id
    at: datetime
    why: Text = ""
    problems: Annotated[tuple[ConfigProblem, ...], msgspec.Meta(max_length=MAX_PROBLEMS)] = ()


class ConfigSaid(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a gateway runs now (`active`, `site_yaml`), and what became of the offer `id` and why."""

    state: ConfigState
    active: Hash
    at: datetime
    id: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?(?!\n)$")] = ""
    why: Text = ""
    problems: Annotated[tuple[ConfigProblem, ...], msgspec.Meta(max_length=MAX_PROBLEMS)] = ()
    site_yaml: Yaml = ""
    """The part of the active configuration that may change from afar; empty where it cannot be shown."""
    checked: Checked | None = None
    """Of the text that was checked last, if any was."""
    v: int = VERSION


_encoder = msgspec.json.Encoder()
_offers = msgspec.json.Decoder(ConfigOffer)
_said = msgspec.json.Decoder(ConfigSaid)


def encode_config(message: ConfigOffer | ConfigSaid) -> bytes:
    """Encode; raise `MessageError` for what the other side would refuse."""
    _check_version(message)
    payload = _encoder.encode(message)
    limit = MAX_OFFER_BYTES if isinstance(message, ConfigOffer) else MAX_SAID_BYTES
    if len(payload) > limit:
        raise MessageError(f"{len(payload)} bytes, and the limit is {limit}")
    return payload


def decode_offer(payload: bytes) -> ConfigOffer:
    """Decode an offer; raise `MessageError`."""
    offer: ConfigOffer = _decode(_offers, payload, MAX_OFFER_BYTES)
    return offer


def decode_config_said(payload: bytes) -> ConfigSaid:
    """Decode a gateway's answer; raise `MessageError`."""
    said: ConfigSaid = _decode(_said, payload, MAX_SAID_BYTES)
    return said


def _decode(decoder: Any, payload: bytes, limit: int) -> Any:
    if len(payload) > limit:
        raise MessageError(f"{len(payload)} bytes, and the limit is {limit}")
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise MessageError(printable(str(err))) from None
    _check_version(message)
    if why := unusable(message.at):
        raise MessageError(f"at: {why}")
    return message


def _check_version(message: Any) -> None:
    spoken = CHECK_VERSION if getattr(message, "check_only", False) else VERSION
    if message.v != spoken:
        raise MessageError(f"v: this side speaks version {spoken}, the message is version {message.v}")
