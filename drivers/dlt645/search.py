"""Who is on this line? Addresses found by wildcard, digit pair by digit pair, from the low end; pure.

AA in an address stands for any two digits, the high ones first. Silence rules all that fit out; one sound answer
names a meter; garbage means several, and each of the hundred next digit pairs is tried. A strong driver may outshout a
weak one, so that `thorough` looks behind a sound answer too.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from drivers.api import Exchange
from drivers.dlt645.frames import SHORTEST, WILDCARD, Frame, Function, frames_in, wire_address
from drivers.dlt645.plan import REPLY_WAKE_UP
from drivers.dlt645.reply import Reader
from drivers.errors import FrameDamaged

PAIRS = 6
_DI = {2007: bytes.fromhex("00000100"), 1997: bytes.fromhex("1090")}


@dataclass(frozen=True, slots=True)
class Heard:
    """What came after one question: silence, garbage, or the address of a meter."""

    kind: Literal["silence", "garbage", "meter"]
    address: str = ""


SILENCE, GARBAGE = Heard("silence"), Heard("garbage")


def search(*, thorough: bool = False) -> Generator[str, Heard, tuple[str, ...]]:
    """Yield the address to ask next, take what was heard, and return all addresses that were found."""
    found: dict[str, None] = {}
    todo = [""]  # known digits, the low ones; all higher ones are wildcards
    while todo:
        known = todo.pop()
        heard = yield WILDCARD[: 2 * PAIRS - len(known)] + known
        if heard.kind == "meter" and heard.address.endswith(known):
            found[heard.address] = None
        deeper = heard.kind == "garbage" or (thorough and heard.kind == "meter")
        if deeper and len(known) < 2 * PAIRS:
            todo += [f"{pair:02d}{known}" for pair in range(99, -1, -1)]
    return tuple(found)


def question(address: str, edition: int, wake_up: int = 4) -> Exchange:
    """Return the exchange that asks whoever an address fits: a read of the total, which no meter lacks."""
    function = Function.READ if edition == 2007 else Function.READ_1997
    frame = Frame(address, function, _DI[edition], wake_up)
    reader = Reader(address, function, any_address=True)
    key = wire_address(address) + bytes((function,))
    return Exchange(frame.encode(), reader, REPLY_WAKE_UP + SHORTEST + len(_DI[edition]) + 4, key=key)


def heard(raw: bytes) -> Heard:
    """Judge what a line said after a question: a refusal names its meter as well as an answer does."""
    frames = [frame for frame in frames_in(raw) if frame.from_meter]
    if len(frames) == 1 and frames[0].address.isdecimal():
        return Heard("meter", frames[0].address)
    return GARBAGE if raw.strip(b"\xfe\x00\xff") or frames else SILENCE


def address_of(raw: bytes) -> str:
    """Return the address that the answer to a read of the address (13H) tells; raise `FrameDamaged`."""
    for frame in frames_in(raw):
        if (
            frame.from_meter
            and not frame.abnormal
            and frame.function == Function.READ_ADDRESS
            and len(frame.data) == 6
        ):
            return frame.data[::-1].hex().upper()
    raise FrameDamaged("no answer to a read of the address")
