"""What a driver may offer the engineer's tools beside the polling: all optional, all pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from drivers.api import Exchange
from drivers.errors import DriverError
from drivers.profile import Example, Profile


@dataclass(frozen=True, slots=True)
class Guess:
    """One way to read some raw bytes: `value` is the number after × 10^`exp`, None where there is none."""

    order: str
    type: str
    exp: int
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a captured chunk of bytes is: `check` is `ok`, `bad`, or `none` where the framing has no check value."""

    unit: int | None
    check: str
    whole: bool


@runtime_checkable
class Workshop(Protocol):
    """A driver's bench: questions that no profile names, and raw bytes seen from every side."""

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Return the cheapest question that any device of this protocol answers, be it by a refusal."""

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Return the questions by which a device may tell its maker and model, most telling first."""

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return what the answer to one of them says, by name; empty where it says nothing."""

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:
        """Return an exchange of any request, whose payload is the whole answer; raise `Misconfigured`."""

    def registers(self, table: str, address: int, count: int) -> Profile:
        """Return a profile of bare registers; raise `Misconfigured` for what cannot be asked."""

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:
        """Return the raw bytes of one point, or of registers in a row, read in every order and type that fits."""

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:
        """Return each way to read the bytes that shows `display`, to its last digit, the simplest first."""

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes: whose they are, whether their check value is right, whether they are whole."""

    def example(
        self, profile: Profile, request: bytes, reply: bytes, change: Callable[[str, bytes], bytes]
    ) -> Example | None:
        """Return a captured question and its answer as an example of a profile, with nothing of the site left in it.

        Unit and network ids are taken out, and what no point of the profile covers is blanked. `change` may put other
        bytes, as many, in the place of a point's. None where these are not one sound read of points of the profile.
        """


class AddressSearch(Protocol):
    """A search for devices by addresses of their own, question by question; pure."""

    def exchange(self) -> Exchange | None:
        """Return the next question, the same until it is answered or has failed; None when all is looked at."""

    def answered(self, payload: bytes) -> str:
        """Note the answer to the last question; return the address that it found, empty for none."""

    def failed(self, error: DriverError) -> None:
        """Note that the last question brought no answer that can be read."""


@runtime_checkable
class Elsewhere(Protocol):
    """A bench whose devices answer to other units than those that are asked as a matter of course."""

    all_units: str
    """For people: which units to ask, and how long to wait, so that nobody is missed."""


@runtime_checkable
class Searching(Protocol):
    """A bench that can search: a scan that asks for the unit `search_unit` begins it."""

    search_unit: int

    def search(self) -> AddressSearch:
        """Begin a search of a line."""
