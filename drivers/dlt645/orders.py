"""Commands: relay control and the broadcast of the time. Built when they are sent, so that what expires is fresh."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from drivers.api import Exchange
from drivers.dlt645.address import CONTROL_CODES, ActionAt, Options
from drivers.dlt645.frames import BROADCAST, SHORTEST, Frame, Function
from drivers.dlt645.plan import REPLY_WAKE_UP
from drivers.dlt645.reply import Reader
from drivers.dlt645.talk import Meter
from drivers.errors import Misconfigured
from drivers.secret import secret_of
from messages.text import printable

_USUAL_LEVEL: Final = "02"


@dataclass(frozen=True, slots=True)
class Write:
    """The block of a command; holds no password."""

    at: ActionAt


def check_order(at: ActionAt, options: Options) -> None:
    """Raise `Misconfigured` for an order that may not or cannot be sent."""
    if at.do == "broadcast_time":
        return
    if options.life_safety:
        raise Misconfigured("the load behind this relay is marked life_safety: no command switches it")
    password(options)


def exchange(at: ActionAt, meter: Meter) -> Exchange:
    """Return the order as it is sent now."""
    now = meter.now().astimezone(meter.options.timezone)
    if at.do == "broadcast_time":
        # Meters take it from the broadcast address only, once a day, and where they are wrong by less than 5 min.
        frame = Frame(BROADCAST, Function.BROADCAST_TIME, _bcd(now, "%S%M%H%d%m%y"), meter.options.wake_up)
        return Exchange(frame.encode(), None)
    check_order(at, meter.options)
    until = now + timedelta(seconds=at.valid_s)
    data = b"".join(
        (
            password(meter.options),
            bytes.fromhex(meter.options.operator)[::-1],
            bytes((CONTROL_CODES[at.do], 0)),
            _bcd(until, "%S%M%H%d%m%y"),
        )
    )
    reader = Reader(meter.address, Function.CONTROL, size=0, any_address=meter.options.wildcard_reply)
    return replace(meter.exchange(Function.CONTROL, data, reader, REPLY_WAKE_UP + SHORTEST), secret=True)


def password(options: Options) -> bytes:
    """Return level and password as they are sent; raise `Misconfigured`, which never quotes them."""
    named = {"password_file": options.password_file, "password_env": options.password_env}
    digits = secret_of(named, "password")
    if digits is None:
        raise Misconfigured(
            "options: relay control needs the meter's password: give password_file or password_env"
        )
    if not digits.isascii() or not digits.isdecimal() or len(digits) not in {6, 8}:
        where = options.password_env or options.password_file
        raise Misconfigured(
            f"options: {printable(where, 120)} holds no password of 6 digits, or of 8 with the level before it"
        )
    level, secret = (digits[:2], digits[2:]) if len(digits) == 8 else (_USUAL_LEVEL, digits)
    return bytes.fromhex(level) + bytes.fromhex(secret)[::-1]


def _bcd(at: datetime, form: str) -> bytes:
    return bytes.fromhex(at.strftime(form))
