"""Exact decimal scaling: no result is ever rounded, none has an exponent above 0, and text of it has none at all."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

# Wide enough for every register and every exponent: a result that would be rounded is a bug, and says so.
_EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation])


def scaled(number: Decimal, exp: int) -> Decimal:
    """Return `number` × 10^`exp`, exactly, for numbers of fewer than 300 digits."""
    made = number.scaleb(exp, _EXACT) if exp else number
    exponent = made.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return made.quantize(Decimal(1), context=_EXACT)
    return made


def in_digits(number: Decimal) -> str:
    """Write a number of this world in digits, as a display shows it: 0.000000000001, never 1E-12."""
    return f"{number:f}"
